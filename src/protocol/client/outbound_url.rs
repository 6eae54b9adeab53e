//! URLs that the provider fetches because a client says so.
//!
//! Whoever may name a URL for us to fetch must not be able to name one inside of somebody's network. What a
//! name resolves to is the platform's to decide; what can be told from the URL is told here.

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
pub struct OutboundUrl(String);

impl OutboundUrl {
    /// Parses a URL. A fragment is not sent, and left out. `allows_loopback` is for development: then `http` on
    /// this machine may be fetched too.
    ///
    /// # Errors
    /// What it must be, to follow the name of whatever it stands in.
    pub fn parse(url: &str, allows_loopback: bool) -> Result<Self, &'static str> {
        if url.len() > LIMIT {
            return Err("must be at most 2048 bytes");
        }
        // What two parsers could read differently is refused: only one of them is ours.
        if !url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
            return Err("must be an absolute https URL, what is not ASCII percent-encoded");
        }
        let url = url.split('#').next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").ok_or("must be an absolute https URL")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at_checked(end).unwrap_or_default();
        if allows_loopback && scheme == "http" && is_loopback(authority) {
            return Ok(Self(url.to_owned()));
        }
        if scheme != "https" {
            return Err("must be an absolute https URL");
        }
        check_authority(authority)?;
        Ok(Self(url.to_owned()))
    }

    /// The URL, without a fragment.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host in lower case, without the port.
    pub fn host(&self) -> String {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        split_port(authority).0.to_ascii_lowercase()
    }
}

fn is_loopback(authority: &str) -> bool {
    let (host, port) = split_port(authority);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") && is_port(port)
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority.get(after_brackets..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (host, port) =
                authority.split_at_checked(after_brackets + colon).unwrap_or_default();
            (host, port.get(1..))
        }
        None => (authority, None),
    }
}

fn is_port(port: Option<&str>) -> bool {
    port.is_none_or(|digits| {
        digits.bytes().all(|b| b.is_ascii_digit())
            && digits.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// A public name and nothing else: no user, no address in whatever spelling, no name of a single label, none
/// that only a private network knows.
fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("must not have a user or a password");
    }
    let (host, port) = split_port(authority);
    if !is_port(port) {
        return Err("must have a port from 1 to 65535");
    }
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("must have a host name, international names in their xn-- form");
    }
    // What ends in a number is an IPv4 address to a URL parser, in whatever spelling (URL standard, "ends in
    // a number").
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return Err("must have a host name, not an address");
    }
    if !host.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
        return Err("must have a host name of the public internet");
    }
    Ok(())
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
        assert_eq!((url.as_str(), &*url.host()), ("https://App.Example:8443/r", "app.example"));
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
