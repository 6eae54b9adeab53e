//! The rotation of the signing keys by the maintenance and by the operator's command.

use crate::jwks::{ALWAYS, foreign_key, insert_key, keys, keys_for, rsa_key, stored_keys};
use crate::test_provider::{NOW, TestProvider, TestResponse, get, post, variables, variables_with};
use postern::Level;
use postern::lifetimes::{
    CLOCK_SLACK_SECONDS, KEY_HANDOVER_SECONDS, KEY_ROW_SECONDS, KEY_SET_REVIEW_SECONDS,
    KEY_SET_SECONDS,
};
use serde_json::{Value, json};

const JWKS: &str = "/auth/jwks.json";
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;
const SIGNING: i64 = 30 * DAY;
const AHEAD: i64 = 3 * DAY;
/// The smallest `KEY_AHEAD_SECONDS` with the default caches.
const SHORTEST_AHEAD: i64 = 88_140;
const RETIREMENT: i64 = 86_765;

/// The keys of an algorithm, as the operator sees them, in the order in which they sign.
pub fn listed(provider: &TestProvider, alg: &str) -> Vec<Value> {
    let response = provider.send(get("/admin/keys").by_operator());
    assert_eq!(response.status, 200, "{}", response.body);
    of_alg(&response, alg)
}

fn of_alg(response: &TestResponse, alg: &str) -> Vec<Value> {
    let mut keys = response.json()["keys"].as_array().unwrap().clone();
    keys.retain(|key| key["alg"] == alg);
    keys
}

fn states(provider: &TestProvider, alg: &str) -> Vec<String> {
    listed(provider, alg).iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

fn kid(key: &Value) -> String {
    key["kid"].as_str().unwrap().to_owned()
}

/// The `kid` of the key that signs.
pub fn signing(provider: &TestProvider, alg: &str) -> String {
    let keys = listed(provider, alg);
    kid(keys.iter().find(|key| key["state"] == "signing").unwrap())
}

pub fn rotate(provider: &TestProvider, order: &Value) -> TestResponse {
    provider.send(post("/admin/keys/rotate").by_operator().json(order))
}

fn maintain(provider: &TestProvider) {
    let log = provider.maintain();
    assert_eq!(log.level(), Level::Information, "{}", log.line());
}

/// The rotation of ES256 in the list.
fn rotation(provider: &TestProvider) -> Value {
    provider.send(get("/admin/keys").by_operator()).json()["rotation"][0].clone()
}

#[test]
fn a_successor_is_published_before_it_signs_and_its_predecessor_after() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    maintain(&provider);
    let first = ["ES256", "RS256"].map(|alg| signing(&provider, alg));
    assert_eq!(states(&provider, "ES256"), ["signing"], "a new key needs no successor");
    assert_eq!(rotation(&provider)["next_at"], NOW + SIGNING);

    provider.now.set(NOW + SIGNING - AHEAD - 1);
    maintain(&provider);
    assert_eq!(stored_keys(&provider).len(), 2);
    provider.sleep(1);
    maintain(&provider);
    for (alg, first) in ["ES256", "RS256"].into_iter().zip(&first) {
        let [old, new] = listed(&provider, alg).try_into().unwrap();
        assert_eq!(
            (&old["kid"], &old["state"], &new["state"]),
            (&first.as_str().into(), &"signing".into(), &"published".into())
        );
        let sign_from = NOW + SIGNING;
        assert_eq!(
            (&new["publish_from"], &new["sign_from"]),
            (&(sign_from - AHEAD).into(), &sign_from.into())
        );
        assert_eq!(
            (&old["sign_until"], &old["retire_at"]),
            (&sign_from.into(), &(sign_from + RETIREMENT).into())
        );
        assert_eq!((&new["sign_until"], &new["retire_at"]), (&Value::Null, &Value::Null));
        assert_eq!(new["created_at"], sign_from - AHEAD);
    }
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 4, "this isolate publishes them at once");
    let control = provider.send(get(JWKS)).header("cache-control").unwrap().to_owned();
    assert!(control.starts_with("public, max-age=300, "), "{control}");

    for (now, expected) in [
        (NOW + SIGNING - 1, ["signing", "published"]),
        (NOW + SIGNING, ["retiring", "signing"]),
        (NOW + SIGNING + RETIREMENT - 1, ["retiring", "signing"]),
        (NOW + SIGNING + RETIREMENT, ["retired", "signing"]),
    ] {
        provider.now.set(now);
        for alg in ["ES256", "RS256"] {
            assert_eq!(states(&provider, alg), expected, "{alg} at {}", now - NOW);
            let published = expected.iter().filter(|state| **state != "retired").count();
            assert_eq!(keys_for(&provider.send(get(JWKS)), alg).len(), published);
        }
        let token = provider.mint("openid");
        assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    }
    let control = "public, max-age=100, stale-while-revalidate=0, stale-if-error=0";
    provider.now.set(NOW + SIGNING + RETIREMENT - 100);
    provider.new_isolate();
    assert_eq!(provider.send(get(JWKS)).header("cache-control"), Some(control));
}

