//! The table of all that is served, and what every response has in common: CORS, caching, `HEAD`,
//! 304, 404, 405 and the form of errors.

use serde_json::json;
use std::borrow::Cow;
use std::rc::Rc;

use crate::Provider;
use crate::config::{Config, Issuer};
use crate::context::Cx;
use crate::endpoint::{admin, discovery, jwks, resource_metadata, userinfo};
use crate::error::{Error, Internal, Protocol};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::bearer::BearerError;
use crate::protocol::scope::OPENID;
use crate::publication::Document;

/// An endpoint by the name that the log uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Everything of the operator's, told apart by [`admin`].
    Admin,
    /// Provider metadata, OpenID Connect Discovery.
    Discovery,
    /// The JWK Set.
    Jwks,
    /// Provider metadata, RFC 8414.
    OauthMetadata,
    /// Userinfo's protected resource metadata, RFC 9728.
    ResourceMetadata,
    /// Userinfo.
    Userinfo,
}

impl Endpoint {
    /// The name that the log uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::OauthMetadata => "oauth_metadata",
            Self::ResourceMetadata => "resource_metadata",
            Self::Userinfo => "userinfo",
        }
    }
}

/// Where an endpoint lies, relative to the issuer.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Behind the issuer's path, and everything below it.
    Below(&'static str),
    /// Behind the issuer's path (OpenID Connect Discovery section 4).
    Behind(&'static str),
    /// A well-known path with the issuer's own path inserted behind it, and then the rest (RFC 8414
    /// section 3, RFC 9728 section 3).
    WellKnown(&'static str, &'static str),
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// What answers.
    pub endpoint: Endpoint,
    /// Where.
    pub place: Place,
    /// The methods it answers, `OPTIONS` apart.
    pub methods: &'static [&'static str],
    /// The member of the provider metadata that gives its URL.
    pub member: Option<&'static str>,
    /// Whether scripts of any origin may use it. No cookie is ever looked at there.
    pub cors: bool,
}

const DOCUMENT: &[&str] = &["GET", "HEAD"];
const USERINFO: &str = "/auth/userinfo";

/// The table.
pub const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Discovery,
        place: Place::Behind("/.well-known/openid-configuration"),
        methods: DOCUMENT,
        member: None,
        cors: true,
    },
    Route {
        endpoint: Endpoint::OauthMetadata,
        place: Place::WellKnown("/.well-known/oauth-authorization-server", ""),
        methods: DOCUMENT,
        member: None,
        cors: true,
    },
    Route {
        endpoint: Endpoint::ResourceMetadata,
        place: Place::WellKnown("/.well-known/oauth-protected-resource", USERINFO),
        methods: DOCUMENT,
        member: None,
        cors: true,
    },
    Route {
        endpoint: Endpoint::Jwks,
        place: Place::Behind("/auth/jwks.json"),
        methods: DOCUMENT,
        member: Some("jwks_uri"),
        cors: true,
    },
    Route {
        endpoint: Endpoint::Userinfo,
        place: Place::Behind(USERINFO),
        methods: &["GET", "POST"],
        member: Some("userinfo_endpoint"),
        cors: true,
    },
    Route {
        endpoint: Endpoint::Admin,
        place: Place::Below("/admin"),
        methods: &["GET", "POST", "PUT", "DELETE"],
        member: None,
        cors: false,
    },
];

impl Route {
    /// The endpoint's URL.
    pub fn url(&self, issuer: &Issuer) -> String {
        match self.place {
            Place::Below(path) | Place::Behind(path) => format!("{}{path}", issuer.as_str()),
            Place::WellKnown(before, after) => {
                format!("{}{before}{}{after}", issuer.origin(), issuer.path())
            }
        }
    }

    fn matches(&self, path: &str, issuer: &Issuer) -> bool {
        let behind = path.strip_prefix(issuer.path());
        match self.place {
            Place::Below(own) => behind
                .and_then(|path| path.strip_prefix(own))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Place::Behind(own) => behind == Some(own),
            Place::WellKnown(before, after) => path
                .strip_prefix(before)
                .and_then(|path| path.strip_prefix(issuer.path()))
                .is_some_and(|rest| rest == after),
        }
    }

    fn allow(&self) -> String {
        self.methods.join(", ") + if self.cors { ", OPTIONS" } else { "" }
    }
}

/// The row of the table that serves a path.
pub fn route(path: &str, issuer: &Issuer) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.matches(path, issuer))
}

