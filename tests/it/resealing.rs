//! Signing keys after a change of `KEY_ENCRYPTION_KEY`: the maintenance seals them again; a lost one cannot be opened.

use crate::browser::{Browser, field};
use crate::secret_changes::{NEW_KEY, after_step};
use crate::test_provider::{KEY_ENCRYPTION_KEY, NOW, TestProvider, get, post, variables_with};
use postern::Level;
use postern::crypto::seal::{Opened, Sealer};
use postern::jose::jwk::{EcPrivateKey, P256_BYTES, PrivateKey};
use postern::secret::{ReplaceableSecret, Secret};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// More than two runs seal.
const KEYS: u8 = 25;

fn sealer(secret: &str) -> Sealer {
    let current = Some(Secret::new(secret.into()));
    Sealer::new(&ReplaceableSecret { current, previous: None }).unwrap()
}

/// Stores keys that sign no longer and are still published, sealed under the old secret.
fn store_old_keys(provider: &TestProvider) {
    // The generated keys have low numbers.
    for number in 101..=100 + KEYS {
        let key = EcPrivateKey::from_scalar(Zeroizing::new([number; P256_BYTES])).unwrap();
        let key = PrivateKey::Ec(key);
        let sealed = sealer(KEY_ENCRYPTION_KEY).seal(&key, [number; 12]).unwrap();
        let public = serde_json::to_string(&key.public()).unwrap();
        let sql = "INSERT INTO signing_keys (alg, kid, public_jwk, sealed_private, publish_from, \
                     sign_from, sign_until, retire_at) VALUES ('ES256', ?1, ?2, ?3, 1, 1, 2, ?4)";
        let retire_at = NOW + 1_000_000;
        provider.platform.primary.execute(sql, (key.kid(), public, sealed, retire_at)).unwrap();
    }
}

/// Each row of the key table: its kid and the sealed key.
fn rows(provider: &TestProvider) -> Vec<(String, String)> {
    let sql = "SELECT kid, sealed_private FROM signing_keys ORDER BY kid";
    let mut statement = provider.platform.primary.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// How many keys this secret opens.
fn opened_by(provider: &TestProvider, secret: &str) -> usize {
    let is_open = |(kid, sealed): &(String, String)| {
        matches!(sealer(secret).try_open(sealed, kid), Opened::Current(_))
    };
    rows(provider).iter().filter(|row| is_open(row)).count()
}

fn run(provider: &TestProvider) -> (Level, Value) {
    let log = provider.maintain();
    (log.level(), serde_json::from_str(&log.line()).unwrap())
}

fn report(resealed: u8, remaining: u8, unreadable: u8) -> Value {
    json!({ "resealed": resealed, "remaining": remaining, "unreadable": unreadable })
}

#[test]
fn keys_are_sealed_again_in_bounded_runs_that_may_be_interrupted_and_doubled() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    store_old_keys(&provider);
    let all = usize::from(KEYS) + 2;
    provider.deploy(after_step(1));
    assert_eq!(run(&provider).1["steps"]["reseal"], report(0, 0, 0), "nothing to do yet");

    provider.deploy(after_step(2));
    assert_eq!(run(&provider).1["steps"]["reseal"], report(10, 17, 0));
    assert_eq!((opened_by(&provider, NEW_KEY), opened_by(&provider, KEY_ENCRYPTION_KEY)), (10, 17));
    provider.mint("openid");

    // The database commits and its response is lost twice, after that to the deletion of retired keys: the step fails.
    provider.platform.responses_before_loss.set(1);
    provider.platform.lost_responses.set(2);
    let (level, line) = run(&provider);
    assert_eq!(level, Level::Error);
    assert_eq!(line["steps"].get("reseal"), None);
    assert_eq!((opened_by(&provider, NEW_KEY), opened_by(&provider, KEY_ENCRYPTION_KEY)), (20, 7));

    // A run that fails before it writes changes nothing.
    let before = rows(&provider);
    provider.platform.batches_fail.set(true);
    assert_eq!(run(&provider).0, Level::Error);
    provider.platform.batches_fail.set(false);
    assert_eq!(rows(&provider), before);

    // An isolate of the step before runs the maintenance, too, and then one of this step.
    provider.deploy(after_step(1));
    assert_eq!(run(&provider).1["steps"]["reseal"], report(10, 10, 0));
    provider.deploy(after_step(2));
    for remaining in [7, 0] {
        assert_eq!(run(&provider).1["steps"]["reseal"]["remaining"], remaining);
    }
    assert_eq!(run(&provider).1["steps"]["reseal"], report(0, 0, 0));
    assert_eq!(opened_by(&provider, NEW_KEY), all);

    provider.deploy(after_step(3));
    provider.mint("openid");
    assert_eq!(run(&provider), (Level::Information, run(&provider).1));
}

