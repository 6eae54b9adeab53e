//! The client configuration endpoint (RFC 7592), at which a client reads, replaces and deletes its registration.

use serde_json::Value;

use crate::config::Config;
use crate::context::Context;
use crate::endpoint::support::bearer::bearer_token;
use crate::endpoint::support::body::{Limit, has_media_type, limit, read};
use crate::endpoint::support::client_secrets::ClientSecrets;
use crate::error::{Error, Internal};
use crate::fetched::fetcher::Owner;
use crate::fetched::sector::Registrant;
use crate::http::{Request, Response, address_of};
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::rate_limits::may_register;
use crate::ports::Platform;
use crate::protocol::client::metadata::{ClientMetadata, Registrable};
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::description::Description;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::CONFIGURATION;
use crate::secret::{hash, hashes_to, is_random_text};
use crate::store::clients::{self, Client, StoredClient};
use crate::store::registrations::{self, Replacement, ReplacementOutcome};

/// The largest document that is read, in bytes.
const BODY_LIMIT: Limit = limit!(40_960);

/// The metadata fields that the provider sets. A client must not send them in an update (RFC 7592 section 2.2).
const SET_BY_PROVIDER: [&str; 4] = [
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

const CLIENT_SECRET: &str = "client_secret";

const WRONG_TOKEN: BearerError = BearerError::InvalidToken(Description::fixed(
    "registration access token: wrong for this client",
));

/// Compared with the token if the client has no token hash, so that the response takes equally long. It has the length
/// of a hash, and no token has this hash.
const NO_HASH: &str = "===========================================";

/// Reads, replaces or deletes a registration.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Authenticate the client by its registration access token (RFC 7592 section 2).
    let token = bearer_token(request, false).await.map_err(|error| match error {
        BearerError::NoCredentials => BearerError::NoRegistrationAccessToken,
        error => error,
    })?;
    if !is_random_text(&token) {
        return Err(WRONG_TOKEN.into());
    }
    // Identifiers of clients that register themselves need no percent-encoding.
    let path = request.path();
    let client_id = path.rsplit_once('/').map_or(path, |(_, id)| id);

    match request.method() {
        // 2. Read (section 2.1). The response has no client secret, because only its hash is stored.
        "GET" | "HEAD" => {
            let client = authenticate(context, client_id, &token).await?.parse()?;
            let document = document(context.config, &client, None, &token)?;
            Ok(respond(context, 200, &document, client_id, &[]))
        }
        // 3. Replace (section 2.2).
        "PUT" => replace(provider, request, client_id, &token).await,
        // 4. Delete (section 2.3). The route has no other method. The client's grants are deleted. Damaged metadata
        //    does not prevent this, because it is not parsed. The token is checked by a request to D1 of its own: if one
        //    batch did both and its response were lost, the second run could not distinguish a client that it has
        //    deleted from one that never existed. The batch checks the token again, because the operator may have taken
        //    the client over meanwhile.
        _ => {
            authenticate(context, client_id, &token).await?;
            if !clients::delete(context, client_id, Some(&hash(&token))).await? {
                return Err(WRONG_TOKEN.into());
            }
            Ok(Response::empty(204).with("pragma", "no-cache"))
        }
    }
}

/// Finds the client of a registration access token. The error does not disclose whether the client exists.
async fn authenticate(
    context: &Context<'_, impl Platform>,
    client_id: &str,
    token: &str,
) -> Result<StoredClient, Error> {
    let client = clients::find_stored(context, client_id).await?;
    let known = client.as_ref().and_then(|client| client.registration_token_hash.as_deref());
    let is_authentic = hashes_to(token, known.unwrap_or(NO_HASH));
    Ok(client.filter(|_| is_authentic).ok_or(WRONG_TOKEN)?)
}

