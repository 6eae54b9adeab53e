//! The pages on which a person grants access, and takes it back.

use askama::Template;
use time::OffsetDateTime;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::requested_access::{RequestedAccess, requested_access};
use crate::pages::{Client, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::authorization::resources::Resources;
use crate::protocol::user::scope::Scopes;

/// The page on which a person grants a client what it asks for, or does not. Its form posts `request`,
/// `shown`, `token` and `decision`: `allow`, `deny` or `switch`, which is to use another account.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// The client that asks.
    pub client: Client<'a>,
    /// The URI at which the client is answered.
    pub redirect_uri: &'a str,
    /// The account that is signed in, as the person knows it.
    pub account: &'a str,
    /// Where a person sees what they granted.
    pub account_url: &'a str,
    /// The APIs there are.
    pub resources: &'a Resources,
    /// The scopes it asks for.
    pub scope: Scopes<'a>,
    /// The single claims it asks for by the `claims` parameter.
    pub claims: &'a [&'a str],
    /// Where the form is posted.
    pub action: &'a str,
    /// Comes back as it is.
    pub request: &'a str,
    /// Comes back as it is.
    pub shown: &'a str,
    /// Comes back as it is.
    pub token: &'a str,
}

impl Consent<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: Forms::Through(self.redirect_uri),
            has_logo: self.client.logo.is_some(),
            script_hash: None,
        };
        respond_privately(self, self.texts, 200, &policy)
    }

    fn requested_access(&self) -> Vec<RequestedAccess<'_>> {
        requested_access(self.texts, self.resources, self.scope, self.claims)
    }
}

/// The page that shows a person which applications have access. A form for each posts `client_id` and
/// `token` to withdraw it; another posts `token` to sign out.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// The language.
    pub texts: &'static Texts,
    /// The account that is signed in, as the person knows it.
    pub account: &'a str,
    /// The applications, in the order in which they are shown.
    pub applications: &'a [Application<'a>],
    /// Where access is withdrawn.
    pub withdraw_action: &'a str,
    /// Where the person signs out.
    pub sign_out_action: &'a str,
    /// Comes back as it is.
    pub token: &'a str,
}

/// An application that has access.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// The client.
    pub client: Client<'a>,
    /// Its identifier, which the form posts.
    pub client_id: &'a str,
    /// The APIs there are.
    pub resources: &'a Resources,
    /// The scopes it was granted.
    pub scope: Scopes<'a>,
    /// The single claims it was granted.
    pub claims: &'a [&'a str],
    /// When, in seconds since 1970.
    pub since: i64,
}

impl Application<'_> {
    fn requested_access(&self, texts: &Texts) -> Vec<RequestedAccess<'_>> {
        requested_access(texts, self.resources, self.scope, self.claims)
    }

    fn date(&self) -> String {
        date(self.since)
    }
}

impl Account<'_> {
    /// The response.
    pub fn response(&self) -> Response {
        let has_logo = self.applications.iter().any(|one| one.client.logo.is_some());
        let policy = Policy { forms: Forms::Here, has_logo, script_hash: None };
        respond_privately(self, self.texts, 200, &policy)
    }
}

/// The date of a time in UTC, as ISO 8601 writes it, which reads the same in every language.
fn date(seconds: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_date() {
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
