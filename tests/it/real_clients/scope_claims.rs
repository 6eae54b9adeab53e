//! Clients that read name, e-mail and groups from the ID token: the metadata field `id_token_scope_claims`.

use crate::browser::{Browser, CALLBACK, TestClient, VERIFIER, answer, claims, decode};
use crate::test_provider::{TestProvider, TestResponse, alice, get, post, put, variables_with};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

const SCOPES: &str = r#"{"groups": ["groups"], "staff": ["badge", "roles"], "minio": ["policy"]}"#;
/// What an ID token has without claims of the user.
const PROTOCOL: [&str; 11] =
    ["acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];

/// A provider with scopes of the operator, and alice with claims for all of them.
fn provider(more: &[(&'static str, &str)]) -> TestProvider {
    let mut variables = variables_with("SCOPES", SCOPES);
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    put_claims(&provider, &json!({ "name#fr": "Alice A." }));
    provider
}

/// Stores alice with further claims.
fn put_claims(provider: &TestProvider, more: &Value) {
    let mut all = alice();
    let custom =
        json!({ "badge": 17, "roles": ["admin", { "of": "site" }], "policy": "readwrite" });
    for fields in [&custom, more] {
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    }
    let user = json!({ "login": "alice@example.com", "claims": all });
    let response = provider.send(put("/admin/users/alice").by_operator().json(&user));
    assert_eq!(response.status, 200, "{}", response.body);
}

fn client(provider: &TestProvider, fields: Value) -> TestClient {
    let mut all = json!({ "id_token_scope_claims": true });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    provider.put_client_with("app", all)
}

fn tokens(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> Map<String, Value> {
    let code = Browser::new(provider).authorize(client, "alice@example.com", parameters);
    object(provider.redeem(client, &code))
}

#[track_caller]
fn object(response: TestResponse) -> Map<String, Value> {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json().as_object().unwrap().clone()
}

/// The claims of the user in the ID token, and those in userinfo, both with `sub`.
fn both(provider: &TestProvider, tokens: &Map<String, Value>) -> (Value, Value) {
    let userinfo =
        provider.send(get("/auth/userinfo").bearer(tokens["access_token"].as_str().unwrap()));
    assert_eq!(userinfo.status, 200, "{}", userinfo.body);
    (of_user(&claims(tokens["id_token"].as_str().unwrap())), userinfo.json())
}

/// The claims of the user in an ID token, with `sub`.
fn of_user(id_token: &Value) -> Value {
    let mut claims = id_token.as_object().unwrap().clone();
    claims.retain(|name, _| name == "sub" || !PROTOCOL.contains(&name.as_str()));
    claims.into()
}

#[test]
fn a_client_that_registers_it_gets_the_claims_of_userinfo_in_the_id_token() {
    let provider = provider(&[]);
    let client = client(&provider, json!({}));
    for (scope, some) in [
        (
            "openid profile email groups",
            &["name", "name#fr", "email", "email_verified", "groups"][..],
        ),
        ("openid email", &["email", "email_verified"]),
        ("openid minio", &["policy"]),
        ("openid staff phone address", &["badge", "roles", "phone_number", "address"]),
        ("openid", &[]),
    ] {
        let tokens = tokens(&provider, &client, &[("scope", scope)]);
        let (id_token, userinfo) = both(&provider, &tokens);
        assert_eq!(id_token, userinfo, "{scope}");
        assert!(some.iter().all(|name| userinfo.get(name).is_some()), "{scope}: {userinfo}");
    }
}

#[test]
fn without_the_field_the_id_token_has_no_claims_of_scopes() {
    let provider = provider(&[]);
    for fields in [json!({ "id_token_scope_claims": false }), json!({})] {
        let client = provider.put_client_with("app", fields);
        let scope = ("scope", "openid profile email groups staff");
        let (id_token, userinfo) = both(&provider, &tokens(&provider, &client, &[scope]));
        assert_eq!(id_token, json!({ "sub": "alice" }));
        assert_eq!(userinfo["email"], "alice@example.com");
    }
}

#[test]
fn a_client_may_register_it_itself_and_is_told_what_is_in_force() {
    let provider = provider(&[("REGISTRATION", "open")]);
    for (sent, expected) in [(Some(true), true), (Some(false), false), (None, false)] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        if let Some(sent) = sent {
            document["id_token_scope_claims"] = sent.into();
        }
        let response = provider.send(post("/auth/register").json(&document));
        let registered = response.json();
        assert_eq!(
            (response.status, &registered["id_token_scope_claims"]),
            (201, &json!(expected))
        );

        let text = |name: &str| registered[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("client_id"), Some(text("client_secret")));
        let client = TestClient { id, secret, redirect_uri: CALLBACK.into() };
        let (id_token, _) =
            both(&provider, &tokens(&provider, &client, &[("scope", "openid email")]));
        assert_eq!(id_token.get("email").is_some(), expected, "{id_token}");
    }
    let document = json!({ "redirect_uris": [CALLBACK], "id_token_scope_claims": "yes" });
    let response = provider.send(post("/auth/register").json(&document));
    assert_eq!(
        (response.status, response.error().as_deref()),
        (400, Some("invalid_client_metadata"))
    );
}

#[test]
fn a_refreshed_id_token_has_the_claims_of_its_scopes_and_of_today() {
    let provider = provider(&[]);
    let client = client(&provider, json!({}));
    let scope = ("scope", "openid profile email groups offline_access");
    let first = tokens(&provider, &client, &[scope]);
    put_claims(&provider, &json!({ "email": "new@example.com", "groups": ["board"] }));
    let mut token = first["refresh_token"].as_str().unwrap().to_owned();
    for scope in ["", "openid email", "groups openid", "openid"] {
        let refresh =
            [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", scope)];
        let sent = if scope.is_empty() { &refresh[..2] } else { &refresh };
        let refreshed = object(provider.token(&client, sent));
        let (id_token, userinfo) = both(&provider, &refreshed);
        assert_eq!(id_token, userinfo, "{scope}");
        let has = |name| scope.is_empty() || scope.contains(name);
        let email = has("email").then(|| json!("new@example.com"));
        let groups = has("groups").then(|| json!(["board"]));
        assert_eq!(
            (id_token.get("email"), id_token.get("groups")),
            (email.as_ref(), groups.as_ref())
        );
        token = refreshed["refresh_token"].as_str().unwrap().to_owned();
    }
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", "email")];
    assert!(object(provider.token(&client, &refresh)).get("id_token").is_none());
}

#[test]
fn the_implicit_flow_puts_them_beside_an_access_token_too() {
    let provider = provider(&[("ALLOW_IMPLICIT", "true")]);
    for (is_on, response_type) in [
        (true, "id_token token"),
        (false, "id_token token"),
        (true, "id_token"),
        (false, "id_token"),
    ] {
        let client = client(
            &provider,
            json!({
                "response_types": ["id_token", "id_token token"], "grant_types": ["implicit"],
                "id_token_scope_claims": is_on,
            }),
        );
        let requested = [("response_type", response_type), ("scope", "openid email groups")];
        let browser = Browser::new(&provider);
        browser.agree(browser.get(&client.authorize(&requested)), "alice@example.com");
        let silent = [requested[0], requested[1], ("prompt", "none")];
        let response = browser.get(&client.authorize(&silent));
        let (_, fragment) = response.header("location").unwrap().split_once('#').unwrap();
        let answer = decode(fragment);
        let id_token = of_user(&claims(&answer["id_token"]));
        let expected = match (is_on, answer.get("access_token")) {
            (false, Some(_)) => json!({ "sub": "alice" }),
            (_, None) => json!({
                "sub": "alice", "email": "alice@example.com", "email_verified": true,
                "groups": ["staff", "admins"],
            }),
            (true, Some(token)) => provider.send(get("/auth/userinfo").bearer(token)).json(),
        };
        assert_eq!(id_token, expected, "{response_type}, {is_on}");
    }
}

#[test]
fn claims_requested_by_name_are_added_where_they_are_requested() {
    let provider = provider(&[]);
    let client = client(&provider, json!({}));
    let requested = r#"{"id_token":{"phone_number":null,"email":null},"userinfo":{"gender":null}}"#;
    let parameters = [("scope", "openid email minio"), ("claims", requested)];
    let (mut id_token, mut userinfo) = both(&provider, &tokens(&provider, &client, &parameters));
    let phone = id_token.as_object_mut().unwrap().remove("phone_number");
    let gender = userinfo.as_object_mut().unwrap().remove("gender");
    assert_eq!((phone, gender), (Some(json!("+33 1 23 45 67 89")), Some(json!("female"))));
    assert_eq!(id_token, userinfo);
    assert_eq!(id_token["policy"], "readwrite");
}

#[test]
fn a_pairwise_client_gets_its_own_sub_with_the_claims() {
    let provider = provider(&[]);
    let client = client(&provider, json!({ "subject_type": "pairwise" }));
    let (id_token, userinfo) =
        both(&provider, &tokens(&provider, &client, &[("scope", "openid staff groups")]));
    assert_eq!(id_token, userinfo);
    assert_eq!(id_token["badge"], 17);
    assert!(id_token["sub"].as_str().unwrap().len() > 40, "{id_token}");
}

#[test]
fn a_client_of_an_api_gets_them_though_its_access_token_is_not_for_userinfo() {
    let api = "https://api.example";
    let provider = provider(&[("RESOURCES", r#"{"https://api.example": ["orders"]}"#)]);
    let client = client(&provider, json!({ "scope": "openid email groups orders" }));
    let requested = [("scope", "openid groups orders"), ("resource", api)];
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &requested);
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("resource", api),
    ];
    let tokens = object(provider.token(&client, &redemption));
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["aud"], api);
    let id_token = of_user(&claims(tokens["id_token"].as_str().unwrap()));
    assert_eq!(id_token, json!({ "sub": "alice", "groups": ["staff", "admins"] }));
}

/// No request can store such claims. A damaged row, or an older version's, must not forge an ID token all the same.
#[test]
fn no_stored_claim_replaces_one_of_the_provider() {
    let provider = provider(&[]);
    let client = client(&provider, json!({}));
    let forged: Map<_, _> = PROTOCOL
        .into_iter()
        .chain(["azp", "sub#fr", "iss#fr", "jti", "nbf"])
        .map(|name| (name.to_owned(), json!("forged")))
        .chain([("email".to_owned(), json!("alice@example.com"))])
        .collect();
    provider
        .platform
        .primary
        .execute("UPDATE users SET claims = ?1", [Value::from(forged).to_string()])
        .unwrap();
    let scope = ("scope", "openid profile email groups staff minio");
    let tokens = tokens(&provider, &client, &[scope]);
    let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let payload = String::from_utf8(Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap();
    assert!(!payload.contains("forged"), "{payload}");
    let names = PROTOCOL.map(|name| payload.matches(&format!("\"{name}\":")).count());
    assert_eq!(names, [1; 11], "{payload}");
    assert!(payload.contains("\"email\":\"alice@example.com\""), "{payload}");
}

#[test]
fn an_id_token_with_many_groups_is_a_hint_all_the_same() {
    let provider = provider(&[]);
    let client = client(&provider, json!({}));
    let groups: Vec<_> = (0..300).map(|number| format!("department-{number:03}")).collect();
    put_claims(&provider, &json!({ "groups": groups }));
    let browser = Browser::new(&provider);
    let scope = ("scope", "openid groups");
    let code = browser.authorize(&client, "alice@example.com", &[scope]);
    let tokens = object(provider.redeem(&client, &code));
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(claims(id_token)["groups"].as_array().unwrap().len(), 300);
    let requested = [scope, ("id_token_hint", id_token), ("prompt", "none")];
    let parameters = answer(&browser.get(&client.authorize(&requested)), CALLBACK);
    assert!(parameters.contains_key("code"), "{parameters:?}");
}
