//! Hostile registrations, each with the expected response. The table runs here, and at the edge from
//! `tests/vectors/registration.json`, which this module writes. An accepted registration uses up the token
//! once, a refused one does not.

use postern::secret::hash;
use serde::Serialize;
use serde_json::{Value, json};

use super::forge::END;
use crate::test_provider::{ISSUER, NOW, TestProvider, TestResponse, assert_golden, post};

const TOKEN: &str = "an-initial-access-token-everybody-knows-012";
const CALLBACK: &str = "https://app.example/cb";

/// A registration and the expected response.
#[derive(Serialize)]
struct Row {
    name: String,
    content_type: String,
    body: String,
    answer: Answer,
}

#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Answer {
    /// Registered, with these metadata fields; null means that a field is absent.
    Registered { fields: Value },
    /// Refused with an error whose description begins with the field's name.
    Refused { error: String, begin: String },
}

#[derive(Default)]
struct Table(Vec<Row>);

fn registered(fields: Value) -> Answer {
    Answer::Registered { fields }
}

/// The error about a field, with its name.
fn refused(begin: &str) -> Answer {
    let is_uri = begin.starts_with("redirect_uris");
    let error = if is_uri { "invalid_redirect_uri" } else { "invalid_client_metadata" };
    Answer::Refused { error: error.into(), begin: begin.into() }
}

impl Table {
    fn raw(&mut self, name: &str, content_type: &str, body: impl Into<String>, answer: Answer) {
        let (name, content_type) = (name.into(), content_type.into());
        self.0.push(Row { name, content_type, body: body.into(), answer });
    }

    fn json(&mut self, name: &str, document: &Value, answer: Answer) {
        self.raw(name, "application/json", document.to_string(), answer);
    }

    /// A valid registration with these changes.
    fn with(&mut self, name: &str, fields: Value, answer: Answer) {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.json(name, &document, answer);
    }

    /// Registrations that must be refused because of this field, one for each value.
    fn bad(&mut self, field: &str, values: &[Value]) {
        for value in values {
            let shown: String = value.to_string().chars().take(60).collect();
            self.with(&format!("{field}: {shown}"), json!({ field: value }), refused(field));
        }
    }

    /// Registrations with this field, which is left out, one for each value.
    fn left_out(&mut self, field: &str, values: &[Value]) {
        for value in values {
            let shown: String = value.to_string().chars().take(60).collect();
            let answer = registered(json!({ field: null }));
            self.with(&format!("{field}, left out: {shown}"), json!({ field: value }), answer);
        }
    }

    /// Registrations in which a field has no value: they are as if it was left out.
    fn empty(&mut self, field: &str, default: Value) {
        for value in [json!(null), json!(""), json!(" \t"), json!([])] {
            self.with(
                &format!("{field}, empty: {value}"),
                json!({ field: value }),
                registered(json!({ field: default })),
            );
        }
    }

    /// Registrations with redirect URIs that are left out beside one that is registered.
    fn left_out_uri(&mut self, application_type: &str, uris: &[&str]) {
        for uri in uris {
            self.with(
                &format!("a redirect URI, {application_type}, left out: {uri:?}"),
                json!({ "application_type": application_type, "redirect_uris": [CALLBACK, uri] }),
                registered(json!({
                    "application_type": application_type, "redirect_uris": [CALLBACK],
                })),
            );
        }
    }

    /// Registrations with redirect URIs that must be refused.
    fn bad_uri(&mut self, application_type: &str, uris: &[&str]) {
        for uri in uris {
            let shown: String = uri.chars().take(60).collect();
            self.with(
                &format!("a redirect URI, {application_type}: {shown:?}"),
                json!({ "application_type": application_type, "redirect_uris": [CALLBACK, uri] }),
                refused("redirect_uris[1]"),
            );
        }
    }
}

fn table() -> Vec<Row> {
    let mut table = Table::default();
    controls(&mut table);
    bodies(&mut table);
    redirect_uris(&mut table);
    texts_and_urls(&mut table);
    choices(&mut table);
    unsupported(&mut table);
    ignored(&mut table);
    empty(&mut table);
    table.0
}

