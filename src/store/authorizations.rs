//! Authorizations: the grant, its code and the user's consent, recorded in one batch.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::GRANT_LIMIT_SECONDS;
use crate::ports::{Database, Statement};
use crate::store::audit::acts;
use crate::store::authorization_requests::{
    BrowserHandle, answer_in, may_be_answered, may_be_decided,
};
use crate::store::batch::{Batch, exists, first};
use crate::store::client_copies;
use crate::store::clients::Client;
use crate::store::consents::{self, Consent, consent_columns, is_consent};
use crate::store::device_requests::{DeviceDecision, decision_in, device_code_is_alive};
use crate::store::grants::{Grant, grant_columns, grant_counts, grant_joins, is_unrevoked};
use crate::store::session_ends::signed_in_to;

/// How many grants of a user and a client of the last day may exist. Many devices and a client that gets new tokens every few
/// minutes need some hundreds; the cron deletes those without a refresh token soon.
const GRANTS_A_DAY: i64 = 1_000;

#[derive(Debug)]
pub struct NewAuthorization<'a> {
    /// The id of the grant: 128 random bits.
    pub grant_id: &'a str,
    /// The id of the user's session, which gives the grant its user and its `auth_time`.
    pub session_id: &'a str,
    /// The session id that the client sees, the claim `sid`.
    pub sid: &'a str,
    /// The client that gets the grant. One by document is stored with it.
    pub client: &'a Client,
    /// The sector, if the client has registered pairwise subjects.
    pub pairwise: Option<Pairwise<'a>>,
    pub scope: &'a str,
    /// The claims that the `claims` parameter requested, as JSON.
    pub claims: &'a str,
    /// The stored consent that the decision was based on, if it was: recording fails if it has changed, unless to
    /// `consent`, as by a second click.
    pub remembered: Option<&'a Consent>,
    /// The consent that the user just gave, to be stored.
    pub consent: Option<&'a Consent>,
    /// The handle of a stored request. Recording fails if the request has expired, or another browser got its response.
    pub handle: Option<&'a BrowserHandle>,
}

/// The subject of a user for the clients of one sector (OpenID Connect Core section 8.1).
#[derive(Debug)]
pub struct Pairwise<'a> {
    pub sector: &'a str,
    /// The subject if the user has none in this sector yet: 256 random bits.
    pub new_subject: &'a str,
}

/// The authorization code of a new grant.
#[derive(Debug)]
pub struct NewCode<'a> {
    pub code_hash: &'a str,
    /// The redirect URI of the request, which the token request must repeat (RFC 6749 section 4.1.3).
    pub redirect_uri: &'a str,
    /// The PKCE challenge of the request (RFC 7636), if it had one.
    pub code_challenge: Option<&'a str>,
    /// The `nonce` of the request, for the ID token.
    pub nonce: Option<&'a str>,
    /// When the code expires, in Unix seconds.
    pub expires_at: i64,
}

/// Records a grant with its code. Returns `false`, and records nothing, in these cases:
///
/// - the session has ended
/// - the client was deleted or has expired
/// - the stored consent that the decision was based on has changed
/// - the stored request has expired, or another browser got its response
/// - the user and the client have too many grants: see [`is_at_limit`]
///
/// Idempotent, because the ids of the grant and the code are random.
pub async fn record_with_code(
    context: &Context<'_, impl Database>,
    authorization: &NewAuthorization<'_>,
    code: &NewCode<'_>,
) -> Result<bool, Internal> {
    // A repeated insertion changes nothing, but returns its row again.
    let insert = Statement::new(
        "INSERT INTO codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at) \
         SELECT ?2, id, ?3, ?4, ?5, ?6 FROM grants WHERE id = ?1 \
         ON CONFLICT (code_hash) DO UPDATE SET code_hash = excluded.code_hash RETURNING grant_id",
    )
    .bind(authorization.grant_id)
    .bind(code.code_hash)
    .bind(code.redirect_uri)
    .bind(code.code_challenge)
    .bind(code.nonce)
    .bind(code.expires_at);
    let mut batch = Batch::default();
    authorization.add_to(&mut batch, context)?;
    let code = batch.query(insert, exists);
    batch.run_idempotent(context).await?.take(code)
}

