//! Documents that are rendered once and served many times: from the isolate's memory, else from the
//! cache, else rendered and published.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::rc::Rc;

use crate::context::{Chore, Cx, Publication};
use crate::error::Internal;
use crate::jose::json;
use crate::ports::Cache;

/// How long the cache keeps a publication, in seconds: long enough to serve, short enough that what
/// old deployments published does not stay for ever.
const TTL: u32 = 7 * 86_400;

/// A short digest of some parts, for keys and entity tags: 128 bits as base64url.
pub fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    Base64UrlUnpadded::encode_string(digest.get(..16).unwrap_or(&digest))
}

/// A JSON document as it is served.
#[derive(Debug)]
pub struct Document {
    /// The bytes.
    pub body: Rc<str>,
    /// A strong entity tag (RFC 9110 section 8.8.3): a digest of the bytes, in quotation marks.
    pub etag: String,
    /// Until when it may be served, in Unix seconds; `None` where no end is foreseen.
    pub good_until: Option<i64>,
}

impl Document {
    /// A document of these bytes.
    pub fn new(body: impl Into<Rc<str>>, good_until: Option<i64>) -> Self {
        let body = body.into();
        Self { etag: format!("\"{}\"", digest(&[&body])), body, good_until }
    }
}

/// What the cache holds under a key.
#[derive(Deserialize, Serialize)]
pub struct Published {
    /// The document.
    pub body: String,
    /// Until when it may be served, in Unix seconds; `None` where no end is foreseen.
    pub good_until: Option<i64>,
    /// As of when it is true, in Unix seconds.
    pub as_of: i64,
}

impl Published {
    /// The publication that says this under `key`.
    pub fn under(&self, key: String) -> Result<Publication, Internal> {
        let text = serde_json::to_string(self)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
        Ok(Publication { key, text, ttl: TTL })
    }
}

/// Puts a publication into the cache.
pub async fn publish(cache: &impl Cache, publication: &Publication) -> Result<(), Internal> {
    cache.put(&publication.key, &publication.text, publication.ttl).await
}

/// What is published under `key` and good now. A cache that fails, or holds something else, is noted
/// and counts as empty.
pub async fn lookup(cache: &impl Cache, cx: &Cx<'_>, key: &str) -> Option<Published> {
    let text = match cache.get(key).await {
        Ok(text) => text?,
        Err(fault) => {
            cx.note_fault(&fault);
            return None;
        }
    };
    let Ok(published) = json::from_own::<Published>(&text) else {
        cx.note(format!("KV holds something else under {key}"));
        return None;
    };
    published.good_until.is_none_or(|end| cx.now < end).then_some(published)
}

/// A document that follows from the configuration and the build alone, so that an isolate needs to
/// find it only once.
#[derive(Debug, Default)]
pub struct Slot(RefCell<Option<Rc<Document>>>);

impl Slot {
    /// The document: from memory, else from the cache, else rendered and published.
    ///
    /// # Errors
    /// Whatever `render` reports.
    pub async fn document(
        &self,
        cache: &impl Cache,
        cx: &Cx<'_>,
        key: String,
        render: impl FnOnce() -> String,
    ) -> Result<Rc<Document>, Internal> {
        if let Some(document) = self.0.borrow().as_ref() {
            return Ok(Rc::clone(document));
        }
        let body = if let Some(published) = lookup(cache, cx, &key).await {
            published.body
        } else {
            let published = Published { body: render(), good_until: None, as_of: cx.now };
            cx.leave(Chore::Publish(published.under(key)?));
            published.body
        };
        let document = Rc::new(Document::new(body, None));
        *self.0.borrow_mut() = Some(Rc::clone(&document));
        Ok(document)
    }
}
