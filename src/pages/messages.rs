//! The pages that only show a message.

use askama::Template;

use crate::error::Advice;
use crate::http::Response;
use crate::pages::{Brand, Incident, Policy, Texts, respond_privately};

/// The page for an error that cannot be sent to the client.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The HTTP status of the response.
    pub status: u16,
    pub incident: Incident<'a>,
    /// The recommended next step.
    pub advice: Advice,
    /// The URL of the same request, if it can be repeated.
    pub again_url: Option<&'a str>,
    /// The URL of a page from which the user can go on.
    pub home_url: Option<&'a str>,
}

impl ErrorPage<'_> {
    fn heading(&self) -> &'static str {
        match self.advice {
            Advice::CheckAddress => self.texts.not_found,
            _ => self.texts.error,
        }
    }

    fn has_ways_on(&self) -> bool {
        self.again_url.or(self.home_url).is_some()
    }

    fn advice(&self) -> &'static str {
        match self.advice {
            Advice::CheckAddress => self.texts.check_address,
            Advice::SetUp => self.texts.not_set_up,
            Advice::StartAgain => self.texts.start_again,
            Advice::TryLater => self.texts.try_later,
            Advice::TellApplication => self.texts.tell_application,
        }
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, self.status, &Policy::of(self.brand))
    }
}
