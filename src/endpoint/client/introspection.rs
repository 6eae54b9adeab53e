//! The token introspection endpoint (RFC 7662), and its signed responses (RFC 9701).

use serde::Serialize;
use serde_json::{Value, json};
use std::rc::Rc;

use super::revocation::BODY_LIMIT;
use crate::config::Config;
use crate::context::Context;
use crate::endpoint::support::access_tokens::target_of;
use crate::endpoint::support::client_authentication::{NewDocument, form, prove};
use crate::endpoint::support::presented_token::{PARAMETERS, PresentedToken};
use crate::error::{Error, Internal};
use crate::grant::token_set::BEARER;
use crate::grant::{client_credentials, in_force};
use crate::http::{Request, Response};
use crate::jose::jwk::Algorithm;
use crate::keys::signing::sign;
use crate::keys::verified::Verified;
use crate::ports::Platform;
use crate::protocol::authorization::resources::Target;
use crate::protocol::client::authentication;
use crate::protocol::description::Description;
use crate::protocol::params::is_media_type;
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, Scopes};
use crate::provider::Provider;
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::clients::{self, Client, StoredClient};
use crate::store::grants::{self, GrantOfToken};
use crate::store::refresh_tokens::{self, KnownToken};
use crate::store::revoked_tokens;

/// The media type of a signed response (RFC 9701 section 4).
const SIGNED: &str = "application/token-introspection+jwt";

/// The `typ` of a signed response. It keeps the response from being accepted as another token (RFC 9701 section 5).
const TYP: &str = "token-introspection+jwt";

const PUBLIC_CLIENT: TokenError = TokenError::InvalidClient(Description::fixed(
    "client authentication: a public client cannot introspect tokens (RFC 7662 section 2.1): register a client with \
     token_endpoint_auth_method client_secret_basic, client_secret_post or private_key_jwt",
));

/// Describes a token to a client that may know it. To any other client every token is inactive.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Read the form in the body, and the proof of the client's identity (section 2.1).
    let params = form(request, BODY_LIMIT, &[&authentication::PARAMETERS, &PARAMETERS]).await?;
    let proof = prove(provider, request, &params, NewDocument::Refuse).await?;

    // 2. Read the token. Errors are returned in step 5, because an authentication that fails comes first.
    let token = PresentedToken::from_params(provider, &params).await;

    // 3. Authenticate the client, and read what is known of the token, with one request to D1.
    let mut batch = Batch::default();
    let handles = proof.add_to(&mut batch, context.now)?;
    let lookup = match &token {
        Ok(token) => Lookup::add(&mut batch, token, &proof.client_id, context.now),
        Err(_) => Lookup::Nothing,
    };
    let mut outcome = batch.run_idempotent(context).await?;
    let caller = proof.check(handles, &mut outcome)?.client(context)?;

    // 4. Require an authorized caller (section 2.1). The identifier of a public client authorizes nobody.
    if !caller.metadata.is_confidential() {
        return Err(PUBLIC_CLIENT.into());
    }

    // 5. Return the errors of the request.
    token?;

    // 6. Describe the token, if it is active and the caller may know it (section 2.2).
    let active = lookup.active(&mut outcome, &caller, provider)?;
    let response = match active {
        Some(active) => {
            serde_json::to_value(active).map_err(|error| Internal::unwritable(&error))?
        }
        None => json!({ "active": false }),
    };
    if !accepts_signed(request) {
        return Ok(Response::json(200, &response));
    }

    // 7. Sign the response for the caller (RFC 9701 section 5).
    let alg = caller.metadata.introspection_signed_response_alg.unwrap_or(Algorithm::Rs256);
    let memory = &provider.memory;
    let key = memory.signing_keys.get(alg, &memory.published_keys, context).await?;
    let (iss, aud) = (context.config.issuer.as_str(), caller.client_id.as_str());
    let claims = SignedResponse { iss, aud, iat: context.now, token_introspection: &response };
    Ok(Response::text(200, SIGNED, sign(context, &key, TYP, &claims).await?))
}

/// The claims of a signed response. It has neither `sub` nor `exp`, so that nobody accepts it as another token (RFC 9701
/// section 8.1).
#[derive(Serialize)]
struct SignedResponse<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    token_introspection: &'a Value,
}

/// The response about an active token (section 2.2). A refresh token has no audience and no time of issue.
#[derive(Default, Serialize)]
struct ActiveToken {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    client_id: String,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    scope: String,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

/// The statements that read what is known of a token.
enum Lookup {
    Access {
        verified: Rc<Verified>,
        /// The client to which the token was issued.
        client: Handle<Option<StoredClient>>,
        grant: Handle<Option<GrantOfToken>>,
        is_revoked: Handle<bool>,
    },
    Nothing,
    Refresh(Handle<Option<KnownToken>>),
}

impl Lookup {
    fn add(batch: &mut Batch, token: &PresentedToken, caller_id: &str, now: i64) -> Self {
        match token {
            PresentedToken::Access(verified) => Self::Access {
                verified: Rc::clone(verified),
                client: clients::look_up(batch, &verified.token.client_id, now),
                grant: grants::find_of_token(batch, &verified.token),
                is_revoked: revoked_tokens::is_revoked(batch, &verified.token.jti),
            },
            PresentedToken::Invalid => Self::Nothing,
            PresentedToken::Refresh { token_hash } => {
                Self::Refresh(refresh_tokens::find(batch, token_hash, caller_id))
            }
        }
    }

