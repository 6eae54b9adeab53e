//! The implicit flow (OpenID Connect Core section 3.2), where the operator allows it.

use crate::visitor::{CALLBACK, Party, Visitor, answer, claims, decode, error_page, form};
use crate::world::{ISSUER, Told, World, get, post, put, variables_with};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const BOTH: &str = "id_token token";

fn world() -> World {
    let world = World::configured(variables_with("ALLOW_IMPLICIT", "true"));
    world.send(get("/auth/jwks.json"));
    world.put_alice_with_password();
    world
}

/// A client of every response type, but for these members.
fn party(world: &World, fields: Value) -> Party {
    let mut all = json!({
        "response_types": ["code", "id_token", BOTH],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.put_party("app", all)
}

/// The parameters in the redirect URI's fragment; its query is as it was registered.
#[track_caller]
fn fragment(told: &Told) -> BTreeMap<String, String> {
    assert_eq!(
        (told.status, told.header("cache-control")),
        (303, Some("no-store")),
        "{}",
        told.body
    );
    let location = told.header("location").unwrap();
    let rest = location.strip_prefix(CALLBACK).unwrap_or_else(|| panic!("{location}"));
    decode(rest.strip_prefix('#').unwrap_or_else(|| panic!("{location}")))
}

fn authorize(world: &World, party: &Party, parameters: &[(&str, &str)]) -> Told {
    let visitor = Visitor::new(world);
    let mut all = vec![("code_challenge", ""), ("code_challenge_method", "")];
    all.extend(parameters);
    visitor.agree(visitor.get(&party.authorize(&all)), "alice@example.com")
}

#[test]
fn an_id_token_alone_has_what_userinfo_would_tell() {
    let world = world();
    let party = party(&world, json!({}));
    let told =
        authorize(&world, &party, &[("response_type", "id_token"), ("scope", "openid email")]);
    let mut parameters = fragment(&told);
    let id_token = claims(&parameters.remove("id_token").unwrap());
    assert_eq!(
        parameters,
        BTreeMap::from([("iss".into(), ISSUER.into()), ("state".into(), "the state".into())])
    );
    assert_eq!((&id_token["sub"], &id_token["nonce"]), (&json!("alice"), &json!("the nonce")));
    assert_eq!((&id_token["aud"], &id_token["iss"]), (&json!("app"), &json!(ISSUER)));
    assert_eq!(id_token["email"], "alice@example.com");
    assert!(id_token.get("name").is_none() && id_token.get("at_hash").is_none(), "{id_token}");
}

#[test]
fn an_access_token_that_comes_along_is_bound_by_its_hash_and_good_for_userinfo() {
    let world = world();
    let party = party(&world, json!({}));
    let asked = [("response_type", "token id_token"), ("scope", "openid email offline_access")];
    let parameters = fragment(&authorize(&world, &party, &asked));
    let names: Vec<_> = parameters.keys().map(String::as_str).collect();
    let all = ["access_token", "expires_in", "id_token", "iss", "scope", "state", "token_type"];
    assert_eq!(names, all);
    let access_token = parameters["access_token"].as_str();
    let id_token = claims(&parameters["id_token"]);
    let half = Base64UrlUnpadded::encode_string(&Sha256::digest(access_token)[..16]);
    assert_eq!(id_token["at_hash"], half);
    assert!(id_token.get("email").is_none(), "that is userinfo's to tell: {id_token}");
    let answer = (&*parameters["token_type"], &*parameters["scope"], &*parameters["expires_in"]);
    assert_eq!(answer, ("Bearer", "openid email", "600"));
    let told = world.send(get("/auth/userinfo").bearer(access_token));
    assert_eq!(told.json()["email"], "alice@example.com");
}

#[test]
fn tokens_may_be_posted_and_never_travel_in_a_query() {
    let world = world();
    let party = party(&world, json!({}));
    let asked = [("response_type", BOTH), ("response_mode", "form_post")];
    let told = authorize(&world, &party, &asked);
    assert_eq!((told.status, told.header("location")), (200, None));
    let form = form(&told);
    assert_eq!(form.action, CALLBACK);
    assert!(form.fields.iter().any(|(name, value)| name == "id_token" && value.len() > 100));

    for response_type in ["id_token", BOTH] {
        let asked = [("response_type", response_type), ("response_mode", "query")];
        assert_eq!(fragment(&authorize(&world, &party, &asked))["error"], "invalid_request");
    }
    let code = [("response_type", "code"), ("response_mode", "fragment")];
    assert_eq!(answer(&authorize(&world, &party, &code), CALLBACK)["error"], "invalid_request");
}

#[test]
fn what_a_request_for_tokens_must_have_is_said_in_the_fragment() {
    let world = world();
    let party = party(&world, json!({}));
    for (parameter, value, error) in [
        ("nonce", "", "invalid_request"),
        ("scope", "email", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("prompt", "none", "login_required"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token id_token", "unsupported_response_type"),
        ("response_type", "id_token  token", "unsupported_response_type"),
    ] {
        let mut asked = vec![("response_type", "id_token")];
        asked.push((parameter, value));
        let answer = fragment(&authorize(&world, &party, &asked));
        assert_eq!((&*answer["error"], &*answer["state"]), (error, "the state"), "{parameter}");
    }
}

#[test]
fn a_client_gets_only_what_it_has_registered() {
    let world = world();
    let fields = json!({ "response_types": ["id_token"], "grant_types": ["implicit"] });
    let party = party(&world, fields);
    for (response_type, error) in [("code", "unauthorized_client"), (BOTH, "unauthorized_client")] {
        let told = authorize(&world, &party, &[("response_type", response_type)]);
        let (_, query) = told.header("location").unwrap().rsplit_once(['?', '#']).unwrap();
        assert!(query.contains(&format!("error={error}")), "{query}");
    }
    let told = authorize(&world, &party, &[("response_type", "id_token")]);
    assert!(fragment(&told).contains_key("id_token"));
    for party in [party, world.put_party("without", json!({}))] {
        let told = world.token(&party, &[("grant_type", "implicit")]);
        assert_eq!(told.error().as_deref(), Some("unsupported_grant_type"));
    }
}

#[test]
fn who_was_asked_once_gets_tokens_in_silence_and_withdrawing_ends_them() {
    let world = world();
    let party = party(&world, json!({}));
    let visitor = Visitor::new(&world);
    let asked = [("response_type", BOTH), ("scope", "openid email")];
    visitor.agree(visitor.get(&party.authorize(&asked)), "alice@example.com");
    let silent = [("prompt", "none"), asked[0], asked[1]];
    let parameters = fragment(&visitor.get(&party.authorize(&silent)));
    let bearer = || world.send(get("/auth/userinfo").bearer(&parameters["access_token"])).status;
    assert_eq!(bearer(), 200);
    let told = world.send(crate::world::delete("/admin/clients/app").by_operator());
    assert_eq!((told.status, bearer()), (200, 401));
}

#[test]
fn without_the_operators_word_there_is_none_of_it() {
    let world = World::with_keys();
    world.put_alice_with_password();
    let metadata = world.send(get("/.well-known/openid-configuration")).json();
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "form_post"]));
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&"implicit".into()));
    for fields in [
        json!({ "response_types": ["id_token"], "grant_types": ["implicit"] }),
        json!({ "response_types": ["code", BOTH], "grant_types": ["authorization_code", "implicit"] }),
    ] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let told = world.send(put("/admin/clients/app").by_operator().json(&document));
        assert_eq!(told.status, 400, "{}", told.body);
        assert!(told.body.contains("grant_types: must not have implicit"), "{}", told.body);
    }
    // A client that was registered while it was allowed.
    let allowed = self::world();
    party(&allowed, json!({}));
    allowed.deploy(crate::world::variables());
    let target = party_of("app").authorize(&[("response_type", "id_token")]);
    let told = Visitor::new(&allowed).get(&target);
    assert_eq!(fragment(&told)["error"], "unsupported_response_type");
}

