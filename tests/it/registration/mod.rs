//! Clients that register themselves, and manage that.

use crate::signer::Signer;
use crate::visitor::{CALLBACK, Party, Visitor, answer, error_page};
use crate::world::{ISSUER, NOW, Told, World, ask, delete, get, post, put, variables_with};
use postern::secret::hash;
use serde_json::{Value, json};

mod management;

const REGISTER: &str = "/auth/register";
const DAY: i64 = 86_400;
const LOGIN: &str = "alice@example.com";

fn open() -> World {
    World::configured(variables_with("REGISTRATION", "open"))
}

fn initial_access_token(world: &World, uses: i64, ttl: i64) -> String {
    let order = json!({ "uses": uses, "ttl": ttl });
    let told = world.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    assert_eq!(told.status, 200, "{}", told.body);
    let expected = (&json!(uses), &json!(world.now.get() + ttl));
    assert_eq!((&told.json()["uses"], &told.json()["expires_at"]), expected);
    told.json()["initial_access_token"].as_str().unwrap().to_owned()
}

fn document() -> Value {
    json!({ "redirect_uris": [CALLBACK] })
}

/// What a client learns about itself.
struct Registered(Value);

impl Registered {
    fn new(told: &Told) -> Self {
        assert_eq!(told.status, 201, "{}", told.body);
        Self(told.json())
    }

    fn text(&self, changed: &str) -> &str {
        self.0[changed].as_str().unwrap()
    }

    fn path(&self) -> &str {
        self.text("registration_client_uri").strip_prefix(ISSUER).unwrap()
    }

    fn read(&self, world: &World) -> Told {
        world.send(get(self.path()).bearer(self.text("registration_access_token")))
    }

    fn replace(&self, world: &World, document: &Value) -> Told {
        let request = put(self.path()).bearer(self.text("registration_access_token"));
        world.send(request.json(document))
    }

    fn delete(&self, world: &World) -> Told {
        world.send(delete(self.path()).bearer(self.text("registration_access_token")))
    }

    fn party(&self) -> Party {
        Party {
            id: self.text("client_id").into(),
            secret: self.0.get("client_secret").map(|secret| secret.as_str().unwrap().into()),
            redirect_uri: self.0["redirect_uris"][0].as_str().unwrap().into(),
        }
    }
}

/// Registers without a token.
fn register(world: &World, document: &Value) -> Registered {
    Registered::new(&world.send(post(REGISTER).json(document)))
}

