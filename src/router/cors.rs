//! CORS: which responses scripts of other origins may read (Fetch standard section 3.2).

use crate::http::{Request, Response};
use crate::routes::{Endpoint, Route};

/// Client libraries add headers of their own, for example for tracing. `Authorization` must be listed, because the
/// wildcard does not include it.
const ALLOWED_HEADERS: &str = "*, Authorization";

/// Allows scripts of every origin to read a response.
///
/// The token endpoint also allows requests with credentials, because keycloak-js sends all its requests with them. A
/// browser then refuses a response to `*`. This is safe there: the endpoint reads no cookie, sets none, and makes no
/// browser ask its user for a password to send as `Authorization`, so that a response does not depend on the
/// credentials. Other endpoints do not allow them.
pub(super) fn allow(response: Response, route: &Route, request: &impl Request) -> Response {
    let response =
        response.with("access-control-expose-headers", "ETag, Retry-After, WWW-Authenticate");
    match origin_with_credentials(route, request) {
        None => response.with("access-control-allow-origin", "*"),
        Some(origin) => response
            .with("access-control-allow-origin", origin)
            .with("access-control-allow-credentials", "true")
            .with("vary", "Origin"),
    }
}

/// Returns the response to a preflight. A wildcard does not count for a request with credentials, and the preflight does
/// not say whether it will have them.
pub(super) fn preflight(route: &Route, request: &impl Request) -> Response {
    let requested = origin_with_credentials(route, request)
        .and_then(|_| request.header("access-control-request-headers"))
        .filter(|names| names.bytes().all(is_in_list_of_names));
    let headers = match requested {
        None => ALLOWED_HEADERS.to_owned(),
        Some(names) => format!("{ALLOWED_HEADERS}, {names}"),
    };
    Response::empty(204)
        .with("access-control-allow-methods", route.methods.join(", "))
        .with("access-control-allow-headers", headers)
        .with("access-control-max-age", "86400")
}

/// Returns the origin of a script that may send credentials. Pages without an origin have `null`, also those of others.
fn origin_with_credentials(route: &Route, request: &impl Request) -> Option<String> {
    let origin = (route.endpoint == Endpoint::Token).then(|| request.header("origin"))??;
    let is_origin = origin.contains("://") && origin.bytes().all(|byte| byte.is_ascii_graphic());
    is_origin.then_some(origin)
}

/// Returns whether a byte can be in a list of header names (RFC 9110 section 5.6).
fn is_in_list_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(&byte)
}
