//! Authorization requests that clients push (RFC 9126).

use crate::signer::{Signer, by_assertion};
use crate::visitor::{CALLBACK, Party, Visitor, answer, encode, error_page, field, is_login};
use crate::world::{Ask, ISSUER, Told, World, post};
use serde_json::json;

const PAR: &str = "/auth/par";

fn world() -> (World, Party) {
    let world = World::with_keys();
    world.put_alice_with_password();
    let party = world.put_app();
    (world, party)
}

/// A request as it is pushed, with the client's secret, by the parameters that differ from the usual.
fn pushed(party: &Party, parameters: &[(&str, &str)]) -> Ask {
    let secret = encode(&[("client_secret", party.secret.as_deref().unwrap_or_default())]);
    post(PAR).form(&format!("{}&{secret}", party.authorize_query(parameters)))
}

fn request_uri(told: &Told) -> String {
    assert_eq!(told.status, 201, "{}", told.body);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert_eq!(told.json()["expires_in"], 90);
    let uri = told.json()["request_uri"].as_str().unwrap().to_owned();
    let handle = uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
    assert_eq!(handle.len(), 43);
    uri
}

fn target(client_id: &str, uri: &str) -> String {
    format!("/auth/authorize?{}", encode(&[("client_id", client_id), ("request_uri", uri)]))
}

/// The page that a pushed request leads to: its own address is another, which can be loaded again.
fn opened(visitor: &Visitor<'_>, target: &str) -> Told {
    let told = visitor.get(target);
    let location = told.header("location").unwrap_or_default();
    assert!(location.starts_with(&format!("{ISSUER}/auth/authorize?handle=")), "{}", told.body);
    visitor.follow(told)
}

