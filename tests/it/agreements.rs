//! A user agrees to what a page has shown: to claims that were known then, and for a client as it was then.

use std::fs;

use crate::browser::{Browser, CALLBACK, TestClient, answer, claims, field, is_consent};
use crate::client_documents;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, put, variables_with};
use rusqlite::Connection;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const SECTOR: &str = "https://sector.example/uris.json";

/// Requests a claim that no scope releases yet, and one that a scope of the provider releases.
const CLAIMS: &str = r#"{"userinfo":{"salary":null,"salary#de":null,"phone_number":null},
    "id_token":{"salary":null,"name#fr":null}}"#;

/// Sends a request without a page. Returns whether it got a code.
fn is_silent(browser: &Browser<'_>, client: &TestClient, parameters: &[(&str, &str)]) -> bool {
    let mut all = vec![("prompt", "none")];
    all.extend(parameters);
    let response = browser.get(&client.authorize(&all));
    response.header("location").is_some_and(|location| location.contains("code="))
}

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
    migrate(&database, |number| number < "0017");
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
    migrate(&database, |number| number >= "0017");
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
    let sql = "SELECT claims, apis, identity FROM consents";
    let consent: (String, Option<String>, Option<String>) =
        database.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(consent, ("email badge".into(), None, None));
}

/// A client that manages its own registration.
struct OwnClient<'a> {
    provider: &'a TestProvider,
    registered: Value,
}

impl<'a> OwnClient<'a> {
    fn register(provider: &'a TestProvider, fields: &Value) -> Self {
        let response = provider.send(post("/auth/register").json(&document(fields)));
        assert_eq!(response.status, 201, "{}", response.body);
        Self { provider, registered: response.json() }
    }

    fn text(&self, field: &str) -> &str {
        self.registered[field].as_str().unwrap()
    }

    /// Replaces the registration by the usual document with these fields.
    fn change(&self, fields: &Value) {
        let mut document = document(fields);
        document["client_id"] = self.registered["client_id"].clone();
        let path = self.text("registration_client_uri").strip_prefix(ISSUER).unwrap();
        let request = put(path).bearer(self.text("registration_access_token"));
        let response = self.provider.send(request.json(&document));
        assert_eq!(response.status, 200, "{}", response.body);
    }

    fn client(&self, redirect_uri: &str) -> TestClient {
        TestClient {
            id: self.text("client_id").into(),
            secret: Some(self.text("client_secret").into()),
            redirect_uri: redirect_uri.into(),
        }
    }
}

