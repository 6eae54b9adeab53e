//! The deletion of rows that are over: all kinds by the cron, some after a response, and a few with each row that a client
//! adds.
//!
//! The cron deletes everything that ends, the oldest first. It may not run, or not often enough, so [`all`] also deletes the
//! rows that anybody can add after a response. In the batch of a registration or of a pushed request, the deletion comes
//! first, because a full database has no space for the new row before. If the deletion does not free enough space, the whole
//! batch is rolled back with it. [`all`] deletes rows in a batch of its own.
//!
//! No batch of a sign-in sweeps: its user must not wait for rows that others have left.

use crate::config::Config;
use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{DAY_SECONDS, SWEEP_DELAY_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::store::batch::{Batch, first};
use crate::store::{
    audit, authorization_requests, client_assertions, clients, deletions, grants,
    initial_access_tokens, revoked_tokens, session_ends, sessions, sign_in_attempts, user_codes,
};

/// How many rows of each kind are deleted at once: few enough for the time that D1 allows a batch, and that requests may wait
/// for one.
pub const SWEPT_AT_ONCE: i64 = 1_000;

/// A kind of rows that end.
#[derive(Debug)]
pub struct Kind {
    /// The name of the table.
    pub name: &'static str,
    /// The statements that delete at most so many of the rows that were over at a time, the oldest first. Each row that a
    /// statement has handled is one row of its result: 1, or 0 if the row is kept.
    statements: fn(i64, i64) -> Vec<Statement>,
    /// How long a row is kept after it is over, in seconds.
    kept_for: fn(&Config) -> i64,
    /// Whether anybody can add such rows, so that they are also deleted after responses.
    is_of_strangers: bool,
}

/// All kinds.
pub const KINDS: [Kind; 13] = [
    Kind::of_strangers("authorization_requests", |at, limit| {
        vec![authorization_requests::sweep(at, limit)]
    }),
    Kind::of_strangers("client_assertions", |at, limit| vec![client_assertions::sweep(at, limit)]),
    Kind::of_strangers("clients", |at, limit| vec![clients::sweep(at, limit)]),
    Kind::of_strangers("initial_access_tokens", |at, limit| {
        vec![initial_access_tokens::sweep(at, limit)]
    }),
    Kind::of_strangers("revoked_tokens", |at, limit| vec![revoked_tokens::sweep(at, limit)]),
    Kind::of_strangers("sign_in_attempts", |at, limit| vec![sign_in_attempts::sweep(at, limit)]),
    Kind::of_strangers("user_code_attempts", |at, limit| vec![user_codes::sweep(at, limit)]),
    Kind::of_strangers("deleted_clients", |_, limit| {
        [deletions::of_client("", limit), vec![deletions::more_clients()]].concat()
    }),
    Kind::of_strangers("deleted_users", |at, limit| {
        [deletions::of_user("", at, limit), vec![deletions::more_users()]].concat()
    }),
    Kind::of_users("sessions", sessions::sweep),
    Kind::of_users("ended_sessions", session_ends::sweep),
    Kind::of_users("grants", grants::sweep),
    Kind {
        kept_for: |config| config.audit_days * DAY_SECONDS,
        ..Kind::of_users("audit_events", |at, limit| vec![audit::sweep(at, limit)])
    },
];

/// What a statement of [`Kind::sweep`] has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    pub deleted: i64,
    /// Whether there may be more rows to delete.
    pub is_more: bool,
}

impl Swept {
    /// Reads the rows of a batch: 1 for each that is deleted, 0 for each that is kept, and -1 if there are more.
    fn read(rows: Vec<Vec<Row>>) -> Result<Self, Internal> {
        let mut swept = Self::default();
        let mut handled = 0;
        for mut row in rows.into_iter().flatten() {
            match row.integer()? {
                -1 => swept.is_more = true,
                deleted => swept.deleted += deleted,
            }
            handled += 1;
        }
        swept.is_more |= handled >= SWEPT_AT_ONCE;
        Ok(swept)
    }
}

impl Kind {
    const fn of_strangers(name: &'static str, statements: fn(i64, i64) -> Vec<Statement>) -> Self {
        Self { name, statements, kept_for: |_| 0, is_of_strangers: true }
    }

    const fn of_users(name: &'static str, statements: fn(i64, i64) -> Vec<Statement>) -> Self {
        Self { name, statements, kept_for: |_| 0, is_of_strangers: false }
    }

    /// Deletes some rows that were over at `time`, in one batch.
    pub async fn sweep(
        &self,
        context: &Context<'_, impl Database>,
        time: i64,
    ) -> Result<Swept, Internal> {
        let time = time - (self.kept_for)(context.config);
        let rows = context.platform.batch(&(self.statements)(time, SWEPT_AT_ONCE)).await?;
        Swept::read(rows)
    }
}

/// Returns the time that the cron deletes by: `now`, but at most an hour later than in the run before, and records it. So a
/// clock that is ahead, by a year for example, deletes nothing that is alive: rows are kept for an hour longer. After an
/// outage the runs make up for an hour each. The time is set back by an hour at most, so that a run with the right clock takes
/// back what one with a wrong clock has added, and a clock that is behind stops no deletion for long.
///
/// # Errors
/// The fault of the database.
pub async fn time(database: &impl Database, now: i64) -> Result<i64, Internal> {
    let advance = Statement::new(
        "INSERT INTO sweep_time (id, time) VALUES (1, ?1) \
         ON CONFLICT (id) DO UPDATE SET time = max(time - ?2, min(?1, time + ?2)) \
         RETURNING min(?1, time)",
    )
    .bind(now)
    .bind(SWEEP_DELAY_SECONDS);
    let mut batch = Batch::default();
    let time = batch.query(advance, |rows| first(rows)?.map_or(Ok(0), |mut row| row.integer()));
    batch.run(database).await?.take(time)
}

/// Deletes expired rows of every kind that anybody can add. Returns whether there may be more.
pub async fn all(database: &impl Database, now: i64) -> Result<bool, Internal> {
    let kinds = KINDS.iter().filter(|kind| kind.is_of_strangers);
    let statements: Vec<_> = kinds.flat_map(|kind| (kind.statements)(now, SWEPT_AT_ONCE)).collect();
    let rows = database.batch(&statements).await?;
    // Of the statements together, because only few of them find many rows.
    Ok(Swept::read(rows)?.is_more)
}
