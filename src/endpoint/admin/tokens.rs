//! Access tokens minted by the operator, to try things out and for machines of their own.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde_json::json;

use super::{body, invalid, parse, refused};
use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::jose::jwk::Algorithm;
use crate::jose::jws;
use crate::ports::Platform;
use crate::protocol::access_token::{AccessToken, TYP};
use crate::protocol::scope::Granted;
use crate::routes::{Endpoint, url_of};
use crate::store::grants::{NewGrant, Recorded, record};

/// The client that the operator's grants belong to.
const CLIENT_ID: &str = "operator";
const DEFAULT_TTL: i64 = 600;
const LONGEST_TTL: i64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sub: String,
    scope: String,
    ttl: Option<i64>,
}

/// Mints an access token for a user and records its grant.
pub async fn mint(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    let order: Order = parse(&body(request).await?).map_err(invalid)?;
    let ttl = order.ttl.unwrap_or(DEFAULT_TTL);
    if !(1..=LONGEST_TTL).contains(&ttl) {
        return Err(invalid(format!("ttl must be a number of seconds from 1 to {LONGEST_TTL}")));
    }
    let granted = Granted::parse(&order.scope)
        .ok_or_else(|| invalid("scope must be scope tokens with single spaces between them"))?;
    let is_known = |scope: &&str| config.scopes.names().any(|name| name == *scope);
    if let Some(unknown) = granted.iter().find(|scope| !is_known(scope)) {
        let known: Vec<_> = config.scopes.names().collect();
        return Err(invalid(format!("scope has {unknown}, which is none of {}", known.join(" "))));
    }

    // The key first: without one, no grant is left behind.
    let memory = &provider.memory;
    let published = &memory.published_keys;
    let key = memory.signing_keys.get(Algorithm::Es256, published, config, platform, cx).await?;
    let token = AccessToken {
        client_id: CLIENT_ID.into(),
        exp: cx.now + ttl,
        grant_id: random_id(cx)?,
        iat: cx.now,
        jti: random_id(cx)?,
        scope: order.scope,
        sub: order.sub,
    };
    let grant = NewGrant {
        id: &token.grant_id,
        sub: &token.sub,
        client_id: &token.client_id,
        scope: &token.scope,
        created_at: cx.now,
    };
    if record(platform, &grant).await? == Recorded::NoSuchUser {
        return Err(refused(404, "not_found", "there is no user of this sub"));
    }
    let aud = url_of(Endpoint::Userinfo, &config.issuer);
    let claims = token.to_claims(config.issuer.as_str(), &aud);
    let jwt = jws::sign(platform, &key, TYP, &claims).await?;
    Ok(Response::json(
        200,
        &json!({
            "access_token": jwt,
            "token_type": "Bearer",
            "expires_in": ttl,
            "scope": token.scope,
            "grant_id": token.grant_id,
        }),
    ))
}

/// 128 random bits.
fn random_id(cx: &Cx<'_>) -> Result<String, Error> {
    Ok(Base64UrlUnpadded::encode_string(&cx.random::<16>()?))
}