/// The URL of an endpoint.
pub fn url_of(endpoint: Endpoint, issuer: &Issuer) -> String {
    let route = ROUTES.iter().find(|route| route.endpoint == endpoint);
    route.map(|route| route.url(issuer)).unwrap_or_default()
}

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
    let route = route(request.path(), &config.issuer);
    let result = match route {
        None => Err(Protocol::NotFound.into()),
        Some(route) => dispatch(provider, config, platform, cx, request, route).await,
    };
    let (mut response, error) = match result {
        Ok(response) => (response, None),
        Err(error) => render_error(&error, config, cx, route),
    };
    if !response.headers.iter().any(|(name, _)| *name == "cache-control") {
        response = response.with("cache-control", "no-store");
    }
    if route.is_some_and(|route| route.cors) {
        response = response
            .with("access-control-allow-origin", "*")
            .with("access-control-expose-headers", "ETag, WWW-Authenticate");
    }
    response = response.with("x-content-type-options", "nosniff");
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
    if request.method() == "OPTIONS" && route.cors {
        return Ok(preflight(route));
    }
    // The operator's interface hides even its methods from those who may not use it.
    if !route.methods.contains(&request.method()) && route.endpoint != Endpoint::Admin {
        return Err(Protocol::MethodNotAllowed.into());
    }
    match route.endpoint {
        Endpoint::Admin => admin::serve(provider, config, platform, cx, request).await,
        Endpoint::Discovery | Endpoint::OauthMetadata => {
            let document = discovery::document(provider, config, platform, cx).await?;
            Ok(serve_document(&document, config, request))
        }
        Endpoint::Jwks => Ok(match jwks::document(provider, config, platform, cx).await? {
            Some(document) => serve_document(&document, config, request),
            None => Response::json(200, &json!({ "keys": [] })),
        }),
        Endpoint::ResourceMetadata => {
            let document = resource_metadata::document(provider, config, platform, cx).await?;
            Ok(serve_document(&document, config, request))
        }
        Endpoint::Userinfo => userinfo::serve(provider, config, platform, cx, request).await,
    }
}

/// The answer to a CORS preflight (Fetch standard section 3.2).
fn preflight(route: &Route) -> Response {
    Response::empty(204)
        .with("access-control-allow-methods", route.methods.join(", "))
        // `Authorization` must be named: the wildcard does not cover it.
        .with("access-control-allow-headers", "Authorization, Content-Type")
        .with("access-control-max-age", "86400")
}

/// A published document, or 304 where the client has it (RFC 9110 section 13.1.2).
fn serve_document(document: &Document, config: &Config, request: &impl Request) -> Response {
    let is_known = request
        .header("if-none-match")
        .is_some_and(|condition| lists_etag(&condition, &document.etag));
    let response = if is_known {
        Response::empty(304)
    } else {
        Response::text(200, "application/json", Rc::clone(&document.body))
    };
    response.with("cache-control", config.cache_control.clone()).with("etag", document.etag.clone())
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
fn render_error(
    error: &Error,
    config: &Config,
    cx: &Cx<'_>,
    route: Option<&Route>,
) -> (Response, Option<&'static str>) {
    match error {
        Error::Internal(fault) => {
            cx.note(fault.detail());
            // The operator is told which variable to mend; nobody else is.
            let for_operator = route.is_some_and(|route| route.endpoint == Endpoint::Admin);
            render_internal(fault, for_operator)
        }
        Error::Protocol(Protocol::Admin { status, code, description }) => {
            let response = error_response(*status, Some(code), description);
            let response = match status {
                401 => response.with("www-authenticate", "Bearer realm=\"admin\""),
                _ => response,
            };
            (response, Some(code))
        }
        Error::Protocol(Protocol::Bearer(error)) => {
            let response = error_response(error.status(), error.code(), error.description())
                .with("www-authenticate", challenge(*error, config));
            (response, error.code())
        }
        Error::Protocol(Protocol::MethodNotAllowed) => {
            let response = error_response(
                405,
                Some("method_not_allowed"),
                "this endpoint does not have this method",
            );
            let allow = route.map(Route::allow).unwrap_or_default();
            (response.with("allow", allow), Some("method_not_allowed"))
        }
        Error::Protocol(Protocol::NotFound) => {
            (error_response(404, Some("not_found"), "nothing is served here"), Some("not_found"))
        }
    }
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
        Internal::Misconfigured { .. } if for_operator => Cow::Owned(fault.detail()),
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

/// RFC 6750 section 3, with the metadata pointer of RFC 9728 section 5.1.
fn challenge(error: BearerError, config: &Config) -> String {
    let realm = config.issuer.as_str();
    let error = match error.code() {
        Some(code) => {
            format!(", error=\"{code}\", error_description=\"{}\"", error.description())
        }
        None => String::new(),
    };
    let metadata = url_of(Endpoint::ResourceMetadata, &config.issuer);
    format!("Bearer realm=\"{realm}\"{error}, scope=\"{OPENID}\", resource_metadata=\"{metadata}\"")
}
