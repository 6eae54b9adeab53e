//! Logout tokens to deliver (OpenID Connect Back-Channel Logout 1.0 section 2.5). The batch that ends a session adds them.
//!
//! A delivery is claimed before its token is sent, and settled afterwards. A claim is a lease: the delivery is not due again
//! until it has passed. So two isolates never send the same token at once, and one that dies leaves the delivery to the next
//! run. If it dies between the client's response and the settlement, the client gets a second token.

use serde::Serialize;

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{
    CLOCK_SLACK_SECONDS, LOGOUT_DELIVERY_SECONDS, LOGOUT_LEASE_SECONDS,
    LOGOUT_LONGEST_PAUSE_SECONDS,
};
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::audit::acts;
use crate::store::audit::kinds::Actor;
use crate::store::batch::{Batch, all, read};
use crate::store::clients::{StoredClient, look_up};

/// How many clients of strangers a run looks at, and how many clients with due deliveries of each kind it returns.
const STRANGERS: i64 = 10_000;
const DUE_CLIENTS: i64 = 200;
/// How many deliveries are given up, tried again or counted at once.
pub(super) const AT_ONCE: i64 = 1_000;

/// A delivery that is claimed.
#[derive(Debug)]
pub struct Delivery {
    pub session_id: String,
    /// The session's id for the client.
    pub sid: String,
    /// The user's subject identifier for the client.
    pub subject: String,
    /// When the session ended, in Unix seconds.
    pub ended_at: i64,
    /// The number of tries, with the one that it is claimed for.
    pub tries: i64,
}

impl Delivery {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            session_id: row.text()?,
            sid: row.text()?,
            subject: row.text()?,
            ended_at: row.integer()?,
            tries: row.integer()?,
        })
    }
}

/// The deliveries of a client that are claimed.
#[derive(Debug)]
pub struct Claimed {
    pub client_id: String,
    /// `None` if it has been deleted since.
    pub client: Option<StoredClient>,
    pub deliveries: Vec<Delivery>,
}

/// The deliveries that may be claimed.
#[derive(Clone, Copy, Debug)]
pub enum Due<'a> {
    /// All that are due.
    All,
    /// Those of the sessions that one end has ended.
    OfEnd { end_id: &'a str },
}

impl Due<'_> {
    fn claim(self, client_id: &str, limit: i64, now: i64) -> Statement {
        let bind = |statement: Statement| {
            statement.bind(client_id).bind(now).bind(now + LOGOUT_LEASE_SECONDS).bind(limit)
        };
        match self {
            Self::All => bind(Statement::new(
                "UPDATE logout_deliveries SET tries = tries + 1, next_try_at = ?3 \
                 WHERE (session_id, client_id) IN ( \
                   SELECT session_id, client_id FROM logout_deliveries \
                   WHERE client_id = ?1 AND next_try_at <= ?2 ORDER BY next_try_at LIMIT ?4) \
                 RETURNING session_id, sid, subject, ended_at, tries",
            )),
            Self::OfEnd { end_id } => bind(Statement::new(
                "UPDATE logout_deliveries SET tries = tries + 1, next_try_at = ?3 \
                 WHERE (session_id, client_id) IN ( \
                   SELECT session_id, client_id \
                   FROM ended_sessions CROSS JOIN logout_deliveries USING (session_id) \
                   WHERE end_id = ?5 AND client_id = ?1 AND next_try_at <= ?2 LIMIT ?4) \
                 RETURNING session_id, sid, subject, ended_at, tries",
            ))
            .bind(end_id),
        }
    }
}

/// A delivery that is given up.
#[derive(Debug, Serialize)]
pub struct GivenUp {
    pub session_id: String,
    pub client_id: String,
    /// Why the last try failed: fixed words or a status.
    pub reason: String,
    /// Whether it is an error that the operator must hear of. A token of a stranger's client wakes nobody.
    #[serde(skip)]
    pub is_error: bool,
}

impl GivenUp {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            session_id: row.text()?,
            client_id: row.text()?,
            reason: row.text()?,
            is_error: row.integer()? == 1,
        })
    }
}

/// A delivery that is tried again.
#[derive(Debug, Serialize)]
pub struct Postponed {
    pub session_id: String,
    pub client_id: String,
    pub tries: i64,
    pub next_try_at: i64,
    /// Why the last try failed; `None` keeps the reason of an earlier one.
    pub last_error: Option<String>,
}

/// The outcome of deliveries that were claimed at one time.
#[derive(Debug, Default)]
pub struct Settlement {
    /// The sessions and clients of those that are over: the client has accepted the token, or it receives none any longer.
    pub over: Vec<(String, String)>,
    pub given_up: Vec<GivenUp>,
    pub postponed: Vec<Postponed>,
}

/// Why a try failed: the client did not answer. Such a try takes long.
pub const NO_ANSWER: &str = "no answer";

