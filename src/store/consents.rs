//! The consents that users gave to clients.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::DAY_SECONDS;
use crate::ports::{Row, Statement};
use crate::protocol::same_uri::is_same_uri;
use crate::protocol::user::scope::Scopes;
use crate::store::audit::acts;
use crate::store::batch::{Batch, Handle, first};
use crate::store::client_copies;
use crate::store::clients::ClientOf;

/// The consent of one user to one client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Consent {
    /// The scopes, with single spaces between them.
    pub scope: String,
    /// The names of the claims requested by the `claims` parameter, with single spaces between them.
    pub claims: String,
    /// The URI of the API of each scope that belonged to one. `None` if an older version stored the consent.
    pub apis: Option<BTreeMap<String, String>>,
    /// The [identity] of the client on the page that the user saw. `None` if an older version stored the consent.
    ///
    /// [identity]: crate::protocol::client::identity::identity
    pub identity: Option<String>,
}

/// The columns that [`Consent`] reads.
macro_rules! consent_columns {
    () => {
        "consents.scope AS consent_scope, consents.claims AS consent_claims, \
         consents.apis AS consent_apis, consents.identity AS consent_identity"
    };
}
pub(super) use consent_columns;

/// A SQL condition: the row of `consents` is the one of [`Consent::to_json`] in the parameter `$p`.
macro_rules! is_consent {
    ($p:literal) => {
        concat!(
            "(consents.scope = ",
            $p,
            "->>0 AND consents.claims = ",
            $p,
            "->>1 AND consents.apis IS ",
            $p,
            "->>2 AND consents.identity IS ",
            $p,
            "->>3)"
        )
    };
}
pub(super) use is_consent;

impl Consent {
    /// Reads [`consent_columns`]. Returns `None` if all of them are null, because there is no such row.
    pub(super) fn read(row: &mut Row) -> Result<Option<Self>, Internal> {
        let (scope, claims) = (row.text_or_null()?, row.text_or_null()?);
        let (apis, identity) = (row.text_or_null()?, row.text_or_null()?);
        let Some((scope, claims)) = scope.zip(claims) else { return Ok(None) };
        let apis = apis.map(|apis| json::from_own(&apis)).transpose();
        let apis = apis.map_err(|error| Internal::Broken {
            detail: format!("damaged row in D1: the apis of a consent: {error}"),
        })?;
        Ok(Some(Self { scope, claims, apis, identity }))
    }

    /// Returns whether the user has consented to a scope that belongs to this API, or to none. A consent of an older
    /// version counts at every API.
    pub fn has_scope(&self, scope: &str, api: Option<&str>) -> bool {
        let is_of_api = |apis: &BTreeMap<String, String>| match (apis.get(scope), api) {
            (Some(known), Some(api)) => is_same_uri(known, api),
            (known, api) => known.is_none() && api.is_none(),
        };
        Scopes::of_valid(&self.scope).contains(scope) && self.apis.as_ref().is_none_or(is_of_api)
    }

    /// Returns the APIs as the database stores them.
    pub(super) fn apis_json(&self) -> Result<Option<String>, Internal> {
        self.apis.as_ref().map(write_json).transpose()
    }

    /// Returns the parameter of [`is_consent`].
    pub(super) fn to_json(&self) -> Result<String, Internal> {
        write_json(&(&self.scope, &self.claims, self.apis_json()?, &self.identity))
    }
}

fn write_json(value: &impl Serialize) -> Result<String, Internal> {
    serde_json::to_string(value).map_err(|error| Internal::unwritable(&error))
}

/// Finds the consent of the user of a session, which may have expired, to the client of an authorization request.
pub fn find_in(
    batch: &mut Batch,
    cookie_hash: &str,
    client: ClientOf<'_>,
) -> Handle<Option<Consent>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        consent_columns!(),
        " FROM consents \
         WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
           AND client_id = coalesce(?2, \
             (SELECT client_id FROM authorization_requests WHERE handle_hash = ?3))",
    ))
    .bind(cookie_hash)
    .bind(client.parameter())
    .bind(client.handle_hash());
    batch.query(statement, |rows| first(rows)?.map_or(Ok(None), |mut row| Consent::read(&mut row)))
}

/// Deletes the consent of a session's user to a client and revokes the client's grants of that user, in one batch. A
/// client by document is deleted with its last consent. The session may have expired since the page with the form was shown, but not ended.
///
/// Idempotent.
///
/// # Errors
/// [`Internal::Unavailable`] if the platform's random source fails.
pub fn withdraw_in<P>(
    batch: &mut Batch,
    cookie_hash: &str,
    client_id: &str,
    context: &Context<'_, P>,
) -> Result<(), Internal> {
    let forget = Statement::new(
        "DELETE FROM consents \
         WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) AND client_id = ?2",
    )
    .bind(cookie_hash)
    .bind(client_id);
    // By user, because a client can have a million grants. Those of one user and client are limited for each day, and the cron
    // deletes them when they are over.
    let revoke = Statement::new(
        "UPDATE grants INDEXED BY grants_by_user SET revoked_at = ?3 \
         WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) AND client_id = ?2 \
           AND revoked_at IS NULL",
    )
    .bind(cookie_hash)
    .bind(client_id)
    .bind(context.now);
    batch.add(acts::consent_withdrawn(context, cookie_hash, client_id)?);
    batch.add(forget);
    batch.add(revoke);
    batch.add(client_copies::forget(client_id));
    Ok(())
}

/// Records that the client of a consent signs its user in, by the grant of this id: at the first time in a day (UTC), so that
/// a client that does so every few minutes costs no more rows written.
pub(super) fn used(grant_id: &str, now: i64) -> Statement {
    Statement::new(
        "UPDATE consents SET used_at = ?2 \
         WHERE (sub, client_id) = (SELECT sub, client_id FROM grants WHERE id = ?1) \
           AND coalesce(used_at, 0) < ?3",
    )
    .bind(grant_id)
    .bind(now)
    .bind(now - now.rem_euclid(DAY_SECONDS))
}
