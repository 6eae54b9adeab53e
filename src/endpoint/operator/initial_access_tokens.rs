//! The operator's requests about initial access tokens (RFC 7591 section 3).

use serde_json::{Value, json};

use super::{Page, body, invalid, refused};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::lifetimes::{INITIAL_ACCESS_TOKEN_LONGEST_SECONDS, INITIAL_ACCESS_TOKEN_SECONDS};
use crate::ports::Platform;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::secret::{hash, is_part_of_hash};
use crate::store::initial_access_tokens::{
    self, InitialAccessToken, ListedToken, NAME_CHARACTERS, keep,
};

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

/// Lists the tokens that can still register a client, one page per request. A token is named by the beginning of its hash.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    if !page.after.is_empty() && !is_part_of_hash(&page.after, NAME_CHARACTERS) {
        return Err(invalid(InvalidField::new("after", "must be the next of the page before")));
    }
    let found = initial_access_tokens::list(context, &page.after, page.limit + 1).await?;
    let to_json = |token: ListedToken| Ok(token.is_valid(context.now).then(|| to_json(&token)));
    Ok(page.respond(context, "initial_access_tokens", found, |token| token.name.clone(), to_json))
}

fn to_json(token: &ListedToken) -> Value {
    json!({
        "initial_access_token": token.name,
        "uses": token.uses,
        "uses_left": token.uses_left,
        "resources": token.vouched_apis,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    })
}

/// Revokes a token. Revoking it again changes nothing.
pub async fn revoke(context: &Context<'_, impl Platform>, name: &str) -> Result<Response, Error> {
    let is_name = is_part_of_hash(name, NAME_CHARACTERS);
    let revoked = if is_name { initial_access_tokens::revoke(context, name).await? } else { None };
    let revoked = revoked.ok_or_else(|| {
        let reason = format_args!(
            "must be the first {NAME_CHARACTERS} characters of the hash of a token, as the list has them"
        );
        refused(404, "not_found", InvalidField::new("initial_access_token", reason))
    })?;
    Ok(Response::json(200, &to_json(&revoked)))
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
