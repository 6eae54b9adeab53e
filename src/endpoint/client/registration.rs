//! The client registration endpoint (RFC 7591 section 3, OpenID Connect Registration section 3).

use crate::config::Registration;
use crate::endpoint::client::configuration::{body, document, metadata};
use crate::endpoint::support::bearer::bearer_token;
use crate::error::Error;
use crate::fetched::sector;
use crate::http::{Request, Response};
use crate::lifetimes::{ADDRESS_PAUSE_SECONDS, UNUSED_CLIENT_SECONDS};
use crate::limits::rate_limits::may_register;
use crate::ports::Platform;
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::token::bearer::BearerError;
use crate::provider::Provider;
use crate::secret::{hash, is_random_text};
use crate::store::clients::Client;
use crate::store::initial_access_tokens;
use crate::store::registrations::{RegistrationOutcome, register};

const WRONG_TOKEN: BearerError =
    BearerError::InvalidToken("the initial access token is unknown, used up or expired");

/// Registers a client. Where nobody may, the table has no such route.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;

    // 1. The operator's leave (RFC 7591 section 3): an initial access token, or none where registration is open.
    //    There too, one that is given counts. It is spent in step 5.
    let token = initial_access_token(request, context.config.registration).await?;

    // 2. Without it, not too often, and not for nothing.
    if token.is_none() && !may_register(context, request).await {
        return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
    }
    let expires_at = token.is_none().then(|| context.now + UNUSED_CLIENT_SECONDS);

    // 3. The metadata, completed by its defaults (sections 2 and 3.1).
    let metadata = metadata(body(request).await?, context.config)?;

    // 4. The sector that it names (OpenID Connect Registration section 5). Nothing is fetched for a token that is
    //    none, and not too often for one that is.
    if let (Some(token), Some(_)) = (&token, &metadata.sector_identifier_uri) {
        if !initial_access_tokens::is_valid(context.platform, &hash(token), context.now).await? {
            return Err(WRONG_TOKEN.into());
        }
        if !may_register(context, request).await {
            return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
        }
    }
    sector::check(&metadata, context).await.map_err(RegistrationError::from)?;

    // 5. What the client is known by from now on.
    let secret = metadata.has_secret().then(|| context.random_text()).transpose()?;
    let registration_token = context.random_text()?;
    let client = Client {
        client_id: context.random_id()?,
        metadata,
        secret_hash: secret.as_deref().map(hash),
        // Whom the operator trusts, the operator says.
        trusted: false,
        created_at: context.now,
        registration_token_hash: Some(hash(&registration_token)),
    };
    let token_hash = token.as_deref().map(hash);
    let done = register(context.platform, &client, token_hash.as_deref(), expires_at).await?;
    if done == RegistrationOutcome::NoSuchToken {
        return Err(WRONG_TOKEN.into());
    }

    // 6. What is in force (section 3.2.1; RFC 7592 section 3).
    let document = document(context.config, &client, secret, &registration_token)?;
    Ok(Response::json(201, &document).with("pragma", "no-cache"))
}

async fn initial_access_token(
    request: &impl Request,
    policy: Registration,
) -> Result<Option<String>, BearerError> {
    match bearer_token(request, false).await {
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
