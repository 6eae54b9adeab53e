//! The [`Crypto`] port on SubtleCrypto, with keys imported once an isolate.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};
use zeroize::Zeroizing;

use crate::cloudflare::{Edge, unavailable};
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, PrivateKey, PublicKey};
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

/// What SubtleCrypto must be told of an algorithm, to generate, import, sign and verify alike.
fn parameters(alg: Algorithm) -> Result<Object, JsValue> {
    let parameters = Object::new();
    let set = |name: &str, value: &JsValue| Reflect::set(&parameters, &name.into(), value);
    set("hash", &"SHA-256".into())?;
    match alg {
        Algorithm::Es256 => {
            set("name", &"ECDSA".into())?;
            set("namedCurve", &"P-256".into())?;
        }
        Algorithm::Rs256 => {
            set("name", &"RSASSA-PKCS1-v1_5".into())?;
            set("modulusLength", &2_048.into())?;
            set("publicExponent", &Uint8Array::from([1, 0, 1].as_slice()))?;
        }
    }
    Ok(parameters)
}

async fn wait(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}

/// The imported key of a kid, imported from its JWK if it is new.
async fn imported(
    keys: &RefCell<HashMap<String, CryptoKey>>,
    alg: Algorithm,
    kid: &str,
    jwk: impl FnOnce() -> Result<Zeroizing<String>, JsValue>,
    usage: &str,
) -> Result<CryptoKey, JsValue> {
    if let Some(key) = keys.borrow().get(kid) {
        return Ok(key.clone());
    }
    let usages = Array::of1(&usage.into());
    let jwk = js_sys::JSON::parse(&jwk()?)?.unchecked_into();
    let import = subtle()?.import_key_with_object("jwk", &jwk, &parameters(alg)?, false, &usages);
    let key: CryptoKey = wait(import).await?.unchecked_into();
    let mut keys = keys.borrow_mut();
    if keys.len() >= CAPACITY {
        keys.clear();
    }
    keys.insert(kid.to_owned(), key.clone());
    Ok(key)
}

/// A new RSA key as a private JWK.
async fn generate_rsa() -> Result<Zeroizing<String>, JsValue> {
    let usages = Array::of2(&"sign".into(), &"verify".into());
    let parameters = parameters(Algorithm::Rs256)?;
    let pair = wait(subtle()?.generate_key_with_object(&parameters, true, &usages)).await?;
    let key: CryptoKey = Reflect::get(&pair, &"privateKey".into())?.unchecked_into();
    let jwk = wait(subtle()?.export_key("jwk", &key)).await?;
    Ok(Zeroizing::new(js_sys::JSON::stringify(&jwk)?.into()))
}

impl Edge {
    async fn try_sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, JsValue> {
        let alg = key.alg();
        let jwk = || Ok(key.to_jwk());
        let key = imported(&self.crypto.private, alg, key.kid(), jwk, "sign").await?;
        let message = Uint8Array::from(message);
        let sign = subtle()?.sign_with_object_and_buffer_source(&parameters(alg)?, &key, &message);
        Ok(Uint8Array::new(&wait(sign).await?).to_vec())
    }

    async fn try_verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, JsValue> {
        let alg = key.alg();
        let jwk = || {
            let jwk = serde_json::to_string(key).map_err(|error| error.to_string())?;
            Ok(Zeroizing::new(jwk))
        };
        let key = imported(&self.crypto.public, alg, key.kid(), jwk, "verify").await?;
        let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
        let verify = subtle()?.verify_with_object_and_buffer_source_and_buffer_source(
            &parameters(alg)?,
            &key,
            &signature,
            &message,
        );
        Ok(wait(verify).await?.is_truthy())
    }
}

impl Crypto for Edge {
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal> {
        let jwk = generate_rsa().await.map_err(|error| failed(&error))?;
        PrivateKey::from_jwk(jwk.as_bytes()).ok_or_else(|| Internal::Broken {
            detail: format!("{WHAT} exported a key that is not an RSA key of 2048 bits"),
        })
    }

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
