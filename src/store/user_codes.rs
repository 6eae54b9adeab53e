//! Counters of wrong user codes (RFC 8628 section 5.1). The statement that finds a request requires that no counter is
//! full, and the one that counts a wrong code is in the same batch, so concurrent attempts cannot avoid a limit.
//!
//! A counter begins anew when its window has passed. Only a wrong code is counted, and only if no counter is full. So what
//! one counter refuses adds nothing to another, and the counter of everybody bounds the rows.

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, SWEEP_DELAY_SECONDS, USER_CODE_WINDOW_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::secret::hash;
use crate::store::batch::{Batch, first};
use crate::store::device_requests::device_code_is_alive;

/// A counter, and how many wrong codes it allows in a window.
#[derive(Debug)]
pub struct Counter {
    pub name: String,
    pub limit: i64,
}

/// The outcome of typing a user code.
#[derive(Debug, Eq, PartialEq)]
pub enum TypedCode {
    /// The request with this handle has the code, and waits for the user of this browser.
    Found { handle: String },
    /// A counter is full for so many seconds.
    Wait(i64),
    /// No request that waits has the code. It was counted.
    Wrong,
}

/// A SQL condition: one of the counters in the list `$counters` is full. A window that begins in the future comes from an
/// isolate whose clock is ahead, and does not count.
macro_rules! is_full {
    ($counters:literal, $now:literal, $window:literal, $slack:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM json_each(",
            $counters,
            ") JOIN user_code_attempts ON counter = value->>0 WHERE wrong >= value->>1 \
               AND began_at > ",
            $now,
            " - ",
            $window,
            " AND began_at <= ",
            $now,
            " + ",
            $slack,
            ")"
        )
    };
}

/// A SQL query: the handle of a request of a device that waits for its user, by one of the hashes in the list `$hashes`.
macro_rules! waiting_request {
    ($hashes:literal, $now:literal) => {
        concat!(
            "SELECT handle_hash FROM authorization_requests \
             WHERE handle_hash IN (SELECT value FROM json_each(",
            $hashes,
            ")) AND device_code_hash IS NOT NULL AND answered_by IS NULL AND ",
            device_code_is_alive!($now)
        )
    };
}

/// Finds the request of a user code by its handle, which is one of these, unless one of the counters is full. Only the
/// browser with this hash can then go on with it. Counts a wrong code in each of the counters.
///
/// If the response gets lost, a wrong code counts twice, as it would if the user typed it again.
pub async fn find(
    context: &Context<'_, impl Database>,
    handles: &[String],
    browser_hash: &str,
    counters: &[Counter],
) -> Result<TypedCode, Internal> {
    let now = context.now;
    let hashes = handles.iter().map(|handle| hash(handle)).collect::<Value>().to_string();
    let list = counters.iter().map(|counter| json!([counter.name, counter.limit]));
    let list = list.collect::<Value>().to_string();
    let wait = Statement::new(
        "SELECT max(began_at) + ?3 - ?2 AS wait FROM json_each(?1) \
           JOIN user_code_attempts ON counter = value->>0 \
         WHERE wrong >= value->>1 AND began_at > ?2 - ?3 AND began_at <= ?2 + ?4 \
         HAVING count(*) > 0",
    );
    let find = Statement::new(concat!(
        "UPDATE authorization_requests SET typed_in = ?6 WHERE handle_hash IN (",
        waiting_request!("?5", "?2"),
        ") AND NOT ",
        is_full!("?1", "?2", "?3", "?4"),
        " RETURNING handle_hash",
    ));
    let count = Statement::new(concat!(
        "INSERT INTO user_code_attempts (counter, wrong, began_at) \
         SELECT value->>0, 1, ?2 FROM json_each(?1) WHERE NOT ",
        is_full!("?1", "?2", "?3", "?4"),
        " AND NOT EXISTS (",
        waiting_request!("?5", "?2"),
        ") ON CONFLICT (counter) DO UPDATE SET \
           wrong = iif(began_at > ?2 - ?3 AND began_at <= ?2 + ?4, wrong + 1, 1), \
           began_at = iif(began_at > ?2 - ?3 AND began_at <= ?2 + ?4, began_at, ?2)",
    ));
    let bind = |statement: Statement| {
        let statement = statement.bind(list.as_str()).bind(now).bind(USER_CODE_WINDOW_SECONDS);
        statement.bind(CLOCK_SLACK_SECONDS)
    };
    let mut batch = Batch::default();
    let wait =
        batch.query(bind(wait), |rows| first(rows)?.map(|mut row| row.integer()).transpose());
    let find = bind(find).bind(hashes.as_str()).bind(browser_hash);
    let found = batch.query(find, |rows| first(rows)?.map(|mut row: Row| row.text()).transpose());
    batch.add(bind(count).bind(hashes.as_str()));
    let mut outcome = batch.run_idempotent(context).await?;
    let (wait, found) = (outcome.take(wait)?, outcome.take(found)?);
    if let Some(seconds) = wait {
        return Ok(TypedCode::Wait(seconds.max(1)));
    }
    let handle = found.and_then(|found| handles.iter().find(|handle| hash(handle) == found));
    Ok(handle.map_or(TypedCode::Wrong, |handle| TypedCode::Found { handle: handle.clone() }))
}

/// Deletes at most `limit` counters whose window has passed since [`SWEEP_DELAY_SECONDS`].
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM user_code_attempts WHERE counter IN \
         (SELECT counter FROM user_code_attempts WHERE began_at <= ?1 ORDER BY began_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now - USER_CODE_WINDOW_SECONDS - SWEEP_DELAY_SECONDS)
    .bind(limit)
}
