//! Pairwise subjects (OpenID Connect Core section 8.1): what a user is called by the clients of one sector.

use crate::visitor::{CALLBACK, Party, Visitor, answer, claims, field, is_login};
use crate::world::{Told, World, delete, get, post, put, variables_with};
use postern::ports::Document;
use serde_json::{Value, json};

const SECTOR: &str = "https://sector.example/uris.json";

fn world() -> World {
    let world = World::with_keys();
    world.has_entropy.set(true);
    world.put_alice_with_password();
    world
}

fn party(world: &World, id: &str, fields: Value) -> Party {
    let mut all = json!({ "subject_type": "pairwise", "response_types": ["code"] });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.put_party(id, all)
}

fn lists(world: &World, uris: &Value) {
    serves(world, 200, "application/json", &uris.to_string());
}

fn serves(world: &World, status: u16, media_type: &str, text: &str) {
    let document = Document { status, media_type: media_type.into(), text: text.into() };
    world.platform.web.borrow_mut().insert(SECTOR.into(), document);
}

/// What alice is called, everywhere the same, and her tokens.
fn subject(world: &World, party: &Party) -> (String, Value) {
    let visitor = Visitor::new(world);
    let asked = [("scope", "openid email offline_access"), ("prompt", "consent")];
    let code = visitor.authorize(party, "alice@example.com", &asked);
    let tokens = world.redeem(party, &code).json();
    let of = |jwt: &str| claims(tokens[jwt].as_str().unwrap())["sub"].as_str().unwrap().to_owned();
    let subject = of("id_token");
    assert_eq!(of("access_token"), subject);
    let told = world.send(get("/auth/userinfo").bearer(tokens["access_token"].as_str().unwrap()));
    assert_eq!(
        told.json(),
        json!({ "sub": subject, "email": "alice@example.com", "email_verified": true })
    );
    let refreshed = world.refresh(party, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(claims(&field(&refreshed, "id_token"))["sub"], subject);
    assert_eq!(claims(&field(&refreshed, "access_token"))["sub"], subject);
    (subject, tokens)
}

#[test]
fn the_clients_of_one_sector_know_a_user_by_one_name_and_others_by_another() {
    let world = world();
    let hosts = |uri: &str| json!({ "redirect_uris": [uri] });
    let one = party(&world, "one", hosts("https://app.example/one"));
    let same = party(&world, "same", hosts("https://APP.example:8443/two"));
    let other = party(&world, "other", hosts("https://other.example/"));
    let public = world.put_party("public", json!({}));
    let (name, _) = subject(&world, &one);
    assert_eq!(name.len(), 43);
    assert_eq!(subject(&world, &one).0, name, "stable");
    assert_eq!(subject(&world, &same).0, name);
    let elsewhere = subject(&world, &other).0;
    assert!(elsewhere != name && elsewhere.len() == 43);
    assert_eq!(subject(&world, &public).0, "alice");
    world.new_isolate();
    assert_eq!(subject(&world, &one).0, name);
}

#[test]
fn no_key_is_needed_to_know_them_again() {
    let world = world();
    let party = party(&world, "app", json!({}));
    let (name, _) = subject(&world, &party);
    world.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
    world.platform.cache.borrow_mut().clear();
    world.deploy(variables_with("KEY_ENCRYPTION_KEY", &"A".repeat(43)));
    world.sleep(61);
    world.send(get("/auth/jwks.json"));
    assert_eq!(subject(&world, &party).0, name);
}

#[test]
fn what_the_client_was_told_is_what_it_may_ask_for() {
    let world = world();
    let party = party(&world, "app", json!({}));
    let (name, tokens) = subject(&world, &party);
    world.put_user("bob");
    let visitor = Visitor::new(&world);
    visitor.authorize(&party, "alice@example.com", &[]);
    let ask = |visitor: &Visitor, more: (&str, &str)| {
        visitor.get(&party.authorize(&[("prompt", "none"), ("scope", "openid"), more]))
    };
    let sub = |value: &str| json!({ "id_token": { "sub": { "value": value } } }).to_string();
    let hint = tokens["id_token"].as_str().unwrap();
    for more in [("id_token_hint", hint), ("claims", &*sub(&name))] {
        assert!(answer(&ask(&visitor, more), CALLBACK).contains_key("code"), "{more:?}");
    }
    // Nobody learns who is behind the name by asking for the user's own.
    for wanted in ["alice", "bob", "", "x"] {
        let error = answer(&ask(&visitor, ("claims", &sub(wanted))), CALLBACK)["error"].clone();
        assert!(error == "login_required" || error == "invalid_request", "{wanted} {error}");
    }
    let other = Visitor::new(&world);
    other.authorize(&party, "bob", &[]);
    assert_eq!(answer(&ask(&other, ("id_token_hint", hint)), CALLBACK)["error"], "login_required");
    // The same name is nobody's in another sector.
    let elsewhere = self::party(&world, "else", json!({ "redirect_uris": ["https://e.example/"] }));
    let asked = [("prompt", "none"), ("scope", "openid"), ("claims", &*sub(&name))];
    let told = visitor.get(&elsewhere.authorize(&asked));
    assert_eq!(answer(&told, "https://e.example/")["error"], "login_required");
}

#[test]
fn a_deleted_user_leaves_no_name_behind() {
    let world = world();
    let party = party(&world, "app", json!({}));
    subject(&world, &party);
    let count = |world: &World| -> i64 {
        let sql = "SELECT count(*) FROM pairwise_subjects";
        world.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&world), 1);
    assert_eq!(world.send(delete("/admin/users/alice").by_operator()).status, 200);
    assert_eq!(count(&world), 0);
}

