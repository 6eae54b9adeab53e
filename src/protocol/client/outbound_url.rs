//! URLs that the provider fetches because a client says so.
//!
//! Whoever may name a URL for us to fetch must not be able to name one inside of somebody's network. What a
//! name resolves to is the platform's to decide; what can be told from the URL is told here.

use std::fmt;

use crate::protocol::authority::{Authority, AuthorityError};

/// The longest one, in bytes.
const LIMIT: usize = 2_048;

/// Names that are nobody's on the public internet (RFC 6761, RFC 6762, RFC 8375, and what clouds use inside).
const PRIVATE_SUFFIXES: [&str; 9] = [
    ".home.arpa",
    ".internal",
    ".intranet",
    ".invalid",
    ".lan",
    ".local",
    ".localdomain",
    ".localhost",
    ".onion",
];

/// A URL that may be fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboundUrl {
    url: String,
    host: String,
}

/// Why a URL may not be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutboundUrlError {
    /// The host is an address.
    Address,
    /// The host is no name.
    HostName,
    /// It has a character that must be percent-encoded.
    NotAscii,
    /// It is no absolute `https` URL.
    NotHttps,
    /// The host has a name that the public internet does not know.
    NotPublic,
    /// The port is not a number from 1 to 65535.
    Port,
    /// It has more than 2048 bytes.
    TooLong,
    /// It has a user or a password.
    UserInfo,
}

impl OutboundUrlError {
    /// What the URL must be, to follow the name of the metadata field.
    pub fn description(self) -> &'static str {
        match self {
            Self::Address => "must have a host name, not an address",
            Self::HostName => "must have a host name, international names in their xn-- form",
            Self::NotAscii => "must be an absolute https URL, what is not ASCII percent-encoded",
            Self::NotHttps => "must be an absolute https URL",
            Self::NotPublic => "must have a host name of the public internet",
            Self::Port => "must have a port from 1 to 65535",
            Self::TooLong => "must be at most 2048 bytes",
            Self::UserInfo => "must not have a user or a password",
        }
    }
}

impl fmt::Display for OutboundUrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.description())
    }
}

impl From<AuthorityError> for OutboundUrlError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Host => Self::HostName,
            AuthorityError::Missing => Self::NotHttps,
            AuthorityError::Port => Self::Port,
            AuthorityError::UserInfo => Self::UserInfo,
        }
    }
}

impl OutboundUrl {
    /// Parses a URL. A fragment is not sent, and left out. `allows_loopback` is for development: then `http` on
    /// this machine may be fetched too.
    ///
    /// # Errors
    /// [`OutboundUrlError`].
    pub fn parse(url: &str, allows_loopback: bool) -> Result<Self, OutboundUrlError> {
        if url.len() > LIMIT {
            return Err(OutboundUrlError::TooLong);
        }
        // What two parsers could read differently is refused: only one of them is ours.
        if !url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
            return Err(OutboundUrlError::NotAscii);
        }
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let authority = Authority::of_url(url);
        let host = match (url.split_once(':'), authority) {
            (Some(("http", _)), Ok(authority)) if allows_loopback && authority.allows_http() => {
                authority.host().to_owned()
            }
            (Some(("https", _)), authority) => public_host(&authority?)?,
            _ => return Err(OutboundUrlError::NotHttps),
        };
        Ok(Self { url: url.to_owned(), host })
    }

    /// The URL, without a fragment.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host in lower case, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Returns the host in lower case, if it is a public name and nothing else: no address in whatever spelling, no name
/// of a single label, none that only a private network knows.
fn public_host(authority: &Authority<'_>) -> Result<String, OutboundUrlError> {
    if authority.is_address() {
        return Err(OutboundUrlError::Address);
    }
    let host = authority.host().to_ascii_lowercase();
    // RFC 1035 section 2.3.4, RFC 952.
    let is_label =
        |label: &str| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err(OutboundUrlError::HostName);
    }
    if !host.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
        return Err(OutboundUrlError::NotPublic);
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::OutboundUrl;

    #[test]
    fn a_public_https_url_may_be_fetched() {
        for url in [
            "https://app.example/jwks.json",
            "https://App.Example:8443",
            "https://a.b-c.example?x=https://127.0.0.1/",
            "https://xn--mnchen-3ya.example/%C3%BC",
            "https://0x.example/",
            "https://10.0.0.1.example/",
        ] {
            assert_eq!(OutboundUrl::parse(url, false).unwrap().as_str(), url);
        }
        let url = OutboundUrl::parse("https://App.Example:8443/r#4f2a", false).unwrap();
        assert_eq!((url.as_str(), url.host()), ("https://App.Example:8443/r", "app.example"));
    }

    #[test]
    fn this_machine_may_be_fetched_in_development_only() {
        for url in ["http://127.0.0.1:8788/jwks", "http://localhost/jwks", "http://[::1]:1/jwks"] {
            assert!(OutboundUrl::parse(url, true).is_ok(), "{url}");
            assert!(OutboundUrl::parse(url, false).is_err(), "{url}");
        }
        for url in [
            "http://127.0.0.2/",
            "http://app.example/",
            "https://localhost/",
            "http://localhost:x/",
        ] {
            assert!(OutboundUrl::parse(url, true).is_err(), "{url}");
        }
    }
}
