//! JWTs that others send, and the `claims` parameter.

use super::documents::{NAMES, few, objects, samples, texts};
use super::{assert_no_fault, assert_same, assert_status, brief, read, set, with};
use crate::admin::put_user;
use crate::browser::{
    Browser, CALLBACK, TestClient, answer, claims, encode, error_page, field, is_login,
};
use crate::hostile::forge::{Forge, THEIR_KEY, good};
use crate::hostile::seed;
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{ISSUER, NOW, TestProvider, TestResponse, get, post};
use postern::jose::json::parse_object;
use postern::ports::Document;
use postern::protocol::authorization::authorize_request::PARAMETERS;
use postern::protocol::authorization::request_object::SIZE_LIMIT;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const REQUEST_URI: &str = "https://app.example/request.jwt";

/// The document with the object added: as an unknown field, in a list, and with its fields one by one.
fn beside(document: &Value, hostile: &Value) -> Vec<Value> {
    let (document, list) = (document.clone(), json!([hostile]));
    vec![
        set(document.clone(), "note", hostile),
        set(document.clone(), "note", &list),
        with(document, hostile),
    ]
}

/// The document with each of these fields replaced by the object, and by a list that contains it.
fn instead(document: &Value, fields: &[&str], hostile: &Value) -> Vec<Value> {
    let replaced = |field: &&str| {
        let list = json!([ISSUER, hostile]);
        [set(document.clone(), field, hostile), set(document.clone(), field, &list)]
    };
    fields.iter().flat_map(replaced).collect()
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" })
}

/// A client that signs, with its key.
fn signing() -> (TestProvider, Signer, TestClient) {
    let provider = TestProvider::with_keys();
    let signer = Signer::new("ES256", Some("key-1"), 0);
    let fields = json!({ "jwks": signer.jwks(), "request_uris": [REQUEST_URI], "trusted": true });
    let client = provider.put_signing("app", fields);
    (provider, signer, client)
}

#[test]
fn an_assertion_may_contain_an_object_only_as_unknown_content() {
    let (provider, signer, _) = signing();
    let no_code =
        [("grant_type", "authorization_code"), ("code", "none"), ("redirect_uri", CALLBACK)];
    let present = |header: &Value, claims: &Value| {
        let assertion = signer.sign_under(header, claims);
        let response = provider.token_by(&assertion, &no_code);
        assert_no_fault(&response, claims);
        response
    };
    for hostile in few() {
        let assertion = || signer.claims(&provider, "app");
        let claims = beside(&assertion(), &hostile)
            .into_iter()
            .map(|claims| (header(), set(claims, "jti", &assertion()["jti"])));
        let headers = beside(&header(), &hostile).into_iter().map(|header| (header, assertion()));
        for (header, claims) in claims.chain(headers) {
            let response = present(&header, &claims);
            let what = json!([header, claims]);
            assert_status(&response, 400, &what);
            assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", brief(&what));
        }
        let fields = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
        let claims = instead(&assertion(), &fields, &hostile);
        let claims = claims.into_iter().map(|claims| (header(), claims));
        let headers = instead(&header(), &["alg", "typ", "kid", "crit"], &hostile);
        let headers = headers.into_iter().map(|header| (header, assertion()));
        for (header, claims) in claims.chain(headers) {
            let response = present(&header, &claims);
            let what = json!([header, claims]);
            assert_status(&response, 401, &what);
            assert_eq!(response.error().as_deref(), Some("invalid_client"), "{}", brief(&what));
        }
    }
}