fn party_of(id: &str) -> Party {
    Party { id: id.into(), secret: None, redirect_uri: CALLBACK.into() }
}

#[test]
fn with_it_discovery_says_so() {
    let metadata = world().send(get("/.well-known/openid-configuration")).json();
    assert_eq!(metadata["response_types_supported"], json!(["code", "id_token", BOTH]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&"implicit".into()));
}

#[test]
fn grant_and_response_types_must_fit_and_redirect_uris_too() {
    let world = world();
    for (fields, complaint) in [
        (json!({ "response_types": ["id_token"] }), "grant_types: must have implicit"),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit", "refresh_token"] }),
            "response_types: must have code",
        ),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit", "authorization_code"] }),
            "response_types: must have code",
        ),
        (
            json!({ "response_types": ["code"], "grant_types": ["implicit"] }),
            "grant_types: must have authorization_code",
        ),
        (
            json!({ "grant_types": ["implicit", "authorization_code"] }),
            "response_types: must have id_token",
        ),
        (json!({ "response_types": ["token"] }), "response_types[0]: must be one of"),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit"], "redirect_uris": ["http://localhost/cb"] }),
            "redirect_uris[0]",
        ),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit"], "redirect_uris": ["https://localhost/cb"] }),
            "redirect_uris[0]",
        ),
    ] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let told = world.send(put("/admin/clients/app").by_operator().json(&document));
        assert_eq!(told.status, 400, "{fields} {}", told.body);
        assert!(told.body.contains(complaint), "{fields} {}", told.body);
    }
    // On a person's own device a client may wait there.
    let native = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "response_types": ["id_token"], "grant_types": ["implicit"],
    });
    assert_eq!(world.send(put("/admin/clients/app").by_operator().json(&native)).status, 200);
}

