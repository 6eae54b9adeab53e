//! Registration of clients and its management (RFC 7591, RFC 7592), and what clients make the provider fetch.

use serde_json::{Value, json};
use std::rc::Rc;

use super::tokens::spent;
use super::world::{
    API, App, finish, serve, serve_client, submission, use_code, use_tokens, visit, world,
};
use super::{NamedStep, Step, step, walk};
use crate::browser::{CALLBACK, TestClient};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};

const KEYS_URL: &str = "https://keys.example/jwks.json";
const LOGO_URL: &str = "https://logo.example/logo.png";
const SECTOR_URL: &str = "https://sector.example/list.json";
const NEW_URL: &str = "https://new.example/client.json";

fn metadata() -> Value {
    json!({ "client_name": "The App", "redirect_uris": [CALLBACK] })
}

fn register(document: &Value) -> TestRequest {
    post("/auth/register").json(document).with("cf-connecting-ip", "198.51.100.1")
}

fn initial_access_token(provider: &TestProvider, order: &Value) -> String {
    let response = provider.send(post("/admin/initial-access-tokens").by_operator().json(order));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["initial_access_token"].as_str().unwrap().to_owned()
}

fn text(document: &Value, name: &str) -> String {
    document[name].as_str().unwrap_or_default().to_owned()
}

/// A request of a client about itself.
fn managing(method: &str, document: &Value) -> TestRequest {
    let url = text(document, "registration_client_uri");
    let path = url.strip_prefix(ISSUER).unwrap().to_owned();
    TestRequest::new(method, &path).bearer(&text(document, "registration_access_token"))
}

/// The client reads itself, and uses its secret, if it is registered.
fn use_registration(provider: &TestProvider, response: &TestResponse) -> Vec<TestResponse> {
    let document = response.json();
    if document.get("registration_client_uri").is_none() {
        return Vec::new();
    }
    let client = TestClient {
        id: text(&document, "client_id"),
        secret: document["client_secret"].as_str().map(ToOwned::to_owned),
        redirect_uri: CALLBACK.to_owned(),
    };
    let app = App::of(client);
    vec![
        provider.send(managing("GET", &document)),
        provider.send(app.redemption(provider, &"A".repeat(43))),
    ]
}

#[test]
fn a_registration_gets_through_a_fault_of_any_call() {
    let (provider, _) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    steps.push(step("Registration, open", |_| {
        // One without a token cannot be repeated: the client that nobody knows ends by itself.
        Step::using(register(&metadata()), use_registration)
            .counted_in(&["audit_events", "clients"])
    }));
    for (name, uses) in [("Registration, one use", 1), ("Registration, two uses", 2)] {
        steps.push(step(name, move |provider| {
            let token = initial_access_token(provider, &json!({ "uses": uses }));
            let step = Step::using(register(&metadata()).bearer(&token), use_registration);
            // A repetition is another client for a token with several uses.
            let tallies: &[_] =
                if uses == 1 { &[] } else { &["audit_events", "clients", "initial_access_tokens"] };
            step.lasting(86_400).counted_in(tallies)
        }));
    }
    steps.push(step("Registration, token for an API", |provider| {
        let order = json!({ "uses": 1, "resources": [API] });
        let token = initial_access_token(provider, &order);
        let document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK], "scope": "openid orders:read",
        });
        Step::using(register(&document).bearer(&token), use_registration).lasting(86_400)
    }));
    steps.push(step("Registration, sector", |provider| {
        let list = json!([CALLBACK]).to_string();
        serve(provider, SECTOR_URL, "application/json", &list);
        let token = initial_access_token(provider, &json!({ "uses": 1 }));
        let document = json!({
            "redirect_uris": [CALLBACK], "subject_type": "pairwise",
            "sector_identifier_uri": SECTOR_URL,
        });
        Step::using(register(&document).bearer(&token), use_registration).lasting(86_400)
    }));
    for method in ["GET", "DELETE"] {
        let name = if method == "GET" { "Registration, GET" } else { "Registration, DELETE" };
        steps.push(step(name, move |provider| {
            let document = provider.send(register(&metadata())).json();
            Step::using(managing(method, &document), move |provider, _| {
                vec![provider.send(managing("GET", &document))]
            })
            .except(|fault| fault.is_lost_twice().then_some("a deleted client has no token"))
        }));
    }
    for (name, before, after) in [
        ("Registration, PUT", "client_secret_post", "client_secret_post"),
        ("Registration, PUT that gives a secret", "none", "client_secret_post"),
        ("Registration, PUT that takes the secret", "client_secret_post", "none"),
    ] {
        steps.push(step(name, move |provider| {
            let mut fields = metadata();
            fields["token_endpoint_auth_method"] = before.into();
            let document = provider.send(register(&fields)).json();
            fields["token_endpoint_auth_method"] = after.into();
            fields["client_name"] = "New".into();
            fields["client_id"] = document["client_id"].clone();
            Step::using(managing("PUT", &document).json(&fields), use_registration)
        }));
    }
    walk(provider, &steps);
}