/// The work of a run.
#[derive(Debug)]
pub struct Work {
    /// Deliveries that nobody tried for too long, at most 1,000.
    pub overdue: Vec<GivenUp>,
    pub clients: DueClients,
}

/// The clients with deliveries that are due, of each kind first the one that waits for longest.
#[derive(Debug, Default)]
pub struct DueClients {
    /// Clients of the operator.
    pub of_operator: Vec<String>,
    /// Clients of the operator that did not answer at their last try.
    pub silent: Vec<String>,
    /// All others, those of strangers and deleted ones: first those that answered.
    pub others: Vec<String>,
}

/// A SQL query: the clients of `$source` with deliveries that are due, and whether each did not answer at its last try. A
/// failed delivery is due later than those that were not tried, so the latest one tells. Of silent clients, too, the one comes
/// first whose last try was the earliest.
macro_rules! due_clients {
    ($source:literal) => {
        concat!(
            "SELECT client_id, is_silent FROM ( \
               SELECT client_id, \
                 (SELECT min(next_try_at) FROM logout_deliveries \
                  WHERE logout_deliveries.client_id = waiting.client_id) AS first_at, \
                 (SELECT max(next_try_at) FROM logout_deliveries \
                  WHERE logout_deliveries.client_id = waiting.client_id) AS last_at, \
                 coalesce((SELECT last_error FROM logout_deliveries \
                   WHERE logout_deliveries.client_id = waiting.client_id \
                   ORDER BY next_try_at DESC LIMIT 1) = ?2, 0) AS is_silent \
               FROM (",
            $source,
            ") AS waiting) WHERE first_at <= ?1 \
             ORDER BY is_silent, iif(is_silent, last_at, first_at) LIMIT ?3"
        )
    };
}

/// Finds the work of a run.
///
/// A delivery that is due is not tried while others of its client fail. So it is given up when it has been due for
/// [`LOGOUT_DELIVERY_SECONDS`]. One that is due later than any pause allows has its time from a clock that was ahead: it is due
/// now.
pub async fn find_work(context: &Context<'_, impl Database>) -> Result<Work, Internal> {
    let now = context.now;
    let correct = Statement::new(
        "UPDATE logout_deliveries SET next_try_at = ?1 WHERE (session_id, client_id) IN ( \
           SELECT session_id, client_id FROM logout_deliveries WHERE next_try_at > ?2 LIMIT ?3)",
    )
    .bind(now)
    .bind(now + LOGOUT_LONGEST_PAUSE_SECONDS + CLOCK_SLACK_SECONDS)
    .bind(AT_ONCE);
    let overdue = Statement::new(
        "SELECT session_id, client_id, coalesce(last_error, 'not tried'), \
           coalesce((SELECT registration_token_hash IS NULL AND document_until IS NULL \
             FROM clients WHERE clients.client_id = logout_deliveries.client_id), 0) \
         FROM logout_deliveries WHERE next_try_at <= ?1 ORDER BY next_try_at LIMIT ?2",
    )
    .bind(now - LOGOUT_DELIVERY_SECONDS)
    .bind(AT_ONCE);
    let of_operator = Statement::new(due_clients!(
        "SELECT client_id FROM clients \
         WHERE registration_token_hash IS NULL AND document_until IS NULL"
    ));
    // It goes from each client to the next one by the index, and reads none of the other deliveries.
    let others = Statement::new(due_clients!(
        "WITH RECURSIVE stepped (client_id) AS ( \
           SELECT min(client_id) FROM logout_deliveries \
           UNION ALL \
           SELECT (SELECT min(client_id) FROM logout_deliveries \
                   WHERE logout_deliveries.client_id > stepped.client_id) \
           FROM stepped WHERE stepped.client_id IS NOT NULL LIMIT ?4) \
         SELECT client_id FROM stepped WHERE NOT EXISTS ( \
           SELECT 1 FROM clients WHERE clients.client_id = stepped.client_id \
             AND registration_token_hash IS NULL AND document_until IS NULL)"
    ))
    .bind(now)
    .bind(NO_ANSWER)
    .bind(DUE_CLIENTS)
    .bind(STRANGERS);
    let of_operator = of_operator.bind(now).bind(NO_ANSWER).bind(DUE_CLIENTS);
    let mut batch = Batch::default();
    batch.add(correct);
    let overdue = batch.query(overdue, |rows| rows.into_iter().map(GivenUp::from_row).collect());
    let of_operator = batch.query(of_operator, all);
    let others = batch.query(others, client_ids);
    let mut outcome = batch.run_idempotent(context).await?;
    let mut clients = DueClients { others: outcome.take(others)?, ..DueClients::default() };
    for mut row in outcome.take(of_operator)? {
        let client_id = row.text()?;
        let is_silent = row.integer()? == 1;
        let kind = if is_silent { &mut clients.silent } else { &mut clients.of_operator };
        kind.push(client_id);
    }
    Ok(Work { overdue: outcome.take(overdue)?, clients })
}

