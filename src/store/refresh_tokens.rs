//! Refresh tokens.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::REFRESHABLE_GRANT_SECONDS;
use crate::ports::{Database, Row, Statement};
use crate::store::audit::acts;
use crate::store::batch::{Batch, Handle, first};
use crate::store::client_proof::{ClientConditions, ClientProof, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::consents::consent_columns;
use crate::store::grants::{
    Grant, GrantOfToken, grant_columns, grant_counts, grant_joins, is_unrevoked,
    token_grant_columns,
};

/// A refresh token as stored.
#[derive(Debug)]
pub struct RefreshToken {
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// When it was first used, in Unix seconds.
    pub spent_at: Option<i64>,
    /// The hash of its successor, if it is recorded.
    pub successor_hash: Option<String>,
    /// Whether its successor has been used.
    pub is_successor_spent: bool,
    /// The grant that it was issued for.
    pub grant: Grant,
}

/// The refresh token of a token request.
#[derive(Debug)]
pub struct PresentedToken<'a> {
    pub token_hash: &'a str,
    /// The hashes of the token that replaces it.
    pub successor: &'a SuccessorHashes,
    /// When the successor expires if it is not used, in Unix seconds.
    pub expires_at: i64,
    /// Whether the request names neither a scope nor a resource.
    pub is_plain: bool,
}

/// The hashes of the successors that a refresh token can have. One of them is recorded at most.
#[derive(Debug)]
pub struct SuccessorHashes {
    /// That of the one that is recorded if none is.
    pub current: String,
    /// That of the one that an isolate with the previous `KEY_ENCRYPTION_KEY` may have recorded.
    pub previous: Option<String>,
}

/// Finds a refresh token of this client, and rotates it as [`rotate`] does if nothing can refuse the request any
/// longer: the client is proven and meets the conditions, the token and its grant are valid, the client may still have
/// `openid` and `offline_access`, the user has consented to both unless it is trusted, and the request is plain and for userinfo. Any other request is rotated later, when its scope and resource are
/// checked.
///
/// Idempotent: the successor is derived from the token.
pub fn find_and_rotate(
    batch: &mut Batch,
    token: &PresentedToken<'_>,
    (proof, conditions): (&ClientProof, &ClientConditions),
    now: i64,
) -> Result<Handle<Option<RefreshToken>>, Internal> {
    let succeed = Statement::new(concat!(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?2, own.grant_id, min(?3, grants.created_at + ?4) FROM refresh_tokens AS own \
           JOIN grants ON grants.id = own.grant_id JOIN users ON users.sub = grants.sub \
           JOIN clients ON clients.client_id = grants.client_id \
         WHERE own.token_hash = ?1 AND own.spent_at IS NULL AND own.expires_at > ?5 \
           AND grants.client_id = ?6->>'client_id' AND users.deleted_at IS NULL AND ",
        grant_counts!(),
        " AND ?7 AND instr(' ' || grants.scope || ' ', ' openid ') > 0 \
           AND CASE WHEN json_valid(clients.metadata) THEN clients.metadata->>'scope' IS NULL \
             OR instr(' ' || (clients.metadata->>'scope') || ' ', ' openid ') > 0 \
               AND instr(' ' || (clients.metadata->>'scope') || ' ', ' offline_access ') > 0 \
             ELSE 0 END \
           AND (clients.trusted = 1 OR EXISTS (SELECT 1 FROM consents \
             WHERE consents.sub = grants.sub AND consents.client_id = grants.client_id \
               AND instr(' ' || consents.scope || ' ', ' openid ') > 0 \
               AND instr(' ' || consents.scope || ' ', ' offline_access ') > 0)) \
           AND ",
        client_is_proven!("?6"),
        " ON CONFLICT (token_hash) DO NOTHING",
    ))
    .bind(token.token_hash)
    .bind(token.successor.current.as_str())
    .bind(token.expires_at)
    .bind(REFRESHABLE_GRANT_SECONDS)
    .bind(now)
    .bind(proof.condition(Some(conditions), now)?)
    .bind(i64::from(token.is_plain));
    let spend = Statement::new(
        "UPDATE refresh_tokens SET spent_at = ?2 WHERE token_hash = ?1 AND spent_at IS NULL \
         AND EXISTS (SELECT 1 FROM refresh_tokens WHERE token_hash = ?3)",
    )
    .bind(token.token_hash)
    .bind(now)
    .bind(token.successor.current.as_str());
    let read = Statement::new(concat!(
        "SELECT own.expires_at AS expires_at, own.spent_at AS spent_at, \
           successor.token_hash AS successor_hash, \
           successor.spent_at IS NOT NULL AS is_successor_spent, ",
        grant_columns!(),
        " FROM refresh_tokens AS own JOIN grants ON grants.id = own.grant_id",
        grant_joins!(),
        " LEFT JOIN refresh_tokens AS successor ON successor.token_hash = coalesce( \
           (SELECT token_hash FROM refresh_tokens WHERE token_hash = ?4), ?2) \
         WHERE own.token_hash = ?1 AND grants.client_id = ?3",
    ))
    .bind(token.token_hash)
    .bind(token.successor.current.as_str())
    .bind(proof.client_id.as_str())
    .bind(token.successor.previous.as_deref());
    batch.add(succeed);
    batch.add(spend);
    Ok(batch.query(read, |rows| first(rows)?.map(RefreshToken::from_row).transpose()))
}

