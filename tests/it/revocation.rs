//! Revocation of tokens by their client (RFC 7009).

use crate::browser::{Browser, TestClient, VERIFIER, encode, field};
use crate::client_documents;
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, get, post, variables_with,
};
use base64ct::{Base64, Encoding};
use postern::lifetimes::{ACCESS_TOKEN_SECONDS, REFRESH_TOKEN_IDLE_SECONDS, SWEEP_DELAY_SECONDS};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const OFFLINE: (&str, &str) = ("scope", "openid email offline_access");

pub fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

/// A form with a token and the client's authentication.
pub fn form_for(client: &TestClient, parameters: &[(&str, &str)]) -> String {
    let mut all = parameters.to_vec();
    all.push(("client_id", &client.id));
    if let Some(secret) = &client.secret {
        all.push(("client_secret", secret));
    }
    encode(&all)
}

impl TestProvider {
    /// The tokens of a new grant.
    pub fn offline_tokens(&self, client: &TestClient) -> TestResponse {
        let parameters = [OFFLINE, ("prompt", "consent")];
        let code = Browser::new(self).authorize(client, LOGIN, &parameters);
        let tokens = self.redeem(client, &code);
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        tokens
    }

    pub fn revoke(&self, client: &TestClient, token: &str) -> TestResponse {
        self.send(post("/auth/revoke").form(&form_for(client, &[("token", token)])))
    }

    fn is_accepted(&self, tokens: &TestResponse) -> bool {
        let response = self.send(get("/auth/userinfo").bearer(&field(tokens, "access_token")));
        assert!([200, 401].contains(&response.status), "{}", response.body);
        response.status == 200
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.platform.primary.query_row(&sql, (), |row| row.get(0)).unwrap()
    }
}

