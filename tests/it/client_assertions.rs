//! Client authentication with `private_key_jwt`.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::browser::{Browser, encode};
use crate::signer::{ALGORITHMS, Signer, by_assertion};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, put, variables_with};
use postern::jose::client_jwk::{ClientAlgorithm, ClientKey, ClientKeys};
use postern::lifetimes::{CLIENT_KEYS_PAUSE_SECONDS, CLIENT_KEYS_SECONDS, SWEEP_DELAY_SECONDS};
use postern::ports::Document;
use serde_json::{Value, json};

pub const JWKS_URI: &str = "https://app.example/jwks.json";
/// The code is unknown, so `invalid_grant` shows that the client was authenticated.
pub const NO_CODE: [(&str, &str); 3] = [
    ("grant_type", "authorization_code"),
    ("code", "none"),
    ("redirect_uri", "https://app.example/cb"),
];

/// A provider with the client `app`, which has this key.
fn provider_with_client(signer: &Signer) -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    provider
}

pub fn serve(provider: &TestProvider, text: impl Into<String>) {
    serve_as(provider, 200, "application/json", text);
}

pub fn serve_as(provider: &TestProvider, status: u16, media_type: &str, text: impl Into<String>) {
    let document = Document {
        status,
        media_type: media_type.into(),
        text: Some(text.into()),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(JWKS_URI.into(), document);
}

#[track_caller]
pub fn assert_authenticated(response: &TestResponse) {
    assert_eq!(
        (response.status, &response.json()["error"]),
        (400, &"invalid_grant".into()),
        "{}",
        response.body
    );
}

#[track_caller]
pub fn assert_refused(response: &TestResponse, words: &str) {
    assert_eq!(
        (response.status, &response.json()["error"]),
        (401, &"invalid_client".into()),
        "{}",
        response.body
    );
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(words), "{description}");
}

#[track_caller]
pub fn assert_unavailable(response: &TestResponse) {
    assert_eq!(
        (response.status, &response.json()["error"], response.header("retry-after")),
        (503, &"temporarily_unavailable".into(), Some("10")),
        "{}",
        response.body
    );
    assert!(response.body.contains("jwks_uri: "), "{}", response.body);
}

pub fn fetches(provider: &TestProvider) -> u32 {
    provider.platform.take_counts().fetches
}

#[test]
fn a_client_authenticates_with_every_supported_algorithm() {
    for alg in ALGORITHMS {
        let signer = Signer::new(alg, None, 0);
        let provider = provider_with_client(&signer);
        provider.put_alice_with_password();
        let client = provider.put_signing("app", json!({ "jwks": signer.jwks() }));
        let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
        let response = provider.redeem_by(&signer.assertion(&provider, "app"), &client, &code);
        assert_eq!(response.status, 200, "{alg}: {}", response.body);
        assert!(response.json()["access_token"].is_string());
    }
}

#[test]
fn an_assertion_is_accepted_once() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    let assertion = signer.assertion(&provider, "app");
    let requests = vec![by_assertion(&assertion, &NO_CODE); 50];
    let response = provider.send_at_once(requests);
    assert_eq!(response.iter().filter(|response| response.status == 400).count(), 1);
    assert_eq!(
        response.iter().filter(|response| response.body.contains("already used")).count(),
        49
    );
    // Another client may use the same `jti`.
    provider.put_signing("other", json!({ "jwks": signer.jwks() }));
    let mut claims = signer.claims(&provider, "other");
    claims["jti"] = "shared".into();
    assert_authenticated(&provider.token_by(&signer.sign(&claims), &NO_CODE));
    (claims["iss"], claims["sub"]) = ("app".into(), "app".into());
    assert_authenticated(&provider.token_by(&signer.sign(&claims), &NO_CODE));
}

