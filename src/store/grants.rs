//! Grants: a user's authorizations of a client, and whether they are still active.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::jose::jwk::Algorithm;
use crate::lifetimes::DEAD_GRANT_SECONDS;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::token_error::TokenError;
use crate::store::audit::acts;
use crate::store::audit::kinds::RevocationReason;
use crate::store::batch::{Batch, Handle, first, read};
use crate::store::consents::{Consent, consent_columns};

#[derive(Debug)]
pub struct NewGrant<'a> {
    /// The id of the grant: 128 random bits.
    pub id: &'a str,
    pub sub: &'a str,
    pub client_id: &'a str,
    pub scope: &'a str,
    /// Now, in Unix seconds.
    pub created_at: i64,
    /// When its access token expires, in Unix seconds.
    pub expires_at: i64,
}

/// The outcome of recording a grant.
#[derive(Debug, Eq, PartialEq)]
pub enum RecordOutcome {
    /// The user does not exist or was deleted.
    NoSuchUser,
    Recorded,
    UserDisabled,
}

/// Records a grant of the operator's, in the same statement that checks that its user exists.
///
/// Idempotent: the id of the grant is random.
pub async fn record(
    context: &Context<'_, impl Database>,
    grant: &NewGrant<'_>,
) -> Result<RecordOutcome, Internal> {
    let insert = Statement::new(
        "INSERT INTO grants (id, sub, client_id, scope, created_at, alive_until, revocations) \
         SELECT ?1, sub, ?3, ?4, ?5, ?6, revocations FROM users \
         WHERE sub = ?2 AND deleted_at IS NULL AND disabled_at IS NULL \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(grant.id)
    .bind(grant.sub)
    .bind(grant.client_id)
    .bind(grant.scope)
    .bind(grant.created_at)
    .bind(grant.expires_at);
    let find = Statement::new(
        "SELECT EXISTS (SELECT 1 FROM grants WHERE id = ?1) FROM users \
         WHERE sub = ?2 AND deleted_at IS NULL",
    )
    .bind(grant.id)
    .bind(grant.sub);
    let mut batch = Batch::default();
    batch.add(insert);
    batch.add(acts::token_minted(context, grant.id)?);
    let found = batch.query(find, first);
    let found = batch.run_idempotent(context).await?.take(found)?;
    let is_recorded = found.map(|mut row| row.integer()).transpose()?;
    Ok(match is_recorded {
        None => RecordOutcome::NoSuchUser,
        Some(0) => RecordOutcome::UserDisabled,
        Some(_) => RecordOutcome::Recorded,
    })
}

/// A SQL condition: neither the grant was revoked, nor all grants of its user or its client since it was made. For a statement
/// that has `grants`, `users` and `clients`, as with [`grant_joins`].
macro_rules! is_unrevoked {
    () => {
        "(grants.revoked_at IS NULL AND coalesce(grants.revocations, 0) \
          = coalesce(users.revocations, 0) + coalesce(clients.revocations, 0))"
    };
}
pub(super) use is_unrevoked;

/// A SQL condition: the grant counts, because it is not revoked and its user is not disabled. For a statement that has
/// `grants` and [`grant_joins`]. The claims of a deleted user are null.
macro_rules! grant_counts {
    () => {
        concat!("(users.disabled_at IS NULL AND ", is_unrevoked!(), ")")
    };
}
pub(super) use grant_counts;

/// The columns that [`Grant::from_row`] reads, for a statement that has `grants` and [`grant_joins`].
macro_rules! grant_columns {
    () => {
        concat!(
            "grants.id AS grant_id, coalesce(grants.subject, grants.sub) AS subject, \
             grants.scope AS scope, grants.sid AS sid, grants.auth_time AS auth_time, \
             grants.claims AS requested, grants.created_at AS granted_at, iif(",
            grant_counts!(),
            ", users.claims, NULL) AS user_claims, ",
            consent_columns!()
        )
    };
}
pub(super) use grant_columns;

/// The tables that belong to a grant: its user, its client, which the operator's own grants do not have, and the consent of the
/// user to the client.
macro_rules! grant_joins {
    () => {
        " JOIN users ON users.sub = grants.sub \
          LEFT JOIN clients ON clients.client_id = grants.client_id \
          LEFT JOIN consents ON consents.sub = grants.sub AND consents.client_id = grants.client_id"
    };
}
pub(super) use grant_joins;

#[derive(Debug)]
pub struct Grant {
    pub id: String,
    /// The `sub` of the user for this client: pairwise if the client's sector has one.
    pub subject: String,
    pub scope: String,
    /// The session id for this client, the claim `sid`, if the grant has one.
    pub sid: Option<String>,
    /// When the user authenticated, in Unix seconds.
    pub auth_time: i64,
    /// The claims that the `claims` parameter requested.
    pub requested: ClaimsRequest,
    /// When the grant was recorded, in Unix seconds.
    pub granted_at: i64,
    /// The user's claims as JSON; `None` if the grant was revoked, or the user is disabled or was deleted.
    user_claims: Option<String>,
    /// The user's consent to the client, as it is now.
    pub consent: Option<Consent>,
}

impl Grant {
    /// The user's claims as JSON.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] if the grant was revoked, or the user is disabled or was deleted.
    pub fn user_claims(&self) -> Result<&str, TokenError> {
        let withdrawn = TokenError::InvalidGrant(
            "the grant was revoked, or its user disabled or deleted".into(),
        );
        self.user_claims.as_deref().ok_or(withdrawn)
    }

    /// Reads [`grant_columns`].
    pub(super) fn from_row(row: &mut Row) -> Result<Self, Internal> {
        let (id, subject, scope, sid) =
            (row.text()?, row.text()?, row.text()?, row.text_or_null()?);
        let (auth_time, requested) = (row.integer_or_null()?, row.text_or_null()?);
        let (granted_at, user_claims) = (row.integer()?, row.text_or_null()?);
        Ok(Self {
            requested: parse_requested(requested.as_deref())?,
            auth_time: auth_time.unwrap_or(granted_at),
            id,
            subject,
            scope,
            sid,
            granted_at,
            user_claims,
            consent: Consent::read(row)?,
        })
    }
}

fn parse_requested(json: Option<&str>) -> Result<ClaimsRequest, Internal> {
    let Some(json) = json else { return Ok(ClaimsRequest::default()) };
    json::from_own(json).map_err(|error| Internal::Broken {
        detail: format!("damaged row in D1: the claims of a grant: {error}"),
    })
}

/// The columns that [`GrantOfToken::from_row`] reads.
macro_rules! token_grant_columns {
    () => {
        concat!(
            "iif(grants.subject IS NULL, users.login, NULL) AS login, \
             grants.session_id IS NULL AS is_operators, ",
            grant_columns!()
        )
    };
}
pub(super) use token_grant_columns;

/// The grant of a token that a client asks about.
#[derive(Debug)]
pub struct GrantOfToken {
    /// The user's login, unless the client knows the user by a pairwise `sub`.
    pub login: Option<String>,
    /// Whether the operator has minted the token, so that it has no client.
    pub is_operators: bool,
    pub grant: Grant,
}

impl GrantOfToken {
    /// Reads [`token_grant_columns`].
    pub(super) fn from_row(row: &mut Row) -> Result<Self, Internal> {
        let (login, is_operators) = (row.text_or_null()?, row.integer()? == 1);
        Ok(Self { login, is_operators, grant: Grant::from_row(row)? })
    }
}

/// A SQL condition on a row of `grants`: it is that of an access token. The parameters are those of [`bind_token`].
macro_rules! is_grant_of_token {
    () => {
        "grants.id = ?1 AND coalesce(grants.subject, grants.sub) = ?2 AND grants.client_id = ?3"
    };
}

fn bind_token(statement: Statement, token: &AccessToken) -> Statement {
    let statement = statement.bind(token.grant_id.as_deref());
    statement.bind(token.sub.as_str()).bind(token.client_id.as_str())
}

/// Finds the grant of an access token, with its user.
pub fn find_of_token(batch: &mut Batch, token: &AccessToken) -> Handle<Option<GrantOfToken>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        token_grant_columns!(),
        " FROM grants",
        grant_joins!(),
        " WHERE ",
        is_grant_of_token!(),
    ));
    batch.query(bind_token(statement, token), |rows| {
        first(rows)?.map(|mut row| GrantOfToken::from_row(&mut row)).transpose()
    })
}

