//! The authority of a URL: host and port (RFC 3986 section 3.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest label of a name and the longest name, in bytes (RFC 1035 section 2.3.4).
const LABEL_LIMIT: usize = 63;
const NAME_LIMIT: usize = 253;

/// The host and the port of an `http` or `https` URL.
///
/// User information is refused, because `https://bank.example@evil.example` leads to `evil.example`. The host is ASCII
/// and not percent-encoded, so that every URL parser finds the same host. It is one that browsers can reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authority<'a> {
    host: &'a str,
    kind: HostKind,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthorityError {
    /// The host is neither a name nor an IPv4 address nor an IPv6 address in brackets.
    Host,
    /// The URL has no `//` after its scheme.
    Missing,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The authority has a user or a password.
    UserInfo,
}

/// The kind of a host, as URL parsers see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HostKind {
    /// A host that ends in a number, which URL parsers read as an IPv4 address in one of many spellings (URL Standard
    /// section 3.5).
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Name,
}

impl<'a> Authority<'a> {
    /// Parses the authority of a URL that begins with its scheme.
    pub fn of_url(url: &'a str) -> Result<Self, AuthorityError> {
        let rest = url.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//"));
        let rest = rest.ok_or(AuthorityError::Missing)?;
        let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        Self::parse(authority)
    }

    /// Parses an authority: the part of a URL between `//` and the path.
    pub fn parse(authority: &'a str) -> Result<Self, AuthorityError> {
        if authority.contains('@') {
            return Err(AuthorityError::UserInfo);
        }
        let (host, port) = match authority.rfind(']') {
            Some(bracket) => authority.split_at(bracket + 1),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let kind = HostKind::parse(host).ok_or(AuthorityError::Host)?;
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':').and_then(parse_port).ok_or(AuthorityError::Port)?),
        };
        Ok(Self { host, kind, port })
    }

    /// Returns the host as the URL spells it, without the port.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// Returns the host as browsers show it: a name in lower case, in which `paypaI.example` does not look like `paypal`,
    /// and an address in its usual spelling.
    pub fn shown_host(&self) -> String {
        match self.kind {
            HostKind::V4(address) => address.to_string(),
            HostKind::V6(address) => format!("[{address}]"),
            HostKind::Name => self.host.to_ascii_lowercase(),
        }
    }

    /// Returns the port, if the URL has one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns whether URL parsers read the host as an IP address, in any spelling.
    pub fn is_address(&self) -> bool {
        self.kind != HostKind::Name
    }

    /// Returns whether both are the same name or lead to the same address, in any spelling. The ports may differ.
    pub fn is_same_host(&self, other: &Authority<'_>) -> bool {
        match (self.address(), other.address()) {
            (None, None) => self.host.eq_ignore_ascii_case(other.host),
            (one, other) => one == other,
        }
    }

    /// Returns the address, which is an IPv4 address also if it is written as an IPv6 one (RFC 4291 section 2.5.5.2).
    fn address(&self) -> Option<IpAddr> {
        match self.kind {
            HostKind::V4(address) => Some(IpAddr::V4(address)),
            HostKind::V6(address) => Some(IpAddr::V6(address).to_canonical()),
            HostKind::Name => None,
        }
    }

    /// Returns whether a browser reaches its own device at this host:
    ///
    /// - `localhost` or a name below it (RFC 6761 section 6.3)
    /// - a loopback address
    /// - the unspecified address, at which Linux and macOS reach themselves
    ///
    /// Addresses count in any spelling, such as `127.1`, `0x7f.1`, `[::ffff:127.0.0.1]` and `0`.
    pub fn is_this_device(&self) -> bool {
        if let Some(address) = self.address() {
            return address.is_loopback() || address.is_unspecified();
        }
        let last = self.host.rsplit('.').next();
        last.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
    }

    /// Returns whether `http` is allowed for the host: it is `localhost`, `127.0.0.1` or `[::1]` in exactly this
    /// spelling.
    pub fn allows_http(&self) -> bool {
        matches!(self.host, "localhost" | "127.0.0.1" | "[::1]")
    }
}

