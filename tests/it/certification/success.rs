//! Requests that succeed.

use super::suite::{Flow, Suite};
use crate::browser::{CHALLENGE, VERIFIER, header};
use crate::test_provider::{alice, post, put};
use serde_json::{Value, json};

const PROFILE: [&str; 14] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
const EMAIL: [&str; 2] = ["email", "email_verified"];
const PHONE: [&str; 2] = ["phone_number", "phone_number_verified"];

/// Userinfo has exactly these claims of alice.
fn check_userinfo(flow: &Flow, claims: &[&str]) {
    let alice = alice();
    let mut expected = json!({ "sub": "alice" });
    for claim in claims {
        expected[*claim] = alice[*claim].clone();
    }
    assert_eq!(flow.userinfo, expected);
}

pub fn oidcc_server(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[]);
    check_userinfo(&flow, &[]);
    assert_eq!(flow.tokens.get("refresh_token"), None);
}

pub fn oidcc_idtoken_signature(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[]);
    let header = header(flow.token("id_token"));
    assert_eq!(header["alg"], "RS256");
    assert!(!header["kid"].as_str().unwrap().is_empty());
}

pub fn oidcc_idtoken_unsigned(suite: &Suite) {
    let advertised = suite.discovery["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(!advertised.contains(&"none".into()));
    let unsigned = json!({
        "redirect_uris": ["https://app.example/cb"], "id_token_signed_response_alg": "none",
    });
    let response =
        suite.provider.send(put("/admin/clients/unsigned").by_operator().json(&unsigned));
    assert_eq!(response.status, 400, "{}", response.body);
}

pub fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[("nonce", "")]);
    assert_eq!(flow.id_token.get("nonce"), None);
}

/// Runs a flow with a scope that discovery advertises.
fn scope(suite: &Suite, scope: &str, claims: &[&str]) {
    let advertised = suite.discovery["scopes_supported"].as_array().unwrap();
    assert!(scope.split(' ').all(|scope| advertised.contains(&scope.into())), "{advertised:?}");
    check_userinfo(&suite.flow(&suite.browser(), &[("scope", scope)]), claims);
}

pub fn oidcc_scope_profile(suite: &Suite) {
    scope(suite, "openid profile", &PROFILE);
}

pub fn oidcc_scope_email(suite: &Suite) {
    scope(suite, "openid email", &EMAIL);
}

pub fn oidcc_scope_address(suite: &Suite) {
    scope(suite, "openid address", &["address"]);
}

pub fn oidcc_scope_phone(suite: &Suite) {
    scope(suite, "openid phone", &PHONE);
}

pub fn oidcc_scope_all(suite: &Suite) {
    let claims = [PROFILE.as_slice(), &EMAIL, &PHONE, &["address"]].concat();
    scope(suite, "openid profile email address phone", &claims);
}

pub fn oidcc_alternate_happy_flow(suite: &Suite) {
    let browser = suite.browser();
    let parameters = [("scope", "email openid")];
    let query = suite.query(&suite.client, &parameters);
    let reversed: Vec<_> = query.rsplit('&').collect();
    let response = browser.get(&format!("/auth/authorize?{}", reversed.join("&")));
    let response = browser.agree(response, "alice@example.com");
    check_userinfo(&suite.finish(&response, &parameters), &EMAIL);
}

pub fn oidcc_ensure_request_with_unknown_parameter_succeeds(suite: &Suite) {
    suite.flow(&suite.browser(), &[("extra", "foobar")]);
}

pub fn oidcc_claims_locales(suite: &Suite) {
    suite.flow(&suite.browser(), &[("claims_locales", "se")]);
}

pub fn oidcc_claims_essential(suite: &Suite) {
    let claims = json!({ "userinfo": { "name": { "essential": true } } }).to_string();
    check_userinfo(&suite.flow(&suite.browser(), &[("claims", &claims)]), &["name"]);
}

pub fn oidcc_ensure_request_with_acr_values_succeeds(suite: &Suite) {
    let advertised = suite.discovery["acr_values_supported"].as_array().unwrap();
    let values: Vec<_> = advertised.iter().map(|value| value.as_str().unwrap()).collect();
    let flow = suite.flow(&suite.browser(), &[("acr_values", &values.join(" "))]);
    assert!(advertised.contains(&flow.id_token["acr"]), "{}", flow.id_token);
    // `acr_values` is voluntary, so values that are not supported do not fail.
    let flow = suite.flow(&suite.browser(), &[("acr_values", "1 2")]);
    assert!(advertised.contains(&flow.id_token["acr"]), "{}", flow.id_token);
}

pub fn oidcc_ensure_post_request_succeeds(suite: &Suite) {
    let browser = suite.browser();
    let first = suite.flow(&browser, &[]);
    // The request is cross-site, so the browser sends no cookies.
    let query = suite.query(&suite.client, &[]);
    let response = suite.provider.send(post("/auth/authorize").form(&query));
    let response = browser.agree(browser.follow(response), "alice@example.com");
    let second = suite.finish(&response, &[]);
    assert_eq!(
        second.id_token["auth_time"], first.id_token["auth_time"],
        "there is no new sign-in"
    );

    // The same without a session.
    let browser = suite.browser();
    let response = browser.follow(suite.provider.send(post("/auth/authorize").form(&query)));
    suite.finish(&browser.agree(response, "alice@example.com"), &[]);
}

pub fn oidcc_ensure_request_with_valid_pkce_succeeds(suite: &Suite) {
    let methods = &suite.discovery["code_challenge_methods_supported"];
    assert_eq!(methods, &Value::from(vec!["S256"]));
    let browser = suite.browser();
    let parameters = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let response = browser.agree(suite.send_request(&browser, &parameters), "alice@example.com");
    let code = suite.code(&response, &suite.client);
    let response = suite.redeem(&suite.client, &code, &[("code_verifier", VERIFIER)]);
    suite.tokens(&response, &suite.client, code, &parameters);
}
