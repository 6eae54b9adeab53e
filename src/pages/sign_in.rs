//! The pages on which users sign in and choose an account.

use askama::Template;
use askama::filters::Safe;

use crate::config::LoginLabel;
use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::texts::LoginTexts;
use crate::pages::{Brand, Client, Exact, Forms, Policy, Texts, respond_privately};

/// The page on which a user signs in. Its form posts `request`, `token`, `login` and `password`,
/// and `visible` if the user wants to see the password or to hide it.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The client that requested the sign-in; `None` for the account page.
    pub client: Option<Client<'a>>,
    /// The redirect URI of the request, because signing in may redirect there; `None` for the account page, and for the
    /// request of a device.
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
    /// The password is right, but the operator has disabled the account. 403.
    AccountDisabled,
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
    /// The user wants to see the password while typing. 200. The page has a field that shows it, but not what was typed
    /// before, because no page contains a password.
    PasswordVisible,
}

impl Login<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: self.redirect_uri.map_or(Forms::Here, Forms::Through),
            has_logo: self.client.as_ref().is_some_and(|one| one.logo_at_sign_in().is_some()),
            ..Policy::of(self.brand)
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
        let title = match &self.client {
            Some(client) => {
                let client = client.title(self.texts, &self.destination());
                format!("{} – {client}", self.texts.sign_in)
            }
            None => self.texts.sign_in.to_owned(),
        };
        match self.notice {
            Some(notice) if notice.is_error() => self.texts.error_title.with(&title),
            _ => title,
        }
    }

    fn destination(&self) -> Destination {
        Destination::of_response(self.redirect_uri)
    }

    fn login_label(&self) -> LoginLabel {
        self.brand.known.map(|branding| branding.login_label).unwrap_or_default()
    }

    fn login_texts(&self) -> LoginTexts {
        self.texts.of_login(self.login_label())
    }

    /// The attribute by which a device shows a keyboard with `@`. The type of the field is `text`, because some e-mail
    /// addresses are none to browsers.
    fn input_mode(&self) -> Safe<&'static str> {
        Safe(match self.login_label() {
            LoginLabel::Email | LoginLabel::UserNameOrEmail => " inputmode=\"email\"",
            LoginLabel::UserName => "",
        })
    }

    fn help_url(&self) -> Option<&str> {
        self.brand.known?.help_url.as_deref()
    }

    fn is_password_visible(&self) -> bool {
        self.notice == Some(Notice::PasswordVisible)
    }

    /// The words of the notice, if there is one.
    fn notice_words(&self) -> Option<String> {
        Some(match self.notice? {
            Notice::WrongCredentials => self.login_texts().wrong.to_owned(),
            Notice::TooManyAttempts { wait } => {
                self.texts.too_many_attempts.with(&self.texts.duration(wait))
            }
            Notice::AccountDisabled => self.texts.account_disabled.to_owned(),
            Notice::FormExpired => self.texts.form_expired.to_owned(),
            Notice::CookiesNeeded => self.texts.cookies_needed.to_owned(),
            Notice::OtherAccountWanted => self.texts.other_account_wanted.to_owned(),
            Notice::PasswordVisible => self.texts.password_visible.to_owned(),
        })
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
            Self::AccountDisabled | Self::WrongCredentials => 403,
            Self::TooManyAttempts { .. } => 429,
            Self::FormExpired | Self::CookiesNeeded => 400,
            Self::OtherAccountWanted | Self::PasswordVisible => 200,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::AccountDisabled => "account_disabled",
            Self::WrongCredentials => "wrong_credentials",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::FormExpired => "form_expired",
            Self::CookiesNeeded => "cookies_needed",
            Self::OtherAccountWanted => "other_account_wanted",
            Self::PasswordVisible => "password_visible",
        }
    }

    /// Returns whether the user could not be signed in.
    pub fn is_error(self) -> bool {
        !matches!(self, Self::OtherAccountWanted | Self::PasswordVisible)
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
    /// The redirect URI of the request; `None` for that of a device.
    pub redirect_uri: Option<&'a str>,
    /// The name of the user who is signed in, if there is one.
    pub name: Option<&'a str>,
    pub login: &'a str,
    /// The URL that the form is posted to.
    pub action: &'a str,
    /// The query of the authorization request, which the form posts back.
    pub request: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
}

impl ChooseAccount<'_> {
    fn destination(&self) -> Destination {
        Destination::of_response(self.redirect_uri)
    }

    fn title(&self) -> String {
        let client = self.client.title(self.texts, &self.destination());
        format!("{} – {client}", self.texts.choose_account)
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: self.redirect_uri.map_or(Forms::Here, Forms::Through),
            has_logo: self.client.logo_at_sign_in().is_some(),
            ..Policy::of(self.brand)
        };
        respond_privately(self, self.texts, 200, &policy)
    }
}
