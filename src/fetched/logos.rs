//! Copies of the logos that clients say they have: a page carries the picture itself. So a client's site does not learn
//! who is about to sign in, cannot change what was once looked at, and never has a say in what else the page loads.

use base64ct::{Base64, Encoding};
use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::context::{Context, DeferredTask, Publication};
use crate::fetched::get;
use crate::lifetimes::{LOGO_COPY_SECONDS, LOGO_FETCH_SECONDS, LOGO_SECONDS};
use crate::limits::rate_limits::may_fetch;
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::secret::hash;
use crate::store::clients::Client;

/// The copies that an isolate remembers, by their URL: more than it shows in a while. A cache tells the others only
/// after a while.
#[derive(Default)]
pub struct Logos(RefCell<BoundedMap<String, Remembered, 32>>);

struct Remembered {
    /// An empty text for what could not be had.
    logo: Rc<str>,
    /// In Unix seconds.
    until: i64,
}

/// What is fetched: a person waits for it.
const WANTED: FetchLimits = FetchLimits {
    accept: "image/png, image/jpeg, image/gif, image/webp",
    limit: 65_536,
    timeout: 2_000,
    is_binary: true,
};

impl Logos {
    /// The client's logo in a language, as a `data:` URL; `None` where it has none that can be shown.
    pub async fn copy(
        &self,
        client: &Client,
        tag: &str,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        // The rules may have changed since it was registered; `http` is for no picture.
        let url = logo_uri(&client.metadata, tag)?;
        let url = OutboundUrl::parse(url, context.config.allows_loopback).ok()?;
        let known = self.find(&url, context).await;
        // Others may have asked while the cache was.
        if let Some(logo) = known.or_else(|| self.remembered(&url, context.now)) {
            return shown(logo);
        }
        // Anybody can look at a page, and a client can name one logo after another.
        if !may_fetch(context, &client.client_id).await {
            return None;
        }
        self.remember(&url, "", context.now, LOGO_FETCH_SECONDS);
        let fetched = get("logo_uri", &url, &WANTED, context).await.ok();
        let text = fetched.and_then(|base64| to_data_url(&base64)).unwrap_or_default();
        let logo = self.remember(&url, &text, context.now, LOGO_SECONDS);
        if !text.is_empty() {
            context.defer(DeferredTask::Publish(Publication {
                key: key(&url),
                text,
                ttl: LOGO_COPY_SECONDS,
            }));
        }
        shown(logo)
    }

    /// The same without fetching anything.
    pub async fn known(
        &self,
        metadata: &ClientMetadata,
        tag: &str,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        let url =
            OutboundUrl::parse(logo_uri(metadata, tag)?, context.config.allows_loopback).ok()?;
        self.find(&url, context).await.and_then(shown)
    }

    /// What is known of a logo without fetching it.
    async fn find(
        &self,
        url: &OutboundUrl,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        if let Some(logo) = self.remembered(url, context.now) {
            return Some(logo);
        }
        match context.platform.get(&key(url)).await {
            Ok(kept) => kept.map(|kept| self.remember(url, &kept, context.now, LOGO_SECONDS)),
            Err(fault) => {
                context.log_fault(&fault);
                None
            }
        }
    }

    fn remembered(&self, url: &OutboundUrl, now: i64) -> Option<Rc<str>> {
        let logos = self.0.borrow();
        let known = logos.get(url.as_str()).filter(|known| now < known.until);
        known.map(|known| Rc::clone(&known.logo))
    }

    /// Remembers a logo for so many seconds.
    fn remember(&self, url: &OutboundUrl, logo: &str, now: i64, ttl: i64) -> Rc<str> {
        let (logo, until) = (Rc::from(logo), now + ttl);
        let remembered = Remembered { logo: Rc::clone(&logo), until };
        self.0.borrow_mut().insert(url.as_str().to_owned(), remembered);
        logo
    }
}

fn shown(logo: Rc<str>) -> Option<Rc<str>> {
    Some(logo).filter(|logo| !logo.is_empty())
}

fn logo_uri<'a>(metadata: &'a ClientMetadata, tag: &str) -> Option<&'a str> {
    metadata.in_language("logo_uri", metadata.logo_uri.as_deref(), tag)
}

fn key(url: &OutboundUrl) -> String {
    format!("logo/{}", hash(url.as_str()))
}

/// What a picture is, it says itself by its first bytes. SVG is none of them: it is a document, that could have links
/// and letters in it.
fn to_data_url(base64: &str) -> Option<String> {
    let bytes = Base64::decode_vec(base64).ok()?;
    let media_type = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return None,
    };
    Some(format!("data:{media_type};base64,{base64}"))
}
