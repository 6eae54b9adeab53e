//! The client registration endpoint (RFC 7591 section 3, OpenID Connect Registration section 3).

use crate::config::Registration;
use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::endpoint::client::configuration::{RegistrationDocument, body, document, respond};
use crate::endpoint::support::bearer::bearer_token;
use crate::error::{Error, Internal, Protocol};
use crate::fetched::fetcher::Owner;
use crate::fetched::sector::Registrant;
use crate::http::{Request, Response, address_of};
use crate::lifetimes::{ADDRESS_PAUSE_SECONDS, UNUSED_CLIENT_SECONDS};
use crate::limits::rate_limits::may_register;
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::description::Description;
use crate::protocol::token::bearer::BearerError;
use crate::provider::Provider;
use crate::secret::{hash, is_random_text};
use crate::store::clients::Client;
use crate::store::initial_access_tokens;
use crate::store::registrations::{
    self, RegistrationOutcome, SecretHashes, TokenUse, register, register_with_token,
};
use crate::store::slots::{SlotGroup, Slots};
use crate::store::vouched_apis::vouched_apis;

const WRONG_TOKEN: BearerError = BearerError::InvalidToken(Description::fixed(
    "initial access token: unknown, used up or expired",
));

/// The error if all slots of new clients are taken. An initial access token needs none.
const TOO_MANY: Protocol = Protocol::TryLater(Description::fixed(
    "too many new clients that no user has signed in to; try again later, or send an initial access token",
));

/// Registers a client. The route does not exist if `REGISTRATION` is `closed`.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;

    // 1. Require an initial access token (RFC 7591 section 3), unless registration is open; a token that is sent must
    //    be valid all the same. Step 6 counts its use.
    let token = initial_access_token(request, context.config.registration).await?;

    // 2. Without a token, limit the rate. Such a registration expires if no user signs in.
    if token.is_none() && !may_register(context, request).await {
        return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
    }

    // 3. Read the metadata, and complete it by its defaults (sections 2 and 3.1).
    let RegistrationDocument { metadata, warnings } =
        read(context, request, token.as_deref()).await?;

    // 4. Make the secrets of the client: random ones, and those for an initial access token for one use.
    let drawn = Secrets {
        client_secret: metadata.has_secret().then(|| context.random_text()).transpose()?,
        registration_token: context.random_text()?,
    };
    let single = match &token {
        Some(token) => Some(SingleUse::new(context, token, &metadata).await?),
        None => None,
    };

    // 5. Check the sector identifier, if there is one (OpenID Connect Registration section 5).
    if metadata.sector_identifier_uri.is_some() {
        check_sector(provider, request, &metadata, single.as_ref()).await?;
    }

    // 6. Store the client under a new identifier, with a new secret and registration access token.
    let hashes = drawn.hashes();
    let client = Client {
        client_id: context.random_id()?,
        metadata,
        secret_hash: hashes.secret,
        // Only the operator can make a client trusted.
        trusted: false,
        created_at: context.now,
        registration_token_hash: Some(hashes.registration_token),
        expires_at: single.is_none().then(|| context.now + UNUSED_CLIENT_SECONDS),
        document: None,
        is_stored: true,
        vouched_apis: Vec::new(),
        previous_secrets: Vec::new(),
    };
    let (client, secrets) = match single {
        None => {
            store_new(context, request, &client).await?;
            (client, drawn)
        }
        Some(single) => store_with_token(context, client, drawn, single).await?,
    };

    // 7. Return the registered metadata (section 3.2.1; RFC 7592 section 3).
    let Secrets { client_secret, registration_token } = secrets;
    let document = document(context.config, &client, client_secret, &registration_token)?;
    Ok(respond(context, 201, &document, &client.client_id, &warnings))
}

/// Reads the document. The initial access token may name APIs whose scopes the client can register, which takes a request
/// to D1. The statement that registers the client gives it these APIs.
async fn read(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    token: Option<&str>,
) -> Result<RegistrationDocument, Error> {
    let mut document = RegistrationDocument::parse(body(request).await?, context.config)?;
    let vouched_apis = match token {
        Some(token) if document.needs_voucher(context.config) => {
            vouched_apis(context, &hash(token)).await?
        }
        _ => Vec::new(),
    };
    let limited = document.limit_scope(context.config, &vouched_apis);
    limited.map_err(RegistrationError::from)?;
    Ok(document)
}