#[test]
fn the_successors_of_a_year_come_without_a_gap_and_old_rows_are_deleted() {
    let provider = TestProvider::with_keys();
    for _ in 0..365 {
        provider.sleep(DAY);
        maintain(&provider);
    }
    for alg in ["ES256", "RS256"] {
        let keys = listed(&provider, alg);
        for pair in keys.windows(2) {
            assert_eq!(pair[0]["sign_until"], pair[1]["sign_from"], "{alg}");
        }
        assert!((5..=6).contains(&keys.len()), "{keys:?}");
        let age = provider.now.get() - keys[keys.len() - 1]["sign_from"].as_i64().unwrap();
        assert!(age <= SIGNING, "{age}");
    }
}

#[test]
fn the_keys_of_an_older_version_are_taken_over_at_the_first_run() {
    let provider = TestProvider::new();
    provider.put_alice();
    for row in [rsa_key(), foreign_key(3)] {
        insert_key(&provider, &row, (0, 0, None, None));
    }
    let token = provider.mint("openid");
    assert_eq!(
        rotation(&provider),
        json!({"alg": "ES256", "next_at": NOW + AHEAD, "overdue_since": null})
    );
    maintain(&provider);
    let [old, new] = listed(&provider, "ES256").try_into().unwrap();
    assert_eq!((&old["kid"], &old["state"]), (&foreign_key(3).0.into(), &"signing".into()));
    assert_eq!(
        (&old["sign_until"], &new["sign_from"]),
        (&(NOW + AHEAD).into(), &(NOW + AHEAD).into())
    );
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    provider.now.set(NOW + AHEAD);
    assert_eq!(states(&provider, "ES256"), ["retiring", "signing"]);
    provider.mint("openid");
}

#[test]
fn doubled_and_concurrent_runs_make_one_successor() {
    let provider = TestProvider::with_keys();
    provider.now.set(NOW + SIGNING);
    let isolates: Vec<_> = (0..3).map(|_| provider.make_isolate()).collect();
    let logs = provider.maintain_together(&isolates);
    assert!(logs.iter().all(|log| log.level() == Level::Information));
    maintain(&provider);
    for alg in ["ES256", "RS256"] {
        assert_eq!(states(&provider, alg), ["signing", "published"]);
    }
}

#[test]
fn a_lost_answer_makes_one_successor() {
    for loss in 0..8 {
        let provider = TestProvider::with_keys();
        provider.now.set(NOW + SIGNING);
        provider.platform.responses_before_loss.set(loss);
        provider.platform.lost_responses.set(1);
        provider.maintain();
        provider.platform.lost_responses.set(0);
        maintain(&provider);
        for alg in ["ES256", "RS256"] {
            assert_eq!(states(&provider, alg), ["signing", "published"], "loss {loss}");
        }
    }
}

