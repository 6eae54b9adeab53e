//! Clients by document, at the endpoints that name a client.

use crate::config::Config;
use crate::fetched::client_documents::{ClientDocumentError, Search};
use crate::ports::Platform;
use crate::protocol::client::client_id_url::{DocumentPolicy, is_url};
use crate::provider::Provider;
use crate::store::clients::{Client, StoredClient};

/// The kind of a client, by its identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientKind {
    /// Its metadata is the document at its identifier.
    ByDocument,
    /// Its identifier is a URL, but no such client is accepted.
    Refused,
    /// It is stored, if it exists.
    Registered,
}

impl ClientKind {
    /// Returns the kind of the client with this identifier.
    pub fn new(client_id: &str, config: &Config) -> Self {
        match (is_url(client_id), &config.client_documents) {
            (false, _) => Self::Registered,
            (true, DocumentPolicy::Closed) => Self::Refused,
            (true, _) => Self::ByDocument,
        }
    }
}

/// Finds a client by document. `address` is that of the request's sender, and `stored` the client as D1 has it. Also
/// returns whether D1 has this copy.
pub async fn find(
    provider: &Provider<'_, impl Platform>,
    (client_id, address): (&str, &str),
    stored: Option<StoredClient>,
) -> Result<(Client, bool), ClientDocumentError> {
    let Provider { context, memory } = provider;
    // A damaged copy is not needed, because the document can be fetched again.
    let stored = stored.and_then(|stored| match stored.parse() {
        Ok(client) => Some(client),
        Err(fault) => {
            context.log_fault(&fault);
            None
        }
    });
    let stored_copy = stored.as_ref().and_then(|stored| stored.document);
    let fetcher = provider.fetcher(Some(address));
    let client = memory.client_documents.find(Search { client_id, stored }, &fetcher).await?;
    let is_stored = stored_copy == client.document;
    Ok((client, is_stored))
}
