//! The client registration endpoint (RFC 7591 section 3, OpenID Connect Registration section 3).

use crate::browser::attempts::{ADDRESS_PAUSE, may_register};
use crate::config::Registration;
use crate::endpoint::desk::Desk;
use crate::endpoint::registration::{body, document, metadata};
use crate::endpoint::sector;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::opaque::{hash, is_random_text, random_text};
use crate::ports::Platform;
use crate::protocol::bearer::{self, BearerError};
use crate::protocol::registration_error::RegistrationError;
use crate::store::clients::Client;
use crate::store::initial_access_tokens;
use crate::store::registrations::{Registering, register};

/// For how long a client that registered without a token is kept before anybody has used it, in seconds.
const UNUSED_LIFETIME: i64 = 86_400;

const WRONG_TOKEN: BearerError =
    BearerError::InvalidToken("the initial access token is unknown, used up or expired");

/// Registers a client. Where nobody may, the table has no such route.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Desk { config, cx, platform, .. } = *desk;

    // 1. The operator's leave (RFC 7591 section 3): an initial access token, or none where registration is open.
    //    There too, one that is given counts. It is spent in step 5.
    let token = initial_access_token(request, config.registration).await?;

    // 2. Without it, not too often, and not for nothing.
    if token.is_none() && !may_register(platform, cx, request).await {
        return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE }.into());
    }
    let expires_at = token.is_none().then(|| cx.now + UNUSED_LIFETIME);

    // 3. The metadata, completed by its defaults (sections 2 and 3.1).
    let metadata = metadata(body(request).await?, config)?;

    // 4. The sector that it names (OpenID Connect Registration section 5). Nothing is fetched for a token that is
    //    none, and not too often for one that is.
    if let (Some(token), Some(_)) = (&token, &metadata.sector_identifier_uri) {
        if !initial_access_tokens::is_good(platform, &hash(token), cx.now).await? {
            return Err(WRONG_TOKEN.into());
        }
        if !may_register(platform, cx, request).await {
            return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE }.into());
        }
    }
    let checked = sector::check(&metadata, config, platform, cx).await;
    checked.map_err(RegistrationError::InvalidClientMetadata)?;

    // 5. What the client is known by from now on.
    let secret = metadata.has_secret().then(|| random_text(cx)).transpose()?;
    let registration_token = random_text(cx)?;
    let client = Client {
        client_id: cx.random_id()?,
        metadata,
        secret_hash: secret.as_deref().map(hash),
        // Whom the operator trusts, the operator says.
        trusted: false,
        created_at: cx.now,
        registration_token_hash: Some(hash(&registration_token)),
    };
    let token_hash = token.as_deref().map(hash);
    let done = register(platform, &client, token_hash.as_deref(), expires_at).await?;
    if done == Registering::NoSuchToken {
        return Err(WRONG_TOKEN.into());
    }

    // 6. What is in force (section 3.2.1; RFC 7592 section 3).
    let document = document(config, &client, secret, &registration_token)?;
    Ok(Response::json(201, &document).with("pragma", "no-cache"))
}

async fn initial_access_token(
    request: &impl Request,
    policy: Registration,
) -> Result<Option<String>, BearerError> {
    match bearer::token(request, false).await {
        Ok(token) if is_random_text(&token) => Ok(Some(token)),
        Ok(_) => Err(WRONG_TOKEN),
        // Credentials that are no bearer token are not none.
        Err(BearerError::NoCredentials)
            if policy == Registration::Open && request.header("authorization").is_none() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
