//! The last runs of the maintenance.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::CLOCK_SLACK_SECONDS;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::batch::{self, Batch, Handle, first};

/// How many runs are kept: those of the last half day.
const KEPT: i64 = 144;

/// So many runs that are not later show that a later one was that of a clock that is ahead. An isolate whose clock is
/// behind finds its own alone, because the others are later, and the oldest rows are deleted.
const AGREEING_RUNS: i64 = 10;

/// A run of the maintenance.
#[derive(Debug)]
pub struct MaintenanceRun {
    /// When it started, in Unix seconds.
    pub started_at: i64,
    /// When it ended, in Unix seconds.
    pub ended_at: i64,
    /// A JSON object: what each step did, and the faults.
    pub report: String,
}

/// Reads the last run. One that starts later than now was recorded by an isolate whose clock is ahead.
pub fn last_in(batch: &mut Batch, now: i64) -> Handle<Option<MaintenanceRun>> {
    let last = Statement::new(
        "SELECT started_at, ended_at, report FROM maintenance_runs WHERE started_at <= ?1 \
         ORDER BY started_at DESC LIMIT 1",
    )
    .bind(now + CLOCK_SLACK_SECONDS);
    batch.query(last, |rows| {
        let run = |mut row: Row| {
            Ok(MaintenanceRun {
                started_at: row.integer()?,
                ended_at: row.integer()?,
                report: row.text()?,
            })
        };
        first(rows)?.map(run).transpose()
    })
}

/// Records a run, and deletes those before the last 144. A run that starts later than now was recorded by an isolate
/// whose clock is ahead. It is deleted if ten runs are not later, because it keeps keys from being made.
/// Returns when the run before
/// started, in Unix seconds, if there is one.
///
/// Idempotent: of several runs that started in one second the last one remains.
pub async fn record(
    context: &Context<'_, impl Database>,
    run: &MaintenanceRun,
) -> Result<Option<i64>, Internal> {
    let before = Statement::new(
        "SELECT started_at FROM maintenance_runs WHERE started_at < ?1 \
         ORDER BY started_at DESC LIMIT 1",
    )
    .bind(run.started_at);
    let insert = Statement::new(
        "INSERT INTO maintenance_runs (started_at, ended_at, report) VALUES (?1, ?2, ?3) \
         ON CONFLICT (started_at) DO UPDATE \
           SET ended_at = excluded.ended_at, report = excluded.report",
    )
    .bind(run.started_at)
    .bind(run.ended_at)
    .bind(run.report.as_str());
    let delete_future = Statement::new(
        "DELETE FROM maintenance_runs WHERE started_at > ?1 \
         AND ?2 <= (SELECT count(*) FROM maintenance_runs WHERE started_at <= ?1)",
    )
    .bind(run.ended_at + CLOCK_SLACK_SECONDS)
    .bind(AGREEING_RUNS);
    let delete_old = Statement::new(
        "DELETE FROM maintenance_runs WHERE started_at <= \
           (SELECT started_at FROM maintenance_runs ORDER BY started_at DESC LIMIT 1 OFFSET ?1)",
    )
    .bind(KEPT);
    let mut batch = Batch::default();
    batch.add(insert);
    batch.add(delete_future);
    batch.add(delete_old);
    let before = batch.query(before, first);
    let before = batch.run_idempotent(context).await?.take(before)?;
    before.map(|mut row| row.integer()).transpose()
}

/// Returns whether a run started later than now: then this isolate's clock is behind, or that of the run was ahead.
pub async fn has_later(context: &Context<'_, impl Database>) -> Result<bool, Internal> {
    let select = Statement::new("SELECT 1 FROM maintenance_runs WHERE started_at > ?1 LIMIT 1")
        .bind(context.now + CLOCK_SLACK_SECONDS);
    Ok(!batch::read(context, Freshness::Primary, select).await?.is_empty())
}
