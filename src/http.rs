//! HTTP independent of the platform: a request that is read on demand, and a response as a value.
#![warn(missing_docs)]
#![allow(async_fn_in_trait)]

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// A request. Headers and body are read on demand, because each read calls JavaScript from wasm, and refusing a
/// request should cost little.
pub trait Request {
    /// Returns the method, in upper case.
    fn method(&self) -> &str;

    /// Returns the path of the URL, with its percent-encoding unchanged.
    fn path(&self) -> &str;

    /// Returns the query of the URL without its question mark, or an empty string if there is none.
    fn query(&self) -> &str;

    /// Returns a header's value without surrounding white space. Several fields with one name are joined by `", "`
    /// (RFC 9110 section 5.3).
    fn header(&self, name: &str) -> Option<String>;

    /// Returns what the platform knows about the sender's country. It is not a header, which a sender could set.
    fn country(&self) -> Option<String>;

    /// Reads the body. Fails, and stops reading, if it has more than `limit` bytes.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError>;

    /// Returns for how many seconds the request has been in progress. Its sender determines how long the body takes.
    fn age(&self) -> i64;
}

/// Returns the IP address of a request's sender. The platform sets this header and overwrites one from the client.
pub fn address_of(request: &impl Request) -> String {
    request.header("cf-connecting-ip").unwrap_or_default()
}

/// Returns whether the browser loads a page that the user may open later (Fetch standard section 3.7). `Purpose` is the
/// older name of the header. The parameters of the value are ignored, because `prefetch;prerender` is a prefetch too.
pub fn is_prefetch(request: &impl Request) -> bool {
    ["sec-purpose", "purpose"].into_iter().any(|name| {
        let value = request.header(name).unwrap_or_default();
        let mut purposes = value.split(',').map(|item| item.split(';').next().unwrap_or_default());
        purposes.any(|purpose| purpose.trim().eq_ignore_ascii_case("prefetch"))
    })
}

/// Returns the country of a request's sender (ISO 3166-1 alpha-2). The platform has other codes, too: `XX` for an unknown
/// country, and `T1` for the Tor network.
pub fn country_of(request: &impl Request) -> Option<String> {
    let is_country = |code: &String| {
        code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) && code != "XX"
    };
    request.country().filter(is_country)
}

/// The platform's identifier of a request, which its log has, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestId(u64);

impl RequestId {
    /// Reads the identifier that Cloudflare gave the request: 16 hexadecimal digits, and the name of a data center.
    pub fn from_request(request: &impl Request) -> Option<Self> {
        let ray = request.header("cf-ray")?;
        let (digits, _) = ray.split_once('-').unwrap_or((&ray, ""));
        let is_id = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_id.then(|| u64::from_str_radix(digits, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The network of an address that is not an IP address.
pub const UNKNOWN_NETWORK: &str = "unknown";

/// Returns the network of an IP address: a /24 of IPv4 or a /48 of IPv6, the largest that one site usually has (RFC 6177). Smaller
/// ones of IPv6 do not count apart, because a /48 has 65,536 networks of /64 in it.
pub fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        Err(_) => UNKNOWN_NETWORK.into(),
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// The client closed the connection, or the body was read before.
    Interrupted,
    /// The body has more bytes than the limit.
    TooLarge,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, with lower-case names. Only `set-cookie` may occur more than once.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; empty if the status or the method allows none.
    pub body: Rc<str>,
}

impl Response {
    /// Creates a response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Rc::from("") }
    }

    /// Creates a JSON response.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// Creates a JSON response from a value. Fails if the value cannot be serialized.
    pub fn json_of(status: u16, body: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::text(status, "application/json", serde_json::to_string(body)?))
    }

    /// Creates a response with a body of the media type `content_type`.
    pub fn text(status: u16, content_type: &'static str, body: impl Into<Rc<str>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with("content-type", content_type)
    }

    /// Creates a redirect with status 303: the browser follows it with GET after a POST too (RFC 9110 section 15.4.4).
    pub fn see_other(location: String) -> Self {
        Self::empty(303).with("location", location)
    }

    /// Adds a cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: String) -> Self {
        self.with("set-cookie", cookie)
    }

    /// Adds a header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::network_of;

    #[test]
    fn an_address_belongs_to_its_24_or_48_network() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("2001:db8:1:ffff::", "2001:db8:1::/48"),
            ("", "unknown"),
            ("192.0.2.077", "unknown"),
        ] {
            assert_eq!(network_of(address), network);
        }
    }
}
