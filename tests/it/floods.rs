//! The bounds of what strangers can make the provider store: each is reached, and everybody else goes on.

use crate::browser::{Browser, CALLBACK, CHALLENGE, TestClient, answer, encode};
use crate::client_assertions::{NO_CODE, assert_authenticated};
use crate::client_documents;
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, variables_with};
use postern::lifetimes::{DEAD_GRANT_SECONDS, SWEEP_DELAY_SECONDS};
use serde_json::json;

const LOGIN: &str = "alice@example.com";

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn public(provider: &TestProvider, id: &str) -> TestClient {
    provider.put_client_with(id, json!({ "token_endpoint_auth_method": "none" }))
}

fn count(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// Inserts a row for each slot. `values` are those of the columns before `slot`, in which `n` is the number of the slot.
fn take_slots(
    provider: &TestProvider,
    (group, slots): (&str, u32),
    (table, columns): (&str, &str),
    values: &str,
) {
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {slots}) \
         INSERT INTO {table} ({columns}, slot) SELECT {values}, '{group}/' || n FROM numbers"
    );
    provider.platform.primary.execute(&sql, ()).unwrap();
}

/// Takes every slot of stored requests in a group, until `now` plus this many seconds.
fn take_requests(provider: &TestProvider, group: (&str, u32), seconds: i64) {
    let table = ("authorization_requests", "handle_hash, parameters, expires_at");
    let until = provider.now.get() + seconds;
    take_slots(provider, group, table, &format!("'{}-' || n, 'x', {until}", group.0));
}

fn push(provider: &TestProvider, client: &TestClient) -> TestResponse {
    let secret = client.secret.as_ref().map(|secret| ("client_secret", secret.as_str()));
    let form = format!("{}&{}", client.authorize_query(&[]), encode(secret.as_slice()));
    provider.send(post("/auth/par").form(&form))
}

#[track_caller]
fn assert_exhausted(response: &TestResponse, rows: &str, words: &str) {
    let event = json!({ "event": "slots_exhausted", "level": "warning", "rows": rows });
    assert_eq!(response.events, [event]);
    assert_unavailable(response, words);
}

#[track_caller]
fn assert_unavailable(response: &TestResponse, words: &str) {
    assert_eq!((response.status, response.header("retry-after")), (503, Some("10")));
    assert_eq!(response.json()["error"], "temporarily_unavailable");
    assert!(response.body.contains(words), "{}", response.body);
}

#[test]
fn requests_that_anybody_pushed_for_one_client_leave_room_for_every_other_client() {
    let provider = provider();
    let (app, spa, other) =
        (provider.put_app(), public(&provider, "spa"), public(&provider, "other"));
    take_requests(&provider, ("spa", 10_000), 90);
    let words = "send the parameters to the authorization endpoint";
    assert_exhausted(&push(&provider, &spa), "authorization_requests", words);
    for client in [&app, &other] {
        assert_eq!(push(&provider, client).status, 201, "{}", client.id);
    }
    // The same client goes on by GET.
    let browser = Browser::new(&provider);
    browser.authorize(&spa, LOGIN, &[]);
    assert_eq!(
        count(&provider, "SELECT count(*) FROM authorization_requests WHERE slot LIKE 'spa/%'"),
        10_000
    );
    // An expired request gives its slot to the next one, before any sweep.
    provider.sleep(90);
    provider
        .platform
        .primary
        .execute(
            "UPDATE authorization_requests SET expires_at = expires_at + 90 WHERE slot IS NULL",
            (),
        )
        .unwrap();
    assert_eq!(push(&provider, &spa).status, 201);
}

#[test]
fn clients_that_nobody_vouches_for_share_their_slots_and_take_none_of_the_operators() {
    let provider = provider();
    let (spa, mine) = (public(&provider, "spa"), public(&provider, "mine"));
    let strangers = "UPDATE clients SET registration_token_hash = 'x' WHERE client_id = 'mine'";
    provider.platform.primary.execute(strangers, ()).unwrap();
    assert_eq!(push(&provider, &mine).status, 201);
    assert_eq!(
        count(&provider, "SELECT count(*) FROM authorization_requests WHERE slot LIKE '/%'"),
        1
    );
    provider.platform.primary.execute("DELETE FROM authorization_requests", ()).unwrap();
    take_requests(&provider, ("", 20_000), 90);
    assert_unavailable(&push(&provider, &mine), "too many stored authorization requests");
    assert_eq!(push(&provider, &spa).status, 201);
}

