//! Every type with a text form is written so that the same value is read again, and a text that is read once is written in
//! the form that it keeps.

use crate::platform::{Native, rsa_jwks};
use crate::properties::check;
use crate::test_provider::{
    ISSUER, TestProvider, TestResponse, delete, get, post, put, variables_with,
};
use postern::config::Issuer;
use postern::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use postern::jose::json::{from_own, parse_object, parse_value};
use postern::jose::jwk::{Algorithm, EcPrivateKey, JwkSet, PrivateKey, PublicKey};
use postern::jose::jws::{Jws, serialize, signing_input};
use postern::ports::{NormalizationForm, Unicode};
use postern::protocol::authorization::claims_request::ClaimsRequest;
use postern::protocol::authorization::user_code::UserCode;
use postern::protocol::client::client_name::clean;
use postern::protocol::client::metadata::{
    ApplicationType, AuthMethod, GrantType, Named, ResponseType, SubjectType,
};
use postern::protocol::client::outbound_url::{OutboundRules, OutboundUrl};
use postern::protocol::own_host::OwnHost;
use postern::protocol::params::Params;
use postern::protocol::token::access_token::AccessTokenType;
use postern::store::audit::kinds::EventKind;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeSet;

/// Texts with what JSON, forms and pages escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{0,6}",
        2 => "\\PC{0,8}",
        2 => "[\"\\\\/&<>+%= #;\\x00-\\x1f\\x7f\\u{2028}\\u{feff}\\u{10ffff}é]{0,6}",
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(text(), inner, 0..5).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn json_object() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(text(), json_value(), 0..5).prop_map(|map| map.into_iter().collect())
}

#[test]
fn json_is_read_as_it_was_written_by_both_readers() {
    check(250, &json_value(), |value| {
        for written in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            assert_eq!(parse_value(written.as_bytes()).unwrap(), value);
            assert_eq!(from_own::<Value>(&written).unwrap(), value);
            assert_eq!(parse_object(written.as_bytes()).is_ok(), value.is_object());
        }
    });
}

#[test]
fn a_jws_has_the_header_and_the_claims_that_were_signed() {
    let key = PrivateKey::Ec(EcPrivateKey::from_scalar([7; 32].into()).unwrap());
    check(
        150,
        &(json_object(), "[a-z+]{1,8}", vec(any::<u8>(), 0..80)),
        |(claims, typ, signature)| {
            let input = signing_input(&key, &typ, &claims).unwrap();
            let token = serialize(&input, &signature);
            let jws = Jws::parse(&token).unwrap();
            let header = json!({ "alg": "ES256", "kid": key.kid(), "typ": typ });
            assert_eq!((Value::Object(jws.header.clone()), &jws.payload), (header, &claims));
            assert_eq!(jws.into_signed(), (signature, &*input));
        },
    );
}

#[test]
fn keys_are_read_as_they_were_written() {
    check(25, &any::<[u8; 32]>(), |scalar| {
        let Some(key) = EcPrivateKey::from_scalar(scalar.into()) else { return };
        assert_key(&PrivateKey::Ec(key));
    });
    for jwk in rsa_jwks() {
        assert_key(&PrivateKey::from_jwk(jwk.to_string().as_bytes()).unwrap());
    }
}

fn assert_key(key: &PrivateKey) {
    let jwk = key.to_jwk();
    let again = PrivateKey::from_jwk(jwk.as_bytes()).unwrap();
    assert_eq!((again.kid(), again.to_jwk(), again.public()), (key.kid(), jwk, key.public()));
    let public = serde_json::to_string(&key.public()).unwrap();
    assert_eq!(from_own::<PublicKey>(&public).unwrap(), key.public());
    let set = serde_json::to_string(&JwkSet { keys: vec![key.public()] }).unwrap();
    let set_again: JwkSet = from_own(&set).unwrap();
    assert_eq!(serde_json::to_string(&set_again).unwrap(), set);
    // A client may have the key as one of its own.
    let keys = ClientKeys::from_json(&parse_value(set.as_bytes()).unwrap()).unwrap();
    let stored = serde_json::to_string(&keys).unwrap();
    assert_eq!(from_own::<ClientKeys>(&stored).unwrap(), keys);
    assert_eq!(ClientKeys::from_json(&parse_value(stored.as_bytes()).unwrap()).unwrap(), keys);
}

const KNOWN: [&str; 4] = ["scope", "state", "redirect_uri", "a b&c=é"];

