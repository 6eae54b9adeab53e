//! Redirect URIs, at registration and in requests: `redirect_uri`, `scheme`, `same_uri`, `OwnHost`, `Authority`.
//!
//! Input: a registered URI; the URI of a request.
#![no_main]

use fuzz::{Parts, own_host};
use libfuzzer_sys::fuzz_target;
use postern::protocol::authority::Authority;
use postern::protocol::client::redirect_uri::{
    RedirectUriPolicy, check, host, is_local, is_registered,
};
use postern::protocol::client::scheme;
use postern::protocol::own_host::OwnHost;
use postern::protocol::same_uri::{is_same_origin, is_same_uri, origin};
use postern::protocol::text_forms::is_web_url;
use std::sync::LazyLock;
use url::{Host, Url};

static NAMED: LazyLock<[Vec<String>; 2]> =
    LazyLock::new(|| [vec!["cursor".to_owned()], vec!["nas.lan".to_owned()]]);

fn policy() -> RedirectUriPolicy<'static> {
    let [schemes, insecure_hosts] = &*NAMED;
    RedirectUriPolicy { own_host: own_host(), schemes, insecure_hosts }
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let (known, uri) = (parts.text(), parts.text());
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    for uri in [&known, &uri] {
        match check(uri, policy()) {
            Ok(()) => accepted(uri),
            Err(error) => assert!(!error.description().is_empty()),
        }
        if is_web_url(uri) {
            read_alike(uri);
        }
        // The provider's own host counts in every spelling that browsers read as it.
        if is_plain(uri) && (uri.starts_with("https:") || uri.starts_with("http:")) {
            let is_own =
                Url::parse(uri).is_ok_and(|url| url.host_str() == Some("login.example.com"));
            assert!(!is_own || own_host().has(uri));
        }
        if let Some(origin) = origin(uri)
            && let Ok(url) = Url::parse(uri)
        {
            assert_eq!(Url::parse(&origin).map(|url| url.origin()), Ok(url.origin()));
        }
    }
    matches(&known, &uri);
    same(&known, &uri);
});

/// A URI that is registered is read alike by browsers, and leads to no page of the system.
fn accepted(uri: &str) {
    assert!(uri.len() <= 2_048 && uri.is_ascii() && !own_host().has(uri));
    let (name, _) = uri.split_once(':').expect("a scheme");
    assert!(scheme::is_scheme(name));
    if !matches!(name, "https" | "http") {
        assert!(scheme::is_custom(name) && !scheme::is_reserved(name) && is_local(uri));
        assert!(host(uri).is_none());
        if let Ok(url) = Url::parse(uri) {
            assert_eq!((url.scheme(), url.fragment()), (name, None));
        }
        return;
    }
    read_alike(uri);
    let authority = Authority::of_url(uri).expect("an authority");
    let is_named = authority.host().eq_ignore_ascii_case("nas.lan");
    assert!(
        name == "https"
            || is_named
            || ["localhost", "127.0.0.1", "[::1]"].contains(&authority.host())
    );
    let Ok(url) = Url::parse(uri) else { return };
    assert_eq!((url.scheme(), url.fragment()), (name, None));
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let address = std::net::IpAddr::V6(address).to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        None => panic!("no host"),
    };
    assert_eq!(is_local(uri), is_loopback);
    let names = ["code", "error", "error_description", "iss", "state"];
    assert!(url.query_pairs().all(|(name, _)| !names.contains(&name.as_ref())));
}

/// Another parser finds the same host and port, and no user. It refuses only names in a form that encodes nothing.
fn read_alike(uri: &str) {
    let authority = Authority::of_url(uri).expect("an authority");
    let Ok(url) = Url::parse(uri) else {
        assert!(authority.host().to_ascii_lowercase().contains("xn--"), "not a URL: {uri}");
        return;
    };
    assert!(url.username().is_empty() && url.password().is_none());
    // Browsers write an IPv4 address inside of an IPv6 one in hexadecimal (RFC 5952 section 5 does not).
    let shown = authority.shown_host();
    match url.host() {
        Some(Host::Ipv6(address)) => assert_eq!(format!("[{address}]"), shown),
        _ => assert_eq!(url.host_str(), Some(shown.as_str())),
    }
    let is_address = !matches!(url.host(), Some(Host::Domain(_)));
    assert_eq!(authority.is_address(), is_address);
    let usual = if uri.starts_with("https:") { 443 } else { 80 };
    assert_eq!(url.port_or_known_default(), Some(authority.port().unwrap_or(usual)));
    assert_eq!(host(uri), Some(authority.host().to_ascii_lowercase()));
}

/// A request's URI matches what is registered byte for byte, or in all but the port of a loopback host.
fn matches(known: &str, uri: &str) {
    let registered = [known.to_owned()];
    let development = OwnHost::of_issuer("http://localhost:8787").expect("a host");
    for own_host in [own_host(), &development] {
        if !is_registered(uri, &registered, own_host) {
            let is_equal =
                known == uri && check(uri, RedirectUriPolicy { own_host, ..policy() }).is_ok();
            assert!(!is_equal);
            continue;
        }
        assert!(!own_host.has(uri));
        if known == uri {
            continue;
        }
        assert!(check(known, RedirectUriPolicy { own_host: fuzz::own_host(), ..policy() }).is_ok());
        let read = |uri| Url::parse(uri).expect("a loopback URI");
        let (mut one, mut other) = (read(known), read(uri));
        assert!(one.scheme() == "http" && is_local(known) && is_local(uri));
        assert!(one.set_port(None).is_ok() && other.set_port(None).is_ok());
        assert_eq!(one, other);
    }
    let (one, other) = ([known.to_owned()], [uri.to_owned()]);
    if check(known, policy()).is_ok() && check(uri, policy()).is_ok() {
        assert_eq!(is_registered(uri, &one, own_host()), is_registered(known, &other, own_host()));
    }
}

/// The equivalences of URIs are those of another parser, or narrower.
fn same(one: &str, other: &str) {
    assert_eq!(is_same_uri(one, other), is_same_uri(other, one));
    assert!(is_same_uri(one, one));
    assert_eq!(is_same_origin(one, other), is_same_origin(other, one));
    if let (Ok(first), Ok(second)) = (Url::parse(one), Url::parse(other)) {
        if is_same_uri(one, other) {
            assert_eq!(first, second);
        }
        if is_same_origin(one, other) {
            assert_eq!(first.port_or_known_default(), second.port_or_known_default());
            assert_eq!(first.scheme(), second.scheme());
        }
        if origin(one).is_some() && origin(other).is_some() && first.origin() == second.origin() {
            assert!(is_same_origin(one, other));
        }
    }
}
