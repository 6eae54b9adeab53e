//! The provider's cookies (RFC 6265bis). They are bound to this host by their name, unreadable to scripts, and
//! `SameSite=Lax`: browsers send them when the user follows a link from another site, but not with requests that
//! another site's pages make.

use crate::config::Issuer;
use crate::http::Request;
use crate::lifetimes::DEVICE_COOKIE_SECONDS;

/// A cookie, by its purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cookie {
    /// Identifies the browser before and after a sign-in; forms are bound to it.
    Browser,
    /// Records that a user has signed in with this browser.
    Device,
    Session,
}

impl Cookie {
    /// Returns the cookie's name. It has the issuer's path, because issuers on one host share their cookies.
    ///
    /// The prefix `__Host-` prevents other hosts of the domain, and plain http, from setting the cookie. It needs
    /// https, so the cookies of a loopback issuer do not have it.
    pub fn name(self, issuer: &Issuer) -> String {
        let name = match self {
            Self::Browser => "postern-browser",
            Self::Device => "postern-device",
            Self::Session => "postern-session",
        };
        let prefix = if is_secure(issuer) { "__Host-" } else { "" };
        format!("{prefix}{name}{}", issuer.path().replace('/', "!"))
    }

    /// Returns the cookie's value in a request. Returns `None` if the request has two cookies of this name, because
    /// somebody else set one of them.
    pub fn value_in(self, issuer: &Issuer, request: &impl Request) -> Option<String> {
        let name = self.name(issuer);
        let header = request.header("cookie")?;
        // Trim what browsers trim, and nothing else. A neighbouring host may set a cookie whose name begins with
        // another Unicode space and then `__Host-`: browsers do not see the prefix there.
        let pairs = header.split(';').map(|pair| pair.trim_matches([' ', '\t']));
        let mut values = pairs
            .filter_map(|pair| pair.split_once('='))
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned());
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns the `Set-Cookie` that sets the cookie.
    pub fn set(self, issuer: &Issuer, value: &str) -> String {
        let age = match self {
            // Kept until the browser is closed. A session also expires in the database.
            Self::Browser | Self::Session => String::new(),
            Self::Device => format!("; Max-Age={DEVICE_COOKIE_SECONDS}"),
        };
        self.write(issuer, value, &age)
    }

    /// Returns the `Set-Cookie` that deletes the cookie.
    pub fn clear(self, issuer: &Issuer) -> String {
        self.write(issuer, "", "; Max-Age=0")
    }

    fn write(self, issuer: &Issuer, value: &str, age: &str) -> String {
        let secure = if is_secure(issuer) { "; Secure" } else { "" };
        format!("{}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{age}", self.name(issuer))
    }
}

fn is_secure(issuer: &Issuer) -> bool {
    issuer.as_str().starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_bound_to_its_host_and_issuer() {
        for (issuer, set) in [
            (
                "https://login.example.com",
                "__Host-postern-session=x; Path=/; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                "https://example.com/tenant/a",
                "__Host-postern-session!tenant!a=x; Path=/; Secure; HttpOnly; SameSite=Lax",
            ),
            ("http://localhost:8787", "postern-session=x; Path=/; HttpOnly; SameSite=Lax"),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(Cookie::Session.set(&issuer, "x"), set);
            assert!(Cookie::Session.clear(&issuer).ends_with("; SameSite=Lax; Max-Age=0"));
        }
    }
}
