//! The audit trail: each act has its event once, also if a response of the database is lost, and a refused act has none.

use crate::browser::{Browser, CALLBACK, PASSWORD, TestClient, VERIFIER, encode, field, form_to};
use crate::test_provider::{
    ADMIN_TOKEN, KEY_ENCRYPTION_KEY, TestProvider, TestRequest, delete, get, post, put,
    variables_with,
};
use postern::secret::hash;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const SCOPE: [(&str, &str); 1] = [("scope", "openid offline_access")];

impl TestProvider {
    /// The events of the trail: kind, actor, user, client and detail. Without the random parts of details.
    pub fn events(&self) -> Vec<String> {
        let sql = "SELECT kind || ' by ' || actor || coalesce(' of ' || sub, '') \
                     || coalesce(' at ' || client_id, '') \
                     || coalesce(' ' || json_remove(detail, '$.grant_id', '$.kid', '$.expires_at', \
                          '$.initial_access_token'), '') \
                   FROM audit_events ORDER BY at, kind, sub, client_id";
        let mut statement = self.platform.primary.prepare(sql).unwrap();
        statement.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub fn forget_events(&self) {
        self.platform.primary.execute("DELETE FROM audit_events", ()).unwrap();
    }

    /// Does something after the events so far are forgotten, and then loses as many responses as `lost`. Returns the events.
    fn events_of(&self, lost: u32, act: impl FnOnce()) -> Vec<String> {
        self.forget_events();
        self.platform.lost_responses.set(lost);
        act();
        assert_eq!(self.platform.lost_responses.get(), 0, "no request has lost its response");
        self.events()
    }
}

/// A provider with alice, who has a password, and the client `app`, to which alice has signed in.
fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_app();
    Browser::new(&provider).authorize(&app, LOGIN, &SCOPE);
    (provider, app)
}

/// The operator's requests, each with its events.
fn acts_of_the_operator() -> Vec<(TestRequest, &'static [&'static str])> {
    let client = json!({ "redirect_uris": [CALLBACK], "client_name": "New" });
    let import = "{\"sub\":\"bob\"}\n{\"sub\":\"alice\",\"claims\":{\"name\":\"A\"}}\n\
                  {\"sub\":\"c\",\"login\":\"bob\"}";
    let acts: Vec<(_, &[&str])> = vec![
        (put("/admin/users/bob").json(&json!({})), &["user.created by operator of bob"]),
        (
            put("/admin/users/alice").json(&json!({ "login": "al", "password": "correct horse" })),
            &["user.updated by operator of alice {\"changed\":[\"login\",\"password\"]}"],
        ),
        (put("/admin/users/alice").json(&json!({ "login": LOGIN })), &[]),
        (
            post("/admin/users").body("application/x-ndjson", import),
            &[
                "user.created by operator of bob",
                "user.updated by operator of alice {\"changed\":[\"claims\"]}",
            ],
        ),
        (
            put("/admin/users/alice/password").json(&json!({ "password": "correct horse" })),
            &["password.set by operator of alice"],
        ),
        (delete("/admin/users/alice/password"), &["password.removed by operator of alice"]),
        (delete("/admin/users/alice"), &["user.deleted by operator of alice"]),
        (put("/admin/clients/new").json(&client), &["client.created by operator at new"]),
        (put("/admin/clients/app").json(&client), &["client.updated by operator at app"]),
        (delete("/admin/clients/app"), &["client.deleted by operator at app"]),
        (
            post("/admin/initial-access-tokens").json(&json!({ "uses": 3 })),
            &["initial_access_token.created by operator {\"uses\":3}"],
        ),
        (
            post("/admin/tokens").json(&json!({ "sub": "alice", "scope": "openid" })),
            &["token.minted by operator of alice at operator {\"scope\":\"openid\"}"],
        ),
        (
            delete("/admin/grants/g"),
            &["grant.revoked by operator of alice at app {\"reason\":\"operator\"}"],
        ),
        (
            put("/admin/users/alice").json(&json!({ "disabled": true })),
            &["user.updated by operator of alice {\"changed\":[\"disabled\"]}"],
        ),
        (put("/admin/users/alice/disabled"), &["user.disabled by operator of alice"]),
        (delete("/admin/users/alice/disabled"), &[]),
        (
            post("/admin/users/alice/signout").json(&json!({})),
            &["session.ended by operator of alice {\"reason\":\"operator\",\"sessions\":1}"],
        ),
        (
            post("/admin/users/alice/signout").json(&json!({ "grants": true })),
            &[
                "grant.revoked by operator of alice {\"grants\":\"all\",\"reason\":\"operator\"}",
                "session.ended by operator of alice {\"reason\":\"operator\",\"sessions\":1}",
            ],
        ),
        (
            post("/admin/grants/revoke").json(&json!({ "client": "app" })),
            &["grant.revoked by operator at app {\"grants\":\"all\",\"reason\":\"operator\"}"],
        ),
        (
            post("/admin/grants/revoke").json(&json!({ "user": "alice", "client": "app" })),
            &[
                "grant.revoked by operator of alice at app {\"grants\":\"all\",\"reason\":\"operator\"}",
            ],
        ),
        (
            put("/admin/users/alice/password")
                .json(&json!({ "password": "correct horse", "grants": true })),
            &[
                "grant.revoked by operator of alice {\"grants\":\"all\",\"reason\":\"operator\"}",
                "password.set by operator of alice",
            ],
        ),
        (
            post("/admin/clients/app/secret").json(&json!({ "overlap": 60 })),
            &["client_secret.made by operator at app {\"overlap\":60}"],
        ),
        (delete("/admin/clients/app/previous-secrets"), &[]),
    ];
    acts.into_iter().map(|(request, events)| (request.by_operator(), events)).collect()
}

