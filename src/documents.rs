//! Documents that are rendered once and served many times: from the isolate's memory, else from the
//! cache, else rendered and published.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;

use crate::context::{Context, DeferredTask, Publication};
use crate::digest::digest;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::PUBLICATION_SECONDS;
use crate::ports::Cache;
use crate::ports::Platform;

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
        Ok(Publication { key, text, ttl: PUBLICATION_SECONDS })
    }
}

/// Puts a publication into the cache.
pub async fn publish(cache: &impl Cache, publication: &Publication) -> Result<(), Internal> {
    cache.put(&publication.key, &publication.text, publication.ttl).await
}

/// What is published under `key` and good now. A cache that fails, or holds something else, is noted
/// and counts as empty.
pub async fn lookup(context: &Context<'_, impl Platform>, key: &str) -> Option<Published> {
    let text = match context.platform.get(key).await {
        Ok(text) => text?,
        Err(fault) => {
            context.log_fault(&fault);
            return None;
        }
    };
    let Ok(published) = json::from_own::<Published>(&text) else {
        context.log_note(format!("KV holds something else under {key}"));
        return None;
    };
    published.good_until.is_none_or(|end| context.now < end).then_some(published)
}

/// A document that follows from the configuration and the build alone, so that an isolate needs to
/// find it only once.
#[derive(Debug, Default)]
pub struct DocumentSlot(RefCell<Option<Rc<Document>>>);

impl DocumentSlot {
    /// The document: from memory, else from the cache, else rendered and published.
    ///
    /// # Errors
    /// Whatever `render` reports.
    pub async fn document(
        &self,
        context: &Context<'_, impl Platform>,
        key: String,
        render: impl FnOnce() -> String,
    ) -> Result<Rc<Document>, Internal> {
        if let Some(document) = self.0.borrow().as_ref() {
            return Ok(Rc::clone(document));
        }
        let body = if let Some(published) = lookup(context, &key).await {
            published.body
        } else {
            let published = Published { body: render(), good_until: None, as_of: context.now };
            context.defer(DeferredTask::Publish(published.under(key)?));
            published.body
        };
        let document = Rc::new(Document::new(body, None));
        *self.0.borrow_mut() = Some(Rc::clone(&document));
        Ok(document)
    }
}
