//! The key table.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::jose::jwk::{Algorithm, PublicKey};
use crate::lifetimes::{CLOCK_SLACK_SECONDS, KEY_CLAIM_SECONDS};
use crate::ports::Platform;
use crate::ports::{Freshness, Row, Statement};
use crate::store::audit::acts;
use crate::store::audit::kinds::Actor;
use crate::store::batch::{self, Batch};

/// A row of the key table. All times are Unix seconds; `None` means that no time is set.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// The public key, validated.
    pub public: PublicKey,
    /// The private key, encrypted under `KEY_ENCRYPTION_KEY`.
    pub sealed_private: String,
    /// The key is in the published set from this time on.
    pub publish_from: i64,
    /// The key may sign from this time on.
    pub sign_from: i64,
    /// The key may sign before this time.
    pub sign_until: Option<i64>,
    /// The key leaves the published set at this time, when every token that it signed has expired.
    pub retire_at: Option<i64>,
    /// When the key was made; `None` for a key of an older version. It has no effect on what the key does.
    pub created_at: Option<i64>,
}

/// The largest number of keys of an algorithm that are published at one time.
pub const MOST_PUBLISHED_KEYS: i64 = 4;

/// How many keys [`delete_retired`] deletes at most.
const DELETED_AT_ONCE: i64 = 10;

const SELECT: &str = "SELECT kid, public_jwk, sealed_private, publish_from, sign_from, sign_until, \
                      retire_at, created_at FROM signing_keys ORDER BY sign_from, kid";

/// Reads every key from the primary. A row with an invalid public key is logged and left out.
pub async fn all(context: &Context<'_, impl Platform>) -> Result<Vec<KeyRow>, Internal> {
    let rows = context.platform.run(Freshness::Primary, Statement::new(SELECT)).await?;
    key_rows(rows, context)
}

/// The private half of a key.
#[derive(Debug)]
pub struct SealedKey {
    pub kid: String,
    pub sealed_private: String,
    /// Whether it may sign now or later.
    pub may_sign: bool,
}

/// Reads the private halves of all keys, those that sign last first. Unlike [`all`] it leaves out no row.
pub async fn sealed(context: &Context<'_, impl Platform>) -> Result<Vec<SealedKey>, Internal> {
    let statement = Statement::new(
        "SELECT kid, sealed_private, sign_until IS NULL OR sign_until > ?1 \
         FROM signing_keys ORDER BY sign_from DESC, kid",
    )
    .bind(context.now);
    let rows = context.platform.run(Freshness::Primary, statement).await?;
    let read = |mut row: Row| {
        let (kid, sealed_private) = (row.text()?, row.text()?);
        Ok(SealedKey { kid, sealed_private, may_sign: row.integer()? == 1 })
    };
    rows.into_iter().map(read).collect()
}

/// A key that was sealed again under another secret.
#[derive(Debug)]
pub struct Resealed<'a> {
    pub kid: &'a str,
    /// The private half as it was read.
    pub old: &'a str,
    /// The same private half, sealed under the other secret.
    pub new: String,
}

/// Stores keys that were sealed again, each unless its row has changed since it was read. Idempotent.
pub async fn reseal(
    context: &Context<'_, impl Platform>,
    keys: &[Resealed<'_>],
) -> Result<(), Internal> {
    let mut batch = Batch::default();
    for Resealed { kid, old, new } in keys {
        let update = Statement::new(
            "UPDATE signing_keys SET sealed_private = ?3 WHERE kid = ?1 AND sealed_private = ?2",
        );
        batch.add(update.bind(*kid).bind(*old).bind(new.as_str()));
        batch.add(acts::key_resealed(context, kid, new)?);
    }
    batch.run_idempotent(context).await.map(drop)
}

/// The SQL condition that no key of the algorithm `?1` may still sign at `?2` or later.
macro_rules! none_signs {
    () => {
        "NOT EXISTS (SELECT 1 FROM signing_keys \
         WHERE alg = ?1 AND (sign_until IS NULL OR sign_until > ?2))"
    };
}

/// The insertion of a key, whose columns [`bind_key`] binds from `?3` on, after its algorithm as `?1`.
macro_rules! insert_key {
    () => {
        "INSERT INTO signing_keys (alg, kid, public_jwk, sealed_private, \
         publish_from, sign_from, sign_until, retire_at, created_at) \
         SELECT ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
    };
}

fn bind_key(insert: Statement, key: &KeyRow) -> Result<Statement, Internal> {
    let public_jwk = serde_json::to_string(&key.public)
        .map_err(|error| Internal::Broken { detail: error.to_string() })?;
    Ok(insert
        .bind(key.public.kid())
        .bind(public_jwk)
        .bind(key.sealed_private.as_str())
        .bind(key.publish_from)
        .bind(key.sign_from)
        .bind(key.sign_until)
        .bind(key.retire_at)
        .bind(key.created_at))
}

/// Adds `key` unless the table has a key of its algorithm that may still sign, and returns every key. Only one of
/// several concurrent calls adds its key.
pub async fn add_if_none_signs(
    context: &Context<'_, impl Platform>,
    key: &KeyRow,
) -> Result<Vec<KeyRow>, Internal> {
    let insert = Statement::new(concat!(insert_key!(), " WHERE ", none_signs!()))
        .bind(key.public.alg().name())
        .bind(context.now);
    let mut batch = Batch::default();
    batch.add(bind_key(insert, key)?);
    batch.add(acts::key_created(context, key.public.kid(), Actor::Provider)?);
    let keys = batch.query(Statement::new(SELECT), batch::all);
    key_rows(batch.run(context.platform).await?.take(keys)?, context)
}

/// The outcome of a claim to generate the missing key of an algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// The caller generates it.
    Won,
    /// The caller does not: another isolate has claimed it, or a key that may still sign exists.
    Lost,
}

