//! Coarse rate limits on the requests of one address. The platform counts them in memory, per location. If it fails,
//! requests are allowed, so that the provider keeps working.

use std::net::IpAddr;

use crate::context::Context;
use crate::http::{Request, address_of, network_of};
use crate::log::LogEvent;
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

/// Returns whether this address may type another user code.
pub async fn may_type_code(context: &Context<'_, impl Platform>, address: &str) -> bool {
    is_within_limit(context, "code", &subscriber_of(address)).await
}

/// Returns whether the address of a browser that is not known may try another password.
pub(super) async fn may_sign_in(context: &Context<'_, impl Platform>, address: &str) -> bool {
    is_within_limit(context, "login", &subscriber_of(address)).await
}

/// Returns whether a known browser may try another password for the account under whose counter it is known.
pub(super) async fn may_sign_in_as_known(
    context: &Context<'_, impl Platform>,
    counter: &str,
) -> bool {
    is_within_limit(context, "device", counter).await
}

async fn is_within_limit(
    context: &Context<'_, impl Platform>,
    action: &'static str,
    subject: &str,
) -> bool {
    let key = format!("{action} {subject}");
    let is_within = context.platform.is_within_limit(&key).await.unwrap_or_else(|fault| {
        context.log_fault(&fault);
        true
    });
    if !is_within {
        context.log_event(LogEvent::AddressLimitReached { action });
    }
    is_within
}

/// The part of an address that identifies a subscriber, for the coarse limits: the whole address of IPv4, behind which an
/// office has its own, and the network of IPv6.
fn subscriber_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        _ => network_of(address),
    }
}

#[cfg(test)]
mod tests {
    use super::subscriber_of;

    #[test]
    fn an_ipv4_address_or_an_ipv6_network_is_one_subscriber() {
        assert_eq!(subscriber_of("192.0.2.77"), "192.0.2.77");
        assert_eq!(subscriber_of("::ffff:192.0.2.77"), "192.0.2.77");
        assert_eq!(subscriber_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    }
}
