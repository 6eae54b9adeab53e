//! Which URIs are the same: a redirect URI of a request and a registered one, resources, and origins. Each comparison is
//! compared with one that splits URIs by the regular expression of RFC 3986 appendix B, not by this crate's parser.

use crate::properties::check;
use postern::protocol::client::redirect_uri::is_registered;
use postern::protocol::own_host::OwnHost;
use postern::protocol::same_uri::{is_same_origin, is_same_uri, origin};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};

const SCHEMES: [&str; 6] = ["http", "https", "HTTP", "com.example.app", "urn", "javascript"];
const HOSTS: [&str; 18] = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "LOCALHOST",
    "localhost.",
    "127.1",
    "127.0.0.2",
    "[::ffff:127.0.0.1]",
    "user@localhost",
    "localhost@evil.example",
    "localhost.evil.example",
    "app.localhost",
    "app.example",
    "App.example",
    "evil.example",
    "login.example.com",
    "10.0.0.1",
    "",
];
const PORTS: [&str; 13] = [
    "", ":", ":80", ":443", ":3000", ":3001", ":03000", ":8787", ":0", ":65535", ":65536", ":-1",
    ":3000:1",
];
const PATHS: [&str; 20] = [
    "", "/", "/cb", "/CB", "/cb/", "//cb", "/cb?x=1", "/cb?x=2", "/cb?", "?x=1", "/?x=1", "/%63b",
    "/%C3", "/%c3", "/a/../cb", "/./cb", "/cb#", "/cb#f", "#f", "/#f",
];

