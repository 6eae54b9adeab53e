//! The grant type `client_credentials` (RFC 6749 section 4.4): a machine gets an access token for itself. There is no
//! user, so there is no ID token, no refresh token and no access to userinfo.

use crate::config::Config;
use crate::context::Context;
use crate::error::Error;
use crate::grant::token_set::{Signers, TokenResponse};
use crate::grant::{TokenRequest, requested_scopes};
use crate::http::Response;
use crate::lifetimes::ACCESS_TOKEN_SECONDS;
use crate::ports::Platform;
use crate::protocol::authorization::resources::{
    Resource, Resources, Target, scope_not_registered,
};
use crate::protocol::client::metadata::GrantType;
use crate::protocol::description::{Description, Sent};
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::Scopes;
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::clients::Client;
use crate::store::identifiers;

/// The lookup in the batch.
pub(super) struct Statements {
    /// Whether a user has the client's identifier as `sub`.
    is_user: Handle<bool>,
}

/// The client that gets a token, and the resource that it names.
pub(super) struct Machine<'a> {
    pub client: &'a Client,
    pub resource: Option<&'a Resource>,
}

impl Statements {
    pub(super) fn add(batch: &mut Batch, request: &TokenRequest<'_>) -> Self {
        Self { is_user: identifiers::is_taken(batch, &request.proof.client_id) }
    }

    /// Issues an access token to the client itself.
    pub(super) async fn respond(
        self,
        machine: &Machine<'_>,
        outcome: &mut Outcome,
        request: &TokenRequest<'_>,
        (signers, context): (&Signers, &Context<'_, impl Platform>),
    ) -> Result<Response, Error> {
        // 1. Require a confidential client (section 4.4).
        if !machine.client.metadata.is_confidential() {
            let description = "grant_type: a public client cannot use client_credentials";
            return Err(TokenError::UnauthorizedClient(description.into()).into());
        }
        // The token's `sub` is the client identifier, and APIs that check only `sub` must not confuse it with a user's
        // (RFC 9068 section 5).
        if outcome.take(self.is_user)? {
            return Err(TokenError::UnauthorizedClient(
                "client_id: must not be the sub of a user".into(),
            )
            .into());
        }
        issue(machine, request, signers, context).await
    }
}

async fn issue(
    machine: &Machine<'_>,
    request: &TokenRequest<'_>,
    signers: &Signers,
    context: &Context<'_, impl Platform>,
) -> Result<Response, Error> {
    let Machine { client, resource } = *machine;
    let resources = &context.config.resources;

    // 2. Read the scopes. They must be registered by the client and belong to an API, because the other scopes release
    //    claims of users.
    let registered = Scopes::of_valid(client.metadata.scope.as_deref().unwrap_or_default());
    let allowed = allowed(&registered, client, resources);
    let requested = match request.scope()? {
        None => allowed,
        Some(text) => requested(text, &registered, &allowed)?,
    };

    // 3. Choose one API as the audience (RFC 8707 section 2.2), and drop the scopes of others.
    let resource = target(resources, resource, &requested)?;
    let own: Vec<_> = requested.into_iter().filter(|scope| resource.has(scope)).collect();
    let scope = own.join(" ");

    // 4. Sign the token.
    let token = AccessToken {
        aud: resource.uri.clone(),
        client_id: client.client_id.clone(),
        exp: context.now + ACCESS_TOKEN_SECONDS,
        grant_id: None,
        iat: context.now,
        jti: signers.token_id.clone(),
        nbf: context.now,
        scope,
        sub: client.client_id.clone(),
    };
    let target = Target::Resource(resource);
    let claims = token.to_claims(context.config.issuer.as_str());
    let access_token = signers.sign_access_token(target, &claims, context).await?;
    TokenResponse::new(access_token, &token.scope).respond()
}

/// Returns those of the scopes of a client's own token that the client may have now.
pub fn in_force(scope: &str, client: &Client, config: &Config) -> String {
    if !client.metadata.grant_types.contains(&GrantType::ClientCredentials) {
        return String::new();
    }
    let registered = Scopes::of_valid(client.metadata.scope.as_deref().unwrap_or_default());
    let allowed = allowed(&registered, client, &config.resources);
    let scopes = Scopes::of_valid(scope);
    scopes.iter().filter(|scope| allowed.contains(scope)).collect::<Vec<_>>().join(" ")
}

/// Returns the scopes that a client may have for itself: it has registered them, and they belong to an API that admits it.
fn allowed<'a>(registered: &Scopes<'a>, client: &Client, resources: &Resources) -> Vec<&'a str> {
    let may_have = |scope: &&str| {
        let resource = resources.of_scope(scope);
        resource.is_some_and(|resource| resource.admits(scope, &client.metadata, client.voucher()))
    };
    registered.iter().filter(may_have).collect()
}

/// Returns the requested scopes that the client may have. Fails if there are none.
fn requested<'a>(
    text: &'a str,
    registered: &Scopes<'_>,
    allowed: &[&str],
) -> Result<Vec<&'a str>, TokenError> {
    let scopes = requested_scopes(text)?;
    let granted: Vec<_> = scopes.iter().filter(|scope| allowed.contains(scope)).collect();
    match (granted.as_slice(), scopes.iter().next()) {
        ([], Some(first)) => Err(TokenError::InvalidScope(if registered.contains(first) {
            Description::new(format_args!("scope: {} is not a scope of a resource", Sent(first)))
        } else {
            scope_not_registered(first)
        })),
        _ => Ok(granted),
    }
}

/// Chooses the audience: the requested resource, or the only API that has any of the scopes.
fn target<'a>(
    resources: &'a Resources,
    named: Option<&'a Resource>,
    scopes: &[&str],
) -> Result<&'a Resource, TokenError> {
    let scope = scopes.join(" ");
    let found = resources.for_scopes(&Scopes::of_valid(&scope));
    match (named, found.as_slice()) {
        (Some(resource), found) if found.contains(&resource) => Ok(resource),
        (Some(Resource { uri, .. }), _) => Err(TokenError::InvalidTarget(Description::new(
            format_args!("resource: no scope of {uri} is requested and registered"),
        ))),
        (None, [resource]) => Ok(resource),
        (None, []) => Err(TokenError::InvalidScope(
            "scope: this client has registered no scope of a resource".into(),
        )),
        (None, _) => Err(TokenError::InvalidTarget(
            "missing parameter: resource (the scopes belong to several resources)".into(),
        )),
    }
}
