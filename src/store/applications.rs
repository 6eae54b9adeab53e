//! The clients as users see them: those with access to their data, and those that they signed in to.

use std::cmp::Reverse;

use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::{
    REFRESH_TOKEN_IDLE_SECONDS, REFRESHABLE_GRANT_SECONDS, UNREFRESHED_GRANT_SECONDS,
};
use crate::ports::{Row, Statement};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::user::scope::Scopes;
use crate::store::batch::{Batch, Handle, first};
use crate::store::clients::parse_metadata;

/// How many of a session's clients are listed.
const USED_CLIENTS: i64 = 10;

/// A client, as users see it.
#[derive(Debug)]
pub struct Application {
    pub client_id: String,
    /// Its metadata, or the fault of a damaged row: the user must be able to withdraw access from such a client, too.
    pub metadata: Result<ClientMetadata, Internal>,
    /// [`Voucher::Operator`] or [`Voucher::Nobody`]: the scopes that the client may have are not known here.
    pub voucher: Voucher<'static>,
}

/// The columns that [`Application`] reads.
macro_rules! application_columns {
    () => {
        "client_id, metadata, registration_token_hash IS NULL"
    };
}

impl Application {
    fn read(row: &mut Row) -> Result<Self, Internal> {
        let client_id = row.text()?;
        let metadata = parse_metadata(&client_id, &row.text()?);
        let voucher = if row.integer()? == 1 { Voucher::Operator } else { Voucher::Nobody };
        Ok(Self { client_id, metadata, voucher })
    }
}

/// Finds a client.
pub fn find_in(batch: &mut Batch, client_id: &str) -> Handle<Option<Application>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        application_columns!(),
        " FROM clients WHERE client_id = ?1",
    ));
    let read = |rows| first(rows)?.map(|mut row| Application::read(&mut row)).transpose();
    batch.query(statement.bind(client_id), read)
}

/// A client that has access to a user's data.
#[derive(Debug)]
pub struct Allowed {
    pub application: Application,
    /// The scopes of the consent and of the grants, which may repeat each other.
    pub scope: String,
    /// The names of the claims that the consent and the grants have beside the scopes, likewise.
    pub claims: Vec<String>,
    /// Since when it has access, in Unix seconds.
    pub granted_at: i64,
    /// When the user was last signed in to it, or it last refreshed its tokens, in Unix seconds. `None` if that is not known: the
    /// consent is that of an older version, and no grant is left. A refresh of the last thirty days of a grant counts as the
    /// first of these days, because its token expires with the grant.
    pub used_at: Option<i64>,
}

/// A SQL expression: whether a grant has `offline_access`, as the index `grants_by_sub` has it.
macro_rules! is_refreshable {
    () => {
        "(instr(' ' || scope || ' ', ' offline_access ') > 0)"
    };
}
pub(super) use is_refreshable;

/// A SQL condition: neither the grant of the user of the session was revoked, nor all grants of the user or of its client since.
macro_rules! is_unrevoked_in_session {
    () => {
        "revoked_at IS NULL AND coalesce(revocations, 0) = coalesce( \
           (SELECT users.revocations FROM sessions JOIN users USING (sub) WHERE cookie_hash = ?1), \
           0) + coalesce((SELECT clients.revocations FROM clients \
                          WHERE clients.client_id = grants.client_id), 0)"
    };
}