#[test]
fn a_signed_request_may_contain_an_unknown_object() {
    let (provider, signer, client) = signing();
    let browser = Browser::new(&provider);
    for hostile in samples() {
        let headers = beside(&header(), &hostile).into_iter().map(|header| (header, request()));
        let claims = beside(&request(), &hostile).into_iter().map(|claims| (header(), claims));
        let requested = json!({ "userinfo": { "groups": hostile } });
        let with_claims = (header(), set(request(), "claims", &requested));
        for (header, claims) in headers.chain(claims).chain([with_claims]) {
            let object = signer.sign_under(&header, &claims);
            if object.len() > SIZE_LIMIT {
                continue;
            }
            let is_good = may_be_stored(&claims);
            for response in ways(&provider, &browser, &client, &signer, &object) {
                assert_no_fault(&response, &claims);
                assert_eq!(
                    is_login(&response),
                    is_good,
                    "{}: {} {}",
                    brief(json!([header, claims])),
                    response.status,
                    brief(&response.body)
                );
            }
        }
    }
}

/// Whether the parameters of a request object are within the size limit of stored requests.
fn may_be_stored(request: &Value) -> bool {
    let mut stored = form_urlencoded::Serializer::new(String::new());
    for name in PARAMETERS {
        match &request[name] {
            Value::Null => {}
            Value::String(text) => drop(stored.append_pair(name, text)),
            other => drop(stored.append_pair(name, &other.to_string())),
        }
    }
    stored.finish().len() <= 8_192
}

/// The claims of a valid request object.
fn request() -> Value {
    json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": CALLBACK,
        "response_type": "code", "scope": "openid groups", "iat": NOW,
    })
}

