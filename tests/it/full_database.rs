//! A database without free space: the next request deletes expired rows, and later requests succeed.

use crate::browser::{Browser, CALLBACK, PASSWORD, TestClient, answer, encode};
use crate::test_provider::{TestProvider, TestRequest, TestResponse, get, post, variables_with};
use postern::lifetimes::{ATTEMPT_WINDOW_SECONDS, SESSION_SECONDS, SWEEP_DELAY_SECONDS};
use serde_json::json;

/// A provider whose database may grow by this many pages of 4096 bytes.
fn with_room_for(pages: i64) -> (TestProvider, TestClient) {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let client = provider.put_app();
    // A first flow allocates the pages of the tables for grants.
    Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    let used: i64 =
        provider.platform.primary.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    provider.platform.primary.pragma_update(None, "max_page_count", used + pages).unwrap();
    (provider, client)
}

/// Repeats a request until the database is full.
fn fill(provider: &TestProvider, request: &TestRequest) {
    let sent = (0..10_000).map(|number| (number, provider.send(request.clone())));
    let (sent, refused) = { sent }.find(|(_, response)| response.status == 503).unwrap();
    assert!(sent > 10, "{sent}");
    assert!(refused.event_names().contains(&"database_full"), "{:?}", refused.events);
}

fn sign_in(provider: &TestProvider, client: &TestClient) -> TestResponse {
    let browser = Browser::new(provider);
    let login = browser.get(&client.authorize(&[("prompt", "login")]));
    browser.sign_in_on(&login, "alice@example.com")
}

/// The requests with which a stranger can fill the database.
fn fillers(client: &TestClient) -> [(&'static str, TestRequest); 2] {
    let secret = client.secret.clone().unwrap();
    let query = client.authorize_query(&[("state", &"s".repeat(2_000))]);
    let pushed = format!("{query}&{}", encode(&[("client_secret", &secret)]));
    let metadata =
        json!({ "redirect_uris": ["https://x.example/cb"], "client_name": "n".repeat(1_000) });
    [
        ("pushed requests", post("/auth/par").form(&pushed)),
        ("registrations", post("/auth/register").json(&metadata)),
    ]
}

/// Guesses passwords from different networks until the database is full.
fn guess_until_full(provider: &TestProvider) {
    let guess = |number: usize| {
        let mut browser = Browser::new(provider);
        browser.address = format!("10.{}.{}.1", number / 250, number % 250);
        let page = browser.get("/auth/account");
        let login = format!("nobody-{number}");
        browser.submit(&page, &[("login", &login), ("password", PASSWORD)]).status
    };
    assert!((0..10_000).any(|number| guess(number) == 503));
}

#[test]
fn a_full_database_is_swept_by_the_next_request() {
    for index in 0..2 {
        let (provider, client) = with_room_for(20);
        let (name, request) = &fillers(&client)[index];
        fill(&provider, request);
        guess_until_full(&provider);
        assert_eq!(sign_in(&provider, &client).status, 503, "{name}");
        // Every row that a stranger can add expires.
        provider.sleep(2 * 86_400);
        sign_in(&provider, &client);
        assert!(answer(&sign_in(&provider, &client), CALLBACK).contains_key("code"), "{name}");
        assert_eq!(provider.send(request.clone()).status, 201, "{name}");
    }
}

#[test]
fn a_database_full_of_sign_in_attempts_is_swept() {
    let (provider, client) = with_room_for(3);
    guess_until_full(&provider);
    provider.sleep(ATTEMPT_WINDOW_SECONDS + SWEEP_DELAY_SECONDS);
    sign_in(&provider, &client);
    assert!(answer(&sign_in(&provider, &client), CALLBACK).contains_key("code"));
}

/// No request deletes sessions and grants that are over.
#[test]
fn a_database_full_of_old_sessions_is_freed_by_the_cron() {
    let (provider, client) = with_room_for(20);
    let insert = "INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) VALUES (?1, ?1, 'alice', ?2, ?2)";
    let insert = |number: i64| {
        provider.platform.primary.execute(insert, [number, provider.now.get()]).is_ok()
    };
    assert!((0..10_000).any(|number| !insert(number)));
    assert!((0..500).any(|_| sign_in(&provider, &client).status == 503));
    provider.sleep(SESSION_SECONDS + SWEEP_DELAY_SECONDS);
    let log = provider.maintain();
    assert_eq!(log.level(), postern::Level::Information, "{}", log.line());
    assert!(answer(&sign_in(&provider, &client), CALLBACK).contains_key("code"));
}

#[test]
fn a_failing_database_is_swept_once_in_ten_seconds_at_most() {
    let (provider, client) = with_room_for(1_000);
    provider.platform.batches_fail.set(true);
    let push = || {
        let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
        post("/auth/par").form(&format!("{}&{secret}", client.authorize_query(&[])))
    };
    let deferred = |_| provider.send(push()).deferred;
    assert_eq!((0..3).map(deferred).collect::<Vec<_>>(), [1, 0, 0]);
    provider.sleep(10);
    assert_eq!(provider.send(push()).deferred, 1);
    provider.platform.batches_fail.set(false);
    assert_eq!((provider.send(push()).status, provider.send(push()).deferred), (201, 0));
}

#[test]
fn each_stored_request_sweeps_at_most_ten_rows() {
    let (provider, client) = with_room_for(1_000);
    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
    let push = format!("{}&{secret}", client.authorize_query(&[]));
    for _ in 0..25 {
        assert_eq!(provider.send(post("/auth/par").form(&push)).status, 201);
    }
    // Before the next sweep after a response.
    provider.sleep(90);
    let count = || {
        let sql = "SELECT count(*) FROM authorization_requests";
        provider.platform.primary.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    for expected in [16, 7, 3, 4] {
        assert_eq!(provider.send(post("/auth/par").form(&push)).status, 201);
        assert_eq!(count(), expected);
    }
}