#[test]
fn a_used_assertion_is_deleted_an_hour_after_it_expires() {
    let signer = Signer::new("EdDSA", None, 0);
    let provider = provider_with_client(&signer);
    let count = |provider: &TestProvider| -> i64 {
        let sql = "SELECT count(*) FROM client_assertions";
        provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let old = signer.assertion(&provider, "app");
    assert_authenticated(&provider.token_by(&old, &NO_CODE));
    provider.sleep(64);
    assert_refused(&provider.token_by(&old, &NO_CODE), "already used");
    provider.sleep(1);
    assert_refused(&provider.token_by(&old, &NO_CODE), "expired");
    let send = || provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE);
    // The first request of an isolate sweeps.
    for (seconds, kept) in [(SWEEP_DELAY_SECONDS - 1, 2), (1, 2)] {
        provider.sleep(seconds);
        provider.new_isolate();
        assert_authenticated(&send());
        assert_eq!(count(&provider), kept);
    }
}

/// A time to which a test adds fractions of a second.
pub fn seconds(time: i64) -> f64 {
    f64::from(u32::try_from(time).unwrap())
}

#[test]
fn an_assertion_with_a_fractional_expiry_is_used_once() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    let mut claims = signer.claims(&provider, "app");
    claims["exp"] = json!(seconds(provider.now.get()) + 60.5);
    let assertion = signer.sign(&claims);
    assert_authenticated(&provider.token_by(&assertion, &NO_CODE));
    provider.sleep(64);
    assert_refused(&provider.token_by(&assertion, &NO_CODE), "already used");
    provider.sleep(1);
    assert_refused(&provider.token_by(&assertion, &NO_CODE), "expired");
}

#[test]
fn each_claim_of_an_assertion_is_checked() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    let token = format!("{ISSUER}/auth/token");
    let now = provider.now.get();
    for (field, value) in [
        ("aud", json!(ISSUER)),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!(token)),
        ("aud", json!([token, ISSUER])),
        ("exp", json!(now + 3_605)),
        ("exp", json!(now - 4)),
        ("exp", json!(seconds(now) + 60.5)),
        ("exp", json!(seconds(now) + 3_605.9)),
        ("exp", json!(seconds(now) - 3.5)),
        ("exp", json!(seconds(now) + 60.0)),
        ("nbf", json!(now + 10)),
        ("nbf", json!(seconds(now) + 9.5)),
        ("nbf", json!(-0.5)),
        ("iat", json!(now + 10)),
        ("iat", json!(seconds(now) - 0.25)),
        ("iat", json!(null)),
        ("extra", json!({ "a": 1 })),
    ] {
        let mut claims = signer.claims(&provider, "app");
        claims[field] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(field);
        }
        assert_authenticated(&provider.token_by(&signer.sign(&claims), &NO_CODE));
    }
    for (field, value, words) in [
        ("iss", json!("other"), "must be the same client_id"),
        ("iss", json!(null), "iss or sub is missing"),
        ("sub", json!("other"), "must be the same client_id"),
        ("sub", json!(1), "iss or sub is missing"),
        ("aud", json!(null), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", json!(format!("{ISSUER}//")), "aud"),
        ("aud", json!(format!("{ISSUER}/auth/userinfo")), "aud"),
        ("aud", json!(["https://other.example", ISSUER]), "aud"),
        ("aud", json!([ISSUER, 1]), "aud"),
        ("aud", json!({ "a": ISSUER }), "aud"),
        ("exp", json!(null), "exp is missing"),
        ("exp", json!("soon"), "must be numbers"),
        ("exp", json!(1.5), "expired"),
        ("exp", json!(seconds(now) - 4.5), "expired"),
        ("exp", json!(seconds(now) + 3_606.0), "at most an hour"),
        ("exp", json!(1e300), "must be numbers"),
        ("exp", json!(u64::MAX), "must be numbers"),
        ("exp", json!(true), "must be numbers"),
        ("exp", json!(now - 5), "expired"),
        ("exp", json!(now + 3_606), "at most an hour"),
        ("exp", json!(i64::MAX), "at most an hour"),
        ("nbf", json!(now + 11), "is in the future"),
        ("nbf", json!(seconds(now) + 10.5), "is in the future"),
        ("nbf", json!("now"), "must be numbers"),
        ("nbf", json!(-1e300), "must be numbers"),
        ("iat", json!(now + 11), "is in the future"),
        ("iat", json!(seconds(now) + 10.001), "is in the future"),
        ("jti", json!(null), "jti must be"),
        ("jti", json!(""), "jti must be"),
        ("jti", json!(7), "jti must be"),
        ("jti", json!("j".repeat(513)), "jti must be"),
    ] {
        let mut claims = signer.claims(&provider, "app");
        claims[field] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(field);
        }
        let response = provider.token_by(&signer.sign(&claims), &NO_CODE);
        assert_refused(&response, words);
    }
}

