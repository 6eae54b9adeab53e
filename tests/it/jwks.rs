use crate::platform::rsa_jwks;
use crate::test_provider::{
    NOW, TestProvider, TestResponse, assert_golden, get, post, variables, variables_with,
};
use postern::lifetimes::KEY_SET_SECONDS;
use serde_json::{Value, json};

const JWKS: &str = "/auth/jwks.json";

pub fn keys(response: &TestResponse) -> Vec<Value> {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["keys"].as_array().unwrap().clone()
}

/// The keys with this algorithm.
pub fn keys_for(response: &TestResponse, alg: &str) -> Vec<Value> {
    let mut keys = keys(response);
    keys.retain(|key| key["alg"] == alg);
    keys
}

/// The algorithms of the rows in the table.
pub fn stored_keys(provider: &TestProvider) -> Vec<String> {
    let sql = "SELECT alg FROM signing_keys ORDER BY alg";
    let mut query = provider.platform.primary.prepare(sql).unwrap();
    query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The algorithms of the first two keys, one key each.
pub const BOTH: [&str; 2] = ["ES256", "RS256"];

#[test]
fn the_first_request_generates_the_keys_of_the_golden_file() {
    let provider = TestProvider::with_keys();
    let response = provider.send(get(JWKS));
    assert_golden("jwks.json", &response.body);
    assert_eq!(stored_keys(&provider), BOTH);
    provider.new_isolate();
    assert_eq!(provider.send(get(JWKS)).body, response.body);
    assert_eq!(stored_keys(&provider), BOTH);
}

#[test]
fn a_published_key_has_exactly_its_public_fields() {
    let response = TestProvider::with_keys().send(get(JWKS));
    let key = keys_for(&response, "ES256").remove(0);
    let fields: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("EC"), &json!("P-256"), &json!("sig"))
    );
    let key = keys_for(&response, "RS256").remove(0);
    let fields: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(
        (&key["kty"], &key["e"], &key["use"]),
        (&json!("RSA"), &json!("AQAB"), &json!("sig"))
    );
}

#[test]
fn one_of_simultaneous_isolates_generates_each_key() {
    let provider = TestProvider::new();
    let response = provider.send_at_once(vec![get(JWKS); 20]);
    assert_eq!(stored_keys(&provider), BOTH);
    assert_eq!(provider.platform.take_counts().generations, 1);
    assert!(response.iter().all(|one| one.body == response[0].body && one.notes_after.is_empty()));
    assert_eq!(keys_for(&response[0], "ES256").len(), 1);
    provider.new_isolate();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
}

#[test]
fn a_race_between_publishing_and_signing_leaves_one_valid_key_each() {
    let provider = TestProvider::new();
    provider.put_alice();
    let mint =
        post("/admin/tokens").by_operator().json(&json!({"sub": "alice", "scope": "openid"}));
    let response = provider.send_at_once(vec![get(JWKS), mint.clone(), get(JWKS), mint]);
    assert_eq!(stored_keys(&provider), BOTH);
    for response in [&response[1], &response[3]] {
        let token = response.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    }
}

#[test]
fn the_set_is_served_from_memory_then_from_the_cache_then_from_the_table() {
    let provider = TestProvider::with_keys();
    let first = provider.send(get(JWKS)).body;
    provider.platform.take_counts();

    assert_eq!(provider.send(get(JWKS)).body, first);
    assert_eq!(provider.platform.take_counts(), Default::default(), "from memory");

    provider.new_isolate();
    assert_eq!(provider.send(get(JWKS)).body, first);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.statements), (1, 0), "from the cache");

    provider.new_isolate();
    provider.platform.cache.borrow_mut().clear();
    assert_eq!(provider.send(get(JWKS)).body, first);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.cache_writes), (1, 1), "from the table, and cached");
}

