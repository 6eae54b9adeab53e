//! Redirect URIs of real clients: schemes of applications, loopback ports, and hosts that the operator names.

use super::registration::{document, open, open_with, register, warnings};
use crate::browser::{Browser, CALLBACK, TestClient, answer, error_page, is_consent};
use crate::test_provider::{TestProvider, TestResponse, post, put};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";

fn client(response: &TestResponse) -> TestClient {
    let document = response.json();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    TestClient {
        id: text(&document["client_id"]).unwrap_or_else(|| panic!("{document}")),
        secret: text(&document["client_secret"]),
        redirect_uri: text(&document["redirect_uris"][0]).unwrap(),
    }
}

/// Signs alice in, and returns the consent page.
fn consent_page(provider: &TestProvider, client: &TestClient) -> TestResponse {
    let browser = Browser::new(provider);
    let page = browser.sign_in_on(&browser.get(&client.authorize(&[])), LOGIN);
    assert!(is_consent(&page), "{}", page.body);
    page
}

/// Runs the code flow with this redirect URI, and redeems the code.
fn run(provider: &TestProvider, client: &TestClient, redirect_uri: &str) -> u16 {
    let client = TestClient { redirect_uri: redirect_uri.into(), ..client.clone() };
    let code = Browser::new(provider).authorize(&client, LOGIN, &[]);
    provider.redeem(&client, &code).status
}

fn is_refused(provider: &TestProvider, client: &TestClient, redirect_uri: &str) -> bool {
    let target = client.authorize(&[("redirect_uri", redirect_uri)]);
    error_page(&Browser::new(provider).get(&target)).contains("is not registered for the client")
}

#[test]
fn a_private_use_scheme_makes_a_web_client_native() {
    let provider = open();
    provider.put_alice_with_password();
    for (application_type, uris) in [
        // Debian's oidc-agent.
        (json!("web"), json!(["edu.kit.data.oidc-agent:/redirect"])),
        (json!(null), json!(["com.example.app:/oauth2redirect", "http://127.0.0.1/cb"])),
        (json!("web"), json!(["https://app.example/claimed", "org.example.app://cb"])),
        (json!("native"), json!(["com.example.app:/cb"])),
    ] {
        let fields = json!({ "application_type": application_type, "redirect_uris": uris });
        let registered = register(&provider, &fields);
        let answer = registered.json();
        assert_eq!(
            (&answer["application_type"], &answer["redirect_uris"]),
            (&json!("native"), &uris)
        );
        assert_eq!(warnings(&registered), "");
        for uri in uris.as_array().unwrap() {
            assert_eq!(run(&provider, &client(&registered), uri.as_str().unwrap()), 200);
        }
    }
    let web = register(&provider, &json!({ "redirect_uris": [CALLBACK, "http://localhost/cb"] }));
    assert_eq!(web.json()["application_type"], "web");
}

#[test]
fn a_private_use_scheme_is_not_for_the_implicit_flow_of_a_web_client() {
    let provider = open_with(&[("ALLOW_IMPLICIT", "true")]);
    for (fields, status) in [
        (json!({ "application_type": "web" }), 400),
        (json!({}), 400),
        (json!({ "application_type": "desktop" }), 400),
        (json!({ "application_type": "native" }), 201),
    ] {
        let mut fields = fields;
        fields["redirect_uris"] = json!([CALLBACK, "com.example.app:/cb"]);
        fields["grant_types"] = json!(["authorization_code", "implicit"]);
        fields["response_types"] = json!(["code", "id_token"]);
        let response = register(&provider, &fields);
        assert_eq!(response.status, status, "{}", response.body);
        if status == 400 {
            assert_eq!(response.error().as_deref(), Some("invalid_redirect_uri"));
            assert!(response.body.contains("redirect_uris[1]: must be https"), "{}", response.body);
        }
    }
}

#[test]
fn a_scheme_without_a_period_is_left_out_beside_others() {
    let provider = open();
    for (uris, registered, named) in [
        // Cursor.
        (
            json!(["desk://vendor.desk-mcp/cb?x=secret", "http://localhost:8787/callback"]),
            json!(["http://localhost:8787/callback"]),
            "redirect_uris[0]: desk is left out, because a custom scheme must be a reversed domain",
        ),
        (
            json!(["http://localhost/cb", "urn:ietf:wg:oauth:2.0:oob", "vscode://vendor.x/cb"]),
            json!(["http://localhost/cb"]),
            "redirect_uris[1]: urn is left out",
        ),
        (
            json!([CALLBACK, "web+app:cb", "Com.Example:/cb", CALLBACK]),
            json!([CALLBACK]),
            "redirect_uris[2]: Com.Example is left out",
        ),
    ] {
        let fields = json!({ "redirect_uris": uris });
        let operators = put("/admin/clients/app").by_operator().json(&document(&fields));
        for response in [register(&provider, &fields), provider.send(operators)] {
            let document = response.json();
            assert_eq!(document["redirect_uris"], registered, "{document}");
            assert_eq!(document["application_type"], "web");
            let warnings = warnings(&response);
            assert!(warnings.contains(named) && !warnings.contains("secret"), "{warnings}");
            let left_out = uris
                .as_array()
                .unwrap()
                .iter()
                .find(|uri| !registered.as_array().unwrap().contains(uri));
            assert!(is_refused(&provider, &client(&response), left_out.unwrap().as_str().unwrap()));
        }
    }
    for uris in [json!(["desk://vendor.desk-mcp/cb"]), json!(["vscode:/cb", "urn:x"])] {
        let response = register(&provider, &json!({ "redirect_uris": uris }));
        assert_eq!(response.error().as_deref(), Some("invalid_redirect_uri"));
        assert!(response.body.contains("PRIVATE_USE_SCHEMES"), "{}", response.body);
    }
}

