//! Logout: the endpoint to which applications send their users (RP-Initiated Logout 1.0), the target of the sign-out forms,
//! and the page afterwards, which tells other applications (Front-Channel Logout 1.0).

mod done;
pub mod end_session;
mod request;
pub mod sign_out;
