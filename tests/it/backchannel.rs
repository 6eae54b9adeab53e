//! Back-Channel Logout 1.0: the delivery of logout tokens to clients.

use crate::browser::{Browser, TestClient, claims, encode, form_to, header};
use crate::certification::verified;
use crate::test_provider::{ISSUER, NOW, TestProvider, TestResponse, delete, get, post, put};
use postern::MaintenanceLog;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

pub fn url(client_id: &str) -> String {
    format!("https://{client_id}.example/backchannel")
}

/// A provider with alice.
pub fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    provider
}

/// Stores a client with a URL for logout tokens.
pub fn put_client(provider: &TestProvider, id: &str) -> TestClient {
    provider.put_client_with(id, json!({ "backchannel_logout_uri": url(id) }))
}

/// The servers of these clients answer with this status; `None` for no answer.
pub fn answer(provider: &TestProvider, id: &str, status: Option<u16>) {
    let mut statuses = provider.platform.form_statuses.borrow_mut();
    match status {
        Some(status) => statuses.insert(url(id), status),
        None => statuses.remove(&url(id)),
    };
}

/// Signs alice in to clients. Returns the ID token of each.
pub fn sign_in(
    provider: &TestProvider,
    browser: &Browser<'_>,
    clients: &[&TestClient],
) -> Vec<String> {
    let id_token = |client: &&TestClient| {
        let code = browser.authorize(client, LOGIN, &[]);
        let response = provider.redeem(client, &code);
        response.json()["id_token"].as_str().unwrap().to_owned()
    };
    clients.iter().map(id_token).collect()
}

pub fn sign_out(browser: &Browser<'_>) -> TestResponse {
    let page = browser.get("/auth/account");
    browser.submit_form(&form_to(&page, "/auth/signout"), &[])
}

/// The logout tokens that were sent since the last call, each with its URL.
pub fn sent(provider: &TestProvider) -> Vec<(String, String)> {
    let forms = provider.platform.forms.take();
    let token = |body: String| body.strip_prefix("logout_token=").unwrap().to_owned();
    forms.into_iter().map(|(url, body)| (url, token(body))).collect()
}

/// The URLs of the logout tokens that were sent since the last call.
pub fn receivers(provider: &TestProvider) -> Vec<String> {
    sent(provider).into_iter().map(|(url, _)| url).collect()
}