/// Claims the generation of a key of `alg` for [`KEY_CLAIM_SECONDS`], so that only one isolate generates it. Only one of
/// several concurrent calls wins. A claim that ends too late comes from an isolate whose clock is ahead, and is ignored:
/// at worst two isolates generate a key, and one of the keys is added.
pub async fn claim(
    context: &Context<'_, impl Platform>,
    alg: Algorithm,
) -> Result<Claim, Internal> {
    let claim = Statement::new(concat!(
        "INSERT INTO key_claims (alg, claimed_until) SELECT ?1, ?3 WHERE ",
        none_signs!(),
        " ON CONFLICT (alg) DO UPDATE SET claimed_until = excluded.claimed_until \
         WHERE claimed_until <= ?2 OR claimed_until > ?4 RETURNING alg"
    ))
    .bind(alg.name())
    .bind(context.now)
    .bind(context.now + KEY_CLAIM_SECONDS)
    .bind(context.now + KEY_CLAIM_SECONDS + CLOCK_SLACK_SECONDS);
    let rows = context.platform.run(Freshness::Primary, claim).await?;
    Ok(if rows.is_empty() { Claim::Lost } else { Claim::Won })
}

/// The key table, with the version of each algorithm's keys.
pub struct KeyTable {
    /// Every key.
    pub rows: Vec<KeyRow>,
    /// The algorithms with their versions.
    versions: Vec<(String, Option<String>)>,
}

/// A change of the keys of one algorithm.
pub struct KeyChange {
    pub alg: Algorithm,
    /// The party that changes them, for the audit trail.
    pub actor: Actor,
    /// A key to add.
    pub new: Option<KeyRow>,
    /// Keys whose times change.
    pub changed: Vec<KeyRow>,
    /// The `kid`s of keys to delete.
    pub deleted: Vec<String>,
}

/// Reads every key from the primary, to plan a change.
pub async fn table(context: &Context<'_, impl Platform>) -> Result<KeyTable, Internal> {
    let mut batch = Batch::default();
    let keys = batch.query(Statement::new(SELECT), batch::all);
    let versions = batch.query(Statement::new("SELECT alg, changed_by FROM key_claims"), |rows| {
        rows.into_iter().map(|mut row| Ok((row.text()?, row.text_or_null()?))).collect()
    });
    let mut outcome = batch.run_idempotent(context).await?;
    Ok(KeyTable {
        rows: key_rows(outcome.take(keys)?, context)?,
        versions: outcome.take(versions)?,
    })
}

/// The SQL condition that this change (`?2`) is the last one of its algorithm (`?1`).
macro_rules! is_changed {
    () => {
        "EXISTS (SELECT 1 FROM key_claims WHERE alg = ?1 AND changed_by = ?2)"
    };
}

