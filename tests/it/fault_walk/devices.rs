//! Devices without a browser (RFC 8628).

use serde_json::Value;
use std::rc::Rc;

use super::world::{App, Cookies, OFFLINE, World, resume, submission, use_tokens, visit, world};
use super::{NamedStep, Step, step, walk};
use crate::browser::{Browser, encode, form, is_consent};
use crate::device::GRANT_TYPE;
use crate::test_provider::{TestProvider, TestRequest, TestResponse, post};

fn start(world: &World) -> TestRequest {
    let form = encode(&[("client_id", &world.tv.id), ("scope", OFFLINE)]);
    post("/auth/device").form(&form).with("cf-connecting-ip", "192.0.2.7")
}

fn device(provider: &TestProvider, world: &World) -> Value {
    let response = provider.send(start(world));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

fn poll(world: &World, device: &Value) -> TestRequest {
    let code = device["device_code"].as_str().unwrap();
    let form = [("client_id", &*world.tv.id), ("grant_type", GRANT_TYPE), ("device_code", code)];
    post("/auth/token").form(&encode(&form))
}

/// The request that types a code into the page.
fn typing(browser: &Browser<'_>, code: &str) -> TestRequest {
    submission(browser, &browser.get("/device"), &[("user_code", code)])
}

fn typed(browser: &Browser<'_>, device: &Value) -> TestResponse {
    browser.send(typing(browser, device["user_code"].as_str().unwrap()))
}

/// Allows the request of the device that a response leads to, and polls.
fn allow(
    provider: &TestProvider,
    world: &World,
    (cookies, device): (&Cookies, &Value),
    response: &TestResponse,
) -> Vec<TestResponse> {
    let browser = resume(provider, cookies, response);
    let page = browser.follow(response.clone());
    if !is_consent(&page) {
        return vec![page];
    }
    let allowed = browser.submit_form(&form(&page), &[("decision", "allow")]);
    let polled = provider.send(poll(world, device));
    let app = App::of(world.tv.clone());
    let mut used =
        if polled.status == 200 { use_tokens(provider, &app, &polled) } else { Vec::new() };
    used.extend([allowed, polled]);
    used
}

#[test]
fn a_device_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();

    let this = Rc::clone(&world);
    steps.push(step("Device authorization", move |_| {
        let world = Rc::clone(&this);
        Step::using(start(&this), move |provider, response| {
            let (browser, device) = (world.alice(provider), response.json());
            let typed = typed(&browser, &device);
            let cookies = browser.cookies.take();
            allow(provider, &world, (&cookies, &device), &typed)
        })
        // A device that gets no response begins anew.
        .counted_in(&["authorization_requests"])
    }));

    let this = Rc::clone(&world);
    steps.push(step("POST device", move |provider| {
        let (browser, device) = (this.alice(provider), device(provider, &this));
        let request = typing(&browser, device["user_code"].as_str().unwrap());
        let (world, cookies) = (Rc::clone(&this), browser.cookies.take());
        Step::using(request, move |provider, page| {
            allow(provider, &world, (&cookies, &device), page)
        })
    }));

    let this = Rc::clone(&world);
    steps.push(step("POST device, wrong code", move |provider| {
        let browser = this.alice(provider);
        // A wrong code is counted again if its answer was lost.
        Step::of(typing(&browser, "BBBB-BBBB")).counted_in(&["user_code_attempts"])
    }));

    let this = Rc::clone(&world);
    steps.push(step("GET authorize of a device", move |provider| {
        let (browser, device) = (this.alice(provider), device(provider, &this));
        let typed = typed(&browser, &device);
        let request = visit(&browser, typed.header("location").unwrap());
        let (world, cookies) = (Rc::clone(&this), browser.cookies.take());
        Step::using(request, move |provider, page| {
            allow(provider, &world, (&cookies, &device), page)
        })
        .lasting(900)
    }));

    for decision in ["allow", "deny"] {
        let name = if decision == "deny" { "Denial for a device" } else { "Consent for a device" };
        let this = Rc::clone(&world);
        steps.push(step(name, move |provider| {
            let (browser, device) = (this.alice(provider), device(provider, &this));
            let page = browser.follow(typed(&browser, &device));
            let request = submission(&browser, &page, &[("decision", decision)]);
            let world = Rc::clone(&this);
            Step::using(request, move |provider, _| {
                let app = App::of(world.tv.clone());
                let polled = provider.send(poll(&world, &device));
                let mut used = if polled.status == 200 {
                    use_tokens(provider, &app, &polled)
                } else {
                    Vec::new()
                };
                used.push(polled);
                used
            })
            .lasting(900)
        }));
    }

    for state in ["allowed", "denied", "pending", "too early"] {
        let name = Box::leak(format!("Poll, {state}").into_boxed_str());
        let this = Rc::clone(&world);
        steps.push(step(name, move |provider| {
            let (browser, device) = (this.alice(provider), device(provider, &this));
            let decision = match state {
                "allowed" => Some("allow"),
                "denied" => Some("deny"),
                _ => None,
            };
            if let Some(decision) = decision {
                let page = browser.follow(typed(&browser, &device));
                browser.submit_form(&form(&page), &[("decision", decision)]);
            }
            if state == "too early" {
                provider.send(poll(&this, &device));
            }
            let app = App::of(this.tv.clone());
            let step = Step::using(poll(&this, &device), move |provider, response| {
                use_tokens(provider, &app, response)
            });
            // A poll is counted again if its answer was lost, or its sender repeats it.
            if decision.is_none() {
                let step = step.lasting(900).counted_in(&["authorization_requests"]);
                step.except(|_| Some("the pause before the repetition makes it early no longer"))
            } else {
                step.lasting(300)
            }
        }));
    }
    walk(provider, &steps);
}
