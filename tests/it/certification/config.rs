//! The plan "Config": the provider's metadata and its keys.

use super::checks::{check_discovery, check_jwks, verified};
use super::pages::check_login_page;
use crate::browser::{Browser, TestClient, answer, encode, field, header, is_choice, is_consent};
use crate::device::GRANT_TYPE;
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, get, post, variables_with};
use serde_json::{Value, json};

/// The metadata fields that this provider may publish: OpenID Connect Discovery 1.0 section 3, RFC 8414
/// section 2, and the registry of RFC 8414 section 7.1.
const KNOWN: &str = "issuer authorization_endpoint token_endpoint userinfo_endpoint jwks_uri \
    registration_endpoint scopes_supported response_types_supported response_modes_supported \
    grant_types_supported acr_values_supported subject_types_supported \
    id_token_signing_alg_values_supported id_token_encryption_alg_values_supported \
    id_token_encryption_enc_values_supported userinfo_signing_alg_values_supported \
    userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported \
    request_object_signing_alg_values_supported request_object_encryption_alg_values_supported \
    request_object_encryption_enc_values_supported token_endpoint_auth_methods_supported \
    token_endpoint_auth_signing_alg_values_supported display_values_supported \
    claim_types_supported claims_supported service_documentation claims_locales_supported \
    ui_locales_supported claims_parameter_supported request_parameter_supported \
    request_uri_parameter_supported require_request_uri_registration op_policy_uri op_tos_uri \
    device_authorization_endpoint revocation_endpoint revocation_endpoint_auth_methods_supported \
    revocation_endpoint_auth_signing_alg_values_supported introspection_endpoint \
    introspection_endpoint_auth_methods_supported \
    introspection_endpoint_auth_signing_alg_values_supported \
    introspection_signing_alg_values_supported code_challenge_methods_supported \
    end_session_endpoint frontchannel_logout_supported frontchannel_logout_session_supported \
    client_id_metadata_document_supported prompt_values_supported \
    authorization_response_iss_parameter_supported \
    backchannel_logout_supported backchannel_logout_session_supported \
    pushed_authorization_request_endpoint require_pushed_authorization_requests";

/// The strings of a metadata field whose value is a list without duplicates.
fn list<'a>(metadata: &'a Value, field: &str) -> Vec<&'a str> {
    let list = metadata[field].as_array().unwrap_or_else(|| panic!("{field} is not a list"));
    let texts: Vec<_> = list.iter().map(|text| text.as_str().unwrap()).collect();
    assert!(!texts.is_empty(), "{field} must be left out");
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() && !texts[..index].contains(text), "{field}: {text}");
    }
    texts
}

/// Checks that a URL is below the issuer, uses https, and has no query or fragment.
fn check_url(url: &str, issuer: &str) {
    let rest = url.strip_prefix(issuer).unwrap_or_else(|| panic!("{url} is not at {issuer}"));
    assert!(url.starts_with("https://") && rest.starts_with('/'), "{url}");
    assert!(!url.contains(['?', '#', '@', ' ']), "{url}");
}

fn check_types(metadata: &Value) {
    let known: Vec<_> = KNOWN.split_whitespace().collect();
    for (field, value) in metadata.as_object().unwrap() {
        assert!(known.contains(&field.as_str()), "{field} is not known");
        match field.as_str() {
            "issuer" => {}
            url if url.ends_with("_endpoint") || url.ends_with("_uri") => {
                check_url(value.as_str().unwrap(), metadata["issuer"].as_str().unwrap());
            }
            "client_id_metadata_document_supported" => assert!(value.is_boolean()),
            flag if flag.ends_with("_parameter_supported")
                || flag.starts_with("backchannel_logout_")
                || flag.starts_with("frontchannel_logout_")
                || flag.starts_with("require_") =>
            {
                assert!(value.is_boolean(), "{flag}");
            }
            _ => assert!(!list(metadata, field).is_empty()),
        }
    }
}

fn check_metadata(provider: &TestProvider, issuer: &str) {
    // 1. The location and the issuer.
    let metadata = check_discovery(provider, issuer);
    assert!(issuer.starts_with("https://") && !issuer.contains(['?', '#', '@']), "{issuer}");

    // 2. Every metadata field is known and has its type; every endpoint is https.
    check_types(&metadata);

    // 3. The required fields.
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        assert!(metadata[endpoint].is_string(), "{endpoint} is missing");
    }
    assert!(list(&metadata, "response_types_supported").contains(&"code"));
    assert_eq!(list(&metadata, "subject_types_supported"), ["pairwise", "public"]);
    assert!(list(&metadata, "id_token_signing_alg_values_supported").contains(&"RS256"));
    assert!(list(&metadata, "grant_types_supported").contains(&"authorization_code"));
    assert!(list(&metadata, "claims_supported").contains(&"sub"));
    assert!(
        list(&metadata, "token_endpoint_auth_methods_supported").contains(&"client_secret_basic")
    );

    // 4. The fields with a syntax of their own.
    let scopes = list(&metadata, "scopes_supported");
    assert!(scopes.contains(&"openid"));
    let is_scope_character = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    assert!(scopes.iter().all(|scope| scope.bytes().all(is_scope_character)), "{scopes:?}");
    // Languages without a region are two or three lower-case letters (BCP 47).
    for tag in list(&metadata, "ui_locales_supported") {
        let is_language =
            (2..=3).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_lowercase());
        assert!(is_language, "{tag}");
    }
    assert!(list(&metadata, "code_challenge_methods_supported").contains(&"S256"));
    assert!(list(&metadata, "request_object_signing_alg_values_supported").contains(&"RS256"));

    // 5. One key for each algorithm.
    let jwks = check_jwks(provider, &metadata);
    for alg in list(&metadata, "id_token_signing_alg_values_supported") {
        assert!(jwks["keys"].as_array().unwrap().iter().any(|key| key["alg"] == alg), "{alg}");
    }
}

