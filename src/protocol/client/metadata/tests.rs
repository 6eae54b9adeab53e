use super::*;
use crate::jose::json;
use crate::protocol::own_host::OwnHost;
use serde_json::json;

fn parse(document: &Value) -> Result<ClientMetadata, MetadataError> {
    let mut document = JsonObject::parse(document.to_string().as_bytes()).unwrap();
    let own_host = OwnHost::of_issuer("https://login.example.com").unwrap();
    let outbound = OutboundRules { allows_loopback: false, own_host: &own_host };
    let registrable = Registrable::by_everybody(outbound);
    let metadata = ClientMetadata::from_document(&mut document, registrable)?;
    document.end()?;
    Ok(metadata)
}

fn field_of(error: &MetadataError) -> &str {
    match error {
        MetadataError::Field(error) => &error.field,
        MetadataError::RedirectUri(error) => {
            assert!(error.field.starts_with("redirect_uris"), "{error}");
            &error.field
        }
        MetadataError::TooLarge { .. } => "",
    }
}

fn with(changed: &str, value: Value) -> Value {
    let mut document = json!({ "redirect_uris": ["https://app.example/cb"] });
    document[changed] = value;
    document
}

#[test]
fn stored_metadata_has_all_defaults() {
    let metadata = parse(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
    assert_eq!(
        serde_json::to_value(metadata).unwrap(),
        json!({
            "application_type": "web",
            "backchannel_logout_session_required": false,
            "frontchannel_logout_session_required": false,
            "grant_types": ["authorization_code"],
            "id_token_scope_claims": false,
            "id_token_signed_response_alg": "RS256",
            "redirect_uris": ["https://app.example/cb"],
            "require_auth_time": false,
            "require_pushed_authorization_requests": false,
            "require_signed_request_object": false,
            "response_types": ["code"],
            "subject_type": "public",
            "token_endpoint_auth_method": "client_secret_basic",
        })
    );
}

#[test]
fn stored_metadata_survives_a_round_trip() {
    let document = json!({
        "application_type": "native",
        "backchannel_logout_session_required": true,
        "backchannel_logout_uri": "https://app.example/backchannel",
        "frontchannel_logout_session_required": true,
        "frontchannel_logout_uri": "https://app.example/frontchannel",
        "post_logout_redirect_uris": ["com.example.app:/out", "https://app.example/out?a=b"],
        "client_name": "Äpp", "client_uri": "https://app.example",
        "contacts": ["dev@app.example"], "default_max_age": 0,
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_scope_claims": true, "id_token_signed_response_alg": "ES256",
        "logo_uri": "https://app.example/logo.png",
        "default_acr_values": ["urn:example:gold"],
        "initiate_login_uri": "https://app.example/begin",
        "localized": { "client_name#ja": "アプリ", "tos_uri#fr": "https://app.example/fr" },
        "policy_uri": "https://app.example/policy",
        "redirect_uris": ["com.example.app:/cb", "https://app.example/cb"],
        "require_auth_time": true, "require_pushed_authorization_requests": true,
        "require_signed_request_object": false, "response_types": ["code"],
        "scope": "openid email", "sector_identifier_uri": "https://app.example/sector",
        "software_id": "4NRB1", "software_version": "2.1", "subject_type": "pairwise",
        "userinfo_signed_response_alg": "ES256",
        "token_endpoint_auth_method": "none", "tos_uri": "https://app.example/tos",
    });
    let mut given = document.clone();
    let localized = given.as_object_mut().unwrap().remove("localized").unwrap();
    given.as_object_mut().unwrap().extend(localized.as_object().unwrap().clone());
    let metadata = parse(&given).unwrap();
    assert!(!metadata.is_confidential());
    assert_eq!(Value::from(metadata.to_document().unwrap()), given);
    let written = serde_json::to_value(&metadata).unwrap();
    assert_eq!(written, document);
    assert_eq!(json::from_parsed::<ClientMetadata>(written).unwrap(), metadata);
}

#[test]
fn a_post_logout_redirect_uri_that_breaks_a_rule_is_left_out() {
    let kept = ["https://app.example/out", "http://localhost:8080/", "com.example.app:/out"];
    for left_out in [
        "http://app.example/out",
        "javascript:alert(1)",
        "data:text/html,x",
        "/out",
        "https://app.example/out#fragment",
        "https://*.app.example/out",
        "https://login.example.com/out",
        "https://app.example/\\evil.example",
        "https://user@app.example/out",
    ] {
        let uris = [kept[0], left_out, kept[1], kept[0], kept[2]];
        let metadata = parse(&with("post_logout_redirect_uris", json!(uris))).unwrap();
        assert_eq!(metadata.post_logout_redirect_uris, kept, "{left_out}");
    }
}

#[test]
fn an_error_names_the_invalid_field() {
    for (changed, value) in [
        ("redirect_uris", json!([])),
        ("redirect_uris", json!("https://app.example/cb")),
        ("redirect_uris", json!([1])),
        ("redirect_uris", json!(null)),
        ("redirect_uris", json!(["http://app.example/cb"])),
        ("redirect_uris", json!(["desk:/cb", "urn:ietf:wg:oauth:2.0:oob"])),
        ("application_type", json!(1)),
        ("client_name", json!(1)),
        ("client_name#fr", json!(1)),
        ("client_uri", json!(1)),
        ("logo_uri#fr", json!(1)),
        ("contacts", json!(["nobody"])),
        ("contacts", json!("dev@app.example")),
        ("client_name#", json!("App")),
        ("client_name#a_b", json!("App")),
        ("localized", json!({ "client_name#ja": "x" })),
        ("default_acr_values", json!("gold")),
        ("default_acr_values", json!([""])),
        ("scope", json!("openid\temail")),
        ("software_id", json!(1)),
        ("default_max_age", json!(-1)),
        ("default_max_age", json!("60")),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["refresh_token"])),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("require_auth_time", json!("true")),
        ("response_types", json!(["token"])),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("jwks", json!({ "keys": [] })),
        ("jwks", json!("{}")),
        ("jwks_uri", json!("http://app.example/jwks")),
        ("jwks_uri", json!("https://127.0.0.1/jwks")),
        ("jwks_uri", json!(["https://app.example/jwks"])),
        ("redirect_uris", json!(["https://login.example.com/auth/authorize"])),
        ("initiate_login_uri", json!("https://LOGIN.example.com/auth/authorize")),
        ("jwks_uri", json!("https://login.example.com:8443/jwks")),
        ("logo_uri", json!("https://login.example.com/logo.png")),
        ("logo_uri#fr", json!("http://login.example.com/logo.png")),
        ("backchannel_logout_uri", json!("http://app.example/out")),
        ("backchannel_logout_uri", json!("https://10.0.0.1/out")),
        ("backchannel_logout_uri", json!("https://login.example.com/out")),
        ("backchannel_logout_session_required", json!("yes")),
        ("frontchannel_logout_uri", json!("https://other.example/out")),
        ("frontchannel_logout_uri", json!("http://app.example/out")),
        ("frontchannel_logout_uri", json!("https://app.example/out#x")),
        ("frontchannel_logout_session_required", json!(1)),
        ("post_logout_redirect_uris", json!("https://app.example/out")),
        ("post_logout_redirect_uris", json!([1])),
        ("request_uris", json!(["https://app.example/r", "https://login.example.com/r"])),
        ("sector_identifier_uri", json!("https://login.example.com/sector")),
        ("client_secret", json!("chosen")),
    ] {
        let error = parse(&with(changed, value.clone())).unwrap_err();
        let field = field_of(&error).split('[').next().unwrap();
        assert_eq!(field, changed, "{value}: {error}");
        let is_uri = matches!(error, MetadataError::RedirectUri(_));
        assert_eq!(is_uri, changed == "redirect_uris", "{value}: {error}");
    }
    assert_eq!(field_of(&parse(&json!({})).unwrap_err()), "redirect_uris");
}

