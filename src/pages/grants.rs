//! The pages on which users grant access and withdraw it.

use askama::Template;
use time::OffsetDateTime;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::requested_access::{ConfiguredScopes, RequestedAccess, requested_access};
use crate::pages::{Brand, Client, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::user::scope::Scopes;

/// The page on which a user allows or denies the requested access. Its form posts `request`, `shown`, `token` and
/// `decision`: `allow`, `deny` or `switch` (use another account).
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The client that requests access.
    pub client: Client<'a>,
    pub redirect_uri: &'a str,
    /// The label of the account that is signed in.
    pub account: &'a str,
    pub account_url: &'a str,
    pub configured: ConfiguredScopes<'a>,
    pub scope: Scopes<'a>,
    /// The claims requested by the `claims` parameter, beyond those of the scopes.
    pub claims: &'a [&'a str],
    /// The URL that the form is posted to.
    pub action: &'a str,
    /// The query of the authorization request, which the form posts back.
    pub request: &'a str,
    /// The access that the page shows, which the form posts back.
    pub shown: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
}

impl Consent<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Through(self.redirect_uri),
            has_logo: self.client.logo.is_some(),
            script_hash: None,
            brand: self.brand,
        };
        respond_privately(self, self.texts, 200, &policy)
    }

    fn destination(&self) -> Destination {
        Destination::new(self.redirect_uri)
    }

    /// The question, without elements. Some languages begin it with the client, which may be words of the page.
    fn question(&self) -> String {
        let client = self.client.title(self.texts, &self.destination());
        let question = self.texts.consent.with(&client);
        if !question.starts_with(self.texts.device_application) {
            return question;
        }
        let mut letters = question.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    }

    fn requested_access(&self) -> Vec<RequestedAccess<'_>> {
        requested_access(self.texts, self.configured, &self.scope, self.claims)
    }
}

/// The page that lists the applications with access. A form for each posts `client_id` and `token` to withdraw its
/// access; another posts `token` to sign out.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The label of the account that is signed in.
    pub account: &'a str,
    /// The applications, in the order in which they are shown.
    pub applications: &'a [Application<'a>],
    /// The URL that the withdrawal forms are posted to.
    pub withdraw_action: &'a str,
    /// The URL that the sign-out form is posted to.
    pub sign_out_action: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
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
    /// When access was last granted, in Unix seconds.
    pub since: i64,
}

impl Application<'_> {
    fn requested_access(&self, texts: &'static Texts) -> Vec<RequestedAccess<'_>> {
        requested_access(texts, self.configured, &self.scope, self.claims)
    }

    fn date(&self) -> String {
        date(self.since)
    }
}

impl Account<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let has_logo = self.applications.iter().any(|one| one.client.logo.is_some());
        let policy = Policy { forms: Forms::Here, has_logo, script_hash: None, brand: self.brand };
        respond_privately(self, self.texts, 200, &policy)
    }
}

/// Returns the UTC date of a Unix time in ISO 8601, which is understood in every language.
fn date(seconds: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_its_utc_date() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_761_599, "2026-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), expected, "{seconds}");
        }
    }
}
