//! The verification of access tokens (RFC 9068 section 4), for the endpoints that receive one.

use std::rc::Rc;

use crate::error::{Error, Protocol};
use crate::grant::token_set::audience;
use crate::jose::jwk::{Algorithm, PublicKey};
use crate::jose::jws::Jws;
use crate::keys::verified::{Verified, token_digest};
use crate::ports::Platform;
use crate::protocol::authorization::resources::Target;
use crate::protocol::token::access_token::{self, Expected};
use crate::protocol::token::bearer::BearerError;
use crate::provider::Provider;

/// Verifies an access token for userinfo.
///
/// # Errors
/// [`BearerError::InvalidToken`] if the token is not valid, otherwise [`Error::Internal`] if the platform fails.
pub async fn authenticate(
    provider: &Provider<'_, impl Platform>,
    token: &str,
) -> Result<Rc<Verified>, Error> {
    verify_for(provider, token, Target::Userinfo).await
}

/// Verifies an access token for any audience: the one that it names. Returns `None` if it is not valid.
///
/// # Errors
/// [`Error::Internal`] if the platform fails.
pub async fn find_valid(
    provider: &Provider<'_, impl Platform>,
    token: &str,
) -> Result<Option<Rc<Verified>>, Error> {
    let Some(target) = named_target(provider, token) else { return Ok(None) };
    match verify_for(provider, token, target).await {
        Ok(verified) => Ok(Some(verified)),
        Err(Error::Protocol(Protocol::Bearer(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the target that a token names as its audience. Nothing is verified yet.
fn named_target<'a>(provider: &'a Provider<'_, impl Platform>, token: &str) -> Option<Target<'a>> {
    let jws = Jws::parse(token).ok()?;
    target_of(provider, jws.payload.get("aud")?.as_str()?)
}

/// Returns the target whose access tokens have this `aud`.
pub fn target_of<'a>(provider: &'a Provider<'_, impl Platform>, aud: &str) -> Option<Target<'a>> {
    let config = provider.context.config;
    let apis = config.resources.iter().map(Target::Resource);
    apis.chain([Target::Userinfo]).find(|target| audience(*target, &config.issuer) == aud)
}

/// Verifies an access token for one target. Cheap checks come first, and the form is checked before a key is looked up.
///
/// For a token that this isolate accepted before, form and signature are not checked again; its key and its times are.
async fn verify_for(
    provider: &Provider<'_, impl Platform>,
    token: &str,
    target: Target<'_>,
) -> Result<Rc<Verified>, Error> {
    let context = &provider.context;
    let memory = &provider.memory.verified_tokens;
    let digest = token_digest(token);
    let expected = Expected {
        iss: context.config.issuer.as_str(),
        aud: &audience(target, &context.config.issuer),
        alg: target.alg(),
        typ: target.typ(),
        may_be_machines: matches!(target, Target::Resource(_)),
        now: context.now,
        leeway: context.config.leeway,
    };
    let seen = memory.find(&digest, context.now).filter(|seen| seen.token.aud == expected.aud);
    if let Some(seen) = seen {
        let key = find_key(provider, expected.alg, &seen.kid).await;
        let accepted = key.and_then(|_| {
            Ok(access_token::check_times(&seen.token, &expected).map_err(BearerError::from)?)
        });
        return accepted.map(|()| seen).inspect_err(|_| memory.forget(&digest));
    }
    let verified = Rc::new(verify(provider, token, &expected).await?);
    memory.remember(digest, Rc::clone(&verified), context.now);
    Ok(verified)
}

/// Verifies the form of a token, its signature and its claims.
async fn verify(
    provider: &Provider<'_, impl Platform>,
    token: &str,
    expected: &Expected<'_>,
) -> Result<Verified, Error> {
    let context = &provider.context;
    let jws = Jws::parse(token).map_err(BearerError::from)?;
    let kid = access_token::check_header(&jws, expected).map_err(BearerError::from)?.to_owned();
    // The claims are checked now so that the payload need not be kept during the wait for the signature. The result
    // counts only once the signature is verified.
    let claims = access_token::check_claims(&jws.payload, expected);
    let (signature, signing_input) = jws.into_signed();
    let key = find_key(provider, expected.alg, &kid).await?;
    if key.alg() != expected.alg
        || !context.platform.verify(&key, signing_input.as_bytes(), &signature).await?
    {
        return Err(BearerError::InvalidToken("access token: the signature is wrong".into()).into());
    }
    Ok(Verified { kid, token: claims.map_err(BearerError::from)? })
}

/// Finds the published key of a token. A key that is no longer published verifies nothing.
async fn find_key(
    provider: &Provider<'_, impl Platform>,
    alg: Algorithm,
    kid: &str,
) -> Result<Rc<PublicKey>, Error> {
    let key = provider.memory.published_keys.find(alg, kid, &provider.context).await?;
    Ok(key.ok_or(BearerError::InvalidToken("access token: signed with an unknown key".into()))?)
}
