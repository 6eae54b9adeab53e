//! The registrations of clients that register themselves (RFC 7591), and their updates (RFC 7592).

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, LOST_RESPONSE_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::protocol::client::metadata::ClientMetadata;
use crate::secret::same_hash;
use crate::store::SWEPT_WITH_EACH;
use crate::store::audit::acts;
use crate::store::batch::{Batch, Handle, exists, first};
use crate::store::client_secrets::{
    NewSecret, assign_secret, assign_secret_column, forget_salts, has_secret,
};
use crate::store::clients::{
    self, Client, ClientWithSecret, client_with_secret_columns, write_metadata,
};
use crate::store::initial_access_tokens::select_valid;
use crate::store::slots::{Slots, delete_expired, free_slot};

/// The use of an initial access token by a registration.
#[derive(Debug)]
pub struct TokenUse {
    pub token_hash: String,
    /// The hashes of the secrets that the client gets if the token was made for one use. They follow from the token and
    /// the document.
    pub single: SecretHashes,
}

/// The hashes of the secrets that a registration returns.
#[derive(Debug)]
pub struct SecretHashes {
    /// That of the client secret; `None` if the client needs none.
    pub secret: Option<String>,
    /// That of the registration access token.
    pub registration_token: String,
}

#[derive(Debug, Eq, PartialEq)]
pub enum RegistrationOutcome {
    /// The initial access token does not exist, has expired or is used up; or it was made for one use, which registered
    /// another document, or was too long ago.
    NoSuchToken,
    /// The client is registered with the secrets of its own, and one use of the initial access token is counted.
    Registered,
    /// The initial access token was made for one use, which has registered a client of this document, now or a short time
    /// ago. The client's secrets are those of [`TokenUse::single`].
    RegisteredOnce {
        client_id: String,
        /// When it was registered, in Unix seconds.
        created_at: i64,
    },
}

/// Registers a new client without an initial access token, and deletes some that have expired. Returns `false` if all the
/// slots are taken. The client gives its slot back when a user first signs in to it, and then no longer expires.
///
/// Idempotent: the identifier of the client is random.
pub async fn register(
    context: &Context<'_, impl Database>,
    client: &Client,
    slots: &Slots,
) -> Result<bool, Internal> {
    // A repeated insertion changes nothing, but returns its row again.
    let insert = Statement::new(concat!(
        "INSERT INTO clients \
           (client_id, metadata, secret_hash, trusted, created_at, updated_at, \
            registration_token_hash, expires_at, slot) \
         SELECT ?1, ?2, ?3, 0, ?4, ?4, ?5, ?6, slot FROM (SELECT ",
        free_slot!("clients", "?7"),
        " AS slot) WHERE slot IS NOT NULL OR EXISTS (SELECT 1 FROM clients WHERE client_id = ?1) \
         ON CONFLICT (client_id) DO UPDATE SET client_id = excluded.client_id RETURNING client_id",
    ))
    .bind(client.client_id.as_str())
    .bind(write_metadata(&client.metadata)?)
    .bind(client.secret_hash.as_deref())
    .bind(client.created_at)
    .bind(client.registration_token_hash.as_deref())
    .bind(client.expires_at)
    .bind(slots.as_json());
    let mut batch = Batch::default();
    batch.add(clients::sweep(client.created_at, SWEPT_WITH_EACH));
    batch.add(make_room(slots, client.created_at));
    let registered = batch.query(insert, exists);
    batch.add(acts::client_registered(context, &client.client_id)?);
    batch.run_idempotent(context).await?.take(registered)
}

/// Makes one of the slots free, if its client has expired.
pub(super) fn make_room(slots: &Slots, now: i64) -> Statement {
    slots.bind_to(Statement::new(delete_expired!("clients")), now)
}

