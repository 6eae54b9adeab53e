//! Client authentication (RFC 6749 section 2.3, OpenID Connect Core section 9), the first step of every endpoint that
//! requires it.

use super::body::{Limit, limit, read_form};
use crate::context::Context;
use crate::error::Error;
use crate::fetched::client_keys::KeysError;
use crate::http::Request;
use crate::ports::Platform;
use crate::protocol::client::assertion::{AssertionError, ClientAssertion, Expected};
use crate::protocol::client::authentication::Credentials;
use crate::protocol::client::metadata::AuthMethod;
use crate::protocol::description::Description;
use crate::protocol::params::Params;
use crate::protocol::token::token_error::TokenError;
use crate::provider::Provider;
use crate::routes::{PAR, TOKEN};
use crate::secret::{hash, hashes_to};
use crate::store::client_assertions;
use crate::store::clients::{self, Client};

/// The same error for an unknown client and for wrong credentials, so that it does not disclose whether the client
/// exists.
const REFUSED: TokenError = TokenError::InvalidClient(Description::fixed(
    "client authentication failed: the client is unknown, or its \
                               credentials are wrong",
));

/// The largest body that is read: a client assertion or a request object of 16 KiB, and the other parameters.
const BODY_LIMIT: Limit = limit!(24_576);

/// Reads the form parameters whose names are in one of the lists `known`. Parameters in the URL are ignored (RFC 6749
/// section 3.2).
///
/// # Errors
/// [`TokenError::InvalidRequest`] if the body is not such a form.
pub async fn form(
    request: &impl Request,
    known: &[&'static [&'static str]],
) -> Result<Params, TokenError> {
    read_form(request, BODY_LIMIT, known)
        .await
        .map_err(|error| TokenError::InvalidRequest(error.description()))
}

/// Authenticates the client of a request.
///
/// # Errors
/// - [`TokenError::InvalidClient`] if the client is unknown or its credentials are wrong
/// - [`TokenError::InvalidRequest`] if the credentials are malformed or of more than one kind
/// - [`Error::Internal`] if the platform fails
pub async fn authenticate(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    params: &Params,
) -> Result<Client, Error> {
    let context = &provider.context;
    let authorization = request.header("authorization");
    match Credentials::from_request(authorization.as_deref(), params)? {
        Credentials::Assertion { assertion, client_id } => {
            by_assertion(provider, &assertion, client_id.as_deref()).await
        }
        Credentials::Public { client_id } => {
            let client = find(&client_id, context).await?;
            // Only public clients may authenticate without credentials.
            if client.metadata.is_confidential() { Err(REFUSED.into()) } else { Ok(client) }
        }
        Credentials::Secret { client_id, secret } => {
            let client = find(&client_id, context).await?;
            let known = client.secret_hash.as_deref().ok_or(REFUSED)?;
            if hashes_to(secret.expose(), known) { Ok(client) } else { Err(REFUSED.into()) }
        }
    }
}

async fn find(client_id: &str, context: &Context<'_, impl Platform>) -> Result<Client, Error> {
    Ok(clients::find(context.platform, client_id, context.now).await?.ok_or(REFUSED)?)
}

/// Authenticates by the method `private_key_jwt` (RFC 7523 section 3).
async fn by_assertion(
    provider: &Provider<'_, impl Platform>,
    text: &str,
    client_id: Option<&str>,
) -> Result<Client, Error> {
    let Provider { context, memory } = provider;
    // 1. Check the claims before anything is looked up.
    let issuer = &context.config.issuer;
    let audiences = [issuer.as_str(), &TOKEN.url(issuer), &PAR.url(issuer)];
    let expected =
        Expected { audiences: &audiences, leeway: context.config.leeway, now: context.now };
    let assertion = ClientAssertion::parse(text, &expected).map_err(refused)?;
    if client_id.is_some_and(|client_id| client_id != assertion.client_id) {
        return Err(refused(AssertionError::OtherClient));
    }

    // 2. Find the client, which must have registered this method and algorithm.
    let client = find(&assertion.client_id, context).await?;
    let method = client.metadata.token_endpoint_auth_method;
    if method != AuthMethod::PrivateKeyJwt || !assertion.has_registered_alg(&client.metadata) {
        return Err(REFUSED.into());
    }

    // 3. Verify the signature with the client's keys.
    let verified = memory.fetched_keys.verify(&client, &assertion.signature, context).await;
    let is_verified = verified.map_err(|error| match error {
        KeysError::Client(error) => TokenError::InvalidClient(Description::new(format_args!(
            "jwks_uri: {}",
            error.description()
        )))
        .into(),
        KeysError::Internal(fault) => Error::from(fault),
    })?;
    if !is_verified {
        return Err(refused(AssertionError::Signature));
    }

    // 4. Require that the assertion was not used before.
    let until = assertion.exp + context.config.leeway;
    let jti = hash(&assertion.jti);
    if !client_assertions::spend(context.platform, &client.client_id, &jti, until, context.now)
        .await?
    {
        return Err(refused(AssertionError::Replayed));
    }
    Ok(client)
}

fn refused(error: AssertionError) -> Error {
    TokenError::from(error).into()
}
