//! Authorization requests that are stored until their response: pushed, signed and posted ones, and those of devices.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{
    DEVICE_CODE_KEPT_SECONDS, DEVICE_REDEMPTION_SECONDS, POLL_INTERVAL_SECONDS,
    REPEATED_RESPONSE_SECONDS,
};
use crate::ports::{Database, Row, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::batch::{Batch, Handle, exists, first};
use crate::store::client_proof::{ClientProof, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::device_requests::{KeptDevice, NewDevice, device_code_is_alive, device_columns};
use crate::store::slots::{Slots, delete_expired, free_slot};

#[derive(Debug)]
pub struct NewRequest<'a> {
    /// The hash of its handle, or of its `request_uri` if a client pushed it.
    pub handle_hash: &'a str,
    /// Its parameters, form-encoded.
    pub parameters: &'a str,
    /// The parameter `client_id`.
    pub client_id: Option<&'a str>,
    /// The client that pushed it, if one did.
    pub pushed_by: Option<&'a str>,
    /// Whether its client signed it.
    pub is_signed: bool,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// One of these it must take, unless an authenticated client of the operator pushed it.
    pub slots: Option<&'a Slots>,
    /// The device that gets the response, if it is not the browser that carries it.
    pub device: Option<NewDevice<'a>>,
}

impl NewRequest<'_> {
    /// Adds the statements that make room for the request: a slot gets free if its request has expired. Only a
    /// client that pushes a request also sweeps, because a user must not wait for it.
    fn make_room(&self, batch: &mut Batch, now: i64) {
        let delete = Statement::new(delete_expired!("authorization_requests"));
        if self.pushed_by.is_some() {
            batch.add(sweep(now, SWEPT_WITH_EACH));
        }
        if let Some(slots) = self.slots {
            batch.add(slots.bind_to(delete, now));
        }
    }
}

/// A stored request. It may have a response, but not in another browser.
#[derive(Debug)]
pub struct KeptRequest {
    /// See [`NewRequest::parameters`].
    pub parameters: String,
    /// See [`NewRequest::client_id`]. Also `None` if an older version stored the request.
    pub client_id: Option<String>,
    /// Whether a client pushed it.
    pub is_pushed: bool,
    /// See [`NewRequest::is_signed`].
    pub is_signed: bool,
    /// The device that gets the response, if it is not the browser that carries it.
    pub device: Option<KeptDevice>,
}

impl KeptRequest {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            parameters: row.text()?,
            client_id: row.text_or_null()?,
            is_pushed: row.text_or_null()?.is_some(),
            is_signed: row.integer()? == 1,
            device: KeptDevice::from_row(&mut row)?,
        })
    }
}

/// The handle of a stored request, in the browser that has it.
#[derive(Clone, Debug)]
pub struct BrowserHandle {
    /// The hash of the handle.
    pub handle_hash: String,
    /// The hash of the browser's id.
    pub browser_hash: String,
}

/// A SQL condition: the stored request has not expired, and no other browser got its response. That of a device can be
/// answered in the browser in which its code was typed last. `$browser` and `$now` are parameters with the hash of the
/// browser's id and the time.
macro_rules! may_be_answered {
    ($browser:literal, $now:literal) => {
        concat!(
            "expires_at > ",
            $now,
            " AND (device_code_hash IS NULL OR (",
            device_code_is_alive!($now),
            " AND typed_in = ",
            $browser,
            ")) AND (answered_by IS NULL OR answered_by = ",
            $browser,
            ")"
        )
    };
}
pub(super) use may_be_answered;

/// A SQL condition: the stored request may be answered, and the user of a device has not decided. A browser gets its
/// response again, but a device has one only.
macro_rules! may_be_decided {
    ($browser:literal, $now:literal) => {
        concat!(
            may_be_answered!($browser, $now),
            " AND (device_code_hash IS NULL OR answered_by IS NULL)"
        )
    };
}
pub(super) use may_be_decided;

