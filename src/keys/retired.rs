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
