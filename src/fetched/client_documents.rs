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
use crate::fetched::DocumentError;
use crate::fetched::fetcher::{Fetcher, Gotten, Order, Owner};
use crate::fetched::pauses::Pauses;
use crate::lifetimes::{
    CLIENT_DOCUMENT_GRACE_SECONDS, CLIENT_DOCUMENT_LONGEST_SECONDS,
    CLIENT_DOCUMENT_SHORTEST_SECONDS, CLOCK_SLACK_SECONDS, FETCH_RETRY_SECONDS,
};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::cache_time::CacheHeaders;
use crate::protocol::client::client_document::{self, ClientDocument};
use crate::protocol::client::client_id_url::ClientIdUrl;
use crate::protocol::client::metadata::Registrable;
use crate::protocol::client::outbound_url::OutboundUrl;
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
    /// The last valid documents that were not withdrawn.
    documents: RefCell<BoundedMap<OutboundUrl, Client, 64>>,
    pauses: Pauses<DocumentFault>,
}

/// The search for the client of a request.
#[derive(Debug)]
pub struct Search<'a> {
    /// The identifier that the request names.
    pub client_id: &'a str,
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
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Result<Client, ClientDocumentError> {
        let context = fetcher.context;
        // 1. Check the identifier. The operator may have changed the policy since the client was last used.
        let url = check_identifier(search.client_id, context.config)?;

        // 2. Use the last copy, if it still counts. Otherwise fetch the document, unless that failed a moment ago.
        let stored = search.stored.as_ref();
        let known = || match self.last_until(&url, stored, context.now, |copy| copy.until) {
            Some(client) => Some(Ok(client)),
            None => self.pauses.reason(url.url(), context).map(Err),
        };
        // A stranger can name any URL, so the clients that D1 has are fetched apart.
        let owner = if stored.is_some() { Owner::StoredDocument } else { Owner::Stranger };
        let (kind, limits) = ("a client metadata document", &LIMITS);
        let order = Order { kind, url: url.url(), limits, client_id: None, owner };
        let found = match fetcher.get_unless(&order, known).await {
            Ok(Gotten::Known(known)) => known,
            Ok(Gotten::Fetched(text, caching)) => {
                let read = read(&url, &text, &caching, context);
                self.remember(&url, read, context.now)
            }
            Err(error) if error.was_fetched() => {
                self.remember(&url, Err(fault_of(error)), context.now)
            }
            Err(error) => Err(fault_of(error)),
        };
        let fault = match found {
            Ok(client) => return Ok(Client { is_stored: stored.is_some(), ..client }),
            Err(fault) => fault,
        };

        // 3. While the document is not available, use that copy for some time. A document that is gone or invalid ends
        //    that for every isolate.
        if let DocumentFault::TryLater(_) | DocumentFault::Refused(_) = fault {
            let until = |copy: DocumentCopy| copy.until + CLIENT_DOCUMENT_GRACE_SECONDS;
            let last = self.last_until(&url, stored, context.now, until);
            let last = last.map(|client| Client { is_stored: stored.is_some(), ..client });
            return last.ok_or(fault.into());
        }
        let is_withdrawn = |stored: &Client| stored.document.is_some_and(|copy| copy.until == 0);
        if let Some(stored) = search.stored.filter(|stored| !is_withdrawn(stored)) {
            client_copies::withdraw(context, stored).await?;
        }
        Err(fault.into())
    }

    /// Returns the copy that was fetched last, if it counts until later than `now`. An older one may count for longer, but
    /// the document was changed or withdrawn since.
    fn last_until(
        &self,
        url: &ClientIdUrl,
        stored: Option<&Client>,
        now: i64,
        until: fn(DocumentCopy) -> i64,
    ) -> Option<Client> {
        let documents = self.documents.borrow();
        let copies = [documents.get(url.url()), stored].into_iter().flatten();
        let copies = copies.filter_map(|client| Some((plausible(client, now)?, client)));
        let last = copies.max_by_key(|(copy, _)| copy.fetched_at);
        last.filter(|(copy, _)| now < until(*copy)).map(|(_, client)| client.clone())
    }

    /// Remembers the result of a fetch by a request that began at `now`.
    fn remember(
        &self,
        url: &ClientIdUrl,
        result: Result<Client, DocumentFault>,
        now: i64,
    ) -> Result<Client, DocumentFault> {
        match &result {
            Ok(client) => {
                self.documents.borrow_mut().insert(url.url().clone(), client.clone());
                self.pauses.end(url.url());
            }
            Err(fault) => {
                if let DocumentFault::Invalid(_) = fault {
                    self.documents.borrow_mut().remove(url.url());
                }
                self.pauses.begin(url.url(), fault.clone(), now + FETCH_RETRY_SECONDS, now);
            }
        }
        result
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

/// Reads a client from its document. It counts for as long as the headers say, within limits. The log has what is left
/// out of it.
fn read<P>(
    url: &ClientIdUrl,
    text: &str,
    caching: &CacheHeaders,
    context: &Context<'_, P>,
) -> Result<Client, DocumentFault> {
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
    let fresh_for = caching
        .fresh_for(context.now)
        .unwrap_or_default()
        .clamp(CLIENT_DOCUMENT_SHORTEST_SECONDS, CLIENT_DOCUMENT_LONGEST_SECONDS);
    Ok(Client::of_document(url.as_str(), metadata, context.now + fresh_for, context.now))
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
