//! Hostile authorization requests.

use postern::jose::jwk::PublicKey;
use serde_json::json;

use super::forge::{BEGIN, OUR_KEY, THEIR_KEY, good, key};
use super::redirect_tricks::{DESK_TRICKS, LOOPBACK, PORTS, TRICKS};
use super::row::{
    Answer, COOKIE, FORM, PLAIN, QUERIED, Row, assert_distinct, assert_edge_table, provider_with,
    replaced, seed,
};
use crate::browser::CHALLENGE;
use crate::test_provider::{ISSUER, get, post};

const STATE: &str = "the state";
const NOT_REGISTERED: &str = "is not registered for the client";

struct Table(Vec<Row>);

/// A request that succeeds without a page in alice's browser.
fn usual(parameters: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "app"),
        ("redirect_uri", PLAIN),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", STATE),
    ];
    replaced(&usual, parameters)
}

impl Table {
    fn push(&mut self, name: &str, query: &str, answer: Answer) -> &mut Row {
        self.0.push(Row::new(name, "GET", &format!("/auth/authorize?{query}"), answer));
        let row = self.0.last_mut().unwrap();
        row.header("cookie", COOKIE)
    }

    fn page(&mut self, name: &str, query: &str, words: &str) {
        self.push(name, query, Answer::Page { status: 400, words: words.into() });
    }

    fn refused(&mut self, name: &str, query: &str, error: &str) {
        self.sent(name, query, PLAIN, Some(error), Some(STATE));
    }

    fn coded(&mut self, name: &str, query: &str) {
        self.sent(name, query, PLAIN, None, Some(STATE));
    }

    fn sent(
        &mut self,
        name: &str,
        query: &str,
        to: &str,
        error: Option<&str>,
        state: Option<&str>,
    ) {
        let (error, state) = (error.map(str::to_owned), state.map(str::to_owned));
        self.push(name, query, Answer::Redirect { to: to.into(), error, state });
    }

    fn posted(&mut self, name: &str, query: &str, error: Option<&str>, state: &str) {
        let (to, error) = (PLAIN.into(), error.map(str::to_owned));
        self.push(name, query, Answer::Post { to, error, state: Some(state.into()) });
    }

    fn login(&mut self, name: &str, query: &str) {
        self.shown(name, query, &["name=\"password\""], &[]);
    }

    fn shown(&mut self, name: &str, query: &str, holds: &[&str], lacks: &[&str]) {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        self.push(name, query, Answer::Shown { holds: own(holds), lacks: own(lacks) });
    }
}

fn table() -> Vec<Row> {
    let mut table = Table(Vec::new());
    controls(&mut table);
    clients(&mut table);
    redirect_uris(&mut table);
    doubled(&mut table);
    encodings(&mut table);
    response(&mut table);
    pkce(&mut table);
    prompts(&mut table);
    claims(&mut table);
    hints(&mut table);
    methods(&mut table);
    table.0
}