#[test]
fn a_client_becomes_pairwise_and_what_it_was_told_before_stays() {
    let world = world();
    let party = world.put_app();
    let code = Visitor::new(&world).authorize(
        &party,
        "alice@example.com",
        &[("scope", "openid offline_access"), ("prompt", "consent")],
    );
    let tokens = world.redeem(&party, &code).json();
    self::party(&world, "app", json!({}));
    let told = world.refresh(&party, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(claims(&field(&told, "id_token"))["sub"], "alice");
    assert_ne!(subject(&world, &party).0, "alice");
}

/// Puts a client with these members, and these redirect URIs.
fn put_with(world: &World, uris: &Value, fields: Value) -> Told {
    let mut document = json!({ "subject_type": "pairwise", "redirect_uris": uris });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.send(put("/admin/clients/app").by_operator().json(&document))
}

#[test]
fn a_sector_is_one_host_or_a_list_that_says_so() {
    let world = world();
    let two = json!(["https://a.example/cb", "https://b.example/cb"]);
    for uris in [
        two.clone(),
        json!(["http://localhost/cb"]),
        json!(["https://127.0.0.1/cb"]),
        json!(["http://[::1]/cb"]),
        json!(["https://LOCALHOST/cb"]),
        json!(["https://app.localhost/cb"]),
        json!(["https://0x7f.1/cb"]),
        json!(["https://2130706433/cb"]),
        json!(["https://[::ffff:7f00:1]/cb"]),
        json!(["https://0.0.0.0/cb"]),
        json!(["https://[::]/cb"]),
        json!(["https://a.example/cb", "http://localhost/cb"]),
    ] {
        let told = put_with(&world, &uris, json!({}));
        assert!(told.status == 400 && told.body.contains("sector_identifier_uri"), "{}", told.body);
    }
    let native = json!({ "application_type": "native" });
    let told = put_with(&world, &json!(["com.example.app:/cb"]), native);
    assert!(told.status == 400 && told.body.contains("sector_identifier_uri"), "{}", told.body);
    lists(&world, &json!(["https://b.example/cb", "https://a.example/cb", "https://c.example"]));
    let told = put_with(&world, &two, json!({ "sector_identifier_uri": format!("{SECTOR}#x") }));
    assert_eq!((told.status, &told.json()["sector_identifier_uri"]), (200, &json!(SECTOR)));

    // Its host is the sector, whatever the redirect URIs' are.
    let party = |id: &str, uri: &str| {
        lists(&world, &json!([uri]));
        party(&world, id, json!({ "sector_identifier_uri": SECTOR, "redirect_uris": [uri] }))
    };
    let one = party("one", "https://a.example/cb");
    let two = party("two", "https://b.example/cb");
    assert_eq!(subject(&world, &one).0, subject(&world, &two).0);
}

#[test]
fn a_list_that_is_none_or_lacks_a_redirect_uri_is_refused() {
    let world = world();
    let uris = json!([CALLBACK]);
    let refusal = |fields: Value| {
        let told = put_with(&world, &uris, fields);
        assert_eq!(told.status, 400, "{}", told.body);
        let description = told.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.starts_with("sector_identifier_uri"), "{description}");
        description
    };
    let fields = json!({ "sector_identifier_uri": SECTOR });
    assert!(refusal(fields.clone()).contains("could not be fetched"));
    let good = uris.to_string();
    for (status, media_type, text, words) in [
        (404, "application/json", &*good, "200"),
        (302, "application/json", &good, "200"),
        (200, "text/html", &good, "media type"),
        (200, "application/json", "{}", "array"),
        (200, "application/json", "[1]", "array"),
        (200, "application/json", "[", "array"),
        (200, "application/json", "[]", "missing"),
        (200, "application/json", "[\"https://app.example/\"]", "missing"),
    ] {
        serves(&world, status, media_type, text);
        assert!(refusal(fields.clone()).contains(words), "{text}");
    }
    lists(&world, &json!([CALLBACK, "x".repeat(65_536)]));
    assert!(refusal(fields.clone()).contains("could not be fetched"));
    // Also where nothing pairwise is asked for (Registration section 5).
    lists(&world, &json!([]));
    refusal(json!({ "sector_identifier_uri": SECTOR, "subject_type": "public" }));
    for url in ["http://sector.example/", "https://10.0.0.1/", "https://localhost/", "/uris.json"] {
        refusal(json!({ "sector_identifier_uri": url }));
    }
}

