//! What several endpoints share.

pub mod bearer;
pub mod body;
pub mod client_authentication;
pub mod form;
