//! The grant types of the token endpoint, one file each. A grant type determines what was authorized. The steps that
//! all of them share are in [`respond`], so that no grant type can omit one.

pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod in_force;
pub mod refresh_token;
pub mod token_set;

use std::borrow::Cow;

use crate::config::Config;
use crate::context::Context;
use crate::error::Error;
use crate::http::Response;
use crate::jose::jwk::Algorithm;
use crate::ports::Platform;
use crate::protocol::authorization::resources::{Resource, Resources, unknown_resource};
use crate::protocol::client::metadata::{GrantType, Named};
use crate::protocol::description::{Description, Sent};
use crate::protocol::params::{DuplicateParameter, Params};
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, OPENID, Scopes, mark_as_requested};
use crate::provider::Provider;
use crate::store::batch::Batch;
use crate::store::client_proof::{ClientConditions, ClientProof};
use crate::store::clients::Client;
use crate::store::grants::Grant;
use in_force::{AccessInForce, NotInForce, Permission};
use refresh_token::NextRefreshToken;
use token_set::{AccessTokenAlgorithms, Signers, TokenSet};

/// The parameters of the grant types (RFC 6749 sections 4.1.3, 4.4.2 and 6; RFC 7636 section 4.5; RFC 8628 section 3.4; RFC
/// 8707 section 2).
pub const PARAMETERS: [&str; 8] = [
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "resource",
    "scope",
];

/// Returns whether the configuration enables a grant type. Discovery lists the enabled ones.
pub fn is_served(grant_type: GrantType, config: &Config) -> bool {
    match grant_type {
        GrantType::AuthorizationCode | GrantType::DeviceCode | GrantType::RefreshToken => true,
        GrantType::ClientCredentials => !config.resources.is_empty(),
        GrantType::Implicit => config.allows_implicit,
    }
}

/// A token request.
pub struct TokenRequest<'a> {
    /// The proof of the client's identity, which is not checked yet.
    pub proof: &'a ClientProof,
    /// The parameters of the request's form.
    pub params: &'a Params,
}

impl TokenRequest<'_> {
    /// Returns an optional parameter. Fails if it is repeated.
    fn once(&self, name: &str) -> Result<Option<&str>, TokenError> {
        self.params.once(name).map_err(duplicate)
    }

    /// Returns the parameter `scope`. A text of spaces counts as absent, as at the authorization endpoint.
    fn scope(&self) -> Result<Option<&str>, TokenError> {
        Ok(self.once("scope")?.filter(|text| !Scopes::is_blank(text)))
    }

    /// Returns a required parameter. Fails with the description `missing` if it is absent, or if it is repeated.
    fn required(&self, name: &str, missing: &'static str) -> Result<&str, TokenError> {
        self.once(name)?.ok_or(TokenError::InvalidRequest(missing.into()))
    }
}

/// A grant type's statements in the batch, with what it needs to interpret their results.
enum Statements<'a> {
    AuthorizationCode(authorization_code::Statements<'a>),
    ClientCredentials(client_credentials::Statements),
    DeviceCode(device_code::Statements),
    RefreshToken(refresh_token::Statements<'a>),
}

/// A request whose parameters are valid and for which there are keys.
struct Submitted<'a> {
    /// The resource that the request names (RFC 8707 section 2.2).
    resource: Option<&'a Resource>,
    signers: Signers,
    statements: Statements<'a>,
}

/// The authorization of a user that a grant type has found.
struct Authorized<'a> {
    grant: Grant,
    /// The `nonce` of the ID token.
    nonce: Option<String>,
    /// The parameter `scope`; all granted scopes count if it is absent.
    requested_scope: Option<&'a str>,
    refresh_token: NextRefreshToken,
}

