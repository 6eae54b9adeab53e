//! The requests of the specifications' examples, byte for byte except for codes that only this provider can have made.

use postern::ports::Document;
use postern::secret::hash;
use serde_json::{Value, json};

use super::read;
use crate::browser::{
    Browser, CHALLENGE, TestClient, VERIFIER, answer, claims, error_page, header, is_login,
};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, get, post, variables_with,
};

const LOGIN: &str = "alice@example.com";
/// The credentials `s6BhdRkqt3:gX1fBat3bV`, of RFC 6749 section 2.3.1.
const BASIC: &str = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW";
/// The credentials `s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw`, of RFC 6749 section 2.3.1 and RFC 9126 section 2.1.
const BASIC_OF_PAR: &str = "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3";

/// A provider with the client of the examples, which has this secret and redirect URI.
fn provider(secret: &str, redirect_uri: &str) -> (TestProvider, TestClient) {
    // The scope is that of RFC 9126 section 2.1.
    let scopes = r#"{"account-information":["account_number"]}"#;
    let provider = TestProvider::configured(variables_with("SCOPES", scopes));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let fields = json!({
        "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "client_secret_basic",
    });
    let client = provider.put_client_with("s6BhdRkqt3", fields);
    let sql = "UPDATE clients SET secret_hash = ?1 WHERE client_id = 's6BhdRkqt3'";
    assert_eq!(provider.platform.primary.execute(sql, [hash(secret)]).unwrap(), 1);
    provider.new_isolate();
    (provider, client)
}

fn by_example(path: &str, basic: &str, body: &str) -> TestRequest {
    post(path).with("authorization", basic).form(body)
}

/// The error of a response.
#[track_caller]
fn assert_error(response: &TestResponse, status: u16, error: &str) {
    assert_eq!(
        (response.status, response.json()["error"].as_str()),
        (status, Some(error)),
        "{}",
        response.body
    );
}

#[test]
fn the_sign_in_of_openid_connect_core_runs_from_its_first_request_to_userinfo() {
    let (provider, client) = provider("gX1fBat3bV", "https://client.example.org/cb");
    let browser = Browser::new(&provider);
    // Section 3.1.2.1.
    let query = "response_type=code&scope=openid%20profile%20email&client_id=s6BhdRkqt3\
                 &state=af0ifjsldkj&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb";
    let response = browser.get(&format!("/auth/authorize?{query}"));
    assert!(is_login(&response), "{}", response.body);
    let response = browser.agree(response, LOGIN);
    let mut parameters = answer(&response, &client.redirect_uri);
    assert_eq!(parameters.remove("state").as_deref(), Some("af0ifjsldkj"));
    // RFC 9207 section 2.
    assert_eq!(parameters.remove("iss").as_deref(), Some(ISSUER));
    let code = parameters.remove("code").unwrap();
    assert_eq!(parameters.len(), 0, "{parameters:?}");
    // Section 3.1.3.1, whose code is unknown.
    let body = |code: &str| {
        format!(
            "grant_type=authorization_code&code={code}\
             &redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"
        )
    };
    let unknown = by_example("/auth/token", BASIC, &body("SplxlOBeZQQYbYjS6WxSbIA"));
    assert_error(&provider.send(unknown), 400, "invalid_grant");
    let response = provider.send(by_example("/auth/token", BASIC, &body(&code)));
    assert_eq!(response.status, 200, "{}", response.body);
    let tokens = response.json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], "s6BhdRkqt3");
    // RFC 9068 section 2.1 and 2.2: the header and the required claims.
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header(access_token)["typ"], "at+jwt");
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        assert!(claims(access_token).get(claim).is_some(), "{claim}");
    }
    // RFC 6750 section 2.1.
    let request = post("/auth/userinfo").bearer(access_token);
    assert_eq!(provider.send(request).json()["sub"], "alice");
}

