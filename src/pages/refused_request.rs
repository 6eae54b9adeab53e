//! The page for an error in the request of a client that nobody vouches for.

use askama::Template;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::{Brand, Exact, Forms, Incident, Policy, Texts, respond_privately};

/// The page for an error that is sent to the client only if the user wants that. It names the host of the redirect URI,
/// and nothing that the client says about itself.
#[derive(Template)]
#[template(path = "refused_request.html")]
pub struct RefusedRequest<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The HTTP status of the page.
    pub status: u16,
    pub incident: Incident<'a>,
    /// The redirect URI, which the user may go to.
    pub redirect_uri: &'a str,
    /// The error response, for the client.
    pub response: Carrier<'a>,
}

/// The way in which a page carries an authorization response to the client, when the user clicks.
#[derive(Debug)]
pub enum Carrier<'a> {
    /// A form with these parameters, which is posted to the redirect URI.
    Form(&'a [(&'a str, &'a str)]),
    /// A link to this URL.
    Link(String),
}

impl RefusedRequest<'_> {
    /// Renders the page as a response. Its policy for referrers sends the client neither the URL of the request nor the
    /// provider's `Origin`, which may count as the provider's word.
    pub fn response(&self) -> Response {
        let forms = match self.response {
            Carrier::Form(_) => Forms::Client(self.redirect_uri),
            Carrier::Link(_) => Forms::None,
        };
        let policy = Policy { forms, ..Policy::of(self.brand) };
        respond_privately(self, self.texts, self.status, &policy)
    }

    fn advice(&self) -> &'static str {
        if self.status < 500 { self.texts.tell_application } else { self.texts.try_later }
    }

    /// The label of the link or the button.
    fn label(&self) -> String {
        match Destination::new(self.redirect_uri) {
            Destination::Web(host) => self.texts.go_to.with(&host),
            Destination::OtherDevice | Destination::ThisDevice | Destination::Unknown => {
                self.texts.back_to_application.to_owned()
            }
        }
    }
}
