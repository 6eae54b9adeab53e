//! Authorizations: what a person allowed a client just now, recorded as a grant, in one batch.

use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::store::batch::{Batch, Handle};
use crate::store::consents::Consent;
use crate::store::grants::{Grant, grant_columns};

/// An authorization about to be recorded.
#[derive(Debug)]
pub struct NewAuthorization<'a> {
    /// The grant's id: 128 random bits.
    pub grant_id: &'a str,
    /// The session that it comes from, which says who the user is.
    pub session_id: &'a str,
    /// The session, as the client knows it.
    pub sid: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// What the client is told as `sub`, where that is not the user's own.
    pub pairwise: Option<Pairwise<'a>>,
    /// The granted scopes.
    pub scope: &'a str,
    /// The claims that were asked for one by one, as JSON.
    pub claims: &'a str,
    /// What they allowed before, where the authorization rests on that: it must still be so.
    pub remembered: Option<&'a Consent>,
    /// What the person allowed just now, to be remembered.
    pub consent: Option<&'a Consent>,
    /// The handle of the request, if it is kept: it is answered once.
    pub handle_hash: Option<&'a str>,
}

/// A subject for the clients of one sector, for a user who has none there yet.
#[derive(Debug)]
pub struct Pairwise<'a> {
    /// The sector identifier.
    pub sector: &'a str,
    /// 256 random bits.
    pub new_subject: &'a str,
}

/// The code that the client gets for it.
#[derive(Debug)]
pub struct NewCode<'a> {
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
}

/// Records a grant with its code. Returns whether that was done: not where the session has ended, the client
/// is gone, what was remembered is not, or the request was answered before.
pub async fn record_with_code(
    database: &impl Database,
    authorization: &NewAuthorization<'_>,
    code: &NewCode<'_>,
    now: i64,
) -> Result<bool, Internal> {
    let insert = Statement::new(
        "INSERT INTO codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at) \
         SELECT ?2, id, ?3, ?4, ?5, ?6 FROM grants WHERE id = ?1",
    )
    .bind(authorization.grant_id)
    .bind(code.code_hash)
    .bind(code.redirect_uri)
    .bind(code.code_challenge)
    .bind(code.nonce)
    .bind(code.expires_at);
    let mut batch = Batch::default();
    let grant = authorization.add_to(&mut batch, now);
    batch.add(insert);
    Ok(batch.run(database).await?.row(grant)?.is_some())
}

/// Records a grant that needs no code, and returns it. `None` under the same conditions.
pub async fn record(
    database: &impl Database,
    authorization: &NewAuthorization<'_>,
    now: i64,
) -> Result<Option<Grant>, Internal> {
    let read = Statement::new(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants JOIN users ON users.sub = grants.sub WHERE grants.id = ?1",
    ))
    .bind(authorization.grant_id);
    let mut batch = Batch::default();
    authorization.add_to(&mut batch, now);
    let grant = batch.query(read);
    let row = batch.run(database).await?.row(grant)?;
    row.map(|mut row| Grant::from_row(&mut row)).transpose()
}

impl NewAuthorization<'_> {
    /// Adds the grant, and what goes with it once it is there. Returns the handle of the grant, which has a row if it
    /// was recorded.
    fn add_to(&self, batch: &mut Batch, now: i64) -> Handle {
        let grant = Statement::new(
            "INSERT INTO grants \
               (id, sub, client_id, scope, created_at, session_id, sid, auth_time, claims, \
                subject) \
             SELECT ?1, sub, client_id, ?4, ?5, sessions.id, ?6, auth_time, ?7, \
               (SELECT subject FROM pairwise_subjects \
                WHERE pairwise_subjects.sub = sessions.sub AND sector = ?11) \
             FROM sessions JOIN clients \
             WHERE sessions.id = ?2 AND client_id = ?3 \
               AND (clients.expires_at IS NULL OR clients.expires_at > ?5) \
               AND (?8 IS NULL OR EXISTS \
                 (SELECT 1 FROM authorization_requests WHERE handle_hash = ?8)) \
               AND (?9 IS NULL OR EXISTS \
                 (SELECT 1 FROM consents WHERE consents.sub = sessions.sub \
                  AND consents.client_id = ?3 AND scope = ?9 AND claims = ?10)) \
               AND (?11 IS NULL OR EXISTS \
                 (SELECT 1 FROM pairwise_subjects \
                  WHERE pairwise_subjects.sub = sessions.sub AND sector = ?11)) \
             RETURNING id",
        )
        .bind(self.grant_id)
        .bind(self.session_id)
        .bind(self.client_id)
        .bind(self.scope)
        .bind(now)
        .bind(self.sid)
        .bind(self.claims)
        .bind(self.handle_hash)
        .bind(self.remembered.map(|consent| consent.scope.as_str()))
        .bind(self.remembered.map(|consent| consent.claims.as_str()))
        .bind(self.pairwise.as_ref().map(|pairwise| pairwise.sector));
        let touch = Statement::new("UPDATE sessions SET used_at = ?2 WHERE id = ?1")
            .bind(self.session_id)
            .bind(now);
        let answer = Statement::new(
            "DELETE FROM authorization_requests \
             WHERE handle_hash = ?1 AND EXISTS (SELECT 1 FROM grants WHERE id = ?2)",
        )
        .bind(self.handle_hash)
        .bind(self.grant_id);
        // A client that registered itself is not forgotten once somebody has used it.
        let keep = Statement::new(
            "UPDATE clients SET expires_at = NULL \
             WHERE client_id = ?1 AND expires_at IS NOT NULL \
               AND EXISTS (SELECT 1 FROM grants WHERE id = ?2)",
        )
        .bind(self.client_id)
        .bind(self.grant_id);
        if let Some(pairwise) = &self.pairwise {
            batch.add(pairwise.statement(self.session_id));
        }
        let grant = batch.query(grant);
        batch.add(touch);
        batch.add(answer);
        batch.add(keep);
        if let Some(consent) = self.consent {
            batch.add(self.remember(consent, now));
        }
        grant
    }

    /// Remembers what the user allowed, if the grant was recorded.
    fn remember(&self, consent: &Consent, now: i64) -> Statement {
        Statement::new(
            "INSERT INTO consents (sub, client_id, scope, claims, granted_at) \
             SELECT sub, client_id, ?2, ?3, ?4 FROM grants WHERE id = ?1 \
             ON CONFLICT (sub, client_id) DO UPDATE \
               SET scope = excluded.scope, claims = excluded.claims, granted_at = ?4",
        )
        .bind(self.grant_id)
        .bind(consent.scope.as_str())
        .bind(consent.claims.as_str())
        .bind(now)
    }
}

impl Pairwise<'_> {
    /// Gives the session's user a subject in the sector, unless there is one.
    fn statement(&self, session_id: &str) -> Statement {
        Statement::new(
            "INSERT INTO pairwise_subjects (sub, sector, subject) \
             SELECT sub, ?2, ?3 FROM sessions WHERE id = ?1 ON CONFLICT (sub, sector) DO NOTHING",
        )
        .bind(session_id)
        .bind(self.sector)
        .bind(self.new_subject)
    }
}
