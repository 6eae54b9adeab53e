//! Logins: what a user types to say who they are.

use std::fmt;

/// The longest login, in bytes.
const LIMIT: usize = 255;

/// A text that cannot be a login.
#[derive(Debug, Eq, PartialEq)]
pub struct InvalidLogin;

impl fmt::Display for InvalidLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must be 1 to {LIMIT} bytes without white space or control characters")
    }
}

/// Returns a login as it is compared and stored. Logins are unique without regard to case. By way of capitals, so
/// that those that have several small forms (ς and σ, ß and ss) agree, and of small ones before, for the one
/// capital (ẞ) that needs it.
pub fn fold_login(login: &str) -> Result<String, InvalidLogin> {
    let login = login.to_lowercase().to_uppercase().to_lowercase();
    let is_plain = !login.chars().any(|c| c.is_whitespace() || c.is_control());
    if login.is_empty() || login.len() > LIMIT || !is_plain {
        return Err(InvalidLogin);
    }
    Ok(login)
}