/// Handles a token request (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3), with one request to D1: the
/// statements of the grant type have an effect only for a client that is proven and has registered the grant type.
///
/// # Errors
/// [`TokenError`] if the request is refused, [`Error::Internal`] if the platform fails.
pub async fn respond(
    provider: &Provider<'_, impl Platform>,
    request: &TokenRequest<'_>,
) -> Result<Response, Error> {
    let context = &provider.context;

    // 1. Read the parameters, and get the signing keys before anything is spent, so that the client can repeat its
    //    request while a key is missing. Errors are returned in steps 3 to 5, because an authentication that fails
    //    comes first.
    let mut batch = Batch::default();
    let handles = request.proof.add_to(&mut batch, context.now)?;
    let grant_type = grant_type(request, context.config);
    let submitted = match &grant_type {
        Ok(grant_type) => submit(&mut batch, provider, request, *grant_type).await,
        Err(error) => Err(error.clone().into()),
    };

    // 2. Authenticate the client, and spend what the request presents.
    let mut outcome = batch.run_idempotent(context).await?;

    // 3. Require an authenticated client (RFC 6749 section 3.2.1).
    let client = request.proof.check(handles, &mut outcome)?.client(context)?;

    // 4. Require a grant type that the client has registered.
    let grant_type = grant_type?;
    if !client.metadata.grant_types.contains(&grant_type) {
        return Err(TokenError::UnauthorizedClient(Description::new(format_args!(
            "grant_type: this client has not registered {}: add it to its grant_types",
            grant_type.name()
        )))
        .into());
    }

    // 5. Determine what was authorized.
    let Submitted { resource, signers, statements } = submitted?;
    let authorized = match statements {
        Statements::AuthorizationCode(statements) => {
            let signers = signers.require(client.metadata.id_token_signed_response_alg)?;
            (statements.authorize(&mut outcome, &client, context).await?, signers)
        }
        Statements::DeviceCode(statements) => {
            let signers = signers.require(client.metadata.id_token_signed_response_alg)?;
            (statements.authorize(&mut outcome)?, signers)
        }
        Statements::RefreshToken(statements) => {
            let signers = signers.require(client.metadata.id_token_signed_response_alg)?;
            (statements.authorize(&mut outcome, &client, context).await?, signers)
        }
        Statements::ClientCredentials(statements) => {
            let machine = client_credentials::Machine { client: &client, resource };
            return statements.respond(&machine, &mut outcome, request, (&signers, context)).await;
        }
    };
    issue(context, &client, authorized, resource).await
}

/// Reads the parameters and adds the statements of the grant type.
async fn submit<'a>(
    batch: &mut Batch,
    provider: &'a Provider<'_, impl Platform>,
    request: &'a TokenRequest<'_>,
    grant_type: GrantType,
) -> Result<Submitted<'a>, Error> {
    let context = &provider.context;
    let resource = resource(request, &context.config.resources)?;
    // A machine gets no ID token, so its request need not wait for such a key.
    let algs: &[_] = if grant_type == GrantType::ClientCredentials { &[] } else { &Algorithm::ALL };
    let access_tokens = AccessTokenAlgorithms::of_request(resource, &context.config.resources);
    let signers = Signers::get(&access_tokens, algs, provider).await?;
    let conditions = ClientConditions { grant_type, algs: signers.algs() };
    let statements = match grant_type {
        GrantType::AuthorizationCode => Statements::AuthorizationCode(
            authorization_code::Statements::add(batch, request, &conditions, context)?,
        ),
        GrantType::RefreshToken => Statements::RefreshToken(refresh_token::Statements::add(
            batch,
            request,
            &conditions,
            context,
        )?),
        GrantType::ClientCredentials => {
            Statements::ClientCredentials(client_credentials::Statements::add(batch, request))
        }
        GrantType::DeviceCode => Statements::DeviceCode(device_code::Statements::add(
            batch,
            request,
            &conditions,
            context,
        )?),
        // `grant_type` refuses it.
        GrantType::Implicit => return Err(TokenError::UnsupportedGrantType.into()),
    };
    Ok(Submitted { resource, signers, statements })
}

