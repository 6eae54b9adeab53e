//! The grant type `authorization_code` (RFC 6749 section 4.1.3, OpenID Connect Core section 3.1.3).

use crate::context::Context;
use crate::error::Error;
use crate::grant::refresh_token::NextRefreshToken;
use crate::grant::{Authorized, TokenRequest};
use crate::lifetimes::REFRESH_TOKEN_IDLE_SECONDS;
use crate::ports::Platform;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, Scopes};
use crate::provider::Provider;
use crate::secret::hash;
use crate::store::clients::Client;
use crate::store::codes::{Code, FirstRefreshToken, Redemption, redeem};
use crate::store::grants;

/// The parameters of a redemption.
struct RedemptionRequest<'a> {
    code: &'a str,
    code_verifier: Option<&'a str>,
    redirect_uri: &'a str,
}

impl<'a> RedemptionRequest<'a> {
    fn from_request(request: &'a TokenRequest<'_>) -> Result<Self, TokenError> {
        Ok(Self {
            code: request.required("code", "code is missing")?,
            code_verifier: request.once("code_verifier")?,
            redirect_uri: request.required("redirect_uri", "redirect_uri is missing")?,
        })
    }
}

/// Redeems a code for what was authorized by it.
pub(super) async fn authorize<'a>(
    provider: &Provider<'_, impl Platform>,
    request: &'a TokenRequest<'_>,
) -> Result<Authorized<'a>, Error> {
    let context = &provider.context;

    // 1. The parameters.
    let redemption = RedemptionRequest::from_request(request)?;

    // 2. Spent here and now, or not at all (RFC 6749 section 4.1.2).
    let refresh_token = context.random_text()?;
    let code = spend(request.client, &redemption, &refresh_token, context).await?;

    // 3. Bound to the redirect URI and the challenge of its request (section 4.1.3; RFC 7636 section 4.6).
    if let Err(error) = check_binding(&code, &redemption) {
        // The sender has the code and not the rest, so nothing may come of the code any more.
        grants::revoke(context.platform, &code.grant.id, context.now).await?;
        return Err(error.into());
    }

    let is_offline = Scopes::of_valid(&code.grant.scope).contains(OFFLINE_ACCESS);
    let refresh_token =
        if is_offline { NextRefreshToken::Recorded(refresh_token) } else { NextRefreshToken::None };
    let (grant, nonce) = (code.grant, code.nonce);
    Ok(Authorized { grant, nonce, requested_scope: None, refresh_token })
}

/// Spends the code. A replayed code means theft, so its grant is revoked (RFC 6749 section 10.5).
async fn spend(
    client: &Client,
    redemption: &RedemptionRequest<'_>,
    refresh_token: &str,
    context: &Context<'_, impl Platform>,
) -> Result<Code, Error> {
    let Context { platform, now, .. } = *context;
    let (code_hash, token_hash) = (hash(redemption.code), hash(refresh_token));
    // A grant that has a code is too young for its own end to count.
    let first =
        FirstRefreshToken { token_hash: &token_hash, expires_at: now + REFRESH_TOKEN_IDLE_SECONDS };
    match redeem(platform, &code_hash, &client.client_id, &first, now).await? {
        Redemption::Redeemed(code) => Ok(*code),
        Redemption::Replayed { grant_id } => {
            grants::revoke(platform, &grant_id, now).await?;
            Err(TokenError::InvalidGrant("the code was used before").into())
        }
        Redemption::Expired => Err(TokenError::InvalidGrant("the code has expired").into()),
        Redemption::Unknown => {
            Err(TokenError::InvalidGrant("the code is not one of this client's").into())
        }
    }
}

fn check_binding(code: &Code, redemption: &RedemptionRequest<'_>) -> Result<(), TokenError> {
    if code.redirect_uri != redemption.redirect_uri {
        return Err(TokenError::InvalidGrant(
            "redirect_uri is not that of the authorization request",
        ));
    }
    match (&code.code_challenge, redemption.code_verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => {
            Err(TokenError::InvalidGrant("code_verifier does not meet the code_challenge"))
        }
        (Some(_), None) => Err(TokenError::InvalidGrant("code_verifier is missing")),
        // RFC 9700 section 2.1.1: a request that had no challenge may be an attacker's.
        (None, Some(_)) => Err(TokenError::InvalidGrant(
            "there is a code_verifier, and there was no code_challenge",
        )),
    }
}
