//! The token endpoint, and what tokens are used for.

use serde_json::Value;

use super::world::{API, App, OFFLINE, use_tokens, world};
use super::{NamedStep, Step, step, walk};
use crate::fault_plan::{Effect, Fault, Port};
use crate::test_provider::{TestProvider, get};

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// A step for each client.
fn for_each(
    steps: &mut Vec<NamedStep>,
    apps: &[(&'static str, App)],
    what: &str,
    prepare: impl Fn(&TestProvider, &App) -> Step + Clone + 'static,
) {
    for (name, app) in apps {
        let (app, prepare) = (app.clone(), prepare.clone());
        let name = Box::leak(format!("{what}, {name}").into_boxed_str());
        steps.push(step(name, move |provider| prepare(provider, &app)));
    }
}

/// Why a code is lost.
pub(super) fn spent(fault: &Fault) -> Option<&'static str> {
    match fault.port {
        Port::Database if fault.is_lost_twice() => {
            Some("D1 has spent the code, and both of its answers are lost")
        }
        Port::Crypto if fault.lasts => {
            Some("the code is spent before its tokens are signed, at most twice")
        }
        _ => None,
    }
}

/// A client cannot redeem its code again, so the user would have to sign in again.
#[test]
fn a_code_survives_a_signature_that_fails_once_and_randomness_that_fails() {
    let (mut provider, world) = world();
    let app = world.app("client_secret_post");
    let code = world.code(&provider, &app, &[("scope", OFFLINE)]);
    let state = provider.snapshot();
    for (port, fewest) in [(Port::Crypto, 2), (Port::Randomness, 3)] {
        let mut hits = 0;
        for call in 1.. {
            provider.restore(&state);
            let fault = Fault { port, call, lasts: false, effect: Effect::Fails, seconds: 0 };
            provider.platform.faults.set(Some(fault));
            let response = provider.send(app.redemption(&provider, &code));
            if provider.platform.faults.hits() == 0 {
                break;
            }
            hits += 1;
            provider.platform.faults.set(None);
            assert!(response.log["notes"].to_string().contains("injected"), "{fault:?}");
            let is_done = response.status == 200;
            assert_eq!(is_done, port == Port::Crypto, "{fault:?}: {}", response.body);
            if !is_done {
                assert_eq!(response.status, 503, "{fault:?}: {}", response.body);
                let again = provider.send(app.redemption(&provider, &code));
                assert_eq!(again.status, 200, "{fault:?}: {}", again.body);
            }
        }
        assert!(hits >= fewest, "{port:?}: {hits}");
    }
}

#[test]
fn a_redemption_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps = Vec::new();
    for (what, scope) in [("Redemption", "openid email"), ("Redemption, offline_access", OFFLINE)] {
        let this = world.clone();
        for_each(&mut steps, &world.apps, what, move |provider, app| {
            let code = this.code(provider, app, &[("scope", scope)]);
            let (this, app) = (app.clone(), app.clone());
            Step::signed(
                move |provider| this.redemption(provider, &code),
                move |provider, response| use_tokens(provider, &app, response),
            )
            .lasting(60)
            .except(spent)
        });
    }
    walk(provider, &steps);
}

#[test]
fn a_refresh_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps = Vec::new();
    let this = world.clone();
    for_each(&mut steps, &world.apps, "Refresh", move |provider, app| {
        let tokens = this.tokens(provider, app);
        let (this, app) = (app.clone(), app.clone());
        Step::signed(
            move |provider| this.refresh(provider, &text(&tokens, "refresh_token")),
            move |provider, response| use_tokens(provider, &app, response),
        )
        .lasting(30 * 86_400)
    });
    let this = world.clone();
    for_each(&mut steps, &world.apps[..1], "Refresh with a scope", move |provider, app| {
        let tokens = this.tokens(provider, app);
        let token = text(&tokens, "refresh_token");
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", &*token), ("scope", "openid")];
        let request = app.post(provider, "/auth/token", &form);
        let app = app.clone();
        Step::using(request, move |provider, response| use_tokens(provider, &app, response))
            .lasting(30 * 86_400)
    });
    let this = world.clone();
    steps.push(step("Client credentials", move |_| {
        let parameters = [
            ("grant_type", "client_credentials"),
            ("resource", API),
            ("client_id", &this.machine.id),
            ("client_secret", this.machine.secret.as_deref().unwrap()),
        ];
        let form = crate::browser::encode(&parameters);
        Step::of(crate::test_provider::post("/auth/token").form(&form))
    }));
    walk(provider, &steps);
}

#[test]
fn the_use_of_a_token_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps = Vec::new();
    for kind in ["access_token", "refresh_token"] {
        let this = world.clone();
        for_each(
            &mut steps,
            &world.apps,
            &format!("Revocation of {kind}"),
            move |provider, app| {
                let tokens = this.tokens(provider, app);
                let (this, app, token) = (app.clone(), app.clone(), text(&tokens, kind));
                Step::signed(
                    move |provider| this.post(provider, "/auth/revoke", &[("token", &token)]),
                    move |provider, _| {
                        let userinfo = get("/auth/userinfo").bearer(&text(&tokens, "access_token"));
                        let refresh = app.refresh(provider, &text(&tokens, "refresh_token"));
                        vec![provider.send(userinfo), provider.send(refresh)]
                    },
                )
                .lasting(600)
            },
        );
        let is_confidential = |app: &App| app.client.secret.is_some() || app.signer.is_some();
        let apps = world.apps.iter().filter(|(_, app)| is_confidential(app));
        let confidential: Vec<_> = apps.cloned().collect();
        let this = world.clone();
        for_each(
            &mut steps,
            &confidential,
            &format!("Introspection of {kind}"),
            move |provider, app| {
                let tokens = this.tokens(provider, app);
                let (this, token) = (app.clone(), text(&tokens, kind));
                Step::signed(
                    move |provider| this.post(provider, "/auth/introspect", &[("token", &token)]),
                    |_, _| Vec::new(),
                )
                .lasting(600)
            },
        );
    }
    let this = world.clone();
    for_each(&mut steps, &world.apps[..1], "Userinfo", move |provider, app| {
        let tokens = this.tokens(provider, app);
        Step::of(get("/auth/userinfo").bearer(&text(&tokens, "access_token"))).lasting(600)
    });
    walk(provider, &steps);
}
