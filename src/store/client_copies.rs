//! Copies of client metadata documents, as clients.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, KEPT_REQUEST_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::protocol::client::metadata::ClientMetadata;
use crate::store::batch::Batch;
use crate::store::clients::{Client, write_metadata};
use crate::store::identifiers::may_be_client;
use crate::store::registrations::make_room;
use crate::store::slots::{Slots, free_slot};

/// In the place of the hash of a registration access token. No token has this hash, so nobody can manage the client.
const DOCUMENT: &str = "document";

/// When the copy of a document counts. All times are Unix seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DocumentCopy {
    /// When the document was fetched, or found to be gone.
    pub fetched_at: i64,
    /// When the document must be fetched again; 0 if it is gone.
    pub until: i64,
}

impl DocumentCopy {
    /// Reads the columns `updated_at` and `document_until`.
    pub(super) fn from_row(row: &mut Row) -> Result<Option<Self>, Internal> {
        let (fetched_at, until) = (row.integer()?, row.integer_or_null()?);
        Ok(until.map(|until| Self { fetched_at, until }))
    }
}

/// A copy that D1 does not have, to be stored by a request that no user has consented to yet.
#[derive(Debug)]
pub struct NewCopy {
    pub client: Client,
    /// One of these the client must take, if D1 does not have it.
    pub slots: Slots,
}

impl Client {
    /// Makes a client of its client metadata document, which was fetched at `now` and counts until `until`.
    pub fn of_document(client_id: &str, metadata: ClientMetadata, until: i64, now: i64) -> Self {
        Self {
            client_id: client_id.to_owned(),
            metadata,
            secret_hash: None,
            trusted: false,
            created_at: now,
            registration_token_hash: Some(DOCUMENT.to_owned()),
            expires_at: None,
            vouched_apis: Vec::new(),
            previous_secrets: Vec::new(),
            document: Some(DocumentCopy { fetched_at: now, until }),
            is_stored: false,
        }
    }
}

/// Stores a client by document, or replaces its copy. A new client expires with the request that it pushes, unless a user
/// signs in to it. Until then it takes one of the slots, if there are any; if all are taken, it is not stored.
///
/// A copy that was fetched later stays, because the document may have changed or been withdrawn between the two fetches.
/// If its time is that of a clock that is ahead, it is replaced. Stores no client whose identifier is or was the `sub` of
/// a user. Does nothing for a client of another kind. Idempotent.
pub(super) fn store(
    batch: &mut Batch,
    client: &Client,
    slots: Option<&Slots>,
    now: i64,
) -> Result<(), Internal> {
    let Some(DocumentCopy { fetched_at, until }) = client.document else { return Ok(()) };
    let upsert = Statement::new(concat!(
        "INSERT INTO clients \
           (client_id, metadata, trusted, created_at, updated_at, registration_token_hash, \
            expires_at, document_until, slot) \
         SELECT ?1, ?2, 0, ?3, ?7, ?4, ?5, ?6, slot FROM (SELECT ",
        free_slot!("clients", "?9"),
        " AS slot) WHERE ",
        may_be_client!("?1"),
        " AND (?9 IS NULL OR slot IS NOT NULL \
           OR EXISTS (SELECT 1 FROM clients WHERE client_id = ?1)) \
         ON CONFLICT (client_id) DO UPDATE \
           SET metadata = ?2, updated_at = ?7, document_until = ?6, \
             expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE ?5 END \
           WHERE document_until IS NOT NULL AND (updated_at <= ?7 OR updated_at > ?8)",
    ))
    .bind(client.client_id.as_str())
    .bind(write_metadata(&client.metadata)?)
    .bind(now)
    .bind(client.registration_token_hash.as_deref())
    .bind(now + KEPT_REQUEST_SECONDS)
    .bind(until)
    .bind(fetched_at)
    .bind(now + CLOCK_SLACK_SECONDS)
    .bind(slots.map(Slots::as_json));
    if let Some(slots) = slots {
        batch.add(make_room(slots, now));
    }
    batch.add(upsert);
    Ok(())
}

/// Ends the use of a copy in every isolate, because its document is gone or invalid.
pub async fn withdraw(
    context: &Context<'_, impl Database>,
    client: Client,
) -> Result<(), Internal> {
    let document = Some(DocumentCopy { fetched_at: context.now, until: 0 });
    let withdrawn = Client { document, ..client };
    let mut batch = Batch::default();
    store(&mut batch, &withdrawn, None, context.now)?;
    batch.run_idempotent(context).await.map(drop)
}

/// Deletes a client by document after its last consent: its document can be fetched again.
pub(super) fn forget(client_id: &str) -> Statement {
    Statement::new(
        "DELETE FROM clients WHERE client_id = ?1 AND document_until IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM consents WHERE consents.client_id = ?1)",
    )
    .bind(client_id)
}
