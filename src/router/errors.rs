//! Errors as responses: JSON for programs, pages for users.

use std::borrow::Cow;

use serde_json::json;

use crate::config::Config;
use crate::context::Context;
use crate::error::{Advice, Error, Internal, PageError, Protocol};
use crate::http::{Request, RequestId, Response};
use crate::lifetimes::{ADDRESS_PAUSE_SECONDS, FETCH_RETRY_SECONDS};
use crate::pages::{Brand, ErrorPage, Incident, Texts};
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::description::Description;
use crate::protocol::params::Params;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::OPENID;
use crate::routes::{Caller, Endpoint, RESOURCE_METADATA, Route};

/// Renders the response of a failed request. Also returns the error code, for the log.
pub(super) fn respond(
    error: &Error,
    context: &Context<'_, impl Platform>,
    route: Option<&Route>,
    request: &impl Request,
) -> (Response, Option<&'static str>) {
    let (mut response, code) = render_error(error, context, route);
    if let Error::Protocol(Protocol::Token(TokenError::InvalidClient(_))) = error
        && asks_its_user(request)
    {
        // RFC 6749 section 5.2 has 401 and the challenge for clients that send the header `Authorization`.
        response.status = 400;
        response.headers.retain(|(name, _)| *name != "www-authenticate");
    }
    let is_page = match route {
        Some(route) => route.caller == Caller::Users,
        None => accepts_page(request),
    };
    (if is_page { page_of(error, response, context, request) } else { response }, code)
}

/// Returns whether a browser would ask its user for a password, if the response had a challenge with `Basic`: another
/// site has submitted a form to the endpoint, for example. The browser would send what was typed with the requests of
/// every script that sends credentials, which may read the response (see [`cors`](super::cors)). It does not ask during
/// a request with CORS (Fetch standard, HTTP-network-or-cache fetch), which is how scripts send theirs. Other programs
/// send no such header.
fn asks_its_user(request: &impl Request) -> bool {
    request.header("sec-fetch-mode").is_some_and(|mode| mode != "cors")
}

/// Renders an error as JSON. Also returns its code, for the log.
#[cold]
fn render_error(
    error: &Error,
    context: &Context<'_, impl Platform>,
    route: Option<&Route>,
) -> (Response, Option<&'static str>) {
    match error {
        Error::Internal(fault) => {
            context.log_fault(fault);
            // Only the operator's programs see the variable or row, because only the operator can repair it.
            let for_operator = route.is_some_and(|route| route.caller == Caller::Operator);
            render_internal(fault, for_operator)
        }
        Error::Protocol(
            Protocol::TryLater(description)
            | Protocol::Authorize(AuthorizeError { code: TEMPORARILY_UNAVAILABLE, description }),
        ) => try_later(description),
        Error::Protocol(Protocol::Authorize(error)) => {
            (error_response(400, error.code, error.description.as_str()), Some(error.code))
        }
        Error::Protocol(Protocol::Refused { status, code, description }) => {
            let response = error_response(*status, code, description);
            let response = match status {
                401 => response.with("www-authenticate", "Bearer realm=\"admin\""),
                429 => response.with("retry-after", ADDRESS_PAUSE_SECONDS.to_string()),
                _ => response,
            };
            (response, Some(code))
        }
        Error::Protocol(Protocol::Bearer(error)) => {
            let description = error.description();
            let response = error_response(error.status(), error.code(), description.as_str())
                .with("www-authenticate", challenge(error, context.config, route));
            (response, Some(error.code()))
        }
        Error::Protocol(Protocol::MethodNotAllowed { allow }) => {
            let response = error_response(
                405,
                "method_not_allowed",
                "the endpoint does not support this method",
            );
            (response.with("allow", allow.clone()), Some("method_not_allowed"))
        }
        Error::Protocol(Protocol::NotFound) => {
            (error_response(404, "not_found", "no endpoint has this path"), Some("not_found"))
        }
        Error::Protocol(Protocol::Page(PageError { status, code, description, .. })) => {
            (error_response(*status, code, description.as_str()), Some(code))
        }
        Error::Protocol(Protocol::Registration(error)) => {
            let description = error.description();
            let response = error_response(error.status(), error.code(), description.as_str())
                .with("pragma", "no-cache");
            let response = if let RegistrationError::TooOften { pause } = error {
                response.with("retry-after", pause.to_string())
            } else {
                response
            };
            (response, Some(error.code()))
        }
        Error::Protocol(Protocol::Token(error)) => {
            let description = error.description();
            let response = error_response(error.status(), error.code(), description.as_str())
                .with("pragma", "no-cache");
            let response = match error {
                // RFC 6749 section 5.2 requires a challenge with a scheme that the client can use.
                TokenError::InvalidClient(_) => {
                    let realm = context.config.issuer.as_str();
                    response.with("www-authenticate", format!("Basic realm=\"{realm}\""))
                }
                _ => response,
            };
            (response, Some(error.code()))
        }
    }
}

