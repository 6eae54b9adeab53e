use crate::test_provider::{NOW, TestProvider, TestResponse, delete, get, post, put};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CALLBACK: &str = "https://app.example/cb";

fn create(provider: &TestProvider, document: &Value) -> TestResponse {
    provider.send(post("/admin/clients").by_operator().json(document))
}

fn put_client(provider: &TestProvider, id: &str, document: &Value) -> TestResponse {
    provider.send(put(&format!("/admin/clients/{id}")).by_operator().json(document))
}

fn show(provider: &TestProvider, id: &str) -> TestResponse {
    provider.send(get(&format!("/admin/clients/{id}")).by_operator())
}

fn stored_hash(provider: &TestProvider, id: &str) -> Option<String> {
    let sql = "SELECT secret_hash FROM clients WHERE client_id = ?1";
    provider.platform.primary.query_row(sql, [id], |row| row.get(0)).unwrap()
}

#[track_caller]
fn assert_refused(response: &TestResponse, status: u16, words: &str) {
    assert_eq!(response.status, status, "{}", response.body);
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(words), "{description}");
}

#[test]
fn a_client_is_shown_with_its_secret_only_once() {
    let provider = TestProvider::new();
    let response = create(&provider, &json!({ "client_name": "App", "redirect_uris": [CALLBACK] }));
    assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")));
    let mut created = response.json();
    let id = created["client_id"].as_str().unwrap().to_owned();
    let secret = created["client_secret"].as_str().unwrap().to_owned();
    for text in [&id, &secret] {
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
    }
    assert_eq!((id.len(), secret.len()), (22, 43));
    assert_eq!(created["client_secret_expires_at"], 0);
    assert_eq!(
        (&created["client_id_issued_at"], &created["trusted"]),
        (&NOW.into(), &false.into())
    );
    assert_eq!(created["token_endpoint_auth_method"], "client_secret_basic");

    let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(&secret));
    assert_eq!(stored_hash(&provider, &id), Some(hash));
    created.as_object_mut().unwrap().remove("client_secret");
    created.as_object_mut().unwrap().remove("client_secret_expires_at");
    assert_eq!(show(&provider, &id).json(), created);
}

#[test]
fn a_second_put_of_a_client_keeps_its_secret() {
    let provider = TestProvider::new();
    let first = put_client(&provider, "app", &json!({ "redirect_uris": [CALLBACK] })).json();
    assert!(first.get("client_secret").is_some());
    let hash = stored_hash(&provider, "app");

    provider.sleep(5);
    let mut shown = show(&provider, "app").json();
    shown["client_name"] = "App".into();
    shown["trusted"] = true.into();
    let again = put_client(&provider, "app", &shown).json();
    assert_eq!(again, shown, "a shown document can be changed and put");
    assert_eq!(stored_hash(&provider, "app"), hash);
}

#[test]
fn a_public_client_that_becomes_confidential_gets_a_new_secret() {
    let provider = TestProvider::new();
    let document =
        |method| json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
    let secret = |method| {
        put_client(&provider, "app", &document(method)).json().get("client_secret").cloned()
    };
    let first = secret("client_secret_post");
    assert!(first.is_some());
    assert_eq!(secret("none"), None);
    assert_eq!(stored_hash(&provider, "app"), None);
    let second = secret("client_secret_basic");
    assert!(second.is_some() && second != first);
    assert_eq!(secret("client_secret_post"), None, "both methods use the same secret");
}

#[test]
fn an_invalid_document_or_client_id_is_refused() {
    let provider = TestProvider::new();
    for (document, words) in [
        (json!([]), "not a JSON object"),
        (json!({}), "redirect_uris: must be an array of 1 to 50 URIs"),
        (
            json!({ "redirect_uris": [CALLBACK], "client_secret": "x" }),
            "client_secret: unknown field",
        ),
        (
            json!({ "redirect_uris": [CALLBACK], "client_id": "x" }),
            "client_id: must be the client_id in the path",
        ),
        (json!({ "redirect_uris": [CALLBACK], "trusted": 1 }), "trusted: must be true or false"),
        (json!({ "redirect_uris": [CALLBACK, "x"] }), "redirect_uris[1]: must be"),
    ] {
        assert_refused(&put_client(&provider, "app", &document), 400, words);
    }
    let document = json!({ "redirect_uris": [CALLBACK] });
    for id in ["-app", "a%20b", "a.b", "%C3%A9", &"x".repeat(65), "a%2Fb"] {
        assert_refused(&put_client(&provider, id, &document), 400, "client_id: must be");
    }
    assert_refused(&put_client(&provider, "operator", &document), 409, "operator");
    assert_eq!(provider.send(get("/admin/clients").by_operator()).json(), json!({ "clients": [] }));
}

#[test]
fn clients_are_listed_in_pages() {
    let provider = TestProvider::new();
    for n in 0..5 {
        put_client(&provider, &format!("app{n}"), &json!({ "redirect_uris": [CALLBACK] }));
    }
    let page =
        |query: &str| provider.send(get(&format!("/admin/clients?{query}")).by_operator()).json();
    let ids = |page: &Value| -> Vec<String> {
        let clients = page["clients"].as_array().unwrap().iter();
        clients.map(|client| client["client_id"].as_str().unwrap().to_owned()).collect()
    };
    let first = page("limit=3");
    assert_eq!(
        (ids(&first), &first["next"]),
        (vec!["app0".into(), "app1".into(), "app2".into()], &"app2".into())
    );
    let second = page("limit=3&after=app2");
    assert_eq!((ids(&second), second.get("next")), (vec!["app3".into(), "app4".into()], None));
    assert!(!first.to_string().contains("secret\""));

    // Expired clients are not listed, and a page reads no more rows than it may list.
    let expire = "UPDATE clients SET expires_at = 1, registration_token_hash = client_id WHERE client_id < 'app4'";
    assert_eq!(provider.platform.primary.execute(expire, ()).unwrap(), 4);
    let empty = page("limit=2");
    assert_eq!((ids(&empty), &empty["next"]), (vec![], &json!("app1")));
    assert_eq!(ids(&page("limit=10")), ["app4"]);
}

#[test]
fn deleting_a_client_deletes_its_grants() {
    let provider = TestProvider::new();
    provider.put_alice();
    put_client(&provider, "app", &json!({ "redirect_uris": [CALLBACK] }));
    let insert = "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) VALUES (?1, 'alice', ?2, 'openid', 0, NULL)";
    for (grant, client) in [("g1", "app"), ("g2", "other")] {
        provider.platform.primary.execute(insert, [grant, client]).unwrap();
    }
    let response = provider.send(delete("/admin/clients/app").by_operator());
    assert_eq!(response.json(), json!({ "client_id": "app", "deleted_at": NOW }));
    let left = "SELECT group_concat(id) FROM grants";
    assert_eq!(
        provider.platform.primary.query_row(left, (), |row| row.get(0)),
        Ok("g2".to_owned())
    );
    assert_eq!(show(&provider, "app").status, 404);
    assert_eq!(provider.send(delete("/admin/clients/app").by_operator()).status, 404);
}

#[test]
fn deleting_an_unknown_client_deletes_nothing() {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = provider.mint("openid");
    assert_eq!(provider.send(delete("/admin/clients/operator").by_operator()).status, 404);
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
}
