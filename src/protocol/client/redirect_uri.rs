//! Redirect URIs: the rules for registration, and the comparison with a request (RFC 6749 section 3.1.2, RFC 8252
//! section 7).

use std::fmt;

use crate::protocol::authority::{Authority, AuthorityError};
use crate::protocol::client::scheme::{is_custom, is_private_use, is_reserved, is_scheme};
use crate::protocol::own_host::{NOT_OWN_HOST, OwnHost};

/// The maximum length of a redirect URI, in bytes.
const LIMIT: usize = 2_048;

/// The parameters that an authorization response adds (RFC 6749 section 4.1.2, RFC 9207). A redirect URI must not have
/// them, because they would be repeated in the response.
const RESPONSE_PARAMETERS: [&str; 5] = ["code", "error", "error_description", "iss", "state"];

/// The operator's policy for redirect URIs.
#[derive(Clone, Copy, Debug)]
pub struct RedirectUriPolicy<'a> {
    /// The host of the provider, to which no redirect URI may lead.
    pub own_host: &'a OwnHost,
    /// Schemes without a period that the operator lets in.
    pub schemes: &'a [String],
    /// Hosts, in lower case, that the operator lets in with `http`.
    pub insecure_hosts: &'a [String],
}

/// An error in a redirect URI to be registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RedirectUriError {
    /// The host is missing or invalid, or the port is invalid, or there is a user.
    Authority(AuthorityError),
    /// A percent sign is not followed by two hexadecimal digits.
    Escape,
    /// The scheme is none of the web's, and no private-use scheme (RFC 8252 section 7.1).
    CustomScheme,
    /// The URI has a fragment.
    Fragment,
    /// The scheme is `http`, but the host is not loopback.
    Http,
    /// The URI has a character that must be percent-encoded.
    NotAscii,
    /// The query has a parameter that the response adds.
    ResponseParameter,
    /// The URI has no scheme.
    NotAbsolute,
    /// The host is that of the provider.
    OwnHost,
    /// The URI is longer than 2048 bytes.
    TooLong,
    /// Browsers or the operating system give the scheme another meaning, or it is the web's and not in lower case.
    ReservedScheme,
    /// The host has an asterisk.
    Wildcard,
}

impl RedirectUriError {
    /// Returns the requirement for the URI, worded to follow the name of the metadata field.
    pub fn description(self) -> &'static str {
        match self {
            Self::Authority(AuthorityError::Host) => {
                "must have a host name, with internationalized names in their xn-- form"
            }
            Self::Authority(AuthorityError::Missing) => "must have a host after //",
            Self::Authority(AuthorityError::Port) => "must have a port from 1 to 65535, or none",
            Self::Authority(AuthorityError::UserInfo) => "must not have a user or a password",
            Self::Escape => "must have two hexadecimal digits after each %",
            Self::Fragment => "must not have a fragment",
            Self::Http => "must be https (http is allowed for localhost, 127.0.0.1 and [::1])",
            Self::CustomScheme => {
                "a custom scheme must be a reversed domain name in lower case, such as \
                 com.example.app, or in PRIVATE_USE_SCHEMES"
            }
            Self::NotAscii => {
                "must be an absolute URI, with other characters than ASCII \
                               percent-encoded"
            }
            Self::ResponseParameter => {
                "must not have the parameters code, error, error_description, iss or state"
            }
            Self::NotAbsolute => "must be an absolute URI",
            Self::OwnHost => NOT_OWN_HOST,
            Self::ReservedScheme => {
                "must have the scheme https, http on a loopback host, or one of the application's \
                 own, in lower case"
            }
            Self::TooLong => "must be at most 2048 bytes",
            Self::Wildcard => "no wildcards: a redirect URI is compared character by character",
        }
    }
}

impl fmt::Display for RedirectUriError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.description())
    }
}

