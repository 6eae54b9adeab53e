//! Routes a request to its endpoint, and adds what all responses have in common: CORS, caching, `HEAD`, 404 and 405.

mod errors;

use std::rc::Rc;

use crate::endpoint;
use crate::error::{Error, Protocol};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::{Caller, Endpoint, Route, route};

pub use errors::misconfigured;

/// The response to a request, and the facts for the log.
pub struct Answer {
    pub response: Response,
    /// The endpoint, for the log; `None` if no endpoint has the path.
    pub endpoint: Option<Endpoint>,
    /// The error code, for the log, if the request failed.
    pub error: Option<&'static str>,
}

pub async fn answer(provider: &Provider<'_, impl Platform>, request: &impl Request) -> Answer {
    let context = &provider.context;
    let route = route(request.path(), context.config);
    let result = match route {
        None => Err(Protocol::NotFound.into()),
        Some(route) => dispatch(provider, request, route).await,
    };
    let (mut response, error) = match result {
        Ok(response) => (response, None),
        Err(error) => errors::respond(&error, context, route, request),
    };
    if !response.headers.iter().any(|(name, _)| *name == "cache-control") {
        response = response.with("cache-control", "no-store");
    }
    if route.is_some_and(Route::has_cors) {
        response = response
            .with("access-control-allow-origin", "*")
            .with("access-control-expose-headers", "ETag, Retry-After, WWW-Authenticate");
    }
    response = response.with("x-content-type-options", "nosniff");
    // Users type passwords on these pages, so browsers must only use https from now on (RFC 6797).
    let is_for_users = route.is_some_and(|route| route.caller == Caller::Users);
    if is_for_users && context.config.issuer.as_str().starts_with("https://") {
        response = response.with("strict-transport-security", "max-age=31536000");
    }
    if request.method() == "HEAD" {
        response.body = Rc::from("");
        response.headers.retain(|(name, _)| *name != "set-cookie");
    }
    Answer { response, endpoint: route.map(|route| route.endpoint), error }
}

async fn dispatch(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    route: &Route,
) -> Result<Response, Error> {
    if request.method() == "OPTIONS" && route.has_cors() {
        return Ok(preflight(route));
    }
    // The operator's interface checks the method itself, after authentication, to hide its methods from everybody else.
    if !route.methods.contains(&request.method()) && route.endpoint != Endpoint::Admin {
        return Err(Protocol::MethodNotAllowed { allow: route.allow().into() }.into());
    }
    endpoint::serve(route.endpoint, provider, request).await
}

/// Returns the response to a CORS preflight (Fetch standard section 3.2).
fn preflight(route: &Route) -> Response {
    Response::empty(204)
        .with("access-control-allow-methods", route.methods.join(", "))
        // Client libraries add headers of their own, for example for tracing.
        // `Authorization` must be listed, because the wildcard does not include it.
        .with("access-control-allow-headers", "*, Authorization")
        .with("access-control-max-age", "86400")
}