#[test]
fn the_verifier_of_rfc_7636_redeems_the_code_of_its_challenge_and_no_other() {
    let (provider, client) = provider("gX1fBat3bV", "https://client.example.org/cb");
    for (verifier, is_right) in [(VERIFIER, true), (CHALLENGE, false)] {
        let browser = Browser::new(&provider);
        // Appendix B.
        let challenge = [
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let code = browser.authorize(&client, LOGIN, &challenge);
        let body = format!(
            "grant_type=authorization_code&code={code}&code_verifier={verifier}\
             &redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"
        );
        let response = provider.send(by_example("/auth/token", BASIC, &body));
        assert_eq!(response.status, if is_right { 200 } else { 400 }, "{}", response.body);
    }
    assert_eq!(VERIFIER, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

#[test]
fn the_requests_of_rfc_6749_reach_what_they_are_for() {
    let (provider, _) = provider("gX1fBat3bV", "https://client.example.com/cb");
    // Section 4.1.1. The full stops are escaped, and there is no scope.
    let query = "response_type=code&client_id=s6BhdRkqt3&state=xyz\
                 &redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb";
    let response = Browser::new(&provider).get(&format!("/auth/authorize?{query}"));
    assert!(is_login(&response), "{} {:?}", response.body, response.headers);
    // Section 4.1.3.
    let body = "grant_type=authorization_code&code=SplxlOBeZQQYbYjS6WxSbIA\
                &redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb";
    assert_error(&provider.send(by_example("/auth/token", BASIC, body)), 400, "invalid_grant");
    // The same request with the other credentials of section 2.3.1 is not authenticated.
    let request = by_example("/auth/token", BASIC_OF_PAR, body);
    assert_error(&provider.send(request), 401, "invalid_client");
    // Section 6.
    let body = "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA";
    assert_error(&provider.send(by_example("/auth/token", BASIC, body)), 400, "invalid_grant");
    // Section 4.3.2: users never give a client their password. Section 4.4.2: there is no API for which a client
    // could get a token of its own.
    for body in
        ["grant_type=password&username=johndoe&password=A3ddj3w", "grant_type=client_credentials"]
    {
        let response = provider.send(by_example("/auth/token", BASIC, body));
        assert_error(&response, 400, "unsupported_grant_type");
    }
}

#[test]
fn the_requests_about_tokens_are_answered_as_for_unknown_tokens() {
    let (provider, _) = provider("gX1fBat3bV", "https://client.example.org/cb");
    // RFC 7662 section 2.1.
    for body in
        ["token=2YotnFZFEjr1zCsicMWpAA", "token=mF_9.B5f-4.1JqM&token_type_hint=access_token"]
    {
        let response = provider.send(by_example("/auth/introspect", BASIC, body));
        assert_eq!((response.status, response.json()), (200, json!({ "active": false })), "{body}");
    }
    // RFC 7009 section 2.1.
    let body = "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token";
    let response = provider.send(by_example("/auth/revoke", BASIC, body));
    assert_eq!(response.status, 200, "{}", response.body);
    // RFC 6750 section 2.1.
    let response = provider.send(post("/auth/userinfo").bearer("mF_9.B5f-4.1JqM"));
    assert_error(&response, 401, "invalid_token");
    assert!(response.header("www-authenticate").unwrap().starts_with("Bearer "));
}

#[test]
fn the_pushed_request_of_rfc_9126_gets_its_uri() {
    let (provider, _) = provider("7Fjfp0ZBr1KtDRbnfVdmIw", "https://client.example.org/cb");
    // Section 2.1, and the query of section 2.3 with the URI from the response.
    let body = "response_type=code&state=af0ifjsldkj&client_id=s6BhdRkqt3\
                &redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb\
                &code_challenge=K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t8U\
                &code_challenge_method=S256&scope=account-information";
    let response = provider.send(by_example("/auth/par", BASIC_OF_PAR, body));
    assert_eq!(response.status, 201, "{}", response.body);
    let response = response.json();
    let uri = response["request_uri"].as_str().unwrap();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{uri}");
    let target = format!("/auth/authorize?client_id=s6BhdRkqt3&request_uri={uri}");
    let browser = Browser::new(&provider);
    let response = browser.follow(browser.get(&target));
    assert!(is_login(&response), "{}", response.body);
}

#[test]
fn the_requests_of_rfc_8628_are_understood() {
    let provider = TestProvider::with_keys();
    let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    provider.put_client_with(
        "1406020730",
        json!({ "grant_types": [grant_type], "token_endpoint_auth_method": "none" }),
    );
    // Section 3.1. The scope of the example is unknown here.
    let body = "client_id=1406020730&scope=example_scope";
    let response = provider.send(post("/auth/device").form(body));
    assert_error(&response, 400, "invalid_scope");
    // Section 3.4.
    let body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
                &device_code=GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS&client_id=1406020730";
    assert_error(&provider.send(post("/auth/token").form(body)), 400, "invalid_grant");
}

#[test]
fn the_registration_of_rfc_7591_is_accepted() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    // Section 3.1.
    let body = r#"{
      "redirect_uris":[
        "https://client.example.org/callback",
        "https://client.example.org/callback2"],
      "client_name":"My Example Client",
      "client_name#ja-Jpan-JP":
         "\u30AF\u30E9\u30A4\u30A2\u30F3\u30C8\u540D",
      "token_endpoint_auth_method":"client_secret_basic",
      "logo_uri":"https://client.example.org/logo.png",
      "jwks_uri":"https://client.example.org/my_public_keys.jwks",
      "example_extension_parameter": "example_value"
     }"#;
    let response = provider.send(post("/auth/register").body("application/json", body));
    assert_eq!(response.status, 201, "{}", response.body);
    let mut expected: Value = serde_json::from_str(body).unwrap();
    // Section 2: metadata that the server does not understand is ignored.
    expected.as_object_mut().unwrap().remove("example_extension_parameter");
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&response.json()[name], value, "{name}");
    }
}

