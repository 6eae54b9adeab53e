//! The operator's requests about what a client proves its identity with.

use serde_json::json;

use super::clients::{no_such_client, to_json};
use super::{body, invalid, refused};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::lifetimes::{SECRET_OVERLAP_LONGEST_SECONDS, SECRET_OVERLAP_SECONDS};
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::secret::hash;
use crate::store::client_secrets::{self, SecretOutcome, TokenRevocation};

/// Parses `{"overlap"}`: for how many seconds the secret before the new one counts. It is optional.
fn parse_overlap(json: &[u8]) -> Result<i64, InvalidDocument> {
    let mut document = JsonObject::parse(json)?;
    let overlap = document.integer("overlap")?.unwrap_or(SECRET_OVERLAP_SECONDS);
    document.end()?;
    if !(0..=SECRET_OVERLAP_LONGEST_SECONDS).contains(&overlap) {
        let reason = format_args!(
            "must be a whole number of seconds from 0 to {SECRET_OVERLAP_LONGEST_SECONDS}"
        );
        return Err(InvalidField::new("overlap", reason).into());
    }
    Ok(overlap)
}

/// Gives a client a new secret, and returns it. It cannot be shown again, because only its hash is stored. If the response is
/// lost, the same request makes another one, and the secret that the client uses still counts for its time.
pub async fn replace(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    client_id: &str,
) -> Result<Response, Error> {
    let overlap = parse_overlap(&body(request).await?).map_err(invalid)?;
    let secret = context.random_text()?;
    match client_secrets::replace_secret(context, client_id, &hash(&secret), overlap).await? {
        SecretOutcome::Replaced(client) => {
            Ok(Response::json(
                200,
                &json!({
                    "client_id": client_id,
                    "client_secret": secret,
                    // 0 means that it does not expire (RFC 7591 section 3.2.1).
                    "client_secret_expires_at": 0,
                    "previous_secret_ends_at": client.previous_secret_ends_at(context.now),
                }),
            ))
        }
        SecretOutcome::NeedsNone(client) => {
            let method = client.metadata.token_endpoint_auth_method.name();
            let reason = format_args!(
                "the client has no secret, because its token_endpoint_auth_method is {method}"
            );
            Err(refused(409, "conflict", InvalidField::new("client_id", reason)))
        }
        SecretOutcome::TooMany => {
            let reason = "too many previous secrets of the client still count: end them, or let \
                          this request end them with an overlap of 0";
            Err(refused(409, "conflict", InvalidField::new("overlap", reason)))
        }
        SecretOutcome::NoSuchClient => Err(no_such_client()),
    }
}

/// Ends the secrets before the current one at once, and returns the client.
pub async fn end_previous(
    context: &Context<'_, impl Platform>,
    client_id: &str,
) -> Result<Response, Error> {
    let client = client_secrets::end_previous_secrets(context, client_id).await?;
    let client = client.ok_or_else(no_such_client)?;
    Ok(Response::json(200, &to_json(&client, context.now)?))
}

/// Revokes the registration access token of a client (RFC 7592), so that it can no longer manage its registration.
pub async fn revoke_registration_token(
    context: &Context<'_, impl Platform>,
    client_id: &str,
) -> Result<Response, Error> {
    match client_secrets::revoke_registration_token(context, client_id).await? {
        TokenRevocation::Revoked => {
            let answer = json!({ "client_id": client_id, "registration_token": "revoked" });
            Ok(Response::json(200, &answer))
        }
        TokenRevocation::HasNone => {
            let reason =
                "the client did not register itself, so it has no registration access token";
            Err(refused(409, "conflict", InvalidField::new("client_id", reason)))
        }
        TokenRevocation::NoSuchClient => Err(no_such_client()),
    }
}
