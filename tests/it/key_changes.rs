//! What happens when the key table changes under isolates that remember it.

use crate::jwks::{ALWAYS, foreign_key, insert_key, keys, keys_for, rsa_key};
use crate::world::{NOW, World, get, post};
use postern::lifetimes::{KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS};
use serde_json::json;

const JWKS: &str = "/auth/jwks.json";

#[test]
fn a_change_that_nobody_foresaw_takes_effect_in_time() {
    let world = World::new();
    insert_key(&world, &rsa_key(), ALWAYS);
    insert_key(&world, &foreign_key(1), ALWAYS);
    insert_key(&world, &foreign_key(2), ALWAYS);
    assert_eq!(keys(&world.send(get(JWKS))).len(), 3);
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE kid = ?2";
    world.platform.primary.execute(withdraw, (NOW, foreign_key(1).0)).unwrap();
    let mut elapsed = 0;
    while keys(&world.send(get(JWKS))).len() == 3 {
        world.sleep(30);
        elapsed += 30;
        assert!(
            elapsed <= KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS,
            "the cache is believed for ever"
        );
    }
    world.new_isolate();
    assert_eq!(keys(&world.send(get(JWKS))).len(), 2, "and it was published");
}

#[test]
fn an_older_set_in_the_cache_does_not_take_back_a_newer_one() {
    let world = World::new();
    insert_key(&world, &rsa_key(), ALWAYS);
    insert_key(&world, &foreign_key(1), ALWAYS);
    world.send(get(JWKS));
    let old = world.platform.cache.borrow().clone();
    insert_key(&world, &foreign_key(2), ALWAYS);
    world.sleep(KEY_SET_REVIEW_SECONDS);
    assert_eq!(keys(&world.send(get(JWKS))).len(), 3);
    *world.platform.cache.borrow_mut() = old;
    world.sleep(KEY_SET_SECONDS);
    assert_eq!(keys(&world.send(get(JWKS))).len(), 3);
}

#[test]
fn a_request_that_began_a_second_earlier_finds_the_key_that_was_just_made() {
    let world = World::with_keys();
    world.platform.cache.borrow_mut().clear();
    world.now.set(NOW - 1);
    world.new_isolate();
    assert_eq!(keys(&world.send(get(JWKS))).len(), 2);
    world.put_alice();
    world.mint("openid");
}

#[test]
fn a_signer_publishes_again_when_the_cache_failed_it() {
    let world = World::new();
    world.put_alice();
    world.platform.cache_fails.set(true);
    world.mint("openid");
    assert!(world.platform.cache.borrow().is_empty());
    world.platform.cache_fails.set(false);
    world.mint("openid");
    assert_eq!(world.platform.cache.borrow().len(), 1);
    world.platform.take_counts();
    world.mint("openid");
    let counts = world.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (0, 0));
}

#[test]
fn a_key_that_was_withdrawn_is_not_published_again_by_an_isolate_that_remembers_it() {
    let world = World::new();
    world.put_alice();
    insert_key(&world, &foreign_key(1), ALWAYS);
    world.mint("openid");
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1";
    world.platform.primary.execute(withdraw, [NOW]).unwrap();
    world.platform.cache.borrow_mut().clear();
    world.sleep(KEY_SET_SECONDS - 1);
    world.mint("openid");
    world.sleep(1);
    world.mint("openid");
    let body = world.platform.cache.borrow().values().next().cloned().unwrap();
    assert!(!body.contains(&foreign_key(1).0));
}

