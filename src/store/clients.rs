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
}

impl Client {
    fn read(mut row: Row) -> Result<Self, Internal> {
        let client_id = row.text()?;
        Ok(Self {
            metadata: read_metadata(&client_id, &row.text()?)?,
            client_id,
            secret_hash: row.text_or_null()?,
            trusted: row.integer()? == 1,
            created_at: row.integer()?,
        })
    }
}

/// The metadata of a client, as the database has it.
pub(super) fn read_metadata(client_id: &str, json: &str) -> Result<ClientMetadata, Internal> {
    serde_json::from_str(json).map_err(|error| Internal::Broken {
        detail: format!("the metadata of the client {client_id} in D1: {error}"),
    })
}

/// Stores a client, new or replaced, and returns it as stored. One that has a secret keeps it;
/// `secret_hash` is for one that has none, and needs one. A client that becomes public loses it.
pub async fn put(database: &impl Database, client: &Client, now: i64) -> Result<Client, Internal> {
    let metadata = serde_json::to_string(&client.metadata)
        .map_err(|error| Internal::Broken { detail: error.to_string() })?;
    let statement = Statement::new(
        "INSERT INTO clients (client_id, metadata, secret_hash, trusted, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?5) \
         ON CONFLICT (client_id) DO UPDATE \
           SET metadata = excluded.metadata, trusted = excluded.trusted, updated_at = ?5, \
             secret_hash = CASE WHEN excluded.secret_hash IS NOT NULL \
                           THEN coalesce(clients.secret_hash, excluded.secret_hash) END \
         RETURNING client_id, metadata, secret_hash, trusted, created_at",
    )
    .bind(client.client_id.as_str())
    .bind(metadata)
    .bind(client.secret_hash.as_deref())
    .bind(i64::from(client.trusted))
    .bind(now);
    let row = database.run(Freshness::Primary, statement).await?.pop();
    row.map(Client::read)
        .transpose()?
        .ok_or_else(|| Internal::Broken { detail: "an upsert of a client returned no row".into() })
}

/// The client of this id.
pub async fn find(database: &impl Database, client_id: &str) -> Result<Option<Client>, Internal> {
    let statement = Statement::new(
        "SELECT client_id, metadata, secret_hash, trusted, created_at FROM clients \
         WHERE client_id = ?1",
    )
    .bind(client_id);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(Client::read).transpose()
}

/// Up to `limit` clients in the order of their id, beginning behind `after`.
pub async fn list(
    database: &impl Database,
    after: &str,
    limit: i64,
) -> Result<Vec<Client>, Internal> {
    let statement = Statement::new(
        "SELECT client_id, metadata, secret_hash, trusted, created_at FROM clients \
         WHERE client_id > ?1 ORDER BY client_id LIMIT ?2",
    )
    .bind(after)
    .bind(limit);
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
