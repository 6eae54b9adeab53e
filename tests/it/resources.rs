//! Tokens for the operator's own APIs (RFC 8707), for people and for machines.

use crate::visitor::{CALLBACK, Party, Visitor, answer, claims, header, is_consent};
use crate::world::{ISSUER, Told, World, get, post, put, variables_with};
use serde_json::{Value, json};

const ORDERS: &str = "https://orders.example/api";
const STOCK: &str = "urn:example:stock";
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read","orders:write"],"urn:example:stock":["stock"]}"#;

const EVERYTHING: &str = "openid profile email offline_access orders:read orders:write stock";

fn world() -> World {
    let world = World::configured(variables_with("RESOURCES", RESOURCES));
    world.send(get("/auth/jwks.json"));
    world.put_alice_with_password();
    world
}

/// A client that may ask for everything there is.
fn app(world: &World) -> Party {
    world.put_party("app", json!({ "scope": EVERYTHING }))
}

/// A code for these scopes and resources, and what is asked for it.
fn redeem(world: &World, party: &Party, asked: &[(&str, &str)], resources: &[&str]) -> Told {
    let visitor = Visitor::new(world);
    let told = visitor.agree(visitor.get(&party.authorize(asked)), "alice@example.com");
    let code = answer(&told, CALLBACK).remove("code").unwrap();
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::visitor::VERIFIER),
    ];
    parameters.extend(resources.iter().map(|uri| ("resource", *uri)));
    world.token(party, &parameters)
}

/// Whom an access token is for, and what it may do there.
#[track_caller]
fn access(told: &Told) -> (String, String) {
    assert_eq!(told.status, 200, "{}", told.body);
    let token = told.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(header(&token)["typ"], "at+jwt");
    let claims = claims(&token);
    assert_eq!((&claims["scope"], &claims["iss"]), (&told.json()["scope"], &json!(ISSUER)));
    (claims["aud"].as_str().unwrap().into(), claims["scope"].as_str().unwrap().into())
}

#[track_caller]
fn assert_refused(told: &Told, error: &str) {
    assert_eq!((told.status, told.error().as_deref()), (400, Some(error)), "{}", told.body);
}

#[test]
fn a_token_is_for_the_resource_that_is_named_and_has_its_scopes_alone() {
    let world = world();
    let party = app(&world);
    let scope = ("scope", "openid email orders:read stock offline_access");
    let userinfo = format!("{ISSUER}/auth/userinfo");
    let told = redeem(&world, &party, &[scope, ("resource", ORDERS)], &[ORDERS]);
    assert_eq!(access(&told), (ORDERS.into(), "orders:read".into()));
    assert!(told.json()["id_token"].is_string(), "who they are is told all the same");
    let asked = [scope, ("prompt", "consent")];
    let told = redeem(&world, &party, &asked, &[]);
    assert_eq!(access(&told), (userinfo, "openid email offline_access".into()));

    // One grant is good for all, one at a time.
    let refresh_token = told.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh = |token: &str, more: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        all.extend(more);
        world.token(&party, &all)
    };
    let told = refresh(&refresh_token, &[("resource", STOCK)]);
    assert_eq!(access(&told), (STOCK.into(), "stock".into()));
    let next = told.json()["refresh_token"].as_str().unwrap().to_owned();
    for (more, error) in [
        (vec![("resource", ORDERS), ("scope", "stock")], "invalid_target"),
        (vec![("resource", ORDERS), ("resource", STOCK)], "invalid_target"),
        (vec![("resource", "https://evil.example")], "invalid_target"),
        (vec![("resource", ORDERS), ("scope", "orders:write")], "invalid_scope"),
    ] {
        assert_refused(&refresh(&next, &more), error);
    }
    let told = refresh(&next, &[("scope", "orders:read")]);
    assert_eq!(access(&told), (ORDERS.into(), "orders:read".into()), "without openid, the one");
    assert!(told.json().get("id_token").is_none());
}

