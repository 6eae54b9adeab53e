use crate::visitor::{Party, Visitor, claims, encode, field};
use crate::world::{Told, World, get, post};
use serde_json::json;

const DAY: i64 = 86_400;

fn signed_in(scope: &str) -> (World, Party, Told) {
    let world = World::new();
    world.put_alice_with_password();
    let app = world.put_app();
    let code = Visitor::new(&world).authorize(&app, "alice@example.com", &[("scope", scope)]);
    let tokens = world.redeem(&app, &code);
    (world, app, tokens)
}

#[track_caller]
fn assert_invalid(told: &Told, words: &str) {
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_grant")));
    assert!(told.body.contains(words), "{}", told.body);
}

#[test]
fn a_refresh_token_is_for_offline_access_only() {
    let (_, _, tokens) = signed_in("openid");
    assert_eq!(tokens.json().get("refresh_token"), None);
    let (_, _, tokens) = signed_in("openid offline_access");
    assert_eq!(tokens.json()["scope"], "openid offline_access");
    assert_eq!(field(&tokens, "refresh_token").len(), 43);
}

#[test]
fn a_client_that_cannot_refresh_gets_no_offline_access() {
    let world = World::new();
    world.put_alice_with_password();
    let app = world.put_party("app", json!({ "grant_types": ["authorization_code"] }));
    let code = Visitor::new(&world).authorize(
        &app,
        "alice@example.com",
        &[("scope", "openid offline_access")],
    );
    let tokens = world.redeem(&app, &code).json();
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("openid"), None));
    let told = world.refresh(&app, "anything");
    assert_eq!(told.error().as_deref(), Some("unauthorized_client"));
}

#[test]
fn refreshed_tokens_keep_the_sign_in_and_leave_the_nonce() {
    let (world, app, tokens) = signed_in("openid email offline_access");
    let before = claims(&field(&tokens, "id_token"));
    world.sleep(1_000);
    let refreshed = world.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.header("cache-control"), Some("no-store"));
    let after = claims(&field(&refreshed, "id_token"));
    for name in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(after.get("nonce"), None);
    assert_eq!(after["iat"].as_i64().unwrap(), before["iat"].as_i64().unwrap() + 1_000);
    assert_ne!(after["at_hash"], before["at_hash"]);
    let access_token = field(&refreshed, "access_token");
    let userinfo = world.send(get("/auth/userinfo").bearer(&access_token));
    assert_eq!(userinfo.json()["email"], "alice@example.com");
}

#[test]
fn a_lost_answer_signs_nobody_out() {
    let (world, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let second = field(&world.refresh(&app, &first), "refresh_token");
    assert_ne!(first, second);
    world.sleep(59);
    assert_eq!(field(&world.refresh(&app, &first), "refresh_token"), second);
    // Its use ends the grace.
    let third = field(&world.refresh(&app, &second), "refresh_token");
    assert_invalid(&world.refresh(&app, &first), "used before");
    assert_invalid(&world.refresh(&app, &third), "withdrawn");
}

#[test]
fn a_spent_token_after_a_minute_ends_everything() {
    let (world, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let refreshed = world.refresh(&app, &first);
    world.sleep(60);
    assert_invalid(&world.refresh(&app, &first), "used before");
    assert_invalid(&world.refresh(&app, &field(&refreshed, "refresh_token")), "withdrawn");
    let access_token = field(&refreshed, "access_token");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
}

#[test]
fn of_simultaneous_refreshes_all_get_the_one_successor() {
    let (world, app, tokens) = signed_in("openid offline_access");
    let token = field(&tokens, "refresh_token");
    let request = post("/auth/token").form(&encode(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("client_id", &app.id),
        ("client_secret", app.secret.as_deref().unwrap()),
    ]));
    let told = world.send_at_once(vec![request; 20]);
    let successor = field(&told[0], "refresh_token");
    assert!(told.iter().all(|one| field(one, "refresh_token") == successor));
    let count = "SELECT count(*) FROM refresh_tokens";
    let count: i64 = world.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2, "one rotation");
    assert_eq!(world.refresh(&app, &successor).status, 200);
}

#[test]
fn another_clients_token_is_refused_and_untouched() {
    let (world, app, tokens) = signed_in("openid offline_access");
    let token = field(&tokens, "refresh_token");
    let other = world.put_party("other", json!({}));
    assert_invalid(&world.refresh(&other, &token), "not one of this client's");
    let successor = field(&world.refresh(&app, &token), "refresh_token");
    assert_invalid(&world.refresh(&other, &token), "not one of this client's");
    assert_eq!(world.refresh(&app, &successor).status, 200);
}

#[test]
fn a_scope_can_be_narrowed_and_not_widened() {
    let (world, app, tokens) = signed_in("openid email offline_access");
    let token = field(&tokens, "refresh_token");
    let refresh = |token: &str, scope: &str| {
        world.token(
            &app,
            &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)],
        )
    };
    for wider in ["openid profile", "openid  email", "unknown", "openid \"email\""] {
        let told = refresh(&token, wider);
        assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_scope")), "{wider}");
    }
    let narrow = refresh(&token, "openid");
    assert_eq!(narrow.json()["scope"], "openid");
    let access_token = field(&narrow, "access_token");
    let userinfo = world.send(get("/auth/userinfo").bearer(&access_token)).json();
    assert_eq!(userinfo, json!({ "sub": "alice" }));
    // The next one has all again (RFC 6749 section 6).
    let whole = world.refresh(&app, &field(&narrow, "refresh_token"));
    assert_eq!(whole.json()["scope"], "openid email offline_access");
}

#[test]
fn a_token_ends_when_it_lies_unused_and_with_its_grant() {
    let (world, app, tokens) = signed_in("openid offline_access");
    world.sleep(30 * DAY);
    assert_invalid(&world.refresh(&app, &field(&tokens, "refresh_token")), "expired");

    let (world, app, tokens) = signed_in("openid offline_access");
    let mut token = field(&tokens, "refresh_token");
    for _ in 0..7 {
        world.sleep(25 * DAY);
        token = field(&world.refresh(&app, &token), "refresh_token");
    }
    world.sleep(5 * DAY);
    assert_invalid(&world.refresh(&app, &token), "expired");
}

#[test]
fn a_malformed_request_ends_no_grant() {
    let (world, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let second = field(&world.refresh(&app, &first), "refresh_token");
    world.sleep(61);
    let twice = [("grant_type", "refresh_token"), ("scope", "openid"), ("scope", "openid")];
    for token in [first.as_str(), "unknown"] {
        let told = world.token(&app, &[&twice[..], &[("refresh_token", token)]].concat());
        assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_request")));
    }
    assert_eq!(world.refresh(&app, &second).status, 200);
}
