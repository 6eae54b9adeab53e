//! The account page: the applications that have access, the browsers in which the user is signed in, and the password.

use askama::Template;
use askama::filters::Safe;

use crate::http::Response;
use crate::pages::date::Date;
use crate::pages::requested_access::{ConfiguredScopes, Label, RequestedAccess, requested_access};
use crate::pages::{Brand, Client, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::user::password::SHORTEST;
use crate::protocol::user::scope::Scopes;

/// The id of the form that changes the password, for links to it.
pub const PASSWORD_FORM: &str = "password";

/// The value of `session` in the form that ends all other sessions. It is no handle, which are longer.
pub const ALL_OTHERS: &str = "others";

/// The page of a user who is signed in. Its forms post `token`, and further fields:
///
/// - `client_id`: withdraws the access of this application
/// - `session`: ends this session, or [`ALL_OTHERS`]
/// - `login`, `current_password`, `new_password` and perhaps `end_access`: changes the password; with `visible` it shows or hides
///   them
#[derive(Clone, Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// What the last form has done.
    pub notice: Option<AccountNotice<'a>>,
    /// The label of the account that is signed in.
    pub account: &'a str,
    /// Its login.
    pub login: &'a str,
    /// The applications, in the order in which they are shown.
    pub applications: &'a [Application<'a>],
    /// The sessions, this one first.
    pub signed_in: &'a [SignedIn<'a>],
    /// Whether there are more sessions.
    pub has_more: bool,
    pub actions: AccountActions<'a>,
    /// The interaction token, which the forms post back.
    pub token: &'a str,
    /// That of the form for the password, if the user has one.
    pub password_token: Option<&'a str>,
}

/// The URLs that the forms of the account page are posted to.
#[derive(Clone, Copy, Debug)]
pub struct AccountActions<'a> {
    pub withdraw: &'a str,
    pub sign_out: &'a str,
    pub end_sessions: &'a str,
    pub change_password: &'a str,
}

/// What a form of the account page has done, which also determines the status of the response.
#[derive(Clone, Debug)]
pub enum AccountNotice<'a> {
    /// Nothing, because it has expired. 400.
    FormExpired,
    /// It has withdrawn the access of this client. 200.
    Withdrawn(Client<'a>),
    /// It has ended another session. 200.
    OtherSignedOut,
    /// It has ended all other sessions. 200.
    OthersSignedOut,
    /// It has changed the password, and ended all other sessions. 200.
    PasswordChanged {
        /// Whether the access of applications has ended, too.
        ended_access: bool,
    },
    /// It has not changed the password: the form is shown again.
    Password {
        notice: PasswordNotice,
        /// Whether the user wants to end the access of applications, too.
        ends_access: bool,
    },
}

/// Why a form has not changed the password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordNotice {
    /// The current password is wrong. 403.
    WrongCurrent,
    /// The new password is too short or too long. 400.
    Invalid,
    /// The account, browser or network had too many attempts. 429.
    TooManyAttempts {
        /// The pause in seconds.
        wait: u32,
    },
    /// The user wants to see the passwords while typing, or to hide them again. 200.
    Typing { visible: bool },
}

impl PasswordNotice {
    fn status(self) -> u16 {
        match self {
            Self::WrongCurrent => 403,
            Self::Invalid => 400,
            Self::TooManyAttempts { .. } => 429,
            Self::Typing { .. } => 200,
        }
    }

    /// Returns the code of a refusal, for the log.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::WrongCurrent => Some("wrong_credentials"),
            Self::Invalid => Some("invalid_password"),
            Self::TooManyAttempts { .. } => Some("too_many_attempts"),
            Self::Typing { .. } => None,
        }
    }
}

/// A session: a browser in which the user is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn<'a> {
    /// What the form posts to end it. `None` for the session of this browser, which the user signs out of.
    pub handle: Option<String>,
    /// The name of the browser, if it is known.
    pub browser: Option<&'a str>,
    /// The name of the operating system, if it is known.
    pub system: Option<&'a str>,
    /// The country that the user signed in from, if it is known.
    pub country: Option<String>,
    /// The network that the user signed in from, if it is known.
    pub network: Option<&'a str>,
    /// When the user last entered the password, in Unix seconds.
    pub since: i64,
    /// When it was last used, in Unix seconds.
    pub used: i64,
}

impl SignedIn<'_> {
    fn since(&self, texts: &'static Texts) -> Date {
        Date::new(texts, self.since)
    }

    fn last_used(&self, texts: &'static Texts) -> Date {
        Date::new(texts, self.used)
    }

    /// Returns what a user calls it, such as `Firefox on Linux`.
    fn name(&self, texts: &Texts) -> String {
        let browser = self.browser.unwrap_or(texts.account.unknown_browser);
        match self.system {
            Some(system) => format!("{browser} {}", texts.account.on_system.with(system)),
            None => browser.to_owned(),
        }
    }
}

