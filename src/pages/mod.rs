//! The pages for users. Each page is a struct with a `response` and a template in `templates/`. The pages are HTML
//! forms that need no script, except the one that posts to the client.

mod account;
mod brand;
mod client;
mod consent;
mod date;
mod destination;
mod device;
mod form_post;
mod home;
mod icon;
mod incident;
mod key_timeline;
mod leaving;
mod messages;
mod refused_request;
mod requested_access;
mod sign_in;
mod sign_out;
mod texts;

pub use account::{
    ALL_OTHERS, Account, AccountActions, AccountNotice, Application, PASSWORD_FORM, PasswordNotice,
    SignedIn,
};
pub use brand::Brand;
pub use client::{Client, Verification};
pub use consent::{Consent, ConsentNotice};
pub use device::{CodeNotice, Device, DeviceDecided, DeviceForm};
pub use form_post::FormPost;
pub use home::Home;
pub use icon::Icon;
pub use incident::Incident;
pub use key_timeline::{KeyTimeline, PublishedKey};
pub use leaving::Leaving;
pub use messages::ErrorPage;
pub use refused_request::{Carrier, RefusedRequest};
pub use requested_access::ConfiguredScopes;
pub use sign_in::{ChooseAccount, Login, Notice};
pub use sign_out::{Onward, Refusal, SignOut, SignedOut};
pub use texts::{Texts, ui_locales_supported};

use askama::Template;
use askama::filters::{Html, HtmlSafe, escape};
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::LazyLock;

use crate::http::Response;
use crate::pages::destination::Destination;

/// The stylesheet, which every page contains.
const STYLE: &str = include_str!("../../templates/style.css");

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| csp_hash(STYLE));

/// The permissions of a page, for its Content-Security-Policy.
#[derive(Default)]
struct Policy<'a> {
    brand: Brand<'a>,
    forms: Forms<'a>,
    /// The origins that frames may load.
    frames: &'a [String],
    has_logo: bool,
    script_hash: Option<&'a str>,
}

/// The targets of a page's forms. Chromium applies `form-action` to every redirect behind a form, too.
#[derive(Default)]
enum Forms<'a> {
    /// The page has no forms.
    #[default]
    None,
    /// This provider only.
    Here,
    /// This provider, whose response reaches the client at this URI by [`Leaving`], or by a redirect.
    Through(&'a str),
    /// The client at this URI, which may redirect to an address that the provider cannot know. So the policy allows the
    /// scheme rather than the origin.
    Client(&'a str),
}

impl<'a> Policy<'a> {
    /// The policy of a page without forms, logo and script.
    fn of(brand: Brand<'a>) -> Self {
        Self { brand, ..Self::default() }
    }

    fn header(&self) -> String {
        let form_action = match self.forms {
            Forms::None => "form-action 'none'".into(),
            Forms::Here => "form-action 'self'".into(),
            Forms::Through(uri) if Leaving::is_for(uri) => "form-action 'self'".into(),
            Forms::Through(uri) | Forms::Client(uri) => match Destination::scheme(uri) {
                Some(scheme) => format!("form-action 'self' {scheme}:"),
                None => "form-action 'self'".into(),
            },
        };
        let style_src = match self.brand.theme() {
            Some(theme) => format!("style-src '{}' '{}'", *STYLE_HASH, theme.csp_hash),
            None => format!("style-src '{}'", *STYLE_HASH),
        };
        // 'self' is the icon of the provider; a copy of a client's logo is a data: URL.
        let img_src = match (self.has_logo, self.brand.known) {
            (true, Some(_)) => "img-src data: 'self'",
            (false, Some(_)) => "img-src 'self'",
            (true, None) => "img-src data:",
            (false, None) => "img-src 'none'",
        };
        let mut directives = vec![
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".into(),
            style_src,
            img_src.into(),
            form_action,
        ];
        if !self.frames.is_empty() {
            directives.push(format!("frame-src {}", self.frames.join(" ")));
        }
        if let Some(hash) = self.script_hash {
            directives.push(format!("script-src '{hash}'"));
        }
        directives.join("; ")
    }
}

/// Renders a page as a response. It needs no `Vary`, because no cache stores it. It has no
/// `Cross-Origin-Opener-Policy`, because a client that opened a popup needs to see that it was closed.
fn respond(page: &impl Template, texts: &Texts, status: u16, policy: &Policy<'_>) -> Response {
    // Rendering into a String does not fail, because `Display` of the values does not.
    let Ok(body) = page.render() else { return Response::empty(500) };
    Response::text(status, "text/html; charset=utf-8", body)
        .with("cache-control", "no-store")
        .with("content-language", texts.tag)
        .with("content-security-policy", policy.header())
        // For browsers without `frame-ancestors`.
        .with("x-frame-options", "DENY")
}

/// Renders a page whose URL other sites must not learn. The policy is not `no-referrer`, because browsers would then
/// send the provider's own forms with `Origin: null`.
fn respond_privately(
    page: &impl Template,
    texts: &Texts,
    status: u16,
    policy: &Policy<'_>,
) -> Response {
    respond(page, texts, status, policy).with("referrer-policy", "same-origin")
}

/// Returns the source expression that allows an inline element (CSP Level 3 section 2.3.1).
fn csp_hash(text: &str) -> String {
    format!("sha256-{}", Base64::encode_string(&Sha256::digest(text)))
}

/// An attribute value that the form posts back unchanged. CR and LF are escaped, because HTML parsers would replace CR
/// LF by LF.
struct Exact<'a>(&'a str);

impl fmt::Display for Exact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(['\r', '\n']) {
            let text = piece.trim_end_matches(['\r', '\n']);
            escape(text, Html).map_err(|_| fmt::Error)?.fmt(f)?;
            match piece.strip_prefix(text) {
                Some("\r") => f.write_str("&#13;")?,
                Some("\n") => f.write_str("&#10;")?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Exact<'_> {}
