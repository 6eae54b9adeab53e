//! The work that a request causes: it must not grow faster than the request.
//!
//! Each row is what an attacker would send: the largest body of its kind that the endpoint reads, in the form that is the
//! most work. In a release it must cost less than 10 ms of CPU time. A test build is at least five times slower, so a request
//! may take longer there if eight of an eighth of its size take more than half of the time.

use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

use crate::browser::{CALLBACK, TestClient, VERIFIER, encode};
use crate::hostile::forge::encode as encoded;
use crate::signer::{ASSERTION_TYPE, Signer};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, get, post, variables};

/// Five times the limit of a release.
const LIMIT: Duration = Duration::from_millis(50);
/// A request is sent several times, because the system counts CPU time in steps of some milliseconds.
const RUNS: u32 = 2;

const RESOURCES: &str = r#"{"https://api.example.com":["read","write"],"https://b.example":{"open":true,"scopes":["b"]}}"#;

fn provider() -> TestProvider {
    let mut variables = variables();
    variables.push(("RESOURCES", RESOURCES.into()));
    variables.push(("REGISTRATION", "open".into()));
    variables.push(("ALLOW_LOOPBACK", "true".into()));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

/// The CPU time of this thread. Where the system does not tell it, the time that passed since `begin`.
fn cpu_time(begin: Instant) -> Duration {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedule.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or(begin.elapsed(), Duration::from_nanos)
}

/// The CPU time for this number of requests of a size in bytes.
fn measure(
    provider: &TestProvider,
    request: &dyn Fn(usize) -> TestRequest,
    (count, size): (u32, usize),
) -> Duration {
    let begin = Instant::now();
    let mut total = Duration::ZERO;
    for _ in 0..count {
        let request = request(size);
        let before = cpu_time(begin);
        provider.send(request);
        total += cpu_time(begin) - before;
    }
    total
}

/// Checks that the work is within the limit, or grows like the size: where it grows like the square, eight requests of an
/// eighth of the size are an eighth of the work.
#[track_caller]
fn assert_linear(
    provider: &TestProvider,
    name: &str,
    size: usize,
    request: &dyn Fn(usize) -> TestRequest,
) {
    let whole = measure(provider, request, (RUNS, size)) / RUNS;
    if whole > LIMIT {
        let parts = measure(provider, request, (8 * RUNS, size / 8)) / RUNS;
        assert!(whole < 2 * parts, "{name}: {whole:?}; in eight parts: {parts:?}");
    }
}

/// As many elements as a text of `size` bytes has, with the separator.
fn filled(size: usize, separator: &str, element: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let next = element(number);
        if text.len() + next.len() + separator.len() > size {
            break;
        }
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(&next);
    }
    text
}

fn numbered(number: usize) -> String {
    format!("{number:x}")
}

