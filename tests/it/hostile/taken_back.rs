//! Hostile requests for revocation and introspection. Each row that presents a token has a grant of its own in the seed, and
//! checks afterwards what is revoked.

use base64ct::{Base64, Encoding};
use postern::jose::jwk::PublicKey;
use postern::secret::hash;
use serde_json::{Value, json};

use super::forge::{AUD, BEGIN, END, Forge, OUR_KEY, THEIR_KEY, good, key, rsa_key};
use super::insert_key;
use super::row::{
    Answer, FORM, Row, SECRET, assert_distinct, assert_edge_table, provider_with, replaced, seed,
};
use crate::test_provider::ISSUER;

const REVOKE: &str = "/auth/revoke";
const INTROSPECT: &str = "/auth/introspect";
const SCOPE: &str = "openid email offline_access";

struct Table {
    rows: Vec<Row>,
    seed: Vec<String>,
}

/// Makes a token of a valid one.
type Forging = fn(Forge) -> String;

/// A token that a row presents.
enum Token {
    /// A refresh token with this text before the id of its grant.
    Refresh(&'static str),
    /// An access token, changed from a valid one of its grant.
    Access(Forging),
    /// A text of which the seed has nothing.
    Text(&'static str),
}
use Token::{Access, Refresh, Text};

/// What is over afterwards.
#[derive(Clone, Copy)]
enum Over {
    Nothing,
    Grant,
    Token,
}

fn refused(status: u16, error: &str, words: &str) -> Answer {
    Answer::Refused { status, error: error.into(), words: words.into() }
}

fn invalid(words: &str) -> Answer {
    refused(400, "invalid_request", words)
}

fn inactive() -> Answer {
    Answer::Introspected { body: json!({ "active": false }) }
}

impl Table {
    fn id(&self) -> String {
        format!("row-{}", self.rows.len())
    }

    /// Adds a grant of a client for the next row to the seed, with a refresh token. Returns the text of the token.
    fn plant(&mut self, client_id: &str, token: &Token) -> String {
        let id = self.id();
        self.seed.push(format!(
            "INSERT INTO grants (id, sub, client_id, scope, created_at, session_id, auth_time) \
             VALUES ('{id}', 'alice', '{client_id}', '{SCOPE}', {END}, 'alices', {BEGIN})"
        ));
        let refresh = format!("refresh-token-of-{id}");
        self.seed.push(format!(
            "INSERT INTO refresh_tokens VALUES ('{}', '{id}', {END}, NULL)",
            hash(&refresh)
        ));
        match token {
            Refresh(before) => format!("{before}{refresh}"),
            Access(forge) => forge(
                good()
                    .claim("client_id", client_id.into())
                    .claim("grant_id", id.as_str().into())
                    .claim("jti", id.into()),
            ),
            Text(text) => (*text).to_owned(),
        }
    }

    /// Adds a row with a token of this client, sent by the client `app`. `changed` replaces parameters of the request.
    fn push(
        &mut self,
        (name, path): (&str, &str),
        (owner, token): (&str, &Token),
        changed: &[(&str, &str)],
        (answer, over): (Answer, Over),
    ) -> &mut Row {
        let id = self.id();
        let text = self.plant(owner, token);
        let usual = [("client_id", "app"), ("client_secret", SECRET), ("token", &text)];
        let name = format!("{path} {name}");
        let mut row = Row::new(&name, "POST", path, answer);
        row.body(FORM, &replaced(&usual, changed));
        let grant = format!("SELECT revoked_at IS NOT NULL FROM grants WHERE id = '{id}'");
        let token = format!("SELECT count(*) FROM revoked_tokens WHERE jti = '{id}'");
        row.after(grant, i64::from(matches!(over, Over::Grant)));
        row.after(token, i64::from(matches!(over, Over::Token)));
        self.rows.push(row);
        self.rows.last_mut().unwrap()
    }

    /// Adds a row for each endpoint, with a token that counts as unknown.
    fn unknown(&mut self, name: &str, owner: &str, token: &Token) {
        self.push((name, REVOKE), (owner, token), &[], (Answer::Revoked, Over::Nothing));
        self.push((name, INTROSPECT), (owner, token), &[], (inactive(), Over::Nothing));
    }
}

/// The response about the access token of a grant of `app`.
fn active(id: &str) -> Value {
    json!({
        "active": true, "aud": AUD, "client_id": "app", "exp": END, "iat": BEGIN, "iss": ISSUER,
        "jti": id, "scope": "openid email", "sub": "alice", "token_type": "Bearer",
    })
}

/// Requests that succeed. They show that the others are not refused for a common reason.
fn controls(table: &mut Table) {
    let (access, refresh) = (Access(Forge::sign), Refresh(""));
    let done = |over| (Answer::Revoked, over);
    table.push(("a refresh token", REVOKE), ("app", &refresh), &[], done(Over::Grant));
    table.push(("an access token", REVOKE), ("app", &access), &[], done(Over::Token));
    for hint in ["access_token", "refresh_token", "<script>", "\0"] {
        let hint = &[("token_type_hint", hint)];
        let name = |kind: &str| format!("{kind} with the hint {:?}", hint[0].1);
        let refreshed = name("a refresh token");
        table.push((&refreshed, REVOKE), ("app", &refresh), hint, done(Over::Grant));
        let accessed = name("an access token");
        table.push((&accessed, REVOKE), ("app", &access), hint, done(Over::Token));
    }
    let body = active(&table.id());
    let known = (Answer::Introspected { body }, Over::Nothing);
    table.push(("an access token", INTROSPECT), ("app", &access), &[], known);
    let body = json!({
        "active": true, "client_id": "app", "exp": END, "iss": ISSUER, "scope": SCOPE, "sub": "alice",
    });
    let known = (Answer::Introspected { body }, Over::Nothing);
    table.push(("a refresh token", INTROSPECT), ("app", &refresh), &[], known);
    let by_basic = &[("client_id", ""), ("client_secret", "")];
    table
        .push(("by Basic", REVOKE), ("app", &access), by_basic, done(Over::Token))
        .header("authorization", &basic(&format!("app:{SECRET}")));
    let more = "&x=1&x=1&x=%FF&token=&client_id=&token_type_hint=";
    let row = table.push(("with more", REVOKE), ("app", &refresh), &[], done(Over::Grant));
    row.body.as_mut().unwrap().push_str(more);
    let spa = [("client_id", "spa"), ("client_secret", "")];
    for token in [&access, &refresh] {
        let (name, over) = match token {
            Access(_) => ("a public client's access token", Over::Token),
            _ => ("a public client's refresh token", Over::Grant),
        };
        table.push((name, REVOKE), ("spa", token), &spa, done(over));
    }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", Base64::encode_string(credentials.as_bytes()))
}

/// Requests that are malformed, at both endpoints.
fn requests(table: &mut Table) {
    let own = ("app", &Refresh(""));
    for path in [REVOKE, INTROSPECT] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = refused(405, "method_not_allowed", "method");
            let name = format!("by {method}");
            table.push((&name, path), own, &[], (answer, Over::Nothing)).method = method.into();
        }
        for content_type in
            ["application/json", "text/plain", "multipart/form-data; boundary=x", ""]
        {
            let answer = (invalid("form-urlencoded"), Over::Nothing);
            let name = format!("as {content_type:?}");
            table.push((&name, path), own, &[], answer).headers[0].1 = content_type.into();
        }
        let missing = (invalid("missing parameter: token"), Over::Nothing);
        let row = table.push(("the token in the URL", path), own, &[("token", "")], missing);
        row.target = format!("{path}?token=refresh-token-of-{}", row.name);
        for name in ["token", "token_type_hint", "client_id", "client_secret"] {
            let answer = (invalid("duplicate parameter: "), Over::Nothing);
            let row = table.push((&format!("{name} twice"), path), own, &[], answer);
            row.body.as_mut().unwrap().push_str(&format!("&{name}=a&{name}=b"));
        }
        for (name, more, words) in [
            ("token twice, once encoded", "&%74oken=x", "duplicate parameter: token"),
            ("a token_type_hint that is not UTF-8", "&token_type_hint=%FF", "must be UTF-8"),
            ("a second token that is not UTF-8", "&token=%FF", "token: must be UTF-8"),
        ] {
            let row = table.push((name, path), own, &[], (invalid(words), Over::Nothing));
            row.body.as_mut().unwrap().push_str(more);
        }
        let row = table.push(
            ("a body that just does not fit", path),
            own,
            &[],
            (invalid("larger than 32768"), Over::Nothing),
        );
        let body = row.body.as_mut().unwrap();
        body.push_str("&x=");
        body.push_str(&"x".repeat(32_769 - body.len()));
    }
}

