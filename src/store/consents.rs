//! What people allowed clients.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::client::metadata::ClientMetadata;
use crate::store::clients::parse_metadata;

/// What one person allowed one client: scope tokens, and single claims besides, with single spaces between
/// them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Consent {
    /// The scopes.
    pub scope: String,
    /// The claims.
    pub claims: String,
}

/// What this person allowed this client.
pub async fn find(
    database: &impl Database,
    sub: &str,
    client_id: &str,
) -> Result<Option<Consent>, Internal> {
    let statement =
        Statement::new("SELECT scope, claims FROM consents WHERE sub = ?1 AND client_id = ?2")
            .bind(sub)
            .bind(client_id);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| Ok(Consent { scope: row.text()?, claims: row.text()? })).transpose()
}

/// What one person allowed some client.
#[derive(Debug)]
pub struct Allowed {
    /// The client.
    pub client_id: String,
    /// Its metadata, or the fault of a row that is damaged: the person can withdraw from such a client, too.
    pub metadata: Result<ClientMetadata, Internal>,
    /// What it was allowed.
    pub consent: Consent,
    /// When it was last allowed something, in Unix seconds.
    pub granted_at: i64,
}

/// All that this person allowed, the latest first; and with it the clients that the operator trusts, and that can
/// come back by a refresh token.
pub async fn list(database: &impl Database, sub: &str, now: i64) -> Result<Vec<Allowed>, Internal> {
    // Of a group with max(), the other columns are those of the row that has it.
    let statement = Statement::new(
        "SELECT client_id, metadata, scope, claims, granted_at \
         FROM ( \
           SELECT client_id, scope, claims, granted_at FROM consents WHERE sub = ?1 \
           UNION ALL \
           SELECT client_id, scope, '' AS claims, max(created_at) AS granted_at \
           FROM grants JOIN refresh_tokens ON grant_id = grants.id \
           WHERE sub = ?1 AND revoked_at IS NULL AND spent_at IS NULL AND expires_at > ?2 \
             AND client_id NOT IN (SELECT client_id FROM consents WHERE sub = ?1) \
           GROUP BY client_id) \
         JOIN clients USING (client_id) ORDER BY granted_at DESC, client_id",
    )
    .bind(sub)
    .bind(now);
    let rows = database.run(Freshness::Primary, statement).await?;
    let read = |mut row: Row| {
        let client_id = row.text()?;
        Ok(Allowed {
            metadata: parse_metadata(&client_id, &row.text()?),
            client_id,
            consent: Consent { scope: row.text()?, claims: row.text()? },
            granted_at: row.integer()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Takes back what a person allowed a client, and revokes all that came of it, in one batch.
pub async fn withdraw(
    database: &impl Database,
    sub: &str,
    client_id: &str,
    now: i64,
) -> Result<(), Internal> {
    let forget = Statement::new("DELETE FROM consents WHERE sub = ?1 AND client_id = ?2")
        .bind(sub)
        .bind(client_id);
    let revoke = Statement::new(
        "UPDATE grants SET revoked_at = ?3 \
         WHERE sub = ?1 AND client_id = ?2 AND revoked_at IS NULL",
    )
    .bind(sub)
    .bind(client_id)
    .bind(now);
    database.batch(vec![forget, revoke]).await.map(drop)
}
