//! Provider metadata: OpenID Connect Discovery 1.0 section 3 and, byte for byte the same, RFC 8414
//! section 2.
//!
//! It states what the router serves and nothing else. Members that describe the authorization and
//! token endpoints arrive with them.

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::routes::ROUTES;

/// The metadata of this configuration.
pub fn metadata(config: &Config) -> Value {
    let mut members = Map::new();
    members.insert("issuer".into(), config.issuer.as_str().into());
    for route in ROUTES {
        if let Some(member) = route.member {
            members.insert(member.into(), route.url(&config.issuer).into());
        }
    }
    let claims: Vec<_> = ["sub"].into_iter().chain(config.scopes.claim_names()).collect();
    let scopes: Vec<_> = config.scopes.names().collect();
    members.insert("scopes_supported".into(), scopes.into());
    members.insert("claims_supported".into(), claims.into());
    members.insert("subject_types_supported".into(), json!(["public"]));
    // Its default is true (Discovery section 3), which would be false of us.
    members.insert("request_uri_parameter_supported".into(), false.into());
    Value::Object(members)
}
