//! The client configuration endpoint (RFC 7592): what a client does with its own registration.

use serde_json::Value;

use crate::config::Config;
use crate::endpoint::support::bearer::bearer_token;
use crate::endpoint::support::body::{Limit, has_media_type, limit, read};
use crate::error::{Error, Internal};
use crate::fetched::sector;
use crate::http::{Request, Response};
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::rate_limits::may_register;
use crate::ports::Platform;
use crate::protocol::client::metadata::{ClientMetadata, Registrable};
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::client::unsupported_metadata;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::CONFIGURATION;
use crate::secret::{hash, hashes_to, is_random_text};
use crate::store::clients::{self, Client, StoredClient};
use crate::store::registrations;

/// The largest document that is read, in bytes.
const BODY_LIMIT: Limit = limit!(40_960);

/// What the provider tells of a registration, and a client must not (RFC 7592 section 2.2).
const OURS: [&str; 4] = [
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

const WRONG_TOKEN: BearerError =
    BearerError::InvalidToken("the registration access token is not that of this client");

/// What is compared where a client has no token: as long as a hash, and nothing hashes to it.
const NO_HASH: &str = "===========================================";

/// Reads, replaces or deletes a registration.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. The client, by its registration access token (RFC 7592 section 2).
    let token = bearer_token(request, false).await?;
    let stored = authenticate(provider, request.path(), &token).await?;

    match request.method() {
        // 2. Section 2.1. The secret is known to the client alone.
        "GET" => respond(context.config, &stored.parse()?, None, &token),
        // 3. Section 2.2.
        "PUT" => replace(provider, request, stored.parse()?, &token).await,
        // 4. Section 2.3; the table has no other method. What the client was granted goes with it. A damaged row can
        // be deleted, too.
        _ => {
            clients::delete(context.platform, &stored.client_id, context.now).await?;
            Ok(Response::empty(204).with("pragma", "no-cache"))
        }
    }
}

/// The client that this token manages. Whether there is such a client at all is not told.
async fn authenticate(
    provider: &Provider<'_, impl Platform>,
    path: &str,
    token: &str,
) -> Result<StoredClient, Error> {
    let context = &provider.context;
    if !is_random_text(token) {
        return Err(WRONG_TOKEN.into());
    }
    // Ids of clients that register themselves are never percent-encoded.
    let client_id = path.rsplit_once('/').map_or(path, |(_, id)| id);
    let client = clients::find_stored(context.platform, client_id, context.now).await?;
    let known = client.as_ref().and_then(|client| client.registration_token_hash.as_deref());
    let is_its = hashes_to(token, known.unwrap_or(NO_HASH));
    Ok(client.filter(|_| is_its).ok_or(WRONG_TOKEN)?)
}

async fn replace(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    client: Client,
    token: &str,
) -> Result<Response, Error> {
    let context = &provider.context;

    // 1. Not too often: what is stored, and what is fetched for it, costs as much as a registration.
    if !may_register(context, request).await {
        return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS }.into());
    }

    // 2. The document says of whom it is, by what the client knows and not by what we told it.
    let mut document = body(request).await?;
    check_identity(&mut document, &client).map_err(RegistrationError::from)?;

    // 3. What it leaves out is as if it had never been registered.
    let metadata = metadata(document, context.config)?;

    // 4. The sector that it names (OpenID Connect Registration section 5).
    sector::check(&metadata, context).await.map_err(RegistrationError::from)?;

    // 5. The secret stays, and so does the token: a lost answer loses nobody their client.
    let secret = context.random_text()?;
    let secret_hash = hash(&secret);
    let wanted = Client {
        secret_hash: metadata.has_secret().then(|| secret_hash.clone()),
        metadata,
        ..client
    };
    let stored =
        registrations::replace(context.platform, &wanted, context.now).await?.ok_or(WRONG_TOKEN)?;

    // 6. What is in force; a secret only if it is a new one.
    let is_new = stored.secret_hash.as_ref() == Some(&secret_hash);
    respond(context.config, &stored, is_new.then_some(secret), token)
}

fn check_identity(document: &mut JsonObject, client: &Client) -> Result<(), InvalidField> {
    if let Some(field) = OURS.into_iter().find(|field| document.contains(field)) {
        return Err(InvalidField::new(field, "must be left out (RFC 7592 section 2.2)"));
    }
    match document.string("client_id")? {
        None => return Err(InvalidField::missing("client_id")),
        Some(id) if id != client.client_id => {
            return Err(InvalidField::new("client_id", "must be that of this registration"));
        }
        Some(_) => {}
    }
    let Some(secret) = document.string("client_secret")? else { return Ok(()) };
    let is_right = client.secret_hash.as_deref().is_some_and(|known| hashes_to(&secret, known));
    let reason = "must be the present secret of this client, or left out";
    if is_right { Ok(()) } else { Err(InvalidField::new("client_secret", reason)) }
}

/// The JSON object of a request.
pub(super) async fn body(request: &impl Request) -> Result<JsonObject, RegistrationError> {
    if !has_media_type(request, "application/json") {
        return Err(RegistrationError::NotJson);
    }
    let body = read(request, BODY_LIMIT).await;
    let body = body.map_err(|error| RegistrationError::UnreadBody(error.description()))?;
    Ok(JsonObject::parse(&body)?)
}

/// Takes the metadata that a client registers out of a document, as it will be in force. Other fields are dropped.
pub(super) fn metadata(
    mut document: JsonObject,
    config: &Config,
) -> Result<ClientMetadata, RegistrationError> {
    unsupported_metadata::refuse(&mut document)?;
    let registrable = Registrable { client_credentials: false, ..config.registrable() };
    let mut metadata = ClientMetadata::from_document(&mut document, registrable)?;
    // Scopes that nobody can be granted are not in force.
    if let Some(scope) = &metadata.scope {
        let known: Vec<_> = Scopes::of_valid(scope)
            .iter()
            .filter(|scope| config.scope_names().any(|name| name == *scope))
            .collect();
        if known.is_empty() {
            let known: Vec<_> = config.scope_names().collect();
            let reason = format_args!("must have at least one of {}", known.join(" "));
            return Err(InvalidField::new("scope", reason).into());
        }
        metadata.scope = Some(known.join(" "));
    }
    Ok(metadata)
}

/// The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3), with the secret where it is
/// new.
pub(super) fn document(
    config: &Config,
    client: &Client,
    secret: Option<String>,
    token: &str,
) -> Result<Value, Error> {
    let mut fields = client.metadata.to_document().map_err(|error| Internal::unwritable(&error))?;
    let uri = format!("{}{}", CONFIGURATION.url(&config.issuer), client.client_id);
    fields.insert("client_id".into(), client.client_id.as_str().into());
    fields.insert("client_id_issued_at".into(), client.created_at.into());
    fields.insert("registration_access_token".into(), token.into());
    fields.insert("registration_client_uri".into(), uri.into());
    if let Some(secret) = secret {
        fields.insert("client_secret".into(), secret.into());
        // It never does.
        fields.insert("client_secret_expires_at".into(), 0.into());
    }
    Ok(fields.into())
}

fn respond(
    config: &Config,
    client: &Client,
    secret: Option<String>,
    token: &str,
) -> Result<Response, Error> {
    let document = document(config, client, secret, token)?;
    Ok(Response::json(200, &document).with("pragma", "no-cache"))
}
