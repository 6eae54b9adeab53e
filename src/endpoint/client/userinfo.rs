//! The userinfo endpoint (OpenID Connect Core section 5.3).

use serde::Serialize;
use std::rc::Rc;

use crate::endpoint::support::bearer::bearer_token;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::jose::jwk::{Algorithm, PublicKey};
use crate::jose::jws::Jws;
use crate::keys::signing::sign;
use crate::keys::verified::{Verified, token_digest};
use crate::ports::{Database, Freshness, Platform};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::token::access_token::{self, AccessToken, Expected};
use crate::protocol::token::bearer::BearerError;
use crate::protocol::user::claims::UserClaims;
use crate::protocol::user::scope::{OPENID, Scopes};
use crate::provider::Provider;
use crate::routes::USERINFO;
use crate::store::grants::{self, GrantStatus};
use crate::store::users;

/// The members of the response (Core section 5.3.2).
#[derive(Serialize)]
struct Userinfo<'a> {
    sub: &'a str,
    #[serde(flatten)]
    claims: UserClaims,
}

/// The claims of a response that is signed. It is good for no time in particular.
#[derive(Serialize)]
struct SignedUserinfo<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    #[serde(flatten)]
    userinfo: Userinfo<'a>,
}

/// The media type in the header of a signed response.
const TYP: &str = "JWT";

/// Answers with the claims that the token's grant releases.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. One token, sent as RFC 6750 section 2 has it.
    let token = bearer_token(request, request.method() == "POST").await?;

    // 2. An access token of ours, for this endpoint, in its time (RFC 9068 section 4).
    let verified = authenticate(provider, &token).await?;
    let token = &verified.token;

    // 3. Issued for OpenID Connect (Core section 5.3.1).
    let granted = Scopes::parse(&token.scope)
        .ok_or(BearerError::InvalidToken("the token has a malformed scope"))?;
    if !granted.contains(OPENID) {
        return Err(BearerError::InsufficientScope.into());
    }

    // 4. Its grant stands, and names the same user and client.
    let ActiveGrant { claims, requested, signed_with } =
        active_grant(context.platform, token).await?;

    // 5. The claims that were asked for, by scope or by name (Core sections 5.3.2, 5.4 and 5.5).
    let claims = users::parse_claims(&claims)?;
    let claims = context.config.scopes.release(&granted, &requested.userinfo, claims);
    let userinfo = Userinfo { sub: &token.sub, claims };
    let Some(alg) = signed_with else {
        return Ok(Response::json_of(200, &userinfo).map_err(|error| Internal::unwritable(&error))?);
    };

    // 6. Signed, for a client that has registered that (Core section 5.3.2).
    let (keys, published) = (&provider.memory.signing_keys, &provider.memory.published_keys);
    let key = keys.get(alg, published, context).await?;
    let (iss, aud) = (context.config.issuer.as_str(), token.client_id.as_str());
    let claims = SignedUserinfo { iss, aud, iat: context.now, userinfo };
    let jwt = sign(context.platform, &key, TYP, &claims).await?;
    Ok(Response::text(200, "application/jwt", jwt))
}

/// Checks an access token, cheapest first, and everything about its form before any key is looked
/// for. What is remembered of a token that was accepted before spares its form and its signature; its key
/// and its times are checked each time.
async fn authenticate(
    provider: &Provider<'_, impl Platform>,
    token: &str,
) -> Result<Rc<Verified>, Error> {
    let context = &provider.context;
    let memory = &provider.memory.verified_tokens;
    let digest = token_digest(token);
    let aud = USERINFO.url(&context.config.issuer);
    let expected = Expected {
        iss: context.config.issuer.as_str(),
        aud: &aud,
        now: context.now,
        leeway: context.config.leeway,
    };
    if let Some(seen) = memory.find(&digest, context.now) {
        let key = find_key(provider, &seen.kid).await;
        let accepted = key.and_then(|_| {
            Ok(access_token::check_times(&seen.token, &expected).map_err(BearerError::from)?)
        });
        return accepted.map(|()| seen).inspect_err(|_| memory.forget(&digest));
    }
    let verified = Rc::new(verify(provider, token, &expected).await?);
    memory.remember(digest, Rc::clone(&verified), context.now);
    Ok(verified)
}

/// Checks the form of a token, its signature, and what it says.
async fn verify(
    provider: &Provider<'_, impl Platform>,
    token: &str,
    expected: &Expected<'_>,
) -> Result<Verified, Error> {
    let context = &provider.context;
    let jws = Jws::parse(token).map_err(BearerError::from)?;
    let kid = access_token::check_header(&jws).map_err(BearerError::from)?.to_owned();
    // What the claims say counts once the signature is verified, and is all that is kept of them while that is
    // waited for.
    let claims = access_token::check_claims(&jws.payload, expected);
    let (signature, signing_input) = jws.into_signed();
    let key = find_key(provider, &kid).await?;
    if key.alg() != access_token::ALG
        || !context.platform.verify(&key, signing_input.as_bytes(), &signature).await?
    {
        return Err(BearerError::InvalidToken("the signature is wrong").into());
    }
    Ok(Verified { kid, token: claims.map_err(BearerError::from)? })
}

/// The published key of a token. One that is published no more verifies nothing.
async fn find_key(
    provider: &Provider<'_, impl Platform>,
    kid: &str,
) -> Result<Rc<PublicKey>, Error> {
    let context = &provider.context;
    let keys = &provider.memory.published_keys;
    let key = keys.find(access_token::ALG, kid, context).await?;
    Ok(key.ok_or(BearerError::InvalidToken("the token is signed with an unknown key"))?)
}

/// What was found behind a token.
struct ActiveGrant {
    claims: String,
    requested: ClaimsRequest,
    signed_with: Option<Algorithm>,
}

/// One statement, answered by the nearest replica. Only a missing grant is asked for again at the
/// primary: a token just issued may be ahead of the replica.
async fn active_grant(database: &impl Database, token: &AccessToken) -> Result<ActiveGrant, Error> {
    let mut found = grants::status(database, Freshness::Nearest, token).await?;
    if let GrantStatus::Unknown = found {
        found = grants::status(database, Freshness::Primary, token).await?;
    }
    match found {
        GrantStatus::Active { claims, requested, signed_with } => {
            Ok(ActiveGrant { claims, requested, signed_with })
        }
        GrantStatus::Revoked => Err(BearerError::InvalidToken("the token was revoked").into()),
        GrantStatus::Unknown => {
            Err(BearerError::InvalidToken("the token belongs to no grant we know").into())
        }
    }
}