/// Requests that succeed. They show that the others are not refused for a common reason.
fn controls(table: &mut Table) {
    table.coded("a good request", &usual(&[]));
    table.sent("without state", &usual(&[("state", "")]), PLAIN, None, None);
    let queried = usual(&[("redirect_uri", QUERIED)]);
    table.sent("a redirect URI with a query", &queried, QUERIED, None, Some(STATE));
    let encoded = "https://app.example/a%2Fb/";
    let query = usual(&[("redirect_uri", encoded)]);
    table.sent("a redirect URI with an escape", &query, encoded, None, Some(STATE));
    table.posted(
        "a good request by form_post",
        &usual(&[("response_mode", "form_post")]),
        None,
        STATE,
    );
    let filled = format!("{}{}", usual(&[]), "&x=1".repeat(100 - usual(&[]).split('&').count()));
    table.coded("a hundred parameters", &filled);
    table.page("a hundred and one parameters", &format!("{filled}&x"), "more than 100");
    table.page("thousands of parameters", &"a&".repeat(4_000), "more than 100");
    let long = "x".repeat(4_096);
    let answered = usual(&[("state", &long)]);
    table.sent("a state of 4096 bytes", &answered, PLAIN, None, Some(&long));
    let longer = usual(&[("state", &format!("{long}x"))]);
    table.page("a state of 4097 bytes", &longer, "state: longer than 4096 bytes");
    let control = usual(&[("nonce", &"\u{1}".repeat(342))]);
    table.refused("a nonce of 2052 bytes in JSON", &control, "invalid_request");
    let page = Answer::Page { status: 414, words: "the query is longer than 15360".into() };
    table.push("a query of 15400 bytes", &usual(&[("login_hint", &"x".repeat(15_400))]), page);
    table.page("a client_id that is not UTF-8", "client_id=%FF", "must be UTF-8");
    for state in ["%C3", "%ff%fe"] {
        let query = format!("{}&state={state}", usual(&[("state", "")]));
        table.page(&format!("the state {state}, which is not UTF-8"), &query, "must be UTF-8");
    }
    table.coded("an unknown parameter that is not UTF-8", &format!("{}&x=%FF&%FF=1", usual(&[])));
    table.refused(
        "unknown resources",
        &format!("{}&resource=a&resource=a", usual(&[])),
        "invalid_target",
    );
    table.coded(
        "empty parameters are ignored",
        &format!("{}&nonce=&prompt=&nonce=&=&&&", usual(&[])),
    );
    table.coded(
        "a value and an empty one",
        &format!("state=&{}&client_id=&redirect_uri=", usual(&[])),
    );
    let query = usual(&[("client_id", "spa"), ("redirect_uri", "https://spa.example/")]);
    let challenge = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    table.sent(
        "a public client with a challenge",
        &format!("{query}{challenge}"),
        "https://spa.example/",
        None,
        Some(STATE),
    );
}

fn clients(table: &mut Table) {
    table.page("no parameters", "", "missing parameter: client_id");
    table.page("no client_id", &usual(&[("client_id", "")]), "missing parameter: client_id");
    for client_id in [
        "nobody",
        "App",
        "app ",
        "app\0",
        "' OR 1=1 --",
        "app%00",
        "ápp",
        "<script>alert(1)</script>",
    ] {
        let query = usual(&[("client_id", client_id)]);
        table.page(&format!("client_id {client_id:?}"), &query, "is not registered");
    }
    let long = "a".repeat(10_000);
    table.page("a client_id of 10000 bytes", &usual(&[("client_id", &long)]), "is not registered");
    table.page(
        "client_id twice",
        &format!("{}&client_id=app", usual(&[])),
        "duplicate parameter: client_id",
    );
    table.page(
        "client_id twice, once encoded",
        &format!("{}&%63lient%5Fid=other", usual(&[])),
        "duplicate parameter: client_id",
    );
    table.page(
        "client_id[]",
        &format!("{}&client_id[]=app", usual(&[("client_id", "")])),
        "missing parameter: client_id",
    );
    table.page(
        "CLIENT_ID",
        &format!("{}&CLIENT_ID=app", usual(&[("client_id", "")])),
        "missing parameter: client_id",
    );
    table.page("semicolons between parameters", &usual(&[]).replace('&', ";"), "is not registered");
    table.page("a made-up handle", &format!("handle={}", "A".repeat(43)), "already completed");
    table.page(
        "a handle beside a request",
        &format!("handle={}&client_id=nobody", "A".repeat(43)),
        "is not registered",
    );
    table.page("a handle of another form", "handle=..%2F..%2Fx", "missing parameter: client_id");
}

