//! The keys at a client's `jwks_uri`: how often they are fetched, and what happens while they cannot be.

use crate::browser::{CALLBACK, answer, encode, error_page};
use crate::client_assertions::{
    JWKS_URI, NO_CODE, assert_authenticated, assert_refused, assert_unavailable, fetches,
    provider_with_uri, serve, serve_as,
};
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{
    ISSUER, NOW, TestProvider, TestRequest, TestResponse, get, post, variables_with,
};
use postern::lifetimes::{
    CLIENT_KEYS_CROWDED_SECONDS, CLIENT_KEYS_EXTENSION_SECONDS, CLIENT_KEYS_PAUSE_SECONDS,
    CLIENT_KEYS_SECONDS, FETCH_RETRY_SECONDS, FETCH_SECONDS,
};
use postern::ports::Document;
use serde_json::json;

fn requests(provider: &TestProvider, signer: &Signer, count: usize) -> Vec<TestRequest> {
    (0..count).map(|_| by_assertion(&signer.assertion(provider, "app"), &NO_CODE)).collect()
}

fn send(provider: &TestProvider, signer: &Signer) -> TestResponse {
    provider.token_by(&signer.assertion(provider, "app"), &NO_CODE)
}

fn count(responses: &[TestResponse], status: u16) -> usize {
    responses.iter().filter(|response| response.status == status).count()
}

#[test]
fn fifty_requests_at_once_are_served_by_one_fetch_in_an_isolate_without_the_keys() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    for fetched in [1, 0] {
        let responses = provider.send_together(requests(&provider, &signer, 50));
        for response in &responses {
            assert_authenticated(response);
        }
        assert_eq!(fetches(&provider), fetched);
    }
}

#[test]
fn of_more_requests_at_once_65_are_served_and_the_others_can_be_repeated() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    let responses = provider.send_together(requests(&provider, &signer, 280));
    assert_eq!((count(&responses, 400), count(&responses, 503)), (65, 215));
    responses.iter().filter(|response| response.status == 503).for_each(assert_unavailable);
    assert_eq!(fetches(&provider), 1);
}

/// Anybody can forge an assertion of a client whose `client_id` is known.
#[test]
fn a_storm_of_forged_assertions_causes_one_fetch_in_ten_seconds_at_most() {
    let (signer, stranger) =
        (Signer::new("ES256", Some("a"), 0), Signer::new("ES256", Some("forged"), 1));
    for is_up in [true, false] {
        let provider = provider_with_uri(&signer);
        if !is_up {
            provider.platform.web.borrow_mut().clear();
        }
        // 280 requests in five seconds, at once and one after the other.
        for _ in 0..5 {
            provider.send_together(requests(&provider, &stranger, 28));
            for request in requests(&provider, &stranger, 28) {
                assert_ne!(provider.send(request).status, 200);
            }
            provider.sleep(1);
        }
        assert_eq!(fetches(&provider), 1, "{is_up}");
        // In the next minute.
        for _ in 0..60 {
            provider.send_together(requests(&provider, &stranger, 5));
            provider.sleep(1);
        }
        assert_eq!(fetches(&provider), if is_up { 2 } else { 6 });
    }
}

#[test]
fn the_fetches_of_an_address_are_limited_and_use_up_nothing_of_the_client_after_that() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = TestProvider::with_keys();
    for number in 0..40 {
        let url = format!("{JWKS_URI}?{number}");
        serve_at(&provider, &signer, &url);
        provider.put_signing(&format!("app-{number}"), json!({ "jwks_uri": url }));
    }
    provider.platform.rate_limit.set(Some(3));
    let send = |number: usize, address: &str| {
        let assertion = signer.assertion(&provider, &format!("app-{number}"));
        let request = by_assertion(&assertion, &NO_CODE).with("cf-connecting-ip", address);
        provider.send(request)
    };
    fetches(&provider);
    for number in 0..39 {
        let response = send(number, "198.51.100.1");
        assert_eq!(response.status, if number < 3 { 400 } else { 503 });
    }
    assert_eq!(fetches(&provider), 3);
    // An address without a fetch is served from memory, and another address may fetch.
    assert_authenticated(&send(0, "198.51.100.1"));
    assert_authenticated(&send(39, "198.51.100.2"));
    assert_eq!(fetches(&provider), 1);
}