/// Lists the clients with access to the data of a session's user, the last used first: what the user has consented to,
/// and what the grants have that can still be used. The session may have expired.
///
/// A grant can be used while it has a refresh token that has not expired, or while its code or its first access token
/// may be valid. Whether the refresh token is spent does not matter, because its successor expires later or with it. So
/// one row shows that there is one.
pub fn list_in(batch: &mut Batch, cookie_hash: &str, now: i64) -> Handle<Vec<Allowed>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        application_columns!(),
        ", scope, claims, requested, granted_at, \
           nullif(max(coalesce(last_at, 0), coalesce( \
             (SELECT max(created_at) FROM grants \
              WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
                AND grants.client_id = clients.client_id), 0)), 0) AS used_at \
         FROM ( \
           SELECT client_id, group_concat(scope, ' ') AS scope, \
             coalesce(group_concat(claims, ' '), '') AS claims, \
             json_group_array(requested) FILTER (WHERE requested IS NOT NULL) AS requested, \
             min(granted_at) AS granted_at, max(last_at) AS last_at \
           FROM ( \
             SELECT client_id, scope, claims, NULL AS requested, granted_at, \
               used_at AS last_at FROM consents \
             WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
             UNION ALL \
             SELECT client_id, scope, NULL, claims, min(created_at), NULL FROM grants \
             WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
               AND ",
        is_unrevoked_in_session!(),
        " AND ",
        is_refreshable!(),
        " = 0 AND created_at > ?3 \
             GROUP BY client_id, scope, claims \
             UNION ALL \
             SELECT client_id, scope, NULL, claims, min(created_at), max(ends_at) - ?5 FROM ( \
               SELECT client_id, scope, claims, created_at, \
                 (SELECT max(expires_at) FROM refresh_tokens WHERE grant_id = grants.id) \
                   AS ends_at \
               FROM grants \
               WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
                 AND ",
        is_unrevoked_in_session!(),
        " AND ",
        is_refreshable!(),
        " = 1 AND created_at > ?4) \
             GROUP BY client_id, scope, claims \
             HAVING max(created_at) > ?3 OR max(ends_at) > ?2) \
           GROUP BY client_id) \
         JOIN clients USING (client_id)",
    ))
    .bind(cookie_hash)
    .bind(now)
    .bind(now - UNREFRESHED_GRANT_SECONDS)
    .bind(now - REFRESHABLE_GRANT_SECONDS)
    .bind(REFRESH_TOKEN_IDLE_SECONDS);
    // Sorted here, because SQL would compute the time twice for each row.
    batch.query(statement, |rows| {
        let allowed = rows.into_iter().map(Allowed::from_row).collect::<Result<Vec<_>, _>>();
        let mut allowed = allowed?;
        allowed.sort_by_key(|one| Reverse(one.used_at.unwrap_or(one.granted_at)));
        Ok(allowed)
    })
}

impl Allowed {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        let application = Application::read(&mut row)?;
        let (scope, consented, requested) = (row.text()?, row.text()?, row.text()?);
        let mut claims: Vec<_> = Scopes::of_valid(&consented).iter().map(str::to_owned).collect();
        // A damaged text hides the claims of one grant, not the page.
        let requested: Vec<String> = json::from_own(&requested).unwrap_or_default();
        for request in requested.iter().filter_map(|text| json::from_own(text).ok()) {
            let ClaimsRequest { id_token, userinfo, .. } = request;
            claims.extend(id_token.into_iter().chain(userinfo));
        }
        let (granted_at, used_at) = (row.integer()?, row.integer_or_null()?);
        Ok(Self { application, scope, claims, granted_at, used_at })
    }
}

/// Lists the clients that the user signed in to in the sessions of an end, the latest first, ten at most.
pub fn of_ended_in(batch: &mut Batch, end_id: &str) -> Handle<Vec<Application>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        application_columns!(),
        " FROM ended_sessions JOIN session_clients USING (session_id) \
           JOIN clients USING (client_id) \
         WHERE end_id = ?1 ORDER BY signed_in_at DESC, client_id LIMIT ?2",
    ));
    batch.query(statement.bind(end_id).bind(USED_CLIENTS), read_all)
}

/// Lists the clients that the user signed in to in the session of a browser, likewise.
pub fn of_session_in(batch: &mut Batch, cookie_hash: &str) -> Handle<Vec<Application>> {
    let statement = Statement::new(concat!(
        "SELECT ",
        application_columns!(),
        " FROM sessions JOIN session_clients ON session_id = sessions.id \
           JOIN clients USING (client_id) \
         WHERE cookie_hash = ?1 ORDER BY signed_in_at DESC, client_id LIMIT ?2",
    ));
    batch.query(statement.bind(cookie_hash).bind(USED_CLIENTS), read_all)
}

fn read_all(rows: Vec<Row>) -> Result<Vec<Application>, Internal> {
    rows.into_iter().map(|mut row| Application::read(&mut row)).collect()
}