/// Registers a new client with an initial access token, and deletes some clients that have expired. A token that was made
/// for one use gives the client the secrets of [`TokenUse::single`], and returns it again for [`LOST_RESPONSE_SECONDS`],
/// because the client cannot register once more if the response is lost. A token for several uses never does: several
/// parties may register the same metadata with it, and none may get the secrets of another.
///
/// Of several concurrent calls with one use left, only one registers a client. Idempotent: the identifier of the client
/// is random, and shows that this request has counted its use.
pub async fn register_with_token(
    context: &Context<'_, impl Database>,
    client: &Client,
    token_use: &TokenUse,
) -> Result<RegistrationOutcome, Internal> {
    let spend = Statement::new(
        "UPDATE initial_access_tokens SET uses_left = uses_left - 1, used_by = ?2 \
         WHERE token_hash = ?1 AND uses_left > 0 AND expires_at > ?3 \
           AND NOT EXISTS (SELECT 1 FROM clients WHERE client_id = ?2)",
    )
    .bind(token_use.token_hash.as_str())
    .bind(client.client_id.as_str())
    .bind(client.created_at);
    let insert = Statement::new(
        "INSERT INTO clients \
           (client_id, metadata, secret_hash, trusted, created_at, updated_at, \
            registration_token_hash, vouched_apis) \
         SELECT ?2, ?3, iif(uses = 1, ?6, ?4), 0, ?8, ?8, iif(uses = 1, ?7, ?5), vouched_apis \
         FROM initial_access_tokens WHERE token_hash = ?1 AND used_by = ?2 \
         ON CONFLICT (client_id) DO NOTHING",
    )
    .bind(token_use.token_hash.as_str())
    .bind(client.client_id.as_str())
    .bind(write_metadata(&client.metadata)?)
    .bind(client.secret_hash.as_deref())
    .bind(client.registration_token_hash.as_deref())
    .bind(token_use.single.secret.as_deref())
    .bind(token_use.single.registration_token.as_str())
    .bind(client.created_at);
    let find = Statement::new(
        "SELECT 1 FROM clients WHERE client_id = ?1 AND registration_token_hash = ?2",
    )
    .bind(client.client_id.as_str())
    .bind(client.registration_token_hash.as_deref());
    let mut batch = Batch::default();
    batch.add(clients::sweep(client.created_at, SWEPT_WITH_EACH));
    batch.add(spend);
    batch.add(insert);
    let registered = batch.query(find, exists);
    let token_hash = token_use.token_hash.as_str();
    batch.add(acts::client_registered_with_token(context, &client.client_id, token_hash)?);
    let once = find_once(&mut batch, &client.metadata, token_use, client.created_at)?;
    let mut outcome = batch.run_idempotent(context).await?;
    if outcome.take(registered)? {
        return Ok(RegistrationOutcome::Registered);
    }
    let once = outcome.take(once)?;
    Ok(once.map_or(RegistrationOutcome::NoSuchToken, |(client_id, created_at)| {
        RegistrationOutcome::RegisteredOnce { client_id, created_at }
    }))
}

/// Finds the client that a token for one use registered a short time ago, if its metadata and secrets are those of this
/// document. The client of a token for several uses has other secrets. Returns its identifier, and when it was registered.
fn find_once(
    batch: &mut Batch,
    metadata: &ClientMetadata,
    token_use: &TokenUse,
    now: i64,
) -> Result<Handle<Option<(String, i64)>>, Internal> {
    let statement = Statement::new(
        "SELECT client_id, created_at FROM clients \
         WHERE client_id = (SELECT used_by FROM initial_access_tokens WHERE token_hash = ?1) \
           AND created_at > ?2 AND created_at <= ?6 AND metadata = ?3 AND secret_hash IS ?4 \
           AND registration_token_hash = ?5",
    )
    .bind(token_use.token_hash.as_str())
    .bind(now - LOST_RESPONSE_SECONDS)
    .bind(write_metadata(metadata)?)
    .bind(token_use.single.secret.as_deref())
    .bind(token_use.single.registration_token.as_str())
    .bind(now + CLOCK_SLACK_SECONDS);
    Ok(batch.query(statement, |rows| {
        let read = |mut row: Row| Ok((row.text()?, row.integer()?));
        first(rows)?.map(read).transpose()
    }))
}

