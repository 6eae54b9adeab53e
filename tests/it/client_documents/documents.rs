//! Which identifiers and documents are accepted.

use super::*;
use crate::browser::{error_page, is_consent, is_login};
use serde_json::json;

#[test]
fn a_client_signs_a_user_in_by_its_document_alone() {
    let provider = provider();
    let tokens = tokens(&provider);
    assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string());
    assert_eq!(fetches(&provider), 1);
    let userinfo = get("/auth/userinfo").bearer(tokens["access_token"].as_str().unwrap());
    assert_eq!(provider.send(userinfo).json()["name"], "Alice Adams");
}

#[test]
fn nothing_is_stored_before_a_user_signs_in() {
    let provider = provider();
    let browser = Browser::new(&provider);
    assert!(is_login(&browser.get(&client().authorize(&[]))));
    let consent = browser.sign_in_on(&browser.get(&client().authorize(&[])), ALICE);
    assert!(is_consent(&consent));
    assert_eq!(stored(&provider), 0);
    browser.submit(&consent, &[("decision", "allow")]);
    assert_eq!(stored(&provider), 1);
    let sql = "SELECT expires_at IS NULL AND NOT trusted FROM clients WHERE client_id = ?1";
    let primary = &provider.platform.primary;
    assert!(primary.query_row(sql, [CLIENT_ID], |row| row.get::<_, bool>(0)).unwrap());
}

#[test]
fn the_policy_decides_whose_documents_are_accepted() {
    for (policy, is_accepted) in [
        ("", false),
        ("closed", false),
        ("open", true),
        ("tool.example", true),
        ("other.example, TOOL.example", true),
        ("other.example", false),
        ("oauth.tool.example", false),
    ] {
        let provider = provider_for(policy);
        publish(&provider, &document());
        let metadata = provider.send(get("/.well-known/openid-configuration")).json();
        let is_open = !["", "closed"].contains(&policy);
        assert_eq!(metadata["client_id_metadata_document_supported"], is_open, "{policy}");
        fetches(&provider);
        let response = page(&provider);
        assert_eq!(is_login(&response), is_accepted, "{policy}: {}", response.body);
        assert_eq!(fetches(&provider), u32::from(is_accepted), "{policy}");
        if !is_accepted {
            let words = if is_open {
                "client_id: this provider does not accept client metadata documents of this host"
            } else {
                "client_id: https://tool.example/oauth/client.json is not registered"
            };
            assert_page(&response, 400, words);
        }
    }
}

#[test]
fn an_identifier_that_is_no_such_url_is_refused_without_a_fetch() {
    let provider = provider();
    for (client_id, words) in [
        ("https://tool.example", "must have a path, such as /client.json"),
        ("https://tool.example/", "must have a path, such as /client.json"),
        ("https://tool.example/a/../client.json", "must not have the path segments . and .."),
        ("https://tool.example/%2e%2e/client.json", "must not have the path segments . and .."),
        ("https://tool.example/client.json#a", "must not have a fragment"),
        ("https://user@tool.example/client.json", "must not have a user or a password"),
        ("https://127.0.0.1/client.json", "must have a host name, not an address"),
        ("https://localhost/client.json", "must have a host name of the public internet"),
        ("https://metadata.internal/client.json", "must have a host name of the public internet"),
        ("http://tool.example/client.json", "must be an absolute https URL"),
        ("https://login.example.com/auth/userinfo", "must not be on the host of this provider"),
        ("https://LOGIN.example.com/auth/userinfo", "must not be on the host of this provider"),
        (
            "https://login.example.com:443/auth/authorize?client_id=a",
            "must not be on the host of this provider",
        ),
    ] {
        let response = Browser::new(&provider).get(&client_at(client_id).authorize(&[]));
        assert_page(&response, 400, &format!("client_id: {words}"));
    }
    assert_eq!(fetches(&provider), 0);
}

