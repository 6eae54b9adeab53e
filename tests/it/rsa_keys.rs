//! The RSA key, which one isolate generates after a response, and the key set without it.

use crate::jwks::{ALWAYS, BOTH, Row, insert_key, keys, rsa_key, stored_keys};
use crate::platform::{Native, rsa_jwks, sign_rs256};
use crate::test_provider::{
    NOW, TestProvider, Variables, block_on, get, post, variables, variables_with,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use postern::config::Config;
use postern::context::Context;
use postern::error::Internal;
use postern::jose::jwk::{Algorithm, PrivateKey, PublicKey};
use postern::jose::jws::Jws;
use postern::keys::published::PublishedKeys;
use postern::keys::signing::{SigningKeys, sign};
use postern::lifetimes::{INCOMPLETE_KEY_SET_SECONDS, KEY_SEARCH_PAUSE_SECONDS, KEY_SET_SECONDS};
use postern::ports::Crypto;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::rc::Rc;

const JWKS: &str = "/auth/jwks.json";
const ENDS_AT_ONCE: &str = "public, max-age=5, stale-while-revalidate=0, stale-if-error=0";

/// The keys that an isolate remembers, for direct calls without a request.
pub struct Isolate<'a> {
    provider: &'a TestProvider,
    config: Config,
    published: PublishedKeys,
    signing: SigningKeys,
}

impl<'a> Isolate<'a> {
    pub fn new(provider: &'a TestProvider) -> Self {
        Self::configured(provider, variables())
    }

    fn configured(provider: &'a TestProvider, variables: Variables) -> Self {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
        };
        let config = Config::parse(variable).unwrap();
        let (published, signing) = Default::default();
        Self { provider, config, published, signing }
    }

    fn in_context<T>(&self, work: impl AsyncFnOnce(&Context<'_, Native>) -> T) -> T {
        let randomness = |bytes: &mut [u8]| {
            bytes.fill(0x77);
            Ok(())
        };
        let now = self.provider.now.get();
        block_on(work(&Context::new(&self.config, &self.provider.platform, now, &randomness)))
    }

    fn signer(&self, alg: Algorithm) -> Result<Rc<PrivateKey>, Internal> {
        let Self { published, signing, .. } = self;
        self.in_context(async |context| signing.get(alg, published, context).await)
    }

    pub fn find(&self, alg: Algorithm, kid: &str) -> Result<Option<Rc<PublicKey>>, Internal> {
        self.in_context(async |context| self.published.find(alg, kid, context).await)
    }

    /// Generates a missing key, as the deferred task of a request does.
    fn generate(&self) -> Result<(), Internal> {
        let alg = Algorithm::Rs256;
        self.in_context(async |context| self.published.make_claimed(alg, context).await)
    }
}

fn is_unavailable<T>(result: &Result<T, Internal>) -> bool {
    matches!(result, Err(Internal::Unavailable { .. }))
}

#[test]
fn an_rsa_key_is_generated_only_after_the_response() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.skips_deferred_tasks.set(true);
    for _ in 0..5 {
        assert_eq!(keys(&provider.send(get(JWKS))).len(), 1);
        provider.mint("openid");
        provider.new_isolate();
    }
    assert_eq!(provider.platform.take_counts().generations, 0);
    assert_eq!(stored_keys(&provider), ["ES256"]);

    provider.skips_deferred_tasks.set(false);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 1, "the response does not wait for the key");
    assert_eq!(provider.platform.take_counts().generations, 1);
    assert_eq!(stored_keys(&provider), BOTH);
    assert_eq!(
        keys(&provider.send(get(JWKS))).len(),
        2,
        "the isolate that generated the key publishes it at once"
    );
    provider.new_isolate();
    provider.platform.take_counts();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
    assert_eq!(provider.platform.take_counts().statements, 0, "the set is in the cache");
}

#[test]
fn minting_a_token_also_generates_the_rsa_key() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.mint("openid");
    assert_eq!(stored_keys(&provider), BOTH);
    assert_eq!(provider.platform.take_counts().generations, 1);
}

