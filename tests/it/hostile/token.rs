//! Hostile token requests. Each row that presents a code or a refresh token has one of its own in the seed,
//! and checks its state afterwards.

use base64ct::{Base64, Encoding};
use postern::secret::hash;

use super::forge::{BEGIN, END};
use super::row::{
    Answer, FORM, PLAIN, Row, SECRET, assert_distinct, assert_edge_table, provider_with, replaced,
    seed,
};
use crate::browser::{CHALLENGE, VERIFIER};
use crate::test_provider::NOW;

struct Table {
    rows: Vec<Row>,
    seed: Vec<String>,
}

/// The expected state of the code or token that a row presents.
#[derive(Clone, Copy)]
enum Fate {
    /// Unused: its owner can still use it.
    Untouched,
    /// Used, and its grant is active.
    Spent,
    /// Its grant is revoked.
    Revoked,
}
use Fate::{Revoked, Spent, Untouched};

/// The code or token in the database before a row runs.
#[derive(Clone, Copy)]
struct Plant<'a> {
    client_id: &'a str,
    redirect_uri: &'a str,
    challenge: Option<&'a str>,
    scope: &'a str,
    expires_at: i64,
    spent_at: Option<i64>,
    revoked: bool,
}

const APPS: Plant<'_> = Plant {
    client_id: "app",
    redirect_uri: PLAIN,
    challenge: Some(CHALLENGE),
    scope: "openid email offline_access",
    expires_at: END,
    spent_at: None,
    revoked: false,
};

fn quoted(text: Option<&str>) -> String {
    text.map_or("NULL".into(), |text| format!("'{text}'"))
}

fn refused(status: u16, error: &str, words: &str) -> Answer {
    Answer::Refused { status, error: error.into(), words: words.into() }
}

fn tokens(scope: &str) -> Answer {
    Answer::Tokens { scope: scope.into(), refreshable: scope.contains("offline_access") }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", Base64::encode_string(credentials.as_bytes()))
}

impl Table {
    fn push(&mut self, name: &str, body: &str, answer: Answer) -> &mut Row {
        self.rows.push(Row::new(name, "POST", "/auth/token", answer));
        let row = self.rows.last_mut().unwrap();
        row.body(FORM, body)
    }

    /// Adds a grant for the next row to the seed, and returns its id.
    fn plant_grant(&mut self, plant: Plant<'_>) -> String {
        let id = format!("row-{}", self.rows.len());
        let Plant { client_id, scope, revoked, .. } = plant;
        let revoked_at = if revoked { "1" } else { "NULL" };
        self.seed.push(format!(
            "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at, session_id, sid, auth_time, claims) \
             VALUES ('{id}', 'alice', '{client_id}', '{scope}', {END}, {revoked_at}, 'alices', 'sid', {BEGIN}, '{{}}')"
        ));
        id
    }

    /// Adds a row with a valid code. `changed` replaces parameters of the request.
    fn code(
        &mut self,
        name: &str,
        plant: Plant<'_>,
        changed: &[(&str, &str)],
        answer: Answer,
        fate: Fate,
    ) -> &mut Row {
        let id = self.plant_grant(plant);
        let code = format!("code-of-{id}");
        let spent_at = plant.spent_at.map_or("NULL".into(), |time| time.to_string());
        self.seed.push(format!(
            "INSERT INTO codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at, \
             spent_at) VALUES ('{}', '{id}', '{}', {}, 'the nonce', {}, {spent_at})",
            hash(&code),
            plant.redirect_uri,
            quoted(plant.challenge),
            plant.expires_at
        ));
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", plant.redirect_uri),
            ("code_verifier", VERIFIER),
            ("client_id", plant.client_id),
            ("client_secret", SECRET),
        ];
        let row = self.push(name, &replaced(&usual, changed), answer);
        check_after(row, &id, "codes", "code_hash", &code, fate)
    }

    /// Adds a row with a valid refresh token. `changed` replaces parameters of the request.
    fn refresh(
        &mut self,
        name: &str,
        plant: Plant<'_>,
        changed: &[(&str, &str)],
        answer: Answer,
        fate: Fate,
    ) -> &mut Row {
        let id = self.plant_grant(plant);
        let token = format!("refresh-token-of-{id}");
        let spent_at = plant.spent_at.map_or("NULL".into(), |time| time.to_string());
        self.seed.push(format!(
            "INSERT INTO refresh_tokens VALUES ('{}', '{id}', {}, {spent_at})",
            hash(&token),
            plant.expires_at
        ));
        let usual = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("client_id", plant.client_id),
            ("client_secret", SECRET),
        ];
        let row = self.push(name, &replaced(&usual, changed), answer);
        check_after(row, &id, "refresh_tokens", "token_hash", &token, fate)
    }
}

