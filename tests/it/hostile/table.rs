//! The table of hostile requests for userinfo.

use postern::endpoint::support::bearer::TOKEN_LIMIT;
use postern::jose::jwk::PublicKey;
use serde_json::{Value, json};

use super::forge::{AUD, BEGIN, END, ORDER, OUR_KEY, THEIR_KEY, decode, good, key, rsa_key};
use crate::test_provider::ISSUER;

const FORM: &str = "application/x-www-form-urlencoded";

pub struct TokenCase {
    pub name: String,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub status: u16,
    pub error: Option<&'static str>,
    /// Part of the description, so that each row is refused for its own reason.
    pub words: &'static str,
}

pub struct Table(Vec<TokenCase>);

impl Table {
    pub fn push(&mut self, name: &str, status: u16, words: &'static str) -> &mut TokenCase {
        self.0.push(TokenCase {
            name: name.into(),
            method: "GET",
            target: "/auth/userinfo".into(),
            headers: Vec::new(),
            body: None,
            status,
            error: match status {
                400 => Some("invalid_request"),
                401 => Some("invalid_token"),
                403 => Some("insufficient_scope"),
                _ => None,
            },
            words,
        });
        self.0.last_mut().unwrap()
    }

    /// A token that must be refused with `invalid_token`.
    pub fn bad(&mut self, name: &str, token: String, words: &'static str) {
        self.push(name, 401, words).header("authorization", &format!("Bearer {token}"));
    }

    pub fn fine(&mut self, name: &str, token: &str) {
        self.push(name, 200, "").header("authorization", &format!("Bearer {token}"));
    }
}

impl TokenCase {
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn query(&mut self, query: &str) -> &mut Self {
        self.target = format!("/auth/userinfo?{query}");
        self
    }

    pub fn post(&mut self, content_type: &str, body: &str) -> &mut Self {
        self.method = "POST";
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name, "method": self.method, "target": self.target,
            "headers": self.headers, "body": self.body, "status": self.status, "error": self.error,
            "words": self.words,
        })
    }
}

pub fn table() -> Vec<TokenCase> {
    let mut table = Table(Vec::new());
    controls(&mut table);
    requests(&mut table);
    forms(&mut table);
    headers(&mut table);
    rsa(&mut table);
    signatures(&mut table);
    claims(&mut table);
    grants(&mut table);
    table.0
}

/// Tokens that are accepted. They show that the others are not refused for a common reason.
fn controls(table: &mut Table) {
    table.fine("a good token", &good().sign());
    table.fine("aud as a list with our audience", &good().claim("aud", json!(["x", AUD])).sign());
    table.fine(
        "typ as a full media type",
        &good().header("typ", json!("Application/AT+JWT")).sign(),
    );
    table.fine("unknown header parameters", &good().header("x", json!({ "y": [1] })).sign());
    table.fine(
        "key URLs in the header, which are ignored",
        &good()
            .header("jku", json!("https://evil.example/jwks"))
            .header("x5c", json!(["AA"]))
            .sign(),
    );
    let (signature, order) = (good().raw_signature(), decode(ORDER));
    table.fine(
        "the other s that ECDSA allows",
        &good().signed([&signature[..32], &subtract(&order, &signature[32..])].concat()),
    );
    // Base64url turns three bytes into four characters.
    let jti = |length: usize| good().claim("jti", json!("x".repeat(length))).sign();
    let length = 1 + (TOKEN_LIMIT - good().sign().len()) * 3 / 4;
    let fitting = (length - 4..length + 4).rev().map(jti).find(|t| t.len() <= TOKEN_LIMIT).unwrap();
    let bursting = (length - 4..length + 4).map(jti).find(|t| t.len() > TOKEN_LIMIT).unwrap();
    assert!(fitting.len() > TOKEN_LIMIT - 2 && bursting.len() < TOKEN_LIMIT + 3);
    table.fine("a token that just fits", &fitting);
    table.bad("a token that just does not fit", bursting, "longer than 8192");
    table.bad("a token of 60000 bytes", "x".repeat(60_000), "longer than 8192");
}

fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(&a, &b)| {
            let value = i16::from(a) - i16::from(b) - borrow;
            borrow = i16::from(value < 0);
            (value + 256 * borrow) as u8
        })
        .collect();
    difference.reverse();
    difference
}

/// The ways to send a token.
fn requests(table: &mut Table) {
    let token = good().sign();
    let bearer = format!("Bearer {token}");
    let form = format!("access_token={token}");
    table.push("no credentials", 401, "access token is needed");
    table.push("no credentials in a POST", 401, "access token is needed").method = "POST";
    for scheme in [
        "Basic YWxpY2U6cGFzc3dvcmQ=",
        "DPoP abc",
        "Bearers abc",
        "Negotiate",
        "Digest username=\"a, Bearer b\", nc=1",
    ] {
        table
            .push(&format!("another scheme: {scheme}"), 401, "is needed")
            .header("authorization", scheme);
    }
    for value in [
        "Bearer",
        "Bearer a b",
        "Bearer\ta",
        "Bearer =",
        "Bearer a\"b",
        "Bearer a=b",
        "Bearer <token>",
        "Bearer: abc",
    ] {
        table
            .push(&format!("malformed: {value:?}"), 400, "must have one bearer token")
            .header("authorization", value);
    }
    table
        .push("a token in quotes", 400, "must have one bearer token")
        .header("authorization", &format!("Bearer \"{token}\""));
    table
        .push("a comma between two tokens", 400, "duplicate header: Authorization")
        .header("authorization", "Bearer a,b");
    table
        .push("two tokens in two headers", 400, "duplicate header: Authorization")
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    table
        .push("two schemes in two headers", 400, "duplicate header: Authorization")
        .header("authorization", "Basic YTpi")
        .header("authorization", &bearer);
    table.push("a token in the query", 400, "must not be in the URL").query(&form);
    table
        .push("a token in the query and in the header", 400, "must not be in the URL")
        .query(&form)
        .header("authorization", &bearer);
    table
        .push("a token in the query under an encoded name", 400, "must not be in the URL")
        .query(&format!("x=1&%61ccess%5ftoken={token}"));
    table
        .push("a token in the query of a POST", 400, "must not be in the URL")
        .query(&form)
        .post(FORM, &form);
    table
        .push("a token in the header and in the body", 400, "more than one access token")
        .post(FORM, &form)
        .header("authorization", &bearer);
    table
        .push("a token in the body twice", 400, "duplicate parameter: ")
        .post(FORM, &format!("{form}&{form}"));
    table
        .push("a token and another in the body", 400, "duplicate parameter: ")
        .post(FORM, &format!("{form}&access_token=x"));
    table
        .push("a malformed token in the body", 400, "must be a b64token")
        .post(FORM, "access_token=a%20b");
    table.push("an empty token in the body", 401, "is needed").post(FORM, "access_token=");
    table
        .push("a token in a JSON body", 401, "is needed")
        .post("application/json", &json!({ "access_token": token }).to_string());
    table.push("a token in a text body", 401, "is needed").post("text/plain", &form);
    table
        .push("a form of the wrong kind", 401, "is needed")
        .post("multipart/form-data; boundary=x", &form);
    table
        .push("a form of over 16 KiB", 400, "larger than 16384")
        .post(FORM, &format!("{form}&x={}", "y".repeat(16_384)));
    table
        .push("thousands of parameters in the body", 400, "more than 100")
        .post(FORM, &format!("{form}{}", "&a".repeat(5_000)));
    table
        .push("a token in the body that is not UTF-8", 400, "must be UTF-8")
        .post(FORM, "access_token=%FF");
    let case = table.push("a form with a GET", 401, "is needed").post(FORM, &form);
    case.method = "GET";
    table
        .push("a form that is also JSON", 401, "is needed")
        .post(FORM, &form)
        .header("content-type", "application/json");
    table
        .push("a form with a charset", 200, "")
        .post("application/x-www-form-urlencoded; charset=utf-8", &form);
    table.push("a bad token in the body", 401, "three parts").post(FORM, "access_token=x");
}