#[test]
fn userinfo_takes_no_token_that_is_for_another() {
    let world = world();
    let party = app(&world);
    let told = redeem(&world, &party, &[("scope", "openid orders:read")], &[ORDERS]);
    let token = told.json()["access_token"].as_str().unwrap().to_owned();
    let told = world.send(get("/auth/userinfo").bearer(&token));
    assert_eq!((told.status, told.error().as_deref()), (401, Some("invalid_token")));
    assert!(told.body.contains("another audience"), "{}", told.body);
}

#[test]
fn a_request_that_names_resources_gets_no_scope_of_others() {
    let world = world();
    let party = app(&world);
    let visitor = Visitor::new(&world);
    let scope = ("scope", "openid orders:read stock");
    let told = redeem(&world, &party, &[scope, ("resource", ORDERS)], &[STOCK]);
    assert_refused(&told, "invalid_target");
    let both = format!("{}&resource={STOCK}", party.authorize(&[scope, ("resource", ORDERS)]));
    let page = visitor.sign_in_on(&visitor.get(&both), "alice@example.com");
    assert!(is_consent(&page));
    for words in ["orders:read", ORDERS, "stock", STOCK] {
        assert!(page.body.contains(words), "{}", page.body);
    }
    for (resource, scope) in [
        ("https://evil.example", "openid orders:read"),
        (ORDERS, "openid"),
        (STOCK, "openid orders:read"),
        ("https://orders.example/api/", "openid orders:read"),
    ] {
        let asked = [("resource", resource), ("scope", scope)];
        let answer = answer(&visitor.get(&party.authorize(&asked)), CALLBACK);
        assert_eq!(answer["error"], "invalid_target", "{resource} {scope}");
    }
}

#[test]
fn what_was_allowed_at_one_resource_is_not_allowed_at_another() {
    let world = world();
    let party = app(&world);
    let visitor = Visitor::new(&world);
    visitor.authorize(&party, "alice@example.com", &[("scope", "openid orders:read")]);
    for (scope, is_silent) in
        [("openid orders:read", true), ("openid orders:write", false), ("openid stock", false)]
    {
        let told = visitor.get(&party.authorize(&[("scope", scope), ("prompt", "none")]));
        assert_eq!(answer(&told, CALLBACK).contains_key("code"), is_silent, "{scope}");
    }
}

#[test]
fn without_openid_a_token_for_several_must_say_for_which() {
    let world = world();
    let party = app(&world);
    let scope = ("scope", "orders:read stock");
    assert_refused(&redeem(&world, &party, &[scope], &[]), "invalid_target");
    let told = redeem(&world, &party, &[scope], &[STOCK]);
    assert_eq!(access(&told), (STOCK.into(), "stock".into()));
    assert_refused(&redeem(&world, &party, &[scope], &[STOCK, ORDERS]), "invalid_target");
}

#[test]
fn a_resource_that_nobody_knows_spends_no_code() {
    let world = world();
    let party = app(&world);
    let asked = [("scope", "openid orders:read")];
    let code = Visitor::new(&world).authorize(&party, "alice@example.com", &asked);
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::visitor::VERIFIER),
        ("resource", "https://evil.example"),
    ];
    assert_refused(&world.token(&party, &parameters), "invalid_target");
    assert_eq!(world.redeem(&party, &code).status, 200);
}

/// A client that asks for itself.
fn machine(world: &World, id: &str, scope: &str) -> Party {
    let document = json!({
        "client_name": "A machine", "grant_types": ["client_credentials"], "scope": scope,
    });
    let told = world.send(put(&format!("/admin/clients/{id}")).by_operator().json(&document));
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(
        (&told.json()["response_types"], &told.json()["redirect_uris"]),
        (&json!([]), &json!([]))
    );
    let secret = Some(told.json()["client_secret"].as_str().unwrap().to_owned());
    Party { id: id.into(), secret, redirect_uri: String::new() }
}

fn ask(world: &World, party: &Party, parameters: &[(&str, &str)]) -> Told {
    let mut all = vec![("grant_type", "client_credentials")];
    all.extend(parameters);
    world.token(party, &all)
}

