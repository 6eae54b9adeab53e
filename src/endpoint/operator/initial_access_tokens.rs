//! The operator's requests about initial access tokens (RFC 7591 section 3).

use serde_json::json;

use super::{body, invalid};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::lifetimes::{INITIAL_ACCESS_TOKEN_LONGEST_SECONDS, INITIAL_ACCESS_TOKEN_SECONDS};
use crate::ports::Platform;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::secret::hash;
use crate::store::initial_access_tokens::{InitialAccessToken, keep};

const DEFAULT_USES: i64 = 1;
const MOST_USES: i64 = 10_000;

/// Creates a token that registers `uses` clients within `ttl` seconds, which may have the scopes of the APIs in
/// `resources`. Returns it. It cannot be shown again, because only its hash is stored.
pub async fn create(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let resources = &context.config.resources;
    let Permission { uses, ttl, vouched_apis } =
        Permission::parse(&body(request).await?, resources).map_err(invalid)?;
    let text = context.random_text()?;
    let expires_at = context.now + ttl;
    let document = json!({
        "initial_access_token": text, "uses": uses, "expires_at": expires_at,
        "resources": vouched_apis,
    });
    let token_hash = hash(&text);
    keep(context, &InitialAccessToken { token_hash, uses, expires_at, vouched_apis }).await?;
    Ok(Response::json(200, &document))
}

/// The permission that a token gives.
struct Permission {
    uses: i64,
    /// In seconds.
    ttl: i64,
    /// The URIs of APIs, as the operator has configured them.
    vouched_apis: Vec<String>,
}

impl Permission {
    /// Parses `{"uses", "ttl", "resources"}`. All fields are optional.
    fn parse(json: &[u8], resources: &Resources) -> Result<Self, InvalidDocument> {
        let mut document = JsonObject::parse(json)?;
        let uses = document.integer("uses")?.unwrap_or(DEFAULT_USES);
        let ttl = document.integer("ttl")?.unwrap_or(INITIAL_ACCESS_TOKEN_SECONDS);
        let named = document.strings("resources")?.unwrap_or_default();
        document.end()?;
        if !(1..=MOST_USES).contains(&uses) {
            let reason = format_args!("must be a whole number from 1 to {MOST_USES}");
            return Err(InvalidField::new("uses", reason).into());
        }
        if !(1..=INITIAL_ACCESS_TOKEN_LONGEST_SECONDS).contains(&ttl) {
            let reason = format_args!(
                "must be a whole number of seconds from 1 to {INITIAL_ACCESS_TOKEN_LONGEST_SECONDS}"
            );
            return Err(InvalidField::new("ttl", reason).into());
        }
        let mut vouched_apis: Vec<String> = Vec::new();
        for (index, uri) in named.iter().enumerate() {
            let Some(api) = resources.find(uri) else {
                let reason = "must be the URI of an API in RESOURCES";
                return Err(InvalidField::element("resources", index, reason).into());
            };
            if !vouched_apis.contains(&api.uri) {
                vouched_apis.push(api.uri.clone());
            }
        }
        Ok(Self { uses, ttl, vouched_apis })
    }
}
