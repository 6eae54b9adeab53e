//! The grant type `client_credentials` (RFC 6749 section 4.4): a machine asks for itself. There is no user, so there is
//! neither an ID token nor userinfo, and nothing to be refreshed.

use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::grant::{ACCESS_TOKEN_LIFETIME, TokenResponse, once};
use crate::http::Response;
use crate::jose::jwk::PrivateKey;
use crate::jose::jws;
use crate::ports::Platform;
use crate::protocol::access_token::{MachineToken, TYP};
use crate::protocol::client_metadata::GrantType;
use crate::protocol::params::Params;
use crate::protocol::resources::{Resource, Resources};
use crate::protocol::scope::Granted;
use crate::protocol::token_error::TokenError;
use crate::store::clients::Client;
use crate::store::users;

/// Issues an access token to an authenticated client.
pub async fn serve(
    client: &Client,
    params: &Params,
    key: &PrivateKey,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Response, Error> {
    // 1. A client that the operator has let do so, and that has proved who it is (section 4.4).
    let metadata = &client.metadata;
    if !metadata.grant_types.contains(&GrantType::ClientCredentials) || !metadata.is_confidential()
    {
        return Err(TokenError::UnauthorizedClient(
            "the client has not registered the grant type client_credentials",
        )
        .into());
    }

    // An API that looks at `sub` alone must not take it for a person (RFC 9068 section 5).
    if users::is_taken(platform, &client.client_id).await? {
        return Err(TokenError::UnauthorizedClient("the client has the name of a user").into());
    }

    // 2. Scopes that are its own, and of an API: what releases claims is nobody's here.
    let registered = Granted::of_valid(metadata.scope.as_deref().unwrap_or_default());
    let may_have: Vec<_> =
        registered.iter().filter(|scope| config.resources.of_scope(scope).is_some()).collect();
    let requested = match once(params, "scope")? {
        None => None,
        Some(text) => Some(requested(text, &may_have)?),
    };

    // 3. One API (RFC 8707 section 2.2).
    let named = once(params, "resource")?;
    let resource = target(&config.resources, named, requested.as_ref().unwrap_or(&may_have))?;
    let is_its = |scope: &&&str| resource.scopes.iter().any(|own| own == **scope);
    let scope = match &requested {
        Some(scopes) if scopes.iter().all(|scope| is_its(&scope)) => scopes.join(" "),
        Some(_) => {
            return Err(TokenError::InvalidScope("scope has some of another resource").into());
        }
        None => may_have.iter().filter(is_its).copied().collect::<Vec<_>>().join(" "),
    };

    // 4. The token.
    let token = MachineToken {
        iss: config.issuer.as_str(),
        aud: &resource.uri,
        client_id: &client.client_id,
        exp: cx.now + ACCESS_TOKEN_LIFETIME,
        iat: cx.now,
        jti: &cx.random_id()?,
        scope: &scope,
        sub: &client.client_id,
    };
    let access_token = jws::sign(platform, key, TYP, &token).await?;
    TokenResponse::of(access_token, &scope).respond()
}

fn requested<'a>(text: &'a str, may_have: &[&str]) -> Result<Vec<&'a str>, TokenError> {
    let scopes = Granted::parse(text)
        .ok_or(TokenError::InvalidScope("scope must be scope tokens with single spaces"))?;
    let scopes: Vec<_> = scopes.iter().collect();
    if scopes.iter().all(|scope| may_have.contains(scope)) {
        Ok(scopes)
    } else {
        Err(TokenError::InvalidScope("scope has one that this client has not registered"))
    }
}

/// The API that is named, or whose the scopes are.
fn target<'a>(
    resources: &'a Resources,
    named: Option<&str>,
    scopes: &[&str],
) -> Result<&'a Resource, TokenError> {
    let scope = scopes.join(" ");
    let found = resources.of(&Granted::of_valid(&scope));
    match (named, found.as_slice()) {
        (Some(uri), found) => {
            let resource = found.iter().find(|resource| resource.uri == uri).copied();
            resource.ok_or(TokenError::InvalidTarget("the client has no scope of this resource"))
        }
        (None, [resource]) => Ok(resource),
        (None, []) => Err(TokenError::InvalidScope("the client has no scope of any resource")),
        (None, _) => {
            Err(TokenError::InvalidTarget("resource is missing: the scopes are of several"))
        }
    }
}