#[test]
fn one_network_takes_a_tenth_of_the_slots_for_pushed_requests_also_if_it_opens_them() {
    let provider = provider();
    let spa = public(&provider, "spa");
    let push_from = |address: &str| {
        let form = spa.authorize_query(&[]);
        provider.send(post("/auth/par").form(&form).with("cf-connecting-ip", address))
    };
    for number in 0..1_200 {
        let response = push_from(&format!("192.0.2.{}", number % 256));
        if response.status != 201 {
            assert_unavailable(&response, "too many stored");
            continue;
        }
        let query = encode(&[
            ("client_id", spa.id.as_str()),
            ("request_uri", response.json()["request_uri"].as_str().unwrap()),
        ]);
        Browser::new(&provider).get(&format!("/auth/authorize?{query}"));
    }
    let rows = count(&provider, "SELECT count(*) FROM authorization_requests");
    assert!((900..=1_000).contains(&rows), "{rows}");
    provider.sleep(600);
    assert_eq!(push_from("198.51.100.1").status, 201);
}

#[test]
fn one_network_takes_a_tenth_of_the_slots_for_registrations() {
    let provider = provider();
    let document = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let register_from = |address: &str| {
        let request = post("/auth/register").json(&document).with("cf-connecting-ip", address);
        provider.send(request).status
    };
    for number in 0..1_200 {
        register_from(&format!("2001:db8:1:{number}::1"));
    }
    let rows = count(&provider, "SELECT count(slot) FROM clients");
    assert!((900..=1_000).contains(&rows), "{rows}");
    assert_eq!(register_from("2001:db8:2::1"), 201);
}

#[test]
fn signed_requests_that_are_sent_again_and_again_get_an_error_that_the_client_hears() {
    let provider = provider();
    let signer = Signer::new("ES256", None, 0);
    let app = provider.put_client_with("app", json!({ "jwks": signer.jwks() }));
    let object = signer.sign(&json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
        "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE,
        "code_challenge_method": "S256", "state": "the state", "iat": provider.now.get(),
    }));
    take_requests(&provider, ("app", 10_000), 3_600);
    let query = encode(&[("client_id", "app"), ("request", &object), ("redirect_uri", CALLBACK)]);
    for request in [get(&format!("/auth/authorize?{query}")), post("/auth/authorize").form(&query)]
    {
        let error = answer(&provider.send(request), CALLBACK);
        assert_eq!(error["error"], "temporarily_unavailable");
        assert!(error["error_description"].contains("too many stored"), "{error:?}");
    }
    assert_eq!(push(&provider, &app).status, 201, "the client is authenticated, and pushes");
}

#[test]
fn registrations_without_a_token_are_limited_until_they_are_used_or_expire() {
    let provider = provider();
    let order = json!({ "uses": 1, "ttl": 3_600 });
    let token = provider.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    let token = token.json()["initial_access_token"].as_str().unwrap().to_owned();
    let document = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let register = || provider.send(post("/auth/register").json(&document));
    let first = register().json()["client_id"].as_str().unwrap().to_owned();
    let slot = || {
        let sql = format!("SELECT count(slot) FROM clients WHERE client_id = '{first}'");
        count(&provider, &sql)
    };
    assert_eq!(slot(), 1);
    let used = TestClient { id: first.clone(), secret: None, redirect_uri: CALLBACK.into() };
    let code = Browser::new(&provider).authorize(&used, LOGIN, &[]);
    assert_eq!(provider.redeem(&used, &code).status, 200);
    assert_eq!(slot(), 0, "a user signed in");

    let columns =
        "client_id, metadata, trusted, created_at, updated_at, registration_token_hash, expires_at";
    let until = provider.now.get() + 86_400;
    let values = format!("'filler-' || n, '{{}}', 0, 0, 0, 'x', {until}");
    take_slots(&provider, ("registration", 10_000), ("clients", columns), &values);
    assert_exhausted(&register(), "registrations", "send an initial access token");
    let permitted = post("/auth/register").bearer(&token).json(&document);
    assert_eq!(provider.send(permitted).status, 201);
    provider.sleep(86_400);
    assert_eq!(register().status, 201);
}

