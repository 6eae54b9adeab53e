//! The pages of logout: the question, and the page afterwards.

use askama::Template;
use std::sync::LazyLock;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::{
    Brand, Client, Exact, Forms, Incident, Policy, Texts, csp_hash, respond_privately,
};
use crate::protocol::same_uri::origin;

/// Leaves the page when a frame does not load. It reads the link, because the script must not change.
pub(super) const SCRIPT: &str = include_str!("../../templates/signed_out.js");

static SCRIPT_HASH: LazyLock<String> = LazyLock::new(|| csp_hash(SCRIPT));

/// The page that asks whether the user wants to sign out. Its form posts `request` and `token`.
#[derive(Clone, Template)]
#[template(path = "sign_out.html")]
pub struct SignOut<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// What is wrong with the application's request. The user can sign out in spite of it.
    pub refused: Option<Refusal<'a>>,
    /// The label of the account that is signed in.
    pub account: &'a str,
    /// The applications that were used in the session.
    pub applications: &'a [Client<'a>],
    /// The URI that the browser goes to afterwards, if the application has sent one.
    pub post_logout_redirect_uri: Option<&'a str>,
    /// The URL that the form is posted to.
    pub action: &'a str,
    pub account_url: &'a str,
    /// The logout request, which the form posts back.
    pub request: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
}

/// An error in a logout request.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    /// The HTTP status of the page.
    pub status: u16,
    pub incident: Incident<'a>,
}

impl SignOut<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let forms = self.post_logout_redirect_uri.map_or(Forms::Here, Forms::Through);
        let policy = Policy { forms, ..Policy::of(self.brand) };
        let status = self.refused.as_ref().map_or(200, |refused| refused.status);
        respond_privately(self, self.texts, status, &policy)
    }
}

/// The page after signing out.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The applications that were used in the session, as far as they are known.
    pub applications: &'a [Client<'a>],
    pub account_url: &'a str,
    /// The URLs that hidden frames load (Front-Channel Logout section 2). None is on the host of this provider.
    pub frames: &'a [String],
    pub onward: Option<Onward<'a>>,
}

/// The way on to the application that sent the user here.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// The post-logout redirect URI, with `state`.
    pub url: &'a str,
    /// Whether the browser goes there by itself. Otherwise the user decides, because nobody vouches for the application.
    pub is_automatic: bool,
}

impl SignedOut<'_> {
    /// Renders the page as a response. The browser begins to wait for the time in `Refresh` when all frames have loaded.
    /// That needs no script; the script leaves when a frame takes too long.
    pub fn response(&self) -> Response {
        let frames: Vec<_> = self.frames.iter().filter_map(|url| origin(url)).collect();
        let leaves = self.onward.filter(|onward| onward.is_automatic);
        let policy = Policy {
            frames: &frames,
            script_hash: leaves.map(|_| SCRIPT_HASH.as_str()),
            ..Policy::of(self.brand)
        };
        let response = respond_privately(self, self.texts, 200, &policy);
        match leaves {
            Some(Onward { url, .. }) => response.with("refresh", format!("1;url={url}")),
            None => response,
        }
    }

    /// The label of the link to the application.
    fn label(&self, onward: &Onward<'_>) -> String {
        match Destination::new(onward.url) {
            Destination::Web(host) if !onward.is_automatic => self.texts.go_to.with(&host),
            _ => self.texts.back_to_application.to_owned(),
        }
    }
}
