//! A batch of statements that runs in one transaction.

use crate::error::Internal;
use crate::ports::{Database, Row, Statement};

/// Statements that run in order; if one fails, none has an effect.
#[derive(Default)]
pub(super) struct Batch(Vec<Statement>);

/// Identifies a statement of a batch, to get its rows.
pub(super) struct Handle(usize);

/// The rows of each statement of a batch.
pub(super) struct Outcome(Vec<Vec<Row>>);

impl Batch {
    /// Adds a statement whose rows are not needed.
    pub(super) fn add(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Adds a statement. Its rows are available under the returned handle.
    pub(super) fn query(&mut self, statement: Statement) -> Handle {
        self.0.push(statement);
        Handle(self.0.len() - 1)
    }

    /// Runs the statements on the primary.
    pub(super) async fn run(self, database: &impl Database) -> Result<Outcome, Internal> {
        database.batch(self.0).await.map(Outcome)
    }
}

impl Outcome {
    /// Removes and returns the rows of a statement.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the database returned fewer results than there were statements.
    pub(super) fn rows(&mut self, Handle(place): Handle) -> Result<Vec<Row>, Internal> {
        self.0.get_mut(place).map(std::mem::take).ok_or_else(|| Internal::Broken {
            detail: format!("D1 returned no result for statement {place} of a batch"),
        })
    }

    /// Removes and returns the only row of a statement, if it has one.
    ///
    /// # Errors
    /// The same as [`Outcome::rows`].
    pub(super) fn row(&mut self, handle: Handle) -> Result<Option<Row>, Internal> {
        Ok(self.rows(handle)?.pop())
    }
}
