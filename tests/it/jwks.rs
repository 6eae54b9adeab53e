use crate::platform::rsa_jwks;
use crate::world::{NOW, Told, World, assert_golden, get, post, variables, variables_with};
use postern::lifetimes::KEY_SET_SECONDS;
use serde_json::{Value, json};

const JWKS: &str = "/auth/jwks.json";

pub fn keys(told: &Told) -> Vec<Value> {
    assert_eq!(told.status, 200, "{}", told.body);
    told.json()["keys"].as_array().unwrap().clone()
}

/// The keys of one algorithm.
pub fn keys_for(told: &Told, alg: &str) -> Vec<Value> {
    let mut keys = keys(told);
    keys.retain(|key| key["alg"] == alg);
    keys
}

/// The algorithms of the keys in the table.
pub fn stored_keys(world: &World) -> Vec<String> {
    let sql = "SELECT alg FROM signing_keys ORDER BY alg";
    let mut query = world.platform.primary.prepare(sql).unwrap();
    query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// One of each algorithm.
pub const BOTH: [&str; 2] = ["ES256", "RS256"];

#[test]
fn the_first_keys_are_made_on_first_need_and_the_set_is_byte_exact() {
    let world = World::with_keys();
    let told = world.send(get(JWKS));
    assert_golden("jwks.json", &told.body);
    assert_eq!(stored_keys(&world), BOTH);
    world.new_isolate();
    assert_eq!(world.send(get(JWKS)).body, told.body);
    assert_eq!(stored_keys(&world), BOTH);
}

#[test]
fn a_key_has_its_public_members_and_no_other() {
    let told = World::with_keys().send(get(JWKS));
    let key = keys_for(&told, "ES256").remove(0);
    let fields: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("EC"), &json!("P-256"), &json!("sig"))
    );
    let key = keys_for(&told, "RS256").remove(0);
    let fields: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(
        (&key["kty"], &key["e"], &key["use"]),
        (&json!("RSA"), &json!("AQAB"), &json!("sig"))
    );
}

#[test]
fn of_isolates_starting_at_once_exactly_one_makes_each_key() {
    let world = World::new();
    let told = world.send_at_once(vec![get(JWKS); 20]);
    assert_eq!(stored_keys(&world), BOTH);
    assert_eq!(world.platform.take_counts().generations, 1);
    assert!(told.iter().all(|one| one.body == told[0].body && one.notes_after.is_empty()));
    assert_eq!(keys_for(&told[0], "ES256").len(), 1);
    world.new_isolate();
    assert_eq!(keys(&world.send(get(JWKS))).len(), 2);
}

#[test]
fn a_race_between_publishing_and_signing_leaves_one_key_of_each_that_verifies() {
    let world = World::new();
    world.put_alice();
    let mint =
        post("/admin/tokens").by_operator().json(&json!({"sub": "alice", "scope": "openid"}));
    let told = world.send_at_once(vec![get(JWKS), mint.clone(), get(JWKS), mint]);
    assert_eq!(stored_keys(&world), BOTH);
    for told in [&told[1], &told[3]] {
        let token = told.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(world.send(get("/auth/userinfo").bearer(&token)).status, 200);
    }
}

#[test]
fn the_set_is_served_from_memory_then_from_the_cache_then_from_the_table() {
    let world = World::with_keys();
    let first = world.send(get(JWKS)).body;
    world.platform.take_counts();

    assert_eq!(world.send(get(JWKS)).body, first);
    assert_eq!(world.platform.take_counts(), Default::default(), "from memory");

    world.new_isolate();
    assert_eq!(world.send(get(JWKS)).body, first);
    let counts = world.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.statements), (1, 0), "from the cache");

    world.new_isolate();
    world.platform.cache.borrow_mut().clear();
    assert_eq!(world.send(get(JWKS)).body, first);
    let counts = world.platform.take_counts();
    assert_eq!((counts.statements, counts.cache_writes), (1, 1), "from the table, and published");
}

