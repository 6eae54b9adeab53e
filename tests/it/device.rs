//! Devices without a browser (RFC 8628).

use crate::browser::{
    Browser, Form, TestClient, claims, encode, error_page, field, form, form_to, is_consent,
    is_login,
};
use crate::test_provider::{
    ISSUER, NOW, TestProvider, TestRequest, TestResponse, delete, get, post, variables_with,
};
use postern::lifetimes::{
    DEVICE_CODE_SECONDS, DEVICE_REDEMPTION_SECONDS, DEVICE_REPEAT_SECONDS,
    POLL_INTERVAL_LONGEST_SECONDS, REFRESH_TOKEN_IDLE_SECONDS, USER_CODE_WINDOW_SECONDS,
};
use serde_json::{Value, json};

pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const LOGIN: &str = "alice@example.com";
const ALLOW: [(&str, &str); 1] = [("decision", "allow")];
const DENY: [(&str, &str); 1] = [("decision", "deny")];

/// A provider with alice and a public client that devices have, which is not trusted.
fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let client = provider.put_device_client("tv", json!({}));
    (provider, client)
}

/// The codes that a device has got.
#[derive(Clone, Debug)]
struct Codes {
    device_code: String,
    user_code: String,
    complete: String,
}

impl TestProvider {
    /// Stores a public client that has only this grant type, and refresh tokens. `fields` replace the defaults.
    fn put_device_client(&self, id: &str, fields: Value) -> TestClient {
        let mut document = json!({
            "client_name": "The TV", "redirect_uris": ["https://tv.example/cb"],
            "grant_types": [GRANT_TYPE, "refresh_token"], "token_endpoint_auth_method": "none",
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        self.put_client_with(id, document)
    }

    fn start_with(&self, client: &TestClient, parameters: &[(&str, &str)]) -> TestResponse {
        self.send(start(client, parameters))
    }

    fn start(&self, client: &TestClient) -> Codes {
        codes_of(&self.start_with(client, &[("scope", "openid profile offline_access")]))
    }

    fn poll(&self, client: &TestClient, codes: &Codes) -> TestResponse {
        self.token(client, &poll(codes))
    }

    /// Polls after the interval.
    fn poll_later(&self, client: &TestClient, codes: &Codes) -> TestResponse {
        self.sleep(5);
        self.poll(client, codes)
    }

    fn number(&self, sql: &str) -> i64 {
        self.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn start(client: &TestClient, parameters: &[(&str, &str)]) -> TestRequest {
    let mut form = vec![("client_id", client.id.as_str())];
    form.extend(client.secret.as_ref().map(|secret| ("client_secret", secret.as_str())));
    form.extend(parameters);
    post("/auth/device").form(&encode(&form)).with("cf-connecting-ip", "192.0.2.7")
}

fn poll(codes: &Codes) -> [(&'static str, &str); 2] {
    [("grant_type", GRANT_TYPE), ("device_code", codes.device_code.as_str())]
}

fn codes_of(response: &TestResponse) -> Codes {
    assert_eq!(response.status, 200, "{}", response.body);
    Codes {
        device_code: field(response, "device_code"),
        user_code: field(response, "user_code"),
        complete: field(response, "verification_uri_complete"),
    }
}

impl Browser<'_> {
    /// Types a code into the page.
    fn type_code(&self, user_code: &str) -> TestResponse {
        self.submit(&self.get("/device"), &[("user_code", user_code)])
    }

    /// Opens the request of a device as alice, who signs in where a page requires it. Returns the consent page.
    fn open(&self, codes: &Codes) -> TestResponse {
        let mut page = self.type_code(&codes.user_code);
        if is_login(&page) {
            page = self.sign_in_on(&page, LOGIN);
        }
        assert!(is_consent(&page), "{}", page.body);
        page
    }
}

fn is_allowed(page: &TestResponse) -> bool {
    page.status == 200 && page.body.contains("Your device is connected")
}

fn is_denied(page: &TestResponse) -> bool {
    page.status == 200 && page.body.contains("has no access to your account")
}

fn error(response: &TestResponse) -> String {
    assert_eq!(response.status, 400, "{}", response.body);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.error().unwrap()
}

#[test]
fn a_device_gets_tokens_when_its_user_has_allowed_the_request() {
    let (provider, client) = provider();
    let response = provider.start_with(&client, &[("scope", "openid profile offline_access")]);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let document = response.json();
    assert_eq!((&document["expires_in"], &document["interval"]), (&json!(900), &json!(5)));
    assert_eq!(document["verification_uri"], format!("{ISSUER}/device"));
    let codes = codes_of(&response);
    assert_eq!(codes.device_code.len(), 43);
    assert_eq!(codes.complete, format!("{ISSUER}/device?user_code={}", codes.user_code));
    assert_eq!(error(&provider.poll(&client, &codes)), "authorization_pending");

    let browser = Browser::new(&provider);
    let page = browser.type_code(&codes.user_code);
    assert!(page.body.contains("The TV"), "the page names the client");
    let page = browser.sign_in_on(&page, LOGIN);
    assert!(is_consent(&page) && page.body.contains(&codes.user_code), "{}", page.body);
    assert_eq!(error(&provider.poll_later(&client, &codes)), "authorization_pending");
    let signed_in_at = provider.now.get() - 5;
    let page = browser.submit(&page, &ALLOW);
    assert!(is_allowed(&page), "{}", page.body);

    let tokens = provider.poll_later(&client, &codes);
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(field(&tokens, "scope"), "openid profile offline_access");
    let id_token = claims(&field(&tokens, "id_token"));
    assert_eq!(id_token["aud"], "tv");
    assert_eq!(id_token["auth_time"], signed_in_at, "that of the session");
    assert!(id_token["sid"].is_string() && id_token.get("nonce").is_none(), "{id_token}");
    let userinfo = provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json()["name"], "Alice Adams");
    assert_eq!(provider.refresh(&client, &field(&tokens, "refresh_token")).status, 200);
}

#[test]
fn a_denied_request_is_denied_for_the_device() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    assert!(is_denied(&browser.submit(&page, &DENY)));
    for _ in 0..2 {
        assert_eq!(error(&provider.poll_later(&client, &codes)), "access_denied");
    }
    assert_eq!(provider.number("SELECT count(*) FROM grants"), 0);
}

#[test]
fn the_first_decision_counts_and_is_shown_again() {
    for (first, second, is_first) in [
        (ALLOW, ALLOW, is_allowed as fn(&TestResponse) -> bool),
        (ALLOW, DENY, is_allowed),
        (DENY, ALLOW, is_denied),
        (DENY, DENY, is_denied),
    ] {
        let (provider, client) = provider();
        let codes = provider.start(&client);
        let browser = Browser::new(&provider);
        let page = browser.open(&codes);
        assert!(is_first(&browser.submit(&page, &first)));
        let again = browser.submit(&page, &second);
        assert!(is_first(&again), "{first:?} {second:?}: {}", again.body);
        assert_eq!(provider.number("SELECT count(*) FROM grants"), i64::from(first == ALLOW));
        let polled = provider.poll_later(&client, &codes);
        assert_eq!(polled.status == 200, first == ALLOW, "{}", polled.body);
    }
}

#[test]
fn of_simultaneous_decisions_one_counts() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browsers = [Browser::new(&provider), Browser::new(&provider)];
    let pages = browsers.each_ref().map(|browser| browser.open(&codes));
    let mut requests = Vec::new();
    for _ in 0..10 {
        for (browser, page) in browsers.iter().zip(&pages) {
            requests.extend([ALLOW, DENY].map(|decision| browser.submission(page, &decision)));
        }
    }
    let responses = provider.send_at_once(requests);
    let allowed = responses.iter().filter(|page| is_allowed(page)).count();
    let denied = responses.iter().filter(|page| is_denied(page)).count();
    assert!(allowed == 0 || denied == 0, "{allowed} {denied}");
    assert_eq!(allowed + denied, 20, "of the browser that decided");
    assert_eq!(provider.number("SELECT count(*) FROM grants"), i64::from(allowed > 0));
    assert_eq!(provider.poll(&client, &codes).status == 200, allowed > 0);
}

#[test]
fn a_second_browser_takes_the_request_over_with_the_code_until_one_has_decided() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let (phone, laptop) = (Browser::new(&provider), Browser::new(&provider));
    let on_phone = phone.open(&codes);
    let on_laptop = laptop.open(&codes);
    for decision in [&ALLOW, &DENY] {
        let late = phone.submit(&on_phone, decision);
        assert!(error_page(&late).contains("already completed"), "{}", late.body);
    }
    let on_phone = phone.open(&codes);
    assert!(error_page(&laptop.submit(&on_laptop, &ALLOW)).contains("already completed"));
    assert!(is_allowed(&phone.submit(&on_phone, &ALLOW)));
    assert_eq!(laptop.type_code(&codes.user_code).status, 403, "the code is used");
    assert_eq!(provider.poll(&client, &codes).status, 200);
}