/// Registrations that succeed. They show that the others are not refused for a common reason.
fn controls(table: &mut Table) {
    table.with(
        "only the required fields",
        json!({}),
        registered(json!({
            "application_type": "web", "client_secret_expires_at": 0, "contacts": null,
            "grant_types": ["authorization_code"], "id_token_scope_claims": false,
            "id_token_signed_response_alg": "RS256",
            "redirect_uris": [CALLBACK], "require_auth_time": false,
            "require_pushed_authorization_requests": false, "require_signed_request_object": false,
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
        })),
    );
    let everything = json!({
        "application_type": "native", "client_name": "Äpp", "client_name#de": "App",
        "client_uri": "https://app.example/", "contacts": ["dev@app.example"],
        "default_acr_values": ["gold"], "default_max_age": 0,
        "grant_types": ["refresh_token", "authorization_code"],
        "id_token_scope_claims": true, "id_token_signed_response_alg": "ES256",
        "initiate_login_uri": "https://app.example/begin", "logo_uri": "https://app.example/l.png",
        "policy_uri": "http://app.example/policy", "policy_uri#fr-CA": "https://app.example/fr",
        "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb", "http://[::1]:1/"],
        "request_uris": ["https://app.example/request"], "require_auth_time": true,
        "require_pushed_authorization_requests": true, "require_signed_request_object": false,
        "response_types": ["code"], "scope": "openid offline_access",
        "software_id": "4NRB1-0XZABZI9E6-5SM3R", "software_version": "2.1",
        "token_endpoint_auth_method": "none", "tos_uri": "https://app.example/tos",
    });
    table.json("every supported field", &everything, registered(everything.clone()));
    table.raw(
        "a media type with a parameter, in capitals",
        "Application/JSON; charset=utf-8",
        json!({ "redirect_uris": [CALLBACK] }).to_string(),
        registered(json!({ "redirect_uris": [CALLBACK] })),
    );
}

