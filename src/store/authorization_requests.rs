//! Authorization requests that came otherwise than in a URL, until they are answered.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::SWEPT_WITH_EACH;

/// A request that is to be kept.
#[derive(Debug)]
pub struct NewRequest<'a> {
    /// The hash of its handle.
    pub handle_hash: &'a str,
    /// Its parameters, form-encoded.
    pub parameters: &'a str,
    /// The client that pushed it.
    pub pushed_by: Option<&'a str>,
    /// Whether its client has signed it.
    pub is_signed: bool,
    /// Until when it can be asked for, in Unix seconds.
    pub expires_at: i64,
}

/// A request that was kept and not answered.
#[derive(Debug)]
pub struct KeptRequest {
    /// See [`NewRequest::parameters`].
    pub parameters: String,
    /// Whether a client pushed it.
    pub is_pushed: bool,
    /// See [`NewRequest::is_signed`].
    pub is_signed: bool,
}

impl KeptRequest {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            parameters: row.text()?,
            is_pushed: row.text_or_null()?.is_some(),
            is_signed: row.integer()? == 1,
        })
    }
}

/// Keeps a request, and sweeps those that nobody has come back for.
pub async fn keep(
    database: &impl Database,
    request: &NewRequest<'_>,
    now: i64,
) -> Result<(), Internal> {
    let insert = Statement::new(
        "INSERT INTO authorization_requests \
           (handle_hash, parameters, pushed_by, is_signed, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(request.handle_hash)
    .bind(request.parameters)
    .bind(request.pushed_by)
    .bind(i64::from(request.is_signed))
    .bind(request.expires_at);
    database.batch(vec![sweep(now, SWEPT_WITH_EACH), insert]).await.map(drop)
}

/// Deletes at most `limit` requests that have expired.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash IN \
         (SELECT handle_hash FROM authorization_requests WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

/// A request that has not been answered.
pub async fn find(
    database: &impl Database,
    handle_hash: &str,
    now: i64,
) -> Result<Option<KeptRequest>, Internal> {
    let statement = Statement::new(
        "SELECT parameters, pushed_by, is_signed FROM authorization_requests \
         WHERE handle_hash = ?1 AND expires_at > ?2",
    )
    .bind(handle_hash)
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(KeptRequest::from_row).transpose()
}

/// How a pushed request is opened: it gets another handle, under which it waits for its user.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The hash of its `request_uri`.
    pub handle_hash: &'a str,
    /// The client that must have pushed it.
    pub pushed_by: &'a str,
    /// The hash of its new handle.
    pub new_handle_hash: &'a str,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
}

/// Opens a pushed request. Returns whether it was there: of several callers, one opens it, and nobody does so again.
pub async fn open(
    database: &impl Database,
    opening: &Opening<'_>,
    now: i64,
) -> Result<bool, Internal> {
    let statement = Statement::new(
        "UPDATE authorization_requests SET handle_hash = ?4, expires_at = ?5 \
         WHERE handle_hash = ?1 AND pushed_by = ?2 AND expires_at > ?3 RETURNING handle_hash",
    )
    .bind(opening.handle_hash)
    .bind(opening.pushed_by)
    .bind(now)
    .bind(opening.new_handle_hash)
    .bind(opening.expires_at);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}

/// Takes a request out, to answer it. Returns whether it was there: of several answers, one goes out.
pub async fn answer(database: &impl Database, handle_hash: &str) -> Result<bool, Internal> {
    let statement = Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash = ?1 RETURNING handle_hash",
    )
    .bind(handle_hash);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}
