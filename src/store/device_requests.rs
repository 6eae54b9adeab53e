//! The requests of devices (RFC 8628): stored authorization requests whose response a device gets by polling.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::{
    CLOCK_SLACK_SECONDS, DEVICE_CODE_KEPT_SECONDS, DEVICE_REPEAT_SECONDS,
    POLL_INTERVAL_LONGEST_SECONDS, POLL_INTERVAL_SECONDS,
};
use crate::ports::{Database, Row, Statement};
use crate::protocol::authorization::device_request::DeviceRequest;
use crate::protocol::user::scope::OFFLINE_ACCESS;
use crate::store::authorization_requests::{BrowserHandle, answer_in};
use crate::store::batch::{Batch, Handle, Outcome, first};
use crate::store::client_proof::{ClientConditions, ClientProof, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::codes::FirstRefreshToken;
use crate::store::consents::consent_columns;
use crate::store::grants::{Grant, grant_columns, grant_counts, grant_joins, is_unrevoked};

/// A device that gets the response of a request.
#[derive(Debug)]
pub struct NewDevice<'a> {
    /// The hash of the device code.
    pub code_hash: &'a str,
    pub request: &'a DeviceRequest,
}

impl NewDevice<'_> {
    /// Returns what the page shows about the request, as the database stores it.
    pub(super) fn request_json(&self) -> Result<String, Internal> {
        serde_json::to_string(self.request).map_err(|error| Internal::unwritable(&error))
    }
}

/// A device that gets the response of a stored request.
#[derive(Debug)]
pub struct KeptDevice {
    /// See [`NewDevice::code_hash`].
    pub code_hash: String,
    pub request: DeviceRequest,
    /// The decision, once the user has made it in this browser.
    pub decision: Option<DeviceDecision>,
}

impl KeptDevice {
    /// Reads [`device_columns`].
    pub(super) fn from_row(row: &mut Row) -> Result<Option<Self>, Internal> {
        let (code_hash, request) = (row.text_or_null()?, row.text_or_null()?);
        let decision = DeviceDecision::read(row)?;
        let Some((code_hash, request)) = code_hash.zip(request) else { return Ok(None) };
        let request = json::from_own(&request).map_err(|error| Internal::Broken {
            detail: format!("damaged row in D1: the device of a request: {error}"),
        })?;
        Ok(Some(Self { code_hash, request, decision }))
    }
}

/// The columns that [`KeptDevice`] reads.
macro_rules! device_columns {
    () => {
        "device_code_hash, device, answered_by IS NOT NULL AS is_answered, \
         grant_id IS NOT NULL AS is_allowed"
    };
}
pub(super) use device_columns;

/// What the user has decided about the request of a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceDecision {
    Allowed,
    Denied,
}

impl DeviceDecision {
    /// Reads whether a request has an answer, and whether that is a grant.
    fn read(row: &mut Row) -> Result<Option<Self>, Internal> {
        let (is_answered, is_allowed) = (row.integer()? == 1, row.integer()? == 1);
        let decision = if is_allowed { Self::Allowed } else { Self::Denied };
        Ok(is_answered.then_some(decision))
    }
}

/// A SQL condition: the device may still get a response at the time `$now`. The row of its request is kept for five minutes
/// longer, [`DEVICE_CODE_KEPT_SECONDS`], so that a device that polls late learns that its code has expired.
macro_rules! device_code_is_alive {
    ($now:literal) => {
        concat!("expires_at > ", $now, " + 300")
    };
}
pub(super) use device_code_is_alive;
const _: () = assert!(DEVICE_CODE_KEPT_SECONDS == 300, "the number in device_code_is_alive");

/// Reads what the user of this browser has decided about the request of a device.
pub(super) fn decision_in(
    batch: &mut Batch,
    handle: &BrowserHandle,
    now: i64,
) -> Handle<Option<DeviceDecision>> {
    let statement = Statement::new(concat!(
        "SELECT 1 AS is_answered, grant_id IS NOT NULL AS is_allowed FROM authorization_requests \
         WHERE handle_hash = ?1 AND answered_by = ?2 AND ",
        device_code_is_alive!("?3"),
    ))
    .bind(handle.handle_hash.as_str())
    .bind(handle.browser_hash.as_str())
    .bind(now);
    batch.query(statement, |rows| {
        first(rows)?.map_or(Ok(None), |mut row| DeviceDecision::read(&mut row))
    })
}

