//! Initial access tokens, by which the operator permits the registration of clients (RFC 7591 section 3).
//! [`super::registrations`] counts their uses.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::LOST_RESPONSE_SECONDS;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::audit::{acts, operator};
use crate::store::batch::{Batch, exists, first, read};
use crate::store::vouched_apis::{parse_vouched_apis, write_vouched_apis};

/// A permission to register clients.
#[derive(Debug)]
pub struct InitialAccessToken {
    pub token_hash: String,
    /// How many clients it registers.
    pub uses: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// The URIs of the APIs whose scopes the clients may have, if they register them.
    pub vouched_apis: Vec<String>,
}

/// Stores a token, and deletes some that have expired.
///
/// Idempotent: the token is random.
pub async fn keep(
    context: &Context<'_, impl Database>,
    token: &InitialAccessToken,
) -> Result<(), Internal> {
    let insert = Statement::new(
        "INSERT INTO initial_access_tokens \
           (token_hash, uses, uses_left, expires_at, created_at, vouched_apis) \
         VALUES (?1, ?2, ?2, ?3, ?4, ?5) ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(token.token_hash.as_str())
    .bind(token.uses)
    .bind(token.expires_at)
    .bind(context.now)
    .bind(write_vouched_apis(&token.vouched_apis));
    let mut batch = Batch::default();
    batch.add(sweep(context.now, SWEPT_WITH_EACH));
    batch.add(insert);
    batch.add(acts::initial_access_token_created(context, &token.token_hash)?);
    batch.run_idempotent(context).await.map(drop)
}

/// Returns whether a token can register a client.
pub async fn is_valid(
    context: &Context<'_, impl Database>,
    token_hash: &str,
) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    let is_valid = batch.query(select_valid(token_hash, context.now), exists);
    batch.run_idempotent(context).await?.take(is_valid)
}

/// Selects a row if the token can register a client.
pub(super) fn select_valid(token_hash: &str, now: i64) -> Statement {
    Statement::new(
        "SELECT 1 FROM initial_access_tokens \
         WHERE token_hash = ?1 AND uses_left > 0 AND expires_at > ?2",
    )
    .bind(token_hash)
    .bind(now)
}

/// How many characters of its hash name a token in the operator's interface and in the audit trail.
pub const NAME_CHARACTERS: u8 = 12;

/// A token as the operator sees it.
#[derive(Debug)]
pub struct ListedToken {
    /// The beginning of its hash.
    pub name: String,
    /// How many clients it registers. `None` if an older version made it.
    pub uses: Option<i64>,
    pub uses_left: i64,
    /// When it was made, in Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// The URIs of the APIs whose scopes the clients may have.
    pub vouched_apis: Vec<String>,
}

impl ListedToken {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            name: row.text()?.chars().take(usize::from(NAME_CHARACTERS)).collect(),
            uses: row.integer_or_null()?,
            uses_left: row.integer()?,
            created_at: row.integer()?,
            expires_at: row.integer()?,
            vouched_apis: parse_vouched_apis(row.text_or_null()?.as_deref()),
        })
    }

    /// Returns whether it can register a client.
    pub fn is_valid(&self, now: i64) -> bool {
        self.uses_left > 0 && self.expires_at > now
    }
}

/// Returns up to `limit` tokens in the order of their names, beginning after one. Those that are used up or have expired are
/// included, because the statement would read on otherwise.
pub async fn list(
    context: &Context<'_, impl Database>,
    after: &str,
    limit: i64,
) -> Result<Vec<ListedToken>, Internal> {
    let statement = Statement::new(
        "SELECT token_hash, uses, uses_left, created_at, expires_at, vouched_apis \
         FROM initial_access_tokens WHERE token_hash > ?1 ORDER BY token_hash LIMIT ?2",
    )
    // No hash has this character, which comes after all that a hash can have.
    .bind(if after.is_empty() { String::new() } else { format!("{after}~") })
    .bind(limit);
    let rows = read(context, Freshness::Primary, statement).await?;
    rows.into_iter().map(ListedToken::from_row).collect()
}

/// Revokes the token of a name: it registers no client, and no registration with it is repeated. Returns `None` if there is no
/// such token.
///
/// Idempotent: the row stays, as one that has expired.
pub async fn revoke(
    context: &Context<'_, impl Database>,
    name: &str,
) -> Result<Option<ListedToken>, Internal> {
    let statement = Statement::new(
        "UPDATE initial_access_tokens \
         SET uses_left = 0, used_by = NULL, expires_at = min(expires_at, ?2) \
         WHERE token_hash BETWEEN ?1 AND ?1 || '~' \
         RETURNING token_hash, uses, uses_left, created_at, expires_at, vouched_apis",
    )
    .bind(name)
    .bind(context.now);
    let mut batch = Batch::default();
    batch.add(operator::initial_access_token_revoked(context, name)?);
    let revoked = batch.query(statement, first);
    let row = batch.run_idempotent(context).await?.take(revoked)?;
    row.map(ListedToken::from_row).transpose()
}

/// Deletes at most `limit` expired tokens. They are kept for a short time, in which the use of one can be repeated.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM initial_access_tokens WHERE token_hash IN \
         (SELECT token_hash FROM initial_access_tokens WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now - LOST_RESPONSE_SECONDS)
    .bind(limit)
}
