//! The [`Cache`] port on Workers KV.

use wasm_bindgen::JsValue;
use worker::kv::{KvError, KvStore};

use crate::cloudflare::{Edge, unavailable};
use crate::error::Internal;
use crate::ports::Cache;

const BINDING: &str = "KV";

/// The namespace bound as `KV`, or why there is none.
pub fn binding(env: &JsValue) -> Result<KvStore, String> {
    KvStore::from_this(env, BINDING).map_err(|_| "it is not bound in wrangler.toml".into())
}

impl Edge {
    fn namespace(&self) -> Result<&KvStore, Internal> {
        let unbound =
            |detail: &String| Internal::Unavailable { what: BINDING, detail: detail.clone() };
        self.cache.as_ref().map_err(unbound)
    }
}

fn failed(error: KvError) -> Internal {
    match error {
        KvError::JavaScript(error) => unavailable(BINDING, &error),
        other => Internal::Unavailable { what: BINDING, detail: other.to_string() },
    }
}

impl Cache for Edge {
    async fn get(&self, key: &str) -> Result<Option<String>, Internal> {
        self.namespace()?.get(key).text().await.map_err(failed)
    }

    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal> {
        let put = self.namespace()?.put(key, text).map_err(failed)?;
        put.expiration_ttl(u64::from(ttl)).execute().await.map_err(failed)
    }
}