/// A URI of these parts, and where each of them ends.
#[derive(Clone, Debug)]
struct Parts([&'static str; 4]);

impl Parts {
    fn uri(&self) -> String {
        let [scheme, host, port, path] = self.0;
        format!("{scheme}://{host}{port}{path}")
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let scheme = prop_oneof![3 => Just("http"), 2 => select(&SCHEMES[..])];
    let host = prop_oneof![1 => select(&HOSTS[..3]), 1 => select(&HOSTS[..])];
    let path = prop_oneof![1 => Just("/cb"), 2 => select(&PATHS[..])];
    (scheme, host, select(&PORTS[..]), path).prop_map(|(a, b, c, d)| Parts([a, b, c, d]))
}

/// A URI, and one that differs in a part or a character, or not at all.
fn pair() -> impl Strategy<Value = (String, String)> {
    let one_part = (parts(), parts(), 0..4usize).prop_map(|(one, mut other, place)| {
        let changed = other.0[place];
        other.0 = one.0;
        other.0[place] = changed;
        (one.uri(), other.uri())
    });
    let edit = (parts(), any::<Index>(), "[a-zA-Z0-9:/?#@.%\\[\\]\\\\ é*]?", 0..3usize);
    let edited = edit.prop_map(|(one, place, text, length)| {
        let one = one.uri();
        let place = place.index(one.len() + 1);
        let end = (place + length).min(one.len());
        let other = format!("{}{text}{}", &one[..place], &one[end..]);
        (one, other)
    });
    let both = (parts(), parts()).prop_map(|(one, other)| (one.uri(), other.uri()));
    prop_oneof![4 => one_part, 4 => edited, 1 => both]
}

/// Every pair of URIs that differ in one part at most.
fn pairs_of_parts() -> impl Iterator<Item = (String, String)> {
    let rest = [["http", "localhost", ":3000", "/cb"], ["https", "app.example", "", ""]];
    let parts: [&'static [&'static str]; 4] = [&SCHEMES, &HOSTS, &PORTS, &PATHS];
    rest.into_iter().flat_map(move |rest| {
        parts.into_iter().enumerate().flat_map(move |(place, values)| {
            let with = move |value| {
                let mut all = rest;
                all[place] = value;
                Parts(all).uri()
            };
            let others = move |one| values.iter().map(move |other| (with(one), with(other)));
            values.iter().flat_map(move |one| others(one))
        })
    })
}

/// Scheme, authority, path with query, and fragment: `^(([^:/?#]+):)?(//([^/?#]*))?([^#]*)(#(.*))?`.
fn split(uri: &str) -> (Option<&str>, Option<&str>, &str, Option<&str>) {
    let (uri, fragment) =
        uri.split_once('#').map_or((uri, None), |(uri, after)| (uri, Some(after)));
    let (scheme, rest) = match uri.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains(['/', '?']) => {
            (Some(scheme), rest)
        }
        _ => (None, uri),
    };
    let Some(rest) = rest.strip_prefix("//") else { return (scheme, None, rest, fragment) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    (scheme, Some(&rest[..end]), &rest[end..], fragment)
}

/// The host of an authority, and its port if the authority has one that is a number from 1 to 65535.
fn host_and_port(authority: &str) -> Option<(&str, Option<u32>)> {
    let colon = authority.rfind(':').filter(|colon| *colon > authority.rfind(']').unwrap_or(0));
    let Some(colon) = colon else { return Some((authority, None)) };
    let digits = &authority[colon + 1..];
    let port = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    (1..=65_535).contains(&port).then_some((&authority[..colon], Some(port)))
}

/// Scheme, host and path of a URI whose port may differ (RFC 8252 section 7.3).
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let (Some("http"), Some(authority), path, None) = split(uri) else { return None };
    let (host, _) = host_and_port(authority)?;
    ["localhost", "127.0.0.1", "[::1]"].contains(&host).then_some((host, path))
}

fn is_match(uri: &str, registered: &str) -> bool {
    let without_port = (without_port(uri), without_port(registered));
    uri == registered || without_port.0.is_some() && without_port.0 == without_port.1
}

fn own_host(issuer: &str) -> OwnHost {
    OwnHost::of_issuer(issuer).unwrap()
}

/// Whether a URI has no character that must be percent-encoded. One that has such a character cannot be registered, and is no
/// loopback URI.
fn is_clean(uri: &str) -> bool {
    let is_hex = |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && uri.split('%').skip(1).all(is_hex)
}

#[test]
fn a_redirect_uri_matches_a_registered_one_byte_for_byte_except_for_the_port_of_a_loopback_host() {
    let own_host = own_host("https://login.example.com");
    let judge = |(uri, registered): (String, String)| {
        let matches = is_registered(&uri, std::slice::from_ref(&registered), &own_host);
        let is_expected = is_match(&uri, &registered) && !own_host.has(&uri);
        if uri == registered || is_clean(&uri) && is_clean(&registered) {
            assert_eq!(matches, is_expected, "{uri} {registered}");
        } else {
            assert!(!matches || is_expected, "{uri} {registered}");
        }
    };
    pairs_of_parts().for_each(judge);
    check(1_500, &pair(), judge);
}

#[test]
fn the_comparison_of_redirect_uris_is_an_equivalence() {
    let own_host = own_host("https://login.example.com");
    let others = (pair(), vec(parts(), 3));
    check(120, &others, |((one, other), more)| {
        let mut uris = vec![one, other];
        uris.extend(more.iter().map(Parts::uri));
        uris.retain(|uri| !own_host.has(uri));
        let matches = |uri: &str, known: &str| is_registered(uri, &[known.to_owned()], &own_host);
        for a in &uris {
            assert!(matches(a, a), "{a}");
            for b in &uris {
                assert_eq!(matches(a, b), matches(b, a), "{a} {b}");
                for c in &uris {
                    assert!(!matches(a, b) || !matches(b, c) || matches(a, c), "{a} {b} {c}");
                }
            }
            // A set registers what one of its URIs does.
            let any = uris.iter().skip(1).any(|known| matches(a, known));
            assert_eq!(is_registered(a, &uris[1.min(uris.len())..], &own_host), any, "{a}");
        }
        assert!(uris.iter().all(|uri| !is_registered(uri, &[], &own_host)));
    });
}

#[test]
fn no_redirect_uri_is_on_the_host_of_the_provider_at_any_port() {
    for issuer in
        ["https://login.example.com", "https://app.example/tenant", "http://localhost:8787"]
    {
        let own = own_host(issuer);
        let (_, Some(authority), _, _) = split(issuer) else { unreachable!() };
        let (own_name, own_port) = host_and_port(authority).unwrap();
        check(500, &pair(), |(uri, registered)| {
            let (Some("http" | "https"), Some(authority), ..) = split(&uri) else { return };
            let Some((host, port)) = host_and_port(authority) else { return };
            let is_own = match own_port {
                None => host.eq_ignore_ascii_case(own_name),
                Some(own_port) => host == own_name && port == Some(own_port),
            };
            if is_own {
                assert!(!is_registered(&uri, &[registered, uri.clone()], &own), "{issuer} {uri}");
            }
        });
    }
}

#[test]
fn uris_are_the_same_byte_for_byte_except_for_an_empty_path() {
    let judge = |(one, other): (String, String)| {
        let normal = |uri: &str| match split(uri) {
            (Some("https" | "http"), Some(authority), path, None)
                if !authority.is_empty() && (path.is_empty() || path.starts_with('?')) =>
            {
                format!("{}/{}", &uri[..uri.len() - path.len()], path.trim_start_matches('/'))
            }
            _ => uri.to_owned(),
        };
        let is_expected = normal(&one) == normal(&other);
        assert_eq!(is_same_uri(&one, &other), is_expected, "{one} {other}");
        assert_eq!(is_same_uri(&other, &one), is_expected, "{one} {other}");
        assert!(is_same_uri(&one, &one), "{one}");
    };
    pairs_of_parts().for_each(judge);
    check(1_500, &pair(), judge);
}

#[test]
fn uris_of_one_origin_have_the_same_scheme_host_and_port() {
    let triple = (pair(), parts());
    check(1_200, &triple, |((one, other), third)| {
        let third = third.uri();
        assert_eq!(is_same_origin(&one, &other), is_same_origin(&other, &one), "{one} {other}");
        let is_chain = is_same_origin(&one, &other) && is_same_origin(&other, &third);
        assert!(!is_chain || is_same_origin(&one, &third), "{one} {other} {third}");
        let Some(base) = origin(&one) else {
            // A URI without an origin has the same origin as no URI, itself included.
            assert!(!is_same_origin(&one, &one) && !is_same_origin(&one, &other), "{one}");
            return;
        };
        assert!(is_same_origin(&one, &base) && is_same_origin(&one, &one), "{one} {base}");
        assert_eq!(origin(&base).as_ref(), Some(&base));
        if is_same_origin(&one, &other) {
            let (scheme, other_scheme) = (split(&one).0, split(&other).0);
            let port = |uri: &str| {
                let (scheme, authority, ..) = split(uri);
                let (_, port) = host_and_port(authority.unwrap()).unwrap();
                port.unwrap_or(if scheme == Some("https") { 443 } else { 80 })
            };
            assert_eq!((scheme, port(&one)), (other_scheme, port(&other)), "{one} {other}");
        }
    });
}
