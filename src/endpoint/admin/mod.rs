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
use serde_json::{Map, Value};

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::{Error, Internal, Protocol};
use crate::http::{BodyError, Request, Response};
use crate::jose::json::parse_object;
use crate::ports::Platform;
use crate::protocol::bearer;

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 1_048_576;

/// The shortest `ADMIN_TOKEN` that is taken for one: nothing slows down who guesses it.
const SHORTEST_TOKEN: usize = 32;

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
        (_, ["users"]) => Err(not_allowed("GET, POST")),
        (_, ["users", _]) => Err(not_allowed("GET, PUT, DELETE")),
        (_, ["tokens"]) => Err(not_allowed("POST")),
        (_, ["grants", _]) => Err(not_allowed("DELETE")),
        _ => Err(Protocol::NotFound.into()),
    }
}

/// Without the secret there is no such interface; with it, only its bearer comes in.
async fn authorize(config: &Config, request: &impl Request) -> Result<(), Error> {
    let Some(admin_token) = &config.admin_token else { return Err(Protocol::NotFound.into()) };
    let is_strong = admin_token.expose().len() >= SHORTEST_TOKEN;
    if !is_strong || !bearer::is_b64token(admin_token.expose()) {
        let reason = "must be at least 32 letters, digits or any of -._~+/";
        return Err(
            Internal::Misconfigured { variable: "ADMIN_TOKEN", reason: reason.into() }.into()
        );
    }
    match bearer::token(request, false).await {
        Ok(token) if admin_token.matches(&token) => Ok(()),
        _ => Err(refused(401, "unauthorized", "ADMIN_TOKEN is needed, as Authorization: Bearer")),
    }
}

fn not_allowed(allow: &'static str) -> Error {
    Protocol::MethodNotAllowed { allow: allow.into() }.into()
}

fn refused(status: u16, code: &'static str, description: impl Into<String>) -> Error {
    Protocol::Refused { status, code, description: description.into() }.into()
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

/// The members of a JSON object of the operator's, taken out one by one, so that what is wrong with one
/// is said by its name.
struct Members(Map<String, Value>);

impl Members {
    fn parse(json: &[u8]) -> Result<Self, String> {
        parse_object(json).map(Self).map_err(|error| format!("not a JSON object: {error}"))
    }

    fn integer(&mut self, name: &str) -> Result<Option<i64>, String> {
        let read =
            |value: Value| value.as_i64().ok_or_else(|| format!("{name} must be a whole number"));
        self.0.remove(name).map(read).transpose()
    }

    fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        let read = |value| match value {
            Value::Object(members) => Ok(members),
            _ => Err(format!("{name} must be an object")),
        };
        self.0.remove(name).map(read).transpose()
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let read = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(format!("{name} must be a text")),
        };
        self.0.remove(name).map(read).transpose()
    }

    /// Refuses what was not taken out.
    fn end(self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(name) => Err(format!("{name} is not a member of this document")),
            None => Ok(()),
        }
    }
}
