//! Builders for forged tokens.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use postern::jose::jwk::{EcPrivateKey, P256_BYTES, PrivateKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::platform::{rsa_jwks, sign_rs256};
use crate::test_provider::ISSUER;

pub const AUD: &str = "https://login.example.com/auth/userinfo";
pub const BEGIN: i64 = 1_779_999_000;
pub const END: i64 = 4_102_444_800;
/// The scalar of the key of RFC 7515 appendix A.3. It is public, so it is suitable for tests only.
pub const OUR_KEY: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
/// The scalar of a key that the provider does not have: 32 bytes with the value 9.
pub const THEIR_KEY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
/// The order of P-256 (SEC 2 section 2.4.2).
pub const ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";

pub fn key(scalar: &str) -> EcPrivateKey {
    let scalar: [u8; P256_BYTES] = decode(scalar).try_into().unwrap();
    EcPrivateKey::from_scalar(scalar.into()).unwrap()
}

/// The provider's RSA key in these tests. It is public, too.
pub fn rsa_key() -> PrivateKey {
    PrivateKey::from_jwk(rsa_jwks()[0].to_string().as_bytes()).unwrap()
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

pub fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// The parts of a token before it is signed.
#[derive(Clone)]
pub struct Forge {
    header: String,
    pub payload: Vec<u8>,
    key: EcPrivateKey,
}

pub fn good() -> Forge {
    let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": key(OUR_KEY).public().kid() });
    let payload = json!({
        "iss": ISSUER, "sub": "alice", "aud": AUD, "client_id": "operator", "grant_id": "standing",
        "scope": "openid email", "jti": "1", "iat": BEGIN, "exp": END,
    });
    Forge { header: header.to_string(), payload: payload.to_string().into(), key: key(OUR_KEY) }
}

impl Forge {
    pub fn header(mut self, name: &str, value: Value) -> Self {
        let mut header: Value = serde_json::from_str(&self.header).unwrap();
        header[name] = value;
        self.header = header.to_string();
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        let mut header: Value = serde_json::from_str(&self.header).unwrap();
        header.as_object_mut().unwrap().remove(name).unwrap();
        self.header = header.to_string();
        self
    }

    pub fn raw_header(mut self, header: &str) -> Self {
        self.header = header.into();
        self
    }

    pub fn claim(mut self, name: &str, value: Value) -> Self {
        let mut payload: Value = serde_json::from_slice(&self.payload).unwrap();
        payload[name] = value;
        self.payload = payload.to_string().into();
        self
    }

    pub fn without_claim(mut self, name: &str) -> Self {
        let mut payload: Value = serde_json::from_slice(&self.payload).unwrap();
        payload.as_object_mut().unwrap().remove(name).unwrap();
        self.payload = payload.to_string().into();
        self
    }

    pub fn raw_payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    pub fn key(mut self, jwk: &str) -> Self {
        self.key = key(jwk);
        self
    }

    pub fn input(&self) -> String {
        format!("{}.{}", encode(&self.header), encode(&self.payload))
    }

    pub fn raw_signature(&self) -> [u8; 64] {
        let key = SigningKey::from_slice(self.key.scalar()).unwrap();
        let signature: Signature = key.sign(self.input().as_bytes());
        signature.to_bytes().into()
    }

    pub fn sign(self) -> String {
        let signature = self.raw_signature();
        self.signed(signature)
    }

    /// Signs with the provider's RSA key, independent of the header.
    pub fn sign_rs256(self) -> String {
        let signature = sign_rs256(&rsa_jwks()[0], self.input().as_bytes());
        self.signed(signature)
    }

    /// Appends any signature.
    pub fn signed(self, signature: impl AsRef<[u8]>) -> String {
        format!("{}.{}", self.input(), encode(signature))
    }

    /// Signs with HMAC-SHA-256 under a public text, as attacks on verifiers that take the algorithm from the
    /// header do.
    pub fn hmac(self, secret: &[u8]) -> String {
        let mut pad = [0; 64];
        let key: Vec<u8> =
            if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
        pad[..key.len()].copy_from_slice(&key);
        let inner =
            Sha256::digest([pad.map(|b| b ^ 0x36).as_slice(), self.input().as_bytes()].concat());
        let outer = Sha256::digest([pad.map(|b| b ^ 0x5c).as_slice(), &inner].concat());
        self.signed(outer)
    }
}