#[test]
fn each_act_of_the_operator_has_its_event_once() {
    for (request, expected) in acts_of_the_operator() {
        for lost in [0, 1] {
            let (provider, _) = provider();
            let sql = "INSERT INTO grants (id, sub, client_id, scope, created_at) \
                       VALUES ('g', 'alice', 'app', 'openid', 0)";
            provider.platform.primary.execute(sql, ()).unwrap();
            let events = provider.events_of(lost, || {
                let response = provider.send(request.clone());
                assert_eq!(response.status, 200, "{request:?} {}", response.body);
            });
            assert_eq!(events, expected, "{request:?}, {lost} lost");
        }
    }
}

#[test]
fn an_act_of_the_operator_that_is_refused_or_changes_nothing_has_no_event() {
    let (provider, _) = provider();
    provider.put_user("bob");
    let sql = "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) \
               VALUES ('g', 'alice', 'app', 'openid', 0, 1)";
    provider.platform.primary.execute(sql, ()).unwrap();
    provider.send(put("/admin/users/gone").by_operator().json(&json!({})));
    provider.send(delete("/admin/users/gone").by_operator());
    provider.forget_events();
    let client = json!({ "redirect_uris": [CALLBACK] });
    for (request, status) in [
        (put("/admin/users/bob").json(&json!({ "login": LOGIN })), 409),
        (put("/admin/users/gone").json(&json!({ "password": "correct horse" })), 409),
        (put("/admin/users/app").json(&json!({})), 409),
        (put("/admin/users/nobody/password").json(&json!({ "password": "correct horse" })), 404),
        (delete("/admin/users/nobody"), 404),
        (delete("/admin/users/gone"), 200),
        (put("/admin/clients/bob").json(&client), 409),
        (delete("/admin/clients/nobody"), 404),
        (post("/admin/tokens").json(&json!({ "sub": "nobody", "scope": "openid" })), 404),
        (delete("/admin/grants/g"), 200),
        (delete("/admin/grants/none"), 404),
        (put("/admin/users/nobody/disabled"), 404),
        (delete("/admin/users/alice/disabled"), 200),
        (post("/admin/users/nobody/signout").json(&json!({ "grants": true })), 404),
        (post("/admin/users/bob/signout").json(&json!({})), 200),
        (post("/admin/grants/revoke").json(&json!({ "user": "gone" })), 404),
        (post("/admin/grants/revoke").json(&json!({ "user": "gone", "client": "app" })), 404),
        (post("/admin/grants/revoke").json(&json!({ "client": "nobody" })), 404),
        (delete("/admin/sessions/0000000000000000000000"), 404),
        (post("/admin/clients/nobody/secret").json(&json!({})), 404),
        (delete("/admin/clients/app/registration-token"), 409),
        (delete("/admin/initial-access-tokens/000000000000"), 404),
    ] {
        let response = provider.send(request.clone().by_operator());
        assert_eq!(response.status, status, "{request:?} {}", response.body);
    }
    // Nor has a request without the operator's secret.
    assert_eq!(provider.send(delete("/admin/users/alice").bearer("wrong")).status, 401);
    assert_eq!(provider.events(), [""; 0]);
}

