//! The destination of a redirect URI, for the warnings of the consent page and the Content-Security-Policy.

use crate::protocol::authority::Authority;
use crate::protocol::client::redirect_uri::is_local;
use crate::protocol::client::scheme::is_custom;

/// The destination of an authorization response.
#[derive(Debug, Eq, PartialEq)]
pub enum Destination {
    /// The device that has sent the request (RFC 8628). There is no redirect URI.
    OtherDevice,
    /// A web host, as browsers show it.
    Web(String),
    /// An application on the user's own device (RFC 8252 section 7).
    ThisDevice,
    /// Not a redirect URI that a client may register.
    Unknown,
}

impl Destination {
    /// Determines the destination of a response to a redirect URI, or to a device if there is none.
    pub fn of_response(redirect_uri: Option<&str>) -> Self {
        redirect_uri.map_or(Self::OtherDevice, Self::new)
    }

    /// Determines the destination of a redirect URI.
    pub fn new(redirect_uri: &str) -> Self {
        if is_local(redirect_uri) {
            return Self::ThisDevice;
        }
        let is_web = redirect_uri.starts_with("https:") || redirect_uri.starts_with("http:");
        match Authority::of_url(redirect_uri) {
            Ok(authority) if is_web => Self::Web(authority.shown_host()),
            _ => Self::Unknown,
        }
    }

    /// Returns the scheme of a redirect URI, if clients may register it.
    pub fn scheme(redirect_uri: &str) -> Option<&str> {
        let (scheme, _) = redirect_uri.split_once(':')?;
        (matches!(scheme, "https" | "http") || is_custom(scheme)).then_some(scheme)
    }

    /// Returns whether the destination is an application on the user's own device.
    pub fn is_this_device(&self) -> bool {
        *self == Self::ThisDevice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_host_or_this_device() {
        for (uri, destination, scheme) in [
            (
                "https://App.example:8443/cb?x",
                Destination::Web("app.example".to_owned()),
                Some("https"),
            ),
            ("http://localhost:3000/cb", Destination::ThisDevice, Some("http")),
            ("http://127.0.0.1/cb", Destination::ThisDevice, Some("http")),
            ("http://[::1]:9/cb", Destination::ThisDevice, Some("http")),
            ("https://LocalHost/cb", Destination::ThisDevice, Some("https")),
            ("https://127.1/cb", Destination::ThisDevice, Some("https")),
            ("com.example.app:/cb", Destination::ThisDevice, Some("com.example.app")),
            ("cursor://vendor.app/cb", Destination::ThisDevice, Some("cursor")),
            ("https://", Destination::Unknown, Some("https")),
            ("javascript:alert(1)", Destination::Unknown, None),
            ("a.b; script-src *:x", Destination::Unknown, None),
            ("", Destination::Unknown, None),
        ] {
            assert_eq!(Destination::new(uri), destination, "{uri}");
            assert_eq!(Destination::scheme(uri), scheme, "{uri}");
        }
    }
}