#[test]
fn a_claim_expires_if_no_key_is_generated() {
    let provider = TestProvider::new();
    provider.platform.generation_fails.set(true);
    let response = provider.send(get(JWKS));
    assert_eq!(response.notes_after, ["SubtleCrypto is unavailable: injected fault"]);
    provider.platform.generation_fails.set(false);
    provider.platform.take_counts();
    for _ in 0..5 {
        provider.sleep(KEY_SEARCH_PAUSE_SECONDS);
        let response = provider.send_at_once(vec![get(JWKS); 3]);
        assert!(response.iter().all(|one| one.deferred == 1 && one.notes_after.is_empty()));
    }
    assert_eq!(provider.platform.take_counts().generations, 0, "the claim is still valid");
    provider.sleep(KEY_SEARCH_PAUSE_SECONDS);
    provider.send_at_once(vec![get(JWKS); 20]);
    assert_eq!(provider.platform.take_counts().generations, 1, "one isolate takes over the claim");
    assert_eq!(stored_keys(&provider), BOTH);
}

#[test]
fn an_incomplete_key_set_is_not_cached() {
    let provider = TestProvider::new();
    provider.skips_deferred_tasks.set(true);
    let response = provider.send(get(JWKS));
    assert_eq!(response.header("cache-control"), Some(ENDS_AT_ONCE));
    assert!(provider.platform.cache.borrow().is_empty());

    // Another isolate generates the key. This one finds it within seconds.
    Isolate::new(&provider).generate().unwrap();
    provider.sleep(INCOMPLETE_KEY_SET_SECONDS - 1);
    let response = provider.send(get(JWKS));
    assert_eq!(keys(&response).len(), 1);
    assert!(response.header("cache-control").unwrap().starts_with("public, max-age=1, "));
    provider.sleep(1);
    let response = provider.send(get(JWKS));
    assert_eq!(keys(&response).len(), 2);
    assert!(response.header("cache-control").unwrap().starts_with("public, max-age=300, "));
}

#[test]
fn a_flood_without_the_key_reads_the_table_once_in_five_seconds() {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = provider.mint("openid");
    provider.platform.primary.execute("DELETE FROM signing_keys WHERE alg = 'RS256'", ()).unwrap();
    provider.platform.cache.borrow_mut().clear();
    provider.skips_deferred_tasks.set(true);
    provider.sleep(60);
    provider.new_isolate();
    provider.send(get(JWKS));
    provider.platform.take_counts();
    for round in 1..=6 {
        provider.sleep(INCOMPLETE_KEY_SET_SECONDS);
        let mut response = provider.send_together(vec![get(JWKS); 50]);
        response.extend((0..50).map(|_| provider.send(get(JWKS))));
        assert!(response.iter().all(|one| keys(one).len() == 1));
        let counts = provider.platform.take_counts();
        assert_eq!((counts.cache_reads, counts.statements), (1, 1), "round {round}");
        let deferred: usize = response.iter().map(|one| one.deferred).sum();
        assert_eq!(
            deferred,
            usize::from(round % 2 == 0),
            "at most one deferred task in ten seconds"
        );
        // Access tokens are verified all the while, at the usual cost.
        let send_request = get("/auth/userinfo").bearer(&token);
        assert!(provider.send_together(vec![send_request; 20]).iter().all(|one| one.status == 200));
        let counts = provider.platform.take_counts();
        assert_eq!((counts.cache_reads, counts.statements), (0, 20));
    }
}

#[test]
fn an_incomplete_set_is_served_while_the_database_fails() {
    let provider = TestProvider::new();
    provider.skips_deferred_tasks.set(true);
    let body = provider.send(get(JWKS)).body;
    provider.platform.database_fails.set(true);
    provider.sleep(KEY_SET_SECONDS - 1);
    for _ in 0..3 {
        let response = provider.send(get(JWKS));
        assert_eq!((response.status, response.body.as_str()), (200, body.as_str()));
        let ends = "public, max-age=0, stale-while-revalidate=0, stale-if-error=0";
        assert_eq!(response.header("cache-control"), Some(ends));
    }
    assert_eq!(provider.platform.take_counts().statements, 2);
}

