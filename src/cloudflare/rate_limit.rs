//! The [`RateLimit`] port on the platform's rate limiting binding.

use crate::cloudflare::task::wait;
use crate::cloudflare::{Edge, platform};
use crate::error::Internal;
use crate::ports::RateLimit;

impl RateLimit for Edge {
    async fn is_within_limit(&self, key: &str) -> Result<bool, Internal> {
        let limiter = self.sign_in_limit.get()?;
        let is_within = wait(platform::is_within_limit(limiter.as_ref(), key)).await;
        is_within
            .map(|is_within| is_within.is_truthy())
            .map_err(|failure| self.sign_in_limit.unavailable(failure.message))
    }
}
