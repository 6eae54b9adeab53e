//! The number of requests to the database of each page and form for users. On D1 each is a network round trip, and costs
//! more CPU than everything else that the module does for the page.

use crate::browser::{
    Browser, CHALLENGE, Form, PASSWORD, TestClient, answer, decode, encode, field, form, form_to,
    is_choice, is_consent, is_login,
};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post};
use serde_json::json;

const LOGIN: &str = "alice@example.com";

/// A provider with alice and a client, whose isolate is warm.
struct Counted {
    provider: TestProvider,
    client: TestClient,
    /// Whether authorization requests are signed and sent by POST, and so stored under a handle.
    is_stored: bool,
}

/// Sends a signed request by POST. Returns the URL with its handle.
fn post_signed(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> String {
    let mut claims = json!({ "iss": client.id, "aud": ISSUER, "iat": provider.now.get() });
    for (name, value) in decode(&client.authorize_query(parameters)) {
        claims[name] = value.into();
    }
    let object = Signer::new("ES256", None, 0).sign(&claims);
    let query = encode(&[("client_id", &client.id), ("request", &object)]);
    let response = provider.send(post("/auth/authorize").form(&query));
    response.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned()
}

impl Counted {
    fn new(is_stored: bool) -> Self {
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        let signer = Signer::new("ES256", None, 0);
        let client = provider.put_client_with("app", json!({ "jwks": signer.jwks() }));
        // The first request of an isolate defers a sweep.
        provider.send(get("/auth/authorize"));
        Self { provider, client, is_stored }
    }

    /// The target of an authorization request.
    fn target(&self, parameters: &[(&str, &str)]) -> String {
        if !self.is_stored {
            return self.client.authorize(parameters);
        }
        post_signed(&self.provider, &self.client, parameters)
    }

    /// Sends a request. Adds a line to `table` if it does not take the expected number of requests to the database.
    fn send(
        &self,
        table: &mut Vec<String>,
        (step, expected): (&str, u32),
        send: impl FnOnce() -> TestResponse,
    ) -> TestResponse {
        self.provider.platform.take_counts();
        let response = send();
        let counts = self.provider.platform.take_counts();
        let requests = counts.statements + counts.batches;
        if requests != expected {
            let transport = if self.is_stored { "stored" } else { "plain" };
            table.push(format!("{step} ({transport}): {requests}, expected {expected}"));
        }
        response
    }
}

/// Submits a form, and does not follow the redirect.
fn submit(browser: &Browser<'_>, form: &Form, filled: &[(&str, &str)]) -> TestResponse {
    let mut fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.retain(|(name, _)| !filled.iter().any(|(filled, _)| filled == name));
    fields.extend(filled);
    browser.post(&form.action, &fields)
}

fn assert_empty(table: &[String]) {
    assert!(table.is_empty(), "requests to the database:\n{}", table.join("\n"));
}

#[test]
fn the_authorization_endpoint_reads_in_one_request() {
    let mut table = Vec::new();
    for is_stored in [false, true] {
        let counted = Counted::new(is_stored);
        let alice = Browser::new(&counted.provider);
        let target = counted.target(&[]);
        let page = counted.send(&mut table, ("no session", 1), || alice.get(&target));
        let credentials = [("login", LOGIN), ("password", PASSWORD)];
        let response = submit(&alice, &form(&page), &credentials);
        let target = response.header("location").unwrap();
        let page = counted.send(&mut table, ("after sign-in", 1), || alice.get(target));
        assert!(is_consent(&page));
        alice.submit(&page, &[("decision", "allow")]);

        // The second request records the grant and the code.
        let target = counted.target(&[]);
        let response = counted.send(&mut table, ("code at once", 2), || alice.get(&target));
        assert!(answer(&response, &counted.client.redirect_uri).contains_key("code"));

        let target = counted.target(&[("prompt", "select_account")]);
        let page = counted.send(&mut table, ("account chooser", 1), || alice.get(&target));
        assert!(is_choice(&page));
        let fields = [("decision", "continue")];
        let send = || submit(&alice, &form(&page), &fields);
        let response = counted.send(&mut table, ("account chosen", 1), send);
        assert!(response.header("location").unwrap().contains("&resume="));
    }
    assert_empty(&table);
}

#[test]
fn a_form_of_an_interaction_reads_in_one_request() {
    let mut table = Vec::new();
    for is_stored in [false, true] {
        let counted = Counted::new(is_stored);
        let alice = Browser::new(&counted.provider);
        let target = counted.target(&[]);

        // One request counts the attempt, finds the password and reads the client.
        let page = alice.get(&target);
        let fields = [("login", LOGIN), ("password", "wrong")];
        let send = || submit(&alice, &form(&page), &fields);
        let again = counted.send(&mut table, ("wrong password", 1), send);
        assert_eq!((again.status, is_login(&again)), (403, true));
        let send = || submit(&alice, &form(&page), &[("token", "1.expired")]);
        let again = counted.send(&mut table, ("expired sign-in form", 1), send);
        assert!(is_login(&again));
        // The second begins the session.
        let fields = [("login", LOGIN), ("password", PASSWORD)];
        let send = || submit(&alice, &form(&page), &fields);
        let response = counted.send(&mut table, ("signed in", 2), send);

        let page = alice.follow(response);
        let fields = [("decision", "allow"), ("token", "1.expired")];
        let send = || submit(&alice, &form(&page), &fields);
        let again = counted.send(&mut table, ("expired consent form", 1), send);
        assert!(is_consent(&again));
        // The second request records the grant, the code and the consent.
        let send = || submit(&alice, &form(&page), &[("decision", "allow")]);
        let response = counted.send(&mut table, ("consent", 2), send);
        assert!(answer(&response, &counted.client.redirect_uri).contains_key("code"));
        // The second request records the response of the stored request.
        let page = alice.get(&counted.target(&[("prompt", "consent")]));
        let send = || submit(&alice, &form(&page), &[("decision", "deny")]);
        let step = ("denial", if is_stored { 2 } else { 1 });
        let response = counted.send(&mut table, step, send);
        assert_eq!(answer(&response, &counted.client.redirect_uri)["error"], "access_denied");
    }
    assert_empty(&table);
}

#[test]
fn a_pushed_request_takes_one_more_request_and_so_does_a_signed_one() {
    let mut table = Vec::new();
    let counted = Counted::new(false);
    let Counted { provider, client, .. } = &counted;
    let alice = Browser::new(provider);
    alice.authorize(client, LOGIN, &[]);

    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
    let pushed = post("/auth/par").form(&format!("{}&{secret}", client.authorize_query(&[])));
    let uri = provider.send(pushed).json()["request_uri"].as_str().unwrap().to_owned();
    let query = encode(&[("client_id", "app"), ("request_uri", &uri)]);
    let target = format!("/auth/authorize?{query}");
    let response = counted.send(&mut table, ("pushed", 1), || alice.get(&target));
    let target = response.header("location").unwrap();
    let response = counted.send(&mut table, ("pushed, opened", 2), || alice.get(target));
    assert!(answer(&response, &client.redirect_uri).contains_key("code"));

    let object = Signer::new("ES256", None, 0).sign(&json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "redirect_uri": client.redirect_uri,
        "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE,
        "code_challenge_method": "S256", "iat": provider.now.get(),
    }));
    let query = encode(&[("client_id", "app"), ("request", &object)]);
    let target = format!("/auth/authorize?{query}");
    let response = counted.send(&mut table, ("signed", 3), || alice.get(&target));
    assert!(answer(&response, &client.redirect_uri).contains_key("code"));
    assert_empty(&table);
}

