//! Clients: their metadata, and the hashes of their secrets.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::client_metadata::ClientMetadata;

/// A client as stored.
#[derive(Debug)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// Its metadata.
    pub metadata: ClientMetadata,
    /// The hash of its secret; a public client has none.
    pub secret_hash: Option<String>,
    /// Whether it is the operator's own, and need not ask for consent.
    pub trusted: bool,
    /// When it was first put, in Unix seconds.
    pub created_at: i64,
    /// The hash of the token by which it manages its own registration; one of the operator's has none.
    pub registration_token_hash: Option<String>,
}

/// The columns that [`Client`] reads.
macro_rules! client_columns {
    () => {
        "client_id, metadata, secret_hash, trusted, created_at, registration_token_hash"
    };
}
pub(super) use client_columns;

impl Client {
    /// Reads [`client_columns`].
    pub(super) fn read(mut row: Row) -> Result<Self, Internal> {
        let client_id = row.text()?;
        Ok(Self {
            metadata: read_metadata(&client_id, &row.text()?)?,
            client_id,
            secret_hash: row.text_or_null()?,
            trusted: row.integer()? == 1,
            created_at: row.integer()?,
            registration_token_hash: row.text_or_null()?,
        })
    }
}

/// The metadata of a client, as the database will have it.
pub(super) fn write_metadata(metadata: &ClientMetadata) -> Result<String, Internal> {
    serde_json::to_string(metadata).map_err(|error| Internal::Broken { detail: error.to_string() })
}

/// The metadata of a client, as the database has it.
pub(super) fn read_metadata(client_id: &str, json: &str) -> Result<ClientMetadata, Internal> {
    serde_json::from_str(json).map_err(|error| Internal::Broken {
        detail: format!("the metadata of the client {client_id} in D1: {error}"),
    })
}

/// Stores a client, new or replaced, and returns it as stored. One that has a secret keeps it;
/// `secret_hash` is for one that has none, and needs one. A client that becomes public loses it. One that
/// registered itself is the operator's from now on: it could otherwise change what the operator vouches for.
pub async fn put(database: &impl Database, client: &Client, now: i64) -> Result<Client, Internal> {
    let statement = Statement::new(concat!(
        "INSERT INTO clients (client_id, metadata, secret_hash, trusted, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?5) \
         ON CONFLICT (client_id) DO UPDATE \
           SET metadata = excluded.metadata, trusted = excluded.trusted, updated_at = ?5, \
             registration_token_hash = NULL, expires_at = NULL, \
             secret_hash = CASE WHEN excluded.secret_hash IS NOT NULL \
                           THEN coalesce(clients.secret_hash, excluded.secret_hash) END \
         RETURNING ",
        client_columns!(),
    ))
    .bind(client.client_id.as_str())
    .bind(write_metadata(&client.metadata)?)
    .bind(client.secret_hash.as_deref())
    .bind(i64::from(client.trusted))
    .bind(now);
    // Nobody meant one that is forgotten.
    let results = database.batch(vec![forget_unused(now), statement]).await?;
    let row = results.into_iter().flatten().next_back();
    row.map(Client::read)
        .transpose()?
        .ok_or_else(|| Internal::Broken { detail: "an upsert of a client returned no row".into() })
}

/// Drops the clients that registered themselves and that nobody has used in their time.
pub(super) fn forget_unused(now: i64) -> Statement {
    Statement::new("DELETE FROM clients WHERE expires_at <= ?1").bind(now)
}

/// The client of this id, unless it is forgotten.
pub async fn find(
    database: &impl Database,
    client_id: &str,
    now: i64,
) -> Result<Option<Client>, Internal> {
    let statement = Statement::new(concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
    ))
    .bind(client_id)
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(Client::read).transpose()
}

/// Up to `limit` clients in the order of their id, beginning behind `after`.
pub async fn list(
    database: &impl Database,
    after: &str,
    limit: i64,
    now: i64,
) -> Result<Vec<Client>, Internal> {
    let statement = Statement::new(concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id > ?1 AND (expires_at IS NULL OR expires_at > ?3) \
         ORDER BY client_id LIMIT ?2",
    ))
    .bind(after)
    .bind(limit)
    .bind(now);
    let rows = database.run(Freshness::Primary, statement).await?;
    rows.into_iter().map(Client::read).collect()
}

/// Deletes a client, revokes its grants and forgets what it was allowed, in one batch. Returns whether
/// there was one.
pub async fn delete(database: &impl Database, client_id: &str, now: i64) -> Result<bool, Internal> {
    let revoke_grants = Statement::new(
        "UPDATE grants SET revoked_at = ?2 WHERE client_id = ?1 AND revoked_at IS NULL \
         AND EXISTS (SELECT 1 FROM clients WHERE client_id = ?1)",
    )
    .bind(client_id)
    .bind(now);
    let delete = Statement::new("DELETE FROM clients WHERE client_id = ?1 RETURNING client_id")
        .bind(client_id);
    let forget = Statement::new("DELETE FROM consents WHERE client_id = ?1").bind(client_id);
    let statements = vec![revoke_grants, forget, delete];
    let deleted = database.batch(statements).await?.pop().unwrap_or_default();
    Ok(!deleted.is_empty())
}