#[test]
fn a_damaged_key_table_is_not_an_amplifier() {
    let world = World::new();
    let (kid, jwk, sealed) = foreign_key(4);
    let damaged = jwk.replace("\"x\":\"", "\"x\":\"A");
    insert_key(&world, &rsa_key(), ALWAYS);
    insert_key(&world, &(kid, damaged, sealed), ALWAYS);
    for _ in 0..20 {
        assert_eq!(keys_for(&world.send(get(JWKS)), "ES256").len(), 0);
    }
    assert_eq!(world.platform.take_counts().batches, 1);
    world.put_alice();
    let order = json!({"sub": "alice", "scope": "openid"});
    let told = world.send(post("/admin/tokens").by_operator().json(&order));
    assert_eq!(told.status, 500);
    assert!(told.log["notes"].to_string().contains("end it by its sign_until"));
}

#[test]
fn no_cache_serves_the_set_past_its_foreseen_end() {
    let world = World::new();
    insert_key(&world, &rsa_key(), ALWAYS);
    insert_key(&world, &foreign_key(1), (NOW, NOW, Some(NOW + 100), Some(NOW + 100)));
    insert_key(&world, &foreign_key(2), ALWAYS);
    let told = world.send(get(JWKS));
    let header = told.header("cache-control").unwrap();
    assert_eq!(header, "public, max-age=100, stale-while-revalidate=0, stale-if-error=0");
}

#[test]
fn a_search_that_found_its_key_is_over() {
    let world = World::new();
    world.put_alice();
    let old = world.mint("openid");
    let ask = |token: &str| world.send(get("/auth/userinfo").bearer(token));
    assert_eq!(ask(&old).status, 200);
    insert_key(&world, &foreign_key(1), (NOW, NOW + 1, None, None));
    world.sleep(2);
    let mint =
        post("/admin/tokens").by_operator().json(&json!({"sub": "alice", "scope": "openid"}));
    let minted = world.send_at_once(vec![mint]).remove(0).json();
    let new = minted["access_token"].as_str().unwrap();
    assert_eq!(ask(new).status, 200, "found by a search");
    let forged = format!(
        "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6InVua25vd24ifQ.e30.{}",
        "A".repeat(86)
    );
    assert_eq!(ask(&forged).status, 401, "a verdict, not a 503");
}

/// A token that outlives every set of keys that an isolate may remember.
fn mint_for_a_day(world: &World) -> String {
    let order = json!({"sub": "alice", "scope": "openid", "ttl": 86_400});
    let told = world.send(post("/admin/tokens").by_operator().json(&order)).json();
    told["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_only_key_when_withdrawn_is_refused_for_good() {
    let world = World::new();
    world.put_alice();
    let token = mint_for_a_day(&world);
    let ask = || get("/auth/userinfo").bearer(&token);
    assert_eq!(world.send(ask()).status, 200);
    let withdraw =
        "UPDATE signing_keys SET publish_from = 0, sign_from = 0, sign_until = 1, retire_at = 1";
    world.platform.primary.execute(withdraw, []).unwrap();
    world.sleep(KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS);
    for _ in 0..3 {
        let told = world.send_together(vec![ask(), ask(), ask()]);
        assert!(told.iter().all(|one| one.status != 200), "{told:?}");
        world.sleep(5);
    }
}

#[test]
fn an_old_set_is_not_trusted_for_the_sake_of_an_outage() {
    let world = World::new();
    world.put_alice();
    let token = mint_for_a_day(&world);
    assert_eq!(world.send(get("/auth/userinfo").bearer(&token)).status, 200);
    world.platform.database_fails.set(true);
    world.platform.cache_fails.set(true);
    world.sleep(KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS);
    world.platform.take_counts();
    let told = world.send_together(vec![get("/auth/userinfo").bearer(&token); 3]);
    assert!(told.iter().all(|one| one.status == 503));
    assert_eq!(world.platform.take_counts().verifications, 0);
}

#[test]
fn a_publication_that_failed_is_made_again() {
    let world = World::new();
    world.platform.cache_fails.set(true);
    world.send(get(JWKS));
    world.platform.cache_fails.set(false);
    world.sleep(KEY_SET_SECONDS);
    world.send(get(JWKS));
    assert_eq!(world.platform.cache.borrow().len(), 1);
}
