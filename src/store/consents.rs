//! The consents that users gave to clients.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Row, Statement};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::voucher::Voucher;
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
}

impl Consent {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self { scope: row.text()?, claims: row.text()? })
    }
}

/// Finds the consent of the user of a session, which may have expired, to the client of an authorization request.
pub fn find_in(
    batch: &mut Batch,
    cookie_hash: &str,
    client: ClientOf<'_>,
) -> Handle<Option<Consent>> {
    let statement = Statement::new(
        "SELECT scope, claims FROM consents \
         WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
           AND client_id = coalesce(?2, \
             (SELECT client_id FROM authorization_requests WHERE handle_hash = ?3))",
    )
    .bind(cookie_hash)
    .bind(client.parameter())
    .bind(client.handle_hash());
    batch.query(statement, |rows| first(rows)?.map(Consent::from_row).transpose())
}

/// A client that has access to a user's data.
#[derive(Debug)]
pub struct Allowed {
    pub client_id: String,
    /// Its metadata, or the fault of a damaged row: the user must be able to withdraw access from such a client, too.
    pub metadata: Result<ClientMetadata, Internal>,
    /// The scopes and claims that the client may access.
    pub consent: Consent,
    /// When access was last granted, in Unix seconds.
    pub granted_at: i64,
    /// [`Voucher::Operator`] or [`Voucher::Nobody`]: the scopes that the client may have are not known here.
    pub voucher: Voucher<'static>,
}

/// Lists the clients with access to the data of a session's user, the latest first: those with a consent, and trusted
/// clients with a valid refresh token. The session may have expired.
pub fn list_in(batch: &mut Batch, cookie_hash: &str, now: i64) -> Handle<Vec<Allowed>> {
    // In a group with max(), SQLite takes the other columns from the row with the maximum.
    let statement = Statement::new(
        "SELECT client_id, metadata, scope, claims, granted_at, registration_token_hash IS NULL \
         FROM ( \
           SELECT client_id, scope, claims, granted_at FROM consents \
           WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
           UNION ALL \
           SELECT client_id, scope, '' AS claims, max(created_at) AS granted_at \
           FROM grants JOIN refresh_tokens ON grant_id = grants.id \
           WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) \
             AND revoked_at IS NULL AND spent_at IS NULL AND expires_at > ?2 \
             AND client_id NOT IN (SELECT client_id FROM consents \
               WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1)) \
           GROUP BY client_id) \
         JOIN clients USING (client_id) ORDER BY granted_at DESC, client_id",
    )
    .bind(cookie_hash)
    .bind(now);
    batch.query(statement, |rows| rows.into_iter().map(Allowed::from_row).collect())
}

impl Allowed {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        let client_id = row.text()?;
        Ok(Self {
            metadata: parse_metadata(&client_id, &row.text()?),
            client_id,
            consent: Consent { scope: row.text()?, claims: row.text()? },
            granted_at: row.integer()?,
            voucher: if row.integer()? == 1 { Voucher::Operator } else { Voucher::Nobody },
        })
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
    // By user, because a client can have a million grants.
    let revoke = Statement::new(
        "UPDATE grants INDEXED BY grants_by_sub SET revoked_at = ?3 \
         WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) AND client_id = ?2 \
           AND revoked_at IS NULL",
    )
    .bind(cookie_hash)
    .bind(client_id)
    .bind(context.now);
    let mut batch = Batch::default();
    batch.add(forget);
    batch.add(revoke);
    batch.add(client_copies::forget(client_id));
    batch.run_idempotent(context).await.map(drop)
}