fn redirect_uris(table: &mut Table) {
    table.page(
        "no redirect_uri",
        &usual(&[("redirect_uri", "")]),
        "missing parameter: redirect_uri",
    );
    for uri in TRICKS {
        table.page(
            &format!("redirect_uri {uri:?}"),
            &usual(&[("redirect_uri", uri)]),
            NOT_REGISTERED,
        );
    }
    let raw = |raw: &str| format!("{}&redirect_uri={raw}", usual(&[("redirect_uri", "")]));
    for value in
        ["https://app.example/plain%", "https://app.example/plain%zz", "https://app.example/+plain"]
    {
        table.page(&format!("redirect_uri raw {value}"), &raw(value), NOT_REGISTERED);
    }
    table.page(
        "a redirect_uri that is not UTF-8",
        &raw("https://app.example/plain%ff"),
        "must be UTF-8",
    );
    table.page(
        "redirect_uri twice, the same",
        &format!("{}&redirect_uri={PLAIN}", usual(&[])),
        "duplicate parameter: redirect_uri",
    );
    table.page(
        "redirect_uri twice, the bad one first",
        &format!("redirect_uri=https://evil.example&{}", usual(&[])),
        "duplicate parameter: redirect_uri",
    );
    table.page(
        "redirect_uri twice, once encoded",
        &format!("{}&redirect%5furi=https://evil.example", usual(&[])),
        "duplicate parameter: redirect_uri",
    );
    table.page(
        "no error for an unregistered redirect_uri",
        &usual(&[("redirect_uri", "https://evil.example"), ("response_type", "token")]),
        NOT_REGISTERED,
    );
    table.page(
        "no prompt=none error for an unregistered redirect_uri",
        &usual(&[("redirect_uri", "https://evil.example"), ("prompt", "none")]),
        NOT_REGISTERED,
    );
    for uri in PORTS {
        let name = format!("a confidential web client at {uri}");
        table.sent(&name, &usual(&[("redirect_uri", uri)]), uri, None, Some(STATE));
    }
    let desk = |uri: &str| {
        let query = usual(&[("client_id", "desk"), ("redirect_uri", uri), ("prompt", "none")]);
        format!("{query}&code_challenge={CHALLENGE}&code_challenge_method=S256")
    };
    for uri in DESK_TRICKS {
        table.page(&format!("a native client's redirect_uri {uri:?}"), &desk(uri), NOT_REGISTERED);
    }
    // The redirect URI is valid, but any local program can listen there, so consent is required.
    for uri in LOOPBACK {
        let name = format!("a native client at {uri}, where any local program can listen");
        table.sent(&name, &desk(uri), uri, Some("consent_required"), Some(STATE));
    }
    table.sent(
        "a native client at its claimed https URI",
        &desk("https://desk.example/cb"),
        "https://desk.example/cb",
        None,
        Some(STATE),
    );
}

fn doubled(table: &mut Table) {
    for name in [
        "acr_values",
        "claims",
        "claims_locales",
        "code_challenge",
        "code_challenge_method",
        "display",
        "id_token_hint",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "registration",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "ui_locales",
    ] {
        let query = format!("{}&{name}=x&{name}=x", usual(&[]));
        table.refused(&format!("{name} twice"), &query, "invalid_request");
    }
    let twice = format!("{}&state=x", usual(&[]));
    table.sent("state twice is left out", &twice, PLAIN, Some("invalid_request"), None);
    let encoded = format!("{}&%73tate=the+state", usual(&[]));
    table.sent("state twice, once encoded", &encoded, PLAIN, Some("invalid_request"), None);
    table.refused(
        "prompt twice, once encoded",
        &format!("{}&prompt=login&prom%70t=none", usual(&[])),
        "invalid_request",
    );
    table.refused(
        "response_mode twice is none",
        &format!("{}&response_mode=form_post&response_mode=form_post", usual(&[])),
        "invalid_request",
    );
}