#[test]
fn without_maintenance_the_old_key_signs_for_ever_and_is_overdue() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let first = signing(&provider, "ES256");
    let due_at = NOW + SIGNING - AHEAD;
    for (now, overdue_since) in [
        (due_at + 3_599, Value::Null),
        (due_at + 3_600, due_at.into()),
        (NOW + YEAR, due_at.into()),
    ] {
        provider.now.set(now);
        provider.new_isolate();
        assert_eq!(signing(&provider, "ES256"), first);
        assert_eq!(rotation(&provider)["overdue_since"], overdue_since);
        let order = json!({ "sub": "alice", "scope": "openid" });
        let minted = provider.send(post("/admin/tokens").by_operator().json(&order));
        let event = json!({
            "event": "key_rotation_overdue", "level": "error", "alg": "ES256", "kid": first,
        });
        assert_eq!(minted.events.contains(&event), overdue_since != Value::Null, "{minted:?}");
        let token = minted.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    }
    maintain(&provider);
    let rotation = rotation(&provider);
    assert_eq!(
        (&rotation["next_at"], &rotation["overdue_since"]),
        (&(NOW + YEAR + AHEAD).into(), &Value::Null)
    );
}

#[test]
fn no_request_waits_for_a_successor() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    for _ in 0..80 {
        provider.sleep(DAY);
        maintain(&provider);
        provider.platform.take_counts();
        provider.new_isolate();
        provider.mint("openid");
        assert_eq!(keys(&provider.send(get(JWKS))).len() % 2, 0);
        assert_eq!(provider.platform.take_counts().generations, 0);
    }
    assert_eq!(stored_keys(&provider).len(), 6);
}

#[test]
fn a_failing_step_leaves_the_old_key_and_the_next_run_rotates() {
    let provider = TestProvider::with_keys();
    provider.now.set(NOW + SIGNING);
    provider.platform.generation_fails.set(true);
    let log = provider.maintain();
    assert_eq!(log.level(), Level::Error);
    assert_eq!(states(&provider, "ES256"), ["signing", "published"], "the other algorithm goes on");
    assert_eq!(states(&provider, "RS256"), ["signing"]);
    provider.platform.generation_fails.set(false);
    maintain(&provider);
    assert_eq!(states(&provider, "RS256"), ["signing", "published"]);
}

#[test]
fn a_wrong_encryption_key_makes_no_successor() {
    let provider = TestProvider::with_keys();
    provider.now.set(NOW + SIGNING);
    provider.deploy(variables_with(
        "KEY_ENCRYPTION_KEY",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    ));
    let log = provider.maintain();
    assert!(log.line().contains("KEY_ENCRYPTION_KEY"), "{}", log.line());
    assert_eq!(stored_keys(&provider).len(), 2);
    provider.deploy(variables());
    maintain(&provider);
    assert_eq!(stored_keys(&provider).len(), 4);
}

#[test]
fn a_failed_publication_is_repeated_and_isolates_find_the_successor_without_it() {
    let provider = TestProvider::with_keys();
    provider.now.set(NOW + SIGNING);
    provider.send(get(JWKS));
    let stale = provider.platform.cache.borrow().clone();
    let mut other = provider.make_isolate();
    provider.in_isolate(&mut other, || assert_eq!(keys(&provider.send(get(JWKS))).len(), 2));
    provider.platform.cache_fails.set(true);
    let log = provider.maintain();
    assert!(log.line().contains("KV is unavailable"), "{}", log.line());
    provider.platform.cache_fails.set(false);
    *provider.platform.cache.borrow_mut() = stale;
    provider.sleep(KEY_SET_SECONDS + KEY_SET_REVIEW_SECONDS);
    provider.in_isolate(&mut other, || {
        assert_eq!(keys(&provider.send(get(JWKS))).len(), 4, "from the key table");
    });
    assert!(provider.platform.cache.borrow().values().any(|text| text.matches("kid").count() == 4));
}

#[test]
fn a_successor_of_a_clock_that_is_ahead_does_not_block_the_rotation() {
    for ahead in [YEAR, SIGNING - AHEAD + 2 * CLOCK_SLACK_SECONDS] {
        let provider = TestProvider::with_keys();
        provider.put_alice();
        provider.in_isolate_ahead(ahead, || provider.maintain());
        let [old, wrong] = listed(&provider, "ES256").try_into().unwrap();
        assert_eq!((&old["state"], &wrong["state"]), (&"signing".into(), &"planned".into()));
        // The first run with the right clock is careful, and forgets the other's.
        assert_eq!(provider.maintain().level(), Level::Information, "nothing is due");
        for _ in 0..SIGNING / DAY {
            provider.sleep(DAY);
            provider.mint("openid");
            maintain(&provider);
        }
        let keys = listed(&provider, "ES256");
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert_eq!(keys[0]["sign_until"], keys[1]["sign_from"]);
        let late = keys[1]["sign_from"].as_i64().unwrap() - (NOW + SIGNING);
        assert!((0..=2 * DAY).contains(&late), "{late}");
    }
}

