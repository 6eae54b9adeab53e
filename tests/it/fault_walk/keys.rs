//! Signing keys, published documents, and the maintenance.

use serde_json::json;

use super::world::{ALICE, provider, world};
use super::{Act, NamedStep, Step, step, walk};
use crate::backchannel;
use crate::browser::Browser;
use crate::secret_changes::after_step;
use crate::test_provider::{TestProvider, TestResponse, get, post};

const DAY: i64 = 86_400;

/// Reads the keys, and uses one, as relying parties and the operator do.
fn use_keys(provider: &TestProvider) -> Vec<TestResponse> {
    let mint = json!({ "sub": "alice", "scope": "openid email" });
    let minted = provider.send(post("/admin/tokens").by_operator().json(&mint));
    let token = minted.json()["access_token"].as_str().unwrap_or_default().to_owned();
    let userinfo = provider.send(get("/auth/userinfo").bearer(&token));
    vec![provider.send(get("/auth/jwks.json")), minted, userinfo]
}

/// The next runs do what one has left.
fn maintenance() -> Step {
    Step::new(Act::Maintenance, Box::new(|_, _| Vec::new())).settled_by(|provider| {
        for _ in 0..3 {
            provider.sleep(2 * 3_600);
            provider.maintain();
        }
    })
}

/// A key that was not made after a response is made after a later one.
fn later(provider: &TestProvider) {
    provider.sleep(61);
    provider.send(get("/auth/jwks.json"));
    provider.send(get("/auth/jwks.json"));
}

#[test]
fn a_key_is_made_in_spite_of_a_fault_of_any_call() {
    let provider = TestProvider::new();
    provider.has_entropy.set(true);
    provider.put_alice();
    let steps: Vec<NamedStep> = vec![
        step("JWK Set without keys", |_| {
            Step::using(get("/auth/jwks.json"), |provider, _| use_keys(provider))
                .done_once()
                .settled_by(later)
        }),
        step("Minting without keys", |_| {
            let order = json!({ "sub": "alice", "scope": "openid email" });
            let request = post("/admin/tokens").by_operator().json(&order);
            Step::using(request, |provider, _| use_keys(provider))
                .done_once()
                .settled_by(later)
                // A grant whose token could not be signed ends by itself.
                .counted_in(&["audit_events", "grants"])
        }),
    ];
    walk(provider, &steps);
}

#[test]
fn a_document_and_a_key_get_through_a_fault_of_any_call() {
    let provider = provider();
    let mut steps: Vec<NamedStep> = Vec::new();
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/auth/userinfo",
        "/auth/jwks.json",
        "/",
    ] {
        steps.push(step(path, move |_| Step::of(get(path))));
        let name = Box::leak(format!("{path} without a copy in KV").into_boxed_str());
        steps.push(step(name, move |provider| {
            provider.platform.cache.borrow_mut().clear();
            Step::of(get(path))
        }));
    }
    steps.push(step("JWK Set, old copy in KV", |provider| {
        provider.sleep(660);
        Step::of(get("/auth/jwks.json"))
    }));
    steps.push(step("Userinfo, old copy in KV", |provider| {
        let order = json!({ "sub": "alice", "scope": "openid email", "ttl": 3_600 });
        let minted = provider.send(post("/admin/tokens").by_operator().json(&order)).json();
        provider.sleep(660);
        let token = minted["access_token"].as_str().unwrap();
        Step::of(get("/auth/userinfo").bearer(token)).lasting(3_000)
    }));
    steps.push(step("Rotation", |_| {
        let request = post("/admin/keys/rotate").by_operator();
        // A repetition replaces the keys that have not signed.
        let step = Step::using(request, |provider, _| use_keys(provider)).done_once();
        step.counted_in(&["audit_events"])
    }));
    steps.push(step("Withdrawal of a key", |provider| {
        let keys = provider.send(get("/admin/keys").by_operator()).json();
        let order = json!({ "compromised": keys["keys"][0]["kid"] });
        let request = post("/admin/keys/rotate").by_operator().json(&order);
        Step::using(request, |provider, _| use_keys(provider)).done_once()
    }));
    steps.push(step("GET keys", |_| Step::of(get("/admin/keys").by_operator())));
    walk(provider, &steps);
}

#[test]
fn a_maintenance_gets_through_a_fault_of_any_call() {
    let (provider, world) = world();
    let mut steps: Vec<NamedStep> = Vec::new();
    steps.push(step("Maintenance, nothing to do", |_| maintenance()));
    steps.push(step("Maintenance, keys are due", |provider| {
        provider.sleep(28 * DAY);
        maintenance().done_once()
    }));
    let this = world.clone();
    steps.push(step("Maintenance, rows are over", move |provider| {
        let app = this.app("client_secret_post");
        this.tokens(provider, &app);
        provider.sleep(27 * DAY);
        maintenance().done_once()
    }));
    steps.push(step("Maintenance, logout tokens are due", |provider| {
        let clients = ["one", "two"].map(|id| backchannel::put_client(provider, id));
        let browser = Browser::new(provider);
        for client in &clients {
            let code = browser.authorize(client, ALICE, &[]);
            provider.redeem(client, &code);
        }
        provider.skips_deferred_tasks.set(true);
        backchannel::sign_out(&browser);
        provider.skips_deferred_tasks.set(false);
        for id in ["one", "two"] {
            backchannel::answer(provider, id, Some(200));
        }
        provider.sleep(600);
        maintenance().done_once()
    }));
    walk(provider, &steps);
}

#[test]
fn a_resealing_gets_through_a_fault_of_any_call() {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice();
    provider.deploy(after_step(1));
    provider.maintain();
    provider.deploy(after_step(2));
    let steps: Vec<NamedStep> =
        vec![step("Maintenance, keys to seal again", |_| maintenance().done_once())];
    walk(provider, &steps);
}
