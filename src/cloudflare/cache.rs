//! The [`Cache`] port on Workers KV.

use crate::cloudflare::task::wait;
use crate::cloudflare::{Edge, platform, unavailable};
use crate::error::Internal;
use crate::ports::Cache;

fn failed(detail: String) -> Internal {
    unavailable("KV", detail)
}

impl Cache for Edge {
    async fn get(&self, key: &str) -> Result<Option<String>, Internal> {
        let text = wait(platform::get(&self.env, key)).await.map_err(failed)?;
        Ok(text.as_string())
    }

    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal> {
        wait(platform::put(&self.env, key, text, ttl)).await.map_err(failed)?;
        Ok(())
    }
}