#[test]
fn parameters_are_read_as_they_were_written() {
    let pairs = vec((select(&KNOWN[..]), text()), 0..8);
    check(400, &(pairs, subsequence(&KNOWN[..], 0..=4)), |(pairs, known)| {
        let mut params = Params::default();
        for (name, value) in &pairs {
            params.append(name, value.clone());
        }
        let encoded = params.encode();
        let all = Params::parse(encoded.as_bytes(), &[&KNOWN]).unwrap();
        assert_eq!(all.encode(), encoded);
        for name in KNOWN {
            let values = pairs.iter().filter(|(one, value)| *one == name && !value.is_empty());
            let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
            assert_eq!(all.all(name).collect::<Vec<_>>(), values);
            assert_eq!(all.once(name).ok(), (values.len() < 2).then_some(values.first().copied()));
        }
        // Unknown parameters are left out, and the length is that of the rest.
        let mut rest = all.clone();
        rest.remove(&known);
        assert_eq!(rest.encode().len(), all.encoded_length_without(&known));
        let others: Vec<_> = KNOWN.into_iter().filter(|name| !known.contains(name)).collect();
        let read: Params = Params::parse(encoded.as_bytes(), &[&others]).unwrap();
        assert_eq!(read.encode(), rest.encode());
    });
}

#[test]
fn a_claims_request_is_stored_as_it_was_read() {
    let requirement = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|essential| json!({ "essential": essential })),
        vec(text(), 0..3).prop_map(|values| json!({ "values": values })),
    ];
    let claims =
        || btree_map(prop_oneof!["[a-z]{1,5}(#[a-z]{2})?", text()], requirement.clone(), 0..6);
    check(250, &(claims(), claims()), |(id_token, userinfo)| {
        let document = json!({ "id_token": id_token, "userinfo": userinfo, "other": 1 });
        let Ok(request) = ClaimsRequest::parse(&document.to_string()) else { return };
        let stored = serde_json::to_string(&request).unwrap();
        let again: ClaimsRequest = from_own(&stored).unwrap();
        assert_eq!((&again.id_token, &again.userinfo), (&request.id_token, &request.userinfo));
        assert_eq!(serde_json::to_string(&again).unwrap(), stored);
        // Its names are those of the document, each once.
        let names: BTreeSet<_> = request.userinfo.iter().collect();
        assert_eq!(names.len(), request.userinfo.len());
        assert!(names.iter().all(|name| userinfo.contains_key(*name)));
        let as_request = |names: &[String]| -> Map<String, Value> {
            names.iter().map(|name| (name.clone(), Value::Null)).collect()
        };
        let sections = json!({
            "id_token": as_request(&request.id_token), "userinfo": as_request(&request.userinfo),
        });
        assert_eq!(ClaimsRequest::parse(&sections.to_string()).unwrap(), again);
    });
}

#[test]
fn user_codes_and_urls_are_read_as_they_were_written() {
    let platform = Native::new();
    check(200, &(any::<u64>(), "[ \\-._]{0,2}", any::<bool>()), |(number, gap, is_lower)| {
        let code = UserCode::from_random(number);
        let shown = code.to_string();
        let shown = if is_lower { shown.to_lowercase() } else { shown };
        let typed: String = shown.chars().flat_map(|c| [c.to_string(), gap.clone()]).collect();
        assert_eq!(UserCode::parse(&typed, str::to_owned), Some(code.clone()), "{typed}");
        // The wide letters of East Asian keyboards.
        let wide: String = code.letters().bytes().map(wide).collect();
        let nfkc = |text: &str| platform.normalize(text, NormalizationForm::Nfkc);
        assert_eq!(UserCode::parse(&wide, nfkc), Some(code));
    });
    let own_host = OwnHost::of_issuer(ISSUER).unwrap();
    let rules = OutboundRules { allows_loopback: true, own_host: &own_host };
    let url = "(https|http)://([a-z]{1,3}\\.)?(app\\.example|localhost|xn--a-0ca)(:[0-9]{1,5})?[/?]?[!-~]{0,9}";
    check(300, &url, |url| {
        if let Ok(parsed) = OutboundUrl::parse(&url, rules) {
            assert_eq!(OutboundUrl::parse(parsed.as_str(), rules).unwrap(), parsed);
            let stored = serde_json::to_value(&parsed).unwrap();
            assert_eq!(stored, parsed.as_str());
            assert!(url.starts_with(parsed.as_str()), "{url} {}", parsed.as_str());
        }
        if let Ok(issuer) = Issuer::parse(&url) {
            assert_eq!(issuer.as_str(), url);
            assert_eq!(format!("{}{}", issuer.origin(), issuer.path()), url);
        }
    });
}

fn wide(letter: u8) -> char {
    char::from_u32(0xFF21 + u32::from(letter - b'A')).unwrap()
}

