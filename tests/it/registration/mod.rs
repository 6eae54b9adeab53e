//! Dynamic client registration and its management (RFC 7591, RFC 7592).

use crate::browser::{Browser, CALLBACK, TestClient, answer, error_page};
use crate::signer::Signer;
use crate::test_provider::{
    ISSUER, NOW, TestProvider, TestRequest, TestResponse, delete, get, post, put, variables_with,
};
use postern::secret::hash;
use serde_json::{Value, json};

mod management;
mod repeated;
mod vouched_apis;

const REGISTER: &str = "/auth/register";
const DAY: i64 = 86_400;
const LOGIN: &str = "alice@example.com";

fn open() -> TestProvider {
    TestProvider::configured(variables_with("REGISTRATION", "open"))
}

fn initial_access_token(provider: &TestProvider, uses: i64, ttl: i64) -> String {
    let order = json!({ "uses": uses, "ttl": ttl });
    let response = provider.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    assert_eq!(response.status, 200, "{}", response.body);
    let expected = (&json!(uses), &json!(provider.now.get() + ttl));
    assert_eq!((&response.json()["uses"], &response.json()["expires_at"]), expected);
    response.json()["initial_access_token"].as_str().unwrap().to_owned()
}

fn document() -> Value {
    json!({ "redirect_uris": [CALLBACK] })
}

/// The response to a registration.
struct Registered(Value);

impl Registered {
    fn new(response: &TestResponse) -> Self {
        assert_eq!(response.status, 201, "{}", response.body);
        Self(response.json())
    }

    fn text(&self, changed: &str) -> &str {
        self.0[changed].as_str().unwrap()
    }

    fn path(&self) -> &str {
        self.text("registration_client_uri").strip_prefix(ISSUER).unwrap()
    }

    fn read(&self, provider: &TestProvider) -> TestResponse {
        provider.send(get(self.path()).bearer(self.text("registration_access_token")))
    }

    fn replace(&self, provider: &TestProvider, document: &Value) -> TestResponse {
        let request = put(self.path()).bearer(self.text("registration_access_token"));
        provider.send(request.json(document))
    }

    fn delete(&self, provider: &TestProvider) -> TestResponse {
        provider.send(delete(self.path()).bearer(self.text("registration_access_token")))
    }

    fn client(&self) -> TestClient {
        TestClient {
            id: self.text("client_id").into(),
            secret: self.0.get("client_secret").map(|secret| secret.as_str().unwrap().into()),
            redirect_uri: self.0["redirect_uris"][0].as_str().unwrap().into(),
        }
    }
}

/// Registers a client without an initial access token.
fn register(provider: &TestProvider, document: &Value) -> Registered {
    Registered::new(&provider.send(post(REGISTER).json(document)))
}

