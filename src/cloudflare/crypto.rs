//! The [`Crypto`] port on SubtleCrypto, with keys imported once an isolate.

use js_sys::Uint8Array;
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::{JsCast, JsValue};
use zeroize::Zeroizing;

use crate::cloudflare::task::{Outcome, wait};
use crate::cloudflare::{Edge, platform};
use crate::error::Internal;
use crate::jose::client_jwk::{ClientAlgorithm, ClientKey};
use crate::jose::jwk::{PrivateKey, PublicKey};
use crate::ports::Crypto;

const WHAT: &str = "SubtleCrypto";

/// More keys than any key table publishes at a time; past it, all are imported anew.
const CAPACITY: usize = 64;

/// Imported keys by what they are for and their thumbprint, which is no other key's.
#[derive(Default)]
pub struct Keys {
    clients: RefCell<HashMap<String, JsValue>>,
    private: RefCell<HashMap<String, JsValue>>,
    public: RefCell<HashMap<String, JsValue>>,
}

fn failed(detail: String) -> Internal {
    Internal::Unavailable { what: WHAT, detail }
}

/// The imported key of a thumbprint, imported from its JWK if it is new.
async fn imported(
    keys: &RefCell<HashMap<String, JsValue>>,
    alg: &str,
    kid: &str,
    jwk: impl FnOnce() -> Result<Zeroizing<String>, String>,
    usage: &str,
) -> Outcome {
    if let Some(key) = keys.borrow().get(kid) {
        return Ok(key.clone());
    }
    let key = wait(platform::import_key(alg, &jwk()?, usage)).await?;
    let mut keys = keys.borrow_mut();
    if keys.len() >= CAPACITY {
        keys.clear();
    }
    keys.insert(kid.to_owned(), key.clone());
    Ok(key)
}

impl Edge {
    async fn try_sign(&self, key: &PrivateKey, message: &[u8]) -> Outcome {
        let jwk = || Ok(key.to_jwk());
        let key = imported(&self.keys.private, key.alg().name(), key.kid(), jwk, "sign").await?;
        wait(platform::sign(&key, message)).await
    }

    async fn try_verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Outcome {
        let jwk = || {
            let jwk = serde_json::to_string(key).map_err(|error| error.to_string())?;
            Ok(Zeroizing::new(jwk))
        };
        let key = imported(&self.keys.public, key.alg().name(), key.kid(), jwk, "verify").await?;
        wait(platform::verify(&key, signature, message)).await
    }
}

impl Crypto for Edge {
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal> {
        let jwk = wait(platform::generate_rsa()).await.map_err(failed)?;
        let jwk = Zeroizing::new(jwk.as_string().unwrap_or_default());
        PrivateKey::from_jwk(jwk.as_bytes()).ok_or_else(|| Internal::Broken {
            detail: format!("{WHAT} exported a key that is not an RSA key of 2048 bits"),
        })
    }

    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal> {
        let signature = self.try_sign(key, message).await.map_err(failed)?;
        Ok(signature.unchecked_into::<Uint8Array>().to_vec())
    }

    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        let is_right = self.try_verify(key, message, signature).await.map_err(failed)?;
        Ok(is_right.is_truthy())
    }

    async fn verify_of_client(
        &self,
        key: &ClientKey,
        alg: ClientAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        let jwk = || Ok(Zeroizing::new(key.jwk()));
        // Thumbprints are of keys: an RSA key is imported for each algorithm by itself.
        let name = format!("{} {}", alg.name(), key.thumbprint());
        let key = imported(&self.keys.clients, alg.name(), &name, jwk, "verify").await;
        let key = key.map_err(failed)?;
        let is_right = wait(platform::verify(&key, signature, message)).await.map_err(failed)?;
        Ok(is_right.is_truthy())
    }
}