#[test]
fn the_page_of_a_decision_can_be_loaded_again() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    let query = form(&page).fields.into_iter().find(|(name, _)| name == "request").unwrap().1;
    browser.submit(&page, &ALLOW);
    provider.sleep(60);
    assert!(is_allowed(&browser.get(&format!("/auth/authorize?{query}"))));
    let other = Browser::new(&provider).get(&format!("/auth/authorize?{query}"));
    assert!(error_page(&other).contains("already completed"));
}

#[test]
fn codes_are_read_as_people_type_them() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let code = &codes.user_code;
    let (first, second) = code.split_once('-').unwrap();
    for typed in [
        code.clone(),
        code.to_lowercase(),
        format!("{first}{second}"),
        format!(" {first} {second} "),
        format!("{first}—{second}."),
        format!("{first}\u{2011}{second}"),
        code.chars().map(|c| format!("{c} ")).collect(),
        // Full-width letters of an East Asian keyboard.
        code.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect(),
    ] {
        assert!(is_login(&Browser::new(&provider).type_code(&typed)), "{typed:?}");
    }
    for typed in ["", "WDJB", "ABCD-EFGH", "1234-5678", "WDJB-MJHTT"] {
        let page = Browser::new(&provider).type_code(typed);
        assert_eq!(page.status, 400, "{typed:?}");
        assert!(page.body.contains("eight letters") && page.body.contains(typed));
    }
    let other = if first.starts_with('B') { "CCCC-CCCC" } else { "BBBB-BBBB" };
    let page = Browser::new(&provider).type_code(other);
    assert_eq!(page.status, 403);
    assert!(page.body.contains("not right, or it has expired"));
}