/// Applies a change to the table that it was planned for, and returns every key. Returns `None` and changes nothing if the
/// keys of the algorithm have changed meanwhile. So of several concurrent changes one applies.
///
/// Idempotent: the change has a random id.
pub async fn apply(
    context: &Context<'_, impl Platform>,
    table: &KeyTable,
    change: &KeyChange,
) -> Result<Option<Vec<KeyRow>>, Internal> {
    let (alg, id) = (change.alg.name(), context.random_id()?);
    let version = table.versions.iter().find(|(known, _)| known == alg);
    let mut batch = Batch::default();
    batch.add(
        Statement::new(
            "INSERT INTO key_claims (alg, changed_by, claimed_until) VALUES (?1, ?2, 0) \
             ON CONFLICT (alg) DO UPDATE SET changed_by = excluded.changed_by \
             WHERE key_claims.changed_by IS ?3",
        )
        .bind(alg)
        .bind(id.as_str())
        .bind(version.and_then(|(_, version)| version.clone())),
    );
    for kid in &change.deleted {
        let delete = Statement::new(concat!(
            "DELETE FROM signing_keys WHERE alg = ?1 AND kid = ?3 AND ",
            is_changed!()
        ));
        batch.add(delete.bind(alg).bind(id.as_str()).bind(kid.as_str()));
    }
    for key in &change.changed {
        let update = Statement::new(concat!(
            "UPDATE signing_keys SET publish_from = ?4, sign_from = ?5, sign_until = ?6, \
             retire_at = ?7 WHERE alg = ?1 AND kid = ?3 AND ",
            is_changed!()
        ));
        let update = update.bind(alg).bind(id.as_str()).bind(key.public.kid());
        let update = update.bind(key.publish_from).bind(key.sign_from);
        batch.add(update.bind(key.sign_until).bind(key.retire_at));
        if key.retire_at == Some(0) {
            batch.add(acts::key_withdrawn(context, key.public.kid(), &id)?);
        }
    }
    if let Some(key) = &change.new {
        let insert = Statement::new(concat!(
            insert_key!(),
            " WHERE ",
            is_changed!(),
            " ON CONFLICT (kid) DO NOTHING"
        ));
        batch.add(bind_key(insert.bind(alg).bind(id.as_str()), key)?);
        batch.add(acts::key_created(context, key.public.kid(), change.actor)?);
    }
    let is_applied = batch.query(
        Statement::new("SELECT 1 FROM key_claims WHERE alg = ?1 AND changed_by = ?2")
            .bind(alg)
            .bind(id.as_str()),
        batch::exists,
    );
    let keys = batch.query(Statement::new(SELECT), batch::all);
    let mut outcome = batch.run_idempotent(context).await?;
    if !outcome.take(is_applied)? {
        return Ok(None);
    }
    Ok(Some(key_rows(outcome.take(keys)?, context)?))
}

/// Deletes some keys that left the published set at `before` or earlier, if more than [`MOST_PUBLISHED_KEYS`] keys of their
/// algorithm sign later. These are so many that the key is not published, even if an isolate whose clock is ahead deletes
/// it. Returns the `kid`s.
///
/// Idempotent: each time it deletes what is due.
pub async fn delete_retired(
    context: &Context<'_, impl Platform>,
    before: i64,
) -> Result<Vec<String>, Internal> {
    let delete = Statement::new(
        "DELETE FROM signing_keys WHERE kid IN (SELECT kid FROM \
           (SELECT kid, retire_at, rank() OVER (PARTITION BY alg ORDER BY max(sign_from, coalesce(created_at, 0)) DESC) AS place \
            FROM signing_keys) \
         WHERE place > ?2 + 1 AND retire_at <= ?1 LIMIT ?3) RETURNING kid",
    )
    .bind(before)
    .bind(MOST_PUBLISHED_KEYS)
    .bind(DELETED_AT_ONCE);
    let mut batch = Batch::default();
    let kids = batch.query(delete, |rows| rows.into_iter().map(|mut row| row.text()).collect());
    batch.run_idempotent(context).await?.take(kids)
}

fn key_rows(rows: Vec<Row>, context: &Context<'_, impl Platform>) -> Result<Vec<KeyRow>, Internal> {
    let mut keys = Vec::with_capacity(rows.len());
    for mut row in rows {
        let kid = row.text()?;
        let public_jwk = row.text()?;
        let public = match json::from_own::<PublicKey>(&public_jwk) {
            Ok(public) if public.kid() == kid => public,
            _ => {
                context.log_note(format!("damaged row in D1: the signing key {kid} is left out"));
                continue;
            }
        };
        keys.push(KeyRow {
            public,
            sealed_private: row.text()?,
            publish_from: row.integer()?,
            sign_from: row.integer()?,
            sign_until: row.integer_or_null()?,
            retire_at: row.integer_or_null()?,
            created_at: row.integer_or_null()?,
        });
    }
    Ok(keys)
}