fn assert_names<T: Named + PartialEq + std::fmt::Debug>() {
    for (name, value) in T::ALL {
        assert_eq!(T::from_name(name), Some(*value));
        assert_eq!(
            T::from_name(&name.to_uppercase()),
            None.or((name.to_uppercase() == *name).then_some(*value))
        );
    }
    assert_eq!(T::from_name(""), None);
    assert_eq!(T::names().into_iter().collect::<BTreeSet<_>>().len(), T::ALL.len());
}

#[test]
fn names_are_read_as_they_were_written() {
    assert_names::<ApplicationType>();
    assert_names::<AuthMethod>();
    assert_names::<GrantType>();
    assert_names::<ResponseType>();
    assert_names::<SubjectType>();
    assert_names::<ClientAlgorithm>();
    assert_names::<Algorithm>();
    for alg in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(alg.name()), Some(alg));
    }
    for typ in [AccessTokenType::AtJwt, AccessTokenType::Jwt] {
        assert_eq!(AccessTokenType::from_name(typ.name()), Some(typ));
    }
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.name()), Some(kind));
    }
}

/// Names with letters, marks, joiners, and characters that nobody sees.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,3}",
        "[\\u{200c}\\u{200d}]",
        "[\\u{301}\\u{5bc}\\u{94d}\\u{940}\\u{345}]{1,5}",
        "[\\u{915}\\u{937}\\u{6cc}]",
        "[ \\n\\u{a0}\\u{3000}\\u{feff}\\u{202e}\\u{3164}\\u{2800}\\x00\\u{ad}]",
        "\\PC",
    ];
    let long = (0..4usize).prop_map(|short| "a".repeat(100 - short));
    (prop_oneof![3 => Just(String::new()), 1 => long], vec(piece, 0..8))
        .prop_map(|(long, pieces)| long + &pieces.concat())
}

#[test]
fn the_name_of_a_client_is_cleaned_once() {
    check(500, &name(), |name| {
        let cleaned = clean(&name);
        assert_eq!(clean(&cleaned), cleaned, "{name:?}");
        assert!(cleaned.chars().count() <= 100);
    });
}

/// Registrations with fields of every kind.
fn registration() -> impl Strategy<Value = Value> {
    let url = |path: &'static str| option::of(Just(format!("https://app.example/{path}")));
    let texts = (option::of(name()), option::of(name()), option::of(text()), option::of(text()));
    let urls = (url("home"), url("tos"), url("policy"), url("logo"), url("logout"), url("login"));
    let redirects = subsequence(
        &[
            "https://app.example/cb",
            "https://app.example/cb?x=%2F",
            "http://localhost:3000/cb",
            "http://[::1]/",
            "com.example.app:/cb",
        ][..],
        1..4,
    );
    let scope =
        option::of(subsequence(&["openid", "email", "profile", "offline_access", "x"][..], 0..5));
    let more = (
        option::of(any::<bool>()),
        option::of(0..100_000i64),
        option::of(select(&["none", "client_secret_basic", "client_secret_post"][..])),
        option::of(select(&["ES256", "RS256"][..])),
        option::of(select(&["public", "pairwise"][..])),
        option::of("[a-z]{1,3}(-[A-Za-z0-9]{2,4})?"),
        option::of(subsequence(&["authorization_code", "refresh_token"][..], 1..=2)),
    );
    (texts, urls, redirects, scope, more).prop_map(|(texts, urls, redirects, scope, more)| {
        let mut document = json!({ "redirect_uris": redirects });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                document[name] = value;
            }
        };
        set("client_name", texts.0.map(Value::from));
        set("software_id", texts.2.map(Value::from));
        set("software_version", texts.3.map(Value::from));
        set("client_uri", urls.0.map(Value::from));
        set("tos_uri", urls.1.clone().map(Value::from));
        set("policy_uri", urls.2.map(Value::from));
        set("logo_uri", urls.3.map(Value::from));
        set("post_logout_redirect_uris", urls.4.map(|url| json!([url])));
        set("initiate_login_uri", urls.5.map(Value::from));
        set("scope", scope.map(|scope| scope.join(" ").into()));
        set("require_auth_time", more.0.map(Value::from));
        set("default_max_age", more.1.map(Value::from));
        set("token_endpoint_auth_method", more.2.map(Value::from));
        set("id_token_signed_response_alg", more.3.map(Value::from));
        set("subject_type", more.4.map(Value::from));
        set("grant_types", more.6.map(|types| json!(types)));
        if let Some(tag) = more.5 {
            set(&format!("client_name#{tag}"), texts.1.map(Value::from));
            set(&format!("tos_uri#{tag}"), urls.1.map(Value::from));
        }
        document
    })
}