#[test]
fn a_push_takes_one_request_and_another_one_if_the_request_cannot_be_stored_at_once() {
    let mut table = Vec::new();
    let counted = Counted::new(false);
    let provider = &counted.provider;
    let public =
        provider.put_client_with("public", json!({ "token_endpoint_auth_method": "none" }));
    let push = |client: &TestClient, parameters: &[(&str, &str)]| {
        let secret = client.secret.as_ref().map(|secret| ("client_secret", secret.as_str()));
        let secret = encode(secret.as_slice());
        provider.send(
            post("/auth/par").form(&format!("{}&{secret}", client.authorize_query(parameters))),
        )
    };
    for (client, parameters, step, status) in [
        (&counted.client, vec![], ("confidential", 1), 201),
        (&public, vec![], ("public", 1), 201),
        // An invalid request is deleted again.
        (&counted.client, vec![("scope", "unheard-of")], ("invalid", 2), 400),
    ] {
        let response = counted.send(&mut table, step, || push(client, &parameters));
        assert_eq!(response.status, status, "{}", response.body);
    }
    // The rate of clients that registered themselves is limited before anything is stored.
    let sql = "UPDATE clients SET registration_token_hash = 'x' WHERE client_id = 'app'";
    provider.platform.primary.execute(sql, ()).unwrap();
    let step = ("registered itself", 2);
    assert_eq!(counted.send(&mut table, step, || push(&counted.client, &[])).status, 201);
    assert_empty(&table);
}

#[test]
fn the_account_page_and_its_forms_take_one_request_each() {
    let mut table = Vec::new();
    let counted = Counted::new(false);
    let alice = Browser::new(&counted.provider);
    let page = counted.send(&mut table, ("no session", 0), || alice.get("/auth/account"));
    assert!(is_login(&page));
    alice.authorize(&counted.client, LOGIN, &[]);
    let page = counted.send(&mut table, ("account page", 1), || alice.get("/auth/account"));
    let withdraw = form_to(&page, "/auth/account");
    let response = counted.send(&mut table, ("withdrawal", 1), || submit(&alice, &withdraw, &[]));
    assert!(response.body.contains("No application has access"), "{}", response.body);
    let sign_out = form_to(&page, "/auth/signout");
    let response = counted.send(&mut table, ("sign-out", 1), || submit(&alice, &sign_out, &[]));
    assert_eq!(response.status, 200);
    assert_empty(&table);
}

