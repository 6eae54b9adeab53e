//! The [`Crypto`] port on SubtleCrypto, with keys imported once an isolate.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::cloudflare::{Edge, unavailable};
use crate::error::Internal;
use crate::jose::jwk::{PrivateKey, PublicKey};
use crate::ports::Crypto;

const WHAT: &str = "SubtleCrypto";

/// More keys than any key table publishes at a time; past it, all are imported anew.
const CAPACITY: usize = 64;

/// Imported keys by kid, which is a digest of the key and so never names another.
#[derive(Default)]
pub struct Keys {
    private: RefCell<HashMap<String, CryptoKey>>,
    public: RefCell<HashMap<String, CryptoKey>>,
}

fn failed(error: &JsValue) -> Internal {
    unavailable(WHAT, error)
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into())?;
    Ok(crypto.unchecked_into::<web_sys::Crypto>().subtle())
}

/// The parameters of ES256, for importing, signing and verifying alike.
fn es256() -> Result<Object, JsValue> {
    let parameters = Object::new();
    Reflect::set(&parameters, &"name".into(), &"ECDSA".into())?;
    Reflect::set(&parameters, &"namedCurve".into(), &"P-256".into())?;
    Reflect::set(&parameters, &"hash".into(), &"SHA-256".into())?;
    Ok(parameters)
}

async fn wait(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}

/// The imported key of a kid, imported if it is new.
async fn imported(
    keys: &RefCell<HashMap<String, CryptoKey>>,
    kid: &str,
    format: &str,
    data: impl FnOnce() -> Result<Object, JsValue>,
    usage: &str,
) -> Result<CryptoKey, JsValue> {
    if let Some(key) = keys.borrow().get(kid) {
        return Ok(key.clone());
    }
    let usages = Array::of1(&usage.into());
    let import = subtle()?.import_key_with_object(format, &data()?, &es256()?, false, &usages);
    let key: CryptoKey = wait(import).await?.unchecked_into();
    let mut keys = keys.borrow_mut();
    if keys.len() >= CAPACITY {
        keys.clear();
    }
    keys.insert(kid.to_owned(), key.clone());
    Ok(key)
}

impl Edge {
    async fn try_sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, JsValue> {
        let jwk = || Ok(js_sys::JSON::parse(&key.to_jwk())?.unchecked_into());
        let kid = key.public().kid();
        let key = imported(&self.crypto.private, kid, "jwk", jwk, "sign").await?;
        let message = Uint8Array::from(message);
        let sign = subtle()?.sign_with_object_and_buffer_source(&es256()?, &key, &message);
        Ok(Uint8Array::new(&wait(sign).await?).to_vec())
    }

    async fn try_verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, JsValue> {
        let point = || {
            let point = key.point().ok_or("the key has no point")?;
            Ok(Uint8Array::from(point.as_slice()).unchecked_into())
        };
        let key = imported(&self.crypto.public, key.kid(), "raw", point, "verify").await?;
        let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
        let verify = subtle()?.verify_with_object_and_buffer_source_and_buffer_source(
            &es256()?,
            &key,
            &signature,
            &message,
        );
        Ok(wait(verify).await?.is_truthy())
    }
}

impl Crypto for Edge {
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal> {
        self.try_sign(key, message).await.map_err(|error| failed(&error))
    }

    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal> {
        self.try_verify(key, message, signature).await.map_err(|error| failed(&error))
    }
}
