//! A response that got lost, or is requested again: a double click, a reload, a second tab.

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, Form, PASSWORD, TestClient, answer, encode, error_page, form,
    hash_at, is_consent,
};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, post};
use serde_json::json;

const LOGIN: &str = "alice@example.com";

/// How a client sends its authorization request.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Plain,
    /// Signed, and by POST.
    Posted,
    Pushed,
    Signed,
}

const TRANSPORTS: [Transport; 4] =
    [Transport::Plain, Transport::Posted, Transport::Pushed, Transport::Signed];

struct Sending {
    provider: TestProvider,
    client: TestClient,
    signer: Signer,
}

impl Sending {
    fn new() -> Self {
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        let signer = Signer::new("ES256", None, 0);
        let client = provider.put_client_with("app", json!({ "jwks": signer.jwks() }));
        Self { provider, client, signer }
    }

    /// The target that the client redirects a browser to.
    fn target(&self, transport: Transport) -> String {
        let Self { provider, client, .. } = self;
        let parameters = [("prompt", "consent")];
        match transport {
            Transport::Plain => client.authorize(&parameters),
            Transport::Posted => {
                let response = provider.send(post("/auth/authorize").form(&self.signed()));
                response.header("location").unwrap().to_owned()
            }
            Transport::Pushed => provider.push(client, &parameters),
            Transport::Signed => format!("/auth/authorize?{}", self.signed()),
        }
    }

    /// The query of a signed request.
    fn signed(&self) -> String {
        let object = self.signer.sign(&json!({
            "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
            "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256", "state": "the state", "prompt": "consent",
            "iat": self.provider.now.get(),
        }));
        encode(&[("client_id", "app"), ("request", &object)])
    }

    /// A signed-in browser with the consent page of a request.
    fn consent_page(&self, transport: Transport) -> (Browser<'_>, TestResponse) {
        let browser = Browser::new(&self.provider);
        browser.authorize(&self.client, LOGIN, &[]);
        let page = browser.follow(browser.get(&self.target(transport)));
        assert!(is_consent(&page), "{transport:?}: {}", page.body);
        (browser, page)
    }

    /// Sends requests. The response to one of the batches that write gets lost, after `kept` others.
    fn losing<T>(&self, kept: u32, send: impl FnOnce() -> T) -> T {
        let platform = &self.provider.platform;
        platform.responses_before_loss.set(kept);
        platform.lost_responses.set(1);
        let result = send();
        assert_eq!(platform.lost_responses.get(), 0, "a response got lost");
        result
    }

