//! The errors of clients that nobody vouches for. RFC 9700 section 4.11.2: a provider where anybody can register a client
//! must not redirect to it before the user has done something.

use crate::browser::{
    Browser, CALLBACK, TestClient, answer, encode, error_page, is_login, offer, offered,
};
use crate::client_documents::{client, provider as provider_with_documents};
use crate::test_provider::{TestProvider, get, post, put, variables_with};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const INVALID: (&str, &str) = ("scope", "unknown");
const SILENT: (&str, &str) = ("prompt", "none");

fn provider() -> TestProvider {
    let mut variables = variables_with("REGISTRATION", "open");
    variables.push(("ALLOW_IMPLICIT", "true".into()));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn register(provider: &TestProvider, fields: Value) -> TestClient {
    let mut document = json!({ "client_name": "Your Bank", "redirect_uris": [CALLBACK] });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let registered = provider.send(post("/auth/register").json(&document)).json();
    TestClient {
        id: registered["client_id"].as_str().unwrap().into(),
        secret: registered["client_secret"].as_str().map(str::to_owned),
        redirect_uri: registered["redirect_uris"][0].as_str().unwrap().into(),
    }
}

#[test]
fn the_error_of_a_stranger_waits_on_a_page_until_the_user_has_acted() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let browser = Browser::new(&provider);
    let page = browser.get(&client.authorize(&[INVALID]));
    assert_eq!((page.status, page.log["error"].as_str()), (400, Some("invalid_scope")));
    let parameters = offered(&page, CALLBACK);
    assert_eq!((&*parameters["error"], &*parameters["state"]), ("invalid_scope", "the state"));
    // The page has the host, and nothing of what the client says about itself.
    assert!(page.body.contains("app.example") && !page.body.contains("Your Bank"));

    let page = browser.sign_in_on(&browser.get(&client.authorize(&[])), LOGIN);
    let response = browser.submit(&page, &[("decision", "deny")]);
    assert_eq!(answer(&response, CALLBACK)["error"], "access_denied");
    // That was another interaction. A session alone is no sign that the user wants to go there.
    for parameter in [INVALID, SILENT] {
        offered(&browser.get(&client.authorize(&[parameter])), CALLBACK);
    }
}

#[test]
fn a_client_that_the_user_has_allowed_gets_its_errors_until_the_user_withdraws() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let browser = Browser::new(&provider);
    browser.authorize(&client, LOGIN, &[]);
    let error = |parameter| answer(&browser.get(&client.authorize(&[parameter])), CALLBACK);
    assert_eq!(error(INVALID)["error"], "invalid_scope");
    assert_eq!(error(("prompt", "none login"))["error"], "invalid_request");
    assert!(error(SILENT).contains_key("code"));
    // Another user of the same computer has not.
    let other = Browser::new(&provider);
    offered(&other.get(&client.authorize(&[INVALID])), CALLBACK);
    provider.platform.primary.execute("DELETE FROM consents", ()).unwrap();
    for parameter in [INVALID, SILENT] {
        offered(&browser.get(&client.authorize(&[parameter])), CALLBACK);
    }
}

#[test]
fn a_client_that_the_operator_has_stored_again_gets_its_errors_at_once() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let path = format!("/admin/clients/{}", client.id);
    let mut document = provider.send(get(&path).by_operator()).json();
    document["client_name"] = "Known".into();
    assert_eq!(provider.send(put(&path).by_operator().json(&document)).status, 200);
    for (parameter, error) in [(INVALID, "invalid_scope"), (SILENT, "login_required")] {
        let response = Browser::new(&provider).get(&client.authorize(&[parameter]));
        assert_eq!(answer(&response, CALLBACK)["error"], error);
    }
}

#[test]
fn a_client_by_document_is_a_stranger_until_the_user_allows_it() {
    let provider = provider_with_documents();
    let (client, browser) = (client(), Browser::new(&provider));
    let page = browser.get(&client.authorize(&[INVALID]));
    assert_eq!(offered(&page, CALLBACK)["error"], "invalid_scope");
    browser.authorize(&client, LOGIN, &[]);
    let response = browser.get(&client.authorize(&[INVALID]));
    assert_eq!(answer(&response, CALLBACK)["error"], "invalid_scope");
}

#[test]
fn a_fault_of_the_database_is_sent_to_a_client_that_the_user_allows() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let browser = Browser::new(&provider);
    browser.authorize(&client, LOGIN, &[]);
    // The user's consent is read before the database fails, so the client has it.
    provider.platform.batches_fail.set(true);
    let response = browser.get(&client.authorize(&[]));
    assert_eq!(answer(&response, CALLBACK)["error"], "temporarily_unavailable");
    let page = browser.get(&client.authorize(&[("scope", "openid phone")]));
    let response = browser.submit(&page, &[("decision", "allow")]);
    assert_eq!(answer(&response, CALLBACK)["error"], "temporarily_unavailable");
}

#[test]
fn a_signed_request_above_the_limit_is_shown_as_one_to_try_later() {
    let provider = provider();
    let client = register(&provider, json!({}));
    provider.platform.rate_limit.set(Some(0));
    let query = client.authorize_query(&[("request", "a.b.c")]);
    for request in [get(&format!("/auth/authorize?{query}")), post("/auth/authorize").form(&query)]
    {
        let page = provider.send(request);
        assert_eq!(page.status, 503);
        assert_eq!(offered(&page, CALLBACK)["error"], "temporarily_unavailable");
        assert!(page.body.contains("try again in a few minutes"));
    }
}

