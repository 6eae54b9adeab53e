//! Introspection of tokens (RFC 7662), and its signed responses (RFC 9701).

use crate::browser::{Browser, CALLBACK, TestClient, answer, claims, field, header};
use crate::certification::checks::verified;
use crate::revocation::{assert_revoked, form_for};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, delete, get, post, put, variables_with,
};
use postern::lifetimes::{ACCESS_TOKEN_SECONDS, REFRESH_TOKEN_IDLE_SECONDS};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const API: &str = "https://orders.example/api";
const USERINFO: &str = "https://login.example.com/auth/userinfo";
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read","orders:write"],
    "urn:example:old":{"scopes":["old"],"alg":"RS256","typ":"JWT"},
    "https://open.example":{"scopes":["open"],"open":true}}"#;
const EVERYTHING: &str = "openid profile email offline_access orders:read orders:write old";

fn provider_with(resources: &str) -> TestProvider {
    let provider = TestProvider::configured(variables_with("RESOURCES", resources));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn provider() -> TestProvider {
    provider_with(RESOURCES)
}

/// A client with every scope.
fn app(provider: &TestProvider) -> TestClient {
    provider.put_client_with("app", json!({ "scope": EVERYTHING }))
}

/// A resource server of these audiences, which gets no tokens itself.
fn resource_server(provider: &TestProvider, id: &str, audiences: &[&str]) -> TestClient {
    provider.put_client_with(id, json!({ "introspection_resources": audiences }))
}

/// The tokens of a new grant, for userinfo or a resource.
fn tokens(provider: &TestProvider, client: &TestClient, more: &[(&str, &str)]) -> TestResponse {
    let scope =
        [("scope", "openid profile email offline_access orders:read old"), ("prompt", "consent")];
    let browser = Browser::new(provider);
    let response = browser.agree(browser.get(&client.authorize(&scope)), LOGIN);
    let code = answer(&response, CALLBACK).remove("code").unwrap();
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::browser::VERIFIER),
    ];
    parameters.extend(more);
    let response = provider.token(client, &parameters);
    assert_eq!(response.status, 200, "{}", response.body);
    response
}

fn request(caller: &TestClient, token: &str) -> TestRequest {
    post("/auth/introspect").form(&form_for(caller, &[("token", token)]))
}

fn introspect(provider: &TestProvider, caller: &TestClient, token: &str) -> Value {
    let response = provider.send(request(caller, token));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.json()
}

#[track_caller]
fn assert_inactive(provider: &TestProvider, caller: &TestClient, token: &str, why: &str) {
    provider.platform.take_counts();
    let response = provider.send(request(caller, token));
    let expected = (200, "{\"active\":false}");
    assert_eq!((response.status, response.body.as_str()), expected, "{why}");
    let counts = provider.platform.take_counts();
    assert_eq!((counts.batches, counts.statements), (1, 0), "{why}");
}

#[track_caller]
fn assert_active(provider: &TestProvider, caller: &TestClient, token: &str) {
    let response = introspect(provider, caller, token);
    assert_eq!(response["active"], true, "{response}");
}

#[test]
fn a_client_introspects_its_own_tokens() {
    let provider = provider();
    let app = app(&provider);
    let tokens = tokens(&provider, &app, &[]);
    let access = field(&tokens, "access_token");
    let issued = claims(&access);
    provider.platform.take_counts();
    let response = introspect(&provider, &app, &access);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.batches, counts.statements), (1, 0));
    let expected = json!({
        "active": true, "aud": USERINFO, "client_id": "app", "exp": issued["exp"],
        "iat": issued["iat"], "iss": ISSUER, "jti": issued["jti"],
        "scope": "openid profile email offline_access", "sub": "alice", "token_type": "Bearer",
    });
    assert_eq!(response, expected);

    let refresh = field(&tokens, "refresh_token");
    let response = introspect(&provider, &app, &refresh);
    let expected = json!({
        "active": true, "client_id": "app", "exp": provider.now.get() + REFRESH_TOKEN_IDLE_SECONDS,
        "iss": ISSUER, "scope": "openid profile email offline_access orders:read old",
        "sub": "alice",
    });
    assert_eq!(response, expected);
}

