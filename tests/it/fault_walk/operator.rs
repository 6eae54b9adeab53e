//! The requests of the operator.

use serde_json::{Value, json};
use std::rc::Rc;

use super::world::{App, use_tokens, world};
use super::{NamedStep, Step, step, walk};
use crate::browser::{Browser, CALLBACK, TestClient, form};
use crate::test_provider::{TestProvider, TestRequest, TestResponse, delete, get, post, put};

const PASSWORD: &str = "correct horse battery";

fn metadata() -> Value {
    json!({ "client_name": "The App", "redirect_uris": [CALLBACK] })
}

/// The client of a response uses its secret.
fn use_secret(provider: &TestProvider, response: &TestResponse) -> Vec<TestResponse> {
    let document = response.json();
    let text = |name: &str| document[name].as_str().map(ToOwned::to_owned);
    let id = text("client_id").unwrap();
    let client = TestClient { id, secret: text("client_secret"), redirect_uri: CALLBACK.into() };
    vec![provider.send(App::of(client).redemption(provider, &"A".repeat(43)))]
}

/// The sign-in of a user.
fn sign_in(provider: &TestProvider, login: &str) -> Vec<TestResponse> {
    let browser = Browser::new(provider);
    let form = form(&browser.get("/auth/account"));
    let hidden = form.fields.iter().map(|(name, value)| (&**name, &**value));
    let filled: Vec<_> = hidden.chain([("login", login), ("password", PASSWORD)]).collect();
    vec![browser.post(&form.action, &filled)]
}

/// A request, and its name.
type NamedRequest = (&'static str, fn() -> TestRequest);

fn read(path: &'static str) -> NamedStep {
    step(path, move |_| Step::of(get(path).by_operator()))
}

#[test]
fn a_request_about_users_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    provider.put_user("bob");
    let mut steps: Vec<NamedStep> = Vec::new();
    steps.push(step("PUT of a user with a password", |_| {
        let document = json!({ "login": "carol", "claims": {}, "password": PASSWORD });
        let request = put("/admin/users/carol").by_operator().json(&document);
        // A second request to D1 forgets failed passwords. If it fails, the repetition changes the user again.
        Step::using(request, |provider, _| sign_in(provider, "carol")).counted_in(&["audit_events"])
    }));
    steps.push(step("PUT of a password", |_| {
        let document = json!({ "password": PASSWORD });
        let request = put("/admin/users/bob/password").by_operator().json(&document);
        Step::using(request, |provider, _| sign_in(provider, "bob")).counted_in(&["audit_events"])
    }));
    steps.push(step("DELETE of a password", |_| {
        let request = delete("/admin/users/bob/password").by_operator();
        Step::using(request, |provider, _| sign_in(provider, "bob"))
    }));
    steps.push(step("Import", |_| {
        let lines = "{\"sub\":\"dora\"}\n{\"sub\":\"alice\",\"claims\":{}}\n{\"sub\":\"e\",\"login\":\"bob\"}";
        Step::of(post("/admin/users").by_operator().body("application/x-ndjson", lines))
    }));

    let requests: [NamedRequest; 7] = [
        ("DELETE of a user", || delete("/admin/users/alice")),
        ("Disabling", || put("/admin/users/alice/disabled")),
        ("Enabling", || delete("/admin/users/alice/disabled")),
        ("Signing out", || post("/admin/users/alice/signout").json(&json!({ "grants": true }))),
        ("Revocation by user", || post("/admin/grants/revoke").json(&json!({ "user": "alice" }))),
        ("Revocation by client", || post("/admin/grants/revoke").json(&json!({ "client": "app" }))),
        ("Revocation by both", || {
            post("/admin/grants/revoke").json(&json!({ "user": "alice", "client": "app" }))
        }),
    ];
    for (name, request) in requests {
        let this = Rc::clone(&world);
        steps.push(step(name, move |provider| {
            let app = this.app("client_secret_post");
            let tokens = this.tokens(provider, &app);
            if name == "Enabling" {
                provider.send(put("/admin/users/alice/disabled").by_operator());
            }
            let token = tokens["access_token"].as_str().unwrap().to_owned();
            let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
            let this = Rc::clone(&this);
            Step::using(request().by_operator(), move |provider, _| {
                vec![
                    provider.send(get("/auth/userinfo").bearer(&token)),
                    provider.send(app.refresh(provider, &refresh)),
                    this.alice(provider).get("/auth/account"),
                ]
            })
            .except(|fault| fault.is_lost_twice().then_some("it is done, and counted, again"))
        }));
    }

    let this = Rc::clone(&world);
    steps.push(step("DELETE of a grant", move |provider| {
        let app = this.app("client_secret_post");
        let tokens = this.tokens(provider, &app);
        let sql = "SELECT max(grant_id) FROM refresh_tokens";
        let id: String = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        let request = delete(&format!("/admin/grants/{id}")).by_operator();
        Step::using(request, move |provider, _| {
            vec![provider.send(get("/auth/userinfo").bearer(&token))]
        })
    }));
    steps.push(step("Minting", |_| {
        let order = json!({ "sub": "alice", "scope": "openid email" });
        let app =
            App::of(TestClient { id: String::new(), secret: None, redirect_uri: String::new() });
        Step::using(post("/admin/tokens").by_operator().json(&order), move |provider, response| {
            use_tokens(provider, &app, response)
        })
        // A grant whose token could not be signed ends by itself.
        .counted_in(&["audit_events", "grants"])
    }));
    steps.extend(
        [
            "/admin/users",
            "/admin/users/alice",
            "/admin/sessions?user=alice",
            "/admin/grants?user=alice",
            "/admin/audit",
            "/healthz",
        ]
        .map(read),
    );
    walk(provider, &steps);
}