async fn replace(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    client_id: &str,
    token: &str,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    // 1. Read the document. The statement that stores it also checks the token, so it is read before. An error in it
    //    counts only if the token is right.
    let update = UpdateDocument::from_request(context, request, client_id).await;

    // 2. Limit the scope to what the client can register, and check the sector identifier, if it names one (OpenID
    //    Connect Registration section 5). A scope that needs a voucher, and the sector, which is fetched for an
    //    authenticated client only, take a second request to D1.
    let UpdateDocument { registration, client_secret } = match update {
        Ok(update) if !update.needs_client(context.config) => update,
        update => {
            let vouched_apis = authenticate(context, client_id, token).await?.vouched_apis;
            let mut update = update?;
            let limited = update.registration.limit_scope(context.config, &vouched_apis);
            limited.map_err(RegistrationError::from)?;
            let refuse = |error| RegistrationError::from(error).into();
            let address = address_of(request);
            let fetcher = provider.fetcher(Some(&address));
            let owner = Owner::Registered;
            let registrant = Registrant { client_id: Some(client_id), owner };
            let metadata = &update.registration.metadata;
            memory.sectors.check(metadata, registrant, &fetcher, refuse).await?;
            update
        }
    };
    let RegistrationDocument { metadata, warnings } = registration;

    // 3. Store it. Secret and registration access token stay, so that a client that misses the response can continue.
    //    Without a valid KEY_ENCRYPTION_KEY nothing is stored, but a wrong token is an error of the client all the same.
    let secrets = match ClientSecrets::new(context, client_id, token, &metadata) {
        Ok(secrets) => secrets,
        Err(error) => {
            authenticate(context, client_id, token).await?;
            return Err(error.into());
        }
    };
    let replacement = Replacement {
        client_id,
        registration_token_hash: hash(token),
        metadata: &metadata,
        presented_secret_hash: client_secret.as_deref().map(hash),
        new_secret: secrets.as_ref().map(|secrets| secrets.draw(context)).transpose()?,
    };
    let stored = match registrations::replace(context, &replacement).await? {
        ReplacementOutcome::Replaced(stored) => stored,
        ReplacementOutcome::WrongSecret => return Err(wrong_secret().into()),
        ReplacementOutcome::WrongToken => return Err(WRONG_TOKEN.into()),
    };

    // 4. Return the registered metadata, with the secret only if it is new.
    let secret = secrets.and_then(|secrets| secrets.find(&stored, context.now));
    let document = document(context.config, &stored.client, secret, token)?;
    Ok(respond(context, 200, &document, client_id, &warnings))
}

/// The document of an update.
struct UpdateDocument {
    registration: RegistrationDocument,
    /// It must be the client's, if it is present.
    client_secret: Option<String>,
}

impl UpdateDocument {
    /// Reads the document, and checks all that does not need the stored client.
    async fn from_request(
        context: &Context<'_, impl Platform>,
        request: &impl Request,
        client_id: &str,
    ) -> Result<Self, RegistrationError> {
        // 1. Limit the rate, because an update stores and fetches as much as a registration.
        if !may_register(context, request).await {
            return Err(RegistrationError::TooOften { pause: ADDRESS_PAUSE_SECONDS });
        }

        // 2. Check that the document names this client, and has none of the fields that the provider sets.
        let mut document = body(request).await?;
        check_identity(&mut document, client_id)?;
        let client_secret = document.string(CLIENT_SECRET)?;

        // 3. Read the metadata. Fields that the document omits are removed from the registration.
        let mut update = Self {
            registration: RegistrationDocument::parse(document, context.config)?,
            client_secret,
        };
        if !update.needs_client(context.config) {
            update.registration.limit_scope(context.config, &[])?;
        }
        Ok(update)
    }

    /// Returns whether the stored client decides about the document.
    fn needs_client(&self, config: &Config) -> bool {
        let Self { registration, .. } = self;
        registration.metadata.sector_identifier_uri.is_some() || registration.needs_voucher(config)
    }
}

