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

/// The parameters of the grant type.
struct RedemptionRequest<'a> {
    code: &'a str,
    code_verifier: Option<&'a str>,
    redirect_uri: &'a str,
}

impl<'a> RedemptionRequest<'a> {
    fn from_request(request: &'a TokenRequest<'_>) -> Result<Self, TokenError> {
        Ok(Self {
            code: request.required("code", "missing parameter: code")?,
            code_verifier: request.once("code_verifier")?,
            redirect_uri: request.required("redirect_uri", "missing parameter: redirect_uri")?,
        })
    }
}

/// Redeems an authorization code. Returns what the user authorized.
pub(super) async fn authorize<'a>(
    provider: &Provider<'_, impl Platform>,
    request: &'a TokenRequest<'_>,
) -> Result<Authorized<'a>, Error> {
    let context = &provider.context;

    // 1. Read the parameters.
    let redemption = RedemptionRequest::from_request(request)?;

    // 2. Spend the code, whether or not the checks of step 3 succeed: it can be used once (RFC 6749 section 4.1.2).
    let refresh_token = context.random_text()?;
    let code = spend(request.client, &redemption, &refresh_token, context).await?;

    // 3. Check the redirect URI and the challenge that the code is bound to (section 4.1.3; RFC 7636 section 4.6).
    if let Err(error) = check_binding(&code, &redemption) {
        // The sender has the code but not the rest, so it may be stolen. The grant is revoked, because the code is
        // spent.
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
    // The limit for the age of the grant cannot apply yet, because the grant is as new as its code.
    let first =
        FirstRefreshToken { token_hash: &token_hash, expires_at: now + REFRESH_TOKEN_IDLE_SECONDS };
    match redeem(platform, &code_hash, &client.client_id, &first, now).await? {
        Redemption::Redeemed(code) => Ok(*code),
        Redemption::Replayed { grant_id } => {
            grants::revoke(platform, &grant_id, now).await?;
            Err(TokenError::InvalidGrant("code: already used, so its grant is revoked".into())
                .into())
        }
        Redemption::Expired => Err(TokenError::InvalidGrant("code: expired".into()).into()),
        Redemption::Unknown => {
            Err(TokenError::InvalidGrant("code: unknown, or issued to another client".into())
                .into())
        }
    }
}

fn check_binding(code: &Code, redemption: &RedemptionRequest<'_>) -> Result<(), TokenError> {
    if code.redirect_uri != redemption.redirect_uri {
        return Err(TokenError::InvalidGrant(
            "redirect_uri: must be the one of the authorization request".into(),
        ));
    }
    match (&code.code_challenge, redemption.code_verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => {
            Err(TokenError::InvalidGrant("code_verifier: does not match the code_challenge".into()))
        }
        (Some(_), None) => Err(TokenError::InvalidGrant("missing parameter: code_verifier".into())),
        // Prevent a PKCE downgrade: an attacker may have removed the challenge from the authorization request (RFC 9700
        // section 2.1.1).
        (None, Some(_)) => Err(TokenError::InvalidGrant(
            "code_verifier: the authorization request had no code_challenge".into(),
        )),
    }
}
