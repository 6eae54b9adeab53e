//! The pages of a user's account, and logout.

use serde_json::json;
use std::rc::Rc;

use super::world::{AFTER, ALICE, App, Cookies, browser_with, use_tokens, visit, world};
use super::{NamedStep, Step, step, walk};
use crate::browser::{Browser, Form, PASSWORD, encode, field, form, form_to, forms};
use crate::test_provider::{TestProvider, TestResponse, get};

const NEW: &str = "tortoise lantern gravel";

/// A browser in which a user is signed in, and the account page in it.
fn signed_in<'a>(provider: &'a TestProvider, login: &str) -> (Browser<'a>, TestResponse) {
    let browser = Browser::new(provider);
    let page = browser.sign_in_on(&browser.get("/auth/account"), login);
    assert_eq!(page.status, 200, "{}", page.body);
    (browser, page)
}

/// The account page in each of these browsers.
fn pages(provider: &TestProvider, all: &[Cookies]) -> Vec<TestResponse> {
    all.iter().map(|cookies| browser_with(provider, cookies).get("/auth/account")).collect()
}

/// A sign-in with a password.
fn sign_in(provider: &TestProvider, login: &str, password: &str) -> TestResponse {
    let browser = Browser { address: "198.51.100.7".into(), ..Browser::new(provider) };
    let page = browser.get("/auth/account");
    browser.post(&form(&page).action, &filled(&form(&page), login, password))
}

fn filled<'a>(form: &'a Form, login: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    let hidden = form.fields.iter().map(|(name, value)| (&**name, &**value));
    hidden.chain([("login", login), ("password", password)]).collect()
}

#[test]
fn the_account_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    provider.put_user("bob");
    let mut steps: Vec<NamedStep> = Vec::new();

    let this = Rc::clone(&world);
    steps.push(step("Account page", move |provider| {
        Step::of(visit(&this.alice(provider), "/auth/account"))
    }));

    for name in ["client_secret_post", "client by document"] {
        let this = Rc::clone(&world);
        let step_name = Box::leak(format!("Withdrawal, {name}").into_boxed_str());
        steps.push(step(step_name, move |provider| {
            let app = this.app(name);
            let tokens = this.tokens(provider, &app);
            let browser = this.alice(provider);
            let page = browser.get("/auth/account");
            let is_of_app = |form: &Form| form.fields.iter().any(|(_, id)| *id == app.client.id);
            let form = forms(&page).into_iter().find(is_of_app).unwrap();
            let token = tokens["access_token"].as_str().unwrap().to_owned();
            let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
            Step::using(browser.request_of(&form, &[]), move |provider, _| {
                vec![
                    provider.send(get("/auth/userinfo").bearer(&token)),
                    provider.send(app.refresh(provider, &refresh)),
                ]
            })
        }));
    }

    for (name, number) in [("End of another session", 0), ("End of all other sessions", 1)] {
        steps.push(step(name, move |provider| {
            let (other, _) = signed_in(provider, "bob");
            let (browser, page) = signed_in(provider, "bob");
            let all = forms(&page).into_iter();
            let form = all.filter(|form| form.action.ends_with("/sessions")).nth(number).unwrap();
            let request = browser.request_of(&form, &[]);
            let cookies = [browser.cookies.take(), other.cookies.take()];
            Step::using(request, move |provider, _| pages(provider, &cookies))
        }));
    }

    for (name, current) in [("Password", PASSWORD), ("Password, wrong current one", "wrong one")] {
        steps.push(step(name, move |provider| {
            let (other, _) = signed_in(provider, "bob");
            let (browser, page) = signed_in(provider, "bob");
            let fields = [("login", "bob"), ("current_password", current), ("new_password", NEW)];
            let form = form_to(&page, "/auth/account/password");
            let request = browser.request_of(&form, &fields);
            let cookies = [other.cookies.take()];
            Step::using(request, move |provider, _| {
                let mut used = pages(provider, &cookies);
                used.push(sign_in(provider, "bob", NEW));
                used.push(sign_in(provider, "bob", PASSWORD));
                used
            })
            // An attempt counts before the password is checked, and counts again if it is repeated.
            .counted_in(&["audit_events", "sign_in_attempts"])
        }));
    }

    steps.push(step("Sign-out", |provider| {
        let (browser, page) = signed_in(provider, ALICE);
        let request = browser.request_of(&form_to(&page, "/auth/signout"), &[]);
        let cookies = [browser.cookies.take()];
        Step::using(request, move |provider, _| pages(provider, &cookies))
    }));
    walk(provider, &steps);
}

#[test]
fn a_logout_gets_through_a_fault_of_any_call() {
    let (provider, _) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    let fields = json!({
        "post_logout_redirect_uris": [AFTER],
        "frontchannel_logout_uri": "https://app.example/frontchannel",
        "backchannel_logout_uri": "https://app.example/backchannel",
    });
    let app = App::of(provider.put_client_with("out", fields));
    let url = "https://app.example/backchannel".to_owned();
    provider.platform.form_statuses.borrow_mut().insert(url, 200);

    for (name, kind) in [
        ("Logout by a hint", "hint"),
        ("Logout by a server", "server"),
        ("Logout, confirmation page", "page"),
        ("Logout, form", "form"),
        ("Logout, nobody signed in", "nobody"),
    ] {
        let app = app.clone();
        steps.push(step(name, move |provider| {
            let browser = Browser::new(provider);
            let code = browser.authorize(&app.client, ALICE, &[("scope", "openid email")]);
            let tokens = provider.send(app.redemption(provider, &code));
            let hint = field(&tokens, "id_token");
            let by_hint = encode(&[("id_token_hint", &*hint), ("post_logout_redirect_uri", AFTER)]);
            let by_hint = format!("/auth/logout?{by_hint}");
            let request = match kind {
                "hint" => visit(&browser, &by_hint),
                "server" => get(&by_hint),
                "page" => visit(&browser, "/auth/logout"),
                "nobody" => get("/auth/logout"),
                _ => {
                    let page = browser.get("/auth/logout");
                    browser.request_of(&form(&page), &[])
                }
            };
            let (app, cookies) = (app.clone(), [browser.cookies.take()]);
            Step::using(request, move |provider, _| {
                let mut used = pages(provider, &cookies);
                used.extend(use_tokens(provider, &app, &tokens));
                used
            })
            .settled_by(|provider| {
                provider.sleep(2 * 3_600);
                provider.maintain();
            })
        }));
    }
    walk(provider, &steps);
}
