//! Signing keys. The keys that are published and the keys that sign follow from the rows of the key table and the time.

pub mod first_key;
pub mod plan;
pub mod published;
mod published_set;
mod retired;
pub mod rotation;
pub mod signing;
pub mod verified;

use crate::jose::jwk::Algorithm;
use crate::store::signing_keys::KeyRow;

/// The state of a key at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It is not published yet, because the isolate that made it has a clock that is ahead.
    Planned,
    /// It is published, and will sign.
    Published,
    /// It signs.
    Signing,
    /// It has signed, and is published until its tokens have expired.
    Retiring,
    /// Its tokens have expired.
    Retired,
    /// The operator has withdrawn it.
    Withdrawn,
}

impl KeyState {
    /// Returns the state of a key among all keys.
    pub fn of(row: &KeyRow, rows: &[KeyRow], now: i64) -> Self {
        let signer = signer(rows, row.public.alg(), now);
        match row.retire_at {
            Some(0) => Self::Withdrawn,
            Some(end) if end <= now => Self::Retired,
            _ if now < row.publish_from => Self::Planned,
            _ if signer.is_some_and(|signer| signer.public.kid() == row.public.kid()) => {
                Self::Signing
            }
            _ if now < row.sign_from => Self::Published,
            _ => Self::Retiring,
        }
    }

    /// Returns the name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

fn is_published(row: &KeyRow, now: i64) -> bool {
    row.publish_from <= now && row.retire_at.is_none_or(|end| now < end)
}

fn may_sign(row: &KeyRow, now: i64) -> bool {
    is_published(row, now) && row.sign_from <= now && row.sign_until.is_none_or(|end| now < end)
}

/// Returns the keys that belong to the published JWK Set at `now`.
pub fn publishable(rows: &[KeyRow], now: i64) -> impl Iterator<Item = &KeyRow> {
    rows.iter().filter(move |row| is_published(row, now))
}

/// Returns the key that signs with `alg` at `now`. Of several it is the one with the latest `sign_from`, so that a new
/// key replaces the old one at that time.
pub fn signer(rows: &[KeyRow], alg: Algorithm, now: i64) -> Option<&KeyRow> {
    rows.iter()
        .filter(|row| row.public.alg() == alg && may_sign(row, now))
        .max_by_key(|row| (row.sign_from, row.public.kid()))
}

/// Returns the algorithms that no key signs with at `now`.
pub fn missing(rows: &[KeyRow], now: i64) -> Vec<Algorithm> {
    Algorithm::ALL.into_iter().filter(|&alg| signer(rows, alg, now).is_none()).collect()
}

/// Returns the first time after `now` at which the published set changes by the rows.
pub fn next_change(rows: &[KeyRow], now: i64) -> Option<i64> {
    rows.iter()
        .flat_map(|row| [Some(row.publish_from), row.retire_at])
        .flatten()
        .filter(|&time| time > now)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json;
    use crate::jose::jwk::{EcPrivateKey, P256_BYTES, PrivateKey, PublicKey};
    use zeroize::Zeroizing;

    pub(super) type Times = (i64, i64, Option<i64>, Option<i64>);

    pub(super) const ALWAYS: Times = (0, 0, None, None);
    const LATER: Times = (10, 20, None, None);

    fn row(public: PublicKey, times: Times) -> KeyRow {
        KeyRow {
            public,
            sealed_private: String::new(),
            publish_from: times.0,
            sign_from: times.1,
            sign_until: times.2,
            retire_at: times.3,
            created_at: None,
        }
    }

    pub(super) fn ec(seed: u8, times: Times) -> KeyRow {
        let key = EcPrivateKey::from_scalar(Zeroizing::new([seed; P256_BYTES])).unwrap();
        row(PublicKey::Ec(key.public().clone()), times)
    }

    pub(super) fn rsa(index: usize, times: Times) -> KeyRow {
        let vectors = include_str!("../../tests/vectors/rsa_private_keys.json");
        let keys: serde_json::Value = json::from_own(vectors).unwrap();
        let key = PrivateKey::from_jwk(keys[index].to_string().as_bytes()).unwrap();
        row(key.public(), times)
    }

    fn kids<'a>(rows: impl Iterator<Item = &'a KeyRow>) -> Vec<&'a str> {
        rows.map(|row| row.public.kid()).collect()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after_it_has_signed() {
        let times = (10, 20, Some(30), Some(40));
        for row in [ec(1, times), rsa(0, times)] {
            let (alg, rows) = (row.public.alg(), [row]);
            for (now, is_published, signs) in [
                (9, false, false),
                (10, true, false),
                (19, true, false),
                (20, true, true),
                (29, true, true),
                (30, true, false),
                (39, true, false),
                (40, false, false),
            ] {
                assert_eq!(
                    publishable(&rows, now).count() == 1,
                    is_published,
                    "published at {now}"
                );
                assert_eq!(signer(&rows, alg, now).is_some(), signs, "signs at {now}");
            }
        }
    }

