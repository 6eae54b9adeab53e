//! The keys that have retired: they sign nothing any longer and verify no token, except as an `id_token_hint`.

use std::rc::Rc;

use crate::jose::jwk::PublicKey;
use crate::lifetimes::SESSION_SECONDS;
use crate::store::signing_keys::KeyRow;

/// The keys that have retired so recently that a session of their time may go on (RP-Initiated Logout section 2). A key that
/// the operator has withdrawn is none of them: somebody else may sign with it.
#[derive(Default)]
pub struct RetiredKeys {
    /// The keys, and when they retired, in Unix seconds.
    keys: Vec<(Rc<PublicKey>, i64)>,
}

impl RetiredKeys {
    /// Picks them from the rows of the key table. A withdrawn key has retired at 0.
    pub fn from_rows(rows: &[KeyRow], now: i64) -> Self {
        let retired = |row: &KeyRow| {
            let at = row.retire_at.filter(|&at| at <= now && is_recent(at, now))?;
            Some((Rc::new(row.public.clone()), at))
        };
        Self { keys: rows.iter().filter_map(retired).collect() }
    }

    pub fn find(&self, kid: &str, now: i64) -> Option<Rc<PublicKey>> {
        let (key, _) =
            self.keys.iter().find(|(key, at)| key.kid() == kid && is_recent(*at, now))?;
        Some(Rc::clone(key))
    }
}

fn is_recent(retired_at: i64, now: i64) -> bool {
    retired_at > now - SESSION_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::ec;

    const NOW: i64 = 1_780_000_000;

    #[test]
    fn a_key_is_found_from_its_retirement_until_the_sessions_of_its_time_have_ended() {
        for (retired_at, is_found) in [
            (None, false),
            (Some(0), false),
            (Some(NOW - SESSION_SECONDS), false),
            (Some(NOW - SESSION_SECONDS + 1), true),
            (Some(NOW), true),
            (Some(NOW + 1), false),
        ] {
            let rows = [ec(1, (0, 0, Some(0), retired_at))];
            let kid = rows[0].public.kid();
            let keys = RetiredKeys::from_rows(&rows, NOW);
            let found = keys.find(kid, NOW);
            assert_eq!(found.as_ref().map(|key| key.kid()), is_found.then_some(kid));
            assert!(keys.find("another", NOW).is_none());
            let ended_at = retired_at.unwrap_or_default() + SESSION_SECONDS;
            assert!(keys.find(kid, ended_at).is_none(), "{retired_at:?}");
        }
    }
}
