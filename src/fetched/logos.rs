//! Copies of client logos (`logo_uri`). A page embeds the copy as a `data:` URL, so that the browser does not load the
//! image from the client's site. That site does not learn who is about to sign in, and the Content-Security-Policy of
//! the page need not allow it.

use base64ct::{Base64, Encoding};
use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::context::{Context, DeferredTask, Publication};
use crate::fetched::get;
use crate::lifetimes::{LOGO_COPY_SECONDS, LOGO_FETCH_SECONDS, LOGO_SECONDS};
use crate::limits::rate_limits::may_fetch;
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::client_id_url::host_of;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::secret::hash;
use crate::store::clients::Client;

/// An isolate's memory of logos, by URL. It bridges the time until the cache shows a new copy. 32 entries are more than
/// one isolate needs in that time.
#[derive(Default)]
pub struct Logos(RefCell<BoundedMap<String, Remembered, 32>>);

struct Remembered {
    /// The `data:` URL; empty if the logo could not be fetched or is still being fetched.
    logo: Rc<str>,
    /// The time at which the entry expires, in Unix seconds.
    expires_at: i64,
}

/// The timeout is short, because a user waits for the page.
const LIMITS: FetchLimits = FetchLimits {
    accept: "image/png, image/jpeg, image/gif, image/webp",
    accepts_json: false,
    limit: 65_536,
    timeout: 2_000,
    is_binary: true,
};

impl Logos {
    /// Returns the client's logo for the language `tag` as a `data:` URL. Returns `None` if the client has no logo, or
    /// if it cannot be shown.
    pub async fn copy(
        &self,
        client: &Client,
        tag: &str,
        context: &Context<'_, impl Platform>,
    ) -> Option<Rc<str>> {
        // The URL is checked again, because the rules may have changed since the client registered.
        let url = logo_uri(&client.metadata, tag)?;
        let url = OutboundUrl::parse(url, context.config.outbound_rules()).ok()?;
        let known = self.find(&url, context).await;
        // Another request may have begun to fetch the logo while this one read the cache.
        if let Some(logo) = known.or_else(|| self.remembered(&url, context.now)) {
            return non_empty(logo);
        }
        // Without a limit a client could cause any number of requests, by changing its `logo_uri` again and again. A host
        // can have any number of clients by document, so the limit is the host's.
        let host = host_of(&client.client_id).map(str::to_ascii_lowercase);
        if !may_fetch(context, host.as_deref().unwrap_or(&client.client_id)).await {
            return None;
        }
        self.remember(&url, "", context.now, LOGO_FETCH_SECONDS);
        let fetched = get("logo_uri", &url, &LIMITS, context).await.ok();
        let text = fetched.and_then(|base64| to_data_url(&base64)).unwrap_or_default();
        let logo = self.remember(&url, &text, context.now, LOGO_SECONDS);
        if !text.is_empty() {
            context.defer(DeferredTask::Publish(Publication {
                key: key(&url),
                text,
                ttl: LOGO_COPY_SECONDS,
            }));
        }
        non_empty(logo)
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
        self.find(&url, context).await.and_then(non_empty)
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
            Ok(text) => text.map(|text| self.remember(url, &text, context.now, LOGO_SECONDS)),
            Err(fault) => {
                context.log_fault(&fault);
                None
            }
        }
    }

    fn remembered(&self, url: &OutboundUrl, now: i64) -> Option<Rc<str>> {
        let logos = self.0.borrow();
        let known = logos.get(url.as_str()).filter(|known| now < known.expires_at);
        known.map(|known| Rc::clone(&known.logo))
    }

    fn remember(&self, url: &OutboundUrl, logo: &str, now: i64, ttl: i64) -> Rc<str> {
        let logo = Rc::from(logo);
        let remembered = Remembered { logo: Rc::clone(&logo), expires_at: now + ttl };
        self.0.borrow_mut().insert(url.as_str().to_owned(), remembered);
        logo
    }
}

fn non_empty(logo: Rc<str>) -> Option<Rc<str>> {
    Some(logo).filter(|logo| !logo.is_empty())
}

fn logo_uri<'a>(metadata: &'a ClientMetadata, tag: &str) -> Option<&'a str> {
    metadata.in_language("logo_uri", metadata.logo_uri.as_deref(), tag)
}

fn key(url: &OutboundUrl) -> String {
    format!("logo/{}", hash(url.as_str()))
}

/// Makes a `data:` URL of an image. The media type follows from the first bytes and not from the response. SVG is not
/// allowed, because it is a document that can contain text and links.
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
