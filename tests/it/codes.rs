use crate::visitor::{CALLBACK, CHALLENGE, Party, VERIFIER, Visitor, answer, encode, field};
use crate::world::{Told, World, delete, get, post};
use base64ct::{Base64, Encoding};
use serde_json::json;

fn world() -> (World, Party) {
    let world = World::new();
    world.put_alice_with_password();
    let app = world.put_app();
    (world, app)
}

fn code(world: &World, app: &Party, parameters: &[(&str, &str)]) -> String {
    Visitor::new(world).authorize(app, "alice@example.com", parameters)
}

#[track_caller]
fn assert_error(told: &Told, code: &str, words: &str) {
    assert_eq!(told.status, if code == "invalid_client" { 401 } else { 400 }, "{}", told.body);
    assert_eq!(told.error().as_deref(), Some(code));
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert!(told.body.contains(words), "{}", told.body);
}

#[test]
fn a_code_is_good_for_a_minute() {
    let (world, app) = world();
    let (first, second) = (code(&world, &app, &[]), code(&world, &app, &[]));
    assert_ne!(first, second);
    world.sleep(59);
    assert_eq!(world.redeem(&app, &first).status, 200);
    world.sleep(1);
    assert_error(&world.redeem(&app, &second), "invalid_grant", "expired");
}

#[test]
fn code_redeemed_twice_revokes_the_grant() {
    let (world, app) = world();
    let code = code(&world, &app, &[("scope", "openid offline_access")]);
    let tokens = world.redeem(&app, &code);
    let access_token = field(&tokens, "access_token");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 200);

    // However late.
    world.sleep(300);
    assert_error(&world.redeem(&app, &code), "invalid_grant", "used before");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
    let refreshed = world.refresh(&app, &field(&tokens, "refresh_token"));
    assert_error(&refreshed, "invalid_grant", "withdrawn");
}

#[test]
fn a_client_that_gave_up_the_grant_type_is_refused_and_keeps_its_code() {
    let (world, app) = world();
    let code = code(&world, &app, &[]);
    let has = |grant_types: &str| {
        let sql = format!(
            "UPDATE clients SET metadata = json_set(metadata, '$.grant_types', json('{grant_types}'))"
        );
        assert_eq!(world.platform.primary.execute(&sql, ()).unwrap(), 1);
    };
    has(r#"["refresh_token"]"#);
    assert_error(&world.redeem(&app, &code), "unauthorized_client", "registered");
    has(r#"["authorization_code"]"#);
    assert_eq!(world.redeem(&app, &code).status, 200);
}

#[test]
fn of_simultaneous_redemptions_one_succeeds() {
    let (world, app) = world();
    let code = code(&world, &app, &[]);
    let request = post("/auth/token").form(&encode(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &app.id),
        ("client_secret", app.secret.as_deref().unwrap()),
    ]));
    let told = world.send_at_once(vec![request; 20]);
    assert_eq!(told.iter().filter(|one| one.status == 200).count(), 1);
    assert!(told.iter().filter(|one| one.status != 200).all(|one| one.status == 400));
    let winner = told.iter().find(|one| one.status == 200).unwrap();
    let access_token = field(winner, "access_token");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
}

#[test]
fn a_refresh_token_is_recorded_by_the_batch_that_spends_its_code() {
    let (world, app) = world();
    // Were it recorded after that, a database that fails in between would leave a client with neither.
    let redeem = |scope| {
        let code = code(&world, &app, &[("scope", scope)]);
        world.platform.take_counts();
        let told = world.redeem(&app, &code);
        assert_eq!(told.status, 200, "{}", told.body);
        let counts = world.platform.take_counts();
        (told.json().get("refresh_token").is_some(), counts.statements, counts.batches)
    };
    redeem("openid");
    assert_eq!(redeem("openid"), (false, 1, 1));
    assert_eq!(redeem("openid offline_access"), (true, 1, 1));
}

#[test]
fn another_client_gets_nothing_and_changes_nothing() {
    let (world, app) = world();
    let other = world.put_party("other", json!({}));
    let code = code(&world, &app, &[]);
    assert_error(&world.redeem(&other, &code), "invalid_grant", "not one of this client's");
    let tokens = world.redeem(&app, &code);
    assert_error(&world.redeem(&other, &code), "invalid_grant", "not one of this client's");
    let access_token = field(&tokens, "access_token");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 200);
}

