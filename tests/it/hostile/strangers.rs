//! Authorization requests of clients that nobody vouches for, and requests that try to find out who is signed in.

use postern::jose::jwk::PublicKey;
use serde_json::json;

use super::forge::{BEGIN, OUR_KEY, good, key};
use super::row::{
    Answer, BOBS_COOKIE, COOKIE, FORM, MALLORY, PLAIN, Row, assert_distinct, assert_edge_table,
    provider_with, replaced, seed, strangers,
};
use crate::browser::destination;
use crate::test_provider::{TestProvider, get};

const STATE: &str = "the state";
const FRIEND: &str = "https://friend.example/cb";
const NO_COOKIE: &str = "x=y";

/// A request of mallory's client.
fn usual(parameters: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "mallory"),
        ("redirect_uri", MALLORY[0]),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", STATE),
    ];
    replaced(&usual, parameters)
}

/// A page that offers an error in the query.
fn offered(status: u16, error: &str) -> Answer {
    let (to, state) = (MALLORY[0].into(), Some(STATE.into()));
    Answer::Offered { status, by_form: false, to, error: error.into(), state }
}

fn row(name: &str, query: &str, cookie: &str, answer: Answer) -> Row {
    let mut row = Row::new(name, "GET", &format!("/auth/authorize?{query}"), answer);
    row.header("cookie", cookie);
    row
}

fn table() -> Vec<Row> {
    [errors(), modes(), forms(), silent(), allowed()].concat()
}

/// Errors that need no user. Without a page, a link to the provider would lead to any site that registers a client.
fn errors() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "jwt", "invalid_request"),
        ("scope", "unknown", "invalid_scope"),
        ("resource", "https://unknown.example", "invalid_target"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "x", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("nonce", &"n".repeat(2_049), "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("code_challenge", "x", "invalid_request"),
        ("registration", "{}", "registration_not_supported"),
        ("request", "x", "invalid_request_object"),
        ("request_uri", "https://mallory.example/r", "invalid_request_uri"),
        ("display", "page&display=page", "invalid_request"),
        (
            "claims",
            r#"{"id_token":{"acr":{"essential":true,"value":"x"}}}"#,
            "unmet_authentication_requirements",
        ),
    ] {
        let query = match value.split_once('&') {
            Some((value, more)) => format!("{}&{more}", usual(&[(name, value)])),
            None => usual(&[(name, value)]),
        };
        let value: String = value.chars().take(70).collect();
        for (cookie, whose) in [(NO_COOKIE, "nobody's"), (BOBS_COOKIE, "bob's")] {
            let name = format!("{name} {value} in {whose} browser");
            rows.push(row(&name, &query, cookie, offered(400, error)));
        }
    }
    let mut head = row("by HEAD", &usual(&[("scope", "x")]), COOKIE, offered(400, "invalid_scope"));
    head.method = "HEAD".into();
    // The edge has no body to look at, so the status and the missing redirect are checked.
    head.answer = Answer::Page { status: 400, words: String::new() };
    rows.push(head);
    rows
}

/// Each way in which the client may have its response.
fn modes() -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, uri) in MALLORY.iter().enumerate() {
        for (mode, by_form, end) in
            [("query", false, ""), ("fragment", false, "#"), ("form_post", true, "")]
        {
            let parameters = [("redirect_uri", *uri), ("response_mode", mode), ("scope", "x")];
            let answer = Answer::Offered {
                status: 400,
                by_form,
                to: format!("{uri}{end}"),
                error: "invalid_scope".into(),
                state: Some(STATE.into()),
            };
            let name = format!("by {mode} to the redirect URI {index}");
            rows.push(row(&name, &usual(&parameters), COOKIE, answer));
        }
    }
    let markup = "\"><script>alert(1)</script>&#_#_";
    let answer = Answer::Offered {
        status: 400,
        by_form: false,
        to: MALLORY[0].into(),
        error: "invalid_scope".into(),
        state: Some(markup.into()),
    };
    let query = usual(&[("scope", "<b>x"), ("state", markup)]);
    rows.push(row("markup in scope and state", &query, COOKIE, answer));
    rows
}

