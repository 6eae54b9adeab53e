//! The one equivalence of URIs that is not byte for byte.

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

#[cfg(test)]
mod tests {
    use super::*;

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
