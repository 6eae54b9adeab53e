//! The pages on which a person says who they are.

use askama::Template;
use askama::filters::Safe;

use crate::http::Response;
use crate::pages::{Client, Exact, Forms, Policy, Texts, respond_privately};

/// The page on which a person signs in. Its form posts `request`, `token`, `login` and `password`.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// The client that asks, if one does.
    pub client: Option<Client<'a>>,
    /// The URI at which the client is answered behind this form, if it may be.
    pub redirect_uri: Option<&'a str>,
    /// Where the form is posted.
    pub action: &'a str,
    /// Comes back as it is.
    pub request: &'a str,
    /// Comes back as it is.
    pub token: &'a str,
    /// The login that is already filled in, or nothing.
    pub login: &'a str,
    /// What the person should know, if anything.
    pub notice: Option<Notice>,
}

/// What a person should know who is to sign in. The response's status goes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The login or the password is wrong; which of them is not said. 403.
    WrongCredentials,
    /// There were too many attempts. 429.
    TooManyAttempts {
        /// The seconds to wait.
        wait: u32,
    },
    /// The form is too old, or not ours. 400.
    FormExpired,
    /// The cookie that came with the form did not come back. 400.
    CookiesNeeded,
    /// The client asked for an account that is not the one signed in. 200.
    OtherAccountWanted,
}

impl Login<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: self.redirect_uri.map_or(Forms::Here, Forms::Through),
            has_logo: self.client.is_some_and(|client| client.logo.is_some()),
            script_hash: None,
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

    /// The attributes that lead from an input to what is wrong with it.
    fn described(&self) -> Safe<&'static str> {
        Safe(match self.notice {
            Some(Notice::WrongCredentials) => " aria-invalid=\"true\" aria-describedby=\"notice\"",
            Some(_) => " aria-describedby=\"notice\"",
            None => "",
        })
    }
}

impl Notice {
    // 403 rather than 401, which would have to name an authentication scheme (RFC 9110 section 15.5.4).
    fn status(self) -> u16 {
        match self {
            Self::WrongCredentials => 403,
            Self::TooManyAttempts { .. } => 429,
            Self::FormExpired | Self::CookiesNeeded => 400,
            Self::OtherAccountWanted => 200,
        }
    }

    /// What the log calls it.
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

/// Seconds by the symbols of the units, which are the same in every language; never less than it is.
fn duration(seconds: u32) -> String {
    if seconds < 120 {
        format!("{seconds}\u{a0}s")
    } else {
        format!("{}\u{a0}min", seconds.div_ceil(60))
    }
}

/// The page on which a person who is signed in chooses an account (`prompt=select_account`). Its form
/// posts `request`, `token` and `decision`: `continue` or `switch`.
#[derive(Template)]
#[template(path = "choose_account.html")]
pub struct ChooseAccount<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// The client that asks.
    pub client: Client<'a>,
    /// The URI at which the client is answered behind this form.
    pub redirect_uri: &'a str,
    /// The account that is signed in, as the person knows it.
    pub account: &'a str,
    /// Where the form is posted.
    pub action: &'a str,
    /// Comes back as it is.
    pub request: &'a str,
    /// Comes back as it is.
    pub token: &'a str,
}

impl ChooseAccount<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Through(self.redirect_uri),
            has_logo: self.client.logo.is_some(),
            script_hash: None,
        };
        respond_privately(self, self.texts, 200, &policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_never_told_too_short() {
        for (seconds, words) in
            [(1, "1\u{a0}s"), (119, "119\u{a0}s"), (120, "2\u{a0}min"), (121, "3\u{a0}min")]
        {
            assert_eq!(duration(seconds), words);
        }
    }
}