#[test]
fn a_wrong_verifier_or_redirect_uri_consumes_the_code() {
    let (world, app) = world();
    let other_uri = "https://app.example/other";
    let wrong = "a".repeat(43);
    for (redirect_uri, verifier) in
        [(CALLBACK, wrong.as_str()), (CALLBACK, ""), (other_uri, VERIFIER), ("", VERIFIER)]
    {
        let code = code(&world, &app, &[]);
        let told = world.token(
            &app,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ],
        );
        if redirect_uri.is_empty() {
            // Malformed, and nothing was looked at.
            assert_error(&told, "invalid_request", "redirect_uri");
            assert_eq!(world.redeem(&app, &code).status, 200);
        } else {
            assert_error(&told, "invalid_grant", "");
            assert_error(&world.redeem(&app, &code), "invalid_grant", "used before");
        }
    }
}

#[test]
fn a_verifier_without_a_challenge_is_refused() {
    let (world, app) = world();
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let first = code(&world, &app, &without);
    assert_error(&world.redeem(&app, &first), "invalid_grant", "no code_challenge");
    let second = code(&world, &app, &without);
    let parameters =
        [("grant_type", "authorization_code"), ("code", &second), ("redirect_uri", CALLBACK)];
    assert_eq!(world.token(&app, &parameters).status, 200);
}

#[test]
fn a_public_client_needs_a_challenge_and_no_secret() {
    let world = World::new();
    world.put_alice_with_password();
    let spa = world.put_party("spa", json!({ "token_endpoint_auth_method": "none" }));
    assert_eq!(spa.secret, None);
    let visitor = Visitor::new(&world);
    let told =
        visitor.get(&spa.authorize(&[("code_challenge", ""), ("code_challenge_method", "")]));
    let answer = answer(&told, CALLBACK);
    assert_eq!(answer["error"], "invalid_request");
    let code = code(&world, &spa, &[("code_challenge", CHALLENGE)]);
    let told = world.redeem(&Party { secret: Some("anything".into()), ..spa.clone() }, &code);
    assert_error(&told, "invalid_client", "");
    assert_eq!(world.redeem(&spa, &code).status, 200);
}

#[test]
fn a_client_with_a_secret_may_send_it_either_way_and_must_send_it() {
    let (world, app) = world();
    let secret = app.secret.clone().unwrap();
    let body = |code: &str| {
        encode(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    };
    let code = code(&world, &app, &[]);
    for party in [
        Party { secret: None, ..app.clone() },
        Party { secret: Some(format!("{secret}x")), ..app.clone() },
        Party { id: "nobody".into(), ..app.clone() },
    ] {
        let told = world.redeem(&party, &code);
        assert_error(&told, "invalid_client", "");
        let scheme = told.header("www-authenticate").unwrap().to_owned();
        assert!(scheme.starts_with("Basic realm="), "{scheme}");
    }
    let credentials = Base64::encode_string(format!("app:{secret}").as_bytes());
    let request = post("/auth/token")
        .form(&body(&code))
        .with("authorization", &format!("Basic {credentials}"));
    assert_eq!(world.send(request).status, 200);
}

#[test]
fn without_openid_it_is_plain_oauth() {
    let (world, app) = world();
    let code = code(&world, &app, &[("scope", "email unknown email")]);
    let tokens = world.redeem(&app, &code).json();
    assert_eq!(tokens["scope"], "email", "unknown scopes are dropped, and each stands once");
    assert_eq!(tokens.get("id_token"), None);
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.send(get("/auth/userinfo").bearer(access_token)).status, 403);
}

#[test]
fn a_grant_ends_with_its_user_and_its_client() {
    for path in ["/admin/users/alice", "/admin/clients/app"] {
        let (world, app) = world();
        let first = code(&world, &app, &[]);
        let access_token = field(&world.redeem(&app, &first), "access_token");
        let second = code(&world, &app, &[]);
        let deleted = world.send(delete(path).by_operator());
        assert_eq!(deleted.status, 200);
        assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
        let told = world.redeem(&app, &second);
        let code = if path.contains("users") { "invalid_grant" } else { "invalid_client" };
        assert_error(&told, code, "");
    }
}
