//! The issuer identifier.

use crate::protocol::authority::{Authority, AuthorityError};

/// The issuer identifier: an absolute https URL without query, fragment or trailing slash (OpenID
/// Connect Discovery section 3; RFC 8414 section 2), in the one spelling that every URL parser
/// leaves alone, because relying parties compare it byte by byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    url: String,
    origin_length: usize,
}

impl Issuer {
    /// Parses an issuer identifier.
    ///
    /// # Errors
    /// Words for the operator, to follow the variable's name.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if url.is_empty() {
            return Err("is not set: give the URL at which this provider is reached, for example \
                        https://login.example.com");
        }
        let (is_https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("must begin with https:// (or http:// on a loopback host)"),
        };
        if url.contains('?') {
            return Err("must not have a query");
        }
        if url.contains('#') {
            return Err("must not have a fragment");
        }
        if url.ends_with('/') {
            return Err("must not end with a slash");
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if !check_authority(authority, is_https)?.allows_http() && !is_https {
            return Err("must begin with https:// (http:// is for localhost, 127.0.0.1 and [::1])");
        }
        check_path(path)?;
        Ok(Self { url: url.to_owned(), origin_length: url.len() - path.len() })
    }

    /// The issuer identifier as it was configured.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        self.url.get(..self.origin_length).unwrap_or_default()
    }

    /// The path: empty, or beginning but not ending with a slash.
    pub fn path(&self) -> &str {
        self.url.get(self.origin_length..).unwrap_or_default()
    }
}

/// Parses host and port, and checks that they have the one spelling that every URL parser leaves alone.
fn check_authority(text: &str, is_https: bool) -> Result<Authority<'_>, &'static str> {
    let host_name = "must have a host name in lower case, international names in their xn-- form";
    let authority = Authority::parse(text).map_err(|error| match error {
        AuthorityError::Host | AuthorityError::Missing => host_name,
        AuthorityError::Port => "must have a port from 1 to 65535",
        AuthorityError::UserInfo => "must not have a user or a password",
    })?;
    let host = authority.host();
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(host_name);
    }
    let is_plain = host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok();
    if authority.is_address() && !is_plain {
        return Err("must have an IPv4 address as four decimal numbers, or a host name");
    }
    if let Some(port) = authority.port() {
        // A leading zero is another spelling.
        if !text.ends_with(&format!(":{port}")) {
            return Err("must have a port from 1 to 65535");
        }
        if port == if is_https { 443 } else { 80 } {
            return Err("must not name the scheme's own port");
        }
    }
    Ok(authority)
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    if path.is_empty() || path.split('/').skip(1).all(is_segment) {
        Ok(())
    } else {
        Err("must have a path of letters, digits and -._~ only")
    }
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
    fn an_issuer_that_could_be_read_in_two_ways_is_refused() {
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