#[test]
fn a_hint_changes_nothing() {
    let provider = provider();
    let app = app(&provider);
    let tokens = tokens(&provider, &app, &[]);
    for token in ["access_token", "refresh_token"].map(|kind| field(&tokens, kind)) {
        let expected = introspect(&provider, &app, &token);
        for hint in ["access_token", "refresh_token", "pop", ""] {
            let parameters = [("token", token.as_str()), ("token_type_hint", hint)];
            let form = form_for(&app, &parameters);
            assert_eq!(provider.send(post("/auth/introspect").form(&form)).json(), expected);
        }
    }
}

#[test]
fn tokens_of_apis_are_introspected_by_their_own_algorithm_and_type() {
    let provider = provider();
    let app = app(&provider);
    let server = resource_server(&provider, "server", &[API, "urn:example:old"]);
    for (resource, scope) in [(API, "orders:read"), ("urn:example:old", "old")] {
        let access = field(&tokens(&provider, &app, &[("resource", resource)]), "access_token");
        for caller in [&app, &server] {
            for _ in ["the first time", "as remembered"] {
                let response = introspect(&provider, caller, &access);
                let found = (&response["active"], &response["aud"], &response["scope"]);
                assert_eq!(found, (&json!(true), &json!(resource), &json!(scope)));
            }
        }
        // A token that this isolate has verified for an API is not one for userinfo.
        let userinfo = get("/auth/userinfo").bearer(&access);
        assert_eq!(provider.send(userinfo).status, 401);
    }
}

#[test]
fn a_resource_server_introspects_the_audiences_that_the_operator_has_named() {
    let provider = provider();
    let app = app(&provider);
    let for_userinfo = field(&tokens(&provider, &app, &[]), "access_token");
    let for_api = field(&tokens(&provider, &app, &[("resource", API)]), "access_token");
    let refresh = field(&tokens(&provider, &app, &[]), "refresh_token");
    let of_api = resource_server(&provider, "orders", &[API]);
    let of_userinfo = resource_server(&provider, "mail", &[USERINFO]);
    let of_both = resource_server(&provider, "both", &["https://open.example/", USERINFO, API]);
    let of_none = provider.put_client_with("none", json!({ "trusted": true }));
    for (caller, token, knows) in [
        (&of_api, &for_api, true),
        (&of_api, &for_userinfo, false),
        (&of_userinfo, &for_api, false),
        (&of_userinfo, &for_userinfo, true),
        (&of_both, &for_api, true),
        (&of_both, &for_userinfo, true),
        (&of_none, &for_api, false),
        (&of_none, &for_userinfo, false),
        (&of_both, &refresh, false),
    ] {
        if knows {
            let response = introspect(&provider, caller, token);
            assert_eq!(
                (&response["active"], &response["client_id"]),
                (&json!(true), &json!("app"))
            );
        } else {
            assert_inactive(&provider, caller, token, &caller.id);
        }
    }
    // The operator's own tokens are for userinfo.
    let minted = provider.mint("openid email");
    let response = introspect(&provider, &of_userinfo, &minted);
    assert_eq!(
        (&response["client_id"], &response["scope"]),
        (&json!("operator"), &json!("openid email"))
    );
    assert_inactive(&provider, &app, &minted, "another client");
}

#[test]
fn a_public_client_is_refused_before_anything_is_said_of_the_token() {
    let provider = provider();
    let public = json!({ "token_endpoint_auth_method": "none", "scope": EVERYTHING });
    let public = provider.put_client_with("spa", public);
    let own = field(&tokens(&provider, &public, &[]), "access_token");
    let expected = provider.send(request(&public, "unknown"));
    assert_eq!((expected.status, expected.error()), (401, Some("invalid_client".into())));
    let words = "a public client cannot introspect tokens (RFC 7662 section 2.1): register a client \
                 with token_endpoint_auth_method client_secret_basic";
    assert!(expected.body.contains(words), "{}", expected.body);
    for form in [form_for(&public, &[("token", &own)]), form_for(&public, &[])] {
        let response = provider.send(post("/auth/introspect").form(&form));
        assert_eq!((response.status, &response.body), (401, &expected.body));
    }
    let refused = json!({
        "client_name": "RS", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "introspection_resources": [API],
    });
    let response = provider.send(put("/admin/clients/rs").by_operator().json(&refused));
    let words =
        "introspection_resources: must be left out, because token_endpoint_auth_method is none";
    assert!(response.status == 400 && response.body.contains(words), "{}", response.body);
}