impl From<AuthorityError> for RedirectUriError {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

/// Checks a URI before it is registered. Requests are compared with it byte for byte, so that it is not normalized. A
/// URI that two parsers could read differently is refused.
pub fn check(uri: &str, policy: RedirectUriPolicy<'_>) -> Result<(), RedirectUriError> {
    if uri.len() > LIMIT {
        return Err(RedirectUriError::TooLong);
    }
    if !uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return Err(RedirectUriError::NotAscii);
    }
    let is_encoded =
        |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !uri.split('%').skip(1).all(is_encoded) {
        return Err(RedirectUriError::Escape);
    }
    if uri.contains('#') {
        return Err(RedirectUriError::Fragment);
    }
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    if form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name))
    {
        return Err(RedirectUriError::ResponseParameter);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(RedirectUriError::NotAbsolute)?;
    let authority = uri.split('/').nth(2).unwrap_or_default();
    if matches!(scheme, "https" | "http") && authority.contains('*') {
        return Err(RedirectUriError::Wildcard);
    }
    check_scheme(uri, scheme, rest, policy)?;
    if policy.own_host.has(uri) { Err(RedirectUriError::OwnHost) } else { Ok(()) }
}

fn check_scheme(
    uri: &str,
    scheme: &str,
    rest: &str,
    policy: RedirectUriPolicy<'_>,
) -> Result<(), RedirectUriError> {
    match scheme {
        "https" => Ok(Authority::of_url(uri).map(drop)?),
        "http" => {
            let authority = Authority::of_url(uri)?;
            let host = authority.host().to_ascii_lowercase();
            let is_allowed = authority.allows_http() || policy.insecure_hosts.contains(&host);
            if is_allowed { Ok(()) } else { Err(RedirectUriError::Http) }
        }
        // `app.example:8443/cb` is a URL without its scheme.
        _ if !is_scheme(scheme) || rest.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(RedirectUriError::NotAbsolute)
        }
        _ if is_reserved(scheme) => Err(RedirectUriError::ReservedScheme),
        _ if is_private_use(scheme) || policy.schemes.iter().any(|known| known == scheme) => Ok(()),
        _ => Err(RedirectUriError::CustomScheme),
    }
}

/// Returns whether the redirect URI of a request is registered. URIs are compared byte for byte, with one exception:
/// the port of an `http` loopback URI may differ, because the operating system assigns it at run time (RFC 8252 section
/// 7.3).
///
/// No URI on the provider's own host counts: not one that was registered before this was checked, and not its port at a
/// loopback host.
pub fn is_registered(uri: &str, registered: &[String], own_host: &OwnHost) -> bool {
    let loopback = loopback_without_port(uri, own_host);
    let is_same = |known: &String| {
        known == uri || loopback.is_some() && loopback == loopback_without_port(known, own_host)
    };
    !own_host.has(uri) && registered.iter().any(is_same)
}

