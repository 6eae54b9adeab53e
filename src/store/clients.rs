//! Clients: their metadata and the hashes of their secrets.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::client::metadata::ClientMetadata;
use crate::store::SWEPT_WITH_EACH;
use crate::store::audit::acts;
use crate::store::authorization_requests::BrowserHandle;
use crate::store::batch::{Batch, Handle, exists, first, read};
use crate::store::client_copies::DocumentCopy;
use crate::store::client_secrets::{
    NewSecret, PreviousSecret, assign_secret, assign_secret_column, forget_salts,
    parse_previous_secrets,
};
use crate::store::deletions;
use crate::store::identifiers::may_be_client;
use crate::store::sweep::SWEPT_AT_ONCE;
use crate::store::vouched_apis::parse_vouched_apis;

/// A client as stored.
#[derive(Clone, Debug)]
pub struct Client {
    pub client_id: String,
    pub metadata: ClientMetadata,
    /// The hash of the client secret; `None` if its authentication method needs none.
    pub secret_hash: Option<String>,
    /// Whether the operator trusts it, so that users need not consent.
    pub trusted: bool,
    /// When it was first stored, in Unix seconds.
    pub created_at: i64,
    /// The hash of its registration access token (RFC 7592); `None` for the operator's clients.
    pub registration_token_hash: Option<String>,
    /// When it is deleted unless a user signs in to it, in Unix seconds; `None` if it does not expire.
    pub expires_at: Option<i64>,
    /// When its metadata counts, if that is the copy of a client metadata document.
    pub document: Option<DocumentCopy>,
    /// Whether D1 has it, in this or an earlier version. Any stranger can name a document that D1 does not have.
    pub is_stored: bool,
    /// The URIs of the APIs that its initial access token named.
    pub vouched_apis: Vec<String>,
    /// The secrets before the current one, of which some may have ended.
    pub previous_secrets: Vec<PreviousSecret>,
}

/// The columns that [`Client`] reads.
macro_rules! client_columns {
    () => {
        "client_id, metadata, secret_hash, trusted, created_at, registration_token_hash, \
         expires_at, updated_at, document_until, vouched_apis, previous_secrets"
    };
}

/// A client whose metadata is not parsed yet, because a client with damaged metadata must still be listed and deleted.
#[derive(Clone, Debug)]
pub struct StoredClient {
    pub client_id: String,
    pub registration_token_hash: Option<String>,
    metadata: String,
    secret_hash: Option<String>,
    trusted: bool,
    created_at: i64,
    /// See [`Client::expires_at`].
    pub expires_at: Option<i64>,
    document: Option<DocumentCopy>,
    pub vouched_apis: Vec<String>,
    previous_secrets: Vec<PreviousSecret>,
}

impl StoredClient {
    /// Reads [`client_columns`].
    pub(super) fn from_row(mut row: Row) -> Result<Self, Internal> {
        Self::read(&mut row)
    }

    fn read(row: &mut Row) -> Result<Self, Internal> {
        Ok(Self {
            client_id: row.text()?,
            metadata: row.text()?,
            secret_hash: row.text_or_null()?,
            trusted: row.integer()? == 1,
            created_at: row.integer()?,
            registration_token_hash: row.text_or_null()?,
            expires_at: row.integer_or_null()?,
            document: DocumentCopy::from_row(row)?,
            vouched_apis: parse_vouched_apis(row.text_or_null()?.as_deref()),
            previous_secrets: parse_previous_secrets(row.text_or_null()?.as_deref()),
        })
    }

    /// Parses the metadata.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the metadata is damaged; it names the client.
    pub fn parse(self) -> Result<Client, Internal> {
        Ok(Client {
            metadata: parse_metadata(&self.client_id, &self.metadata)?,
            client_id: self.client_id,
            secret_hash: self.secret_hash,
            trusted: self.trusted,
            created_at: self.created_at,
            registration_token_hash: self.registration_token_hash,
            expires_at: self.expires_at,
            document: self.document,
            vouched_apis: self.vouched_apis,
            previous_secrets: self.previous_secrets,
            is_stored: true,
        })
    }
}

/// A client that the operator creates or replaces.
#[derive(Debug)]
pub struct NewClient<'a> {
    pub client_id: &'a str,
    pub metadata: &'a ClientMetadata,
    /// `None` if its authentication method needs no secret.
    pub new_secret: Option<NewSecret>,
    /// See [`Client::trusted`].
    pub trusted: bool,
}

