//! A user agrees to what a page has shown: to claims that were known then.

use std::fs;

use crate::browser::{Browser, CALLBACK, answer, claims, field, is_consent};
use crate::test_provider::{TestProvider, get, put, variables_with};
use rusqlite::Connection;
use serde_json::json;

const LOGIN: &str = "alice@example.com";

/// Requests a claim that no scope releases yet, and one that a scope of the provider releases.
const CLAIMS: &str = r#"{"userinfo":{"salary":null,"salary#de":null,"phone_number":null},
    "id_token":{"salary":null,"name#fr":null}}"#;

/// The operator defines a scope for the claim `salary`, and gives it to alice.
fn add_salary(provider: &TestProvider, registration: &str) {
    let mut variables = variables_with("SCOPES", r#"{"hr":["salary"]}"#);
    variables.push(("REGISTRATION", registration.into()));
    provider.deploy(variables);
    let claims = json!({ "name": "Alice Adams", "name#fr": "Alice", "phone_number": "+33 1",
        "salary": 1, "email": LOGIN });
    let response =
        provider.send(put("/admin/users/alice").by_operator().json(&json!({ "claims": claims })));
    assert_eq!(response.status, 200, "{}", response.body);
}

#[test]
fn a_claim_that_the_operator_adds_later_is_not_released_to_older_grants() {
    for is_trusted in [true, false] {
        let provider = TestProvider::new();
        provider.put_alice_with_password();
        let app = provider.put_client_with("app", json!({ "trusted": is_trusted }));
        let browser = Browser::new(&provider);
        let parameters = [("scope", "openid offline_access"), ("claims", CLAIMS)];
        let code = browser.authorize(&app, LOGIN, &parameters);
        let tokens = provider.redeem(&app, &code);
        add_salary(&provider, "closed");
        let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
        let id_token = claims(&field(&refreshed, "id_token"));
        assert_eq!((id_token.get("salary"), &id_token["name#fr"]), (None, &json!("Alice")));
        let expected = json!({ "sub": "alice", "phone_number": "+33 1" });
        for response in [&tokens, &refreshed] {
            let token = field(response, "access_token");
            assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).json(), expected);
        }

        // A new sign-in shows it, and releases it.
        let page = browser.get(&app.authorize(&parameters));
        assert_eq!(is_consent(&page), !is_trusted);
        let response = if is_trusted {
            page
        } else {
            assert!(page.body.contains("salary"), "{}", page.body);
            browser.submit(&page, &[("decision", "allow")])
        };
        let tokens = provider.redeem(&app, &answer(&response, CALLBACK)["code"]);
        assert_eq!(claims(&field(&tokens, "id_token"))["salary"], 1);
    }
}

/// Applies the migrations whose number is in a range.
fn migrate(database: &Connection, numbers: impl Fn(&str) -> bool) {
    let mut paths: Vec<_> =
        fs::read_dir("migrations").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if numbers(&path.file_name().unwrap().to_str().unwrap()[..4]) {
            database.execute_batch(&fs::read_to_string(path).unwrap()).unwrap();
        }
    }
}

#[test]
fn the_migration_clears_the_claims_that_nobody_may_have_known() {
    let database = Connection::open_in_memory().unwrap();
    migrate(&database, |number| number < "0018");
    let requested = r#"{"id_token":["salary","name#fr","groups","auth_time"],"userinfo":["email","salary#de","nam"]}"#;
    database
        .execute_batch(&format!(
            "INSERT INTO users (sub, login, claims, created_at, updated_at) VALUES ('alice', 'alice', '{{}}', 0, 0);
             INSERT INTO grants (id, sub, client_id, scope, created_at, claims) VALUES
               ('some', 'alice', 'app', 'openid', 0, '{requested}'),
               ('half', 'alice', 'app', 'openid', 0, '{{\"userinfo\":[\"salary\"]}}'),
               ('none', 'alice', 'app', 'openid', 0, '{{}}'),
               ('null', 'alice', 'app', 'openid', 0, NULL),
               ('damaged', 'alice', 'app', 'openid', 0, '{{');
             INSERT INTO consents (sub, client_id, scope, claims, granted_at)
               VALUES ('alice', 'app', 'openid', 'email badge', 0);"
        ))
        .unwrap();
    migrate(&database, |number| number >= "0018");
    let of = |id: &str| -> Option<String> {
        let sql = "SELECT claims FROM grants WHERE id = ?1";
        database.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    let expected = r#"{"id_token":["name#fr","groups"],"userinfo":["email"]}"#;
    assert_eq!(of("some").as_deref(), Some(expected));
    assert_eq!(of("half").as_deref(), Some(r#"{"id_token":[],"userinfo":[]}"#));
    assert_eq!((of("none").as_deref(), of("null")), (Some("{}"), None));
    assert_eq!(of("damaged").as_deref(), Some("{"));
    // A consent has only claims that a page has shown.
    let sql = "SELECT claims FROM consents";
    let consent: String = database.query_row(sql, (), |row| row.get(0)).unwrap();
    assert_eq!(consent, "email badge");
}