fn check_after<'a>(
    row: &'a mut Row,
    id: &str,
    table: &str,
    column: &str,
    secret: &str,
    fate: Fate,
) -> &'a mut Row {
    let is_spent = !matches!(fate, Untouched);
    let is_revoked = matches!(fate, Revoked);
    let spent =
        format!("SELECT spent_at IS NOT NULL FROM {table} WHERE {column} = '{}'", hash(secret));
    let revoked = format!("SELECT revoked_at IS NOT NULL FROM grants WHERE id = '{id}'");
    row.after(spent, i64::from(is_spent)).after(revoked, i64::from(is_revoked))
}

fn table() -> Table {
    let mut table = Table { rows: Vec::new(), seed: seed() };
    table.seed.push(format!("UPDATE consents SET scope = '{}'", APPS.scope));
    controls(&mut table);
    requests(&mut table);
    clients(&mut table);
    codes(&mut table);
    verifiers(&mut table);
    refreshes(&mut table);
    table
}

/// Requests that succeed. They show that the others are not refused for a common reason.
fn controls(table: &mut Table) {
    let all = || tokens(APPS.scope);
    table.code("a good request", APPS, &[], all(), Spent);
    let good = &[("client_id", ""), ("client_secret", "")];
    table
        .code("by Basic", APPS, good, all(), Spent)
        .header("authorization", &basic(&format!("app:{SECRET}")));
    table
        .code("by Basic, with the same client_id in the body", APPS, &good[1..], all(), Spent)
        .header("authorization", &basic(&format!("app:{SECRET}")));
    table
        .code("unknown parameters, also duplicates", APPS, &[], all(), Spent)
        .body
        .as_mut()
        .unwrap()
        .push_str("&x=1&x=1&scope=admin&state=x&nonce=evil");
    table
        .code("empty parameters are ignored", APPS, &[], all(), Spent)
        .body
        .as_mut()
        .unwrap()
        .push_str("&code=&client_id=&client_secret=&redirect_uri=&code_verifier=");
    table.code("another media type parameter", APPS, &[], all(), Spent).headers[0].1 =
        "Application/X-WWW-Form-URLEncoded;charset=UTF-8".into();
    let spas = Plant { client_id: "spa", ..APPS };
    table.code("a public client", spas, &[("client_secret", "")], all(), Spent);
    table
        .code("a public client by Basic without a secret", spas, good, all(), Spent)
        .header("authorization", &basic("spa:"));
    table.code(
        "without offline access",
        Plant { scope: "openid", ..APPS },
        &[],
        tokens("openid"),
        Spent,
    );
    table.refresh("a good refresh", APPS, &[], all(), Spent);
    table.refresh(
        "a narrowed refresh",
        APPS,
        &[("scope", "openid")],
        Answer::Tokens { scope: "openid".into(), refreshable: true },
        Spent,
    );
}