/// Returns whether a token can register a client of this document now, or has registered it a short time ago.
/// Only [`register_with_token`] decides, because a concurrent request may use the token.
pub async fn is_permitted(
    context: &Context<'_, impl Database>,
    metadata: &ClientMetadata,
    token_use: &TokenUse,
) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    let is_valid = batch.query(select_valid(&token_use.token_hash, context.now), exists);
    let once = find_once(&mut batch, metadata, token_use, context.now)?;
    let mut outcome = batch.run_idempotent(context).await?;
    Ok(outcome.take(is_valid)? || outcome.take(once)?.is_some())
}

/// The replacement of a registration.
#[derive(Debug)]
pub struct Replacement<'a> {
    pub client_id: &'a str,
    /// The hash of the registration access token.
    pub registration_token_hash: String,
    pub metadata: &'a ClientMetadata,
    /// The hash of the client secret in the document, if it has one. It must be the client's.
    pub presented_secret_hash: Option<String>,
    /// The secret that the client gets if it needs one and has none.
    pub new_secret: Option<NewSecret>,
}

#[derive(Debug)]
pub enum ReplacementOutcome {
    /// The metadata is replaced.
    Replaced(Box<ClientWithSecret>),
    /// The client has another secret.
    WrongSecret,
    /// No client has this registration access token, or it has expired.
    WrongToken,
}

/// A SQL condition: the client has the registration access token of the hash `$token`, and, if it has a secret and presents
/// one, one of the hash `$secret`. Or the replacement has already removed its secret.
macro_rules! may_be_replaced {
    ($client_id:literal, $token:literal, $metadata:literal, $now:literal, $secret:literal) => {
        concat!(
            "client_id = ",
            $client_id,
            " AND registration_token_hash = ",
            $token,
            " AND (expires_at IS NULL OR expires_at > ",
            $now,
            ") AND (",
            $secret,
            " IS NULL OR ",
            has_secret!($secret, $now),
            " OR secret_hash IS NULL AND metadata = ",
            $metadata,
            ")"
        )
    };
}
pub(super) use may_be_replaced;

/// Replaces the metadata of a client that manages its own registration, and returns it as stored. A secret is kept or
/// lost as in [`super::clients::put`].
///
/// Idempotent: a client that has lost its secret by this replacement may present it once more.
pub async fn replace(
    context: &Context<'_, impl Database>,
    replacement: &Replacement<'_>,
) -> Result<ReplacementOutcome, Internal> {
    let Replacement { client_id, registration_token_hash, new_secret, .. } = replacement;
    let metadata = write_metadata(replacement.metadata)?;
    let statement = Statement::new(concat!(
        "UPDATE clients SET metadata = ?3, updated_at = ?4, ",
        assign_secret!("?5", "?6", "?4"),
        " WHERE ",
        may_be_replaced!("?1", "?2", "?3", "?4", "?7"),
        " RETURNING ",
        client_with_secret_columns!(),
    ))
    .bind(*client_id)
    .bind(registration_token_hash.as_str())
    .bind(metadata.as_str())
    .bind(context.now)
    .bind(new_secret.as_ref().map(|secret| secret.hash.as_str()))
    .bind(new_secret.as_ref().map(|secret| secret.salt.as_str()))
    .bind(replacement.presented_secret_hash.as_deref());
    let mut batch = Batch::default();
    batch.add(forget_salts(context.now, SWEPT_WITH_EACH));
    batch.add(acts::client_updated(context, replacement, &metadata)?);
    let replaced = batch.query(statement, first);
    let stored = clients::look_up(&mut batch, client_id, context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    if let Some(row) = outcome.take(replaced)? {
        let client = ClientWithSecret::from_row(row)?;
        return Ok(ReplacementOutcome::Replaced(Box::new(client)));
    }
    let known = outcome.take(stored)?.and_then(|client| client.registration_token_hash);
    let is_authentic = known.is_some_and(|known| same_hash(registration_token_hash, &known));
    Ok(if is_authentic { ReplacementOutcome::WrongSecret } else { ReplacementOutcome::WrongToken })
}
