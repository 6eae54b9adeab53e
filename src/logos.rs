//! Copies of the logos that clients say they have: a page carries the picture itself. So a client's site does not learn
//! who is about to sign in, cannot change what was once looked at, and never has a say in what else the page loads.

use base64ct::{Base64, Encoding};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::config::Config;
use crate::context::Cx;
use crate::opaque::hash;
use crate::outbound;
use crate::ports::{Cache, Fetch, Wanted};
use crate::protocol::client_metadata::ClientMetadata;
use crate::protocol::outbound_url::OutboundUrl;

/// More logos than an isolate shows in a while; past it, all are read from the cache again.
const CAPACITY: usize = 32;

/// The copies that an isolate remembers, by their URL: `None` for what could not be had. A cache tells the others only
/// after a while.
#[derive(Default)]
pub struct Logos(RefCell<HashMap<String, Remembered>>);

struct Remembered {
    logo: Option<Rc<str>>,
    /// In Unix seconds.
    until: i64,
}

/// What is fetched: a person waits for it.
const WANTED: Wanted = Wanted {
    accept: "image/png, image/jpeg, image/gif, image/webp",
    limit: 65_536,
    timeout: 2_000,
    is_binary: true,
};

/// For how many seconds a copy is kept.
const COPY: u32 = 86_400;

/// For how many seconds a logo that could not be had is not fetched again.
const PAUSE: u32 = 600;

impl Logos {
    /// The client's logo in a language, as a `data:` URL; `None` where it has none that can be shown.
    pub async fn copy(
        &self,
        metadata: &ClientMetadata,
        tag: &str,
        config: &Config,
        platform: &(impl Cache + Fetch),
        cx: &Cx<'_>,
    ) -> Option<Rc<str>> {
        // The rules may have changed since it was registered; `http` is for no picture.
        let url = OutboundUrl::parse(logo_uri(metadata, tag)?, config.allows_loopback).ok()?;
        if let Some(known) = self.find(&url, platform, cx).await {
            return known;
        }
        let fetched = outbound::get("logo_uri", &url, &WANTED, platform, cx).await.ok();
        let logo = fetched.and_then(|base64| to_data_url(&base64));
        let logo = self.remember(&url, logo.unwrap_or_default(), cx.now);
        let (text, ttl) = logo.as_deref().map_or(("", PAUSE), |logo| (logo, COPY));
        if let Err(fault) = platform.put(&key(&url), text, ttl).await {
            cx.note(fault.detail());
        }
        logo
    }

    /// The same without fetching anything.
    pub async fn known(
        &self,
        metadata: &ClientMetadata,
        tag: &str,
        config: &Config,
        cache: &impl Cache,
        cx: &Cx<'_>,
    ) -> Option<Rc<str>> {
        let url = OutboundUrl::parse(logo_uri(metadata, tag)?, config.allows_loopback).ok()?;
        self.find(&url, cache, cx).await.flatten()
    }

    /// What is known of a logo: also that it could not be had.
    async fn find(
        &self,
        url: &OutboundUrl,
        cache: &impl Cache,
        cx: &Cx<'_>,
    ) -> Option<Option<Rc<str>>> {
        if let Some(known) = self.0.borrow().get(url.as_str()).filter(|known| cx.now < known.until)
        {
            return Some(known.logo.clone());
        }
        match cache.get(&key(url)).await {
            Ok(kept) => kept.map(|kept| self.remember(url, kept, cx.now)),
            Err(fault) => {
                cx.note(fault.detail());
                None
            }
        }
    }

    /// Remembers what the cache has, an empty text where there is no logo; for no longer than it is not asked for.
    fn remember(&self, url: &OutboundUrl, kept: String, now: i64) -> Option<Rc<str>> {
        let logo: Option<Rc<str>> = Some(kept).filter(|kept| !kept.is_empty()).map(Rc::from);
        let mut logos = self.0.borrow_mut();
        if logos.len() >= CAPACITY && !logos.contains_key(url.as_str()) {
            logos.clear();
        }
        let until = now + i64::from(PAUSE);
        logos.insert(url.as_str().to_owned(), Remembered { logo: logo.clone(), until });
        logo
    }
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
