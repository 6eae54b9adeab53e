//! A request as workerd hands it over, read through JavaScript where and when it must be.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

use crate::cloudflare::platform;
use crate::cloudflare::task::wait;
use crate::http::{self, BodyError};

/// A request at the edge.
pub struct EdgeRequest {
    inner: JsValue,
    /// The method, a space, and the URL.
    head: String,
}

impl EdgeRequest {
    /// Reads the method and the URL, which every request is asked for.
    pub fn new(inner: JsValue) -> Self {
        Self { head: platform::head(&inner), inner }
    }

    /// The URL behind scheme and host, neither of which anything depends on.
    fn target(&self) -> &str {
        let behind_scheme = self.head.split_once("://").map_or("", |(_, rest)| rest);
        let target = behind_scheme.find('/').and_then(|slash| behind_scheme.get(slash..));
        target.and_then(|target| target.split('#').next()).unwrap_or("/")
    }
}

impl http::Request for EdgeRequest {
    fn method(&self) -> &str {
        self.head.split_once(' ').map_or("", |(method, _)| method)
    }

    fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    fn header(&self, name: &str) -> Option<String> {
        platform::header(&self.inner, name)
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let body =
            wait(platform::body(&self.inner, limit)).await.map_err(|_| BodyError::Interrupted)?;
        if body.is_null() {
            return Err(BodyError::TooLarge);
        }
        Ok(body.unchecked_into::<Uint8Array>().to_vec())
    }
}