/// Stores a request. Returns `false` if all its slots are taken, or if the request of another device has its user code.
/// Idempotent, because the handle is random, or the device code is.
pub async fn keep(
    context: &Context<'_, impl Database>,
    request: &NewRequest<'_>,
) -> Result<bool, Internal> {
    // A repeated insertion changes nothing, but returns its row again.
    let insert = Statement::new(concat!(
        "INSERT INTO authorization_requests \
           (handle_hash, parameters, pushed_by, is_signed, expires_at, client_id, slot, \
            device_code_hash, device, poll_interval) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, slot, ?8, ?9, iif(?8 IS NULL, NULL, ?10) FROM (SELECT ",
        free_slot!("authorization_requests", "?7"),
        " AS slot) WHERE ?7 IS NULL OR slot IS NOT NULL \
           OR EXISTS (SELECT 1 FROM authorization_requests WHERE handle_hash = ?1) \
         ON CONFLICT (handle_hash) DO UPDATE SET handle_hash = excluded.handle_hash \
           WHERE device_code_hash IS excluded.device_code_hash \
         RETURNING handle_hash",
    ))
    .bind(request.handle_hash)
    .bind(request.parameters)
    .bind(request.pushed_by)
    .bind(i64::from(request.is_signed))
    .bind(request.expires_at)
    .bind(request.client_id)
    .bind(request.slots.map(Slots::as_json))
    .bind(request.device.as_ref().map(|device| device.code_hash))
    .bind(request.device.as_ref().map(NewDevice::request_json).transpose()?)
    .bind(POLL_INTERVAL_SECONDS);
    let mut batch = Batch::default();
    request.make_room(&mut batch, context.now);
    let stored = batch.query(insert, exists);
    batch.run_idempotent(context).await?.take(stored)
}

/// Stores a request that a client pushes, provided that the client is proven and the operator's, and a slot is free. Others
/// can be refused before anything is stored. Idempotent, because the `request_uri` is random.
pub fn push_in(
    batch: &mut Batch,
    request: &NewRequest<'_>,
    proof: &ClientProof,
    now: i64,
) -> Result<Handle<bool>, Internal> {
    // A repeated insertion changes nothing, but returns its row again.
    let insert = Statement::new(concat!(
        "INSERT INTO authorization_requests \
           (handle_hash, parameters, pushed_by, is_signed, expires_at, client_id, slot) \
         SELECT ?1, ?2, client_id, ?4, ?5, ?6, slot FROM (SELECT client_id, ",
        free_slot!("authorization_requests", "?8"),
        " AS slot FROM clients WHERE client_id = ?3 AND registration_token_hash IS NULL) \
         WHERE (?8 IS NULL OR slot IS NOT NULL \
           OR EXISTS (SELECT 1 FROM authorization_requests WHERE handle_hash = ?1)) AND ",
        client_is_proven!("?7"),
        " ON CONFLICT (handle_hash) DO UPDATE SET handle_hash = excluded.handle_hash \
         RETURNING handle_hash",
    ))
    .bind(request.handle_hash)
    .bind(request.parameters)
    .bind(proof.client_id.as_str())
    .bind(i64::from(request.is_signed))
    .bind(request.expires_at)
    .bind(request.client_id)
    .bind(proof.condition(None, now)?)
    .bind(request.slots.map(Slots::as_json));
    request.make_room(batch, now);
    Ok(batch.query(insert, exists))
}

/// Deletes a pushed request that turned out to be invalid.
pub async fn discard(context: &Context<'_, impl Database>, uri_hash: &str) -> Result<(), Internal> {
    let delete = Statement::new("DELETE FROM authorization_requests WHERE handle_hash = ?1");
    let mut batch = Batch::default();
    batch.add(delete.bind(uri_hash));
    batch.run_idempotent(context).await.map(drop)
}

/// Deletes at most `limit` expired requests.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM authorization_requests WHERE handle_hash IN \
         (SELECT handle_hash FROM authorization_requests WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now)
    .bind(limit)
}

