//! Test vectors that others have published. `tests/vectors/foreign/README.md` has their sources and licenses.
//!
//! Each suite has a verdict for each of its vectors. A verdict that differs from the publisher's needs a reason in the
//! table of the suite. The verdicts are in golden files, with which `tests/edge/foreign_vectors.test.mjs` compares those
//! of SubtleCrypto and of the built module.

mod jose_files;
mod json_suites;
mod rfc_requests;
mod wycheproof_files;

use postern::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use postern::ports::Crypto;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::platform::Native;
use crate::test_provider::{assert_golden, block_on};

/// A vector is accepted.
const ACCEPTED: char = '+';
/// The signature, the text or the document is refused.
const REFUSED: char = '-';
/// The key is refused, or another part of a JWK Set.
const KEY_REFUSED: char = 'k';

/// The verdict of each vector of a suite, in the order of its file.
type Verdicts = BTreeMap<&'static str, String>;

fn assert_golden_verdicts(name: &str, verdicts: &Verdicts) {
    let text = serde_json::to_string_pretty(verdicts).unwrap();
    assert_golden(&format!("foreign/{name}"), &format!("{text}\n"));
}

/// A reason why verdicts differ from the publisher's, and how many there are.
type Explained = (&'static str, usize);

/// Asserts that each disagreement has a reason of the table, and that each reason of it is as frequent as it says.
/// `reasons` has an element for each vector on which the verdicts differ: its name and the reason, if there is one.
#[track_caller]
fn assert_explained(
    suite: &str,
    reasons: &[(String, Option<&'static str>)],
    explained: &[Explained],
) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, reason) in reasons {
        let reason = reason.unwrap_or_else(|| panic!("{suite}: nothing explains {name}"));
        *counts.entry(reason).or_default() += 1;
    }
    assert_eq!(counts, explained.iter().copied().collect(), "{suite}");
}

/// The verdict about a client's signature, by the keys of a JWK Set and by `alg` and `kid` of the header.
fn verdict(
    platform: &Native,
    keys: &Value,
    (alg, kid): (&str, Option<&str>),
    message: &[u8],
    signature: &[u8],
) -> char {
    let Ok(keys) = ClientKeys::from_json(&serde_json::json!({ "keys": keys })) else {
        return KEY_REFUSED;
    };
    let Some(alg) = ClientAlgorithm::from_name(alg) else { return REFUSED };
    let is_valid = keys
        .candidates(alg, kid)
        .any(|key| block_on(platform.verify_of_client(key, alg, message, signature)).unwrap());
    if is_valid { ACCEPTED } else { REFUSED }
}

fn read(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("tests/vectors/foreign/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
