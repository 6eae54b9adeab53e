//! A response that got lost, or is requested again: a double click, a reload, a second tab.

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, Form, PASSWORD, TestClient, answer, encode, error_page, form,
    is_consent,
};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, post};
use serde_json::json;

const LOGIN: &str = "alice@example.com";

/// How a client sends its authorization request.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Plain,
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
        let Self { provider, client, signer } = self;
        let query = client.authorize_query(&[("prompt", "consent")]);
        match transport {
            Transport::Plain => format!("/auth/authorize?{query}"),
            Transport::Posted => {
                let response = provider.send(post("/auth/authorize").form(&query));
                response.header("location").unwrap().to_owned()
            }
            Transport::Pushed => {
                let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
                let response = provider.send(post("/auth/par").form(&format!("{query}&{secret}")));
                let uri = response.json()["request_uri"].as_str().unwrap().to_owned();
                format!(
                    "/auth/authorize?{}",
                    encode(&[("client_id", "app"), ("request_uri", &uri)])
                )
            }
            Transport::Signed => {
                let object = signer.sign(&json!({
                    "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
                    "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE,
                    "code_challenge_method": "S256", "state": "the state", "prompt": "consent",
                }));
                format!("/auth/authorize?{}", encode(&[("client_id", "app"), ("request", &object)]))
            }
        }
    }

    /// A signed-in browser with the consent page of a request.
    fn consent_page(&self, transport: Transport) -> (Browser<'_>, TestResponse) {
        let browser = Browser::new(&self.provider);
        browser.authorize(&self.client, LOGIN, &[]);
        let page = browser.follow(browser.get(&self.target(transport)));
        assert!(is_consent(&page), "{transport:?}: {}", page.body);
        (browser, page)
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

/// Each write of a sign-in is repeated in the same request if its response gets lost.
#[test]
fn a_lost_response_of_the_database_is_not_noticed() {
    for transport in TRANSPORTS {
        let sending = Sending::new();
        let lose = || sending.provider.platform.lost_responses.set(1);
        let was_lost = || sending.provider.platform.lost_responses.get() == 0;
        let browser = Browser::new(&sending.provider);
        let target = sending.target(transport);
        lose();
        let page = browser.follow(browser.get(&target));
        sending.provider.platform.lost_responses.set(0);
        // The first request of a login counts the attempt, the second begins the session.
        lose();
        let page = browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
        assert!(was_lost() && is_consent(&page), "{transport:?}: {}", page.body);
        lose();
        let response = browser.submit(&page, &ALLOW);
        assert!(was_lost() && sending.redeems(&response), "{transport:?}");

        let (browser, page) = sending.consent_page(transport);
        lose();
        let response = browser.submit(&page, &DENY);
        assert_eq!(answer(&response, CALLBACK)["error"], "access_denied", "{transport:?}");
        sending.provider.platform.lost_responses.set(0);
    }
}

#[test]
fn a_lost_response_takes_an_attempt_back_once() {
    let sending = Sending::new();
    let failures = |sending: &Sending| -> i64 {
        let sql = "SELECT coalesce(max(failures), 0) FROM sign_in_attempts";
        sending.provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let mallory = Browser::new(&sending.provider);
    let page = mallory.get(&sending.target(Transport::Plain));
    for _ in 0..3 {
        mallory.submit(&page, &[("login", LOGIN), ("password", "wrong")]);
    }
    assert_eq!(failures(&sending), 3);
    // The second batch of the login begins the session and takes the attempt back.
    sending.provider.platform.responses_before_loss.set(1);
    sending.provider.platform.lost_responses.set(1);
    let page = mallory.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    assert_eq!(sending.provider.platform.lost_responses.get(), 0);
    assert!(is_consent(&page), "{}", page.body);
    assert_eq!(failures(&sending), 3);
}
