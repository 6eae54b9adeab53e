//! What several endpoints share.

pub mod client_authentication;
pub mod form;
