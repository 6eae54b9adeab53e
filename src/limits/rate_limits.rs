//! The coarse limits: how often one address, or one client, may make the provider store or fetch something. They are
//! held in memory by the platform, per location.

use std::net::{IpAddr, Ipv6Addr};

use crate::context::Context;
use crate::http::Request;
use crate::ports::Platform;

/// Whether a request that is to be stored is within the coarse limit for its address. Where that limit cannot be
/// had, it is.
pub async fn may_store(context: &Context<'_, impl Platform>, request: &impl Request) -> bool {
    is_within_limit(context, "store", &one_subscriber(&address_of(request))).await
}

/// Likewise for a client that registers itself without anybody's leave.
pub async fn may_register(context: &Context<'_, impl Platform>, request: &impl Request) -> bool {
    is_within_limit(context, "register", &one_subscriber(&address_of(request))).await
}

/// Likewise for what is fetched to show a client.
pub async fn may_fetch(context: &Context<'_, impl Platform>, client_id: &str) -> bool {
    is_within_limit(context, "fetch", client_id).await
}

pub(super) async fn is_within_limit(
    context: &Context<'_, impl Platform>,
    what: &str,
    whose: &str,
) -> bool {
    context.platform.is_within_limit(&format!("{what} {whose}")).await.unwrap_or_else(|fault| {
        context.log_fault(&fault);
        true
    })
}

/// The address that a request comes from. The platform sets it; no client can.
pub(super) fn address_of(request: &impl Request) -> String {
    request.header("cf-connecting-ip").unwrap_or_default()
}

/// The network of an address: what one subscriber or office has, a /24 of IPv4 or a /64 of IPv6.
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

/// What of an address tells one subscriber from another, for the coarse limit: an address of IPv4, a network
/// of IPv6, of which one subscriber has 2^64 addresses.
pub(super) fn one_subscriber(address: &str) -> String {
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