#[test]
fn the_header_and_the_signature_of_an_assertion_are_checked() {
    let signer = Signer::new("RS256", None, 0);
    let provider = provider_with_client(&signer);
    let claims = || signer.claims(&provider, "app");
    for (header, words) in [
        (json!({ "alg": "none" }), "alg must be"),
        (json!({ "alg": "HS256" }), "alg must be"),
        (json!({ "alg": "RS512" }), "alg must be"),
        (json!({ "alg": 1 }), "alg must be"),
        (json!({}), "alg must be"),
        (json!({ "alg": "PS256" }), "the signature is wrong"),
        (json!({ "alg": "ES256" }), "the signature is wrong"),
        (json!({ "alg": "RS256", "kid": "unknown" }), "the signature is wrong"),
        (json!({ "alg": "RS256", "kid": 1 }), "kid must be a string"),
        (json!({ "alg": "RS256", "crit": ["b64"] }), "crit is not supported"),
        (json!({ "alg": "RS256", "typ": "at+jwt" }), "typ is the type of another kind of JWT"),
        (
            json!({ "alg": "RS256", "typ": "oauth-authz-req+jwt" }),
            "typ is the type of another kind of JWT",
        ),
    ] {
        assert_refused(&provider.token_by(&signer.sign_under(&header, &claims()), &NO_CODE), words);
    }
    for typ in ["JWT", "jwt", "client-authentication+jwt"] {
        let header = json!({ "alg": "RS256", "typ": typ });
        assert_authenticated(&provider.token_by(&signer.sign_under(&header, &claims()), &NO_CODE));
    }
    let stranger = Signer::new("RS256", None, 1);
    assert_refused(
        &provider.token_by(&stranger.sign(&claims()), &NO_CODE),
        "the signature is wrong",
    );
    for garbage in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let response = provider.token_by(garbage, &NO_CODE);
        assert_eq!(response.status, 401, "{garbage}: {}", response.body);
    }

    // A client that registered an algorithm may not use another, even with a suitable key.
    let keys = json!({ "keys": [signer.jwk()] });
    let one = json!({ "jwks": keys, "token_endpoint_auth_signing_alg": "PS256" });
    provider.put_signing("strict", one);
    let ps256 = Signer::new("PS256", None, 0);
    assert_authenticated(&provider.token_by(&ps256.assertion(&provider, "strict"), &NO_CODE));
    assert_refused(
        &provider.token_by(&signer.assertion(&provider, "strict"), &NO_CODE),
        "unknown, or",
    );
}