fn count(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

fn clients(provider: &TestProvider) -> i64 {
    count(provider, "SELECT count(*) FROM clients")
}

#[track_caller]
fn assert_refused(response: &TestResponse, error: &str, words: &str) {
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!((response.status, response.error().as_deref()), (400, Some(error)), "{description}");
    assert!(description.contains(words), "{description}");
    assert_eq!(response.header("pragma"), Some("no-cache"));
}

#[track_caller]
fn assert_unauthorized(response: &TestResponse) {
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
    let challenge = response.header("www-authenticate").unwrap();
    let begin = format!("Bearer realm=\"{ISSUER}\", error=\"invalid_token\"");
    assert!(challenge.starts_with(&begin) && !challenge.contains("scope"), "{challenge}");
}

#[test]
fn the_response_has_the_effective_metadata_and_management_uri() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 1, 60);
    let document = json!({
        "redirect_uris": [CALLBACK], "client_name": "App", "client_name#ja-Kana": "アプリ",
        "tos_uri#fr": "https://app.example/fr", "scope": "openid email unheard-of",
        "software_id": "4NRB1", "software_version": "2", "default_acr_values": ["a", "b"],
        "initiate_login_uri": "https://app.example/begin", "trusted": true, "client_id": "mine",
        "client_secret": "mine", "software_statement": "a.b.c", "of_tomorrow": { "x": [1] },
        "subject_type": "public", "require_signed_request_object": false,
    });
    let response = provider.send(post(REGISTER).bearer(&token).json(&document));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.log["endpoint"], "client_registration");
    let response = Registered::new(&response);
    let (id, secret) = (response.text("client_id"), response.text("client_secret"));
    let registration_token = response.text("registration_access_token");
    assert_eq!((id.len(), secret.len(), registration_token.len()), (22, 43, 43));
    let expected = json!({
        "application_type": "web", "backchannel_logout_session_required": false,
        "frontchannel_logout_session_required": false, "client_id": id, "client_id_issued_at": NOW,
        "client_name": "App", "client_name#ja-Kana": "アプリ", "client_secret": secret,
        "client_secret_expires_at": 0, "default_acr_values": ["a", "b"],
        "grant_types": ["authorization_code"], "id_token_scope_claims": false,
        "id_token_signed_response_alg": "RS256",
        "initiate_login_uri": "https://app.example/begin", "redirect_uris": [CALLBACK],
        "registration_access_token": registration_token,
        "registration_client_uri": format!("{ISSUER}{REGISTER}/{id}"),
        "require_auth_time": false, "require_pushed_authorization_requests": false,
        "require_signed_request_object": false, "response_types": ["code"], "scope": "openid email",
        "software_id": "4NRB1", "software_version": "2", "subject_type": "public",
        "token_endpoint_auth_method": "client_secret_basic",
        "tos_uri#fr": "https://app.example/fr",
    });
    assert_eq!(response.0, expected);

    let sql = "SELECT secret_hash, registration_token_hash, trusted, expires_at FROM clients";
    let row: (String, String, i64, Option<i64>) = provider
        .platform
        .primary
        .query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    assert_eq!(row, (hash(secret), hash(registration_token), 0, None));
    let shown = provider.send(get(&format!("/admin/clients/{id}")).by_operator()).json();
    assert_eq!(
        (&shown["client_name#ja-Kana"], &shown["trusted"]),
        (&json!("アプリ"), &false.into())
    );
}

#[test]
fn a_public_client_gets_no_secret() {
    let response = register(
        &open(),
        &json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" }),
    );
    assert!(
        response.0.get("client_secret").is_none()
            && response.0["client_secret_expires_at"].is_null()
    );
}

#[test]
fn the_registration_policy_decides_who_may_register() {
    for (policy, without, wrong) in [("closed", 404, 404), ("token", 401, 401), ("open", 201, 401)]
    {
        let provider = TestProvider::configured(variables_with("REGISTRATION", policy));
        let token = initial_access_token(&provider, 1, 60);
        let response = provider.send(post(REGISTER).json(&document()));
        assert_eq!(response.status, without, "{policy}");
        let response = provider.send(post(REGISTER).bearer(&"x".repeat(43)).json(&document()));
        assert_eq!(response.status, wrong, "{policy}");
        let response = provider.send(post(REGISTER).bearer(&token).json(&document()));
        assert_eq!(response.status, if policy == "closed" { 404 } else { 201 }, "{policy}");
        assert_eq!(
            provider.send(TestRequest::new("OPTIONS", REGISTER)).status == 204,
            policy != "closed"
        );
    }
    let response = TestProvider::configured(variables_with("REGISTRATION", "yes")).send(get("/"));
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!(description, "REGISTRATION: must be closed, token or open, in lower case");
}

#[test]
fn a_missing_initial_access_token_is_challenged_a_wrong_one_refused() {
    let provider = TestProvider::new();
    let response = provider.send(post(REGISTER).json(&document()));
    let challenge = format!("Bearer realm=\"{ISSUER}\"");
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
    assert_eq!(response.header("www-authenticate"), Some(challenge.as_str()));
    let good = initial_access_token(&provider, 1, 60);
    for token in ["x", &"x".repeat(43), &good[1..], &format!("{good}="), &hash(&good)] {
        for provider in [&provider, &open()] {
            let response = provider.send(post(REGISTER).bearer(token).json(&document()));
            assert_unauthorized(&response);
        }
    }
    // An Authorization header with another scheme is refused, even where none is needed.
    for provider in [&provider, &open()] {
        let request = post(REGISTER).with("authorization", "Basic YTpi").json(&document());
        assert_eq!(provider.send(request).status, 401);
        let target = format!("{REGISTER}?access_token={good}");
        assert_eq!(provider.send(post(&target).json(&document())).status, 400);
        let twice = post(REGISTER).bearer(&good).bearer(&good).json(&document());
        assert_eq!(provider.send(twice).error().as_deref(), Some("invalid_request"));
        assert_eq!(clients(provider), 0);
    }
}