fn requests(table: &mut Table) {
    let invalid = |words: &str| refused(400, "invalid_request", words);
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        table
            .code(
                &format!("by {method}"),
                APPS,
                &[],
                refused(405, "method_not_allowed", "method"),
                Untouched,
            )
            .method = method.into();
    }
    table.push(
        "no parameters",
        "",
        refused(401, "invalid_client", "missing client authentication"),
    );
    let row = table.code(
        "everything in the URL",
        APPS,
        &[],
        refused(401, "invalid_client", "missing client authentication"),
        Untouched,
    );
    row.target = format!("/auth/token?{}", row.body.take().unwrap());
    row.body = Some(String::new());
    let code = format!("code-of-row-{}", table.rows.len());
    table
        .code(
            "the code in the URL",
            APPS,
            &[("code", "")],
            invalid("missing parameter: code"),
            Untouched,
        )
        .target = format!("/auth/token?code={code}");
    table
        .code(
            "the client in the URL",
            APPS,
            &[("client_id", ""), ("client_secret", "")],
            refused(401, "invalid_client", "missing client authentication"),
            Untouched,
        )
        .target = format!("/auth/token?client_id=app&client_secret={SECRET}");
    table
        .code("another grant_type in the URL is ignored", APPS, &[], tokens(APPS.scope), Spent)
        .target = "/auth/token?grant_type=password&client_id=other&code=x".into();
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "",
        "*/*",
        "application/x-www-form-urlencoded, application/json",
    ] {
        table
            .code(
                &format!("content type {content_type:?}"),
                APPS,
                &[],
                invalid("form-urlencoded"),
                Untouched,
            )
            .headers[0]
            .1 = content_type.into();
    }
    table.code("no content type", APPS, &[], invalid("form-urlencoded"), Untouched).headers.clear();
    table
        .code("two content types", APPS, &[], invalid("form-urlencoded"), Untouched)
        .header("content-type", FORM);
    let row = table.code("a JSON body", APPS, &[], invalid("form-urlencoded"), Untouched);
    row.headers[0].1 = "application/json".into();
    row.body = Some(r#"{"grant_type":"authorization_code","client_id":"app"}"#.into());
    table
        .code(
            "a JSON body under the form's type",
            APPS,
            &[],
            refused(401, "invalid_client", "missing client authentication"),
            Untouched,
        )
        .body = Some(r#"{"grant_type":"authorization_code","client_id":"app"}"#.into());
    let padding = |row: &mut Row, length: usize| {
        let body = row.body.as_mut().unwrap();
        body.push_str("&x=");
        body.push_str(&"x".repeat(length - body.len()));
    };
    let more = |row: &mut Row, text: &str| row.body.as_mut().unwrap().push_str(text);
    let name = "thousands of parameters";
    let row = table.code(name, APPS, &[], invalid("more than 100"), Untouched);
    more(row, &"&a".repeat(10_000));
    let name = "a code_verifier that is not UTF-8";
    more(table.code(name, APPS, &[], invalid("must be UTF-8"), Untouched), "&code_verifier=%FF");
    let name = "unknown parameters that are not UTF-8";
    more(table.code(name, APPS, &[], tokens(APPS.scope), Spent), "&x=%FF&%FF&%80=%81");
    padding(table.code("a body that just fits", APPS, &[], tokens(APPS.scope), Spent), 24_576);
    padding(
        table.code(
            "a body that just does not fit",
            APPS,
            &[],
            invalid("larger than 24576"),
            Untouched,
        ),
        24_577,
    );
    table.code(
        "no grant_type",
        APPS,
        &[("grant_type", "")],
        invalid("missing parameter: grant_type"),
        Untouched,
    );
    for grant_type in [
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code ",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "Authorization_Code",
        "authorization_code ",
        "authorization_code\0",
        "<script>",
    ] {
        table.code(
            &format!("grant_type {grant_type:?}"),
            APPS,
            &[("grant_type", grant_type)],
            refused(400, "unsupported_grant_type", "grant_types_supported"),
            Untouched,
        );
    }
    for (parameter, value) in [
        ("grant_type", "authorization_code"),
        ("code", "x"),
        ("redirect_uri", PLAIN),
        ("code_verifier", VERIFIER),
        ("client_id", "app"),
        ("client_secret", SECRET),
    ] {
        table
            .code(
                &format!("{parameter} twice"),
                APPS,
                &[],
                invalid("duplicate parameter: "),
                Untouched,
            )
            .body
            .as_mut()
            .unwrap()
            .push_str(&format!("&{}", replaced(&[(parameter, value)], &[])));
    }
    table
        .code(
            "grant_type twice, once encoded",
            APPS,
            &[],
            invalid("duplicate parameter: grant_type"),
            Untouched,
        )
        .body
        .as_mut()
        .unwrap()
        .push_str("&grant%5Ftype=refresh_token");
    table
        .code(
            "client_id twice, once encoded",
            APPS,
            &[],
            invalid("duplicate parameter: "),
            Untouched,
        )
        .body
        .as_mut()
        .unwrap()
        .push_str("&%63lient_id=other");
    for (parameter, value) in [("refresh_token", "x"), ("scope", "openid"), ("client_id", "app")] {
        table
            .refresh(
                &format!("a refresh with {parameter} twice"),
                APPS,
                &[("scope", "openid")],
                invalid("duplicate parameter: "),
                Untouched,
            )
            .body
            .as_mut()
            .unwrap()
            .push_str(&format!("&{parameter}={value}"));
    }
    table.code(
        "a code for the other grant type",
        APPS,
        &[("grant_type", "refresh_token")],
        invalid("missing parameter: refresh_token"),
        Untouched,
    );
    table.refresh(
        "a refresh token for the other grant type",
        APPS,
        &[("grant_type", "authorization_code")],
        invalid("missing parameter: code"),
        Untouched,
    );
}

fn clients(table: &mut Table) {
    let unknown = || refused(401, "invalid_client", "unknown, or its credentials are wrong");
    let nothing = [("client_id", ""), ("client_secret", "")];
    for secret in [
        "wrong",
        &SECRET[1..],
        &format!("{SECRET}x"),
        &SECRET.to_uppercase(),
        &hash(SECRET),
        " ",
        "null",
        "a\0b",
    ] {
        table.code(
            &format!("the secret {secret:?}"),
            APPS,
            &[("client_secret", secret)],
            unknown(),
            Untouched,
        );
    }
    for client_id in ["nobody", "App", "app\0", "app ", "' OR '1'='1", "app,other", "é"] {
        table.code(
            &format!("the client {client_id:?}"),
            APPS,
            &[("client_id", client_id)],
            unknown(),
            Untouched,
        );
    }
    table.code(
        "a confidential client without its secret",
        APPS,
        &[("client_secret", "")],
        unknown(),
        Untouched,
    );
    table.refresh(
        "a confidential client's refresh without its secret",
        APPS,
        &[("client_secret", "")],
        unknown(),
        Untouched,
    );
    let spas = Plant { client_id: "spa", ..APPS };
    table.code("a public client with a secret", spas, &[], unknown(), Untouched);
    table
        .code("a public client with a secret by Basic", spas, &nothing, unknown(), Untouched)
        .header("authorization", &basic("spa:x"));
    table.code(
        "no client_id",
        APPS,
        &[("client_id", "")],
        refused(401, "invalid_client", "missing client authentication"),
        Untouched,
    );
    let two = || refused(400, "invalid_request", "more than one");
    let header = basic(&format!("app:{SECRET}"));
    table
        .code("Basic and a secret in the body", APPS, &[], two(), Untouched)
        .header("authorization", &header);
    table
        .code("Basic without a secret and one in the body", APPS, &[], two(), Untouched)
        .header("authorization", &basic("app:"));
    table
        .code(
            "Basic and another client_id in the body",
            APPS,
            &[("client_id", "other"), ("client_secret", "")],
            refused(400, "invalid_request", "must be the client of the Authorization header"),
            Untouched,
        )
        .header("authorization", &header);
    table
        .code(
            "Basic of a confidential client without its secret",
            APPS,
            &nothing,
            unknown(),
            Untouched,
        )
        .header("authorization", &basic("app:"));
    table
        .code(
            "Basic of 3 kB",
            APPS,
            &nothing,
            refused(401, "invalid_client", "longer than 2048 bytes"),
            Untouched,
        )
        .header("authorization", &basic(&format!("app:{}", "s".repeat(2_250))));
    let malformed = || refused(401, "invalid_client", "must be Basic");
    for value in [
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic YXBw",
        "Basic YXBw:c2VjcmV0",
        "Bearer abc",
        "Digest username=\"app\"",
        "Basic\tYXBwOng=",
        "Basic YXBwOv8=",
        "Basic YXBwOiVGRg==",
        "basic=YXBwOng=",
        "Negotiate x",
    ] {
        table
            .code(&format!("Authorization {value:?}"), APPS, &nothing, malformed(), Untouched)
            .header("authorization", value);
    }
    for (credentials, what) in [
        ("app:wrong", "a wrong secret"),
        (":", "nothing on either side"),
        (&format!(":{SECRET}"), "a secret alone"),
        (&format!("app: {SECRET}"), "a space before the secret"),
        (&format!("app\r\n:{SECRET}"), "CRLF"),
    ] {
        table
            .code(&format!("Basic with {what}"), APPS, &nothing, unknown(), Untouched)
            .header("authorization", &basic(credentials));
    }
    let row = table.code("two Authorization headers", APPS, &nothing, malformed(), Untouched);
    row.header("authorization", &header).header("authorization", &header);
    let assertion = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "eyJhbGciOiJub25lIn0.e30."),
    ];
    let unsigned = || refused(401, "invalid_client", "alg must be");
    let two_ways = || refused(400, "invalid_request", "more than one");
    table.code("an assertion beside the secret", APPS, &assertion, two_ways(), Untouched);
    table.code(
        "an assertion for the secret",
        APPS,
        &[assertion[0], assertion[1], nothing[1]],
        unsigned(),
        Untouched,
    );
    table
        .code(
            "an assertion twice",
            APPS,
            &assertion,
            refused(400, "invalid_request", "duplicate parameter: "),
            Untouched,
        )
        .body
        .as_mut()
        .unwrap()
        .push_str("&client_assertion=x");
    table.code(
        "a public client with an assertion",
        spas,
        &[assertion[0], assertion[1], nothing[1]],
        unsigned(),
        Untouched,
    );
}