/// A SQL condition on a row of `grants`: it is that of the refresh token with the hash `$hash`, it is not revoked, neither
/// alone nor with all of its user or client, and its client is proven. `$proof` is the parameter of [`client_is_proven`].
macro_rules! is_revocable_by_client {
    ($hash:literal, $proof:literal) => {
        concat!(
            "grants.id = (SELECT grant_id FROM refresh_tokens \
               JOIN grants ON grants.id = grant_id JOIN users ON users.sub = grants.sub \
               LEFT JOIN clients ON clients.client_id = grants.client_id \
               WHERE token_hash = ",
            $hash,
            " AND ",
            is_unrevoked!(),
            ") AND grants.client_id = ",
            $proof,
            "->>'client_id' AND ",
            client_is_proven!($proof)
        )
    };
}
pub(super) use is_revocable_by_client;

/// Revokes the grant of a refresh token, if the token belongs to a client that is proven. Any token of the grant ends it,
/// spent and expired ones included: the client has no use for the others.
///
/// Idempotent: a grant is revoked once.
pub fn revoke<P>(
    batch: &mut Batch,
    token_hash: &str,
    proof: &ClientProof,
    context: &Context<'_, P>,
) -> Result<(), Internal> {
    let statement = Statement::new(concat!(
        "UPDATE grants SET revoked_at = ?2 WHERE ",
        is_revocable_by_client!("?1", "?3"),
    ))
    .bind(token_hash)
    .bind(context.now)
    .bind(proof.condition(None, context.now)?);
    batch.add(acts::grant_revoked_by_client(context, token_hash, proof)?);
    batch.add(statement);
    Ok(())
}

/// A refresh token that its client asks about.
#[derive(Debug)]
pub struct KnownToken {
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// Whether it was used, so that its successor has replaced it.
    pub is_spent: bool,
    pub grant: GrantOfToken,
}

/// Finds a refresh token of this client.
pub fn find(batch: &mut Batch, token_hash: &str, client_id: &str) -> Handle<Option<KnownToken>> {
    let statement = Statement::new(concat!(
        "SELECT own.expires_at AS expires_at, own.spent_at IS NOT NULL AS is_spent, ",
        token_grant_columns!(),
        " FROM refresh_tokens AS own JOIN grants ON grants.id = own.grant_id",
        grant_joins!(),
        " WHERE own.token_hash = ?1 AND grants.client_id = ?2",
    ))
    .bind(token_hash)
    .bind(client_id);
    batch.query(statement, |rows| {
        let read = |mut row: Row| {
            let (expires_at, is_spent) = (row.integer()?, row.integer()? == 1);
            Ok(KnownToken { expires_at, is_spent, grant: GrantOfToken::from_row(&mut row)? })
        };
        first(rows)?.map(read).transpose()
    })
}

impl RefreshToken {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            expires_at: row.integer()?,
            spent_at: row.integer_or_null()?,
            successor_hash: row.text_or_null()?,
            is_successor_spent: row.integer()? == 1,
            grant: Grant::from_row(&mut row)?,
        })
    }
}

/// Rotates a refresh token: records its successor and marks it as used. Idempotent: the successor is derived from the
/// token, so concurrent callers record the same one.
///
/// Returns the hash of the successor that is recorded then, or `None` if it is another one, because `KEY_ENCRYPTION_KEY`
/// changed in between and the previous one is not known.
pub async fn rotate(
    context: &Context<'_, impl Database>,
    token_hash: &str,
    successor: &SuccessorHashes,
    expires_at: i64,
) -> Result<Option<String>, Internal> {
    let succeed = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?2, grant_id, ?3 FROM refresh_tokens WHERE token_hash = ?1 AND spent_at IS NULL \
         ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(token_hash)
    .bind(successor.current.as_str())
    .bind(expires_at);
    let spend = Statement::new(
        "UPDATE refresh_tokens SET spent_at = ?2 WHERE token_hash = ?1 AND spent_at IS NULL",
    )
    .bind(token_hash)
    .bind(context.now);
    let look = Statement::new(
        "SELECT token_hash FROM refresh_tokens WHERE token_hash = coalesce( \
           (SELECT token_hash FROM refresh_tokens WHERE token_hash = ?2), ?1)",
    )
    .bind(successor.current.as_str())
    .bind(successor.previous.as_deref());
    let mut batch = Batch::default();
    batch.add(succeed);
    batch.add(spend);
    let recorded = batch.query(look, |rows| first(rows)?.map(|mut row| row.text()).transpose());
    batch.run_idempotent(context).await?.take(recorded)
}