impl HostKind {
    fn parse(host: &str) -> Option<Self> {
        if let Some(literal) = host.strip_prefix('[') {
            return literal.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        // Some URL parsers decode `xn--login-` to `login`, although it encodes nothing (UTS 46 section 4).
        let has_empty_code = |label: &str| {
            label.ends_with('-') && label.get(..4).is_some_and(|a| a.eq_ignore_ascii_case("xn--"))
        };
        // Browsers resolve names with an underscore, although no host of the internet should have one.
        let is_label = |label: &str| {
            (1..=LABEL_LIMIT).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                && !has_empty_code(label)
        };
        if host.len() > NAME_LIMIT || !host.split('.').all(is_label) {
            return None;
        }
        let last = host.rsplit('.').next()?;
        let is_number = last.bytes().all(|b| b.is_ascii_digit())
            || hexadecimal(last)
                .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_number { parse_v4(host).map(Self::V4) } else { Some(Self::Name) }
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // The parser of `u16` accepts a plus sign, too.
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| is_plain && *port > 0)
}

/// Parses an IPv4 address as browsers do (URL standard, "IPv4 parser"): up to four numbers, each decimal, octal or
/// hexadecimal. The last number fills all remaining bytes.
fn parse_v4(host: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = host.split('.').map(parse_number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let [mut address, mut bits_left] = [0, u32::BITS];
    for number in first {
        let byte = u8::try_from(*number).ok()?;
        bits_left = bits_left.checked_sub(u8::BITS).filter(|bits| *bits > 0)?;
        address += u32::from(byte) << bits_left;
    }
    let is_within = u64::from(*last) < 1 << bits_left;
    is_within.then(|| Ipv4Addr::from_bits(address + last))
}

fn parse_number(text: &str) -> Option<u32> {
    match (hexadecimal(text), text.strip_prefix('0')) {
        (Some(""), _) | (None, Some("")) => Some(0),
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) => u32::from_str_radix(digits, 8).ok(),
        (None, None) => text.parse().ok(),
    }
}

fn hexadecimal(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port() {
        for (url, host, port) in [
            ("https://app.example", "app.example", None),
            ("https://App.example:8443/cb?x#y", "App.example", Some(8443)),
            ("https://app.example:08443?x:1@y", "app.example", Some(8443)),
            ("http://[2001:db8::1]:1/", "[2001:db8::1]", Some(1)),
            ("https://10.0.0.1.example#x", "10.0.0.1.example", None),
        ] {
            let authority = Authority::of_url(url).unwrap();
            assert_eq!((authority.host(), authority.port()), (host, port), "{url}");
        }
    }

    #[test]
    fn a_host_is_shown_as_browsers_show_it() {
        for (host, shown) in [
            ("paypaI.example", "paypai.example"),
            ("XN--Mnchen-3YA.example", "xn--mnchen-3ya.example"),
            ("0x8.010.2056", "8.8.8.8"),
            ("[2001:DB8:0::0001]", "[2001:db8::1]"),
        ] {
            assert_eq!(Authority::parse(host).unwrap().shown_host(), shown);
        }
    }

    #[test]
    fn ambiguous_authorities_are_refused() {
        for (error, urls) in [
            (AuthorityError::Missing, &["", "app.example", "https:app.example", "https:/a"][..]),
            (AuthorityError::Missing, &["https:x://app.example", "https:\\\\app.example"]),
            (
                AuthorityError::UserInfo,
                &["https://u@app.example", "https://a:1@[::1]", "https://@a"],
            ),
            (
                AuthorityError::Host,
                &["https://", "https:///a", "https://:1", "https://a..b", "https://."],
            ),
            (
                AuthorityError::Host,
                &["https://a.example./", "https://bücher.example", "https://%61.example"],
            ),
            (
                AuthorityError::Host,
                &["https://a*b.example", "https://a\\b.example", "https://１２７.1"],
            ),
            (
                AuthorityError::Host,
                &["https://1.2.3.4.5/", "https://256.1.1.1", "https://example.1", "https://a.09"],
            ),
            (
                AuthorityError::Host,
                &["https://1.2.3.4.0", "https://127.0.0.256", "https://127.0.65536"],
            ),
            (
                AuthorityError::Host,
                &[
                    "https://4294967296",
                    "https://0x1ffffffff",
                    "https://127.0.0.08",
                    "https://a.0x",
                ],
            ),
            (AuthorityError::Host, &["https://xn--login-.example", "https://a.XN--b-"]),
            (
                AuthorityError::Host,
                &["https://[]", "https://[::1", "https://[::1%25lo]", "https://[evil]"],
            ),
            (
                AuthorityError::Host,
                &["https://a]", "https://[[::1]", "https://a[::1]", "https://[127.0.0.1]"],
            ),
            (
                AuthorityError::Port,
                &["https://a:", "https://a:0", "https://a:65536", "https://a:+1"],
            ),
            (
                AuthorityError::Port,
                &["https://a:x", "https://a:1:2", "https://[::1]x", "https://[::1]:"],
            ),
        ] {
            for url in urls {
                assert_eq!(Authority::of_url(url), Err(error), "{url}");
            }
        }
    }

    #[test]
    fn a_name_is_as_long_as_the_domain_name_system_allows() {
        let label = "a".repeat(63);
        let name = [label.as_str(); 4].join(".");
        for (host, is_host) in [
            (label.as_str(), true),
            (&format!("{label}a"), false),
            (name.get(..253).unwrap(), true),
            (name.get(..254).unwrap(), false),
        ] {
            assert_eq!(Authority::parse(host).is_ok(), is_host, "{host}");
        }
    }

    #[test]
    fn this_device_is_recognized_in_every_spelling() {
        for host in [
            "localhost",
            "LocalHost",
            "app.localhost",
            "a.b.LOCALHOST",
            "127.0.0.1",
            "127.255.0.3",
            "127.1",
            "127.0.1",
            "127.65536",
            "0177.0.0.1",
            "0x7f.1",
            "0X7F.0.0.0x1",
            "0x7f.0x.0.0",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000:0000::0001]",
            "[::ffff:127.0.0.1]",
            "[::FFFF:7f00:1]",
            "0.0.0.0",
            "0",
            "0x.0",
            "[::]",
            "[0:0::0]",
            "[::ffff:0.0.0.0]",
        ] {
            for url in [format!("https://{host}/cb"), format!("http://{host}:3000")] {
                assert!(Authority::of_url(&url).unwrap().is_this_device(), "{url}");
            }
        }
        for host in [
            "app.example",
            "localhost.example",
            "notlocalhost",
            "127.0.0.1.example",
            "127-0-0-1.example",
            "128.0.0.1",
            "10.0.0.1",
            "1.127",
            "127",
            "0127.0.0.1",
            "127.0.0.0xg",
            "0.0.0.1",
            "0.0.0.0.example",
            "[::2]",
            "[::ffff:128.0.0.1]",
            "[2001:db8::1]",
        ] {
            let url = format!("https://{host}/cb");
            assert!(!Authority::of_url(&url).unwrap().is_this_device(), "{url}");
        }
    }

    #[test]
    fn http_is_allowed_for_three_spellings_of_loopback_only() {
        for (host, allows_http) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("LOCALHOST", false),
            ("app.localhost", false),
            ("127.1", false),
            ("127.0.0.2", false),
            ("[0::1]", false),
            ("app.example", false),
        ] {
            let url = format!("http://{host}");
            assert_eq!(Authority::of_url(&url).unwrap().allows_http(), allows_http, "{host}");
        }
    }

    #[test]
    fn a_host_in_brackets_or_with_a_number_at_its_end_is_an_address() {
        for (host, is_address) in [
            ("127.0.0.1", true),
            ("10.1", true),
            ("1.2.3.0x4", true),
            ("0x", true),
            ("0xg", false),
            ("a_b.example", false),
            ("1.example", false),
            ("0x7f.example", false),
            ("[::1]", true),
        ] {
            let url = format!("https://{host}");
            assert_eq!(Authority::of_url(&url).unwrap().is_address(), is_address, "{host}");
        }
    }
}
