//! Initial access tokens, by which the operator permits the registration of clients (RFC 7591 section 3).
//! [`super::registrations`] counts their uses.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::LOST_RESPONSE_SECONDS;
use crate::ports::{Database, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::audit::acts;
use crate::store::batch::{Batch, exists};
use crate::store::vouched_apis::write_vouched_apis;

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
