//! The sweep: expired rows are deleted, a few of them by each statement that adds one, and many at once after the
//! database has failed.
//!
//! In a batch that adds a row the sweep comes first, because a full database has no room for the row before
//! something else is gone. Where even that does not make room, the whole batch is rolled back, the sweep included;
//! so [`all`] also sweeps by itself.

use crate::error::Internal;
use crate::ports::Database;
use crate::store::{
    authorization_requests, client_assertions, clients, initial_access_tokens, sign_in_attempts,
};

/// How many of each table are deleted at once where the sweep is all there is to do: well within the time that D1
/// gives a batch.
const ALONE: i64 = 1_000;

/// Deletes expired rows of every table that strangers can fill.
///
/// # Errors
/// Whatever the database reports.
pub async fn all(database: &impl Database, now: i64) -> Result<(), Internal> {
    let statements = vec![
        authorization_requests::sweep(now, ALONE),
        client_assertions::sweep(now, ALONE),
        clients::sweep(now, ALONE),
        initial_access_tokens::sweep(now, ALONE),
        sign_in_attempts::sweep(now, ALONE),
    ];
    database.batch(statements).await.map(drop)
}