/// Issues the tokens for a user's authorization.
async fn issue(
    context: &Context<'_, impl Platform>,
    client: &Client,
    (authorized, signers): (Authorized<'_>, Signers),
    resource: Option<&Resource>,
) -> Result<Response, Error> {
    let Authorized { grant, nonce, requested_scope, refresh_token } = authorized;

    // 6. Require that the grant is active and the user exists.
    let user_claims = grant.user_claims()?;

    // 7. Narrow the scopes to those that are still in force and that the request names (RFC 6749 section 6).
    let in_force =
        in_force(&grant, &grant.scope, Some(client), context.config).map_err(TokenError::from)?;
    let refresh_token = refresh_token.within(&in_force.scope)?;
    let scope = narrow(&in_force.scope, requested_scope)?;

    // 8. Choose one audience (RFC 8707 section 2.2).
    let target = context
        .config
        .resources
        .target(resource, &Scopes::of_valid(&scope))
        .map_err(|error| TokenError::InvalidTarget(error.description().into()))?;

    // 9. Record the refresh token last, because the request can no longer be refused.
    let refresh_token = refresh_token.record(&grant, context).await?;

    // 10. Sign the tokens.
    let nonce = nonce.as_deref();
    let requested = &in_force.requested;
    let tokens =
        TokenSet { client, grant: &grant, user_claims, scope: &scope, requested, target, nonce };
    tokens.respond(refresh_token, &signers, context).await
}

/// Parses the parameter `scope`.
fn requested_scopes(text: &str) -> Result<Scopes<'_>, TokenError> {
    Scopes::parse(text).map_err(|error| {
        TokenError::InvalidScope(Description::new(format_args!("scope: {}", error.description())))
    })
}

fn duplicate(doubled: DuplicateParameter) -> TokenError {
    TokenError::InvalidRequest(doubled.into())
}

/// Returns the grant type, which must be enabled. The implicit flow has its tokens from the authorization endpoint only.
fn grant_type(request: &TokenRequest<'_>, config: &Config) -> Result<GrantType, TokenError> {
    let name = request
        .params
        .once("grant_type")
        .map_err(duplicate)?
        .ok_or(TokenError::InvalidRequest("missing parameter: grant_type".into()))?;
    GrantType::from_name(name)
        .filter(|&known| is_served(known, config) && known != GrantType::Implicit)
        .ok_or(TokenError::UnsupportedGrantType)
}

/// Returns the resource that the request names. A token has one audience, so a request may name one.
fn resource<'a>(
    request: &TokenRequest<'_>,
    resources: &'a Resources,
) -> Result<Option<&'a Resource>, TokenError> {
    let named = request.params.once("resource");
    let named = named.map_err(|doubled| TokenError::InvalidTarget(doubled.into()))?;
    let find = |uri| resources.find(uri).ok_or(TokenError::InvalidTarget(unknown_resource(uri)));
    named.map(find).transpose()
}

/// Returns what is in force of these scopes of a grant: without the scopes that no longer exist, those of APIs that do not
/// [admit](Resource::admits) the client any longer, others that it has removed from its registration, and those that the
/// user has not consented to, unless the client is trusted. `offline_access` without `openid` need not be registered,
/// because the provider has added it to the request. Without a client the grant is one of the operator's own, and has
/// scopes of this provider only.
pub fn in_force(
    grant: &Grant,
    scope: &str,
    client: Option<&Client>,
    config: &Config,
) -> Result<AccessInForce, NotInForce> {
    let is_of_openid = Scopes::of_valid(&grant.scope).contains(OPENID);
    let may_have = |scope: &str| match config.resources.of_scope(scope) {
        Some(resource) => {
            client.is_some_and(|client| resource.admits(scope, &client.metadata, client.voucher()))
        }
        None if scope == OFFLINE_ACCESS && !is_of_openid => true,
        None => {
            client.is_none_or(|client| client.metadata.may_have(scope))
                && config.scopes.names().any(|known| known == scope)
        }
    };
    let consent = grant.consent.as_ref();
    let is_trusted = client.is_none_or(|client| client.trusted);
    Permission { config, may_have, is_trusted, consent }.of(scope, &grant.requested)
}

/// Returns the granted ones of the requested scopes, because clients repeat all that they have requested once. Fails if
/// none of them was granted (RFC 6749 section 6).
fn narrow<'a>(granted: &'a str, requested: Option<&str>) -> Result<Cow<'a, str>, TokenError> {
    let Some(requested) = requested else { return Ok(granted.into()) };
    let requested = requested_scopes(requested)?;
    let granted = Scopes::of_valid(granted);
    let mut scopes: Vec<_> = requested.iter().filter(|scope| granted.contains(scope)).collect();
    mark_as_requested(&mut scopes);
    match (scopes.as_slice(), requested.iter().next()) {
        ([], Some(first)) => Err(TokenError::InvalidScope(Description::new(format_args!(
            "scope: {} was not granted",
            Sent(first)
        )))),
        _ => Ok(scopes.join(" ").into()),
    }
}
