//! The operator's interface, guarded by the secret `ADMIN_TOKEN`:
//!
//! | request | does |
//! | --- | --- |
//! | `GET /admin/users?after=SUB&limit=N` | lists users in the order of their sub |
//! | `POST /admin/users` | stores the users of an NDJSON body, with a report |
//! | `PUT /admin/users/{sub}` | stores a user |
//! | `GET /admin/users/{sub}` | shows a user |
//! | `DELETE /admin/users/{sub}` | deletes a user, for ever |
//! | `POST /admin/tokens` | mints an access token for a user |
//! | `DELETE /admin/grants/{id}` | revokes a grant |

mod grants;
mod tokens;
mod users;

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::{Error, Protocol};
use crate::http::{BodyError, Request, Response};
use crate::jose::json::parse_object;
use crate::ports::Platform;
use crate::protocol::bearer;

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 1_048_576;

/// Answers the operator.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    authorize(config, request).await?;

    let path = request.path().strip_prefix(config.issuer.path()).unwrap_or_default();
    let path = path.strip_prefix("/admin/").unwrap_or_default();
    let segments: Vec<_> = path.split('/').collect();
    match (request.method(), segments.as_slice()) {
        ("GET", ["users"]) => users::list(platform, request).await,
        ("POST", ["users"]) => users::import(config, platform, cx, request).await,
        ("PUT", ["users", sub]) => users::put(config, platform, cx, request, &decode(sub)?).await,
        ("GET", ["users", sub]) => users::show(platform, &decode(sub)?).await,
        ("DELETE", ["users", sub]) => users::delete(platform, cx, &decode(sub)?).await,
        ("POST", ["tokens"]) => tokens::mint(provider, config, platform, cx, request).await,
        ("DELETE", ["grants", id]) => grants::revoke(platform, cx, &decode(id)?).await,
        (_, ["users" | "tokens"] | ["users" | "grants", _]) => {
            Err(Protocol::MethodNotAllowed.into())
        }
        _ => Err(Protocol::NotFound.into()),
    }
}

/// Without the secret there is no such interface; with it, only its bearer comes in.
async fn authorize(config: &Config, request: &impl Request) -> Result<(), Error> {
    let Some(admin_token) = &config.admin_token else { return Err(Protocol::NotFound.into()) };
    match bearer::token(request, false).await {
        Ok(token) if admin_token.matches(&token) => Ok(()),
        _ => Err(refused(401, "unauthorized", "ADMIN_TOKEN is needed, as Authorization: Bearer")),
    }
}

fn refused(status: u16, code: &'static str, description: impl Into<String>) -> Error {
    Protocol::Admin { status, code, description: description.into() }.into()
}

fn invalid(description: impl Into<String>) -> Error {
    refused(400, "invalid_request", description)
}

fn decode(segment: &str) -> Result<String, Error> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(String::from).map_err(|_| invalid("the path is not UTF-8"))
}

async fn body(request: &impl Request) -> Result<Vec<u8>, Error> {
    request.body(BODY_LIMIT).await.map_err(|error| match error {
        BodyError::Interrupted => invalid("the body could not be read"),
        BodyError::TooLarge => {
            refused(413, "too_large", format!("the body is larger than {BODY_LIMIT} bytes"))
        }
    })
}

/// A JSON object without duplicate members, in the shape of `T`.
fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let members: Map<String, Value> =
        parse_object(json).map_err(|error| format!("not a JSON object: {error}"))?;
    serde_json::from_value(members.into()).map_err(|error| error.to_string())
}
