//! Hostile logout requests.

use postern::crypto::mac::{Purpose, derive};
use postern::jose::jwk::PublicKey;
use serde_json::json;

use super::forge::{BEGIN, Forge, OUR_KEY, THEIR_KEY, good, key};
use super::redirect_tricks::{DESK_TRICKS, LOOPBACK, PORTS, TRICKS};
use super::row::{
    Answer, COOKIE, FORM, MALLORY, PLAIN, Row, assert_distinct, assert_edge_table, provider_with,
    replaced, seed, strangers,
};

const NO_COOKIE: &str = "x=y";
const NOT_REGISTERED: &str = "is not registered for the client";

/// The clients of the other tables, whose redirect URIs may be left for after a logout, too; and the key of the hints.
fn all_seeds() -> Vec<String> {
    let mut all = seed();
    all.extend(strangers());
    let public = PublicKey::Ec(key(OUR_KEY).public().clone());
    let jwk = serde_json::to_string(&public).unwrap();
    all.extend([
        "UPDATE clients SET metadata = json_set(metadata, '$.post_logout_redirect_uris', \
         json_extract(metadata, '$.redirect_uris')) WHERE client_id <> 'own'"
            .into(),
        format!(
            "INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private, publish_from, sign_from) VALUES ('{}', 'ES256', '{jwk}', 'not needed to verify', {BEGIN}, {BEGIN})",
            public.kid()
        ),
        "INSERT INTO session_clients (session_id, client_id, sid, subject, signed_in_at) VALUES ('bobs', 'app', 'the sid of bob', 'bob', 0)".into(),
    ]);
    all
}

/// A logout request of the app.
fn usual(parameters: &[(&str, &str)]) -> String {
    let usual = [("client_id", "app"), ("post_logout_redirect_uri", PLAIN), ("state", "the state")];
    replaced(&usual, parameters)
}

/// The ID token that the app got in alice's session.
fn hint() -> Forge {
    let sid = derive("alices", Purpose::Sid, &["app"]).unwrap();
    good()
        .header("typ", json!("JWT"))
        .claim("aud", json!("app"))
        .claim("auth_time", json!(1))
        .claim("sid", json!(sid))
}

fn row(name: &str, query: &str, cookie: &str, answer: Answer) -> Row {
    let mut row = Row::new(name, "GET", &format!("/auth/logout?{query}"), answer);
    row.header("cookie", cookie);
    row
}

fn asks(status: u16, words: &str) -> Answer {
    Answer::AsksToSignOut { status, words: words.into() }
}

fn page(words: &str) -> Answer {
    Answer::Page { status: 400, words: words.into() }
}

/// A request that is wrong: alice can sign out on the page of the error, and a browser without a session sees the error.
fn refused(rows: &mut Vec<Row>, name: &str, query: &str, words: &str) {
    rows.push(row(&format!("{name}, alice"), query, COOKIE, asks(400, words)));
    rows.push(row(&format!("{name}, nobody"), query, NO_COOKIE, page(words)));
}

fn table() -> Vec<Row> {
    let mut rows = [uris(), parameters(), hints(), forms()].concat();
    for row in &mut rows {
        row.after("SELECT count(*) FROM sessions".into(), 2);
    }
    rows.extend(successes());
    rows
}

fn uris() -> Vec<Row> {
    let mut rows = Vec::new();
    let of_app = TRICKS.map(|uri| ("app", uri));
    for (id, uri) in of_app.into_iter().chain(DESK_TRICKS.map(|uri| ("desk", uri))) {
        let query = usual(&[("client_id", id), ("post_logout_redirect_uri", uri)]);
        refused(&mut rows, &format!("{id}: {uri}"), &query, NOT_REGISTERED);
    }
    let of_app = PORTS.map(|uri| ("app", uri));
    for (id, uri) in of_app.into_iter().chain(LOOPBACK.map(|uri| ("desk", uri))) {
        let query = usual(&[("client_id", id), ("post_logout_redirect_uri", uri)]);
        let separator = if uri.contains('?') { '&' } else { '?' };
        let to = format!("{uri}{separator}state=the%20state");
        rows.push(row(&format!("{id} at {uri}"), &query, NO_COOKIE, Answer::Leaves { to }));
    }
    for (name, id) in [("unknown", "gone"), ("in another case", "APP"), ("a sub", "alice")] {
        let query = usual(&[("client_id", id)]);
        refused(&mut rows, &format!("a client that is {name}"), &query, "is not registered");
    }
    let own = "https://own.example/cb";
    let query = usual(&[("client_id", "own"), ("post_logout_redirect_uri", own)]);
    refused(
        &mut rows,
        "a redirect URI that is registered for sign-ins only",
        &query,
        NOT_REGISTERED,
    );
    let query = usual(&[("client_id", "other")]);
    refused(&mut rows, "the URI of another client", &query, NOT_REGISTERED);
    refused(
        &mut rows,
        "a URI without a client",
        &usual(&[("client_id", "")]),
        "needs id_token_hint",
    );
    // Anybody can register a client. A link must not lead to its site without a click.
    for uri in MALLORY {
        let query = usual(&[("client_id", "mallory"), ("post_logout_redirect_uri", uri)]);
        let separator = if uri.contains('?') { '&' } else { '?' };
        let to = format!("{uri}{separator}state=the%20state");
        rows.push(row(&format!("a stranger's {uri}"), &query, NO_COOKIE, Answer::Links { to }));
        rows.push(row(&format!("a stranger's {uri}, alice"), &query, COOKIE, asks(200, "")));
    }
    rows
}

