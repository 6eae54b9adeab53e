//! The page at the issuer's URL.

use askama::Template;

use crate::http::Response;
use crate::pages::key_timeline::{KeyTimeline, Part};
use crate::pages::{Brand, Policy, Texts, respond_privately};

/// The page at the issuer's URL: for people, whose login this is and the way to their account; for developers, the
/// endpoints and the published keys, in English.
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    pub issuer: &'a str,
    pub account_url: &'a str,
    /// The URL of the provider metadata.
    pub discovery_url: &'a str,
    /// The endpoints: their fields of the provider metadata, and their URLs.
    pub endpoints: &'a [(&'static str, String)],
    /// The published keys; `None` if they cannot be read now.
    pub keys: Option<KeyTimeline<'a>>,
}

impl Home<'_> {
    fn name(&self) -> &str {
        self.brand.known.map_or(self.issuer, |branding| &branding.name)
    }

    fn logo_url(&self) -> Option<&str> {
        self.brand
            .known
            .filter(|branding| branding.logo.is_some())
            .map(|branding| &*branding.icon_url)
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, 200, &Policy::of(self.brand))
    }
}