fn serve_at(provider: &TestProvider, signer: &Signer, url: &str) {
    let text = Some(signer.jwks().to_string());
    let document = Document {
        status: 200,
        media_type: "application/json".into(),
        text,
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(url.into(), document);
}

/// A provider with open registration, where strangers have registered 65 clients whose keys are at the host of `app`.
fn provider_with_strangers(signer: &Signer) -> (TestProvider, Vec<String>) {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    serve(&provider, signer.jwks().to_string());
    provider.put_signing("app", json!({ "jwks_uri": JWKS_URI }));
    let register = |number| {
        let url = format!("{JWKS_URI}?{number}");
        serve_at(&provider, signer, &url);
        let document = json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": url,
        });
        let response = provider.send(post("/auth/register").json(&document));
        response.json()["client_id"].as_str().unwrap().to_owned()
    };
    let strangers = (0..65).map(register).collect();
    fetches(&provider);
    (provider, strangers)
}

#[test]
fn many_clients_with_keys_at_one_host_cause_64_fetches_and_then_one_a_second() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let stranger = Signer::new("ES256", Some("forged"), 1);
    let provider = TestProvider::with_keys();
    for number in 0..65 {
        let url = format!("{JWKS_URI}?{number}");
        serve_at(&provider, &signer, &url);
        provider.put_signing(&format!("app-{number}"), json!({ "jwks_uri": url }));
    }
    let exhausted = json!({
        "event": "fetch_budget_exhausted", "level": "warning", "document": "jwks_uri",
    });
    for seconds in [0, 1, 10, 0] {
        provider.sleep(seconds);
        fetches(&provider);
        let mut events = Vec::new();
        for number in (0..65).cycle().take(130) {
            let assertion = stranger.assertion(&provider, &format!("app-{number}"));
            let response = provider.token_by(&assertion, &NO_CODE);
            assert_ne!(response.status, 200);
            events.extend(response.events);
        }
        let is_first = provider.now.get() == NOW && seconds == 0;
        assert_eq!(events.len(), usize::from(is_first), "once a minute");
        assert!(events.iter().all(|event| *event == exhausted), "{events:?}");
        assert_eq!(fetches(&provider), if provider.now.get() == NOW { 64 } else { seconds as u32 });
    }
}

#[test]
fn at_most_128_fetches_of_keys_run_at_once_and_32_from_one_host() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = TestProvider::with_keys();
    let ids: Vec<_> = (0..200).map(|number| format!("app-{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let url = format!("https://{}.example/{number}", number / 50);
        serve_at(&provider, &signer, &url);
        provider.put_signing(id, json!({ "jwks_uri": url }));
    }
    for (count_of_hosts, expected) in [(4, 128), (1, 32)] {
        provider.new_isolate();
        provider.send(get("/auth/jwks.json"));
        fetches(&provider);
        let ids = &ids[..50 * count_of_hosts];
        let request = |id: &String| by_assertion(&signer.assertion(&provider, id), &NO_CODE);
        let responses = provider.send_together(ids.iter().map(request).collect());
        assert_eq!(count(&responses, 400), expected);
        assert_eq!(count(&responses, 503), ids.len() - expected);
        assert_eq!(fetches(&provider), expected as u32);
    }
}

#[test]
fn clients_that_registered_themselves_do_not_use_up_the_fetches_of_the_operators() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let (provider, strangers) = provider_with_strangers(&signer);
    let send = |id: &String| provider.token_by(&signer.assertion(&provider, id), &NO_CODE).status;
    let statuses: Vec<_> = strangers.iter().map(send).collect();
    assert_eq!((&statuses[..64], statuses[64]), (&[400; 64][..], 503));
    assert_eq!(fetches(&provider), 64);
    for response in provider.send_together(requests(&provider, &signer, 50)) {
        assert_authenticated(&response);
    }
}