/// The events of an attempt to sign in at the client.
fn attempt(lost: u32, login: &str, password: &str) -> Vec<String> {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&[]));
    provider.events_of(lost, || {
        browser.submit(&page, &[("login", login), ("password", password)]);
    })
}

#[test]
fn an_attempt_to_sign_in_has_one_event() {
    for lost in [0, 1] {
        let succeeded = attempt(lost, LOGIN, PASSWORD);
        assert_eq!(succeeded, ["sign_in.succeeded by user of alice at app"], "{lost} lost");
        let failed = attempt(lost, LOGIN, "a guess");
        assert_eq!(failed, ["sign_in.failed by user of alice at app"], "{lost} lost");
        let unknown = attempt(lost, "a password in the wrong field", PASSWORD);
        assert_eq!(unknown, ["sign_in.failed by user at app"], "{lost} lost");
    }
    // The response to the second request is lost, which begins the session.
    let (provider, _) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get("/auth/account");
    provider.platform.responses_before_loss.set(1);
    let events = provider.events_of(1, || {
        browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    });
    assert_eq!(events, ["sign_in.succeeded by user of alice"]);
}

#[test]
fn an_attempt_that_is_interrupted_has_failed() {
    let (provider, _) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get("/auth/account");
    let request = browser.submission(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    provider.forget_events();
    provider
        .platform
        .before_batches
        .borrow_mut()
        .extend(["SELECT 1", "UPDATE users SET password_hash = 'changed' WHERE sub = 'alice'"]);
    assert_eq!(provider.send(request).status, 403);
    assert_eq!(provider.events(), ["sign_in.failed by user of alice"]);
}

#[test]
fn an_attempt_during_a_pause_has_no_event() {
    let (provider, _) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get("/auth/account");
    provider.forget_events();
    let guess = || browser.submit(&page, &[("login", LOGIN), ("password", "a guess")]).status;
    let statuses: Vec<_> = (0..12).map(|_| guess()).collect();
    let counted = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!((counted, statuses[11]), (5, 429), "{statuses:?}");
    assert_eq!(provider.events().len(), counted);
}

/// Anybody can write a text into the query of a request.
#[test]
fn a_client_that_is_not_stored_is_not_recorded() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&[]));
    provider.platform.primary.execute("DELETE FROM clients", ()).unwrap();
    provider.forget_events();
    browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    assert_eq!(provider.events(), ["sign_in.succeeded by user of alice"]);
}

/// A pushed request names its client by its handle.
#[test]
fn the_client_of_a_stored_request_is_recorded() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let page = browser.follow(browser.get(&provider.push(&app, &[])));
    provider.forget_events();
    browser.submit(&page, &[("login", LOGIN), ("password", "a guess")]);
    assert_eq!(provider.events(), ["sign_in.failed by user of alice at app"]);
}

