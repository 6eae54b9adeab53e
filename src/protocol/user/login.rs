//! Logins: the names that users type to sign in.

use std::fmt;

/// The maximum length of a login, in bytes.
const LIMIT: usize = 255;

/// The error for a text that cannot be a login: it is empty, too long, or has white space or control characters.
#[derive(Debug, Eq, PartialEq)]
pub struct InvalidLogin;

impl fmt::Display for InvalidLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must be 1 to {LIMIT} bytes without white space or control characters")
    }
}

/// Returns a login in the form that is stored and compared. Logins are unique regardless of case.
///
/// The text is converted to upper case because some letters have several lower-case forms (ς and σ, ß and ss). It is
/// converted to lower case before that because the capital ẞ has no other upper-case form.
pub fn fold_login(login: &str) -> Result<String, InvalidLogin> {
    let login = login.to_lowercase().to_uppercase().to_lowercase();
    let is_plain = !login.chars().any(|c| c.is_whitespace() || c.is_control());
    if login.is_empty() || login.len() > LIMIT || !is_plain {
        return Err(InvalidLogin);
    }
    Ok(login)
}