/// The status of the grant of an access token.
#[derive(Debug)]
pub enum GrantStatus {
    /// The token or its grant was revoked, or the user is disabled or was deleted.
    Revoked,
    Active(Box<ActiveGrant>),
    /// No grant has this id, user and client, or the client was deleted. The operator's own grants have no client.
    Unknown,
}

/// The active grant of an access token, with what userinfo needs.
#[derive(Debug)]
pub struct ActiveGrant {
    /// The user's claims as JSON.
    pub claims: String,
    /// The claims that the `claims` parameter requested.
    pub requested: ClaimsRequest,
    /// The client's `userinfo_signed_response_alg`, if it has registered one.
    pub signed_with: Option<Algorithm>,
    /// The scopes that the client has registered. `None` allows all.
    pub registered_scope: Option<String>,
    /// Whether the operator vouches for the grant: it is one of the operator's own, or its client is trusted.
    pub is_trusted: bool,
    /// The user's consent to the client, as it is now.
    pub consent: Option<Consent>,
}

/// Returns the status of a token's grant, with what userinfo needs, in one statement.
pub async fn status(
    context: &Context<'_, impl Database>,
    freshness: Freshness,
    token: &AccessToken,
) -> Result<GrantStatus, Internal> {
    let statement = Statement::new(concat!(
        "SELECT iif(NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?4) AND ",
        grant_counts!(),
        ", users.claims, NULL) AS user_claims, grants.claims AS requested, \
           clients.metadata->>'userinfo_signed_response_alg' AS alg, \
           clients.metadata->>'scope' AS registered_scope, \
           grants.session_id IS NULL OR coalesce(clients.trusted, 0) AS is_trusted, ",
        consent_columns!(),
        " FROM grants",
        grant_joins!(),
        " WHERE ",
        is_grant_of_token!(),
        " AND (grants.session_id IS NULL OR clients.client_id IS NOT NULL)",
    ));
    let statement = bind_token(statement, token).bind(token.jti.as_str());
    let Some(mut row) = read(context, freshness, statement).await?.pop() else {
        return Ok(GrantStatus::Unknown);
    };
    let Some(claims) = row.text_or_null()? else { return Ok(GrantStatus::Revoked) };
    Ok(GrantStatus::Active(Box::new(ActiveGrant {
        claims,
        requested: parse_requested(row.text_or_null()?.as_deref())?,
        signed_with: row.text_or_null()?.as_deref().and_then(Algorithm::from_name),
        registered_scope: row.text_or_null()?,
        is_trusted: row.integer()? == 1,
        consent: Consent::read(&mut row)?,
    })))
}

