//! The operator's requests about clients.

use serde_json::{Map, Value, json};

use super::{CLIENT_ID as OPERATOR, Page, body, invalid, refused};
use crate::config::Config;
use crate::context::Context;
use crate::endpoint::support::client_secrets::ClientSecrets;
use crate::error::{Error, Internal};
use crate::fetched::fetcher::Owner;
use crate::fetched::sector::Registrant;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::client::metadata::{
    ClientMetadata, MetadataError, Registrable, insecure_redirect_hosts, introspection_resources,
};
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::provider::Provider;
use crate::routes::USERINFO;
use crate::store::clients::{self, Client, NewClient, StoredClient};
use crate::store::deletions;

/// Creates a client under a random identifier, and returns it with its secret. The same request creates another client,
/// because two applications may have the same metadata.
pub async fn create(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    admin_token: &str,
) -> Result<Response, Error> {
    store(provider, request, &provider.context.random_id()?, admin_token).await
}

/// Creates or replaces the client of an identifier. A client that has a secret keeps it. The response has the secret only
/// if it is new, or if this is the same request as the one that made it a short time ago.
pub async fn put(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    client_id: &str,
    admin_token: &str,
) -> Result<Response, Error> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=64).contains(&client_id.len())
        || !client_id.bytes().all(is_plain)
        || client_id.starts_with('-')
    {
        let reason = "must be 1 to 64 characters of A-Z a-z 0-9 _ -, and must not begin with -";
        return Err(invalid(InvalidField::new("client_id", reason)));
    }
    if client_id == OPERATOR {
        let reason = "reserved for the access tokens that the operator mints";
        return Err(refused(409, "conflict", InvalidField::new("client_id", reason)));
    }
    store(provider, request, client_id, admin_token).await
}

async fn store(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    client_id: &str,
    admin_token: &str,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    let document = JsonObject::parse(&body(request).await?).map_err(invalid)?;
    let ClientDocument { metadata, trusted, warnings } =
        parse_document(document, client_id, context.config).map_err(invalid)?;
    let registrant = Registrant { client_id: Some(client_id), owner: Owner::Operators };
    memory.sectors.check(&metadata, registrant, &provider.fetcher(None), invalid).await?;

    let secrets = ClientSecrets::new(context, client_id, admin_token, &metadata)?;
    let client = NewClient {
        client_id,
        metadata: &metadata,
        new_secret: secrets.as_ref().map(|secrets| secrets.draw(context)).transpose()?,
        trusted,
    };
    let Some(stored) = clients::put(context, &client).await? else {
        let reason = if deletions::is_in_progress(context, client_id).await? {
            "the rows of the deleted client with this id are still being deleted: try again in some minutes"
        } else {
            "must not be the sub of a user, or of a deleted user"
        };
        return Err(refused(409, "conflict", InvalidField::new("client_id", reason)));
    };
    let mut fields = to_fields(&stored.client, context.now)?;
    if let Some(secret) = secrets.and_then(|secrets| secrets.find(&stored, context.now)) {
        fields.insert("client_secret".into(), secret.into());
        // 0 means that it does not expire (RFC 7591 section 3.2.1).
        fields.insert("client_secret_expires_at".into(), 0.into());
    }
    if !warnings.is_empty() {
        fields.insert("warnings".into(), warnings.into());
    }
    Ok(Response::json(200, &fields.into()))
}

/// The document of a client that the operator stores.
struct ClientDocument {
    metadata: ClientMetadata,
    /// Whether users need not consent.
    trusted: bool,
    /// The parts of the document that are not in force or unsafe.
    warnings: Vec<String>,
}

/// Parses a document. One that [`show`] returned is valid: the fields that the provider adds are accepted and change
/// nothing.
fn parse_document(
    mut document: JsonObject,
    client_id: &str,
    config: &Config,
) -> Result<ClientDocument, MetadataError> {
    document.omit_empty();
    if document.string("client_id")?.is_some_and(|id| id != client_id) {
        return Err(InvalidField::new(
            "client_id",
            "must be the client_id in the path, or left out",
        )
        .into());
    }
    document.integer("client_id_issued_at")?;
    document.integer("previous_secret_ends_at")?;
    let trusted = document.boolean("trusted")?.unwrap_or(false);
    let hosts = insecure_redirect_hosts(&mut document)?;
    let userinfo = USERINFO.url(&config.issuer);
    let resources = introspection_resources(&mut document, |uri| {
        uri == userinfo || config.resources.find(uri).is_some()
    })?;
    let registrable = Registrable {
        insecure_redirect_hosts: &hosts,
        introspection_resources: &resources,
        ..config.registrable()
    };
    let metadata = ClientMetadata::from_document(&mut document, registrable)?;
    let warnings = document.warnings().iter().map(InvalidField::to_string).collect();
    document.end()?;
    Ok(ClientDocument { metadata, trusted, warnings })
}

/// Returns a client, without its secret, because only the hash is stored.
pub async fn show(
    context: &Context<'_, impl Platform>,
    client_id: &str,
) -> Result<Response, Error> {
    let client = clients::find(context, client_id).await?.ok_or_else(no_such_client)?;
    Ok(Response::json(200, &to_json(&client, context.now)?))
}

/// Lists clients, one page per request.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    let found = clients::list(context, &page.after, page.limit + 1).await?;
    let to_json = |client: StoredClient| {
        let is_expired = client.expires_at.is_some_and(|end| end <= context.now);
        if is_expired { Ok(None) } else { to_json(&client.parse()?, context.now).map(Some) }
    };
    Ok(page.respond(context, "clients", found, |client| client.client_id.clone(), to_json))
}

/// Deletes a client and its grants. It is read first, by a request to D1 of its own: if the response to the
/// deletion were lost, the second run could not distinguish a client that was deleted from a mistyped identifier.
pub async fn delete(
    context: &Context<'_, impl Platform>,
    client_id: &str,
) -> Result<Response, Error> {
    let is_known = clients::find_stored(context, client_id).await?.is_some();
    if is_known && clients::delete(context, client_id, None).await? {
        Ok(Response::json(200, &json!({ "client_id": client_id, "deleted_at": context.now })))
    } else {
        Err(no_such_client())
    }
}

pub(super) fn no_such_client() -> Error {
    refused(404, "not_found", "client_id: no client has this id")
}

pub(super) fn to_json(client: &Client, now: i64) -> Result<Value, Internal> {
    to_fields(client, now).map(Value::Object)
}

fn to_fields(client: &Client, now: i64) -> Result<Map<String, Value>, Internal> {
    let mut fields = client.metadata.to_document().map_err(|error| Internal::unwritable(&error))?;
    fields.insert("client_id".into(), client.client_id.as_str().into());
    fields.insert("client_id_issued_at".into(), client.created_at.into());
    fields.insert("trusted".into(), client.trusted.into());
    if let Some(end) = client.previous_secret_ends_at(now) {
        fields.insert("previous_secret_ends_at".into(), end.into());
    }
    Ok(fields)
}