/// Returns the host of an `http` loopback URI, and everything after its port.
fn loopback_without_port<'a>(uri: &'a str, own_host: &OwnHost) -> Option<(&'a str, &'a str)> {
    let policy = RedirectUriPolicy { own_host, schemes: &[], insecure_hosts: &[] };
    let rest = uri.strip_prefix("http://")?;
    check(uri, policy).ok()?;
    let (_, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((Authority::of_url(uri).ok()?.host(), path))
}

/// Returns whether a URI leads to the user's own device, where any program can receive the response (RFC 8252 section
/// 8.6): it has a scheme of an application, or its host is this device in any spelling.
pub fn is_local(uri: &str) -> bool {
    match uri.split_once(':') {
        Some(("https" | "http", _)) => {
            Authority::of_url(uri).is_ok_and(|authority| authority.is_this_device())
        }
        Some((scheme, _)) => is_custom(scheme),
        None => false,
    }
}

/// Returns the host of an `http` or `https` URI, in lower case and without the port.
pub fn host(uri: &str) -> Option<String> {
    let is_web = uri.starts_with("https:") || uri.starts_with("http:");
    let authority = is_web.then(|| Authority::of_url(uri).ok()).flatten()?;
    Some(authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_host() -> OwnHost {
        OwnHost::of_issuer("https://login.example.com").unwrap()
    }

    fn check(uri: &str) -> Result<(), RedirectUriError> {
        let own_host = &own_host();
        super::check(uri, RedirectUriPolicy { own_host, schemes: &[], insecure_hosts: &[] })
    }

    #[test]
    fn a_redirect_uri_is_https_or_loopback_or_private_use() {
        for uri in [
            "https://app.example/cb",
            "https://app.example:8443/cb?x=1&y=%2F",
            "https://app.example",
            "https://[2001:db8::1]/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:1/cb",
            "com.example.app:/cb",
            "com.example.app://host/cb",
            "a.b:x",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn the_operator_lets_in_schemes_and_hosts_by_name() {
        let (schemes, insecure_hosts) = (["cursor".to_owned()], ["nas.lan".to_owned()]);
        let own_host = &own_host();
        let policy =
            RedirectUriPolicy { own_host, schemes: &schemes, insecure_hosts: &insecure_hosts };
        for (uri, error) in [
            ("cursor://vendor.app/cb", RedirectUriError::CustomScheme),
            ("http://nas.lan:8080/cb", RedirectUriError::Http),
            ("http://NAS.lan/cb", RedirectUriError::Http),
        ] {
            assert_eq!((super::check(uri, policy), check(uri)), (Ok(()), Err(error)), "{uri}");
        }
        for (uri, error) in [
            ("Cursor://vendor.app/cb", RedirectUriError::CustomScheme),
            ("cursor2://vendor.app/cb", RedirectUriError::CustomScheme),
            ("cursor:443/cb", RedirectUriError::NotAbsolute),
            ("http://nas.lan.evil.example/cb", RedirectUriError::Http),
            ("http://www.nas.lan/cb", RedirectUriError::Http),
            ("http://nas.lan@evil.example/cb", AuthorityError::UserInfo.into()),
        ] {
            assert_eq!(super::check(uri, policy), Err(error), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_uri_may_differ() {
        let registered = |uri: &str| vec![uri.to_owned()];
        for (known, uri) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:1/cb?a=b", "http://127.0.0.1:2/cb?a=b"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb"),
            ("http://[::1]:1/cb", "http://[::1]:2/cb"),
            ("http://localhost/cb", "http://localhost:3000/cb"),
            ("http://localhost", "http://localhost:3000"),
        ] {
            assert!(is_registered(uri, &registered(known), &own_host()), "{known} {uri}");
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
            ("https://localhost/cb", "https://localhost:1/cb"),
            ("http://nas.lan/cb", "http://nas.lan:1/cb"),
            ("com.example.app://x/cb", "com.example.app://x:1/cb"),
            ("https://app.example/cb", "https://app.example:8443/cb"),
            ("https://app.example/cb", "https://app.example/cb?"),
            ("https://app.example/cb", "https://app.example/cB"),
        ] {
            assert!(!is_registered(uri, &registered(known), &own_host()), "{known} {uri}");
        }
    }

    #[test]
    fn a_loopback_uri_is_local_in_any_spelling() {
        for uri in [
            "http://localhost:3000/cb",
            "https://LOCALHOST/cb",
            "https://app.localhost/cb",
            "https://127.0.0.2:8443/cb",
            "https://127.1/cb",
            "https://0x7f.1/cb",
            "https://2130706433/cb",
            "https://[0:0:0:0:0:0:0:1]/cb",
            "https://[::ffff:127.0.0.1]/cb",
            "https://0.0.0.0:8443/cb",
            "https://[::]/cb",
            "com.example.app:/cb",
            "cursor://vendor.app/cb",
        ] {
            assert!(is_local(uri), "{uri}");
        }
        for uri in [
            "https://app.example/cb",
            "https://127.0.0.1.example/cb",
            "https://localhost@app.example/cb",
            "https://app.example/localhost",
            "https://128.0.0.1/cb",
            "https:localhost",
            "localhost",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_local(uri), "{uri}");
        }
        assert_eq!(host("https://App.Example:1/x"), Some("app.example".to_owned()));
        assert_eq!((host("com.example.app://x"), host("https:x://y")), (None, None));
    }

    #[test]
    fn unsafe_and_ambiguous_redirect_uris_are_refused() {
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
            "app.example:8443/cb",
            "localhost:3000/cb",
            "https://LOGIN.example.com:8443/auth/authorize",
        ] {
            assert!(check(uri).is_err(), "{uri:?}");
        }
        let of_length = |length: usize| format!("https://app.example/{}", "x".repeat(length - 20));
        assert_eq!(check(&of_length(LIMIT)), Ok(()));
        assert_eq!(check(&of_length(LIMIT + 1)), Err(RedirectUriError::TooLong));
    }
}