#[test]
fn a_key_that_cannot_be_opened_does_not_prevent_the_rotation_of_the_other_algorithm() {
    let provider = TestProvider::with_keys();
    let damage = "UPDATE signing_keys SET sealed_private = 'AAAA' WHERE alg = 'RS256'";
    provider.platform.primary.execute(damage, []).unwrap();
    provider.sleep(SIGNING);
    assert_eq!(provider.maintain().level(), Level::Error);
    assert_eq!(["ES256", "RS256"].map(|alg| listed(&provider, alg).len()), [2, 1]);
    let compromised = json!({ "compromised": signing(&provider, "ES256") });
    assert_eq!(rotate(&provider, &compromised).status, 200);
}

#[test]
fn a_compromised_key_that_cannot_be_opened_is_withdrawn() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.sleep(60);
    let compromised = signing(&provider, "ES256");
    let damage = "UPDATE signing_keys SET sealed_private = 'AAAA' WHERE alg = 'ES256'";
    provider.platform.primary.execute(damage, []).unwrap();
    let response = rotate(&provider, &json!({ "compromised": compromised }));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(states(&provider, "ES256"), ["withdrawn", "signing"]);
    provider.mint("openid");
}

#[test]
fn a_wrong_encryption_key_makes_no_key_after_one_that_is_about_to_sign() {
    let provider = TestProvider::with_keys();
    rotate(&provider, &json!({}));
    provider.now.set(NOW + SHORTEST_AHEAD - KEY_HANDOVER_SECONDS);
    let before = stored_keys(&provider);
    provider.deploy(variables_with(
        "KEY_ENCRYPTION_KEY",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    ));
    assert_eq!(rotate(&provider, &json!({})).status, 500);
    assert_eq!(stored_keys(&provider), before);
}

#[test]
fn a_run_whose_clock_is_behind_makes_no_key() {
    let provider = TestProvider::with_keys();
    provider.now.set(NOW + 2 * SIGNING);
    maintain(&provider);
    provider.sleep(300);
    maintain(&provider);
    let before = listed(&provider, "ES256");
    provider.in_isolate_ahead(-10 * DAY, || {
        let log = provider.maintain();
        assert!(log.line().contains("the clock"), "{}", log.line());
        assert_eq!(rotate(&provider, &json!({})).status, 503);
        // Not even the second run in a row believes that all others were wrong.
        assert!(provider.maintain().line().contains("the clock"));
        assert_eq!(rotate(&provider, &json!({})).status, 503);
    });
    assert_eq!(before[0]["kid"], listed(&provider, "ES256")[0]["kid"]);
}

#[test]
fn the_command_publishes_new_keys_at_once_and_keeps_the_old_ones() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let old = keys(&provider.send(get(JWKS)));
    let token = provider.mint("openid");
    let response = rotate(&provider, &json!({}));
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(!response.body.contains("sealed") && !response.body.contains("\"d\""));
    let new = keys(&provider.send(get(JWKS)));
    assert_eq!(new.len(), 4);
    assert!(old.iter().all(|key| new.contains(key)));
    for alg in ["ES256", "RS256"] {
        assert_eq!(of_alg(&response, alg)[1]["sign_from"], NOW + SHORTEST_AHEAD);
    }
    provider.sleep(SHORTEST_AHEAD);
    assert_eq!(states(&provider, "ES256"), ["retiring", "signing"]);
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&provider.mint("openid"))).status, 200);
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 401, "it has expired");
}