#[test]
fn oidcc_discovery_endpoint_verification() {
    check_metadata(&TestProvider::with_keys(), ISSUER);
}

#[test]
fn the_metadata_of_an_issuer_with_a_path_is_valid() {
    let issuer = "https://example.com:8443/tenant/a";
    let provider = TestProvider::configured(variables_with("ISSUER", issuer));
    provider.send(get("/tenant/a/auth/jwks.json"));
    check_metadata(&provider, issuer);
}

/// A provider with alice, and its metadata.
fn provider() -> (TestProvider, Value) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let metadata = check_discovery(&provider, ISSUER);
    (provider, metadata)
}

#[test]
fn every_advertised_auth_method_works_with_every_grant_type() {
    let (provider, metadata) = provider();
    let browser = Browser::new(&provider);
    let grant_types = &metadata["grant_types_supported"];
    assert_eq!(
        list(&metadata, "grant_types_supported"),
        ["authorization_code", GRANT_TYPE, "refresh_token"]
    );
    for method in list(&metadata, "token_endpoint_auth_methods_supported") {
        let signer = Signer::new("RS256", None, 0);
        let client = match method {
            "private_key_jwt" => provider
                .put_signing(method, json!({ "jwks": signer.jwks(), "grant_types": grant_types })),
            _ => provider.put_client_with(
                method,
                json!({ "token_endpoint_auth_method": method, "grant_types": grant_types }),
            ),
        };
        // A client has a secret exactly if its method uses one.
        assert_eq!(client.secret.is_some(), method.starts_with("client_secret"));
        let scope = [("scope", "openid offline_access")];
        let code = browser.authorize(&client, "alice@example.com", &scope);
        let assertion = || signer.assertion(&provider, &client.id);
        let response = match method {
            "private_key_jwt" => provider.redeem_by(&assertion(), &client, &code),
            _ => provider.redeem(&client, &code),
        };
        let refresh_token = field(&response, "refresh_token");
        let response = match method {
            "private_key_jwt" => provider.refresh_by(&assertion(), &refresh_token),
            _ => provider.refresh(&client, &refresh_token),
        };
        field(&response, "access_token");

        let send = |path: &str, parameters: &[(&str, &str)]| match method {
            "private_key_jwt" => provider.send(by_assertion(&assertion(), parameters).at(path)),
            _ => provider.send(with_credentials(&client, parameters).at(path)),
        };
        let started = send("/auth/device", &[("scope", "openid")]);
        let (device_code, user_code) =
            (field(&started, "device_code"), field(&started, "user_code"));
        let page = browser.submit(&browser.get("/device"), &[("user_code", &user_code)]);
        assert_eq!(browser.submit(&page, &[("decision", "allow")]).status, 200);
        let response =
            send("/auth/token", &[("grant_type", GRANT_TYPE), ("device_code", &device_code)]);
        field(&response, "access_token");
    }
}

/// A token request with the secret of a client, if it has one.
fn with_credentials(client: &TestClient, parameters: &[(&str, &str)]) -> TestRequest {
    let mut form = parameters.to_vec();
    form.push(("client_id", &client.id));
    form.extend(client.secret.as_ref().map(|secret| ("client_secret", secret.as_str())));
    post("/auth/token").form(&encode(&form))
}

#[test]
fn every_advertised_value_of_prompt_and_display_works() {
    let (provider, metadata) = provider();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    for display in list(&metadata, "display_values_supported") {
        browser.authorize(&app, "alice@example.com", &[("display", display)]);
    }
    for prompt in list(&metadata, "prompt_values_supported") {
        let response = browser.get(&app.authorize(&[("prompt", prompt)]));
        match prompt {
            "none" => assert!(answer(&response, &app.redirect_uri).contains_key("code")),
            "login" => check_login_page(&response),
            "consent" => assert!(is_consent(&response), "{}", response.body),
            "select_account" => assert!(is_choice(&response), "{}", response.body),
            other => panic!("prompt={other}"),
        }
    }
}

#[test]
fn every_advertised_algorithm_signs_id_tokens() {
    let (provider, metadata) = provider();
    let browser = Browser::new(&provider);
    let jwks = check_jwks(&provider, &metadata);
    for alg in list(&metadata, "id_token_signing_alg_values_supported") {
        let client = provider.put_client_with(alg, json!({ "id_token_signed_response_alg": alg }));
        let code = browser.authorize(&client, "alice@example.com", &[]);
        let id_token = field(&provider.redeem(&client, &code), "id_token");
        assert_eq!(header(&id_token)["alg"], alg);
        verified(&id_token, &jwks);
    }
}