#[test]
fn without_the_encryption_key_no_key_is_generated() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    let token = provider.mint("openid");
    provider.platform.primary.execute("DELETE FROM signing_keys WHERE alg = 'RS256'", ()).unwrap();
    provider.platform.primary.execute("DELETE FROM key_claims", ()).unwrap();
    provider.platform.cache.borrow_mut().clear();
    for secret in ["", "AAAA", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"] {
        provider.deploy(variables_with("KEY_ENCRYPTION_KEY", secret));
        let mut notes = 0;
        for _ in 0..30 {
            let response = provider.send(get(JWKS));
            assert_eq!((keys(&response).len(), response.deferred), (1, 0));
            notes += usize::from(response.log.to_string().contains("KEY_ENCRYPTION_KEY"));
            assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
            provider.sleep(1);
        }
        assert_eq!(notes, 3, "logged once in ten seconds");
        let isolate = Isolate::configured(&provider, variables_with("KEY_ENCRYPTION_KEY", secret));
        for _ in 0..2 {
            let signer = isolate.signer(Algorithm::Rs256);
            assert!(matches!(signer, Err(Internal::Misconfigured { .. })), "{signer:?}");
        }
        provider.now.set(NOW);
    }
    assert_eq!(stored_keys(&provider), ["ES256"]);
}

#[test]
fn rs256_signs_and_verifies_once_its_key_is_generated() {
    let provider = TestProvider::new();
    let isolate = Isolate::new(&provider);
    for _ in 0..3 {
        assert!(is_unavailable(&isolate.signer(Algorithm::Rs256)), "the key is not generated yet");
    }
    assert_eq!(provider.platform.take_counts().generations, 0);
    isolate.generate().unwrap();
    let signer = isolate.signer(Algorithm::Rs256).unwrap();
    assert_eq!(signer.alg(), Algorithm::Rs256);
    provider.send(get(JWKS));

    let claims = json!({ "sub": "alice" });
    let signed = async |context: &Context<'_, Native>| sign(context, &signer, "JWT", &claims).await;
    let token = isolate.in_context(signed).unwrap();
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(jws.header_text("alg"), Some("RS256"));
    assert_eq!(jws.signature.len(), 256);
    let kid = jws.header_text("kid").unwrap();
    for isolate in [isolate, Isolate::new(&provider)] {
        let key = isolate.find(Algorithm::Rs256, kid).unwrap().unwrap();
        let input = jws.signing_input.as_bytes();
        let verify = |message: &[u8], signature: &[u8]| {
            block_on(provider.platform.verify(&key, message, signature)).unwrap()
        };
        assert!(verify(input, &jws.signature));
        assert!(!verify(b"another message", &jws.signature));
        assert!(!verify(input, &sign_rs256(&rsa_jwks()[1], input)), "signed with another key");
        assert!(!verify(input, &jws.signature[1..]) && !verify(input, b""));
    }
}

#[test]
fn the_signature_of_rfc_7515_appendix_a_2_verifies() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let required = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
    let kid = Base64UrlUnpadded::encode_string(&Sha256::digest(required));
    let jwk =
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": "AQAB" });
    let key: PublicKey = serde_json::from_value(jwk).unwrap();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let jws = Jws::parse(token).unwrap();
    let platform = TestProvider::new().platform;
    let verify = platform.verify(&key, jws.signing_input.as_bytes(), &jws.signature);
    assert!(block_on(verify).unwrap());
}

#[test]
fn an_unknown_kid_is_not_refused_while_its_key_is_generated() {
    let provider = TestProvider::new();
    provider.skips_deferred_tasks.set(true);
    provider.send(get(JWKS));
    let (kid, _, _) = rsa_key();
    let isolate = Isolate::new(&provider);
    assert!(
        isolate.find(Algorithm::Rs256, &kid).unwrap().is_none(),
        "the table does not have the key"
    );
    Isolate::new(&provider).generate().unwrap();
    provider.platform.take_counts();
    for _ in 0..5 {
        assert!(is_unavailable(&isolate.find(Algorithm::Rs256, &kid)), "the key may exist by now");
        assert!(isolate.find(Algorithm::Es256, "unknown").unwrap().is_none());
    }
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.statements), (0, 0));
    provider.sleep(KEY_SEARCH_PAUSE_SECONDS);
    assert_eq!(isolate.find(Algorithm::Rs256, &kid).unwrap().unwrap().kid(), kid);
    assert!(isolate.find(Algorithm::Rs256, "unknown").unwrap().is_none());
    assert!(
        isolate.find(Algorithm::Rs256, "unknown").unwrap().is_none(),
        "a search has not found the key"
    );
}

