//! Registrations, by clients and by the operator.

use super::documents::{few, hostile, samples};
use super::{assert_no_fault, assert_same, assert_status, brief, read, set, shown, with};
use crate::browser::CALLBACK;
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, put, variables_with};
use postern::ports::Document;
use serde_json::{Value, json};

const CLIENTS: &str = "/admin/clients";
const FETCHED: &str = "https://app.example/fetched.json";

/// Every metadata field.
const FIELDS: [&str; 32] = [
    "application_type",
    "client_name",
    "client_name#fr",
    "client_uri",
    "contacts",
    "default_acr_values",
    "default_max_age",
    "grant_types",
    "id_token_scope_claims",
    "id_token_signed_response_alg",
    "initiate_login_uri",
    "jwks",
    "jwks_uri",
    "logo_uri",
    "logo_uri#fr",
    "policy_uri",
    "redirect_uris",
    "request_object_signing_alg",
    "request_uris",
    "require_auth_time",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "response_types",
    "scope",
    "sector_identifier_uri",
    "software_id",
    "software_version",
    "subject_type",
    "token_endpoint_auth_method",
    "tos_uri",
    "userinfo_signed_response_alg",
    "client_id",
];

fn provider() -> TestProvider {
    TestProvider::configured(variables_with("REGISTRATION", "open"))
}

fn jwk() -> Value {
    Signer::new("ES256", Some("key-1"), 0).jwk()
}

fn document() -> Value {
    json!({ "redirect_uris": [CALLBACK] })
}

fn with_keys(jwks: Value) -> Value {
    set(document(), "jwks", &jwks)
}

/// Registrations with the object as unknown metadata, which must be ignored (RFC 7591 section 2).
fn with_unknown_metadata(hostile: &Value) -> Vec<Value> {
    vec![
        set(document(), "note", hostile),
        set(document(), "note", &json!([hostile])),
        with(document(), hostile),
    ]
}

/// JWK Sets with the object in places where it must be ignored (RFC 7517 sections 4 and 5): as an unknown
/// field of the set or of a key, and as a key that cannot be used.
fn good_sets(hostile: &Value) -> Vec<Value> {
    let good = json!({ "keys": [jwk()] });
    vec![
        set(good.clone(), "note", hostile),
        with(good, hostile),
        json!({ "keys": [set(jwk(), "note", hostile)] }),
        json!({ "keys": [with(jwk(), hostile)] }),
        json!({ "keys": [hostile, jwk()] }),
    ]
}

/// JWK Sets with the object as the value of a field that must have another type. They may be refused or
/// accepted.
fn odd_sets(hostile: &Value) -> Vec<Value> {
    let key = |changed: &str, value: &Value| json!({ "keys": [set(jwk(), changed, value)] });
    let fields = ["kty", "crv", "x", "y", "alg", "use", "kid", "key_ops", "x5c", "ext"];
    let mut sets: Vec<_> = fields.iter().map(|changed| key(changed, hostile)).collect();
    sets.push(key("key_ops", &json!(["verify", hostile])));
    sets.push(json!({ "keys": [jwk(), hostile, [hostile]] }));
    sets
}

fn register(provider: &TestProvider, document: &Value) -> TestResponse {
    provider.send(post("/auth/register").json(document))
}

/// The response to a client that registered itself.
fn registered(provider: &TestProvider) -> Value {
    let response = register(provider, &document());
    assert_eq!(response.status, 201, "{}", response.body);
    read(&response)
}

fn path_of(client: &Value) -> String {
    let uri = client["registration_client_uri"].as_str().unwrap();
    uri.strip_prefix(ISSUER).unwrap().to_owned()
}

fn token_of(client: &Value) -> &str {
    client["registration_access_token"].as_str().unwrap()
}

fn admin_path(client: &Value) -> String {
    format!("{CLIENTS}/{}", client["client_id"].as_str().unwrap())
}

/// Asserts that a client reads its registration as the response had it, and that the operator sees the same
/// keys. Returns the document that the operator gets.
#[track_caller]
fn assert_reads_back(provider: &TestProvider, stored: &Value) -> Value {
    let mut expected = stored.clone();
    expected.as_object_mut().unwrap().remove("client_secret");
    let own = provider.send(get(&path_of(stored)).bearer(token_of(stored)));
    assert_status(&own, 200, stored);
    assert_same(&read(&own), &expected);
    let client = shown(provider, &admin_path(stored));
    assert_same(&client["jwks"], &expected["jwks"]);
    client
}

/// Asserts that the operator's list has exactly these documents.
#[track_caller]
fn assert_listed(provider: &TestProvider, mut clients: Vec<Value>) {
    clients.sort_by_key(|client| client["client_id"].as_str().unwrap().to_owned());
    assert_same(&shown(provider, &format!("{CLIENTS}?limit=500")), &json!({ "clients": clients }));
}

#[test]
fn a_registration_reads_back_as_the_response_had_it() {
    for hostile in hostile() {
        let provider = provider();
        let documents = good_sets(&hostile).into_iter().map(with_keys);
        let register = |document: Value| {
            let response = register(&provider, &document);
            assert_status(&response, 201, &document);
            assert_reads_back(&provider, &read(&response))
        };
        let clients = documents.chain(with_unknown_metadata(&hostile)).map(register);
        assert_listed(&provider, clients.collect());
    }
}