/// A stranger who publishes a document must not speak on a page of the provider's.
#[test]
fn no_sentence_of_a_document_is_on_the_error_page() {
    const WORDS: &str = "Your password has expired, visit evil.example";
    let provider = provider();
    for text in [
        document_with(json!({ "client_name#": WORDS })).to_string(),
        document_with(json!({ (format!("client_name#{WORDS}")): "App" })).to_string(),
        document_with(json!({ (format!("tos_uri#{WORDS}")): "App" })).to_string(),
        format!("{{\"{WORDS}\":1,\"{WORDS}\":2}}"),
        document_with(json!({ "client_id": WORDS })).to_string(),
        document_with(json!({ "grant_types": [WORDS] })).to_string(),
        document_with(json!({ "response_types": [WORDS] })).to_string(),
        document_with(json!({ "redirect_uris": [WORDS] })).to_string(),
        document_with(json!({ "scope": format!("\u{1} {WORDS}") })).to_string(),
        document_with(json!({ "subject_type": WORDS })).to_string(),
        document_with(json!({ "token_endpoint_auth_method": WORDS })).to_string(),
        document_with(json!({ "jwks": { "keys": [{ "kty": WORDS, WORDS: 1 }] } })).to_string(),
    ] {
        provider.new_isolate();
        publish_as(&provider, 200, "application/json", &text, "");
        let page = error_page(&page(&provider));
        assert!(page.contains("client metadata document is invalid"), "{text}: {page}");
        assert!(!page.contains("password has expired"), "{text}: {page}");
    }
}

/// Anybody can send such a text, and the operator pays for the log.
#[test]
fn the_log_has_the_beginning_of_an_identifier_that_is_too_long() {
    let provider = provider();
    for rest in ["a".repeat(8_000), "\u{202e}".repeat(1_000)] {
        let client_id = format!("https://tool.example/{rest}");
        let response = Browser::new(&provider).get(&client_at(&client_id).authorize(&[]));
        assert_page(&response, 400, "client_id: must be at most 512 bytes");
        let logged = response.log["client_id"].as_str().unwrap();
        assert!(logged.starts_with("https://tool.example/") && logged.len() <= 512, "{logged}");
    }
}

/// An ID token has the client as its audience. A resource server that takes it for an access token would accept it.
#[test]
fn a_resource_is_not_a_client() {
    let provider = provider();
    let mut variables = variables_with("CLIENT_DOCUMENTS", "open");
    variables.push(("RESOURCES", json!({ CLIENT_ID: ["orders:read"] }).to_string()));
    provider.deploy(variables);
    assert_page(&page(&provider), 400, "client_id: must not be the URL of an API");
    assert_eq!(fetches(&provider), 0);
}

