//! Our cookies (RFC 6265bis): bound to this host by their name, unreadable to scripts, and sent along where
//! a person comes from elsewhere, but not with requests that pages elsewhere make.

use crate::config::Issuer;
use crate::http::Request;
use crate::lifetimes::DEVICE_COOKIE_SECONDS;

/// A cookie by what it is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cookie {
    /// What forms are bound to, before and after a sign-in.
    Browser,
    /// That somebody has signed in here before.
    Device,
    /// The session.
    Session,
}

impl Cookie {
    /// Its name. Issuers that share a host are told apart by their path; the prefix keeps anybody else on the
    /// domain, and on plain http, from setting it. On a loopback issuer, which has no https, it would keep
    /// ourselves.
    pub fn name(self, issuer: &Issuer) -> String {
        let name = match self {
            Self::Browser => "postern-browser",
            Self::Device => "postern-device",
            Self::Session => "postern-session",
        };
        let prefix = if is_secure(issuer) { "__Host-" } else { "" };
        format!("{prefix}{name}{}", issuer.path().replace('/', "!"))
    }

    /// Its value in a request. Of two of one name one is not ours, and which cannot be told.
    pub fn value_in(self, issuer: &Issuer, request: &impl Request) -> Option<String> {
        let name = self.name(issuer);
        let header = request.header("cookie")?;
        // What browsers trim, and no more: a neighbouring host may set a cookie whose name begins with some
        // other space of Unicode's and then `__Host-`, which to the browser is not the prefix.
        let pairs = header.split(';').map(|pair| pair.trim_matches([' ', '\t']));
        let mut values = pairs
            .filter_map(|pair| pair.split_once('='))
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned());
        values.next().filter(|_| values.next().is_none())
    }

    /// The `Set-Cookie` that gives it a value.
    pub fn set(self, issuer: &Issuer, value: &str) -> String {
        let age = match self {
            // As long as the browser is open; a session has its own end besides.
            Self::Browser | Self::Session => String::new(),
            Self::Device => format!("; Max-Age={DEVICE_COOKIE_SECONDS}"),
        };
        self.write(issuer, value, &age)
    }

    /// The `Set-Cookie` that takes it away.
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