#[test]
fn a_consent_has_an_event_when_it_is_given_and_when_it_is_withdrawn() {
    for lost in [0, 1] {
        let (provider, app) = provider();
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &SCOPE);
        let page = alice.get(&app.authorize(&[("scope", "openid phone")]));
        let events = provider.events_of(lost, || {
            alice.submit(&page, &[("decision", "allow")]);
        });
        let given = "consent.given by user of alice at app \
                     {\"scope\":\"openid offline_access phone\"}";
        assert_eq!(events, [given], "{lost} lost");

        // A sign-in with a remembered consent has none, and neither has a refusal.
        provider.forget_events();
        alice.get(&app.authorize(&[("scope", "openid phone")]));
        let page = alice.get(&app.authorize(&[("scope", "openid address")]));
        alice.submit(&page, &[("decision", "deny")]);
        assert_eq!(provider.events(), [""; 0]);

        let page = alice.get("/auth/account");
        let withdraw = form_to(&page, "/auth/account");
        let events = provider.events_of(lost, || {
            alice.submit_form(&withdraw, &[]);
        });
        assert_eq!(events, ["consent.withdrawn by user of alice at app"], "{lost} lost");
        // A second click finds nothing.
        alice.submit_form(&withdraw, &[]);
        assert_eq!(provider.events().len(), 1);
    }
}

#[test]
fn a_revoked_family_has_one_event_with_the_reason() {
    let revoked = |reason: &str| {
        vec![format!("grant.revoked by provider of alice at app {{\"reason\":\"{reason}\"}}")]
    };
    let code = |provider: &TestProvider, app: &TestClient| {
        Browser::new(provider).authorize(app, LOGIN, &[SCOPE[0], ("prompt", "consent")])
    };
    for lost in [0, 1] {
        let (provider, app) = provider();
        let spent = code(&provider, &app);
        let tokens = provider.redeem(&app, &spent);
        let replay = || _ = provider.redeem(&app, &spent);
        // The response to the batch that revokes is lost, and not that of the batch that finds the code spent.
        provider.platform.responses_before_loss.set(lost);
        assert_eq!(provider.events_of(lost, replay), revoked("code_replayed"), "{lost} lost");
        replay();
        provider.refresh(&app, &field(&tokens, "refresh_token"));
        assert_eq!(provider.events().len(), 1, "{:?}", provider.events());

        let first = field(&provider.redeem(&app, &code(&provider, &app)), "refresh_token");
        let second = field(&provider.refresh(&app, &first), "refresh_token");
        provider.refresh(&app, &second);
        let reuse = || _ = provider.refresh(&app, &first);
        provider.platform.responses_before_loss.set(lost);
        assert_eq!(provider.events_of(lost, reuse), revoked("refresh_token_reused"));

        let stolen = code(&provider, &app);
        let redeem = || {
            let parameters = [
                ("grant_type", "authorization_code"),
                ("code", &stolen),
                ("redirect_uri", CALLBACK),
                ("code_verifier", "another verifier, which has the right number of characters"),
            ];
            assert_eq!(provider.token(&app, &parameters).status, 400);
        };
        provider.platform.responses_before_loss.set(lost);
        assert_eq!(provider.events_of(lost, redeem), revoked("code_mismatch"));
    }
}

#[test]
fn of_simultaneous_acts_one_has_an_event() {
    let (provider, app) = provider();
    provider.has_entropy.set(true);
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[SCOPE[0], ("prompt", "consent")]);
    let secret = app.secret.as_deref().unwrap();
    let redeem = post("/auth/token").form(&encode(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "app"),
        ("client_secret", secret),
    ]));
    provider.forget_events();
    let statuses = provider.send_at_once(vec![redeem; 20]).into_iter().map(|one| one.status);
    assert_eq!(statuses.filter(|status| *status == 200).count(), 1);
    let event = "grant.revoked by provider of alice at app {\"reason\":\"code_replayed\"}";
    assert_eq!(provider.events(), [event]);

    provider.forget_events();
    provider.send_at_once(vec![delete("/admin/users/alice").by_operator(); 20]);
    provider.send_at_once(vec![delete("/admin/clients/app").by_operator(); 20]);
    let events = ["client.deleted by operator at app", "user.deleted by operator of alice"];
    assert_eq!(provider.events(), events);
}