/// The encoding of a token.
fn forms(table: &mut Table) {
    let token = good().sign();
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("a token has three parts") };
    let three = "must have three parts";
    let base64 = "canonical base64url";
    table.bad("one part", header.into(), three);
    table.bad("two parts", format!("{header}.{payload}"), three);
    table.bad("four parts", format!("{token}.{signature}"), three);
    table.bad(
        "five parts, as a JWE has",
        format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        three,
    );
    table.bad("two dots", "..".into(), "the header must be");
    table.bad("no header", format!(".{payload}.{signature}"), "the header must be");
    table.bad("no payload", format!("{header}..{signature}"), "the payload must be");
    table.bad("no signature", format!("{header}.{payload}."), "signature is wrong");
    table.bad("a padded signature", format!("{token}=="), base64);
    table.bad(
        "base64 instead of base64url",
        format!("{header}.{payload}.{}+/", &signature[2..]),
        base64,
    );
    let last = signature.chars().last().unwrap();
    let twin = match last {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        _ => 'x',
    };
    table.bad(
        "unused bits that are not zero",
        format!("{}{twin}", &token[..token.len() - 1]),
        base64,
    );
    table.bad("a part cut by one", token[..token.len() - 1].into(), base64);
    table.bad("a header cut by one", format!("{}.{payload}.{signature}", &header[1..]), "");
    table.bad("a token cut in half", token[..token.len() / 2].into(), three);
    table.bad("tilde and dots", "~.~.~".into(), base64);

    let unique = "must be a JSON object without duplicate names";
    for (name, text) in [
        ("that is not JSON", "at+jwt"),
        ("that is a list", "[]"),
        ("that is null", "null"),
        ("with alg twice", r#"{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"x"}"#),
        (
            "with alg twice, once escaped",
            r#"{"typ":"at+jwt","alg":"ES256","\u0061lg":"none","kid":"x"}"#,
        ),
        ("with a second value after it", r#"{"typ":"at+jwt","alg":"ES256","kid":"x"}{}"#),
        ("after a byte order mark", "\u{feff}{}"),
    ] {
        table.bad(&format!("a header {name}"), good().raw_header(text).sign(), unique);
    }
    let payload = String::from_utf8(good().payload).unwrap();
    table.bad(
        "a payload with sub twice",
        good().raw_payload(payload.replace("\"sub\"", "\"sub\":\"bob\",\"sub\"")).sign(),
        unique,
    );
    table.bad(
        "a payload with a nested duplicate claim",
        good()
            .claim("x", json!([{ "y": {} }]))
            .raw_payload(payload.replace('{', "{\"x\":[{\"y\":1,\"y\":2}],"))
            .sign(),
        unique,
    );
    table.bad(
        "a payload that is not UTF-8",
        good().raw_payload(b"{\"sub\":\"\xff\"}").sign(),
        unique,
    );
    table.bad("a payload that is a text", good().raw_payload("\"alice\"").sign(), unique);
    table.bad(
        "a payload nested too deep",
        good().raw_payload("{\"x\":".to_owned() + &"[".repeat(500)).sign(),
        unique,
    );
}

/// The provider's RSA key signs ID tokens, but must not sign access tokens.
fn rsa(table: &mut Table) {
    let kid = json!(rsa_key().public().kid());
    let rs256 = good().header("alg", json!("RS256")).header("kid", kid.clone());
    let es256 = good().header("kid", kid);
    table.bad("RS256 by our own RSA key", rs256.sign_rs256(), "alg must be ES256");
    for (name, token) in [("RS256", es256.clone().sign_rs256()), ("ES256", es256.sign())] {
        table.bad(&format!("alg ES256, our RSA kid, signed {name}"), token, "signature is wrong");
    }
    table.bad(
        "our P-256 kid, signed RS256 by our own RSA key",
        good().sign_rs256(),
        "signature is wrong",
    );
}

/// The header parameters.
fn headers(table: &mut Table) {
    let typ = "typ must be at+jwt";
    table.bad("no typ", good().without_header("typ").sign(), typ);
    for value in [
        json!("JWT"),
        json!("at+jwt "),
        json!("jwt"),
        json!("id+jwt"),
        json!(1),
        json!(["at+jwt"]),
        json!("text/at+jwt"),
    ] {
        table.bad(&format!("typ {value}"), good().header("typ", value).sign(), typ);
    }
    let id_token = json!({ "iss": ISSUER, "sub": "alice", "aud": "client", "iat": BEGIN, "exp": END, "nonce": "n" });
    table.bad(
        "an ID token",
        good().header("typ", json!("JWT")).raw_payload(id_token.to_string()).sign(),
        typ,
    );

    let alg = "alg must be ES256";
    table.bad("no alg", good().without_header("alg").sign(), alg);
    table.bad("alg none without a signature", good().header("alg", json!("none")).signed(""), alg);
    for value in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("es256"),
        json!("ES256K"),
        json!("ES384"),
        json!("ES512"),
        json!("RS256"),
        json!("PS256"),
        json!("EdDSA"),
        json!(""),
        json!(null),
        json!(["ES256"]),
    ] {
        table.bad(&format!("alg {value}"), good().header("alg", value).sign(), alg);
    }
    let public = serde_json::to_string(&PublicKey::Ec(key(OUR_KEY).public().clone())).unwrap();
    let point = key(OUR_KEY).public().point().unwrap();
    for (name, secret) in [
        ("JWK", public.as_bytes()),
        ("point", point.as_slice()),
        ("kid", key(OUR_KEY).public().kid().as_bytes()),
        ("nothing", b""),
    ] {
        table.bad(
            &format!("HS256 with the public {name} as secret"),
            good().header("alg", json!("HS256")).hmac(secret),
            alg,
        );
    }
    table.bad(
        "alg ES256, but an HMAC of the public JWK",
        good().hmac(public.as_bytes()),
        "signature is wrong",
    );

    let crit = "crit is not supported";
    for value in [json!(["exp"]), json!([]), json!(["b64"]), json!("exp"), json!(null)] {
        table.bad(&format!("crit {value}"), good().header("crit", value).sign(), crit);
    }

    table.bad("no kid", good().without_header("kid").sign(), "kid is missing");
    table.bad("kid that is a number", good().header("kid", json!(1)).sign(), "kid is missing");
    for value in ["", "unknown", "../jwks", "x' OR '1'='1", "\u{0}", "default"] {
        table.bad(
            &format!("kid {value:?}"),
            good().header("kid", json!(value)).sign(),
            "unknown key",
        );
    }

    let theirs = serde_json::to_value(PublicKey::Ec(key(THEIR_KEY).public().clone())).unwrap();
    let their_kid = theirs["kid"].clone();
    table.bad(
        "their key, their kid",
        good().key(THEIR_KEY).header("kid", their_kid.clone()).sign(),
        "unknown key",
    );
    table.bad(
        "their key, their kid, their jwk in the header",
        good().key(THEIR_KEY).header("kid", their_kid.clone()).header("jwk", theirs.clone()).sign(),
        "unknown key",
    );
    table.bad(
        "their key in the header under our kid",
        good().key(THEIR_KEY).header("jwk", theirs.clone()).sign(),
        "signature is wrong",
    );
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/x.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        table.bad(
            &format!("their key behind {name}, our kid"),
            good().key(THEIR_KEY).header(name, value.clone()).sign(),
            "signature is wrong",
        );
        table.bad(
            &format!("their key behind {name}, their kid"),
            good().key(THEIR_KEY).header("kid", their_kid.clone()).header(name, value).sign(),
            "unknown key",
        );
    }
    let mut wrong = theirs.clone();
    wrong["crv"] = json!("P-384");
    table.bad(
        "a jwk of another curve",
        good().key(THEIR_KEY).header("jwk", wrong).sign(),
        "signature is wrong",
    );
    let mut wrong = theirs;
    wrong["x"] = wrong["y"].clone();
    table.bad(
        "a jwk whose point is off the curve",
        good().key(THEIR_KEY).header("jwk", wrong).sign(),
        "signature is wrong",
    );
}