fn number(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

pub fn waiting(provider: &TestProvider) -> i64 {
    number(provider, "SELECT count(*) FROM logout_deliveries")
}

/// Runs the maintenance whenever a token is due, until none is left. Returns how many were sent.
fn maintain_to_the_end(provider: &TestProvider) -> usize {
    let mut count = 0;
    while waiting(provider) > 0 {
        let due = number(provider, "SELECT min(next_try_at) FROM logout_deliveries");
        provider.now.set(due.max(provider.now.get()));
        provider.maintain();
        count += sent(provider).len();
        assert!(provider.now.get() <= NOW + 3 * 86_400, "three days");
    }
    count
}

/// Runs the maintenance every five minutes for some minutes. Returns how many tokens were sent in each run.
fn maintain_for(provider: &TestProvider, minutes: i64) -> Vec<usize> {
    let run = |_| {
        provider.sleep(300);
        provider.maintain();
        sent(provider).len()
    };
    (0..minutes / 5).map(run).collect()
}

fn step(log: &MaintenanceLog) -> Value {
    let line: Value = serde_json::from_str(&log.line()).unwrap();
    line["steps"]["deliver_logout_tokens"].clone()
}

/// The audit events of tokens that were given up: the actor, the client and the detail.
pub fn given_up(provider: &TestProvider) -> Vec<(String, String, Value)> {
    let sql = "SELECT actor, client_id, detail FROM audit_events \
               WHERE kind = 'logout_token.given_up' ORDER BY at, id";
    let mut statement = provider.platform.primary.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let event = |row: Result<(String, String, String), _>| {
        let (actor, client_id, detail) = row.unwrap();
        (actor, client_id, serde_json::from_str(&detail).unwrap())
    };
    rows.unwrap().map(event).collect()
}

/// Adds deliveries of sessions that have ended now.
pub fn add_deliveries(provider: &TestProvider, client_id: &str, count: i64) {
    let sql = "WITH RECURSIVE numbers (n) AS \
                 (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2) \
               INSERT INTO logout_deliveries \
                 (session_id, client_id, sid, subject, ended_at, next_try_at) \
               SELECT 'session' || n, ?1, 'sid' || n, 'alice', ?3, ?3 FROM numbers";
    provider.platform.primary.execute(sql, (client_id, count, provider.now.get())).unwrap();
}

#[test]
fn a_logout_token_is_sent_at_once_with_the_claims_of_the_id_token() {
    let provider = provider();
    let app = put_client(&provider, "app");
    let other = provider.put_client_with("other", json!({}));
    answer(&provider, "app", Some(200));
    let browser = Browser::new(&provider);
    let id_token = claims(&sign_in(&provider, &browser, &[&app, &other])[0]);
    provider.sleep(60);
    let response = sign_out(&browser);
    assert_eq!((response.status, response.deferred, response.events.len()), (200, 1, 0));

    let [(to, token)] = sent(&provider).try_into().unwrap();
    assert_eq!(to, url("app"));
    let jwks = provider.send(get("/auth/jwks.json")).json();
    verified(&token, &jwks);
    assert_eq!(
        (header(&token)["typ"].as_str(), header(&token)["alg"].as_str()),
        (Some("logout+jwt"), Some("RS256"))
    );
    let mut token = claims(&token);
    let jti = token.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().len() >= 20, "{jti}");
    assert_eq!(
        token,
        json!({
            "iss": ISSUER, "aud": "app", "iat": NOW + 60, "exp": NOW + 180,
            "sub": id_token["sub"], "sid": id_token["sid"], "events": { EVENT: {} },
        })
    );
    assert_eq!(waiting(&provider), 0);
    assert_eq!(maintain_for(&provider, 30), [0; 6]);
}

#[test]
fn a_logout_token_is_signed_as_the_id_tokens_of_the_client_are() {
    let provider = provider();
    let fields = json!({
        "backchannel_logout_uri": url("app"), "id_token_signed_response_alg": "ES256",
        "subject_type": "pairwise",
    });
    let app = provider.put_client_with("app", fields);
    let browser = Browser::new(&provider);
    let id_token = sign_in(&provider, &browser, &[&app]).remove(0);
    sign_out(&browser);
    let (_, token) = sent(&provider).remove(0);
    assert_eq!(header(&token)["alg"], "ES256");
    assert_eq!(claims(&token)["sub"], claims(&id_token)["sub"]);
    assert_ne!(claims(&token)["sub"], "alice");
}

#[test]
fn a_logout_token_is_no_id_token_hint_and_no_access_token_and_others_are_no_logout_token() {
    let provider = provider();
    let app = put_client(&provider, "app");
    let browser = Browser::new(&provider);
    let id_token = sign_in(&provider, &browser, &[&app]).remove(0);
    sign_out(&browser);
    let (_, token) = sent(&provider).remove(0);
    let request = app.authorize(&[("id_token_hint", &token), ("prompt", "none")]);
    let response = Browser::new(&provider).get(&request);
    let refused = response.header("location").unwrap();
    assert!(
        refused.contains("must+be+an+ID+token") || refused.contains("must%20be%20an%20ID%20token"),
        "{refused}"
    );
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 401);

    let access_token = provider.mint("openid");
    for other in [id_token, access_token] {
        assert_ne!(header(&other)["typ"], "logout+jwt");
        assert_eq!(claims(&other).get("events"), None);
    }
    assert_eq!(claims(&token).get("nonce"), None);
    assert_eq!(claims(&token).get("auth_time"), None);
}