#[test]
fn an_updated_registration_reads_back_as_the_response_had_it() {
    for hostile in samples() {
        let provider = provider();
        let client = registered(&provider);
        let documents = good_sets(&hostile).into_iter().map(with_keys);
        for document in documents.chain(with_unknown_metadata(&hostile)) {
            let document = set(document, "client_id", &client["client_id"]);
            let request = put(&path_of(&client)).bearer(token_of(&client));
            let response = provider.send(request.json(&document));
            assert_status(&response, 200, &document);
            assert_listed(&provider, vec![assert_reads_back(&provider, &read(&response))]);
        }
    }
}

fn without_secret(mut client: Value) -> Value {
    for secret in ["client_secret", "client_secret_expires_at"] {
        client.as_object_mut().unwrap().remove(secret);
    }
    client
}

#[test]
fn a_client_stored_by_the_operator_reads_back_and_can_be_put_again() {
    for (number, hostile) in samples().into_iter().enumerate() {
        let provider = provider();
        let mut clients = Vec::new();
        for (place, document) in good_sets(&hostile).into_iter().map(with_keys).enumerate() {
            let path = format!("{CLIENTS}/app-{number}-{place}");
            for request in [post(CLIENTS), put(&path)] {
                let response = provider.send(request.by_operator().json(&document));
                assert_status(&response, 200, &document);
                let stored = without_secret(read(&response));
                let path = admin_path(&stored);
                assert_same(&shown(&provider, &path), &stored);
                let again = provider.send(put(&path).by_operator().json(&stored));
                assert_status(&again, 200, &document);
                assert_same(&without_secret(read(&again)), &stored);
                clients.push(stored);
            }
        }
        assert_listed(&provider, clients);
    }
}

#[test]
fn a_key_with_fields_of_another_type_is_refused_or_reads_back() {
    let mut count = 0;
    for hostile in samples() {
        let provider = provider();
        let mut clients = Vec::new();
        for document in odd_sets(&hostile).into_iter().map(with_keys) {
            let response = register(&provider, &document);
            assert_no_fault(&response, &document);
            match response.status {
                201 => clients.push(assert_reads_back(&provider, &read(&response))),
                _ => assert_status(&response, 400, &document),
            }
        }
        count += clients.len();
        assert_listed(&provider, clients);
    }
    assert!(count >= 6, "{count} were registered");
}

#[test]
fn an_object_in_a_metadata_field_is_refused_and_not_stored() {
    let provider = provider();
    let client = registered(&provider);
    let before = shown(&provider, CLIENTS);
    for hostile in few() {
        for field in FIELDS {
            for value in [&hostile, &json!([hostile])] {
                let document = set(document(), field, value);
                let mut requests = vec![
                    post(CLIENTS).by_operator().json(&document),
                    put(&format!("{CLIENTS}/app")).by_operator().json(&document),
                ];
                // At registration client_id is unknown metadata.
                if field != "client_id" {
                    requests.push(post("/auth/register").json(&document));
                    let own = set(document.clone(), "client_id", &client["client_id"]);
                    requests.push(put(&path_of(&client)).bearer(token_of(&client)).json(&own));
                }
                for request in requests {
                    let response = provider.send(request);
                    assert_status(&response, 400, &document);
                    let description =
                        read(&response)["error_description"].as_str().unwrap().to_owned();
                    assert!(description.starts_with(field), "{}: {description}", brief(&document));
                }
            }
        }
    }
    assert_same(&shown(&provider, CLIENTS), &before);
}

#[test]
fn fetched_keys_verify_in_spite_of_unknown_content_of_their_set() {
    let signer = Signer::new("ES256", Some("key-1"), 0);
    let provider = TestProvider::with_keys();
    provider.put_signing("app", json!({ "jwks_uri": FETCHED }));
    let no_code =
        [("grant_type", "authorization_code"), ("code", "none"), ("redirect_uri", CALLBACK)];
    let present = |answer: &Value| {
        serve(&provider, answer);
        provider.new_isolate();
        provider.token_by(&signer.assertion(&provider, "app"), &no_code)
    };
    for hostile in few() {
        for set in good_sets(&hostile) {
            let response = present(&set);
            assert_status(&response, 400, &set);
            assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", brief(&set));
        }
        for set in odd_sets(&hostile).into_iter().chain([hostile.clone(), json!([hostile])]) {
            let response = present(&set);
            assert_no_fault(&response, &set);
            assert!(matches!(response.status, 400 | 401), "{}: {}", brief(&set), response.body);
        }
    }
}

fn serve(provider: &TestProvider, answer: &Value) {
    let text = answer.to_string();
    let document = Document {
        status: 200,
        media_type: "application/json".into(),
        text: Some(text),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(FETCHED.into(), document);
}

#[test]
fn a_sector_document_must_be_a_list() {
    let provider = provider();
    let sector = |answer: &Value| {
        serve(&provider, answer);
        // The fetches from a host are limited.
        provider.sleep(1);
        register(&provider, &set(document(), "sector_identifier_uri", &json!(FETCHED)))
    };
    let list = json!([CALLBACK]);
    let good = sector(&list);
    assert_status(&good, 201, &list);
    for name in super::NAMES {
        let (one, all) =
            (json!({ name: json!(CALLBACK).to_string() }), json!({ name: list.to_string() }));
        for answer in [all.clone(), json!([one]), json!([CALLBACK, one]), json!([[all]])] {
            assert_status(&sector(&answer), 400, &answer);
        }
    }
    for hostile in hostile() {
        for answer in [hostile.clone(), json!([hostile]), json!([CALLBACK, hostile])] {
            assert_status(&sector(&answer), 400, &answer);
        }
    }
    assert_listed(&provider, vec![shown(&provider, &admin_path(&read(&good)))]);
}
