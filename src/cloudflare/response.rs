//! Conversion of a response for workerd.

use wasm_bindgen::JsValue;
use worker::console_error;

use crate::cloudflare::platform;
use crate::http;

/// Header fields with a different value in each response. `platform.mjs` reuses the `Headers` of responses without
/// them.
const VARIABLE_FIELDS: [&str; 3] = ["content-security-policy", "location", "set-cookie"];

/// Creates a `Response` in one call of JavaScript.
pub fn to_response(response: &http::Response) -> JsValue {
    let fields: Vec<_> =
        response.headers.iter().flat_map(|(name, value)| [*name, &**value]).collect();
    // JavaScript gets the fields as lines, so a value with a line break would become another field.
    if fields.iter().any(|field| field.bytes().any(|byte| matches!(byte, b'\r' | b'\n'))) {
        console_error!("response not sent: a header field has a line break");
        return platform::respond(500, "", None, false);
    }
    let body = (!response.body.is_empty()).then_some(&*response.body);
    let is_recurring = !response.headers.iter().any(|(name, _)| VARIABLE_FIELDS.contains(name));
    platform::respond(response.status, &fields.join("\n"), body, is_recurring)
}