/// Records a grant without a code, for the implicit flow, and returns it. Returns `None` where [`record_with_code`]
/// returns `false`. Idempotent likewise.
pub async fn record(
    context: &Context<'_, impl Database>,
    authorization: &NewAuthorization<'_>,
) -> Result<Option<Grant>, Internal> {
    let read = Statement::new(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants",
        grant_joins!(),
        " WHERE grants.id = ?1",
    ))
    .bind(authorization.grant_id);
    let mut batch = Batch::default();
    authorization.add_to(&mut batch, context)?;
    let grant = batch.query(read, first);
    let row = batch.run_idempotent(context).await?.take(grant)?;
    row.map(|mut row| Grant::from_row(&mut row)).transpose()
}

/// Records a grant for the device that has sent the request of this handle, unless the request is decided. Returns the
/// decision of this browser's user, which may be an earlier one; `None` where [`record_with_code`] returns `false`.
/// Idempotent, because the first decision stays.
pub async fn record_for_device(
    context: &Context<'_, impl Database>,
    authorization: &NewAuthorization<'_>,
    handle: &BrowserHandle,
) -> Result<Option<DeviceDecision>, Internal> {
    let mut batch = Batch::default();
    authorization.add_to(&mut batch, context)?;
    let decision = decision_in(&mut batch, handle, context.now);
    batch.run_idempotent(context).await?.take(decision)
}

/// Returns whether the user of a session and a client have so many grants of the last day that no other is recorded.
pub async fn is_at_limit(
    context: &Context<'_, impl Database>,
    authorization: &NewAuthorization<'_>,
) -> Result<bool, Internal> {
    let find = Statement::new(
        "SELECT 1 FROM grants WHERE sub = (SELECT sub FROM sessions WHERE id = ?1) \
           AND client_id = ?2 AND created_at > ?3 LIMIT 1 OFFSET ?4",
    )
    .bind(authorization.session_id)
    .bind(authorization.client.client_id.as_str())
    .bind(context.now - GRANT_LIMIT_SECONDS)
    .bind(GRANTS_A_DAY - 1);
    let mut batch = Batch::default();
    let is_at_limit = batch.query(find, exists);
    batch.run_idempotent(context).await?.take(is_at_limit)
}

