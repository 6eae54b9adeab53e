//! The token endpoint (RFC 6749 section 3.2, OpenID Connect Core section 3.1.3).
//!
//! One way in for every grant type: the request is parsed once and the client authenticated once, before any
//! of them is asked.

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::client::{authenticate, form};
use crate::error::Error;
use crate::grant::{self, Signers, authorization_code, client_credentials, refresh_token};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::access_token;
use crate::protocol::client_auth;
use crate::protocol::client_metadata::{GrantType, Named};
use crate::protocol::token_error::TokenError;

/// Answers with tokens.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    // 1. A form in the body.
    let params = form(request, &[&client_auth::PARAMETERS, &grant::PARAMETERS]).await?;

    // 2. The client (section 3.2.1).
    let keys = &provider.memory.fetched_keys;
    let client = authenticate(request, &params, keys, config, platform, cx).await?;

    // 3. The grant type.
    let grant_type = params
        .once("grant_type")
        .map_err(|_| TokenError::InvalidRequest("grant_type stands twice"))?
        .ok_or(TokenError::InvalidRequest("grant_type is missing"))?;
    let grant_type =
        GrantType::parse("grant_type", grant_type).map_err(|_| TokenError::UnsupportedGrantType)?;
    if !config.serves(grant_type) {
        return Err(TokenError::UnsupportedGrantType.into());
    }
    let (keys, published) = (&provider.memory.signing_keys, &provider.memory.published_keys);
    let signers = || Signers::get(&client, keys, published, config, platform, cx);
    match grant_type {
        GrantType::AuthorizationCode => {
            let signers = signers().await?;
            authorization_code::serve(&client, &params, &signers, config, platform, cx).await
        }
        GrantType::ClientCredentials => {
            let key = keys.get(access_token::ALG, published, config, platform, cx).await?;
            client_credentials::serve(&client, &params, &key, config, platform, cx).await
        }
        // It has nothing to ask for here.
        GrantType::Implicit => Err(TokenError::UnsupportedGrantType.into()),
        GrantType::RefreshToken => {
            let signers = signers().await?;
            refresh_token::serve(&client, &params, &signers, config, platform, cx).await
        }
    }
}
