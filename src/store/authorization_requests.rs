//! Authorization requests that are stored until their response: pushed, signed and posted ones.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::batch::{Batch, Handle, first};

#[derive(Debug)]
pub struct NewRequest<'a> {
    /// The hash of its handle, or of its `request_uri` if a client pushed it.
    pub handle_hash: &'a str,
    /// Its parameters, form-encoded.
    pub parameters: &'a str,
    /// The parameter `client_id`.
    pub client_id: Option<&'a str>,
    /// The client that pushed it, if one did.
    pub pushed_by: Option<&'a str>,
    /// Whether its client signed it.
    pub is_signed: bool,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
}

/// A stored request that has no response yet.
#[derive(Debug)]
pub struct KeptRequest {
    /// See [`NewRequest::parameters`].
    pub parameters: String,
    /// See [`NewRequest::client_id`]. Also `None` if an older version stored the request.
    pub client_id: Option<String>,
    /// Whether a client pushed it.
    pub is_pushed: bool,
    /// See [`NewRequest::is_signed`].
    pub is_signed: bool,
}

impl KeptRequest {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            parameters: row.text()?,
            client_id: row.text_or_null()?,
            is_pushed: row.text_or_null()?.is_some(),
            is_signed: row.integer()? == 1,
        })
    }
}

/// Stores a request, and deletes some that have expired.
pub async fn keep(
    database: &impl Database,
    request: &NewRequest<'_>,
    now: i64,
) -> Result<(), Internal> {
    let insert = Statement::new(
        "INSERT INTO authorization_requests \
           (handle_hash, parameters, pushed_by, is_signed, expires_at, client_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(request.handle_hash)
    .bind(request.parameters)
    .bind(request.pushed_by)
    .bind(i64::from(request.is_signed))
    .bind(request.expires_at)
    .bind(request.client_id);
    database.batch(&[sweep(now, SWEPT_WITH_EACH), insert]).await.map(drop)
}

/// Deletes at most `limit` expired requests.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash IN \
         (SELECT handle_hash FROM authorization_requests WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

/// Finds a stored request that has not expired.
pub fn find_in(batch: &mut Batch, handle_hash: &str, now: i64) -> Handle<Option<KeptRequest>> {
    let statement = Statement::new(
        "SELECT parameters, client_id, pushed_by, is_signed FROM authorization_requests \
         WHERE handle_hash = ?1 AND expires_at > ?2",
    )
    .bind(handle_hash)
    .bind(now);
    batch.query(statement, |rows| first(rows)?.map(KeptRequest::from_row).transpose())
}

/// The opening of a pushed request: its `request_uri` is replaced by a handle for the interaction with the user.
#[derive(Debug)]
pub struct Opening<'a> {
    pub handle_hash: &'a str,
    /// The client that must have pushed it.
    pub pushed_by: &'a str,
    pub new_handle_hash: &'a str,
    /// The new expiry, in Unix seconds.
    pub expires_at: i64,
}

/// Opens a pushed request. Returns `false` if this client pushed no such request, or it has expired or was opened
/// before. Only one of several concurrent calls returns `true`.
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

/// Deletes a request because its response is about to be sent. Only one of several concurrent calls returns `true`, so
/// the client gets one response.
pub async fn answer(database: &impl Database, handle_hash: &str) -> Result<bool, Internal> {
    let statement = Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash = ?1 RETURNING handle_hash",
    )
    .bind(handle_hash);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}
