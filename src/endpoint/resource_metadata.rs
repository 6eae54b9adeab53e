//! Protected resource metadata of the userinfo endpoint (RFC 9728 section 2): which issuer's tokens
//! it accepts, and how they are sent.

use serde_json::{Value, json};

use crate::config::Config;
use crate::protocol::scope::OFFLINE_ACCESS;
use crate::routes::USERINFO;

/// The metadata of this configuration.
#[cold]
pub fn metadata(config: &Config) -> Value {
    // What a refresh needs is not this resource's to ask for.
    let scopes: Vec<_> = config.scopes.names().filter(|name| *name != OFFLINE_ACCESS).collect();
    json!({
        "resource": USERINFO.url(&config.issuer),
        "authorization_servers": [config.issuer.as_str()],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header", "body"],
    })
}
