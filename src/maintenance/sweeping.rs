//! The deletion of rows that are over.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::SWEEP_BUDGET_SECONDS;
use crate::maintenance::{Clock, Report};
use crate::ports::Platform;
use crate::store::sweep;

/// How many batches a run sends at most: D1 allows 1,000 queries in one invocation.
const BATCHES: usize = 100;

/// Deletes rows in batches until none is left, or until the budget of batches or of time is used up. The next run goes on.
pub async fn run(
    context: &Context<'_, impl Platform>,
    clock: Clock<'_>,
) -> Result<Report, Internal> {
    let mut batches = 0;
    let mut is_more = true;
    while is_more && batches < BATCHES && clock() < context.now + SWEEP_BUDGET_SECONDS {
        is_more = sweep::all(context.platform, context.now).await?;
        batches += 1;
    }
    Ok(Report::from_iter([
        ("batches".to_owned(), batches.into()),
        ("is_more".to_owned(), is_more.into()),
    ]))
}
