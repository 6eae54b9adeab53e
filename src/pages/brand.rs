//! The provider, as its pages show it.

use crate::config::{Branding, Config, Theme};

/// Whose login it is: above and below the content of every page. Without a configuration, nothing is known.
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

impl<'a> Brand<'a> {
    pub(super) fn theme(self) -> Option<&'a Theme> {
        self.known?.theme.as_ref()
    }

    pub(super) fn support_url(self) -> Option<&'a str> {
        self.known?.support_url.as_deref()
    }

    pub(super) fn privacy_url(self) -> Option<&'a str> {
        self.known?.privacy_url.as_deref()
    }

    pub(super) fn has_links(self) -> bool {
        self.support_url().or(self.privacy_url()).is_some()
    }
}