#[test]
fn nothing_is_fetched_for_a_registration_that_is_refused_anyway() {
    let world = world();
    lists(&world, &json!([CALLBACK]));
    let document = json!({ "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR });
    let wrong = json!({
        "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR, "scope": "",
    });
    let order = json!({ "uses": 1, "ttl": 60 });
    let told = world.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    let token = told.json()["initial_access_token"].as_str().unwrap().to_owned();
    world.platform.take_counts();
    let register = |token: &str, document: &Value| {
        world.send(post("/auth/register").bearer(token).json(document)).status
    };
    assert_eq!(register(&"A".repeat(43), &document), 401);
    assert_eq!(register(&token, &wrong), 400);
    assert_eq!(world.platform.take_counts().fetches, 0);
    let told = world.send(post("/auth/register").bearer(&token).json(&document));
    assert_eq!((told.status, world.platform.take_counts().fetches), (201, 1));
    assert_eq!(register(&token, &document), 401, "used up");
    assert_eq!(world.platform.take_counts().fetches, 0);

    // A replacement is checked again.
    let registered = told.json();
    let path = registered["registration_client_uri"].as_str().unwrap().to_owned();
    let path = path.strip_prefix(crate::world::ISSUER).unwrap().to_owned();
    lists(&world, &json!([]));
    let mut document = document.clone();
    document["client_id"] = registered["client_id"].clone();
    let management = registered["registration_access_token"].as_str().unwrap();
    let told = world.send(put(&path).bearer(management).json(&document));
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_client_metadata")));
}

#[test]
fn nobody_makes_us_fetch_sectors_without_end() {
    let world = World::configured(variables_with("REGISTRATION", "open"));
    lists(&world, &json!([CALLBACK]));
    let mut document = json!({ "redirect_uris": [CALLBACK], "sector_identifier_uri": SECTOR });
    let told = world.send(post("/auth/register").json(&document)).json();
    let path = told["registration_client_uri"].as_str().unwrap();
    let path = path.strip_prefix(crate::world::ISSUER).unwrap().to_owned();
    document["client_id"] = told["client_id"].clone();
    world.platform.rate_limit.set(Some(3));
    world.platform.take_counts();
    let statuses: Vec<_> = (0..6)
        .map(|_| {
            let token = told["registration_access_token"].as_str().unwrap();
            world.send(put(&path).bearer(token).json(&document)).status
        })
        .collect();
    // One was counted at registration.
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429]);
    assert_eq!(world.platform.take_counts().fetches, 2);
}

#[test]
fn a_person_who_is_not_signed_in_is_asked_whatever_name_is_wanted() {
    let world = world();
    let party = party(&world, "app", json!({}));
    let (name, _) = subject(&world, &party);
    let claims = json!({ "id_token": { "sub": { "value": name } } }).to_string();
    let target = format!("/auth/authorize?{}", party.authorize_query(&[("claims", &claims)]));
    assert!(is_login(&Visitor::new(&world).get(&target)));
}
