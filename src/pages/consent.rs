//! The page on which users grant access.

use askama::Template;

use crate::http::Response;
use crate::pages::destination::Destination;
use crate::pages::requested_access::{ConfiguredScopes, Label, RequestedAccess, requested_access};
use crate::pages::texts::Phrase;
use crate::pages::{Brand, Client, Device, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::user::scope::Scopes;

/// The page on which a user allows or denies the requested access. Its form posts `request`, `shown`, `token` and
/// `decision`: `allow`, `deny` or `switch` (use another account).
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// Why the page is shown again, if it is.
    pub notice: Option<ConsentNotice>,
    /// The client that requests access.
    pub client: Client<'a>,
    /// The redirect URI of the request; `None` for that of a device.
    pub redirect_uri: Option<&'a str>,
    /// The device that requests access, if it is not the browser that carries the response.
    pub device: Option<Device<'a>>,
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

/// Why the page is shown again, instead of what its user decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConsentNotice {
    /// The form has expired.
    FormExpired,
    /// The form showed another account, or other access.
    Changed,
}

impl ConsentNotice {
    fn words(self, texts: &Texts) -> &'static str {
        match self {
            Self::FormExpired => texts.form_expired,
            Self::Changed => texts.changed,
        }
    }
}

impl Consent<'_> {
    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy {
            forms: self.redirect_uri.map_or(Forms::Here, Forms::Through),
            has_logo: self.client.logo.is_some(),
            ..Policy::of(self.brand)
        };
        respond_privately(self, self.texts, 200, &policy)
    }

    fn destination(&self) -> Destination {
        Destination::of_response(self.redirect_uri)
    }

    /// The question, without elements.
    fn question(&self) -> String {
        self.sentence(self.texts.consent)
    }

    /// A heading about the client, without elements. Some languages begin it with the client, which may be words of the
    /// page.
    fn sentence(&self, phrase: Phrase) -> String {
        let client = self.client.title(self.texts, &self.destination());
        let sentence = phrase.with(&client);
        let own_words = [self.texts.device_application, self.texts.other_device_application];
        if !own_words.iter().any(|words| sentence.starts_with(words)) {
            return sentence;
        }
        let mut letters = sentence.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    }

    /// Returns the requested access in two groups: the data that the client will get, and everything else. A group without
    /// entries is left out.
    fn groups(&self) -> Vec<Group<'_>> {
        let all = requested_access(self.texts, self.configured, &self.scope, self.claims);
        let (data, others) = all.into_iter().partition::<Vec<_>, _>(RequestedAccess::is_data);
        let groups = [(self.texts.can_see, data), (self.texts.can_do, others)];
        let groups = groups.into_iter().filter(|(_, entries)| !entries.is_empty());
        let group =
            |(heading, entries)| Group { heading, sentence: self.sentence(heading), entries };
        groups.map(group).collect()
    }
}

/// Entries of the requested access under one heading.
struct Group<'a> {
    heading: Phrase,
    /// The heading without elements.
    sentence: String,
    entries: Vec<RequestedAccess<'a>>,
}