#[test]
fn only_the_operator_names_audiences_and_only_known_ones() {
    let provider = provider();
    let put_with = |audiences: Value| {
        let document = json!({
            "client_name": "RS", "redirect_uris": [CALLBACK], "introspection_resources": audiences,
        });
        provider.send(put("/admin/clients/rs").by_operator().json(&document))
    };
    for (audiences, words) in [
        (json!([API, "https://other.example"]), "introspection_resources[1]: must be the URI of"),
        (json!([ISSUER]), "introspection_resources[0]: must be the URI of an API in RESOURCES, or"),
        (json!(["app"]), "introspection_resources[0]"),
        (json!(API), "introspection_resources: must be an array of strings"),
        (json!(vec![API; 51]), "must have at most 50 elements"),
    ] {
        let response = put_with(audiences);
        assert!(response.status == 400 && response.body.contains(words), "{}", response.body);
    }
    let stored = put_with(json!([API, USERINFO]));
    assert_eq!(stored.json()["introspection_resources"], json!([API, USERINFO]));

    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    let metadata = json!({
        "redirect_uris": [CALLBACK], "introspection_resources": [USERINFO],
        "introspection_signed_response_alg": "ES256",
    });
    let registered = provider.send(post("/auth/register").json(&metadata));
    assert_eq!(registered.json().get("introspection_resources"), None);
    assert_eq!(registered.json()["introspection_signed_response_alg"], "ES256");
    let warning = registered.header("postern-warning").unwrap();
    let words = "introspection_resources: ignored, because only the operator can register it";
    assert_eq!(warning, words);
}

/// Takes back what an access token and a refresh token are based on.
type TakeBack = fn(&TestProvider, &TestClient, &TestResponse);

#[test]
fn what_is_taken_back_is_inactive_for_everybody() {
    let put_scope = |provider: &TestProvider, scope: &str| {
        provider.put_client_with("app", json!({ "scope": scope }));
    };
    let cases: [(&str, TakeBack); 7] = [
        ("revoked by its client", |provider, app, tokens| {
            assert_revoked(&provider.revoke(app, &field(tokens, "refresh_token")));
        }),
        ("revoked by the operator", |provider, _, tokens| {
            let id =
                claims(&field(tokens, "access_token"))["grant_id"].as_str().unwrap().to_owned();
            let request = delete(&format!("/admin/grants/{id}")).by_operator();
            assert_eq!(provider.send(request).status, 200);
        }),
        ("a deleted user", |provider, _, _| {
            assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
        }),
        ("a withdrawn consent", |provider, _, _| {
            provider.platform.primary.execute("DELETE FROM consents", ()).unwrap();
        }),
        ("expired", |provider, _, _| {
            provider.sleep(REFRESH_TOKEN_IDLE_SECONDS);
            provider.send(get("/auth/jwks.json"));
        }),
        ("a withdrawn key and a spent token", |provider, app, tokens| {
            provider.refresh(app, &field(tokens, "refresh_token"));
            provider.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
            provider.platform.cache.borrow_mut().clear();
            provider.new_isolate();
            provider.sleep(60);
            provider.send(get("/auth/jwks.json"));
            // The isolate searches for the key once in ten seconds.
            provider.revoke(app, &field(tokens, "access_token"));
        }),
        ("scopes that are no longer registered", |provider, _, _| {
            provider.put_client_with("app", json!({ "scope": "address phone" }));
        }),
    ];
    for more in [&[][..], &[("resource", API)]] {
        for (why, take_back) in cases {
            let provider = provider();
            let app = app(&provider);
            let server = resource_server(&provider, "server", &[API, USERINFO]);
            let tokens = tokens(&provider, &app, more);
            let (access, refresh) =
                (field(&tokens, "access_token"), field(&tokens, "refresh_token"));
            assert_active(&provider, &app, &access);
            assert_active(&provider, &server, &access);
            assert_active(&provider, &app, &refresh);
            take_back(&provider, &app, &tokens);
            assert_inactive(&provider, &app, &refresh, why);
            assert_inactive(&provider, &app, &access, why);
            assert_inactive(&provider, &server, &access, why);
        }
    }
    // A scope less is a scope less.
    let provider = provider();
    let app = app(&provider);
    let tokens = tokens(&provider, &app, &[]);
    put_scope(&provider, "openid email offline_access");
    for token in ["access_token", "refresh_token"].map(|kind| field(&tokens, kind)) {
        let response = introspect(&provider, &app, &token);
        assert_eq!(response["scope"], "openid email offline_access", "{response}");
    }
    put_scope(&provider, "openid email");
    assert_active(&provider, &app, &field(&tokens, "access_token"));
    assert_inactive(&provider, &app, &field(&tokens, "refresh_token"), "no offline_access");
}

