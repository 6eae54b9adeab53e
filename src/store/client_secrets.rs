//! The secrets of clients, and what else the operator can take from a client that registered itself.
//!
//! The operator gives a client a new secret, and the one before counts for some time longer. The client needs that time to
//! change its configuration, and a second change within it must not shorten it. So a client can have several previous secrets,
//! each with its end.

use serde::Deserialize;

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::LOST_RESPONSE_SECONDS;
use crate::ports::{Database, Statement};
use crate::secret::same_hash;
use crate::store::audit::operator;
use crate::store::batch::{Batch, exists, first};
use crate::store::clients::{self, Client};

/// How many previous secrets of a client count at once.
const MOST_PREVIOUS: i64 = 4;

/// What the column `registration_token_hash` has instead of the hash of a revoked registration access token. No token has this
/// hash, and the client remains one that nobody vouches for.
pub(super) const REVOKED_TOKEN: &str = "revoked";

/// A secret that a client gets if it needs one and has none.
#[derive(Debug)]
pub struct NewSecret {
    pub hash: String,
    /// The random text that it is derived from.
    pub salt: String,
}

/// A secret before the current one.
#[derive(Clone, Debug, Deserialize)]
pub struct PreviousSecret {
    hash: String,
    /// Until when it counts, in Unix seconds.
    pub until: i64,
}

/// Parses the column `previous_secrets`. A damaged one has none.
pub(super) fn parse_previous_secrets(json: Option<&str>) -> Vec<PreviousSecret> {
    json.and_then(|json| json::from_own(json).ok()).unwrap_or_default()
}

impl Client {
    /// Returns whether the client has the secret of this hash, as its current or as a previous one.
    pub(super) fn has_secret(&self, secret_hash: &str, now: i64) -> bool {
        let previous = self.previous_secrets.iter().filter(|previous| previous.until > now);
        let mut known = self.secret_hash.iter().chain(previous.map(|previous| &previous.hash));
        known.any(|known| same_hash(secret_hash, known))
    }

    /// Returns when the last of the previous secrets ends, in Unix seconds, if one still counts.
    pub fn previous_secret_ends_at(&self, now: i64) -> Option<i64> {
        self.previous_secrets.iter().map(|previous| previous.until).filter(|&end| end > now).max()
    }
}

/// A SQL query: the previous secrets of the row of `clients` that count, each as a JSON object.
macro_rules! previous_secrets {
    ($now:literal) => {
        concat!(
            "SELECT value FROM json_each( \
               CASE WHEN json_valid(clients.previous_secrets) THEN clients.previous_secrets END) \
             WHERE value->>'until' > ",
            $now
        )
    };
}

/// A SQL condition: the row of `clients` has the secret of the hash `$hash`, as its current or as a previous one. Without a hash it
/// has none.
macro_rules! has_secret {
    ($hash:expr, $now:expr) => {
        concat!(
            "(clients.secret_hash IS ",
            $hash,
            " OR EXISTS (SELECT 1 FROM json_each( \
               CASE WHEN json_valid(clients.previous_secrets) THEN clients.previous_secrets END) \
               WHERE value->>'hash' = ",
            $hash,
            " AND value->>'until' > ",
            $now,
            "))"
        )
    };
}
pub(super) use has_secret;

/// The assignment to one column of the secret: see [`assign_secret`].
macro_rules! assign_secret_column {
    ($column:literal, $new:literal, $hash:literal) => {
        concat!(
            $column,
            " = CASE WHEN ",
            $hash,
            " IS NOT NULL THEN iif(clients.secret_hash IS NULL, ",
            $new,
            ", clients.",
            $column,
            ") END"
        )
    };
}
pub(super) use assign_secret_column;

/// The assignments that keep a client's secrets, or give it the new one if it has none. They remove the secrets if there is
/// no new one, because then the client needs none.
macro_rules! assign_secret {
    ($hash:literal, $salt:literal, $now:literal) => {
        concat!(
            assign_secret_column!("secret_hash", $hash, $hash),
            ", ",
            assign_secret_column!("secret_salt", $salt, $hash),
            ", ",
            assign_secret_column!("secret_made_at", $now, $hash),
            ", ",
            assign_secret_column!("previous_secrets", "NULL", $hash)
        )
    };
}
pub(super) use assign_secret;

/// Erases at most `limit` salts of secrets that no response repeats, the oldest ones first: with a credential and
/// `KEY_ENCRYPTION_KEY` they give the secrets.
pub(super) fn forget_salts(now: i64, limit: i64) -> Statement {
    Statement::new(
        "UPDATE clients SET secret_salt = NULL, secret_made_at = NULL WHERE client_id IN \
         (SELECT client_id FROM clients WHERE secret_made_at <= ?1 ORDER BY secret_made_at LIMIT ?2)",
    )
    .bind(now - LOST_RESPONSE_SECONDS)
    .bind(limit)
}

