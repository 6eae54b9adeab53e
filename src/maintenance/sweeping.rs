//! The deletion of rows that are over.

use serde_json::Value;

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{SWEEP_BUDGET_SECONDS, SWEEP_DELAY_SECONDS};
use crate::maintenance::{Clock, Report};
use crate::ports::Platform;
use crate::store::sweep::{self, KINDS, Kind};

/// How many batches a run sends at most. A batch has eleven statements at most and mostly two, and D1 allows 1,000 in one
/// invocation, those of batches included. The steps before this one use about 450 at most, for logout tokens above all.
const BATCHES: usize = 50;

/// Deletes rows of each kind in turn, until none is left, or until the budget of batches or of time is used up. The next run
/// goes on. A kind that fails does not prevent the others.
///
/// The report has the number of batches, how many rows of each kind were deleted, and the kinds that may have more.
///
/// # Errors
/// The fault of the database, if it does not return the time to delete by.
pub async fn run(
    context: &Context<'_, impl Platform>,
    clock: Clock<'_>,
) -> Result<Report, Internal> {
    let over_at = sweep::time(context.platform, context.now).await? - SWEEP_DELAY_SECONDS;
    let mut batches = 0;
    let mut deleted = Report::new();
    let mut left: Vec<&Kind> = KINDS.iter().collect();
    let mut is_in_budget = true;
    while is_in_budget && !left.is_empty() {
        let mut more = Vec::new();
        for kind in left {
            is_in_budget &= batches < BATCHES && clock() < context.now + SWEEP_BUDGET_SECONDS;
            if !is_in_budget {
                more.push(kind);
                continue;
            }
            batches += 1;
            match kind.sweep(context, over_at).await {
                Ok(swept) => {
                    add(&mut deleted, kind.name, swept.deleted);
                    more.extend(swept.is_more.then_some(kind));
                }
                Err(fault) => context.log_fault(&fault),
            }
        }
        left = more;
    }
    let left: Vec<_> = left.iter().map(|kind| kind.name).collect();
    Ok(Report::from_iter([
        ("batches".to_owned(), batches.into()),
        ("deleted".to_owned(), deleted.into()),
        ("left".to_owned(), left.into()),
    ]))
}

/// Adds a number to the one of this name, unless it is zero.
fn add(numbers: &mut Report, name: &str, number: i64) {
    let sum = numbers.get(name).and_then(Value::as_i64).unwrap_or_default() + number;
    if sum > 0 {
        numbers.insert(name.to_owned(), sum.into());
    }
}
