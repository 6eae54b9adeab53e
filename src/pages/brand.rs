//! The provider, as its pages show it.

use askama::Template;

use crate::config::{Branding, Config, Logo, Theme};
use crate::pages::Texts;

/// Whose login it is: above and below the content of every page. Without a configuration, nothing is known.
///
/// Its parts are templates of their own. Otherwise the function of every page would contain them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brand<'a> {
    /// The branding of a valid configuration.
    pub(super) known: Option<&'a Branding>,
}

impl<'a> From<&'a Config> for Brand<'a> {
    fn from(config: &'a Config) -> Self {
        Self { known: Some(&config.branding) }
    }
}

/// In the page's head: icon and colors.
#[derive(Template)]
#[template(path = "brand_head.html")]
struct Head<'a> {
    icon_url: &'a str,
    theme: Option<&'a Theme>,
}

/// Above the content: logo and name.
#[derive(Template)]
#[template(path = "brand_header.html")]
struct Header<'a> {
    icon_url: &'a str,
    logo: Option<&'a Logo>,
    name: &'a str,
}

/// Below the content: links.
#[derive(Template)]
#[template(path = "brand_footer.html")]
struct Footer<'a> {
    branding: &'a Branding,
    texts: &'a Texts,
}

impl<'a> Brand<'a> {
    pub(super) fn theme(self) -> Option<&'a Theme> {
        self.known?.theme.as_ref()
    }

    pub(super) fn head(self) -> String {
        let Some(Branding { icon_url, .. }) = self.known else { return String::new() };
        rendered(&Head { icon_url, theme: self.theme() })
    }

    pub(super) fn header(self) -> String {
        let Some(Branding { icon_url, logo, name, .. }) = self.known else { return String::new() };
        rendered(&Header { icon_url, logo: logo.as_ref(), name })
    }

    pub(super) fn footer(self, texts: &Texts) -> String {
        let has_links = |branding: &&Branding| {
            branding.support_url.as_ref().or(branding.privacy_url.as_ref()).is_some()
        };
        let branding = self.known.filter(has_links);
        branding.map_or_else(String::new, |branding| rendered(&Footer { branding, texts }))
    }
}

/// Rendering into a String does not fail, because `Display` of the values does not.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_default()
}
