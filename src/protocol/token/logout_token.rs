//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4).

use serde::{Serialize, Serializer};
use serde_json::json;

/// The `typ` of the header. No other token of the provider has it, so none counts as a logout token, and a logout token
/// counts as nothing else.
pub const TYP: &str = "logout+jwt";

/// The only event of a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token. It must not have a `nonce`, so that it is no ID token.
#[derive(Debug, Serialize)]
pub struct LogoutToken<'a> {
    /// The client.
    pub aud: &'a str,
    #[serde(rename = "events")]
    pub event: LogoutEvent,
    /// The time of expiry, in Unix seconds.
    pub exp: i64,
    /// The time of issue, in Unix seconds.
    pub iat: i64,
    pub iss: &'a str,
    /// The token's unique id.
    pub jti: &'a str,
    /// The id of the session for this client, as its ID tokens have it.
    pub sid: &'a str,
    /// The user's subject identifier for this client.
    pub sub: &'a str,
}

/// The claim `events`, which is the same in every logout token.
#[derive(Debug)]
pub struct LogoutEvent;

impl Serialize for LogoutEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ EVENT: {} }).serialize(serializer)
    }
}