    /// Returns the description of the token. `None` if it is not active, or if it is not the caller's business.
    fn active(
        self,
        outcome: &mut Outcome,
        caller: &Client,
        provider: &Provider<'_, impl Platform>,
    ) -> Result<Option<ActiveToken>, Internal> {
        let context = &provider.context;
        match self {
            Self::Access { verified, client, grant, is_revoked } => {
                let token = &verified.token;
                let target = target_of(provider, &token.aud);
                let Some(target) = target.filter(|target| may_know(caller, token, *target)) else {
                    return Ok(None);
                };
                if outcome.take(is_revoked)? {
                    return Ok(None);
                }
                let client = outcome.take(client)?.map(StoredClient::parse).transpose()?;
                let grant = outcome.take(grant)?;
                let in_force =
                    in_force_of(token, (client.as_ref(), grant.as_ref()), target, context);
                let describe = |scope| {
                    let named = is_named(caller, token, target);
                    let login = grant.and_then(|grant| grant.login);
                    ActiveToken {
                        aud: Some(token.aud.clone()),
                        client_id: token.client_id.clone(),
                        exp: token.exp,
                        iat: Some(token.iat),
                        jti: Some(token.jti.clone()),
                        scope,
                        sub: token.sub.clone(),
                        token_type: Some(BEARER),
                        username: login.filter(|_| named || caller.trusted),
                        ..active(context.config)
                    }
                };
                Ok(in_force.map(describe))
            }
            Self::Nothing => Ok(None),
            Self::Refresh(token) => {
                let token = outcome.take(token)?;
                Ok(token.and_then(|token| of_refresh_token(token, caller, context)))
            }
        }
    }
}

/// Returns the fields that each active token has.
fn active(config: &Config) -> ActiveToken {
    let iss = config.issuer.as_str().to_owned();
    ActiveToken { active: true, iss, ..ActiveToken::default() }
}

/// Returns whether a caller may know of an access token: it was issued to the caller, or is for an audience that the operator
/// has named for the caller. No client is an audience itself, because a `client_id` cannot be the URI of an API.
fn may_know(caller: &Client, token: &AccessToken, target: Target<'_>) -> bool {
    token.client_id == caller.client_id || is_named(caller, token, target)
}

/// Returns whether the operator lets a caller introspect the tokens of this audience.
fn is_named(caller: &Client, token: &AccessToken, target: Target<'_>) -> bool {
    let named = &caller.metadata.introspection_resources;
    match target {
        Target::Resource(resource) => resource.is_among(named),
        Target::Userinfo => named.contains(&token.aud),
    }
}

/// Returns the scopes of an access token that are in force, for the target that the token is for. `None` if none is, or if
/// the grant, the user or the client is gone.
fn in_force_of<P>(
    token: &AccessToken,
    (client, grant): (Option<&Client>, Option<&GrantOfToken>),
    target: Target<'_>,
    context: &Context<'_, P>,
) -> Option<String> {
    let config = context.config;
    let scope = if token.grant_id.is_none() {
        client_credentials::in_force(&token.scope, client?, config)
    } else {
        let found = grant?;
        found.grant.user_claims().ok()?;
        let client = if found.is_operators { None } else { Some(client?) };
        in_force(&found.grant, &token.scope, client, config).ok()?.scope
    };
    // The scope may belong to another API since.
    let own = config.resources.scope_for(target, &scope);
    (!own.is_empty() || token.scope.is_empty()).then(|| own.into_owned())
}

/// Describes a refresh token of the caller, if it is unused and could be used now.
fn of_refresh_token<P>(
    token: KnownToken,
    caller: &Client,
    context: &Context<'_, P>,
) -> Option<ActiveToken> {
    let KnownToken { expires_at, is_spent, grant: GrantOfToken { login, grant, .. } } = token;
    grant.user_claims().ok()?;
    let scope = in_force(&grant, &grant.scope, Some(caller), context.config).ok()?.scope;
    let is_offline = Scopes::of_valid(&scope).contains(OFFLINE_ACCESS);
    (!is_spent && expires_at > context.now && is_offline).then(|| ActiveToken {
        client_id: caller.client_id.clone(),
        exp: expires_at,
        scope,
        sub: grant.subject,
        username: login.filter(|_| caller.trusted),
        ..active(context.config)
    })
}

/// Returns whether a request asks for a signed response (RFC 9701 section 4).
fn accepts_signed(request: &impl Request) -> bool {
    let is_signed = |range: &str| {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        // A weight of zero means "not acceptable" (RFC 9110 section 12.4.2).
        let is_refused = |parameter: &str| {
            let weight = parameter.trim().strip_prefix("q=");
            weight.is_some_and(|weight| weight.bytes().all(|byte| b"0.".contains(&byte)))
        };
        is_media_type(name, SIGNED) && !parameters.split(';').any(is_refused)
    };
    request.header("accept").is_some_and(|accept| accept.split(',').any(is_signed))
}
