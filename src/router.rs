//! From a request to its endpoint, and what every response has in common: CORS, caching, `HEAD`, 304,
//! 404, 405 and the form of errors.

use serde_json::json;
use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::desk::Desk;
use crate::endpoint::{
    account, admin, authorize, consent, discovery, jwks, login, pushed, register, registration,
    resource_metadata, select_account, signout, token, userinfo,
};
use crate::error::{Error, Internal, PageError, Protocol};
use crate::http::{Request, Response};
use crate::pages::{Advice, ErrorPage, Texts};
use crate::ports::Platform;
use crate::protocol::bearer::BearerError;
use crate::protocol::params::Params;
use crate::protocol::registration_error::RegistrationError;
use crate::protocol::scope::OPENID;
use crate::protocol::token_error::TokenError;
use crate::publication::Document;
use crate::routes::{Audience, Endpoint, RESOURCE_METADATA, Route, route};

/// What was answered, and why.
pub struct Answer {
    /// The response.
    pub response: Response,
    /// The endpoint, for the log.
    pub endpoint: Option<Endpoint>,
    /// The error code, for the log.
    pub error: Option<&'static str>,
}

/// Answers a request.
pub async fn answer(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Answer {
    let route = route(request.path(), config);
    let result = match route {
        None => Err(Protocol::NotFound.into()),
        Some(route) => dispatch(provider, config, platform, cx, request, route).await,
    };
    let (mut response, error) = match result {
        Ok(response) => (response, None),
        Err(error) => {
            let (response, code) = render_error(&error, config, cx, route);
            let is_for_people = route.is_some_and(|route| route.audience == Audience::People);
            (if is_for_people { page_of(&error, response, request) } else { response }, code)
        }
    };
    if !response.headers.iter().any(|(name, _)| *name == "cache-control") {
        response = response.with("cache-control", "no-store");
    }
    if route.is_some_and(Route::has_cors) {
        response = response
            .with("access-control-allow-origin", "*")
            .with("access-control-expose-headers", "ETag, WWW-Authenticate");
    }
    response = response.with("x-content-type-options", "nosniff");
    // Who has typed a password here once types it over https only (RFC 6797).
    let is_for_people = route.is_some_and(|route| route.audience == Audience::People);
    if is_for_people && config.issuer.as_str().starts_with("https://") {
        response = response.with("strict-transport-security", "max-age=31536000");
    }
    if request.method() == "HEAD" {
        response.body = Rc::from("");
    }
    Answer { response, endpoint: route.map(|route| route.endpoint), error }
}

async fn dispatch(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
    route: &Route,
) -> Result<Response, Error> {
    if request.method() == "OPTIONS" && route.has_cors() {
        return Ok(preflight(route));
    }
    // The operator's interface hides even its methods from those who may not use it.
    if !route.methods.contains(&request.method()) && route.endpoint != Endpoint::Admin {
        return Err(Protocol::MethodNotAllowed { allow: route.allow().into() }.into());
    }
    let memory = &provider.memory;
    let (client_keys, keys) = (&memory.fetched_keys, &memory.published_keys);
    let signing_keys = &memory.signing_keys;
    let logos = &memory.logos;
    let desk = Desk { client_keys, config, cx, keys, logos, platform, signing_keys };
    match route.endpoint {
        Endpoint::Account => apart(account::serve(&desk, request)).await,
        Endpoint::Admin => apart(admin::serve(provider, config, platform, cx, request)).await,
        Endpoint::Authorize => apart(authorize::serve(&desk, request)).await,
        Endpoint::Consent => apart(consent::serve(&desk, request)).await,
        Endpoint::Discovery | Endpoint::OauthMetadata => {
            let key = format!("discovery/{}", config.digest);
            let render = || discovery::metadata(config).to_string();
            let document = memory.discovery.document(platform, cx, key, render).await?;
            Ok(serve_document(&document, config, cx, request))
        }
        Endpoint::Jwks => Ok(match jwks::document(provider, config, platform, cx).await? {
            Some(document) => serve_document(&document, config, cx, request),
            None => Response::json(200, &json!({ "keys": [] })),
        }),
        Endpoint::Login => apart(login::serve(&desk, request)).await,
        Endpoint::Pushed => apart(pushed::serve(&desk, request)).await,
        Endpoint::Register => apart(register::serve(&desk, request)).await,
        Endpoint::Registration => apart(registration::serve(&desk, request)).await,
        Endpoint::ResourceMetadata => {
            let key = format!("protected-resource/{}", config.digest);
            let render = || resource_metadata::metadata(config).to_string();
            let document = memory.resource_metadata.document(platform, cx, key, render).await?;
            Ok(serve_document(&document, config, cx, request))
        }
        Endpoint::SelectAccount => apart(select_account::serve(&desk, request)).await,
        Endpoint::Signout => apart(signout::serve(&desk, request)).await,
        Endpoint::Token => apart(token::serve(provider, config, platform, cx, request)).await,
        Endpoint::Userinfo => apart(userinfo::serve(provider, config, platform, cx, request)).await,
    }
}

/// The same future as a function of its own. Otherwise the compiler makes one function of all endpoints, and an
/// isolate compiles that whole before it answers its first request.
fn apart<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// The answer to a CORS preflight (Fetch standard section 3.2).
fn preflight(route: &Route) -> Response {
    Response::empty(204)
        .with("access-control-allow-methods", route.methods.join(", "))
        // `Authorization` must be named: the wildcard does not cover it.
        .with("access-control-allow-headers", "Authorization, Content-Type, If-None-Match")
        .with("access-control-max-age", "86400")
}

/// A published document, or 304 where the client has it (RFC 9110 section 13.1.2).
fn serve_document(
    document: &Document,
    config: &Config,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Response {
    let remaining = document.good_until.map(|end| end - cx.now);
    let is_known = request
        .header("if-none-match")
        .is_some_and(|condition| lists_etag(&condition, &document.etag));
    let response = if is_known {
        Response::empty(304)
    } else {
        Response::text(200, "application/json", Rc::clone(&document.body))
    };
    response
        .with("cache-control", config.caching.header(remaining))
        .with("etag", document.etag.clone())
}

/// The weak comparison (RFC 9110 section 8.8.3.2). Our tags hold no comma.
fn lists_etag(condition: &str, etag: &str) -> bool {
    condition.trim() == "*"
        || condition
            .split(',')
            .map(str::trim)
            .any(|candidate| candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

/// An error's response, and its code for the log.
#[cold]
fn render_error(
    error: &Error,
    config: &Config,
    cx: &Cx<'_>,
    route: Option<&Route>,
) -> (Response, Option<&'static str>) {
    match error {
        Error::Internal(fault) => {
            cx.note_fault(fault);
            // The operator is told which variable or row to mend; nobody else is.
            let for_operator = route.is_some_and(|route| route.endpoint == Endpoint::Admin);
            render_internal(fault, for_operator)
        }
        Error::Protocol(Protocol::Refused { status, code, description }) => {
            let response = error_response(*status, Some(code), description);
            let response = match status {
                401 => response.with("www-authenticate", "Bearer realm=\"admin\""),
                _ => response,
            };
            (response, Some(code))
        }
        Error::Protocol(Protocol::Bearer(error)) => {
            let response = error_response(error.status(), error.code(), error.description())
                .with("www-authenticate", challenge(*error, config, route));
            (response, error.code())
        }
        Error::Protocol(Protocol::MethodNotAllowed { allow }) => {
            let response = error_response(
                405,
                Some("method_not_allowed"),
                "this endpoint does not have this method",
            );
            (response.with("allow", allow.clone()), Some("method_not_allowed"))
        }
        Error::Protocol(Protocol::NotFound) => {
            (error_response(404, Some("not_found"), "nothing is served here"), Some("not_found"))
        }
        Error::Protocol(Protocol::Page(PageError { status, code, description, .. })) => {
            (error_response(*status, Some(code), description), Some(code))
        }
        Error::Protocol(Protocol::Registration(error)) => {
            let response = error_response(error.status(), Some(error.code()), &error.description())
                .with("pragma", "no-cache");
            let response = match error {
                RegistrationError::TooOften { pause } => {
                    response.with("retry-after", pause.to_string())
                }
                _ => response,
            };
            (response, Some(error.code()))
        }
        Error::Protocol(Protocol::Token(error)) => {
            let response = error_response(error.status(), Some(error.code()), error.description())
                .with("pragma", "no-cache");
            let response = match error {
                // RFC 6749 section 5.2: by the scheme that a client may use.
                TokenError::InvalidClient(_) => {
                    let realm = config.issuer.as_str();
                    response.with("www-authenticate", format!("Basic realm=\"{realm}\""))
                }
                _ => response,
            };
            (response, Some(error.code()))
        }
    }
}

/// The same error as a page: what is said to a program helps nobody in a browser.
#[cold]
fn page_of(error: &Error, plain: Response, request: &impl Request) -> Response {
    let (code, description, advice) = match error {
        Error::Protocol(Protocol::Page(error)) => (error.code, error.description, error.advice),
        Error::Protocol(_) => {
            ("invalid_request", "this page cannot be asked for in this way", Advice::StartAgain)
        }
        Error::Internal(Internal::Unavailable { .. }) => {
            ("temporarily_unavailable", "a part of this service does not answer", Advice::TryLater)
        }
        Error::Internal(_) => {
            ("server_error", "this service made an error, which has been logged", Advice::TryLater)
        }
    };
    let query = request.query().unwrap_or_default();
    let params = Params::parse(query.as_bytes(), &[&["ui_locales"]]).unwrap_or_default();
    let ui_locales = params.once("ui_locales").ok().flatten();
    let texts = Texts::choose(ui_locales, request.header("accept-language").as_deref());
    let mut page = ErrorPage { texts, status: plain.status, code, description, advice }.response();
    let kept =
        plain.headers.into_iter().filter(|(name, _)| matches!(*name, "allow" | "retry-after"));
    page.headers.extend(kept);
    page
}

fn render_internal(fault: &Internal, for_operator: bool) -> (Response, Option<&'static str>) {
    let (status, code, opaque) = match fault {
        Internal::Unavailable { .. } => {
            (503, "temporarily_unavailable", "a part of this service does not answer; try again")
        }
        Internal::Broken { .. } | Internal::Misconfigured { .. } => {
            (500, "server_error", "this service made an error, which has been logged")
        }
    };
    let description = match fault {
        // A damaged row is the operator's to put again or to delete.
        Internal::Broken { .. } | Internal::Misconfigured { .. } if for_operator => {
            Cow::Owned(fault.detail())
        }
        _ => Cow::Borrowed(opaque),
    };
    let response = error_response(status, Some(code), &description);
    let response = if status == 503 { response.with("retry-after", "5") } else { response };
    (response, Some(code))
}

/// The answer to every request while the configuration is wrong.
pub fn misconfigured(description: &str) -> Response {
    error_response(500, Some("server_error"), description)
        .with("cache-control", "no-store")
        .with("x-content-type-options", "nosniff")
}

fn error_response(status: u16, code: Option<&str>, description: &str) -> Response {
    let mut body = serde_json::Map::new();
    if let Some(code) = code {
        body.insert("error".into(), code.into());
    }
    body.insert("error_description".into(), description.into());
    Response::json(status, &body.into())
}

/// RFC 6750 section 3; of userinfo with the scope that it needs, and the metadata pointer of RFC 9728 section
/// 5.1.
fn challenge(error: BearerError, config: &Config, route: Option<&Route>) -> String {
    let realm = config.issuer.as_str();
    let error = match error.code() {
        Some(code) => {
            format!(", error=\"{code}\", error_description=\"{}\"", error.description())
        }
        None => String::new(),
    };
    if route.is_none_or(|route| route.endpoint != Endpoint::Userinfo) {
        return format!("Bearer realm=\"{realm}\"{error}");
    }
    let metadata = RESOURCE_METADATA.url(&config.issuer);
    format!("Bearer realm=\"{realm}\"{error}, scope=\"{OPENID}\", resource_metadata=\"{metadata}\"")
}