#[test]
fn every_end_of_a_session_sends_logout_tokens() {
    type End = fn(&TestProvider, &Browser<'_>);
    let ends: [(&str, End); 7] = [
        ("a new password", |provider, _| {
            let password = json!({ "password": "another horse battery" });
            let response =
                provider.send(put("/admin/users/alice/password").by_operator().json(&password));
            assert_eq!(response.status, 200, "{}", response.body);
        }),
        ("an import with a new password", |provider, _| {
            let users = r#"{"sub":"alice","password_hash":"$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
            let import = post("/admin/users").by_operator().body("application/x-ndjson", users);
            assert_eq!(provider.send(import).status, 200);
        }),
        ("the operator's end of the session", |provider, _| {
            let list = provider.send(get("/admin/sessions?user=alice").by_operator()).json();
            let name = list["sessions"][0]["session"].as_str().unwrap();
            let end = delete(&format!("/admin/sessions/{name}")).by_operator();
            assert_eq!(provider.send(end).status, 200);
        }),
        ("the operator's end of all sessions", |provider, _| {
            let end = post("/admin/users/alice/signout").by_operator().json(&json!({}));
            assert_eq!(provider.send(end).status, 200);
        }),
        ("a disabled user", |provider, _| {
            let disable = put("/admin/users/alice/disabled").by_operator();
            assert_eq!(provider.send(disable).status, 200);
        }),
        ("the deletion of the user", |provider, _| {
            assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
        }),
        ("another user in the same browser", |provider, browser| {
            provider.put_user("bob");
            let app = put_client(provider, "app");
            let page = browser.get(&app.authorize(&[("prompt", "login")]));
            browser.sign_in_on(&page, "bob");
        }),
    ];
    for (name, end) in ends {
        let provider = provider();
        let app = put_client(&provider, "app");
        answer(&provider, "app", Some(204));
        let browser = Browser::new(&provider);
        let id_token = claims(&sign_in(&provider, &browser, &[&app])[0]);
        end(&provider, &browser);
        let [(_, token)] =
            sent(&provider).try_into().unwrap_or_else(|sent| panic!("{name}: {sent:?}"));
        assert_eq!(claims(&token)["sid"], id_token["sid"], "{name}");
        assert_eq!(waiting(&provider), 0, "{name}");
    }
}

#[test]
fn a_client_that_is_down_for_two_hours_gets_its_logout_token_afterwards_once() {
    let provider = provider();
    let app = put_client(&provider, "app");
    let browser = Browser::new(&provider);
    let sid = claims(&sign_in(&provider, &browser, &[&app])[0])["sid"].clone();
    let response = sign_out(&browser);
    let event = json!({
        "event": "logout_token_not_delivered", "level": "warning", "client_id": "app",
        "reason": "no answer",
    });
    assert_eq!(response.events, [event]);
    let first = sent(&provider).remove(0).1;
    let tries = maintain_for(&provider, 120);
    assert_eq!(tries.iter().sum::<usize>(), 6, "with growing pauses: {tries:?}");

    answer(&provider, "app", Some(200));
    let mut tokens = Vec::new();
    for _ in 0..60 {
        provider.sleep(300);
        provider.maintain();
        tokens.extend(sent(&provider));
    }
    let [(_, token)] = tokens.try_into().unwrap();
    assert_eq!(claims(&token)["sid"], sid);
    assert_ne!(claims(&token)["jti"], claims(&first)["jti"]);
    assert!(claims(&token)["iat"].as_i64().unwrap() < NOW + 4 * 3_600 + 600);
    assert_eq!((waiting(&provider), given_up(&provider).len()), (0, 0));
}

#[test]
fn a_client_that_answers_500_for_ever_is_given_up_and_reported() {
    let provider = provider();
    let app = put_client(&provider, "app");
    answer(&provider, "app", Some(500));
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    sign_out(&browser);
    sent(&provider);
    let tries = 1 + maintain_to_the_end(&provider);
    assert_eq!(tries, 20);
    let event =
        ("provider".to_owned(), "app".to_owned(), json!({ "reason": "status 500", "tokens": 1 }));
    assert_eq!(given_up(&provider), [event]);
    assert_eq!(maintain_for(&provider, 60), [0; 12]);
}

#[test]
fn a_refusal_is_final_after_five_tries_and_all_other_failures_are_not() {
    for (status, most) in [(400, 5), (401, 20), (302, 20), (404, 20), (429, 20), (503, 20)] {
        let provider = provider();
        let app = put_client(&provider, "app");
        answer(&provider, "app", Some(status));
        let browser = Browser::new(&provider);
        sign_in(&provider, &browser, &[&app]);
        sign_out(&browser);
        sent(&provider);
        let tries = 1 + maintain_to_the_end(&provider);
        assert_eq!((tries, waiting(&provider)), (most, 0), "{status}");
        let reason = format!("status {status}");
        assert_eq!(given_up(&provider)[0].2["reason"], *reason);
    }
    for status in [200, 202, 204] {
        let provider = provider();
        let app = put_client(&provider, "app");
        answer(&provider, "app", Some(status));
        let browser = Browser::new(&provider);
        sign_in(&provider, &browser, &[&app]);
        sign_out(&browser);
        assert_eq!((sent(&provider).len(), waiting(&provider)), (1, 0), "{status}");
    }
}

#[test]
fn a_token_goes_to_the_url_that_the_client_has_when_it_is_sent() {
    let provider = provider();
    let app = put_client(&provider, "app");
    let gone = put_client(&provider, "gone");
    let silent = put_client(&provider, "silent");
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app, &gone, &silent]);
    sign_out(&browser);
    assert_eq!(receivers(&provider).len(), 3);

    provider.put_client_with("app", json!({ "backchannel_logout_uri": url("moved") }));
    provider.put_client_with("silent", json!({}));
    assert_eq!(provider.send(delete("/admin/clients/gone").by_operator()).status, 200);
    answer(&provider, "moved", Some(200));
    provider.sleep(300);
    let log = provider.maintain();
    assert_eq!(receivers(&provider), [url("moved")]);
    assert_eq!(step(&log), json!({ "delivered": 3, "postponed": 0, "given_up": 0 }));
    assert_eq!((waiting(&provider), given_up(&provider).len()), (0, 0));
}

