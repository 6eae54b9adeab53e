//! `KEY_ENCRYPTION_KEY` changes by the steps of docs/operations.md. Isolates of a step and of the next one run at the
//! same time: each must accept what the other has made.

use crate::browser::{
    Browser, PASSWORD, TestClient, answer, claims, encode, field, is_consent, is_login,
};
use crate::test_provider::{
    KEY_ENCRYPTION_KEY, TestProvider, TestResponse, Variables, post, put, variables_with,
};
use serde_json::json;

/// 32 bytes with the value 8.
pub const NEW_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";
const LOGIN: &str = "alice@example.com";

/// The secrets after this number of steps: nothing has changed; the new value is readable; it is the current one; the old
/// one is gone.
pub fn after_step(step: usize) -> Variables {
    let (current, previous) = [
        (KEY_ENCRYPTION_KEY, ""),
        (KEY_ENCRYPTION_KEY, NEW_KEY),
        (NEW_KEY, KEY_ENCRYPTION_KEY),
        (NEW_KEY, ""),
    ][step];
    let mut variables = variables_with("KEY_ENCRYPTION_KEY", current);
    variables.push(("KEY_ENCRYPTION_KEY_PREVIOUS", previous.into()));
    variables
}

/// Isolates of these steps run at the same time, in both orders.
const TOGETHER: [(usize, usize); 6] = [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)];

/// A provider after this step, with alice and an application. Its signing keys are sealed under the new value after the
/// last step, as re-sealing leaves them.
fn provider(step: usize) -> (TestProvider, TestClient) {
    let provider = TestProvider::configured(after_step(step));
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn is_expired(page: &TestResponse) -> bool {
    page.status == 400 || is_login(page)
}

#[test]
fn a_form_of_one_step_is_accepted_by_isolates_of_the_next_and_of_the_last_one() {
    for (one, other) in TOGETHER {
        let (provider, app) = provider(one);
        let alice = Browser::new(&provider);
        let login = alice.get(&app.authorize(&[]));
        provider.deploy(after_step(other));
        let consent = alice.sign_in_on(&login, LOGIN);
        assert!(is_consent(&consent), "{one} {other}: {}", consent.body);
        provider.deploy(after_step(one));
        let response = alice.submit(&consent, &[("decision", "allow")]);
        let code = &answer(&response, &app.redirect_uri)["code"];
        provider.deploy(after_step(other));
        assert_eq!(provider.redeem(&app, code).status, 200, "{one} {other}");
    }
    // Without the first step, isolates that run on do not know the forms of the new ones.
    let (provider, app) = provider(2);
    let alice = Browser::new(&provider);
    let login = alice.get(&app.authorize(&[]));
    provider.deploy(after_step(0));
    assert!(is_expired(&alice.sign_in_on(&login, LOGIN)));
}

fn refresh_token(provider: &TestProvider, app: &TestClient, scope: &str) -> String {
    let code = Browser::new(provider).authorize(app, LOGIN, &[("scope", scope)]);
    field(&provider.redeem(app, &code), "refresh_token")
}

#[test]
fn a_refresh_whose_response_was_lost_gets_the_recorded_successor_in_the_next_step() {
    let scope = [("scope", "openid offline_access")];
    for (one, other) in TOGETHER {
        for more in [&[][..], &scope[..]] {
            let (provider, app) = provider(one);
            let token = refresh_token(&provider, &app, "openid offline_access");
            let refresh = |token: &str| {
                let parameters = [("grant_type", "refresh_token"), ("refresh_token", token)];
                provider.token(&app, &[&parameters[..], more].concat())
            };
            let successor = field(&refresh(&token), "refresh_token");
            provider.deploy(after_step(other));
            assert_eq!(field(&refresh(&token), "refresh_token"), successor, "{one} {other}");
            let last = field(&refresh(&successor), "refresh_token");

            // Another use is a theft all the same, in every isolate.
            provider.deploy(after_step(one));
            assert!(refresh(&token).body.contains("already used"), "{one} {other}");
            assert!(refresh(&last).body.contains("revoked"), "{one} {other}");
        }
    }
}

#[test]
fn simultaneous_refreshes_of_two_steps_get_the_same_successor() {
    for (one, other) in TOGETHER {
        for scope in ["", "openid offline_access"] {
            let (provider, app) = provider(one);
            let token = refresh_token(&provider, &app, "openid offline_access");
            let request = post("/auth/token").form(&encode(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", &token),
                ("client_id", &app.id),
                ("client_secret", app.secret.as_deref().unwrap()),
                ("scope", scope),
            ]));
            let requests =
                (0..10).map(|index| (after_step([one, other][index % 2]), request.clone()));
            let responses = provider.send_to_deployments(requests.collect());
            let successor = field(&responses[0], "refresh_token");
            assert!(responses.iter().all(|one| field(one, "refresh_token") == successor));
            let count = "SELECT count(*) FROM refresh_tokens";
            let count: i64 =
                provider.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
            assert_eq!(count, 2, "one rotation");
        }
    }
}

