//! Authorization requests that came by POST, until they are answered.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};

/// Keeps a request under a handle until `expires_at`, and drops those that nobody has come back for.
pub async fn keep(
    database: &impl Database,
    handle_hash: &str,
    parameters: &str,
    now: i64,
    expires_at: i64,
) -> Result<(), Internal> {
    let insert = Statement::new(
        "INSERT INTO authorization_requests (handle_hash, parameters, expires_at) \
         VALUES (?1, ?2, ?3)",
    )
    .bind(handle_hash)
    .bind(parameters)
    .bind(expires_at);
    let drop_old = Statement::new("DELETE FROM authorization_requests WHERE expires_at <= ?1");
    database.batch(vec![insert, drop_old.bind(now)]).await.map(drop)
}

/// The parameters of a request that has not been answered.
pub async fn find(
    database: &impl Database,
    handle_hash: &str,
    now: i64,
) -> Result<Option<String>, Internal> {
    let statement = Statement::new(
        "SELECT parameters FROM authorization_requests WHERE handle_hash = ?1 AND expires_at > ?2",
    )
    .bind(handle_hash)
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| row.text()).transpose()
}

/// Takes a request out, to answer it. Returns whether it was there: of several answers, one goes out.
pub async fn answer(database: &impl Database, handle_hash: &str) -> Result<bool, Internal> {
    let statement = Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash = ?1 RETURNING handle_hash",
    )
    .bind(handle_hash);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}