#[test]
fn a_signature_has_the_size_that_is_known_for_its_key() {
    let provider = TestProvider::with_keys();
    let isolate = Isolate::new(&provider);
    for alg in Algorithm::ALL {
        let key = isolate.signer(alg).unwrap();
        let signature = block_on(provider.platform.sign(&key, b"a message")).unwrap();
        assert_eq!(signature.len(), key.public().signature_bytes(), "{}", alg.name());
    }
}

/// The second RSA key, encrypted with the key encryption key of the tests.
fn successor() -> Row {
    let provider = TestProvider::with_keys();
    provider.platform.primary.execute("DELETE FROM signing_keys", ()).unwrap();
    provider.platform.primary.execute("DELETE FROM key_claims", ()).unwrap();
    Isolate::new(&provider).generate().unwrap();
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let sql = "SELECT kid, public_jwk, sealed_private FROM signing_keys";
    provider.platform.primary.query_row(sql, (), row).unwrap()
}

#[test]
fn an_rsa_key_is_rotated_at_its_times() {
    let provider = TestProvider::new();
    let (old, new) = (rsa_key(), successor());
    assert_ne!(old.0, new.0);
    let (sign_from, retire_at) = (NOW + KEY_SET_SECONDS, NOW + 2 * KEY_SET_SECONDS);
    insert_key(&provider, &old, (NOW, NOW, Some(sign_from), Some(retire_at)));
    insert_key(&provider, &new, (NOW, sign_from, None, None));
    let isolate = Isolate::new(&provider);
    let signs = || isolate.signer(Algorithm::Rs256).unwrap().kid().to_owned();
    assert_eq!(signs(), old.0);
    provider.now.set(sign_from - 1);
    assert_eq!(signs(), old.0);
    provider.now.set(sign_from);
    assert_eq!(signs(), new.0);
    for (now, is_known) in [(retire_at - 1, true), (retire_at, false)] {
        provider.now.set(now);
        assert_eq!(isolate.find(Algorithm::Rs256, &old.0).unwrap().is_some(), is_known);
    }
    assert_eq!(signs(), new.0);
}

#[test]
fn a_withdrawn_rsa_key_is_replaced_by_the_next_jwks_request() {
    let provider = TestProvider::with_keys();
    provider.sleep(KEY_SET_SECONDS);
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE alg = 'RS256'";
    provider.platform.primary.execute(withdraw, [NOW]).unwrap();
    provider.platform.cache.borrow_mut().clear();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 1);
    let response = provider.send(get(JWKS));
    let kids: Vec<_> = keys(&response).iter().map(|key| key["kid"].clone()).collect();
    assert!(kids.len() == 2 && !kids.contains(&rsa_key().0.into()));
}

#[test]
fn a_failed_search_does_not_count_after_the_set_has_changed() {
    let provider = TestProvider::new();
    provider.put_alice();
    insert_key(&provider, &rsa_key(), ALWAYS);
    insert_key(&provider, &successor(), (NOW, NOW, Some(NOW + 5), Some(NOW + 5)));
    let token = provider.mint("openid");
    let send_request = |token: &str| provider.send(get("/auth/userinfo").bearer(token)).status;
    let forged = format!(
        "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6InVua25vd24ifQ.e30.{}",
        "A".repeat(86)
    );
    assert_eq!((send_request(&forged), send_request(&token)), (401, 200));
    provider.sleep(5);
    assert_eq!(send_request(&token), 200, "although the last search was less than ten seconds ago");
    let order = json!({ "sub": "alice", "scope": "openid" });
    assert_eq!(provider.send(post("/admin/tokens").by_operator().json(&order)).status, 200);
}

#[test]
fn an_older_complete_set_in_the_cache_does_not_hide_a_new_key() {
    let provider = TestProvider::with_keys();
    let old = provider.platform.cache.borrow().clone();
    provider.sleep(2 * KEY_SEARCH_PAUSE_SECONDS);
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE alg = 'RS256'";
    provider.platform.primary.execute(withdraw, [NOW]).unwrap();
    provider.platform.primary.execute("DELETE FROM key_claims", ()).unwrap();
    provider.skips_deferred_tasks.set(true);
    let forged = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6InVua25vd24ifQ.e30.AAAA";
    provider.send(get("/auth/userinfo").bearer(forged));
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 1, "the search has read the table");
    Isolate::new(&provider).generate().unwrap();
    *provider.platform.cache.borrow_mut() = old;
    provider.sleep(INCOMPLETE_KEY_SET_SECONDS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
}