/// The outcome of [`replace_secret`].
#[derive(Debug)]
pub enum SecretOutcome {
    /// The client authenticates without a secret.
    NeedsNone(Box<Client>),
    NoSuchClient,
    /// The client has the new secret.
    Replaced(Box<Client>),
    /// As many previous secrets count as may.
    TooMany,
}

/// Gives a client a new secret. The one before counts for `overlap` seconds longer, and earlier ones until their own ends;
/// all of them end at once if it is 0.
///
/// Idempotent: the new secret is random.
pub async fn replace_secret(
    context: &Context<'_, impl Database>,
    client_id: &str,
    secret_hash: &str,
    overlap: i64,
) -> Result<SecretOutcome, Internal> {
    // D1 binds whole numbers as floating-point ones, which JSON would keep.
    let replace = Statement::new(concat!(
        "UPDATE clients SET secret_hash = ?2, secret_salt = NULL, secret_made_at = NULL, \
           previous_secrets = CASE WHEN ?4 > 0 THEN \
             (SELECT json_group_array(json(value)) FROM ( \
               SELECT json_object('hash', clients.secret_hash, \
                                  'until', CAST(?3 + ?4 AS INTEGER)) AS value \
               UNION ALL ",
        previous_secrets!("?3"),
        ")) END \
         WHERE client_id = ?1 AND (expires_at IS NULL OR expires_at > ?3) AND secret_hash <> ?2 \
           AND (?4 = 0 OR (SELECT count(*) FROM (",
        previous_secrets!("?3"),
        ")) < ?5)",
    ))
    .bind(client_id)
    .bind(secret_hash)
    .bind(context.now)
    .bind(overlap)
    .bind(MOST_PREVIOUS);
    let mut batch = Batch::default();
    batch.add(replace);
    batch.add(operator::client_secret_made(context, client_id, secret_hash, overlap)?);
    let client = clients::look_up(&mut batch, client_id, context.now);
    let Some(stored) = batch.run_idempotent(context).await?.take(client)? else {
        return Ok(SecretOutcome::NoSuchClient);
    };
    let client = Box::new(stored.parse()?);
    Ok(match client.secret_hash.as_deref() {
        None => SecretOutcome::NeedsNone(client),
        Some(current) if same_hash(current, secret_hash) => SecretOutcome::Replaced(client),
        Some(_) => SecretOutcome::TooMany,
    })
}

/// Ends the previous secrets of a client. Returns it as stored, or `None` if there is no such client.
///
/// Idempotent.
pub async fn end_previous_secrets(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<Option<Client>, Internal> {
    let end = Statement::new("UPDATE clients SET previous_secrets = NULL WHERE client_id = ?1")
        .bind(client_id);
    let mut batch = Batch::default();
    batch.add(operator::client_secret_ended(context, client_id)?);
    batch.add(end);
    let client = clients::look_up(&mut batch, client_id, context.now);
    let stored = batch.run_idempotent(context).await?.take(client)?;
    stored.map(clients::StoredClient::parse).transpose()
}

/// The outcome of [`revoke_registration_token`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenRevocation {
    /// The client has none: the operator has stored it, or it is one by document.
    HasNone,
    NoSuchClient,
    Revoked,
}

/// Revokes the registration access token of a client (RFC 7592), so that it can neither read nor change its registration.
///
/// Idempotent.
pub async fn revoke_registration_token(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<TokenRevocation, Internal> {
    let revoke = Statement::new(
        "UPDATE clients SET registration_token_hash = ?2 WHERE client_id = ?1 \
         AND registration_token_hash IS NOT NULL AND document_until IS NULL RETURNING 1",
    )
    .bind(client_id)
    .bind(REVOKED_TOKEN);
    let find = Statement::new("SELECT 1 FROM clients WHERE client_id = ?1").bind(client_id);
    let mut batch = Batch::default();
    batch.add(operator::registration_token_revoked(context, client_id)?);
    let revoked = batch.query(revoke, exists);
    let found = batch.query(find, first);
    let mut outcome = batch.run_idempotent(context).await?;
    Ok(match (outcome.take(revoked)?, outcome.take(found)?) {
        (true, _) => TokenRevocation::Revoked,
        (false, Some(_)) => TokenRevocation::HasNone,
        (false, None) => TokenRevocation::NoSuchClient,
    })
}
