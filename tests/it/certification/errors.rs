//! Requests that are refused with an error to the client.

use super::pages::request_object;
use super::suite::{STATE, Suite};

pub fn oidcc_response_type_missing(suite: &Suite) {
    let response = suite.send_request(&suite.browser(), &[("response_type", "")]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request");
}

/// The suite skips this module, because discovery does not list `none`. Here `state` and `response_mode` are
/// sent in the query, because the object is not read.
pub fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    check_that_none_is_not_accepted(suite);
    let request_uri = "https://app.example/requests/1#fragment";
    let response = suite.send_request(&suite.browser(), &[("request_uri", request_uri)]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_uri");
}

/// The suite skips this module, too. Only the parameters that OAuth requires are in the query; the object has
/// the others.
pub fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    check_that_none_is_not_accepted(suite);
    let object = request_object(suite, &[]);
    let parameters =
        [("request", object.as_str()), ("response_mode", ""), ("state", ""), ("nonce", "")];
    let response = suite.send_request(&suite.browser(), &parameters);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_object");

    // For an object that cannot be parsed, the error follows the parameters of the query.
    let response = suite.send_request(&suite.browser(), &[("request", "e30.e30")]);
    assert_eq!(suite.error(&response, Some(STATE)), "invalid_request_object");
}

fn check_that_none_is_not_accepted(suite: &Suite) {
    let algs = &suite.discovery["request_object_signing_alg_values_supported"];
    let algs = algs.as_array().unwrap();
    assert!(algs.contains(&"RS256".into()) && !algs.contains(&"none".into()), "{algs:?}");
}