#[test]
fn a_dangerous_redirect_uri_refuses_the_registration_beside_any_other() {
    let provider = open_with(&[("PRIVATE_USE_SCHEMES", "desk")]);
    for uri in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "intent:x",
        "blob:https://app.example/x",
        "view-source:https://app.example",
        "http://app.example/cb",
        "http://nas.lan:8080/callback",
        "https://user@app.example/cb",
        "com.example.app:/cb#x",
        "app.example:8443/cb",
    ] {
        let response =
            register(&provider, &json!({ "redirect_uris": [CALLBACK, "desk:/cb", uri] }));
        assert_eq!(response.error().as_deref(), Some("invalid_redirect_uri"), "{uri}");
        assert!(response.body.contains("redirect_uris[2]"), "{uri}: {}", response.body);
    }
}

#[test]
fn the_operator_lets_schemes_in_by_name() {
    let provider = open_with(&[("PRIVATE_USE_SCHEMES", "cursor, vscode,web+app")]);
    provider.put_alice_with_password();
    for uri in ["cursor://anysphere.cursor-mcp/cb", "vscode://vendor.x/cb?a=b", "web+app:cb"] {
        let public = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [uri] });
        let registered = register(&provider, &public);
        assert_eq!(registered.json()["application_type"], "native", "{}", registered.body);
        assert_eq!(warnings(&registered), "");
        let client = client(&registered);
        // Any program can claim the scheme, so the user is warned.
        let page = consent_page(&provider, &client);
        assert!(page.body.contains("class=\"notice warning\""), "{}", page.body);
        assert_eq!(run(&provider, &client, uri), 200);
    }
    let left =
        register(&provider, &json!({ "redirect_uris": [CALLBACK, "cursor2://x", "app:/cb"] }));
    assert_eq!(left.json()["redirect_uris"], json!([CALLBACK]));
    // A client keeps what it has registered when the operator removes the scheme, and so does the warning.
    let public =
        json!({ "token_endpoint_auth_method": "none", "redirect_uris": ["cursor://x/cb"] });
    let client = client(&register(&provider, &public));
    provider.deploy(crate::test_provider::variables());
    assert!(consent_page(&provider, &client).body.contains("class=\"notice warning\""));
}

#[test]
fn the_port_of_a_loopback_uri_is_free_for_every_type_of_client() {
    let provider = open();
    provider.put_alice_with_password();
    let public =
        |uri: &str| json!({ "token_endpoint_auth_method": "none", "redirect_uris": [uri] });
    for (fields, requested) in [
        // Claude Code, cosign and step.
        (public("http://127.0.0.1/callback"), "http://127.0.0.1:49567/callback"),
        (public("http://localhost/callback"), "http://localhost:8765/callback"),
        (public("http://[::1]:1/cb?a=b"), "http://[::1]:65535/cb?a=b"),
        // A confidential web client in development.
        (json!({ "redirect_uris": ["http://localhost:8080/cb"] }), "http://localhost:3000/cb"),
        (
            json!({ "redirect_uris": ["http://localhost:8080/cb"], "application_type": "web" }),
            "http://localhost/cb",
        ),
    ] {
        let registered = register(&provider, &fields);
        assert_eq!(registered.json()["application_type"], "web");
        assert_eq!(run(&provider, &client(&registered), requested), 200, "{requested}");
    }
    // The code is bound to the port of its request.
    let client = client(&register(&provider, &public("http://127.0.0.1/cb")));
    let other = TestClient { redirect_uri: "http://127.0.0.1:2/cb".into(), ..client.clone() };
    let code = Browser::new(&provider).authorize(&other, LOGIN, &[]);
    assert_eq!(provider.redeem(&client, &code).error().as_deref(), Some("invalid_grant"));
    for uri in [
        "http://localhost:2/cb",
        "http://127.0.0.1:2/cb/",
        "http://127.0.0.1:2/cb?x",
        "https://127.0.0.1:2/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:2@evil.example/cb",
        "http://127.0.0.2:2/cb",
    ] {
        assert!(is_refused(&provider, &client, uri), "{uri}");
    }
}

#[test]
fn the_port_of_another_uri_is_not_free() {
    let provider = open();
    for (registered, requested) in [
        ("https://localhost/cb", "https://localhost:8443/cb"),
        ("https://127.0.0.1:1/cb", "https://127.0.0.1:2/cb"),
        ("https://app.example/cb", "https://app.example:8443/cb"),
        ("com.example.app://cb", "com.example.app://cb:1"),
    ] {
        let client = client(&register(&provider, &json!({ "redirect_uris": [registered] })));
        assert!(is_refused(&provider, &client, requested), "{requested}");
    }
}