/// Checks the sector of a client that is about to register. Its document is fetched, so an initial access token must be
/// valid before, and its rate is limited.
async fn check_sector(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    metadata: &ClientMetadata,
    single: Option<&SingleUse>,
) -> Result<(), Error> {
    let Provider { context, memory } = provider;
    let owner = match single {
        None => Owner::Stranger,
        Some(single) => {
            if !single.is_permitted(context, metadata).await? {
                return Err(WRONG_TOKEN.into());
            }
            if !may_register(context, request).await {
                return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
            }
            Owner::Registered
        }
    };
    let address = address_of(request);
    let fetcher = provider.fetcher(Some(&address));
    let refuse = |error| RegistrationError::from(error).into();
    memory.sectors.check(metadata, Registrant { client_id: None, owner }, &fetcher, refuse).await
}

/// Stores a client that has no initial access token.
async fn store_new(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    client: &Client,
) -> Result<(), Error> {
    let slots = Slots::draw(context, SlotGroup::REGISTRATIONS, &address_of(request))?;
    if register(context, client, &slots).await? {
        return Ok(());
    }
    context.log_event(LogEvent::SlotsExhausted { rows: "registrations" });
    Err(TOO_MANY.into())
}

/// Stores a client that has an initial access token. Returns it with its secrets. A token that was used up with the
/// secrets of the previous key finds its client by these.
async fn store_with_token(
    context: &Context<'_, impl Platform>,
    client: Client,
    drawn: Secrets,
    single: SingleUse,
) -> Result<(Client, Secrets), Error> {
    for (token_use, secrets) in single.0 {
        match register_with_token(context, &client, &token_use).await? {
            RegistrationOutcome::NoSuchToken => {}
            RegistrationOutcome::Registered => return Ok((client, drawn)),
            RegistrationOutcome::RegisteredOnce { client_id, created_at } => {
                return Ok((Client { client_id, created_at, ..client }, secrets));
            }
        }
    }
    Err(WRONG_TOKEN.into())
}

/// The secrets that the response contains. Only their hashes are stored.
struct Secrets {
    client_secret: Option<String>,
    registration_token: String,
}

impl Secrets {
    fn hashes(&self) -> SecretHashes {
        SecretHashes {
            secret: self.client_secret.as_deref().map(hash),
            registration_token: hash(&self.registration_token),
        }
    }
}

/// The use of an initial access token that was made for one use. If the response is lost, the client cannot register once
/// more. So its secrets are derived from the token and the metadata, and the same request gets the same client again for
/// a short time. A token for several uses registers another client each time, because several parties register the same
/// metadata on purpose.
///
/// While `KEY_ENCRYPTION_KEY` is being replaced there are two of them: that of the current key, and that of the previous
/// one, under which another isolate may have registered the client.
struct SingleUse(Vec<(TokenUse, Secrets)>);

impl SingleUse {
    /// Without a valid `KEY_ENCRYPTION_KEY` nobody can register, but a wrong token is an error of the client all the same.
    async fn new(
        context: &Context<'_, impl Platform>,
        token: &str,
        metadata: &ClientMetadata,
    ) -> Result<Self, Error> {
        let token_hash = hash(token);
        let mac = match MacKey::new(&context.config.key_encryption_key) {
            Ok(mac) => mac,
            Err(_) if !initial_access_tokens::is_valid(context, &token_hash).await? => {
                return Err(WRONG_TOKEN.into());
            }
            Err(error) => return Err(error.into()),
        };
        let json = serde_json::to_string(metadata).map_err(|error| Internal::unwritable(&error))?;
        let under = |mac: &MacKey| {
            let derive = |name| mac.code(Purpose::Registration, &[name, token, &json]);
            let secrets = Secrets {
                client_secret: metadata.has_secret().then(|| derive("client_secret")),
                registration_token: derive("registration_access_token"),
            };
            (TokenUse { token_hash: token_hash.clone(), single: secrets.hashes() }, secrets)
        };
        let previous = mac.previous();
        Ok(Self([Some(&mac), previous.as_ref()].into_iter().flatten().map(under).collect()))
    }

    /// Returns whether the token can register a client of this document, or has registered it a short time ago.
    async fn is_permitted(
        &self,
        context: &Context<'_, impl Platform>,
        metadata: &ClientMetadata,
    ) -> Result<bool, Internal> {
        for (token_use, _) in &self.0 {
            if registrations::is_permitted(context, metadata, token_use).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
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