#[test]
fn a_client_must_use_its_registered_method_and_no_second_one() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    let app = provider.put_client_with("secret", json!({ "jwks": signer.jwks() }));
    let secret = app.secret.clone().unwrap();
    // Registered keys do not permit assertions, and a secret does not help a client that must sign.
    assert_refused(
        &provider.token_by(&signer.assertion(&provider, "secret"), &NO_CODE),
        "unknown, or",
    );
    let by = |parameters: &[(&str, &str)]| {
        let mut all = NO_CODE.to_vec();
        all.extend(parameters);
        provider.send(post("/auth/token").form(&encode(&all)))
    };
    assert_refused(&by(&[("client_id", "app")]), "unknown, or");
    assert_refused(&by(&[("client_id", "app"), ("client_secret", &secret)]), "unknown, or");
    assert_refused(
        &provider.token_by(
            &signer.assertion(&provider, "app"),
            &[NO_CODE.as_slice(), &[("client_id", "secret")]].concat(),
        ),
        "sub must be the client_id",
    );
    let both = [NO_CODE.as_slice(), &[("client_secret", secret.as_str())]].concat();
    let response = provider.token_by(&signer.assertion(&provider, "app"), &both);
    assert_eq!((response.status, &response.json()["error"]), (400, &"invalid_request".into()));
    let twice = [("client_assertion_type", crate::signer::ASSERTION_TYPE)];
    let response = provider
        .token_by(&signer.assertion(&provider, "app"), &[NO_CODE.as_slice(), &twice].concat());
    assert_eq!((response.status, &response.json()["error"]), (400, &"invalid_request".into()));
    let mut long = signer.claims(&provider, "app");
    long["extra"] = "x".repeat(16_384).into();
    assert_refused(&provider.token_by(&signer.sign(&long), &NO_CODE), "longer than 16384 bytes");
    let typeless = [("client_assertion", signer.assertion(&provider, "app"))];
    assert_refused(&by(&[("client_assertion", &typeless[0].1)]), "client_assertion_type");
}

#[test]
fn without_a_kid_each_key_of_the_algorithm_is_tried() {
    let signers = [0, 1, 2].map(|number| Signer::new("ES256", None, number));
    let provider = TestProvider::with_keys();
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    provider.put_signing("app", json!({ "jwks": { "keys": keys } }));
    for signer in &signers {
        assert_authenticated(&provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE));
    }
}

pub fn provider_with_uri(signer: &Signer) -> TestProvider {
    let provider = TestProvider::with_keys();
    serve(&provider, signer.jwks().to_string());
    provider.put_signing("app", json!({ "jwks_uri": JWKS_URI }));
    provider.platform.take_counts();
    provider
}

#[test]
fn fetched_keys_are_remembered_until_they_are_rotated() {
    let old = Signer::new("ES256", Some("old"), 0);
    let new = Signer::new("ES256", Some("new"), 1);
    let provider = provider_with_uri(&old);
    for _ in 0..3 {
        assert_authenticated(&provider.token_by(&old.assertion(&provider, "app"), &NO_CODE));
    }
    assert_eq!(fetches(&provider), 1);

    // An unknown `kid` causes a fetch, but not for every request.
    serve(&provider, new.jwks().to_string());
    assert_refused(
        &provider.token_by(&new.assertion(&provider, "app"), &NO_CODE),
        "the signature is wrong",
    );
    assert_eq!(fetches(&provider), 0);
    provider.sleep(CLIENT_KEYS_PAUSE_SECONDS);
    assert_authenticated(&provider.token_by(&new.assertion(&provider, "app"), &NO_CODE));
    assert_refused(
        &provider.token_by(&old.assertion(&provider, "app"), &NO_CODE),
        "the signature is wrong",
    );
    assert_eq!(fetches(&provider), 1);

    // A withdrawn key is refused within ten minutes, even if no unknown `kid` causes a fetch.
    serve(&provider, old.jwks().to_string());
    provider.sleep(CLIENT_KEYS_SECONDS - 1);
    assert_authenticated(&provider.token_by(&new.assertion(&provider, "app"), &NO_CODE));
    assert_eq!(fetches(&provider), 0);
    provider.sleep(1);
    assert_refused(
        &provider.token_by(&new.assertion(&provider, "app"), &NO_CODE),
        "the signature is wrong",
    );
    assert_eq!(fetches(&provider), 1);
}