#[test]
fn a_client_that_signs_has_its_keys_in_one_place() {
    let okp = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let signing = |more: Value| {
        let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parse(&document)
    };
    let jwks = json!({ "keys": [okp] });
    let uri = "https://app.example/jwks";
    assert!(signing(json!({ "jwks": jwks })).unwrap().is_confidential());
    assert!(!signing(json!({ "jwks_uri": uri })).unwrap().has_secret());
    assert!(signing(json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "EdDSA" })).is_ok());
    for (more, complaint) in [
        (json!({}), "jwks or jwks_uri"),
        (
            json!({ "jwks": jwks, "jwks_uri": uri }),
            "jwks: must not be present together with jwks_uri",
        ),
        (json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "RS256" }), "a key for RS256"),
    ] {
        let error = signing(more.clone()).unwrap_err().to_string();
        assert!(error.contains(complaint), "{more}: {error}");
    }
}

#[test]
fn metadata_have_a_maximum_size() {
    let document = |length: usize| {
        let mut values = vec!["x".repeat(1_900); 16];
        values.push("x".repeat(length));
        with("default_acr_values", json!(values))
    };
    let size_of = |metadata: ClientMetadata| serde_json::to_string(&metadata).unwrap().len();
    let length = DOCUMENT_LIMIT + 1 - size_of(parse(&document(1)).unwrap());
    assert_eq!(size_of(parse(&document(length)).unwrap()), DOCUMENT_LIMIT);
    let error = parse(&document(length + 1)).unwrap_err();
    assert_eq!(error, MetadataError::TooLarge { size: DOCUMENT_LIMIT + 1 });
}