fn encodings(table: &mut Table) {
    for (name, state) in [
        ("CRLF", "a\r\nSet-Cookie: x=y\r\n\r\n<html>"),
        ("quotes and markup", "\"'><script>alert(1)</script>&amp;&#x22;"),
        ("separators", "&iss=https://evil.example&code=x#frag?%2526+"),
        ("Unicode", "\u{202e}é😀\u{2028}\u{feff}"),
        ("300 characters", &"0123456789".repeat(30)),
    ] {
        let query = usual(&[("state", state), ("response_type", "token")]);
        table.sent(
            &format!("state with {name}"),
            &query,
            PLAIN,
            Some("unsupported_response_type"),
            Some(state),
        );
        let query = usual(&[("state", state), ("response_mode", "form_post")]);
        table.posted(&format!("state with {name} by form_post"), &query, None, state);
    }
    let raw = |state: &str| format!("{}&state={state}", usual(&[("state", "")]));
    for (state, decoded) in
        [("a+b%20c%2Bd", "a b c+d"), ("%zz%", "%zz%"), ("a%00b", "a\0b"), ("=x=", "=x=")]
    {
        table.sent(&format!("state {state}"), &raw(state), PLAIN, None, Some(decoded));
    }
    for value in [
        "\"><img/src=x/onerror=alert(1)>",
        "Your account is locked. Call 555-0100.",
        "a\r\nb",
        "a\u{202e}b",
    ] {
        let query = usual(&[("prompt", "login"), ("login_hint", value)]);
        table.shown(
            &format!("login_hint {value:?}"),
            &query,
            &["name=\"password\"", "The App"],
            &["<img", &format!("value=\"{value}\"")],
        );
    }
    let query =
        format!("{}&x=\"><img+src=x>", usual(&[("prompt", "login"), ("state", "\"><img src=x>")]));
    table.shown(
        "markup in the request that a form carries",
        &query,
        &["name=\"password\""],
        &["<img src=x", "><img+src=x>"],
    );
    table.coded("NUL in a nonce", &usual(&[("nonce", "a\0b")]));
    table.coded("a nonce of 2048 bytes", &usual(&[("nonce", &"n".repeat(2_048))]));
    table.refused(
        "a nonce of 2049 bytes",
        &usual(&[("nonce", &"n".repeat(2_049))]),
        "invalid_request",
    );
}

fn response(table: &mut Table) {
    let query = |name, value| usual(&[(name, value)]);
    table.refused("no response_type", &query("response_type", ""), "invalid_request");
    for response_type in
        ["token", "id_token", "code id_token", "code token", "none", "CODE", "code code", " code"]
    {
        table.refused(
            &format!("response_type {response_type:?}"),
            &query("response_type", response_type),
            "unsupported_response_type",
        );
    }
    for mode in ["web_message", "jwt", "query.jwt", "QUERY", "form_post form_post", "query "] {
        table.refused(
            &format!("response_mode {mode:?}"),
            &query("response_mode", mode),
            "invalid_request",
        );
    }
    let fragment = |name, value| {
        let query = usual(&[("response_mode", "fragment"), (name, value)]);
        (query, format!("{PLAIN}#"))
    };
    let (query_of_code, to) = fragment("nonce", "n");
    table.sent("a code in the fragment", &query_of_code, &to, None, Some(STATE));
    let (query_of_error, to) = fragment("response_type", "token");
    let error = Some("unsupported_response_type");
    table.sent("an error in the fragment", &query_of_error, &to, error, Some(STATE));
    let both = usual(&[("response_mode", "form_post"), ("response_type", "token")]);
    table.posted(
        "an error travels by form_post as well",
        &both,
        Some("unsupported_response_type"),
        STATE,
    );
    table.refused(
        "request",
        &query("request", "eyJhbGciOiJub25lIn0.e30."),
        "invalid_request_object",
    );
    table.refused(
        "request_uri",
        &query("request_uri", "https://evil.example/request"),
        "invalid_request_uri",
    );
    table.refused("registration", &query("registration", "{}"), "registration_not_supported");
    table.coded("no scope", &query("scope", ""));
    table.coded("a blank scope", &query("scope", " "));
    for scope in ["unknown", "openid\temail", "openid\r\n", "open\"id", "offline_access\\"] {
        table.refused(&format!("scope {scope:?}"), &query("scope", scope), "invalid_scope");
    }
    for scope in ["openid  openid", " openid", "openid ", "  openid   openid "] {
        table.coded(&format!("scope {scope:?}"), &query("scope", scope));
    }
    let scopes = |count: usize| {
        let scopes: Vec<_> = (1..count).map(|n| format!("s{n}")).collect();
        format!("openid {}", scopes.join(" "))
    };
    table.coded("a scope a thousand times", &usual(&[("scope", &"openid ".repeat(1_000))]));
    table.coded("a hundred scopes", &usual(&[("scope", &scopes(100))]));
    table.refused("a hundred and one scopes", &usual(&[("scope", &scopes(101))]), "invalid_scope");
    table.coded("an unknown scope is dropped", &query("scope", "openid unknown admin"));
}

