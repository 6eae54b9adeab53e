//! The pages that only tell a person something.

use askama::Template;

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

/// What a person can do about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Advice {
    /// Go back to the application and start again.
    StartAgain,
    /// Try again in a while.
    TryLater,
    /// Tell those who run the application, whose fault it is.
    TellApplication,
}

impl ErrorPage<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, self.status, &Policy::default())
    }
}

impl Advice {
    fn words(self, texts: &Texts) -> &'static str {
        match self {
            Self::StartAgain => texts.start_again,
            Self::TryLater => texts.try_later,
            Self::TellApplication => texts.tell_application,
        }
    }
}