/// Clients that prove nothing, or not enough.
fn clients(table: &mut Table) {
    let is_refused = |words: &str| refused(401, "invalid_client", words);
    for path in [REVOKE, INTROSPECT] {
        for token in [&Access(Forge::sign), &Refresh("")] {
            let kind =
                if matches!(token, Access(_)) { "an access token" } else { "a refresh token" };
            let wrong = "the client is unknown, or its credentials are wrong";
            for (name, changed, words) in [
                ("no client", [("client_id", ""), ("client_secret", "")], "missing client auth"),
                ("a client_id alone", [("client_id", "app"), ("client_secret", "")], wrong),
                ("a wrong secret", [("client_id", "app"), ("client_secret", "x")], wrong),
                (
                    "a secret too long",
                    [("client_id", "app"), ("client_secret", &*SECRET.repeat(9))],
                    wrong,
                ),
                ("an unknown client", [("client_id", "nobody"), ("client_secret", SECRET)], wrong),
                (
                    "a public client's secret",
                    [("client_id", "spa"), ("client_secret", SECRET)],
                    wrong,
                ),
                ("an unknown public client", [("client_id", "x"), ("client_secret", "")], wrong),
                ("the operator", [("client_id", "operator"), ("client_secret", "")], wrong),
            ] {
                let answer = (is_refused(words), Over::Nothing);
                table.push((&format!("{kind} by {name}"), path), ("app", token), &changed, answer);
            }
            let both = (invalid("more than one client authentication method"), Over::Nothing);
            table
                .push((&format!("{kind} by two methods"), path), ("app", token), &[], both)
                .header("authorization", &basic(&format!("app:{SECRET}")));
        }
    }
    let answer = (is_refused("a public client cannot introspect tokens"), Over::Nothing);
    let spa = [("client_id", "spa"), ("client_secret", "")];
    let own = ("spa", &Access(Forge::sign));
    table.push(("a public client's own token", INTROSPECT), own, &spa, answer.clone());
    let other = ("app", &Access(Forge::sign));
    table.push(("another's token by a public client", INTROSPECT), other, &spa, answer);
}

