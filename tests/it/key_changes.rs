//! Changes of the key table while isolates remember older keys.

use crate::jwks::{ALWAYS, foreign_key, insert_key, keys, keys_for, rsa_key};
use crate::rsa_keys::Isolate;
use crate::test_provider::{NOW, TestProvider, get, post, variables_with};
use postern::jose::jwk::Algorithm;
use postern::lifetimes::{
    KEY_SEARCH_PAUSE_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS, KV_PROPAGATION_SECONDS,
};
use serde_json::json;

const JWKS: &str = "/auth/jwks.json";

#[test]
fn an_unscheduled_change_takes_effect_within_the_limit() {
    let provider = TestProvider::new();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &foreign_key(1), ALWAYS);
    insert_key(&provider, &foreign_key(2), ALWAYS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 3);
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE kid = ?2";
    provider.platform.primary.execute(withdraw, (NOW, foreign_key(1).0)).unwrap();
    let mut elapsed = 0;
    while keys(&provider.send(get(JWKS))).len() == 3 {
        provider.sleep(30);
        elapsed += 30;
        assert!(
            elapsed <= KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS,
            "the cached set is used for too long"
        );
    }
    provider.new_isolate();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2, "the new set is published");
}

#[test]
fn an_older_set_in_the_cache_does_not_replace_a_newer_one() {
    let provider = TestProvider::new();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &foreign_key(1), ALWAYS);
    provider.send(get(JWKS));
    let old = provider.platform.cache.borrow().clone();
    insert_key(&provider, &foreign_key(2), ALWAYS);
    provider.sleep(KEY_SET_REVIEW_SECONDS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 3);
    *provider.platform.cache.borrow_mut() = old;
    provider.sleep(KEY_SET_SECONDS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 3);
}

#[test]
fn a_request_with_an_earlier_clock_finds_the_new_key() {
    let provider = TestProvider::with_keys();
    provider.platform.cache.borrow_mut().clear();
    provider.now.set(NOW - 1);
    provider.new_isolate();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
    provider.put_alice();
    provider.mint("openid");
}

#[test]
fn a_signer_publishes_again_after_a_failure_of_the_cache() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.platform.cache_fails.set(true);
    provider.mint("openid");
    assert!(provider.platform.cache.borrow().is_empty());
    provider.platform.cache_fails.set(false);
    provider.mint("openid");
    assert_eq!(provider.platform.cache.borrow().len(), 1);
    provider.platform.take_counts();
    provider.mint("openid");
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (0, 0));
}

#[test]
fn a_withdrawn_key_is_not_published_again_from_memory() {
    let provider = TestProvider::new();
    provider.put_alice();
    insert_key(&provider, &foreign_key(1), ALWAYS);
    provider.mint("openid");
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1";
    provider.platform.primary.execute(withdraw, [NOW]).unwrap();
    provider.platform.cache.borrow_mut().clear();
    provider.sleep(KEY_SET_SECONDS - 1);
    provider.mint("openid");
    provider.sleep(1);
    provider.mint("openid");
    let body = provider.platform.cache.borrow().values().next().cloned().unwrap();
    assert!(!body.contains(&foreign_key(1).0));
}

#[test]
fn a_damaged_key_table_causes_one_batch_only() {
    let provider = TestProvider::new();
    let (kid, jwk, sealed) = foreign_key(4);
    let damaged = jwk.replace("\"x\":\"", "\"x\":\"A");
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &(kid, damaged, sealed), ALWAYS);
    for _ in 0..20 {
        assert_eq!(keys_for(&provider.send(get(JWKS)), "ES256").len(), 0);
    }
    assert_eq!(provider.platform.take_counts().batches, 1);
    provider.put_alice();
    let order = json!({"sub": "alice", "scope": "openid"});
    let response = provider.send(post("/admin/tokens").by_operator().json(&order));
    assert_eq!(response.status, 500);
    assert!(response.log["notes"].to_string().contains("set its sign_until"));
}

#[test]
fn cache_control_ends_with_the_next_scheduled_change() {
    let provider = TestProvider::new();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &foreign_key(1), (NOW, NOW, Some(NOW + 100), Some(NOW + 100)));
    insert_key(&provider, &foreign_key(2), ALWAYS);
    let response = provider.send(get(JWKS));
    let header = response.header("cache-control").unwrap();
    assert_eq!(header, "public, max-age=100, stale-while-revalidate=0, stale-if-error=0");
}

#[test]
fn a_search_for_a_key_ends_when_the_key_is_found() {
    let provider = TestProvider::new();
    provider.put_alice();
    let old = provider.mint("openid");
    let send_request = |token: &str| provider.send(get("/auth/userinfo").bearer(token));
    assert_eq!(send_request(&old).status, 200);
    insert_key(&provider, &foreign_key(1), (NOW, NOW + 1, None, None));
    provider.sleep(2);
    let mint =
        post("/admin/tokens").by_operator().json(&json!({"sub": "alice", "scope": "openid"}));
    let minted = provider.send_at_once(vec![mint]).remove(0).json();
    let new = minted["access_token"].as_str().unwrap();
    assert_eq!(send_request(new).status, 200, "the key is found in the table");
    let forged = format!(
        "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6InVua25vd24ifQ.e30.{}",
        "A".repeat(86)
    );
    assert_eq!(send_request(&forged).status, 401, "the token is refused, not the service");
}

