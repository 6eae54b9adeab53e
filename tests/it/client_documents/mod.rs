//! Clients by document (draft-ietf-oauth-client-id-metadata-document-01): their identifier is the URL of their metadata.

mod copies;
mod documents;
mod endpoints;
mod published;

use crate::browser::{Browser, CALLBACK, TestClient};
use crate::test_provider::{TestProvider, TestResponse, get, variables_with};
use postern::ports::Document;
use postern::protocol::client::cache_time::CacheHeaders;
use serde_json::{Value, json};

pub const CLIENT_ID: &str = "https://tool.example/oauth/client.json";
const ALICE: &str = "alice@example.com";

/// A provider with alice, and this value of `CLIENT_DOCUMENTS`. Registration is closed.
fn provider_for(policy: &str) -> TestProvider {
    let mut variables = variables_with("CLIENT_DOCUMENTS", policy);
    variables.push(("REGISTRATION", "closed".into()));
    let provider = TestProvider::configured(variables);
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

/// A provider that admits every document, and the document of [`CLIENT_ID`].
pub fn provider() -> TestProvider {
    let provider = provider_for("open");
    publish(&provider, &document());
    provider.platform.take_counts();
    provider
}

/// A document as MCP clients have it.
fn document() -> Value {
    json!({
        "client_id": CLIENT_ID, "client_name": "The Tool",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

/// The document with these fields replaced; null removes one.
pub fn document_with(fields: Value) -> Value {
    let mut document = document();
    for (name, value) in fields.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    document
}

pub fn publish(provider: &TestProvider, document: &Value) {
    publish_as(provider, 200, "application/json", &document.to_string(), "");
}

fn publish_as(
    provider: &TestProvider,
    status: u16,
    media_type: &str,
    text: &str,
    cache_control: &str,
) {
    let caching = CacheHeaders { cache_control: cache_control.into(), ..CacheHeaders::default() };
    let (media_type, text) = (media_type.into(), Some(text.into()));
    let document = Document { status, media_type, text, caching };
    provider.platform.web.borrow_mut().insert(CLIENT_ID.into(), document);
}

/// The server of the document does not answer.
fn unpublish(provider: &TestProvider) {
    provider.platform.web.borrow_mut().clear();
}

pub fn client() -> TestClient {
    client_at(CLIENT_ID)
}

fn client_at(client_id: &str) -> TestClient {
    TestClient { id: client_id.into(), secret: None, redirect_uri: CALLBACK.into() }
}

pub fn fetches(provider: &TestProvider) -> u32 {
    provider.platform.take_counts().fetches
}

/// The first page of an authorization request in a new browser.
fn page(provider: &TestProvider) -> TestResponse {
    Browser::new(provider).get(&client().authorize(&[]))
}

/// Signs alice in to the client with offline access. Returns the token response.
pub fn tokens(provider: &TestProvider) -> Value {
    let scope = [("scope", "openid profile offline_access"), ("prompt", "consent")];
    let code = Browser::new(provider).authorize(&client(), ALICE, &scope);
    let response = provider.redeem(&client(), &code);
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

pub fn refresh(provider: &TestProvider, tokens: &Value) -> TestResponse {
    provider.refresh(&client(), tokens["refresh_token"].as_str().unwrap())
}

/// The number of clients by document that D1 has.
fn stored(provider: &TestProvider) -> i64 {
    let sql = "SELECT count(*) FROM clients WHERE document_until IS NOT NULL";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// The error page of a request whose document cannot be used.
fn assert_page(response: &TestResponse, status: u16, words: &str) {
    let html = crate::browser::error_page(response);
    assert_eq!(response.status, status, "{html}");
    let html = html.replace("&#39;", "'").replace("&#34;", "'").replace("&amp;", "&");
    assert!(html.contains(words), "{words}: {html}");
}
