//! The equivalences of URIs that are not byte for byte.

use crate::protocol::authority::Authority;

/// Returns whether two URIs are the same. They are compared byte for byte, but an `http` or `https` URL with an empty path
/// is the one with the path `/` (RFC 3986 section 6.2.3), because libraries add or drop that `/`.
pub fn is_same_uri(one: &str, other: &str) -> bool {
    one == other || parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// Returns an `http` or `https` URL up to its path, and the rest without a leading `/`. `None` for a URL whose path is
/// neither empty nor `/`.
fn parts(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (origin, path) = uri.split_at_checked(uri.len() - rest.len() + end)?;
    let behind = path.strip_prefix('/').unwrap_or(path);
    (end > 0 && (behind.is_empty() || behind.starts_with('?'))).then_some((origin, behind))
}

/// Returns whether two `http` or `https` URLs have the same scheme, host and port (RFC 6454 section 5).
pub fn is_same_origin(one: &str, other: &str) -> bool {
    let default_port = |url: &str| match url.split_once("://") {
        Some(("https", _)) => Some(443),
        Some(("http", _)) => Some(80),
        _ => None,
    };
    let (Some(port), Some(other_port)) = (default_port(one), default_port(other)) else {
        return false;
    };
    let (Ok(one), Ok(other)) = (Authority::of_url(one), Authority::of_url(other)) else {
        return false;
    };
    port == other_port
        && one.port().unwrap_or(port) == other.port().unwrap_or(port)
        && one.is_same_host(&other)
}

/// Returns the origin of an `http` or `https` URL, as a URL without a path (RFC 6454 section 6.2).
pub fn origin(url: &str) -> Option<String> {
    let (scheme @ ("https" | "http"), _) = url.split_once("://")? else { return None };
    let authority = Authority::of_url(url).ok()?;
    let port = authority.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (one, other) in [
            ("https://app.example/a?b", "https://app.example"),
            ("https://app.example:443/", "https://APP.example/x"),
            ("http://localhost:80/", "http://localhost/x"),
        ] {
            assert!(is_same_origin(one, other) && is_same_origin(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("https://app.example", "http://app.example"),
            ("https://app.example", "https://app.example:8443"),
            ("http://app.example:443", "https://app.example:443"),
            ("https://app.example", "https://app.example.evil.example"),
            ("https://app.example", "https://www.app.example"),
            ("https://app.example", "https:app.example"),
            ("app.example://x", "app.example://x"),
            ("", ""),
        ] {
            assert!(!is_same_origin(one, other) && !is_same_origin(other, one), "{one} {other}");
        }
    }

    #[test]
    fn the_origin_of_a_url_has_nothing_of_its_path_or_query() {
        for (url, known) in [
            ("https://App.example/a;b,c?d=e", Some("https://app.example")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://[2001:db8::1]:8443/x", Some("https://[2001:db8::1]:8443")),
            ("https://user@app.example/", None),
            ("https://app.example; script-src */", None),
            ("https://app.example, *", None),
            ("com.example.app://x", None),
            ("https:/app.example", None),
        ] {
            assert_eq!(origin(url).as_deref(), known, "{url}");
        }
    }

    #[test]
    fn an_empty_path_is_a_slash_and_nothing_else_is() {
        for (one, other) in [
            ("https://api.example", "https://api.example/"),
            ("http://api.example:8080", "http://api.example:8080/"),
            ("https://api.example?a=b", "https://api.example/?a=b"),
            ("https://[::1]:1", "https://[::1]:1/"),
            ("urn:x/", "urn:x/"),
            ("https://api.example/a/", "https://api.example/a/"),
        ] {
            assert!(is_same_uri(one, other) && is_same_uri(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("https://api.example/a", "https://api.example/a/"),
            ("https://api.example", "https://api.example//"),
            ("https://api.example/", "https://api.example//"),
            ("https://api.example", "http://api.example/"),
            ("https://api.example", "https://API.example/"),
            ("https://api.example", "https://api.example:443/"),
            ("https://api.example", "https://api.example/?"),
            ("https://api.example?/", "https://api.example"),
            ("https://api.example?a", "https://api.example/?b"),
            ("https://api.example", "https://api.example./"),
            ("https://api.example", "https://api.example/."),
            ("https://api.example", "https://api.example/%2F"),
            ("https://", "https:///"),
            ("urn:x", "urn:x/"),
            ("mcp://x", "mcp://x/"),
            ("https:x", "https:x/"),
            ("https://api.example", "https://api.example#"),
            ("https://api.example", "https://api.example.evil.example/"),
            ("", ""),
        ] {
            assert!(one.is_empty() || !is_same_uri(one, other), "{one} {other}");
        }
    }
}
