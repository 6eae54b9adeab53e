//! Clients that nobody vouches for: what they say about themselves, and URLs of clients at the provider itself.

use crate::browser::{Browser, CALLBACK, TestClient, error_page, is_consent, is_login};
use crate::test_provider::{TestProvider, get, post, put, variables_with};
use base64ct::{Base64, Encoding};
use postern::ports::Document;
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";
const LOGO: &str = "https://evil.example/logo.png";

/// A provider at which everybody can register, with alice.
fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

pub fn register(provider: &TestProvider, fields: Value) -> TestClient {
    let mut document = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let response = provider.send(post("/auth/register").json(&document));
    assert_eq!(response.status, 201, "{}", response.body);
    let response = response.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let redirect_uri = text(&response["redirect_uris"][0]);
    TestClient { id: text(&response["client_id"]), secret: None, redirect_uri }
}

/// Replaces a field in the stored metadata of a client, as an earlier version could have stored it.
fn store(provider: &TestProvider, client: &TestClient, path: &str, value: &Value) {
    let sql = "UPDATE clients SET metadata = json_set(metadata, ?2, json(?3)) WHERE client_id = ?1";
    let changed = provider.platform.primary.execute(sql, (&client.id, path, value.to_string()));
    assert_eq!(changed.unwrap(), 1);
}

/// A client with hostile texts, a logo, and links to itself and to the provider.
fn hostile(provider: &TestProvider, name: &str) -> TestClient {
    let text = Some(Base64::encode_string(b"\x89PNG\r\n\x1a\n"));
    let image =
        Document { status: 200, media_type: "image/png".into(), text, caching: Default::default() };
    provider.platform.web.borrow_mut().insert(LOGO.into(), image);
    let client = register(
        provider,
        json!({
            "client_name": name, "logo_uri": LOGO, "client_uri": "https://evil.example/",
            "policy_uri": "https://login.example.com/auth/account",
            "tos_uri": "https://accounts.evil.example/login.example.com",
        }),
    );
    store(provider, &client, "$.client_name", &json!(name));
    client
}

#[test]
fn no_url_of_a_client_is_at_the_provider_also_if_the_operator_registers_it() {
    let provider = provider();
    let own = "https://LOGIN.example.com:8443/auth/authorize";
    for (field, value) in [
        ("redirect_uris", json!([CALLBACK, own])),
        ("initiate_login_uri", json!(own)),
        ("jwks_uri", json!(own)),
        ("logo_uri", json!(own)),
        ("logo_uri#de", json!(own)),
        ("request_uris", json!([own])),
        ("sector_identifier_uri", json!(own)),
    ] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document[field] = value;
        let response = provider.send(put("/admin/clients/app").by_operator().json(&document));
        let description = response.json()["error_description"].as_str().unwrap().to_owned();
        assert_eq!(response.status, 400, "{field}: {description}");
        assert!(description.starts_with(field), "{field}: {description}");
        assert!(description.contains("must not be on the host of this provider"), "{description}");
    }
    // A path of the issuer shares its host with others. The operator's own pages may be there.
    let links = json!({
        "redirect_uris": [CALLBACK], "client_uri": own, "policy_uri": own, "tos_uri": own,
    });
    let response = provider.send(put("/admin/clients/app").by_operator().json(&links));
    assert_eq!(response.status, 200, "{}", response.body);
}

#[test]
fn a_redirect_uri_at_the_provider_that_an_earlier_version_registered_is_not_used() {
    let provider = provider();
    let own = "https://login.example.com/auth/account";
    for mut client in [register(&provider, json!({})), provider.put_app()] {
        store(&provider, &client, "$.redirect_uris", &json!([own, CALLBACK]));
        let browser = Browser::new(&provider);
        assert!(is_login(&browser.get(&client.authorize(&[]))));
        for redirect_uri in [own, "https://LOGIN.example.com/auth/account"] {
            client.redirect_uri = redirect_uri.to_owned();
            for more in [[("prompt", "")], [("prompt", "none")], [("response_type", "x")]] {
                let page = error_page(&browser.get(&client.authorize(&more)));
                assert!(page.contains("is not registered for the client"), "{page}");
            }
        }
    }
}

#[test]
fn in_development_the_port_of_the_issuer_is_that_of_no_application() {
    let mut variables = variables_with("REGISTRATION", "open");
    variables.retain(|(name, _)| *name != "ISSUER");
    variables.push(("ISSUER", "http://localhost:8787".into()));
    let provider = TestProvider::configured(variables);
    for (host, name) in [("localhost", "a"), ("127.0.0.1", "b"), ("[::1]", "c")] {
        let uri = |port: &str| format!("http://{host}{port}/cb");
        let fields = json!({ "redirect_uris": [uri(":3000")], "client_name": name });
        let client = register(&provider, fields);
        let open = |uri: String| provider.send(get(&client.authorize(&[("redirect_uri", &uri)])));
        for port in ["", ":1", ":3000", ":8788"] {
            let page = open(uri(port));
            assert!(is_login(&page), "{host}{port}: {}", page.body);
        }
        let page = open(uri(":8787"));
        assert!(error_page(&page).contains("is not registered for the client"), "{host}");
        let document = json!({ "redirect_uris": [uri(":8787")] });
        let response = provider.send(post("/auth/register").json(&document));
        assert_eq!(response.status, 400, "{host}: {}", response.body);
    }
}