fn codes(table: &mut Table) {
    let invalid = |words: &str| refused(400, "invalid_grant", words);
    table.code(
        "no code",
        APPS,
        &[("code", "")],
        refused(400, "invalid_request", "missing parameter: code"),
        Untouched,
    );
    for code in ["x", "code-of-row-0 ", "' OR 1=1 --", "%00", "\0", "é", &"c".repeat(20_000)] {
        let name: String = code.chars().take(30).collect();
        table.code(
            &format!("the code {name:?}"),
            APPS,
            &[("code", code)],
            invalid("issued to another client"),
            Untouched,
        );
    }
    let hashed = hash(&format!("code-of-row-{}", table.rows.len()));
    table.code(
        "the hash of a code",
        APPS,
        &[("code", &hashed)],
        invalid("issued to another client"),
        Untouched,
    );
    table.code(
        "another client's code",
        APPS,
        &[("client_id", "other")],
        invalid("issued to another client"),
        Untouched,
    );
    table.code(
        "another client's code, by a public client",
        APPS,
        &[("client_id", "spa"), ("client_secret", "")],
        invalid("issued to another client"),
        Untouched,
    );
    table.code(
        "a code that has expired",
        Plant { expires_at: NOW - 1, ..APPS },
        &[],
        invalid("expired"),
        Untouched,
    );
    table.code(
        "a code in its last moment",
        Plant { expires_at: NOW, ..APPS },
        &[],
        invalid("expired"),
        Untouched,
    );
    let used = Plant { spent_at: Some(NOW), ..APPS };
    table.code("a used code", used, &[], invalid("already used"), Revoked);
    table.code(
        "a used code with a wrong verifier",
        used,
        &[("code_verifier", "")],
        invalid("already used"),
        Revoked,
    );
    table.code(
        "a code used long ago",
        Plant { expires_at: 1, spent_at: Some(1), ..APPS },
        &[],
        invalid("already used"),
        Revoked,
    );
    // A used code that another client presents must not revoke the grant.
    table.code(
        "a used code of another client's",
        used,
        &[("client_id", "other")],
        invalid("issued to another client"),
        Spent,
    );
    table.code(
        "a used code of a client whose secret is wrong",
        used,
        &[("client_secret", "x")],
        refused(401, "invalid_client", "unknown"),
        Spent,
    );
    table.code(
        "a code of a revoked grant",
        Plant { revoked: true, ..APPS },
        &[],
        invalid("revoked"),
        Revoked,
    );
    table.code(
        "no redirect_uri, but a verifier",
        APPS,
        &[("redirect_uri", "")],
        tokens(APPS.scope),
        Spent,
    );
    table.code(
        "no redirect_uri, and a wrong verifier",
        APPS,
        &[("redirect_uri", ""), ("code_verifier", &"a".repeat(43))],
        invalid("does not match the code_challenge"),
        Revoked,
    );
    table.code(
        "no redirect_uri, and a verifier where there was no challenge",
        Plant { challenge: None, ..APPS },
        &[("redirect_uri", "")],
        invalid("missing parameter: redirect_uri"),
        Revoked,
    );
    for (name, challenge) in [("with", APPS.challenge), ("without", None)] {
        table.code(
            &format!("neither redirect_uri nor verifier, {name} a challenge"),
            Plant { challenge, ..APPS },
            &[("redirect_uri", ""), ("code_verifier", "")],
            refused(400, "invalid_request", "missing parameter: redirect_uri"),
            Untouched,
        );
    }
    let public = Plant { client_id: "desk", redirect_uri: "http://127.0.0.1:51004/cb", ..APPS };
    table.code(
        "a public client's code without redirect_uri",
        public,
        &[("redirect_uri", ""), ("client_secret", "")],
        tokens(APPS.scope),
        Spent,
    );
    for uri in [
        "https://app.example/Plain",
        "https://app.example/plain/",
        "https://app.example/plain?",
        "https://app.example:443/plain",
        "https://app.example/cb?from=postern",
        "https://evil.example/",
        "https://app.example/%70lain",
        "https://app.example/plain\0",
        " https://app.example/plain",
    ] {
        table.code(
            &format!("redirect_uri {uri:?}"),
            APPS,
            &[("redirect_uri", uri)],
            invalid("must be the one of the authorization request"),
            Revoked,
        );
    }
    let desks = Plant { client_id: "desk", redirect_uri: "http://127.0.0.1:51004/cb", ..APPS };
    table.code(
        "a native client's other port",
        desks,
        &[("redirect_uri", "http://127.0.0.1:51005/cb"), ("client_secret", "")],
        invalid("must be the one of the authorization request"),
        Revoked,
    );
}

