//! The registrations of clients that register themselves (RFC 7591), and their updates (RFC 7592).

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::batch::{Batch, exists};
use crate::store::clients::{self, Client, StoredClient, client_columns, write_metadata};

#[derive(Debug, Eq, PartialEq)]
pub enum RegistrationOutcome {
    /// The initial access token does not exist, is used up or has expired.
    NoSuchToken,
    /// The client is registered, and one use of the initial access token is counted.
    Registered,
}

/// Registers a new client, and deletes some that have expired. A client without an initial access token has an
/// `expires_at` (Unix seconds), which is cleared when a user first signs in to it.
///
/// Of several concurrent calls with the last use of an initial access token, only one registers a client.
pub async fn register(
    database: &impl Database,
    client: &Client,
    initial_access_token: Option<&str>,
    expires_at: Option<i64>,
) -> Result<RegistrationOutcome, Internal> {
    let insert = Statement::new(
        "INSERT INTO clients \
           (client_id, metadata, secret_hash, trusted, created_at, updated_at, \
            registration_token_hash, expires_at) \
         SELECT ?1, ?2, ?3, 0, ?4, ?4, ?5, ?6 \
         WHERE ?7 IS NULL OR EXISTS \
           (SELECT 1 FROM initial_access_tokens \
            WHERE token_hash = ?7 AND uses_left > 0 AND expires_at > ?4) \
         RETURNING client_id",
    )
    .bind(client.client_id.as_str())
    .bind(write_metadata(&client.metadata)?)
    .bind(client.secret_hash.as_deref())
    .bind(client.created_at)
    .bind(client.registration_token_hash.as_deref())
    .bind(expires_at)
    .bind(initial_access_token);
    let mut batch = Batch::default();
    batch.add(clients::sweep(client.created_at, SWEPT_WITH_EACH));
    let registered = batch.query(insert, exists);
    if let Some(token_hash) = initial_access_token {
        let spend = Statement::new(
            "UPDATE initial_access_tokens SET uses_left = uses_left - 1 \
             WHERE token_hash = ?1 AND uses_left > 0 AND expires_at > ?2",
        )
        .bind(token_hash)
        .bind(client.created_at);
        batch.add(spend);
    }
    let is_registered = batch.run(database).await?.take(registered)?;
    Ok(if is_registered {
        RegistrationOutcome::Registered
    } else {
        RegistrationOutcome::NoSuchToken
    })
}

/// Replaces the metadata of a client that manages its own registration, and returns it as stored. Returns `None` if the
/// client has expired or no longer has this registration access token. A secret is kept or lost as in
/// [`super::clients::put`].
pub async fn replace(
    database: &impl Database,
    client: &Client,
    now: i64,
) -> Result<Option<Client>, Internal> {
    let statement = Statement::new(concat!(
        "UPDATE clients SET metadata = ?3, updated_at = ?5, \
           secret_hash = CASE WHEN ?4 IS NOT NULL THEN coalesce(secret_hash, ?4) END \
         WHERE client_id = ?1 AND registration_token_hash = ?2 \
           AND (expires_at IS NULL OR expires_at > ?5) \
         RETURNING ",
        client_columns!(),
    ))
    .bind(client.client_id.as_str())
    .bind(client.registration_token_hash.as_deref())
    .bind(write_metadata(&client.metadata)?)
    .bind(client.secret_hash.as_deref())
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|row| StoredClient::from_row(row)?.parse()).transpose()
}
