//! The host of this provider, at which no URL of a client may be.

use crate::protocol::authority::{Authority, AuthorityError};

/// The requirement for a client's URL, worded to follow the name of the metadata field.
pub const NOT_OWN_HOST: &str = "must not be on the host of this provider";

/// The host of the issuer. A client's URL on it would stand for this provider: the browser would carry an authorization
/// response to one of its own pages, and the provider would fetch from itself. An issuer with a path shares its host
/// with other sites, and clients may not be there either.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnHost {
    url: String,
}

impl OwnHost {
    /// Parses the issuer identifier.
    ///
    /// # Errors
    /// [`AuthorityError`] if it has no valid authority.
    pub fn of_issuer(issuer: &str) -> Result<Self, AuthorityError> {
        Authority::of_url(issuer).map(|_| Self { url: issuer.to_owned() })
    }

    /// Returns whether it is this device, as in development.
    pub fn is_this_device(&self) -> bool {
        Authority::of_url(&self.url).is_ok_and(|own| own.is_this_device())
    }

    /// Returns whether an `http` or `https` URL leads to the host, in any spelling and to any port.
    ///
    /// In development the issuer is on this device, with clients at other ports. Then only the issuer's own port counts,
    /// at every name and address of this device.
    ///
    /// A URL that two parsers could read differently counts, too.
    pub fn has(&self, url: &str) -> bool {
        let is_web = |url: &str| url.starts_with("https:") || url.starts_with("http:");
        let (Ok(own), Ok(other)) = (Authority::of_url(&self.url), Authority::of_url(url)) else {
            return is_web(url);
        };
        if !is_web(url) {
            return false;
        }
        if own.is_this_device() {
            return other.is_this_device() && port(&self.url, &own) == port(url, &other);
        }
        own.is_same_host(&other)
    }
}

/// Returns the port of a URL, or that of its scheme.
fn port(url: &str, authority: &Authority<'_>) -> u16 {
    authority.port().unwrap_or(if url.starts_with("https:") { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::OwnHost;

    #[test]
    fn a_url_on_the_host_of_the_issuer_is_recognized_in_every_spelling() {
        for (issuer, urls) in [
            (
                "https://login.example.com",
                &[
                    "https://login.example.com",
                    "https://login.example.com/auth/authorize",
                    "https://LOGIN.Example.COM/cb",
                    "https://login.example.com:443/cb",
                    "https://login.example.com:8443/cb?x",
                    "http://login.example.com/cb",
                    "https://login.example.com./cb",
                    "https://app@login.example.com/cb",
                    "https://log%69n.example.com/cb",
                    "https://ｌogin.example.com/cb",
                ][..],
            ),
            ("https://example.com/tenant", &["https://example.com/cb", "https://example.com"]),
            ("https://xn--mnchen-3ya.example", &["https://XN--Mnchen-3YA.example/cb"]),
            (
                "https://10.0.0.1",
                &["https://10.1/cb", "https://0xa000001/cb", "https://[::ffff:10.0.0.1]/cb"],
            ),
            ("https://[::ffff:10.0.0.1]", &["https://10.0.0.1/cb", "https://[::FFFF:a00:1]/cb"]),
            ("https://[2001:db8::1]", &["https://[2001:DB8:0::1]/cb"]),
            (
                "http://localhost:8787",
                &[
                    "http://localhost:8787/cb",
                    "https://localhost:8787/cb",
                    "http://127.0.0.1:8787/cb",
                    "https://127.1:08787/cb",
                    "https://0x7f.1:8787/cb",
                    "https://app.LOCALHOST:8787/cb",
                    "http://[::1]:8787/cb",
                    "https://[::ffff:127.0.0.1]:8787/cb",
                    "https://0.0.0.0:8787/cb",
                ],
            ),
            ("https://localhost", &["https://127.0.0.1/cb", "https://[::1]:443/cb"]),
            ("http://127.0.0.1", &["http://localhost:80/cb", "http://localhost/cb"]),
        ] {
            let own_host = OwnHost::of_issuer(issuer).unwrap();
            for url in urls {
                assert!(own_host.has(url), "{issuer} {url}");
            }
        }
    }

    #[test]
    fn other_hosts_and_the_other_ports_of_this_device_are_not_the_issuers() {
        for (issuer, urls) in [
            (
                "https://login.example.com",
                &[
                    "https://example.com/cb",
                    "https://app.login.example.com/cb",
                    "https://login.example.com.evil.example/cb",
                    "https://app.example/login.example.com",
                    "http://localhost:3000/cb",
                    "com.example.login:/cb",
                    "com.example.login://login.example.com/cb",
                ][..],
            ),
            (
                "http://localhost:8787",
                &[
                    "http://localhost:3000/cb",
                    "http://localhost/cb",
                    "https://127.0.0.1:8788/cb",
                    "https://app.example:8787/cb",
                ],
            ),
            ("https://10.0.0.1", &["https://10.0.0.2/cb", "https://app.example/cb"]),
        ] {
            let own_host = OwnHost::of_issuer(issuer).unwrap();
            for url in urls {
                assert!(!own_host.has(url), "{issuer} {url}");
            }
        }
    }
}
