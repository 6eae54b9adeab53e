//! Access tokens, ID tokens, and the errors about tokens.

pub mod access_token;
pub mod bearer;
pub mod id_token;
pub mod logout_token;
pub mod token_error;