#[track_caller]
pub fn assert_revoked(response: &TestResponse) {
    assert_eq!((response.status, response.body.as_str()), (200, "{}"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[track_caller]
fn assert_over(provider: &TestProvider, client: &TestClient, tokens: &TestResponse) {
    assert!(!provider.is_accepted(tokens));
    let refreshed = provider.refresh(client, &field(tokens, "refresh_token"));
    assert_eq!((refreshed.status, refreshed.error().as_deref()), (400, Some("invalid_grant")));
    assert!(refreshed.body.contains("the grant was revoked"), "{}", refreshed.body);
}

#[test]
fn a_revoked_refresh_token_ends_its_grant_and_no_other() {
    for hint in [None, Some("refresh_token"), Some("access_token"), Some("saml"), Some("")] {
        let (provider, app) = provider();
        let (other, first) = (provider.offline_tokens(&app), provider.offline_tokens(&app));
        let second = provider.refresh(&app, &field(&first, "refresh_token"));
        assert!(provider.is_accepted(&first) && provider.is_accepted(&second));
        let token = field(&second, "refresh_token");
        let mut parameters = vec![("token", token.as_str())];
        parameters.extend(hint.map(|hint| ("token_type_hint", hint)));
        let request = post("/auth/revoke").form(&form_for(&app, &parameters));
        assert_revoked(&provider.send(request.clone()));
        assert_over(&provider, &app, &second);
        assert_over(&provider, &app, &first);
        assert!(provider.is_accepted(&other), "{hint:?}");
        assert_eq!(provider.refresh(&app, &field(&other, "refresh_token")).status, 200);
        assert_revoked(&provider.send(request));
    }
}

#[test]
fn a_spent_or_expired_refresh_token_ends_its_grant_too() {
    for (uses, seconds) in [(1, 0), (2, 0), (3, 3_600), (3, REFRESH_TOKEN_IDLE_SECONDS)] {
        let (provider, app) = provider();
        let first = provider.offline_tokens(&app);
        let mut last = field(&first, "refresh_token");
        for _ in 0..uses {
            provider.sleep(seconds / 2);
            last = field(&provider.refresh(&app, &last), "refresh_token");
        }
        assert_revoked(&provider.revoke(&app, &field(&first, "refresh_token")));
        let refreshed = provider.refresh(&app, &last);
        assert!(refreshed.body.contains("the grant was revoked"), "{uses} {}", refreshed.body);
    }
}

#[test]
fn a_revoked_access_token_ends_at_once_and_alone() {
    for hint in [None, Some("access_token"), Some("refresh_token"), Some("unknown")] {
        let (provider, app) = provider();
        let first = provider.offline_tokens(&app);
        let second = provider.refresh(&app, &field(&first, "refresh_token"));
        // This isolate remembers both.
        assert!(provider.is_accepted(&first) && provider.is_accepted(&second));
        let token = field(&first, "access_token");
        let mut parameters = vec![("token", token.as_str())];
        parameters.extend(hint.map(|hint| ("token_type_hint", hint)));
        assert_revoked(&provider.send(post("/auth/revoke").form(&form_for(&app, &parameters))));
        assert!(!provider.is_accepted(&first) && provider.is_accepted(&second), "{hint:?}");
        provider.new_isolate();
        assert!(!provider.is_accepted(&first) && provider.is_accepted(&second), "{hint:?}");
        assert_eq!(provider.refresh(&app, &field(&second, "refresh_token")).status, 200);
        assert_revoked(&provider.revoke(&app, &token));
        assert_eq!(provider.count("revoked_tokens"), 1);
    }
}

/// A text that the client might send as a token, and that is none of its own living ones.
fn foreign_tokens(provider: &TestProvider, other: &TestClient) -> Vec<(&'static str, String)> {
    let tokens = provider.offline_tokens(other);
    let access = field(&tokens, "access_token");
    let (signed, _) = access.rsplit_once('.').unwrap();
    vec![
        ("another client's access token", access.clone()),
        ("another client's refresh token", field(&tokens, "refresh_token")),
        ("another client's ID token", field(&tokens, "id_token")),
        ("the operator's token", provider.mint("openid")),
        ("an unknown refresh token", "r".repeat(43)),
        ("a forged access token", format!("{signed}.{}", "A".repeat(86))),
        ("one part of a token", access.split('.').next().unwrap().to_owned()),
        ("no token", "\u{0}'; DROP TABLE grants; --".into()),
        ("a long text", "a.".repeat(10_000)),
    ]
}

#[test]
fn every_token_that_is_not_the_clients_gets_the_same_answer_and_lives_on() {
    let (provider, app) = provider();
    let other = provider.put_client_with("other", json!({}));
    let own = provider.offline_tokens(&app);
    let expected = provider.revoke(&app, &field(&own, "refresh_token"));
    assert_revoked(&expected);
    for (name, token) in foreign_tokens(&provider, &other) {
        provider.platform.take_counts();
        let response = provider.revoke(&app, &token);
        assert_eq!(
            (response.status, &response.headers, &response.body),
            (200, &expected.headers, &expected.body),
            "{name}"
        );
        let counts = provider.platform.take_counts();
        assert_eq!((counts.batches, counts.statements), (1, 0), "{name}");
    }
    let revoked = "SELECT count(*) FROM grants WHERE revoked_at IS NOT NULL";
    assert_eq!(provider.platform.primary.query_row(revoked, (), |row| row.get(0)), Ok(1));
    assert_eq!(provider.count("revoked_tokens"), 0);
}

#[test]
fn an_expired_access_token_causes_no_row() {
    let (provider, app) = provider();
    let token = field(&provider.offline_tokens(&app), "access_token");
    provider.sleep(ACCESS_TOKEN_SECONDS + 60);
    assert_revoked(&provider.revoke(&app, &token));
    assert_eq!(provider.count("revoked_tokens"), 0);
}

/// How a client authenticates.
enum Proof {
    Basic,
    Form,
    Assertion(Signer),
}

impl Proof {
    /// A request with these parameters and an audience for an assertion.
    fn request(
        &self,
        provider: &TestProvider,
        client: &TestClient,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> TestRequest {
        match self {
            Self::Basic => {
                let secret = client.secret.as_ref().unwrap();
                let basic = Base64::encode_string(format!("{}:{secret}", client.id).as_bytes());
                let request = post(path).with("authorization", &format!("Basic {basic}"));
                request.form(&encode(parameters))
            }
            Self::Form => post(path).form(&form_for(client, parameters)),
            Self::Assertion(signer) => {
                let mut claims = signer.claims(provider, &client.id);
                claims["aud"] = format!("{ISSUER}{path}").into();
                by_assertion(&signer.sign(&claims), parameters).at(path)
            }
        }
    }
}

/// Each way of authentication, with a client and the number of statements and batches of a request.
fn ways(provider: &TestProvider) -> Vec<(Proof, TestClient, (u32, u32))> {
    let signer = Signer::new("ES256", None, 0);
    let app = provider.put_app();
    let public = json!({ "token_endpoint_auth_method": "none" });
    let public = provider.put_client_with("spa", public);
    let signing = provider.put_signing("signing", json!({ "jwks": signer.jwks() }));
    client_documents::publish(provider, &client_documents::document_with(json!({})));
    vec![
        (Proof::Basic, app.clone(), (0, 1)),
        (Proof::Form, app, (0, 1)),
        (Proof::Form, public, (0, 1)),
        (Proof::Assertion(signer), signing, (1, 1)),
        (Proof::Form, client_documents::client(), (1, 1)),
    ]
}

#[test]
fn a_client_revokes_with_every_way_of_authentication() {
    let provider = client_documents::provider();
    for (proof, client, requests) in ways(&provider) {
        let id = &client.id;
        let code = Browser::new(&provider).authorize(&client, LOGIN, &[OFFLINE]);
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &client.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let tokens = provider.send(proof.request(&provider, &client, "/auth/token", &redeem));
        for kind in ["access_token", "refresh_token"] {
            let token = field(&tokens, kind);
            let request = proof.request(&provider, &client, "/auth/revoke", &[("token", &token)]);
            provider.platform.take_counts();
            let response = provider.send(request);
            assert_eq!(response.status, 200, "{id}: {}", response.body);
            let counts = provider.platform.take_counts();
            assert_eq!((counts.statements, counts.batches), requests, "{id} {kind}");
            assert!(!provider.is_accepted(&tokens), "{id}");
        }
        let left = "SELECT count(*) FROM grants WHERE client_id = ?1 AND revoked_at IS NULL";
        let left = provider.platform.primary.query_row(left, [id], |row| row.get(0));
        assert_eq!(left, Ok(0), "{id}");
    }
}

#[test]
fn a_client_that_does_not_authenticate_revokes_nothing() {
    let (provider, app) = provider();
    let signer = Signer::new("ES256", None, 0);
    let signing = provider.put_signing("signing", json!({ "jwks": signer.jwks() }));
    let tokens = provider.offline_tokens(&app);
    let (access, refresh) = (field(&tokens, "access_token"), field(&tokens, "refresh_token"));
    let used = signer.assertion(&provider, &signing.id);
    let by_used = |token: &str| by_assertion(&used, &[("token", token)]).at("/auth/revoke");
    assert_revoked(&provider.send(by_used("unknown")));
    let code = Browser::new(&provider).authorize(&signing, LOGIN, &[OFFLINE]);
    let assertion = signer.assertion(&provider, &signing.id);
    let of_signing = provider.redeem_by(&assertion, &signing, &code);
    for token in [access.as_str(), &refresh] {
        for form in [
            encode(&[("token", token)]),
            encode(&[("token", token), ("client_id", "app")]),
            encode(&[("token", token), ("client_id", "app"), ("client_secret", "wrong")]),
            encode(&[("token", token), ("client_id", "nobody")]),
        ] {
            let response = provider.send(post("/auth/revoke").form(&form));
            let refused = (response.status, response.error());
            assert_eq!(refused, (401, Some("invalid_client".into())), "{form}");
        }
    }
    for kind in ["access_token", "refresh_token"] {
        let response = provider.send(by_used(&field(&of_signing, kind)));
        assert!(response.status == 401 && response.body.contains("already used"));
    }
    assert!(provider.is_accepted(&tokens) && provider.is_accepted(&of_signing));
    assert_eq!(provider.refresh(&app, &refresh).status, 200);
}

#[test]
fn a_request_without_one_token_is_refused_after_the_authentication() {
    let (provider, app) = provider();
    for (parameters, words) in [
        (vec![], "missing parameter: token"),
        (vec![("token", "")], "missing parameter: token"),
        (vec![("token", "a"), ("token", "a")], "duplicate parameter: token"),
        (
            vec![("token", "a"), ("token_type_hint", "a"), ("token_type_hint", "b")],
            "duplicate parameter: token_type_hint",
        ),
    ] {
        for path in ["/auth/revoke", "/auth/introspect"] {
            // A token in the query does not count.
            let request = post(&format!("{path}?token=b")).form(&form_for(&app, &parameters));
            let response = provider.send(request);
            assert_eq!((response.status, response.error()), (400, Some("invalid_request".into())));
            assert!(response.body.contains(words), "{}", response.body);
            let wrong = TestClient { secret: Some("wrong".into()), ..app.clone() };
            let response = provider.send(post(path).form(&form_for(&wrong, &parameters)));
            assert_eq!((response.status, response.error()), (401, Some("invalid_client".into())));
        }
    }
}

#[test]
fn a_lost_answer_revokes_once_with_one_event() {
    let (provider, app) = provider();
    for kind in ["access_token", "refresh_token", "refresh_token"] {
        let tokens = provider.offline_tokens(&app);
        provider.forget_events();
        provider.platform.lost_responses.set(1);
        assert_revoked(&provider.revoke(&app, &field(&tokens, kind)));
        assert_eq!(provider.platform.lost_responses.get(), 0);
        assert!(!provider.is_accepted(&tokens));
        let event = "grant.revoked by client of alice at app {\"reason\":\"client\"}".to_owned();
        let expected = if kind == "refresh_token" { vec![event] } else { vec![] };
        assert_eq!(provider.events(), expected);
        assert_revoked(&provider.revoke(&app, &field(&tokens, kind)));
        assert_eq!(provider.events(), expected, "a second revocation");
    }
    assert_eq!(provider.count("revoked_tokens"), 1);
}

/// Takes every slot of a group for five minutes.
fn take_slots(provider: &TestProvider, group: &str) {
    let fill = format!(
        "WITH RECURSIVE places (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM places WHERE n < 199999) \
         INSERT INTO revoked_tokens (jti, expires_at, slot) \
         SELECT '{group}-filler-' || n, {}, '{group}/' || n FROM places WHERE true ON CONFLICT (slot) DO NOTHING",
        provider.now.get() + 300
    );
    provider.platform.primary.execute(&fill, ()).unwrap();
}

#[test]
fn a_revocation_that_finds_no_slot_fails_and_can_be_repeated() {
    let (provider, _) = provider();
    let app = provider.put_client_with("spa", json!({ "token_endpoint_auth_method": "none" }));
    let tokens = provider.offline_tokens(&app);
    take_slots(&provider, "");
    let response = provider.revoke(&app, &field(&tokens, "access_token"));
    assert_eq!((response.status, response.header("retry-after")), (503, Some("10")));
    assert!(response.event_names().contains(&"slots_exhausted"), "{:?}", response.events);
    assert!(provider.is_accepted(&tokens));
    assert_eq!(provider.count("revoked_tokens"), 200_000);
    // A refresh token needs no slot.
    assert_revoked(&provider.revoke(&app, &field(&tokens, "refresh_token")));
    assert!(!provider.is_accepted(&tokens));
    // The row of a token that has expired gives its slot back.
    provider.sleep(300 + SWEEP_DELAY_SECONDS);
    let tokens = provider.offline_tokens(&app);
    assert_revoked(&provider.revoke(&app, &field(&tokens, "access_token")));
    assert!(!provider.is_accepted(&tokens));
}

#[test]
fn strangers_cannot_prevent_the_revocations_of_the_operators_confidential_clients() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let registered = crate::strangers::register(&provider, json!({}));
    let public = provider.put_client_with("spa", json!({ "token_endpoint_auth_method": "none" }));
    // This client has the name of no group but its own.
    let named = provider.put_client_with("revoked", json!({}));
    let status = |client: &TestClient| {
        provider.revoke(client, &field(&provider.offline_tokens(client), "access_token")).status
    };
    assert_eq!([&registered, &public, &named].map(status), [200, 200, 200]);
    take_slots(&provider, "");
    assert_eq!([&registered, &public, &named].map(status), [503, 503, 200]);
    // Those of one client are not those of another.
    take_slots(&provider, "revoked");
    let app = provider.put_client_with("another", json!({}));
    assert_eq!([&named, &app].map(status), [503, 200]);
}

#[test]
fn a_revoked_token_is_forgotten_an_hour_after_it_has_expired() {
    let (provider, app) = provider();
    let tokens = provider.offline_tokens(&app);
    assert_revoked(&provider.revoke(&app, &field(&tokens, "access_token")));
    // The first request of an isolate sweeps. The leeway is five seconds.
    for (seconds, kept) in [(ACCESS_TOKEN_SECONDS + 4 + SWEEP_DELAY_SECONDS, 1), (1, 0)] {
        provider.sleep(seconds);
        provider.new_isolate();
        provider.refresh(&app, "none");
        assert_eq!(provider.count("revoked_tokens"), kept);
    }
}

#[test]
fn a_refresh_at_the_same_time_leaves_no_living_token() {
    for first in [true, false] {
        let (provider, app) = provider();
        let tokens = provider.offline_tokens(&app);
        let token = field(&tokens, "refresh_token");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let refresh = post("/auth/token").form(&form_for(&app, &refresh));
        let revoke = post("/auth/revoke").form(&form_for(&app, &[("token", &token)]));
        let mut requests = vec![refresh; 10];
        requests.insert(if first { 0 } else { 10 }, revoke);
        let responses = provider.send_together(requests);
        let refreshed: Vec<_> = responses.iter().filter(|one| one.body != "{}").collect();
        assert_eq!(refreshed.len(), 10);
        assert_eq!(refreshed.iter().any(|one| one.status == 200), !first, "the order of the test");
        for response in refreshed.into_iter().filter(|one| one.status == 200) {
            assert_over(&provider, &app, response);
        }
        assert_over(&provider, &app, &tokens);
    }
}

#[test]
fn scripts_of_any_origin_may_revoke() {
    let (provider, app) = provider();
    let preflight =
        TestRequest::new("OPTIONS", "/auth/revoke").with("origin", "https://spa.example");
    assert_eq!(provider.send(preflight).header("access-control-allow-methods"), Some("POST"));
    let request = post("/auth/revoke").with("origin", "https://spa.example");
    let response = provider.send(request.form(&form_for(&app, &[("token", "unknown")])));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(provider.send(get("/auth/revoke")).status, 405);
}