#[test]
fn a_token_registers_its_number_of_clients_not_counting_refusals() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 2, 60);
    let send =
        |document: &Value| provider.send(post(REGISTER).bearer(&token).json(document)).status;
    assert_eq!(send(&json!({})), 400);
    assert_eq!(send(&document()), 201);
    assert_eq!(send(&json!({ "redirect_uris": ["http://app.example/"] })), 400);
    assert_eq!(send(&document()), 201);
    let mut other = document();
    other["client_name"] = "Other".into();
    assert_eq!(send(&other), 401);
    assert_eq!(clients(&provider), 2);
}

#[test]
fn simultaneous_registrations_do_not_exceed_the_uses_of_a_token() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 3, 60);
    let named =
        |number: usize| json!({ "redirect_uris": [CALLBACK], "client_name": number.to_string() });
    let requests = (0..20).map(|n| post(REGISTER).bearer(&token).json(&named(n))).collect();
    let response = provider.send_at_once(requests);
    let registered = response.iter().filter(|response| response.status == 201).count();
    let refused = response.iter().filter(|response| response.status == 401).count();
    assert_eq!((registered, refused, clients(&provider)), (3, 17, 3));
    assert_eq!(count(&provider, "SELECT uses_left FROM initial_access_tokens"), 0);
}

#[test]
fn an_initial_access_token_expires_and_is_stored_hashed() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 5, 60);
    let stored: String = provider
        .platform
        .primary
        .query_row("SELECT token_hash FROM initial_access_tokens", (), |row| row.get(0))
        .unwrap();
    assert_eq!(stored, hash(&token));
    provider.sleep(59);
    assert_eq!(provider.send(post(REGISTER).bearer(&token).json(&document())).status, 201);
    provider.sleep(1);
    assert_unauthorized(&provider.send(post(REGISTER).bearer(&token).json(&document())));
    // The use of one for a single client could be repeated for ten minutes.
    provider.sleep(599);
    initial_access_token(&provider, 1, 60);
    assert_eq!(count(&provider, "SELECT count(*) FROM initial_access_tokens"), 2);
    provider.sleep(1);
    initial_access_token(&provider, 1, 60);
    assert_eq!(count(&provider, "SELECT count(*) FROM initial_access_tokens"), 2);
}

#[test]
fn an_invalid_request_for_an_initial_access_token_is_refused() {
    let provider = TestProvider::new();
    let order = |order: Value| {
        let request = post("/admin/initial-access-tokens").by_operator();
        provider.send(request.json(&order))
    };
    let response = order(json!({})).json();
    assert_eq!((&response["uses"], &response["expires_at"]), (&1.into(), &(NOW + DAY).into()));
    for (wrong, words) in [
        (json!([]), "JSON object"),
        (json!({ "uses": 0 }), "uses: must be"),
        (json!({ "uses": 10_001 }), "uses: must be"),
        (json!({ "uses": "1" }), "uses: must be"),
        (json!({ "ttl": 0 }), "ttl: must be"),
        (json!({ "ttl": 31_536_001 }), "ttl: must be"),
        (json!({ "user": 1 }), "user: unknown field"),
    ] {
        let response = order(wrong);
        assert_eq!(response.status, 400);
        assert!(response.json()["error_description"].as_str().unwrap().contains(words));
    }
    assert_eq!(provider.send(put("/admin/initial-access-tokens").by_operator()).status, 405);
    assert_eq!(provider.send(post("/admin/initial-access-tokens").json(&json!({}))).status, 401);
}

