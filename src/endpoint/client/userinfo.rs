//! The userinfo endpoint (OpenID Connect Core section 5.3).

use serde::Serialize;

use crate::config::Config;
use crate::context::Context;
use crate::endpoint::support::access_tokens::authenticate;
use crate::endpoint::support::bearer::bearer_token;
use crate::error::{Error, Internal};
use crate::grant::in_force::{AccessInForce, NotInForce, Permission};
use crate::http::{Request, Response};
use crate::keys::signing::sign;
use crate::ports::{Database, Freshness, Platform};
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::user::claims::UserClaims;
use crate::protocol::user::scope::{OPENID, Scopes};
use crate::provider::Provider;
use crate::store::grants::{self, ActiveGrant, GrantStatus};
use crate::store::users;

/// The claims of the response (Core section 5.3.2).
#[derive(Serialize)]
struct Userinfo<'a> {
    sub: &'a str,
    #[serde(flatten)]
    claims: UserClaims,
}

/// The claims of a signed response. It has no `exp`, which Core section 5.3.2 does not require.
#[derive(Serialize)]
struct SignedUserinfo<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    #[serde(flatten)]
    userinfo: Userinfo<'a>,
}

/// The `typ` header parameter of a signed response.
const TYP: &str = "JWT";

/// Returns the claims that the token's grant releases.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Read the token, sent in one way (RFC 6750 section 2).
    let token = bearer_token(request, request.method() == "POST").await?;

    // 2. Verify the access token: issued by this provider for this endpoint, and not expired (RFC 9068 section 4).
    let verified = authenticate(provider, &token).await?;
    let token = &verified.token;

    // 3. Require the scope `openid` (Core section 5.3.1).
    let granted = Scopes::parse(&token.scope).map_err(|_| {
        BearerError::InvalidToken(
            "access token: scope must be scope tokens separated by spaces".into(),
        )
    })?;
    if !granted.contains(OPENID) {
        return Err(BearerError::InsufficientScope.into());
    }

    // 4. Require an active grant with the token's user and client.
    let grant = active_grant(context, token).await?;

    // 5. Narrow the scopes to those that are still in force.
    let access = in_force(&grant, token, context.config).map_err(BearerError::from)?;
    let granted = Scopes::of_valid(&access.scope);
    if !granted.contains(OPENID) {
        return Err(BearerError::InsufficientScope.into());
    }

    // 6. Select the requested claims, by scope or by the `claims` parameter (Core sections 5.3.2, 5.4 and 5.5).
    let claims = users::parse_claims(&grant.claims)?;
    let claims = context.config.scopes.release(&granted, &access.requested.userinfo, claims);
    let userinfo = Userinfo { sub: &token.sub, claims };
    let Some(alg) = grant.signed_with else {
        return Ok(Response::json_of(200, &userinfo).map_err(|error| Internal::unwritable(&error))?);
    };

    // 7. Sign the response if the client has registered an algorithm (Core section 5.3.2).
    let (keys, published) = (&provider.memory.signing_keys, &provider.memory.published_keys);
    let key = keys.get(alg, published, context).await?;
    let (iss, aud) = (context.config.issuer.as_str(), token.client_id.as_str());
    let claims = SignedUserinfo { iss, aud, iat: context.now, userinfo };
    let jwt = sign(context, &key, TYP, &claims).await?;
    Ok(Response::text(200, "application/jwt", jwt))
}

/// Returns what is in force of a token's scopes and of its grant.
fn in_force(
    grant: &ActiveGrant,
    token: &AccessToken,
    config: &Config,
) -> Result<AccessInForce, NotInForce> {
    let registered = grant.registered_scope.as_deref().map(Scopes::of_valid);
    let may_have = |scope: &str| {
        registered.as_ref().is_none_or(|registered| registered.contains(scope))
            && config.scopes.names().any(|known| known == scope)
    };
    let (is_trusted, consent) = (grant.is_trusted, grant.consent.as_ref());
    Permission { config, may_have, is_trusted, consent }.of(&token.scope, &grant.requested)
}

/// Finds a token's grant at the nearest replica. If it is missing there, the primary decides, because a new grant may
/// not have reached the replica.
async fn active_grant(
    context: &Context<'_, impl Database>,
    token: &AccessToken,
) -> Result<Box<ActiveGrant>, Error> {
    let mut found = grants::status(context, Freshness::Nearest, token).await?;
    if let GrantStatus::Unknown = found {
        found = grants::status(context, Freshness::Primary, token).await?;
    }
    match found {
        GrantStatus::Active(grant) => Ok(grant),
        GrantStatus::Revoked => {
            Err(BearerError::InvalidToken("access token: revoked".into()).into())
        }
        GrantStatus::Unknown => {
            Err(BearerError::InvalidToken("access token: its grant is unknown".into()).into())
        }
    }
}