fn verifiers(table: &mut Table) {
    let invalid = |words: &str| refused(400, "invalid_grant", words);
    table.code(
        "no verifier",
        APPS,
        &[("code_verifier", "")],
        invalid("missing parameter: code_verifier"),
        Revoked,
    );
    let padded = format!("{VERIFIER}=");
    for verifier in [
        CHALLENGE,
        &VERIFIER[1..],
        &VERIFIER.to_lowercase(),
        &padded,
        &VERIFIER.repeat(3),
        "x",
        &"a".repeat(43),
        &"a".repeat(128),
        "plain",
        &"é".repeat(43),
        &"v".repeat(20_000),
    ] {
        let name: String = verifier.chars().take(60).collect();
        table.code(
            &format!("the verifier {name} of {} bytes", verifier.len()),
            APPS,
            &[("code_verifier", verifier)],
            invalid("does not match"),
            Revoked,
        );
    }
    let open = Plant { challenge: None, ..APPS };
    table.code(
        "neither verifier nor challenge",
        open,
        &[("code_verifier", "")],
        tokens(APPS.scope),
        Spent,
    );
    table.code(
        "a verifier where there was no challenge",
        open,
        &[],
        invalid("had no code_challenge"),
        Revoked,
    );
    table.code(
        "a public client without a verifier",
        Plant { client_id: "spa", ..APPS },
        &[("code_verifier", ""), ("client_secret", "")],
        invalid("missing parameter: code_verifier"),
        Revoked,
    );
    table.code(
        "code_challenge_method is ignored",
        APPS,
        &[("code_verifier", CHALLENGE), ("code_challenge_method", "plain")],
        invalid("does not match"),
        Revoked,
    );
}

