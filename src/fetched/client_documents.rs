//! Clients by document: their identifier is the URL of their metadata
//! (draft-ietf-oauth-client-id-metadata-document-01).
//!
//! The document counts for as long as its HTTP headers say, within limits. An isolate remembers it, and D1 has a copy of
//! the documents of clients to which users have signed in. Neither is needed: the document can be fetched again.

use std::cell::RefCell;

use crate::bounded_map::BoundedMap;
use crate::config::Config;
use crate::context::Context;
use crate::error::Internal;
use crate::fetched::fetch_budget::FetchBudget;
use crate::fetched::{DocumentError, get_with_headers};
use crate::lifetimes::{
    CLIENT_DOCUMENT_GRACE_SECONDS, CLIENT_DOCUMENT_LONGEST_SECONDS,
    CLIENT_DOCUMENT_SHORTEST_SECONDS, CLOCK_SLACK_SECONDS, FETCH_RETRY_SECONDS,
};
use crate::limits::rate_limits::may_fetch_document;
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::client_document::{self, ClientDocument};
use crate::protocol::client::client_id_url::ClientIdUrl;
use crate::protocol::client::metadata::{ClientMetadata, Registrable};
use crate::protocol::description::Description;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::user::scope::Scopes;
use crate::store::client_copies::{self, DocumentCopy};
use crate::store::clients::Client;

/// The limits of a document. The draft suggests 5 KB. The timeout is short, because a user waits.
const LIMITS: FetchLimits = FetchLimits {
    accept: "application/json",
    accepts_json: true,
    limit: 8_192,
    timeout: 5_000,
    is_binary: false,
};

/// An isolate's memory of documents, by URL. 64 entries are more than one isolate needs at a time.
#[derive(Default)]
pub struct ClientDocuments {
    documents: RefCell<BoundedMap<String, Remembered, 64>>,
    /// The fetches for clients that D1 has. Strangers, who can name any URL, do not use these up.
    of_stored: FetchBudget,
    of_others: FetchBudget,
}

/// An isolate's knowledge of the document at one URL.
#[derive(Clone, Default)]
struct Remembered {
    /// The last valid document, unless it was withdrawn.
    copy: Option<Client>,
    /// Why the last fetch failed, if it did, and the time in Unix seconds before which the next must not begin.
    failure: Option<(DocumentFault, i64)>,
}

/// The search for the client of a request.
#[derive(Debug)]
pub struct Search<'a> {
    /// The identifier that the request names.
    pub client_id: &'a str,
    /// The address of the request's sender, whose fetches are limited.
    pub address: &'a str,
    /// The client as D1 has it.
    pub stored: Option<Client>,
}

/// Why a client by document cannot be used.
#[derive(Clone, Debug)]
pub enum DocumentFault {
    /// The identifier or the document is invalid; the client's developer must change it.
    Invalid(Description),
    /// The server refuses the request. Its operator must change that, and the client does not end.
    Refused(Description),
    /// The document is not available now.
    TryLater(Description),
}

/// Why a client by document was not found.
#[derive(Debug)]
pub enum ClientDocumentError {
    Fault(DocumentFault),
    /// The platform failed.
    Internal(Internal),
}

