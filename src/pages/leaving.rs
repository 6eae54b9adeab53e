//! The page by which the browser leaves for the client after a form.

use askama::Template;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::{Brand, Policy, Texts, respond};

/// The page that answers a form whose response is an authorization response. It leaves at once, by a navigation of its
/// own: Chromium would apply the form's `form-action` to a redirect, and to every redirect of the client behind it, for
/// example to a desktop application's scheme.
///
/// The page remains if the browser does not leave, and if a callback opens an application on the device. It shows a link
/// for as long as a code is valid ([`CODE_SECONDS`](crate::lifetimes::CODE_SECONDS), in the stylesheet): a code that is
/// sent again later would revoke its grant.
#[derive(Template)]
#[template(path = "leaving.html")]
pub struct Leaving<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The URL of the authorization response.
    pub url: &'a str,
}

impl Leaving<'_> {
    /// Returns whether the browser leaves for a redirect URI by this page. An application with a private-use scheme gets
    /// a redirect: it cannot redirect on, and browsers of mobile devices start an application only if a user's action
    /// leads to it.
    pub fn is_for(redirect_uri: &str) -> bool {
        redirect_uri.starts_with("https:") || redirect_uri.starts_with("http:")
    }

    /// Renders the page as a response. The header `Refresh` needs no script, and replaces the page in the history.
    pub fn response(&self) -> Response {
        respond(self, self.texts, 200, &Policy::of(self.brand))
            .with("referrer-policy", "no-referrer")
            .with("refresh", format!("0;url={}", self.url))
    }
}

#[cfg(test)]
mod tests {
    use crate::lifetimes::CODE_SECONDS;
    use crate::pages::STYLE;

    #[test]
    fn the_link_is_hidden_when_its_code_has_expired() {
        for name in ["fresh", "expired"] {
            assert!(STYLE.contains(&format!("animation: {name} {CODE_SECONDS}s step-end")));
        }
    }
}