fn parameters() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in [
        "client_id",
        "id_token_hint",
        "logout_hint",
        "post_logout_redirect_uri",
        "state",
        "ui_locales",
    ] {
        let query = format!("{}&{name}=x&{name}=x", usual(&[(name, "")]));
        let words = format!("duplicate parameter: {name}");
        refused(&mut rows, &format!("{name} twice"), &query, &words);
        let query = format!("{}&{name}=%ff", usual(&[(name, "")]));
        let words = format!("{name}: must be UTF-8");
        rows.push(row(&format!("{name} is not UTF-8"), &query, COOKIE, page(&words)));
    }
    let query = format!("{}&%73tate=x", usual(&[]));
    refused(&mut rows, "state twice, once encoded", &query, "duplicate parameter: state");
    let query = format!("{}{}", usual(&[]), "&x".repeat(100));
    rows.push(row("103 parameters", &query, COOKIE, page("more than 100 parameters")));
    let long = "s".repeat(4_097);
    refused(&mut rows, "a long state", &usual(&[("state", &long)]), "longer than 4096 bytes");
    let query = usual(&[("ui_locales", &"x".repeat(15_000)), ("state", &"s".repeat(400))]);
    refused(&mut rows, "long locales", &query, "are longer than 15360 bytes");
    let state = "\r\nLocation: https://evil.example\"'<script>&#;%0d%0a\u{0}\u{202e}é";
    let escaped = "%0D%0ALocation%3A%20https%3A%2F%2Fevil.example%22%27%3Cscript%3E%26%23%3B%250d%250a%00\
                   %E2%80%AE%C3%A9";
    let to = format!("{PLAIN}?state={escaped}");
    rows.push(row(
        "a state with line ends and markup",
        &usual(&[("state", state)]),
        NO_COOKIE,
        Answer::Leaves { to },
    ));
    let query = format!("{}&code=x&error=x&iss=x&redirect_uri=https://evil.example", usual(&[]));
    let to = format!("{PLAIN}?state=the%20state");
    rows.push(row("unknown parameters", &query, NO_COOKIE, Answer::Leaves { to }));
    rows
}

