//! Redirect URIs, as clients register them (RFC 6749 section 3.1.2, RFC 8252 section 7).

use std::net::Ipv6Addr;

/// The longest one, in bytes.
const LIMIT: usize = 2_048;

/// The parameters that an answer adds (RFC 6749 section 4.1.2, RFC 9207): twice, they would say two things.
const ANSWER: [&str; 5] = ["code", "error", "error_description", "iss", "state"];

/// Checks a URI that is to be registered. It is later compared byte for byte, so nothing is normalized:
/// what two parsers could read differently is refused. A native application may have a scheme of its own.
///
/// # Errors
/// What it must be.
pub fn check(uri: &str, is_native: bool) -> Result<(), &'static str> {
    if uri.len() > LIMIT {
        return Err("must be at most 2048 bytes");
    }
    if !uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return Err("must be an absolute URI, what is not ASCII percent-encoded");
    }
    let is_encoded =
        |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !uri.split('%').skip(1).all(is_encoded) {
        return Err("must have two hexadecimal digits behind every %");
    }
    if uri.contains('#') {
        return Err("must not have a fragment");
    }
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| ANSWER.contains(&&*name)) {
        return Err("must not have a parameter of the answer, such as code or state");
    }
    let (scheme, rest) = uri.split_once(':').ok_or("must be an absolute URI")?;
    match (scheme, is_native) {
        ("https", _) => check_authority(rest).map(drop),
        ("http", _) => match check_authority(rest)? {
            "localhost" | "127.0.0.1" | "[::1]" => Ok(()),
            _ => Err("must be https (http is for localhost, 127.0.0.1 and [::1])"),
        },
        (_, true) if is_private_use(scheme) => Ok(()),
        (_, true) => {
            Err("must be https, http on loopback, or a scheme of one's own with a dot in it")
        }
        (_, false) => Err("must be https, or http on loopback"),
    }
}

/// Whether a request's redirect URI is a registered one: byte for byte the same, but that the port of a
/// native application's `http` loopback URI is whatever it got from its system (RFC 8252 section 7.3).
pub fn is_registered(uri: &str, registered: &[String], is_native: bool) -> bool {
    let without_port = |uri| is_native.then(|| loopback_without_port(uri)).flatten();
    registered.iter().any(|known| {
        known == uri || without_port(uri).is_some_and(|this| Some(this) == without_port(known))
    })
}

/// An `http` loopback URI's host, and what follows behind its port.
fn loopback_without_port(uri: &str) -> Option<(&str, &str)> {
    if !uri.starts_with("http://") || check(uri, true).is_err() {
        return None;
    }
    let rest = uri.strip_prefix("http://")?;
    let host = check_authority(uri.strip_prefix("http:")?).ok()?;
    let behind_host = rest.strip_prefix(host)?;
    let path = behind_host.find(['/', '?']).and_then(|start| behind_host.get(start..));
    Some((host, path.unwrap_or_default()))
}

/// Whether the URI leads to something on the person's own device, where any program can wait for it
/// (RFC 8252 section 8.6): a loopback address or a private-use scheme.
pub fn is_local(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    match (scheme, check_authority(rest)) {
        ("https" | "http", host) => matches!(host, Ok("localhost" | "127.0.0.1" | "[::1]")),
        _ => is_private_use(scheme),
    }
}

/// The host of a URI in lower case, without the port, if it has one.
pub fn host(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_web = matches!(scheme, "http" | "https");
    is_web.then(|| check_authority(rest).ok()).flatten().map(str::to_ascii_lowercase)
}

/// RFC 8252 section 7.1: a reversed domain name, in lower case.
pub(crate) fn is_private_use(scheme: &str) -> bool {
    let is_scheme_byte =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.contains('.')
        && scheme.split('.').all(|label| !label.is_empty())
        && scheme.bytes().all(is_scheme_byte)
}

