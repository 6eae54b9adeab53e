//! The grant type `authorization_code` (RFC 6749 section 4.1.3, OpenID Connect Core section 3.1.3).

use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::grant::{Issue, Signers, once, refresh_token, resource, still_allowed};
use crate::http::Response;
use crate::opaque::{hash, random_text};
use crate::ports::{Database, Platform};
use crate::protocol::params::Params;
use crate::protocol::scope::{Granted, OFFLINE_ACCESS};
use crate::protocol::token_error::TokenError;
use crate::store::clients::Client;
use crate::store::codes::{Code, FirstRefreshToken, Redemption, redeem};
use crate::store::grants;

/// What the client sends.
struct Presented<'a> {
    code: &'a str,
    code_verifier: Option<&'a str>,
    redirect_uri: &'a str,
}

impl<'a> Presented<'a> {
    fn take(params: &'a Params) -> Result<Self, TokenError> {
        let (code, redirect_uri) = (once(params, "code")?, once(params, "redirect_uri")?);
        Ok(Self {
            code: code.ok_or(TokenError::InvalidRequest("code is missing"))?,
            code_verifier: once(params, "code_verifier")?,
            redirect_uri: redirect_uri
                .ok_or(TokenError::InvalidRequest("redirect_uri is missing"))?,
        })
    }
}

/// Redeems a code of an authenticated client's.
pub async fn serve(
    client: &Client,
    params: &Params,
    signers: &Signers,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Response, Error> {
    // 1. What there must be.
    let presented = Presented::take(params)?;
    let resource = resource(params, &config.resources)?;

    // 2. Spent here and now, or not at all (RFC 6749 section 4.1.2).
    let refresh_token = random_text(cx)?;
    let code = spend(client, &presented, &refresh_token, platform, cx).await?;

    // 3. Bound to the redirect URI and the challenge of its request (section 4.1.3; RFC 7636 section 4.6).
    if let Err(error) = check_binding(&code, &presented) {
        // Whoever sent this has the code and not the rest: nothing must come of it any more.
        grants::revoke(platform, &code.grant.id, cx.now).await?;
        return Err(error.into());
    }

    // 4. Its user and its grant are still there.
    let Some(user_claims) = code.grant.user_claims.as_deref() else {
        return Err(TokenError::InvalidGrant("the authorization was withdrawn").into());
    };

    // 5. Whom the access token is for (RFC 8707 section 2.2). The code says what was granted only now that it is
    // spent; nobody but its client has come this far.
    let scope = still_allowed(&code.grant.scope, client, &config.resources);
    let granted = Granted::of_valid(&scope);
    let target = config.resources.target(resource, &granted).map_err(TokenError::InvalidTarget)?;

    // 6. The tokens.
    let is_offline = Granted::of_valid(&code.grant.scope).contains(OFFLINE_ACCESS);
    let issue = Issue {
        client,
        grant: &code.grant,
        user_claims,
        scope: &scope,
        target,
        nonce: code.nonce.as_deref(),
        refresh_token: is_offline.then_some(refresh_token),
    };
    issue.respond(signers, config, platform, cx).await
}

/// Redeems the code. One that is spent was stolen, or its owner's answer was: everything that came of it ends
/// (RFC 6749 section 10.5).
async fn spend(
    client: &Client,
    presented: &Presented<'_>,
    refresh_token: &str,
    database: &impl Database,
    cx: &Cx<'_>,
) -> Result<Code, Error> {
    let (code_hash, token_hash) = (hash(presented.code), hash(refresh_token));
    // A grant that has a code is too young for its own end to count.
    let expires_at = cx.now + refresh_token::IDLE;
    let first = FirstRefreshToken { token_hash: &token_hash, expires_at };
    match redeem(database, &code_hash, &client.client_id, &first, cx.now).await? {
        Redemption::Redeemed(code) => Ok(*code),
        Redemption::Replayed { grant_id } => {
            grants::revoke(database, &grant_id, cx.now).await?;
            Err(TokenError::InvalidGrant("the code was used before").into())
        }
        Redemption::Expired => Err(TokenError::InvalidGrant("the code has expired").into()),
        Redemption::Unknown => {
            Err(TokenError::InvalidGrant("the code is not one of this client's").into())
        }
    }
}

fn check_binding(code: &Code, presented: &Presented<'_>) -> Result<(), TokenError> {
    if code.redirect_uri != presented.redirect_uri {
        return Err(TokenError::InvalidGrant(
            "redirect_uri is not that of the authorization request",
        ));
    }
    match (&code.code_challenge, presented.code_verifier) {
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