#[test]
fn memory_is_asked_for_no_longer_than_its_age() {
    let world = World::with_keys();
    world.sleep(KEY_SET_SECONDS);
    world.platform.take_counts();
    world.send(get(JWKS));
    assert_eq!(world.platform.take_counts().cache_reads, 1);
}

#[test]
fn without_the_secret_published_keys_are_served_and_none_can_sign() {
    let world = World::with_keys();
    world.put_alice();
    let before = world.send(get(JWKS)).body;
    for secret in ["", "AAAA", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"] {
        world.deploy(variables_with("KEY_ENCRYPTION_KEY", secret));
        assert_eq!(world.send(get(JWKS)).body, before);
        world.platform.cache.borrow_mut().clear();
        world.new_isolate();
        assert_eq!(world.send(get(JWKS)).body, before);
        let order = json!({"sub": "alice", "scope": "openid"});
        let told = world.send(post("/admin/tokens").by_operator().json(&order));
        assert_eq!(told.status, 500);
        let words = told.json()["error_description"].as_str().unwrap().to_owned();
        assert!(words.starts_with("KEY_ENCRYPTION_KEY "), "{words}");
        assert!(told.log["notes"].to_string().contains("KEY_ENCRYPTION_KEY"));
    }
    assert_eq!(stored_keys(&world), BOTH);
}

#[test]
fn an_empty_set_is_served_but_never_cached() {
    let world = World::configured(variables_with("KEY_ENCRYPTION_KEY", ""));
    let told = world.send(get(JWKS));
    assert_eq!(
        (told.body.as_str(), told.header("cache-control")),
        (r#"{"keys":[]}"#, Some("no-store"))
    );
    assert_eq!(told.header("etag"), None);
    assert!(told.log["notes"].to_string().contains("KEY_ENCRYPTION_KEY is not set"));
    assert!(world.platform.cache.borrow().is_empty());

    // The same isolate finds the key that another one makes.
    insert_key(&world, &foreign_key(1), ALWAYS);
    assert_eq!(keys(&world.send(get(JWKS))).len(), 1);
}

pub type Row = (String, String, String);
pub type Times = (i64, i64, Option<i64>, Option<i64>);
pub const ALWAYS: Times = (NOW, NOW, None, None);

pub fn insert_key(world: &World, row: &Row, times: Times) {
    let sql = "INSERT INTO signing_keys VALUES (?1, ?2 ->> 'alg', ?2, ?3, ?4, ?5, ?6, ?7)";
    let parameters = (&row.0, &row.1, &row.2, times.0, times.1, times.2, times.3);
    world.platform.primary.execute(sql, parameters).unwrap();
}

fn stored_row(world: &World, alg: &str) -> Row {
    let sql = "SELECT kid, public_jwk, sealed_private FROM signing_keys WHERE alg = ?1";
    let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    world.platform.primary.query_row(sql, [alg], read).unwrap()
}

/// A P-256 key that another world made under the same secret, to be a successor here.
pub fn foreign_key(draws: usize) -> Row {
    let other = World::with_keys();
    for _ in 0..draws {
        // Everything draws: the next key comes of other randomness.
        other.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
        other.platform.cache.borrow_mut().clear();
        other.new_isolate();
        other.send(get(JWKS));
    }
    stored_row(&other, "ES256")
}

/// The RSA key that every world makes first; where it stands, no other is made.
pub fn rsa_key() -> Row {
    stored_row(&World::with_keys(), "RS256")
}

#[test]
fn the_published_set_is_good_until_the_next_change_the_table_foresees() {
    let world = World::new();
    insert_key(&world, &rsa_key(), ALWAYS);
    insert_key(&world, &foreign_key(1), (NOW, NOW, Some(NOW + 100), Some(NOW + 200)));
    insert_key(&world, &foreign_key(2), (NOW + 50, NOW + 100, None, None));
    for (moment, count) in [(0, 2), (49, 2), (50, 3), (199, 3), (200, 2)] {
        world.now.set(NOW + moment);
        assert_eq!(keys(&world.send(get(JWKS))).len(), count, "in memory, at {moment}");
        world.new_isolate();
        assert_eq!(keys(&world.send(get(JWKS))).len(), count, "in the cache, at {moment}");
    }
}

#[test]
fn a_signer_missing_from_the_published_set_publishes_before_it_signs() {
    let world = World::with_keys();
    world.put_alice();
    insert_key(&world, &foreign_key(3), (NOW, NOW + 1, None, None));
    world.sleep(2);
    world.new_isolate();
    let token = world.mint("openid");
    world.new_isolate();
    assert_eq!(keys(&world.send(get(JWKS))).len(), 3, "the cache has all");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&token)).status, 200);
}

