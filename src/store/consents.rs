//! The consents that users gave to clients.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::{REFRESHABLE_GRANT_SECONDS, UNREFRESHED_GRANT_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::same_uri::is_same_uri;
use crate::protocol::user::scope::Scopes;
use crate::store::audit::acts;
use crate::store::batch::{Batch, Handle, first};
use crate::store::client_copies;
use crate::store::clients::{ClientOf, parse_metadata};

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

/// A client that has access to a user's data.
#[derive(Debug)]
pub struct Allowed {
    pub client_id: String,
    /// Its metadata, or the fault of a damaged row: the user must be able to withdraw access from such a client, too.
    pub metadata: Result<ClientMetadata, Internal>,
    /// The scopes of the consent and of the grants, which may repeat each other.
    pub scope: String,
    /// The names of the claims that the consent and the grants have beside the scopes, likewise.
    pub claims: Vec<String>,
    /// When access was last granted, in Unix seconds.
    pub granted_at: i64,
    /// [`Voucher::Operator`] or [`Voucher::Nobody`]: the scopes that the client may have are not known here.
    pub voucher: Voucher<'static>,
}

/// A SQL expression: whether a grant has `offline_access`, as the index `grants_by_sub` has it.
macro_rules! is_refreshable {
    () => {
        "(instr(' ' || scope || ' ', ' offline_access ') > 0)"
    };
}

/// Lists the clients with access to the data of a session's user, the latest first: what the user has consented to, and
/// what the grants have that can still be used. The session may have expired.
///
/// A grant can be used while it has a refresh token that has not expired, or while its code or its first access token
/// may be valid. Whether the refresh token is spent does not matter, because its successor expires later or with it. So
/// one row shows that there is one.
pub fn list_in(batch: &mut Batch, cookie_hash: &str, now: i64) -> Handle<Vec<Allowed>> {
    let statement = Statement::new(concat!(
        "SELECT client_id, metadata, scope, claims, requested, granted_at, \
           registration_token_hash IS NULL \
         FROM ( \
           SELECT client_id, group_concat(scope, ' ') AS scope, \
             coalesce(group_concat(claims, ' '), '') AS claims, \
             json_group_array(requested) FILTER (WHERE requested IS NOT NULL) AS requested, \
             max(granted_at) AS granted_at \
           FROM ( \
             SELECT client_id, scope, claims, NULL AS requested, granted_at FROM consents \
             WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
             UNION ALL \
             SELECT client_id, scope, NULL, claims, max(created_at) FROM grants \
             WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
               AND revoked_at IS NULL AND ",
        is_refreshable!(),
        " = 0 AND created_at > ?3 \
             GROUP BY client_id, scope, claims \
             UNION ALL \
             SELECT client_id, scope, NULL, claims, max(created_at) FROM grants \
             WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
               AND revoked_at IS NULL AND ",
        is_refreshable!(),
        " = 1 AND created_at > ?4 \
               AND (created_at > ?3 OR EXISTS (SELECT 1 FROM refresh_tokens \
                 WHERE grant_id = grants.id AND expires_at > ?2)) \
             GROUP BY client_id, scope, claims) \
           GROUP BY client_id) \
         JOIN clients USING (client_id) ORDER BY granted_at DESC, client_id",
    ))
    .bind(cookie_hash)
    .bind(now)
    .bind(now - UNREFRESHED_GRANT_SECONDS)
    .bind(now - REFRESHABLE_GRANT_SECONDS);
    batch.query(statement, |rows| rows.into_iter().map(Allowed::from_row).collect())
}

impl Allowed {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        let client_id = row.text()?;
        let metadata = parse_metadata(&client_id, &row.text()?);
        let (scope, consented, requested) = (row.text()?, row.text()?, row.text()?);
        let mut claims: Vec<_> = Scopes::of_valid(&consented).iter().map(str::to_owned).collect();
        // A damaged text hides the claims of one grant, not the page.
        let requested: Vec<String> = json::from_own(&requested).unwrap_or_default();
        for request in requested.iter().filter_map(|text| json::from_own(text).ok()) {
            let ClaimsRequest { id_token, userinfo, .. } = request;
            claims.extend(id_token.into_iter().chain(userinfo));
        }
        let granted_at = row.integer()?;
        let voucher = if row.integer()? == 1 { Voucher::Operator } else { Voucher::Nobody };
        Ok(Self { client_id, metadata, scope, claims, granted_at, voucher })
    }
}

/// Deletes the consent of a session's user to a client and revokes the client's grants of that user, in one batch. A
/// client by document is deleted with its last consent. The session may have expired since the page with the form was shown, but not ended.
pub async fn withdraw(
    context: &Context<'_, impl Database>,
    cookie_hash: &str,
    client_id: &str,
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
    let mut batch = Batch::default();
    batch.add(acts::consent_withdrawn(context, cookie_hash, client_id)?);
    batch.add(forget);
    batch.add(revoke);
    batch.add(client_copies::forget(client_id));
    batch.run_idempotent(context).await.map(drop)
}
