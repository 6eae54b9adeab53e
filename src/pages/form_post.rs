//! The page that posts an authorization response to the client (OAuth 2.0 Form Post Response Mode).

use askama::Template;
use std::sync::LazyLock;

use crate::http::Response;
use crate::pages::{Brand, Exact, Forms, Policy, Texts, csp_hash, respond};

/// Submits the form. It calls the prototype's `submit`, because a parameter named `submit` hides the form's own.
pub(super) const SCRIPT: &str = include_str!("../../templates/form_post.js");

static SCRIPT_HASH: LazyLock<String> = LazyLock::new(|| csp_hash(SCRIPT));

/// The page that posts an authorization response to the client at once. Without scripts, the user presses a button.
#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The redirect URI, which the form is posted to.
    pub redirect_uri: &'a str,
    /// The parameters of the response, in order.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl FormPost<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Client(self.redirect_uri),
            script_hash: Some(&SCRIPT_HASH),
            ..Policy::of(self.brand)
        };
        // Some clients check the Origin header at their redirect URI. Under `same-origin`, it would be `null`.
        respond(self, self.texts, 200, &policy).with("referrer-policy", "origin")
    }
}