fn pkce(table: &mut Table) {
    let with = |challenge: &str, method: &str| {
        usual(&[("code_challenge", challenge), ("code_challenge_method", method)])
    };
    table.coded("a challenge by S256", &with(CHALLENGE, "S256"));
    for (challenge, method) in [
        (CHALLENGE, ""),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S512"),
        (CHALLENGE, "S256 "),
        ("", "S256"),
        ("", "plain"),
        ("short", "S256"),
        (&CHALLENGE[1..], "S256"),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "S256"),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN", "S256"),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "S256"),
        (&"A".repeat(128), "S256"),
    ] {
        table.refused(
            &format!("challenge {challenge:?} by {method:?}"),
            &with(challenge, method),
            "invalid_request",
        );
    }
    let spa = usual(&[("client_id", "spa"), ("redirect_uri", "https://spa.example/")]);
    table.sent(
        "a public client without a challenge",
        &spa,
        "https://spa.example/",
        Some("invalid_request"),
        Some(STATE),
    );
    let plain = format!(
        "{spa}&code_challenge=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&code_challenge_method=plain"
    );
    table.sent(
        "a public client by plain",
        &plain,
        "https://spa.example/",
        Some("invalid_request"),
        Some(STATE),
    );
}

fn prompts(table: &mut Table) {
    let query = |prompt| usual(&[("prompt", prompt)]);
    for prompt in [
        "none login",
        "login none",
        "none consent",
        "none select_account",
        "none create",
        "create none",
        "None",
        "LOGIN",
        "login\tconsent",
        "login,consent",
        "create+login",
    ] {
        table.refused(&format!("prompt {prompt:?}"), &query(prompt), "invalid_request");
    }
    table.coded("prompt none with session and consent", &query("none"));
    table.coded("prompt none twice in one", &query("none none"));
    for prompt in ["create", "admin_consent", "create  signup", "\u{e9}"] {
        table.coded(&format!("prompt {prompt:?}"), &query(prompt));
    }
    table.login("prompt login create", &query("login create"));
    table.login("prompt create login", &query("create login"));
    table.login("prompt login", &query("login"));
    table.login("prompt login select_account consent", &query("login select_account consent"));
    table.shown(
        "prompt consent with an earlier consent",
        &query("consent"),
        &["value=\"allow\"", "Alice Adams"],
        &[],
    );
    table.shown("prompt select_account", &query("select_account"), &["value=\"continue\""], &[]);
    table.refused(
        "prompt none with a new scope",
        &usual(&[("prompt", "none"), ("scope", "openid email")]),
        "consent_required",
    );
    table.refused(
        "prompt none with a new claim",
        &usual(&[("prompt", "none"), ("claims", r#"{"userinfo":{"email":null}}"#)]),
        "consent_required",
    );
    table.shown("a new scope", &usual(&[("scope", "openid email")]), &["value=\"allow\""], &[]);
    for (name, cookie) in [
        ("no session", "x=y"),
        ("a session cookie without its prefix", &COOKIE["__Host-".len()..]),
        ("a session cookie in other letters", &COOKIE.to_lowercase()),
        ("a session cookie cut short", &COOKIE[..COOKIE.len() - 1]),
        ("the session's id for its cookie", "__Host-postern-session=alices"),
        ("the session cookie in quotes", &COOKIE.replace('=', "=\"")),
        ("the session cookie under another name", &COOKIE.replace("session", "device")),
        // These bytes are not ASCII white space, so browsers do not see the prefix `__Host-` and a sibling
        // host may set such a cookie.
        ("a cookie behind a no-break space", &format!("\u{a0}{COOKIE}")),
        ("a cookie behind a next line", &format!("\u{85}{COOKIE}")),
        ("a cookie behind an en quad", &format!("\u{e2}\u{80}\u{80}{COOKIE}")),
        ("two session cookies", &format!("{COOKIE}; {COOKIE}")),
    ] {
        table.refused(&format!("prompt none with {name}"), &query("none"), "login_required");
        table.0.last_mut().unwrap().headers = vec![("cookie".into(), cookie.into())];
    }
    for max_age in
        ["-1", "x", "1.5", "1e3", " 5", "+5", "0x10", "4294967296", "99999999999999999999", "٣"]
    {
        table.refused(
            &format!("max_age {max_age:?}"),
            &usual(&[("max_age", max_age)]),
            "invalid_request",
        );
    }
    table.coded("max_age in its bounds", &usual(&[("max_age", "4294967295")]));
}

fn claims(table: &mut Table) {
    let query = |claims: &str| usual(&[("claims", claims)]);
    for claims in [
        "x",
        "[]",
        "null",
        "{",
        "{}{}",
        r#"{"userinfo":[]}"#,
        r#"{"userinfo":{"email":true}}"#,
        r#"{"id_token":{"sub":{"value":7}}}"#,
        r#"{"id_token":{"sub":null,"sub":null}}"#,
        r#"{"userinfo":{},"userinfo":{}}"#,
        r#"{"id_token":{"sub":{"values":["alice","bob"]}}}"#,
        r#"{"id_token":{"sub":{"value":"alice"}},"userinfo":{"sub":{"value":"bob"}}}"#,
        r#"{"id_token":{"acr":{"essential":"true"}}}"#,
        r#"{"id_token":{"acr":{"value":"1","values":["1"]}}}"#,
        &format!(
            r#"{{"id_token":{{"acr":{{"essential":true,"values":["1"{}]}}}}}}"#,
            r#","1""#.repeat(20)
        ),
        &"[".repeat(5_000),
        &format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500)),
    ] {
        let name: String = claims.chars().take(70).collect();
        table.refused(&format!("claims {name}"), &query(claims), "invalid_request");
    }
    table.refused(
        "an essential acr that is not supported",
        &query(r#"{"id_token":{"acr":{"essential":true,"values":["urn:other"]}}}"#),
        "unmet_authentication_requirements",
    );
    table.refused("two contradictory essential acrs", &query(r#"{"id_token":{"acr":{"essential":true,"value":"a"}},"userinfo":{"acr":{"essential":true,"value":"b"}}}"#), "unmet_authentication_requirements");
    table.login("claims for another user", &query(r#"{"id_token":{"sub":{"value":"bob"}}}"#));
    table.refused(
        "prompt none with claims for another user",
        &usual(&[("prompt", "none"), ("claims", r#"{"userinfo":{"sub":{"value":"bob"}}}"#)]),
        "login_required",
    );
    table.coded("claims for the signed-in user", &query(r#"{"id_token":{"sub":{"value":"alice"},"iss":null,"aud":{"value":"evil"},"<b>":null}}"#));
}

fn hints(table: &mut Table) {
    let hint = || {
        good().header("typ", json!("JWT")).claim("aud", json!("app")).claim("auth_time", json!(1))
    };
    let query = |hint: &str| usual(&[("id_token_hint", hint)]);
    table.coded("a hint for the signed-in user", &query(&hint().sign()));
    table.coded("an expired hint", &query(&hint().claim("exp", json!(1)).sign()));
    table.login("a hint for another user", &query(&hint().claim("sub", json!("bob")).sign()));
    let none =
        usual(&[("prompt", "none"), ("id_token_hint", &hint().claim("sub", json!("bob")).sign())]);
    table.refused("prompt none with a hint for another user", &none, "login_required");
    let jwk = serde_json::to_string(&PublicKey::Ec(key(OUR_KEY).public().clone())).unwrap();
    let point = key(OUR_KEY).public().point().unwrap();
    let tampered =
        hint().sign().replace(&hint().input(), &hint().claim("sub", json!("bob")).input());
    // An ID token that proves nothing counts as no hint. Without a page nobody would notice, so it is an error there.
    for (name, token) in [
        ("a key that is gone", hint().header("kid", json!("gone")).sign()),
        ("a key of another provider", hint().header("kid", json!("x")).key(THEIR_KEY).sign()),
        ("another user under a key that is gone", {
            hint().header("kid", json!("gone")).claim("sub", json!("bob")).sign()
        }),
        ("another client's", hint().claim("aud", json!("other")).sign()),
        ("one for two clients", hint().claim("aud", json!(["app", "other"])).sign()),
        ("another issuer's", hint().claim("iss", json!("https://evil.example")).sign()),
        ("one without a kid", hint().without_header("kid").sign()),
    ] {
        table.coded(&format!("a hint with {name}"), &query(&token));
        let none = usual(&[("prompt", "none"), ("id_token_hint", &token)]);
        table.refused(&format!("prompt none and a hint with {name}"), &none, "login_required");
    }
    for (name, token) in [
        ("no JWT", "x".into()),
        ("three dots", "e30.e30.e30.e30".into()),
        ("an access token", good().sign()),
        ("an access token for this client", good().claim("aud", json!("app")).sign()),
        ("a signed userinfo response", hint().without_claim("auth_time").sign()),
        ("one without a user", hint().without_claim("sub").sign()),
        ("one whose sub is a list", hint().claim("sub", json!(["alice"])).sign()),
        ("alg none", hint().header("alg", json!("none")).signed("")),
        (
            "alg None with the signature",
            hint().header("alg", json!("None")).signed(hint().raw_signature()),
        ),
        ("alg RS256 with our ES256 key", hint().header("alg", json!("RS256")).sign()),
        ("HS256 by the public JWK", hint().header("alg", json!("HS256")).hmac(jwk.as_bytes())),
        ("HS256 by the public point", hint().header("alg", json!("HS256")).hmac(&point)),
        ("alg ES256 with an HMAC", hint().hmac(jwk.as_bytes())),
        ("another key under our kid", hint().key(THEIR_KEY).sign()),
        (
            "a key of its own in the header",
            hint().header("jwk", serde_json::from_str(&jwk).unwrap()).key(THEIR_KEY).sign(),
        ),
        ("another payload under the signature", tampered),
        ("no signature", hint().signed("")),
        ("a signature of zeros", hint().signed([0; 64])),
        (
            "a payload with sub twice",
            hint().raw_payload(r#"{"iss":"x","sub":"alice","sub":"bob"}"#).sign(),
        ),
        ("14000 bytes", "x".repeat(14_000)),
    ] {
        table.refused(&format!("a hint with {name}"), &query(&token), "invalid_request");
    }
    let two = usual(&[
        ("id_token_hint", &hint().sign()),
        ("claims", r#"{"id_token":{"sub":{"value":"bob"}}}"#),
    ]);
    table.refused("a hint and claims that name two users", &two, "invalid_request");
}

fn methods(table: &mut Table) {
    for method in ["PUT", "OPTIONS", "DELETE", "PATCH"] {
        let page = Answer::Page { status: 405, words: "does not support this request".into() };
        table.push(&format!("by {method}"), &usual(&[]), page).method = method.into();
    }
    let page = Answer::Page { status: 400, words: String::new() };
    let unregistered = usual(&[("redirect_uri", "https://evil.example/")]);
    let row = table.push("by HEAD with an unregistered redirect_uri", &unregistered, page);
    row.method = "HEAD".into();
    let silent = usual(&[("prompt", "none")]);
    let (error, state) = (Some("login_required".into()), Some(STATE.into()));
    let redirect = Answer::Redirect { to: PLAIN.into(), error, state };
    let row = table.push("by HEAD, which issues no code", &silent, redirect);
    row.method = "HEAD".into();
    let page = |status, words: &str| Answer::Page { status, words: words.into() };
    let by_get = |query: &str| Answer::ByGet { query: query.into() };
    let mut by_post = |name: &str, query: &str, content_type: &str, body: &str, answer| {
        let row = table.push(name, query, answer);
        row.method = "POST".into();
        row.body(content_type, body);
    };
    by_post("POST reads the body alone", &usual(&[]), FORM, "", by_get(""));
    by_post(
        "POST with one half in the URL",
        "client_id=app",
        FORM,
        &usual(&[("client_id", "")]),
        by_get(&usual(&[("client_id", "")])),
    );
    by_post(
        "POST with another request in the URL",
        &usual(&[("redirect_uri", "https://evil.example")]),
        FORM,
        &usual(&[]),
        by_get(&usual(&[])),
    );
    by_post(
        "POST with unknown parameters",
        "",
        FORM,
        &format!("{}&resume=1.a&handle=a", usual(&[])),
        by_get(&usual(&[])),
    );
    by_post(
        "POST of a state that is too long for a URL",
        "",
        FORM,
        &usual(&[("state", &"s".repeat(8_192))]),
        page(413, "longer than 8192 bytes"),
    );
    by_post(
        "POST as JSON",
        "",
        "application/json",
        "{\"client_id\":\"app\"}",
        page(415, "form-urlencoded"),
    );
    by_post(
        "POST as multipart",
        "",
        "multipart/form-data; boundary=x",
        "--x--",
        page(415, "form-urlencoded"),
    );
    by_post("POST as text", "", "text/plain", &usual(&[]), page(415, "form-urlencoded"));
    by_post(
        "POST of thousands of parameters",
        "",
        FORM,
        &"a&".repeat(12_000),
        page(400, "more than 100"),
    );
    by_post(
        "POST that is not UTF-8",
        "",
        FORM,
        &format!("{}&login_hint=%FF", usual(&[])),
        page(400, "must be UTF-8"),
    );
    by_post("POST of 65537 bytes", "", FORM, &"x".repeat(65_537), page(413, "larger than 65536"));
    let long = |name: &str, bytes: usize| usual(&[(name, &"x".repeat(bytes))]);
    let sent = |error: &str| Answer::Redirect {
        to: PLAIN.into(),
        error: Some(error.into()),
        state: Some(STATE.into()),
    };
    by_post(
        "POST of claims of 17000 bytes",
        "",
        FORM,
        &long("claims", 17_000),
        page(413, "longer than 8192"),
    );
    by_post(
        "POST of a hint of 52000 bytes",
        "",
        FORM,
        &long("id_token_hint", 52_000),
        sent("invalid_request"),
    );
    by_post(
        "POST of a login_hint of 9000 bytes",
        "",
        FORM,
        &long("login_hint", 9_000),
        page(413, "longer than 8192"),
    );
    by_post(
        "POST of a state of 5000 bytes",
        "",
        FORM,
        &long("state", 5_000),
        by_get(&long("state", 5_000)),
    );
    by_post(
        "POST with a handle in the body",
        "",
        FORM,
        &format!("handle={}", "A".repeat(43)),
        by_get(""),
    );
    let row = table.push("POST without a content type", "", page(415, "form-urlencoded"));
    row.method = "POST".into();
    row.body = Some(usual(&[]));
    for target in ["/auth/authorize/", "/auth/Authorize", "//auth/authorize", "/auth/./authorize/x"]
    {
        // Not a route: there is no page either.
        assert_eq!(provider_with(&[]).send(get(&format!("{target}?{}", usual(&[])))).status, 404);
    }
}

fn all_seeds() -> Vec<String> {
    let key = key(OUR_KEY);
    let jwk = serde_json::to_string(&PublicKey::Ec(key.public().clone())).unwrap();
    let kid = key.public().kid().to_owned();
    let mut seed = seed();
    seed.push(format!("INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private, publish_from, sign_from) VALUES ('{kid}', 'ES256', '{jwk}', 'not needed to verify', {BEGIN}, {BEGIN})"));
    seed
}

#[test]
fn every_hostile_authorization_request_gets_the_expected_response() {
    let rows = table();
    assert!(rows.len() >= 200, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider_with(&all_seeds());
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

/// A request by POST continues with a GET.
#[test]
fn a_hostile_request_by_post_gets_the_same_response() {
    let provider = provider_with(&all_seeds());
    // A larger one cannot be kept, which is the first error of a POST.
    let is_repeated = |row: &Row| row.method == "GET" && row.target.len() < 8_192;
    for mut row in table().into_iter().filter(is_repeated) {
        let (_, query) = row.target.split_once('?').unwrap();
        let response = provider.send(post("/auth/authorize").form(query));
        if response.status == 413 {
            assert!(query.len() > 8_192 && response.body.contains("longer than 8192 bytes"));
            continue;
        }
        let own = response.header("location").and_then(|url| url.strip_prefix(ISSUER));
        let Some(target) = own else {
            row.check(&provider, &response);
            continue;
        };
        // Only the parameters of an authorization request continue.
        if !row.target.contains("?handle=") {
            row.target = target.to_owned();
            row.check(&provider, &provider.send(row.request()));
        }
    }
}

#[test]
fn the_edge_table_of_authorization_requests_is_current() {
    assert_edge_table("authorize.json", &all_seeds(), &table());
}
