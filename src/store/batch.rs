//! Statements that run in one transaction, and their rows by handle.

use crate::error::Internal;
use crate::ports::{Database, Row, Statement};

/// Statements that run in order, all or none of them.
#[derive(Default)]
pub(super) struct Batch(Vec<Statement>);

/// The place of a statement in its batch.
pub(super) struct Handle(usize);

/// The rows of a batch.
pub(super) struct Outcome(Vec<Vec<Row>>);

impl Batch {
    /// Adds a statement whose rows nobody reads.
    pub(super) fn add(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Adds a statement whose rows are read by the handle.
    pub(super) fn query(&mut self, statement: Statement) -> Handle {
        self.0.push(statement);
        Handle(self.0.len() - 1)
    }

    /// Runs the statements on the primary.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub(super) async fn run(self, database: &impl Database) -> Result<Outcome, Internal> {
        database.batch(self.0).await.map(Outcome)
    }
}

impl Outcome {
    /// Takes the rows of a statement.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the database returned fewer results than there were statements.
    pub(super) fn rows(&mut self, Handle(place): Handle) -> Result<Vec<Row>, Internal> {
        self.0.get_mut(place).map(std::mem::take).ok_or_else(|| Internal::Broken {
            detail: format!("the database returned no result for statement {place} of a batch"),
        })
    }

    /// Takes the one row of a statement, if it has one.
    ///
    /// # Errors
    /// As [`Outcome::rows`].
    pub(super) fn row(&mut self, handle: Handle) -> Result<Option<Row>, Internal> {
        Ok(self.rows(handle)?.pop())
    }
}
