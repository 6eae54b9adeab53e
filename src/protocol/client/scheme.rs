//! The schemes of redirect URIs: those of the web and of the system, and those of applications (RFC 8252 section 7.1).

/// Schemes with which a browser or the operating system opens something other than an application that has claimed the
/// scheme: pages, scripts, files, messages, settings. No redirect URI may have one of them.
const RESERVED: [&str; 33] = [
    "about",
    "android-app",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "facetime",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "http",
    "https",
    "intent",
    "jar",
    "javascript",
    "ldap",
    "livescript",
    "mailto",
    "moz-extension",
    "ms-msdt",
    "ms-settings",
    "resource",
    "search-ms",
    "sms",
    "ssh",
    "tel",
    "telnet",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Returns whether a scheme can belong to an application: a private-use scheme, or one without a period that an operator
/// may let in.
pub fn is_custom(scheme: &str) -> bool {
    is_private_use(scheme)
        || (is_scheme(scheme)
            && !scheme.contains('.')
            && !scheme.bytes().any(|b| b.is_ascii_uppercase())
            && !is_reserved(scheme))
}

/// Returns whether a scheme is for private use: a reversed domain name in lower case (RFC 8252 section 7.1).
pub fn is_private_use(scheme: &str) -> bool {
    is_scheme(scheme)
        && scheme.contains('.')
        && scheme.split('.').all(|label| !label.is_empty())
        && !scheme.bytes().any(|b| b.is_ascii_uppercase())
}

/// Returns whether a text is a scheme (RFC 3986 section 3.1).
pub fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Returns whether no redirect URI may have a scheme, in any case.
pub fn is_reserved(scheme: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_of_the_web_or_of_the_system_is_no_custom_scheme() {
        for scheme in ["cursor", "vscode-insiders", "web+app", "com.example.app"] {
            assert!(is_custom(scheme), "{scheme}");
        }
        for scheme in RESERVED {
            assert!(!is_custom(scheme) && is_reserved(&scheme.to_ascii_uppercase()), "{scheme}");
        }
        for scheme in ["", "Cursor", "1a", "a b", "a;b", "a:", "*", "com..app", "é"] {
            assert!(!is_custom(scheme), "{scheme}");
        }
    }
}