fn check_identity(document: &mut JsonObject, client_id: &str) -> Result<(), InvalidField> {
    if let Some(field) = SET_BY_PROVIDER.into_iter().find(|field| document.contains(field)) {
        return Err(InvalidField::new(field, "must be left out (RFC 7592 section 2.2)"));
    }
    match document.string("client_id")? {
        None => Err(InvalidField::missing("client_id")),
        Some(id) if id != client_id => {
            Err(InvalidField::new("client_id", "must be the client_id of this registration"))
        }
        Some(_) => Ok(()),
    }
}

fn wrong_secret() -> RegistrationError {
    let reason = "must be the current secret of this client, or left out";
    InvalidField::new(CLIENT_SECRET, reason).into()
}

/// The metadata that a client registers, and what of its document is not in force.
pub(super) struct RegistrationDocument {
    pub(super) metadata: ClientMetadata,
    pub(super) warnings: Vec<InvalidField>,
}

/// Reads the JSON object of a request's body. Fields without a value are as if they were left out, because some clients
/// send every field that they know, and because `null` deletes a field (RFC 7592 section 2.2).
pub(super) async fn body(request: &impl Request) -> Result<JsonObject, RegistrationError> {
    if !has_media_type(request, "application/json") {
        return Err(RegistrationError::NotJson);
    }
    let body = read(request, BODY_LIMIT).await;
    let body = body.map_err(|error| RegistrationError::UnreadBody(error.description()))?;
    let mut document = JsonObject::parse(&body)?;
    document.omit_empty();
    Ok(document)
}

impl RegistrationDocument {
    /// Extracts the metadata that a client registers. Unknown fields are ignored.
    pub(super) fn parse(
        mut document: JsonObject,
        config: &Config,
    ) -> Result<Self, RegistrationError> {
        let registrable = Registrable { client_credentials: false, ..config.registrable() };
        let metadata = ClientMetadata::from_document(&mut document, registrable)?;
        Ok(Self { metadata, warnings: document.warnings().to_vec() })
    }

    /// Returns whether the scope has one of an API that is not open, for which an initial access token may vouch.
    pub(super) fn needs_voucher(&self, config: &Config) -> bool {
        let scope = self.metadata.scope.as_deref().unwrap_or_default();
        let api = |scope| config.resources.of_scope(scope);
        Scopes::of_valid(scope).iter().filter_map(api).any(|api| !api.is_open)
    }

    /// Reduces the scope to scopes that the client can be granted, because the response states what is in force.
    /// `vouched_apis` are the APIs that its initial access token named.
    pub(super) fn limit_scope(
        &mut self,
        config: &Config,
        vouched_apis: &[String],
    ) -> Result<(), InvalidField> {
        let Some(scope) = &self.metadata.scope else { return Ok(()) };
        let registrable: Vec<_> = config.registrable_scope_names(vouched_apis).collect();
        let known: Vec<_> =
            Scopes::of_valid(scope).iter().filter(|scope| registrable.contains(scope)).collect();
        if known.is_empty() {
            let reason = format_args!("must have at least one of {}", registrable.join(" "));
            return Err(InvalidField::new("scope", reason));
        }
        self.metadata.scope = Some(known.join(" "));
        Ok(())
    }
}

/// Renders the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3), with the secret if it is new.
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
        fields.insert(CLIENT_SECRET.into(), secret.into());
    }
    if client.secret_hash.is_some() {
        // A secret ends with its client; 0 means that it does not expire.
        let expires_at = client.expires_at.unwrap_or_default();
        fields.insert("client_secret_expires_at".into(), expires_at.into());
    }
    Ok(fields.into())
}

/// Returns the client information response. A header and the log have the warnings, because the document has the fields
/// of the specifications only.
pub(super) fn respond(
    context: &Context<'_, impl Platform>,
    status: u16,
    document: &Value,
    client_id: &str,
    warnings: &[InvalidField],
) -> Response {
    let response = Response::json(status, document).with("pragma", "no-cache");
    if warnings.is_empty() {
        return response;
    }
    let texts: Vec<_> = warnings.iter().map(InvalidField::to_string).collect();
    let description = Description::new(texts.join("; "));
    context.log_client(client_id, &description);
    response.with("postern-warning", description.to_string())
}
