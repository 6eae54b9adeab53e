//! A client, as pages show it.

use crate::pages::Texts;
use crate::protocol::client::client_id_url::host_of;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::text_forms::is_web_url;

/// A client, as pages show it. The client chose every value, so none is trusted: only http and https URLs become links.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The name, or the identifier of a client without a name.
    pub name: &'a str,
    /// The host of its client metadata document, if it is a client by document. The only part of the client that is
    /// proven.
    pub document_host: Option<&'a str>,
    /// The home page.
    pub client_uri: Option<&'a str>,
    /// A copy of the logo, as a `data:` URL.
    pub logo: Option<&'a str>,
    pub policy_uri: Option<&'a str>,
    /// The terms of service.
    pub tos_uri: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// Selects the metadata in the language of a page.
    pub fn new(
        client_id: &'a str,
        metadata: &'a ClientMetadata,
        texts: &Texts,
        logo: Option<&'a str>,
    ) -> Self {
        let text = |field, plain: &'a Option<String>| {
            metadata.in_language(field, plain.as_deref(), texts.tag)
        };
        Self {
            name: text("client_name", &metadata.client_name).unwrap_or(client_id),
            document_host: host_of(client_id),
            client_uri: text("client_uri", &metadata.client_uri),
            logo,
            policy_uri: text("policy_uri", &metadata.policy_uri),
            tos_uri: text("tos_uri", &metadata.tos_uri),
        }
    }

    /// A client whose metadata is damaged: only its identifier is known.
    pub fn unnamed(client_id: &'a str) -> Self {
        Self {
            name: client_id,
            document_host: host_of(client_id),
            client_uri: None,
            logo: None,
            policy_uri: None,
            tos_uri: None,
        }
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

/// Returns the URL if it is safe in a link. For example, `javascript:` URLs are not.
fn web(url: Option<&str>) -> Option<&str> {
    url.filter(|url| is_web_url(url))
}