    fn number(&self, sql: &str) -> i64 {
        self.provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn text(&self, sql: &str) -> String {
        self.provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn redeems(&self, response: &TestResponse) -> bool {
        let code = &answer(response, CALLBACK)["code"];
        self.provider.redeem(&self.client, code).status == 200
    }
}

const ALLOW: [(&str, &str); 1] = [("decision", "allow")];
const DENY: [(&str, &str); 1] = [("decision", "deny")];

#[test]
fn a_double_click_on_allow_gets_a_code_twice() {
    for transport in TRANSPORTS {
        let sending = Sending::new();
        let (browser, page) = sending.consent_page(transport);
        let first = browser.submit(&page, &ALLOW);
        let second = browser.submit(&page, &ALLOW);
        // The browser shows the second response; the client may have seen the first.
        assert!(sending.redeems(&first), "{transport:?}");
        assert!(sending.redeems(&second), "{transport:?}");
        assert_eq!(answer(&second, CALLBACK)["state"], "the state");
    }
}

#[test]
fn a_double_click_on_deny_gets_the_denial_twice() {
    for transport in TRANSPORTS {
        let sending = Sending::new();
        let (browser, page) = sending.consent_page(transport);
        for _ in 0..2 {
            let response = browser.submit(&page, &DENY);
            assert_eq!(answer(&response, CALLBACK)["error"], "access_denied", "{transport:?}");
        }
    }
}

#[test]
fn simultaneous_clicks_in_several_isolates_all_get_a_response() {
    for transport in TRANSPORTS {
        let sending = Sending::new();
        let (browser, page) = sending.consent_page(transport);
        let request = browser.submission(&page, &ALLOW);
        for response in sending.provider.send_at_once(vec![request; 20]) {
            assert!(sending.redeems(&response), "{transport:?}");
        }
    }
}

#[test]
fn a_stored_request_gets_no_response_after_half_a_minute() {
    for transport in [Transport::Posted, Transport::Pushed, Transport::Signed] {
        let sending = Sending::new();
        let (browser, page) = sending.consent_page(transport);
        browser.submit(&page, &ALLOW);
        // A repetition does not lengthen the time.
        sending.provider.sleep(29);
        assert!(sending.redeems(&browser.submit(&page, &ALLOW)), "{transport:?}");
        sending.provider.sleep(1);
        for decision in [ALLOW, DENY] {
            let page = error_page(&browser.submit(&page, &decision));
            assert!(page.contains("already completed"), "{transport:?}");
        }
    }
}

#[test]
fn a_stored_request_gets_its_response_in_one_browser() {
    for transport in [Transport::Posted, Transport::Pushed, Transport::Signed] {
        let sending = Sending::new();
        let (alice, page) = sending.consent_page(transport);
        let Form { fields, .. } = form(&page);
        let (_, query) = fields.iter().find(|(name, _)| name == "request").unwrap();
        let target = format!("/auth/authorize?{query}");
        let mallory = Browser::new(&sending.provider);
        mallory.authorize(&sending.client, LOGIN, &[]);
        let others = mallory.get(&target);
        assert!(is_consent(&others), "{transport:?}: {}", others.body);
        alice.submit(&page, &ALLOW);
        for response in [
            mallory.submit(&others, &ALLOW),
            mallory.submit(&others, &DENY),
            mallory.get(&target),
            Browser::new(&sending.provider).get(&target),
        ] {
            assert!(error_page(&response).contains("already completed"), "{transport:?}");
        }
        assert!(sending.redeems(&alice.submit(&page, &ALLOW)), "{transport:?}");
    }
}

#[test]
fn a_second_tab_gets_a_response_too() {
    let sending = Sending::new();
    let browser = Browser::new(&sending.provider);
    browser.authorize(&sending.client, LOGIN, &[]);
    let target = sending.target(Transport::Pushed);
    let tabs = [(); 2].map(|()| browser.follow(browser.get(&target)));
    for tab in &tabs {
        assert!(sending.redeems(&browser.submit(tab, &ALLOW)));
    }
    // A reload of the first address asks for consent again, which this client always requires.
    assert!(is_consent(&browser.follow(browser.get(&target))));
}

#[test]
fn the_browser_of_a_pushed_request_is_known_from_its_first_response() {
    let sending = Sending::new();
    let target = sending.target(Transport::Pushed);
    let browser = Browser::new(&sending.provider);
    let first = browser.get(&target);
    assert_eq!(first.cookies().len(), 1);
    assert_eq!(browser.get(&target).header("location"), first.header("location"));
}

#[test]
fn a_pushed_request_by_post_is_opened_by_the_get_that_follows() {
    let sending = Sending::new();
    let target = sending.target(Transport::Pushed);
    let (_, query) = target.split_once('?').unwrap();
    let response = sending.provider.send(post("/auth/authorize").form(query));
    assert_eq!(response.header("location"), Some(format!("{ISSUER}{target}").as_str()));
    let browser = Browser::new(&sending.provider);
    browser.authorize(&sending.client, LOGIN, &[]);
    assert!(is_consent(&browser.follow(browser.get(&target))));
}

#[test]
fn a_request_uri_is_opened_again_for_its_client_alone() {
    let sending = Sending::new();
    sending.provider.put_client_with("other", json!({}));
    let target = sending.target(Transport::Pushed);
    let browser = Browser::new(&sending.provider);
    browser.get(&target);
    for other in ["other", "unregistered"] {
        let response = browser.get(&target.replace("client_id=app", &format!("client_id={other}")));
        assert_eq!(response.status, 400, "{other}: {:?}", response.header("location"));
    }
    let expired = "UPDATE clients SET registration_token_hash = 'x', expires_at = 1";
    let another = sending.target(Transport::Pushed);
    sending.provider.platform.primary.execute(expired, ()).unwrap();
    let page = error_page(&Browser::new(&sending.provider).get(&another));
    assert!(page.contains("app is not registered"), "{page}");
    assert_eq!(
        sending.number("SELECT count(*) FROM authorization_requests WHERE expires_at > 0"),
        2
    );
}

#[test]
fn a_browser_that_is_answered_meanwhile_excludes_the_other_one() {
    for transport in [Transport::Posted, Transport::Pushed, Transport::Signed] {
        for decision in [ALLOW, DENY] {
            let sending = Sending::new();
            let (browser, page) = sending.consent_page(transport);
            let other = "UPDATE authorization_requests SET answered_by = 'other'";
            sending.provider.platform.before_batches.borrow_mut().push_back(other);
            let page = error_page(&browser.submit(&page, &decision));
            assert!(page.contains("already completed"), "{transport:?}");
            assert_eq!(
                sending.number("SELECT count(*) FROM grants WHERE session_id IS NOT NULL"),
                1
            );
        }
    }
}

#[test]
fn a_double_click_that_widens_a_consent_gets_two_codes() {
    let sending = Sending::new();
    let browser = Browser::new(&sending.provider);
    browser.authorize(&sending.client, LOGIN, &[("scope", "openid")]);
    let wider = [("prompt", "consent"), ("scope", "openid profile")];
    let page = browser.get(&sending.client.authorize(&wider));
    let request = browser.submission(&page, &ALLOW);
    for response in sending.provider.send_at_once(vec![request; 2]) {
        assert!(sending.redeems(&response));
    }
}

#[test]
fn a_double_click_with_another_user_between_asks_that_user() {
    let sending = Sending::new();
    sending.provider.put_user("bob");
    let (browser, page) = sending.consent_page(Transport::Pushed);
    let first = browser.submit(&page, &ALLOW);
    let sign_in = browser.get(&sending.client.authorize(&[("prompt", "login")]));
    browser.submit(&sign_in, &[("login", "bob"), ("password", PASSWORD)]);
    let second = browser.submit(&page, &ALLOW);
    assert!(is_consent(&second) && second.body.contains("bob"), "{}", second.body);
    // The first user's session has ended, and with it the code that was not redeemed yet.
    assert!(!sending.redeems(&first));
}

/// Each write of a sign-in is repeated in the same request if its response gets lost.
#[test]
fn a_lost_response_of_the_database_is_not_noticed() {
    for transport in TRANSPORTS {
        for decision in [ALLOW, DENY] {
            let sending = Sending::new();
            let browser = Browser::new(&sending.provider);
            let target = match transport {
                Transport::Plain | Transport::Signed => sending.target(transport),
                Transport::Posted | Transport::Pushed => {
                    sending.losing(0, || sending.target(transport))
                }
            };
            let page = match transport {
                Transport::Signed | Transport::Pushed => {
                    sending.losing(0, || browser.follow(browser.get(&target)))
                }
                Transport::Plain | Transport::Posted => browser.get(&target),
            };
            // The first request of a login counts the attempt, the second begins the session.
            let login = [("login", LOGIN), ("password", PASSWORD)];
            let consent = sending.losing(0, || browser.submit(&page, &login));
            assert!(is_consent(&consent), "{transport:?}: {}", consent.body);
            let consent = sending.losing(1, || browser.submit(&page, &login));
            assert!(is_consent(&consent), "{transport:?}: {}", consent.body);
            if decision == ALLOW {
                let response = sending.losing(0, || browser.submit(&consent, &ALLOW));
                assert!(sending.redeems(&response), "{transport:?}");
            } else if let Transport::Plain = transport {
                // A denial of a request that is not stored writes nothing.
            } else {
                let response = sending.losing(0, || browser.submit(&consent, &DENY));
                assert_eq!(answer(&response, CALLBACK)["error"], "access_denied", "{transport:?}");
            }
        }
    }
}

#[test]
fn a_lost_response_continues_the_same_session() {
    for memory in [19_456, 12_288] {
        let sending = Sending::new();
        let (browser, _) = sending.consent_page(Transport::Plain);
        // The parameters of the second one are outdated, so the sign-in replaces it.
        let sql = "UPDATE users SET password_hash = ?1";
        sending.provider.platform.primary.execute(sql, [hash_at(memory, 2)]).unwrap();
        let id = sending.text("SELECT id FROM sessions");
        let page = browser.get(&sending.client.authorize(&[("prompt", "login consent")]));
        let login = [("login", LOGIN), ("password", PASSWORD)];
        let page = sending.losing(1, || browser.submit(&page, &login));
        assert!(is_consent(&page), "{memory}: {}", page.body);
        assert_eq!(sending.text("SELECT group_concat(id) FROM sessions"), id, "{memory}");
        assert!(sending.text("SELECT password_hash FROM users").contains("m=19456"));
        assert!(sending.redeems(&browser.submit(&page, &ALLOW)));
    }
}

#[test]
fn a_lost_response_keeps_the_pairwise_subject() {
    let sending = Sending::new();
    let client = sending.provider.put_client_with("pair", json!({ "subject_type": "pairwise" }));
    let browser = Browser::new(&sending.provider);
    browser.authorize(&sending.client, LOGIN, &[]);
    let page = browser.get(&client.authorize(&[]));
    let response = sending.losing(0, || browser.submit(&page, &ALLOW));
    let code = &answer(&response, CALLBACK)["code"];
    assert_eq!(sending.provider.redeem(&client, code).status, 200);
    assert_eq!(sending.number("SELECT count(*) FROM pairwise_subjects"), 1);
}

#[test]
fn access_that_is_withdrawn_before_a_batch_runs_again_stays_withdrawn() {
    let withdrawn = "DELETE FROM consents; UPDATE grants SET revoked_at = 1";
    let sending = Sending::new();
    let (browser, page) = sending.consent_page(Transport::Plain);
    sending.provider.platform.before_batches.borrow_mut().extend(["SELECT 1", withdrawn]);
    sending.losing(0, || browser.submit(&page, &ALLOW));
    assert!(sending.provider.platform.before_batches.borrow().is_empty());
    assert_eq!(sending.number("SELECT count(*) FROM consents"), 0);
}

#[test]
fn attempts_that_succeed_are_taken_back_once_each() {
    let sending = Sending::new();
    let failures = "SELECT coalesce(sum(failures), 0) FROM sign_in_attempts";
    let browser = Browser::new(&sending.provider);
    let page = browser.get(&sending.target(Transport::Plain));
    let login = [("login", LOGIN), ("password", PASSWORD)];
    for _ in 0..3 {
        let request = browser.submission(&page, &login);
        for response in sending.provider.send_at_once(vec![request; 2]) {
            assert_eq!(response.status, 303);
        }
        assert_eq!(sending.number(failures), 0);
    }
    for _ in 0..3 {
        browser.submit(&page, &[("login", LOGIN), ("password", "wrong")]);
    }
    let account = "SELECT max(failures) FROM sign_in_attempts";
    assert_eq!(sending.number(account), 3);
    let page = sending.losing(1, || browser.submit(&page, &login));
    assert!(is_consent(&page), "{}", page.body);
    assert_eq!(sending.number(account), 3);
}
