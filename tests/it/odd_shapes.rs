//! Keys, signatures and texts of shapes at which a platform's function may throw. `tests/long/odd_shapes.test.mjs` sends the
//! same requests to the module in workerd, and requires the same statuses.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::client_assertions::NO_CODE;
use crate::signer::{ALGORITHMS, Signer, by_assertion};
use crate::test_provider::{
    TestProvider, TestRequest, assert_golden, get, post, put, variables_with,
};

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The order of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Signatures for keys of each algorithm: other sizes, and numbers that are out of range.
fn signatures() -> Vec<Vec<u8>> {
    let sizes = [0, 1, 63, 64, 65, 255, 256, 257, 512];
    let mut all: Vec<_> = sizes.iter().flat_map(|size| [0, 0xff].map(|b| vec![b; *size])).collect();
    let (zero, one) = ([0; 32], [1; 32]);
    for (r, s) in [(zero, one), (one, zero), (ORDER, one), (one, ORDER), (ORDER, ORDER)] {
        all.push([r, s].concat());
    }
    all
}

/// Public keys, of which few are valid.
fn keys() -> Vec<(&'static str, Value)> {
    let okp = |bytes: &[u8]| json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(bytes) });
    let ec =
        |x: &[u8], y: &[u8]| json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) });
    let rsa = |n: &[u8]| json!({ "kty": "RSA", "n": encode(n), "e": "AQAB" });
    let filled = |first: u8, size: usize, last: u8| {
        let mut bytes = vec![0; size];
        (bytes[0], bytes[size - 1]) = (first, last);
        bytes
    };
    let mut keys: Vec<_> = ["ES256", "EdDSA", "PS256", "RS256"]
        .map(|alg| {
            let mut jwk = Signer::new(alg, None, 0).jwk();
            jwk.as_object_mut().unwrap().remove("alg");
            (alg, jwk)
        })
        .into();
    let good = keys[0].1.clone();
    for exponent in ["", "AQ", "Ag", "Aw", "AAEAAQ", "AQABAA", "AQAC", "AQAB=", "____"] {
        let mut key = keys[3].1.clone();
        key["e"] = exponent.into();
        keys.push(("PS256", key));
    }
    // No number below ends a modulus of two primes, which no function checks.
    for (first, size, last) in [
        (0x80, 256, 1),
        (0xff, 256, 0xff),
        (0x80, 256, 0),
        (0x80, 255, 1),
        (0x7f, 256, 1),
        (0x01, 257, 1),
        (0x80, 257, 1),
        (0x80, 384, 1),
        (0xff, 512, 0xff),
        (0x80, 513, 1),
        (0x80, 2_048, 1),
    ] {
        keys.push(("RS256", rsa(&filled(first, size, last))));
    }
    keys.push(("PS256", rsa(&filled(0x80, 256, 1))));
    keys.push(("RS256", rsa(&[0xff; 256])));
    keys.push(("RS256", rsa(&[])));
    // Encodings of Ed25519: of small order, not reduced, and beside the curve.
    for bytes in [
        vec![0; 32],
        filled(1, 32, 0),
        vec![0xff; 32],
        filled(2, 32, 0),
        filled(2, 32, 0x80),
        filled(0xed, 32, 0x7f),
        vec![7; 31],
        vec![7; 33],
        vec![],
    ] {
        keys.push(("EdDSA", okp(&bytes)));
    }
    let mut not_reduced = vec![0xff; 32];
    (not_reduced[0], not_reduced[31]) = (0xf0, 0x7f);
    keys.push(("EdDSA", okp(&not_reduced)));
    for (x, y) in [
        (vec![0; 32], vec![0; 32]),
        (vec![0xff; 32], vec![0xff; 32]),
        (vec![1; 32], vec![1; 32]),
        (vec![0; 31], vec![0; 32]),
        (vec![0; 33], vec![0; 32]),
        (vec![], vec![]),
    ] {
        keys.push(("ES256", ec(&x, &y)));
    }
    for (field, value) in [
        ("crv", json!("P-384")),
        ("crv", json!("P-256\u{0}")),
        ("kty", json!("RSA")),
        ("kty", json!("oct")),
        ("x", good["y"].clone()),
        ("x", json!(1)),
        ("x", json!([])),
        ("x", json!("\u{0}")),
        ("x", json!("é")),
        ("kid", json!("\u{0}")),
        ("kid", json!("x".repeat(9_000))),
        ("kid", json!(1)),
        ("alg", json!("ES256\u{0}")),
        ("use", json!(["sig"])),
        ("key_ops", json!({})),
        ("ext", json!("\u{ffff}")),
        ("x5c", json!([1])),
    ] {
        let mut key = good.clone();
        key[field] = value;
        keys.push(("ES256", key));
    }
    keys
}

/// Texts at which a database, a header or a parser may fail.
fn texts() -> Vec<String> {
    let long = "x".repeat(3_000);
    let texts = [
        "",
        "\0",
        "a\0b",
        "\u{7f}",
        "\r\nset-cookie: a=b",
        "\u{85}",
        "\u{ad}",
        "é",
        "e\u{301}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10ffff}",
        "😀",
        "\u{202e}",
        "'",
        "\"",
        "\\",
        "%",
        "${x}",
        "{}",
        "null",
        "-1",
        "9223372036854775808",
        "1e999",
        "__proto__",
        "constructor",
        "x' OR '1'='1",
        "?1",
        &long,
    ];
    texts.map(str::to_owned).into()
}