fn client_ids(rows: Vec<Row>) -> Result<Vec<String>, Internal> {
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// Returns the clients with deliveries of sessions that one end has ended, first those of the operator.
pub async fn clients_of_end(
    context: &Context<'_, impl Database>,
    end_id: &str,
) -> Result<Vec<String>, Internal> {
    let statement = Statement::new(
        "SELECT DISTINCT client_id \
         FROM ended_sessions CROSS JOIN logout_deliveries USING (session_id) \
         WHERE end_id = ?1 AND next_try_at <= ?2 \
         ORDER BY EXISTS (SELECT 1 FROM clients \
           WHERE clients.client_id = logout_deliveries.client_id \
             AND registration_token_hash IS NULL AND document_until IS NULL) DESC, client_id LIMIT ?3",
    )
    .bind(end_id)
    .bind(context.now)
    .bind(DUE_CLIENTS);
    client_ids(read(context, Freshness::Primary, statement).await?)
}

/// Claims at most `each` deliveries of each client. A claim whose response is lost is not repeated: its deliveries are due
/// again after the lease.
pub async fn claim(
    context: &Context<'_, impl Database>,
    due: Due<'_>,
    client_ids: &[String],
    each: i64,
    now: i64,
) -> Result<Vec<Claimed>, Internal> {
    let mut batch = Batch::default();
    let mut handles = Vec::new();
    for client_id in client_ids {
        let claimed = batch.query(due.claim(client_id, each, now), all);
        let client = look_up(&mut batch, client_id, now);
        handles.push((client_id.clone(), claimed, client));
    }
    let mut outcome = batch.run(context.platform).await?;
    let mut clients = Vec::new();
    for (client_id, claimed, client) in handles {
        let deliveries = outcome.take(claimed)?.into_iter().map(Delivery::from_row);
        let deliveries = deliveries.collect::<Result<_, _>>()?;
        clients.push(Claimed { client_id, deliveries, client: outcome.take(client)? });
    }
    Ok(clients)
}

/// Settles deliveries that were claimed at `claimed_at`.
///
/// Idempotent: a second run finds no delivery that the first one has ended or postponed.
pub async fn settle(
    context: &Context<'_, impl Database>,
    settlement: &Settlement,
    claimed_at: i64,
) -> Result<(), Internal> {
    let Settlement { over, given_up, postponed } = settlement;
    let mut batch = Batch::default();
    if !postponed.is_empty() {
        // Not if the operator, or an isolate that claims it after the lease, has changed it meanwhile.
        let postpone = Statement::new(
            "UPDATE logout_deliveries SET tries = value->>'tries', \
               next_try_at = value->>'next_try_at', \
               last_error = coalesce(value->>'last_error', logout_deliveries.last_error) \
             FROM json_each(?1) \
             WHERE session_id = value->>'session_id' AND client_id = value->>'client_id' \
               AND logout_deliveries.next_try_at = ?2",
        );
        batch.add(postpone.bind(json(postponed)?).bind(claimed_at + LOGOUT_LEASE_SECONDS));
    }
    if !over.is_empty() {
        let end = Statement::new(
            "DELETE FROM logout_deliveries WHERE (session_id, client_id) IN \
             (SELECT value->>0, value->>1 FROM json_each(?1))",
        );
        batch.add(end.bind(json(over)?));
    }
    give_up_in(&mut batch, context, given_up, Actor::Provider)?;
    batch.run_idempotent(context).await?;
    Ok(())
}

/// Gives up deliveries, with the events of the audit trail.
pub(super) fn give_up_in<P>(
    batch: &mut Batch,
    context: &Context<'_, P>,
    given_up: &[GivenUp],
    actor: Actor,
) -> Result<(), Internal> {
    if given_up.is_empty() {
        return Ok(());
    }
    let given_up = json(given_up)?;
    batch.add(acts::logout_tokens_given_up(context, &given_up, actor)?);
    let delete = Statement::new(
        "DELETE FROM logout_deliveries WHERE (session_id, client_id) IN \
         (SELECT value->>'session_id', value->>'client_id' FROM json_each(?1))",
    );
    batch.add(delete.bind(given_up));
    Ok(())
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Internal> {
    serde_json::to_string(value).map_err(|error| Internal::unwritable(&error))
}

/// Returns the pause after so many tries, in seconds: a minute, and twice as long after each further try.
pub fn pause(tries: i64) -> i64 {
    let doublings = u32::try_from(tries - 1).unwrap_or_default().min(16);
    (60_i64 << doublings).min(LOGOUT_LONGEST_PAUSE_SECONDS)
}