#[test]
fn a_registration_has_an_event_and_so_have_its_update_and_its_deletion() {
    let metadata = json!({ "redirect_uris": ["https://x.example/cb"], "client_name": "X" });
    for (lost, is_open) in [(0, true), (1, true), (0, false), (1, false)] {
        let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
        let token = post("/admin/initial-access-tokens").by_operator().json(&json!({}));
        let token = field(&provider.send(token), "initial_access_token");
        let request = post("/auth/register").json(&metadata);
        let request = if is_open { request } else { request.bearer(&token) };
        let mut client = Value::Null;
        let events = provider.events_of(lost, || client = provider.send(request).json());
        let id = client["client_id"].as_str().unwrap();
        let detail = if is_open { "" } else { " {}" };
        assert_eq!(events, [format!("client.registered by client at {id}{detail}")]);

        let path = format!("/auth/register/{id}");
        let token = client["registration_access_token"].as_str().unwrap();
        let changed = json!({ "client_id": id, "redirect_uris": ["https://y.example/cb"] });
        let update = put(&path).json(&changed);
        let events = provider.events_of(lost, || {
            assert_eq!(provider.send(update.clone().bearer(token)).status, 200);
        });
        assert_eq!(events, [format!("client.updated by client at {id}")], "{lost} lost");

        // Refused.
        provider.forget_events();
        assert_eq!(provider.send(update.bearer("wrong")).status, 401);
        let with_secret = json!({
            "client_id": id, "redirect_uris": ["https://y.example/cb"], "client_secret": "wrong",
        });
        assert_eq!(provider.send(put(&path).json(&with_secret).bearer(token)).status, 400);
        assert_eq!(provider.send(delete(&path).bearer("wrong")).status, 401);
        assert_eq!(provider.send(post("/auth/register").bearer("x").json(&metadata)).status, 401);
        assert_eq!(provider.events(), [""; 0]);

        let events = provider.events_of(lost, || {
            assert_eq!(provider.send(delete(&path).bearer(token)).status, 204);
        });
        assert_eq!(events, [format!("client.deleted by client at {id}")], "{lost} lost");
    }
}

#[test]
fn no_event_has_personal_data_or_a_secret() {
    let (provider, app) = provider();
    provider.has_entropy.set(true);
    for (request, _) in acts_of_the_operator() {
        provider.send(request);
    }
    provider.put_user("carol");
    let mut browser = Browser::new(&provider);
    browser.address = "203.0.113.77".into();
    let page = browser.get("/auth/account");
    browser.submit(&page, &[("login", "carol"), ("password", "a guess")]);
    browser.submit(&page, &[("login", "carol"), ("password", PASSWORD)]);
    let secrets = [
        LOGIN,
        "Alice Adams",
        "+33 1",
        "correct horse",
        "a guess",
        PASSWORD,
        ADMIN_TOKEN,
        "argon2",
        "203.0.113.77",
        app.secret.as_deref().unwrap(),
    ];
    let sql = "SELECT group_concat(concat_ws(' ', at, id, kind, actor, network, sub, client_id, \
                 detail, slot)) FROM audit_events";
    let text: String = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
    assert!(text.contains("203.0.113.0/24") && text.contains("user.created"), "{text}");
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert_eq!(provider.send(get("/auth/jwks.json")).status, 200);
}

/// The `kid` of the key that signs with ES256.
fn signing_kid(provider: &TestProvider) -> String {
    let response = provider.send(get("/admin/keys").by_operator());
    let keys = response.json()["keys"].as_array().unwrap().clone();
    let signing = keys.iter().find(|key| key["alg"] == "ES256" && key["state"] == "signing");
    signing.unwrap()["kid"].as_str().unwrap().to_owned()
}

