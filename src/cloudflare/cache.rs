//! The [`Cache`] port on Workers KV.

use crate::cloudflare::task::wait;
use crate::cloudflare::{Edge, platform};
use crate::error::Internal;
use crate::ports::Cache;

impl Cache for Edge {
    async fn get(&self, key: &str) -> Result<Option<String>, Internal> {
        let text = wait(platform::read_cache(self.kv.get()?, key)).await;
        text.map(|text| text.as_string()).map_err(|failure| self.kv.unavailable(failure.message))
    }

    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal> {
        let put = wait(platform::write_cache(self.kv.get()?, key, text, ttl)).await;
        put.map(drop).map_err(|failure| self.kv.unavailable(failure.message))
    }
}
