//! Documents that are rendered once and served many times. An isolate looks in its memory, then in the cache; if
//! neither has the document, it renders and publishes it.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;

use crate::context::{Context, DeferredTask, Publication};
use crate::digest::digest;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::PUBLICATION_SECONDS;
use crate::log::LogEvent;
use crate::ports::Cache;
use crate::ports::Platform;

/// A JSON document with its entity tag.
#[derive(Debug)]
pub struct Document {
    /// The JSON text.
    pub body: Rc<str>,
    /// A strong entity tag (RFC 9110 section 8.8.3): the quoted digest of the body.
    pub etag: String,
    /// The time from which it must not be served, in Unix seconds; `None` if no change is planned.
    pub good_until: Option<i64>,
}

impl Document {
    /// Creates a document, and computes its entity tag.
    pub fn new(body: impl Into<Rc<str>>, good_until: Option<i64>) -> Self {
        let body = body.into();
        Self { etag: format!("\"{}\"", digest(&[&body])), body, good_until }
    }
}

/// A document as the cache stores it.
#[derive(Deserialize, Serialize)]
pub struct Published {
    /// The JSON text of the document.
    pub body: String,
    /// The time from which it must not be served, in Unix seconds; `None` if no change is planned.
    pub good_until: Option<i64>,
    /// The time at which its source was read, in Unix seconds.
    pub as_of: i64,
    /// If the document is the JWK Set: the times of its keys, in the same order. Older versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_spans: Vec<KeySpan>,
}

/// The times of a published key, in Unix seconds, as [`crate::store::signing_keys::KeyRow`] has them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeySpan {
    pub publish_from: i64,
    pub sign_from: i64,
    pub sign_until: Option<i64>,
    pub retire_at: Option<i64>,
}

impl Published {
    /// Returns the publication that stores this document under `key`.
    pub fn under(&self, key: String) -> Result<Publication, Internal> {
        let text = serde_json::to_string(self)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
        Ok(Publication { key, text, ttl: PUBLICATION_SECONDS })
    }
}

/// Writes a document to the cache.
///
/// # Errors
/// The error of the cache, which is also an event.
pub async fn publish(
    context: &Context<'_, impl Cache>,
    publication: &Publication,
) -> Result<(), Internal> {
    let Publication { key, text, ttl } = publication;
    context.platform.put(key, text, *ttl).await.inspect_err(|_| {
        // The rest of a key is a digest.
        let document = key.split('/').next().unwrap_or_default().to_owned();
        context.log_event(LogEvent::PublicationFailed { document });
    })
}

/// Returns the document in the cache under `key`, unless it has expired. If the cache fails or the entry cannot be
/// parsed, the log notes it and the result is `None`.
pub async fn lookup(context: &Context<'_, impl Platform>, key: &str) -> Option<Published> {
    let text = match context.platform.get(key).await {
        Ok(text) => text?,
        Err(fault) => {
            context.log_fault(&fault);
            return None;
        }
    };
    let Ok(published) = json::from_own::<Published>(&text) else {
        context.log_note(format!("damaged value in KV: {key} is not a published document"));
        return None;
    };
    published.good_until.is_none_or(|end| context.now < end).then_some(published)
}

/// The memory for a document that depends only on the configuration and the build. Such a document never changes while
/// the isolate lives.
#[derive(Debug, Default)]
pub struct DocumentSlot(RefCell<Option<Rc<Document>>>);

impl DocumentSlot {
    /// Returns the document from memory or from the cache. Otherwise it is rendered, and a deferred task publishes it
    /// under `key`.
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
            let published = Published {
                body: render(),
                good_until: None,
                as_of: context.now,
                key_spans: Vec::new(),
            };
            context.defer(DeferredTask::Publish(published.under(key)?));
            published.body
        };
        let document = Rc::new(Document::new(body, None));
        *self.0.borrow_mut() = Some(Rc::clone(&document));
        Ok(document)
    }
}
