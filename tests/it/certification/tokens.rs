//! Modules about the token endpoint and the use of tokens.

use super::checks::{check_code, check_token_error, check_token_response};
use super::suite::{Flow, Suite};
use crate::browser::TestClient;
use crate::test_provider::{get, post};
use serde_json::{Value, json};

const USERINFO: &str = "/auth/userinfo";

pub fn oidcc_userinfo_get(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[("scope", "openid profile")]);
    let response = suite.userinfo(get(USERINFO).bearer(flow.token("access_token")));
    assert_eq!(
        (&response["sub"], &response["name"]),
        (&flow.id_token["sub"], &"Alice Adams".into())
    );
}

pub fn oidcc_userinfo_post_header(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[("scope", "openid profile")]);
    let response = suite.userinfo(post(USERINFO).bearer(flow.token("access_token")));
    assert_eq!(response, flow.userinfo);
}

pub fn oidcc_userinfo_post_body(suite: &Suite) {
    let flow = suite.flow(&suite.browser(), &[("scope", "openid profile")]);
    let form = format!("access_token={}", flow.token("access_token"));
    assert_eq!(suite.userinfo(post(USERINFO).form(&form)), flow.userinfo);
}

/// Replays a code after this many seconds. The replay fails and revokes the access token of the first
/// redemption.
fn reuse(suite: &Suite, seconds: i64) {
    let flow = suite.flow(&suite.browser(), &[]);
    suite.provider.sleep(seconds);
    check_token_error(&suite.redeem(&suite.client, &flow.code, &[]), "invalid_grant");
    let response = suite.provider.send(get(USERINFO).bearer(flow.token("access_token")));
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
}

pub fn oidcc_codereuse(suite: &Suite) {
    reuse(suite, 0);
}

pub fn oidcc_codereuse_30seconds(suite: &Suite) {
    reuse(suite, 30);
}

pub fn oidcc_server_client_secret_post(suite: &Suite) {
    let method = "client_secret_post";
    let methods = &suite.discovery["token_endpoint_auth_methods_supported"];
    assert!(methods.as_array().unwrap().contains(&method.into()), "{methods}");
    let client =
        suite.provider.put_client_with("post", json!({ "token_endpoint_auth_method": method }));
    let browser = suite.browser();
    let target = format!("/auth/authorize?{}", suite.query(&client, &[]));
    let response = browser.agree(browser.get(&target), "alice@example.com");
    let code = suite.code(&response, &client);
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &client.redirect_uri),
    ];
    let response = suite.provider.token(&client, &parameters);
    suite.tokens(&response, &client, code.clone(), &[]);
}

/// Runs a flow that requests a refresh token.
fn offline(suite: &Suite, client: &TestClient) -> Flow {
    let browser = suite.browser();
    let parameters = [("scope", "openid offline_access"), ("prompt", "consent")];
    let target = format!("/auth/authorize?{}", suite.query(client, &parameters));
    let response = browser.agree(browser.get(&target), "alice@example.com");
    let code = suite.code(&response, client);
    let response = suite.redeem(client, &code, &[]);
    let flow = suite.tokens(&response, client, code, &parameters);
    check_code(flow.token("refresh_token"));
    flow
}

/// Refreshes the tokens of a flow one second later, with the additional parameters `more`.
fn refresh(suite: &Suite, client: &TestClient, flow: &Flow, more: &[(&str, &str)]) {
    suite.provider.sleep(1);
    let mut parameters =
        vec![("grant_type", "refresh_token"), ("refresh_token", flow.token("refresh_token"))];
    parameters.extend(more);
    let response = suite.token(client, &parameters);
    let tokens = check_token_response(&response, "openid offline_access");
    check_code(tokens["refresh_token"].as_str().unwrap());
    assert_ne!(tokens["access_token"], flow.tokens["access_token"]);
    let id_token = suite.verify(tokens["id_token"].as_str().unwrap());
    // Core section 12.2: `iat` is new, `nonce` may be absent, and these claims stay the same.
    for claim in ["iss", "sub", "aud", "auth_time", "azp", "acr", "sid"] {
        assert_eq!(id_token.get(claim), flow.id_token.get(claim), "{claim}");
    }
    assert!(id_token["iat"].as_i64() > flow.id_token["iat"].as_i64());
    assert_eq!(id_token.get("nonce"), None);
    let access_token = tokens["access_token"].as_str().unwrap();
    let userinfo = suite.userinfo(get(USERINFO).bearer(access_token));
    assert_eq!(userinfo["sub"], id_token["sub"]);
}

pub fn oidcc_refresh_token(suite: &Suite) {
    for (field, value) in
        [("grant_types_supported", "refresh_token"), ("scopes_supported", "offline_access")]
    {
        let list: &Value = &suite.discovery[field];
        assert!(list.as_array().unwrap().contains(&value.into()), "{field}: {list}");
    }
    let other = suite.provider.put_client_with("client2", json!({}));

    let first = offline(suite, &suite.client);
    refresh(suite, &suite.client, &first, &[("scope", "openid offline_access")]);

    let second = offline(suite, &other);
    let parameters =
        [("grant_type", "refresh_token"), ("refresh_token", second.token("refresh_token"))];
    check_token_error(&suite.token(&suite.client, &parameters), "invalid_grant");
    // The attempt of another client does not revoke the token.
    refresh(suite, &other, &second, &[]);
}
