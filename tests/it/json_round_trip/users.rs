//! Users and their claims in the admin API, at userinfo and in ID tokens.

use super::documents::{Documents, NAMES, hostile, objects, samples, texts};
use super::{assert_same, assert_status, brief, read, set, shown, with};
use crate::admin::{import, put_user};
use crate::browser::{Browser, TestClient, answer, field};
use crate::test_provider::{TestProvider, TestResponse, get, post, put, variables_with};
use base64ct::{Base64UrlUnpadded, Encoding};
use postern::jose::json::parse_object;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";

/// Whether a claim of a custom scope may have this value: no null, and each text is one line of 1 to 2048
/// bytes.
fn is_allowed(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => {
            let is_blank = text.trim().is_empty() || text == "null";
            !is_blank && text.len() <= 2_048 && !text.chars().any(char::is_control)
        }
        Value::Array(elements) => elements.iter().all(is_allowed),
        Value::Object(fields) => fields.values().all(is_allowed),
    }
}

fn allowed() -> Vec<Value> {
    let allowed: Vec<_> = hostile().into_iter().filter(is_allowed).collect();
    assert!(allowed.len() > 30);
    allowed
}

/// The payload of a JWT, parsed by the strict reader.
fn payload(jwt: &str) -> Value {
    let part = Base64UrlUnpadded::decode_vec(jwt.split('.').nth(1).unwrap()).unwrap();
    Value::Object(parse_object(&part).unwrap())
}

fn put_groups(provider: &TestProvider, groups: &Value) -> TestResponse {
    put_user(provider, "alice", &json!({ "login": LOGIN, "claims": { "groups": groups } }))
}

/// A trusted client with these metadata fields added.
fn client(provider: &TestProvider, id: &str, fields: Value) -> TestClient {
    provider.put_client_with(
        id,
        with(json!({ "trusted": true, "scope": "openid groups odd" }), &fields),
    )
}

#[test]
fn a_users_claims_are_shown_and_listed_as_they_were_put() {
    let provider = TestProvider::new();
    provider.put_alice();
    for groups in hostile() {
        let before = shown(&provider, "/admin/users/alice");
        let response = put_groups(&provider, &groups);
        if is_allowed(&groups) {
            assert_status(&response, 200, &groups);
            assert_same(&read(&response)["claims"], &json!({ "groups": groups }));
            assert_same(&shown(&provider, "/admin/users/alice"), &read(&response));
            assert_same(&shown(&provider, "/admin/users")["users"][0], &read(&response));
        } else {
            assert_status(&response, 400, &groups);
            let description = read(&response)["error_description"].as_str().unwrap().to_owned();
            assert!(description.starts_with("claims.groups: must have no null"), "{description}");
            assert_same(&shown(&provider, "/admin/users/alice"), &before);
        }
    }
}

#[test]
fn random_claims_that_are_stored_are_shown_as_they_were_put() {
    let provider = TestProvider::new();
    let mut documents = Documents::new();
    let mut stored = 0;
    for _ in 0..400 {
        let text = documents.next();
        let body = format!("{{\"claims\":{{\"groups\":{text}}}}}");
        let request = put("/admin/users/alice").by_operator().body("application/json", body);
        let response = provider.send(request);
        let what = Value::from(text.as_str());
        if response.status != 200 {
            assert_status(&response, 400, &what);
            continue;
        }
        assert_status(&response, 200, &what);
        let groups = Value::Object(parse_object(text.as_bytes()).unwrap());
        assert_same(&shown(&provider, "/admin/users/alice")["claims"]["groups"], &groups);
        stored += 1;
    }
    assert!(stored > 60, "{stored} were stored");
}

#[test]
fn imported_users_are_listed_as_they_were_imported() {
    let provider = TestProvider::new();
    let user = |(number, groups)| json!({ "sub": format!("u{number:03}"), "claims": { "groups": groups } });
    let users: Vec<_> = allowed().into_iter().enumerate().map(user).collect();
    let lines: Vec<_> = users.iter().map(Value::to_string).collect();
    assert_same(
        &import(&provider, &lines.join("\n")),
        &json!({ "stored": users.len(), "refused": [] }),
    );
    let listed = shown(&provider, "/admin/users?limit=500")["users"].clone();
    assert_eq!(listed.as_array().unwrap().len(), users.len());
    for (listed, user) in listed.as_array().unwrap().iter().zip(&users) {
        assert_same(&listed["claims"], &user["claims"]);
    }
}

#[test]
fn an_import_refuses_an_invalid_line_and_stores_the_others() {
    let provider = TestProvider::new();
    for hostile in hostile() {
        let good = json!({ "sub": "good" });
        let lines = [
            with(json!({ "sub": "bad" }), &hostile),
            set(json!({ "sub": "bad" }), "claims", &hostile),
            set(json!({ "sub": "bad" }), "login", &hostile),
            json!({ "sub": hostile }),
            hostile.clone(),
            json!([hostile]),
            good,
        ];
        let report = import(&provider, &lines.each_ref().map(Value::to_string).join("\n"));
        let refused = report["refused"].as_array().unwrap();
        assert_eq!((&report["stored"], refused.len()), (&json!(1), 6), "{report}");
    }
    assert_eq!(shown(&provider, "/admin/users")["users"].as_array().unwrap().len(), 1);
}

