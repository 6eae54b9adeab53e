//! Authorization codes.

use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::scope::OFFLINE_ACCESS;
use crate::store::consents::Consent;
use crate::store::grants::{Grant, grant_columns};

/// An authorization about to be recorded: a grant, and the code that the client gets for it.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// The grant's id: 128 random bits.
    pub grant_id: &'a str,
    /// The session that it comes from, which says who the user is.
    pub session_id: &'a str,
    /// The session, as the client knows it.
    pub sid: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The granted scopes.
    pub scope: &'a str,
    /// The claims that were asked for one by one, as JSON.
    pub claims: &'a str,
    /// The code's hash.
    pub code_hash: &'a str,
    /// What the code is bound to.
    pub redirect_uri: &'a str,
    /// See [`NewCode::redirect_uri`].
    pub code_challenge: Option<&'a str>,
    /// To stand in the ID token.
    pub nonce: Option<&'a str>,
    /// Until when the code may be redeemed, in Unix seconds.
    pub expires_at: i64,
    /// What they allowed before, where the authorization rests on that: it must still be so.
    pub remembered: Option<&'a Consent>,
    /// What the person allowed just now, to be remembered.
    pub consent: Option<&'a Consent>,
    /// The handle of the request, if it came by POST: it is answered once.
    pub handle_hash: Option<&'a str>,
}

/// Records a grant with its code. Returns whether that was done: not where the session has ended, the client
/// is gone, what was remembered is not, or the request was answered before.
pub async fn issue(
    database: &impl Database,
    code: &NewCode<'_>,
    now: i64,
) -> Result<bool, Internal> {
    let grant = Statement::new(
        "INSERT INTO grants \
           (id, sub, client_id, scope, created_at, session_id, sid, auth_time, claims) \
         SELECT ?1, sub, client_id, ?4, ?5, sessions.id, ?6, auth_time, ?7 \
         FROM sessions JOIN clients \
         WHERE sessions.id = ?2 AND client_id = ?3 \
           AND (clients.expires_at IS NULL OR clients.expires_at > ?5) \
           AND (?8 IS NULL OR EXISTS \
             (SELECT 1 FROM authorization_requests WHERE handle_hash = ?8)) \
           AND (?9 IS NULL OR EXISTS \
             (SELECT 1 FROM consents WHERE consents.sub = sessions.sub \
              AND consents.client_id = ?3 AND scope = ?9 AND claims = ?10)) \
         RETURNING id",
    )
    .bind(code.grant_id)
    .bind(code.session_id)
    .bind(code.client_id)
    .bind(code.scope)
    .bind(now)
    .bind(code.sid)
    .bind(code.claims)
    .bind(code.handle_hash)
    .bind(code.remembered.map(|consent| consent.scope.as_str()))
    .bind(code.remembered.map(|consent| consent.claims.as_str()));
    let insert = Statement::new(
        "INSERT INTO codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at) \
         SELECT ?2, id, ?3, ?4, ?5, ?6 FROM grants WHERE id = ?1",
    )
    .bind(code.grant_id)
    .bind(code.code_hash)
    .bind(code.redirect_uri)
    .bind(code.code_challenge)
    .bind(code.nonce)
    .bind(code.expires_at);
    let touch = Statement::new("UPDATE sessions SET used_at = ?2 WHERE id = ?1")
        .bind(code.session_id)
        .bind(now);
    let answer = Statement::new(
        "DELETE FROM authorization_requests \
         WHERE handle_hash = ?1 AND EXISTS (SELECT 1 FROM grants WHERE id = ?2)",
    )
    .bind(code.handle_hash)
    .bind(code.grant_id);
    // A client that registered itself is not forgotten once somebody has used it.
    let keep = Statement::new(
        "UPDATE clients SET expires_at = NULL \
         WHERE client_id = ?1 AND expires_at IS NOT NULL \
           AND EXISTS (SELECT 1 FROM grants WHERE id = ?2)",
    )
    .bind(code.client_id)
    .bind(code.grant_id);
    let mut statements = vec![grant, insert, touch, answer, keep];
    if let Some(consent) = code.consent {
        let remember = Statement::new(
            "INSERT INTO consents (sub, client_id, scope, claims, granted_at) \
             SELECT sub, client_id, ?2, ?3, ?4 FROM grants WHERE id = ?1 \
             ON CONFLICT (sub, client_id) DO UPDATE \
               SET scope = excluded.scope, claims = excluded.claims, granted_at = ?4",
        )
        .bind(code.grant_id)
        .bind(consent.scope.as_str())
        .bind(consent.claims.as_str())
        .bind(now);
        statements.push(remember);
    }
    let results = database.batch(statements).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

/// What came of presenting a code.
#[derive(Debug)]
pub enum Redemption {
    /// Its time is over; nobody has used it.
    Expired,
    /// It is spent now, by this request and no other.
    Redeemed(Box<Code>),
    /// It was spent before.
    Replayed {
        /// The grant that it belongs to.
        grant_id: String,
    },
    /// There is no such code, or it is another client's.
    Unknown,
}

/// A code that was redeemed.
#[derive(Debug)]
pub struct Code {
    /// What the authorization request had.
    pub redirect_uri: String,
    /// See [`Code::redirect_uri`].
    pub code_challenge: Option<CodeChallenge>,
    /// See [`Code::redirect_uri`].
    pub nonce: Option<String>,
    /// The grant that it belongs to.
    pub grant: Grant,
}

/// The refresh token that comes with a code whose grant allows offline access.
#[derive(Debug)]
pub struct FirstRefreshToken<'a> {
    /// Its hash.
    pub token_hash: &'a str,
    /// Until when it may be used, in Unix seconds.
    pub expires_at: i64,
}