#[test]
fn each_change_of_a_key_has_its_event_once() {
    for lost in [0, 1] {
        let provider = TestProvider::with_keys();
        provider.has_entropy.set(true);
        let rotate = || post("/admin/keys/rotate").by_operator();
        let created = |actor: &str| {
            ["ES256", "RS256"].map(|alg| format!(r#"key.created by {actor} {{"alg":"{alg}"}}"#))
        };
        let mut events = provider.events_of(lost, || {
            assert_eq!(provider.send(rotate().json(&json!({}))).status, 200);
        });
        events.sort();
        assert_eq!(events, created("operator"), "{lost} lost");

        let kid = signing_kid(&provider);
        let events = provider.events_of(lost, || {
            let request = rotate().json(&json!({ "compromised": kid }));
            assert_eq!(provider.send(request).status, 200);
        });
        let withdrawn = r#"key.withdrawn by operator {"alg":"ES256"}"#.to_owned();
        assert!(events.contains(&withdrawn), "{events:?}");
        assert_eq!(events.iter().filter(|event| **event == withdrawn).count(), 1);
        let unknown = rotate().json(&json!({ "compromised": "unknown" }));
        assert_eq!(provider.events_of(0, || drop(provider.send(unknown))), [""; 0]);
    }
}

#[test]
fn a_key_that_is_due_and_one_that_is_sealed_again_are_made_by_the_provider() {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.sleep(28 * 86_400);
    let mut events = provider.events_of(0, || drop(provider.maintain()));
    events.sort();
    let made =
        ["ES256", "RS256"].map(|alg| format!(r#"key.created by provider {{"alg":"{alg}"}}"#));
    assert_eq!(events, made);

    let mut variables = variables_with("KEY_ENCRYPTION_KEY", &"E".repeat(43));
    variables.push(("KEY_ENCRYPTION_KEY_PREVIOUS", KEY_ENCRYPTION_KEY.into()));
    provider.deploy(variables);
    provider.sleep(300);
    let events = provider.events_of(0, || drop(provider.maintain()));
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events.iter().all(|event| event.starts_with("key.resealed by provider")));
}

#[test]
fn each_end_by_the_operator_has_an_event_once() {
    for lost in [0, 1] {
        let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
        provider.send(get("/auth/jwks.json"));
        provider.put_alice_with_password();
        let app = provider.put_app();
        let token = post("/admin/initial-access-tokens").by_operator().json(&json!({}));
        let token = field(&provider.send(token), "initial_access_token");
        let registered = json!({ "redirect_uris": ["https://x.example/cb"] });
        let registered = provider.send(post("/auth/register").json(&registered)).json();
        let registered = registered["client_id"].as_str().unwrap();
        Browser::new(&provider).authorize(&app, LOGIN, &SCOPE);
        let sessions = provider.send(get("/admin/sessions").by_operator()).json();
        let session = sessions["sessions"][0]["session"].as_str().unwrap().to_owned();
        provider.send(post("/admin/clients/app/secret").by_operator().json(&json!({})));
        provider.send(put("/admin/users/alice/disabled").by_operator());
        provider.send(delete("/admin/users/alice/disabled").by_operator());
        Browser::new(&provider).authorize(&app, LOGIN, &SCOPE);
        let sessions = provider.send(get("/admin/sessions").by_operator()).json();
        let name = sessions["sessions"][0]["session"].as_str().unwrap();
        assert_ne!(name, session);
        provider.send(put("/admin/users/bob/disabled").by_operator());
        provider.put_user("bob");
        provider.send(put("/admin/users/bob/disabled").by_operator());
        for (path, event) in [
            (
                format!("/admin/sessions/{name}"),
                "session.ended by operator of alice {\"reason\":\"operator\",\"sessions\":1}"
                    .to_owned(),
            ),
            ("/admin/users/bob/disabled".to_owned(), "user.enabled by operator of bob".to_owned()),
            (
                "/admin/clients/app/previous-secrets".to_owned(),
                "client_secret.ended by operator at app".to_owned(),
            ),
            (
                format!("/admin/clients/{registered}/registration-token"),
                format!("registration_token.revoked by operator at {registered}"),
            ),
            (
                format!("/admin/initial-access-tokens/{}", &hash(&token)[..12]),
                "initial_access_token.revoked by operator {}".to_owned(),
            ),
        ] {
            let request = delete(&path).by_operator();
            let send = || assert_eq!(provider.send(request.clone()).status, 200, "{path}");
            assert_eq!(provider.events_of(lost, send), [event], "{lost} lost");
            // A second one changes nothing.
            provider.forget_events();
            provider.send(request);
            assert_eq!(provider.events(), [""; 0], "{path}");
        }
    }
}
