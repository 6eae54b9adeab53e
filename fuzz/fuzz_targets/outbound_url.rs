//! URLs that the provider fetches, and client identifiers that are URLs: `OutboundUrl`, `ClientIdUrl`.
#![no_main]

use fuzz::own_host;
use libfuzzer_sys::fuzz_target;
use postern::protocol::client::client_id_url::{
    ClientIdRules, ClientIdUrl, ClientIdUrlError, DocumentPolicy, host_of, is_url, path_of,
};
use postern::protocol::client::outbound_url::{OutboundRules, OutboundUrl};
use url::{Host, Url};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for allows_loopback in [false, true] {
        let outbound = OutboundRules { allows_loopback, own_host: own_host() };
        let parsed = OutboundUrl::parse(&text, outbound);
        match &parsed {
            Ok(url) => accepted(&text, url, allows_loopback),
            Err(error) => assert!(!error.description().is_empty()),
        }
        let policy = DocumentPolicy::Open;
        match ClientIdUrl::parse(&text, ClientIdRules { policy: &policy, outbound }) {
            Ok(id) => {
                assert!(is_url(&text) && text.len() <= 512 && id.as_str() == text);
                assert_eq!(Ok(id.url()), parsed.as_ref());
                identifies(&text, outbound);
            }
            Err(ClientIdUrlError::Url(error)) => assert_eq!(Err(error), parsed),
            Err(error) => assert!(!error.description().is_empty()),
        }
    }
    if let Ok(DocumentPolicy::Hosts(hosts)) = DocumentPolicy::parse(&text) {
        for host in hosts {
            let url = Url::parse(&format!("https://{host}/"));
            assert!(host.contains("xn--") || url.is_ok_and(|url| url.host_str() == Some(&host)));
        }
    }
});

fn accepted(text: &str, url: &OutboundUrl, allows_loopback: bool) {
    assert!(text.len() <= 2_048 && text.starts_with(url.as_str()) && !url.as_str().contains('#'));
    assert!(!own_host().has(url.as_str()));
    let again =
        OutboundUrl::parse(url.as_str(), OutboundRules { allows_loopback, own_host: own_host() });
    assert_eq!(again.as_ref(), Ok(url));
    // The stored form of the URL is a JSON text.
    assert_eq!(serde_json::to_value(url).ok(), Some(url.as_str().into()));

    // The platform reads it alike: the same name, which is none of a private network.
    let Ok(read) = Url::parse(url.as_str()) else {
        assert!(url.host().contains("xn--"), "not a URL: {text}");
        return;
    };
    assert!(read.username().is_empty() && read.password().is_none() && read.fragment().is_none());
    assert_eq!(read.host_str(), Some(url.host()));
    if allows_loopback && ["localhost", "127.0.0.1", "[::1]"].contains(&url.host()) {
        return;
    }
    assert_eq!(read.scheme(), "https");
    let Some(Host::Domain(name)) = read.host() else { panic!("an address: {text}") };
    let private = ["localhost", "local", "internal", "lan", "invalid", "onion", "arpa"];
    let last = name.rsplit('.').next().unwrap_or_default();
    assert!(name.contains('.') && (last == "arpa" || !private.contains(&last)));
}

/// A client identifier is what the platform requests: no part of it is resolved or dropped.
fn identifies(text: &str, outbound: OutboundRules<'_>) {
    let path = path_of(text);
    assert!(path.len() > 1 && path.starts_with('/'));
    let host = host_of(text).expect("a host");
    let admits = |hosts: &[&str]| {
        let policy = DocumentPolicy::Hosts(hosts.iter().map(|host| (*host).to_owned()).collect());
        ClientIdUrl::parse(text, ClientIdRules { policy: &policy, outbound }).is_ok()
    };
    assert!(admits(&[&host]) && !admits(&[&format!("a{host}"), "x", ""]));
    let closed = ClientIdRules { policy: &DocumentPolicy::Closed, outbound };
    assert_eq!(ClientIdUrl::parse(text, closed), Err(ClientIdUrlError::NotAdmitted));
    if let Ok(read) = Url::parse(text) {
        assert_eq!((read.path(), read.host_str()), (path, Some(host.as_str())));
    }
}
