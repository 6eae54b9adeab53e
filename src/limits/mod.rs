//! Rate limits per address, client and account.

pub mod attempts;
pub mod rate_limits;
pub mod user_codes;