#[test]
fn new_clients_by_document_are_limited_until_a_user_signs_in_to_them() {
    let provider = client_documents::provider();
    let client = TestClient {
        id: client_documents::CLIENT_ID.into(),
        secret: None,
        redirect_uri: CALLBACK.into(),
    };
    let columns = "client_id, metadata, trusted, created_at, updated_at, registration_token_hash, expires_at, document_until";
    let until = provider.now.get() + 3_600;
    let values = format!("'https://filler.example/' || n, '{{}}', 0, 0, 0, 'document', {until}, 1");
    take_slots(&provider, ("document", 10_000), ("clients", columns), &values);
    let words = "too many clients that nobody vouches for";
    assert_exhausted(&push(&provider, &client), "client_documents", words);
    // A user's consent stores the client, which needs no slot.
    let code = Browser::new(&provider).authorize(&client, LOGIN, &[]);
    assert_eq!(provider.redeem(&client, &code).status, 200);
    assert_eq!(push(&provider, &client).status, 201);
}

#[test]
fn the_used_assertions_of_clients_that_nobody_vouches_for_are_limited() {
    let provider = provider();
    let signer = Signer::new("ES256", None, 0);
    for id in ["app", "mine"] {
        provider.put_signing(id, json!({ "jwks": signer.jwks() }));
    }
    let strangers = "UPDATE clients SET registration_token_hash = 'x' WHERE client_id = 'mine'";
    provider.platform.primary.execute(strangers, ()).unwrap();
    let send = |id: &str| provider.token_by(&signer.assertion(&provider, id), &NO_CODE);
    assert_authenticated(&send("mine"));
    assert_eq!(count(&provider, "SELECT count(slot) FROM client_assertions"), 1);
    provider.platform.primary.execute("DELETE FROM client_assertions", ()).unwrap();
    let until = provider.now.get() + 60;
    let table = ("client_assertions", "client_id, jti_hash, expires_at");
    take_slots(&provider, ("", 100_000), table, &format!("'filler', n || '', {until}"));
    let words = "too many clients that nobody vouches for";
    assert_exhausted(&send("mine"), "client_assertions", words);
    assert_authenticated(&send("app"));
}

/// The codes of a loop of silent requests, which the client does not redeem.
fn loop_silently(browser: &Browser<'_>, client: &TestClient, times: usize) -> Vec<String> {
    let silent = client.authorize(&[("prompt", "none")]);
    let codes = (0..times).map(|_| answer(&browser.get(&silent), CALLBACK).remove("code"));
    codes.map_while(|code| code).collect()
}

#[test]
fn grants_of_a_loop_without_a_page_are_limited_and_deleted_once_nothing_can_use_them() {
    let provider = provider();
    let (app, other) = (provider.put_app(), provider.put_client_with("other", json!({})));
    let alice = Browser::new(&provider);
    let code =
        alice.authorize(&app, LOGIN, &[("scope", "openid offline_access"), ("prompt", "consent")]);
    let tokens = provider.redeem(&app, &code).json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    alice.authorize(&app, LOGIN, &[]);
    alice.authorize(&other, LOGIN, &[]);
    let grants = || count(&provider, "SELECT count(*) FROM grants WHERE client_id = 'app'");
    assert_eq!(loop_silently(&alice, &app, 2_000).len(), 1_000 - 2);
    assert_eq!(grants(), 1_000);
    provider.sleep(60);
    let refused = alice.get(&app.authorize(&[("prompt", "none")]));
    let event =
        json!({ "event": "grant_budget_exhausted", "level": "warning", "client_id": "app" });
    assert_eq!(refused.events, [event], "once a minute");
    let error = answer(&refused, CALLBACK);
    assert_eq!(error["error"], "temporarily_unavailable");
    assert!(error["error_description"].contains("authorized too often"), "{error:?}");
    assert_eq!(loop_silently(&alice, &other, 1).len(), 1, "another client");

    // A user whom a hostile page sent to the client a thousand times can go on when everything issued for these has
    // expired, and the maintenance has deleted it.
    provider.maintain();
    provider.sleep(DEAD_GRANT_SECONDS + SWEEP_DELAY_SECONDS - 61);
    provider.maintain();
    assert!(loop_silently(&alice, &app, 1).is_empty());
    provider.sleep(1);
    provider.maintain();
    assert_eq!(loop_silently(&alice, &app, 150).len(), 150);
    assert_eq!(grants(), 1 + 150, "the one with a refresh token, and the new ones");
    assert_eq!(
        count(
            &provider,
            "SELECT count(*) FROM codes WHERE grant_id NOT IN (SELECT id FROM grants)"
        ),
        0
    );
    assert_eq!(provider.refresh(&app, refresh_token).status, 200);
}