#[test]
fn the_operator_may_name_hosts_without_encryption_for_one_client() {
    let provider = open();
    provider.put_alice_with_password();
    for (host, uri) in [
        ("nas.lan", "http://nas.lan:8080/callback"),
        ("192.168.1.10", "http://192.168.1.10/cb?x=1"),
        ("[fd00::1]", "http://[fd00::1]:3000/cb"),
        ("printer", "http://printer/cb"),
    ] {
        let fields = json!({ "redirect_uris": [uri], "insecure_redirect_hosts": [host] });
        let created = provider.send(post("/admin/clients").by_operator().json(&document(&fields)));
        let stored = created.json();
        assert_eq!(stored["insecure_redirect_hosts"], json!([host]), "{stored}");
        let named =
            format!("insecure_redirect_hosts[0]: anybody in the network of {host} can read");
        assert!(warnings(&created).contains(&named), "{stored}");
        let client = client(&created);
        assert_eq!(run(&provider, &client, uri), 200);
        let browser = Browser::new(&provider);
        let response = browser.agree(browser.get(&client.authorize(&[])), LOGIN);
        assert!(answer(&response, uri).contains_key("code"));
        for other in ["http://nas.lan:8081/callback", "http://192.168.1.10:1/cb?x=1"] {
            assert!(is_refused(&provider, &client, other), "{other}");
        }
        // What the operator gets can be put again.
        let path = format!("/admin/clients/{}", client.id);
        let shown = provider.send(crate::test_provider::get(&path).by_operator()).json();
        assert!(shown.get("warnings").is_none());
        let again = provider.send(put(&path).by_operator().json(&shown));
        assert_eq!((again.status, &again.json()["redirect_uris"]), (200, &json!([uri])));
    }
    // Another client of the operator does not profit.
    let other = json!({ "redirect_uris": ["http://nas.lan:8080/callback"] });
    let response = provider.send(post("/admin/clients").by_operator().json(&other));
    assert!(response.body.contains("redirect_uris[0]: must be https"), "{}", response.body);
}

#[test]
fn hosts_without_encryption_must_be_named_exactly_and_by_a_confidential_client_of_the_operator() {
    let provider = open_with(&[("ALLOW_IMPLICIT", "true")]);
    let hosts = json!(["nas.lan"]);
    let uris = json!(["http://nas.lan:8080/callback"]);
    for (fields, words) in [
        (
            json!({ "redirect_uris": ["http://nas.lan.evil.example/cb"] }),
            "redirect_uris[0]: must be https",
        ),
        (json!({ "redirect_uris": ["http://www.nas.lan/cb"] }), "redirect_uris[0]: must be https"),
        (
            json!({ "redirect_uris": ["http://nas.lan@evil.example/"] }),
            "redirect_uris[0]: must not have a user",
        ),
        (
            json!({ "insecure_redirect_hosts": ["*.lan"] }),
            "insecure_redirect_hosts[0]: must be a host",
        ),
        (
            json!({ "insecure_redirect_hosts": ["nas.lan:8080"] }),
            "insecure_redirect_hosts[0]: must be a host",
        ),
        (
            json!({ "insecure_redirect_hosts": ["NAS.lan"] }),
            "insecure_redirect_hosts[0]: must be a host",
        ),
        (
            json!({ "insecure_redirect_hosts": ["nas.lan", "http://nas.lan"] }),
            "insecure_redirect_hosts[1]",
        ),
        (
            json!({ "insecure_redirect_hosts": "nas.lan" }),
            "insecure_redirect_hosts: must be an array",
        ),
        (
            json!({ "token_endpoint_auth_method": "none" }),
            "insecure_redirect_hosts: must be left out, because token_endpoint_auth_method is none",
        ),
        (
            json!({
                "application_type": "native", "grant_types": ["implicit"], "response_types": ["id_token"],
            }),
            "insecure_redirect_hosts: must be left out, because grant_types has implicit",
        ),
    ] {
        let mut document = json!({ "redirect_uris": uris, "insecure_redirect_hosts": hosts });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let response = provider.send(post("/admin/clients").by_operator().json(&document));
        assert_eq!(response.status, 400, "{document}: {}", response.body);
        assert!(response.body.contains(words), "{document}: {}", response.body);
    }
    // A client that registers itself cannot.
    for hosts in [json!(["nas.lan"]), json!("nas.lan"), json!([1])] {
        let fields = json!({ "redirect_uris": uris, "insecure_redirect_hosts": hosts });
        let response = register(&provider, &fields);
        assert_eq!(response.error().as_deref(), Some("invalid_redirect_uri"), "{}", response.body);
        let ignored = register(&provider, &json!({ "insecure_redirect_hosts": hosts })).json();
        assert!(ignored.get("insecure_redirect_hosts").is_none(), "{ignored}");
    }
}
