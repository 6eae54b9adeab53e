//! Grants: what a user allowed a client, and whether it still stands.

use crate::error::Internal;
use crate::jose::json;
use crate::jose::jwk::Algorithm;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::token_error::TokenError;

/// A grant about to be recorded.
#[derive(Debug)]
pub struct NewGrant<'a> {
    /// Its id: 128 random bits.
    pub id: &'a str,
    /// The user.
    pub sub: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The granted scopes.
    pub scope: &'a str,
    /// Now, in Unix seconds.
    pub created_at: i64,
}

/// Whether a grant was recorded.
#[derive(Debug, Eq, PartialEq)]
pub enum RecordOutcome {
    /// There is no such user, or not any more.
    NoSuchUser,
    /// It is recorded.
    Recorded,
}

/// Records a grant, if its user exists: a user deleted a moment ago gets none.
pub async fn record(
    database: &impl Database,
    grant: &NewGrant<'_>,
) -> Result<RecordOutcome, Internal> {
    let statement = Statement::new(
        "INSERT INTO grants (id, sub, client_id, scope, created_at) \
         SELECT ?1, sub, ?3, ?4, ?5 FROM users WHERE sub = ?2 AND deleted_at IS NULL RETURNING id",
    )
    .bind(grant.id)
    .bind(grant.sub)
    .bind(grant.client_id)
    .bind(grant.scope)
    .bind(grant.created_at);
    let rows = database.run(Freshness::Primary, statement).await?;
    Ok(if rows.is_empty() { RecordOutcome::NoSuchUser } else { RecordOutcome::Recorded })
}

/// The columns that [`Grant`] reads, of a statement that has `grants` and `users`.
macro_rules! grant_columns {
    () => {
        "grants.id AS grant_id, coalesce(grants.subject, grants.sub) AS subject, grants.scope AS scope, grants.sid AS sid, \
         grants.auth_time AS auth_time, grants.claims AS requested, \
         grants.created_at AS granted_at, grants.revoked_at AS revoked_at, \
         users.claims AS user_claims"
    };
}
pub(super) use grant_columns;

/// A grant that came from a sign-in, with its user.
#[derive(Debug)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// What the client is told as the user's `sub`.
    pub subject: String,
    /// The granted scopes.
    pub scope: String,
    /// The session, as this client knows it.
    pub sid: Option<String>,
    /// When the user had proved who they are, in Unix seconds.
    pub auth_time: i64,
    /// The claims that the request asked for one by one.
    pub requested: ClaimsRequest,
    /// When it was recorded, in Unix seconds.
    pub granted_at: i64,
    /// The user's claims as JSON; `None` where the grant was revoked or the user is gone.
    user_claims: Option<String>,
}

impl Grant {
    /// The user's claims as JSON.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] if the grant was revoked or the user is gone.
    pub fn user_claims(&self) -> Result<&str, TokenError> {
        let withdrawn = TokenError::InvalidGrant("the authorization was withdrawn");
        self.user_claims.as_deref().ok_or(withdrawn)
    }

    /// Reads [`grant_columns`].
    pub(super) fn from_row(row: &mut Row) -> Result<Self, Internal> {
        let (id, subject, scope, sid) =
            (row.text()?, row.text()?, row.text()?, row.text_or_null()?);
        let (auth_time, requested) = (row.integer_or_null()?, row.text_or_null()?);
        let (granted_at, revoked_at) = (row.integer()?, row.integer_or_null()?);
        let user_claims = row.text_or_null()?.filter(|_| revoked_at.is_none());
        Ok(Self {
            requested: parse_requested(requested.as_deref())?,
            auth_time: auth_time.unwrap_or(granted_at),
            id,
            subject,
            scope,
            sid,
            granted_at,
            user_claims,
        })
    }
}

fn parse_requested(json: Option<&str>) -> Result<ClaimsRequest, Internal> {
    let Some(json) = json else { return Ok(ClaimsRequest::default()) };
    json::from_own(json)
        .map_err(|error| Internal::Broken { detail: format!("a grant's claims in D1: {error}") })
}

/// What stands behind an access token.
#[derive(Debug)]
pub enum GrantStatus {
    /// The grant was revoked, or the user deleted.
    Revoked,
    /// The grant stands.
    Active {
        /// The user's claims as JSON.
        claims: String,
        /// The claims that the request asked for one by one.
        requested: ClaimsRequest,
        /// What its client wants userinfo to be signed with, if it does.
        signed_with: Option<Algorithm>,
    },
    /// No grant of this id for this user and client.
    Unknown,
}

/// Finds the user through the token's grant, and whether the grant still stands, in one statement.
pub async fn status(
    database: &impl Database,
    freshness: Freshness,
    token: &AccessToken,
) -> Result<GrantStatus, Internal> {
    let statement = Statement::new(
        "SELECT grants.revoked_at, users.claims, grants.claims AS requested, \
           clients.metadata->>'userinfo_signed_response_alg' AS alg \
         FROM grants JOIN users ON users.sub = grants.sub \
         LEFT JOIN clients ON clients.client_id = grants.client_id \
         WHERE grants.id = ?1 AND coalesce(grants.subject, grants.sub) = ?2 \
           AND grants.client_id = ?3",
    )
    .bind(token.grant_id.as_str())
    .bind(token.sub.as_str())
    .bind(token.client_id.as_str());
    let Some(mut row) = database.run(freshness, statement).await?.pop() else {
        return Ok(GrantStatus::Unknown);
    };
    // A deleted user has no claims left.
    Ok(match (row.integer_or_null()?, row.text_or_null()?) {
        (None, Some(claims)) => GrantStatus::Active {
            claims,
            requested: parse_requested(row.text_or_null()?.as_deref())?,
            signed_with: row.text_or_null()?.as_deref().and_then(Algorithm::from_name),
        },
        _ => GrantStatus::Revoked,
    })
}

/// Revokes a grant and everything issued under it. Returns when that happened first, or `None` where
/// there is no such grant.
pub async fn revoke(database: &impl Database, id: &str, now: i64) -> Result<Option<i64>, Internal> {
    let statement = Statement::new(
        "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 RETURNING revoked_at",
    )
    .bind(id)
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| row.integer()).transpose()
}