#[test]
fn keys_stay_valid_for_a_day_if_they_cannot_be_fetched_again() {
    let signer = Signer::new("EdDSA", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    assert_authenticated(&provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE));
    provider.platform.web.borrow_mut().clear();
    provider.sleep(CLIENT_KEYS_SECONDS);
    let response = provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE);
    assert_authenticated(&response);
    assert!(
        response.log["warnings"][0].as_str().unwrap().contains("app.example"),
        "{}",
        response.log
    );
    provider.sleep(86_400);
    assert_unavailable(&provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE));
}

#[test]
fn a_failed_fetch_of_a_jwks_uri_is_reported_and_not_repeated_at_once() {
    let signer = Signer::new("ES256", None, 0);
    let good = signer.jwks().to_string();
    for (status, media_type, text, words) in [
        (404, "application/json", good.clone(), "does not exist (status 404 or 410)"),
        (302, "application/json", good.clone(), "must have the status 200"),
        (200, "text/html", good.clone(), "media type"),
        (200, "", good.clone(), "media type"),
        (200, "application/json", "[]".into(), "must be a JSON object"),
        (200, "application/json", r#"{"keys":[],"keys":[]}"#.into(), "must be a JSON object"),
        (200, "application/json", r#"{"keys":[]}"#.into(), "must be a JWK Set"),
        (200, "application/json", format!("{good}{}", " ".repeat(65_536)), "too large"),
    ] {
        let provider = provider_with_uri(&signer);
        serve_as(&provider, status, media_type, text);
        for _ in 0..3 {
            assert_refused(
                &provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE),
                words,
            );
        }
        assert_eq!(fetches(&provider), 1, "{words}");
    }
}

#[test]
fn an_invalid_assertion_causes_no_fetch() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    let mut claims = signer.claims(&provider, "app");
    claims["exp"] = 1.into();
    provider.token_by(&signer.sign(&claims), &NO_CODE);
    provider.token_by(&signer.assertion(&provider, "nobody"), &NO_CODE);
    provider.token_by("eyJhbGciOiJSUzI1NiJ9.e30.AA", &NO_CODE);
    assert_eq!(fetches(&provider), 0);
}

#[test]
fn a_loopback_jwks_uri_needs_allow_loopback() {
    let uri = "http://127.0.0.1:8788/jwks";
    let document = json!({
        "redirect_uris": ["https://app.example/cb"], "jwks_uri": uri,
        "token_endpoint_auth_method": "private_key_jwt",
    });
    let register = |provider: &TestProvider| {
        provider.send(put("/admin/clients/app").by_operator().json(&document))
    };
    assert_eq!(register(&TestProvider::with_keys()).status, 400);
    let provider = TestProvider::configured(variables_with("ALLOW_LOOPBACK", "true"));
    assert_eq!(register(&provider).status, 200);
    // A URI that the current configuration no longer allows is not fetched.
    provider.deploy(variables_with("ALLOW_LOOPBACK", "false"));
    let signer = Signer::new("ES256", None, 0);
    assert_refused(
        &provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE),
        "must not fetch",
    );
    assert_eq!(fetches(&provider), 0);
}

#[test]
fn a_client_with_keys_is_shown_with_its_keys_and_no_secret() {
    let provider = TestProvider::with_keys();
    let signer = Signer::new("PS256", Some("a"), 0);
    let client = provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    assert_eq!(client.secret, None);
    let shown = provider.send(get("/admin/clients/app").by_operator()).json();
    assert_eq!(shown["jwks"], signer.jwks());
    assert_eq!(shown["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(shown.get("client_secret"), None::<&Value>);
    let metadata = provider.send(get("/.well-known/openid-configuration")).json();
    let algorithms = &metadata["token_endpoint_auth_signing_alg_values_supported"];
    assert_eq!(algorithms, &json!(["ES256", "EdDSA", "Ed25519", "PS256", "RS256"]));
}

#[test]
fn a_replayed_assertion_does_not_use_up_a_code() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    provider.put_alice_with_password();
    let client = provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    let assertion = signer.assertion(&provider, "app");
    assert_authenticated(&provider.send(by_assertion(&assertion, &NO_CODE)));

    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    assert_refused(&provider.redeem_by(&assertion, &client, &code), "jti");
    let response = provider.redeem_by(&signer.assertion(&provider, "app"), &client, &code);
    assert_eq!(response.status, 200, "{}", response.body);
}

#[test]
fn a_redemption_with_an_assertion_makes_two_requests_to_the_database() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    provider.put_alice_with_password();
    let client = provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    for expected in [None, Some((1, 1))] {
        let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
        let assertion = signer.assertion(&provider, "app");
        provider.platform.take_counts();
        assert_eq!(provider.redeem_by(&assertion, &client, &code).status, 200);
        let counts = provider.platform.take_counts();
        // The first request of an isolate also reads the signing keys.
        if let Some(expected) = expected {
            assert_eq!((counts.statements, counts.batches), expected);
        }
    }
}

