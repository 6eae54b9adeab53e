//! Attempts to sign in, slowed where they fail, before a password is looked at.
//!
//! A browser that is known by its device cookie has a counter of its own for the account; others share one
//! per account and network, and feel how often the account was tried from anywhere.

use std::net::{IpAddr, Ipv6Addr};

use crate::browser::cookies::Cookie;
use crate::browser::{Visit, is_random_text, random_text};
use crate::context::Cx;
use crate::error::Internal;
use crate::http::Request;
use crate::keys::mac::Purpose;
use crate::ports::{Database, RateLimit};
use crate::store::sign_in_attempts::{self, Admission};

/// The pause that is asked of an address that tries too often, in seconds: the rate limit's period.
const ADDRESS_PAUSE: i64 = 60;

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    /// What counts it.
    counter: String,
    /// What counts the failures of all browsers that are not known, unless this one is.
    account: Option<String>,
    /// The id of the device, which the browser is known by from the next success on.
    device: String,
    login: String,
}

impl Attempt {
    /// An attempt for a login, which is case-folded.
    pub fn of(
        visit: &Visit<'_>,
        cx: &Cx<'_>,
        request: &impl Request,
        login: &str,
    ) -> Result<Self, Internal> {
        let address = address_of(request);
        let code = |parts: &[&str]| visit.mac.code(Purpose::Counter, parts);
        let (device, counter, account) = if let Some(device) = known_device(visit, request, login) {
            let counter = code(&["device", login, &device]);
            (device, counter, None)
        } else {
            let counter = code(&["network", login, &network_of(&address)]);
            (random_text(cx)?, counter, Some(code(&["account", login])))
        };
        Ok(Self { address, counter, account, device, login: login.to_owned() })
    }

    /// Whether the attempt may be looked at; it is counted as failed until it succeeds.
    pub async fn admit(
        &self,
        platform: &(impl Database + RateLimit),
        cx: &Cx<'_>,
    ) -> Result<Admission, Internal> {
        // The counters in the database hold without it.
        if !is_within_limit(platform, cx, "login", &self.address).await {
            return Ok(Admission::Wait(ADDRESS_PAUSE));
        }
        sign_in_attempts::admit(platform, &self.counter, self.account.as_deref(), cx.now).await
    }

    /// Notes that the attempt has failed.
    pub async fn fail(&self, database: &impl Database, now: i64) -> Result<(), Internal> {
        match &self.account {
            Some(account) => sign_in_attempts::fail(database, account, now).await,
            None => Ok(()),
        }
    }

    /// The counter that a success sets back.
    pub fn counter(&self) -> &str {
        &self.counter
    }

    /// The `Set-Cookie` by which the browser is known for this account from now on.
    pub fn remember_device(&self, visit: &Visit<'_>) -> String {
        let code = visit.mac.code(Purpose::Device, &[&self.login, &self.device]);
        Cookie::Device.set(&visit.config.issuer, &format!("{}.{code}", self.device))
    }
}

/// Whether a request that is to be stored is within the coarse limit for its address. Where that limit cannot be
/// had, it is.
pub async fn may_store(platform: &impl RateLimit, cx: &Cx<'_>, request: &impl Request) -> bool {
    is_within_limit(platform, cx, "store", &address_of(request)).await
}

async fn is_within_limit(
    platform: &impl RateLimit,
    cx: &Cx<'_>,
    what: &str,
    address: &str,
) -> bool {
    let key = format!("{what} {}", one_subscriber(address));
    platform.is_within_limit(&key).await.unwrap_or_else(|fault| {
        cx.note(fault.detail());
        true
    })
}

/// The address that a request comes from. The platform sets it; no client can.
fn address_of(request: &impl Request) -> String {
    request.header("cf-connecting-ip").unwrap_or_default()
}

/// The id in the browser's device cookie, if that was given to it for this account.
fn known_device(visit: &Visit<'_>, request: &impl Request, login: &str) -> Option<String> {
    let value = Cookie::Device.read(&visit.config.issuer, request)?;
    let (device, code) = value.split_once('.')?;
    (is_random_text(device) && visit.mac.is_code(code, Purpose::Device, &[login, device]))
        .then(|| device.to_owned())
}

/// The network of an address: what one subscriber or office has, a /24 of IPv4 or a /64 of IPv6.
fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Err(_) => "unknown".into(),
    }
}

/// What of an address tells one subscriber from another, for the coarse limit: an address of IPv4, a network
/// of IPv6, of which one subscriber has 2^64 addresses.
fn one_subscriber(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        _ => network_of(address),
    }
}

#[cfg(test)]
mod tests {
    use super::{network_of, one_subscriber};

    #[test]
    fn a_neighbour_in_ipv4_is_somebody_else() {
        assert_eq!(one_subscriber("192.0.2.77"), "192.0.2.77");
        assert_eq!(one_subscriber("::ffff:192.0.2.77"), "192.0.2.77");
        assert_eq!(one_subscriber("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_network() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("", "unknown"),
            ("192.0.2.077", "unknown"),
        ] {
            assert_eq!(network_of(address), network);
        }
    }
}
