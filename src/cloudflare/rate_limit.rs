//! The [`RateLimit`] port on the platform's rate limiting binding.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::cloudflare::{Edge, unavailable};
use crate::error::Internal;
use crate::ports::RateLimit;

const BINDING: &str = "SIGN_IN_LIMIT";

/// The binding, or why there is none.
pub type Binding = Result<JsValue, String>;

/// Finds the binding in the environment.
pub fn binding(env: &JsValue) -> Binding {
    match Reflect::get(env, &BINDING.into()) {
        Ok(binding) if binding.is_object() => Ok(binding),
        _ => Err("it is not bound in wrangler.toml".into()),
    }
}

async fn limit(binding: &JsValue, key: &str) -> Result<bool, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let limit: Function = Reflect::get(binding, &"limit".into())?.dyn_into()?;
    let promise: Promise = limit.call1(binding, &options)?.dyn_into()?;
    let outcome = JsFuture::from(promise).await?;
    Ok(Reflect::get(&outcome, &"success".into())?.is_truthy())
}

impl RateLimit for Edge {
    async fn is_within_limit(&self, key: &str) -> Result<bool, Internal> {
        match &self.rate_limit {
            Ok(binding) => limit(binding, key).await.map_err(|error| unavailable(BINDING, &error)),
            Err(detail) => Err(Internal::Unavailable { what: BINDING, detail: detail.clone() }),
        }
    }
}
