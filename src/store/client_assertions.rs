//! The client assertions that were used (RFC 7523), so that none is accepted twice.

use crate::error::Internal;
use crate::lifetimes::SWEEP_DELAY_SECONDS;
use crate::ports::{Row, Statement};
use crate::store::batch::{Batch, Handle, first};
use crate::store::slots::{Slots, delete_expired, free_slot};

/// The use of an assertion by a request.
#[derive(Debug)]
pub struct Assertion<'a> {
    pub client_id: &'a str,
    /// The hash of its `jti`.
    pub jti_hash: &'a str,
    /// When the `jti` may be forgotten, in Unix seconds.
    pub expires_at: i64,
    /// The random id of the request.
    pub use_id: &'a str,
    /// One of these it must take, unless its client is the operator's.
    pub slots: Option<&'a Slots>,
}

/// The outcome of using an assertion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AssertionUse {
    /// This request is the first. Of several concurrent ones, only one is.
    First,
    /// The client does not exist, or all slots are taken.
    Refused,
    /// The client has used it before.
    Replayed,
}

impl AssertionUse {
    fn from_rows(rows: Vec<Row>) -> Result<Self, Internal> {
        let Some(mut row) = first(rows)? else { return Ok(Self::Refused) };
        Ok(if row.integer()? == 1 { Self::First } else { Self::Replayed })
    }
}

/// Records the `jti` of an assertion, unless its client has used it before (RFC 7523 section 3).
pub(super) fn use_once(
    batch: &mut Batch,
    assertion: &Assertion<'_>,
    now: i64,
) -> Handle<AssertionUse> {
    let delete = Statement::new(delete_expired!("client_assertions"));
    // A client that does not exist must not fill the table.
    let record = Statement::new(concat!(
        "INSERT INTO client_assertions (client_id, jti_hash, expires_at, used_by, slot) \
         SELECT client_id, ?2, ?3, ?4, slot FROM (SELECT client_id, ",
        free_slot!("client_assertions", "?5"),
        " AS slot FROM clients WHERE client_id = ?1) WHERE ?5 IS NULL OR slot IS NOT NULL \
         ON CONFLICT (client_id, jti_hash) DO NOTHING",
    ))
    .bind(assertion.client_id)
    .bind(assertion.jti_hash)
    .bind(assertion.expires_at)
    .bind(assertion.use_id)
    .bind(assertion.slots.map(Slots::as_json));
    let find = Statement::new(
        "SELECT coalesce(used_by = ?3, 0) AS is_first FROM client_assertions \
         WHERE client_id = ?1 AND jti_hash = ?2",
    )
    .bind(assertion.client_id)
    .bind(assertion.jti_hash)
    .bind(assertion.use_id);
    if let Some(slots) = assertion.slots {
        batch.add(slots.bind_to(delete, now - SWEEP_DELAY_SECONDS));
    }
    batch.add(record);
    batch.query(find, AssertionUse::from_rows)
}

/// Deletes at most `limit` assertions that expired [`SWEEP_DELAY_SECONDS`] ago.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM client_assertions WHERE (client_id, jti_hash) IN \
         (SELECT client_id, jti_hash FROM client_assertions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now - SWEEP_DELAY_SECONDS)
    .bind(limit)
}
