//! The [`Crypto`] port on SubtleCrypto. Each key is imported once per isolate.

use js_sys::Uint8Array;
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};
use zeroize::Zeroizing;

use crate::bounded_map::BoundedMap;
use crate::cloudflare::task::{Failure, wait};
use crate::cloudflare::{Edge, platform};
use crate::error::Internal;
use crate::jose::client_jwk::{ClientAlgorithm, ClientKey};
use crate::jose::jwk::{PrivateKey, PublicKey};
use crate::ports::Crypto;

const WHAT: &str = "SubtleCrypto";

/// Imported keys by thumbprint. 64 are more than a key table publishes at a time.
type Imported = RefCell<BoundedMap<String, JsValue, 64>>;

/// Imported keys, in one map for each use, because an imported key has one use.
#[derive(Default)]
pub struct Keys {
    clients: Imported,
    private: Imported,
    public: Imported,
}

fn failed(Failure { message }: Failure) -> Internal {
    Internal::Unavailable { what: WHAT, detail: message }
}

/// Returns the imported key for a thumbprint. Imports its JWK if it is not there.
async fn imported(
    keys: &Imported,
    alg: &str,
    kid: &str,
    jwk: impl FnOnce() -> Result<Zeroizing<String>, Internal>,
    usage: &str,
) -> Result<JsValue, Internal> {
    if let Some(key) = keys.borrow().get(kid) {
        return Ok(key.clone());
    }
    let key = wait(platform::import_key(alg, &jwk()?, usage)).await.map_err(failed)?;
    keys.borrow_mut().insert(kid.to_owned(), key.clone());
    Ok(key)
}

impl Crypto for Edge {
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal> {
        let jwk = wait(platform::generate_rsa()).await.map_err(failed)?;
        let jwk = jwk.as_string().map(Zeroizing::new);
        jwk.and_then(|jwk| PrivateKey::from_jwk(jwk.as_bytes())).ok_or_else(|| Internal::Broken {
            detail: format!("{WHAT} exported a key that is not an RSA key of 2048 bits"),
        })
    }

    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal> {
        let jwk = || Ok(key.to_jwk());
        let key = imported(&self.keys.private, key.alg().name(), key.kid(), jwk, "sign").await?;
        let signature = wait(platform::sign(&key, message)).await.map_err(failed)?;
        Ok(signature.unchecked_into::<Uint8Array>().to_vec())
    }

    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        if signature.len() != key.signature_bytes() {
            return Ok(false);
        }
        let jwk = || {
            let jwk = serde_json::to_string(key).map_err(|error| Internal::unwritable(&error))?;
            Ok(Zeroizing::new(jwk))
        };
        let key = imported(&self.keys.public, key.alg().name(), key.kid(), jwk, "verify").await?;
        let is_valid = wait(platform::verify(&key, signature, message)).await.map_err(failed)?;
        Ok(is_valid.is_truthy())
    }

    async fn verify_of_client(
        &self,
        key: &ClientKey,
        alg: ClientAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        // SubtleCrypto throws for some of them.
        if signature.len() != key.signature_bytes() {
            return Ok(false);
        }
        let jwk = || Ok(Zeroizing::new(key.jwk()));
        // An RSA key is imported separately for each of its algorithms, and its thumbprint is the same for both.
        let name = format!("{}: {}", alg.name(), key.thumbprint());
        let key = imported(&self.keys.clients, alg.name(), &name, jwk, "verify").await?;
        let is_valid = wait(platform::verify(&key, signature, message)).await.map_err(failed)?;
        Ok(is_valid.is_truthy())
    }
}