/// A token that is valid for longer than an isolate remembers a set of keys.
fn mint_for_a_day(provider: &TestProvider) -> String {
    let order = json!({"sub": "alice", "scope": "openid", "ttl": 86_400});
    let response = provider.send(post("/admin/tokens").by_operator().json(&order)).json();
    response["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_only_key_is_refused_once_it_is_withdrawn() {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = mint_for_a_day(&provider);
    let send_request = || get("/auth/userinfo").bearer(&token);
    assert_eq!(provider.send(send_request()).status, 200);
    let withdraw =
        "UPDATE signing_keys SET publish_from = 0, sign_from = 0, sign_until = 1, retire_at = 1";
    provider.platform.primary.execute(withdraw, []).unwrap();
    provider.sleep(KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS);
    for _ in 0..3 {
        let response = provider.send_together(vec![send_request(), send_request(), send_request()]);
        assert!(response.iter().all(|one| one.status != 200), "{response:?}");
        provider.sleep(5);
    }
}

#[test]
fn an_expired_set_is_not_used_during_an_outage() {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = mint_for_a_day(&provider);
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    provider.platform.database_fails.set(true);
    provider.platform.cache_fails.set(true);
    provider.sleep(KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS);
    provider.platform.take_counts();
    let response = provider.send_together(vec![get("/auth/userinfo").bearer(&token); 3]);
    assert!(response.iter().all(|one| one.status == 503));
    assert_eq!(provider.platform.take_counts().verifications, 0);
}

#[test]
fn a_failed_publication_is_repeated() {
    let provider = TestProvider::new();
    provider.platform.cache_fails.set(true);
    provider.send(get(JWKS));
    provider.platform.cache_fails.set(false);
    provider.sleep(KEY_SET_SECONDS);
    provider.send(get(JWKS));
    assert_eq!(provider.platform.cache.borrow().len(), 1);
}

/// The seconds of two pauses at which `is_attempt` is true, after the first one.
fn attempts(provider: &TestProvider, is_attempt: impl Fn() -> bool) -> Vec<i64> {
    let mut attempts = Vec::new();
    for second in 0..=2 * KEY_SEARCH_PAUSE_SECONDS {
        if is_attempt() {
            attempts.push(second);
        }
        provider.sleep(1);
    }
    attempts
}

const WITH_PAUSES: [i64; 3] = [0, KEY_SEARCH_PAUSE_SECONDS, 2 * KEY_SEARCH_PAUSE_SECONDS];

#[test]
fn a_first_key_that_cannot_be_made_is_tried_again_after_a_pause() {
    let provider = TestProvider::configured(variables_with("KEY_ENCRYPTION_KEY", "AAAA"));
    let is_attempt = || {
        let response = provider.send(get(JWKS));
        assert!(keys(&response).is_empty());
        response.log.to_string().contains("KEY_ENCRYPTION_KEY")
    };
    assert_eq!(attempts(&provider, is_attempt), WITH_PAUSES);
}

#[test]
fn during_an_outage_a_known_key_is_used_and_read_again_after_a_pause() {
    let provider = TestProvider::with_keys();
    let key = keys_for(&provider.send(get(JWKS)), "ES256").remove(0);
    let kid = key["kid"].as_str().unwrap();
    let isolate = Isolate::new(&provider);
    let is_found = || isolate.find(Algorithm::Es256, kid).unwrap().is_some();
    assert!(is_found());
    provider.platform.database_fails.set(true);
    provider.platform.cache_fails.set(true);
    provider.sleep(KEY_SET_SECONDS);
    provider.platform.take_counts();
    let is_attempt = || {
        assert!(is_found());
        provider.platform.take_counts().cache_reads > 0
    };
    assert_eq!(attempts(&provider, is_attempt), WITH_PAUSES);
}

/// A token of an unknown key.
fn forged() -> String {
    let header = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6InVua25vd24ifQ";
    format!("{header}.e30.{}", "A".repeat(86))
}

#[test]
fn a_search_that_was_abandoned_is_repeated_after_a_pause() {
    // The isolate has a fresh set and reads the cache, or it has read the cache and reads the key table.
    for (remembers, steps) in [(true, 0), (false, 1)] {
        let provider = TestProvider::with_keys();
        provider.send(get(JWKS));
        if !remembers {
            provider.new_isolate();
        }
        let send_request = get("/auth/userinfo").bearer(&forged());
        provider.abandon(vec![send_request.clone()], steps);
        for second in 0..=KEY_SEARCH_PAUSE_SECONDS {
            let status = if second < KEY_SEARCH_PAUSE_SECONDS { 503 } else { 401 };
            let response = provider.send(send_request.clone());
            assert_eq!(response.status, status, "after {second} seconds: {}", response.body);
            provider.sleep(1);
        }
    }
}

#[test]
fn a_set_is_published_again_if_the_cache_still_lacks_it_after_a_minute() {
    for (elapsed, published) in [(KV_PROPAGATION_SECONDS - 1, 0), (KV_PROPAGATION_SECONDS, 1)] {
        let provider = TestProvider::with_keys();
        provider.platform.cache.borrow_mut().clear();
        provider.skips_deferred_tasks.set(true);
        let search = || provider.send(get("/auth/userinfo").bearer(&forged())).deferred;
        assert_eq!(search(), 1, "the cache lacks the set");
        provider.sleep(elapsed);
        assert_eq!(search(), published, "after {elapsed} seconds");
    }
}