#[test]
fn two_isolates_never_send_the_same_token_at_once() {
    let provider = provider();
    put_client(&provider, "app");
    put_client(&provider, "b");
    answer(&provider, "app", Some(200));
    answer(&provider, "b", None);
    add_deliveries(&provider, "app", 40);
    add_deliveries(&provider, "b", 40);
    let isolates: Vec<_> = (0..4).map(|_| provider.make_isolate()).collect();
    provider.maintain_together(&isolates);
    let mut sids: Vec<_> = sent(&provider)
        .iter()
        .map(|(url, token)| format!("{url} {}", claims(token)["sid"]))
        .collect();
    let count = sids.len();
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), count);
    let of_app = sids.iter().filter(|sid| sid.starts_with(&url("app"))).count();
    assert_eq!(of_app, 40);
}

#[test]
fn simultaneous_ends_of_one_session_send_one_token() {
    let provider = provider();
    let app = put_client(&provider, "app");
    answer(&provider, "app", Some(200));
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    let page = browser.get("/auth/account");
    let form = form_to(&page, "/auth/signout");
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let cookie = browser.cookies.borrow();
    let cookie: Vec<_> = cookie.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let sign_out = post("/auth/signout").form(&encode(&fields)).with("cookie", &cookie.join("; "));
    let password = json!({ "password": "another horse battery" });
    let requests = vec![
        sign_out.clone(),
        sign_out,
        put("/admin/users/alice/password").by_operator().json(&password),
        delete("/admin/users/alice").by_operator(),
    ];
    provider.send_at_once(requests);
    assert_eq!(sent(&provider).len(), 1);
    assert_eq!(waiting(&provider), 0);
}

#[test]
fn an_isolate_that_dies_leaves_its_tokens_to_the_next_run() {
    let provider = provider();
    let app = put_client(&provider, "app");
    answer(&provider, "app", Some(200));
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    provider.skips_deferred_tasks.set(true);
    sign_out(&browser);
    assert_eq!((sent(&provider).len(), waiting(&provider)), (0, 1));
    provider.sleep(300);
    provider.maintain();
    assert_eq!((sent(&provider).len(), waiting(&provider)), (1, 0));

    // Claimed, but not settled: the lease passes first.
    add_deliveries(&provider, "app", 1);
    let lease = provider.now.get() + 120;
    let claim = "UPDATE logout_deliveries SET tries = 1, next_try_at = ?1";
    provider.platform.primary.execute(claim, [lease]).unwrap();
    provider.sleep(119);
    provider.maintain();
    assert_eq!(sent(&provider).len(), 0);
    provider.sleep(1);
    provider.maintain();
    assert_eq!((sent(&provider).len(), waiting(&provider)), (1, 0));
}

