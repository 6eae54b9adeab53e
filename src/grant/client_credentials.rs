//! The grant type `client_credentials` (RFC 6749 section 4.4): a machine gets an access token for itself. There is no
//! user, so there is no ID token, no refresh token and no access to userinfo.

use crate::context::Context;
use crate::error::Error;
use crate::grant::token_set::{Signers, TokenResponse};
use crate::grant::{MALFORMED_SCOPE, TokenRequest};
use crate::http::Response;
use crate::keys::signing::sign;
use crate::lifetimes::ACCESS_TOKEN_SECONDS;
use crate::ports::Platform;
use crate::protocol::authorization::resources::{Resource, Resources, scope_not_registered};
use crate::protocol::description::{Description, Sent};
use crate::protocol::token::access_token::{MachineToken, TYP};
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::Scopes;
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::clients::Client;
use crate::store::users;

/// The lookup in the batch.
pub(super) struct Statements {
    /// Whether a user has the client's identifier as `sub`.
    is_user: Handle<bool>,
}

/// The client that gets a token, and the resource that it names.
pub(super) struct Machine<'a> {
    pub client: &'a Client,
    pub resource: Option<&'a str>,
}

impl Statements {
    pub(super) fn add(batch: &mut Batch, request: &TokenRequest<'_>) -> Self {
        Self { is_user: users::is_taken(batch, &request.proof.client_id) }
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
    let allowed: Vec<_> =
        registered.iter().filter(|scope| resources.of_scope(scope).is_some()).collect();
    let requested = match request.once("scope")? {
        None => None,
        Some(text) => Some(requested(text, &registered, &allowed)?),
    };

    // 3. Choose one API as the audience (RFC 8707 section 2.2).
    let resource = target(resources, resource, requested.as_ref().unwrap_or(&allowed))?;
    let is_its = |scope: &&&str| resource.scopes.iter().any(|own| own == **scope);
    let scope = match &requested {
        Some(scopes) if scopes.iter().all(|scope| is_its(&scope)) => {
            Scopes::of_valid(&scopes.join(" ")).normalized()
        }
        Some(scopes) => {
            let other = scopes.iter().find(|scope| !is_its(scope)).copied().unwrap_or_default();
            let uri = &resource.uri;
            let description = format_args!("scope: {other} is not a scope of the resource {uri}");
            return Err(TokenError::InvalidScope(Description::new(description)).into());
        }
        None => allowed.iter().filter(is_its).copied().collect::<Vec<_>>().join(" "),
    };

    // 4. Sign the token.
    let token = MachineToken {
        iss: context.config.issuer.as_str(),
        aud: &resource.uri,
        client_id: &client.client_id,
        exp: context.now + ACCESS_TOKEN_SECONDS,
        iat: context.now,
        jti: &context.random_id()?,
        scope: &scope,
        sub: &client.client_id,
    };
    let access_token = sign(context.platform, &signers.access_token, TYP, &token).await?;
    TokenResponse::new(access_token, &scope).respond()
}

fn requested<'a>(
    text: &'a str,
    registered: &Scopes<'_>,
    allowed: &[&str],
) -> Result<Vec<&'a str>, TokenError> {
    let scopes = Scopes::parse(text).ok_or(TokenError::InvalidScope(MALFORMED_SCOPE))?;
    match scopes.iter().find(|scope| !allowed.contains(scope)) {
        None => Ok(scopes.iter().collect()),
        Some(scope) => Err(TokenError::InvalidScope(if registered.contains(scope) {
            Description::new(format_args!("scope: {} is not a scope of a resource", Sent(scope)))
        } else {
            scope_not_registered(scope)
        })),
    }
}

/// Chooses the audience: the requested resource, or the only API that has any of the scopes.
fn target<'a>(
    resources: &'a Resources,
    named: Option<&str>,
    scopes: &[&str],
) -> Result<&'a Resource, TokenError> {
    let scope = scopes.join(" ");
    let found = resources.for_scopes(&Scopes::of_valid(&scope));
    match (named, found.as_slice()) {
        (Some(uri), found) => {
            let resource = found.iter().find(|resource| resource.uri == uri).copied();
            resource.ok_or_else(|| {
                let description =
                    format_args!("resource: no scope of {uri} is requested and registered");
                TokenError::InvalidTarget(Description::new(description))
            })
        }
        (None, [resource]) => Ok(resource),
        (None, []) => Err(TokenError::InvalidScope(
            "scope: this client has registered no scope of a resource".into(),
        )),
        (None, _) => Err(TokenError::InvalidTarget(
            "missing parameter: resource (the scopes belong to several resources)".into(),
        )),
    }
}
