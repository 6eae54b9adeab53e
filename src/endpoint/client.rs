//! Which client asks, proven: what every endpoint that clients authenticate at begins with (RFC 6749 section 2.3,
//! OpenID Connect Core section 9).

use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::http::{BodyError, Request};
use crate::keys::client_keys::FetchedKeys;
use crate::opaque::hash;
use crate::ports::{Database, Platform};
use crate::protocol::client_assertion::{ClientAssertion, Expected};
use crate::protocol::client_auth::{Credentials, Proof};
use crate::protocol::client_metadata::AuthMethod;
use crate::protocol::params::{FORM, Params, is_media_type};
use crate::protocol::token_error::TokenError;
use crate::routes::{PUSHED, TOKEN};
use crate::store::client_assertions;
use crate::store::clients::{self, Client};

/// Whether there is such a client at all is not told.
const REFUSED: TokenError =
    TokenError::InvalidClient("the client is unknown, or its credentials are wrong");

/// The largest body that is read, in bytes: a client assertion or a request object of 16 KiB, and what goes with it.
const BODY_LIMIT: usize = 24_576;

/// The parameters in the body of a request that are in one of the lists `known`. Parameters in the URL do not count
/// (RFC 6749 section 3.2).
///
/// # Errors
/// [`TokenError::InvalidRequest`].
pub async fn form(
    request: &impl Request,
    known: &[&'static [&'static str]],
) -> Result<Params, TokenError> {
    if !request.header("content-type").is_some_and(|text| is_media_type(&text, FORM)) {
        return Err(TokenError::InvalidRequest(
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    let body = request.body(BODY_LIMIT).await.map_err(|error| {
        TokenError::InvalidRequest(match error {
            BodyError::Interrupted => "the body could not be read",
            BodyError::TooLarge => "the body is larger than 24576 bytes",
        })
    })?;
    Params::parse(&body, known)
        .map_err(|malformed| TokenError::InvalidRequest(malformed.description()))
}

/// The client that a request is from, if it is who it says.
///
/// # Errors
/// [`TokenError::InvalidClient`], [`TokenError::InvalidRequest`], and whatever the platform reports.
pub async fn authenticate(
    request: &impl Request,
    params: &Params,
    keys: &FetchedKeys,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Client, Error> {
    let credentials = Credentials::take(request.header("authorization").as_deref(), params)?;
    let client_id = credentials.client_id.as_deref();
    match &credentials.proof {
        Proof::Assertion(assertion) => {
            by_assertion(assertion, client_id, keys, config, platform, cx).await
        }
        Proof::None => {
            let client = find(platform, client_id.unwrap_or_default(), cx).await?;
            // A public client has nothing to prove; no other may do without.
            if client.metadata.is_confidential() { Err(REFUSED.into()) } else { Ok(client) }
        }
        Proof::Secret(secret) => {
            let client = find(platform, client_id.unwrap_or_default(), cx).await?;
            let known = client.secret_hash.as_deref().ok_or(REFUSED)?;
            let is_right = bool::from(hash(secret.expose()).as_bytes().ct_eq(known.as_bytes()));
            if is_right { Ok(client) } else { Err(REFUSED.into()) }
        }
    }
}

async fn find(database: &impl Database, client_id: &str, cx: &Cx<'_>) -> Result<Client, Error> {
    Ok(clients::find(database, client_id, cx.now).await?.ok_or(REFUSED)?)
}

/// The method `private_key_jwt` (RFC 7523 section 3).
async fn by_assertion(
    text: &str,
    client_id: Option<&str>,
    keys: &FetchedKeys,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Client, Error> {
    // 1. What it says, before anything is looked for.
    let issuer = &config.issuer;
    let audiences = [issuer.as_str(), &TOKEN.url(issuer), &PUSHED.url(issuer)];
    let expected = Expected { audiences: &audiences, leeway: config.leeway, now: cx.now };
    let assertion = ClientAssertion::parse(text, &expected).map_err(TokenError::InvalidClient)?;
    if client_id.is_some_and(|client_id| client_id != assertion.client_id) {
        return Err(
            TokenError::InvalidClient("client_id is not that of the client_assertion").into()
        );
    }

    // 2. A client that authenticates so, with this algorithm.
    let client = find(platform, &assertion.client_id, cx).await?;
    let method = client.metadata.token_endpoint_auth_method;
    if method != AuthMethod::PrivateKeyJwt || !assertion.is_as_registered(&client.metadata) {
        return Err(REFUSED.into());
    }

    // 3. Signed with a key of the client's.
    let verified = keys.verify(&client, &assertion.signature, config, platform, cx).await?;
    if !verified.map_err(TokenError::InvalidClient)? {
        return Err(TokenError::InvalidClient("client_assertion has a wrong signature").into());
    }

    // 4. Never seen before.
    let until = assertion.exp + config.leeway;
    let jti = hash(&assertion.jti);
    if !client_assertions::spend(platform, &client.client_id, &jti, until, cx.now).await? {
        return Err(TokenError::InvalidClient("client_assertion was used before").into());
    }
    Ok(client)
}
