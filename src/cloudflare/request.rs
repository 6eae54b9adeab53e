//! A request as workerd hands it over, read through JavaScript where and when it must be.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Request};

use crate::http::{self, BodyError};

/// A request at the edge.
pub struct EdgeRequest {
    inner: Request,
    method: String,
    url: String,
}

impl EdgeRequest {
    /// Reads the method and the URL, which every request is asked for.
    pub fn new(inner: Request) -> Self {
        Self { method: inner.method(), url: inner.url(), inner }
    }

    /// The URL behind scheme and host, neither of which anything depends on.
    fn target(&self) -> &str {
        let behind_scheme = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let target = behind_scheme.find('/').and_then(|slash| behind_scheme.get(slash..));
        target.and_then(|target| target.split('#').next()).unwrap_or("/")
    }

    async fn read(&self, limit: usize) -> Result<Vec<u8>, JsValue> {
        let Some(stream) = self.inner.body() else { return Ok(Vec::new()) };
        let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
        let mut body = Vec::new();
        // One byte more than the limit is enough to know.
        while body.len() <= limit {
            let chunk = JsFuture::from(reader.read()).await?;
            let value = Reflect::get(&chunk, &"value".into())?;
            if value.is_undefined() {
                return Ok(body);
            }
            body.extend(value.unchecked_into::<Uint8Array>().to_vec());
        }
        // What is left is not waited for; the future only takes a rejection, which nobody else would.
        drop(JsFuture::from(reader.cancel()));
        Ok(body)
    }
}

impl http::Request for EdgeRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.inner.headers().get(name).ok().flatten()
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let body = self.read(limit).await.map_err(|_| BodyError::Interrupted)?;
        if body.len() > limit { Err(BodyError::TooLarge) } else { Ok(body) }
    }
}
