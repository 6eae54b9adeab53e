//! The audience of client assertions and request objects: libraries put a slash behind an issuer without a path.

use crate::browser::{Browser, CALLBACK, encode, is_login};
use crate::client_assertions::{NO_CODE, assert_authenticated, assert_refused};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider};
use serde_json::{Value, json};

/// A provider with the client `app`, which signs its assertions and its request objects.
fn provider_with_client(signer: &Signer) -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_signing("app", json!({ "jwks": signer.jwks() }));
    provider
}

/// Asserts whether an assertion with this audience authenticates the client, and a request object with it is taken.
#[track_caller]
fn assert_audience(provider: &TestProvider, signer: &Signer, aud: &Value, is_taken: bool) {
    let mut claims = signer.claims(provider, "app");
    claims["aud"] = aud.clone();
    let response = provider.token_by(&signer.sign(&claims), &NO_CODE);
    if is_taken {
        assert_authenticated(&response);
    } else {
        assert_refused(&response, "aud must be this provider alone");
    }

    let object = signer.sign(&json!({
        "iss": "app", "aud": aud, "client_id": "app", "redirect_uri": CALLBACK,
        "response_type": "code", "scope": "openid", "iat": provider.now.get(),
    }));
    let query = encode(&[
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("request", &object),
    ]);
    let page = Browser::new(provider).get(&format!("/auth/authorize?{query}"));
    assert_eq!(is_login(&page), is_taken, "{aud}: {} {}", page.status, page.body);
}

#[test]
fn the_audience_may_be_the_issuer_with_a_slash_behind_it() {
    let signer = Signer::new("ES256", None, 0);
    let provider = provider_with_client(&signer);
    for aud in [json!(ISSUER), json!(format!("{ISSUER}/")), json!([format!("{ISSUER}/")])] {
        assert_audience(&provider, &signer, &aud, true);
    }
    for aud in [
        format!("{ISSUER}//"),
        format!("{ISSUER}/?"),
        format!("{ISSUER}/#"),
        format!("{ISSUER}/."),
        format!("{ISSUER}:443/"),
        format!("{ISSUER}./"),
        format!(" {ISSUER}/"),
        format!("{ISSUER}.other.example/"),
        ISSUER.replace("https:", "http:"),
        ISSUER.to_uppercase(),
        "/".to_owned(),
    ] {
        assert_audience(&provider, &signer, &json!(aud), false);
    }
}