#[test]
fn a_key_that_another_run_has_sealed_meanwhile_is_kept() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.deploy(after_step(2));
    let theirs = "UPDATE signing_keys SET sealed_private = 'theirs' WHERE alg = 'RS256'";
    provider.platform.before_batches.borrow_mut().push_back(theirs);
    run(&provider);
    let sealed: Vec<_> = rows(&provider).into_iter().map(|(_, sealed)| sealed).collect();
    assert!(sealed.contains(&"theirs".into()), "{sealed:?}");
    assert_eq!(opened_by(&provider, NEW_KEY), 1);
}

#[test]
fn a_damaged_row_is_left_as_it_is_and_does_not_stop_the_others() {
    let provider = TestProvider::with_keys();
    store_old_keys(&provider);
    let damage = "UPDATE signing_keys SET sealed_private = 'damaged' WHERE sign_until = 2 \
                  AND kid < (SELECT kid FROM signing_keys WHERE sign_until = 2 LIMIT 1 OFFSET 5)";
    assert_eq!(provider.platform.primary.execute(damage, ()), Ok(5));
    provider.deploy(after_step(2));
    for remaining in [12, 2, 0] {
        // They have signed their last token, so nobody misses them.
        let (level, line) = run(&provider);
        assert_eq!(level, Level::Information, "{line}");
        assert_eq!(line["steps"]["reseal"]["remaining"], remaining);
    }
    assert_eq!(rows(&provider).iter().filter(|(_, sealed)| sealed == "damaged").count(), 5);
}

#[test]
fn a_malformed_previous_secret_is_logged_by_each_run_and_stops_no_request() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let mut variables = variables_with("KEY_ENCRYPTION_KEY_PREVIOUS", "AAAA");
    provider.deploy(variables.clone());
    provider.mint("openid");
    let (level, line) = run(&provider);
    assert_eq!(level, Level::Error);
    let notes = line["notes"].to_string();
    assert!(notes.contains("KEY_ENCRYPTION_KEY_PREVIOUS: must be 32 bytes"), "{notes}");
    // It opens nothing, so the mistake shows before the old value is gone.
    variables.retain(|(name, _)| *name != "KEY_ENCRYPTION_KEY");
    variables.push(("KEY_ENCRYPTION_KEY", NEW_KEY.into()));
    provider.deploy(variables);
    let before = rows(&provider);
    assert_eq!(run(&provider).1["steps"]["reseal"], report(0, 0, 2));
    assert_eq!(rows(&provider), before);
}

#[test]
fn with_a_lost_key_issued_tokens_and_sessions_live_and_every_run_names_the_secret() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let scope = ("scope", "openid email offline_access");
    let code = alice.authorize(&app, "alice@example.com", &[scope]);
    let tokens = provider.redeem(&app, &code);
    let access_token = field(&tokens, "access_token");
    let keys = provider.send(get("/auth/jwks.json")).body;

    for lost in [NEW_KEY, "", "AAAA"] {
        provider.deploy(variables_with("KEY_ENCRYPTION_KEY", lost));
        provider.platform.cache.borrow_mut().clear();
        // Every cron run names it, although no request comes.
        let (level, line) = run(&provider);
        assert_eq!(level, Level::Error);
        assert!(line["notes"].to_string().contains("KEY_ENCRYPTION_KEY: "), "{line}");
        if lost == NEW_KEY {
            assert_eq!(line["steps"]["reseal"], report(0, 0, 2));
        }
        // Verification goes on.
        assert_eq!(provider.send(get("/auth/jwks.json")).body, keys);
        let userinfo = provider.send(get("/auth/userinfo").bearer(&access_token));
        assert_eq!(userinfo.json()["email"], "alice@example.com");
        // Nothing is signed, and a refused refresh spends nothing.
        let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
        assert_eq!(refreshed.status, 500, "{}", refreshed.body);
        assert!(refreshed.log["notes"].to_string().contains("KEY_ENCRYPTION_KEY"));
        assert!(!refreshed.body.contains("KEY_ENCRYPTION_KEY"), "{}", refreshed.body);
        let order = json!({ "sub": "alice", "scope": "openid" });
        let minted = provider.send(post("/admin/tokens").by_operator().json(&order));
        assert!(minted.body.contains("KEY_ENCRYPTION_KEY: "), "{}", minted.body);
    }
    // The secret is found again: nothing was lost.
    provider.deploy(variables_with("KEY_ENCRYPTION_KEY", KEY_ENCRYPTION_KEY));
    assert_eq!(run(&provider).1["steps"]["reseal"], report(0, 0, 0));
    assert_eq!(provider.now.get(), NOW);
    assert_eq!(provider.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
}
