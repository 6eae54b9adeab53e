//! Counters of failed attempts to sign in. An attempt is counted before its password is verified, so that concurrent
//! attempts cannot avoid the limit.
//!
//! An attempt has several counters, and one statement counts it in all of them, unless one of them requires a pause. So
//! what the account's own counter refuses adds no row for a network.
//!
//! A counter forgets one failure every [`ATTEMPT_PAUSE_SECONDS`]. Nothing else lowers it but an attempt that succeeds,
//! which is taken back, and the operator, who gives the user a new password.
//!
//! Anybody can make up logins, so the counters of accounts and networks share a fixed number of rows. An account that
//! loses its row gets one again with no fewer failures and no shorter pause, see `take_over`. The counters of
//! known browsers are apart: each needs a device cookie, so a sign-in.

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{
    ATTEMPT_PAUSE_SECONDS, ATTEMPT_WINDOW_SECONDS, CLOCK_SLACK_SECONDS, SWEEP_DELAY_SECONDS,
};
use crate::ports::{Database, Row, Statement};
use crate::store::audit::sign_ins::{self, AttemptedSignIn};
use crate::store::batch::{Batch, Handle, Outcome, exists, first};

/// No pause ends later than this from now. A time after that comes from an isolate whose clock is ahead. The limit has
/// the allowance, because a request may have begun before the one that caused the pause.
const PAUSE_LIMIT_SECONDS: i64 = ATTEMPT_PAUSE_SECONDS + CLOCK_SLACK_SECONDS;
/// How many characters the names of the counters in one set have in common, at their beginning: 64³ = 262,144 sets.
const SET_CHARACTERS: i64 = 3;
/// The beginning of the names of known browsers' counters. No other name begins with it, so these are in no set.
const DEVICE: &str = "~";
/// How many counters a set has at most beside those of an attempt, which are two. So the table has at most 2,097,152 rows,
/// however many logins and networks are made up.
const SET_ROWS: i64 = 6;

/// A counter, and when its pauses begin.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The name: the code of a login, and another one after it for a network, so that the counters of a login are
    /// neighbours. That of a browser begins with `DEVICE`.
    pub name: String,
    /// The name under the previous `KEY_ENCRYPTION_KEY`, while there is one.
    previous_name: Option<String>,
    /// Whether it is the counter of an account.
    is_account: bool,
    /// The first failure with a pause, of a second.
    first_pause: i64,
    /// After so many failures more the pause doubles, up to [`ATTEMPT_PAUSE_SECONDS`].
    doubling: i64,
}

impl Counter {
    /// Creates the counter of an account, for all browsers without a device cookie: pauses begin with the 20th failure, and
    /// are the longest from the 90th on.
    pub fn of_account(login_code: &str) -> Self {
        let name = login_code.to_owned();
        Self { name, previous_name: None, is_account: true, first_pause: 20, doubling: 5 }
    }

    /// Creates the counter of one network for an account: pauses begin with the fifth failure, and are the longest from
    /// the 19th on. So a single network cannot use up what the account allows.
    pub fn of_network(login_code: &str, code: &str) -> Self {
        let name = format!("{login_code}.{code}");
        Self { name, previous_name: None, is_account: false, first_pause: 5, doubling: 1 }
    }

    /// Creates the counter of one known browser for an account. It pauses like that of a network.
    pub fn of_device(login_code: &str, code: &str) -> Self {
        let counter = Self::of_network(login_code, code);
        Self { name: format!("{DEVICE}{}", counter.name), ..counter }
    }

    /// Continues the counter that has another name under the previous `KEY_ENCRYPTION_KEY`, so that nobody gains attempts
    /// by a change of the secret.
    #[must_use]
    pub fn continuing(self, previous: Self) -> Self {
        Self { previous_name: Some(previous.name), ..self }
    }
}

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
    is_counted: Handle<bool>,
    pause: Handle<Option<Row>>,
}