#[test]
fn a_link_fills_in_the_code_and_opens_nothing() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    browser.authorize(&provider.put_app(), LOGIN, &[]);
    for _ in 0..2 {
        let page = browser.get(&codes.complete);
        assert_eq!(page.status, 200);
        assert!(page.body.contains(&format!("value=\"{}\"", codes.user_code)), "{}", page.body);
        assert!(!is_consent(&page) && !page.body.contains("The TV"));
    }
    let page = browser.submit(&browser.get(&codes.complete), &[("user_code", &codes.user_code)]);
    assert!(is_consent(&page) && page.body.contains(&codes.user_code));
    // A link with anything else fills in nothing.
    for query in
        ["user_code=%22%3E%3Cscript%3E", "user_code=WDJB", "user_code=WDJBMJHT&user_code=WDJBMJHT"]
    {
        let page = browser.get(&format!("/device?{query}"));
        assert_eq!(form(&page).fields.iter().filter(|(name, _)| name == "user_code").count(), 0);
        assert!(page.body.contains("value=\"\""), "{}", page.body);
    }
}

#[test]
fn a_trusted_client_needs_a_decision_for_each_device() {
    let (provider, _) = provider();
    let client = provider.put_device_client("trusted", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    for _ in 0..2 {
        let codes = provider.start(&client);
        let page = browser.open(&codes);
        assert!(page.body.contains(&codes.user_code));
        assert!(is_allowed(&browser.submit(&page, &ALLOW)));
        assert_eq!(provider.poll(&client, &codes).status, 200);
    }
}

#[test]
fn another_account_can_be_used_for_a_device() {
    let (provider, client) = provider();
    provider.put_user("bob");
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    let page = browser.submit(&page, &[("decision", "switch")]);
    let page = browser.sign_in_on(&page, "bob");
    assert!(is_allowed(&browser.submit(&page, &ALLOW)), "{}", page.body);
    let tokens = provider.poll(&client, &codes);
    assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "bob");
}

#[test]
fn requests_of_devices_are_validated_when_they_are_sent() {
    let (provider, client) = provider();
    let web = provider.put_app();
    for (client, parameters, expected) in [
        (&client, vec![("scope", "unheard-of")], (400, "invalid_scope")),
        (&client, vec![("scope", "\u{7f}")], (400, "invalid_scope")),
        (&client, vec![("resource", "https://api.example")], (400, "invalid_target")),
        (&client, vec![("scope", "openid"), ("scope", "openid")], (400, "invalid_request")),
        (&client, vec![("client_secret", "x")], (401, "invalid_client")),
        (&web, vec![], (400, "unauthorized_client")),
    ] {
        let response = provider.start_with(client, &parameters);
        let error = response.error();
        assert_eq!((response.status, error.as_deref().unwrap()), expected, "{}", response.body);
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let unknown = TestClient { id: "nobody".into(), ..client.clone() };
    assert_eq!(provider.start_with(&unknown, &[]).error().as_deref(), Some("invalid_client"));
    let confidential = provider.put_device_client(
        "box",
        json!({ "token_endpoint_auth_method": "client_secret_basic", "redirect_uris": [] }),
    );
    assert_eq!(provider.start_with(&confidential, &[]).status, 200);
    let wrong = TestClient { secret: Some("wrong".into()), ..confidential };
    assert_eq!(provider.start_with(&wrong, &[]).status, 401);
    assert_eq!(provider.number("SELECT count(*) FROM authorization_requests"), 1);
    let response = provider.send(post("/auth/device").body("application/json", "{}"));
    assert_eq!(response.error().as_deref(), Some("invalid_request"));
    assert_eq!(provider.send(get("/auth/device")).status, 405);
}

#[test]
fn a_client_for_devices_alone_needs_no_redirect_uri() {
    let (provider, _) = provider();
    let client = provider.put_device_client("bare", json!({ "redirect_uris": [] }));
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    assert!(is_allowed(&browser.submit(&page, &ALLOW)));
    assert_eq!(provider.poll(&client, &codes).status, 200);
    let authorize = browser
        .get("/auth/authorize?client_id=bare&response_type=code&redirect_uri=https://x.example/");
    assert!(error_page(&authorize).contains("is not registered"));
}

#[test]
fn a_poll_that_is_too_early_makes_the_interval_longer_for_ever() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let expect = |wait: i64, expected: &str| {
        provider.sleep(wait);
        assert_eq!(error(&provider.poll(&client, &codes)), expected, "after {wait}");
    };
    expect(0, "authorization_pending");
    // A second is allowed for the way of the request.
    expect(4, "authorization_pending");
    expect(3, "slow_down");
    // The interval is 10 seconds now, since the last poll that was answered.
    expect(5, "slow_down");
    // It is 15.
    expect(6, "authorization_pending");
    expect(13, "slow_down");
    expect(6, "authorization_pending");
    // It is 20, and stays so.
    expect(19, "authorization_pending");
    expect(19, "authorization_pending");
}

#[test]
fn the_interval_has_a_limit_so_that_a_hasty_device_gets_its_tokens() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    for _ in 0..100 {
        provider.poll(&client, &codes);
    }
    let page = Browser::new(&provider);
    let consent = page.open(&codes);
    page.submit(&consent, &ALLOW);
    provider.sleep(POLL_INTERVAL_LONGEST_SECONDS - 2);
    assert_eq!(error(&provider.poll(&client, &codes)), "slow_down");
    provider.sleep(1);
    assert_eq!(provider.poll(&client, &codes).status, 200);
}

