//! The pages that only tell a person something.

use askama::Template;

use crate::error::Advice;
use crate::http::Response;
use crate::pages::{Policy, Texts, respond_privately};

/// The page behind signing out.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    /// The language.
    pub texts: &'static Texts,
}

impl SignedOut {
    /// The response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, 200, &Policy::default())
    }
}

/// The page for a person whose request cannot be served, where the client cannot be told.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// The status of the response.
    pub status: u16,
    /// The error code.
    pub code: &'a str,
    /// What was wrong, in English.
    pub description: &'a str,
    /// What the person can do.
    pub advice: Advice,
}

impl ErrorPage<'_> {
    fn advice(&self) -> &'static str {
        match self.advice {
            Advice::StartAgain => self.texts.start_again,
            Advice::TryLater => self.texts.try_later,
            Advice::TellApplication => self.texts.tell_application,
        }
    }

    /// The response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, self.status, &Policy::default())
    }
}
