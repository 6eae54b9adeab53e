//! Resource indicators (RFC 8707 section 2).

/// Returns whether a text is an absolute URI without a fragment.
pub(super) fn is_indicator(uri: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    uri.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
        && uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b))
}