#[test]
fn a_refresh_that_is_repeated_without_the_previous_key_is_refused_and_revokes_nothing() {
    let (provider, app) = provider(1);
    let token = refresh_token(&provider, &app, "openid offline_access");
    let successor = field(&provider.refresh(&app, &token), "refresh_token");
    provider.deploy(after_step(2));
    provider.maintain();
    provider.deploy(after_step(3));
    assert!(provider.refresh(&app, &token).body.contains("already used"));
    assert_eq!(provider.refresh(&app, &successor).status, 200);
}

#[test]
fn a_session_has_one_sid_for_a_client_and_a_pushed_request_one_handle_under_every_key() {
    let (provider, app) = provider(0);
    let alice = Browser::new(&provider);
    let sid = |alice: &Browser<'_>| {
        let code = alice.authorize(&app, LOGIN, &[]);
        claims(&field(&provider.redeem(&app, &code), "id_token"))["sid"].clone()
    };
    let first = sid(&alice);
    let other = sid(&Browser::new(&provider));
    let target = provider.push(&app, &[]);
    let handle = alice.get(&target).header("location").unwrap().to_owned();
    provider.deploy(after_step(2));
    provider.maintain();
    for step in [2, 3] {
        provider.deploy(after_step(step));
        assert_eq!(sid(&alice), first);
        assert_eq!(alice.get(&target).header("location"), Some(handle.as_str()));
    }
    assert_ne!(first, other, "another session has another one");
    let wiki = provider.put_client_with("wiki", json!({}));
    let code = alice.authorize(&wiki, LOGIN, &[]);
    let of_wiki = claims(&field(&provider.redeem(&wiki, &code), "id_token"))["sid"].clone();
    assert_ne!(first, of_wiki, "so has another client");
}

#[test]
fn a_repeated_put_or_registration_gets_its_secrets_in_the_next_step() {
    let document = json!({ "redirect_uris": ["https://new.example/cb"] });
    for (one, other) in TOGETHER {
        let (provider, _) = provider(one);
        let permission = post("/admin/initial-access-tokens").by_operator();
        let permission = provider.send(permission.json(&json!({ "uses": 1 }))).json();
        let token = permission["initial_access_token"].as_str().unwrap().to_owned();
        let create = || provider.send(put("/admin/clients/new").by_operator().json(&document));
        let register = || provider.send(post("/auth/register").bearer(&token).json(&document));
        let created = field(&create(), "client_secret");
        let registered = register();
        assert_eq!(registered.status, 201, "{}", registered.body);
        provider.deploy(after_step(other));
        assert_eq!(field(&create(), "client_secret"), created, "{one} {other}");
        assert_eq!(register().json(), registered.json(), "{one} {other}");
        let another = json!({ "redirect_uris": ["https://other.example/cb"] });
        let another = provider.send(post("/auth/register").bearer(&token).json(&another));
        assert_eq!(another.status, 401, "the token is used up");
    }
}

