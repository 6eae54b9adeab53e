//! Counters of attempts to sign in. An attempt is counted before its password is verified, so that concurrent attempts
//! cannot avoid the limit.

use crate::error::Internal;
use crate::lifetimes::{
    ACCOUNT_PAUSE_SECONDS, ATTEMPT_PAUSE_SECONDS, ATTEMPT_WINDOW_SECONDS, CLOCK_SLACK_SECONDS,
    SWEEP_DELAY_SECONDS,
};
use crate::ports::{Row, Statement};
use crate::store::batch::{Batch, Handle, Outcome, first};

/// How many attempts a counter allows before the first pause. The pauses then double, from one second to
/// [`ATTEMPT_PAUSE_SECONDS`].
const ATTEMPTS_BEFORE_PAUSE: i64 = 5;
/// How many attempts on one account may fail in browsers without a device cookie. After that, each further attempt is
/// followed by a pause of at most [`ACCOUNT_PAUSE_SECONDS`], and the first one from a network is also preceded by it.
/// So an attacker gains nothing from many networks.
const ACCOUNT_ATTEMPTS_BEFORE_PAUSE: i64 = 20;
/// No pause ends later than this from now. A time after that comes from an isolate whose clock is ahead. The limit has
/// the allowance, because a request may have begun before the one that caused the pause.
const PAUSE_LIMIT_SECONDS: i64 = ATTEMPT_PAUSE_SECONDS + CLOCK_SLACK_SECONDS;

/// Whether an attempt is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// The attempt is allowed. It counts as failed until it succeeds.
    Admitted,
    /// The attempt is too early; this many seconds remain.
    Wait(i64),
}

/// The statements that count an attempt, in a batch.
pub struct Counting {
    own: Handle<Option<Row>>,
    next: Handle<Option<Row>>,
    now: i64,
}

/// Counts an attempt, unless it is too early. `account` is the account's own counter, which may delay this attempt;
/// `None` in a browser with a device cookie.
pub fn count_in(batch: &mut Batch, counter: &str, account: Option<&str>, now: i64) -> Counting {
    let next =
        Statement::new("SELECT next_at FROM sign_in_attempts WHERE counter = ?1").bind(counter);
    if let Some(account) = account {
        batch.add(count_on_account(account, counter, now));
    }
    let own = batch.query(count(counter, account, now), first);
    Counting { own, next: batch.query(next, first), now }
}

impl Counting {
    /// Returns whether the attempt is allowed.
    pub fn admission(self, outcome: &mut Outcome) -> Result<Admission, Internal> {
        let Self { own, next, now } = self;
        let own = outcome.take(own)?;
        // A new counter that begins with a pause has not counted this attempt.
        if own.map(|mut row| row.integer()).transpose()?.is_some_and(|failures| failures > 0) {
            return Ok(Admission::Admitted);
        }
        let next = outcome.take(next)?;
        let next = next.map(|mut row| row.integer()).transpose()?;
        Ok(Admission::Wait((next.unwrap_or(now) - now).max(1)))
    }
}

/// Deletes at most `limit` counters whose last attempt is too old to count since [`SWEEP_DELAY_SECONDS`].
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM sign_in_attempts WHERE counter IN \
         (SELECT counter FROM sign_in_attempts WHERE last_at <= ?1 LIMIT ?2) RETURNING 1",
    )
    .bind(now - ATTEMPT_WINDOW_SECONDS - SWEEP_DELAY_SECONDS)
    .bind(limit)
}

/// Counts an attempt for the account, unless `counter` is about to refuse it.
fn count_on_account(account: &str, counter: &str, now: i64) -> Statement {
    Statement::new(
        "INSERT INTO sign_in_attempts AS own (counter, failures, last_at, next_at) \
         SELECT ?1, 1, ?2, ?2 WHERE NOT EXISTS \
           (SELECT 1 FROM sign_in_attempts \
            WHERE counter = ?4 AND next_at > ?2 AND next_at <= ?2 + ?5) \
         ON CONFLICT (counter) DO UPDATE SET \
           failures = CASE WHEN own.last_at > ?2 - ?3 THEN own.failures + 1 ELSE 1 END, \
           last_at = ?2",
    )
    .bind(account)
    .bind(now)
    .bind(ATTEMPT_WINDOW_SECONDS)
    .bind(counter)
    .bind(PAUSE_LIMIT_SECONDS)
}

/// Counts an attempt, unless a pause is running. A pause that ends after [`PAUSE_LIMIT_SECONDS`] is ignored. The failures
/// still count, so the next pause is as long as without the isolate whose clock is ahead.
fn count(counter: &str, account: Option<&str>, now: i64) -> Statement {
    Statement::new(
        "INSERT INTO sign_in_attempts AS own (counter, failures, last_at, next_at) \
         SELECT ?1, pause = 0, ?2, ?2 + pause FROM (SELECT coalesce( \
           (SELECT min(?8, max(0, failures - ?7)) FROM sign_in_attempts WHERE counter = ?3), 0) \
           AS pause) WHERE true \
         ON CONFLICT (counter) DO UPDATE SET \
           failures = CASE WHEN own.last_at > ?2 - ?4 THEN own.failures + 1 ELSE 1 END, \
           last_at = ?2, \
           next_at = max(excluded.next_at, ?2 + CASE \
             WHEN own.last_at > ?2 - ?4 AND own.failures >= ?5 \
             THEN min(?6, 1 << min(own.failures - ?5, 20)) ELSE 0 END) \
           WHERE own.next_at <= ?2 OR own.next_at > ?2 + ?9 \
         RETURNING failures",
    )
    .bind(counter)
    .bind(now)
    .bind(account)
    .bind(ATTEMPT_WINDOW_SECONDS)
    .bind(ATTEMPTS_BEFORE_PAUSE - 1)
    .bind(ATTEMPT_PAUSE_SECONDS)
    .bind(ACCOUNT_ATTEMPTS_BEFORE_PAUSE)
    .bind(ACCOUNT_PAUSE_SECONDS)
    .bind(PAUSE_LIMIT_SECONDS)
}

/// Deletes the counter of an attempt that succeeded, if the session under `cookie_hash` has begun.
pub(super) fn forget(counter: &str, cookie_hash: &str) -> Statement {
    Statement::new(
        "DELETE FROM sign_in_attempts WHERE counter = ?1 \
         AND EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?2)",
    )
    .bind(counter)
    .bind(cookie_hash)
}

/// Subtracts an attempt that succeeds from a counter that others share. It comes before the statement that begins the session
/// under `cookie_hash`, so that it has no effect when the batch runs again, and requires what that one requires: the
/// password hash of the user.
pub(super) fn uncount(
    counter: &str,
    (sub, password_hash): (&str, &str),
    cookie_hash: &str,
) -> Statement {
    Statement::new(
        "UPDATE sign_in_attempts SET failures = max(0, failures - 1) WHERE counter = ?1 \
         AND EXISTS (SELECT 1 FROM users WHERE sub = ?2 AND password_hash = ?3) \
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?4)",
    )
    .bind(counter)
    .bind(sub)
    .bind(password_hash)
    .bind(cookie_hash)
}