/// The signature.
fn signatures(table: &mut Table) {
    let wrong = "signature is wrong";
    let right = good().raw_signature();
    let (r, s) = right.split_at(32);
    let (zero, order, ones) = ([0; 32], decode(ORDER), [0xff; 32]);
    let over = |half: &[u8]| {
        let mut carry = 0;
        let mut sum: Vec<u8> = half
            .iter()
            .zip(&order)
            .rev()
            .map(|(&a, &b)| {
                let value = u16::from(a) + u16::from(b) + carry;
                carry = value >> 8;
                (value & 0xff) as u8
            })
            .collect();
        sum.reverse();
        sum
    };
    for (name, signature) in [
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = 0", [zero, zero].concat()),
        ("r = n", [&order, s].concat()),
        ("s = n", [r, &order].concat()),
        ("r = n, s = n", [&order[..], &order].concat()),
        ("r + n", [&over(r), s].concat()),
        ("s + n", [r, &over(s)].concat()),
        ("all ones", [ones, ones].concat()),
        ("r = s = 1", {
            let mut one = [0; 32];
            one[31] = 1;
            [one, one].concat()
        }),
        ("swapped halves", [s, r].concat()),
        ("r twice", [r, r].concat()),
        ("reversed bytes", right.iter().rev().copied().collect()),
        ("a missing byte", right[..63].to_vec()),
        ("a byte more", [&right[..], &[0]].concat()),
        ("a leading zero", [&[0], &right[..]].concat()),
        ("the first half", r.to_vec()),
        ("repeated", [right, right].concat()),
        ("ES384's size", [&right[..], s].concat()),
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("DER", der(r, s)),
        ("another token's", good().claim("jti", json!("2")).raw_signature().to_vec()),
        ("their key's", good().key(THEIR_KEY).raw_signature().to_vec()),
    ] {
        table.bad(&format!("signature: {name}"), good().signed(signature), wrong);
    }
    for bit in [0, 255, 256, 511] {
        let mut flipped = right;
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        table.bad(&format!("signature: bit {bit} flipped"), good().signed(flipped), wrong);
    }
    table.bad("a payload exchanged", good().claim("sub", json!("bob")).signed(right), wrong);
    table.bad("a header exchanged", good().header("x", json!(1)).signed(right), wrong);
}

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let half: Vec<u8> = half.iter().copied().skip_while(|&b| b == 0).collect();
        let sign = if half[0] >= 0x80 { vec![0] } else { vec![] };
        [&[2, (half.len() + sign.len()) as u8], &sign[..], &half].concat()
    };
    let (r, s) = (integer(r), integer(s));
    [&[0x30, (r.len() + s.len()) as u8], &r[..], &s].concat()
}