#[test]
fn a_logout_reads_before_it_ends_a_session() {
    let mut table = Vec::new();
    let counted = Counted::new(true);
    let after = "https://app.example/after";
    let uris = json!({ "post_logout_redirect_uris": [after] });
    let app = counted.provider.put_client_with("logout", uris);
    let alice = Browser::new(&counted.provider);
    let target = |name, value: &str| {
        let parameters = [(name, value), ("post_logout_redirect_uri", after)];
        format!("/auth/logout?{}", encode(&parameters))
    };
    let sign_in = || {
        let code = alice.authorize(&app, LOGIN, &[]);
        field(&counted.provider.redeem(&app, &code), "id_token")
    };
    let hinted = target("id_token_hint", &sign_in());
    let response = counted.send(&mut table, ("hint", 2), || alice.get(&hinted));
    assert_eq!(response.header("location"), Some(after));
    let hinted = target("id_token_hint", &sign_in());
    counted.send(&mut table, ("hint, no cookies", 2), || counted.provider.send(get(&hinted)));
    let named = target("client_id", "logout");
    counted
        .send(&mut table, ("nobody signed in", 1), || Browser::new(&counted.provider).get(&named));
    sign_in();
    let page = counted.send(&mut table, ("page", 1), || alice.get(&named));
    let sign_out = form_to(&page, "/auth/signout");
    let response = counted.send(&mut table, ("form", 1), || submit(&alice, &sign_out, &[]));
    assert_eq!(response.header("refresh"), Some(&*format!("0;url={after}")));
    assert_empty(&table);
}

#[test]
fn a_request_that_does_not_reveal_its_client_takes_one_more() {
    let mut table = Vec::new();
    let counted = Counted::new(true);
    let Counted { provider, client, .. } = &counted;
    let alice = Browser::new(provider);
    alice.authorize(client, LOGIN, &[]);

    // A version without the column stored it.
    let target = counted.target(&[]);
    let sql = "UPDATE authorization_requests SET client_id = NULL";
    assert_eq!(provider.platform.primary.execute(sql, ()).unwrap(), 1);
    let response = counted.send(&mut table, ("without client_id", 3), || alice.get(&target));
    assert!(answer(&response, &client.redirect_uri).contains_key("code"));

    // With the interaction token it has 101 parameters.
    let query = format!("{}{}", client.authorize_query(&[("prompt", "login")]), "&x".repeat(91));
    let page = alice.get(&format!("/auth/authorize?{query}"));
    let fields = [("login", LOGIN), ("password", PASSWORD)];
    let response = submit(&alice, &form(&page), &fields);
    let target = response.header("location").unwrap();
    let response = counted.send(&mut table, ("100 parameters", 3), || alice.get(target));
    assert!(answer(&response, &client.redirect_uri).contains_key("code"));
    assert_empty(&table);
}

/// The parameters name the client whose consent counts, even if the row has another `client_id`.
#[test]
fn a_stored_request_gets_no_other_clients_consent() {
    let counted = Counted::new(true);
    let Counted { provider, client, .. } = &counted;
    let jwks = Signer::new("ES256", None, 0).jwks();
    let other = provider.put_client_with("other", json!({ "jwks": jwks }));
    let alice = Browser::new(provider);
    alice.authorize(client, LOGIN, &[]);
    let target = post_signed(provider, &other, &[]);
    let sql = "UPDATE authorization_requests SET client_id = 'app'";
    assert_eq!(provider.platform.primary.execute(sql, ()).unwrap(), 1);
    assert!(is_consent(&alice.get(&target)));
}

/// The cookie alone names the user whose consent counts, and only while the session lasts.
#[test]
fn a_consent_of_an_ended_session_does_not_count() {
    let counted = Counted::new(false);
    let Counted { provider, client, .. } = &counted;
    let (alice, bob) = (Browser::new(provider), Browser::new(provider));
    provider.put_user("bob");
    alice.authorize(client, LOGIN, &[]);
    bob.sign_in_on(&bob.get("/auth/account"), "bob");
    let page = bob.get(&client.authorize(&[]));
    assert!(is_consent(&page) && page.body.contains("bob"));
    provider
        .platform
        .primary
        .execute("UPDATE sessions SET used_at = 0, auth_time = 0", ())
        .unwrap();
    assert!(is_login(&alice.get(&client.authorize(&[]))));
    assert!(is_login(&alice.get("/auth/account")));
}
