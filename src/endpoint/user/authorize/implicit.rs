//! The implicit flow: tokens from the authorization endpoint (OpenID Connect Core section 3.2). It is disabled unless
//! `ALLOW_IMPLICIT` is `true`.

use crate::context::Context;
use crate::error::Internal;
use crate::grant::token_set::{BEARER, Signers, TokenSet};
use crate::lifetimes::ACCESS_TOKEN_SECONDS;
use crate::ports::Crypto;
use crate::protocol::authorization::resources::Target;
use crate::protocol::user::scope::Scopes;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::users;

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
    let tokens = TokenSet { client, grant, user_claims, scope, target, nonce };
    let claims = users::parse_claims(user_claims)?;
    let requested = &grant.requested.id_token;
    let config = context.config;
    if !with_access_token {
        // Without an access token the client cannot call userinfo, so the ID token has the claims of the scopes
        // (section 5.4).
        let granted = Scopes::of_valid(scope);
        let of_user = config.scopes.release(&granted, requested, claims);
        return Ok(vec![("id_token", tokens.id_token(None, of_user, signers, context).await?)]);
    }
    let access_token = tokens.access_token(signers, context).await?;
    let of_user = config.scopes.select(requested, claims);
    let id_token = tokens.id_token(Some(&access_token), of_user, signers, context).await?;
    Ok(vec![
        ("access_token", access_token),
        ("token_type", BEARER.to_owned()),
        ("expires_in", ACCESS_TOKEN_SECONDS.to_string()),
        ("scope", config.resources.scope_for(target, scope).into_owned()),
        ("id_token", id_token),
    ])
}