fn document(fields: &Value) -> Value {
    let mut document = json!({
        "client_name": "The App", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    for (name, value) in fields.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let list = postern::ports::Document {
        status: 200,
        media_type: "application/json".into(),
        text: Some(json!([CALLBACK]).to_string()),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(SECTOR.into(), list);
    provider
}

#[test]
fn a_consent_ends_when_a_client_changes_what_the_page_identified_it_by() {
    let other = "https://other.example/cb";
    for (before, after, redirect_uri) in [
        (json!({}), json!({ "client_name": "The Bank" }), CALLBACK),
        (json!({ "client_name#de": "Die App" }), json!({ "client_name#de": "Die Bank" }), CALLBACK),
        (json!({}), json!({ "client_name#fr": "La Banque" }), CALLBACK),
        (json!({}), json!({ "redirect_uris": [other] }), other),
        (json!({}), json!({ "redirect_uris": [CALLBACK, other] }), CALLBACK),
        (json!({}), json!({ "redirect_uris": [CALLBACK, other] }), other),
        (json!({}), json!({ "redirect_uris": [CALLBACK, "http://localhost/cb"] }), CALLBACK),
        (json!({ "subject_type": "pairwise" }), json!({}), CALLBACK),
        (json!({}), json!({ "subject_type": "pairwise" }), CALLBACK),
        (
            json!({ "subject_type": "pairwise" }),
            json!({ "subject_type": "pairwise", "sector_identifier_uri": SECTOR }),
            CALLBACK,
        ),
    ] {
        let provider = provider();
        let own = OwnClient::register(&provider, &before);
        let browser = Browser::new(&provider);
        browser.authorize(&own.client(CALLBACK), LOGIN, &[]);
        assert!(is_silent(&browser, &own.client(CALLBACK), &[]), "{before}");
        own.change(&after);
        let changed = own.client(redirect_uri);
        assert!(!is_silent(&browser, &changed, &[]), "{after}");
        let page = browser.get(&changed.authorize(&[]));
        assert!(is_consent(&page), "{after}: {}", page.body);
        // A client that changes back is the one that the user knows.
        own.change(&before);
        assert!(is_silent(&browser, &own.client(CALLBACK), &[]), "{before}");
    }
}

#[test]
fn a_consent_outlives_changes_that_its_page_did_not_show() {
    let provider = provider();
    let own = OwnClient::register(&provider, &json!({}));
    let browser = Browser::new(&provider);
    browser.authorize(&own.client(CALLBACK), LOGIN, &[]);
    let moved = "https://APP.example:8443/other";
    own.change(&json!({
        "redirect_uris": [moved], "policy_uri": "https://app.example/privacy",
        "scope": "openid profile email phone",
    }));
    assert!(is_silent(&browser, &own.client(moved), &[]));
    assert!(!is_silent(&browser, &own.client(moved), &[("scope", "openid phone")]));
}

#[test]
fn a_consent_counts_for_the_host_that_the_page_showed() {
    let provider = provider();
    let evil = "https://evil.example/cb";
    let own = OwnClient::register(&provider, &json!({ "redirect_uris": [CALLBACK, evil] }));
    let browser = Browser::new(&provider);
    browser.authorize(&own.client(CALLBACK), LOGIN, &[]);
    assert!(is_silent(&browser, &own.client(CALLBACK), &[]));
    assert!(!is_silent(&browser, &own.client(evil), &[]));
    // Nor does a consent for that host give it what the user allowed elsewhere.
    let scopes = ["openid", "openid email", "openid profile email"];
    browser.authorize(&own.client(evil), LOGIN, &[("scope", "openid")]);
    for scope in scopes {
        assert!(!is_silent(&browser, &own.client(evil), &[("scope", scope)]), "{scope}");
    }
    // A host that has shown all of it, has all of it.
    browser.authorize(&own.client(evil), LOGIN, &[("scope", "openid profile email phone")]);
    for scope in scopes {
        assert!(is_silent(&browser, &own.client(evil), &[("scope", scope)]), "{scope}");
        assert!(!is_silent(&browser, &own.client(CALLBACK), &[("scope", scope)]), "{scope}");
    }
}

#[test]
fn a_consent_at_one_host_leaves_what_the_client_has_by_another() {
    let desk = "https://desk.example/cb";
    let provider = provider();
    let own = OwnClient::register(&provider, &json!({ "redirect_uris": [CALLBACK, desk] }));
    let browser = Browser::new(&provider);
    let whole = [("scope", "openid email offline_access")];
    let code = browser.authorize(&own.client(CALLBACK), LOGIN, &whole);
    let tokens = provider.redeem(&own.client(CALLBACK), &code);
    browser.authorize(&own.client(desk), LOGIN, &[("scope", "openid")]);
    let refreshed = provider.refresh(&own.client(CALLBACK), &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], whole[0].1, "{}", refreshed.body);
}

#[test]
fn an_error_is_not_sent_to_a_host_that_the_page_of_a_consent_did_not_show() {
    let provider = provider();
    let evil = "https://evil.example/cb";
    let own = OwnClient::register(&provider, &json!({ "redirect_uris": [CALLBACK, evil] }));
    let browser = Browser::new(&provider);
    browser.authorize(&own.client(CALLBACK), LOGIN, &[]);
    let send = |redirect_uri| {
        let client = own.client(redirect_uri);
        browser.get(&client.authorize(&[("prompt", "none"), ("scope", "openid phone")]))
    };
    assert_eq!(answer(&send(CALLBACK), CALLBACK)["error"], "consent_required");
    assert_eq!(send(evil).header("location"), None);
}

#[test]
fn a_client_under_another_name_gets_only_what_the_new_page_showed() {
    let provider = provider();
    let own = OwnClient::register(&provider, &json!({}));
    let browser = Browser::new(&provider);
    let whole = [("scope", "openid profile email offline_access")];
    let code = browser.authorize(&own.client(CALLBACK), LOGIN, &whole);
    let tokens = provider.redeem(&own.client(CALLBACK), &code);
    own.change(&json!({ "client_name": "The Bank" }));

    // The client keeps what it has.
    let refreshed = provider.refresh(&own.client(CALLBACK), &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], whole[0].1);
    browser.authorize(&own.client(CALLBACK), LOGIN, &[("scope", "openid offline_access")]);
    assert!(!is_silent(&browser, &own.client(CALLBACK), &whole));
    // The new consent replaces the one for the former name, for older grants, too.
    let refreshed = provider.refresh(&own.client(CALLBACK), &field(&refreshed, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], "openid offline_access");
}

#[test]
fn the_operator_vouches_for_the_changes_of_its_clients() {
    let provider = provider();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[]);
    let other = "https://other.example/cb";
    let app = provider.put_client_with(
        "app",
        json!({ "client_name": "Renamed", "redirect_uris": [other], "subject_type": "pairwise" }),
    );
    assert!(is_silent(&browser, &app, &[]));

    // A client that becomes the operator's keeps the consents that its users gave before.
    let own = OwnClient::register(&provider, &json!({}));
    browser.authorize(&own.client(CALLBACK), LOGIN, &[]);
    let app = provider.put_client_with(own.text("client_id"), json!({ "client_name": "Ours" }));
    assert!(is_silent(&browser, &app, &[]));
}

