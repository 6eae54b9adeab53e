//! Limits on what one address, one client or one account may do.

pub mod attempts;
pub mod rate_limits;
