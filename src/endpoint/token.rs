//! The token endpoint (RFC 6749 section 3.2, OpenID Connect Core section 3.1.3).
//!
//! One way in for every grant type: the request is parsed once and the client authenticated once, before any
//! of them is asked.

use subtle::ConstantTimeEq;

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::grant::{Signers, authorization_code, refresh_token};
use crate::http::{BodyError, Request, Response};
use crate::opaque::hash;
use crate::ports::{Database, Platform};
use crate::protocol::client_auth::Credentials;
use crate::protocol::client_metadata::{GrantType, Named};
use crate::protocol::params::{FORM, Params, is_media_type};
use crate::protocol::token_error::TokenError;
use crate::store::clients::{self, Client};

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 65_536;

/// Answers with tokens.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    // 1. A form in the body; what stands in the URL does not count (RFC 6749 section 3.2).
    let body = body(request).await?;
    let params = Params::parse(&body);

    // 2. The client (section 3.2.1).
    let authorization = request.header("authorization");
    let credentials = Credentials::take(authorization.as_deref(), &params)?;
    let client = authenticate(platform, cx, &credentials).await?;

    // 3. The grant type.
    let grant_type = params
        .once("grant_type")
        .map_err(|_| TokenError::InvalidRequest("grant_type stands twice"))?
        .ok_or(TokenError::InvalidRequest("grant_type is missing"))?;
    let grant_type =
        GrantType::parse("grant_type", grant_type).map_err(|_| TokenError::UnsupportedGrantType)?;
    let signers = Signers::get(&client, provider, config, platform, cx).await?;
    match grant_type {
        GrantType::AuthorizationCode => {
            authorization_code::serve(&client, &params, &signers, config, platform, cx).await
        }
        GrantType::RefreshToken => {
            refresh_token::serve(&client, &params, &signers, config, platform, cx).await
        }
    }
}

async fn body(request: &impl Request) -> Result<Vec<u8>, TokenError> {
    if !request.header("content-type").is_some_and(|text| is_media_type(&text, FORM)) {
        return Err(TokenError::InvalidRequest(
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    request.body(BODY_LIMIT).await.map_err(|error| {
        TokenError::InvalidRequest(match error {
            BodyError::Interrupted => "the body could not be read",
            BodyError::TooLarge => "the body is larger than 65536 bytes",
        })
    })
}

/// The client, if it is who it says (RFC 6749 section 2.3). Whether there is such a client at all is not told.
async fn authenticate(
    database: &impl Database,
    cx: &Cx<'_>,
    credentials: &Credentials,
) -> Result<Client, Error> {
    let refused = TokenError::InvalidClient("the client is unknown, or its secret is wrong");
    let client = clients::find(database, &credentials.client_id, cx.now).await?.ok_or(refused)?;
    let is_proven = match (&client.secret_hash, &credentials.secret) {
        (Some(known), Some(secret)) => {
            bool::from(hash(secret.expose()).as_bytes().ct_eq(known.as_bytes()))
        }
        // A public client has nothing to prove, and must not seem to.
        (None, None) => true,
        _ => false,
    };
    if is_proven { Ok(client) } else { Err(refused.into()) }
}