#[test]
fn a_list_has_at_most_50_elements() {
    let uris: Vec<_> = (0..51).map(|n| format!("https://app.example/{n}")).collect();
    let emails = vec!["dev@app.example".to_owned(); 51];
    for (field, list) in [("redirect_uris", uris), ("contacts", emails)] {
        assert!(parse(&with(field, json!(list[..50]))).is_ok(), "{field}");
        assert_eq!(field_of(&parse(&with(field, json!(list))).unwrap_err()), field);
    }
    let hosts = |count: usize| {
        let document = with("insecure_redirect_hosts", json!(vec!["nas.lan"; count]));
        let mut document = JsonObject::parse(document.to_string().as_bytes()).unwrap();
        insecure_redirect_hosts(&mut document).map(|hosts| hosts.len())
    };
    assert_eq!(
        (hosts(50), hosts(51).map_err(|error| error.field)),
        (Ok(50), Err("insecure_redirect_hosts".into()))
    );
}

#[test]
fn a_client_of_devices_may_refresh_tokens_without_a_response_type() {
    let names = [GrantType::DeviceCode.name(), GrantType::RefreshToken.name()];
    let metadata = parse(&json!({ "grant_types": names })).unwrap();
    assert_eq!(metadata.grant_types, [GrantType::DeviceCode, GrantType::RefreshToken]);
    assert_eq!(metadata.response_types, []);
}

#[test]
fn a_client_with_pairwise_subjects_has_one_public_host_or_a_sector() {
    let pairwise = |uris: Value, sector: Option<&str>| {
        let document = json!({
            "redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": sector,
        });
        parse(&document).map_err(|error| field_of(&error).to_owned())
    };
    let two_hosts = json!(["https://app.example/cb", "https://other.example/cb"]);
    let sector = Some("https://app.example/sector.json");
    let missing = Err("sector_identifier_uri".to_owned());
    assert!(pairwise(json!(["https://app.example/a", "https://app.example/b"]), None).is_ok());
    assert!(pairwise(two_hosts.clone(), sector).is_ok());
    for uris in [two_hosts, json!(["http://localhost/cb"]), json!(["com.example.app:/cb"])] {
        assert_eq!(pairwise(uris.clone(), None).map(drop), missing, "{uris}");
    }
}
