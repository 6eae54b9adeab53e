//! The maintenance: what the provider does without a request. The scheduled event runs it every five minutes.
//!
//! No request depends on a run. One that is missed, late, or runs twice or at the same time as another changes what is
//! done when, and nothing else.
#![warn(missing_docs)]

mod key_rotation;
pub mod logout_delivery;
pub mod resealing;
mod sweeping;

use serde_json::{Map, Value};

use crate::error::Internal;
use crate::ports::Platform;
use crate::provider::Provider;

/// The report of a step: names and numbers, for the operator.
pub type Report = Map<String, Value>;

/// Returns the time now, in Unix seconds. A run may take long, so it reads the clock again and again.
pub type Clock<'a> = &'a dyn Fn() -> i64;

/// A step of a run. One that fails does not prevent the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Deliver logout tokens that are due.
    DeliverLogoutTokens,
    /// Make the signing keys that are due.
    RotateKeys,
    /// Seal signing keys again that the previous `KEY_ENCRYPTION_KEY` opens.
    Reseal,
    /// Delete rows that are over.
    Sweep,
}

impl Step {
    /// Every step, in the order of a run.
    pub const ALL: [Self; 4] =
        [Self::RotateKeys, Self::Reseal, Self::DeliverLogoutTokens, Self::Sweep];

    /// Returns the name of the step in the log and in the table of runs.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliverLogoutTokens => "deliver_logout_tokens",
            Self::RotateKeys => "rotate_keys",
            Self::Reseal => "reseal",
            Self::Sweep => "sweep",
        }
    }

    /// Does the step. Its context has the time at which it begins.
    ///
    /// # Errors
    /// The fault that prevents it. The next run tries again.
    pub async fn run(
        self,
        provider: &Provider<'_, impl Platform>,
        clock: Clock<'_>,
    ) -> Result<Report, Internal> {
        match self {
            Self::DeliverLogoutTokens => logout_delivery::run(provider, clock).await,
            Self::RotateKeys => key_rotation::run(provider).await,
            Self::Reseal => resealing::run(&provider.context).await,
            Self::Sweep => sweeping::run(&provider.context, clock).await,
        }
    }
}