    #[test]
    fn a_new_key_signs_from_its_sign_from_on() {
        for (old, new) in [(ec(1, ALWAYS), ec(2, LATER)), (rsa(0, ALWAYS), rsa(1, LATER))] {
            let (alg, rows) = (old.public.alg(), [old, new]);
            let signer = |now| signer(&rows, alg, now).map(|row| row.public.kid());
            assert_eq!(signer(19), Some(rows[0].public.kid()));
            assert_eq!(signer(20), Some(rows[1].public.kid()));
            assert_eq!(kids(publishable(&rows, 9)), [rows[0].public.kid()]);
            assert_eq!(kids(publishable(&rows, 10)).len(), 2);
        }
    }

    #[test]
    fn the_state_of_a_key_follows_from_its_times() {
        let rows = [ec(1, (10, 20, Some(30), Some(40)))];
        for (now, state) in [
            (9, KeyState::Planned),
            (10, KeyState::Published),
            (19, KeyState::Published),
            (20, KeyState::Signing),
            (29, KeyState::Signing),
            (30, KeyState::Retiring),
            (39, KeyState::Retiring),
            (40, KeyState::Retired),
        ] {
            assert_eq!(KeyState::of(&rows[0], &rows, now), state, "at {now}");
        }
        let withdrawn = ec(1, (0, 0, Some(0), Some(0)));
        assert_eq!(KeyState::of(&withdrawn, &rows, 0), KeyState::Withdrawn);
    }

    #[test]
    fn of_two_keys_that_sign_from_the_same_second_one_signs() {
        let rows = [ec(1, LATER), ec(2, LATER)];
        let states = |now| {
            let mut states = [0, 1].map(|index: usize| KeyState::of(&rows[index], &rows, now));
            states.sort_by_key(|state| state.name());
            states
        };
        assert_eq!(states(19), [KeyState::Published; 2]);
        assert_eq!(states(20), [KeyState::Retiring, KeyState::Signing]);
    }

    #[test]
    fn a_key_of_one_algorithm_does_not_sign_with_another() {
        let rows = [ec(1, ALWAYS), rsa(0, LATER)];
        let signer = |alg| signer(&rows, alg, 30).map(|row| row.public.alg());
        assert_eq!(Algorithm::ALL.map(signer), Algorithm::ALL.map(Some));
        assert_eq!(missing(&rows, 19), [Algorithm::Rs256]);
        assert_eq!(missing(&rows, 20), []);
        assert_eq!(missing(&[], 20), Algorithm::ALL);
    }

    #[test]
    fn the_next_change_is_the_next_publication_or_retirement() {
        let rows = [ec(1, (0, 0, Some(50), Some(60))), rsa(0, LATER)];
        assert_eq!(next_change(&rows, 0), Some(10));
        assert_eq!(next_change(&rows, 10), Some(60));
        assert_eq!(next_change(&rows, 60), None);
        assert_eq!(next_change(&[], 0), None);
    }
}