/// A client as a request has stored it, with what its secret is derived from.
#[derive(Debug)]
pub struct ClientWithSecret {
    pub client: Client,
    /// [`NewSecret::salt`] of its secret, and when the secret was made, in Unix seconds, if that is not forgotten.
    pub made_from: Option<(String, i64)>,
}

impl ClientWithSecret {
    /// Reads [`client_with_secret_columns`].
    pub(super) fn from_row(mut row: Row) -> Result<Self, Internal> {
        let stored = StoredClient::read(&mut row)?;
        let (salt, made_at) = (row.text_or_null()?, row.integer_or_null()?);
        Ok(Self { client: stored.parse()?, made_from: salt.zip(made_at) })
    }
}

/// The columns that [`ClientWithSecret`] reads.
macro_rules! client_with_secret_columns {
    () => {
        "client_id, metadata, secret_hash, trusted, created_at, registration_token_hash, \
         expires_at, updated_at, document_until, vouched_apis, previous_secrets, secret_salt, \
         secret_made_at"
    };
}
pub(super) use client_with_secret_columns;

/// Writes metadata as the JSON that the database stores.
pub(super) fn write_metadata(metadata: &ClientMetadata) -> Result<String, Internal> {
    serde_json::to_string(metadata).map_err(|error| Internal::Broken { detail: error.to_string() })
}

/// Parses metadata from the JSON that the database stores.
pub(super) fn parse_metadata(client_id: &str, json: &str) -> Result<ClientMetadata, Internal> {
    json::from_own(json).map_err(|error| Internal::Broken {
        detail: format!("damaged row in D1: the metadata of the client {client_id}: {error}"),
    })
}

/// Creates or replaces a client of the operator, and returns it as stored. Returns `None` if the identifier of a new
/// client is or was the `sub` of a user, or is that of a deleted client which [has rows left](deletions).
///
/// - An existing secret stays. `new_secret` is stored only if the client has none.
/// - A client whose new metadata needs no secret, so that `new_secret` is `None`, loses the one it has.
/// - A client that registered itself loses its registration access token, because it could otherwise change metadata
///   that the operator has approved.
///
/// Idempotent: the client has the new secret afterwards, or kept the one it had.
pub async fn put(
    context: &Context<'_, impl Database>,
    client: &NewClient<'_>,
) -> Result<Option<ClientWithSecret>, Internal> {
    let statement = Statement::new(concat!(
        "INSERT INTO clients (client_id, metadata, secret_hash, secret_salt, secret_made_at, \
           trusted, created_at, updated_at) \
         SELECT ?1, ?2, ?3, ?4, iif(?3 IS NULL, NULL, ?6), ?5, ?6, ?6 WHERE ",
        may_be_client!("?1"),
        " ON CONFLICT (client_id) DO UPDATE \
           SET metadata = ?2, trusted = ?5, updated_at = ?6, \
             registration_token_hash = NULL, expires_at = NULL, vouched_apis = NULL, slot = NULL, ",
        assign_secret!("?3", "?4", "?6"),
        " RETURNING ",
        client_with_secret_columns!(),
    ))
    .bind(client.client_id)
    .bind(write_metadata(client.metadata)?)
    .bind(client.new_secret.as_ref().map(|secret| secret.hash.as_str()))
    .bind(client.new_secret.as_ref().map(|secret| secret.salt.as_str()))
    .bind(i64::from(client.trusted))
    .bind(context.now);
    // An expired client counts as deleted: its secret must not return.
    let forget = Statement::new("DELETE FROM clients WHERE client_id = ?1 AND expires_at <= ?2")
        .bind(client.client_id)
        .bind(context.now);
    let mut batch = Batch::default();
    batch.add(sweep(context.now, SWEPT_WITH_EACH));
    batch.add(forget_salts(context.now, SWEPT_WITH_EACH));
    batch.add(forget);
    batch.add(acts::client_stored(context, client.client_id)?);
    let stored = batch.query(statement, first);
    let row = batch.run_idempotent(context).await?.take(stored)?;
    row.map(ClientWithSecret::from_row).transpose()
}

/// Deletes at most `limit` clients that registered themselves and expired before a user signed in to them.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM clients WHERE client_id IN \
         (SELECT client_id FROM clients WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now)
    .bind(limit)
}

