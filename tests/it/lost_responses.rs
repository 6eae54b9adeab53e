//! The operator's requests, and reads, while single responses of the database are lost. Registrations are in
//! `registration/repeated.rs`, codes and tokens in `codes.rs` and `refresh.rs`.

use crate::browser::CALLBACK;
use crate::test_provider::{
    NOW, TestProvider, TestRequest, TestResponse, delete, get, post, put, variables_with,
};
use postern::secret::hash;
use serde_json::{Value, json};

const TEN_MINUTES: i64 = 600;

fn client(name: &str) -> Value {
    json!({ "redirect_uris": [CALLBACK], "client_name": name })
}

/// A provider with alice, the client `app` and the grant `g`.
fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let response = provider.send(put("/admin/clients/app").by_operator().json(&client("App")));
    assert_eq!(response.status, 200);
    let sql = "INSERT INTO grants (id, sub, client_id, scope, created_at) \
               VALUES ('g', 'alice', 'app', 'openid', 0)";
    provider.platform.primary.execute(sql, ()).unwrap();
    provider.mint("openid");
    provider.sleep(5);
    provider
}

/// Every request of the operator that writes.
fn writes() -> Vec<TestRequest> {
    let alice = json!({ "login": "al", "claims": { "name": "A" }, "password": "correct horse" });
    let users =
        "{\"sub\":\"bob\"}\n{\"sub\":\"alice\",\"claims\":{}}\n{\"sub\":\"c\",\"login\":\"bob\"}";
    let requests = vec![
        put("/admin/users/alice").json(&alice),
        put("/admin/users/bob").json(&json!({})),
        post("/admin/users").body("application/x-ndjson", users),
        put("/admin/users/alice/password").json(&json!({ "password": "correct horse" })),
        delete("/admin/users/alice/password"),
        delete("/admin/users/alice"),
        post("/admin/clients").json(&client("New")),
        put("/admin/clients/new").json(&client("New")),
        put("/admin/clients/app").json(&client("Other")),
        delete("/admin/clients/app"),
        post("/admin/initial-access-tokens").json(&json!({})),
        post("/admin/tokens").json(&json!({ "sub": "alice", "scope": "openid" })),
        delete("/admin/grants/g"),
        put("/admin/users/alice").json(&json!({ "disabled": true })),
        put("/admin/users/alice/disabled"),
        delete("/admin/users/alice/disabled"),
        post("/admin/users/alice/signout").json(&json!({ "grants": true })),
        post("/admin/grants/revoke").json(&json!({ "user": "alice" })),
        post("/admin/grants/revoke").json(&json!({ "client": "app" })),
        post("/admin/grants/revoke").json(&json!({ "user": "alice", "client": "app" })),
        post("/admin/clients/app/secret").json(&json!({})),
        post("/admin/clients/app/secret").json(&json!({ "overlap": 0 })),
        delete("/admin/clients/app/previous-secrets"),
    ];
    requests.into_iter().map(TestRequest::by_operator).collect()
}