#[test]
fn an_isolate_reads_the_cache_again_after_the_lifetime_of_its_set() {
    let provider = TestProvider::with_keys();
    provider.sleep(KEY_SET_SECONDS);
    provider.platform.take_counts();
    provider.send(get(JWKS));
    assert_eq!(provider.platform.take_counts().cache_reads, 1);
}

#[test]
fn without_the_encryption_key_keys_are_served_but_cannot_sign() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let before = provider.send(get(JWKS)).body;
    for secret in ["", "AAAA", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"] {
        provider.deploy(variables_with("KEY_ENCRYPTION_KEY", secret));
        assert_eq!(provider.send(get(JWKS)).body, before);
        provider.platform.cache.borrow_mut().clear();
        provider.new_isolate();
        assert_eq!(provider.send(get(JWKS)).body, before);
        let order = json!({"sub": "alice", "scope": "openid"});
        let response = provider.send(post("/admin/tokens").by_operator().json(&order));
        assert_eq!(response.status, 500);
        let words = response.json()["error_description"].as_str().unwrap().to_owned();
        assert!(words.starts_with("KEY_ENCRYPTION_KEY: "), "{words}");
        assert!(response.log["notes"].to_string().contains("KEY_ENCRYPTION_KEY"));
    }
    assert_eq!(stored_keys(&provider), BOTH);
}

#[test]
fn an_empty_set_is_served_but_never_cached() {
    let provider = TestProvider::configured(variables_with("KEY_ENCRYPTION_KEY", ""));
    let response = provider.send(get(JWKS));
    assert_eq!(
        (response.body.as_str(), response.header("cache-control")),
        (r#"{"keys":[]}"#, Some("no-store"))
    );
    assert_eq!(response.header("etag"), None);
    assert!(response.log["notes"].to_string().contains("KEY_ENCRYPTION_KEY: not set"));
    assert!(provider.platform.cache.borrow().is_empty());

    // The same isolate finds a key that another one generates.
    insert_key(&provider, &foreign_key(1), ALWAYS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 1);
}

pub type Row = (String, String, String);
pub type Times = (i64, i64, Option<i64>, Option<i64>);
pub const ALWAYS: Times = (NOW, NOW, None, None);

pub fn insert_key(provider: &TestProvider, row: &Row, times: Times) {
    let sql = "INSERT INTO signing_keys \
        (kid, alg, public_jwk, sealed_private, publish_from, sign_from, sign_until, retire_at) \
        VALUES (?1, ?2 ->> 'alg', ?2, ?3, ?4, ?5, ?6, ?7)";
    let parameters = (&row.0, &row.1, &row.2, times.0, times.1, times.2, times.3);
    provider.platform.primary.execute(sql, parameters).unwrap();
}

fn stored_row(provider: &TestProvider, alg: &str) -> Row {
    let sql = "SELECT kid, public_jwk, sealed_private FROM signing_keys WHERE alg = ?1";
    let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    provider.platform.primary.query_row(sql, [alg], read).unwrap()
}

/// A row with a P-256 key that another provider generated with the same key encryption key.
pub fn foreign_key(draws: usize) -> Row {
    let other = TestProvider::with_keys();
    for _ in 0..draws {
        // Key generation uses up random numbers, so the next key differs.
        other.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
        other.platform.cache.borrow_mut().clear();
        other.new_isolate();
        other.send(get(JWKS));
    }
    stored_row(&other, "ES256")
}

/// The RSA key that every test provider generates first. With this row, no other one is generated.
pub fn rsa_key() -> Row {
    stored_row(&TestProvider::with_keys(), "RS256")
}

#[test]
fn the_published_set_is_valid_until_the_next_scheduled_change() {
    let provider = TestProvider::new();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &foreign_key(1), (NOW, NOW, Some(NOW + 100), Some(NOW + 200)));
    insert_key(&provider, &foreign_key(2), (NOW + 50, NOW + 100, None, None));
    for (moment, count) in [(0, 2), (49, 2), (50, 3), (199, 3), (200, 2)] {
        provider.now.set(NOW + moment);
        assert_eq!(keys(&provider.send(get(JWKS))).len(), count, "in memory, at {moment}");
        provider.new_isolate();
        assert_eq!(keys(&provider.send(get(JWKS))).len(), count, "in the cache, at {moment}");
    }
}

