//! The issuer identifier.

use std::fmt;
use std::net::Ipv4Addr;

use crate::protocol::authority::{Authority, AuthorityError};
use crate::protocol::own_host::OwnHost;

/// The issuer identifier: an absolute https URL without query, fragment or trailing slash (OpenID Connect Discovery
/// section 3; RFC 8414 section 2).
///
/// Relying parties compare it byte by byte. So only the spelling that every URL parser leaves unchanged is valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    url: String,
    origin: String,
    own_host: OwnHost,
    path: String,
}

/// Why a URL cannot be the issuer identifier. `Display` writes the text that follows the variable's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IssuerError {
    /// The URL names the default port of its scheme.
    DefaultPort,
    /// The URL has a fragment.
    Fragment,
    /// The host is not a name in lower case, or is missing.
    Host,
    /// The host ends in a number, and is not an IPv4 address of four decimal numbers.
    Ipv4Address,
    /// The scheme is `http` and the host is not a loopback host.
    NotHttps,
    NotSet,
    /// The path has an empty segment, a dot segment, or a character that is not allowed.
    Path,
    /// The port is not a number from 1 to 65535 without a leading zero.
    Port,
    /// The URL has a query.
    Query,
    /// The scheme is missing, or is not `https` or `http` in lower case.
    Scheme,
    /// The URL ends with a slash.
    TrailingSlash,
    /// The authority has a user or a password.
    User,
}

impl fmt::Display for IssuerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DefaultPort => "must not have the default port of its scheme",
            Self::Fragment => "must not have a fragment",
            Self::Host => {
                "must have a host name in lower case, with internationalized names in their xn-- \
                 form"
            }
            Self::Ipv4Address => {
                "must have an IPv4 address as four decimal numbers, or a host name"
            }
            Self::NotHttps | Self::Scheme => {
                "must begin with https:// (http:// is allowed for localhost, 127.0.0.1 and [::1])"
            }
            Self::NotSet => {
                "not set; give the URL of this provider, for example https://login.example.com"
            }
            Self::Path => "must have a path of letters, digits and -._~ only",
            Self::Port => "must have a port from 1 to 65535",
            Self::Query => "must not have a query",
            Self::TrailingSlash => "must not end with a slash",
            Self::User => "must not have a user or a password",
        })
    }
}

impl Issuer {
    pub fn parse(url: &str) -> Result<Self, IssuerError> {
        if url.is_empty() {
            return Err(IssuerError::NotSet);
        }
        let (is_https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(IssuerError::Scheme),
        };
        if url.contains('?') {
            return Err(IssuerError::Query);
        }
        if url.contains('#') {
            return Err(IssuerError::Fragment);
        }
        if url.ends_with('/') {
            return Err(IssuerError::TrailingSlash);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if !check_authority(authority, is_https)?.allows_http() && !is_https {
            return Err(IssuerError::NotHttps);
        }
        check_path(path)?;
        let scheme = if is_https { "https" } else { "http" };
        let origin = format!("{scheme}://{authority}");
        let own_host = OwnHost::of_issuer(url).map_err(|_| IssuerError::Host)?;
        Ok(Self { url: url.to_owned(), origin, own_host, path: path.to_owned() })
    }

    /// Returns the issuer identifier as it was configured.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Returns scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the host of this provider, at which no URL of a client may be.
    pub fn own_host(&self) -> &OwnHost {
        &self.own_host
    }

    /// Returns the path: empty, or with a slash at its beginning and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Parses host and port, and checks that every URL parser leaves their spelling unchanged.
fn check_authority(text: &str, is_https: bool) -> Result<Authority<'_>, IssuerError> {
    let authority = Authority::parse(text).map_err(|error| match error {
        AuthorityError::Host | AuthorityError::Missing => IssuerError::Host,
        AuthorityError::Port => IssuerError::Port,
        AuthorityError::UserInfo => IssuerError::User,
    })?;
    let host = authority.host();
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(IssuerError::Host);
    }
    let is_plain = host == "[::1]" || host.parse::<Ipv4Addr>().is_ok();
    if authority.is_address() && !is_plain {
        return Err(IssuerError::Ipv4Address);
    }
    if let Some(port) = authority.port() {
        // URL parsers remove a leading zero.
        if !text.ends_with(&format!(":{port}")) {
            return Err(IssuerError::Port);
        }
        if port == if is_https { 443 } else { 80 } {
            return Err(IssuerError::DefaultPort);
        }
    }
    Ok(authority)
}

fn check_path(path: &str) -> Result<(), IssuerError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    let is_right = path.is_empty() || path.split('/').skip(1).all(is_segment);
    if is_right { Ok(()) } else { Err(IssuerError::Path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_split_into_origin_and_path() {
        for (url, origin, path) in [
            ("https://login.example.com", "https://login.example.com", ""),
            ("https://example.com:8443/a/b", "https://example.com:8443", "/a/b"),
            ("http://localhost:8787", "http://localhost:8787", ""),
            ("http://127.0.0.1/t", "http://127.0.0.1", "/t"),
            ("http://[::1]:8787/t", "http://[::1]:8787", "/t"),
        ] {
            let issuer = Issuer::parse(url).unwrap();
            assert_eq!((issuer.as_str(), issuer.origin(), issuer.path()), (url, origin, path));
        }
    }

    #[test]
    fn an_issuer_with_more_than_one_spelling_is_refused() {
        for url in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com",
            "HTTPS://example.com",
            "https://",
            "https:///path",
            "https://example.com/",
            "https://example.com/a/",
            "https://example.com?",
            "https://example.com/?a=b",
            "https://example.com#",
            "https://example.com/a#b",
            "https://Example.com",
            "https://bücher.example",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://example..com",
            "https://example.com:0",
            "https://example.com:443",
            "https://example.com:+8443",
            "https://example.com:08443",
            "https://example.com:65536",
            "https://example.com:",
            "https://example.com/a//b",
            "https://example.com/a/../b",
            "https://example.com/./a",
            "https://example.com/%61",
            "https://example.com/a b",
            "https://exa mple.com",
            "https://example.com\\a",
            " https://example.com",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.2",
            "http://localhost:80",
            "https://127.1",
            "https://2130706433",
            "https://010.0.0.1",
            "https://0x7f.1",
            "https://1.2.3.0x4",
            "https://example.1",
            "https://256.1.1.1",
            "https://[::2]",
            "https://[::1",
        ] {
            assert!(Issuer::parse(url).is_err(), "{url:?}");
        }
    }
}