#[test]
fn open_registration_is_rate_limited_but_not_with_a_token() {
    let provider = open();
    provider.platform.rate_limit.set(Some(2));
    let send = |address: &str| {
        provider.send(post(REGISTER).with("cf-connecting-ip", address).json(&document()))
    };
    assert_eq!((send("192.0.2.1").status, send("192.0.2.1").status), (201, 201));
    let response = send("192.0.2.1");
    assert_eq!((response.status, response.header("retry-after")), (429, Some("60")));
    assert_eq!(response.error().as_deref(), Some("temporarily_unavailable"));
    assert_eq!(send("192.0.2.2").status, 201, "another address has a limit of its own");
    // An IPv6 network counts as one subscriber.
    assert_eq!((send("2001:db8::1").status, send("2001:db8::2").status), (201, 201));
    assert_eq!(send("2001:db8::3").status, 429);
    let token = initial_access_token(&provider, 1, 60);
    let request = post(REGISTER).with("cf-connecting-ip", "192.0.2.1").bearer(&token);
    assert_eq!(provider.send(request.json(&document())).status, 201);
}

#[test]
fn an_unused_client_expires_after_a_day() {
    let provider = open();
    let response = register(&provider, &document());
    let authorize = response.client().authorize(&[]);
    let is_known = || {
        let shown = format!("/admin/clients/{}", response.text("client_id"));
        let listed = provider.send(get("/admin/clients").by_operator()).json()["clients"].clone();
        let known = [
            provider.send(get(&authorize)).status == 200,
            provider.redeem(&response.client(), "x").error().as_deref() == Some("invalid_grant"),
            response.read(&provider).status == 200,
            provider.send(get(&shown).by_operator()).status == 200,
            listed.as_array().unwrap().len() == 1,
        ];
        assert!(known.iter().all(|one| *one == known[0]), "{known:?}");
        known[0]
    };
    // Without a signing key the token endpoint fails for another reason.
    provider.send(get("/auth/jwks.json"));
    provider.sleep(DAY - 1);
    assert!(is_known());
    provider.sleep(1);
    assert!(!is_known());
    assert_unauthorized(&response.delete(&provider));
    assert_eq!(clients(&provider), 1, "the expired row is not deleted yet");
    register(&provider, &document());
    assert_eq!(clients(&provider), 1);
}

#[test]
fn a_client_that_was_used_or_has_a_token_does_not_expire() {
    let provider = open();
    provider.put_alice_with_password();
    let used = register(&provider, &document());
    let token = initial_access_token(&provider, 1, 60);
    let request = post(REGISTER).bearer(&token).json(&document());
    let invited = Registered::new(&provider.send(request));
    Browser::new(&provider).authorize(&used.client(), LOGIN, &[]);
    provider.sleep(10 * DAY);
    register(&provider, &document());
    assert_eq!((used.read(&provider).status, invited.read(&provider).status), (200, 200));
}

#[test]
fn a_client_that_expires_during_consent_gets_no_code() {
    let provider = open();
    provider.put_alice_with_password();
    let response = register(&provider, &document());
    let alice = Browser::new(&provider);
    provider.sleep(DAY - 1);
    let page = alice.sign_in_on(&alice.get(&response.client().authorize(&[])), LOGIN);
    provider.platform.before_batches.borrow_mut().push_back("UPDATE clients SET expires_at = 1");
    let response = alice.submit(&page, &[("decision", "allow")]);
    assert!(error_page(&response).contains("is not registered"));
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
}

#[test]
fn a_client_gets_only_its_registered_scopes() {
    let provider = open();
    provider.put_alice_with_password();
    let response =
        register(&provider, &json!({ "redirect_uris": [CALLBACK], "scope": "openid email" }));
    let alice = Browser::new(&provider);
    let code = alice.authorize(&response.client(), LOGIN, &[("scope", "openid profile email")]);
    assert_eq!(provider.redeem(&response.client(), &code).json()["scope"], "openid email");
    let refused = alice.get(&response.client().authorize(&[("scope", "profile phone")]));
    assert_eq!(answer(&refused, CALLBACK)["error"], "invalid_scope");
}