/// The values of parameters of an authorization request that are the most work, by their parameter.
fn parameters(size: usize) -> Vec<(&'static str, &'static str, String)> {
    let deep =
        |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let list = |separator: &str| filled(size, separator, numbered);
    let quoted = |size: usize| filled(size, ",", |number| format!("\"{number:x}\""));
    // The parameter has a limit of its own.
    let of_claims = size.min(16_000);
    let claims = filled(of_claims, ",", |number| format!("\"{number:x}\":null"));
    let hint = |value: &str| {
        let header = encoded(r#"{"alg":"ES256","typ":"JWT","kid":"x"}"#);
        let payload = format!(r#"{{"auth_time":1,"x":{value}}}"#);
        format!("{header}.{}.{}", encoded(payload), "A".repeat(86))
    };
    let acr = |section: &str, values: &str| {
        format!(r#""{section}":{{"acr":{{"essential":true,"values":[{values}]}}}}"#)
    };
    vec![
        ("scopes, all different", "scope", list("+")),
        ("one scope, repeated", "scope", filled(size, "+", |_| "a".into())),
        ("scopes of an API, repeated", "scope", filled(size, "+", |_| "read+write".into())),
        ("spaces", "scope", "+".repeat(size)),
        ("prompts", "prompt", list("+")),
        ("misspelled prompts", "prompt", filled(size, "+", |_| "log,in".into())),
        ("response types", "response_type", filled(size, "+", |_| "id_token".into())),
        ("languages", "ui_locales", filled(size, "+", |_| "x-y".into())),
        ("authentication classes", "acr_values", list("+")),
        ("claims for userinfo", "claims", format!(r#"{{"userinfo":{{{}}}}}"#, claims)),
        ("unknown claims", "claims", format!("{{{}}}", claims)),
        ("deep claims", "claims", format!(r#"{{"x":{}}}"#, deep("[", "]", of_claims / 2))),
        ("values of acr", "claims", format!("{{{}}}", acr("id_token", &quoted(of_claims)))),
        (
            "values of acr, twice",
            "claims",
            format!(
                "{{{},{}}}",
                acr("id_token", &quoted(of_claims / 2)),
                acr("userinfo", &quoted(of_claims / 2))
            ),
        ),
        (
            "a hint of zeros",
            "id_token_hint",
            hint(&format!("[{}0]", "0,".repeat(size.min(51_000) * 3 / 8))),
        ),
        ("a deep hint", "id_token_hint", hint(&"[".repeat(size.min(51_000) * 3 / 4))),
        ("percent signs", "login_hint", "%41".repeat(size / 3)),
        ("a nonce of control characters", "nonce", "%01".repeat(size / 3)),
        ("a long login", "login_hint", "%EF%AC%83".repeat(size / 9)),
    ]
}

fn authorization(client: &TestClient, (name, value): (&str, &str)) -> String {
    let query = client.authorize_query(&[(name, "")]);
    let kept: Vec<_> =
        query.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect();
    format!("{}&{name}={value}", kept.join("&"))
}

#[test]
fn an_authorization_request_is_no_more_work_than_its_size() {
    let provider = provider();
    let app = provider.put_app();
    let count = parameters(0).len();
    for index in 0..count {
        let (what, name, _) = parameters(0)[index].clone();
        let body = |size: usize| authorization(&app, (name, &parameters(size)[index].2));
        let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
        let posted = |size: usize| post("/auth/authorize").form(&body(size));
        assert_linear(&provider, &format!("{what}, posted"), 64_000, &posted);
        let pushed = |size: usize| post("/auth/par").form(&format!("{}&{secret}", body(size)));
        assert_linear(&provider, &format!("{what}, pushed"), 64_000, &pushed);
        let sent = |size: usize| get(&format!("/auth/authorize?{}", body(size)));
        assert_linear(&provider, what, 15_000, &sent);
    }
}

#[test]
fn a_request_object_is_no_more_work_than_its_size() {
    let provider = provider();
    let signer = Signer::new("ES256", None, 7);
    let app = provider.put_client_with("app", json!({ "jwks": signer.jwks() }));
    let strings = |count: usize, text: &dyn Fn(usize) -> String| -> Value {
        (0..count).map(|n| json!(text(n))).collect()
    };
    type Claim<'a> = &'a dyn Fn(usize) -> Value;
    let claims: &[(&str, &str, Claim<'_>)] = &[
        ("one resource", "resource", &|size| strings(size / 20, &|_| "https://b.example".into())),
        ("resources", "resource", &|size| strings(size / 8, &numbered)),
        ("audiences", "aud", &|size| strings(size / 8, &numbered)),
        ("issuers", "aud", &|size| strings(size / 30, &|_| ISSUER.into())),
        ("scopes", "scope", &|size| json!(filled(size, " ", numbered))),
    ];
    for (what, name, value) in claims {
        let request = |size: usize| {
            let mut claims = signer.claims(&provider, "app");
            claims["client_id"] = json!("app");
            claims["redirect_uri"] = json!(CALLBACK);
            claims["response_type"] = json!("code");
            claims["scope"] = json!("openid b");
            claims.as_object_mut().unwrap().remove("sub");
            claims[*name] = value(size);
            let object = signer.sign(&claims);
            let query =
                [("client_id", app.id.as_str()), ("request", &object), ("redirect_uri", CALLBACK)];
            post("/auth/authorize").form(&encode(&query))
        };
        assert_linear(&provider, what, 11_500, &request);
    }
}

#[test]
fn a_token_request_is_no_more_work_than_its_size() {
    let provider = provider();
    let signer = Signer::new("ES256", None, 7);
    provider.put_signing("signing", json!({ "jwks": signer.jwks() }));
    let machine = provider.put_client_with(
        "machine",
        json!({ "grant_types": ["client_credentials"], "scope": "read write" }),
    );
    let app = provider.put_client_with("app", json!({}));
    let scopes: &[(&str, &dyn Fn(usize) -> String)] = &[
        ("scopes, all different", &|size| filled(size, "+", numbered)),
        ("scopes, repeated", &|size| filled(size, "+", |_| "read+write".into())),
        ("spaces", &|size| "+".repeat(size)),
    ];
    let token = crate::browser::Browser::new(&provider).authorize(
        &app,
        "alice@example.com",
        &[("scope", "openid offline_access")],
    );
    let token = crate::browser::field(&provider.redeem(&app, &token), "refresh_token");
    for (what, scope) in scopes {
        for (client, more) in [
            (&machine, "grant_type=client_credentials".to_owned()),
            (&app, format!("grant_type=refresh_token&refresh_token={token}")),
        ] {
            let request = |size: usize| {
                let by = [
                    ("client_id", client.id.as_str()),
                    ("client_secret", client.secret.as_deref().unwrap()),
                ];
                post("/auth/token").form(&format!("{}&{more}&scope={}", encode(&by), scope(size)))
            };
            assert_linear(&provider, &format!("{what}, {}", client.id), 23_000, &request);
        }
    }
    let strings = |count: usize, text: &dyn Fn(usize) -> String| -> Value {
        (0..count).map(|n| json!(text(n))).collect()
    };
    let audiences: &[(&str, &dyn Fn(usize) -> Value)] = &[
        ("audiences", &|size| strings(size / 8, &numbered)),
        ("issuers", &|size| strings(size / 30, &|_| ISSUER.into())),
    ];
    for (what, aud) in audiences {
        let request = |size: usize| {
            let mut claims = signer.claims(&provider, "signing");
            claims["aud"] = aud(size);
            let assertion = signer.sign(&claims);
            post("/auth/token").form(&encode(&[
                ("grant_type", "authorization_code"),
                ("code", "x"),
                ("code_verifier", VERIFIER),
                ("client_assertion", &assertion),
                ("client_assertion_type", ASSERTION_TYPE),
            ]))
        };
        assert_linear(&provider, what, 11_500, &request);
    }
}

#[test]
fn a_registration_is_no_more_work_than_its_size() {
    let provider = provider();
    let list = |field: &'static str, element: &'static dyn Fn(usize) -> String| {
        move |size: usize| {
            format!(r#""{field}":[{}]"#, filled(size, ",", |n| format!("\"{}\"", element(n))))
        }
    };
    let uri = &|n: usize| format!("https://a.example/{n:x}");
    let names = |size: usize, name: &dyn Fn(usize) -> String| {
        filled(size, ",", |n| format!("\"{}\":1", name(n)))
    };
    let keys = Signer::new("EdDSA", None, 7).jwk();
    let fields: &[(&str, &dyn Fn(usize) -> String)] = &[
        ("scopes, all different", &|size| format!(r#""scope":"{}""#, filled(size, " ", numbered))),
        ("one scope, repeated", &|size| {
            format!(r#""scope":"{}""#, filled(size, " ", |_| "b".into()))
        }),
        ("redirect URIs", &list("redirect_uris", uri)),
        ("long redirect URIs", &list("redirect_uris", &|n| format!("https://a.example/{n:01000}"))),
        ("request URIs", &list("request_uris", uri)),
        ("contacts", &list("contacts", &|n| format!("{n:x}@a.example"))),
        ("grant types", &list("grant_types", &numbered)),
        ("response types", &list("response_types", &numbered)),
        ("authentication classes", &list("default_acr_values", &numbered)),
        ("unknown fields", &|size| names(size, &numbered)),
        ("long names", &|size| names(size, &|n| format!("{:0200}{n:x}", 0))),
        ("languages", &|size| names(size, &|n| format!("client_name#a-{n:x}"))),
        ("names in languages", &|size| {
            filled(size, ",", |n| format!("\"client_name#a-{n:x}\":\"a\""))
        }),
        ("arrays in arrays", &|size| {
            format!(r#""x":{}{}"#, "[".repeat(size / 2), "]".repeat(size / 2))
        }),
        ("arrays beside arrays", &|size| {
            format!(r#""x":[{}]"#, filled(size, ",", |_| "[]".into()))
        }),
        ("keys", &|size| {
            format!(r#""jwks":{{"keys":[{}]}}"#, filled(size, ",", |_| keys.to_string()))
        }),
        ("numbers", &|size| format!(r#""x":[{}]"#, filled(size, ",", |_| "1e-300".into()))),
        ("a long number", &|size| {
            format!(r#""x":{}.{}"#, "9".repeat(size / 2), "9".repeat(size / 2))
        }),
    ];
    for (what, fields) in fields {
        let request = |size: usize| {
            let fields = fields(size);
            let uris = if fields.contains("redirect_uris") {
                ""
            } else {
                r#""redirect_uris":["https://a.example/"],"#
            };
            post("/auth/register").body("application/json", format!("{{{uris}{fields}}}"))
        };
        assert_linear(&provider, what, 40_000, &request);
    }
}

#[test]
fn headers_and_tokens_are_no_more_work_than_their_size() {
    let provider = provider();
    let app = provider.put_app();
    let target = app.authorize(&[]);
    let headers: &[(&str, &dyn Fn(usize) -> String)] = &[
        ("cookie", &|size| filled(size, "; ", |n| format!("a{n:x}=1"))),
        ("cookie", &|size| format!("__Host-postern-device={}", "a.".repeat(size / 2))),
        ("accept-language", &|size| filled(size, ",", |_| "x;q=0.1".into())),
        ("accept-language", &|size| "a-".repeat(size / 2)),
        ("sec-purpose", &|size| ";,".repeat(size / 2)),
    ];
    for (name, value) in headers {
        let request = |size: usize| get(&target).with(name, &value(size));
        assert_linear(&provider, name, 32_000, &request);
    }
    let tokens: &[(&str, &dyn Fn(usize) -> String)] = &[
        ("periods", &|size| ".".repeat(size)),
        ("equals signs", &|size| format!("a{}", "=".repeat(size))),
        ("commas", &|size| "a=\"\\\",".repeat(size / 6)),
        ("credentials", &|size| "a=b, ".repeat(size / 5)),
    ];
    for (what, token) in tokens {
        let request = |size: usize| {
            get("/auth/userinfo").with("authorization", &format!("Bearer {}", token(size)))
        };
        assert_linear(&provider, what, 32_000, &request);
    }
}
