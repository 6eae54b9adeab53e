//! The request of a device (RFC 8628 section 3.1), as its user sees it.

use serde::{Deserialize, Serialize};

use crate::protocol::authorization::user_code::UserCode;
use crate::protocol::user::user_agent::system_of;

/// The longest product of a `User-Agent` that is shown, in bytes.
const PRODUCT_LIMIT: usize = 40;

/// Where the request of a device came from, and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeviceRequest {
    /// In Unix seconds.
    pub requested_at: i64,
    /// The [network](crate::http::network_of) that it came from.
    pub network: String,
    /// The country that the platform believes the network to be in, as two letters (ISO 3166-1).
    pub country: Option<String>,
    /// What the `User-Agent` names: one word of the sender's own, and a system that is known.
    pub program: Option<String>,
}

/// The device that gets the response of an authorization request, and the code by which its user knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestingDevice {
    pub user_code: UserCode,
    pub request: DeviceRequest,
}

impl DeviceRequest {
    /// Describes a request by its headers.
    pub fn new(
        requested_at: i64,
        network: String,
        country: Option<String>,
        user_agent: Option<&str>,
    ) -> Self {
        Self { requested_at, network, country, program: user_agent.and_then(program) }
    }
}

/// Summarizes a `User-Agent` (RFC 9110 section 10.1.5). Its sender chooses every byte, so no sentence is taken over: one
/// product, which is a word, unless all browsers have it, and the name of a system.
fn program(user_agent: &str) -> Option<String> {
    let product = user_agent.split([' ', '\t']).next().filter(|product| {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        (1..=PRODUCT_LIMIT).contains(&product.len())
            && product.bytes().all(is_word)
            && !product.starts_with("Mozilla/")
    });
    let words: Vec<_> = [product, system_of(user_agent)].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_one_word_and_a_known_system() {
        for (user_agent, summary) in [
            ("curl/8.5.0", Some("curl/8.5.0")),
            ("kubelogin/v1.31 (linux/amd64)", Some("kubelogin/v1.31, Linux")),
            (
                "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 Safari/537.36",
                Some("Tizen"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) Edge/44.18363.8131",
                Some("Xbox"),
            ),
            ("Dalvik/2.1.0 (Linux; U; Android 11; Pixel 4)", Some("Dalvik/2.1.0, Android")),
            ("Mozilla/5.0", None),
            ("", None),
            ("Verified by your bank", Some("Verified")),
            ("<b>IT-Department</b>", None),
            ("a\u{202e}b", None),
            (&"x".repeat(41), None),
        ] {
            assert_eq!(program(user_agent).as_deref(), summary, "{user_agent}");
        }
    }
}
