//! The sign-in of a user.

use super::world::{
    ALICE, Cookies, browser_with, finish, implicit_path, submission, use_code, use_fragment, visit,
    world,
};
use super::{NamedStep, Step, step, walk};
use crate::browser::{Browser, PASSWORD};

/// A grant of the implicit flow whose tokens could not be signed ends by itself, and the repetition has one of its own.
const GRANTED: [&str; 2] = ["audit_events", "grants"];

/// An attempt to sign in counts before the password is checked, and counts again if it is repeated.
const ATTEMPTS: [&str; 2] = ["audit_events", "sign_in_attempts"];

#[test]
fn a_sign_in_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();

    let app = world.app("client_secret_post");
    steps.push(step("GET authorize: sign-in page", move |provider| {
        let request = visit(&Browser::new(provider), &app.client.authorize(&[]));
        let app = app.clone();
        Step::using(request, move |provider, page| finish(provider, &Cookies::new(), &app, page))
    }));

    let app = world.app("client_secret_post");
    steps.push(step("POST login", move |provider| {
        let browser = Browser::new(provider);
        let page = browser.get(&app.client.authorize(&[]));
        let request = submission(&browser, &page, &[("login", ALICE), ("password", PASSWORD)]);
        let (app, cookies) = (app.clone(), browser.cookies.take());
        Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
            .counted_in(&ATTEMPTS)
    }));

    for (name, filled) in [
        ("POST login, wrong password", [("login", ALICE), ("password", "not the password")]),
        ("POST login, unknown user", [("login", "nobody"), ("password", "not the password")]),
        ("POST login, show password", [("login", ALICE), ("visible", "true")]),
    ] {
        let app = world.app("client_secret_post");
        steps.push(step(name, move |provider| {
            let browser = Browser::new(provider);
            let page = browser.get(&app.client.authorize(&[]));
            let request = submission(&browser, &page, &filled);
            let (app, cookies) = (app.clone(), browser.cookies.take());
            Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
                .counted_in(&ATTEMPTS)
        }));
    }

    let this = world.clone();
    steps.push(step("GET authorize after the login", move |provider| {
        let app = this.app("client_secret_post");
        let browser = this.alice(provider);
        let page = browser.get(&app.client.authorize(&[("prompt", "login consent")]));
        let filled = [("login", ALICE), ("password", PASSWORD)];
        let response = browser.send(submission(&browser, &page, &filled));
        let request = visit(&browser, response.header("location").unwrap());
        let cookies = browser.cookies.take();
        Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
    }));

    for decision in ["continue", "switch"] {
        let name = if decision == "switch" {
            "POST select-account: switch"
        } else {
            "POST select-account"
        };
        let this = world.clone();
        steps.push(step(name, move |provider| {
            let app = this.app("client_secret_post");
            let browser = this.alice(provider);
            let page = browser.get(&app.client.authorize(&[("prompt", "select_account")]));
            let request = submission(&browser, &page, &[("decision", decision)]);
            let cookies = browser.cookies.take();
            Step::using(request, move |provider, page| finish(provider, &cookies, &app, page))
        }));
    }

    walk(provider, &steps);
}

#[test]
fn a_consent_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();

    for (name, kind) in [
        ("POST consent", "client_secret_post"),
        ("POST consent, pairwise", "pairwise"),
        ("POST consent, client by document", "client by document"),
    ] {
        let this = world.clone();
        steps.push(step(name, move |provider| {
            let (app, browser) = (this.app(kind), this.alice(provider));
            let page = browser.get(&app.client.authorize(&[("prompt", "consent")]));
            let request = submission(&browser, &page, &[("decision", "allow")]);
            Step::using(request, move |provider, page| use_code(provider, &app, page))
        }));
    }

    for (name, kind) in [
        ("GET authorize, prompt=none", "client_secret_post"),
        ("GET authorize, prompt=none, pairwise", "pairwise"),
        ("GET authorize, prompt=none, client by document", "client by document"),
    ] {
        let this = world.clone();
        steps.push(step(name, move |provider| {
            let (app, browser) = (this.app(kind), this.alice(provider));
            let request = visit(&browser, &app.client.authorize(&[("prompt", "none")]));
            Step::using(request, move |provider, page| use_code(provider, &app, page))
        }));
    }

    let this = world.clone();
    steps.push(step("POST consent: denial", move |provider| {
        let (app, browser) = (this.app("client_secret_post"), this.alice(provider));
        let page = browser.get(&app.client.authorize(&[("prompt", "consent")]));
        Step::of(submission(&browser, &page, &[("decision", "deny")]))
    }));

    let this = world.clone();
    steps.push(step("POST consent: tokens", move |provider| {
        let browser = this.alice(provider);
        let page = browser.get(&implicit_path(&this.implicit, &[("prompt", "consent")]));
        let request = submission(&browser, &page, &[("decision", "allow")]);
        Step::using(request, use_fragment).counted_in(&GRANTED)
    }));

    let this = world.clone();
    steps.push(step("GET authorize, prompt=none: tokens", move |provider| {
        let target = implicit_path(&this.implicit, &[("prompt", "none")]);
        let request = visit(&this.alice(provider), &target);
        Step::using(request, use_fragment).counted_in(&GRANTED)
    }));

    let this = world.clone();
    steps.push(step("GET authorize, prompt=none, nobody signed in", move |provider| {
        let app = this.app("client_secret_post");
        let browser = browser_with(provider, &Cookies::new());
        Step::of(visit(&browser, &app.client.authorize(&[("prompt", "none")])))
    }));

    walk(provider, &steps);
}