/// The page is not the response: the user may reload it, or sign in and reload it, for as long as the request is stored.
#[test]
fn the_page_of_a_stored_request_can_be_reloaded_and_does_not_complete_it() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let form = client.authorize_query(&[SILENT]);
    let secret = [("client_secret", client.secret.as_deref().unwrap())];
    let pushed = provider.send(post("/auth/par").form(&format!("{form}&{}", encode(&secret))));
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let query = encode(&[("client_id", &client.id), ("request_uri", &uri)]);

    let browser = Browser::new(&provider);
    let opened = browser.get(&format!("/auth/authorize?{query}"));
    let handle = opened.header("location").unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(offered(&browser.get(&handle), CALLBACK)["error"], "login_required");
        provider.sleep(600);
    }
    let answered = "SELECT count(*) FROM authorization_requests WHERE answered_by IS NOT NULL";
    let count =
        || -> i64 { provider.platform.primary.query_row(answered, (), |row| row.get(0)).unwrap() };
    assert_eq!(count(), 0);
    browser.authorize(&client, LOGIN, &[]);
    assert!(answer(&browser.get(&handle), CALLBACK).contains_key("code"));
    assert_eq!(count(), 1);
    assert!(error_page(&Browser::new(&provider).get(&handle)).contains("already completed"));
}

#[test]
fn a_form_of_another_browser_is_no_sign_that_this_user_has_acted() {
    let provider = provider();
    let client = register(&provider, json!({}));
    let (mallory, alice) = (Browser::new(&provider), Browser::new(&provider));
    provider.put_user("mallory");
    // Mallory has signed in, and gives alice the URL that continues the request.
    let page = mallory.get(&client.authorize(&[]));
    let filled = [("login", "mallory"), ("password", crate::browser::PASSWORD)];
    let form = crate::browser::form(&page);
    let mut fields: Vec<_> =
        form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend(filled);
    let resumed = mallory.post(&form.action, &fields);
    let resumed = resumed.header("location").unwrap().to_owned();
    assert!(resumed.contains("&resume="));
    // The client has registered another scope in the meantime, so that the request is invalid now.
    let limit = "UPDATE clients SET metadata = json_set(metadata, '$.scope', 'phone')";
    provider.platform.primary.execute(limit, ()).unwrap();
    assert_eq!(answer(&mallory.get(&resumed), CALLBACK)["error"], "invalid_scope");
    offered(&alice.get(&resumed), CALLBACK);
}

#[test]
fn each_response_mode_and_kind_of_redirect_uri_has_a_link_or_a_button() {
    let provider = provider();
    let uris = json!(["com.example.app:/cb", "http://127.0.0.1/cb", CALLBACK]);
    let native = register(
        &provider,
        json!({ "redirect_uris": uris, "application_type": "native",
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "implicit"],
                "response_types": ["code", "id_token"] }),
    );
    for (uri, words) in [
        ("com.example.app:/cb", "on your own device"),
        ("http://127.0.0.1:7777/cb", "on your own device"),
        (CALLBACK, "The application is at <bdi class=\"name\">app.example</bdi>."),
    ] {
        let client = TestClient { redirect_uri: uri.into(), ..native.clone() };
        let get = |parameters: &[(&str, &str)]| {
            let page = Browser::new(&provider).get(&client.authorize(parameters));
            assert!(page.body.contains(words), "{}", page.body);
            page
        };
        assert_eq!(offered(&get(&[SILENT]), uri)["error"], "login_required");
        let fragment = format!("{uri}#");
        let implicit = [("response_type", "id_token"), SILENT];
        assert_eq!(offered(&get(&implicit), &fragment)["error"], "login_required");
        let page = get(&[("response_mode", "form_post"), SILENT]);
        let offer = offer(&page);
        assert_eq!(offer.target, uri);
        assert!(offer.fields.unwrap().contains(&("error".into(), "login_required".into())));
        let scheme = uri.split(':').next().unwrap();
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.ends_with(&format!("form-action 'self' {scheme}:")), "{policy}");
    }
}

#[test]
fn the_page_is_in_the_language_of_the_user() {
    let provider = provider();
    let client = register(&provider, json!({}));
    for (language, words) in [
        ("de", "Weiter zu app.example"),
        ("es", "Ir a app.example"),
        ("fr", "Aller sur app.example"),
        ("nl", "Ga naar app.example"),
    ] {
        let mut browser = Browser::new(&provider);
        browser.language = language.into();
        let page = browser.get(&client.authorize(&[SILENT]));
        assert_eq!(page.header("content-language"), Some(language));
        assert!(page.body.contains(words), "{}", page.body);
        let page =
            Browser::new(&provider).get(&client.authorize(&[SILENT, ("ui_locales", language)]));
        assert!(page.body.contains(words), "{}", page.body);
    }
}

/// A browser gives a redirect without a fragment that of the URL before.
#[test]
fn an_error_ends_in_a_fragment_and_a_code_does_not() {
    let provider = provider();
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    let location = |parameters: &[(&str, &str)]| {
        let response = browser.get(&client.authorize(parameters));
        response.header("location").unwrap().to_owned()
    };
    assert!(location(&[INVALID]).ends_with("&iss=https%3A%2F%2Flogin.example.com#_"));
    let fragment = location(&[INVALID, ("response_mode", "fragment")]);
    assert_eq!((fragment.matches('#').count(), fragment.ends_with("#_")), (1, false));
    let page = browser.get(&client.authorize(&[]));
    assert!(is_login(&page));
    let page = browser.sign_in_on(&page, LOGIN);
    let denied = browser.submit(&page, &[("decision", "deny")]);
    assert!(denied.header("refresh").unwrap().ends_with("#_"), "{:?}", denied.headers);
    browser.authorize(&client, LOGIN, &[]);
    assert!(!location(&[]).contains('#'));
}