fn refreshes(table: &mut Table) {
    let invalid = |words: &str| refused(400, "invalid_grant", words);
    table.refresh(
        "no refresh token",
        APPS,
        &[("refresh_token", "")],
        refused(400, "invalid_request", "missing parameter: refresh_token"),
        Untouched,
    );
    for token in ["x", "\0", "' OR 1=1 --", "é", &"t".repeat(20_000)] {
        let name: String = token.chars().take(30).collect();
        table.refresh(
            &format!("the refresh token {name:?}"),
            APPS,
            &[("refresh_token", token)],
            invalid("issued to another client"),
            Untouched,
        );
    }
    table.refresh(
        "another client's refresh token",
        APPS,
        &[("client_id", "other")],
        invalid("issued to another client"),
        Untouched,
    );
    table.refresh(
        "another client's refresh token, by a public client",
        APPS,
        &[("client_id", "spa"), ("client_secret", "")],
        invalid("issued to another client"),
        Untouched,
    );
    table.refresh(
        "a public client's refresh token, by a confidential client",
        Plant { client_id: "spa", ..APPS },
        &[("client_id", "app")],
        invalid("issued to another client"),
        Untouched,
    );
    table.refresh(
        "a refresh token with a wrong secret",
        APPS,
        &[("client_secret", "x")],
        refused(401, "invalid_client", "unknown"),
        Untouched,
    );
    table.refresh(
        "a refresh token that has expired",
        Plant { expires_at: NOW, ..APPS },
        &[],
        invalid("expired"),
        Untouched,
    );
    let spent = Plant { spent_at: Some(NOW - 3_600), ..APPS };
    table.refresh("a refresh token used an hour ago", spent, &[], invalid("already used"), Revoked);
    table.refresh(
        "a used refresh token, narrowed",
        spent,
        &[("scope", "openid")],
        invalid("already used"),
        Revoked,
    );
    table.refresh(
        "a used refresh token that has expired",
        Plant { expires_at: 1, ..spent },
        &[],
        invalid("already used"),
        Revoked,
    );
    table.refresh(
        "a used refresh token, by another client",
        spent,
        &[("client_id", "other")],
        invalid("issued to another client"),
        Spent,
    );
    table.refresh(
        "a used refresh token, with a wrong secret",
        spent,
        &[("client_secret", "x")],
        refused(401, "invalid_client", "unknown"),
        Spent,
    );
    table
        .refresh(
            "a refresh token of a revoked grant",
            Plant { revoked: true, ..APPS },
            &[],
            invalid("revoked"),
            Revoked,
        )
        .after[0]
        .1 = 0;
    let wider = || refused(400, "invalid_scope", "scope: ");
    for scope in ["profile", "phone admin", "OPENID", "openid\nemail", "openid\"", "*"] {
        table.refresh(&format!("scope {scope:?}"), APPS, &[("scope", scope)], wider(), Untouched);
    }
    let different: Vec<_> = (0..101).map(|n| format!("s{n}")).collect();
    table.refresh(
        "a hundred and one scopes",
        APPS,
        &[("scope", &different.join(" "))],
        wider(),
        Untouched,
    );
    let doubled = "openid email ".repeat(1_500);
    let once = Answer::Tokens { scope: "openid email".into(), refreshable: true };
    table.refresh("two scopes, many times", APPS, &[("scope", &doubled)], once, Spent);
    for (scope, granted) in [
        ("openid email offline_access phone", APPS.scope),
        ("openid admin", "openid"),
        ("openid  profile", "openid"),
        (" ", APPS.scope),
    ] {
        let tokens = Answer::Tokens { scope: granted.into(), refreshable: true };
        table.refresh(&format!("scope {scope:?}"), APPS, &[("scope", scope)], tokens, Spent);
    }
    let own = Plant { client_id: "own", ..APPS };
    let unconsented = Plant { client_id: "other", ..APPS };
    let needed = || invalid("the user's consent is needed");
    table.refresh(
        "a refresh token of a client that is not trusted, without a consent",
        unconsented,
        &[],
        needed(),
        Untouched,
    );
    table.refresh(
        "a refresh token without a consent, with a scope",
        unconsented,
        &[("scope", "openid")],
        needed(),
        Untouched,
    );
    table.refresh(
        "a refresh token with a scope that the user has not consented to",
        Plant { scope: "profile offline_access", ..APPS },
        &[],
        invalid("the client may no longer have any scope of the grant"),
        Untouched,
    );
    table.refresh(
        "a refresh token of a client that may refresh",
        own,
        &[],
        tokens(APPS.scope),
        Spent,
    );
}

#[test]
fn every_hostile_token_request_gets_the_expected_response() {
    let Table { rows, seed } = table();
    assert!(rows.len() >= 120, "{}", rows.len());
    assert_distinct(&rows);
    let provider = provider_with(&seed);
    for row in &rows {
        row.check(&provider, &provider.send(row.request()));
    }
}

#[test]
fn the_edge_table_of_token_requests_is_current() {
    let Table { rows, seed } = table();
    assert_edge_table("token.json", &seed, &rows);
}
