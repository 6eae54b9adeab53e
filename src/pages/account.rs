//! The account page, with the applications that have access.

use askama::Template;

use crate::http::Response;
use crate::pages::date::Date;
use crate::pages::requested_access::{ConfiguredScopes, Label, RequestedAccess, requested_access};
use crate::pages::{Brand, Client, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::user::scope::Scopes;

/// The page that lists the applications with access. A form for each posts `client_id` and `token` to withdraw its
/// access; another posts `token` to sign out.
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
    /// The applications, in the order in which they are shown.
    pub applications: &'a [Application<'a>],
    /// The URL that the withdrawal forms are posted to.
    pub withdraw_action: &'a str,
    /// The URL that the sign-out form is posted to.
    pub sign_out_action: &'a str,
    /// The interaction token, which the forms post back.
    pub token: &'a str,
}

/// What a form of the account page has done, which also determines the status of the response.
#[derive(Clone, Debug)]
pub enum AccountNotice<'a> {
    /// Nothing, because it has expired. 400.
    FormExpired,
    /// It has withdrawn the access of this client. 200.
    Withdrawn(Client<'a>),
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
        let status = match self.notice {
            Some(AccountNotice::FormExpired) => 400,
            Some(AccountNotice::Withdrawn(_)) | None => 200,
        };
        respond_privately(self, self.texts, status, &policy)
    }

    fn permissions(&self, count: usize) -> String {
        match count {
            1 => self.texts.one_permission.to_owned(),
            count => self.texts.permissions.with(&count.to_string()),
        }
    }
}
