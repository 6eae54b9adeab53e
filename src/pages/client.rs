//! A client as a page shows it.

use crate::protocol::claims::is_web_url;
use crate::protocol::client_metadata::ClientMetadata;

/// A client as a page shows it. Every text is the client's own, and not believed: URLs that are not of
/// the web are left out.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its home page.
    pub client_uri: Option<&'a str>,
    /// Its logo.
    pub logo_uri: Option<&'a str>,
    /// Its privacy policy.
    pub policy_uri: Option<&'a str>,
    /// Its terms of service.
    pub tos_uri: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// A client by its metadata. One without a name is called by its identifier. The logo of one that
    /// registered itself is not shown: from its own site it would see who looks at our pages, and when, and
    /// could show another picture later.
    pub fn new(client_id: &'a str, metadata: &'a ClientMetadata, is_self_registered: bool) -> Self {
        Self {
            name: metadata.client_name.as_deref().unwrap_or(client_id),
            client_uri: metadata.client_uri.as_deref(),
            logo_uri: metadata.logo_uri.as_deref().filter(|_| !is_self_registered),
            policy_uri: metadata.policy_uri.as_deref(),
            tos_uri: metadata.tos_uri.as_deref(),
        }
    }

    /// The logo that is shown: not one whose bytes, and that somebody signs in, the network could see.
    pub(super) fn logo(&self) -> Option<&'a str> {
        web(self.logo_uri).filter(|url| url.starts_with("https:"))
    }

    pub(super) fn home(&self) -> Option<&'a str> {
        web(self.client_uri)
    }

    pub(super) fn policy(&self) -> Option<&'a str> {
        web(self.policy_uri)
    }

    pub(super) fn terms(&self) -> Option<&'a str> {
        web(self.tos_uri)
    }

    pub(super) fn has_links(&self) -> bool {
        self.home().or(self.policy()).or(self.terms()).is_some()
    }
}

/// A URL that may stand in an attribute: of the web, so never `javascript:`.
fn web(url: Option<&str>) -> Option<&str> {
    url.filter(|url| is_web_url(url))
}