#[test]
fn where_users_sign_in_a_stranger_has_its_host_and_neither_links_nor_a_logo() {
    let provider = provider();
    let client = hostile(&provider, "Reset your password here");
    let browser = Browser::new(&provider);
    provider.platform.take_counts();
    let login = browser.get(&client.authorize(&[]));
    assert!(is_login(&login));
    let consent = browser.sign_in_on(&login, ALICE);
    assert!(is_consent(&consent));
    let choice = browser.get(&client.authorize(&[("prompt", "select_account")]));
    for page in [&login, &choice] {
        let body = &page.body;
        assert!(body.contains("to continue to <bdi class=\"name\">app.example</bdi>"), "{body}");
        assert!(body.contains(" – app.example</title>"), "{body}");
        let name =
            "calls itself “<bdi class=\"name\">Reset your password here</bdi>” (not verified)";
        assert!(body.contains(name), "{body}");
        assert!(
            !body.contains("<a ") && !body.contains("<img") && !body.contains("evil"),
            "{body}"
        );
        assert!(!page.header("content-security-policy").unwrap().contains("img-src data:"));
    }
    // The consent page has the logo, and links by their host alone, but none to the provider.
    let body = &consent.body;
    assert!(body.contains("<h1>Allow <bdi class=\"name\">app.example</bdi> to"), "{body}");
    assert!(body.contains("(not verified)") && body.contains("<img"), "{body}");
    assert!(body.contains("<title>Allow app.example to"), "{body}");
    assert!(body.contains("<h2><bdi class=\"name\">app.example</bdi> will be able to see</h2>"));
    let links: Vec<_> = body.split("<a href=\"").skip(1).collect();
    let texts: Vec<_> = links.iter().map(|link| link.split("<bdi>").nth(1).unwrap()).collect();
    let texts: Vec<_> = texts.iter().map(|text| text.split('<').next().unwrap()).collect();
    assert_eq!(texts, ["your account page", "evil.example", "accounts.evil.example"]);

    let account = browser.submit(&consent, &[("decision", "allow")]);
    assert_eq!(account.status, 200);
    let body = browser.get("/auth/account").body;
    assert!(body.contains("<b>“<bdi class=\"name\">Reset your password here</bdi>”</b>"), "{body}");
    assert!(body.contains("Not verified."), "{body}");
    let button =
        "<span class=\"unseen\">: “<bdi class=\"name\">Reset your password here</bdi>”</span>";
    assert!(body.contains(button) && !body.contains("<a "), "{body}");
}

#[test]
fn pages_show_a_host_as_browsers_do() {
    let provider = provider();
    for (host, shown) in [("www.paypaI.example", "www.paypai.example"), ("0x8.8.2056", "8.8.8.8")] {
        let uri = format!("https://{host}/cb");
        let fields =
            json!({ "redirect_uris": [uri], "client_uri": format!("https://{host}/home") });
        let client = register(&provider, fields);
        let browser = Browser::new(&provider);
        let login = browser.get(&client.authorize(&[]));
        let consent = browser.sign_in_on(&login, ALICE);
        assert!(is_consent(&consent));
        let left = browser.submit(&consent, &[("decision", "allow")]);
        let refused = Browser::new(&provider).get(&client.authorize(&[("scope", "unknown")]));
        for page in [&login, &consent, &left, &refused] {
            // The host is spelled as it was registered in the addresses of the page alone.
            let texts: String =
                page.body.split('>').filter_map(|text| text.split('<').next()).collect();
            assert!(texts.contains(shown) && !texts.contains(host), "{texts}");
        }
    }
}

#[test]
fn an_application_of_the_operator_keeps_its_name_links_and_logo() {
    let provider = provider();
    let client = hostile(&provider, "App");
    let document = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "client_name": "The \u{202e}App", "client_uri": "https://app.example/", "logo_uri": LOGO,
    });
    let path = format!("/admin/clients/{}", client.id);
    let response = provider.send(put(&path).by_operator().json(&document));
    assert_eq!(response.json()["client_name"], "The App");
    let warnings = response.json()["warnings"].to_string();
    assert!(warnings.contains("client_name: shortened to one line"), "{warnings}");
    let body = Browser::new(&provider).get(&client.authorize(&[])).body;
    assert!(body.contains("to continue to <bdi class=\"name\">The App</bdi>"), "{body}");
    assert!(body.contains("<bdi>The App</bdi><span class=\"unseen\">"), "{body}");
    assert!(body.contains("<img") && !body.contains("verified"), "{body}");
}