fn guess(alice: &Browser<'_>) -> TestResponse {
    let login = alice.get("/auth/account");
    alice.submit(&login, &[("login", LOGIN), ("password", "wrong")])
}

fn counters(provider: &TestProvider) -> Vec<String> {
    let sql = "SELECT counter FROM sign_in_attempts";
    let mut statement = provider.platform.primary.prepare(sql).unwrap();
    let counters = statement.query_map([], |row| row.get(0)).unwrap();
    counters.map(Result::unwrap).collect()
}

#[test]
fn a_known_browser_stays_known_if_its_user_signs_in_before_the_old_key_is_gone() {
    let (provider, _) = provider(0);
    let sign_in = |browser: &Browser<'_>| {
        let login = browser.get("/auth/account");
        browser.sign_in_on(&login, LOGIN);
        browser.cookies.borrow_mut().retain(|name, _| !name.contains("session"));
    };
    // Whether the attempt is counted for the browser, not for its network.
    let is_known = |browser: &Browser<'_>| {
        provider.platform.primary.execute("DELETE FROM sign_in_attempts", ()).unwrap();
        guess(browser);
        let counters = counters(&provider);
        assert!(!counters.is_empty());
        counters.iter().all(|name| name.starts_with('~'))
    };
    let codes = |browser: &Browser<'_>| {
        let cookies = browser.cookies.borrow();
        let (_, value) = cookies.iter().find(|(name, _)| name.ends_with("device")).unwrap();
        value.split('.').count()
    };
    let (alice, away) = (Browser::new(&provider), Browser::new(&provider));
    sign_in(&alice);
    sign_in(&away);
    let before = codes(&alice);
    for step in [1, 2] {
        provider.deploy(after_step(step));
        assert!(is_known(&alice) && is_known(&away), "{step}");
        assert!(!is_known(&Browser::new(&provider)));
    }
    sign_in(&alice);
    assert_eq!(codes(&alice), before, "the code of the old key is replaced");
    provider.deploy(after_step(1));
    assert!(is_known(&alice), "isolates of the step before know it, too");
    provider.deploy(after_step(3));
    assert!(is_known(&alice) && !is_known(&away));
}

#[test]
fn a_change_of_the_key_gives_no_additional_guesses() {
    let admitted = |steps: &dyn Fn(usize) -> usize| {
        let (provider, _) = provider(steps(0));
        let mallory = Browser::new(&provider);
        let mut admitted = 0;
        for attempt in 0..40 {
            provider.deploy(after_step(steps(attempt)));
            admitted += usize::from(guess(&mallory).log["error"] == "wrong_credentials");
            provider.sleep(1);
        }
        admitted
    };
    let usual = admitted(&|_| 0);
    assert!((6..15).contains(&usual), "{usual}");
    for (one, other) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(admitted(&|attempt| if attempt < 20 { one } else { other }), usual);
    }
    assert_eq!(admitted(&|attempt| attempt / 10), usual, "each step in turn");
    assert_eq!(admitted(&|attempt| 1 + attempt % 2), usual, "isolates of two steps in turn");
}

#[test]
fn a_new_password_ends_the_pause_under_both_keys() {
    let (provider, app) = provider(1);
    let mallory = Browser::new(&provider);
    for _ in 0..6 {
        guess(&mallory);
    }
    provider.deploy(after_step(2));
    assert_eq!(guess(&mallory).log["error"], "too_many_attempts");
    let password = put("/admin/users/alice/password").by_operator();
    let response = provider.send(password.json(&json!({ "password": PASSWORD })));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(counters(&provider), [] as [&str; 0]);
    Browser::new(&provider).authorize(&app, LOGIN, &[]);
}