fn bodies(table: &mut Table) {
    let good = json!({ "redirect_uris": [CALLBACK] }).to_string();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let name = format!("a body of media type {media_type:?}");
        table.raw(
            &name,
            media_type,
            good.as_str(),
            refused("Content-Type: must be application/json"),
        );
    }
    for (name, body) in [
        ("no body", ""),
        ("a form", "redirect_uris=https%3A%2F%2Fapp.example%2Fcb"),
        ("a list", "[]"),
        ("a text", "\"redirect_uris\""),
        ("null", "null"),
        ("two objects", r#"{"redirect_uris":["https://app.example/cb"]}{}"#),
        ("half an object", r#"{"redirect_uris":["https://app.example/cb"]"#),
        ("a comment", r#"{"redirect_uris":["https://app.example/cb"]/**/}"#),
        ("a trailing comma", r#"{"redirect_uris":["https://app.example/cb"],}"#),
        (
            "a duplicate field",
            r#"{"redirect_uris":["https://app.example/cb"],"redirect_uris":["https://evil.example/"]}"#,
        ),
        (
            "a duplicate field, once escaped",
            r#"{"redirect_uris":["https://app.example/cb"],"redirect_uri\u0073":[]}"#,
        ),
        (
            "a duplicate field inside an unknown one",
            r#"{"redirect_uris":["https://app.example/cb"],"x":{"a":1,"a":2}}"#,
        ),
        (
            "half a surrogate",
            r#"{"redirect_uris":["https://app.example/cb"],"client_name":"\ud800"}"#,
        ),
        ("NaN", r#"{"redirect_uris":["https://app.example/cb"],"default_max_age":NaN}"#),
    ] {
        table.raw(name, "application/json", body, refused("the document is not a JSON object"));
    }
    let deep = format!("{{\"x\":{}", "[".repeat(5_000));
    table.raw(
        "a deeply nested body",
        "application/json",
        deep,
        refused("the document is not a JSON object"),
    );
    let large = format!("{good}{}", " ".repeat(40_961 - good.len()));
    table.raw("a body of 65537 bytes", "application/json", large, refused("the body is larger"));
}

fn redirect_uris(table: &mut Table) {
    table.json("no redirect_uris", &json!({ "client_name": "App" }), refused("redirect_uris"));
    let many: Vec<_> = (0..51).map(|n| format!("https://app.example/{n}")).collect();
    let values = [
        json!(CALLBACK),
        json!([1]),
        json!([[CALLBACK]]),
        json!({ "0": CALLBACK }),
        json!([null]),
        json!([CALLBACK, null]),
        json!(many),
    ];
    table.bad("redirect_uris", &values);
    let long = format!("https://app.example/{}", "x".repeat(2_048));
    let everywhere = [
        "",
        "/cb",
        "//app.example/cb",
        "app.example",
        "http://app.example/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://localhost.app.example/cb",
        "https://app.example/cb#",
        "https://app.example/cb#fragment",
        "https://user@app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example\\@evil.example/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://example.1/",
        "https://0x1ffffffff/",
        "https://127.0.0.08/",
        "https://app.example/a b",
        "https://app.example/\r\nlocation: https://evil.example",
        "https://app.example/\u{202e}bc",
        "https://b\u{fc}cher.example/",
        "https://app.example:0/",
        "https://app.example:65536/",
        "https:///cb",
        "https://*.app.example/cb",
        "https://app.example/%zz",
        "https://app.example/cb?code=mine",
        "https://app.example/cb?%73tate=mine",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "ftp://app.example/cb",
        "JavaScript:alert(1)",
        "vbscript:x",
        "blob:https://app.example/1",
        "intent://app.example/#Intent;scheme=https;end",
        "HTTPS://app.example/cb",
        ".app:/cb",
        "app.example:8443/cb",
        "https://login.example.com/auth/authorize",
        "https://LOGIN.Example.com:8443/cb",
        "https://xn--login-.example.com/cb",
        &long,
    ];
    table.bad_uri("web", &everywhere);
    table.bad_uri("native", &everywhere);
    let unusable =
        ["myapp:/cb", "urn:ietf:wg:oauth:2.0:oob", "Com.example.app:/cb", "com..app:/cb"];
    for application_type in ["web", "native"] {
        table.left_out_uri(application_type, &unusable);
        for uri in unusable {
            table.with(
                &format!("a redirect URI, {application_type}, alone: {uri:?}"),
                json!({ "application_type": application_type, "redirect_uris": [uri, uri] }),
                refused("redirect_uris[0]: a custom scheme must be a reversed domain name"),
            );
        }
    }
    table.with(
        "a private-use scheme of a web application",
        json!({ "application_type": "web", "redirect_uris": [CALLBACK, "com.example.app:/cb"] }),
        registered(json!({
            "application_type": "native", "redirect_uris": [CALLBACK, "com.example.app:/cb"],
        })),
    );
    table.with(
        "a redirect URI twice",
        json!({ "redirect_uris": [CALLBACK, CALLBACK] }),
        registered(json!({ "redirect_uris": [CALLBACK] })),
    );
    table.with(
        "insecure hosts, which only the operator may register",
        json!({ "insecure_redirect_hosts": ["app.example"] }),
        registered(json!({ "insecure_redirect_hosts": null })),
    );
    table.with(
        "http on an insecure host, which only the operator may register",
        json!({
            "insecure_redirect_hosts": ["nas.lan"], "redirect_uris": ["http://nas.lan:8080/cb"],
        }),
        refused("redirect_uris[0]: must be https"),
    );
}

fn texts_and_urls(table: &mut Table) {
    for field in ["client_name", "client_name#de", "software_id", "software_version"] {
        table.bad(field, &[json!(1), json!(["App"]), json!({ "en": "App" })]);
    }
    for field in ["software_id", "software_version"] {
        table.bad(field, &[json!("two\nlines"), json!("x".repeat(2_049)), json!("\u{0}")]);
    }
    for field in ["client_name", "client_name#de"] {
        for (sent, shown) in [
            (json!("two\nlines"), json!("two lines")),
            (json!("\u{202e}lapyaP\u{2066}\u{200b}"), json!("lapyaP")),
            (json!("Pay\u{e0041}\u{3164}\u{2800}Pal"), json!("PayPal")),
            (json!("\u{1b}[2J\u{9b}31mApp\u{7}"), json!("[2J31mApp")),
            (json!("می\u{200c}خواهم"), json!("می\u{200c}خواهم")),
            (json!(format!("A{}", "\u{336}".repeat(99))), json!("A\u{336}\u{336}\u{336}")),
            (json!("x".repeat(2_049)), json!(format!("{}…", "x".repeat(99)))),
            (json!("\u{0}\u{200b}"), json!(null)),
            (json!("null"), json!(null)),
        ] {
            let name: String = sent.to_string().chars().take(60).collect();
            let answer = registered(json!({ field: shown }));
            table.with(&format!("{field}, cleaned: {name}"), json!({ field: sent }), answer);
        }
    }
    let wrong_urls = [
        json!("app.example"),
        json!("javascript:alert(1)"),
        json!("data:image/svg+xml,<svg onload=alert(1)>"),
        json!("https://app.example/\"><script>alert(1)</script>"),
        json!("https://"),
        json!("https://["),
        json!("https:///path"),
        json!("https://www.bank.example@evil.example/"),
        json!("https://www.bank.example:443@evil.example/"),
        json!("https://user:password@app.example/"),
        json!("https://app.example:port/"),
        json!("https://1.2.3.4.5/"),
        json!(format!("https://{}.example/", "a".repeat(64))),
    ];
    for field in ["client_uri", "logo_uri", "policy_uri", "tos_uri", "tos_uri#nl"] {
        table.left_out(field, &wrong_urls);
        table.bad(field, &[json!(true)]);
    }
    let own = json!("https://LOGIN.example.com/auth/authorize");
    for field in ["initiate_login_uri", "jwks_uri", "logo_uri", "logo_uri#de"] {
        let host = refused(&format!("{field}: must not be on the host of this provider"));
        table.with(&format!("{field} at the provider"), json!({ field: own }), host);
    }
    for field in ["request_uris", "sector_identifier_uri"] {
        let uri = if field == "request_uris" { json!([own]) } else { own.clone() };
        table.with(&format!("{field} at the provider"), json!({ field: uri }), refused(field));
    }
    table.left_out("initiate_login_uri", &wrong_urls);
    table.left_out("initiate_login_uri", &[json!("http://app.example/begin")]);
    table.bad("initiate_login_uri", &[json!(true)]);
    for (tag, shown) in [
        ("", ""),
        ("de_DE", "de_DE"),
        ("-de", "-de"),
        ("d\"e\\\u{e9}", "d'e??"),
        ("de#en", "de#en"),
    ] {
        let field = format!("client_name#{tag}");
        let begin = format!("client_name#{shown}: the name must have a BCP 47");
        table.with(&format!("the language {tag:?}"), json!({ field: "App" }), refused(&begin));
    }
    let mut names: serde_json::Map<String, Value> = (0..20)
        .map(|n| (format!("tos_uri#x{n}"), json!(format!("https://a/{}", "x".repeat(1_990)))))
        .collect();
    names.insert("client_name".into(), "App".into());
    table.with("forty kilobytes of links", names.into(), refused("the metadata has"));
}

fn choices(table: &mut Table) {
    table.bad("application_type", &[json!(["web"]), json!(1), json!({})]);
    let many: Vec<_> = (0..51).map(|n| format!("dev{n}@app.example")).collect();
    table.bad(
        "contacts",
        &[
            json!("dev@app.example"),
            json!(["dev"]),
            json!(["<dev@app.example>"]),
            json!([1]),
            json!(many),
        ],
    );
    table.bad("default_acr_values", &[json!("gold"), json!([""]), json!([1])]);
    table.bad("default_max_age", &[json!(-1), json!("60"), json!(1.5), json!(true), json!(1e300)]);
    table.bad("require_auth_time", &[json!("true"), json!(1), json!([true])]);
    table.bad(
        "grant_types",
        &[
            json!("authorization_code"),
            json!(["implicit"]),
            json!(["client_credentials"]),
            json!(["password"]),
            json!(["refresh_token"]),
            json!(["refresh_token", "implicit"]),
            json!(["authorization_code", 1]),
            json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]),
        ],
    );
    table.bad(
        "response_types",
        &[
            json!("code"),
            json!(["token"]),
            json!(["id_token"]),
            json!(["code token", "code id_token"]),
            json!(["none"]),
        ],
    );
    table.bad(
        "id_token_signed_response_alg",
        &[json!("none"), json!("HS256"), json!("rs256"), json!(["RS256"])],
    );
    table.bad(
        "userinfo_signed_response_alg",
        &[json!("none"), json!("HS256"), json!("PS256"), json!(["ES256"])],
    );
    table.bad("subject_type", &[json!("Pairwise"), json!("ephemeral"), json!(["public"])]);
    table.bad(
        "sector_identifier_uri",
        &[
            json!("http://app.example/uris"),
            json!("https://127.0.0.1/uris"),
            json!("https://2130706433/uris"),
            json!("https://[::ffff:a00:1]/uris"),
            json!("https://localhost/uris"),
            json!("https://app.internal/uris"),
            json!("https://user@app.example/uris"),
            json!("/uris"),
            json!(["https://app.example/uris"]),
        ],
    );
    table.bad(
        "request_uris",
        &[
            json!("https://app.example/request"),
            json!(["http://app.example/request"]),
            json!(["https://app.example/request", "https://0x7f.1/request"]),
            json!(["https://app.local/request"]),
            json!([1]),
        ],
    );
    table.bad(
        "request_object_signing_alg",
        &[json!("none"), json!("HS256"), json!("ES384"), json!(["RS256"])],
    );
    for (name, fields, begin) in [
        (
            "pairwise for two hosts without a sector",
            json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://b.example/"] }),
            "sector_identifier_uri",
        ),
        (
            "pairwise with a loopback redirect URI",
            json!({ "subject_type": "pairwise", "redirect_uris": ["http://localhost/cb"] }),
            "sector_identifier_uri",
        ),
        (
            "signed requests without a key",
            json!({ "require_signed_request_object": true }),
            "jwks: missing; require_signed_request_object needs jwks or jwks_uri",
        ),
        (
            "an algorithm of request objects without a key",
            json!({ "request_object_signing_alg": "ES256" }),
            "jwks: missing; request_object_signing_alg needs jwks or jwks_uri",
        ),
    ] {
        table.with(name, fields, refused(begin));
    }
    table.with(
        "pairwise for one host, and userinfo signed",
        json!({ "subject_type": "pairwise", "userinfo_signed_response_alg": "RS256" }),
        registered(json!({ "subject_type": "pairwise", "userinfo_signed_response_alg": "RS256" })),
    );
    table.with(
        "request URIs with fragments, which are removed",
        json!({ "request_uris": ["https://app.example/request#4b1f"] }),
        registered(json!({ "request_uris": ["https://app.example/request"] })),
    );
    table.bad(
        "token_endpoint_auth_method",
        &[json!("client_secret_jwt"), json!("tls_client_auth"), json!("NONE")],
    );
    table.bad(
        "scope",
        &[
            json!("openid\temail"),
            json!("openid\nemail"),
            json!("open\"id"),
            json!("admin"),
            json!(["openid"]),
        ],
    );
    let different: Vec<_> = (0..101).map(|n| format!("s{n}")).collect();
    table.with(
        "a hundred and one scopes",
        json!({ "scope": format!("openid {}", different.join(" ")) }),
        refused("scope"),
    );
    table.with(
        "two scopes, many times",
        json!({ "scope": "openid email ".repeat(2_000) }),
        registered(json!({ "scope": "openid email" })),
    );
    table.with(
        "known and unknown scopes",
        json!({ "scope": "admin openid root email" }),
        registered(json!({ "scope": "openid email" })),
    );
    for (name, fields, in_force) in [
        (
            "grant types that are not served beside others",
            json!({ "grant_types": [
                "authorization_code", "refresh_token", "client_credentials", "implicit", "password",
                "urn:ietf:params:oauth:grant-type:device_code", "authorization_code",
            ] }),
            json!({ "grant_types": [
                "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
            ] }),
        ),
        (
            "response types that are not served beside others",
            json!({ "response_types": ["code id_token", "code", "none", "id_token", "code"] }),
            json!({ "response_types": ["code"] }),
        ),
        (
            "an unknown type of application",
            json!({ "application_type": "Native" }),
            json!({ "application_type": "web" }),
        ),
    ] {
        table.with(name, fields, registered(in_force));
    }
}

/// Known metadata fields that request a feature which the provider does not have.
fn unsupported(table: &mut Table) {
    for field in [
        "authorization_encrypted_response_alg",
        "authorization_signed_response_alg",
        "id_token_encrypted_response_alg",
        "request_object_encryption_alg",
        "userinfo_encrypted_response_alg",
    ] {
        table.bad(field, &[json!("RSA-OAEP-256"), json!("none"), json!(1)]);
    }
    for flag in ["require_pushed_authorization_requests", "require_signed_request_object"] {
        table.bad(flag, &[json!("true"), json!(1)]);
    }
    table.bad("tls_client_certificate_bound_access_tokens", &[json!(true), json!("true")]);
    table.bad("dpop_bound_access_tokens", &[json!(true), json!(1)]);
    table.with(
        "an unsupported feature that is switched off",
        json!({ "dpop_bound_access_tokens": false }),
        registered(json!({ "dpop_bound_access_tokens": null })),
    );
    for (field, value) in [
        ("authorization_encrypted_response_enc", "A256GCM"),
        ("id_token_encrypted_response_enc", "A256GCM"),
        ("introspection_encrypted_response_enc", "A256GCM"),
        ("request_object_encryption_enc", "A256GCM"),
        ("tls_client_auth_subject_dn", "CN=app"),
        ("token_endpoint_auth_signing_alg", "HS256"),
        ("userinfo_encrypted_response_enc", "A256GCM"),
    ] {
        let name = format!("{field}, which has no effect");
        table.with(&name, json!({ field: value }), registered(json!({ field: null })));
    }
}

/// Fields without a value.
fn empty(table: &mut Table) {
    for (field, default) in [
        ("application_type", json!("web")),
        ("client_name", json!(null)),
        ("client_name#de", json!(null)),
        ("client_name#not a tag", json!(null)),
        ("contacts", json!(null)),
        ("default_max_age", json!(null)),
        ("dpop_bound_access_tokens", json!(null)),
        ("grant_types", json!(["authorization_code"])),
        ("id_token_encrypted_response_alg", json!(null)),
        ("id_token_signed_response_alg", json!("RS256")),
        ("jwks", json!(null)),
        ("jwks_uri", json!(null)),
        ("logo_uri", json!(null)),
        ("request_object_signing_alg", json!(null)),
        ("request_uris", json!(null)),
        ("require_auth_time", json!(false)),
        ("response_types", json!(["code"])),
        ("scope", json!(null)),
        ("sector_identifier_uri", json!(null)),
        ("software_version", json!(null)),
        ("subject_type", json!("public")),
        ("tls_client_auth_subject_dn", json!(null)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("tos_uri#nl", json!(null)),
    ] {
        table.empty(field, default);
    }
    for value in [json!(null), json!(""), json!([])] {
        let name = format!("redirect_uris, empty: {value}");
        table.with(&name, json!({ "redirect_uris": value }), refused("redirect_uris: must be an"));
    }
}

/// Unknown metadata fields, and fields that only the provider may set.
fn ignored(table: &mut Table) {
    let chosen = json!({
        "client_id": "chosen", "client_secret": "chosen", "client_id_issued_at": 1,
        "client_secret_expires_at": 9, "registration_access_token": "chosen",
        "registration_client_uri": "https://evil.example/", "trusted": true,
    });
    let fields = json!({ "client_secret_expires_at": 0, "trusted": null });
    table.with("fields that only the provider sets", chosen, registered(fields));
    let unknown = json!({ "__proto__": { "trusted": true }, "of_tomorrow": null, "": [1.5] });
    let fields = json!({ "__proto__": null, "of_tomorrow": null, "": null });
    table.with("unknown fields", unknown, registered(fields));
    let statement = json!({ "software_statement": "eyJhbGciOiJub25lIn0.eyJ0cnVzdGVkIjp0cnVlfQ." });
    let fields = json!({ "software_statement": null, "trusted": null });
    table.with("a software statement", statement, registered(fields));
    let inside =
        json!({ "localized": { "client_name#de": "x" }, "metadata": {}, "secret_hash": "x" });
    let fields = json!({ "localized": null, "client_name#de": null, "secret_hash": null });
    table.with("fields of the stored form", inside, registered(fields));
    let unlocalized =
        json!({ "contacts#de": ["x"], "redirect_uris#de": ["https://evil.example/"] });
    let fields = json!({ "contacts#de": null, "redirect_uris": [CALLBACK] });
    table.with("language tags on fields that have none", unlocalized, registered(fields));
}

impl Row {
    fn check(&self, response: &TestResponse) {
        let name = &self.name;
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(response.header("pragma"), Some("no-cache"), "{name}");
        let body = response.json();
        match &self.answer {
            Answer::Registered { fields } => {
                assert_eq!(response.status, 201, "{name}: {body}");
                for (field, value) in fields.as_object().unwrap() {
                    assert_eq!(&body[field], value, "{name}: {field}");
                }
                assert_ne!(body["client_id"], "chosen");
                let uri = body["registration_client_uri"].as_str().unwrap();
                assert!(uri.starts_with(&format!("{ISSUER}/auth/register/")));
            }
            Answer::Refused { error, begin } => {
                assert_eq!(
                    (response.status, response.error().as_ref()),
                    (400, Some(error)),
                    "{name}: {body}"
                );
                let description = body["error_description"].as_str().unwrap();
                assert!(description.starts_with(begin), "{name}: {description}");
                let is_plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
                assert!(description.bytes().all(is_plain) && description.len() <= 300, "{name}");
                assert_eq!(body.as_object().unwrap().len(), 2);
            }
        }
    }
}

fn seed() -> String {
    let hash = hash(TOKEN);
    format!(
        "INSERT INTO initial_access_tokens (token_hash, uses_left, expires_at, created_at) \
         VALUES ('{hash}', 1000, {END}, {NOW})"
    )
}

#[test]
fn every_hostile_registration_gets_the_expected_response() {
    let rows = table();
    assert!(rows.len() >= 100, "{}", rows.len());
    let mut names: Vec<_> = rows.iter().map(|row| &row.name).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));

    let provider = TestProvider::new();
    provider.platform.primary.execute(&seed(), ()).unwrap();
    for row in &rows {
        let request = post("/auth/register").bearer(TOKEN);
        row.check(&provider.send(request.body(&row.content_type, row.body.as_str())));
    }
    let is_registered = |row: &&Row| matches!(row.answer, Answer::Registered { .. });
    let registered = rows.iter().filter(is_registered).count() as i64;
    let sql = "SELECT (SELECT count(*) FROM clients), 1000 - uses_left FROM initial_access_tokens";
    let counts: (i64, i64) =
        provider.platform.primary.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(counts, (registered, registered), "each client uses up the token once");
    let sql = "SELECT count(*) FROM clients WHERE trusted = 1";
    let trusted: i64 = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
    assert_eq!(trusted, 0);
}

#[test]
fn the_edge_table_of_registrations_is_current() {
    let lines: Vec<_> = table().iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    let (seed, rows) = (serde_json::to_string(&[seed()]).unwrap(), lines.join(",\n"));
    let text = format!(
        "{{\"issuer\":\"{ISSUER}\",\"token\":\"{TOKEN}\",\"seed\":{seed},\"rows\":[\n{rows}\n]}}\n"
    );
    assert_golden("registration.json", &text);
}