impl From<DocumentFault> for ClientDocumentError {
    fn from(fault: DocumentFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Internal> for ClientDocumentError {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

impl ClientDocuments {
    /// Finds a client by document.
    ///
    /// # Errors
    /// [`DocumentFault`] if there is no valid document, [`Internal`] if the platform fails.
    pub async fn find(
        &self,
        search: Search<'_>,
        context: &Context<'_, impl Platform>,
    ) -> Result<Client, ClientDocumentError> {
        // 1. Check the identifier. The operator may have changed the policy since the client was last used.
        let url = check_identifier(search.client_id, context.config)?;

        // 2. Use the copy that was fetched last, if it still counts. An older one may count for longer, but the document
        //    was changed or withdrawn since.
        let now = context.now;
        let Remembered { copy, failure } = self.remembered(search.client_id);
        let copies = [copy, search.stored.clone()].into_iter().flatten();
        let copies = copies.filter_map(|client| Some((plausible(&client, now)?, client)));
        let last = copies.max_by_key(|(copy, _)| copy.fetched_at);
        let last_until = |until: fn(DocumentCopy) -> i64| {
            last.as_ref().filter(|(copy, _)| now < until(*copy)).map(|(_, client)| client.clone())
        };
        if let Some(client) = last_until(|copy| copy.until) {
            return Ok(client);
        }

        // 3. Fetch the document, unless that failed a moment ago.
        let fault = match failure {
            Some((fault, quiet_until)) if now < quiet_until => fault,
            _ => match self.fetch(&url, &search, context).await {
                Ok(client) => return Ok(client),
                Err(fault) => fault,
            },
        };

        // 4. While the document is not available, use that copy for some time. A document that is gone or invalid ends
        //    that for every isolate.
        if let DocumentFault::TryLater(_) | DocumentFault::Refused(_) = fault {
            let client = last_until(|copy| copy.until + CLIENT_DOCUMENT_GRACE_SECONDS);
            return client.ok_or(fault.into());
        }
        let is_withdrawn = |stored: &Client| stored.document.is_some_and(|copy| copy.until == 0);
        if let Some(stored) = search.stored.filter(|stored| !is_withdrawn(stored)) {
            client_copies::withdraw(context, stored).await?;
        }
        Err(fault.into())
    }

    /// Fetches and checks a document, and remembers the result.
    async fn fetch(
        &self,
        url: &ClientIdUrl,
        search: &Search<'_>,
        context: &Context<'_, impl Platform>,
    ) -> Result<Client, DocumentFault> {
        // 1. Limit the fetches of an address and from a host. A stranger can name any URL, and other URLs gain nothing.
        let too_many = || fault_of(DocumentError::TooManyFetches);
        if !may_fetch_document(context, search.address).await {
            return Err(too_many());
        }
        let budget = if search.stored.is_some() { &self.of_stored } else { &self.of_others };
        let Some(_running) = budget.begin(url.url().host(), context.now) else {
            return Err(too_many());
        };

        // 2. Get the document.
        let fetched = get_with_headers("a client metadata document", url.url(), &LIMITS, context);
        let checked = match fetched.await {
            Err(error) => Err(fault_of(error)),
            // 3. Check it.
            Ok((text, caching)) => read(url, &text, context).map(|metadata| {
                // 4. Keep it for as long as its headers say, within limits.
                let fresh_for = caching
                    .fresh_for(context.now)
                    .unwrap_or_default()
                    .clamp(CLIENT_DOCUMENT_SHORTEST_SECONDS, CLIENT_DOCUMENT_LONGEST_SECONDS);
                let until = context.now + fresh_for;
                Client::of_document(url.as_str(), metadata, until, context.now)
            }),
        };
        self.remember(url.as_str(), &checked, context.now);
        checked
    }

    fn remembered(&self, client_id: &str) -> Remembered {
        self.documents.borrow().get(client_id).cloned().unwrap_or_default()
    }

    /// Remembers the result of a fetch by a request that began at `now`, unless a later request has a copy.
    fn remember(&self, client_id: &str, result: &Result<Client, DocumentFault>, now: i64) {
        let known = self.remembered(client_id).copy;
        if known.as_ref().is_some_and(|client| is_later(client, now)) {
            return;
        }
        let remembered = match result {
            Ok(client) => Remembered { copy: Some(client.clone()), failure: None },
            Err(fault) => {
                let is_gone = matches!(fault, DocumentFault::Invalid(_));
                let copy = known.filter(|_| !is_gone);
                Remembered { copy, failure: Some((fault.clone(), now + FETCH_RETRY_SECONDS)) }
            }
        };
        self.documents.borrow_mut().insert(client_id.to_owned(), remembered);
    }
}

/// Checks an identifier by the rules of the specification and of the operator.
fn check_identifier(client_id: &str, config: &Config) -> Result<ClientIdUrl, DocumentFault> {
    let url = ClientIdUrl::parse(client_id, config.client_id_rules());
    let url = url.map_err(|error| invalid(&error.description()))?;
    // The client's ID tokens have this audience. A resource server could take them for access tokens.
    if config.resources.find(client_id).is_some() {
        return Err(invalid(&"must not be the URL of an API"));
    }
    Ok(url)
}

/// Reads the metadata of a client from its document. The log has what is left out of it.
fn read<P>(
    url: &ClientIdUrl,
    text: &str,
    context: &Context<'_, P>,
) -> Result<ClientMetadata, DocumentFault> {
    let config = context.config;
    // RFC 9700 section 2.1.2 advises against tokens from the authorization endpoint, so strangers never get them.
    let registrable =
        Registrable { client_credentials: false, implicit: false, ..config.registrable() };
    let document = client_document::parse(url.as_str(), text, registrable);
    let ClientDocument { mut metadata, warnings } = document.map_err(|error| {
        invalid(&format_args!("the client metadata document is invalid: {error}"))
    })?;
    if !warnings.is_empty() {
        let texts: Vec<_> = warnings.iter().map(InvalidField::to_string).collect();
        context.log_client(url.as_str(), &Description::new(texts.join("; ")));
    }
    metadata.scope = metadata.scope.and_then(|scope| known_scopes(&scope, config));
    Ok(metadata)
}

/// Returns the scopes of a document that the client may have. The document is written for every provider, so the others
/// are ignored.
fn known_scopes(scope: &str, config: &Config) -> Option<String> {
    let is_known = |scope: &&str| config.registrable_scope_names(&[]).any(|name| name == *scope);
    let known: Vec<_> = Scopes::of_valid(scope).iter().filter(is_known).collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// Returns when the copy of a client counts, if the times are possible. Later ones come from an isolate whose clock is
/// wrong.
fn plausible(client: &Client, now: i64) -> Option<DocumentCopy> {
    let latest = now + CLOCK_SLACK_SECONDS;
    client.document.filter(|copy| {
        copy.fetched_at <= latest && copy.until <= latest + CLIENT_DOCUMENT_LONGEST_SECONDS
    })
}

fn is_later(client: &Client, now: i64) -> bool {
    client.document.is_some_and(|copy| copy.fetched_at > now)
}

fn invalid(reason: &dyn std::fmt::Display) -> DocumentFault {
    DocumentFault::Invalid(Description::new(format_args!("client_id: {reason}")))
}

fn fault_of(error: DocumentError) -> DocumentFault {
    let description = error.description_of("client_id");
    match error {
        DocumentError::Refused => DocumentFault::Refused(description),
        _ if error.is_temporary() => DocumentFault::TryLater(description),
        _ => DocumentFault::Invalid(description),
    }
}