/// An application with access.
#[derive(Clone, Debug)]
pub struct Application<'a> {
    pub client: Client<'a>,
    /// Its client identifier, which the form posts.
    pub client_id: &'a str,
    pub configured: ConfiguredScopes<'a>,
    pub scope: Scopes<'a>,
    /// The granted claims that were requested by the `claims` parameter.
    pub claims: &'a [&'a str],
    /// Since when it has access, in Unix seconds.
    pub since: i64,
    /// When it was last used, in Unix seconds, if that is known.
    pub used: Option<i64>,
}

impl Application<'_> {
    fn requested_access(&self, texts: &'static Texts) -> Vec<RequestedAccess<'_>> {
        requested_access(texts, self.configured, &self.scope, self.claims)
    }

    fn since(&self, texts: &'static Texts) -> Date {
        Date::new(texts, self.since)
    }

    fn last_used(&self, texts: &'static Texts) -> Option<Date> {
        self.used.map(|used| Date::new(texts, used))
    }
}

impl Account<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let has_logo = self.applications.iter().any(|one| one.client.logo.is_some());
        let policy = Policy { forms: Forms::Here, has_logo, ..Policy::of(self.brand) };
        let status = match &self.notice {
            Some(AccountNotice::FormExpired) => 400,
            Some(AccountNotice::Password { notice, .. }) => notice.status(),
            _ => 200,
        };
        let response = respond_privately(self, self.texts, status, &policy);
        match self.password_notice() {
            Some(PasswordNotice::TooManyAttempts { wait }) => {
                response.with("retry-after", wait.to_string())
            }
            _ => response,
        }
    }

    fn permissions(&self, count: usize) -> String {
        match count {
            1 => self.texts.one_permission.to_owned(),
            count => self.texts.permissions.with(&count.to_string()),
        }
    }

    fn title(&self) -> String {
        let title = self.texts.your_account;
        match self.password_notice() {
            Some(notice) if notice.code().is_some() => self.texts.error_title.with(title),
            _ => title.to_owned(),
        }
    }

    fn password_notice(&self) -> Option<PasswordNotice> {
        match self.notice {
            Some(AccountNotice::Password { notice, .. }) => Some(notice),
            _ => None,
        }
    }

    /// The words of the notice in the form that changes the password, if there is one.
    fn password_words(&self) -> Option<String> {
        match self.password_notice()? {
            PasswordNotice::WrongCurrent => Some(self.texts.account.wrong_password.to_owned()),
            PasswordNotice::Invalid => {
                Some(self.texts.account.invalid_password.with(&SHORTEST.to_string()))
            }
            PasswordNotice::TooManyAttempts { wait } => {
                Some(self.texts.too_many_attempts.with(&self.texts.duration(wait)))
            }
            PasswordNotice::Typing { visible: true } => {
                Some(self.texts.account.passwords_visible.to_owned())
            }
            PasswordNotice::Typing { visible: false } => None,
        }
    }

    fn rule(&self) -> String {
        self.texts.account.rule.with(&SHORTEST.to_string())
    }

    fn is_error(&self) -> bool {
        self.password_notice().is_some_and(|notice| notice.code().is_some())
    }

    fn is_visible(&self) -> bool {
        self.password_notice() == Some(PasswordNotice::Typing { visible: true })
    }

    fn ends_access(&self) -> bool {
        matches!(self.notice, Some(AccountNotice::Password { ends_access: true, .. }))
    }

    /// The attributes of a field for a password. Browsers keep what was typed into a text field, unless its autocompletion is
    /// off.
    fn password_type(&self, autocomplete: &'static str) -> Safe<String> {
        Safe(if self.is_visible() {
            "type=\"text\" autocomplete=\"off\" autocapitalize=\"none\" autocorrect=\"off\" spellcheck=\"false\""
                .to_owned()
        } else {
            format!("type=\"password\" autocomplete=\"{autocomplete}\"")
        })
    }

    /// The attributes that connect the field to the notice, for screen readers. The one that is wrong has the focus.
    fn current_attributes(&self) -> Safe<&'static str> {
        Safe(match self.password_notice() {
            Some(PasswordNotice::WrongCurrent) => {
                " aria-invalid=\"true\" aria-describedby=\"notice\" autofocus"
            }
            Some(PasswordNotice::Typing { visible: false }) => " autofocus",
            Some(PasswordNotice::Invalid) | None => "",
            Some(_) => " aria-describedby=\"notice\" autofocus",
        })
    }

    /// The same for the new password.
    fn new_attributes(&self) -> Safe<&'static str> {
        Safe(match self.password_notice() {
            Some(PasswordNotice::Invalid) => {
                " aria-invalid=\"true\" aria-describedby=\"rule notice\" autofocus"
            }
            _ => " aria-describedby=\"rule\"",
        })
    }
}