fn count(world: &World, sql: &str) -> i64 {
    world.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

fn clients(world: &World) -> i64 {
    count(world, "SELECT count(*) FROM clients")
}

#[track_caller]
fn assert_refused(told: &Told, error: &str, words: &str) {
    let description = told.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!((told.status, told.error().as_deref()), (400, Some(error)), "{description}");
    assert!(description.contains(words), "{description}");
    assert_eq!(told.header("pragma"), Some("no-cache"));
}

#[track_caller]
fn assert_unauthorized(told: &Told) {
    assert_eq!((told.status, told.error().as_deref()), (401, Some("invalid_token")));
    let challenge = told.header("www-authenticate").unwrap();
    let begin = format!("Bearer realm=\"{ISSUER}\", error=\"invalid_token\"");
    assert!(challenge.starts_with(&begin) && !challenge.contains("scope"), "{challenge}");
}

#[test]
fn the_answer_states_what_is_in_force_and_how_it_is_managed() {
    let world = World::new();
    let token = initial_access_token(&world, 1, 60);
    let document = json!({
        "redirect_uris": [CALLBACK], "client_name": "App", "client_name#ja-Kana": "アプリ",
        "tos_uri#fr": "https://app.example/fr", "scope": "openid email unheard-of",
        "software_id": "4NRB1", "software_version": "2", "default_acr_values": ["a", "b"],
        "initiate_login_uri": "https://app.example/begin", "trusted": true, "client_id": "mine",
        "client_secret": "mine", "software_statement": "a.b.c", "of_tomorrow": { "x": [1] },
        "subject_type": "public", "require_signed_request_object": false,
    });
    let told = world.send(post(REGISTER).bearer(&token).json(&document));
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert_eq!(told.header("pragma"), Some("no-cache"));
    assert_eq!(told.header("access-control-allow-origin"), Some("*"));
    assert_eq!(told.log["endpoint"], "client_registration");
    let told = Registered::new(&told);
    let (id, secret) = (told.text("client_id"), told.text("client_secret"));
    let registration_token = told.text("registration_access_token");
    assert_eq!((id.len(), secret.len(), registration_token.len()), (22, 43, 43));
    let expected = json!({
        "application_type": "web", "client_id": id, "client_id_issued_at": NOW,
        "client_name": "App", "client_name#ja-Kana": "アプリ", "client_secret": secret,
        "client_secret_expires_at": 0, "default_acr_values": ["a", "b"],
        "grant_types": ["authorization_code"], "id_token_signed_response_alg": "RS256",
        "initiate_login_uri": "https://app.example/begin", "redirect_uris": [CALLBACK],
        "registration_access_token": registration_token,
        "registration_client_uri": format!("{ISSUER}{REGISTER}/{id}"),
        "require_auth_time": false, "require_pushed_authorization_requests": false,
        "require_signed_request_object": false, "response_types": ["code"], "scope": "openid email",
        "software_id": "4NRB1", "software_version": "2", "subject_type": "public",
        "token_endpoint_auth_method": "client_secret_basic",
        "tos_uri#fr": "https://app.example/fr",
    });
    assert_eq!(told.0, expected);

    let sql = "SELECT secret_hash, registration_token_hash, trusted, expires_at FROM clients";
    let row: (String, String, i64, Option<i64>) = world
        .platform
        .primary
        .query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    assert_eq!(row, (hash(secret), hash(registration_token), 0, None));
    let shown = world.send(get(&format!("/admin/clients/{id}")).by_operator()).json();
    assert_eq!(
        (&shown["client_name#ja-Kana"], &shown["trusted"]),
        (&json!("アプリ"), &false.into())
    );
}

#[test]
fn a_public_client_gets_no_secret() {
    let told = register(
        &open(),
        &json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" }),
    );
    assert!(told.0.get("client_secret").is_none() && told.0["client_secret_expires_at"].is_null());
}

#[test]
fn who_may_register_is_configuration() {
    for (policy, without, wrong) in [("closed", 404, 404), ("token", 401, 401), ("open", 201, 401)]
    {
        let world = World::configured(variables_with("REGISTRATION", policy));
        let token = initial_access_token(&world, 1, 60);
        let told = world.send(post(REGISTER).json(&document()));
        assert_eq!(told.status, without, "{policy}");
        let told = world.send(post(REGISTER).bearer(&"x".repeat(43)).json(&document()));
        assert_eq!(told.status, wrong, "{policy}");
        let told = world.send(post(REGISTER).bearer(&token).json(&document()));
        assert_eq!(told.status, if policy == "closed" { 404 } else { 201 }, "{policy}");
        assert_eq!(world.send(ask("OPTIONS", REGISTER)).status == 204, policy != "closed");
    }
    let told = World::configured(variables_with("REGISTRATION", "yes")).send(get("/"));
    let description = told.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!(description, "REGISTRATION must be closed, token or open");
}

#[test]
fn without_a_token_one_is_asked_for_and_a_wrong_one_is_refused() {
    let world = World::new();
    let told = world.send(post(REGISTER).json(&document()));
    let challenge = format!("Bearer realm=\"{ISSUER}\"");
    assert_eq!((told.status, told.error()), (401, None));
    assert_eq!(told.header("www-authenticate"), Some(challenge.as_str()));
    let good = initial_access_token(&world, 1, 60);
    for token in ["x", &"x".repeat(43), &good[1..], &format!("{good}="), &hash(&good)] {
        for world in [&world, &open()] {
            let told = world.send(post(REGISTER).bearer(token).json(&document()));
            assert_unauthorized(&told);
        }
    }
    // What is no bearer token is not no credentials.
    for world in [&world, &open()] {
        let request = post(REGISTER).with("authorization", "Basic YTpi").json(&document());
        assert_eq!(world.send(request).status, 401);
        let target = format!("{REGISTER}?access_token={good}");
        assert_eq!(world.send(post(&target).json(&document())).status, 400);
        let twice = post(REGISTER).bearer(&good).bearer(&good).json(&document());
        assert_eq!(world.send(twice).error().as_deref(), Some("invalid_request"));
        assert_eq!(clients(world), 0);
    }
}

#[test]
fn a_token_registers_as_many_clients_as_it_says_and_a_refused_one_costs_no_use() {
    let world = World::new();
    let token = initial_access_token(&world, 2, 60);
    let send = |document: &Value| world.send(post(REGISTER).bearer(&token).json(document)).status;
    assert_eq!(send(&json!({})), 400);
    assert_eq!(send(&document()), 201);
    assert_eq!(send(&json!({ "redirect_uris": ["http://app.example/"] })), 400);
    assert_eq!(send(&document()), 201);
    assert_eq!(send(&document()), 401);
    assert_eq!(clients(&world), 2);
}

#[test]
fn of_many_who_come_at_once_with_the_last_use_one_registers() {
    let world = World::new();
    let token = initial_access_token(&world, 3, 60);
    let requests = (0..20).map(|_| post(REGISTER).bearer(&token).json(&document())).collect();
    let told = world.send_at_once(requests);
    let registered = told.iter().filter(|told| told.status == 201).count();
    let refused = told.iter().filter(|told| told.status == 401).count();
    assert_eq!((registered, refused, clients(&world)), (3, 17, 3));
    assert_eq!(count(&world, "SELECT uses_left FROM initial_access_tokens"), 0);
}

#[test]
fn a_token_ends_with_its_time_and_is_stored_as_its_hash() {
    let world = World::new();
    let token = initial_access_token(&world, 5, 60);
    let stored: String = world
        .platform
        .primary
        .query_row("SELECT token_hash FROM initial_access_tokens", (), |row| row.get(0))
        .unwrap();
    assert_eq!(stored, hash(&token));
    world.sleep(59);
    assert_eq!(world.send(post(REGISTER).bearer(&token).json(&document())).status, 201);
    world.sleep(1);
    assert_unauthorized(&world.send(post(REGISTER).bearer(&token).json(&document())));
    initial_access_token(&world, 1, 60);
    assert_eq!(count(&world, "SELECT count(*) FROM initial_access_tokens"), 1);
}

#[test]
fn the_operators_order_for_a_token_is_checked() {
    let world = World::new();
    let order = |order: Value| {
        let request = post("/admin/initial-access-tokens").by_operator();
        world.send(request.json(&order))
    };
    let told = order(json!({})).json();
    assert_eq!((&told["uses"], &told["expires_at"]), (&1.into(), &(NOW + DAY).into()));
    for (wrong, words) in [
        (json!([]), "JSON object"),
        (json!({ "uses": 0 }), "uses: must be"),
        (json!({ "uses": 10_001 }), "uses: must be"),
        (json!({ "uses": "1" }), "uses: must be"),
        (json!({ "ttl": 0 }), "ttl: must be"),
        (json!({ "ttl": 31_536_001 }), "ttl: must be"),
        (json!({ "user": 1 }), "user: unknown field"),
    ] {
        let told = order(wrong);
        assert_eq!(told.status, 400);
        assert!(told.json()["error_description"].as_str().unwrap().contains(words));
    }
    assert_eq!(world.send(get("/admin/initial-access-tokens").by_operator()).status, 405);
    assert_eq!(world.send(post("/admin/initial-access-tokens").json(&json!({}))).status, 401);
}

#[test]
fn open_registration_is_limited_for_each_address_and_a_token_is_not() {
    let world = open();
    world.platform.rate_limit.set(Some(2));
    let send = |address: &str| {
        world.send(post(REGISTER).with("cf-connecting-ip", address).json(&document()))
    };
    assert_eq!((send("192.0.2.1").status, send("192.0.2.1").status), (201, 201));
    let told = send("192.0.2.1");
    assert_eq!((told.status, told.header("retry-after")), (429, Some("60")));
    assert_eq!(told.error().as_deref(), Some("temporarily_unavailable"));
    assert_eq!(send("192.0.2.2").status, 201, "a neighbour is somebody else");
    // Of IPv6, a network is one subscriber.
    assert_eq!((send("2001:db8::1").status, send("2001:db8::2").status), (201, 201));
    assert_eq!(send("2001:db8::3").status, 429);
    let token = initial_access_token(&world, 1, 60);
    let request = post(REGISTER).with("cf-connecting-ip", "192.0.2.1").bearer(&token);
    assert_eq!(world.send(request.json(&document())).status, 201);
}

#[test]
fn a_client_that_nobody_uses_is_forgotten_after_a_day() {
    let world = open();
    let told = register(&world, &document());
    let authorize = told.party().authorize(&[]);
    let is_known = || {
        let shown = format!("/admin/clients/{}", told.text("client_id"));
        let listed = world.send(get("/admin/clients").by_operator()).json()["clients"].clone();
        let known = [
            world.send(get(&authorize)).status == 200,
            world.redeem(&told.party(), "x").error().as_deref() == Some("invalid_grant"),
            told.read(&world).status == 200,
            world.send(get(&shown).by_operator()).status == 200,
            listed.as_array().unwrap().len() == 1,
        ];
        assert!(known.iter().all(|one| *one == known[0]), "{known:?}");
        known[0]
    };
    // While a key is missing, the token endpoint has no verdict.
    world.send(get("/auth/jwks.json"));
    world.sleep(DAY - 1);
    assert!(is_known());
    world.sleep(1);
    assert!(!is_known());
    assert_unauthorized(&told.delete(&world));
    assert_eq!(clients(&world), 1, "nothing has swept it up");
    register(&world, &document());
    assert_eq!(clients(&world), 1);
}

#[test]
fn a_client_that_was_used_or_came_with_a_token_stays() {
    let world = open();
    world.put_alice_with_password();
    let used = register(&world, &document());
    let token = initial_access_token(&world, 1, 60);
    let request = post(REGISTER).bearer(&token).json(&document());
    let invited = Registered::new(&world.send(request));
    Visitor::new(&world).authorize(&used.party(), LOGIN, &[]);
    world.sleep(10 * DAY);
    register(&world, &document());
    assert_eq!((used.read(&world).status, invited.read(&world).status), (200, 200));
}

#[test]
fn a_client_that_ends_while_a_person_agrees_gets_no_code() {
    let world = open();
    world.put_alice_with_password();
    let told = register(&world, &document());
    let alice = Visitor::new(&world);
    world.sleep(DAY - 1);
    let page = alice.sign_in_on(&alice.get(&told.party().authorize(&[])), LOGIN);
    world.platform.meanwhile.borrow_mut().push_back("UPDATE clients SET expires_at = 1");
    let told = alice.submit(&page, &[("decision", "allow")]);
    assert!(error_page(&told).contains("no application"));
    assert_eq!(count(&world, "SELECT count(*) FROM grants"), 0);
}

#[test]
fn a_client_is_granted_no_scope_that_it_has_not_registered() {
    let world = open();
    world.put_alice_with_password();
    let told = register(&world, &json!({ "redirect_uris": [CALLBACK], "scope": "openid email" }));
    let alice = Visitor::new(&world);
    let code = alice.authorize(&told.party(), LOGIN, &[("scope", "openid profile email")]);
    assert_eq!(world.redeem(&told.party(), &code).json()["scope"], "openid email");
    let refused = alice.get(&told.party().authorize(&[("scope", "profile phone")]));
    assert_eq!(answer(&refused, CALLBACK)["error"], "invalid_scope");
}

#[test]
fn scripts_of_any_origin_may_register_and_manage() {
    let world = World::new();
    for (path, methods) in [(REGISTER, "POST"), ("/auth/register/some-id", "GET, PUT, DELETE")] {
        let told = world.send(ask("OPTIONS", path).with("origin", "https://app.example"));
        assert_eq!(
            (told.status, told.header("access-control-allow-methods")),
            (204, Some(methods))
        );
        let headers = told.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("Authorization") && headers.contains("Content-Type"));
    }
    assert_eq!(world.send(get("/auth/register/a/b")).status, 404);
    assert_eq!(world.send(get(REGISTER)).header("allow"), Some("POST, OPTIONS"));
}

