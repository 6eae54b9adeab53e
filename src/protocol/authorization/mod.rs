//! Authorization requests: their parameters, their errors, and the destination of the response.

pub mod authorize_error;
pub mod authorize_policy;
pub mod authorize_request;
pub mod claims_request;
pub mod device_request;
mod grantable_scopes;
pub mod pkce;
pub mod reply_to;
pub mod request_object;
pub mod resources;
pub mod user_code;
