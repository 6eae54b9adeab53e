//! Protected resource metadata of the userinfo endpoint (RFC 9728 section 2): which issuer's tokens
//! it accepts, and how they are sent.

use serde_json::{Value, json};
use std::rc::Rc;

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::ports::Cache;
use crate::publication::Document;
use crate::routes::USERINFO;

/// The metadata document.
pub async fn document(
    provider: &Provider,
    config: &Config,
    cache: &impl Cache,
    cx: &Cx<'_>,
) -> Result<Rc<Document>, Error> {
    let key = format!("protected-resource/{}", config.digest);
    let render = || metadata(config).to_string();
    Ok(provider.memory.resource_metadata.document(cache, cx, key, render).await?)
}

/// The metadata of this configuration.
pub fn metadata(config: &Config) -> Value {
    let scopes: Vec<_> = config.scopes.names().collect();
    json!({
        "resource": USERINFO.url(&config.issuer),
        "authorization_servers": [config.issuer.as_str()],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header", "body"],
    })
}