impl NewAuthorization<'_> {
    /// Adds the statements that record the grant and those that depend on it.
    fn add_to<P>(&self, batch: &mut Batch, context: &Context<'_, P>) -> Result<(), Internal> {
        let now = context.now;
        let grant = Statement::new(concat!(
            "INSERT INTO grants \
               (id, sub, client_id, scope, created_at, session_id, sid, auth_time, claims, \
                subject, revocations) \
             SELECT ?1, sub, client_id, ?4, ?5, sessions.id, ?6, auth_time, ?7, \
               (SELECT subject FROM pairwise_subjects \
                WHERE pairwise_subjects.sub = sessions.sub AND sector = ?11), \
               coalesce(users.revocations, 0) + coalesce(clients.revocations, 0) \
             FROM sessions JOIN users USING (sub) JOIN clients \
             WHERE sessions.id = ?2 AND client_id = ?3 \
               AND (clients.expires_at IS NULL OR clients.expires_at > ?5) \
               AND (?8 IS NULL OR EXISTS \
                 (SELECT 1 FROM authorization_requests WHERE handle_hash = ?8 AND ",
            may_be_decided!("?12", "?5"),
            ")) \
               AND (?9 IS NULL OR EXISTS \
                 (SELECT 1 FROM consents WHERE consents.sub = sessions.sub \
                  AND consents.client_id = ?3 AND (",
            is_consent!("?9"),
            " OR ",
            is_consent!("?10"),
            "))) \
               AND (?11 IS NULL OR EXISTS \
                 (SELECT 1 FROM pairwise_subjects \
                  WHERE pairwise_subjects.sub = sessions.sub AND sector = ?11)) \
               AND NOT EXISTS \
                 (SELECT 1 FROM grants AS others WHERE others.sub = sessions.sub \
                  AND others.client_id = ?3 AND others.created_at > ?13 LIMIT 1 OFFSET ?14) \
             ON CONFLICT (id) DO NOTHING",
        ))
        .bind(self.grant_id)
        .bind(self.session_id)
        .bind(self.client.client_id.as_str())
        .bind(self.scope)
        .bind(now)
        .bind(self.sid)
        .bind(self.claims)
        .bind(self.handle.map(|handle| handle.handle_hash.as_str()))
        .bind(self.remembered.map(Consent::to_json).transpose()?)
        .bind(self.consent.map(Consent::to_json).transpose()?)
        .bind(self.pairwise.as_ref().map(|pairwise| pairwise.sector))
        .bind(self.handle.map(|handle| handle.browser_hash.as_str()))
        .bind(now - GRANT_LIMIT_SECONDS)
        .bind(GRANTS_A_DAY - 1);
        let touch = Statement::new("UPDATE sessions SET used_at = ?2 WHERE id = ?1")
            .bind(self.session_id)
            .bind(now);
        // The client keeps no slot, because a user signs in to it in this batch.
        client_copies::store(batch, self.client, None, now)?;
        if let Some(pairwise) = &self.pairwise {
            batch.add(pairwise.statement(self.session_id));
        }
        batch.add(grant);
        batch.add(touch);
        batch.add(signed_in_to(self.grant_id));
        if let Some(handle) = self.handle {
            answer_in(batch, handle, Some(self.grant_id), now);
        }
        batch.add(self.keep_client());
        if let Some(consent) = self.consent {
            batch.add(self.remember(consent, now)?);
            batch.add(acts::consent_given(context, self.grant_id, &consent.scope)?);
        } else {
            batch.add(consents::used(self.grant_id, now));
        }
        Ok(())
    }

    /// Keeps a client that registered without a token, or is by document: it no longer expires once a user has signed in to
    /// it.
    fn keep_client(&self) -> Statement {
        Statement::new(
            "UPDATE clients SET expires_at = NULL, slot = NULL \
             WHERE client_id = ?1 AND expires_at IS NOT NULL \
               AND EXISTS (SELECT 1 FROM grants WHERE id = ?2 AND revoked_at IS NULL)",
        )
        .bind(self.client.client_id.as_str())
        .bind(self.grant_id)
    }

    /// Stores the user's consent if the grant was recorded, and not revoked since: the batch may run again after the
    /// user has withdrawn access.
    fn remember(&self, consent: &Consent, now: i64) -> Result<Statement, Internal> {
        Ok(Statement::new(
            "INSERT INTO consents \
               (sub, client_id, scope, claims, granted_at, apis, identity, used_at) \
             SELECT sub, client_id, ?2, ?3, ?4, ?5, ?6, ?4 FROM grants \
             WHERE id = ?1 AND revoked_at IS NULL \
             ON CONFLICT (sub, client_id) DO UPDATE \
               SET scope = excluded.scope, claims = excluded.claims, granted_at = ?4, \
                 apis = excluded.apis, identity = excluded.identity, used_at = ?4",
        )
        .bind(self.grant_id)
        .bind(consent.scope.as_str())
        .bind(consent.claims.as_str())
        .bind(now)
        .bind(consent.apis_json()?)
        .bind(consent.identity.as_deref()))
    }
}

impl Pairwise<'_> {
    /// Stores the new subject, unless the session's user has one in this sector.
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