/// Denies the request of a device, unless it is decided. Returns the decision of this browser's user; `None` if the
/// request has expired, or the user of another browser has decided. Idempotent, because the first decision stays.
pub async fn deny(
    context: &Context<'_, impl Database>,
    handle: &BrowserHandle,
) -> Result<Option<DeviceDecision>, Internal> {
    let mut batch = Batch::default();
    answer_in(&mut batch, handle, None, context.now);
    let decision = decision_in(&mut batch, handle, context.now);
    batch.run_idempotent(context).await?.take(decision)
}

/// The device code of a token request.
#[derive(Debug)]
pub struct PresentedDeviceCode<'a> {
    pub code_hash: &'a str,
    /// The random id of the request.
    pub use_id: &'a str,
    /// The same for every use of the code, so that a response that is repeated has the same refresh token.
    pub first_refresh_token: FirstRefreshToken<'a>,
}

/// The outcome of a poll.
#[derive(Debug)]
pub enum Poll {
    /// The user has allowed the request.
    Allowed(Box<Grant>),
    /// The user has denied the request.
    Denied,
    Expired,
    /// The user, the client or the grant was deleted.
    NoGrant,
    /// The user has not decided yet.
    Pending,
    /// The device has polled too early.
    TooEarly,
    /// The code does not exist, or belongs to another client.
    Unknown,
    /// The device got its tokens before: its refresh token was used, or too much time has passed.
    Used,
}

/// The statements of a poll, in a batch.
pub struct Polling {
    now: i64,
    state: Handle<Option<PollState>>,
    grant: Handle<Option<Grant>>,
}

/// What is known about a device code after a poll.
struct PollState {
    /// Whether this poll was not too early.
    is_timely: bool,
    is_alive: bool,
    decision: Option<DeviceDecision>,
    /// When the device first got its tokens.
    spent_at: Option<i64>,
    is_refresh_token_used: bool,
}

/// A SQL condition: a poll at the time `$now` is too early. A second is allowed for the way of the request. The last poll of
/// an isolate whose clock is ahead does not count; `$slack` is [`CLOCK_SLACK_SECONDS`].
macro_rules! is_early {
    ($now:literal, $slack:literal) => {
        concat!(
            "(polled_at IS NOT NULL AND polled_at <= ",
            $now,
            " + ",
            $slack,
            " AND ",
            $now,
            " < polled_at + poll_interval - 1)"
        )
    };
}