/// Requests by POST: of another site, and to the forms of the provider without a token that is good for anything.
fn forms() -> Vec<Row> {
    let invalid = usual(&[("scope", "x")]);
    let silent = usual(&[("prompt", "none")]);
    let by_get = Answer::ByGet { query: invalid.clone() };
    let mut rows = vec![{
        let mut row = Row::new("by POST", "POST", "/auth/authorize", by_get);
        row.body(FORM, &invalid);
        row
    }];
    let carried = |request: &str| {
        replaced(
            &[("shown", "openid  "), ("token", "1780000000.forged"), ("request", request)],
            &[("decision", "deny"), ("login", "alice"), ("password", "x")],
        )
    };
    for path in ["/auth/consent", "/auth/login"] {
        let offer = offered(400, "invalid_scope");
        let mut row = Row::new(&format!("a forged form to {path}"), "POST", path, offer);
        row.header("cookie", COOKIE).body(FORM, &carried(&invalid));
        rows.push(row);
    }
    let mut row = Row::new(
        "a forged form to /auth/consent with prompt none",
        "POST",
        "/auth/consent",
        offered(400, "login_required"),
    );
    row.header("cookie", COOKIE).body(FORM, &carried(&silent));
    rows.push(row);
    for resume in ["", "x", "1780000000.7TydDPYCXGtGOJAOK3Eb45DiFxHnsCgmeozORVSnj94"] {
        let query = format!("{invalid}&resume={resume}");
        let name = format!("after a form, as the made-up token {resume:?} says");
        rows.push(self::row(&name, &query, COOKIE, offered(400, "invalid_scope")));
    }
    rows
}

/// Requests under `prompt=none`, which the client's script could send at any time.
fn silent() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, more) in probes() {
        for (cookie, whose) in [(NO_COOKIE, "nobody's"), (BOBS_COOKIE, "bob's")] {
            let mut parameters = vec![("prompt", "none")];
            parameters.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
            let of_app = [("client_id", "app"), ("redirect_uri", PLAIN)];
            let name = format!("prompt none with {name} in {whose} browser");
            rows.push(row(&name, &usual(&parameters), cookie, offered(400, "login_required")));
            parameters.extend(of_app);
            let redirect = Answer::Redirect {
                to: PLAIN.into(),
                error: Some("login_required".into()),
                state: Some(STATE.into()),
            };
            let name = format!("{name}, of the operator's client");
            rows.push(row(&name, &usual(&parameters), cookie, redirect));
        }
    }
    rows
}