/// Finds a client that has not expired.
pub async fn find(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<Option<Client>, Internal> {
    find_stored(context, client_id).await?.map(StoredClient::parse).transpose()
}

/// Finds a client that has not expired, without parsing its metadata.
pub async fn find_stored(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<Option<StoredClient>, Internal> {
    let mut rows = read(context, Freshness::Primary, select(client_id, context.now)).await?;
    rows.pop().map(StoredClient::from_row).transpose()
}

/// The same as [`find_stored`], in a batch.
pub fn look_up(batch: &mut Batch, client_id: &str, now: i64) -> Handle<Option<StoredClient>> {
    batch.query(select(client_id, now), |rows| first(rows)?.map(StoredClient::from_row).transpose())
}

fn select(client_id: &str, now: i64) -> Statement {
    Statement::new(concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
    ))
    .bind(client_id)
    .bind(now)
}

/// Returns up to `limit` clients in the order of their identifiers, beginning after `after`. Damaged and expired ones are
/// included, because the statement would read on for as long as strangers have registered clients.
pub async fn list(
    context: &Context<'_, impl Database>,
    after: &str,
    limit: i64,
) -> Result<Vec<StoredClient>, Internal> {
    let statement = Statement::new(concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id > ?1 ORDER BY client_id LIMIT ?2",
    ))
    .bind(after)
    .bind(limit);
    let rows = read(context, Freshness::Primary, statement).await?;
    rows.into_iter().map(StoredClient::from_row).collect()
}

/// Deletes a client, only if it has this hash of a registration access token, unless that is `None`. Its grants are of no use
/// without it; some are deleted in the same batch, with their tokens and the consents, and the others [later](deletions).
/// Returns whether the client existed.
///
/// The caller has just read the client. So if the batch ran twice and found none, the first run has deleted it. Without
/// that request of its own, a client that the first run deleted could not be distinguished from one that never was.
pub async fn delete(
    context: &Context<'_, impl Database>,
    client_id: &str,
    registration_token_hash: Option<&str>,
) -> Result<bool, Internal> {
    let begin = Statement::new(
        "INSERT INTO deleted_clients (client_id) SELECT client_id FROM clients \
         WHERE client_id = ?1 AND (?2 IS NULL OR registration_token_hash = ?2) \
         ON CONFLICT (client_id) DO NOTHING",
    )
    .bind(client_id)
    .bind(registration_token_hash);
    let delete = Statement::new(
        "DELETE FROM clients WHERE client_id = ?1 AND (?2 IS NULL OR registration_token_hash = ?2) \
         RETURNING client_id",
    )
    .bind(client_id)
    .bind(registration_token_hash);
    let mut batch = Batch::default();
    batch.add(acts::client_deleted(context, client_id, registration_token_hash)?);
    batch.add(begin);
    let deleted = batch.query(delete, exists);
    for statement in deletions::of_client(client_id, SWEPT_AT_ONCE) {
        batch.add(statement);
    }
    let mut outcome = batch.run_idempotent(context).await?;
    Ok(outcome.take(deleted)? || outcome.ran_twice())
}

/// How an authorization request names its client.
#[derive(Clone, Copy, Debug)]
pub enum ClientOf<'a> {
    /// By the parameter `client_id`.
    Parameter(&'a str),
    /// By a stored request.
    Handle(&'a BrowserHandle),
}

impl<'a> ClientOf<'a> {
    /// Returns the parameter, if there is one.
    pub fn parameter(self) -> Option<&'a str> {
        match self {
            Self::Parameter(client_id) => Some(client_id),
            Self::Handle(_) => None,
        }
    }

    /// Returns the handle, if there is one.
    pub fn handle(self) -> Option<&'a BrowserHandle> {
        match self {
            Self::Parameter(_) => None,
            Self::Handle(handle) => Some(handle),
        }
    }

    pub(super) fn handle_hash(self) -> Option<&'a str> {
        self.handle().map(|handle| handle.handle_hash.as_str())
    }
}

/// Finds the client of an authorization request, if it has not expired.
pub fn find_of_request(
    batch: &mut Batch,
    client: ClientOf<'_>,
    now: i64,
) -> Handle<Option<StoredClient>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id = coalesce(?1, \
           (SELECT client_id FROM authorization_requests WHERE handle_hash = ?2)) \
           AND (expires_at IS NULL OR expires_at > ?3)",
    ))
    .bind(client.parameter())
    .bind(client.handle_hash())
    .bind(now);
    batch.query(statement, |rows| first(rows)?.map(StoredClient::from_row).transpose())
}