#[test]
fn of_200_polls_at_once_one_is_answered() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let request = || {
        let mut form = poll(&codes).to_vec();
        form.push(("client_id", &client.id));
        post("/auth/token").form(&encode(&form))
    };
    let count = |expected: &str| {
        let responses = provider.send_at_once((0..200).map(|_| request()).collect());
        let is_expected =
            |response: &&TestResponse| response.error().as_deref().unwrap_or("tokens") == expected;
        let others = responses.iter().filter(|response| !is_expected(response));
        assert!(others.clone().all(|other| other.error().as_deref() == Some("slow_down")));
        200 - others.count()
    };
    assert_eq!(count("authorization_pending"), 1);
    let browser = Browser::new(&provider);
    browser.submit(&browser.open(&codes), &ALLOW);
    provider.sleep(POLL_INTERVAL_LONGEST_SECONDS);
    assert_eq!(count("tokens"), 1);
    assert_eq!(provider.number("SELECT count(*) FROM refresh_tokens"), 1);
    assert_eq!(provider.number("SELECT count(*) FROM grants"), 1);
}

#[test]
fn a_device_that_lost_the_response_gets_its_tokens_again_for_two_minutes() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    browser.submit(&browser.open(&codes), &ALLOW);
    let first = provider.poll_later(&client, &codes);
    let second = provider.poll_later(&client, &codes);
    assert_eq!((first.status, second.status), (200, 200), "{}", second.body);
    let tokens = [&first, &second].map(|tokens| field(tokens, "refresh_token"));
    assert_eq!(tokens[0], tokens[1], "one refresh token");
    provider.sleep(DEVICE_REPEAT_SECONDS);
    let late = provider.poll(&client, &codes);
    assert_eq!(error(&late), "invalid_grant");
    assert!(late.body.contains("already used"));
    assert_eq!(provider.refresh(&client, &tokens[0]).status, 200);
}

#[test]
fn a_device_that_used_its_refresh_token_cannot_use_its_code_again() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    browser.submit(&browser.open(&codes), &ALLOW);
    let tokens = provider.poll_later(&client, &codes);
    let next = provider.refresh(&client, &field(&tokens, "refresh_token"));
    assert_eq!(error(&provider.poll_later(&client, &codes)), "invalid_grant");
    assert_eq!(provider.refresh(&client, &field(&next, "refresh_token")).status, 200);
}

#[test]
fn the_refresh_token_of_a_device_expires_when_it_is_idle() {
    for (idle, status) in [(REFRESH_TOKEN_IDLE_SECONDS - 1, 200), (REFRESH_TOKEN_IDLE_SECONDS, 400)]
    {
        let (provider, client) = provider();
        let codes = provider.start(&client);
        let browser = Browser::new(&provider);
        browser.submit(&browser.open(&codes), &ALLOW);
        let tokens = provider.poll_later(&client, &codes);
        provider.sleep(idle);
        let refreshed = provider.refresh(&client, &field(&tokens, "refresh_token"));
        assert_eq!(refreshed.status, status, "{}", refreshed.body);
        assert_eq!(refreshed.body.contains("expired"), status == 400);
    }
}

#[test]
fn a_lost_response_of_the_database_loses_nothing() {
    let (provider, client) = provider();
    let losing = |send: &dyn Fn() -> TestResponse| {
        provider.platform.responses_before_loss.set(0);
        provider.platform.lost_responses.set(1);
        let response = send();
        assert_eq!(provider.platform.lost_responses.get(), 0, "a response got lost");
        response
    };
    let (browser, denying) = (Browser::new(&provider), Browser::new(&provider));
    let codes = provider.start(&client);
    let page = browser.open(&codes);
    assert!(is_allowed(&losing(&|| browser.submit(&page, &ALLOW))));
    assert_eq!(provider.number("SELECT count(*) FROM grants"), 1);
    provider.sleep(5);
    let tokens = losing(&|| provider.poll(&client, &codes));
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(provider.refresh(&client, &field(&tokens, "refresh_token")).status, 200);

    let codes = provider.start(&client);
    let page = denying.open(&codes);
    assert!(is_denied(&losing(&|| denying.submit(&page, &DENY))));
    assert_eq!(error(&losing(&|| provider.poll(&client, &codes))), "access_denied");
    let codes = codes_of(&losing(&|| provider.start_with(&client, &[])));
    assert!(is_consent(&browser.open(&codes)));
}

#[test]
fn an_expired_code_is_expired_for_device_and_user() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    provider.sleep(DEVICE_CODE_SECONDS - 1);
    assert_eq!(error(&provider.poll(&client, &codes)), "authorization_pending");
    assert!(is_consent(&Browser::new(&provider).open(&codes)));
    provider.sleep(1);
    // The next request of another device sweeps.
    provider.start(&client);
    provider.maintain();
    assert_eq!(error(&provider.poll(&client, &codes)), "expired_token");
    assert!(error_page(&browser.submit(&page, &ALLOW)).contains("has expired"));
    assert!(error_page(&browser.submit(&page, &DENY)).contains("has expired"));
    assert_eq!(browser.type_code(&codes.user_code).status, 403);
    provider.sleep(300);
    provider.start(&client);
    assert_eq!(error(&provider.poll(&client, &codes)), "invalid_grant");
    // Those of the two devices that swept.
    assert_eq!(provider.number("SELECT count(*) FROM authorization_requests"), 2);
}