#[test]
fn repeated_commands_replace_the_key_that_has_not_signed() {
    let provider = TestProvider::with_keys();
    let mut seen = Vec::new();
    for _ in 0..5 {
        assert_eq!(rotate(&provider, &json!({})).status, 200);
        let keys = listed(&provider, "ES256");
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0]["sign_until"], keys[1]["sign_from"]);
        assert!(!seen.contains(&kid(&keys[1])));
        seen.push(kid(&keys[1]));
        provider.sleep(60);
    }
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 4);
}

#[test]
fn a_key_that_is_about_to_sign_is_not_replaced() {
    for (before, count) in [(KEY_HANDOVER_SECONDS + 1, 2), (KEY_HANDOVER_SECONDS, 3)] {
        let provider = TestProvider::with_keys();
        rotate(&provider, &json!({}));
        provider.now.set(NOW + SHORTEST_AHEAD - before);
        rotate(&provider, &json!({}));
        let keys = listed(&provider, "ES256");
        assert_eq!(keys.len(), count);
        for pair in keys.windows(2) {
            assert_eq!(pair[0]["sign_until"], pair[1]["sign_from"]);
        }
    }
}

#[test]
fn commands_keep_the_number_of_published_keys_in_its_bound() {
    let caches = ["CACHE_MAX_AGE", "CACHE_STALE_WHILE_REVALIDATE", "CACHE_STALE_IF_ERROR"];
    let mut all = variables();
    all.extend(caches.map(|name| (name, "0".to_owned())));
    let provider = TestProvider::configured(all);
    provider.send(get(JWKS));
    let mut refused = 0;
    for _ in 0..12 {
        let response = rotate(&provider, &json!({}));
        if response.status == 409 {
            refused += 1;
            let description = response.json()["error_description"].as_str().unwrap().to_owned();
            assert!(description.starts_with("4 ES256 keys are published"), "{description}");
            let words: Vec<_> = description.split(' ').collect();
            let at = words.iter().position(|word| *word == "seconds,").unwrap();
            provider.sleep(words[at - 1].parse().unwrap());
            let published = keys(&provider.send(get(JWKS))).len();
            let response = rotate(&provider, &json!({}));
            assert_eq!(response.status, 200, "{published}: {}", response.body);
        }
        provider.sleep(1_200);
        maintain(&provider);
        assert!(keys_for(&provider.send(get(JWKS)), "ES256").len() <= 4);
    }
    assert!(refused > 1, "{refused}");
}

/// How long after its withdrawal a key may verify: a set in the cache is reviewed, then remembered, and a clock is off.
const WITHDRAWN_WITHIN: i64 = KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS + CLOCK_SLACK_SECONDS;

fn userinfo(provider: &TestProvider, token: &str) -> u16 {
    provider.send(get("/auth/userinfo").bearer(token)).status
}

/// A token that is valid for a day.
fn mint_for_a_day(provider: &TestProvider) -> String {
    let order = json!({"sub": "alice", "scope": "openid", "ttl": DAY});
    let response = provider.send(post("/admin/tokens").by_operator().json(&order));
    response.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_compromised_key_verifies_nothing_and_a_new_one_signs_at_once() {
    for cache_fails in [false, true] {
        let provider = TestProvider::with_keys();
        provider.put_alice();
        provider.sleep(60);
        let token = mint_for_a_day(&provider);
        let mut other = provider.make_isolate();
        provider.in_isolate(&mut other, || assert_eq!(userinfo(&provider, &token), 200));
        let stale = provider.platform.cache.borrow().clone();
        let compromised = signing(&provider, "ES256");
        let order = json!({ "compromised": compromised });
        provider.platform.cache_fails.set(cache_fails);
        let response = rotate(&provider, &order);
        assert_eq!(response.status, 200, "{}", response.body);
        provider.platform.cache_fails.set(false);
        let [withdrawn, new] = of_alg(&response, "ES256").try_into().unwrap();
        assert_eq!(
            (&withdrawn["kid"], &withdrawn["state"]),
            (&compromised.as_str().into(), &"withdrawn".into())
        );
        assert_eq!(new["state"], "signing");
        assert_eq!(of_alg(&response, "RS256").len(), 1, "keys of the other algorithm stay");

        // At once here, and elsewhere within the stated time, also if the cache still has the old set.
        assert_eq!(userinfo(&provider, &token), 401);
        assert_eq!(userinfo(&provider, &mint_for_a_day(&provider)), 200);
        if cache_fails {
            *provider.platform.cache.borrow_mut() = stale;
        }
        provider.sleep(if cache_fails { WITHDRAWN_WITHIN } else { KEY_SET_SECONDS });
        provider.in_isolate(&mut other, || {
            assert_eq!(userinfo(&provider, &token), 401);
            assert!(!provider.send(get(JWKS)).body.contains(&compromised));
            let token = provider.mint("openid");
            assert_eq!(userinfo(&provider, &token), 200);
        });
        // A repeated command changes nothing.
        let again = rotate(&provider, &order);
        assert_eq!((again.status, of_alg(&again, "ES256").len()), (200, 2));
    }
}

#[test]
fn a_key_that_is_published_already_replaces_a_compromised_one() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.now.set(NOW + SIGNING - AHEAD);
    maintain(&provider);
    let [old, next] = listed(&provider, "ES256").try_into().unwrap();
    provider.sleep(DAY);
    rotate(&provider, &json!({ "compromised": old["kid"] }));
    assert_eq!(signing(&provider, "ES256"), kid(&next));
    assert_eq!(states(&provider, "ES256"), ["withdrawn", "signing"]);
    assert_eq!(userinfo(&provider, &provider.mint("openid")), 200);
    maintain(&provider);
    assert_eq!(states(&provider, "ES256"), ["withdrawn", "signing"], "its successor is not due");
}