/// Parameters that need a certain user or sign-in.
fn probes() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let sub = |sub: &str| {
        vec![("claims", json!({ "id_token": { "sub": { "value": sub } } }).to_string())]
    };
    let hint = |sub: &str, client: &str| {
        let hint = good().header("typ", json!("JWT")).claim("auth_time", json!(1));
        let hint = hint.claim("aud", json!(client)).claim("sub", json!(sub));
        vec![("id_token_hint", hint.sign())]
    };
    vec![
        ("nothing else", vec![]),
        ("the sub of bob", sub("bob")),
        ("the sub of alice", sub("alice")),
        ("the sub of nobody", sub("nobody")),
        ("a hint of bob", hint("bob", "app")),
        ("a hint of alice", hint("alice", "app")),
        ("a hint of mallory's of bob", hint("bob", "mallory")),
        ("max_age 0", vec![("max_age", "0".into())]),
        ("max_age 1", vec![("max_age", "1".into())]),
        ("max_age 1000000000", vec![("max_age", "1000000000".into())]),
        ("the login of bob", vec![("login_hint", "bob".into())]),
        ("more scopes", vec![("scope", "openid email".into())]),
        ("a claim", vec![("claims", r#"{"userinfo":{"email":{"essential":true}}}"#.to_owned())]),
    ]
}

/// A client that alice has allowed gets its errors at once from her browser, and from no other.
fn allowed() -> Vec<Row> {
    let friend = |parameters: &[(&'static str, &'static str)]| {
        let mut all = vec![("client_id", "friend"), ("redirect_uri", FRIEND)];
        all.extend(parameters);
        usual(&all)
    };
    let redirect = |error: Option<&str>| Answer::Redirect {
        to: FRIEND.into(),
        error: error.map(str::to_owned),
        state: Some(STATE.into()),
    };
    let offer = |error: &str| Answer::Offered {
        status: 400,
        by_form: false,
        to: FRIEND.into(),
        error: error.into(),
        state: Some(STATE.into()),
    };
    let silent = friend(&[("prompt", "none")]);
    let more = friend(&[("prompt", "none"), ("scope", "openid email")]);
    let invalid = friend(&[("scope", "x")]);
    let old = friend(&[("prompt", "none"), ("max_age", "0")]);
    vec![
        row("a client that alice allowed", &silent, COOKIE, redirect(None)),
        row("with more scopes", &more, COOKIE, redirect(Some("consent_required"))),
        row("after a new sign-in only", &old, COOKIE, redirect(Some("login_required"))),
        row("an invalid request", &invalid, COOKIE, redirect(Some("invalid_scope"))),
        row("in bob's browser", &silent, BOBS_COOKIE, offer("login_required")),
        row("an invalid request in bob's browser", &invalid, BOBS_COOKIE, offer("invalid_scope")),
        row("in nobody's browser", &silent, NO_COOKIE, offer("login_required")),
    ]
}

fn all_seeds() -> Vec<String> {
    let key = key(OUR_KEY);
    let jwk = serde_json::to_string(&PublicKey::Ec(key.public().clone())).unwrap();
    let kid = key.public().kid().to_owned();
    let key = format!(
        "INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private, publish_from, sign_from) VALUES ('{kid}', 'ES256', '{jwk}', 'not needed to verify', {BEGIN}, {BEGIN})"
    );
    [seed(), strangers(), vec![key]].concat()
}

fn provider() -> TestProvider {
    provider_with(&all_seeds())
}

#[test]
fn every_request_of_a_stranger_gets_the_expected_response() {
    let rows = table();
    assert!(rows.len() >= 100, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider();
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

#[test]
fn the_edge_table_of_strangers_requests_is_current() {
    assert_edge_table("strangers.json", &all_seeds(), &table());
}

/// Not only the error is the same, but every byte of the response and every request to the database.
#[test]
fn without_a_page_a_client_that_its_user_never_allowed_cannot_tell_who_is_signed_in() {
    let provider = provider();
    // The isolate reads the keys once.
    provider.send(get(&format!("/auth/authorize?{}", usual(&[]))));
    for (client_id, uri) in [("app", PLAIN), ("mallory", MALLORY[0])] {
        for (name, more) in probes() {
            let mut parameters =
                vec![("client_id", client_id), ("redirect_uri", uri), ("prompt", "none")];
            parameters.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
            let target = format!("/auth/authorize?{}", usual(&parameters));
            let [nobody, bob] = [NO_COOKIE, BOBS_COOKIE].map(|cookie| {
                provider.platform.take_counts();
                let response = provider.send(get(&target).with("cookie", cookie));
                let counts = format!("{:?}", provider.platform.take_counts());
                (response.status, response.headers, response.body, counts)
            });
            assert_eq!(nobody, bob, "{client_id} with {name}");
        }
    }
    let location = |query: &str| {
        let response = provider.send(get(query).with("cookie", BOBS_COOKIE));
        destination(&response).to_owned()
    };
    let query = |claims: &str| {
        let parameters =
            [("client_id", "app"), ("redirect_uri", PLAIN), ("prompt", "none"), ("claims", claims)];
        format!("/auth/authorize?{}", usual(&parameters))
    };
    let [his, hers] = ["bob", "alice"].map(|sub| {
        location(&query(&json!({ "id_token": { "sub": { "value": sub } } }).to_string()))
    });
    assert_eq!(his, hers);
}
