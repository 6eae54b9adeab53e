//! Sealed private keys: `Sealer`, and the secrets that open them.
//!
//! Input: a choice; a text in place of a sealed key; then places and values of bytes to change.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use fuzz::{KEY_ENCRYPTION_KEY, Parts};
use libfuzzer_sys::fuzz_target;
use postern::crypto::mac::{MacKey, Purpose};
use postern::crypto::seal::{Opened, Sealer, check_previous};
use postern::jose::jwk::{EcPrivateKey, PrivateKey};
use postern::secret::{ReplaceableSecret, Secret};
use zeroize::Zeroizing;

struct Valid {
    sealer: Sealer,
    key: PrivateKey,
    sealed: String,
}

thread_local! {
    static VALID: Valid = {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let previous = Base64UrlUnpadded::encode_string(&[9; 32]);
        let secrets = ReplaceableSecret { current: secret(KEY_ENCRYPTION_KEY), previous: secret(&previous) };
        let sealer = Sealer::new(&secrets).expect("secrets");
        let key = PrivateKey::Ec(EcPrivateKey::from_scalar(Zeroizing::new([5; 32])).expect("a scalar"));
        let sealed = sealer.seal(&key, [3; 12]).expect("a sealed key");
        Valid { sealer, key, sealed }
    };
}

fuzz_target!(|input: &[u8]| VALID.with(|valid| {
    let mut parts = Parts::of(input);
    let (choice, text) = (parts.choice(), parts.text());
    let kid = valid.key.kid();
    match choice % 4 {
        // A text of anybody opens nothing.
        0 => assert!(
            text == *valid.sealed || matches!(valid.sealer.try_open(&text, kid), Opened::Neither)
        ),
        // Nor does the sealed key under another name.
        1 => {
            let opened = valid.sealer.open(&valid.sealed, &text);
            assert_eq!(opened.is_ok(), text == kid);
        }
        // A secret is 32 bytes as base64url, and no other opens the key.
        2 => {
            let secret = ReplaceableSecret {
                current: Some(Secret::new(text.clone().into_owned())),
                previous: None,
            };
            let bytes = Base64UrlUnpadded::decode_vec(text.trim_end_matches('='));
            let is_secret = bytes.is_ok_and(|bytes| bytes.len() == 32);
            assert_eq!(Sealer::new(&secret).is_ok(), is_secret);
            assert_eq!(MacKey::new(&secret).is_ok(), is_secret);
            if let Ok(other) = Sealer::new(&secret) {
                let is_same = text.trim_end_matches('=') == KEY_ENCRYPTION_KEY;
                assert_eq!(other.open(&valid.sealed, kid).is_ok(), is_same);
            }
            let previous =
                ReplaceableSecret { current: None, previous: Some(Secret::new(text.into_owned())) };
            assert_eq!(check_previous(&previous).is_ok(), is_secret);
        }
        // Nor does the sealed key with other bytes.
        _ => {
            let mut bytes = valid.sealed.clone().into_bytes();
            for change in parts.rest().chunks_exact(2) {
                let place = usize::from(change[0]) % bytes.len();
                bytes[place] = change[1];
            }
            let Ok(changed) = String::from_utf8(bytes) else { return };
            match valid.sealer.try_open(&changed, kid) {
                Opened::Current(key) => assert!(changed == valid.sealed && key.kid() == kid),
                Opened::Previous(_) => panic!("opened by the wrong secret"),
                Opened::Neither => assert!(changed != valid.sealed),
            }
        }
    }
    let secret = ReplaceableSecret {
        current: Some(Secret::new(KEY_ENCRYPTION_KEY.to_owned())),
        previous: None,
    };
    // A code is for its parts alone, however they are cut.
    if choice == 4
        && let Ok(mac) = MacKey::new(&secret)
    {
        let text = String::from_utf8_lossy(input);
        let half = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(index, _)| index);
        let (one, other) = text.split_at(half);
        let code = mac.code(Purpose::Interaction, &[one, other]);
        assert!(mac.is_code(&code, Purpose::Interaction, &[one, other]));
        assert!(!mac.is_code(&code, Purpose::Interaction, &[&text]));
        assert!(!mac.is_code(&code, Purpose::Handle, &[one, other]));
        assert!(!mac.is_code(&text, Purpose::Interaction, &[one, other]));
        assert!(one == other || !mac.is_code(&code, Purpose::Interaction, &[other, one]));
    }
}));