#[test]
fn a_compromised_key_that_does_not_sign_leaves_the_one_that_does() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.now.set(NOW + SIGNING - AHEAD);
    maintain(&provider);
    let [old, next] = listed(&provider, "ES256").try_into().unwrap();
    // The next one.
    let response = rotate(&provider, &json!({ "compromised": next["kid"] }));
    let keys = of_alg(&response, "ES256");
    let other = keys.iter().find(|key| key["state"] == "published").unwrap();
    assert_eq!(
        (keys.len(), &other["sign_from"]),
        (3, &(provider.now.get() + SHORTEST_AHEAD).into())
    );
    assert_eq!(signing(&provider, "ES256"), kid(&old));
    let signs = keys.iter().find(|key| key["state"] == "signing").unwrap();
    assert_eq!(signs["sign_until"], other["sign_from"]);
    // The one before.
    provider.sleep(SHORTEST_AHEAD);
    assert_eq!(signing(&provider, "ES256"), kid(other));
    let response = rotate(&provider, &json!({ "compromised": old["kid"] }));
    assert_eq!(
        of_alg(&response, "ES256").iter().filter(|key| key["state"] == "withdrawn").count(),
        2
    );
    assert_eq!(signing(&provider, "ES256"), kid(other));
}

#[test]
fn a_withdrawal_by_an_isolate_whose_clock_is_wrong_takes_effect() {
    for ahead in [YEAR, -YEAR] {
        let provider = TestProvider::with_keys();
        provider.put_alice();
        let token = mint_for_a_day(&provider);
        let compromised = signing(&provider, "ES256");
        let order = json!({ "compromised": compromised });
        provider.in_isolate_ahead(ahead, || assert_eq!(rotate(&provider, &order).status, 200));
        provider.sleep(WITHDRAWN_WITHIN);
        provider.new_isolate();
        assert_eq!(userinfo(&provider, &token), 401, "{ahead}");
        assert_eq!(userinfo(&provider, &provider.mint("openid")), 200, "{ahead}");
    }
}

#[test]
fn a_lost_answer_to_a_command_changes_the_keys_once() {
    for compromised in [false, true] {
        for loss in 0..3 {
            let provider = TestProvider::with_keys();
            let kid = signing(&provider, "RS256");
            provider.sleep(60);
            let order = if compromised { json!({ "compromised": kid }) } else { json!({}) };
            provider.platform.responses_before_loss.set(loss);
            provider.platform.lost_responses.set(1);
            assert_eq!(rotate(&provider, &order).status, 200);
            let expected =
                if compromised { ["withdrawn", "signing"] } else { ["signing", "published"] };
            assert_eq!(states(&provider, "RS256"), expected, "loss {loss}");
        }
    }
}