/// All rows that the operator's requests write.
fn rows(provider: &TestProvider) -> Vec<String> {
    let mut rows = Vec::new();
    for table in ["users", "clients", "grants", "initial_access_tokens", "sessions"] {
        let mut statement =
            provider.platform.primary.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = statement.column_count();
        let mut found = statement.query(()).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..width).map(|index| format!("{:?}", row.get_ref(index).unwrap()));
            rows.push(format!("{table} {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    rows
}

#[test]
fn a_lost_response_changes_neither_the_answer_nor_the_rows_of_the_operators_requests() {
    for request in writes() {
        let send = |lost: u32| {
            let provider = provider();
            provider.platform.lost_responses.set(lost);
            let response = provider.send(request.clone());
            (response, rows(&provider))
        };
        let (expected, expected_rows) = send(0);
        assert_eq!(expected.status, 200, "{request:?} {}", expected.body);
        let (response, rows) = send(1);
        assert_eq!(response.status, 200, "{request:?} {}", response.body);
        // A signature differs, but not the token's grant.
        let without_token = |response: &TestResponse| {
            let mut document = response.json();
            document.as_object_mut().unwrap().remove("access_token");
            document
        };
        assert_eq!(without_token(&response), without_token(&expected), "{request:?}");
        assert_eq!(rows, expected_rows, "{request:?}");
        assert!(response.log["notes"].to_string().contains("injected loss"), "{request:?}");
        assert_eq!(send(2).0.status, 503, "{request:?}");
    }
}

#[test]
fn a_request_of_the_operator_takes_one_request_to_the_database() {
    let deletion = delete("/admin/clients/app").by_operator();
    for request in writes() {
        let provider = provider();
        provider.platform.take_counts();
        assert_eq!(provider.send(request.clone()).status, 200);
        let counts = provider.platform.take_counts();
        // An import with a refused line reads why it is refused. A client is read before it is deleted. The counters of
        // failed passwords are named after the login that is read.
        let text = format!("{request:?}");
        let is_import = text.contains("ndjson");
        let is_password =
            text.contains("/users/alice/password\"") || text == format!("{:?}", writes()[0]);
        let deletes_client = text == format!("{deletion:?}");
        let expected = if is_import || deletes_client || is_password { 2 } else { 1 };
        assert_eq!(counts.statements + counts.batches, expected, "{request:?}");
    }
}

#[test]
fn reads_run_once_more_if_the_database_fails() {
    let provider = provider();
    let access_token = provider.mint("openid");
    let mut requests: Vec<_> = [
        "/admin/users",
        "/admin/users/alice",
        "/admin/clients",
        "/admin/clients/app",
        "/admin/sessions",
        "/admin/grants?user=alice",
        "/admin/initial-access-tokens",
    ]
    .into_iter()
    .map(|path| get(path).by_operator())
    .collect();
    requests.push(get("/auth/userinfo").bearer(&access_token));
    for request in requests {
        for (failing, status) in [(1, 200), (2, 503)] {
            provider.platform.failing_reads.set(failing);
            let response = provider.send(request.clone());
            assert_eq!(response.status, status, "{request:?} {}", response.body);
            assert_eq!(provider.platform.failing_reads.get(), 0);
            assert!(response.log["notes"].to_string().contains("injected loss"), "{request:?}");
        }
    }
}

#[test]
fn a_second_deletion_of_a_user_returns_the_time_of_the_first() {
    let provider = provider();
    let delete_user = |sub: &str| {
        let response = provider.send(delete(&format!("/admin/users/{sub}")).by_operator());
        (response.status, response.json()["deleted_at"].clone())
    };
    let first = (200, json!(NOW + 5));
    assert_eq!(delete_user("alice"), first);
    provider.sleep(100);
    assert_eq!(delete_user("alice"), first);
    assert_eq!(delete_user("nobody").0, 404);
    let response = provider.send(put("/admin/users/nobody").by_operator().json(&json!({})));
    assert_eq!(response.status, 200, "a deletion leaves no tombstone of a user that never was");
}

#[test]
fn an_unknown_client_is_not_found_even_if_the_database_fails() {
    let provider = provider();
    let delete_client = || provider.send(delete("/admin/clients/none").by_operator()).status;
    assert_eq!(delete_client(), 404);
    provider.platform.lost_responses.set(1);
    assert_eq!(delete_client(), 404);
    provider.platform.failing_reads.set(1);
    assert_eq!(delete_client(), 404);
}

#[test]
fn a_client_that_another_request_deletes_meanwhile_is_not_found() {
    let provider = provider();
    let other = "DELETE FROM clients";
    provider.platform.before_batches.borrow_mut().push_back(other);
    assert_eq!(provider.send(delete("/admin/clients/app").by_operator()).status, 404);
}

#[test]
fn a_deleted_user_gets_neither_a_password_nor_a_token() {
    let provider = provider();
    assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
    let before = rows(&provider);
    for request in [
        put("/admin/users/alice/password").json(&json!({ "password": "correct horse" })),
        delete("/admin/users/alice/password"),
        post("/admin/tokens").json(&json!({ "sub": "alice", "scope": "openid" })),
    ] {
        for lost in [0, 1] {
            provider.platform.lost_responses.set(lost);
            let response = provider.send(request.clone().by_operator());
            assert_eq!(response.status, 404, "{request:?} {}", response.body);
        }
    }
    assert_eq!(rows(&provider), before);
}

fn put_secret(provider: &TestProvider, document: &Value) -> Option<String> {
    let response = provider.send(put("/admin/clients/new").by_operator().json(document));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json().get("client_secret").map(|secret| secret.as_str().unwrap().to_owned())
}

#[test]
fn the_same_put_of_a_client_gets_its_new_secret_again_for_ten_minutes() {
    let provider = provider();
    let document = client("New");
    let public = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let first = put_secret(&provider, &document);
    assert!(first.is_some());
    provider.sleep(TEN_MINUTES - 1);
    assert_eq!(put_secret(&provider, &document), first);
    assert_eq!(put_secret(&provider, &client("Other")), None, "another document");
    provider.sleep(1);
    assert_eq!(put_secret(&provider, &document), None);

    // A secret does not return after it was removed, or the client deleted.
    assert_eq!(put_secret(&provider, &public), None);
    let second = put_secret(&provider, &document);
    assert!(second.is_some() && second != first);
    assert_eq!(provider.send(delete("/admin/clients/new").by_operator()).status, 200);
    let third = put_secret(&provider, &document);
    assert!(third.is_some() && third != first && third != second);

    // It follows from both of the operator's secrets.
    let other = "another-token-of-the-operator-0123456789";
    provider.deploy(variables_with("ADMIN_TOKEN", other));
    let request = put("/admin/clients/new").bearer(other).json(&document);
    let response = provider.send(request);
    assert_eq!((response.status, response.json().get("client_secret")), (200, None));
    provider.deploy(variables_with("KEY_ENCRYPTION_KEY", &"A".repeat(43)));
    assert_eq!(put_secret(&provider, &document), None);
}

#[test]
fn a_client_whose_creation_was_lost_gets_its_secret_by_a_put_of_what_is_stored() {
    let provider = provider();
    let created = provider.send(post("/admin/clients").by_operator().json(&client("New"))).json();
    let path = format!("/admin/clients/{}", created["client_id"].as_str().unwrap());
    let stored = provider.send(get(&path).by_operator()).json();
    assert_eq!(stored.get("client_secret"), None);
    let put_again = provider.send(put(&path).by_operator().json(&stored)).json();
    assert_eq!(put_again, created);
}

#[test]
fn the_salt_of_a_secret_is_not_the_secret() {
    let provider = provider();
    let secret = put_secret(&provider, &client("New")).unwrap();
    let sql = "SELECT secret_hash, secret_salt FROM clients WHERE client_id = 'new'";
    let (stored, salt): (String, String) =
        provider.platform.primary.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(stored, hash(&secret));
    assert!(salt != secret && hash(&salt) != stored);
}