/// Revokes a grant and everything issued under it, for this reason. Returns the time of the first revocation in Unix seconds, or `None`
/// if the grant does not exist.
pub async fn revoke(
    context: &Context<'_, impl Database>,
    id: &str,
    reason: RevocationReason,
) -> Result<Option<i64>, Internal> {
    let statement = Statement::new(
        "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 RETURNING revoked_at",
    )
    .bind(id)
    .bind(context.now);
    let mut batch = Batch::default();
    batch.add(acts::grant_revoked(context, id, reason)?);
    let revoked =
        batch.query(statement, |rows| first(rows)?.map(|mut row| row.integer()).transpose());
    batch.run_idempotent(context).await?.take(revoked)
}

/// The grants that may be over: those with the earliest time at which something of them was alive, as far as is known. One
/// lives on if it has a refresh token that has not expired. The parameters are the time before which everything has ended,
/// and the largest number of grants.
macro_rules! ended_grants {
    () => {
        "SELECT id, revoked_at IS NULL AND EXISTS (SELECT 1 FROM refresh_tokens \
             WHERE grant_id = grants.id AND expires_at > ?1) AS is_alive \
           FROM grants WHERE coalesce(alive_until, created_at) <= ?1 \
             AND (alive_until IS NOT NULL OR session_id IS NOT NULL OR created_at <= ?1 - 86400) \
           ORDER BY coalesce(alive_until, created_at) LIMIT ?2"
    };
}

/// Deletes at most `limit` grants without a token, and at most as many refresh tokens of dead grants, or expired ones of
/// grants that live on. A grant that has more of them is looked at again until none is left.
///
/// A code lives as long as its grant, and a spent refresh token until it expires, so that the use of a stolen one revokes
/// the grant. After that it is refused as unknown.
pub(super) fn sweep(now: i64, limit: i64) -> Vec<Statement> {
    let tokens = Statement::new(concat!(
        "DELETE FROM refresh_tokens WHERE token_hash IN (SELECT token_hash FROM (",
        ended_grants!(),
        ") AS ended CROSS JOIN refresh_tokens ON grant_id = ended.id \
           AND expires_at <= iif(ended.is_alive, ?1, 9223372036854775807) LIMIT ?2) RETURNING 1",
    ));
    let keep = Statement::new(concat!(
        "UPDATE grants SET alive_until = \
           (SELECT max(expires_at) FROM refresh_tokens WHERE grant_id = grants.id) \
         WHERE id IN (SELECT id FROM (",
        ended_grants!(),
        ") WHERE is_alive) AND NOT EXISTS \
           (SELECT 1 FROM refresh_tokens WHERE grant_id = grants.id AND expires_at <= ?1) \
         RETURNING 0",
    ));
    let codes = Statement::new(concat!(
        "DELETE FROM codes WHERE grant_id IN (SELECT id FROM (",
        ended_grants!(),
        ") WHERE NOT is_alive)",
    ));
    let grants = Statement::new(concat!(
        "DELETE FROM grants WHERE id IN (SELECT id FROM (",
        ended_grants!(),
        ") WHERE NOT is_alive) \
           AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE grant_id = grants.id) RETURNING 1",
    ));
    let bind = |statement: Statement| statement.bind(now - DEAD_GRANT_SECONDS).bind(limit);
    [tokens, keep, codes, grants].map(bind).into()
}