#[test]
fn a_lost_response_of_the_database_loses_no_token() {
    for before in 0..4 {
        let provider = provider();
        let app = put_client(&provider, "app");
        let down = put_client(&provider, "down");
        answer(&provider, "app", Some(200));
        let browser = Browser::new(&provider);
        sign_in(&provider, &browser, &[&app, &down]);
        let page = browser.get("/auth/account");
        provider.platform.responses_before_loss.set(before);
        provider.platform.lost_responses.set(1);
        let response = browser.submit_form(&form_to(&page, "/auth/signout"), &[]);
        assert_eq!(response.status, 200);
        provider.platform.lost_responses.set(0);
        answer(&provider, "down", Some(200));
        let mut receivers = receivers(&provider);
        // Without the response to the claim nothing is sent until the lease has passed.
        assert_eq!(receivers.len(), if before == 1 { 0 } else { 2 }, "{before}");
        for _ in 0..3 {
            provider.sleep(300);
            provider.maintain();
            receivers.extend(self::receivers(&provider));
        }
        let count = |id| receivers.iter().filter(|receiver| **receiver == url(id)).count();
        let expected = if before == 1 { (1, 1) } else { (1, 2) };
        assert_eq!((count("app"), count("down")), expected, "{before}");
        assert_eq!((waiting(&provider), given_up(&provider).len()), (0, 0), "{before}");
    }
}

#[test]
fn giving_up_a_token_of_the_operators_client_is_an_error_in_the_log() {
    let provider = provider();
    put_client(&provider, "app");
    answer(&provider, "app", Some(500));
    add_deliveries(&provider, "app", 1);
    let late = "UPDATE logout_deliveries SET tries = 31";
    provider.platform.primary.execute(late, ()).unwrap();
    let log = provider.maintain();
    let line = r#"{"event":"logout_token_given_up","level":"error","client_id":"app","reason":"status 500"}"#;
    assert_eq!(log.events.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), [line]);
    assert_eq!(step(&log), json!({ "delivered": 0, "postponed": 0, "given_up": 1 }));
}

#[test]
fn giving_up_is_recorded_once_if_the_response_of_the_database_is_lost() {
    let provider = provider();
    put_client(&provider, "app");
    add_deliveries(&provider, "app", 3);
    provider.sleep(3 * 86_400);
    provider.platform.lost_responses.set(1);
    provider.maintain();
    let event =
        ("provider".to_owned(), "app".to_owned(), json!({ "reason": "not tried", "tokens": 3 }));
    assert_eq!(given_up(&provider), [event]);
    assert_eq!(waiting(&provider), 0);
}

#[test]
fn ten_thousand_tokens_of_one_client_do_not_delay_another() {
    for status in [Some(200), Some(500), None] {
        let provider = provider();
        put_client(&provider, "a");
        put_client(&provider, "b");
        answer(&provider, "a", status);
        answer(&provider, "b", Some(200));
        add_deliveries(&provider, "a", 10_000);
        provider.sleep(60);
        add_deliveries(&provider, "b", 1);
        provider.maintain();
        let receivers = receivers(&provider);
        let of_b = receivers.iter().position(|receiver| *receiver == url("b")).unwrap();
        assert!(of_b < 6, "in the first round");
        // One that fails is asked once in a run, and the number of tokens of a run is limited.
        let of_a = receivers.len() - 1;
        assert_eq!(of_a, if status == Some(200) { 147 } else { 3 }, "{status:?}");
        assert_eq!(waiting(&provider), 10_000 - if status == Some(200) { 147 } else { 0 });
    }
}