/// Counts an attempt, unless one of its counters requires a pause. A pause that ends later than any can is
/// ignored. The failures still count, so the next pause is as long as without the isolate whose clock is ahead.
///
/// Also keeps the table small, because anybody can create counters.
///
/// Adds the event of the attempt to the audit trail, if it is counted.
pub fn count_in(
    batch: &mut Batch,
    counters: &[&Counter],
    attempt: &AttemptedSignIn<'_>,
    context: &Context<'_, impl Database>,
) -> Result<Counting, Internal> {
    let now = context.now;
    let parameters =
        |counter: &&Counter| json!([counter.name, counter.first_pause, counter.doubling]);
    let list = counters.iter().map(parameters).collect::<Value>().to_string();
    if let Some(account) = counters.iter().find(|counter| counter.is_account) {
        batch.add(make_room(&list, now));
        batch.add(take_over(&account.name, &list, now));
    }
    if counters.iter().any(|counter| counter.previous_name.is_some()) {
        batch.add(carry_over(counters, now));
    }
    let pause = Statement::new(
        "SELECT coalesce(max(next_at), ?2) - ?2 \
         FROM json_each(?1) JOIN sign_in_attempts ON counter = value->>0 \
         WHERE next_at > ?2 AND next_at <= ?2 + ?3",
    )
    .bind(list.as_str())
    .bind(now)
    .bind(PAUSE_LIMIT_SECONDS);
    let pause = batch.query(pause, first);
    batch.add(sign_ins::attempted(context, attempt, &list, PAUSE_LIMIT_SECONDS)?);
    Ok(Counting { is_counted: batch.query(count(list, now), exists), pause })
}

impl Counting {
    /// Returns whether the attempt is allowed.
    pub fn admission(self, outcome: &mut Outcome) -> Result<Admission, Internal> {
        if outcome.take(self.is_counted)? {
            return Ok(Admission::Admitted);
        }
        let pause = outcome.take(self.pause)?.map(|mut row| row.integer()).transpose()?;
        Ok(Admission::Wait(pause.unwrap_or_default().max(1)))
    }
}

/// A SQL condition: none of the counters in the list `$counters` requires a pause at the time `$now`.
macro_rules! no_pause {
    ($counters:literal, $now:literal, $limit:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM json_each(",
            $counters,
            ") JOIN sign_in_attempts ON counter = value->>0 WHERE next_at > ",
            $now,
            " AND next_at <= ",
            $now,
            " + ",
            $limit,
            ")"
        )
    };
}
pub(super) use no_pause;

/// Counts an attempt in each counter of the list, or in none. Returns a row for each. `since` is the time up to which
/// failures are forgotten; that of the first one if there are none before. Without a pause `next_at` is zero, so that the
/// attempt of an isolate whose clock is ahead makes nobody wait. D1 binds numbers as floating-point ones, whose quotient
/// has a fraction.
fn count(list: String, now: i64) -> Statement {
    Statement::new(concat!(
        "INSERT INTO sign_in_attempts (counter, failures, last_at, next_at) \
         SELECT name, failures, iif(failures = 1, ?2, since + forgotten * ?3), \
           iif(failures < first_pause, 0, \
               ?2 + min(?3, 1 << min((failures - first_pause) / doubling, 20))) \
         FROM (SELECT name, first_pause, doubling, since, forgotten, \
                 1 + max(0, counted - forgotten) AS failures \
               FROM (SELECT *, cast((?2 - since) / ?3 AS INTEGER) AS forgotten \
                     FROM (SELECT value->>0 AS name, value->>1 AS first_pause, \
                             value->>2 AS doubling, coalesce(failures, 0) AS counted, \
                             min(coalesce(last_at, ?2), ?2) AS since \
                           FROM json_each(?1) LEFT JOIN sign_in_attempts \
                             ON counter = value->>0))) \
         WHERE ",
        no_pause!("?1", "?2", "?4"),
        " ON CONFLICT (counter) DO UPDATE SET \
           failures = excluded.failures, last_at = excluded.last_at, next_at = excluded.next_at \
         RETURNING counter",
    ))
    .bind(list)
    .bind(now)
    .bind(ATTEMPT_PAUSE_SECONDS)
    .bind(PAUSE_LIMIT_SECONDS)
}

/// The end of a SQL query: the other counters of the set, those with the most failures first. The parameters are the list
/// of counters, the length of what the set has in common, the time and [`ATTEMPT_PAUSE_SECONDS`].
macro_rules! others_in_set {
    () => {
        " FROM sign_in_attempts \
         WHERE counter >= (SELECT substr(value->>0, 1, ?2) FROM json_each(?1)) \
           AND counter < (SELECT substr(value->>0, 1, ?2) || '~' FROM json_each(?1)) \
           AND counter NOT IN (SELECT value->>0 FROM json_each(?1)) \
         ORDER BY failures - (?3 - last_at) / ?4 DESC, last_at DESC"
    };
}

/// Deletes counters of a set until it has room for those of the list: the ones with the fewest failures.
fn make_room(list: &str, now: i64) -> Statement {
    Statement::new(concat!(
        "DELETE FROM sign_in_attempts WHERE counter IN (SELECT counter",
        others_in_set!(),
        " LIMIT -1 OFFSET ?5)",
    ))
    .bind(list)
    .bind(SET_CHARACTERS)
    .bind(now)
    .bind(ATTEMPT_PAUSE_SECONDS)
    .bind(SET_ROWS)
}

