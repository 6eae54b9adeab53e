//! Registrations of real clients: fields without a value and fields without an effect are ignored.

use crate::browser::CALLBACK;
use crate::test_provider::{
    ISSUER, TestProvider, TestResponse, Variables, post, put, variables_with,
};
use serde_json::{Value, json};

pub(super) fn open() -> TestProvider {
    open_with(&[])
}

pub(super) fn open_with(more: &[(&'static str, &str)]) -> TestProvider {
    let mut all: Variables = variables_with("REGISTRATION", "open");
    all.extend(more.iter().map(|(name, text)| (*name, (*text).to_owned())));
    TestProvider::configured(all)
}

/// A valid document with these fields.
pub(super) fn document(fields: &Value) -> Value {
    let mut document = json!({ "redirect_uris": [CALLBACK] });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    document
}

pub(super) fn register(provider: &TestProvider, fields: &Value) -> TestResponse {
    provider.send(post("/auth/register").json(&document(fields)))
}

/// Sends a document by each of the three ways in: as a registration, as an update of one, and as the operator.
pub(super) fn by_each_way(provider: &TestProvider, fields: &Value) -> Vec<TestResponse> {
    let registered = register(provider, &json!({})).json();
    let path = registered["registration_client_uri"].as_str().unwrap().to_owned();
    let token = registered["registration_access_token"].as_str().unwrap();
    let mut update = document(fields);
    update["client_id"] = registered["client_id"].clone();
    let update = put(path.strip_prefix(ISSUER).unwrap()).bearer(token).json(&update);
    let operators = put("/admin/clients/app").by_operator().json(&document(fields));
    vec![register(provider, fields), provider.send(update), provider.send(operators)]
}

/// What a response says about the parts that are not in force: in its header, or in the operator's document.
pub(super) fn warnings(response: &TestResponse) -> String {
    let document = response.json();
    let listed = document["warnings"].as_array();
    let listed = listed.map(|texts| {
        let texts: Vec<_> = texts.iter().map(|text| text.as_str().unwrap()).collect();
        texts.join("; ")
    });
    let header = response.header("postern-warning").map(str::to_owned);
    assert!(header.is_none() || response.log["description"] == header.clone().unwrap());
    assert!(response.log.get("notes").is_none(), "no fault of the provider");
    listed.or(header).unwrap_or_default()
}

/// Asserts that each way in takes a document, and states that these fields are in force.
#[track_caller]
pub(super) fn assert_taken(
    provider: &TestProvider,
    fields: &Value,
    in_force: &Value,
    named: &[&str],
) {
    for response in by_each_way(provider, fields) {
        assert!(matches!(response.status, 200 | 201), "{fields}: {}", response.body);
        for (field, value) in in_force.as_object().unwrap() {
            assert_eq!(&response.json()[field], value, "{fields}: {field}");
        }
        let warnings = warnings(&response);
        assert_eq!(warnings.is_empty(), named.is_empty(), "{warnings}");
        for name in named {
            assert!(warnings.contains(name), "{fields}: {warnings}");
        }
    }
}

/// Asserts that each way in refuses a document, with a description that contains these words.
#[track_caller]
pub(super) fn assert_refused(provider: &TestProvider, fields: &Value, words: &str) {
    for response in by_each_way(provider, fields) {
        assert_eq!(response.status, 400, "{fields}: {}", response.body);
        let description = response.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.contains(words), "{fields}: {description}");
    }
}

#[test]
fn a_field_without_a_value_is_as_if_it_was_left_out() {
    let provider = open();
    let default = by_each_way(&provider, &json!({}));
    // MCP Inspector and serializers that write every field.
    for empty in [json!(null), json!(""), json!(" \n"), json!([])] {
        let mut fields = json!({});
        for field in [
            "application_type",
            "client_name",
            "client_name#ja",
            "client_uri",
            "contacts",
            "default_max_age",
            "dpop_bound_access_tokens",
            "grant_types",
            "id_token_encrypted_response_alg",
            "id_token_signed_response_alg",
            "jwks",
            "jwks_uri",
            "logo_uri",
            "policy_uri#fr",
            "request_uris",
            "require_auth_time",
            "response_types",
            "scope",
            "sector_identifier_uri",
            "software_id",
            "software_statement",
            "subject_type",
            "tls_client_auth_san_dns",
            "token_endpoint_auth_method",
            "token_endpoint_auth_signing_alg",
            "tos_uri",
            "trusted",
            "userinfo_signed_response_alg",
            // Fields of the response, which an update must not have, and the optional secret.
            "client_secret",
            "client_secret_expires_at",
            "client_id_issued_at",
            "registration_access_token",
            "registration_client_uri",
        ] {
            fields[field] = empty.clone();
        }
        let mut responses = by_each_way(&provider, &fields);
        for (response, default) in responses.iter_mut().zip(&default) {
            assert_eq!(response.status, default.status, "{empty}: {}", response.body);
            assert_eq!(warnings(response), "");
            let (mut left, mut right) = (response.json(), default.json());
            for own in [
                "client_id",
                "client_secret",
                "registration_access_token",
                "registration_client_uri",
            ] {
                left.as_object_mut().unwrap().remove(own);
                right.as_object_mut().unwrap().remove(own);
            }
            assert_eq!(left, right, "{empty}");
        }
    }
    assert_refused(
        &provider,
        &json!({ "redirect_uris": [] }),
        "redirect_uris: must be an array of 1",
    );
    assert_refused(
        &provider,
        &json!({ "redirect_uris": null }),
        "redirect_uris: must be an array of 1",
    );
    assert_refused(&provider, &json!({ "scope": "openid\temail" }), "scope: must be scope tokens");
}

#[test]
fn null_deletes_a_field_in_an_update() {
    let provider = open();
    let registered = register(
        &provider,
        &json!({ "client_name": "App", "client_name#ja": "アプリ", "tos_uri": "https://app.example/" }),
    )
    .json();
    let path = registered["registration_client_uri"].as_str().unwrap();
    let update = |fields: &Value| {
        let mut update = document(fields);
        update["client_id"] = registered["client_id"].clone();
        let token = registered["registration_access_token"].as_str().unwrap();
        provider.send(put(path.strip_prefix(ISSUER).unwrap()).bearer(token).json(&update))
    };
    let left =
        update(&json!({ "client_name": "App", "client_name#ja": null, "tos_uri": "" })).json();
    assert_eq!((&left["client_name"], &left["tos_uri"]), (&json!("App"), &json!(null)));
    assert!(left.get("client_name#ja").is_none());
}

#[test]
fn a_field_to_which_only_another_one_gives_a_meaning_is_ignored() {
    let provider = open();
    for (fields, named) in [
        // idpyoidc.
        (json!({ "token_endpoint_auth_signing_alg": "RS256" }), "token_endpoint_auth_signing_alg"),
        (
            json!({
                "token_endpoint_auth_method": "client_secret_post",
                "token_endpoint_auth_signing_alg": "HS512",
            }),
            "token_endpoint_auth_method is not private_key_jwt",
        ),
        (
            json!({ "token_endpoint_auth_method": "none", "token_endpoint_auth_signing_alg": 1 }),
            "token_endpoint_auth_signing_alg",
        ),
        (json!({ "tls_client_auth_subject_dn": "CN=app" }), "is not tls_client_auth"),
        (json!({ "tls_client_auth_san_uri": "https://app.example" }), "is not tls_client_auth"),
        (json!({ "id_token_encrypted_response_enc": "A256GCM" }), "of the key is not registered"),
        (json!({ "userinfo_encrypted_response_enc": "A128CBC-HS256" }), "userinfo_encrypted"),
        (json!({ "request_object_encryption_enc": "A256GCM" }), "request_object_encryption_enc"),
        (json!({ "introspection_encrypted_response_enc": "A256GCM" }), "introspection_encrypted"),
    ] {
        let (ignored, _) = fields.as_object().unwrap().iter().next_back().unwrap();
        assert_taken(&provider, &fields, &json!({ ignored: null }), &[named]);
    }
    assert_taken(
        &provider,
        &json!({ "dpop_bound_access_tokens": false }),
        &json!({ "dpop_bound_access_tokens": null }),
        &[],
    );
}

#[test]
fn a_protection_or_a_choice_that_is_not_served_is_refused() {
    let provider = open();
    for (fields, words) in [
        (json!({ "id_token_encrypted_response_alg": "RSA-OAEP-256" }), "must be left out"),
        (json!({ "userinfo_encrypted_response_alg": "ECDH-ES" }), "must be left out"),
        (json!({ "introspection_encrypted_response_alg": "RSA-OAEP" }), "must be left out"),
        (json!({ "introspection_signed_response_alg": "none" }), "must be one of ES256, RS256"),
        (json!({ "authorization_signed_response_alg": "RS256" }), "must be left out"),
        (json!({ "request_object_encryption_alg": "RSA-OAEP" }), "must be left out"),
        (json!({ "dpop_bound_access_tokens": true }), "must be false or left out"),
        (
            json!({ "tls_client_certificate_bound_access_tokens": true }),
            "must be false or left out",
        ),
        (json!({ "subject_type": "Pairwise" }), "must be one of pairwise, public"),
        (json!({ "token_endpoint_auth_method": "tls_client_auth" }), "must be one of client_"),
        (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "private_key_jwt"),
        (json!({ "id_token_signed_response_alg": "none" }), "must be one of ES256, RS256"),
        (
            json!({
                "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/k",
                "token_endpoint_auth_signing_alg": "HS256",
            }),
            "token_endpoint_auth_signing_alg: must be one of",
        ),
    ] {
        assert_refused(&provider, &fields, words);
    }
}

#[test]
fn an_unknown_application_type_is_replaced() {
    for name in ["desktop", "Web", "single_page"] {
        let named =
            format!("application_type: {name} is left out, because it is not native or web");
        let web = json!({ "application_type": "web" });
        assert_taken(&open(), &json!({ "application_type": name }), &web, &[&named]);
    }
    let app = json!({ "application_type": "mobile", "redirect_uris": ["com.example.app:/cb"] });
    assert_taken(&open(), &app, &json!({ "application_type": "native" }), &["mobile"]);
}

#[test]
fn a_warning_of_a_client_is_one_short_line_of_ascii() {
    let names = vec!["é\r\nset-cookie: a=b".repeat(20); 40];
    let mut grant_types = vec!["authorization_code".to_owned()];
    grant_types.extend(names);
    let response = register(&open(), &json!({ "grant_types": grant_types }));
    let warning = response.header("postern-warning").unwrap();
    assert!(
        warning.len() <= 300 && warning.bytes().all(|b| (0x20..0x7f).contains(&b)),
        "{warning}"
    );
    assert_eq!(response.log["client_id"], response.json()["client_id"]);
    let many: Vec<_> = (0..51).map(|n| format!("grant-{n}")).collect();
    assert_eq!(register(&open(), &json!({ "grant_types": many })).status, 400);
}
