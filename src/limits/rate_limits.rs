//! Coarse rate limits on the requests of one address. The platform counts them in memory, per location. If it fails,
//! requests are allowed, so that the provider keeps working.

use std::net::{IpAddr, Ipv6Addr};

use crate::context::Context;
use crate::http::{Request, address_of};
use crate::ports::Platform;

/// Returns whether the address of a request may store another authorization request.
pub async fn may_store(context: &Context<'_, impl Platform>, request: &impl Request) -> bool {
    is_within_limit(context, "store", &subscriber_of(&address_of(request))).await
}

/// Returns whether the address of a request may register another client without an initial access token.
pub async fn may_register(context: &Context<'_, impl Platform>, request: &impl Request) -> bool {
    is_within_limit(context, "register", &subscriber_of(&address_of(request))).await
}

/// Returns whether a request of this address may cause the fetch of another document, of any kind.
pub async fn may_fetch(context: &Context<'_, impl Platform>, address: &str) -> bool {
    is_within_limit(context, "fetch", &subscriber_of(address)).await
}

pub(super) async fn is_within_limit(
    context: &Context<'_, impl Platform>,
    action: &str,
    subject: &str,
) -> bool {
    context.platform.is_within_limit(&format!("{action} {subject}")).await.unwrap_or_else(|fault| {
        context.log_fault(&fault);
        true
    })
}

/// The network of an address: a /24 of IPv4 or a /64 of IPv6, as one subscriber or office has it.
pub(super) fn network_of(address: &str) -> String {
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

/// The part of an address that identifies a subscriber, for the coarse limits: the whole address of IPv4, the /64
/// network of IPv6, because one subscriber has all 2^64 addresses in it.
pub(super) fn subscriber_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        _ => network_of(address),
    }
}

#[cfg(test)]
mod tests {
    use super::{network_of, subscriber_of};

    #[test]
    fn an_ipv4_address_or_an_ipv6_network_is_one_subscriber() {
        assert_eq!(subscriber_of("192.0.2.77"), "192.0.2.77");
        assert_eq!(subscriber_of("::ffff:192.0.2.77"), "192.0.2.77");
        assert_eq!(subscriber_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn an_address_belongs_to_its_24_or_64_network() {
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
