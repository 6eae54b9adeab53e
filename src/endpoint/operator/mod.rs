//! The operator's interface. Every request needs the secret `ADMIN_TOKEN` as its bearer token.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /admin/users?after=SUB&limit=N` | lists users in the order of their sub |
//! | `POST /admin/users` | creates or replaces the users of an NDJSON body, with a report |
//! | `PUT /admin/users/{sub}` | creates or replaces a user |
//! | `GET /admin/users/{sub}` | returns a user |
//! | `DELETE /admin/users/{sub}` | deletes a user; the sub is never reused |
//! | `PUT /admin/users/{sub}/password` | sets a user's password |
//! | `DELETE /admin/users/{sub}/password` | removes a user's password |
//! | `POST /admin/users/{sub}/signout` | ends a user's sessions, and on request all grants |
//! | `PUT /admin/users/{sub}/disabled` | disables a user |
//! | `DELETE /admin/users/{sub}/disabled` | enables a user again |
//! | `GET /admin/clients?after=ID&limit=N` | lists clients in the order of their identifiers |
//! | `POST /admin/clients` | creates a client under a random identifier |
//! | `PUT /admin/clients/{id}` | creates or replaces a client |
//! | `GET /admin/clients/{id}` | returns a client |
//! | `DELETE /admin/clients/{id}` | deletes a client |
//! | `POST /admin/clients/{id}/secret` | gives a client a new secret |
//! | `DELETE /admin/clients/{id}/previous-secrets` | ends the secrets before the current one |
//! | `DELETE /admin/clients/{id}/registration-token` | ends a client's management of its registration |
//! | `GET /admin/keys` | lists the signing keys |
//! | `POST /admin/keys/rotate` | makes new signing keys, or withdraws a compromised one |
//! | `GET /admin/initial-access-tokens?after=ID&limit=N` | lists the tokens that let clients register themselves |
//! | `POST /admin/initial-access-tokens` | creates such a token |
//! | `DELETE /admin/initial-access-tokens/{id}` | revokes one |
//! | `POST /admin/tokens` | mints an access token for a user |
//! | `GET /admin/sessions?user=SUB&client=ID&after=ID&limit=N` | lists sessions |
//! | `DELETE /admin/sessions/{id}` | ends a session |
//! | `GET /admin/grants?user=SUB&client=ID&after=ID&limit=N` | lists the grants of a user or a client |
//! | `POST /admin/grants/revoke` | revokes all grants of a user or a client |
//! | `DELETE /admin/grants/{id}` | revokes a grant |
//! | `GET /admin/logouts?after=SESSION/CLIENT&limit=N` | lists the logout tokens that wait for their delivery |
//! | `POST /admin/logouts/{client}/retry` | tries those of a client again now |
//! | `DELETE /admin/logouts/{client}` | drops those of a client |
//! | `GET /admin/audit?user=SUB&client=ID&kind=KIND&since=T&until=T&after=ID&limit=N` | lists the audit trail, the newest event first |
//!
//! [`health`] also answers anybody.

mod audit;
mod client_secrets;
mod clients;
mod grants;
pub mod health;
mod initial_access_tokens;
mod keys;
mod logouts;
mod sessions;
mod tokens;
mod user_access;
mod users;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::fmt;

use crate::context::Context;
use crate::endpoint::support::bearer::bearer_token;
use crate::endpoint::support::body::{BodyError, Limit, limit, read};
use crate::error::{Error, Internal, Protocol};
use crate::http::{Request, Response};
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::params::{ParamValue, Params};
use crate::protocol::token::bearer::is_b64token;
use crate::provider::Provider;
use crate::secret::{ReplaceableSecret, Secret};

/// The largest body that is read, in bytes.
const BODY_LIMIT: Limit = limit!(1_048_576);

/// The default number of entries on a page of a listing.
const PAGE: i64 = 100;
/// The largest `limit` of a listing: a response of some megabytes if every entry is as large as it may be.
const LARGEST_PAGE: i64 = 500;

/// The client identifier of grants for tokens that the operator mints.
const CLIENT_ID: &str = "operator";

/// The minimum length of `ADMIN_TOKEN`, because the number of attempts to guess it is not limited.
const SHORTEST_TOKEN: usize = 32;

/// Authenticates the operator and handles the request.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let admin_token = &*authorize(context, request).await?;

    let path = request.path().strip_prefix(context.config.issuer.path());
    let path = path.and_then(|path| path.strip_prefix("/admin/")).ok_or(Protocol::NotFound)?;
    let segments: Vec<_> = path.split('/').collect();
    // The router drops the body.
    let method = if request.method() == "HEAD" { "GET" } else { request.method() };
    let call = (method, segments.as_slice());
    match segments.first() {
        Some(&"users") => serve_users(context, request, call).await,
        Some(&"clients") => serve_clients(provider, request, call, admin_token).await,
        _ => serve_others(provider, request, call).await,
    }
}

/// The method of a request, and the segments of its path.
type Call<'a> = (&'a str, &'a [&'a str]);

