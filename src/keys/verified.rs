//! A memory of access tokens whose signature this isolate has verified, so that it verifies each only once.
//!
//! The memory replaces only the verification of the signature: the caller still checks the key, the times and the grant
//! in every request. Only accepted tokens are remembered, so that forged tokens cannot evict valid ones.

use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::lifetimes::VERIFIED_TOKENS_SECONDS;
use crate::protocol::token::access_token::AccessToken;

/// The largest number of tokens in one of the two generations.
pub const CAPACITY: usize = 512;

/// The SHA-256 digest of a token. The token itself is not kept, and timing reveals nothing about it.
pub type TokenDigest = [u8; 32];

pub fn token_digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// A token whose signature was verified.
#[derive(Debug)]
pub struct Verified {
    /// The `kid` of the key that verified it.
    pub kid: String,
    /// Its claims, validated.
    pub token: AccessToken,
}

#[derive(Default)]
struct Generations {
    young: HashMap<TokenDigest, Rc<Verified>>,
    old: HashMap<TokenDigest, Rc<Verified>>,
    /// The time at which the young generation becomes the old one, in Unix seconds.
    replace_at: i64,
}

/// The remembered tokens, in two generations. A token that is used moves to the young generation. If that one is full,
/// or has taken entries for [`VERIFIED_TOKENS_SECONDS`], it replaces the old one, and the old one is dropped.
#[derive(Default)]
pub struct VerifiedTokens(RefCell<Generations>);

impl VerifiedTokens {
    /// Returns a token that was verified before.
    pub fn find(&self, digest: &TokenDigest, now: i64) -> Option<Rc<Verified>> {
        let mut generations = self.0.borrow_mut();
        generations.replace_if_due(now);
        if let Some(verified) = generations.young.get(digest) {
            return Some(Rc::clone(verified));
        }
        let verified = generations.old.remove(digest)?;
        generations.young.insert(*digest, Rc::clone(&verified));
        Some(verified)
    }

    pub fn remember(&self, digest: TokenDigest, verified: Rc<Verified>, now: i64) {
        let mut generations = self.0.borrow_mut();
        generations.replace_if_due(now);
        generations.young.insert(digest, verified);
    }

    /// Forgets a token that is no longer accepted.
    pub fn forget(&self, digest: &TokenDigest) {
        let mut generations = self.0.borrow_mut();
        generations.young.remove(digest);
        generations.old.remove(digest);
    }
}

impl Generations {
    fn replace_if_due(&mut self, now: i64) {
        if self.young.len() < CAPACITY && now < self.replace_at {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        self.replace_at = now + VERIFIED_TOKENS_SECONDS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(tokens: &VerifiedTokens, token: &str, now: i64) {
        let claims = AccessToken {
            aud: String::new(),
            client_id: String::new(),
            exp: 0,
            grant_id: None,
            iat: 0,
            jti: String::new(),
            nbf: 0,
            scope: String::new(),
            sub: String::new(),
        };
        let verified = Verified { kid: "kid".into(), token: claims };
        tokens.remember(token_digest(token), Rc::new(verified), now);
    }

    fn knows(tokens: &VerifiedTokens, token: &str, now: i64) -> bool {
        tokens.find(&token_digest(token), now).is_some()
    }

    fn size(tokens: &VerifiedTokens) -> usize {
        let generations = tokens.0.borrow();
        generations.young.len() + generations.old.len()
    }

    #[test]
    fn a_generation_is_replaced_when_it_is_full_or_old() {
        let now = 1_780_000_000;
        let sizes = |tokens: &VerifiedTokens| {
            let generations = tokens.0.borrow();
            (generations.young.len(), generations.old.len())
        };
        let tokens = VerifiedTokens::default();
        for number in 0..CAPACITY {
            remember(&tokens, &number.to_string(), now);
        }
        assert_eq!(sizes(&tokens), (CAPACITY, 0));
        remember(&tokens, "one more", now);
        assert_eq!(sizes(&tokens), (1, CAPACITY));

        let tokens = VerifiedTokens::default();
        remember(&tokens, "first", now);
        remember(&tokens, "second", now + VERIFIED_TOKENS_SECONDS - 1);
        assert_eq!(sizes(&tokens), (2, 0));
        remember(&tokens, "third", now + VERIFIED_TOKENS_SECONDS);
        assert_eq!(sizes(&tokens), (1, 2));
    }

    #[test]
    fn a_full_memory_forgets_unused_tokens_first() {
        let tokens = VerifiedTokens::default();
        remember(&tokens, "used", 0);
        for number in 0..5_000 {
            remember(&tokens, &number.to_string(), 0);
            assert!(knows(&tokens, "used", 0), "after {number} others");
            assert!(size(&tokens) <= 2 * CAPACITY);
        }
        assert!(knows(&tokens, "4999", 0));
        assert!(!knows(&tokens, "0", 0));
    }

    #[test]
    fn a_token_that_is_not_used_is_forgotten() {
        let tokens = VerifiedTokens::default();
        remember(&tokens, "used", 0);
        remember(&tokens, "unused", 0);
        for now in
            [VERIFIED_TOKENS_SECONDS, 2 * VERIFIED_TOKENS_SECONDS, 3 * VERIFIED_TOKENS_SECONDS]
        {
            assert!(knows(&tokens, "used", now));
        }
        assert!(!knows(&tokens, "unused", 3 * VERIFIED_TOKENS_SECONDS));
        tokens.forget(&token_digest("used"));
        assert_eq!(size(&tokens), 0);
    }
}
