//! The page that posts an authorization response to the client (OAuth 2.0 Form Post Response Mode).

use askama::Template;
use std::sync::LazyLock;

use crate::http::Response;
use crate::pages::{Exact, Forms, Policy, Texts, csp_hash, respond};

/// Posts the form. By the prototype, because a parameter named `submit` would hide the form's own.
pub(super) const SCRIPT: &str = include_str!("../../templates/form_post.js");

static SCRIPT_HASH: LazyLock<String> = LazyLock::new(|| csp_hash(SCRIPT));

/// The page that posts an authorization response to the client at once; where there are no scripts, a
/// button does.
#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// Where to.
    pub redirect_uri: &'a str,
    /// The parameters of the response, in their order.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl FormPost<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Through(self.redirect_uri),
            has_logo: false,
            script_hash: Some(&SCRIPT_HASH),
        };
        // Clients that guard their endpoints by the Origin header can then allow this provider's:
        // under `same-origin` it would be `null`.
        respond(self, self.texts, 200, &policy).with("referrer-policy", "origin")
    }
}