#[test]
fn a_sign_out_does_not_wait_for_the_tokens_of_others() {
    let provider = provider();
    let app = put_client(&provider, "app");
    answer(&provider, "app", Some(200));
    let browser = Browser::new(&provider);
    let sid = claims(&sign_in(&provider, &browser, &[&app])[0])["sid"].clone();
    add_deliveries(&provider, "app", 1_000);
    sign_out(&browser);
    let [(_, token)] = sent(&provider).try_into().unwrap();
    assert_eq!(claims(&token)["sid"], sid);
}

#[test]
fn a_run_ends_after_half_a_minute_and_the_next_one_goes_on() {
    let provider = provider();
    let ids: Vec<_> = (0..60).map(|number| format!("client{number}")).collect();
    for id in &ids {
        put_client(&provider, id);
        add_deliveries(&provider, id, 1);
    }
    // Each look at the clock takes six seconds, as long as clients that do not answer.
    let time = std::cell::Cell::new(provider.now.get());
    let log = provider.maintain_by(&|| time.replace(time.get() + 6));
    assert_eq!(step(&log), json!({ "delivered": 0, "postponed": 30, "given_up": 0 }));
    provider.now.set(time.get());
    sent(&provider);
    provider.maintain();
    assert_eq!(sent(&provider).len(), 60, "the first 30 are due again after a minute");
}

#[test]
fn the_maintenance_serves_the_operators_clients_before_others() {
    let provider = provider();
    for number in 0..300 {
        let id = format!("a{number}");
        put_client(&provider, &id);
        add_deliveries(&provider, &id, 1);
    }
    let register = "UPDATE clients SET registration_token_hash = client_id";
    provider.platform.primary.execute(register, ()).unwrap();
    provider.sleep(60);
    put_client(&provider, "z");
    answer(&provider, "z", Some(200));
    add_deliveries(&provider, "z", 1);
    provider.maintain();
    assert_eq!(receivers(&provider)[0], url("z"));
}

#[test]
fn strangers_cannot_make_the_provider_send_many_forms_to_one_host() {
    let provider = provider();
    for number in 0..100 {
        let uri = format!("https://victim.example/{number}");
        provider.put_client_with(&format!("a{number}"), json!({ "backchannel_logout_uri": uri }));
        add_deliveries(&provider, &format!("a{number}"), 1);
    }
    let register = "UPDATE clients SET registration_token_hash = client_id";
    provider.platform.primary.execute(register, ()).unwrap();
    let log = provider.maintain();
    assert_eq!(sent(&provider).len(), 64);
    let event = r#"{"event":"fetch_budget_exhausted","level":"warning","document":"backchannel_logout_uri"}"#;
    assert!(log.events.iter().any(|line| line.text == event), "{:?}", log.events);
    // What was not sent is no try.
    assert_eq!(number(&provider, "SELECT sum(tries) FROM logout_deliveries"), 64);
    provider.sleep(300);
    provider.maintain();
    assert_eq!(sent(&provider).len(), 64);
}

#[test]
fn a_stranger_whose_client_accepts_no_token_wakes_nobody() {
    let provider = provider();
    put_client(&provider, "app");
    let register = "UPDATE clients SET registration_token_hash = client_id";
    provider.platform.primary.execute(register, ()).unwrap();
    answer(&provider, "app", Some(400));
    add_deliveries(&provider, "app", 1);
    for _ in 0..10 {
        let log = provider.maintain();
        provider.sleep(300);
        assert!(
            log.events.iter().all(|line| line.level == postern::Level::Warning),
            "{log:?}",
            log = log.events
        );
    }
    assert_eq!((waiting(&provider), given_up(&provider).len()), (0, 1));
}

#[test]
fn a_token_that_cannot_be_signed_is_no_try() {
    let provider = provider();
    let app = put_client(&provider, "app");
    answer(&provider, "app", Some(200));
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    provider.skips_deferred_tasks.set(true);
    sign_out(&browser);
    let damage = "UPDATE clients SET metadata = json_set(metadata, '$.application_type', 'other')";
    provider.platform.primary.execute(damage, ()).unwrap();
    provider.sleep(300);
    let log = provider.maintain();
    assert!(log.line().contains("metadata of the client app"), "{}", log.line());
    assert_eq!(number(&provider, "SELECT tries FROM logout_deliveries"), 0);
    let mend = "UPDATE clients SET metadata = json_set(metadata, '$.application_type', 'web')";
    provider.platform.primary.execute(mend, ()).unwrap();
    provider.sleep(300);
    provider.maintain();
    assert_eq!((sent(&provider).len(), waiting(&provider)), (1, 0));
}