#[test]
fn clients_that_registered_themselves_do_not_evict_the_keys_of_the_operators() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let (provider, strangers) = provider_with_strangers(&signer);
    assert_authenticated(&send(&provider, &signer));
    for id in strangers {
        provider.sleep(1);
        assert_authenticated(&provider.token_by(&signer.assertion(&provider, &id), &NO_CODE));
    }
    assert_eq!(fetches(&provider), 66);
    assert_authenticated(&send(&provider, &signer));
    assert_eq!(fetches(&provider), 0);
}

/// Their URLs may be at the host of any client, also if there is nothing.
#[test]
fn known_keys_stay_in_use_while_strangers_use_up_the_fetches_from_their_host() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let (provider, mut strangers) = provider_with_strangers(&signer);
    let honest = strangers.pop().unwrap();
    let send_as =
        |signer: &Signer, id: &str| provider.token_by(&signer.assertion(&provider, id), &NO_CODE);
    let send = |id: &str| send_as(&signer, id);
    assert_authenticated(&send(&honest));
    provider.platform.web.borrow_mut().clear();
    let flood = |seconds| {
        provider.sleep(seconds);
        fetches(&provider);
        strangers.iter().for_each(|id| drop(send(id)));
        assert_eq!(fetches(&provider), 64);
    };
    flood(CLIENT_KEYS_SECONDS);
    assert_authenticated(&send(&honest));
    // A key that is not among the known ones may be new, so it is not refused.
    assert_unavailable(&send_as(&Signer::new("ES256", Some("new"), 1), &honest));
    flood(CLIENT_KEYS_CROWDED_SECONDS - CLIENT_KEYS_SECONDS);
    assert_unavailable(&send(&honest));
}

/// The holder of a stolen key, which its client has withdrawn, could send too much on purpose.
#[test]
fn an_address_above_its_limit_does_not_keep_old_keys_in_use() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    assert_authenticated(&send(&provider, &signer));
    provider.sleep(CLIENT_KEYS_SECONDS);
    provider.platform.rate_limit.set(Some(0));
    assert_unavailable(&send(&provider, &signer));
}

/// The strangers' clients have their keys at hosts of their own.
#[test]
fn many_clients_of_one_host_displace_neither_the_keys_of_another_nor_its_pause() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    let register = |url: String| {
        let document = json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": url,
        });
        let response = provider.send(post("/auth/register").json(&document));
        response.json()["client_id"].as_str().unwrap().to_owned()
    };
    let send = |id: &str| provider.token_by(&signer.assertion(&provider, id), &NO_CODE);
    serve_at(&provider, &signer, "https://honest.example/jwks.json");
    let honest = register("https://honest.example/jwks.json".into());
    let down = register("https://down.example/jwks.json".into());
    let strangers: Vec<_> = (0..65)
        .map(|number| {
            let url = format!("https://many.example/{number}");
            serve_at(&provider, &signer, &url);
            let failing = register(format!("https://failing.example/{number}"));
            (register(url), failing)
        })
        .collect();
    fetches(&provider);
    assert_authenticated(&send(&honest));
    // It takes longer than a pause, so that 64 fetches from a host are allowed.
    for (works, fails) in &strangers {
        send(works);
        send(fails);
        provider.sleep(1);
    }
    assert_eq!(send(&down).status, 503);
    fetches(&provider);
    for (_, fails) in &strangers {
        assert_eq!(send(fails).status, 503);
    }
    fetches(&provider);
    assert_authenticated(&send(&honest));
    assert_eq!(send(&down).status, 503);
    assert_eq!(fetches(&provider), 0, "neither the keys nor the pause are forgotten");
}

