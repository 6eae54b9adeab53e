//! The [`Cache`] port on Workers KV.

use wasm_bindgen::JsValue;

use crate::cloudflare::Edge;
use crate::cloudflare::task::wait_for;
use crate::error::Internal;
use crate::ports::Cache;

impl Cache for Edge {
    async fn get(&self, key: &str) -> Result<Option<String>, Internal> {
        let value = self.kv.get()?.get(key);
        let text = wait_for(async { Ok(value.text().await?.into()) }).await;
        text.map(|text| text.as_string()).map_err(|failure| self.kv.unavailable(failure.message))
    }

    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal> {
        let value = self.kv.get()?.put(key, text);
        let put = wait_for(async move {
            value?.expiration_ttl(ttl.into()).execute().await?;
            Ok(JsValue::UNDEFINED)
        });
        put.await.map(drop).map_err(|failure| self.kv.unavailable(failure.message))
    }
}
