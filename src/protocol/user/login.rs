//! Logins: what a person types to say who they are.

/// A login as it is compared and stored. Logins are unique without regard to case. By way of capitals, so
/// that those that have several small forms (ς and σ, ß and ss) agree, and of small ones before, for the one
/// capital (ẞ) that needs it.
///
/// # Errors
/// What it must be, beginning with the member's name.
pub fn fold_login(login: &str) -> Result<String, String> {
    let login = login.to_lowercase().to_uppercase().to_lowercase();
    let is_plain = !login.chars().any(|c| c.is_whitespace() || c.is_control());
    if login.is_empty() || login.len() > 255 || !is_plain {
        return Err("login must be 1 to 255 bytes without white space".into());
    }
    Ok(login)
}