/// The claims of a correctly signed token.
fn claims(table: &mut Table) {
    for value in [
        json!("https://evil.example"),
        json!("https://login.example.com/"),
        json!("https://login.example.com.evil.example"),
        json!("HTTPS://login.example.com"),
        json!(""),
        json!([ISSUER]),
        json!(null),
    ] {
        table.bad(
            &format!("iss {value}"),
            good().claim("iss", value).sign(),
            "iss must be this provider",
        );
    }
    table.bad("no iss", good().without_claim("iss").sign(), "iss must be this provider");
    for value in [
        json!("https://api.example.com"),
        json!(ISSUER),
        json!("https://login.example.com/auth/userinfo/"),
        json!("*"),
        json!(""),
        json!([]),
        json!(["x"]),
        json!([[AUD]]),
        json!([AUD, 1]),
        json!({ "aud": AUD }),
        json!(null),
    ] {
        table.bad(&format!("aud {value}"), good().claim("aud", value).sign(), "aud must be");
    }
    table.bad("no aud", good().without_claim("aud").sign(), "aud must be");

    table.bad("expired", good().claim("exp", json!(BEGIN + 1)).sign(), "access token: expired");
    table.bad(
        "expired before 1970",
        good().claim("exp", json!(-1)).sign(),
        "access token: expired",
    );
    for value in
        [json!(END.to_string()), json!(1.0e300), json!(END as f64 + 0.5), json!(null), json!(true)]
    {
        table.bad(&format!("exp {value}"), good().claim("exp", value).sign(), "exp is missing");
    }
    table.bad("no exp", good().without_claim("exp").sign(), "exp is missing");
    table.bad(
        "issued in the future",
        good().claim("iat", json!(END - 1)).sign(),
        "is in the future",
    );
    table.bad("no iat", good().without_claim("iat").sign(), "iat is missing");
    table.bad("iat as a text", good().claim("iat", json!("0")).sign(), "iat is missing");
    table.bad(
        "not valid before 2099",
        good().claim("nbf", json!(END - 1)).sign(),
        "is in the future",
    );
    table.bad("nbf as a text", good().claim("nbf", json!("0")).sign(), "nbf is not an integer");
    table.bad(
        "exp and iat at the maximum",
        good().claim("iat", json!(i64::MAX)).claim("exp", json!(i64::MAX)).sign(),
        "is in the future",
    );

    for name in ["sub", "client_id", "grant_id", "jti", "scope"] {
        table.bad(&format!("no {name}"), good().without_claim(name).sign(), "sub is missing");
        table.bad(
            &format!("{name} as a number"),
            good().claim(name, json!(7)).sign(),
            "sub is missing",
        );
        table.bad(
            &format!("{name} as a list"),
            good().claim(name, json!(["openid"])).sign(),
            "sub is missing",
        );
    }
    for name in ["sub", "client_id", "grant_id", "jti"] {
        table.bad(
            &format!("an empty {name}"),
            good().claim(name, json!("")).sign(),
            "sub is missing",
        );
    }
    for scope in [" ", "openid\tmail", "openid\nmail", "openid \"x\""] {
        table.bad(
            &format!("scope {scope:?}"),
            good().claim("scope", json!(scope)).sign(),
            "scope must be scope tokens",
        );
    }
    for scope in ["", "email", "OPENID", "openid2", "openid,email", "x:openid"] {
        let token = good().claim("scope", json!(scope)).sign();
        table
            .push(&format!("scope {scope:?}"), 403, "openid was not granted")
            .header("authorization", &format!("Bearer {token}"));
    }
}

/// The grant of the token.
fn grants(table: &mut Table) {
    let no_grant = "its grant is unknown";
    table.bad("an unknown grant", good().claim("grant_id", json!("unknown")).sign(), no_grant);
    table.bad("a grant of another user", good().claim("sub", json!("bob")).sign(), no_grant);
    table.bad(
        "a grant of another client",
        good().claim("client_id", json!("other")).sign(),
        no_grant,
    );
    table.bad(
        "a grant named in SQL",
        good().claim("grant_id", json!("' OR 1=1 --")).sign(),
        no_grant,
    );
    table.bad("a grant named by a pattern", good().claim("grant_id", json!("%")).sign(), no_grant);
    table.bad("a user in other capitals", good().claim("sub", json!("Alice")).sign(), no_grant);
    table.bad("a revoked grant", good().claim("grant_id", json!("revoked")).sign(), "revoked");
    table.bad(
        "a deleted user",
        good().claim("sub", json!("gone")).claim("grant_id", json!("orphan")).sign(),
        "revoked",
    );
}