#[test]
fn fifty_forged_assertions_at_once_cause_one_fetch() {
    let (signer, stranger) =
        (Signer::new("ES256", Some("a"), 0), Signer::new("ES256", Some("forged"), 1));
    let provider = provider_with_uri(&signer);
    assert_authenticated(&send(&provider, &signer));
    for _ in 0..3 {
        provider.sleep(CLIENT_KEYS_PAUSE_SECONDS);
        fetches(&provider);
        let mut all = requests(&provider, &stranger, 50);
        all.extend(requests(&provider, &signer, 50));
        let responses = provider.send_together(all);
        assert_eq!(count(&responses, 400), 50, "the client's own are served meanwhile");
        assert_eq!(count(&responses, 401), 50, "they wait for the one that searches the key");
        assert_eq!(fetches(&provider), 1);
        assert_refused(&send(&provider, &stranger), "the signature is wrong");
        assert_eq!(fetches(&provider), 0);
    }
}

#[test]
fn a_failing_url_is_fetched_once_in_ten_seconds() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    provider.platform.web.borrow_mut().clear();
    let mut fetched = Vec::new();
    for _ in 0..4 {
        provider.send_together(requests(&provider, &signer, 100));
        fetched.push(fetches(&provider));
        provider.sleep(FETCH_RETRY_SECONDS);
    }
    assert_eq!(fetched, [1, 1, 1, 1]);
    // The client's server answers again.
    serve(&provider, signer.jwks().to_string());
    assert_authenticated(&send(&provider, &signer));
}

#[test]
fn a_failed_fetch_is_not_the_clients_fault_and_is_repeated_soon() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let good = signer.jwks().to_string();
    for status in [None, Some(408), Some(429), Some(500), Some(503)] {
        let provider = provider_with_uri(&signer);
        match status {
            None => provider.platform.web.borrow_mut().clear(),
            Some(status) => serve_as(&provider, status, "application/json", good.clone()),
        }
        let first = send(&provider, &signer);
        assert_unavailable(&first);
        let warning = first.log["warnings"][0].as_str().unwrap();
        assert!(warning.contains("jwks_uri of the client app from app.example: "), "{warning}");
        serve(&provider, good.clone());
        provider.sleep(FETCH_RETRY_SECONDS - 1);
        assert_unavailable(&send(&provider, &signer));
        assert_eq!(fetches(&provider), 1);
        provider.sleep(1);
        assert_authenticated(&send(&provider, &signer));
        let stranger = Signer::new("ES256", Some("forged"), 1);
        assert_refused(&send(&provider, &stranger), "the signature is wrong");
    }
}

#[test]
fn a_new_key_that_cannot_be_fetched_now_is_not_refused() {
    let (old, new) = (Signer::new("ES256", Some("old"), 0), Signer::new("ES256", Some("new"), 1));
    let provider = provider_with_uri(&old);
    assert_authenticated(&send(&provider, &old));
    provider.platform.web.borrow_mut().clear();
    provider.sleep(CLIENT_KEYS_PAUSE_SECONDS);
    for _ in 0..2 {
        assert_unavailable(&send(&provider, &new));
        assert_authenticated(&send(&provider, &old));
    }
    serve(&provider, new.jwks().to_string());
    provider.sleep(FETCH_RETRY_SECONDS);
    assert_authenticated(&send(&provider, &new));
}

#[test]
fn withdrawn_keys_are_not_used_while_they_are_fetched_again() {
    let (old, new) = (Signer::new("ES256", Some("old"), 0), Signer::new("ES256", Some("new"), 1));
    let provider = provider_with_uri(&old);
    assert_authenticated(&send(&provider, &old));
    serve(&provider, new.jwks().to_string());
    fetches(&provider);
    provider.sleep(CLIENT_KEYS_SECONDS + FETCH_SECONDS);
    let responses = provider.send_together(requests(&provider, &old, 5));
    assert_eq!(count(&responses, 401), 5, "{}", responses[4].body);
    assert_eq!(fetches(&provider), 1);
}

