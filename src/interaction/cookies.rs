//! The provider's cookies (RFC 6265bis). They are bound to this host by their name, unreadable to scripts, and
//! `SameSite=Lax`: browsers send them when the user follows a link from another site, but not with requests that
//! another site's pages make.

use crate::config::Issuer;
use crate::http::Request;
use crate::lifetimes::DEVICE_COOKIE_SECONDS;
use crate::secret::is_random_text;

/// A cookie, by its purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cookie {
    /// Records that a user has signed in with this browser.
    Device,
    Session,
}

impl Cookie {
    /// Returns the cookie's name.
    pub fn name(self, issuer: &Issuer) -> String {
        let name = match self {
            Self::Device => "postern-device",
            Self::Session => "postern-session",
        };
        full_name(issuer, name)
    }

    /// Returns the cookie's value in a request. Returns `None` if the request has two cookies of this name, because
    /// somebody else set one of them.
    pub fn value_in(self, issuer: &Issuer, request: &impl Request) -> Option<String> {
        let name = self.name(issuer);
        let header = request.header("cookie")?;
        let mut values = pairs(&header).filter(|(known, _)| *known == name);
        let (_, value) = values.next()?;
        values.next().is_none().then(|| value.to_owned())
    }

    /// Returns the `Set-Cookie` that sets the cookie.
    pub fn set(self, issuer: &Issuer, value: &str) -> String {
        let age = match self {
            // Kept until the browser is closed. A session also expires in the database.
            Self::Session => String::new(),
            Self::Device => format!("; Max-Age={DEVICE_COOKIE_SECONDS}"),
        };
        write(issuer, &self.name(issuer), value, &age)
    }

    /// Returns the `Set-Cookie` that deletes the cookie.
    pub fn clear(self, issuer: &Issuer) -> String {
        write(issuer, &self.name(issuer), "", "; Max-Age=0")
    }
}

/// The cookie that identifies a browser before and after a sign-in; forms are bound to it.
///
/// A browser can have several of them. One that opens several pages at once gets one with each, because it has none when
/// it requests them. So each cookie has a name of its own, and none replaces another whose form is open. The name ends
/// in the [`BrowserCookie::mark`] of its value.
#[derive(Debug)]
pub struct BrowserCookie;

impl BrowserCookie {
    /// Returns the browser ids of a request, in order. An id under a name that is not its own, or in two cookies, does
    /// not count, because the provider did not set such a cookie.
    pub fn ids_in(issuer: &Issuer, request: &impl Request) -> Vec<String> {
        let Some(header) = request.header("cookie") else { return Vec::new() };
        let name = format!("{}.", Self::name(issuer));
        let mut cookies: Vec<_> = pairs(&header)
            .filter_map(|(known, id)| Some((known.strip_prefix(&name)?, id)))
            .collect();
        cookies.sort_unstable();
        let is_alone = |group: &&[(&str, &str)]| group.len() == 1;
        let alone = cookies.chunk_by(|(one, _), (other, _)| one == other).filter(is_alone);
        alone
            .flatten()
            .filter(|(mark, id)| is_random_text(id) && *mark == Self::mark(id))
            .map(|(_, id)| (*id).to_owned())
            .collect()
    }

    /// Returns the first characters of a browser id, by which forms name it. The others, 208 bits, stay secret.
    pub fn mark(id: &str) -> &str {
        id.split_at_checked(8).map_or(id, |(mark, _)| mark)
    }

    /// Returns the `Set-Cookie` that sets the cookie. The browser keeps it until it is closed.
    pub fn set(issuer: &Issuer, id: &str) -> String {
        write(issuer, &format!("{}.{}", Self::name(issuer), Self::mark(id)), id, "")
    }

    fn name(issuer: &Issuer) -> String {
        full_name(issuer, "postern-browser")
    }
}

/// Returns the name of a cookie with this short name. It has the issuer's path, because issuers on one host share their
/// cookies.
///
/// The prefix `__Host-` prevents other hosts of the domain, and plain http, from setting the cookie. It needs https, so
/// the cookies of a loopback issuer do not have it.
fn full_name(issuer: &Issuer, name: &str) -> String {
    let prefix = if is_secure(issuer) { "__Host-" } else { "" };
    format!("{prefix}{name}{}", issuer.path().replace('/', "!"))
}

/// Splits a `Cookie` header into names and values.
fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    // Trim what browsers trim, and nothing else. A neighbouring host may set a cookie whose name begins with another
    // Unicode space and then `__Host-`: browsers do not see the prefix there.
    let pairs = header.split(';').map(|pair| pair.trim_matches([' ', '\t']));
    pairs.filter_map(|pair| pair.split_once('='))
}

fn write(issuer: &Issuer, name: &str, value: &str, age: &str) -> String {
    let secure = if is_secure(issuer) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{age}")
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