#[test]
fn of_a_request_by_post_one_answer_goes_out() {
    let world = world();
    let party = party(&world, json!({}));
    let visitor = Visitor::new(&world);
    let query = party.authorize_query(&[("response_type", "id_token")]);
    let parameters: Vec<_> = decode(&query).into_iter().collect();
    let parameters: Vec<_> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let kept = visitor.post("/auth/authorize", &parameters);
    let target = kept.header("location").unwrap().to_owned();
    let told = visitor.agree(visitor.get(&target), "alice@example.com");
    assert!(fragment(&told).contains_key("id_token"));
    assert!(error_page(&visitor.get(&target)).contains("completed before"));
    assert_eq!(world.send(post("/auth/authorize").form("")).status, 400);
}

/// RFC 8252 section 8.6: a secret protects a code, and no token in a fragment.
#[test]
fn what_waits_on_a_persons_device_is_asked_about_each_time() {
    let world = world();
    let fields = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"], "trusted": true,
    });
    let party = party(&world, fields);
    let visitor = Visitor::new(&world);
    let asked = [("response_type", BOTH), ("redirect_uri", "http://127.0.0.1:4711/cb")];
    let page = visitor.sign_in_on(&visitor.get(&party.authorize(&asked)), "alice@example.com");
    assert!(crate::visitor::is_consent(&page), "{} {}", page.status, page.body);
    let told = visitor.agree(page, "alice@example.com");
    assert!(told.header("location").unwrap().contains("access_token="));
    let silent = [asked[0], asked[1], ("prompt", "none")];
    let told = visitor.get(&party.authorize(&silent));
    assert!(told.header("location").unwrap().contains("error=consent_required"));
    // A code needs the secret: the operator's own application is not asked about.
    let told = visitor.get(&party.authorize(&[asked[1], ("prompt", "none")]));
    assert!(told.header("location").unwrap().contains("code="));
}