/// The request URI of RFC 9101 section 5.2.1.
const REQUEST_URI: &str =
    "https://tfp.example.org/request.jwt/GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM";

/// A provider with the issuer of the examples, and a client with the key of this vector. Its server has the JWS of the
/// vector, `change`d.
fn provider_of_signed(vector: &Value, change: impl Fn(&str) -> String) -> TestProvider {
    let mut variables = variables_with("SCOPES", r#"{"ais":["account_number"]}"#);
    variables.retain(|(name, _)| *name != "ISSUER");
    variables.push(("ISSUER", "https://server.example.com".into()));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    let fields = json!({
        "redirect_uris": ["https://client.example.org/cb"], "request_uris": [REQUEST_URI],
        "jwks": { "keys": vector["keys"] },
    });
    provider.put_client_with("s6BhdRkqt3", fields);
    let document = Document {
        status: 200,
        media_type: "application/oauth-authz-req+jwt".into(),
        text: Some(change(vector["jws"].as_str().unwrap())),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(REQUEST_URI.into(), document);
    provider
}

#[test]
fn the_signed_requests_of_the_specifications_are_verified() {
    // RFC 9101 section 5.2.2.
    let target = "/auth/authorize?client_id=s6BhdRkqt3&request_uri=https%3A%2F%2Ftfp.example.org%2Frequest.jwt\
                  %2FGkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM";
    let signed = ["RFC 9101 section 4", "draft-ietf-oauth-par-04 section 3"];
    let vectors: Vec<_> = read("rfc")
        .into_iter()
        .filter(|vector| signed.iter().any(|id| vector["id"] == *id))
        .collect();
    assert_eq!(vectors.len(), 2);
    for vector in &vectors {
        let provider = provider_of_signed(vector, str::to_owned);
        let browser = Browser::new(&provider);
        let response = browser.follow(browser.get(target));
        if vector["id"] == signed[0] {
            // The request is for `code id_token`, which is not supported. Only the signed object has the state.
            let parameters = answer(&response, "https://client.example.org/cb");
            assert_eq!(parameters["error"], "unsupported_response_type");
            assert_eq!(parameters["state"], "af0ifjsldkj");
        } else {
            assert!(is_login(&response), "{}", response.body);
        }
        // With another signature, the object is refused. Nothing of it is used, not even the redirect URI.
        let forged = |jws: &str| format!("{}AA", jws.strip_suffix(&jws[jws.len() - 2..]).unwrap());
        let provider = provider_of_signed(vector, forged);
        let response = Browser::new(&provider).get(target);
        let error = error_page(&response);
        assert!(error.contains("request object: the signature is wrong"), "{error}");
        // By value, an object must have a time, because it could be used again forever otherwise.
        let provider = provider_of_signed(vector, str::to_owned);
        let jws = vector["jws"].as_str().unwrap();
        let by_value = format!("/auth/authorize?client_id=s6BhdRkqt3&request={jws}");
        let response = Browser::new(&provider).get(&by_value);
        let error = error_page(&response);
        assert!(error.contains("request object: exp is required"), "{error}");
    }
}