#[test]
fn a_users_claims_are_released_to_clients_as_they_were_put() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let plain = client(&provider, "plain", json!({}));
    let signed = client(&provider, "signed", json!({ "userinfo_signed_response_alg": "ES256" }));
    let browser = Browser::new(&provider);
    let minted = provider.mint("openid groups");
    let requested = json!({ "id_token": { "groups": null } }).to_string();
    let parameters = [("scope", "openid groups"), ("claims", &*requested)];
    for groups in samples().into_iter().chain([texts(NAMES[0], 3, "[[")]).filter(is_allowed) {
        assert_status(&put_groups(&provider, &groups), 200, &groups);
        for client in [&plain, &signed] {
            let tokens = provider.redeem(client, &browser.authorize(client, LOGIN, &parameters));
            assert_status(&tokens, 200, &groups);
            assert_same(&payload(&field(&tokens, "id_token"))["groups"], &groups);
            let response =
                provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
            assert_status(&response, 200, &groups);
            let claims =
                if client.id == "signed" { payload(&response.body) } else { read(&response) };
            assert_same(&claims["groups"], &groups);
        }
        let response = provider.send(get("/auth/userinfo").bearer(&minted));
        assert_same(&read(&response), &json!({ "sub": "alice", "groups": groups }));
    }
}

#[test]
fn an_id_token_with_such_claims_is_accepted_as_a_hint() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = client(&provider, "app", json!({}));
    let browser = Browser::new(&provider);
    let requested = json!({ "id_token": { "groups": null } }).to_string();
    for name in NAMES {
        for groups in [objects(name, 45, "[["), texts(name, 3, "[["), texts(name, 3, "[1]")] {
            assert_status(&put_groups(&provider, &groups), 200, &groups);
            let tokens = provider
                .redeem(&client, &browser.authorize(&client, LOGIN, &[("claims", &requested)]));
            let hint = field(&tokens, "id_token");
            assert_same(&payload(&hint)["groups"], &groups);
            let silent = client.authorize(&[("prompt", "none"), ("id_token_hint", &hint)]);
            let response = browser.get(&silent);
            assert_status(&response, 303, &groups);
            assert!(
                answer(&response, &client.redirect_uri).contains_key("code"),
                "{}",
                brief(&groups)
            );
        }
    }
}

/// `SCOPES` may name a claim like this.
#[test]
fn a_custom_claim_may_have_a_name_that_serde_json_uses() {
    let scopes = json!({ "odd": NAMES }).to_string();
    let provider = TestProvider::configured(variables_with("SCOPES", &scopes));
    provider.send(get("/auth/jwks.json"));
    let claims = json!({ NAMES[0]: "[[", NAMES[1]: { NAMES[0]: "[1]" } });
    let user = json!({ "login": LOGIN, "claims": claims });
    let response = put_user(&provider, "alice", &user);
    assert_status(&response, 200, &claims);
    assert_same(&read(&response)["claims"], &claims);
    assert_same(&shown(&provider, "/admin/users/alice")["claims"], &claims);
    assert_same(&shown(&provider, "/admin/users")["users"][0]["claims"], &claims);

    let response = provider.send(get("/auth/userinfo").bearer(&provider.mint("openid odd")));
    assert_status(&response, 200, &claims);
    assert_same(&read(&response), &with(json!({ "sub": "alice" }), &claims));

    provider.put_password_hash("alice", &crate::browser::hash_at(19_456, 2));
    let client = client(&provider, "app", json!({}));
    for name in NAMES {
        let requested =
            json!({ "id_token": { name: null }, "userinfo": { name: null } }).to_string();
        let parameters = [("scope", "openid"), ("claims", &*requested)];
        let tokens = provider
            .redeem(&client, &Browser::new(&provider).authorize(&client, LOGIN, &parameters));
        assert_same(&payload(&field(&tokens, "id_token"))[name], &claims[name]);
        let response = provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
        assert_same(&read(&response), &json!({ "sub": "alice", name: claims[name] }));
    }
}

#[test]
fn an_admin_document_with_an_invalid_field_changes_nothing() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let before = shown(&provider, "/admin/users");
    let claims = crate::test_provider::alice();
    let standard = claims.as_object().unwrap().keys().filter(|name| *name != "groups");
    for hostile in samples() {
        let mut documents = Vec::new();
        for (method, path, document) in [
            ("PUT", "/admin/users/alice", json!({ "login": "a", "claims": {}, "sub": "alice" })),
            ("PUT", "/admin/users/alice", json!({ "password": "correct horse" })),
            ("PUT", "/admin/users/alice", json!({ "password_hash": "x" })),
            ("PUT", "/admin/users/alice/password", json!({ "password": "correct horse" })),
            ("POST", "/admin/tokens", json!({ "sub": "alice", "scope": "openid", "ttl": 60 })),
            ("POST", "/admin/initial-access-tokens", json!({ "uses": 1, "ttl": 60 })),
        ] {
            documents.push((method, path, hostile.clone()));
            documents.push((method, path, with(document.clone(), &hostile)));
            documents.push((method, path, set(document.clone(), "x", &hostile)));
            for field in document.as_object().unwrap().keys() {
                documents.push((method, path, set(document.clone(), field, &hostile)));
            }
        }
        for name in standard.clone() {
            let claims = json!({ name: hostile });
            documents.push(("PUT", "/admin/users/alice", json!({ "claims": claims })));
        }
        for address in [json!({ "country": hostile }), with(json!({ "country": "FR" }), &hostile)] {
            let claims = json!({ "address": address });
            documents.push(("PUT", "/admin/users/alice", json!({ "claims": claims })));
        }
        for (method, path, document) in documents {
            let request = if method == "PUT" { put(path) } else { post(path) };
            let response = provider.send(request.by_operator().json(&document));
            assert_status(&response, 400, &document);
            assert_eq!(
                response.error().as_deref(),
                Some("invalid_request"),
                "{path} {}",
                brief(&document)
            );
        }
    }
    assert_same(&shown(&provider, "/admin/users"), &before);
}
