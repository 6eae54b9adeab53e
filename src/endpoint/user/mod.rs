//! The endpoints that users call with their browsers.

pub mod account;
pub mod authorize;
pub mod consent;
pub mod login;
pub mod logout;
pub mod select_account;
