//! A batch of statements that runs in one transaction, with one request to D1.

use crate::context::{Context, DeferredTask};
use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};

/// Statements that run in order; if one fails, none has an effect.
#[derive(Default)]
pub struct Batch {
    statements: Vec<Statement>,
    /// Tasks, each with the place of the statement that it follows from.
    deferred: Vec<(usize, DeferredTask)>,
}

/// Identifies a statement of a batch, and reads its result.
pub struct Handle<T> {
    place: usize,
    read: fn(Vec<Row>) -> Result<T, Internal>,
}

/// The rows of each statement of a batch.
pub struct Outcome {
    rows: Vec<Vec<Row>>,
    ran_twice: bool,
}

impl Batch {
    /// Adds a statement whose rows are not needed.
    pub(super) fn add(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Adds a statement. [`Outcome::take`] returns its result.
    pub(super) fn query<T>(
        &mut self,
        statement: Statement,
        read: fn(Vec<Row>) -> Result<T, Internal>,
    ) -> Handle<T> {
        self.statements.push(statement);
        Handle { place: self.statements.len() - 1, read }
    }

    /// Adds a statement. If it returns a row, [`Batch::run_idempotent`] defers the task. So no caller can forget it.
    pub(super) fn add_with_task(&mut self, statement: Statement, task: DeferredTask) {
        self.deferred.push((self.statements.len(), task));
        self.statements.push(statement);
    }

    /// Runs the statements on the primary. They must have no task.
    ///
    /// # Errors
    /// The error of the database.
    pub async fn run(self, database: &impl Database) -> Result<Outcome, Internal> {
        debug_assert!(self.deferred.is_empty(), "only run_idempotent defers tasks");
        let rows = database.batch(&self.statements).await?;
        Ok(Outcome { rows, ran_twice: false })
    }

    /// Runs the statements on the primary, and once more if the database fails: it may have committed, and only its
    /// response was lost. So every statement must be idempotent within the request, for example because a random id of
    /// the request shows that this request has spent a code. The first fault is logged. An empty batch makes no request.
    ///
    /// # Errors
    /// The error of the database, if it fails twice.
    pub async fn run_idempotent(
        self,
        context: &Context<'_, impl Database>,
    ) -> Result<Outcome, Internal> {
        let Self { statements, deferred } = self;
        if statements.is_empty() {
            return Ok(Outcome { rows: Vec::new(), ran_twice: false });
        }
        let run = async || context.platform.batch(&statements).await;
        let (rows, ran_twice) = context.at_most_twice(run).await?;
        for (place, task) in deferred {
            // The rows that the first run added are there, although the second one returns none.
            if ran_twice || rows.get(place).is_some_and(|rows| !rows.is_empty()) {
                context.defer(task);
            }
        }
        Ok(Outcome { rows, ran_twice })
    }
}

/// Runs a statement that only reads, and once more if the database fails. The first fault is logged.
///
/// # Errors
/// The error of the database, if it fails twice.
pub(super) async fn read(
    context: &Context<'_, impl Database>,
    freshness: Freshness,
    statement: Statement,
) -> Result<Vec<Row>, Internal> {
    let run = async || context.platform.run(freshness, statement.clone()).await;
    Ok(context.at_most_twice(run).await?.0)
}

impl Outcome {
    /// Returns whether the batch ran a second time, because the response to the first run was lost or an error.
    pub(super) fn ran_twice(&self) -> bool {
        self.ran_twice
    }

    /// Returns the result of a statement.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the database returned fewer results than there were statements, or a row is damaged.
    #[expect(clippy::needless_pass_by_value)] // A result is taken once.
    pub fn take<T>(&mut self, handle: Handle<T>) -> Result<T, Internal> {
        let Handle { place, read } = handle;
        let rows =
            self.rows.get_mut(place).map(std::mem::take).ok_or_else(|| Internal::Broken {
                detail: format!("D1 returned no result for statement {place} of a batch"),
            })?;
        read(rows)
    }
}

/// Reads all rows as they are. All readers have one type.
#[expect(clippy::unnecessary_wraps)]
pub(super) fn all(rows: Vec<Row>) -> Result<Vec<Row>, Internal> {
    Ok(rows)
}

/// Reads whether there is a row.
#[expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
pub(super) fn exists(rows: Vec<Row>) -> Result<bool, Internal> {
    Ok(!rows.is_empty())
}

/// Reads the only row, if there is one.
#[expect(clippy::unnecessary_wraps)]
pub(super) fn first(mut rows: Vec<Row>) -> Result<Option<Row>, Internal> {
    Ok(rows.pop())
}