async fn serve_users(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    call: Call<'_>,
) -> Result<Response, Error> {
    match call {
        ("GET", ["users"]) => users::list(context, request).await,
        ("POST", ["users"]) => users::import(context, request).await,
        ("PUT", ["users", sub]) => users::put(context, request, &decode(sub)?).await,
        ("GET", ["users", sub]) => users::show(context, &decode(sub)?).await,
        ("DELETE", ["users", sub]) => users::delete(context, &decode(sub)?).await,
        ("PUT", ["users", sub, "password"]) => {
            user_access::put_password(context, request, &decode(sub)?).await
        }
        ("DELETE", ["users", sub, "password"]) => {
            user_access::delete_password(context, &decode(sub)?).await
        }
        ("POST", ["users", sub, "signout"]) => {
            user_access::sign_out(context, request, &decode(sub)?).await
        }
        ("PUT", ["users", sub, "disabled"]) => {
            user_access::set_disabled(context, &decode(sub)?, true).await
        }
        ("DELETE", ["users", sub, "disabled"]) => {
            user_access::set_disabled(context, &decode(sub)?, false).await
        }
        (_, segments) => Err(not_served(segments)),
    }
}

async fn serve_clients(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    call: Call<'_>,
    admin_token: &str,
) -> Result<Response, Error> {
    let context = &provider.context;
    match call {
        ("GET", ["clients"]) => clients::list(context, request).await,
        ("POST", ["clients"]) => clients::create(provider, request, admin_token).await,
        ("PUT", ["clients", id]) => {
            clients::put(provider, request, &decode(id)?, admin_token).await
        }
        ("GET", ["clients", id]) => clients::show(context, &decode(id)?).await,
        ("DELETE", ["clients", id]) => clients::delete(context, &decode(id)?).await,
        ("POST", ["clients", id, "secret"]) => {
            client_secrets::replace(context, request, &decode(id)?).await
        }
        ("DELETE", ["clients", id, "previous-secrets"]) => {
            client_secrets::end_previous(context, &decode(id)?).await
        }
        ("DELETE", ["clients", id, "registration-token"]) => {
            client_secrets::revoke_registration_token(context, &decode(id)?).await
        }
        (_, segments) => Err(not_served(segments)),
    }
}

async fn serve_others(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    call: Call<'_>,
) -> Result<Response, Error> {
    let context = &provider.context;
    match call {
        ("GET", ["keys"]) => keys::list(context).await,
        ("POST", ["keys", "rotate"]) => keys::make_new(provider, request).await,
        ("GET", ["initial-access-tokens"]) => initial_access_tokens::list(context, request).await,
        ("POST", ["initial-access-tokens"]) => {
            initial_access_tokens::create(context, request).await
        }
        ("DELETE", ["initial-access-tokens", id]) => {
            initial_access_tokens::revoke(context, &decode(id)?).await
        }
        ("POST", ["tokens"]) => tokens::mint(provider, request).await,
        ("GET", ["sessions"]) => sessions::list(context, request).await,
        ("DELETE", ["sessions", id]) => sessions::end(context, &decode(id)?).await,
        ("GET", ["grants"]) => grants::list(context, request).await,
        ("POST", ["grants", "revoke"]) => grants::revoke_all(context, request).await,
        ("DELETE", ["grants", id]) => grants::revoke(context, &decode(id)?).await,
        ("GET", ["logouts"]) => logouts::list(context, request).await,
        ("POST", ["logouts", client, "retry"]) => {
            logouts::retry(context, request, &decode(client)?).await
        }
        ("DELETE", ["logouts", client]) => logouts::delete(context, &decode(client)?).await,
        ("GET", ["audit"]) => audit::list(context, request).await,
        (_, segments) => Err(not_served(segments)),
    }
}

/// Returns the error of a request that no endpoint of the interface serves: the path, or only the method.
fn not_served(segments: &[&str]) -> Error {
    let allow = match segments {
        ["clients" | "initial-access-tokens" | "users"] => "GET, HEAD, POST",
        ["users" | "clients", _] => "GET, HEAD, PUT, DELETE",
        ["users", _, "disabled" | "password"] => "PUT, DELETE",
        ["audit" | "grants" | "keys" | "logouts" | "sessions"] => "GET, HEAD",
        ["grants", "revoke"] => "POST, DELETE",
        ["grants" | "initial-access-tokens" | "logouts" | "sessions", _]
        | ["clients", _, "previous-secrets" | "registration-token"] => "DELETE",
        ["tokens"]
        | ["keys", "rotate"]
        | ["users", _, "signout"]
        | ["clients", _, "secret"]
        | ["logouts", _, "retry"] => "POST",
        _ => return Protocol::NotFound.into(),
    };
    Protocol::MethodNotAllowed { allow: allow.into() }.into()
}