#[test]
fn a_revoked_access_token_is_inactive_and_its_grant_is_not() {
    let provider = provider();
    let app = app(&provider);
    for more in [&[][..], &[("resource", API)]] {
        let tokens = tokens(&provider, &app, more);
        let server = resource_server(&provider, "server", &[API, USERINFO]);
        let access = field(&tokens, "access_token");
        assert_active(&provider, &server, &access);
        assert_revoked(&provider.revoke(&app, &access));
        assert_inactive(&provider, &app, &access, "revoked");
        assert_inactive(&provider, &server, &access, "revoked");
        assert_active(&provider, &app, &field(&tokens, "refresh_token"));
        // The resource server cannot revoke what was issued to another client.
        let other = provider.refresh(&app, &field(&tokens, "refresh_token"));
        assert_revoked(&provider.revoke(&server, &field(&other, "access_token")));
        assert_active(&provider, &server, &field(&other, "access_token"));
    }
}

#[test]
fn a_machines_token_is_active_as_long_as_its_client_has_the_scopes() {
    let provider = provider();
    let put_machine = |fields: Value| {
        let mut all =
            json!({ "grant_types": ["client_credentials"], "scope": "orders:read orders:write" });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        provider.put_client_with("machine", all)
    };
    let machine = put_machine(json!({}));
    let server = resource_server(&provider, "server", &[API]);
    let issue = || {
        let response = provider.token(&machine, &[("grant_type", "client_credentials")]);
        field(&response, "access_token")
    };
    let (token, other) = (issue(), issue());
    for caller in [&machine, &server] {
        let response = introspect(&provider, caller, &token);
        let expected = json!({
            "active": true, "aud": API, "client_id": "machine",
            "exp": provider.now.get() + ACCESS_TOKEN_SECONDS, "iat": provider.now.get(),
            "iss": ISSUER, "jti": claims(&token)["jti"], "scope": "orders:read orders:write",
            "sub": "machine", "token_type": "Bearer",
        });
        assert_eq!(response, expected);
    }
    assert_revoked(&provider.revoke(&machine, &other));
    assert_inactive(&provider, &server, &other, "revoked");
    put_machine(json!({ "scope": "orders:write" }));
    assert_eq!(introspect(&provider, &server, &token)["scope"], "orders:write");
    put_machine(json!({ "scope": "old" }));
    assert_inactive(&provider, &server, &token, "no scope of the API");
    put_machine(json!({ "grant_types": ["authorization_code"] }));
    assert_inactive(&provider, &server, &token, "no machine any longer");
    put_machine(json!({}));
    assert_active(&provider, &server, &token);
    provider.send(delete("/admin/clients/machine").by_operator());
    assert_inactive(&provider, &server, &token, "a deleted client");
}

#[test]
fn a_token_of_an_api_that_was_removed_or_changed_is_inactive() {
    let provider = provider();
    let app = app(&provider);
    let access = field(&tokens(&provider, &app, &[("resource", API)]), "access_token");
    for changed in [
        "{}",
        r#"{"https://orders.example/api":{"scopes":["orders:read"],"alg":"RS256"}}"#,
        r#"{"https://orders.example/api":{"scopes":["orders:read"],"typ":"JWT"}}"#,
        r#"{"https://orders.example/api":["orders:write"],"https://x.example":["orders:read"]}"#,
        r#"{"https://orders.example":["orders:read"]}"#,
    ] {
        provider.deploy(variables_with("RESOURCES", changed));
        assert_inactive(&provider, &app, &access, changed);
    }
    provider.deploy(variables_with("RESOURCES", RESOURCES));
    assert_active(&provider, &app, &access);
}