#[test]
fn a_lost_response_of_the_database_loses_neither_the_assertion_nor_the_code() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    provider.put_alice_with_password();
    let client = provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    provider.platform.lost_responses.set(1);
    let response = provider.redeem_by(&signer.assertion(&provider, "app"), &client, &code);
    assert_eq!(response.status, 200, "{}", response.body);
}

#[test]
fn a_key_knows_the_size_of_its_signatures() {
    let sizes = |keys: &Value, alg: &str| -> Vec<usize> {
        let keys = ClientKeys::from_json(keys).unwrap();
        let alg = ClientAlgorithm::from_name(alg).unwrap();
        keys.candidates(alg, None).map(ClientKey::signature_bytes).collect()
    };
    for alg in ALGORITHMS {
        let signer = Signer::new(alg, None, 0);
        let jwt = signer.sign(&json!({}));
        let signature = Base64UrlUnpadded::decode_vec(jwt.rsplit('.').next().unwrap()).unwrap();
        assert_eq!(sizes(&signer.jwks(), alg), [signature.len()], "{alg}");
    }
    let rsa = |bytes: usize| {
        let n = Base64UrlUnpadded::encode_string(&vec![0xff; bytes]);
        json!({ "kty": "RSA", "e": "AQAB", "n": n })
    };
    let keys: Vec<_> = (256..=512).map(rsa).collect();
    for (keys, expected) in keys.chunks(32).zip((256..=512).step_by(32)) {
        let found = sizes(&json!({ "keys": keys }), "PS256");
        assert_eq!(found, (expected..expected + keys.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_signature_of_another_size_is_wrong() {
    for alg in ALGORITHMS {
        let signer = Signer::new(alg, None, 0);
        let provider = provider_with_client(&signer);
        for size in [0, 1, 63, 65, 255, 257, 512] {
            let jwt = signer.assertion(&provider, "app");
            let (input, _) = jwt.rsplit_once('.').unwrap();
            let jwt = format!("{input}.{}", Base64UrlUnpadded::encode_string(&vec![1; size]));
            let response = provider.token_by(&jwt, &NO_CODE);
            assert_eq!(response.status, 401, "{alg}, {size} bytes: {}", response.body);
            assert!(response.log.get("notes").is_none(), "{}", response.log);
        }
    }
}

#[test]
fn a_key_of_small_order_is_not_registered() {
    let provider = TestProvider::with_keys();
    let small = json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("AQ{:A<41}", "") });
    let register = |keys: Value| {
        let document = json!({
            "redirect_uris": ["https://app.example/cb"], "jwks": { "keys": keys },
            "token_endpoint_auth_method": "private_key_jwt",
        });
        provider.send(put("/admin/clients/small").by_operator().json(&document))
    };
    let response = register(json!([small]));
    assert_eq!(response.status, 400, "{}", response.body);
    assert!(response.body.contains("jwks: must have a key for"), "{}", response.body);
    let good = Signer::new("EdDSA", None, 0).jwk();
    let response = register(json!([small, good]));
    assert_eq!((response.status, &response.json()["jwks"]), (200, &json!({ "keys": [good] })));
}