#[test]
fn nothing_that_lets_somebody_in_stands_in_the_log_or_comes_back_in_an_error() {
    let world = open();
    let told = Registered::new(&world.send(post(REGISTER).json(&document())));
    let read = told.read(&world);
    let line = read.log.to_string();
    assert_eq!(read.log["endpoint"], "client_configuration");
    assert!(!line.contains(told.text("client_id")));
    assert!(!line.contains(told.text("registration_access_token")));
}

#[test]
fn a_client_registers_its_keys_and_signs_with_them() {
    let world = open();
    let signer = Signer::new("EdDSA", Some("a"), 0);
    let mut signing = document();
    signing["token_endpoint_auth_method"] = "private_key_jwt".into();
    let told = world.send(post(REGISTER).json(&signing));
    assert_refused(&told, "invalid_client_metadata", "jwks or jwks_uri");
    signing["jwks_uri"] = "https://169.254.169.254/".into();
    assert_refused(
        &world.send(post(REGISTER).json(&signing)),
        "invalid_client_metadata",
        "jwks_uri",
    );
    signing.as_object_mut().unwrap().remove("jwks_uri");
    signing["jwks"] = signer.jwks();

    let told = register(&world, &signing);
    assert_eq!((&told.0["jwks"], told.0.get("client_secret")), (&signer.jwks(), None));
    world.send(get("/auth/jwks.json"));
    let assertion = signer.assertion(&world, told.text("client_id"));
    let parameters =
        [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", CALLBACK)];
    assert_eq!(world.token_by(&assertion, &parameters).error().as_deref(), Some("invalid_grant"));
}