/// Gives an account without a counter the failures and the pause of the last of [`SET_ROWS`] others in its set, if there
/// are as many. If its own counter was deleted, that one had no more, since only those with the fewest are. So nobody
/// can make the provider forget the failures of an account, not even somebody who has found out which logins share
/// its set. Most sets have fewer counters, or the last one has no failure that still counts.
fn take_over(account: &str, list: &str, now: i64) -> Statement {
    Statement::new(concat!(
        "INSERT INTO sign_in_attempts (counter, failures, last_at, next_at) \
         SELECT ?6, failures, last_at, next_at FROM (SELECT failures, last_at, next_at",
        others_in_set!(),
        " LIMIT 1 OFFSET ?5) WHERE failures > (?3 - last_at) / ?4 \
         ON CONFLICT (counter) DO NOTHING",
    ))
    .bind(list)
    .bind(SET_CHARACTERS)
    .bind(now)
    .bind(ATTEMPT_PAUSE_SECONDS)
    .bind(SET_ROWS - 1)
    .bind(account)
}

/// Gives each counter the failures and the pause that it has under its previous name, unless it has as many failures
/// itself. Isolates with the old secret and with the new one may run at once, and each has the other one as previous: so
/// what one of them counts, the next attempt at the other knows. A counter under a previous name stays as it is, and is
/// deleted when it no longer counts.
fn carry_over(counters: &[&Counter], now: i64) -> Statement {
    let names = |counter: &&Counter| json!([counter.name, counter.previous_name]);
    Statement::new(
        "INSERT INTO sign_in_attempts (counter, failures, last_at, next_at) \
         SELECT value->>0, failures, last_at, next_at \
         FROM json_each(?1) JOIN sign_in_attempts ON counter = value->>1 WHERE TRUE \
         ON CONFLICT (counter) DO UPDATE SET failures = excluded.failures, \
           last_at = excluded.last_at, next_at = max(next_at, excluded.next_at) \
         WHERE excluded.failures - (?2 - excluded.last_at) / ?3 > failures - (?2 - last_at) / ?3",
    )
    .bind(counters.iter().map(names).collect::<Value>().to_string())
    .bind(now)
    .bind(ATTEMPT_PAUSE_SECONDS)
}

/// Deletes at most `limit` counters whose last attempt is too old to count since [`SWEEP_DELAY_SECONDS`].
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM sign_in_attempts WHERE counter IN \
         (SELECT counter FROM sign_in_attempts WHERE last_at <= ?1 ORDER BY last_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now - ATTEMPT_WINDOW_SECONDS - SWEEP_DELAY_SECONDS)
    .bind(limit)
}

/// Takes back an attempt that succeeds: its failure, and the pause after it, which no other attempt could pass. Earlier
/// failures remain: otherwise somebody who guesses would gain by each sign-in of the account's owner.
///
/// The statements precede the one that begins the session under `cookie_hash`, so that they have no effect when the
/// batch runs again, and require what that one requires: the password hash of the user.
pub(super) fn take_back(
    batch: &mut Batch,
    counters: &[&Counter],
    (sub, password_hash): (&str, &str),
    cookie_hash: &str,
) {
    let names = counters.iter().map(|counter| counter.name.as_str());
    let names = names.collect::<Value>().to_string();
    let delete = Statement::new(
        "DELETE FROM sign_in_attempts WHERE counter IN (SELECT value FROM json_each(?1)) \
         AND failures <= 1 \
         AND EXISTS (SELECT 1 FROM users WHERE sub = ?2 AND password_hash = ?3) \
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?4)",
    );
    let lower = Statement::new(
        "UPDATE sign_in_attempts SET failures = failures - 1, next_at = 0 \
         WHERE counter IN (SELECT value FROM json_each(?1)) \
         AND EXISTS (SELECT 1 FROM users WHERE sub = ?2 AND password_hash = ?3) \
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?4)",
    );
    for statement in [delete, lower] {
        let statement = statement.bind(names.as_str()).bind(sub);
        batch.add(statement.bind(password_hash).bind(cookie_hash));
    }
}

/// Deletes every counter of a login, which has these codes: of its account, and of networks and known browsers for it.
pub async fn forget(
    context: &Context<'_, impl Database>,
    login_codes: &[String],
) -> Result<(), Internal> {
    let mut batch = Batch::default();
    let devices = login_codes.iter().map(|code| format!("{DEVICE}{code}"));
    for first in login_codes.iter().cloned().chain(devices) {
        let delete = Statement::new(
            "DELETE FROM sign_in_attempts WHERE counter >= ?1 AND counter < ?1 || '~'",
        );
        batch.add(delete.bind(first.as_str()));
    }
    batch.run_idempotent(context).await.map(drop)
}