#[test]
fn the_operator_sees_what_waits_and_tries_it_again_or_drops_it() {
    let provider = provider();
    put_client(&provider, "app");
    put_client(&provider, "b");
    answer(&provider, "b", Some(200));
    add_deliveries(&provider, "app", 3);
    provider.maintain();
    let list = |query: &str| {
        let request = get(&format!("/admin/logouts?{query}")).by_operator();
        provider.send(request).json()
    };
    let entry = json!({
        "session_id": "session1", "client_id": "app", "sid": "sid1", "ended_at": NOW, "tries": 1,
        "next_try_at": NOW + 60, "last_error": "no answer",
    });
    let page = list("limit=1");
    assert_eq!(page, json!({ "logouts": [entry], "next": "session1/app" }));
    let page = list("after=session1%2Fapp");
    assert_eq!(page["logouts"].as_array().unwrap().len(), 2);

    provider.sleep(60);
    for _ in 0..6 {
        provider.maintain();
        provider.sleep(3_600);
    }
    provider.maintain();
    sent(&provider);
    answer(&provider, "app", Some(200));
    let retry = |id: &str| provider.send(post(&format!("/admin/logouts/{id}/retry")).by_operator());
    let response = retry("app");
    assert_eq!(response.json(), json!({ "client_id": "app", "retried": 3 }));
    assert_eq!((sent(&provider).len(), waiting(&provider)), (3, 0));
    assert_eq!(retry("app").json()["retried"], 0);

    add_deliveries(&provider, "app", 2);
    let drop = || provider.send(delete("/admin/logouts/app").by_operator());
    assert_eq!(drop().json(), json!({ "client_id": "app", "dropped": 2 }));
    assert_eq!(drop().status, 404);
    let event =
        ("operator".to_owned(), "app".to_owned(), json!({ "reason": "dropped", "tokens": 2 }));
    assert_eq!(given_up(&provider), [event]);
}

#[test]
fn a_retry_leaves_a_token_alone_that_is_under_way() {
    let provider = provider();
    put_client(&provider, "app");
    add_deliveries(&provider, "app", 1);
    let claim = "UPDATE logout_deliveries SET tries = 1, next_try_at = ?1";
    provider.platform.primary.execute(claim, [provider.now.get() + 120]).unwrap();
    let retry = provider.send(post("/admin/logouts/app/retry").by_operator());
    assert_eq!((retry.json()["retried"].as_i64(), sent(&provider).len()), (Some(0), 0));
}

#[test]
fn the_status_report_warns_of_tokens_that_wait_and_of_those_given_up() {
    let provider = provider();
    let status = || {
        let report = provider.send(get("/healthz").by_operator()).json();
        let checks = report["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["name"] == "logout_tokens").unwrap();
        (check["status"].as_str().unwrap().to_owned(), check["detail"].as_str().unwrap().to_owned())
    };
    let ok = |detail: &str| ("ok".to_owned(), detail.to_owned());
    assert_eq!(status(), ok("0 wait for their delivery; 0 were given up in the last day"));
    put_client(&provider, "app");
    add_deliveries(&provider, "app", 5);
    provider.sleep(3_600);
    assert_eq!(
        status(),
        ok("5 wait for their delivery, the oldest for 60 minutes; 0 were given up in the last day")
    );
    provider.sleep(1);
    assert_eq!(status().0, "warning");
    provider.sleep(3 * 86_400);
    provider.maintain();
    let warning = (
        "warning".to_owned(),
        "0 wait for their delivery; 5 were given up in the last day".to_owned(),
    );
    assert_eq!(status(), warning);
    provider.sleep(86_400);
    assert_eq!(status().0, "ok");
}
