//! Copies of client logos (`logo_uri`). A page embeds the copy as a `data:` URL, so that the browser does not load the
//! image from the client's site. That site does not learn who is about to sign in, and the Content-Security-Policy of
//! the page need not allow it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::context::{Context, DeferredTask, Publication};
use crate::fetched::DocumentError;
use crate::fetched::fetcher::{Fetcher, Order, Owner};
use crate::fetched::pauses::Pauses;
use crate::lifetimes::{LOGO_COPY_SECONDS, LOGO_SECONDS};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::logo::{LOGO_BYTES, to_data_url};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::secret::hash;
use crate::store::clients::Client;

/// An isolate's memory of logos, by URL. It bridges the time until the cache shows a new copy. 32 entries are more than
/// one isolate needs in that time.
#[derive(Default)]
pub struct Logos {
    logos: RefCell<BoundedMap<OutboundUrl, Remembered, 32>>,
    pauses: Pauses<()>,
}

struct Remembered {
    /// The `data:` URL.
    logo: Rc<str>,
    /// The time at which the entry expires, in Unix seconds.
    expires_at: i64,
}

/// The timeout is short, because a user waits for the page.
const LIMITS: FetchLimits = FetchLimits {
    accept: "image/png, image/jpeg, image/gif, image/webp",
    accepts_json: false,
    limit: LOGO_BYTES,
    timeout: 2_000,
    is_binary: true,
};

impl Logos {
    /// Returns the client's logo for the language `tag` as a `data:` URL. Returns `None` if the client has no logo, or
    /// if it cannot be shown. It does not wait for a fetch of another request, because a user waits.
    pub async fn copy(
        &self,
        client: &Client,
        tag: &str,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        // The URL is checked again, because the rules may have changed since the client registered.
        let url = logo_uri(&client.metadata, tag)?;
        let url = OutboundUrl::parse(url, fetcher.context.config.outbound_rules()).ok()?;
        let order = Order {
            kind: "logo_uri",
            url: &url,
            limits: &LIMITS,
            client_id: Some(&client.client_id),
            owner: Owner::of(client),
        };
        self.get(&order, fetcher).await
    }

    /// Returns the provider's own logo (`LOGO_URL`) like [`Logos::copy`].
    pub async fn of_provider(
        &self,
        url: &OutboundUrl,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        let (kind, owner) = ("LOGO_URL", Owner::Operators);
        let order = Order { kind, url, limits: &LIMITS, client_id: None, owner };
        self.get(&order, fetcher).await
    }

    async fn get(
        &self,
        order: &Order<'_>,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        let (context, url) = (fetcher.context, order.url);
        if self.pauses.reason(url, context).is_some() {
            return None;
        }
        let known = self.find(url, context).await;
        // Another request may have fetched the logo while this one read the cache.
        if let Some(logo) = known.or_else(|| self.remembered(url, context.now)) {
            return Some(logo);
        }
        let image = fetcher.get(order).await;
        let text =
            image.and_then(|(base64, _)| to_data_url(&base64).ok_or(DocumentError::BadContent));
        match text {
            Ok(text) => {
                let logo = self.remember(url, &text, context.now);
                let (key, ttl) = (key(url), LOGO_COPY_SECONDS);
                context.defer(DeferredTask::Publish(Publication { key, text, ttl }));
                Some(logo)
            }
            Err(error) => {
                if error.was_fetched() {
                    self.pauses.begin(url, (), context.now + LOGO_SECONDS, context.now);
                }
                None
            }
        }
    }

    /// Returns the logo like [`Logos::copy`], but only from memory or cache.
    pub async fn known(
        &self,
        metadata: &ClientMetadata,
        tag: &str,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        let url =
            OutboundUrl::parse(logo_uri(metadata, tag)?, context.config.outbound_rules()).ok()?;
        self.find(&url, context).await
    }

    /// Reads a logo from memory, else from the cache.
    async fn find(
        &self,
        url: &OutboundUrl,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        if let Some(logo) = self.remembered(url, context.now) {
            return Some(logo);
        }
        match context.platform.get(&key(url)).await {
            Ok(text) => text.map(|text| self.remember(url, &text, context.now)),
            Err(fault) => {
                context.log_fault(&fault);
                None
            }
        }
    }

    fn remembered(&self, url: &OutboundUrl, now: i64) -> Option<Rc<str>> {
        let logos = self.logos.borrow();
        let known = logos.get(url).filter(|known| now < known.expires_at);
        known.map(|known| Rc::clone(&known.logo))
    }

    fn remember(&self, url: &OutboundUrl, logo: &str, now: i64) -> Rc<str> {
        let logo = Rc::from(logo);
        let remembered = Remembered { logo: Rc::clone(&logo), expires_at: now + LOGO_SECONDS };
        self.logos.borrow_mut().insert(url.clone(), remembered);
        logo
    }
}

fn logo_uri<'a>(metadata: &'a ClientMetadata, tag: &str) -> Option<&'a str> {
    metadata.in_language("logo_uri", metadata.logo_uri.as_deref(), tag)
}

fn key(url: &OutboundUrl) -> String {
    format!("logo/{}", hash(url.as_str()))
}