#[test]
fn one_request_fetches_the_keys_again_while_the_others_use_the_old_ones() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    send(&provider, &signer);
    fetches(&provider);
    provider.sleep(CLIENT_KEYS_SECONDS);
    let responses = provider.send_together(requests(&provider, &signer, 50));
    assert_eq!((count(&responses, 400), fetches(&provider)), (50, 1));

    // While the client's server is down, one request a minute waits for it.
    provider.platform.web.borrow_mut().clear();
    provider.sleep(CLIENT_KEYS_SECONDS);
    for _ in 0..3 {
        let responses = provider.send_together(requests(&provider, &signer, 50));
        assert_eq!((count(&responses, 400), fetches(&provider)), (50, 1));
        provider.sleep(CLIENT_KEYS_EXTENSION_SECONDS - 1);
        assert_authenticated(&send(&provider, &signer));
        assert_eq!(fetches(&provider), 0);
        provider.sleep(1);
    }
}

#[test]
fn a_set_without_keys_withdraws_the_ones_before() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    assert_authenticated(&send(&provider, &signer));
    serve(&provider, r#"{"keys":[]}"#);
    provider.sleep(CLIENT_KEYS_SECONDS);
    assert_refused(&send(&provider, &signer), "must be a JWK Set");
}

#[test]
fn a_url_without_a_document_withdraws_the_keys_and_other_errors_do_not() {
    let signer = Signer::new("ES256", Some("a"), 0);
    for (status, is_withdrawn) in
        [(404, true), (410, true), (301, false), (403, false), (500, false)]
    {
        let provider = provider_with_uri(&signer);
        assert_authenticated(&send(&provider, &signer));
        serve_as(&provider, status, "application/json", signer.jwks().to_string());
        provider.sleep(CLIENT_KEYS_SECONDS);
        if is_withdrawn {
            assert_refused(&send(&provider, &signer), "the document does not exist");
        } else {
            assert_authenticated(&send(&provider, &signer));
        }
    }
}

#[test]
fn a_fetch_that_ends_without_a_result_does_not_block_the_next_one() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    // The first call finds the client, and the second one fetches.
    provider.abandon(requests(&provider, &signer, 70), 1);
    assert_eq!(fetches(&provider), 1);
    assert_authenticated(&send(&provider, &signer));
    assert_eq!(fetches(&provider), 1);
}

#[test]
fn a_signed_request_of_a_client_whose_server_is_down_can_be_repeated() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    provider.put_alice_with_password();
    let client = provider.put_client_with("app", json!({ "jwks_uri": JWKS_URI }));
    let object = signer.sign(&json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
        "response_type": "code", "scope": "openid", "nonce": "n", "iat": NOW,
    }));
    let parameters =
        [("client_id", "app"), ("request", &object), ("redirect_uri", CALLBACK), ("state", "s")];
    let secret = client.secret.unwrap();
    let mut pushed = parameters[..2].to_vec();
    pushed.push(("client_secret", &secret));
    let send = || {
        let target = format!("/auth/authorize?{}", encode(&parameters));
        (provider.send(get(&target)), provider.send(post("/auth/par").form(&encode(&pushed))))
    };

    provider.platform.web.borrow_mut().clear();
    let (authorize, par) = send();
    let answer = answer(&authorize, CALLBACK);
    assert_eq!((&*answer["error"], &*answer["state"]), ("temporarily_unavailable", "s"));
    assert!(answer["error_description"].starts_with("jwks_uri: the document could not be"));
    assert_unavailable(&par);
    // Without a redirect URI outside of the request object, the user sees the error.
    let target = format!("/auth/authorize?{}", encode(&parameters[..2]));
    let page = provider.send(get(&target));
    assert_eq!((page.status, page.header("retry-after")), (503, Some("10")), "{}", page.body);
    let text = error_page(&page);
    assert!(text.contains("temporarily_unavailable"), "{text}");
    assert!(text.contains("jwks_uri: the document could not be fetched"), "{text}");
    assert!(!text.contains("support"), "not the application's fault: {text}");
    assert_eq!(page.log["error"], "temporarily_unavailable");

    serve(&provider, signer.jwks().to_string());
    provider.sleep(FETCH_RETRY_SECONDS);
    let (authorize, par) = send();
    assert_eq!((authorize.status, par.status), (200, 201), "{}", par.body);
}