#[test]
fn a_device_has_five_minutes_after_the_decision() {
    let (provider, client) = provider();
    for (wait, status) in [(DEVICE_REDEMPTION_SECONDS - 1, 200), (DEVICE_REDEMPTION_SECONDS, 400)] {
        let codes = provider.start(&client);
        let browser = Browser::new(&provider);
        browser.submit(&browser.open(&codes), &ALLOW);
        provider.sleep(wait);
        let polled = provider.poll(&client, &codes);
        assert_eq!(polled.status, status, "{}", polled.body);
    }
}

#[test]
fn a_device_has_five_minutes_after_a_decision_of_the_last_moment() {
    let (provider, client) = provider();
    for (wait, status) in [(DEVICE_REDEMPTION_SECONDS - 1, 200), (DEVICE_REDEMPTION_SECONDS, 400)] {
        let codes = provider.start(&client);
        let browser = Browser::new(&provider);
        let page = browser.open(&codes);
        provider.sleep(DEVICE_CODE_SECONDS - 1);
        assert!(is_allowed(&browser.submit(&page, &ALLOW)));
        provider.sleep(wait);
        // The next request of another device sweeps.
        provider.start(&client);
        let polled = provider.poll(&client, &codes);
        assert_eq!(polled.status, status, "{}", polled.body);
    }
}

#[test]
fn a_user_who_signs_out_ends_what_the_device_has_not_taken_yet() {
    let offline = "openid offline_access";
    for (scope, is_taken, remains) in [
        ("openid", false, false),
        (offline, false, false),
        ("openid", true, false),
        (offline, true, true),
    ] {
        let (provider, client) = provider();
        let codes = codes_of(&provider.start_with(&client, &[("scope", scope)]));
        let browser = Browser::new(&provider);
        let page = browser.submit(&browser.open(&codes), &ALLOW);
        assert!(page.body.contains("If you sign out in this browser"), "{}", page.body);
        let taken = is_taken.then(|| provider.poll(&client, &codes));
        browser.submit_form(&form_to(&browser.get("/auth/account"), "/auth/signout"), &[]);
        match taken {
            Some(tokens) => {
                let token = field(&tokens, "access_token");
                let status = provider.send(get("/auth/userinfo").bearer(&token)).status;
                assert_eq!(status, if remains { 200 } else { 401 }, "{scope}");
                if scope == offline {
                    let token = field(&tokens, "refresh_token");
                    assert_eq!(provider.refresh(&client, &token).status, 200);
                }
            }
            None => assert_eq!(error(&provider.poll(&client, &codes)), "invalid_grant", "{scope}"),
        }
    }
}

#[test]
fn a_device_code_is_bound_to_its_client() {
    let (provider, client) = provider();
    let other = provider.put_device_client("other", json!({}));
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    browser.submit(&browser.open(&codes), &ALLOW);
    for _ in 0..20 {
        let stolen = provider.poll(&other, &codes);
        assert_eq!(error(&stolen), "invalid_grant");
        assert!(stolen.body.contains("unknown, or issued to another client"));
    }
    assert_eq!(provider.poll(&client, &codes).status, 200, "the others changed nothing");
    let cases = [
        (vec![("grant_type", GRANT_TYPE)], "invalid_request"),
        (vec![("grant_type", GRANT_TYPE), ("device_code", "x")], "invalid_grant"),
        (
            vec![("grant_type", GRANT_TYPE), ("device_code", "x"), ("device_code", "x")],
            "invalid_request",
        ),
        (
            vec![("grant_type", "authorization_code"), ("code", &codes.device_code)],
            "unauthorized_client",
        ),
        (vec![("grant_type", GRANT_TYPE), ("device_code", &codes.user_code)], "invalid_grant"),
    ];
    for (parameters, expected) in cases {
        assert_eq!(error(&provider.token(&client, &parameters)), expected, "{parameters:?}");
    }
}

#[test]
fn nothing_is_issued_once_the_user_or_the_client_is_gone() {
    let (provider, client) = provider();
    provider.put_user("bob");
    let codes = provider.start(&client);
    let pending = provider.start(&client);
    let browser = Browser::new(&provider);
    let page = browser.sign_in_on(&browser.type_code(&codes.user_code), "bob");
    let bobs_page = browser.type_code(&pending.user_code);
    assert!(is_allowed(&browser.submit(&page, &ALLOW)) && is_consent(&bobs_page));
    assert_eq!(provider.send(delete("/admin/users/bob").by_operator()).status, 200);
    let refused = provider.poll(&client, &codes);
    assert_eq!(error(&refused), "invalid_grant", "{}", refused.body);
    assert!(is_login(&browser.submit(&bobs_page, &ALLOW)), "bob is no longer signed in");

    let codes = provider.start(&client);
    let alice = Browser::new(&provider);
    let page = alice.open(&codes);
    assert_eq!(provider.send(delete("/admin/clients/tv").by_operator()).status, 200);
    assert!(error_page(&alice.submit(&page, &ALLOW)).contains("tv is not registered"));
    assert_eq!(provider.poll(&client, &codes).error().as_deref(), Some("invalid_client"));
    assert_eq!(provider.number("SELECT count(*) FROM grants WHERE sub = 'alice'"), 0);
}

