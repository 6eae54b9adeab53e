//! Attempts to sign in, slowed where they fail, before a password is looked at.
//!
//! A browser that is known by its device cookie has a counter of its own for the account; others share one
//! per account and network, and feel how often the account was tried from anywhere.

use std::net::{IpAddr, Ipv6Addr};

use crate::browser::Visit;
use crate::browser::cookies::Cookie;
use crate::context::Cx;
use crate::error::Internal;
use crate::http::Request;
use crate::keys::mac::Purpose;
use crate::opaque::{is_random_text, random_text};
use crate::ports::{Database, RateLimit};
use crate::store::sign_in_attempts::{self, Admission};

/// The pause that is asked of an address that tries too often, in seconds: the rate limit's period.
pub const ADDRESS_PAUSE: i64 = 60;

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    /// What counts it.
    counter: String,
    /// What counts the attempts of all browsers that are not known, unless this one is.
    account: Option<String>,
    /// What the browser is known by from the next success on.
    device: Device,
    login: String,
}

/// A browser in which people have signed in: its id, and a code for each of their logins.
struct Device {
    id: String,
    codes: Vec<String>,
}

/// How many people a browser is known for at a time; the one who was away for longest makes room.
const DEVICE_PEOPLE: usize = 5;

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
        let device = match Device::of(visit, request) {
            Some(device) => device,
            None => Device { id: random_text(cx)?, codes: Vec::new() },
        };
        let (counter, account) = if device.knows(visit, login) {
            (code(&["device", login, &device.id]), None)
        } else {
            let counter = code(&["network", login, &network_of(&address)]);
            (counter, Some(code(&["account", login])))
        };
        Ok(Self { address, counter, account, device, login: login.to_owned() })
    }

    /// Whether the attempt may be looked at; it is counted as failed until it succeeds.
    pub async fn admit(
        &self,
        platform: &(impl Database + RateLimit),
        cx: &Cx<'_>,
    ) -> Result<Admission, Internal> {
        // The counters in the database hold without it. A browser that is known has nothing to do with what its
        // neighbours try.
        let is_within = match self.account {
            Some(_) => is_within_limit(platform, cx, "login", &one_subscriber(&self.address)).await,
            None => is_within_limit(platform, cx, "device", &self.counter).await,
        };
        if !is_within {
            return Ok(Admission::Wait(ADDRESS_PAUSE));
        }
        sign_in_attempts::admit(platform, &self.counter, self.account.as_deref(), cx.now).await
    }

    /// The counter that a success sets back.
    pub fn counter(&self) -> &str {
        &self.counter
    }

    /// The account's own counter, if the attempt counts there.
    pub fn account_counter(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The `Set-Cookie` by which the browser is known for this account from now on.
    pub fn remember_device(&self, visit: &Visit<'_>) -> String {
        let Device { id, codes } = &self.device;
        let code = visit.mac.code(Purpose::Device, &[&self.login, id]);
        let others = codes.iter().filter(|other| **other != code).take(DEVICE_PEOPLE - 1);
        let parts: Vec<_> = [id, &code].into_iter().chain(others).map(String::as_str).collect();
        Cookie::Device.set(&visit.config.issuer, &parts.join("."))
    }
}

impl Device {
    /// What the browser's device cookie says; nothing of it is proven.
    fn of(visit: &Visit<'_>, request: &impl Request) -> Option<Self> {
        let value = Cookie::Device.read(&visit.config.issuer, request)?;
        let mut parts = value.split('.').map(str::to_owned);
        let id = parts.next()?;
        let codes: Vec<_> = parts.take(DEVICE_PEOPLE).collect();
        (is_random_text(&id) && codes.iter().all(|code| is_random_text(code)))
            .then_some(Self { id, codes })
    }

    /// Whether somebody has signed in here by this login.
    fn knows(&self, visit: &Visit<'_>, login: &str) -> bool {
        let is_ours = |code: &String| visit.mac.is_code(code, Purpose::Device, &[login, &self.id]);
        self.codes.iter().any(is_ours)
    }
}

/// Whether a request that is to be stored is within the coarse limit for its address. Where that limit cannot be
/// had, it is.
pub async fn may_store(platform: &impl RateLimit, cx: &Cx<'_>, request: &impl Request) -> bool {
    is_within_limit(platform, cx, "store", &one_subscriber(&address_of(request))).await
}

/// Likewise for a client that registers itself without anybody's leave.
pub async fn may_register(platform: &impl RateLimit, cx: &Cx<'_>, request: &impl Request) -> bool {
    is_within_limit(platform, cx, "register", &one_subscriber(&address_of(request))).await
}

/// Likewise for what is fetched to show a client.
pub async fn may_fetch(platform: &impl RateLimit, cx: &Cx<'_>, client_id: &str) -> bool {
    is_within_limit(platform, cx, "fetch", client_id).await
}

async fn is_within_limit(platform: &impl RateLimit, cx: &Cx<'_>, what: &str, whose: &str) -> bool {
    platform.is_within_limit(&format!("{what} {whose}")).await.unwrap_or_else(|fault| {
        cx.note_fault(&fault);
        true
    })
}

/// The address that a request comes from. The platform sets it; no client can.
fn address_of(request: &impl Request) -> String {
    request.header("cf-connecting-ip").unwrap_or_default()
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
