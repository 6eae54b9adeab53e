//! The grant type `refresh_token` (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! A token is spent by its use, and its successor follows from it: whoever lost the answer, or asked in two
//! tabs at once, gets the same successor again, as long as nobody has used that. Any other use of a spent
//! token is theft, of one or the other, and ends both.

use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::grant::{Issue, Signers, once, resource, still_allowed};
use crate::http::Response;
use crate::keys::mac::{MacKey, Purpose};
use crate::opaque::hash;
use crate::ports::Platform;
use crate::protocol::client_metadata::GrantType;
use crate::protocol::params::Params;
use crate::protocol::scope::Granted;
use crate::protocol::token_error::TokenError;
use crate::store::clients::Client;
use crate::store::grants::{self, Grant};
use crate::store::refresh_tokens::{self, RefreshToken};

/// For how many seconds a refresh token may lie unused.
pub const IDLE: i64 = 30 * 86_400;
/// For how many a grant can be refreshed at all.
const LIFETIME: i64 = 180 * 86_400;

/// For how many seconds a spent token still leads to its successor.
const GRACE: i64 = 60;

/// Until when a token of this grant may be used that is given out now, in Unix seconds.
fn expiry(grant: &Grant, now: i64) -> i64 {
    (now + IDLE).min(grant.granted_at + LIFETIME)
}

/// Refreshes the tokens of an authenticated client.
pub async fn serve(
    client: &Client,
    params: &Params,
    signers: &Signers,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Response, Error> {
    // 1. What there must be.
    let presented = once(params, "refresh_token")?
        .ok_or(TokenError::InvalidRequest("refresh_token is missing"))?;
    let narrowed = once(params, "scope")?;
    let resource = resource(params, &config.resources)?;
    if !client.metadata.grant_types.contains(&GrantType::RefreshToken) {
        return Err(TokenError::UnauthorizedClient(
            "the client has not registered the grant type refresh_token",
        )
        .into());
    }

    // 2. A token of this client's: of another's, nothing is said and nothing changes.
    let mac = MacKey::new(config.key_encryption_key.as_ref())?;
    let successor = mac.code(Purpose::Successor, &[presented]);
    let (token_hash, successor_hash) = (hash(presented), hash(&successor));
    let unknown = TokenError::InvalidGrant("the refresh token is not one of this client's");
    let token =
        refresh_tokens::find(platform, &token_hash, &successor_hash, &client.client_id).await?;
    let token = token.ok_or(unknown)?;

    // 3. Its user and its grant are still there.
    let Some(user_claims) = token.grant.user_claims.as_deref() else {
        return Err(TokenError::InvalidGrant("the authorization was withdrawn").into());
    };

    // 4. Not stolen: unused, or used a moment ago and its successor never.
    if !may_be_used(&token, cx.now) {
        grants::revoke(platform, &token.grant.id, cx.now).await?;
        return Err(TokenError::InvalidGrant("the refresh token was used before").into());
    }

    // 5. In its time.
    if token.expires_at <= cx.now {
        return Err(TokenError::InvalidGrant("the refresh token has expired").into());
    }

    // 6. No more than was granted.
    let granted = still_allowed(&token.grant.scope, client, &config.resources);
    let scope = narrow(&granted, narrowed)?;
    let target = config
        .resources
        .target(resource, &Granted::of_valid(scope))
        .map_err(TokenError::InvalidTarget)?;

    // 7. Its successor, and the tokens. Another caller may have been faster: then the successor is there.
    let expires_at = expiry(&token.grant, cx.now);
    if !refresh_tokens::rotate(platform, &token_hash, &successor_hash, expires_at, cx.now).await? {
        return Err(TokenError::InvalidGrant("the refresh token was used before").into());
    }
    let issue = Issue {
        client,
        grant: &token.grant,
        user_claims,
        scope,
        target,
        nonce: None,
        refresh_token: Some(successor),
    };
    issue.respond(signers, config, platform, cx).await
}

fn may_be_used(token: &RefreshToken, now: i64) -> bool {
    token.spent_at.is_none_or(|spent_at| now < spent_at + GRACE && !token.is_successor_spent)
}

/// The scopes that are asked for, if all of them were granted (RFC 6749 section 6).
fn narrow<'a>(granted: &'a str, narrowed: Option<&'a str>) -> Result<&'a str, TokenError> {
    let Some(narrowed) = narrowed else { return Ok(granted) };
    match Granted::parse(narrowed) {
        Some(scopes) if scopes.is_within(&Granted::of_valid(granted)) => Ok(narrowed),
        _ => Err(TokenError::InvalidScope("scope has more than was granted")),
    }
}
