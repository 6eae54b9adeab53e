//! Requests that are refused, to their client.

use super::pages::request_object;
use super::suite::{STATE, Suite};

pub fn oidcc_response_type_missing(suite: &Suite) {
    let response = suite.send_request(&suite.browser(), &[("response_type", "")]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request");
}

/// Skipped by the suite, which reads there that `none` is not accepted. State and response mode stand beside the URI
/// here, to be seen at all.
pub fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    check_that_none_is_not_accepted(suite);
    let request_uri = "https://app.example/requests/1#fragment";
    let response = suite.send_request(&suite.browser(), &[("request_uri", request_uri)]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_uri");
}

/// Skipped likewise. All but what OAuth requires stands in the object alone, the response mode too.
pub fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    check_that_none_is_not_accepted(suite);
    let object = request_object(suite, &[]);
    let parameters =
        [("request", object.as_str()), ("response_mode", ""), ("state", ""), ("nonce", "")];
    let response = suite.send_request(&suite.browser(), &parameters);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_object");

    // What cannot be read is refused by what stands beside it.
    let response = suite.send_request(&suite.browser(), &[("request", "e30.e30")]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_object");
}

fn check_that_none_is_not_accepted(suite: &Suite) {
    let algs = &suite.discovery["request_object_signing_alg_values_supported"];
    let algs = algs.as_array().unwrap();
    assert!(algs.contains(&"RS256".into()) && !algs.contains(&"none".into()), "{algs:?}");
}
