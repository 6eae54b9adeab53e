//! The deletion of expired rows: many at once after a response, and a few with each row that a client adds.
//!
//! No batch of a sign-in sweeps: its user must not wait for rows that others have left. In the batch of a registration or of
//! a pushed request, the deletion comes first, because a full database has no space for the new row before. If the deletion
//! does not free enough space, the whole batch is rolled back with it. [`all`] deletes rows in a batch of its own.

use crate::error::Internal;
use crate::ports::{Database, Row};
use crate::store::{
    authorization_requests, client_assertions, clients, initial_access_tokens, sign_in_attempts,
};

/// How many rows of each table [`all`] deletes: few enough for the time that D1 allows a batch.
const SWEPT_AT_ONCE: i64 = 1_000;

/// Deletes expired rows of every table that anybody can add rows to. Returns whether there may be more.
pub async fn all(database: &impl Database, now: i64) -> Result<bool, Internal> {
    let statements = vec![
        authorization_requests::sweep(now, SWEPT_AT_ONCE),
        client_assertions::sweep(now, SWEPT_AT_ONCE),
        clients::sweep(now, SWEPT_AT_ONCE),
        initial_access_tokens::sweep(now, SWEPT_AT_ONCE),
        sign_in_attempts::sweep(now, SWEPT_AT_ONCE),
    ];
    let deleted = database.batch(&statements).await?;
    let is_full =
        |rows: &Vec<Row>| i64::try_from(rows.len()).is_ok_and(|rows| rows >= SWEPT_AT_ONCE);
    Ok(deleted.iter().any(is_full))
}
