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
use crate::protocol::description::Description;
use crate::protocol::token::bearer::BearerError;
use crate::provider::Provider;
use crate::secret::{hash, is_random_text};
use crate::store::clients::Client;
use crate::store::initial_access_tokens;
use crate::store::registrations::{RegistrationOutcome, register};

const WRONG_TOKEN: BearerError = BearerError::InvalidToken(Description::fixed(
    "initial access token: unknown, used up or expired",
));

/// Registers a client. The route does not exist if `REGISTRATION` is `closed`.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;

    // 1. Require an initial access token (RFC 7591 section 3), unless registration is open; a token that is sent must
    //    be valid all the same. Step 5 counts its use.
    let token = initial_access_token(request, context.config.registration).await?;

    // 2. Without a token, limit the rate, and let the registration expire if no user signs in.
    if token.is_none() && !may_register(context, request).await {
        return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
    }
    let expires_at = token.is_none().then(|| context.now + UNUSED_CLIENT_SECONDS);

    // 3. Read the metadata, and complete it by its defaults (sections 2 and 3.1).
    let metadata = metadata(body(request).await?, context.config)?;

    // 4. Check the sector identifier, if there is one (OpenID Connect Registration section 5). It is fetched, so an
    //    initial access token must be valid before, and its rate is limited.
    if let (Some(token), Some(_)) = (&token, &metadata.sector_identifier_uri) {
        if !initial_access_tokens::is_valid(context.platform, &hash(token), context.now).await? {
            return Err(WRONG_TOKEN.into());
        }
        if !may_register(context, request).await {
            return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
        }
    }
    sector::check(&metadata, context, |error| RegistrationError::from(error).into()).await?;

    // 5. Store the client under a new identifier, with a new secret and registration access token.
    let secret = metadata.has_secret().then(|| context.random_text()).transpose()?;
    let registration_token = context.random_text()?;
    let client = Client {
        client_id: context.random_id()?,
        metadata,
        secret_hash: secret.as_deref().map(hash),
        // Only the operator can make a client trusted.
        trusted: false,
        created_at: context.now,
        registration_token_hash: Some(hash(&registration_token)),
    };
    let token_hash = token.as_deref().map(hash);
    let outcome = register(context.platform, &client, token_hash.as_deref(), expires_at).await?;
    if outcome == RegistrationOutcome::NoSuchToken {
        return Err(WRONG_TOKEN.into());
    }

    // 6. Return the registered metadata (section 3.2.1; RFC 7592 section 3).
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
        // The header is checked so that credentials of another scheme are refused, not ignored.
        Err(BearerError::NoCredentials)
            if policy == Registration::Open && request.header("authorization").is_none() =>
        {
            Ok(None)
        }
        Err(BearerError::NoCredentials) => Err(BearerError::NoInitialAccessToken),
        Err(error) => Err(error),
    }
}
