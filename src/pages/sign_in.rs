//! The pages on which users sign in and choose an account.

use askama::Template;
use askama::filters::Safe;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::{Brand, Client, Exact, Forms, Policy, Texts, respond_privately};

/// The page on which a user signs in. Its form posts `request`, `token`, `login` and `password`.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The client that requested the sign-in; `None` for the account page.
    pub client: Option<Client<'a>>,
    /// The redirect URI of the request, because signing in may redirect there; `None` for the account page.
    pub redirect_uri: Option<&'a str>,
    /// The URL that the form is posted to.
    pub action: &'a str,
    /// The query of the authorization request, which the form posts back; empty for the account page.
    pub request: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
    /// The value of the login field: a hint, the previous input, or empty.
    pub login: &'a str,
    /// The notice above the form.
    pub notice: Option<Notice>,
}

/// A notice on the sign-in page, which also determines the status of the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The login or the password is wrong; the page does not disclose which. 403.
    WrongCredentials,
    /// The account or network had too many attempts. 429.
    TooManyAttempts {
        /// The pause in seconds.
        wait: u32,
    },
    /// The form has expired, or its interaction token is not valid. 400.
    FormExpired,
    /// The browser did not send the cookie that the form was shown with. 400.
    CookiesNeeded,
    /// The client requires another account than the one that is signed in. 200.
    OtherAccountWanted,
}

impl Login<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: self.redirect_uri.map_or(Forms::Here, Forms::Through),
            has_logo: self.client.as_ref().is_some_and(|one| one.logo_at_sign_in().is_some()),
            script_hash: None,
            brand: self.brand,
        };
        let status = self.notice.map_or(200, Notice::status);
        let response = respond_privately(self, self.texts, status, &policy);
        match self.notice {
            Some(Notice::TooManyAttempts { wait }) => {
                response.with("retry-after", wait.to_string())
            }
            _ => response,
        }
    }

    fn title(&self) -> String {
        let Some(client) = &self.client else { return self.texts.sign_in.to_owned() };
        let client = client.title(self.texts, &self.destination());
        format!("{} – {client}", self.texts.sign_in)
    }

    fn destination(&self) -> Destination {
        Destination::new(self.redirect_uri.unwrap_or_default())
    }

    /// The attributes that connect an input to the notice, for screen readers.
    fn described(&self) -> Safe<&'static str> {
        Safe(match self.notice {
            Some(Notice::WrongCredentials) => " aria-invalid=\"true\" aria-describedby=\"notice\"",
            Some(_) => " aria-describedby=\"notice\"",
            None => "",
        })
    }
}

impl Notice {
    // 403 rather than 401, which would require an authentication scheme (RFC 9110 section 15.5.4).
    fn status(self) -> u16 {
        match self {
            Self::WrongCredentials => 403,
            Self::TooManyAttempts { .. } => 429,
            Self::FormExpired | Self::CookiesNeeded => 400,
            Self::OtherAccountWanted => 200,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong_credentials",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::FormExpired => "form_expired",
            Self::CookiesNeeded => "cookies_needed",
            Self::OtherAccountWanted => "other_account_wanted",
        }
    }

    fn is_error(self) -> bool {
        self != Self::OtherAccountWanted
    }

    fn words(self, texts: &Texts) -> String {
        match self {
            Self::WrongCredentials => texts.wrong_credentials.to_owned(),
            Self::TooManyAttempts { wait } => texts.too_many_attempts.with(&duration(wait)),
            Self::FormExpired => texts.form_expired.to_owned(),
            Self::CookiesNeeded => texts.cookies_needed.to_owned(),
            Self::OtherAccountWanted => texts.other_account_wanted.to_owned(),
        }
    }
}

/// Writes a time with unit symbols, which are the same in every language. Minutes are rounded up.
fn duration(seconds: u32) -> String {
    match (seconds, seconds.div_ceil(60)) {
        (seconds, _) if seconds < 120 => format!("{seconds}\u{a0}s"),
        (_, minutes) if minutes < 120 => format!("{minutes}\u{a0}min"),
        (_, minutes) => format!("{}\u{a0}h {}\u{a0}min", minutes / 60, minutes % 60),
    }
}

/// The page on which a signed-in user chooses an account (`prompt=select_account`). Its form posts `request`, `token`
/// and `decision`: `continue` or `switch`.
#[derive(Template)]
#[template(path = "choose_account.html")]
pub struct ChooseAccount<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The client that requested the sign-in.
    pub client: Client<'a>,
    pub redirect_uri: &'a str,
    /// The label of the account that is signed in.
    pub account: &'a str,
    /// The URL that the form is posted to.
    pub action: &'a str,
    /// The query of the authorization request, which the form posts back.
    pub request: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
}

impl ChooseAccount<'_> {
    fn title(&self) -> String {
        let destination = Destination::new(self.redirect_uri);
        let client = self.client.title(self.texts, &destination);
        format!("{} – {client}", self.texts.choose_account)
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Through(self.redirect_uri),
            has_logo: self.client.logo_at_sign_in().is_some(),
            script_hash: None,
            brand: self.brand,
        };
        respond_privately(self, self.texts, 200, &policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_rounded_up() {
        for (seconds, words) in [
            (1, "1\u{a0}s"),
            (119, "119\u{a0}s"),
            (120, "2\u{a0}min"),
            (121, "3\u{a0}min"),
            (7_141, "2\u{a0}h 0\u{a0}min"),
            (14_400, "4\u{a0}h 0\u{a0}min"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }
}
