//! The deletion of expired rows: a few with each row that is added, and many at once after the database has failed.
//!
//! In a batch that adds a row, the deletion comes first, because a full database has no space for the new row before.
//! If the deletion does not free enough space, the whole batch is rolled back with it. Therefore [`all`] also deletes
//! rows in a batch of its own.

use crate::error::Internal;
use crate::ports::Database;
use crate::store::{
    authorization_requests, client_assertions, clients, initial_access_tokens, sign_in_attempts,
};

/// How many rows of each table [`all`] deletes: few enough for the time that D1 allows a batch.
const SWEPT_AT_ONCE: i64 = 1_000;

/// Deletes expired rows of every table that anybody can add rows to.
pub async fn all(database: &impl Database, now: i64) -> Result<(), Internal> {
    let statements = vec![
        authorization_requests::sweep(now, SWEPT_AT_ONCE),
        client_assertions::sweep(now, SWEPT_AT_ONCE),
        clients::sweep(now, SWEPT_AT_ONCE),
        initial_access_tokens::sweep(now, SWEPT_AT_ONCE),
        sign_in_attempts::sweep(now, SWEPT_AT_ONCE),
    ];
    database.batch(&statements).await.map(drop)
}
