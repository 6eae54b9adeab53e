//! A response as workerd takes it.

use wasm_bindgen::JsValue;
use worker::console_error;

use crate::cloudflare::platform;
use crate::http;

/// Fields whose values differ from request to request. `platform.mjs` keeps the header of a response without them.
const VARIABLE_FIELDS: [&str; 3] = ["content-security-policy", "location", "set-cookie"];

/// Makes a `Response` in one crossing.
pub fn to_response(response: &http::Response) -> JsValue {
    let fields: Vec<_> =
        response.headers.iter().flat_map(|(name, value)| [*name, &**value]).collect();
    // The fields cross as lines: a value with a line break would become a field of its own.
    if fields.iter().any(|field| field.bytes().any(|byte| matches!(byte, b'\r' | b'\n'))) {
        console_error!("a response's header field has a line break; it was not sent");
        return platform::respond(500, "", None, false);
    }
    let body = (!response.body.is_empty()).then_some(&*response.body);
    let is_recurring = !response.headers.iter().any(|(name, _)| VARIABLE_FIELDS.contains(name));
    platform::respond(response.status, &fields.join("\n"), body, is_recurring)
}