/// The responses to a request object that is sent by value, by POST, by reference and pushed.
fn ways(
    provider: &TestProvider,
    browser: &Browser,
    client: &TestClient,
    signer: &Signer,
    object: &str,
) -> Vec<TestResponse> {
    let client_id = ("client_id", client.id.as_str());
    let target = |parameter| format!("/auth/authorize?{}", encode(&[client_id, parameter]));
    let by_value = browser.get(&target(("request", object)));
    let by_form =
        browser.follow(browser.post("/auth/authorize", &[client_id, ("request", object)]));

    let media_type = "application/oauth-authz-req+jwt".into();
    let document = Document {
        status: 200,
        media_type,
        text: Some(object.to_owned()),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(REQUEST_URI.into(), document);
    // An isolate remembers the object before.
    provider.new_isolate();
    let by_reference = browser.get(&target(("request_uri", REQUEST_URI)));

    let assertion = signer.assertion(provider, &client.id);
    let pushed = provider.send(by_assertion(&assertion, &[("request", object)]).at("/auth/par"));
    let opened = match pushed.status {
        201 => {
            let uri = read(&pushed)["request_uri"].as_str().unwrap().to_owned();
            browser.follow(browser.get(&target(("request_uri", &uri))))
        }
        _ => pushed,
    };
    vec![by_value, by_form, by_reference, opened]
}

#[test]
fn an_object_in_place_of_a_signed_parameter_causes_no_fault() {
    let (provider, signer, client) = signing();
    let browser = Browser::new(&provider);
    let mut refused = 0;
    for hostile in few() {
        let fields = [
            "iss",
            "sub",
            "aud",
            "exp",
            "nbf",
            "iat",
            "jti",
            "client_id",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
            "nonce",
            "max_age",
            "claims",
            "resource",
            "prompt",
            "login_hint",
            "id_token_hint",
            "ui_locales",
            "code_challenge",
            "code_challenge_method",
            "response_mode",
            "display",
            "acr_values",
            "request",
            "request_uri",
            "registration",
        ];
        let claims = fields.map(|field| (header(), set(request(), field, &hostile)));
        let headers = ["alg", "typ", "kid", "crit"];
        let headers = headers.map(|field| (set(header(), field, &hostile), request()));
        for (header, claims) in claims.into_iter().chain(headers) {
            let object = signer.sign_under(&header, &claims);
            let response = browser.get(&format!(
                "/auth/authorize?{}",
                encode(&[("client_id", &client.id), ("request", &object)])
            ));
            assert_no_fault(&response, &json!([header, claims]));
            refused += usize::from(response.status >= 400);
        }
    }
    assert!(refused >= 10, "{refused} were refused on a page");
}

/// A request object may contain parameters that are not strings; they are passed on as JSON.
#[test]
fn an_object_for_state_or_nonce_is_returned_as_its_json() {
    let (provider, signer, client) = signing();
    provider.put_alice_with_password();
    let browser = Browser::new(&provider);
    for name in NAMES {
        for hostile in [objects(name, 1, "[["), texts(name, 3, "[["), objects(name, 45, "[1]")] {
            let claims = set(set(request(), "state", &hostile), "nonce", &hostile);
            let object = signer.sign_under(&header(), &claims);
            let query = encode(&[("client_id", &client.id), ("request", &object)]);
            let response = browser.agree(browser.get(&format!("/auth/authorize?{query}")), LOGIN);
            let answer = answer(&response, CALLBACK);
            let json = |text: &str| Value::Object(parse_object(text.as_bytes()).unwrap());
            assert_same(&json(&answer["state"]), &hostile);
            let parameters = [
                ("grant_type", "authorization_code"),
                ("code", &*answer["code"]),
                ("redirect_uri", CALLBACK),
            ];
            let tokens = provider.token_by(&signer.assertion(&provider, "app"), &parameters);
            let id_token = claims_of(&tokens);
            assert_same(&json(id_token["nonce"].as_str().unwrap()), &hostile);
        }
    }
}

fn claims_of(tokens: &TestResponse) -> Value {
    claims(&field(tokens, "id_token"))
}

#[test]
fn an_access_token_may_contain_an_object_only_as_unknown_content() {
    let provider = TestProvider::new();
    for sql in seed() {
        provider.platform.primary.execute(&sql, ()).unwrap();
    }
    let present = |token: &str, what: &Value| {
        let response = provider.send(get("/auth/userinfo").bearer(token));
        assert_no_fault(&response, what);
        response
    };
    for hostile in few() {
        for token in with_everywhere(&good(), &hostile) {
            let forged = present(&token.clone().key(THEIR_KEY).sign(), &hostile);
            assert_status(&forged, 401, &hostile);
            let token = token.sign();
            let response = present(&token, &hostile);
            assert_status(&response, if token.len() > 8_192 { 401 } else { 200 }, &hostile);
            assert_eq!(response.body.contains("longer than 8192 bytes"), token.len() > 8_192);
        }
        for claim in
            ["iss", "sub", "aud", "client_id", "grant_id", "scope", "jti", "iat", "exp", "nbf"]
        {
            for value in [hostile.clone(), json!([ISSUER, hostile])] {
                assert_status(
                    &present(&good().claim(claim, value).sign(), &hostile),
                    401,
                    &hostile,
                );
            }
        }
        for field in ["alg", "typ", "kid", "crit"] {
            let token = good().header(field, hostile.clone()).sign();
            assert_status(&present(&token, &hostile), 401, &hostile);
        }
    }
}

#[test]
fn an_id_token_hint_may_contain_an_unknown_object() {
    let provider = TestProvider::new();
    for sql in seed() {
        provider.platform.primary.execute(&sql, ()).unwrap();
    }
    let client = provider.put_app();
    let hint = || {
        good().header("typ", json!("JWT")).claim("aud", json!("app")).claim("auth_time", json!(1))
    };
    let send_request = |forge: Forge| {
        let hint = forge.sign();
        let response = Browser::new(&provider).get(&client.authorize(&[("id_token_hint", &hint)]));
        assert_no_fault(&response, &json!(hint));
        response
    };
    for hostile in few() {
        for forge in with_everywhere(&hint(), &hostile) {
            assert!(is_login(&send_request(forge.clone())), "{}", brief(&hostile));
            let response = send_request(forge.key(THEIR_KEY));
            assert_eq!(
                answer(&response, CALLBACK)["error"],
                "invalid_request",
                "{}",
                brief(&hostile)
            );
        }
        // Without a `kid`, or of another issuer or client, an ID token counts as no hint.
        assert!(is_login(&send_request(hint().header("kid", hostile.clone()))));
        for field in ["alg", "typ"] {
            let response = send_request(hint().header(field, hostile.clone()));
            assert_eq!(answer(&response, CALLBACK)["error"], "invalid_request", "{field}");
        }
        for claim in ["iss", "aud"] {
            assert!(is_login(&send_request(hint().claim(claim, hostile.clone()))), "{claim}");
        }
        let response = send_request(hint().claim("sub", hostile.clone()));
        assert_eq!(answer(&response, CALLBACK)["error"], "invalid_request");
    }
}

/// The token with the object added to its claims and to its header: as an unknown field, in a list, and with
/// its fields one by one.
fn with_everywhere(token: &Forge, hostile: &Value) -> Vec<Forge> {
    let fields = || hostile.as_object().unwrap().iter();
    let claims =
        fields().fold(token.clone(), |token, (name, value)| token.claim(name, value.clone()));
    let header =
        fields().fold(token.clone(), |token, (name, value)| token.header(name, value.clone()));
    let list = json!([hostile]);
    let (token, value) = (|| token.clone(), hostile.clone());
    vec![
        token().claim("note", list),
        token().claim("note", value.clone()),
        token().header("note", value),
        claims,
        header,
    ]
}

#[test]
fn the_claims_parameter_may_contain_an_unknown_object() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let groups = texts(NAMES[0], 3, "[[");
    let user = json!({ "login": LOGIN, "claims": { "groups": groups } });
    assert_status(&put_user(&provider, "alice", &user), 200, &groups);
    let client = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    let mut accepted = 0;
    for hostile in few() {
        let request = json!({ "groups": hostile });
        // A claim is requested with null or with an object, which may have unknown fields.
        let is_request =
            hostile.as_object().unwrap().values().all(|v| v.is_null() || v.is_object());
        let everywhere = with(json!({ "groups": null }), &hostile);
        for (claims, is_good) in [
            (json!({ "id_token": request, "userinfo": request }), true),
            (with(json!({ "id_token": request, "userinfo": request }), &hostile), true),
            (json!({ "id_token": everywhere, "userinfo": everywhere }), is_request),
            (json!({ "id_token": hostile, "userinfo": request }), is_request),
            (json!({ "id_token": { "sub": { "value": hostile } } }), false),
            (json!({ "id_token": { "sub": { "values": [hostile] } } }), false),
            (json!({ "userinfo": { "acr": { "essential": true, "value": hostile } } }), false),
            (json!({ "userinfo": { "acr": { "essential": hostile } } }), false),
            (json!({ "userinfo": [hostile] }), false),
            (json!([hostile]), false),
        ] {
            let text = claims.to_string();
            let parameters = [("scope", "openid"), ("claims", &*text)];
            let target = client.authorize(&parameters);
            if target.len() > "/auth/authorize?".len() + 15_360 {
                assert_status(&browser.get(&target), 414, &claims);
                continue;
            }
            if !is_good {
                let response = browser.get(&target);
                assert_status(&response, 303, &claims);
                assert_eq!(
                    answer(&response, CALLBACK)["error"],
                    "invalid_request",
                    "{}",
                    brief(&claims)
                );
                continue;
            }
            let tokens = provider.redeem(&client, &browser.authorize(&client, LOGIN, &parameters));
            assert_status(&tokens, 200, &claims);
            let response =
                provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
            assert_status(&response, 200, &claims);
            assert_same(&read(&response), &json!({ "sub": "alice", "groups": groups }));
            accepted += 1;
        }
    }
    assert!(accepted > 10, "{accepted} were accepted");
}

#[test]
fn a_request_object_without_a_client_id_is_refused_on_a_page() {
    let (provider, signer, _) = signing();
    for hostile in few() {
        let object = signer.sign_under(&header(), &json!({ "client_id": hostile }));
        let query = encode(&[("client_id", "app"), ("request", &object)]);
        let response = provider.send(get(&format!("/auth/authorize?{query}")));
        assert_status(&response, 400, &hostile);
        assert!(error_page(&response).contains("invalid_request_object"));
        let response = provider.send(post("/auth/authorize").form(&query));
        assert_status(&response, 400, &hostile);
    }
}
