//! URLs that the provider fetches for a client.
//!
//! A client must not be able to make the provider fetch a URL inside a private network. This module checks the URL. It
//! cannot check the address to which the host name resolves, because the platform resolves names.

use serde::{Serialize, Serializer};
use std::fmt;

use crate::bounded_map::Key;
use crate::protocol::authority::{Authority, AuthorityError};
use crate::protocol::own_host::{NOT_OWN_HOST, OwnHost};

/// The maximum length of a URL, in bytes.
const LIMIT: usize = 2_048;

/// Suffixes of names that do not exist on the public internet (RFC 6761, RFC 6762, RFC 8375, and internal names of
/// cloud networks).
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

/// The rules for URLs that the provider fetches.
#[derive(Clone, Copy, Debug)]
pub struct OutboundRules<'a> {
    /// Whether URLs on a loopback host are allowed, with `http` too. For development.
    pub allows_loopback: bool,
    /// The host of the provider. It must not fetch from itself.
    pub own_host: &'a OwnHost,
}

/// A URL that the provider may fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboundUrl {
    url: String,
    host: String,
}

/// An error in a URL that the provider would have to fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutboundUrlError {
    /// The host is an IP address.
    Address,
    /// The host is not a valid name.
    HostName,
    /// The URL has a character that must be percent-encoded.
    NotAscii,
    /// The text is not an absolute `https` URL.
    NotHttps,
    /// The host name does not exist on the public internet.
    NotPublic,
    /// The host is that of the provider.
    OwnHost,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The URL is longer than 2048 bytes.
    TooLong,
    /// The URL has a user or a password.
    UserInfo,
}

impl OutboundUrlError {
    /// Returns the requirement for the URL, worded to follow the name of the metadata field.
    pub fn description(self) -> &'static str {
        match self {
            Self::Address => "must have a host name, not an address",
            Self::HostName => {
                "must have a host name, with internationalized names in their xn-- \
                               form"
            }
            Self::NotAscii => {
                "must be an absolute https URL, with other characters than ASCII \
                               percent-encoded"
            }
            Self::NotHttps => "must be an absolute https URL",
            Self::NotPublic => "must have a host name of the public internet",
            Self::OwnHost => NOT_OWN_HOST,
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

impl Serialize for OutboundUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.url)
    }
}

impl Key for OutboundUrl {
    fn owner(&self) -> &str {
        &self.host
    }
}

impl OutboundUrl {
    /// Parses a URL and drops its fragment, which is never sent.
    pub fn parse(url: &str, rules: OutboundRules<'_>) -> Result<Self, OutboundUrlError> {
        let parsed = Self::of_any_host(url, rules.allows_loopback)?;
        if rules.own_host.has(url) { Err(OutboundUrlError::OwnHost) } else { Ok(parsed) }
    }

    /// Parses a URL, which may be on the provider's own host. `allows_loopback` also allows `http` and `https` on
    /// `localhost`, `127.0.0.1` and `[::1]`.
    pub(super) fn of_any_host(url: &str, allows_loopback: bool) -> Result<Self, OutboundUrlError> {
        if url.len() > LIMIT {
            return Err(OutboundUrlError::TooLong);
        }
        // Characters that parsers could read differently are refused, because the platform parses the URL again.
        if !url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
            return Err(OutboundUrlError::NotAscii);
        }
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let authority = Authority::of_url(url);
        let host = match (url.split_once(':'), authority) {
            (Some(("http" | "https", _)), Ok(authority))
                if allows_loopback && authority.allows_http() =>
            {
                authority.host().to_owned()
            }
            (Some(("https", _)), authority) => public_host(&authority?)?,
            _ => return Err(OutboundUrlError::NotHttps),
        };
        Ok(Self { url: url.to_owned(), host })
    }

    /// Returns the URL without its fragment.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Returns the host in lower case, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Returns the host in lower case, if it is a public name. Fails for an address in any spelling, for a name of a single