#[test]
fn a_replayed_code_revokes_its_grant_while_anything_of_it_lives() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let [code] = &loop_silently(&alice, &app, 1)[..] else { panic!() };
    let tokens = provider.redeem(&app, code).json();
    let access_token = tokens["access_token"].as_str().unwrap();
    // Another grant, in the last second in which the access token is valid.
    provider.sleep(599);
    loop_silently(&alice, &app, 1);
    let userinfo = || provider.send(get("/auth/userinfo").bearer(access_token)).status;
    assert_eq!(userinfo(), 200);
    assert_eq!(provider.redeem(&app, code).error().as_deref(), Some("invalid_grant"));
    assert_eq!(userinfo(), 401);
}

#[test]
fn no_batch_of_a_sign_in_deletes_what_others_left() {
    let provider = provider();
    let signer = Signer::new("ES256", None, 0);
    provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    // The isolate has just swept.
    provider.send(get("/auth/authorize"));
    let numbers =
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99)";
    for insert in [
        "INSERT INTO authorization_requests (handle_hash, parameters, expires_at) SELECT 'x' || n, 'x', 1 FROM numbers",
        "INSERT INTO client_assertions (client_id, jti_hash, expires_at) SELECT 'x', 'x' || n, 1 FROM numbers",
        "INSERT INTO sign_in_attempts (counter, failures, last_at, next_at) SELECT 'x' || n, 1, 1, 1 FROM numbers",
    ] {
        provider.platform.primary.execute(&format!("{numbers} {insert}"), ()).unwrap();
    }
    let left = || {
        [
            "authorization_requests WHERE handle_hash",
            "client_assertions WHERE jti_hash",
            "sign_in_attempts WHERE counter",
        ]
        .map(|table| count(&provider, &format!("SELECT count(*) FROM {table} LIKE 'x%'")))
    };
    let app = TestClient { id: "app".into(), secret: None, redirect_uri: CALLBACK.into() };
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&[]));
    browser.submit(&page, &[("login", LOGIN), ("password", "wrong")]);
    let code = browser.authorize(&app, LOGIN, &[]);
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::browser::VERIFIER),
    ];
    assert_eq!(provider.token_by(&signer.assertion(&provider, "app"), &parameters).status, 200);
    assert_eq!(left(), [100; 3]);
    // A sweep after one of the responses does, at most once in five minutes.
    provider.sleep(300);
    assert_eq!(provider.send(get("/auth/authorize")).deferred, 1);
    assert_eq!(left(), [0; 3]);
    assert_eq!(provider.send(get("/auth/authorize")).deferred, 0);
}

#[test]
fn a_sweep_that_leaves_expired_rows_goes_on_with_the_next_requests() {
    let provider = provider();
    provider.send(get("/auth/authorize"));
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2499) \
               INSERT INTO sign_in_attempts (counter, failures, last_at, next_at) SELECT n || '', 1, 1, 1 FROM numbers";
    provider.platform.primary.execute(sql, ()).unwrap();
    provider.sleep(300);
    for left in [1_500, 500, 0, 0] {
        provider.send(get("/auth/authorize"));
        assert_eq!(count(&provider, "SELECT count(*) FROM sign_in_attempts"), left);
        provider.sleep(1);
    }
}