#[test]
fn an_isolate_whose_clock_is_ahead_does_not_stop_a_device() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    provider.sleep(600);
    assert_eq!(error(&provider.poll(&client, &codes)), "authorization_pending");
    provider.sleep(-600);
    assert_eq!(error(&provider.poll(&client, &codes)), "authorization_pending");
    // A wrong code that was typed in the future is forgotten.
    provider.sleep(86_400);
    let browser = Browser::new(&provider);
    for _ in 0..10 {
        browser.type_code("BBBB-BBBB");
    }
    assert_eq!(browser.type_code("BBBB-BBBB").status, 429);
    provider.sleep(-86_400);
    assert_eq!(Browser::new(&provider).type_code("BBBB-BBBB").status, 403);
}

#[test]
fn a_changed_secret_keeps_the_codes_while_the_previous_one_is_set() {
    const NEW: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let mut both = variables_with("KEY_ENCRYPTION_KEY", NEW);
    both.push(("KEY_ENCRYPTION_KEY_PREVIOUS", crate::test_provider::KEY_ENCRYPTION_KEY.into()));
    provider.deploy(both);
    let browser = Browser::new(&provider);
    let page = browser.open(&codes);
    assert!(page.body.contains(&codes.user_code));
    assert!(is_allowed(&browser.submit(&page, &ALLOW)));
    assert_eq!(provider.poll(&client, &codes).status, 200);
}

// RFC 8628 section 5: security considerations.

/// Types wrong codes until there is a pause, and returns how many were wrong.
fn guess(browser: &Browser<'_>) -> usize {
    let letters = b"BCDFGHJKLM";
    let code = |n: usize| {
        let letter = |n: usize| char::from(letters[n % 10]);
        format!("ZZZ{}-{}ZZZ", letter(n / 10), letter(n))
    };
    let is_wrong = |n: &usize| {
        let page = browser.type_code(&code(*n));
        assert!([403, 429].contains(&page.status), "{}", page.body);
        page.status == 403
    };
    (0..100).take_while(is_wrong).count()
}

#[test]
fn user_code_brute_force_is_limited_for_a_network_and_for_everybody() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let guesses = |network: u8| {
        let mut browser = Browser::new(&provider);
        browser.address = format!("10.0.{network}.1");
        guess(&browser)
    };
    assert_eq!((0..8).map(guesses).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 0, 0, 0]);
    assert_eq!(provider.number("SELECT count(*) FROM user_code_attempts"), 6, "no row for others");
    // The right code is not disclosed either, and the page says how to go on.
    let stranger = Browser::new(&provider);
    let page = stranger.type_code(&codes.user_code);
    assert_eq!(page.status, 429);
    assert_eq!(page.header("retry-after"), Some(USER_CODE_WINDOW_SECONDS.to_string().as_str()));
    assert!(page.body.contains("sign in on"), "{}", page.body);
    provider.sleep(USER_CODE_WINDOW_SECONDS);
    let codes = provider.start(&client);
    assert!(is_login(&stranger.type_code(&codes.user_code)));
}

#[test]
fn a_brute_force_attack_locks_no_signed_in_user_out() {
    let (provider, client) = provider();
    let (alice, attacker) = (Browser::new(&provider), Browser::new(&provider));
    let codes = provider.start(&client);
    alice.open(&codes);
    for network in 0..6 {
        let mut browser = Browser::new(&provider);
        browser.address = format!("10.0.{network}.1");
        guess(&browser);
    }
    assert_eq!(attacker.type_code(&codes.user_code).status, 429);
    assert!(is_consent(&alice.type_code(&codes.user_code)));
    // Every browser of a user has one counter, which locks out nobody else.
    assert_eq!(guess(&alice), 10);
    let other = Browser::new(&provider);
    other.authorize(&provider.put_app(), LOGIN, &[]);
    let page = other.type_code(&codes.user_code);
    assert!(page.status == 429 && !page.body.contains("sign in on"), "{}", page.body);
    provider.put_user("bob");
    let bob = Browser::new(&provider);
    bob.authorize(&provider.put_app(), "bob", &[]);
    assert!(is_consent(&bob.type_code(&codes.user_code)));
}

#[test]
fn simultaneous_guesses_count_before_they_are_answered() {
    let (provider, _) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get("/device");
    let guess = || browser.submission(&page, &[("user_code", "BBBB-BBBB")]);
    let responses = provider.send_at_once((0..200).map(|_| guess()).collect());
    assert_eq!(responses.iter().filter(|page| page.status == 403).count(), 10);
    assert_eq!(responses.iter().filter(|page| page.status == 429).count(), 190);
    let event = json!({ "event": "user_code_budget_exhausted", "level": "warning" });
    assert_eq!(responses[199].events, [event], "of its isolate");
}

#[test]
fn device_code_brute_force_has_256_bits_to_guess_and_the_database_has_only_the_hash() {
    let (provider, client) = provider();
    let codes: Vec<_> = (0..20).map(|_| provider.start(&client)).collect();
    let mut dump = String::new();
    let mut statement =
        provider.platform.primary.prepare("SELECT * FROM authorization_requests").unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            dump.push_str(&format!("{:?} ", row.get_ref(column).unwrap()));
        }
    }
    for code in &codes {
        assert_eq!(code.device_code.len(), 43);
        let letters = code.user_code.replace('-', "");
        for secret in [&code.device_code, &code.user_code, &letters] {
            assert!(!dump.contains(secret.as_str()), "{secret}");
        }
    }
    let mut different: Vec<_> = codes.iter().map(|code| &code.user_code).collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 20);
}