/// label, and for a name of private networks.
fn public_host(authority: &Authority<'_>) -> Result<String, OutboundUrlError> {
    if authority.is_address() {
        return Err(OutboundUrlError::Address);
    }
    let host = authority.host().to_ascii_lowercase();
    // RFC 952 limits the places of hyphens, and no certificate is issued for a name with an underscore.
    let is_label =
        |label: &str| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
    if !host.split('.').all(is_label) {
        return Err(OutboundUrlError::HostName);
    }
    if !host.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
        return Err(OutboundUrlError::NotPublic);
    }
    Ok(host)
}

#[cfg(test)]
impl OutboundUrl {
    /// Parses a URL of the public internet in a test.
    ///
    /// # Panics
    /// If the URL cannot be fetched.
    pub fn public(url: &str) -> Self {
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        Self::parse(url, OutboundRules { allows_loopback: false, own_host }).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::{OutboundRules, OutboundUrl, OutboundUrlError};
    use crate::protocol::own_host::OwnHost;

    fn parse(url: &str, allows_loopback: bool) -> Result<OutboundUrl, OutboundUrlError> {
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        OutboundUrl::parse(url, OutboundRules { allows_loopback, own_host })
    }

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
            assert_eq!(parse(url, false).unwrap().as_str(), url);
        }
        let url = parse("https://App.Example:8443/r#4f2a", false).unwrap();
        assert_eq!((url.as_str(), url.host()), ("https://App.Example:8443/r", "app.example"));
    }

    #[test]
    fn a_url_that_is_not_of_the_public_internet_may_not_be_fetched() {
        use OutboundUrlError as E;
        let of_length = |length: usize| format!("https://app.example/{}", "x".repeat(length - 20));
        assert_eq!(parse(&of_length(2_048), false).map(drop), Ok(()));
        for (error, url) in [
            (E::TooLong, of_length(2_049).as_str()),
            (E::NotAscii, "https://app.example/a b"),
            (E::NotAscii, "https://app.example/ü"),
            (E::NotAscii, "https://app.example\\@evil.example"),
            (E::NotHttps, "http://app.example/"),
            (E::HostName, "https://-app.example/"),
            (E::HostName, "https://app-.example/"),
            (E::HostName, "https://a_b.example/"),
            (E::NotPublic, "https://app/"),
            (E::NotPublic, "https://app.internal/"),
            (E::Address, "https://192.0.2.1/"),
        ] {
            assert_eq!(parse(url, false).map(drop), Err(error), "{url}");
        }
        assert_eq!(E::NotPublic.to_string(), E::NotPublic.description());
    }

    #[test]
    fn loopback_urls_may_be_fetched_in_development_only() {
        for rest in ["127.0.0.1:8788/jwks", "localhost/jwks", "[::1]:1/jwks"] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{rest}");
                assert!(parse(&url, true).is_ok(), "{url}");
                assert!(parse(&url, false).is_err(), "{url}");
            }
        }
        for url in [
            "http://127.0.0.2/",
            "https://127.0.0.2/",
            "http://app.example/",
            "https://app.localhost/",
            "https://10.0.0.1/",
            "https://localhost.local/",
            "http://localhost:x/",
            "https://localhost:x/",
            "https://user@localhost/",
        ] {
            assert!(parse(url, true).is_err(), "{url}");
        }
    }

    #[test]
    fn the_provider_does_not_fetch_from_its_own_host() {
        for url in ["https://login.example.com/jwks", "https://LOGIN.example.com:8443/auth/jwks"] {
            assert_eq!(parse(url, false), Err(OutboundUrlError::OwnHost), "{url}");
        }
        // In development the issuer is on the same device as the clients, at another port.
        let own_host = &OwnHost::of_issuer("http://localhost:8787").unwrap();
        let rules = OutboundRules { allows_loopback: true, own_host };
        for (url, is_own) in [
            ("http://localhost:8787/jwks", true),
            ("http://127.0.0.1:8787/jwks", true),
            ("http://[::1]:8787/jwks", true),
            ("http://localhost:8788/jwks", false),
            ("http://localhost/jwks", false),
        ] {
            let error = OutboundUrl::parse(url, rules).err();
            assert_eq!(error, is_own.then_some(OutboundUrlError::OwnHost), "{url}");
        }
    }
}
