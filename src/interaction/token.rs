//! Tickets: what a form or a link carries, so that we know it for our own.
//!
//! A ticket says when a person began something, and is good for one step of it, in one browser, for one
//! request and, where a user was shown, for that user. Nothing of it is stored.

use crate::crypto::mac::Purpose;
use crate::interaction::BrowserContext;
use crate::lifetimes::FORM_SECONDS;

/// What a ticket lets its bearer do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InteractionStep {
    /// Withdraw a consent, or sign out.
    Account,
    /// Answer the question for consent.
    Consent,
    /// Go on with a request as the user who was chosen for it.
    Continue,
    /// Sign in.
    Login,
    /// Choose the account.
    SelectAccount,
    /// Go on with a request, and sign in as somebody else.
    Switch,
}

impl InteractionStep {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Consent => "consent",
            Self::Continue => "continue",
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::Switch => "switch",
        }
    }
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug)]
pub struct InteractionToken<'a> {
    /// The step.
    pub step: InteractionStep,
    /// The request, as the form carries it.
    pub request: &'a str,
    /// The user who was shown, if one was.
    pub sub: &'a str,
}

impl InteractionToken<'_> {
    /// Writes the ticket for what began at `began_at` (Unix seconds).
    pub fn issue(&self, browser: &BrowserContext<'_>, began_at: i64) -> String {
        format!("{began_at}.{}", self.code(browser, &began_at.to_string()))
    }

    /// When it began, if `text` is this ticket, in this browser, and not too old.
    pub fn began_at(&self, browser: &BrowserContext<'_>, text: &str, now: i64) -> Option<i64> {
        let (time, code) = text.split_once('.')?;
        let began_at: i64 = time.parse().ok()?;
        let is_ours = browser.mac.is_code(code, Purpose::Interaction, &self.parts(browser, time));
        // Another isolate may have written it, by another clock.
        let is_in_time = began_at <= now + browser.config.leeway && now < began_at + FORM_SECONDS;
        (is_ours && is_in_time).then_some(began_at.min(now))
    }

    fn code(&self, browser: &BrowserContext<'_>, time: &str) -> String {
        browser.mac.code(Purpose::Interaction, &self.parts(browser, time))
    }

    fn parts<'b>(&'b self, browser: &'b BrowserContext<'_>, time: &'b str) -> [&'b str; 5] {
        [self.step.name(), time, &browser.id, self.request, self.sub]
    }
}

/// A request, and what of it a person was shown, as one text: no query has the sign between them.
pub fn shown_for(query: &str, shown: &str) -> String {
    format!("{query}#{shown}")
}