#[test]
fn a_consent_of_an_older_version_counts_for_the_operators_clients_only() {
    let provider = provider();
    let (app, own) = (provider.put_app(), OwnClient::register(&provider, &json!({})));
    let own = own.client(CALLBACK);
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[]);
    let parameters = [("scope", "openid profile email offline_access")];
    let tokens = provider.redeem(&own, &browser.authorize(&own, LOGIN, &parameters));
    let sql = "UPDATE consents SET apis = NULL, identity = NULL";
    provider.platform.primary.execute(sql, ()).unwrap();
    // The grants of older versions go on.
    let refreshed = provider.refresh(&own, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], parameters[0].1);
    assert!(is_silent(&browser, &app, &[]));
    assert!(!is_silent(&browser, &own, &[]));
    browser.authorize(&own, LOGIN, &[]);
    assert!(is_silent(&browser, &own, &[]));
}

#[test]
fn a_client_that_changes_while_the_page_is_open_is_shown_again() {
    let provider = provider();
    let own = OwnClient::register(&provider, &json!({}));
    let client = own.client(CALLBACK);
    let browser = Browser::new(&provider);
    let page = browser.sign_in_on(&browser.get(&client.authorize(&[])), LOGIN);
    assert!(is_consent(&page));
    for fields in [
        json!({ "client_name": "The Bank" }),
        json!({ "client_name": "The Bank", "subject_type": "pairwise" }),
    ] {
        own.change(&fields);
        let again = browser.submit(&page, &[("decision", "allow")]);
        assert!(is_consent(&again) && again.body.contains("The Bank"), "{}", again.body);
    }
    let again = browser.submit(&page, &[("decision", "allow")]);
    let response = browser.submit(&again, &[("decision", "allow")]);
    assert!(answer(&response, CALLBACK).contains_key("code"), "{}", response.body);
}

#[test]
fn a_consent_ends_when_a_document_names_its_client_otherwise() {
    let provider = client_documents::provider();
    let browser = Browser::new(&provider);
    let client = client_documents::client();
    browser.authorize(&client, LOGIN, &[]);
    assert!(is_silent(&browser, &client, &[]));
    client_documents::publish(
        &provider,
        &client_documents::document_with(json!({ "client_name": "The Bank" })),
    );
    assert!(is_silent(&browser, &client, &[]), "the copy of the document counts");
    provider.sleep(postern::lifetimes::CLIENT_DOCUMENT_LONGEST_SECONDS);
    browser.authorize(&provider.put_client_with("any", json!({ "trusted": true })), LOGIN, &[]);
    assert!(!is_silent(&browser, &client, &[]));
    assert!(is_consent(&browser.get(&client.authorize(&[]))));
}

/// The `sub` of the tokens of a response, which is the same everywhere.
fn subject(provider: &TestProvider, response: &TestResponse) -> Value {
    let sub = claims(&field(response, "id_token"))["sub"].clone();
    let access_token = field(response, "access_token");
    assert_eq!(claims(&access_token)["sub"], sub);
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).json()["sub"], sub);
    sub
}

#[test]
fn a_refresh_keeps_the_subject_of_a_client_that_changes_its_subject_type() {
    for (before, after) in [("pairwise", "public"), ("public", "pairwise")] {
        let provider = provider();
        let own = OwnClient::register(&provider, &json!({ "subject_type": before }));
        let client = own.client(CALLBACK);
        let browser = Browser::new(&provider);
        let parameters = [("scope", "openid offline_access")];
        let tokens = provider.redeem(&client, &browser.authorize(&client, LOGIN, &parameters));
        let known = subject(&provider, &tokens);
        own.change(&json!({ "subject_type": after }));
        let refreshed = provider.refresh(&client, &field(&tokens, "refresh_token"));
        assert_eq!(subject(&provider, &refreshed), known, "{before}");
        let tokens = provider.redeem(&client, &browser.authorize(&client, LOGIN, &parameters));
        assert_ne!(subject(&provider, &tokens), known, "{before}");
    }
}
