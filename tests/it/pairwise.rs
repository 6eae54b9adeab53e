//! Pairwise subject identifiers (OpenID Connect Core section 8.1).

use crate::browser::{Browser, CALLBACK, TestClient, answer, claims, field, is_login};
use crate::test_provider::{TestProvider, TestResponse, delete, get, post, put, variables_with};
use postern::lifetimes::FETCH_RETRY_SECONDS;
use postern::ports::Document;
use serde_json::{Value, json};

const SECTOR: &str = "https://sector.example/uris.json";

fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    provider
}

fn client(provider: &TestProvider, id: &str, fields: Value) -> TestClient {
    let mut all = json!({ "subject_type": "pairwise", "response_types": ["code"] });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    provider.put_client_with(id, all)
}

fn serve_list(provider: &TestProvider, uris: &Value) {
    serve(provider, 200, "application/json", &uris.to_string());
}

fn serve(provider: &TestProvider, status: u16, media_type: &str, text: &str) {
    let document = Document {
        status,
        media_type: media_type.into(),
        text: Some(text.into()),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(SECTOR.into(), document);
}

/// Alice's subject identifier, the same in all tokens and at userinfo, and the token response.
fn subject(provider: &TestProvider, client: &TestClient) -> (String, Value) {
    let browser = Browser::new(provider);
    let parameters = [("scope", "openid email offline_access"), ("prompt", "consent")];
    let code = browser.authorize(client, "alice@example.com", &parameters);
    let tokens = provider.redeem(client, &code).json();
    let of = |jwt: &str| claims(tokens[jwt].as_str().unwrap())["sub"].as_str().unwrap().to_owned();
    let subject = of("id_token");
    assert_eq!(of("access_token"), subject);
    let response =
        provider.send(get("/auth/userinfo").bearer(tokens["access_token"].as_str().unwrap()));
    assert_eq!(
        response.json(),
        json!({ "sub": subject, "email": "alice@example.com", "email_verified": true })
    );
    let refreshed = provider.refresh(client, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(claims(&field(&refreshed, "id_token"))["sub"], subject);
    assert_eq!(claims(&field(&refreshed, "access_token"))["sub"], subject);
    (subject, tokens)
}

#[test]
fn clients_of_one_sector_share_a_subject_and_others_differ() {
    let provider = provider();
    let hosts = |uri: &str| json!({ "redirect_uris": [uri] });
    let one = client(&provider, "one", hosts("https://app.example/one"));
    let same = client(&provider, "same", hosts("https://APP.example:8443/two"));
    let other = client(&provider, "other", hosts("https://other.example/"));
    let public = provider.put_client_with("public", json!({}));
    let (name, _) = subject(&provider, &one);
    assert_eq!(name.len(), 43);
    assert_eq!(subject(&provider, &one).0, name, "stable");
    assert_eq!(subject(&provider, &same).0, name);
    let elsewhere = subject(&provider, &other).0;
    assert!(elsewhere != name && elsewhere.len() == 43);
    assert_eq!(subject(&provider, &public).0, "alice");
    provider.new_isolate();
    assert_eq!(subject(&provider, &one).0, name);
}

#[test]
fn pairwise_subjects_do_not_depend_on_keys() {
    let provider = provider();
    let client = client(&provider, "app", json!({}));
    let (name, _) = subject(&provider, &client);
    provider.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
    provider.platform.cache.borrow_mut().clear();
    provider.deploy(variables_with("KEY_ENCRYPTION_KEY", &"A".repeat(43)));
    provider.sleep(61);
    provider.send(get("/auth/jwks.json"));
    assert_eq!(subject(&provider, &client).0, name);
}

#[test]
fn a_client_requests_a_user_by_the_pairwise_subject_only() {
    let provider = provider();
    let client = client(&provider, "app", json!({}));
    let (name, tokens) = subject(&provider, &client);
    provider.put_user("bob");
    let browser = Browser::new(&provider);
    browser.authorize(&client, "alice@example.com", &[]);
    let send_request = |browser: &Browser, more: (&str, &str)| {
        browser.get(&client.authorize(&[("prompt", "none"), ("scope", "openid"), more]))
    };
    let sub = |value: &str| json!({ "id_token": { "sub": { "value": value } } }).to_string();
    let hint = tokens["id_token"].as_str().unwrap();
    for more in [("id_token_hint", hint), ("claims", &*sub(&name))] {
        assert!(answer(&send_request(&browser, more), CALLBACK).contains_key("code"), "{more:?}");
    }
    // A client cannot test which user is behind a pairwise subject.
    for requested in ["alice", "bob", "", "x"] {
        let error =
            answer(&send_request(&browser, ("claims", &sub(requested))), CALLBACK)["error"].clone();
        assert!(error == "login_required" || error == "invalid_request", "{requested} {error}");
    }
    let other = Browser::new(&provider);
    other.authorize(&client, "bob", &[]);
    assert_eq!(
        answer(&send_request(&other, ("id_token_hint", hint)), CALLBACK)["error"],
        "login_required"
    );
    // In another sector the same subject is unknown.
    let elsewhere =
        self::client(&provider, "else", json!({ "redirect_uris": ["https://e.example/"] }));
    let parameters = [("prompt", "none"), ("scope", "openid"), ("claims", &*sub(&name))];
    let response = browser.get(&elsewhere.authorize(&parameters));
    assert_eq!(answer(&response, "https://e.example/")["error"], "login_required");
}

#[test]
fn deleting_a_user_deletes_the_pairwise_subjects() {
    let provider = provider();
    let client = client(&provider, "app", json!({}));
    subject(&provider, &client);
    let count = |provider: &TestProvider| -> i64 {
        let sql = "SELECT count(*) FROM pairwise_subjects";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&provider), 1);
    assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
    assert_eq!(count(&provider), 0);
}

#[test]
fn older_grants_keep_their_subject_when_a_client_becomes_pairwise() {
    let provider = provider();
    let client = provider.put_app();
    let code = Browser::new(&provider).authorize(
        &client,
        "alice@example.com",
        &[("scope", "openid offline_access"), ("prompt", "consent")],
    );
    let tokens = provider.redeem(&client, &code).json();
    self::client(&provider, "app", json!({}));
    let response = provider.refresh(&client, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(claims(&field(&response, "id_token"))["sub"], "alice");
    assert_ne!(subject(&provider, &client).0, "alice");
}

/// Stores a pairwise client with these redirect URIs and metadata fields.
fn put_with(provider: &TestProvider, uris: &Value, fields: Value) -> TestResponse {
    let mut document = json!({ "subject_type": "pairwise", "redirect_uris": uris });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    provider.send(put("/admin/clients/app").by_operator().json(&document))
}

#[test]
fn a_sector_needs_one_host_or_a_list_of_redirect_uris() {
    let provider = provider();
    let two = json!(["https://a.example/cb", "https://b.example/cb"]);
    for uris in [
        two.clone(),
        json!(["http://localhost/cb"]),
        json!(["https://127.0.0.1/cb"]),
        json!(["http://[::1]/cb"]),
        json!(["https://LOCALHOST/cb"]),
        json!(["https://app.localhost/cb"]),
        json!(["https://0x7f.1/cb"]),
        json!(["https://2130706433/cb"]),
        json!(["https://[::ffff:7f00:1]/cb"]),
        json!(["https://0.0.0.0/cb"]),
        json!(["https://[::]/cb"]),
        json!(["https://a.example/cb", "http://localhost/cb"]),
    ] {
        let response = put_with(&provider, &uris, json!({}));
        assert!(
            response.status == 400 && response.body.contains("sector_identifier_uri"),
            "{}",
            response.body
        );
    }
    let native = json!({ "application_type": "native" });
    let response = put_with(&provider, &json!(["com.example.app:/cb"]), native);
    assert!(
        response.status == 400 && response.body.contains("sector_identifier_uri"),
        "{}",
        response.body
    );
    serve_list(
        &provider,
        &json!(["https://b.example/cb", "https://a.example/cb", "https://c.example"]),
    );
    let response =
        put_with(&provider, &two, json!({ "sector_identifier_uri": format!("{SECTOR}#x") }));
    assert_eq!((response.status, &response.json()["sector_identifier_uri"]), (200, &json!(SECTOR)));

    // The host of the list is the sector, independent of the hosts of the redirect URIs.
    let client = |id: &str, uri: &str| {
        serve_list(&provider, &json!([uri]));
        client(&provider, id, json!({ "sector_identifier_uri": SECTOR, "redirect_uris": [uri] }))
    };
    let one = client("one", "https://a.example/cb");
    let two = client("two", "https://b.example/cb");
    assert_eq!(subject(&provider, &one).0, subject(&provider, &two).0);
}

#[test]
fn an_invalid_or_incomplete_sector_list_is_refused() {
    let provider = provider();
    let uris = json!([CALLBACK]);
    let refusal = |fields: Value| {
        let response = put_with(&provider, &uris, fields);
        assert_eq!(response.status, 400, "{}", response.body);
        let description = response.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.starts_with("sector_identifier_uri"), "{description}");
        description
    };
    let fields = json!({ "sector_identifier_uri": SECTOR });
    let good = uris.to_string();
    for (status, media_type, text, words) in [
        (404, "application/json", &*good, "does not exist"),
        (302, "application/json", &good, "must have the status 200"),
        (200, "text/html", &good, "media type"),
        (200, "application/json", "{}", "array"),
        (200, "application/json", "[1]", "array"),
        (200, "application/json", "[", "array"),
        (200, "application/json", "[]", "missing"),
        (200, "application/json", "[\"https://app.example/\"]", "missing"),
    ] {
        serve(&provider, status, media_type, text);
        assert!(refusal(fields.clone()).contains(words), "{text}");
    }
    serve_list(&provider, &json!([CALLBACK, "x".repeat(65_536)]));
    assert!(refusal(fields.clone()).contains("too large"));
    // The list is also checked without pairwise subjects (Registration section 5).
    serve_list(&provider, &json!([]));
    refusal(json!({ "sector_identifier_uri": SECTOR, "subject_type": "public" }));
    for url in ["http://sector.example/", "https://10.0.0.1/", "https://localhost/", "/uris.json"] {
        refusal(json!({ "sector_identifier_uri": url }));
    }
}

#[test]
fn a_sector_list_that_cannot_be_fetched_now_is_not_the_fault_of_the_registration() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    let document = json!({ "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR });
    let requests = [
        put("/admin/clients/app").by_operator().json(&document),
        post("/auth/register").json(&document),
    ];
    let list = json!([CALLBACK]).to_string();
    for status in [None, Some(408), Some(429), Some(500), Some(503)] {
        if let Some(status) = status {
            serve(&provider, status, "application/json", &list);
        }
        for request in &requests {
            let response = provider.send(request.clone());
            assert_eq!(
                (response.status, response.error().as_deref(), response.header("retry-after")),
                (503, Some("temporarily_unavailable"), Some("10")),
                "{}",
                response.body
            );
            assert!(response.body.contains("sector_identifier_uri: the document could not be"));
            assert!(response.log["warnings"][0].as_str().unwrap().contains("sector.example"));
        }
    }
    serve(&provider, 200, "application/json", &list);
    provider.sleep(FETCH_RETRY_SECONDS);
    let statuses = requests.map(|request| provider.send(request).status);
    assert_eq!(statuses, [200, 201]);
}

#[test]
fn a_refused_registration_fetches_no_sector_list() {
    let provider = provider();
    serve_list(&provider, &json!([CALLBACK]));
    let document = json!({ "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR });
    let wrong = json!({
        "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR, "scope": "unheard-of",
    });
    let order = json!({ "uses": 1, "ttl": 60 });
    let response = provider.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    let token = response.json()["initial_access_token"].as_str().unwrap().to_owned();
    provider.platform.take_counts();
    let register = |token: &str, document: &Value| {
        provider.send(post("/auth/register").bearer(token).json(document)).status
    };
    assert_eq!(register(&"A".repeat(43), &document), 401);
    assert_eq!(register(&token, &wrong), 400);
    assert_eq!(provider.platform.take_counts().fetches, 0);
    let response = provider.send(post("/auth/register").bearer(&token).json(&document));
    assert_eq!((response.status, provider.platform.take_counts().fetches), (201, 1));
    let other = json!({
        "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR, "client_name": "Other",
    });
    assert_eq!(register(&token, &other), 401, "the token has no uses left");
    assert_eq!(provider.platform.take_counts().fetches, 0);
    assert_eq!(register(&token, &document), 201, "the response may have been lost");

    // An update of the registration checks the list again.
    let registered = response.json();
    let path = registered["registration_client_uri"].as_str().unwrap().to_owned();
    let path = path.strip_prefix(crate::test_provider::ISSUER).unwrap().to_owned();
    serve_list(&provider, &json!([]));
    let mut document = document.clone();
    document["client_id"] = registered["client_id"].clone();
    let management = registered["registration_access_token"].as_str().unwrap();
    let response = provider.send(put(&path).bearer(management).json(&document));
    assert_eq!(
        (response.status, response.error().as_deref()),
        (400, Some("invalid_client_metadata"))
    );
}

#[test]
fn fetches_of_sector_lists_are_rate_limited() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    serve_list(&provider, &json!([CALLBACK]));
    let mut document = json!({ "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR });
    let response = provider.send(post("/auth/register").json(&document)).json();
    let path = response["registration_client_uri"].as_str().unwrap();
    let path = path.strip_prefix(crate::test_provider::ISSUER).unwrap().to_owned();
    document["client_id"] = response["client_id"].clone();
    provider.platform.rate_limit.set(Some(3));
    provider.platform.take_counts();
    let statuses: Vec<_> = (0..6)
        .map(|_| {
            let token = response["registration_access_token"].as_str().unwrap();
            provider.send(put(&path).bearer(token).json(&document)).status
        })
        .collect();
    // The registration counted as the first of three.
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429]);
    assert_eq!(provider.platform.take_counts().fetches, 2);
}

#[test]
fn a_request_for_a_pairwise_subject_shows_the_login_page() {
    let provider = provider();
    let client = client(&provider, "app", json!({}));
    let (name, _) = subject(&provider, &client);
    let claims = json!({ "id_token": { "sub": { "value": name } } }).to_string();
    let target = format!("/auth/authorize?{}", client.authorize_query(&[("claims", &claims)]));
    assert!(is_login(&Browser::new(&provider).get(&target)));
}