#[test]
fn device_trustworthiness_the_page_says_what_is_known_and_lets_the_device_say_little() {
    let (provider, client) = provider();
    let request = start(&client, &[]).with_country(&Some("NL".into()));
    let request = request.with("user-agent", "Your-own-TV <b>verified</b> by the IT department");
    let codes = codes_of(&provider.send(request));
    provider.sleep(120);
    let page = Browser::new(&provider).open(&codes);
    for shown in ["192.0.2.0/24", "(NL)", "2 minutes ago", "Your-own-TV"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!page.body.contains("verified</b>") && !page.body.contains("department"));
}

#[test]
fn remote_phishing_shows_in_another_network_or_country_and_the_same_one_proves_nothing() {
    let (provider, client) = provider();
    let request = start(&client, &[]).with_country(&Some("NL".into()));
    let codes = codes_of(&provider.send(request));
    let (network, country) = ("is in another network", "is in another country");
    for (address, of_browser, warning) in [
        ("192.0.2.7", Some("NL"), None),
        ("192.0.2.7", None, None),
        ("203.0.113.9", Some("NL"), Some(network)),
        ("203.0.113.9", None, Some(network)),
        ("203.0.113.9", Some("DE"), Some(country)),
        ("192.0.2.7", Some("DE"), Some(country)),
        // A site has networks of both kinds, so two that cannot be compared differ in nothing.
        ("2001:db8::1", Some("NL"), None),
        ("2001:db8::1", Some("DE"), Some(country)),
        ("unknown", Some("NL"), None),
    ] {
        let mut browser = Browser::new(&provider);
        (browser.address, browser.country) = (address.into(), of_browser.map(str::to_owned));
        let page = browser.open(&codes).body;
        assert!(page.contains("<code>192.0.2.0/24</code> (NL)"), "{page}");
        assert!(!page.contains("same network"), "{page}");
        for words in [network, country] {
            assert_eq!(page.contains(words), warning == Some(words), "{address} {of_browser:?}");
        }
    }
}

#[test]
fn a_web_page_cannot_start_the_request_of_a_device_and_read_its_codes() {
    let (provider, client) = provider();
    let request = start(&client, &[]).with("origin", "https://evil.example");
    let refused = post("/auth/device").with("origin", "https://evil.example");
    let preflight = TestRequest::new("OPTIONS", "/auth/device")
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "POST");
    for (request, status) in [(request, 200), (refused, 400), (preflight, 405)] {
        let response = provider.send(request);
        assert_eq!(response.status, status, "{}", response.body);
        assert_eq!(response.header("content-type"), Some("application/json"));
        let mut names = response.headers.iter().map(|(name, _)| name);
        assert!(!names.any(|name| name.starts_with("access-control-")), "{status}");
    }
}

#[test]
fn remote_phishing_needs_the_code_typed_by_a_user_who_decides_and_has_seen_the_warning() {
    let (provider, client) = provider();
    let trusted = provider.put_device_client("trusted", json!({ "trusted": true }));
    for client in [&client, &trusted] {
        let codes = provider.start(client);
        // The attacker finds out the URL of the page behind the code, and sends that.
        let attacker = Browser::new(&provider);
        let opened = attacker.get("/device");
        let typed = provider.send(attacker.submission(&opened, &[("user_code", &codes.user_code)]));
        let target = typed.header("location").unwrap().to_owned();
        let victim = Browser::new(&provider);
        victim.authorize(&provider.put_app(), LOGIN, &[]);
        let sent = victim.get(&target);
        assert!(error_page(&sent).contains("already completed"), "{}", sent.body);
        let page = victim.type_code(&codes.user_code);
        assert!(is_consent(&page) && page.body.contains(&codes.user_code), "{}", page.body);
        assert!(page.body.contains("If somebody sent you the link or the code, deny it"));
        assert_eq!(error(&provider.poll(client, &codes)), "authorization_pending");
        // A form that was not shown to the victim decides nothing.
        let forms = form(&page);
        let forged = |name: &str, value: &str| {
            let fields = forms.fields.iter().map(|(known, old)| {
                (known.clone(), if known == name { value.to_owned() } else { old.clone() })
            });
            victim.submit_form(&Form { fields: fields.collect(), ..forms.clone() }, &ALLOW)
        };
        for (name, value) in [("token", ""), ("token", "1.a.b"), ("shown", "openid")] {
            assert!(is_consent(&forged(name, value)), "{name}");
        }
        // Neither does a form that another site posts: the browser's cookies are missing.
        let stranger = Browser::new(&provider);
        let posted = stranger.submit(&page, &ALLOW);
        assert!(error_page(&posted).contains("already completed"), "{}", posted.body);
        assert_eq!(error(&provider.poll_later(client, &codes)), "authorization_pending");
    }
}

#[test]
fn another_site_cannot_type_codes_with_a_browser() {
    let (provider, client) = provider();
    let codes = provider.start(&client);
    let victim = Browser::new(&provider);
    victim.authorize(&provider.put_app(), LOGIN, &[]);
    let attacker = Browser::new(&provider);
    let token = form(&attacker.get("/device")).fields.remove(0).1;
    for token in ["", &token] {
        let page = victim.post("/device", &[("user_code", &codes.user_code), ("token", token)]);
        assert!(page.status == 400 && page.body.contains("This form has expired"), "{}", page.body);
    }
    let without_cookies = provider.send(
        post("/device")
            .form(&encode(&[("user_code", codes.user_code.as_str()), ("token", &token)])),
    );
    assert!(without_cookies.status == 400 && without_cookies.body.contains("needs cookies"));
}