fn document_of(response: &TestResponse) -> Value {
    let mut document = response.json();
    for field in ["client_secret", "client_secret_expires_at"] {
        document.as_object_mut().unwrap().remove(field);
    }
    document
}

#[test]
fn the_response_to_a_registration_is_accepted_and_changes_nothing() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.has_entropy.set(true);
    check(60, &registration(), |document| {
        let registered = provider.send(post("/auth/register").json(&document));
        if registered.status != 201 {
            assert_eq!(registered.status, 400, "{}", registered.body);
            return;
        }
        let shown = document_of(&registered);
        let token = shown["registration_access_token"].as_str().unwrap();
        let url = shown["registration_client_uri"].as_str().unwrap();
        let path = url.strip_prefix(ISSUER).unwrap();
        assert_eq!(document_of(&provider.send(get(path).bearer(token))), shown);
        // RFC 7592 section 2.2 leaves these fields out.
        let mut sent = shown.clone();
        for field in ["registration_access_token", "registration_client_uri", "client_id_issued_at"]
        {
            sent.as_object_mut().unwrap().remove(field);
        }
        let replaced = provider.send(put(path).bearer(token).json(&sent));
        assert_eq!(replaced.status, 200, "{}", replaced.body);
        assert_eq!(document_of(&replaced), shown);
        assert_eq!(document_of(&provider.send(get(path).bearer(token))), shown);
        // The operator reads and writes the same.
        let path = format!("/admin/clients/{}", shown["client_id"].as_str().unwrap());
        let read = document_of(&provider.send(get(&path).by_operator()));
        for field in sent.as_object().unwrap().keys().filter(|name| *name != "client_id") {
            assert_eq!(read[field], shown[field], "{field}");
        }
        // Only so many clients may wait for their first user.
        assert_eq!(provider.send(delete(&path).by_operator()).status, 200);
    });
    check(40, &registration(), |document| {
        let request = put("/admin/clients/app").by_operator();
        let stored = provider.send(request.clone().json(&document));
        if stored.status != 200 {
            assert_eq!(stored.status, 400, "{}", stored.body);
            return;
        }
        let read = provider.send(get("/admin/clients/app").by_operator());
        let again = provider.send(request.json(&document_of(&read)));
        assert_eq!(again.status, 200, "{} {}", read.body, again.body);
        assert_eq!(document_of(&again), document_of(&read));
    });
}

/// The entries of a listing, read in pages of this size.
fn pages(provider: &TestProvider, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    for _ in 0..100 {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let page = provider.send(get(&format!("{path}?{query}")).by_operator());
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        let entries = page[name].as_array().unwrap().clone();
        assert!(entries.len() <= limit);
        all.extend(entries);
        after = page.get("next").map(|next| next.as_str().unwrap().to_owned());
        if after.is_none() {
            return all;
        }
    }
    panic!("the pages have no end");
}

#[test]
fn the_pages_of_a_listing_have_each_entry_once_in_order() {
    let subs = vec("[A-Za-z0-9][A-Za-z0-9._~@:+!-]{0,7}", 1..8);
    check(6, &(subs, 1..4usize), |(subs, limit)| {
        let provider = TestProvider::new();
        provider.has_entropy.set(true);
        for (place, sub) in subs.iter().enumerate() {
            let path = form_urlencoded::byte_serialize(sub.as_bytes()).collect::<String>();
            let user = json!({ "login": format!("user{place}"), "claims": {} });
            let response =
                provider.send(put(&format!("/admin/users/{path}")).by_operator().json(&user));
            assert_eq!(response.status, 200, "{}", response.body);
            provider.send(post("/admin/initial-access-tokens").by_operator().json(&json!({})));
            if place % 2 == 0 {
                provider.sleep(1);
            }
        }
        for (path, name) in [
            ("/admin/users", "users"),
            ("/admin/initial-access-tokens", "initial_access_tokens"),
            ("/admin/audit", "events"),
        ] {
            let whole = pages(&provider, path, name, 100);
            assert_eq!(pages(&provider, path, name, limit), whole, "{path}");
            let unique: BTreeSet<_> = whole.iter().map(Value::to_string).collect();
            assert_eq!(unique.len(), whole.len());
        }
        let listed = pages(&provider, "/admin/users", "users", limit);
        let listed: Vec<_> = listed.iter().map(|user| user["sub"].as_str().unwrap()).collect();
        let expected: BTreeSet<_> = subs.iter().map(String::as_str).collect();
        assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
    });
}