#[test]
fn the_response_must_be_a_small_json_document_without_a_redirect() {
    let text = document().to_string();
    let padded = |size: usize| {
        let document = document_with(json!({ "x": "" })).to_string();
        document.replace(r#""x":"""#, &format!(r#""x":"{}""#, "a".repeat(size - document.len())))
    };
    for media_type in ["application/json", "application/client+json", "application/x.y+json"] {
        let provider = provider();
        publish_as(&provider, 200, media_type, &padded(8_192), "");
        assert!(is_login(&page(&provider)), "{media_type}");
    }
    for (status, media_type, text, words) in [
        (301, "application/json", &*text, "the response must have the status 200"),
        (204, "application/json", &*text, "the response must have the status 200"),
        (403, "application/json", &*text, "the response must have the status 200"),
        (404, "application/json", &*text, "the document does not exist (status 404 or 410)"),
        (200, "text/html", &*text, "the response has the wrong media type"),
        (200, "text/x+json", &*text, "the response has the wrong media type"),
        (200, "application/json", &padded(8_193), "the document is too large or not UTF-8"),
        (200, "application/json", "{", "the client metadata document is invalid: the document is"),
        (200, "application/json", "[]", "the client metadata document is invalid: the document is"),
        (200, "application/json", &text.replace('{', r#"{"client_id":"a","#), "duplicate"),
    ] {
        let provider = provider();
        publish_as(&provider, status, media_type, text, "");
        assert_page(&page(&provider), 400, words);
        assert_eq!(stored(&provider), 0);
    }
}

/// A stranger who names a URL inside of a network must not learn what is there.
#[test]
fn a_server_that_does_not_answer_and_one_that_fails_look_the_same() {
    let bodies: Vec<_> = [None, Some(500), Some(503), Some(429)]
        .into_iter()
        .map(|status| {
            let provider = provider();
            match status {
                None => unpublish(&provider),
                Some(status) => publish_as(&provider, status, "text/html", "", ""),
            }
            let response = page(&provider);
            assert_page(&response, 503, "client_id: the document could not be fetched");
            assert_eq!(response.header("retry-after"), Some("10"));
            error_page(&response)
        })
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn a_document_with_a_secret_or_for_another_client_is_refused() {
    for (fields, words) in [
        (json!({ "client_id": null }), "client_id: must be the URL of the document"),
        (json!({ "client_id": "https://TOOL.example/oauth/client.json" }), "client_id: must be"),
        (json!({ "client_id": "https://tool.example:443/oauth/client.json" }), "client_id: must"),
        (json!({ "client_id": "https://tool.example/oauth/client.json?" }), "client_id: must be"),
        (json!({ "client_id": "https://other.example/client.json" }), "client_id: must be the URL"),
        (json!({ "client_id": 1 }), "client_id: must be a string"),
        (json!({ "client_secret": "s3cret" }), "client_secret: must be left out"),
        (json!({ "client_secret_expires_at": 0 }), "client_secret_expires_at: must be left out"),
        (
            json!({ "token_endpoint_auth_method": "client_secret_basic" }),
            "token_endpoint_auth_method: must be none or private_key_jwt",
        ),
        (
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
            "token_endpoint_auth_method: must be none or private_key_jwt",
        ),
        (
            json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
            "token_endpoint_auth_method: must be none or private_key_jwt",
        ),
        (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "jwks"),
        (json!({ "redirect_uris": null }), "redirect_uris"),
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "redirect_uris[0]: must be https"),
        (json!({ "redirect_uris": ["https://*.example/cb"] }), "redirect_uris[0]: no wildcards"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "redirect_uris[0]: "),
        (json!({ "jwks_uri": "https://127.0.0.1/jwks" }), "jwks_uri: must have a host name"),
        (json!({ "dpop_bound_access_tokens": true }), "dpop_bound_access_tokens: not supported"),
        (
            json!({
                "subject_type": "pairwise", "sector_identifier_uri": "https://app.example/s.json",
            }),
            "sector_identifier_uri: must be left out",
        ),
    ] {
        let provider = provider();
        publish(&provider, &document_with(fields.clone()));
        let response = page(&provider);
        assert_page(&response, 400, "client_id: the client metadata document is invalid: ");
        assert_page(&response, 400, words);
        assert_eq!(response.log["client_id"], CLIENT_ID, "{fields}");
    }
}

#[test]
fn a_document_may_leave_out_what_has_a_default_and_say_what_others_need() {
    for fields in [
        json!({ "token_endpoint_auth_method": null, "grant_types": null, "response_types": null }),
        json!({ "client_name": null }),
        // A serializer that writes every field writes these.
        json!({ "token_endpoint_auth_method": "", "client_secret": "", "contacts": [] }),
        json!({ "id_token_encrypted_response_alg": "", "sector_identifier_uri": " " }),
        json!({ "scope": "openid profile mcp:use", "software_id": "4NRB1-0XZABZI9E6-5SM3R" }),
        json!({ "scope": "mcp:use" }),
        json!({ "unknown": { "a": [1] }, "redirect_uris": [CALLBACK, "https://b.example/cb"] }),
    ] {
        let provider = provider();
        publish(&provider, &document_with(fields.clone()));
        let response = page(&provider);
        assert!(is_login(&response), "{fields}: {}", response.body);
    }
}

/// As ChatGPT publishes its document: with a field for the methods of its choice, which is not registered.
#[test]
fn unknown_fields_are_ignored() {
    let provider = provider();
    let signer = crate::signer::Signer::new("ES256", Some("a"), 0);
    publish(
        &provider,
        &document_with(json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "client_id_issued_at": 1_780_000_000, "registration_client_uri": "https://x.example",
        })),
    );
    let response = page(&provider);
    assert!(is_login(&response), "{}", response.body);
}

#[test]
fn redirect_uris_are_exact_except_for_the_port_on_loopback() {
    let provider = provider();
    publish(&provider, &document_with(json!({ "application_type": "native" })));
    for (redirect_uri, is_registered) in [
        (CALLBACK, true),
        ("http://127.0.0.1:49152/callback", true),
        ("http://127.0.0.1:3118/callback", true),
        ("http://localhost:3118/callback", false),
        ("http://127.0.0.1:3118/other", false),
        ("https://app.example/cb", false),
        ("https://tool.example/cb", false),
    ] {
        let target = client().authorize(&[("redirect_uri", redirect_uri)]);
        let response = Browser::new(&provider).get(&target);
        assert_eq!(is_login(&response), is_registered, "{redirect_uri}: {}", response.body);
    }
}

#[test]
fn the_pages_show_the_host_of_the_document_and_warn_of_this_device() {
    let provider = provider();
    publish(&provider, &document_with(json!({ "application_type": "native" })));
    for (redirect_uri, is_local) in [(CALLBACK, false), ("http://127.0.0.1:3118/callback", true)] {
        let browser = Browser::new(&provider);
        for round in 0..2 {
            let target = client().authorize(&[("redirect_uri", redirect_uri)]);
            let published = "published by <bdi class=\"name\">tool.example</bdi>";
            let chooser = browser.get(&format!("{target}&prompt=select_account"));
            assert!(chooser.body.contains(published), "{}", chooser.body);
            let mut response = browser.get(&target);
            if is_login(&response) {
                assert!(response.body.contains(published), "{}", response.body);
                response = browser.sign_in_on(&response, ALICE);
            }
            // Another program on the device could use a consent that is remembered (RFC 8252 section 8.6).
            if round == 1 && !is_local {
                assert!(!is_consent(&response), "{}", response.body);
                continue;
            }
            assert!(is_consent(&response), "{redirect_uri} {}", response.body);
            assert!(response.body.contains(published), "{}", response.body);
            let warns = response.body.contains("This is an application on your own device.");
            assert_eq!(warns, is_local);
            let leads = response.body.contains("go to <bdi class=\"name\">app.example</bdi>");
            assert_eq!(leads, !is_local);
            browser.submit(&response, &[("decision", "allow")]);
        }
    }
}

#[test]
fn loopback_documents_are_for_development() {
    let client_id = "http://localhost:8788/client.json";
    let document = document_with(json!({ "client_id": client_id }));
    for (allows, policy, is_accepted) in
        [("true", "open", true), ("true", "localhost", true), ("false", "open", false)]
    {
        let mut variables = variables_with("CLIENT_DOCUMENTS", policy);
        variables.push(("ALLOW_LOOPBACK", allows.into()));
        let provider = TestProvider::configured(variables);
        provider.send(get("/auth/jwks.json"));
        publish(&provider, &document);
        let mut web = provider.platform.web.borrow_mut();
        let page = web.remove(CLIENT_ID).unwrap();
        web.insert(client_id.into(), page);
        drop(web);
        let response = Browser::new(&provider).get(&client_at(client_id).authorize(&[]));
        assert_eq!(is_login(&response), is_accepted, "{}", response.body);
    }
}