#[test]
fn registration_and_management_allow_every_origin() {
    let provider = TestProvider::new();
    for (path, methods) in
        [(REGISTER, "POST"), ("/auth/register/some-id", "GET, HEAD, PUT, DELETE")]
    {
        let response =
            provider.send(TestRequest::new("OPTIONS", path).with("origin", "https://app.example"));
        assert_eq!(
            (response.status, response.header("access-control-allow-methods")),
            (204, Some(methods))
        );
        assert_eq!(response.header("access-control-allow-headers"), Some("*, Authorization"));
    }
    assert_eq!(provider.send(get("/auth/register/a/b")).status, 404);
    assert_eq!(provider.send(get(REGISTER)).header("allow"), Some("POST, OPTIONS"));
}

#[test]
fn the_log_has_no_id_or_token_of_a_registration() {
    let provider = open();
    let response = Registered::new(&provider.send(post(REGISTER).json(&document())));
    let read = response.read(&provider);
    let line = read.log.to_string();
    assert_eq!(read.log["endpoint"], "client_configuration");
    assert!(!line.contains(response.text("client_id")));
    assert!(!line.contains(response.text("registration_access_token")));
}

#[test]
fn a_client_registers_its_keys_and_authenticates_with_them() {
    let provider = open();
    let signer = Signer::new("EdDSA", Some("a"), 0);
    let mut signing = document();
    signing["token_endpoint_auth_method"] = "private_key_jwt".into();
    let response = provider.send(post(REGISTER).json(&signing));
    assert_refused(&response, "invalid_client_metadata", "jwks or jwks_uri");
    signing["jwks_uri"] = "https://169.254.169.254/".into();
    assert_refused(
        &provider.send(post(REGISTER).json(&signing)),
        "invalid_client_metadata",
        "jwks_uri",
    );
    signing.as_object_mut().unwrap().remove("jwks_uri");
    signing["jwks"] = signer.jwks();

    let response = register(&provider, &signing);
    assert_eq!((&response.0["jwks"], response.0.get("client_secret")), (&signer.jwks(), None));
    provider.send(get("/auth/jwks.json"));
    let assertion = signer.assertion(&provider, response.text("client_id"));
    let parameters =
        [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", CALLBACK)];
    assert_eq!(
        provider.token_by(&assertion, &parameters).error().as_deref(),
        Some("invalid_grant")
    );
}

#[test]
fn of_a_key_only_the_public_fields_that_are_used_are_kept() {
    let provider = open();
    let kept = Signer::new("RS256", Some("a"), 0).jwks();
    let mut sent = kept.clone();
    let key = sent["keys"][0].as_object_mut().unwrap();
    for (name, value) in [
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("x5c", json!(["MIIB\u{1b}[2J"])),
        ("x5t", json!("x")),
        ("x5u", json!("https://evil.example/")),
        ("password", json!("hunter2")),
        ("D", json!("a private field in another spelling")),
    ] {
        key.insert(name.into(), value);
    }
    sent["keys"].as_array_mut().unwrap().push(json!({ "kty": "XYZ", "secret": "hunter2" }));
    sent["d"] = json!("hunter2");
    let mut signing = document();
    signing["token_endpoint_auth_method"] = "private_key_jwt".into();
    signing["jwks"] = sent;

    let registered = register(&provider, &signing);
    assert_eq!(registered.0["jwks"], kept);
    assert_eq!(registered.read(&provider).json()["jwks"], kept);
    let mut update = signing.clone();
    update["client_id"] = registered.text("client_id").into();
    assert_eq!(registered.replace(&provider, &update).json()["jwks"], kept);
    let put = provider.send(put("/admin/clients/own").by_operator().json(&signing));
    assert_eq!((put.status, &put.json()["jwks"]), (200, &kept), "{}", put.body);
    for text in ["hunter2", "x5c", "MIIB", "private field"] {
        let sql = format!("SELECT count(*) FROM clients WHERE metadata LIKE '%{text}%'");
        assert_eq!(count(&provider, &sql), 0, "{text}");
    }
    assert_eq!(count(&provider, "SELECT count(*) FROM clients WHERE metadata LIKE '%RSA%'"), 2);
}