/// Returns whether the request comes from a browser that shows a page, if the path does not tell.
fn accepts_page(request: &impl Request) -> bool {
    request.header("accept").is_some_and(|accepted| accepted.contains("text/html"))
}

/// Renders an error as a page, with the status of the JSON response `plain`. Descriptions for programs are replaced,
/// because they do not help a user.
#[cold]
fn page_of(
    error: &Error,
    plain: Response,
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Response {
    let (code, description, advice) = match error {
        Error::Protocol(Protocol::Page(error)) => {
            (error.code, error.description.as_str(), error.advice)
        }
        Error::Protocol(Protocol::TryLater(description)) => {
            (TEMPORARILY_UNAVAILABLE, description.as_str(), Advice::TryLater)
        }
        Error::Protocol(Protocol::NotFound) => {
            ("not_found", "no endpoint has this path", Advice::CheckAddress)
        }
        Error::Protocol(_) => {
            ("invalid_request", "the page does not support this request", Advice::StartAgain)
        }
        Error::Internal(fault) => {
            let (_, code, description) = fault.opaque();
            (code, description, Advice::TryLater)
        }
    };
    let config = context.config;
    // The same request can only be repeated by a link if it was one.
    let can_repeat = advice == Advice::TryLater && request.method() == "GET";
    let again_url = can_repeat.then(|| own_url(request, config));
    let page = ErrorPage {
        brand: config.into(),
        texts: texts(request),
        status: plain.status,
        incident: incident(code, description, context.now, request),
        advice,
        again_url: again_url.as_deref(),
        home_url: config.has_home_page.then(|| config.issuer.as_str()),
    };
    let mut page = page.response();
    let kept =
        plain.headers.into_iter().filter(|(name, _)| matches!(*name, "allow" | "retry-after"));
    page.headers.extend(kept);
    page
}

/// Returns the URL of a request, at the origin of the issuer.
fn own_url(request: &impl Request, config: &Config) -> String {
    let (origin, path, query) = (config.issuer.origin(), request.path(), request.query());
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{origin}{path}{separator}{query}")
}

fn texts(request: &impl Request) -> &'static Texts {
    // A malformed query has no `ui_locales`.
    let params = Params::parse(request.query().as_bytes(), &[&["ui_locales"]]).unwrap_or_default();
    let ui_locales = params.once("ui_locales").ok().flatten();
    Texts::choose(ui_locales, request.header("accept-language").as_deref())
}

fn incident<'a>(
    code: &'a str,
    description: &'a str,
    at: i64,
    request: &impl Request,
) -> Incident<'a> {
    Incident { code, description, at, request_id: RequestId::from_request(request) }
}

fn render_internal(fault: &Internal, for_operator: bool) -> (Response, Option<&'static str>) {
    let (status, code, opaque) = fault.opaque();
    let description = match fault {
        // The operator can replace or delete a damaged row.
        Internal::Broken { .. } | Internal::Misconfigured { .. } if for_operator => {
            Cow::Owned(fault.detail())
        }
        _ => Cow::Borrowed(opaque),
    };
    let response = error_response(status, code, &description);
    let response = if status == 503 { response.with("retry-after", "5") } else { response };
    (response, Some(code))
}

/// Renders the error of a request that may succeed later.
fn try_later(description: &Description) -> (Response, Option<&'static str>) {
    let response = error_response(503, TEMPORARILY_UNAVAILABLE, description.as_str())
        .with("retry-after", FETCH_RETRY_SECONDS.to_string());
    (response, Some(TEMPORARILY_UNAVAILABLE))
}

/// The response to every request while the configuration is invalid.
pub fn misconfigured(description: &str, now: i64, request: &impl Request) -> Response {
    let response = if accepts_page(request) {
        let page = ErrorPage {
            brand: Brand::default(),
            texts: texts(request),
            status: 500,
            incident: incident("server_error", description, now, request),
            advice: Advice::SetUp,
            again_url: None,
            home_url: None,
        };
        page.response()
    } else {
        error_response(500, "server_error", description).with("cache-control", "no-store")
    };
    response.with("x-content-type-options", "nosniff")
}

fn error_response(status: u16, code: &str, description: &str) -> Response {
    Response::json(status, &json!({ "error": code, "error_description": description }))
}

/// Returns the challenge of a refused bearer token (RFC 6750 section 3). For userinfo, it also has the required scope
/// and the URL of the resource metadata (RFC 9728 section 5.1).
fn challenge(error: &BearerError, config: &Config, route: Option<&Route>) -> String {
    let realm = config.issuer.as_str();
    let error = if error.is_without_token() {
        String::new()
    } else {
        let (code, description) = (error.code(), error.description());
        format!(", error=\"{code}\", error_description=\"{description}\"")
    };
    if route.is_none_or(|route| route.endpoint != Endpoint::Userinfo) {
        return format!("Bearer realm=\"{realm}\"{error}");
    }
    let metadata = RESOURCE_METADATA.url(&config.issuer);
    format!("Bearer realm=\"{realm}\"{error}, scope=\"{OPENID}\", resource_metadata=\"{metadata}\"")
}
