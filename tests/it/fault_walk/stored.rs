//! Authorization requests that are stored: pushed and signed ones.

use std::rc::Rc;

use super::world::{ALICE, App, World, finish, serve, submission, use_code, visit, world};
use super::{NamedStep, Step, step, walk};
use crate::browser::{Browser, encode};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get};

const REQUEST_URI: &str = "https://app.example/request.jwt";

/// How a client sends its request.
#[derive(Clone, Copy)]
enum Transport {
    ByReference,
    Pushed,
    PushedAndSigned,
    Signed,
}

const TRANSPORTS: [(Transport, &str); 4] = [
    (Transport::ByReference, "by reference"),
    (Transport::Pushed, "pushed"),
    (Transport::PushedAndSigned, "pushed and signed"),
    (Transport::Signed, "signed"),
];

/// The target that a client redirects a browser to.
fn target(
    provider: &TestProvider,
    app: &App,
    transport: Transport,
    parameters: &[(&str, &str)],
) -> String {
    let query = match transport {
        Transport::Signed => app.signed(provider, parameters),
        Transport::ByReference => {
            let text = app.object(provider, parameters);
            serve(provider, REQUEST_URI, "application/oauth-authz-req+jwt", &text);
            encode(&[("client_id", &app.client.id), ("request_uri", REQUEST_URI)])
        }
        Transport::Pushed => opened(app, &provider.send(app.push(provider, parameters))),
        Transport::PushedAndSigned => {
            let object = app.object(provider, parameters);
            let request = app.post(provider, "/auth/par", &[("request", &object)]);
            opened(app, &provider.send(request))
        }
    };
    format!("/auth/authorize?{query}")
}

/// The query that opens a pushed request.
fn opened(app: &App, response: &TestResponse) -> String {
    assert_eq!(response.status, 201, "{}", response.body);
    let document = response.json();
    let request_uri = document["request_uri"].as_str().unwrap();
    encode(&[("client_id", &app.client.id), ("request_uri", request_uri)])
}

/// A client that may send requests in each way.
fn app(provider: &TestProvider, world: &World) -> App {
    let app = world.app("private_key_jwt");
    let metadata = serde_json::json!({
        "jwks": app.signer.as_ref().unwrap().jwks(), "request_uris": [REQUEST_URI],
    });
    provider.put_signing(&app.client.id, metadata);
    app
}

/// The page that the browser sees first.
fn page(browser: &Browser<'_>, target: &str) -> TestResponse {
    browser.follow(browser.get(target))
}

#[test]
fn a_pushed_request_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    for (name, app) in &world.apps {
        let (app, world) = (app.clone(), Rc::clone(&world));
        let name = Box::leak(format!("PAR, {name}").into_boxed_str());
        steps.push(step(name, move |_| {
            let (this, app, world) = (app.clone(), app.clone(), Rc::clone(&world));
            Step::signed(
                move |provider| this.push(provider, &[]),
                move |provider, response| {
                    let target = format!("/auth/authorize?{}", opened(&app, response));
                    let browser = world.alice(provider);
                    let page = page(&browser, &target);
                    use_code(provider, &app, &browser.agree(page, ALICE))
                },
            )
            .counted_in(&["authorization_requests"])
        }));
    }
    walk(provider, &steps);
}

#[test]
fn a_stored_request_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    for (transport, name) in TRANSPORTS {
        let this = Rc::clone(&world);
        let first = Box::leak(format!("GET authorize, {name}").into_boxed_str());
        steps.push(step(first, move |provider| {
            let (app, browser) = (app(provider, &this), this.alice(provider));
            let target = target(provider, &app, transport, &[("prompt", "consent")]);
            let request = visit(&browser, &target);
            let cookies = browser.cookies.take();
            Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
                .lasting(300)
        }));

        let this = Rc::clone(&world);
        let posted = Box::leak(format!("POST authorize, {name}").into_boxed_str());
        steps.push(step(posted, move |provider| {
            let (app, browser) = (app(provider, &this), this.alice(provider));
            let target = target(provider, &app, transport, &[("prompt", "consent")]);
            let (_, query) = target.split_once('?').unwrap();
            let request = crate::test_provider::post("/auth/authorize").form(query);
            let cookies = browser.cookies.take();
            Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
                .lasting(300)
        }));

        for decision in ["allow", "deny"] {
            let this = Rc::clone(&world);
            let decided = Box::leak(format!("POST consent, {name}: {decision}").into_boxed_str());
            steps.push(step(decided, move |provider| {
                let (app, browser) = (app(provider, &this), this.alice(provider));
                let target = target(provider, &app, transport, &[("prompt", "consent")]);
                let page = page(&browser, &target);
                let request = submission(&browser, &page, &[("decision", decision)]);
                Step::using(request, move |provider, page| use_code(provider, &app, page))
            }));
        }

        let this = Rc::clone(&world);
        let silent = Box::leak(format!("GET authorize, {name}, after a choice").into_boxed_str());
        steps.push(step(silent, move |provider| {
            let (app, browser) = (app(provider, &this), this.alice(provider));
            let target = target(provider, &app, transport, &[("prompt", "select_account")]);
            let page = page(&browser, &target);
            let response = browser.send(submission(&browser, &page, &[("decision", "continue")]));
            let location = response.header("location").unwrap();
            let request = visit(&browser, location.strip_prefix(ISSUER).unwrap_or(location));
            Step::using(request, move |provider, page| use_code(provider, &app, page))
        }));
    }
    let this = Rc::clone(&world);
    steps.push(step("GET authorize with an unknown request_uri", move |provider| {
        let app = this.app("client_secret_post");
        let query = [
            ("client_id", &*app.client.id),
            ("request_uri", "urn:ietf:params:oauth:request_uri:AAAAAAAAAAAAAAAAAAAAAA"),
        ];
        let _ = provider;
        Step::of(get(&format!("/auth/authorize?{}", encode(&query))))
    }));
    walk(provider, &steps);
}