#[test]
fn a_new_key_is_published_before_it_signs() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    insert_key(&provider, &foreign_key(3), (NOW, NOW + 1, None, None));
    provider.sleep(2);
    provider.new_isolate();
    let token = provider.mint("openid");
    provider.new_isolate();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 3, "the cache has all keys");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
}

#[test]
fn a_damaged_key_row_is_omitted_and_logged() {
    let provider = TestProvider::new();
    let (kid, jwk, sealed) = foreign_key(4);
    insert_key(
        &provider,
        &(kid, jwk.replace("\"x\":\"", "\"x\":\"A"), sealed),
        (NOW, NOW, None, None),
    );
    let response = provider.send(get(JWKS));
    assert!(response.log["notes"].to_string().contains("damaged"));
    assert!(!response.body.contains("\"x\":\"A"));
}

#[test]
fn a_poisoned_cache_is_not_used() {
    let provider = TestProvider::with_keys();
    let body = provider.send(get(JWKS)).body;
    let poisoned = [
        r#"{"keys":[]}"#.to_owned(),
        r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}"#.to_owned(),
        body.replace("\"x\":", "\"d\":\"AAAA\",\"x\":"),
        body.replace("\"kid\":\"", "\"kid\":\"A"),
        body.replace("P-256", "P-384"),
        body.replace("\"n\":", "\"p\":\"AAAA\",\"n\":"),
        body.replace("AQAB", "Aw"),
    ];
    for text in poisoned {
        assert_ne!(text, body);
        for entry in provider.platform.cache.borrow_mut().values_mut() {
            *entry = json!({ "good_until": null, "as_of": NOW, "body": text }).to_string();
        }
        provider.new_isolate();
        let response = provider.send(get(JWKS));
        assert_eq!(response.body, body);
        assert!(response.log["notes"].to_string().contains("damaged"));
    }
}

#[test]
fn the_set_survives_an_outage_in_memory_and_in_the_cache() {
    let provider = TestProvider::with_keys();
    let body = provider.send(get(JWKS)).body;
    provider.platform.database_fails.set(true);
    provider.new_isolate();
    assert_eq!(provider.send(get(JWKS)).body, body, "from the cache");

    provider.platform.cache_fails.set(true);
    provider.sleep(KEY_SET_SECONDS);
    let response = provider.send(get(JWKS));
    assert_eq!(response.body, body, "from memory, past its age");
    assert!(response.log["notes"].to_string().contains("DB is unavailable"));

    provider.new_isolate();
    let response = provider.send(get(JWKS));
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(!response.body.contains("injected fault"));
}

#[test]
fn two_deployments_of_an_issuer_share_the_published_set() {
    let provider = TestProvider::with_keys();
    provider.platform.take_counts();
    provider.deploy(variables_with("SCOPES", "{}"));
    provider.send(get(JWKS));
    assert_eq!(provider.platform.take_counts().statements, 0);
    assert_ne!(variables(), variables_with("SCOPES", "{}"));
}

#[test]
fn a_private_key_is_never_stored_unencrypted() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.mint("openid");
    let dump: String = [stored_row(&provider, "ES256"), stored_row(&provider, "RS256")]
        .map(|(kid, jwk, sealed)| kid + &jwk + &sealed)
        .concat();
    let cache = provider.platform.cache.borrow();
    assert!(!cache.is_empty());
    let rsa = &rsa_jwks()[0];
    for text in cache.values().chain([&dump]) {
        for field in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(!text.replace('\\', "").contains(&format!("\"{field}\"")), "{field}");
            assert!(!text.contains(rsa[field].as_str().unwrap()), "{field}");
        }
        assert!(text.contains(rsa["n"].as_str().unwrap()));
    }
}