/// Authenticates the operator, and returns the token. Without a configured secret, the interface does not exist. While
/// the secret is being replaced, the previous one is accepted, too.
async fn authorize<P>(context: &Context<'_, P>, request: &impl Request) -> Result<String, Error> {
    let ReplaceableSecret { current, previous } = &context.config.admin_token;
    let Some(current) = current else { return Err(Protocol::NotFound.into()) };
    check_strength("ADMIN_TOKEN", current)?;
    if let Some(previous) = previous {
        check_strength("ADMIN_TOKEN_PREVIOUS", previous)?;
    }
    if let Ok(token) = bearer_token(request, false).await {
        let is_previous = previous.as_ref().is_some_and(|previous| previous.matches(&token));
        if current.matches(&token) || is_previous {
            return Ok(token);
        }
        context.log_event(LogEvent::AdminTokenRefused {});
    }
    Err(refused(401, "unauthorized", "the secret ADMIN_TOKEN is needed, as Authorization: Bearer"))
}

fn check_strength(variable: &'static str, token: &Secret) -> Result<(), Internal> {
    let text = token.expose();
    if text.len() >= SHORTEST_TOKEN && is_b64token(text) {
        return Ok(());
    }
    let reason = "must be at least 32 characters of A-Z a-z 0-9 -._~+/".into();
    Err(Internal::Misconfigured { variable, reason })
}

fn refused(status: u16, code: &'static str, description: impl fmt::Display) -> Error {
    Protocol::Refused { status, code, description: description.to_string() }.into()
}

fn invalid(description: impl fmt::Display) -> Error {
    refused(400, "invalid_request", description)
}

/// Returns the error of a page whose last entry before it does not exist.
fn gone() -> Error {
    let reason = "must be the next of the page before, whose last entry may be gone: list again";
    invalid(InvalidField::new("after", reason))
}

fn decode(segment: &str) -> Result<String, Error> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(String::from).map_err(|_| invalid("the path must be UTF-8"))
}

/// Parses the query. Other parameters are ignored.
fn query(request: &impl Request, known: &'static [&'static str]) -> Result<Params, Error> {
    Params::parse(request.query().as_bytes(), &[known])
        .map_err(|malformed| invalid(malformed.description()))
}

fn once<'a>(params: &'a Params, name: &'static str) -> Result<Option<&'a str>, Error> {
    params.once(name).map_err(|_| invalid(format_args!("duplicate parameter: {name}")))
}

/// Leaves out the fields without a value.
fn without_nulls(document: Value) -> Value {
    match document {
        Value::Object(fields) => fields.into_iter().filter(|(_, field)| !field.is_null()).collect(),
        other => other,
    }
}

async fn body(request: &impl Request) -> Result<Vec<u8>, Error> {
    read(request, BODY_LIMIT).await.map_err(|error| {
        let code = if let BodyError::TooLarge(_) = error { "too_large" } else { "invalid_request" };
        refused(error.status(), code, error.description())
    })
}

/// A page of a listing: at most `limit` entries after the one named `after`.
struct Page {
    after: String,
    limit: i64,
}

impl Page {
    /// Parses `?after=…&limit=…`.
    fn from_request(request: &impl Request) -> Result<Self, Error> {
        let params = query(request, &["after", "limit"])?;
        let wrong_limit = || {
            let reason = format_args!("must be a whole number from 1 to {LARGEST_PAGE}");
            invalid(InvalidField::new("limit", reason))
        };
        let limit = match params.get("limit") {
            ParamValue::Absent => PAGE,
            ParamValue::Single(text) => text.parse().map_err(|_| wrong_limit())?,
            ParamValue::Duplicate => return Err(invalid("duplicate parameter: limit")),
        };
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(wrong_limit());
        }
        let after = match params.get("after") {
            ParamValue::Absent => String::new(),
            ParamValue::Single(id) => id.to_owned(),
            ParamValue::Duplicate => return Err(invalid("duplicate parameter: after")),
        };
        Ok(Self { after, limit })
    }

    /// Returns the name of the entry before the page, unless it is the first page.
    fn after(&self) -> Option<&str> {
        Some(self.after.as_str()).filter(|after| !after.is_empty())
    }

    /// Renders the page. `found` has one entry more than the limit if there is a next page; then `next` in the response
    /// is the `after` of that page. An entry whose JSON is `None` is left out, so a page may be empty before the last one.
    /// Damaged rows are left out, and `damaged` lists their identifiers.
    fn respond<T>(
        &self,
        context: &Context<'_, impl Platform>,
        name: &str,
        mut found: Vec<T>,
        id: impl Fn(&T) -> String,
        to_json: impl Fn(T) -> Result<Option<Value>, Internal>,
    ) -> Response {
        let has_next = i64::try_from(found.len()).is_ok_and(|count| count > self.limit);
        if has_next {
            found.pop();
        }
        let next = found.last().filter(|_| has_next).map(&id);
        let (mut rows, mut damaged) = (Vec::new(), Vec::new());
        for one in found {
            let id = id(&one);
            match to_json(one) {
                Ok(row) => rows.extend(row),
                Err(fault) => {
                    context.log_fault(&fault);
                    damaged.push(id);
                }
            }
        }
        let mut page = Map::from_iter([(name.to_owned(), rows.into())]);
        if !damaged.is_empty() {
            page.insert("damaged".into(), damaged.into());
        }
        page.extend(next.map(|id| ("next".to_owned(), id.into())));
        Response::json(200, &page.into())
    }
}
