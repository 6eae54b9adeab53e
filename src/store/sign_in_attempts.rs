//! Attempts to sign in, counted before the password is looked at, so that however many come at once, each is
//! counted.

use crate::error::Internal;
use crate::ports::{Database, Statement};

/// After how many seconds without an attempt a counter begins anew.
const WINDOW: i64 = 3_600;

/// How many attempts a counter has before the first pause. Then the pauses double, from one second on …
const FREE: i64 = 5;
/// … to this many seconds.
const LONGEST_PAUSE: i64 = 300;

/// How many attempts on one account may fail, in browsers that nobody has signed in with, before every
/// further one is followed by a pause …
const ACCOUNT_FREE: i64 = 20;
/// … of at most this many seconds: a stranger can slow such browsers, and lock nobody out.
const ACCOUNT_LONGEST_PAUSE: i64 = 30;

/// Whether an attempt may be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It may, and is counted as failed until it succeeds.
    Admitted,
    /// Not before so many seconds have passed.
    Wait(i64),
}

/// Counts an attempt, unless it comes before its time. `account` is the account's own counter, which slows
/// this one; a browser that is known has none.
pub async fn admit(
    database: &impl Database,
    counter: &str,
    account: Option<&str>,
    now: i64,
) -> Result<Admission, Internal> {
    let count = Statement::new(
        "INSERT INTO sign_in_attempts AS own (counter, failures, last_at, next_at) \
         SELECT ?1, 1, ?2, ?2 + pause FROM (SELECT coalesce( \
           (SELECT min(?8, max(0, failures - ?7)) FROM sign_in_attempts \
            WHERE counter = ?3 AND last_at > ?2 - ?4), 0) AS pause) WHERE true \
         ON CONFLICT (counter) DO UPDATE SET \
           failures = CASE WHEN own.last_at > ?2 - ?4 THEN own.failures + 1 ELSE 1 END, \
           last_at = ?2, \
           next_at = max(excluded.next_at, ?2 + CASE \
             WHEN own.last_at > ?2 - ?4 AND own.failures >= ?5 \
             THEN min(?6, 1 << min(own.failures - ?5, 20)) ELSE 0 END) \
           WHERE own.next_at <= ?2 \
         RETURNING failures",
    )
    .bind(counter)
    .bind(now)
    .bind(account)
    .bind(WINDOW)
    .bind(FREE - 1)
    .bind(LONGEST_PAUSE)
    .bind(ACCOUNT_FREE)
    .bind(ACCOUNT_LONGEST_PAUSE);
    let next =
        Statement::new("SELECT next_at FROM sign_in_attempts WHERE counter = ?1").bind(counter);
    let mut results = database.batch(vec![count, next]).await?.into_iter();
    if results.next().is_some_and(|rows| !rows.is_empty()) {
        return Ok(Admission::Admitted);
    }
    let next = results.next().unwrap_or_default().pop();
    let next = next.map(|mut row| row.integer()).transpose()?;
    Ok(Admission::Wait((next.unwrap_or(now) - now).max(1)))
}

/// Notes on the account's own counter that an attempt in an unknown browser has failed, and drops the counters
/// that count nothing any more: strangers make them.
pub async fn fail(database: &impl Database, account: &str, now: i64) -> Result<(), Internal> {
    let statement = Statement::new(
        "INSERT INTO sign_in_attempts AS own (counter, failures, last_at, next_at) \
         VALUES (?1, 1, ?2, ?2) \
         ON CONFLICT (counter) DO UPDATE SET \
           failures = CASE WHEN own.last_at > ?2 - ?3 THEN own.failures + 1 ELSE 1 END, \
           last_at = ?2",
    )
    .bind(account)
    .bind(now)
    .bind(WINDOW);
    let drop_old = Statement::new("DELETE FROM sign_in_attempts WHERE last_at <= ?1");
    database.batch(vec![statement, drop_old.bind(now - WINDOW)]).await.map(drop)
}
