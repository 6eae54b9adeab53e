//! Clients that sign: their keys, assertions and request objects.

use crate::browser::{TestClient, VERIFIER, encode};
use crate::platform::{number, rsa_jwks, sign_rs256};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, post};
use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::{RandomizedSigner, SignatureEncoding, Signer as _};
use serde_json::{Value, json};
use std::cell::Cell;

pub const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's key. The same algorithm and number give the same key.
#[derive(Clone, Debug)]
pub struct Signer {
    pub alg: &'static str,
    pub kid: Option<&'static str>,
    number: u8,
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

impl Signer {
    pub fn new(alg: &'static str, kid: Option<&'static str>, number: u8) -> Self {
        Self { alg, kid, number }
    }

    fn rsa(&self) -> Value {
        rsa_jwks()[usize::from(self.number) % rsa_jwks().len()].clone()
    }

    fn ec(&self) -> p256::ecdsa::SigningKey {
        p256::ecdsa::SigningKey::from_slice(&[self.number + 1; 32]).unwrap()
    }

    fn okp(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&[self.number; 32])
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let mut jwk = match self.alg {
            "ES256" => {
                let point = self.ec().verifying_key().to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            "EdDSA" => {
                let x = base64url(self.okp().verifying_key().as_bytes());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
            _ => json!({ "kty": "RSA", "n": self.rsa()["n"], "e": "AQAB" }),
        };
        if let Some(kid) = self.kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// Signs claims with the key's own `alg` and `kid` in the header.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = json!({ "alg": self.alg });
        if let Some(kid) = self.kid {
            header["kid"] = kid.into();
        }
        self.sign_under(&header, claims)
    }

    /// Signs claims with any header.
    pub fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let message = input.as_bytes();
        let signature = match self.alg {
            "ES256" => {
                let signature: p256::ecdsa::Signature = self.ec().sign(message);
                signature.to_bytes().to_vec()
            }
            "EdDSA" => self.okp().sign(message).to_bytes().to_vec(),
            "PS256" => sign_ps256(&self.rsa(), message),
            _ => sign_rs256(&self.rsa(), message),
        };
        format!("{input}.{}", base64url(signature))
    }

    /// The claims of a new assertion of this client, valid for a minute.
    pub fn claims(&self, provider: &TestProvider, client_id: &str) -> Value {
        thread_local! { static NEXT: Cell<u32> = const { Cell::new(0) } }
        let number = NEXT.replace(NEXT.get() + 1);
        let now = provider.now.get();
        json!({
            "iss": client_id, "sub": client_id, "aud": ISSUER, "jti": format!("jti-{number}"),
            "iat": now, "exp": now + 60,
        })
    }

    /// A valid assertion.
    pub fn assertion(&self, provider: &TestProvider, client_id: &str) -> String {
        self.sign(&self.claims(provider, client_id))
    }
}

fn sign_ps256(jwk: &Value, message: &[u8]) -> Vec<u8> {
    let primes = vec![number(jwk, "p"), number(jwk, "q")];
    let key = rsa::PrivateKey::from_components(
        number(jwk, "n"),
        number(jwk, "e"),
        number(jwk, "d"),
        primes,
    );
    let key = rsa::pss::SigningKey::<sha2::Sha256>::new(key.unwrap());
    key.sign_with_rng(&mut Salt, message).to_vec()
}

/// A constant salt, because tests need no randomness here.
struct Salt;

impl rsa::rand_core::TryRng for Salt {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(4);
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for Salt {}

impl TestProvider {
    /// Stores a client that uses `private_key_jwt`. `fields` replace the defaults of its metadata.
    pub fn put_signing(&self, id: &str, fields: Value) -> TestClient {
        let mut document = json!({ "token_endpoint_auth_method": "private_key_jwt" });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.put_client_with(id, document)
    }

    pub fn redeem_by(&self, assertion: &str, client: &TestClient, code: &str) -> TestResponse {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.token_by(assertion, &parameters)
    }

    pub fn refresh_by(&self, assertion: &str, token: &str) -> TestResponse {
        self.token_by(assertion, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// Sends a token request with an assertion.
    pub fn token_by(&self, assertion: &str, parameters: &[(&str, &str)]) -> TestResponse {
        self.send(by_assertion(assertion, parameters))
    }
}

/// A token request with an assertion.
pub fn by_assertion(assertion: &str, parameters: &[(&str, &str)]) -> TestRequest {
    let mut all = vec![("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    all.extend(parameters);
    post("/auth/token").form(&encode(&all))
}
