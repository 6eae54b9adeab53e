//! Signed authorization requests (RFC 9101).

use crate::browser::{
    Browser, CALLBACK, TestClient, answer, claims, encode, error_page, field, is_login,
};
use crate::client_assertions::seconds;
use crate::signer::{ALGORITHMS, Signer};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post};
use postern::lifetimes::{FETCH_RETRY_SECONDS, REQUEST_OBJECT_COPY_SECONDS};
use postern::ports::Document;
use serde_json::{Value, json};

const REQUEST_URI: &str = "https://app.example/requests/1";

struct Signing {
    provider: TestProvider,
    client: TestClient,
    signer: Signer,
}

impl Signing {
    /// A client with keys and a registered request URI. `fields` replace its metadata.
    fn new(fields: Value) -> Self {
        let signer = Signer::new("ES256", None, 0);
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        let mut all = json!({ "jwks": signer.jwks(), "request_uris": [REQUEST_URI] });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let client = provider.put_client_with("app", all);
        Self { provider, client, signer }
    }

    /// The claims of a valid request object. `differing` replaces claims; null removes one.
    fn claims(&self, differing: &[(&str, Value)]) -> Value {
        let mut claims = json!({
            "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
            "response_type": "code", "scope": "openid email", "state": "signed state",
            "nonce": "signed nonce", "max_age": 600, "exp": self.provider.now.get() + 60,
        });
        for (name, value) in differing {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn object(&self, differing: &[(&str, Value)]) -> String {
        self.signer.sign(&self.claims(differing))
    }

    /// The first response to a request with the client's id and these parameters.
    fn send_request(&self, parameters: &[(&str, &str)]) -> TestResponse {
        Browser::new(&self.provider).get(&self.target(parameters))
    }

    fn target(&self, parameters: &[(&str, &str)]) -> String {
        let mut all = vec![("client_id", self.client.id.as_str())];
        all.extend(parameters);
        format!("/auth/authorize?{}", encode(&all))
    }

    fn serve(&self, status: u16, media_type: &str, text: String) {
        let document = Document {
            status,
            media_type: media_type.into(),
            text: Some(text),
            caching: Default::default(),
        };
        self.provider.platform.web.borrow_mut().insert(REQUEST_URI.into(), document);
    }

    fn serve_object(&self, object: String) {
        self.serve(200, "application/oauth-authz-req+jwt", object);
    }
}

/// Asserts the error for an object, which goes to the redirect URI of the query.
#[track_caller]
fn assert_refused(signing: &Signing, object: &str, code: &str, words: &str) {
    let response = signing.send_request(&[
        ("request", object),
        ("redirect_uri", CALLBACK),
        ("state", "outer"),
    ]);
    let answer = answer(&response, CALLBACK);
    assert_eq!(answer["error"], code, "{answer:?}");
    assert!(answer["error_description"].contains(words), "{answer:?}");
}

/// Runs a flow and returns the claims of its ID token.
fn flow(signing: &Signing, parameters: &[(&str, &str)]) -> Value {
    let browser = Browser::new(&signing.provider);
    let response = browser.agree(browser.get(&signing.target(parameters)), "alice@example.com");
    let answer = answer(&response, CALLBACK);
    assert_eq!(answer["state"], "signed state");
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", &*answer["code"]),
        ("redirect_uri", CALLBACK),
    ];
    let response = signing.provider.token(&signing.client, &parameters);
    claims(&field(&response, "id_token"))
}

#[test]
fn a_request_may_be_signed_with_every_supported_algorithm() {
    for alg in ALGORITHMS {
        let signer = Signer::new(alg, None, 0);
        let mut signing =
            Signing::new(json!({ "jwks": signer.jwks(), "request_object_signing_alg": alg }));
        signing.signer = signer;
        let id_token = flow(&signing, &[("request", &signing.object(&[]))]);
        assert_eq!(
            (&id_token["nonce"], &id_token["sub"]),
            (&json!("signed nonce"), &json!("alice"))
        );
    }
}

#[test]
fn unsigned_parameters_are_ignored() {
    let signing = Signing::new(json!({}));
    let outer = [
        ("request", &*signing.object(&[])),
        ("redirect_uri", "https://evil.example/cb"),
        ("response_type", "token"),
        ("scope", "openid phone address"),
        ("state", "outer state"),
        ("nonce", "outer nonce"),
        ("prompt", "none"),
        ("code_challenge", "too short"),
    ];
    let browser = Browser::new(&signing.provider);
    let page = browser.get(&signing.target(&outer));
    assert!(is_login(&page), "prompt=none was not signed");
    let response = browser.sign_in_on(&page, "alice@example.com");
    assert!(!response.body.contains("phone"), "{}", response.body);
    let response = browser.agree(response, "alice@example.com");
    let answer = answer(&response, CALLBACK);
    assert_eq!((&*answer["state"], answer.len()), ("signed state", 3));
}

#[test]
fn a_request_object_may_contain_objects_and_numbers() {
    let signing = Signing::new(json!({}));
    let object = signing.object(&[
        ("claims", json!({ "id_token": { "nickname": null } })),
        ("max_age", json!(0)),
        ("acr_values", json!(null)),
        ("exp", json!(seconds(signing.provider.now.get()) + 60.5)),
        ("nbf", json!(seconds(signing.provider.now.get()) + 9.5)),
        ("iat", json!(signing.provider.now.get() + 10)),
        ("unknown", json!([1, 2])),
    ]);
    assert_eq!(flow(&signing, &[("request", &object)])["nickname"], "Al");
}

#[test]
fn a_request_object_with_an_invalid_claim_or_signature_is_refused() {
    let signing = Signing::new(json!({}));
    let now = signing.provider.now.get();
    for (claim, value, words) in [
        ("client_id", json!(null), "client_id"),
        ("client_id", json!("other"), "client_id"),
        ("client_id", json!(["app"]), "client_id"),
        ("iss", json!("other"), "iss"),
        ("iss", json!(1), "iss"),
        ("aud", json!(null), "aud is required and must be the issuer"),
        ("aud", json!("https://other.example"), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", json!({}), "aud"),
        ("sub", json!("app"), "sub must not be"),
        ("exp", json!(now - 5), "expired"),
        ("exp", json!(seconds(now) - 4.5), "expired"),
        ("exp", json!("later"), "must be numbers"),
        ("exp", json!(1e300), "must be numbers"),
        ("nbf", json!(now + 11), "future"),
        ("iat", json!(seconds(now) + 10.5), "future"),
        ("request", json!("e30.e30.AA"), "must not have request or request_uri"),
        ("request_uri", json!(REQUEST_URI), "must not have request or request_uri"),
    ] {
        let object = signing.object(&[(claim, value)]);
        assert_refused(&signing, &object, "invalid_request_object", words);
    }
    let good = signing.claims(&[]);
    let other = Signer::new("ES256", None, 1);
    assert_refused(
        &signing,
        &other.sign(&good),
        "invalid_request_object",
        "the signature is wrong",
    );
    let rsa = Signer::new("RS256", None, 0);
    assert_refused(&signing, &rsa.sign(&good), "invalid_request_object", "the signature is wrong");
    for (header, words) in [
        (json!({ "alg": "none" }), "alg must be"),
        (json!({ "alg": "HS256" }), "alg must be"),
        (
            json!({ "alg": "ES256", "typ": "client-authentication+jwt" }),
            "typ is the type of another kind of JWT",
        ),
        (json!({ "alg": "ES256", "crit": ["exp"] }), "crit is not supported"),
        (json!({ "alg": "ES256", "kid": "none of ours" }), "the signature is wrong"),
    ] {
        let object = signing.signer.sign_under(&header, &good);
        assert_refused(&signing, &object, "invalid_request_object", words);
    }
    // An assertion that leaked must not work as a request object.
    let assertion = signing.signer.assertion(&signing.provider, "app");
    assert_refused(&signing, &assertion, "invalid_request_object", "client_id");
    let aud = json!(["https://other.example", ISSUER]);
    let typ = json!({ "alg": "ES256", "typ": "OAuth-Authz-Req+JWT" });
    let object = signing.signer.sign_under(&typ, &signing.claims(&[("aud", aud)]));
    assert!(is_login(&signing.send_request(&[("request", &object)])));
    for parameters in [
        [("request", object.as_str()), ("request_uri", REQUEST_URI)],
        [("request", object.as_str()), ("request", object.as_str())],
    ] {
        let mut all = parameters.to_vec();
        all.extend([("redirect_uri", CALLBACK), ("response_type", "code"), ("scope", "openid")]);
        assert_eq!(answer(&signing.send_request(&all), CALLBACK)["error"], "invalid_request");
    }
}

#[test]
fn a_request_object_that_is_sent_is_valid_for_an_hour_at_most() {
    const HOUR: i64 = 3_600;
    // The leeway is five seconds.
    let signing = Signing::new(json!({}));
    let now = signing.provider.now.get();
    let (old, timeless) = ("iat or nbf is more than an hour ago", "exp is required");
    let long = "exp must be at most an hour from now";
    for (exp, iat, nbf, words) in [
        (None, None, None, Some(timeless)),
        (Some(now + HOUR + 5), None, None, None),
        (Some(now + HOUR + 6), None, None, Some(long)),
        (Some(i64::MAX), None, None, Some(long)),
        (None, Some(now), None, None),
        (None, None, Some(now), None),
        (None, Some(now - HOUR - 4), None, None),
        (None, Some(now - HOUR - 5), None, Some(old)),
        (None, None, Some(now - HOUR - 5), Some(old)),
        (Some(now + 60), Some(now - HOUR - 5), None, Some(old)),
        (Some(i64::MAX), Some(now - HOUR - 5), None, Some(old)),
        (Some(i64::MAX), Some(i64::MIN), None, Some(old)),
        (Some(i64::MAX), Some(now), None, None),
        (None, Some(now - 2 * HOUR), Some(now - HOUR), None),
    ] {
        let object =
            signing.object(&[("exp", json!(exp)), ("iat", json!(iat)), ("nbf", json!(nbf))]);
        match words {
            None => assert!(is_login(&signing.send_request(&[("request", &object)]))),
            Some(words) => assert_refused(&signing, &object, "invalid_request_object", words),
        }
        // It is the same for a pushed request.
        let client = &signing.client;
        let secret = client.secret.as_deref().unwrap();
        let form =
            encode(&[("client_id", &*client.id), ("client_secret", secret), ("request", &object)]);
        let response = signing.provider.send(post("/auth/par").form(&form));
        assert_eq!(response.status, if words.is_none() { 201 } else { 400 }, "{}", response.body);
        assert!(response.body.contains(words.unwrap_or("request_uri")), "{}", response.body);
    }
}

/// The client can change the object at its registered URI at any time, so the age of its signature does not matter. The
/// conformance suite serves objects without any time.
#[test]
fn a_request_object_that_is_fetched_needs_no_time_and_may_be_old() {
    let signing = Signing::new(json!({}));
    let now = signing.provider.now.get();
    let outer = [("request_uri", REQUEST_URI), ("redirect_uri", CALLBACK)];
    for (exp, iat, is_valid) in [
        (None, None, true),
        (None, Some(now - 86_400), true),
        (Some(now + 86_400), None, true),
        (Some(now - 60), Some(now - 120), false),
        (None, Some(now + 60), false),
    ] {
        signing.serve_object(signing.object(&[("exp", json!(exp)), ("iat", json!(iat))]));
        let response = signing.send_request(&outer);
        assert_eq!(is_login(&response), is_valid, "{exp:?} {iat:?}");
        signing.provider.new_isolate();
    }
    signing.serve_object(signing.object(&[("aud", json!(null))]));
    assert_eq!(answer(&signing.send_request(&outer), CALLBACK)["error"], "invalid_request_object");
}

#[test]
fn an_oversized_request_object_is_refused() {
    let signing = Signing::new(json!({}));
    let object = signing.object(&[("padding", json!("x".repeat(12_288)))]);
    assert!(object.len() > 16_384);
    assert_refused(&signing, &object, "invalid_request_object", "longer than 16384 bytes");
    let object = signing.object(&[("padding", json!("x".repeat(11_500)))]);
    assert!(object.len() > 15_500 && is_login(&signing.send_request(&[("request", &object)])));
}

#[test]
fn without_a_valid_redirect_uri_the_user_sees_an_error_page() {
    let signing = Signing::new(json!({}));
    let page = error_page(&signing.send_request(&[("request", "e30.e30.AA")]));
    assert!(page.contains("invalid_request_object"), "{page}");
    let object = signing.object(&[("redirect_uri", json!("https://evil.example/cb"))]);
    let page =
        error_page(&signing.send_request(&[("request", &object), ("redirect_uri", CALLBACK)]));
    assert!(page.contains("redirect_uri"), "{page}");
}

#[test]
fn an_error_goes_to_the_signed_redirect_uri() {
    let signing = Signing::new(json!({}));
    let object = signing.object(&[("scope", json!("unheard-of"))]);
    let answer = answer(&signing.send_request(&[("request", &object)]), CALLBACK);
    assert_eq!((&*answer["error"], &*answer["state"]), ("invalid_scope", "signed state"));
    let sql = "SELECT count(*) FROM authorization_requests WHERE answered_by IS NULL";
    let stored: i64 =
        signing.provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 0, "the request has its response");
}

#[test]
fn a_client_may_require_signed_requests_and_one_algorithm() {
    let rsa = Signer::new("RS256", None, 0);
    let keys = json!({ "keys": [Signer::new("ES256", None, 0).jwk(), rsa.jwk()] });
    let signing = Signing::new(json!({
        "jwks": keys, "request_object_signing_alg": "RS256", "require_signed_request_object": true,
    }));
    let object = signing.object(&[]);
    assert_refused(&signing, &object, "invalid_request_object", "request_object_signing_alg");
    assert!(is_login(&signing.send_request(&[("request", &rsa.sign(&signing.claims(&[])))])));
    let response = Browser::new(&signing.provider).get(&signing.client.authorize(&[]));
    let answer = answer(&response, CALLBACK);
    assert_eq!(answer["error"], "invalid_request");
    assert!(answer["error_description"].contains("signed"), "{answer:?}");
}

#[test]
fn a_request_object_may_expire_during_the_sign_in() {
    let signing = Signing::new(json!({}));
    let object = signing.object(&[("exp", json!(signing.provider.now.get() + 10))]);
    let browser = Browser::new(&signing.provider);
    let page = browser.get(&signing.target(&[("request", &object)]));
    signing.provider.sleep(600);
    let response = browser.agree(page, "alice@example.com");
    assert!(answer(&response, CALLBACK).contains_key("code"));
}

#[test]
fn a_signed_request_may_be_sent_by_post() {
    let signing = Signing::new(json!({}));
    let browser = Browser::new(&signing.provider);
    let object = signing.object(&[]);
    let response = browser.post("/auth/authorize", &[("client_id", "app"), ("request", &object)]);
    let response = browser.agree(browser.follow(response), "alice@example.com");
    assert_eq!(answer(&response, CALLBACK)["state"], "signed state");
    let response =
        browser.post("/auth/authorize", &[("client_id", "app"), ("request", "e30.e30.AA")]);
    assert!(error_page(&response).contains("invalid_request_object"));
}

#[test]
fn a_request_object_is_fetched_from_a_registered_uri() {
    for media_type in ["application/oauth-authz-req+jwt", "application/jwt", "application/jose"] {
        let signing = Signing::new(json!({ "request_uris": [format!("{REQUEST_URI}#4b1f")] }));
        signing.serve(200, media_type, format!("{}\n", signing.object(&[])));
        signing.provider.platform.take_counts();
        let uri = format!("{REQUEST_URI}#another");
        assert_eq!(flow(&signing, &[("request_uri", &uri)])["nonce"], "signed nonce");
        assert_eq!(
            signing.provider.platform.take_counts().fetches,
            1,
            "the object is stored during the sign-in"
        );
    }
}

#[test]
fn an_unregistered_request_uri_or_invalid_document_is_refused() {
    let signing = Signing::new(json!({}));
    let outer = [("redirect_uri", CALLBACK), ("state", "outer")];
    let refusal = |uri: &str| {
        let mut all = vec![("request_uri", uri)];
        all.extend(outer);
        let answer = answer(&signing.send_request(&all), CALLBACK);
        assert_eq!(answer["state"], "outer");
        (answer["error"].clone(), answer["error_description"].clone())
    };
    signing.provider.platform.take_counts();
    for uri in [
        "https://app.example/requests/2",
        "https://app.example/requests/1?",
        "https://APP.example/requests/1",
        "http://app.example/requests/1",
        "https://127.0.0.1/requests/1",
        "urn:ietf:params:oauth:request",
        "e30.e30.AA",
    ] {
        let (code, words) = refusal(uri);
        assert_eq!(code, "invalid_request_uri", "{uri}");
        assert!(words.contains("registered"), "{words}");
    }
    assert_eq!(signing.provider.platform.take_counts().fetches, 0);

    // OpenID Connect Core section 3.1.2.6: also for a request_uri that returns an error.
    let (code, words) = refusal(REQUEST_URI);
    assert_eq!(code, "invalid_request_uri", "no document is served there");
    assert!(words.contains("try again later"), "{words}");
    let good = signing.object(&[]);
    for (status, media_type, text) in [
        (404, "application/jwt", good.clone()),
        (302, "application/jwt", good.clone()),
        (200, "text/html", good.clone()),
        (200, "", good.clone()),
        (200, "application/jwt", " ".repeat(65_537)),
        (500, "application/jwt", good.clone()),
    ] {
        signing.serve(status, media_type, text);
        assert_eq!(refusal(REQUEST_URI).0, "invalid_request_uri", "{status} {media_type}");
    }
    signing.serve(200, "application/jwt", "e30.e30.AA".into());
    assert_eq!(refusal(REQUEST_URI).0, "invalid_request_uri", "it was fetched a moment ago");
    signing.provider.sleep(FETCH_RETRY_SECONDS);
    assert_eq!(refusal(REQUEST_URI).0, "invalid_request_object");
}

/// Anybody can open a link with a `request_uri` again and again.
#[test]
fn a_request_uri_is_fetched_once_in_ten_seconds() {
    for is_up in [true, false] {
        let signing = Signing::new(json!({}));
        // Each stored request draws slots of its own.
        signing.provider.has_entropy.set(true);
        if is_up {
            signing.serve_object(signing.object(&[]));
        }
        let target = signing.target(&[("request_uri", REQUEST_URI), ("redirect_uri", CALLBACK)]);
        for fetched in [1, 0, 1] {
            signing.provider.platform.take_counts();
            let requests = (0..60).map(|_| get(&target)).collect();
            let responses = signing.provider.send_together(requests);
            for response in responses {
                // The object is verified and stored for each user.
                assert_eq!(response.body.contains("password"), is_up, "{}", response.body);
            }
            assert_eq!(signing.provider.platform.take_counts().fetches, fetched, "{is_up}");
            signing.provider.sleep(REQUEST_OBJECT_COPY_SECONDS / 2);
        }
    }
}

#[test]
fn fetches_of_request_objects_are_rate_limited() {
    let signing = Signing::new(json!({}));
    signing.serve_object(signing.object(&[("iat", json!(signing.provider.now.get()))]));
    signing.provider.platform.take_counts();
    signing.provider.platform.rate_limit.set(Some(2));
    let outer = [("request_uri", REQUEST_URI), ("redirect_uri", CALLBACK)];
    for _ in 0..2 {
        assert!(is_login(&signing.send_request(&outer)));
        signing.provider.sleep(REQUEST_OBJECT_COPY_SECONDS);
    }
    assert_eq!(answer(&signing.send_request(&outer), CALLBACK)["error"], "temporarily_unavailable");
    assert_eq!(signing.provider.platform.take_counts().fetches, 2);
}

#[test]
fn a_request_signed_with_a_rotated_key_is_accepted() {
    let signing = Signing::new(json!({}));
    let (old, new) = (Signer::new("ES256", Some("a"), 2), Signer::new("ES256", Some("b"), 3));
    let uri = "https://app.example/jwks.json";
    signing.provider.put_client_with("app", json!({ "jwks_uri": uri }));
    let serve = |signer: &Signer| {
        let text = signer.jwks().to_string();
        let document = Document {
            status: 200,
            media_type: "application/json".into(),
            text: Some(text),
            caching: Default::default(),
        };
        signing.provider.platform.web.borrow_mut().insert(uri.into(), document);
    };
    let send_request =
        |signer: &Signer| signing.send_request(&[("request", &signer.sign(&signing.claims(&[])))]);
    serve(&old);
    assert!(is_login(&send_request(&old)));
    serve(&new);
    signing.provider.sleep(postern::lifetimes::CLIENT_KEYS_PAUSE_SECONDS);
    assert!(is_login(&send_request(&new)));
    assert!(error_page(&send_request(&old)).contains("invalid_request_object"));
}

#[test]
fn a_request_object_of_another_client_is_refused() {
    let signing = Signing::new(json!({}));
    let other = signing.provider.put_client_with("other", json!({}));
    let object = signing.object(&[]);
    let target =
        format!("/auth/authorize?{}", encode(&[("client_id", &*other.id), ("request", &object)]));
    assert!(error_page(&signing.provider.send(get(&target))).contains("client_id"));
    let claims = signing.claims(&[("client_id", json!("other")), ("iss", json!("other"))]);
    let object = signing.signer.sign(&claims);
    let target =
        format!("/auth/authorize?{}", encode(&[("client_id", "other"), ("request", &object)]));
    assert!(error_page(&signing.provider.send(get(&target))).contains("must not fetch"));
    let response =
        signing.provider.send(post("/auth/authorize").form(&encode(&[("request", &object)])));
    assert!(error_page(&response).contains("missing parameter: client_id"));
}

/// Postern's forms carry verified parameters, so a form with an object is forged.
#[test]
fn a_forged_form_with_a_request_object_is_refused() {
    let signing = Signing::new(json!({}));
    let client = signing.provider.put_client_with("trusted", json!({ "trusted": true }));
    let browser = Browser::new(&signing.provider);
    browser.authorize(&client, "alice@example.com", &[]);
    for (name, value) in [("request", "e30.e30.AA"), ("request_uri", REQUEST_URI)] {
        let query = client.authorize_query(&[(name, value)]);
        for (path, field) in
            [("/auth/consent", ("decision", "allow")), ("/auth/login", ("login", "x"))]
        {
            let response = browser.post(path, &[("request", &query), ("token", "x"), field]);
            let answer = answer(&response, CALLBACK);
            assert_eq!(answer.get("error").map(String::as_str), Some("invalid_request"), "{path}");
        }
    }
}

#[test]
fn a_list_of_resources_must_contain_strings() {
    let signing = Signing::new(json!({}));
    for resource in [json!([1]), json!([{}]), json!(["urn:x", null]), json!([""]), json!([])] {
        let object = signing.object(&[("resource", resource)]);
        assert_refused(&signing, &object, "invalid_request_object", "resource");
    }
}