#[test]
fn a_request_about_clients_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    steps.push(step("Creation of a client", |_| {
        let request = post("/admin/clients").by_operator().json(&metadata());
        // The operator finds a client that is not known in the list.
        Step::using(request, use_secret).counted_in(&["audit_events", "clients"])
    }));
    steps.push(step("PUT of a new client", |_| {
        Step::using(put("/admin/clients/new").by_operator().json(&metadata()), use_secret)
    }));
    steps.push(step("PUT of a client that gets a secret", |_| {
        Step::using(put("/admin/clients/public").by_operator().json(&metadata()), use_secret)
    }));
    steps.push(step("PUT of a client", |_| {
        Step::of(put("/admin/clients/app").by_operator().json(&metadata()))
    }));
    let this = Rc::clone(&world);
    steps.push(step("DELETE of a client", move |provider| {
        let app = this.app("client_secret_post");
        let tokens = this.tokens(provider, &app);
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        Step::using(delete("/admin/clients/app").by_operator(), move |provider, _| {
            vec![provider.send(get("/auth/userinfo").bearer(&token))]
        })
        .except(|fault| fault.is_lost_twice().then_some("a client that is gone is not found"))
    }));
    for (name, overlap) in
        [("A new secret", json!({})), ("A new secret at once", json!({ "overlap": 0 }))]
    {
        steps.push(step(name, move |_| {
            let request = post("/admin/clients/app/secret").by_operator().json(&overlap);
            Step::using(request, use_secret)
        }));
    }
    steps.push(step("The end of old secrets", |provider| {
        provider.send(post("/admin/clients/app/secret").by_operator().json(&json!({})));
        Step::of(delete("/admin/clients/app/previous-secrets").by_operator())
    }));
    steps.push(step("Creation of an initial access token", |_| {
        let request =
            post("/admin/initial-access-tokens").by_operator().json(&json!({ "uses": 1 }));
        Step::using(request, |provider, response| {
            let document = response.json();
            let token = document["initial_access_token"].as_str().unwrap();
            vec![provider.send(post("/auth/register").json(&metadata()).bearer(token))]
        })
        // One that nobody knows ends by itself.
        .counted_in(&["audit_events", "initial_access_tokens"])
    }));
    steps.push(step("Revocation of an initial access token", |provider| {
        let request = post("/admin/initial-access-tokens").by_operator().json(&json!({}));
        let response = provider.send(request).json();
        let token = response["initial_access_token"].as_str().unwrap().to_owned();
        let name = postern::secret::hash(&token)[..12].to_owned();
        let request = delete(&format!("/admin/initial-access-tokens/{name}")).by_operator();
        Step::using(request, move |provider, _| {
            vec![provider.send(post("/auth/register").json(&metadata()).bearer(&token))]
        })
    }));
    steps.extend(
        ["/admin/clients", "/admin/clients/app", "/admin/initial-access-tokens", "/admin/logouts"]
            .map(read),
    );
    walk(provider, &steps);
}