/// Tokens that the client does not have, or that are none. Nobody learns which.
fn unknown(table: &mut Table) {
    for owner in ["other", "own", "spa", "operator"] {
        table.unknown(&format!("an access token of {owner}"), owner, &Access(Forge::sign));
        table.unknown(&format!("a refresh token of {owner}"), owner, &Refresh(""));
    }
    for (name, token) in [
        ("a longer refresh token", Refresh("x")),
        ("a refresh token after a space", Refresh(" ")),
        ("a refresh token after a NUL", Refresh("\0")),
        ("a refresh token that looks like a JWT", Refresh("a.b.")),
        ("a space", Text(" ")),
        ("two periods", Text("..")),
        ("SQL", Text("' OR 1=1 --")),
        ("an object", Text("{\"token\":true}")),
    ] {
        table.unknown(name, "app", &token);
    }
    let forged: [(&str, Forging); 19] = [
        ("alg none", |forge| forge.header("alg", "none".into()).signed("")),
        ("no signature", |forge| forge.signed("")),
        ("another key", |forge| forge.key(THEIR_KEY).sign()),
        ("an HMAC with the public key", |forge| {
            let public = serde_json::to_vec(&PublicKey::Ec(key(OUR_KEY).public().clone())).unwrap();
            forge.header("alg", "HS256".into()).hmac(&public)
        }),
        ("RS256, which userinfo's tokens do not have", |forge| {
            let kid = rsa_key().public().kid().to_owned();
            forge.header("alg", "RS256".into()).header("kid", kid.into()).sign_rs256()
        }),
        ("an unknown kid", |forge| forge.header("kid", "x".into()).sign()),
        ("the typ of an ID token", |forge| forge.header("typ", "JWT".into()).sign()),
        ("the typ of an introspection response", |forge| {
            forge.header("typ", "token-introspection+jwt".into()).sign()
        }),
        ("crit", |forge| forge.header("crit", json!(["exp"])).sign()),
        ("another issuer", |forge| forge.claim("iss", "https://evil.example".into()).sign()),
        ("the issuer as audience", |forge| forge.claim("aud", ISSUER.into()).sign()),
        ("the client as audience", |forge| forge.claim("aud", "app".into()).sign()),
        ("no audience", |forge| forge.without_claim("aud").sign()),
        ("expired", |forge| forge.claim("exp", BEGIN.into()).sign()),
        ("from the future", |forge| forge.claim("iat", END.into()).sign()),
        ("a list of clients", |forge| forge.claim("client_id", json!(["app"])).sign()),
        ("no jti", |forge| forge.without_claim("jti").sign()),
        ("no grant, as of a machine", |forge| {
            forge.without_claim("grant_id").claim("sub", "app".into()).sign()
        }),
        ("a member of the payload twice", |forge| {
            let twice = String::from_utf8(forge.payload.clone()).unwrap();
            let twice = twice.replacen('{', "{\"client_id\":\"other\",", 1);
            forge.raw_payload(twice).sign()
        }),
    ];
    for (name, forge) in forged {
        table.unknown(&format!("an access token with {name}"), "app", &Access(forge));
    }
    // Signed by the provider, but of no grant: its client can revoke it, and nobody learns more of it.
    let without_grant: [(&str, Forging); 3] = [
        ("the grant of another user", |forge| forge.claim("sub", "bob".into()).sign()),
        ("an unknown grant", |forge| forge.claim("grant_id", "x".into()).sign()),
        ("scopes that nobody has granted", |forge| forge.claim("scope", "admin".into()).sign()),
    ];
    for (name, forge) in without_grant {
        let name = format!("an access token with {name}");
        let answer = (inactive(), Over::Nothing);
        table.push((&name, INTROSPECT), ("app", &Access(forge)), &[], answer);
    }
}

fn table() -> Table {
    let mut table = Table { rows: Vec::new(), seed: seed() };
    table.seed.push(insert_key(&PublicKey::Ec(key(OUR_KEY).public().clone())));
    table.seed.push(insert_key(&rsa_key().public()));
    table.seed.push(format!("UPDATE consents SET scope = '{SCOPE}'"));
    controls(&mut table);
    requests(&mut table);
    clients(&mut table);
    unknown(&mut table);
    table
}

#[test]
fn every_hostile_request_for_revocation_or_introspection_gets_the_expected_response() {
    let Table { rows, seed } = table();
    assert!(rows.len() >= 150, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider_with(&seed);
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

#[test]
fn the_edge_table_of_revocation_and_introspection_is_current() {
    let Table { rows, seed } = table();
    assert_edge_table("taken_back.json", &seed, &rows);
}