/// Polls with a device code of this client, if the client is proven and meets the conditions. Of several polls within an
/// interval only one is answered; each other one makes the interval longer. The poll that gets a grant records the first
/// refresh token in the same batch. A poll that changes nothing writes no row.
///
/// Idempotent for a request, except that the interval may grow twice: run again with the same `use_id`, it returns the same
/// result.
pub fn poll(
    batch: &mut Batch,
    code: &PresentedDeviceCode<'_>,
    (proof, conditions): (&ClientProof, &ClientConditions),
    now: i64,
) -> Result<Polling, Internal> {
    let PresentedDeviceCode { code_hash, use_id, first_refresh_token } = code;
    let poll = Statement::new(concat!(
        "UPDATE authorization_requests SET \
           poll_interval = iif(",
        is_early!("?2", "?5"),
        ", min(poll_interval + ?6, ?7), poll_interval), polled_at = iif(",
        is_early!("?2", "?5"),
        ", polled_at, ?2), polled_by = iif(",
        is_early!("?2", "?5"),
        ", polled_by, ?3), spent_at = iif(grant_id IS NULL OR ",
        is_early!("?2", "?5"),
        ", spent_at, coalesce(spent_at, ?2)) \
         WHERE device_code_hash = ?1 AND polled_by IS NOT ?3 AND ",
        device_code_is_alive!("?2"),
        " AND (poll_interval < ?7 OR NOT ",
        is_early!("?2", "?5"),
        ") AND pushed_by = ?4->>'client_id' AND ",
        client_is_proven!("?4"),
    ))
    .bind(*code_hash)
    .bind(now)
    .bind(*use_id)
    .bind(proof.condition(Some(conditions), now)?)
    .bind(CLOCK_SLACK_SECONDS)
    .bind(POLL_INTERVAL_SECONDS)
    .bind(POLL_INTERVAL_LONGEST_SECONDS);
    let begin = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?3, grants.id, ?4 FROM authorization_requests \
           JOIN grants ON grants.id = authorization_requests.grant_id \
         WHERE device_code_hash = ?1 AND polled_by = ?2 AND spent_at > ?6 \
           AND instr(' ' || scope || ' ', ' ' || ?5 || ' ') > 0 \
         ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(*code_hash)
    .bind(*use_id)
    .bind(first_refresh_token.token_hash)
    .bind(first_refresh_token.expires_at)
    .bind(OFFLINE_ACCESS)
    .bind(now - DEVICE_REPEAT_SECONDS);
    batch.add(poll);
    batch.add(begin);
    Ok(read_poll(batch, code, &proof.client_id, now))
}

fn read_poll(
    batch: &mut Batch,
    code: &PresentedDeviceCode<'_>,
    client_id: &str,
    now: i64,
) -> Polling {
    let state = Statement::new(concat!(
        "SELECT coalesce(polled_by = ?3, 0) AS is_timely, ",
        device_code_is_alive!("?5"),
        " AS is_alive, answered_by IS NOT NULL AS is_answered, grant_id IS NOT NULL AS is_allowed, \
           spent_at, EXISTS (SELECT 1 FROM refresh_tokens \
             WHERE token_hash = ?4 AND spent_at IS NOT NULL) AS is_refresh_token_used \
         FROM authorization_requests WHERE device_code_hash = ?1 AND pushed_by = ?2",
    ))
    .bind(code.code_hash)
    .bind(client_id)
    .bind(code.use_id)
    .bind(code.first_refresh_token.token_hash)
    .bind(now);
    let grant = Statement::new(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM authorization_requests \
           JOIN grants ON grants.id = authorization_requests.grant_id",
        grant_joins!(),
        " WHERE device_code_hash = ?1 AND grants.client_id = ?2",
    ))
    .bind(code.code_hash)
    .bind(client_id);
    Polling {
        now,
        state: batch.query(state, |rows| first(rows)?.map(PollState::from_row).transpose()),
        grant: batch
            .query(grant, |rows| first(rows)?.map(|mut row| Grant::from_row(&mut row)).transpose()),
    }
}

impl PollState {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            is_timely: row.integer()? == 1,
            is_alive: row.integer()? == 1,
            decision: DeviceDecision::read(&mut row)?,
            spent_at: row.integer_or_null()?,
            is_refresh_token_used: row.integer()? == 1,
        })
    }
}

impl Polling {
    /// Returns the outcome of the poll.
    pub fn finish(self, outcome: &mut Outcome) -> Result<Poll, Internal> {
        let (state, grant) = (outcome.take(self.state)?, outcome.take(self.grant)?);
        let Some(state) = state else { return Ok(Poll::Unknown) };
        let is_used = state.is_refresh_token_used
            || state.spent_at.is_some_and(|at| at <= self.now - DEVICE_REPEAT_SECONDS);
        Ok(match (state.decision, grant) {
            _ if is_used => Poll::Used,
            _ if !state.is_alive => Poll::Expired,
            _ if !state.is_timely => Poll::TooEarly,
            (None, _) => Poll::Pending,
            (Some(DeviceDecision::Denied), _) => Poll::Denied,
            (Some(DeviceDecision::Allowed), Some(grant)) => Poll::Allowed(Box::new(grant)),
            (Some(DeviceDecision::Allowed), None) => Poll::NoGrant,
        })
    }
}
