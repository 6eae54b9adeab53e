//! The operator's requests about initial access tokens (RFC 7591 section 3).

use serde_json::json;

use super::{body, invalid};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::lifetimes::{INITIAL_ACCESS_TOKEN_LONGEST_SECONDS, INITIAL_ACCESS_TOKEN_SECONDS};
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::secret::hash;
use crate::store::initial_access_tokens::keep;

const DEFAULT_USES: i64 = 1;
const MOST_USES: i64 = 10_000;

/// Creates a token that registers `uses` clients within `ttl` seconds, and returns it. It cannot be shown again,
/// because only its hash is stored.
pub async fn create(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let (uses, ttl) = parse_document(&body(request).await?).map_err(invalid)?;
    let token = context.random_text()?;
    let expires_at = context.now + ttl;
    keep(context, &hash(&token), uses, expires_at).await?;
    let document = json!({ "initial_access_token": token, "uses": uses, "expires_at": expires_at });
    Ok(Response::json(200, &document))
}

/// Parses `{"uses", "ttl"}`. Both fields are optional.
fn parse_document(json: &[u8]) -> Result<(i64, i64), InvalidDocument> {
    let mut document = JsonObject::parse(json)?;
    let uses = document.integer("uses")?.unwrap_or(DEFAULT_USES);
    let ttl = document.integer("ttl")?.unwrap_or(INITIAL_ACCESS_TOKEN_SECONDS);
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
    Ok((uses, ttl))
}
