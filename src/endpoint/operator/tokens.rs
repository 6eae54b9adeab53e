//! Access tokens that the operator mints for userinfo, to try things out and for scripts.

use serde_json::json;

use super::{CLIENT_ID, body, invalid, refused};
use crate::config::Config;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::keys::signing::sign;
use crate::lifetimes::{OPERATORS_TOKEN_LONGEST_SECONDS, OPERATORS_TOKEN_SECONDS};
use crate::ports::Platform;
use crate::protocol::authorization::resources::Resource;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::protocol::token::access_token::{ALG, AccessToken, TYP};
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::USERINFO;
use crate::store::grants::{NewGrant, RecordOutcome, record};

/// The body of the request: `{"sub", "scope", "ttl"}`. `ttl` is in seconds, and optional.
struct MintRequest {
    sub: String,
    scope: String,
    ttl: i64,
}

impl MintRequest {
    fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        let mut document = JsonObject::parse(json)?;
        let sub = document.string("sub")?.ok_or_else(|| InvalidField::missing("sub"))?;
        let scope = document.string("scope")?.ok_or_else(|| InvalidField::missing("scope"))?;
        let ttl = document.integer("ttl")?.unwrap_or(OPERATORS_TOKEN_SECONDS);
        document.end()?;
        if !(1..=OPERATORS_TOKEN_LONGEST_SECONDS).contains(&ttl) {
            let reason = format_args!(
                "must be a whole number of seconds from 1 to {OPERATORS_TOKEN_LONGEST_SECONDS}"
            );
            return Err(InvalidField::new("ttl", reason).into());
        }
        Ok(Self { sub, scope, ttl })
    }
}

/// Returns the scope as it is recorded. Only scopes of userinfo: the token is for no other audience.
fn check_scope(scope: &str, config: &Config) -> Result<String, InvalidField> {
    let scopes = Scopes::parse(scope);
    let scopes = scopes.map_err(|error| InvalidField::new("scope", error.description()))?;
    let is_known = |scope: &str| config.scopes.names().any(|name| name == scope);
    let Some(unknown) = scopes.iter().find(|scope| !is_known(scope)) else {
        return Ok(scopes.normalized());
    };
    if let Some(Resource { uri, .. }) = config.resources.of_scope(unknown) {
        let reason =
            format_args!("{unknown} is a scope of {uri}; this endpoint mints userinfo tokens only");
        return Err(InvalidField::new("scope", reason));
    }
    let names: Vec<_> = config.scopes.names().collect();
    let reason = format_args!("{unknown} is not one of {}", names.join(" "));
    Err(InvalidField::new("scope", reason))
}

/// Mints an access token for a user, and records its grant.
pub async fn mint(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let mint_request = MintRequest::parse(&body(request).await?).map_err(invalid)?;
    let scope = check_scope(&mint_request.scope, context.config).map_err(invalid)?;

    // Get the key first, so that no grant is recorded if it is missing.
    let memory = &provider.memory;
    let published = &memory.published_keys;
    let key = memory.signing_keys.get(ALG, published, context).await?;
    let grant_id = context.random_id()?;
    let token = AccessToken {
        aud: USERINFO.url(&context.config.issuer),
        client_id: CLIENT_ID.into(),
        exp: context.now + mint_request.ttl,
        grant_id: Some(grant_id.clone()),
        iat: context.now,
        jti: context.random_id()?,
        nbf: context.now,
        scope,
        sub: mint_request.sub,
    };
    let grant = NewGrant {
        id: &grant_id,
        sub: &token.sub,
        client_id: &token.client_id,
        scope: &token.scope,
        created_at: context.now,
        expires_at: token.exp,
    };
    match record(context, &grant).await? {
        RecordOutcome::NoSuchUser => {
            return Err(refused(404, "not_found", "sub: no user has this sub"));
        }
        RecordOutcome::UserDisabled => {
            return Err(refused(
                409,
                "conflict",
                "sub: the user is disabled: enable the user first",
            ));
        }
        RecordOutcome::Recorded => {}
    }
    let claims = token.to_claims(context.config.issuer.as_str());
    let jwt = sign(context, &key, TYP, &claims).await?;
    Ok(Response::json(
        200,
        &json!({
            "access_token": jwt,
            "token_type": "Bearer",
            "expires_in": mint_request.ttl,
            "scope": token.scope,
            "grant_id": grant_id,
        }),
    ))
}