#[test]
fn a_command_is_planned_again_if_the_keys_change_meanwhile() {
    let change = "UPDATE key_claims SET changed_by = hex(randomblob(8)) WHERE alg = 'RS256'";
    for (changes, status) in [(1, 200), (2, 200), (3, 503)] {
        let provider = TestProvider::with_keys();
        let order = json!({ "compromised": signing(&provider, "RS256") });
        provider.sleep(60);
        provider.platform.before_batches.borrow_mut().extend(vec![change; changes]);
        assert_eq!(rotate(&provider, &order).status, status, "{changes} changes");
        let expected: &[&str] =
            if status == 200 { &["withdrawn", "signing"] } else { &["signing"] };
        assert_eq!(states(&provider, "RS256"), expected);
    }
}

#[test]
fn the_command_refuses_what_it_does_not_know() {
    let provider = TestProvider::with_keys();
    for (order, status, words) in [
        (json!({ "compromised": "nobody" }), 404, "compromised: no signing key has this kid"),
        (json!({ "compromised": 1 }), 400, "compromised"),
        (json!({ "all": true }), 400, "all"),
    ] {
        let response = rotate(&provider, &order);
        assert_eq!(response.status, status);
        assert!(response.body.contains(words), "{}", response.body);
    }
    assert_eq!(provider.send(post("/admin/keys/rotate").by_operator()).status, 200);
    assert_eq!(provider.send(post("/admin/keys").by_operator()).header("allow"), Some("GET, HEAD"));
    assert_eq!(
        provider.send(get("/admin/keys/rotate").by_operator()).header("allow"),
        Some("POST")
    );
    assert_eq!(provider.send(get("/admin/keys")).status, 401);
}

#[test]
fn a_key_that_an_operator_has_ended_by_hand_gets_a_successor_without_a_gap() {
    let provider = TestProvider::new();
    provider.put_alice();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &foreign_key(1), (NOW, NOW, Some(NOW + SIGNING), None));
    provider.now.set(NOW + SIGNING - AHEAD + DAY);
    maintain(&provider);
    let [old, new] = listed(&provider, "ES256").try_into().unwrap();
    assert_eq!(old["sign_until"], new["sign_from"]);
}

#[test]
fn keys_are_deleted_long_after_they_retired_and_never_while_they_are_published() {
    let provider = TestProvider::with_keys();
    for _ in 0..7 {
        rotate(&provider, &json!({}));
        provider.sleep(SHORTEST_AHEAD + RETIREMENT);
    }
    assert_eq!(listed(&provider, "ES256").len(), 8);
    provider.in_isolate_ahead(YEAR, || provider.maintain());
    assert_eq!(
        listed(&provider, "ES256").len(),
        5,
        "whatever a clock shows, with the one that it made"
    );
    let published = keys_for(&provider.send(get(JWKS)), "ES256").len();
    assert_eq!(published, 1, "the key that signs; the others had retired");
    provider.sleep(KEY_ROW_SECONDS);
    // Runs with the right clock make no key until ten of them have overruled the other.
    for _ in 0..10 {
        assert_eq!(provider.maintain().level(), Level::Error);
        provider.sleep(300);
    }
    maintain(&provider);
    assert_eq!(states(&provider, "ES256").iter().filter(|state| *state == "signing").count(), 1);
}

#[test]
fn a_key_is_deleted_thirty_days_after_it_has_retired() {
    let provider = TestProvider::with_keys();
    for _ in 0..7 {
        rotate(&provider, &json!({}));
        provider.sleep(SHORTEST_AHEAD + RETIREMENT);
    }
    let first = listed(&provider, "ES256").remove(0);
    let deleted_at = first["retire_at"].as_i64().unwrap() + KEY_ROW_SECONDS;
    for (now, is_kept) in [(provider.now.get(), true), (deleted_at - 1, true), (deleted_at, false)]
    {
        provider.now.set(now);
        maintain(&provider);
        let keys = listed(&provider, "ES256");
        assert_eq!(keys.iter().any(|key| key["kid"] == first["kid"]), is_kept, "at {}", now - NOW);
    }
}