#[test]
fn no_name_changes_the_text_around_it() {
    let provider = provider();
    for (name, shown) in [
        ("\u{202e}gnihtyreve ecafer\u{2066}", "gnihtyreve ecafer"),
        ("A\u{200b}\u{feff}\u{e0041}\u{3164}pp", "App"),
        ("App” is verified. Allow “Bank", "App' is verified. Allow 'Bank"),
        ("Z\u{336}\u{336}\u{336}\u{336}\u{336}algo", "Z\u{336}\u{336}\u{336}algo"),
        ("line\r\n\u{2028}line", "line line"),
    ] {
        let client = hostile(&provider, name);
        let browser = Browser::new(&provider);
        let login = browser.get(&client.authorize(&[]));
        let shown = shown.replace('\'', "&#39;");
        let quoted = format!("“<bdi class=\"name\">{shown}</bdi>”");
        assert!(login.body.contains(&quoted), "{name:?}: {}", login.body);
        let consent = browser.sign_in_on(&login, ALICE);
        assert!(consent.body.contains(&format!("calls itself {quoted} (not")), "{}", consent.body);
        let (heading, _) = consent.body.split_once("</h1>").unwrap();
        assert!(heading.contains("<title>Allow app.example to access"), "{heading}");
        assert!(
            heading.contains("<h1>Allow <bdi class=\"name\">app.example</bdi> to"),
            "{heading}"
        );
        // The log of the operator, and the description of an error.
        let wrong = browser.get(&client.authorize(&[("redirect_uri", "https://other.example")]));
        assert!(error_page(&wrong).contains("is not registered") && !wrong.body.contains(&*shown));
        assert!(!wrong.log.to_string().contains(name), "{}", wrong.log);
    }
    let client = hostile(&provider, "\u{200b}\u{2800}");
    let body = Browser::new(&provider).get(&client.authorize(&[])).body;
    assert!(body.contains(&format!("“<bdi class=\"name\">{}</bdi>”", client.id)), "{body}");
    let client = hostile(&provider, &"x".repeat(300));
    let body = Browser::new(&provider).get(&client.authorize(&[])).body;
    assert!(body.contains(&format!(">{}…</bdi>", "x".repeat(99))), "{body}");
}

#[test]
fn a_registration_states_the_name_that_is_in_force_and_warns_once() {
    let provider = provider();
    for (sent, stored, warning) in [
        ("Wiki", json!("Wiki"), None),
        ("W\u{200b}iki", json!("Wiki"), Some("client_name: shortened to one line of 100 visible")),
        ("\u{200b}", json!(null), Some("client_name: left out, because it is no name")),
    ] {
        let document = json!({ "redirect_uris": [CALLBACK], "client_name": sent });
        let response = provider.send(post("/auth/register").json(&document));
        assert_eq!((response.status, &response.json()["client_name"]), (201, &stored));
        let header = response.header("postern-warning");
        assert_eq!(header.is_some(), warning.is_some(), "{header:?}");
        assert!(header.unwrap_or_default().starts_with(warning.unwrap_or_default()), "{header:?}");
    }
}

#[test]
fn every_spelling_of_this_device_is_warned_of() {
    let provider = provider();
    for host in [
        "localhost",
        "LOCALHOST",
        "app.localhost",
        "a.b.LocalHost",
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
    ] {
        let uri = format!("https://{host}/cb");
        let client = register(&provider, json!({ "redirect_uris": [uri] }));
        let browser = Browser::new(&provider);
        let login = browser.get(&client.authorize(&[]));
        assert!(login.body.contains("to continue to an application on your device"), "{host}");
        assert!(login.body.contains("– an application on your device</title>"), "{host}");
        let consent = browser.sign_in_on(&login, ALICE);
        assert!(consent.body.contains("<h1>Allow an application on your device to"), "{host}");
        let heading = "<h2>An application on your device will be able to see</h2>";
        assert!(consent.body.contains(heading), "{host}: {}", consent.body);
        assert!(consent.body.contains("application on your own device"), "{host}");
        // A remembered consent does not count, because any program of the device can use the client_id.
        browser.submit(&consent, &[("decision", "allow")]);
        assert!(is_consent(&browser.get(&client.authorize(&[]))), "{host}");
        // Clients of one device have no sector in common.
        let pairwise = json!({ "redirect_uris": [uri], "subject_type": "pairwise" });
        let response = provider.send(post("/auth/register").json(&pairwise));
        assert!(response.body.contains("sector_identifier_uri: missing"), "{host}");
        // The provider fetches nothing from there, and http needs the usual spelling.
        for field in ["jwks_uri", "sector_identifier_uri"] {
            let mut fetched = json!({ "redirect_uris": [CALLBACK] });
            fetched[field] = json!(uri);
            let response = provider.send(post("/auth/register").json(&fetched));
            assert!(response.body.contains(&format!("{field}: must have a host name")), "{host}");
        }
        let plain = json!({ "redirect_uris": [format!("http://{host}/cb")] });
        let is_usual = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        let response = provider.send(post("/auth/register").json(&plain));
        assert_eq!(response.status == 201, is_usual, "{host}: {}", response.body);
    }
}
