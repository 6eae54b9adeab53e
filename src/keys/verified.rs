//! Access tokens whose signature this isolate has verified, so that it verifies each only once.
//!
//! Nothing else is taken for granted: whoever finds a token here still checks its key, its times and its
//! grant, each time. Only tokens of ours that were accepted get in, so that no flood of forged ones pushes
//! a good one out.

use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::lifetimes::VERIFIED_TOKENS_SECONDS;
use crate::protocol::token::access_token::AccessToken;

/// How many tokens a generation holds. There are two.
pub const CAPACITY: usize = 512;

/// A SHA-256 digest of a token. The token itself is not kept, and no guess at one gets closer to it.
pub type TokenDigest = [u8; 32];

/// The digest of a token.
pub fn token_digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// What a token said.
#[derive(Debug)]
pub struct Verified {
    /// The key that verified it.
    pub kid: String,
    /// What it says, checked.
    pub token: AccessToken,
}

#[derive(Default)]
struct Generations {
    young: HashMap<TokenDigest, Rc<Verified>>,
    old: HashMap<TokenDigest, Rc<Verified>>,
    /// When the young are the old.
    turns_at: i64,
}

/// The tokens, in two generations: a token that is used is moved to the young one; when that is full, or its
/// time is over, the old one is forgotten and the young one grows old.
#[derive(Default)]
pub struct VerifiedTokens(RefCell<Generations>);

impl VerifiedTokens {
    /// What a token said that was verified before.
    pub fn find(&self, digest: &TokenDigest, now: i64) -> Option<Rc<Verified>> {
        let mut generations = self.0.borrow_mut();
        generations.turn(now);
        if let Some(verified) = generations.young.get(digest) {
            return Some(Rc::clone(verified));
        }
        let verified = generations.old.remove(digest)?;
        generations.young.insert(*digest, Rc::clone(&verified));
        Some(verified)
    }

    /// Remembers a token that was accepted.
    pub fn remember(&self, digest: TokenDigest, verified: Rc<Verified>, now: i64) {
        let mut generations = self.0.borrow_mut();
        generations.turn(now);
        generations.young.insert(digest, verified);
    }

    /// Forgets a token that is accepted no more.
    pub fn forget(&self, digest: &TokenDigest) {
        let mut generations = self.0.borrow_mut();
        generations.young.remove(digest);
        generations.old.remove(digest);
    }
}

impl Generations {
    fn turn(&mut self, now: i64) {
        if self.young.len() < CAPACITY && now < self.turns_at {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        self.turns_at = now + VERIFIED_TOKENS_SECONDS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(tokens: &VerifiedTokens, token: &str, now: i64) {
        let said = AccessToken {
            client_id: String::new(),
            exp: 0,
            grant_id: String::new(),
            iat: 0,
            jti: String::new(),
            nbf: 0,
            scope: String::new(),
            sub: String::new(),
        };
        let verified = Verified { kid: "kid".into(), token: said };
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
    fn a_token_in_use_stays_and_the_others_make_room() {
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