/// The host behind `//`, without a user and with a numeric port at the most.
pub(crate) fn check_authority(rest: &str) -> Result<&str, &'static str> {
    const COMPLAINT: &str = "must have a host, no user, and a port of digits if any";
    let rest = rest.strip_prefix("//").ok_or(COMPLAINT)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = match authority.rfind(']') {
        Some(bracket) => authority.split_at(bracket + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_number = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|p| p > 0)
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_name = host.split('.').all(is_label);
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_literal = literal.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    if is_port && (is_name || is_literal) { Ok(host) } else { Err(COMPLAINT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_https_or_loopback_or_a_native_apps_own() {
        for uri in [
            "https://app.example/cb",
            "https://app.example:8443/cb?x=1&y=%2F",
            "https://app.example",
            "https://[2001:db8::1]/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:1/cb",
        ] {
            assert_eq!(check(uri, false), Ok(()), "{uri}");
            assert_eq!(check(uri, true), Ok(()), "{uri}");
        }
        for uri in ["com.example.app:/cb", "com.example.app://host/cb", "a.b:x"] {
            assert_eq!(check(uri, true), Ok(()), "{uri}");
            assert!(check(uri, false).is_err(), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_a_native_loopback_uri_may_differ() {
        let registered = |uri: &str| vec![uri.to_owned()];
        for (known, uri) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:1/cb?a=b", "http://127.0.0.1:2/cb?a=b"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb"),
            ("http://[::1]:1/cb", "http://[::1]:2/cb"),
            ("http://localhost/cb", "http://localhost:3000/cb"),
            ("http://localhost", "http://localhost:3000"),
        ] {
            assert!(is_registered(uri, &registered(known), true), "{known} {uri}");
            assert!(!is_registered(uri, &registered(known), false), "{known} {uri}");
            assert!(is_registered(known, &registered(known), false), "{known}");
        }
        for (known, uri) in [
            ("http://127.0.0.1/cb", "http://localhost:1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb/"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?a"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x"),
            ("http://localhost", "http://localhost:3000/"),
            ("https://app.example/cb", "https://app.example:8443/cb"),
            ("https://app.example/cb", "https://app.example/cb?"),
            ("https://app.example/cb", "https://app.example/cB"),
        ] {
            assert!(!is_registered(uri, &registered(known), true), "{known} {uri}");
        }
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused() {
        for uri in [
            "",
            "/cb",
            "//app.example/cb",
            "app.example/cb",
            "http://app.example/cb",
            "http://localhost.example/cb",
            "http://127.0.0.1.example/cb",
            "http://127.1/cb",
            "http://0.0.0.0/cb",
            "HTTPS://app.example/cb",
            "https:app.example",
            "https:/app.example/cb",
            "https:///cb",
            "https://:8443/cb",
            "https://user@app.example/cb",
            "https://app.example@evil.example/cb",
            "https://app.example\\@evil.example/cb",
            "https://app.example:/cb",
            "https://app.example:x/cb",
            "https://app.example:0/cb",
            "https://app.example:65536/cb",
            "https://app.example/cb#",
            "https://app.example/cb#x",
            "https://app.example/cb?code=mine",
            "https://app.example/cb?a=b&%73tate=",
            "https://app.example/c b",
            "https://app.example/cb\r\nSet-Cookie: a=b",
            "https://app.example/<script>",
            "https://bücher.example/cb",
            "https://app.example:+80/cb",
            "http://localhost:+3000/",
            "https://[]",
            "https://[[::1]/",
            "https://[a]b]/",
            "https://[:::::]/",
            "https://.",
            "https://a..b/",
            "https://app.example/%zz",
            "https://app.example/%2",
            "https://[::1/cb",
            "https://[evil]/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
            ".app:/cb",
            "com..app:/cb",
            "Com.App:/cb",
            "1.2:/cb",
        ] {
            assert!(check(uri, false).is_err(), "{uri:?}");
            assert!(check(uri, true).is_err(), "{uri:?}");
        }
        let long = format!("https://app.example/{}", "x".repeat(2_048));
        assert!(check(&long, false).is_err());
    }
}