#[test]
fn a_damaged_row_is_left_out_and_noted() {
    let world = World::new();
    let (kid, jwk, sealed) = foreign_key(4);
    insert_key(
        &world,
        &(kid, jwk.replace("\"x\":\"", "\"x\":\"A"), sealed),
        (NOW, NOW, None, None),
    );
    let told = world.send(get(JWKS));
    assert!(told.log["notes"].to_string().contains("damaged"));
    assert!(!told.body.contains("\"x\":\"A"));
}

#[test]
fn a_poisoned_cache_is_not_believed() {
    let world = World::with_keys();
    let body = world.send(get(JWKS)).body;
    let poisons = [
        r#"{"keys":[]}"#.to_owned(),
        r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}"#.to_owned(),
        body.replace("\"x\":", "\"d\":\"AAAA\",\"x\":"),
        body.replace("\"kid\":\"", "\"kid\":\"A"),
        body.replace("P-256", "P-384"),
        body.replace("\"n\":", "\"p\":\"AAAA\",\"n\":"),
        body.replace("AQAB", "Aw"),
    ];
    for poison in poisons {
        assert_ne!(poison, body);
        for text in world.platform.cache.borrow_mut().values_mut() {
            *text = json!({ "good_until": null, "as_of": NOW, "body": poison }).to_string();
        }
        world.new_isolate();
        let told = world.send(get(JWKS));
        assert_eq!(told.body, body);
        assert!(told.log["notes"].to_string().contains("damaged"));
    }
}

#[test]
fn the_set_survives_an_outage_in_memory_and_in_the_cache() {
    let world = World::with_keys();
    let body = world.send(get(JWKS)).body;
    world.platform.database_fails.set(true);
    world.new_isolate();
    assert_eq!(world.send(get(JWKS)).body, body, "from the cache");

    world.platform.cache_fails.set(true);
    world.sleep(KEY_SET_SECONDS);
    let told = world.send(get(JWKS));
    assert_eq!(told.body, body, "from memory, past its age");
    assert!(told.log["notes"].to_string().contains("DB is unavailable"));

    world.new_isolate();
    let told = world.send(get(JWKS));
    assert_eq!((told.status, told.header("retry-after")), (503, Some("5")));
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert!(!told.body.contains("told to fail"));
}

#[test]
fn two_deployments_of_an_issuer_share_the_published_set() {
    let world = World::with_keys();
    world.platform.take_counts();
    world.deploy(variables_with("SCOPES", "{}"));
    world.send(get(JWKS));
    assert_eq!(world.platform.take_counts().statements, 0);
    assert_ne!(variables(), variables_with("SCOPES", "{}"));
}

#[test]
fn a_private_key_is_never_stored_in_the_clear() {
    let world = World::new();
    world.put_alice();
    world.mint("openid");
    let dump: String = [stored_row(&world, "ES256"), stored_row(&world, "RS256")]
        .map(|(kid, jwk, sealed)| kid + &jwk + &sealed)
        .concat();
    let cache = world.platform.cache.borrow();
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