/// Requests that have a text in each parameter, cookie and header that a stranger controls.
fn requests(text: &str) -> Vec<(&'static str, &'static str, String)> {
    let pair = |name: &str| crate::browser::encode(&[(name, text)]);
    let mut requests = Vec::new();
    let authorize =
        "client_id=odd&redirect_uri=https://app.example/cb&response_type=code&scope=openid";
    for name in [
        "acr_values",
        "claims",
        "claims_locales",
        "client_id",
        "code_challenge",
        "display",
        "id_token_hint",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "redirect_uri",
        "request",
        "request_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "ui_locales",
        "handle",
        "resume",
    ] {
        let rest: Vec<_> =
            authorize.split('&').filter(|one| !one.starts_with(&format!("{name}="))).collect();
        requests.push(("GET", "/auth/authorize", format!("{}&{}", rest.join("&"), pair(name))));
    }
    for name in [
        "client_id",
        "client_secret",
        "client_assertion",
        "code",
        "code_verifier",
        "redirect_uri",
        "refresh_token",
        "scope",
        "resource",
        "grant_type",
    ] {
        let rest =
            ["client_id=odd", "grant_type=authorization_code", "code=none", "redirect_uri=x"];
        let rest: Vec<_> =
            rest.into_iter().filter(|one| !one.starts_with(&format!("{name}="))).collect();
        requests.push(("POST", "/auth/token", format!("{}&{}", rest.join("&"), pair(name))));
    }
    for name in ["login", "password", "token", "request"] {
        requests.push(("POST", "/auth/login", format!("{authorize}&{}", pair(name))));
    }
    let document = json!({ "redirect_uris": ["https://app.example/cb"], "client_name": text, "contacts": [text] });
    requests.push(("POST", "/auth/register", document.to_string()));
    requests
}

fn request((method, path, text): &(&str, &str, String)) -> TestRequest {
    match *method {
        "GET" => get(&format!("{path}?{text}")),
        _ if text.starts_with('{') => post(path).body("application/json", text.as_bytes()),
        _ => post(path).form(text),
    }
}

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider
}

/// Registers a key, and sends assertions with such signatures. Returns the statuses, each once.
fn statuses(provider: &TestProvider, alg: &str, key: &Value, signatures: &[Vec<u8>]) -> Value {
    let document = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [key] },
    });
    let stored = provider.send(put("/admin/clients/odd").by_operator().json(&document));
    if stored.status != 200 {
        return json!([stored.status]);
    }
    let signer = Signer::new("ES256", None, 0);
    let mut all = Vec::new();
    for signature in signatures {
        let claims = signer.claims(provider, "odd");
        let jwt = signer.sign_under(&json!({ "alg": alg }), &claims);
        let (input, _) = jwt.rsplit_once('.').unwrap();
        let jwt = format!("{input}.{}", encode(signature));
        let response = provider.send(by_assertion(&jwt, &NO_CODE));
        assert!(response.log.get("notes").is_none(), "{key} {signature:?}: {}", response.log);
        if !all.contains(&response.status) {
            all.push(response.status);
        }
    }
    json!([200, all])
}

#[test]
fn odd_shapes_from_a_stranger_never_cause_a_fault() {
    assert_eq!(ALGORITHMS.len(), 4, "a new algorithm needs its keys here");
    let provider = provider();
    let signatures = signatures();
    let keys: Vec<_> = keys()
        .into_iter()
        .map(|(alg, key)| json!({ "alg": alg, "key": key, "statuses": statuses(&provider, alg, &key, &signatures) }))
        .collect();
    for row in &keys {
        let statuses = &row["statuses"];
        assert!(*statuses == json!([400]) || *statuses == json!([200, [401]]), "{row}");
    }
    let valid = keys.iter().filter(|row| row["statuses"][0] == 200).count();
    assert!(valid > 10 && keys.len() - valid > 20, "{valid} of {}", keys.len());

    provider.put_client_with("odd", json!({}));
    let mut requests_sent = Vec::new();
    for sent in texts().iter().flat_map(|text| requests(text)) {
        let response = provider.send(request(&sent));
        assert!(response.log.get("notes").is_none(), "{sent:?}: {}", response.log);
        assert!(response.status < 500, "{sent:?}: {}", response.status);
        let (method, path, text) = sent;
        requests_sent.push(
            json!({ "method": method, "path": path, "text": text, "status": response.status }),
        );
    }
    let signatures: Vec<_> = signatures.iter().map(|signature| encode(signature)).collect();
    // One row a line.
    let lines = |rows: &[Value]| rows.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
    let table = format!(
        "{{\"signatures\":{},\"keys\":[\n{}\n],\"requests\":[\n{}\n]}}\n",
        json!(signatures),
        lines(&keys),
        lines(&requests_sent)
    );
    assert_golden("odd_shapes.json", &table);
}
