//! The implicit flow: tokens straight from the authorization endpoint (OpenID Connect Core section 3.2). The operator
//! must have allowed it.

use crate::config::Config;
use crate::context::Cx;
use crate::error::Internal;
use crate::grant::{ACCESS_TOKEN_LIFETIME, BEARER, Issue, Signers};
use crate::ports::Crypto;
use crate::protocol::resources::Target;
use crate::protocol::scope::Granted;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::users;

/// What is asked for.
pub struct Order<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// What was granted.
    pub grant: &'a Grant,
    /// The user's claims, as JSON.
    pub user_claims: &'a str,
    /// To stand in the ID token.
    pub nonce: Option<&'a str>,
    /// Whether an access token is wanted too.
    pub with_access_token: bool,
}

/// Signs the tokens. Returns the parameters of the response (section 3.2.2.5).
///
/// # Errors
/// Whatever the [`Crypto`] port reports.
pub async fn parameters(
    order: Order<'_>,
    signers: &Signers,
    config: &Config,
    crypto: &impl Crypto,
    cx: &Cx<'_>,
) -> Result<Vec<(&'static str, String)>, Internal> {
    let Order { client, grant, user_claims, nonce, with_access_token } = order;
    let scope = grant.scope.as_str();
    // Tokens for APIs come from the token endpoint alone.
    let target = Target::Userinfo;
    let issue = Issue { client, grant, user_claims, scope, target, nonce, refresh_token: None };
    let claims = users::parse_claims(user_claims)?;
    let requested = &grant.requested.id_token;
    let mut parameters = Vec::new();
    let id_token = if with_access_token {
        let access_token = issue.access_token(signers, config, crypto, cx).await?;
        let of_user = config.scopes.select(requested, claims);
        let with = Some(access_token.as_str());
        let id_token = issue.id_token(with, of_user, signers, config, crypto, cx).await?;
        parameters.extend([
            ("access_token", access_token),
            ("token_type", BEARER.to_owned()),
            ("expires_in", ACCESS_TOKEN_LIFETIME.to_string()),
            ("scope", config.resources.scope_for(target, scope).into_owned()),
        ]);
        id_token
    } else {
        // Without an access token there is no userinfo: what the scopes ask for stands here (section 5.4).
        let granted = Granted::of_valid(scope);
        let of_user = config.scopes.release(&granted, requested, claims);
        issue.id_token(None, of_user, signers, config, crypto, cx).await?
    };
    parameters.push(("id_token", id_token));
    Ok(parameters)
}