fn kept(world: &World) -> Vec<String> {
    let mut statement =
        world.platform.primary.prepare("SELECT parameters FROM authorization_requests").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_pushed_request_is_answered_once() {
    let (world, party) = world();
    let uri = request_uri(&world.send(pushed(&party, &[("state", "pushed state")])));
    let visitor = Visitor::new(&world);
    // Whatever stands beside it counts for nothing.
    let more = encode(&[("state", "outer"), ("redirect_uri", "https://evil.example/")]);
    let target = format!("{}&{more}", target("app", &uri));
    let told = visitor.agree(opened(&visitor, &target), "alice@example.com");
    let parameters = answer(&told, CALLBACK);
    assert_eq!(parameters["state"], "pushed state");
    assert!(field(&world.redeem(&party, &parameters["code"]), "id_token").len() > 100);
    assert!(error_page(&visitor.get(&target)).contains("completed before"));
    assert!(kept(&world).is_empty());
}

#[test]
fn what_proves_the_client_is_not_kept_with_its_request() {
    let (world, party) = world();
    request_uri(&world.send(pushed(&party, &[("client_assertion_type", "x")])));
    let [parameters] = &kept(&world)[..] else { panic!("one is kept") };
    for secret in [party.secret.as_deref().unwrap(), "client_secret", "client_assertion"] {
        assert!(!parameters.contains(secret), "{parameters}");
    }
}

#[test]
fn it_waits_for_a_minute_and_a_half_and_then_as_long_as_a_person_needs() {
    let (world, party) = world();
    let uri = request_uri(&world.send(pushed(&party, &[])));
    world.sleep(89);
    let visitor = Visitor::new(&world);
    let page = opened(&visitor, &target("app", &uri));
    world.sleep(3_000);
    assert!(answer(&visitor.agree(page, "alice@example.com"), CALLBACK).contains_key("code"));

    let uri = request_uri(&world.send(pushed(&party, &[])));
    world.sleep(90);
    assert!(error_page(&visitor.get(&target("app", &uri))).contains("left open for too long"));
}

#[test]
fn it_is_its_own_clients_alone() {
    let (world, party) = world();
    world.put_party("other", json!({}));
    let uri = request_uri(&world.send(pushed(&party, &[])));
    let visitor = Visitor::new(&world);
    assert!(error_page(&visitor.get(&target("other", &uri))).contains("completed before"));
    assert!(error_page(&visitor.get(&target("app", &format!("{uri}x")))).contains("completed"));
    assert!(is_login(&opened(&visitor, &target("app", &uri))));
}

#[test]
fn it_is_opened_once_and_by_nothing_but_its_own_name() {
    let (world, party) = world();
    let uri = request_uri(&world.send(pushed(&party, &[])));
    let visitor = Visitor::new(&world);
    let (_, tail) = uri.rsplit_once(':').unwrap();
    assert!(
        error_page(&visitor.get(&format!("/auth/authorize?handle={tail}"))).contains("completed")
    );
    let told = visitor.get(&target("app", &uri));
    let handle = told.header("location").unwrap().to_owned();
    assert!(!handle.contains(tail));
    for _ in 0..2 {
        assert!(is_login(&visitor.get(&handle)), "the page can be loaded again");
        assert!(error_page(&visitor.get(&target("app", &uri))).contains("completed before"));
    }
    world.sleep(3_600);
    assert!(error_page(&visitor.get(&handle)).contains("left open for too long"));
}

#[test]
fn a_client_that_registered_itself_may_not_push_without_end_either() {
    let world = World::configured(crate::world::variables_with("REGISTRATION", "open"));
    let document = json!({ "redirect_uris": [CALLBACK] });
    let told = world.send(post("/auth/register").json(&document)).json();
    let party = Party {
        id: told["client_id"].as_str().unwrap().into(),
        secret: Some(told["client_secret"].as_str().unwrap().into()),
        redirect_uri: CALLBACK.into(),
    };
    assert_eq!(world.send(pushed(&party, &[])).status, 201);
    world.platform.rate_limit.set(Some(0));
    let told = world.send(pushed(&party, &[]));
    assert_eq!((told.status, told.error().as_deref()), (429, Some("temporarily_unavailable")));
}

#[test]
fn a_client_proves_who_it_is_as_at_the_token_endpoint() {
    let (world, party) = world();
    let signer = Signer::new("ES256", None, 0);
    world.put_signing("signing", json!({ "jwks": signer.jwks() }));
    let query = [
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", crate::visitor::CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let push = |assertion: &str| world.send(by_assertion(assertion, &query).at(PAR));
    for aud in [ISSUER.to_owned(), format!("{ISSUER}{PAR}"), format!("{ISSUER}/auth/token")] {
        let mut claims = signer.claims(&world, "signing");
        claims["aud"] = aud.into();
        let uri = request_uri(&push(&signer.sign(&claims)));
        assert!(is_login(&opened(&Visitor::new(&world), &target("signing", &uri))));
    }
    for told in [
        world.send(post(PAR).form(&party.authorize_query(&[]))),
        world.send(post(PAR).form(&party.authorize_query(&[("client_secret", "wrong")]))),
        world.send(post(PAR).form(&encode(&query))),
        push("e30.e30.AA"),
    ] {
        assert_eq!((told.status, told.error().as_deref()), (401, Some("invalid_client")));
    }
    let told = world.send(
        post(PAR)
            .with("authorization", "Basic YXBwOng=")
            .form(&encode(&[("client_id", "app"), ("client_secret", "x")])),
    );
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_request")));
}

#[test]
fn what_is_wrong_with_a_request_is_told_to_who_pushes_it() {
    let (world, party) = world();
    for (parameters, code) in [
        (vec![("redirect_uri", "https://evil.example/")], "invalid_request"),
        (vec![("redirect_uri", "")], "invalid_request"),
        (vec![("response_type", "none")], "unsupported_response_type"),
        (vec![("scope", "unheard-of")], "invalid_scope"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        (vec![("request", "e30.e30.AA")], "invalid_request_object"),
    ] {
        let told = world.send(pushed(&party, &parameters));
        assert_eq!(
            (told.status, told.error().as_deref()),
            (400, Some(code)),
            "{parameters:?} {}",
            told.body
        );
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }
    let doubled = format!("{}&state=2", party.authorize_query(&[]));
    let secret = encode(&[("client_secret", party.secret.as_deref().unwrap())]);
    let told = world.send(post(PAR).form(&format!("{doubled}&{secret}")));
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_request")));
    let told = world.send(post(PAR).body("application/json", "{}"));
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_request")));
    assert!(kept(&world).is_empty());
}

#[test]
fn a_request_is_kept_by_its_known_parameters_in_at_most_8192_bytes() {
    let (world, party) = world();
    let row = || kept(&world).pop().unwrap_or_default();
    let secret = encode(&[("client_secret", party.secret.as_deref().unwrap())]);
    let push = |state: &str, more: &str| {
        let query = party.authorize_query(&[("state", "")]);
        world.send(post(PAR).form(&format!("{query}&{secret}&state={state}{more}")))
    };
    let others = party.authorize_query(&[("state", "")]).len() + "&state=".len();

    // Unknown parameters are not kept, and what proves the client neither.
    assert_eq!(push("s", &"&x=%FF".repeat(50)).status, 201);
    assert!(!row().contains("x=") && !row().contains("client_secret"), "{}", row());

    // The limit is one of what is kept: a quotation mark takes one byte of a body and three of the row.
    let largest = 8_192 - others;
    assert_eq!(push(&"s".repeat(largest), "").status, 201);
    assert_eq!(
        world.platform.primary.execute("DELETE FROM authorization_requests", ()).unwrap(),
        2
    );
    for state in ["s".repeat(largest + 1), "\"".repeat(largest / 3 + 1)] {
        let told = push(&state, "");
        assert_eq!((told.status, told.error().as_deref()), (413, Some("invalid_request")));
        let posted = party.authorize_query(&[("state", &state)]);
        let told = world.send(post("/auth/authorize").form(&posted));
        assert_eq!(told.status, 413);
        assert!(error_page(&told).contains("more than 8192 bytes"));
    }
    assert!(kept(&world).is_empty());
}

#[test]
fn a_signed_request_may_be_pushed() {
    let (world, party) = world();
    let signer = Signer::new("EdDSA", None, 0);
    world.put_party(
        "app",
        json!({
            "jwks": signer.jwks(), "require_signed_request_object": true,
            "require_pushed_authorization_requests": true,
        }),
    );
    let claims = json!({
        "client_id": "app", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
        "state": "signed state",
    });
    let secret = party.secret.as_deref().unwrap_or_default();
    let push = |object: &str| {
        let form = [("client_id", "app"), ("client_secret", secret), ("request", object)];
        world.send(post(PAR).form(&encode(&form)))
    };
    let object = signer.sign(&claims);
    let uri = request_uri(&push(&object));
    let visitor = Visitor::new(&world);
    let told = visitor.agree(opened(&visitor, &target("app", &uri)), "alice@example.com");
    assert_eq!(answer(&told, CALLBACK)["state"], "signed state");

    // Each is as binding as it was registered.
    let told = world.send(pushed(&party, &[]));
    assert_eq!(told.error().as_deref(), Some("invalid_request"));
    let direct = [("client_id", "app"), ("request", &object), ("redirect_uri", CALLBACK)];
    let told = visitor.get(&format!("/auth/authorize?{}", encode(&direct)));
    let parameters = answer(&told, CALLBACK);
    assert!(parameters["error_description"].contains("pushed"), "{parameters:?}");
    assert_eq!(push(&Signer::new("EdDSA", None, 1).sign(&claims)).status, 400);
}

#[test]
fn a_public_client_may_push_but_not_without_end() {
    let (world, known) = world();
    let party = world.put_party("public", json!({ "token_endpoint_auth_method": "none" }));
    let push = || world.send(post(PAR).form(&party.authorize_query(&[])));
    let uri = request_uri(&push());
    assert!(is_login(&opened(&Visitor::new(&world), &target("public", &uri))));
    world.platform.rate_limit.set(Some(0));
    let told = push();
    assert_eq!((told.status, told.error().as_deref()), (429, Some("temporarily_unavailable")));
    assert_eq!(world.send(pushed(&known, &[])).status, 201, "a client that is known may");
}