/// Finds a stored request that has not expired, unless another browser got its response.
pub fn find_in(batch: &mut Batch, handle: &BrowserHandle, now: i64) -> Handle<Option<KeptRequest>> {
    let statement = Statement::new(concat!(
        "SELECT parameters, client_id, pushed_by, is_signed, ",
        device_columns!(),
        " FROM authorization_requests WHERE handle_hash = ?1 AND ",
        may_be_answered!("?2", "?3"),
    ))
    .bind(handle.handle_hash.as_str())
    .bind(handle.browser_hash.as_str())
    .bind(now);
    batch.query(statement, |rows| first(rows)?.map(KeptRequest::from_row).transpose())
}

/// The opening of a pushed request: its `request_uri` is replaced by a handle for the interaction with the user.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The hash of the `request_uri`.
    pub uri_hash: &'a str,
    /// The client that must have pushed it.
    pub pushed_by: &'a str,
    pub handle: &'a BrowserHandle,
    /// The new expiry, in Unix seconds.
    pub expires_at: i64,
}

/// Opens a pushed request. Returns `false` if this client pushed no such request, it has expired, or another browser
/// opened it before or got its response. Idempotent: a browser always gets the same handle.
pub async fn open(
    context: &Context<'_, impl Database>,
    opening: &Opening<'_>,
) -> Result<bool, Internal> {
    let open = Statement::new(
        "UPDATE authorization_requests SET handle_hash = ?4, expires_at = ?5 \
         WHERE handle_hash = ?1 AND pushed_by = ?2 AND expires_at > ?3 \
           AND EXISTS (SELECT 1 FROM clients WHERE clients.client_id = ?2 \
                       AND (clients.expires_at IS NULL OR clients.expires_at > ?3))",
    )
    .bind(opening.uri_hash)
    .bind(opening.pushed_by)
    .bind(context.now)
    .bind(opening.handle.handle_hash.as_str())
    .bind(opening.expires_at);
    let find = Statement::new(concat!(
        "SELECT 1 FROM authorization_requests WHERE handle_hash = ?1 AND pushed_by = ?4 AND ",
        may_be_answered!("?2", "?3"),
    ))
    .bind(opening.handle.handle_hash.as_str())
    .bind(opening.handle.browser_hash.as_str())
    .bind(context.now)
    .bind(opening.pushed_by);
    let mut batch = Batch::default();
    batch.add(open);
    let opened = batch.query(find, exists);
    batch.run_idempotent(context).await?.take(opened)
}

/// Records that a browser gets the response of a stored request. It may get a response again for
/// [`REPEATED_RESPONSE_SECONDS`]; no other browser gets one. The statement has an effect only if the grant exists, unless `grant_id`
/// is `None`.
///
/// If a device gets the response, records the decision of this browser's user, which stays as it is. The device can get its
/// tokens for [`DEVICE_REDEMPTION_SECONDS`] from then on, also if its codes would have expired before.
pub(super) fn answer_in(
    batch: &mut Batch,
    handle: &BrowserHandle,
    grant_id: Option<&str>,
    now: i64,
) -> Handle<bool> {
    let statement = Statement::new(concat!(
        "UPDATE authorization_requests SET answered_by = ?2, \
           grant_id = iif(device_code_hash IS NULL, NULL, ?5), \
           expires_at = CASE WHEN answered_by IS NULL \
             THEN iif(device_code_hash IS NULL, min(expires_at, ?4), ?6) ELSE expires_at END \
         WHERE handle_hash = ?1 AND ",
        may_be_decided!("?2", "?3"),
        " AND (?5 IS NULL OR EXISTS (SELECT 1 FROM grants WHERE id = ?5)) RETURNING handle_hash",
    ))
    .bind(handle.handle_hash.as_str())
    .bind(handle.browser_hash.as_str())
    .bind(now)
    .bind(now + REPEATED_RESPONSE_SECONDS)
    .bind(grant_id)
    .bind(now + DEVICE_REDEMPTION_SECONDS + DEVICE_CODE_KEPT_SECONDS);
    batch.query(statement, exists)
}

/// Records that a browser gets an error as the response of a stored request. Returns `false` if the request has expired,
/// or another browser got its response.
pub async fn answer(
    context: &Context<'_, impl Database>,
    handle: &BrowserHandle,
) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    let answered = answer_in(&mut batch, handle, None, context.now);
    batch.run_idempotent(context).await?.take(answered)
}
