//! Hostile requests of devices: to the device authorization endpoint, to the token endpoint with a device code, and to the
//! page for a user code. Each row with a device code has one of its own in the seed, and checks its state afterwards.

use postern::secret::hash;

use super::forge::{BEGIN, END};
use super::row::{
    Answer, FORM, Row, SECRET, assert_distinct, assert_edge_table, provider_with, replaced, seed,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "openid email offline_access";

struct Table {
    rows: Vec<Row>,
    seed: Vec<String>,
}

/// The request of a device in the database before a row runs.
#[derive(Clone, Copy)]
struct Plant {
    client_id: &'static str,
    /// Whether the user has decided, and has allowed it.
    decision: Option<bool>,
    expires_at: i64,
    spent_at: Option<i64>,
    revoked: bool,
}

const ALLOWED: Plant = Plant {
    client_id: "app",
    decision: Some(true),
    expires_at: END,
    spent_at: None,
    revoked: false,
};

fn refused(status: u16, error: &str, words: &str) -> Answer {
    Answer::Refused { status, error: error.into(), words: words.into() }
}

fn number(value: Option<i64>) -> String {
    value.map_or("NULL".into(), |number| number.to_string())
}

impl Table {
    /// Adds a row of the device authorization endpoint, which stores nothing.
    fn start(&mut self, name: &str, changed: &[(&str, &str)], answer: Answer) -> &mut Row {
        let usual = [("client_id", "app"), ("client_secret", SECRET), ("scope", "openid")];
        let body = replaced(&usual, changed);
        self.rows.push(Row::new(name, "POST", "/auth/device", answer));
        let row = self.rows.last_mut().unwrap();
        let stored =
            "SELECT count(*) FROM authorization_requests WHERE handle_hash NOT LIKE 'row-%'";
        row.body(FORM, &body).after(stored.into(), 0)
    }

    /// Adds a poll with a device code. `is_spent` is whether it is spent afterwards.
    fn poll(
        &mut self,
        name: &str,
        plant: Plant,
        changed: &[(&str, &str)],
        (answer, is_spent): (Answer, bool),
    ) -> &mut Row {
        let id = format!("row-{}", self.rows.len());
        let code = format!("device-code-of-{id}");
        let Plant { client_id, decision, expires_at, spent_at, revoked } = plant;
        let revoked_at = if revoked { "1" } else { "NULL" };
        if decision == Some(true) {
            self.seed.push(format!(
                "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at, session_id, sid, auth_time, claims) \
                 VALUES ('{id}', 'alice', '{client_id}', '{SCOPE}', {END}, {revoked_at}, 'alices', 'sid', {BEGIN}, '{{}}')"
            ));
        }
        let answered_by = if decision.is_some() { "'a browser'" } else { "NULL" };
        let grant = if decision == Some(true) { format!("'{id}'") } else { "NULL".into() };
        let spent = number(spent_at);
        self.seed.push(format!(
            "INSERT INTO authorization_requests (handle_hash, parameters, client_id, pushed_by, is_signed, expires_at, \
             device_code_hash, device, poll_interval, answered_by, grant_id, spent_at) VALUES ('{id}', '', '{client_id}', \
             '{client_id}', 0, {expires_at}, '{}', '{{}}', 5, {answered_by}, {grant}, {spent})",
            hash(&code)
        ));
        let usual = [
            ("grant_type", GRANT_TYPE),
            ("device_code", &code),
            ("client_id", client_id),
            ("client_secret", SECRET),
        ];
        self.rows.push(Row::new(name, "POST", "/auth/token", answer));
        let row = self.rows.last_mut().unwrap();
        row.body(FORM, &replaced(&usual, changed));
        let sql = "SELECT spent_at IS NOT NULL FROM authorization_requests WHERE handle_hash = ";
        row.after(format!("{sql}'{id}'"), i64::from(is_spent))
    }

    /// Adds a link to the page for a code. What it shows is not the code of any request.
    fn page(&mut self, name: &str, query: &str, value: &str) {
        let holds = vec![format!("name=\"user_code\" type=\"text\" value=\"{value}\"")];
        let lacks = vec!["<script".into(), "role=\"alert\"".into()];
        let answer = Answer::Shown { holds, lacks };
        self.rows.push(Row::new(name, "GET", &format!("/device{query}"), answer));
    }
}

fn table() -> Table {
    let mut table = Table { rows: Vec::new(), seed: seed() };
    table.seed.push(format!("UPDATE consents SET scope = '{SCOPE}'"));
    // Of the clients, other has not registered the grant type, and spa is public.
    table.seed.push(format!(
        "UPDATE clients SET metadata = json_insert(metadata, '$.grant_types[#]', '{GRANT_TYPE}', \
         '$.grant_types[#]', 'refresh_token') WHERE client_id <> 'other'"
    ));
    starts(&mut table);
    polls(&mut table);
    pages(&mut table);
    table
}

fn starts(table: &mut Table) {
    let invalid = |words: &str| refused(400, "invalid_request", words);
    let unknown = || refused(401, "invalid_client", "the client is unknown");
    table.start(
        "no client",
        &[("client_id", ""), ("client_secret", "")],
        refused(401, "invalid_client", "missing client authentication"),
    );
    table.start("an unknown client", &[("client_id", "nobody")], unknown());
    table.start("a wrong secret", &[("client_secret", "guess")], unknown());
    table.start("no secret", &[("client_secret", "")], unknown());
    table.start("the secret of a public client", &[("client_id", "spa")], unknown());
    table.start("a client_id in other case", &[("client_id", "APP")], unknown());
    table.start("a client_id with markup", &[("client_id", "<script>")], unknown());
    table.start(
        "a client without the grant type",
        &[("client_id", "other")],
        refused(400, "unauthorized_client", "this client has not registered"),
    );
    for scope in ["unheard-of", "OPENID", "admin", "openid\nemail", "\"", "\u{e9}", "<script>"] {
        let answer = refused(400, "invalid_scope", "scope: ");
        table.start(&format!("scope {scope:?}"), &[("scope", scope)], answer);
    }
    let many: Vec<_> = (0..101).map(|n| format!("s{n}")).collect();
    table.start(
        "a hundred and one scopes",
        &[("scope", &many.join(" "))],
        refused(400, "invalid_scope", "scope: "),
    );
    for resource in ["https://api.example", "userinfo", "javascript:alert(1)", "https://", "\u{0}"]
    {
        let answer = refused(400, "invalid_target", "resource: ");
        table.start(&format!("resource {resource:?}"), &[("resource", resource)], answer);
    }
    for parameter in ["client_id", "client_secret", "scope"] {
        let words = format!("duplicate parameter: {parameter}");
        let row = table.start(&format!("{parameter} twice"), &[], invalid(&words));
        let body = format!("{}&{parameter}=x", row.body.clone().unwrap());
        row.body = Some(body);
    }
    let long = "a".repeat(8_200);
    table.start("a very long scope", &[("scope", &long)], invalid("longer than 8192 bytes"));
    let row = table.start("JSON", &[], invalid("Content-Type"));
    row.headers.clear();
    row.body("application/json", "{\"client_id\":\"app\"}");
    let row = table.start(
        "no body",
        &[],
        refused(401, "invalid_client", "missing client authentication"),
    );
    row.body = Some(String::new());
    let row = table.start(
        "parameters in the URL",
        &[],
        refused(401, "invalid_client", "missing client authentication"),
    );
    row.target = format!("/auth/device?client_id=app&client_secret={SECRET}");
    row.body = Some(String::new());
    let row = table.start("a scope that is not UTF-8", &[], invalid("scope: must be UTF-8"));
    row.body = Some(format!("client_id=app&client_secret={SECRET}&scope=%FF"));
    let row =
        table.start("GET", &[], refused(405, "method_not_allowed", "does not support this method"));
    row.method = "GET".into();
    row.body = None;
    row.headers.clear();
}

fn polls(table: &mut Table) {
    let tokens = || Answer::Tokens { scope: SCOPE.into(), refreshable: true };
    let invalid = |words: &str| (refused(400, "invalid_grant", words), false);
    let pending = Plant { decision: None, ..ALLOWED };
    table.poll("an allowed request", ALLOWED, &[], (tokens(), true));
    let public = Plant { client_id: "spa", ..ALLOWED };
    table.poll("a public client's", public, &[("client_secret", "")], (tokens(), true));
    let waiting = (refused(400, "authorization_pending", "the user has not decided yet"), false);
    table.poll("a pending request", pending, &[], waiting);
    let denied = (refused(400, "access_denied", "the user denied the request"), false);
    table.poll("a denied request", Plant { decision: Some(false), ..ALLOWED }, &[], denied);
    let spent = Plant { spent_at: Some(1), ..ALLOWED };
    table.poll(
        "one that was used",
        spent,
        &[],
        (refused(400, "invalid_grant", "already used"), true),
    );
    let revoked = (refused(400, "invalid_grant", "the grant was revoked"), true);
    table.poll("one whose grant is revoked", Plant { revoked: true, ..ALLOWED }, &[], revoked);
    table.poll(
        "one of another client",
        ALLOWED,
        &[("client_id", "own")],
        invalid("unknown, or issued to another client"),
    );
    let unregistered = (refused(400, "unauthorized_client", "has not registered"), false);
    table.poll(
        "one of a client without the grant type",
        ALLOWED,
        &[("client_id", "other")],
        unregistered,
    );
    let wrong = || (refused(401, "invalid_client", "the client is unknown"), false);
    table.poll("a wrong secret, with a code", ALLOWED, &[("client_secret", "guess")], wrong());
    table.poll("no secret, with a code", ALLOWED, &[("client_secret", "")], wrong());
    for code in
        ["x", "WDJB-MJHT", "device-code", "%00", "\u{0}", "' OR 1=1 --", "<script>", "\u{202e}"]
    {
        table.poll(
            &format!("device_code {code:?}"),
            ALLOWED,
            &[("device_code", code)],
            invalid("device_code: unknown"),
        );
    }
    let missing = (refused(400, "invalid_request", "missing parameter: device_code"), false);
    table.poll("no device_code", ALLOWED, &[("device_code", "")], missing);
    for parameter in ["device_code", "grant_type", "client_id"] {
        let words = format!("duplicate parameter: {parameter}");
        let answer = (refused(400, "invalid_request", &words), false);
        let row = table.poll(&format!("{parameter} twice, with a code"), ALLOWED, &[], answer);
        let body = format!("{}&{parameter}=x", row.body.clone().unwrap());
        row.body = Some(body);
    }
    let as_code = (refused(400, "invalid_request", "missing parameter: code"), false);
    table.poll(
        "a device code as grant type of a code",
        ALLOWED,
        &[("grant_type", "authorization_code")],
        as_code,
    );
    let target = (refused(400, "invalid_target", "resource: "), false);
    table.poll("an unknown resource", ALLOWED, &[("resource", "https://api.example")], target);
}

fn pages(table: &mut Table) {
    table.page("no code", "", "");
    table.page("a code", "?user_code=wdjb+mjht", "WDJB-MJHT");
    for (name, query) in [
        ("a short code", "user_code=WDJB"),
        ("a long one", "user_code=WDJB-MJHT-WDJB"),
        ("vowels", "user_code=AEIO-UAEI"),
        ("markup", "user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        ("markup around a code", "user_code=%3CWDJBMJHT%20onfocus=x%3E"),
        ("two codes", "user_code=WDJBMJHT&user_code=WDJBMJHT"),
        ("not UTF-8", "user_code=%FF"),
        ("another parameter", "code=WDJB-MJHT"),
    ] {
        table.page(name, &format!("?{query}"), "");
    }
    let words = "token: longer than 64 bytes";
    for (name, body, words) in [
        ("a long token", format!("user_code=WDJB-MJHT&token={}", "x".repeat(65)), words),
        ("a long code", format!("user_code={}", "W".repeat(65)), "user_code: longer than 64 bytes"),
        ("two codes in a form", "user_code=A&user_code=B".into(), "duplicate parameter: user_code"),
    ] {
        let answer = Answer::Page { status: 400, words: words.into() };
        table.rows.push(Row::new(name, "POST", "/device", answer));
        table.rows.last_mut().unwrap().body(FORM, &body);
    }
}

#[test]
fn every_hostile_request_of_a_device_gets_the_expected_response() {
    let Table { rows, seed } = table();
    assert!(rows.len() >= 60, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider_with(&seed);
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

#[test]
fn the_edge_table_of_device_requests_is_current() {
    let Table { rows, seed } = table();
    assert_edge_table("device.json", &seed, &rows);
}
