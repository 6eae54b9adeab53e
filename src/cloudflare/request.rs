//! A request of workerd. Its headers and body are read from JavaScript on demand.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

use crate::cloudflare::task::wait;
use crate::cloudflare::{platform, seconds};
use crate::http::{self, BodyError};

pub struct EdgeRequest {
    inner: JsValue,
    /// The method, a space and the URL.
    head: String,
    /// When the request began, in milliseconds since 1970.
    begin: f64,
}

impl EdgeRequest {
    /// Reads the method and the URL, because every request needs both.
    pub fn new(inner: JsValue, begin: f64) -> Self {
        Self { head: platform::head(&inner), inner, begin }
    }

    /// The path and query of the URL. Scheme and host are ignored, because the issuer is configured.
    fn target(&self) -> &str {
        // The third slash follows the scheme and the host.
        let target = self.head.match_indices('/').nth(2);
        let target = target.and_then(|(slash, _)| self.head.get(slash..));
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

    fn country(&self) -> Option<String> {
        platform::country(&self.inner)
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let body =
            wait(platform::body(&self.inner, limit)).await.map_err(|_| BodyError::Interrupted)?;
        if body.is_null() {
            return Err(BodyError::TooLarge);
        }
        Ok(body.unchecked_into::<Uint8Array>().to_vec())
    }

    fn age(&self) -> i64 {
        seconds(js_sys::Date::now() - self.begin)
    }
}
