//! Public keys of Ed25519 (RFC 8032 section 5.1.5). The module has no arithmetic for this curve.

use base64ct::{Base64UrlUnpadded, Encoding};

const KEY_BYTES: usize = 32;

/// The encodings of the points whose order divides 8, as base64url and without the sign of x: y is 0, 1, -1, or one of
/// the two coordinates of order 8. The last two are 0 and 1 that are not reduced modulo the prime. For such a key
/// anybody can make a signature that fits many messages.
const SMALL_ORDER: [&str; 7] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "7P_______________________________________38",
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    "7f_______________________________________38",
    "7v_______________________________________38",
];

/// Returns whether `key` has the size of a public key, and is not a point of small order.
pub(super) fn is_ed25519_key(key: &[u8]) -> bool {
    let Ok(mut y) = <[u8; KEY_BYTES]>::try_from(key) else { return false };
    let [.., last] = &mut y;
    // The highest bit is the sign of x.
    *last &= 0x7f;
    !SMALL_ORDER.contains(&Base64UrlUnpadded::encode_string(&y).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::VerifyingKey;

    #[test]
    fn exactly_the_points_of_small_order_are_refused() {
        for y in SMALL_ORDER {
            let y = Base64UrlUnpadded::decode_vec(y).unwrap();
            for sign in [0, 0x80] {
                let mut key: [u8; KEY_BYTES] = y.as_slice().try_into().unwrap();
                key[31] |= sign;
                assert!(!is_ed25519_key(&key), "{key:?}");
                // Not every sign belongs to a point.
                if let Ok(point) = VerifyingKey::from_bytes(&key) {
                    assert!(point.is_weak(), "{key:?}");
                }
            }
        }
        // Every other encoding that is near the listed ones.
        for low in 0..=u8::MAX {
            for rest in [0, 0xff] {
                let mut key = [rest; KEY_BYTES];
                key[0] = low;
                if let Ok(point) = VerifyingKey::from_bytes(&key) {
                    assert_eq!(is_ed25519_key(&key), !point.is_weak(), "{key:?}");
                }
            }
        }
        for length in [0, 31, 33] {
            assert!(!is_ed25519_key(&vec![2; length]));
        }
    }
}