#[test]
fn the_login_is_for_callers_that_the_operator_trusts_with_it() {
    let provider = provider();
    let app = app(&provider);
    let pairwise = json!({ "subject_type": "pairwise", "scope": EVERYTHING });
    let pairwise = provider.put_client_with("pairwise", pairwise);
    let server = resource_server(&provider, "server", &[API, USERINFO]);
    let login = |caller: &TestClient, token: &str| {
        let response = introspect(&provider, caller, token);
        assert_eq!(response["active"], true);
        response.get("username").cloned()
    };
    let own = tokens(&provider, &app, &[]);
    let (access, refresh) = (field(&own, "access_token"), field(&own, "refresh_token"));
    assert_eq!((login(&app, &access), login(&app, &refresh)), (None, None));
    assert_eq!(login(&server, &access), Some(LOGIN.into()));
    let for_api = field(&tokens(&provider, &app, &[("resource", API)]), "access_token");
    assert_eq!(login(&server, &for_api), Some(LOGIN.into()));
    provider.put_client_with("app", json!({ "scope": EVERYTHING, "trusted": true }));
    assert_eq!(
        (login(&app, &access), login(&app, &refresh)),
        (Some(LOGIN.into()), Some(LOGIN.into()))
    );
    // The login would show which user has the pairwise identifier.
    let of_pairwise = field(&tokens(&provider, &pairwise, &[]), "access_token");
    assert_eq!(login(&server, &of_pairwise), None);
}

#[test]
fn a_signed_response_is_for_its_caller_and_no_other_token() {
    let provider = provider();
    let app = app(&provider);
    let tokens = tokens(&provider, &app, &[]);
    let access = field(&tokens, "access_token");
    let plain = introspect(&provider, &app, &access);
    let media_type = "application/token-introspection+jwt";
    for (alg, expected) in [(None, "RS256"), (Some("ES256"), "ES256"), (Some("RS256"), "RS256")] {
        let fields = json!({ "scope": EVERYTHING, "introspection_signed_response_alg": alg });
        provider.put_client_with("app", fields);
        for (token, content) in
            [(access.as_str(), &plain), ("unknown", &json!({ "active": false }))]
        {
            let response = provider.send(request(&app, token).with("accept", media_type));
            assert_eq!((response.status, response.header("content-type")), (200, Some(media_type)));
            let sent = header(&response.body);
            assert_eq!(
                (&sent["typ"], &sent["alg"]),
                (&json!("token-introspection+jwt"), &json!(expected))
            );
            let all = json!({
                "iss": ISSUER, "aud": "app", "iat": provider.now.get(), "token_introspection": content,
            });
            assert_eq!(claims(&response.body), all);
            let jwks = provider.send(get("/auth/jwks.json")).json();
            assert_eq!(verified(&response.body, &jwks)["aud"], "app");
            // It is no token: neither here nor at userinfo.
            assert_inactive(&provider, &app, &response.body, "a response");
            let userinfo = get("/auth/userinfo").bearer(&response.body);
            assert_eq!(provider.send(userinfo).status, 401);
        }
        // So is the ID token, even for an API whose tokens have its type.
        assert_inactive(&provider, &app, &field(&tokens, "id_token"), "an ID token");
    }
}

#[test]
fn a_response_is_signed_only_if_the_request_asks_for_it() {
    let provider = provider();
    let app = app(&provider);
    let fields = json!({ "scope": EVERYTHING, "introspection_signed_response_alg": "ES256" });
    provider.put_client_with("app", fields);
    for (accept, is_signed) in [
        ("application/json", false),
        ("*/*", false),
        ("application/*", false),
        ("application/jwt", false),
        ("application/token-introspection+jwt; q=0", false),
        ("application/json, application/token-introspection+jwt;q=0.000", false),
        ("application/json, Application/Token-Introspection+JWT ; q=0.9", true),
        ("application/token-introspection+jwt", true),
    ] {
        let response = provider.send(request(&app, "unknown").with("accept", accept));
        let found = response.header("content-type") != Some("application/json");
        assert_eq!(found, is_signed, "{accept}");
    }
}

#[test]
fn a_replica_that_lags_does_not_decide() {
    let provider = provider();
    let app = app(&provider);
    let tokens = tokens(&provider, &app, &[]);
    *provider.platform.replica.borrow_mut() = Some(crate::platform::migrated());
    assert_active(&provider, &app, &field(&tokens, "access_token"));
    assert_revoked(&provider.revoke(&app, &field(&tokens, "access_token")));
    assert_inactive(&provider, &app, &field(&tokens, "access_token"), "revoked on the primary");
}
