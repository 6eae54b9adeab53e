//! Interaction tokens: they prove that the provider issued a form or a link.
//!
//! An interaction token is a MAC over the time when the interaction began, the step, the browser, the request and the
//! user who was shown, if one was. It is valid for these alone, and it is not stored.

use crate::crypto::mac::Purpose;
use crate::interaction::BrowserContext;
use crate::interaction::cookies::BrowserCookie;
use crate::lifetimes::FORM_SECONDS;

/// The step that an interaction token permits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InteractionStep {
    /// Withdraw a consent, end other sessions, or sign out.
    Account,
    /// Change the password of the user with a login.
    ChangePassword,
    /// Allow or deny access.
    Consent,
    /// Continue a request as the user who signed in or was chosen.
    Continue,
    /// Find the request of a device by its user code.
    Device,
    Login,
    SelectAccount,
    /// Continue a request, and sign in with another account.
    Switch,
}

impl InteractionStep {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::ChangePassword => "change_password",
            Self::Consent => "consent",
            Self::Continue => "continue",
            Self::Device => "device",
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::Switch => "switch",
        }
    }
}

/// The content of an interaction token, except the time and the browser.
#[derive(Clone, Copy, Debug)]
pub struct InteractionToken<'a> {
    pub step: InteractionStep,
    /// The query of the request, as the form carries it; on the account page the login whose password is changed, and otherwise
    /// empty.
    pub request: &'a str,
    /// The `sub` of the user who was shown, and empty if none was; on the account page the hash of the session's cookie.
    pub sub: &'a str,
}

impl InteractionToken<'_> {
    /// Issues the token for an interaction that began at `began_at` (Unix seconds).
    pub fn issue(&self, browser: &BrowserContext<'_>, began_at: i64) -> String {
        let time = began_at.to_string();
        let code = browser.mac.code(Purpose::Interaction, &self.parts(&browser.id, &time));
        format!("{time}.{}.{code}", BrowserCookie::mark(&browser.id))
    }

    /// Returns when the interaction began, if `text` is a valid token with this content for this browser. A token is
    /// valid for [`FORM_SECONDS`].
    pub fn began_at(&self, browser: &BrowserContext<'_>, text: &str, now: i64) -> Option<i64> {
        let began_at = self.issued_at(browser, text)?;
        // Another isolate may have issued it, and its clock may be ahead.
        let is_in_time = began_at <= now + browser.config.leeway && now < began_at + FORM_SECONDS;
        is_in_time.then_some(began_at.min(now))
    }

    /// Returns whether `text` was a valid token with this content for this browser, and is too old.
    pub fn has_expired(&self, browser: &BrowserContext<'_>, text: &str, now: i64) -> bool {
        self.issued_at(browser, text).is_some_and(|began_at| now >= began_at + FORM_SECONDS)
    }

    /// Returns when the interaction of an authentic token began.
    fn issued_at(&self, browser: &BrowserContext<'_>, text: &str) -> Option<i64> {
        let (time, rest) = text.split_once('.')?;
        let (mark, code) = rest.split_once('.')?;
        let began_at: i64 = time.parse().ok()?;
        // The token names the id, so that a request with many of them costs no more.
        let id = browser.known_ids.iter().find(|id| BrowserCookie::mark(id) == mark)?;
        let is_authentic = browser.mac.is_code(code, Purpose::Interaction, &self.parts(id, time));
        is_authentic.then_some(began_at)
    }

    fn parts<'b>(&'b self, browser_id: &'b str, time: &'b str) -> [&'b str; 5] {
        [self.step.name(), time, browser_id, self.request, self.sub]
    }
}

/// Joins a query and the access that the consent page showed. A query never contains the separator, so the result is
/// unambiguous.
pub fn shown_for(query: &str, shown: &str) -> String {
    format!("{query}#{shown}")
}
