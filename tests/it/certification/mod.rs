//! The OpenID Foundation's conformance suite: one test for each module of its plans, by the module's name. A
//! result that is a warning in the suite fails here.
//!
//! The plans "Basic" and "Form Post Basic" run the same modules; only the response mode differs.

pub mod checks;
pub use checks::verified;
mod config;
mod dynamic;
mod errors;
mod logout;
mod pages;
mod sessions;
mod success;
mod suite;
mod tokens;

/// Generates the tests of both plans from one list.
macro_rules! plans {
    ($($file:ident: $($module:ident)*;)*) => {
        mod basic {
            use super::suite::{Mode, Suite};
            $($(#[test] fn $module() { super::$file::$module(&Suite::new(Mode::Query)); })*)*
        }

        mod form_post {
            use super::suite::{Mode, Suite};
            $($(#[test] fn $module() { super::$file::$module(&Suite::new(Mode::FormPost)); })*)*
        }

        const MODULES: &[&str] = &[$($(stringify!($module),)*)*];
    };
}

plans! {
    success:
        oidcc_server
        oidcc_idtoken_signature
        oidcc_idtoken_unsigned
        oidcc_ensure_request_without_nonce_succeeds_for_code_flow
        oidcc_scope_profile
        oidcc_scope_email
        oidcc_scope_address
        oidcc_scope_phone
        oidcc_scope_all
        oidcc_alternate_happy_flow
        oidcc_ensure_request_with_unknown_parameter_succeeds
        oidcc_claims_locales
        oidcc_claims_essential
        oidcc_ensure_request_with_acr_values_succeeds
        oidcc_ensure_post_request_succeeds
        oidcc_ensure_request_with_valid_pkce_succeeds;
    pages:
        oidcc_display_page
        oidcc_display_popup
        oidcc_login_hint
        oidcc_ui_locales
        oidcc_ensure_registered_redirect_uri
        oidcc_ensure_request_object_with_redirect_uri;
    sessions:
        oidcc_prompt_login
        oidcc_prompt_none_not_logged_in
        oidcc_prompt_none_logged_in
        oidcc_id_token_hint
        oidcc_max_age_1
        oidcc_max_age_10000;
    tokens:
        oidcc_userinfo_get
        oidcc_userinfo_post_header
        oidcc_userinfo_post_body
        oidcc_codereuse
        oidcc_codereuse_30seconds
        oidcc_server_client_secret_post
        oidcc_refresh_token;
    errors:
        oidcc_response_type_missing
        oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported
        oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported;
}

#[test]
fn no_module_of_the_basic_plan_is_missing() {
    let mut modules = MODULES.to_vec();
    modules.sort_unstable();
    modules.dedup();
    assert_eq!(modules.len(), 38, "the count of the plan with dynamic registration");
}
