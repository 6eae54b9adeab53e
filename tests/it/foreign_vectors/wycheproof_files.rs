//! Wycheproof: signatures that attack verifiers, for each algorithm of clients and for the provider's own.

use base64ct::{Base64UrlUnpadded, Encoding};
use postern::jose::jwk::PublicKey;
use postern::ports::Crypto;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use super::{ACCEPTED, Explained, KEY_REFUSED, REFUSED, Verdicts, assert_explained};
use super::{assert_golden_verdicts, verdict};
use crate::platform::Native;
use crate::test_provider::block_on;

const EXPONENT: &str = "the exponent of an accepted RSA key is 65537";
const MODULUS: &str = "the modulus of an accepted RSA key has at most 4096 bits";
const SALT: &str = "the salt of PS256 has 32 bytes (RFC 7518 section 3.5)";
const HASH: &str = "PS256 has SHA-256 for the message and for MGF1 (RFC 7518 section 3.5)";

/// A file of Wycheproof with the algorithm that it is for, the number of its vectors and the explained disagreements.
struct Suite {
    file: &'static str,
    alg: &'static str,
    count: usize,
    explained: &'static [Explained],
}

const fn suite(file: &'static str, alg: &'static str, count: usize) -> Suite {
    Suite { file, alg, count, explained: &[] }
}

const SUITES: [Suite; 10] = [
    suite("ecdsa_secp256r1_sha256_p1363", "ES256", 262),
    suite("ed25519", "EdDSA", 151),
    Suite { explained: &[(EXPONENT, 2)], ..suite("rsa_signature_2048_sha256", "RS256", 259) },
    Suite { explained: &[(EXPONENT, 1)], ..suite("rsa_signature_3072_sha256", "RS256", 259) },
    suite("rsa_signature_4096_sha256", "RS256", 258),
    Suite { explained: &[(MODULUS, 7)], ..suite("rsa_signature_8192_sha256", "RS256", 258) },
    suite("rsa_pss_2048_sha256_mgf1_32", "PS256", 108),
    suite("rsa_pss_3072_sha256_mgf1_32", "PS256", 108),
    suite("rsa_pss_4096_sha256_mgf1_32", "PS256", 108),
    Suite { explained: &[(SALT, 62)], ..suite("rsa_pss_2048_sha256_mgf1_0", "PS256", 103) },
];

/// PSS with each combination of hash functions and sizes of the salt, of which one is PS256.
const PSS: Suite =
    Suite { explained: &[(HASH, 144), (SALT, 5)], ..suite("rsa_pss_misc", "PS256", 150) };

/// The directory of the files. The crate `wycheproof` carries them.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    // Without a platform, cargo would download the crates of all platforms.
    let arguments = "metadata --format-version 1 --locked --filter-platform host-tuple";
    let output = Command::new(env!("CARGO")).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "wycheproof").unwrap();
    PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("src/data")
});

impl Suite {
    fn groups(&self) -> Vec<Value> {
        let path = DIRECTORY.join(format!("{}_test.json", self.file));
        let mut file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        serde_json::from_value(file["testGroups"].take()).unwrap()
    }

    /// The reason why the verdict about a signature differs.
    fn reason(&self, group: &Value, test: &Value) -> Option<&'static str> {
        if test["result"] == "invalid" {
            // For PS256 it is this salt that is right.
            return (test["comment"] == "s_len changed to 32").then_some(SALT);
        }
        if group["publicKey"]["publicExponent"].as_str().is_some_and(|e| e != "010001") {
            return Some(EXPONENT);
        }
        if group["keySize"].as_u64().is_some_and(|bits| bits > 4096) {
            return Some(MODULUS);
        }
        if self.alg != "PS256" {
            return None;
        }
        if group["sha"] != "SHA-256" || group["mgfSha"] != "SHA-256" {
            return Some(HASH);
        }
        (group["sLen"] != 32).then_some(SALT)
    }

    fn check(&self, platform: &Native) -> String {
        let mut verdicts = String::new();
        let mut reasons = Vec::new();
        for group in self.groups() {
            let jwk = jwk(&group["publicKey"]);
            let provider_key = provider_key(&jwk, self.alg);
            for test in group["tests"].as_array().unwrap() {
                let (message, signature) = (bytes(&test["msg"]), bytes(&test["sig"]));
                let verdict =
                    verdict(platform, &json!([jwk]), (self.alg, None), &message, &signature);
                verdicts.push(verdict);
                let name = format!("{} {}", test["tcId"], test["comment"]);
                if let Some(key) = &provider_key {
                    let own = block_on(platform.verify(key, &message, &signature)).unwrap();
                    let own = if own { ACCEPTED } else { REFUSED };
                    assert_eq!(own, verdict, "{}: {name}, as the provider's own key", self.file);
                }
                // An acceptable signature is one that some verifiers accept for older signers. None is accepted here.
                if (test["result"] == "valid") != (verdict == ACCEPTED) {
                    reasons.push((name, self.reason(&group, test)));
                }
            }
        }
        assert_eq!(verdicts.len(), self.count, "the number of vectors in {}", self.file);
        assert_explained(self.file, &reasons, self.explained);
        println!(
            "{}, {}: {} of {} agree; {} explained, {} with a refused key",
            self.file,
            self.alg,
            self.count - reasons.len(),
            self.count,
            reasons.len(),
            verdicts.matches(KEY_REFUSED).count()
        );
        verdicts
    }
}

fn bytes(hex: &Value) -> Vec<u8> {
    let pairs = hex.as_str().unwrap().as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

/// The JWK of a public key as Wycheproof writes it: with a zero before a number whose first bit is set.
fn jwk(key: &Value) -> Value {
    let number = |name: &str| {
        let bytes = bytes(&key[name]);
        Base64UrlUnpadded::encode_string(bytes.strip_prefix(&[0]).unwrap_or(&bytes))
    };
    if key["curve"] == "secp256r1" {
        let point = bytes(&key["uncompressed"]);
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y));
        return json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    }
    if key["curve"] == "edwards25519" {
        let x = Base64UrlUnpadded::encode_string(&bytes(&key["pk"]));
        return json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    }
    json!({ "kty": "RSA", "n": number("modulus"), "e": number("publicExponent") })
}

/// The same key as one of the provider's own, if it can be one.
fn provider_key(jwk: &Value, alg: &str) -> Option<PublicKey> {
    let kid = Base64UrlUnpadded::encode_string(&Sha256::digest(jwk.to_string()));
    let mut jwk = jwk.clone();
    (jwk["use"], jwk["alg"], jwk["kid"]) = ("sig".into(), alg.into(), kid.into());
    serde_json::from_value(jwk).ok()
}

#[test]
fn every_signature_of_wycheproof_gets_the_verdict_of_wycheproof_or_a_reason() {
    let platform = Native::new();
    let suites = SUITES.iter().chain([&PSS]);
    let verdicts: Verdicts = suites.map(|suite| (suite.file, suite.check(&platform))).collect();
    assert_golden_verdicts("verdicts_of_wycheproof.json", &verdicts);
}
