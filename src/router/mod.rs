//! Routes a request to its endpoint, and adds what all responses have in common: CORS, caching, `HEAD`, 404 and 405.

mod cors;
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
    if let Some(route) = route.filter(|route| route.has_cors()) {
        response = cors::allow(response, route, request);
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
        return Ok(cors::preflight(route, request));
    }
    // The operator's interface checks the method itself, after authentication, to hide its methods from everybody else.
    if !route.methods.contains(&request.method()) && route.endpoint != Endpoint::Admin {
        return Err(Protocol::MethodNotAllowed { allow: route.allow().into() }.into());
    }
    endpoint::serve(route.endpoint, provider, request).await
}
