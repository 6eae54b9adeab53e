//! Protected resource metadata of the userinfo endpoint (RFC 9728 section 2): whose tokens it accepts, and how they are
//! sent.

use serde_json::{Value, json};

use super::respond::respond;
use crate::config::Config;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::user::scope::OFFLINE_ACCESS;
use crate::provider::Provider;
use crate::routes::USERINFO;

pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    let key = format!("protected-resource/{}", context.config.digest);
    let render = || metadata(context.config).to_string();
    let document = memory.resource_metadata.document(context, key, render).await?;
    Ok(respond(&document, context, request))
}

/// Renders the metadata of a configuration.
#[cold]
pub fn metadata(config: &Config) -> Value {
    // `offline_access` is for the token endpoint; userinfo does not need it.
    let scopes: Vec<_> = config.scopes.names().filter(|name| *name != OFFLINE_ACCESS).collect();
    json!({
        "resource": USERINFO.url(&config.issuer),
        "authorization_servers": [config.issuer.as_str()],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header", "body"],
    })
}