fn hints() -> Vec<Row> {
    let mut rows = Vec::new();
    let query = |hint: &str| usual(&[("id_token_hint", hint)]);
    let jwk = serde_json::to_string(&PublicKey::Ec(key(OUR_KEY).public().clone())).unwrap();
    let point = key(OUR_KEY).public().point().unwrap();
    let tampered =
        hint().sign().replace(&hint().input(), &hint().claim("sub", json!("bob")).input());
    for (name, token, words) in [
        ("no JWT", "x".into(), "must be a signed JWT"),
        ("an access token", good().sign(), "must be an ID token"),
        ("a logout token", hint().header("typ", json!("logout+jwt")).sign(), "must be an ID token"),
        ("a userinfo response", hint().without_claim("auth_time").sign(), "must be an ID token"),
        ("no user", hint().without_claim("sub").sign(), "sub is missing"),
        ("alg none", hint().header("alg", json!("none")).signed(""), "signature"),
        (
            "alg None",
            hint().header("alg", json!("None")).signed(hint().raw_signature()),
            "signature",
        ),
        (
            "HS256 by the JWK",
            hint().header("alg", json!("HS256")).hmac(jwk.as_bytes()),
            "signature",
        ),
        ("HS256 by the point", hint().header("alg", json!("HS256")).hmac(&point), "signature"),
        ("another key under our kid", hint().key(THEIR_KEY).sign(), "signature"),
        ("another payload", tampered, "signature"),
        (
            "another client",
            hint().claim("aud", json!("other")).sign(),
            "client_id: must be the aud",
        ),
    ] {
        refused(&mut rows, &format!("a hint with {name}"), &query(&token), words);
    }
    // What proves nothing needs a confirmation, and leads nowhere without a click.
    let to = format!("{PLAIN}?state=the%20state");
    for (name, token) in [
        ("a key that is gone", hint().header("kid", json!("gone")).sign()),
        ("a key of another provider", hint().header("kid", json!("x")).key(THEIR_KEY).sign()),
        ("another issuer", hint().claim("iss", json!("https://evil.example")).sign()),
        ("no kid", hint().without_header("kid").sign()),
        ("alg none and no kid", {
            hint().without_header("kid").header("alg", json!("none")).signed("")
        }),
    ] {
        let name = format!("a hint with {name}");
        rows.push(row(&name, &query(&token), COOKIE, asks(200, "")));
        let answer = Answer::Links { to: to.clone() };
        let mut new_browser = row(&format!("{name}, nobody"), &query(&token), NO_COOKIE, answer);
        new_browser.header("sec-fetch-dest", "document");
        rows.push(new_browser);
        let words = page("proves nothing, so nobody was signed out");
        rows.push(row(&format!("{name}, a server"), &query(&token), NO_COOKIE, words));
    }
    // A hint of another session, user or client ends no session.
    for (name, token) in [
        ("another sid", hint().claim("sid", json!("x"))),
        ("an empty sid", hint().claim("sid", json!(""))),
        ("the sid of another user", hint().claim("sid", json!("the sid of bob"))),
        ("bob's, with the sid of alice", hint().claim("sub", json!("bob"))),
        ("a user who does not exist", hint().claim("sub", json!("gone")).claim("sid", json!("x"))),
    ] {
        let answer = Answer::Leaves { to: to.clone() };
        rows.push(row(&format!("{name}, nobody"), &query(&token.sign()), NO_COOKIE, answer));
    }
    for (name, token) in [
        ("another sid", hint().claim("sid", json!("x"))),
        ("another user and no sid", hint().without_claim("sid").claim("sub", json!("bob"))),
    ] {
        rows.push(row(&format!("{name}, alice"), &query(&token.sign()), COOKIE, asks(200, "")));
    }
    rows
}

/// The target of the sign-out forms.
fn forms() -> Vec<Row> {
    let mut rows = Vec::new();
    let request = usual(&[]);
    for (name, fields) in [
        ("no token", vec![("request", request.as_str())]),
        ("a made-up token", vec![("request", &request), ("token", "1780000000.x.x")]),
        ("nothing", vec![]),
    ] {
        let to = match fields.is_empty() {
            true => "account".into(),
            false => format!("logout?{request}"),
        };
        let to = format!("{}/auth/{to}", crate::test_provider::ISSUER);
        for (whose, cookie) in [("alice", COOKIE), ("nobody", NO_COOKIE)] {
            let name = format!("the form with {name}, {whose}");
            let mut row =
                Row::new(&name, "POST", "/auth/signout", Answer::Leaves { to: to.clone() });
            row.header("cookie", cookie).body(FORM, &crate::browser::encode(&fields));
            rows.push(row);
        }
    }
    for (name, request) in [("a fragment", "a=b#c"), ("a line end", "a\r\nb")] {
        let fields = crate::browser::encode(&[("request", request), ("token", "x")]);
        let mut row = Row::new(
            &format!("the form with {name}"),
            "POST",
            "/auth/signout",
            page("not a form of this provider"),
        );
        row.header("cookie", COOKIE).body(FORM, &fields);
        rows.push(row);
    }
    let mut json = Row::new(
        "JSON",
        "POST",
        "/auth/logout",
        Answer::Page { status: 415, words: "Content-Type".into() },
    );
    json.header("cookie", COOKIE).body("application/json", "{}");
    rows.push(json);
    rows
}

/// These end sessions.
fn successes() -> Vec<Row> {
    let to = format!("{PLAIN}?state=the%20state");
    let query = |token: Forge| usual(&[("id_token_hint", &token.sign())]);
    let bobs = hint().claim("sub", json!("bob")).claim("sid", json!("the sid of bob"));
    let mut rows = vec![
        row(
            "a server ends bob's session",
            &query(bobs),
            NO_COOKIE,
            Answer::Leaves { to: to.clone() },
        ),
        row(
            "an expired hint ends alice's session",
            &query(hint().claim("exp", json!(1))),
            COOKIE,
            Answer::Leaves { to },
        ),
    ];
    for (index, row) in rows.iter_mut().enumerate() {
        let left = if index == 0 { 1 } else { 0 };
        row.after("SELECT count(*) FROM sessions".into(), left);
    }
    rows
}

#[test]
fn every_logout_request_gets_the_expected_response() {
    let rows = table();
    assert!(rows.len() >= 300, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider_with(&all_seeds());
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

#[test]
fn the_edge_table_of_logout_requests_is_current() {
    assert_edge_table("logout.json", &all_seeds(), &table());
}