#[test]
fn a_machine_gets_a_token_of_its_own() {
    let world = world();
    let party = machine(&world, "machine", "orders:read orders:write email");
    let told = ask(&world, &party, &[]);
    assert_eq!(access(&told), (ORDERS.into(), "orders:read orders:write".into()));
    let names: Vec<_> = told.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
    let token = told.json()["access_token"].as_str().unwrap().to_owned();
    let mut claims = claims(&token);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    claims.as_object_mut().unwrap().remove("jti");
    let now = world.now.get();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": ORDERS, "client_id": "machine", "sub": "machine",
            "iat": now, "exp": now + 600, "scope": "orders:read orders:write",
        })
    );
    let told = world.send(get("/auth/userinfo").bearer(&token));
    assert_eq!((told.status, told.error().as_deref()), (401, Some("invalid_token")));
}

#[test]
fn a_machine_may_do_what_it_was_registered_for_at_one_resource_at_a_time() {
    let world = world();
    let party = machine(&world, "machine", "orders:read stock email offline_access openid");
    for (parameters, aud, scope) in [
        (vec![("resource", ORDERS)], ORDERS, "orders:read"),
        (vec![("resource", STOCK)], STOCK, "stock"),
        (vec![("scope", "stock")], STOCK, "stock"),
        (vec![("scope", "stock"), ("resource", STOCK)], STOCK, "stock"),
    ] {
        assert_eq!(access(&ask(&world, &party, &parameters)), (aud.into(), scope.into()));
    }
    for (parameters, error) in [
        (vec![], "invalid_target"),
        (vec![("scope", "orders:read stock")], "invalid_target"),
        (vec![("scope", "orders:read stock"), ("resource", STOCK)], "invalid_scope"),
        (vec![("scope", "orders:read"), ("resource", STOCK)], "invalid_target"),
        (vec![("resource", "https://evil.example")], "invalid_target"),
        (vec![("resource", ORDERS), ("resource", ORDERS)], "invalid_target"),
        (vec![("scope", "orders:write")], "invalid_scope"),
        (vec![("scope", "openid")], "invalid_scope"),
        (vec![("scope", "offline_access")], "invalid_scope"),
        (vec![("scope", "email")], "invalid_scope"),
        (vec![("scope", "stock  stock")], "invalid_scope"),
    ] {
        let told = ask(&world, &party, &parameters);
        assert_eq!(told.error().as_deref(), Some(error), "{parameters:?} {}", told.body);
    }
}