#[test]
fn a_fetch_from_a_client_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();

    let this = Rc::clone(&world);
    steps.push(step("Redemption, keys at jwks_uri", move |provider| {
        let signer = Signer::new("ES256", Some("key-2"), 1);
        serve(provider, KEYS_URL, "application/json", &signer.jwks().to_string());
        let client = provider.put_signing("with-keys", json!({ "jwks_uri": KEYS_URL }));
        let app = App { signer: Some(signer), ..App::of(client) };
        let code = this.code(provider, &app, &[("scope", "openid email")]);
        let (this, app) = (app.clone(), app);
        Step::signed(
            move |provider| this.redemption(provider, &code),
            move |provider, response| use_tokens(provider, &app, response),
        )
        .lasting(60)
        .except(spent)
    }));

    let this = Rc::clone(&world);
    steps.push(step("GET authorize, logo", move |provider| {
        serve(provider, LOGO_URL, "image/png", "iVBORw0KGgo=");
        let app = App::of(provider.put_client_with("logo", json!({ "logo_uri": LOGO_URL })));
        let browser = this.alice(provider);
        let request = visit(&browser, &app.client.authorize(&[]));
        let cookies = browser.cookies.take();
        Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
    }));

    let this = Rc::clone(&world);
    steps.push(step("GET authorize, new client by document", move |provider| {
        let app = serve_client(provider, NEW_URL);
        let browser = this.alice(provider);
        let request = visit(&browser, &app.client.authorize(&[]));
        let cookies = browser.cookies.take();
        Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
    }));

    let this = Rc::clone(&world);
    steps.push(step("POST consent, new client by document", move |provider| {
        let app = serve_client(provider, NEW_URL);
        let browser = this.alice(provider);
        let page = browser.get(&app.client.authorize(&[]));
        let request = submission(&browser, &page, &[("decision", "allow")]);
        Step::using(request, move |provider, page| use_code(provider, &app, page))
    }));

    steps.push(step("PAR, new client by document", |provider| {
        let app = serve_client(provider, NEW_URL);
        Step::of(app.push(provider, &[])).counted_in(&["authorization_requests"])
    }));

    steps.push(step("Assertion with an unknown key", |provider| {
        let signer = Signer::new("ES256", Some("key-2"), 1);
        serve(provider, KEYS_URL, "application/json", &signer.jwks().to_string());
        let client = provider.put_signing("with-keys", json!({ "jwks_uri": KEYS_URL }));
        let stranger = Signer::new("ES256", Some("key-9"), 2);
        let app = App { signer: Some(stranger), ..App::of(client) };
        Step::of(app.redemption(provider, &"A".repeat(43))).lasting(60)
    }));

    steps.push(step("Icon", |_| Step::of(get("/auth/icon"))));
    walk(provider, &steps);
}
