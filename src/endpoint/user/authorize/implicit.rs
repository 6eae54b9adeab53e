//! The implicit flow: tokens from the authorization endpoint (OpenID Connect Core section 3.2). It is disabled unless
//! `ALLOW_IMPLICIT` is `true`.

use crate::context::Context;
use crate::error::Internal;
use crate::grant::token_set::{BEARER, Signers, TokenSet};
use crate::lifetimes::ACCESS_TOKEN_SECONDS;
use crate::ports::Crypto;
use crate::protocol::authorization::resources::Target;
use crate::store::clients::Client;
use crate::store::grants::Grant;

pub struct ImplicitRequest<'a> {
    /// The client that gets the tokens.
    pub client: &'a Client,
    pub grant: &'a Grant,
    /// The user's claims, as JSON.
    pub user_claims: &'a str,
    /// The `nonce` of the ID token.
    pub nonce: Option<&'a str>,
    /// Whether `response_type` includes `token`.
    pub with_access_token: bool,
}

/// Signs the tokens. Returns the parameters of the response (section 3.2.2.5).
pub async fn parameters(
    request: &ImplicitRequest<'_>,
    signers: &Signers,
    context: &Context<'_, impl Crypto>,
) -> Result<Vec<(&'static str, String)>, Internal> {
    let ImplicitRequest { client, grant, user_claims, nonce, with_access_token } = *request;
    let scope = grant.scope.as_str();
    // The token endpoint alone issues tokens for APIs.
    let target = Target::Userinfo;
    let requested = &grant.requested;
    let tokens = TokenSet { client, grant, user_claims, scope, requested, target, nonce };
    if !with_access_token {
        return Ok(vec![("id_token", tokens.id_token(None, signers, context).await?)]);
    }
    let access_token = tokens.access_token(signers, context).await?;
    let id_token = tokens.id_token(Some(&access_token), signers, context).await?;
    Ok(vec![
        ("access_token", access_token),
        ("token_type", BEARER.to_owned()),
        ("expires_in", ACCESS_TOKEN_SECONDS.to_string()),
        ("scope", context.config.resources.scope_for(target, scope).into_owned()),
        ("id_token", id_token),
    ])
}
