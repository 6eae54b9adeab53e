//! The pages a person sees. A view is plain data with a `response`; its template is in `templates/`.
//! They are HTML forms that need no script, but for the one that posts to the application.

mod client;
mod destination;
mod form_post;
mod grants;
mod messages;
mod requested_access;
mod sign_in;
mod texts;

pub use client::Client;
pub use form_post::FormPost;
pub use grants::{Account, Application, Consent};
pub use messages::{ErrorPage, SignedOut};
pub use sign_in::{ChooseAccount, Login, Notice};
pub use texts::{Texts, ui_locales_supported};

use askama::Template;
use askama::filters::{Html, HtmlSafe, escape};
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::LazyLock;

use crate::http::Response;
use crate::pages::destination::Destination;

/// The one stylesheet, which every page carries.
const STYLE: &str = include_str!("../../templates/style.css");

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| csp_hash(STYLE));

/// What a page may do, for its Content-Security-Policy.
#[derive(Default)]
struct Policy<'a> {
    forms: Forms<'a>,
    has_logo: bool,
    script_hash: Option<&'a str>,
}

/// Where the forms of a page lead.
#[derive(Default)]
enum Forms<'a> {
    /// It has none.
    #[default]
    None,
    /// To this provider, and not beyond.
    Here,
    /// To this provider, and on to the client at this URI.
    Through(&'a str),
}

impl Policy<'_> {
    fn header(&self) -> String {
        let form_action = match self.forms {
            Forms::None => "form-action 'none'".into(),
            Forms::Here => "form-action 'self'".into(),
            // `form-action` also governs the redirects behind a form: Chromium checks every hop. The
            // client's callback usually redirects onward, to an address that nobody can know here, so
            // the scheme is allowed rather than the origin.
            Forms::Through(uri) => match Destination::scheme(uri) {
                Some(scheme) => format!("form-action 'self' {scheme}:"),
                None => "form-action 'self'".into(),
            },
        };
        let mut directives = vec![
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".into(),
            format!("style-src '{}'", *STYLE_HASH),
            form_action,
        ];
        if self.has_logo {
            directives.push("img-src data:".into());
        }
        if let Some(hash) = self.script_hash {
            directives.push(format!("script-src '{hash}'"));
        }
        directives.join("; ")
    }
}

/// A page as a response. It has no `Vary`: what no cache may store, none has to tell apart. It has no
/// `Cross-Origin-Opener-Policy` on purpose: a client that opened a popup reads whether it was closed.
fn respond(page: &impl Template, texts: &Texts, status: u16, policy: &Policy<'_>) -> Response {
    // Writing to a String does not fail, and no value of ours fails to be displayed.
    let Ok(body) = page.render() else { return Response::empty(500) };
    Response::text(status, "text/html; charset=utf-8", body)
        .with("cache-control", "no-store")
        .with("content-language", texts.tag)
        .with("content-security-policy", policy.header())
        // For browsers that do not know `frame-ancestors`.
        .with("x-frame-options", "DENY")
}

/// A page of which nobody else learns the address: but our own forms come with their Origin, which
/// `no-referrer` would make `null`.
fn respond_privately(
    page: &impl Template,
    texts: &Texts,
    status: u16,
    policy: &Policy<'_>,
) -> Response {
    respond(page, texts, status, policy).with("referrer-policy", "same-origin")
}

/// The source expression that allows an inline element (CSP Level 3 section 2.3.1).
fn csp_hash(text: &str) -> String {
    format!("sha256-{}", Base64::encode_string(&Sha256::digest(text)))
}

/// A text in an attribute that comes back as it was. The HTML parser would read CR LF as LF.
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