#[test]
fn session_spying_a_seen_code_gives_the_spy_the_device_and_no_account() {
    let (provider, client) = provider();
    provider.put_user("spy");
    let codes = provider.start(&client);
    let alice = Browser::new(&provider);
    let page = alice.open(&codes);
    // Who reads the code from the screen can only sign in to their own account, before alice decides.
    let spy = Browser::new(&provider);
    let spys = spy.sign_in_on(&spy.type_code(&codes.user_code), "spy");
    assert!(is_allowed(&spy.submit(&spys, &ALLOW)));
    assert!(error_page(&alice.submit(&page, &ALLOW)).contains("already completed"));
    let tokens = provider.poll(&client, &codes);
    assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "spy");
    assert_eq!(provider.number("SELECT count(*) FROM grants WHERE sub = 'alice'"), 0);
    assert_eq!(provider.number("SELECT count(*) FROM consents WHERE sub = 'alice'"), 0);
}

#[test]
fn non_confidential_clients_start_few_requests_and_prove_a_code_of_their_own() {
    let (provider, client) = provider();
    let confidential = provider
        .put_device_client("box", json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    let codes = provider.start(&client);
    let of_box = provider.start(&confidential);
    provider.platform.rate_limit.set(Some(0));
    let refused = provider.start_with(&client, &[]);
    assert_eq!(
        (refused.status, refused.error().as_deref()),
        (429, Some("temporarily_unavailable"))
    );
    assert_eq!(provider.start_with(&confidential, &[]).status, 200);
    provider.platform.rate_limit.set(None);
    // Its codes need the secret.
    let without = TestClient { secret: None, ..confidential };
    assert_eq!(provider.poll(&without, &of_box).error().as_deref(), Some("invalid_client"));
    assert_eq!(error(&provider.poll(&client, &codes)), "authorization_pending");
}

#[test]
fn a_client_that_nobody_vouches_for_is_shown_as_such() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.send(get("/auth/jwks.json"));
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let document = json!({
        "client_name": "Your bank", "grant_types": [GRANT_TYPE], "token_endpoint_auth_method": "none",
    });
    let response = provider.send(post("/auth/register").json(&document));
    assert_eq!(response.status, 201, "{}", response.body);
    assert_eq!(response.json()["response_types"], json!([]));
    let id = response.json()["client_id"].as_str().unwrap().to_owned();
    let client = TestClient { id, secret: None, redirect_uri: String::new() };
    let codes = provider.start(&client);
    let browser = Browser::new(&provider);
    let login = browser.type_code(&codes.user_code);
    assert!(login.body.contains("an application on another device"), "{}", login.body);
    let page = browser.sign_in_on(&login, LOGIN);
    assert!(page.body.contains("Allow an application on another device"), "{}", page.body);
    assert!(page.body.contains("calls itself") && page.body.contains("not verified"));
    assert!(is_allowed(&browser.submit(&page, &ALLOW)));
    assert_eq!(provider.poll(&client, &codes).status, 200);
}

#[test]
fn strangers_take_slots_with_the_requests_of_devices() {
    let (provider, client) = provider();
    provider.start(&client);
    assert_eq!(provider.number("SELECT count(slot) FROM authorization_requests"), 1);
    let confidential = provider
        .put_device_client("box", json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    provider.start(&confidential);
    assert_eq!(provider.number("SELECT count(slot) FROM authorization_requests"), 1);
    // All slots of the client are taken, by requests that live.
    let fill = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9999) \
        INSERT OR IGNORE INTO authorization_requests (handle_hash, parameters, is_signed, expires_at, slot) \
        SELECT n, '', 0, ?1, 'tv/' || n FROM numbers";
    provider.platform.primary.execute(fill, [NOW + 1_000]).unwrap();
    let refused = provider.start_with(&client, &[]);
    assert_eq!(
        (refused.status, refused.error().as_deref()),
        (503, Some("temporarily_unavailable"))
    );
    assert_eq!(refused.event_names(), ["slots_exhausted"]);
    assert_eq!(provider.start_with(&confidential, &[]).status, 200);
    provider.sleep(1_000);
    assert_eq!(provider.start_with(&client, &[]).status, 200);
}

#[test]
fn pages_of_an_issuer_with_a_path_are_below_it() {
    let provider =
        TestProvider::configured(variables_with("ISSUER", "https://login.example.com/tenant/a"));
    provider.has_entropy.set(true);
    provider.send(get("/tenant/a/auth/jwks.json"));
    let document = json!({
        "redirect_uris": [], "grant_types": [GRANT_TYPE], "token_endpoint_auth_method": "none",
    });
    let put = crate::test_provider::put("/tenant/a/admin/clients/tv").by_operator();
    assert_eq!(provider.send(put.json(&document)).status, 200);
    let response = provider.send(post("/tenant/a/auth/device").form("client_id=tv"));
    let uri = "https://login.example.com/tenant/a/device";
    assert_eq!(field(&response, "verification_uri"), uri);
    let page = provider.send(get("/tenant/a/device"));
    assert_eq!(form(&page).action, uri);
}