#[test]
fn who_may_ask_for_itself_the_operator_says() {
    let world = world();
    assert_refused(&ask(&world, &app(&world), &[]), "unauthorized_client");
    let token = {
        let order = json!({ "uses": 9, "ttl": 60 });
        let told = world.send(post("/admin/initial-access-tokens").by_operator().json(&order));
        told.json()["initial_access_token"].as_str().unwrap().to_owned()
    };
    for grant_types in
        [json!(["client_credentials"]), json!(["authorization_code", "client_credentials"])]
    {
        let document =
            json!({ "redirect_uris": [CALLBACK], "grant_types": grant_types, "scope": "stock" });
        let told = world.send(post("/auth/register").bearer(&token).json(&document));
        assert_refused(&told, "invalid_client_metadata");
        assert!(told.body.contains("grant_types"), "{}", told.body);
    }
    for (fields, words) in [
        (json!({}), "scope"),
        (
            json!({ "scope": "stock", "token_endpoint_auth_method": "none" }),
            "token_endpoint_auth_method",
        ),
        (json!({ "scope": "stock", "response_types": ["code"] }), "response_types"),
        (json!({ "scope": "stock", "redirect_uris": ["http://app.example"] }), "redirect_uris"),
    ] {
        let mut document = json!({ "grant_types": ["client_credentials"] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let told = world.send(put("/admin/clients/m").by_operator().json(&document));
        assert!(told.status == 400 && told.body.contains(words), "{fields} {}", told.body);
    }
    // What is shown may be put again.
    machine(&world, "m", "stock");
    let shown = world.send(get("/admin/clients/m").by_operator()).json();
    let told = world.send(put("/admin/clients/m").by_operator().json(&shown));
    assert_eq!((told.status, told.json()), (200, shown));
}

#[test]
fn a_machine_sends_nobody_to_sign_in() {
    let world = world();
    machine(&world, "machine", "stock");
    let target = "/auth/authorize?client_id=machine&response_type=code&scope=stock&redirect_uri=";
    for uri in ["", "https://app.example/cb", "https%3A%2F%2Fapp.example%2Fcb"] {
        let told = world.send(get(&format!("{target}{uri}")));
        assert_eq!((told.status, told.header("location")), (400, None));
    }
}

#[test]
fn nobody_is_taken_for_a_machine() {
    let world = world();
    world.put_user("app");
    let party = app(&world);
    let visitor = Visitor::new(&world);
    let told = visitor.get(&party.authorize(&[("scope", "openid stock")]));
    let told = visitor.agree(told, "app");
    assert_eq!(answer(&told, CALLBACK)["error"], "access_denied");
}

#[test]
fn a_machine_is_not_taken_for_somebody() {
    let world = world();
    world.put_user("machine");
    let party = machine(&world, "machine", "stock");
    assert_refused(&ask(&world, &party, &[]), "unauthorized_client");
    world.send(crate::world::delete("/admin/users/machine").by_operator());
    assert_refused(&ask(&world, &party, &[]), "unauthorized_client");
}

#[test]
fn without_resources_there_are_no_machines() {
    let world = World::with_keys();
    let metadata =
        |world: &World| -> Value { world.send(get("/.well-known/openid-configuration")).json() };
    assert!(!metadata(&world)["grant_types_supported"].to_string().contains("client_credentials"));
    let party = machine(&world, "machine", "stock");
    assert_refused(&ask(&world, &party, &[]), "unsupported_grant_type");
    let world = self::world();
    assert!(metadata(&world)["grant_types_supported"].to_string().contains("client_credentials"));
    assert!(metadata(&world)["scopes_supported"].to_string().contains("orders:write"));
}

#[test]
fn a_client_has_no_scope_of_an_api_that_nobody_has_registered_for_it() {
    let world = world();
    let party = world.put_party("app", json!({ "trusted": true }));
    let visitor = Visitor::new(&world);
    visitor.authorize(&party, "alice@example.com", &[]);
    let ask = |scope| {
        let asked = [("scope", scope), ("prompt", "none")];
        answer(&visitor.get(&party.authorize(&asked)), CALLBACK)
    };
    assert_eq!(ask("orders:write")["error"], "invalid_scope");
    let code = ask("openid orders:write")["code"].clone();
    assert_eq!(world.redeem(&party, &code).json()["scope"], "openid");
}

#[test]
fn what_is_taken_from_a_client_is_taken_from_its_tokens() {
    let world = world();
    let party = app(&world);
    let scope = ("scope", "openid orders:read orders:write offline_access");
    let told = redeem(&world, &party, &[scope, ("prompt", "consent")], &[ORDERS]);
    let token = told.json()["refresh_token"].as_str().unwrap().to_owned();
    world.put_party("app", json!({ "scope": "openid orders:read offline_access" }));
    let refresh = |token: &str, more: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        all.extend(more);
        world.token(&party, &all)
    };
    assert_refused(&refresh(&token, &[("scope", "orders:write")]), "invalid_scope");
    let told = refresh(&token, &[("resource", ORDERS)]);
    assert_eq!(access(&told), (ORDERS.into(), "orders:read".into()));
    let token = told.json()["refresh_token"].as_str().unwrap().to_owned();
    world.put_party("app", json!({ "scope": "openid offline_access" }));
    assert_refused(&refresh(&token, &[("resource", ORDERS)]), "invalid_target");
    assert_eq!(refresh(&token, &[]).json()["scope"], "openid offline_access");
}