/// Redeems a code that its own client presents. Of any number of callers, one redeems it. What comes of it is
/// recorded in the same breath: a code that was spent for nothing could not be presented again.
pub async fn redeem(
    database: &impl Database,
    code_hash: &str,
    client_id: &str,
    first: &FirstRefreshToken<'_>,
    now: i64,
) -> Result<Redemption, Internal> {
    let begin = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?4, grants.id, ?5 FROM codes JOIN grants ON grants.id = codes.grant_id \
         WHERE code_hash = ?1 AND client_id = ?2 AND spent_at IS NULL AND codes.expires_at > ?3 \
           AND instr(' ' || scope || ' ', ' ' || ?6 || ' ') > 0",
    )
    .bind(code_hash)
    .bind(client_id)
    .bind(now)
    .bind(first.token_hash)
    .bind(first.expires_at)
    .bind(OFFLINE_ACCESS);
    let spend = Statement::new(
        "UPDATE codes SET spent_at = ?3 \
         WHERE code_hash = ?1 AND spent_at IS NULL AND expires_at > ?3 AND EXISTS \
           (SELECT 1 FROM grants WHERE id = codes.grant_id AND client_id = ?2) \
         RETURNING grant_id",
    )
    .bind(code_hash)
    .bind(client_id)
    .bind(now);
    let read = Statement::new(concat!(
        "SELECT spent_at, redirect_uri, code_challenge, nonce, ",
        grant_columns!(),
        " FROM codes JOIN grants ON grants.id = codes.grant_id JOIN users ON users.sub = grants.sub \
         WHERE code_hash = ?1 AND client_id = ?2",
    ))
    .bind(code_hash)
    .bind(client_id);
    let results = database.batch(vec![begin, spend, read]).await?;
    let mut results = results.into_iter().skip(1);
    let is_ours = results.next().is_some_and(|rows| !rows.is_empty());
    let Some(mut row) = results.next().unwrap_or_default().pop() else {
        return Ok(Redemption::Unknown);
    };
    let is_spent = row.integer_or_null()?.is_some();
    let code = Code {
        redirect_uri: row.text()?,
        code_challenge: row.text_or_null()?.map(|text| read_challenge(&text)).transpose()?,
        nonce: row.text_or_null()?,
        grant: Grant::read(&mut row)?,
    };
    Ok(match (is_ours, is_spent) {
        (true, _) => Redemption::Redeemed(Box::new(code)),
        (false, true) => Redemption::Replayed { grant_id: code.grant.id },
        (false, false) => Redemption::Expired,
    })
}

/// A challenge that was parsed before it was stored. One that is damaged is not one that was never there.
fn read_challenge(text: &str) -> Result<CodeChallenge, Internal> {
    CodeChallenge::parse(text).ok_or_else(|| Internal::Broken {
        detail: "the code_challenge of a code in D1 is not one".into(),
    })
}
