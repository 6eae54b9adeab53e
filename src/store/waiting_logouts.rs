//! The logout tokens that wait for their delivery, as the operator sees them.

use serde::Serialize;

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{DAY_SECONDS, LOGOUT_LEASE_SECONDS};
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::audit::kinds::{Actor, EventKind};
use crate::store::batch::{Batch, Handle, all, first, read};
use crate::store::logout_deliveries::{AT_ONCE, GivenUp, give_up_in};

/// A delivery, for the operator.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// The id of the session and the identifier of the client, which name the delivery together.
    pub session_id: String,
    pub client_id: String,
    pub sid: String,
    pub ended_at: i64,
    pub tries: i64,
    pub next_try_at: i64,
    pub last_error: Option<String>,
}

impl Waiting {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            session_id: row.text()?,
            client_id: row.text()?,
            sid: row.text()?,
            ended_at: row.integer()?,
            tries: row.integer()?,
            next_try_at: row.integer()?,
            last_error: row.text_or_null()?,
        })
    }
}

/// Returns up to `limit` deliveries in the order of their sessions, beginning after the one of this session and client.
pub async fn list(
    context: &Context<'_, impl Database>,
    (session_id, client_id): (&str, &str),
    limit: i64,
) -> Result<Vec<Waiting>, Internal> {
    let statement = Statement::new(
        "SELECT session_id, client_id, sid, ended_at, tries, next_try_at, last_error \
         FROM logout_deliveries WHERE (session_id, client_id) > (?1, ?2) \
         ORDER BY session_id, client_id LIMIT ?3",
    )
    .bind(session_id)
    .bind(client_id)
    .bind(limit);
    let rows = read(context, Freshness::Primary, statement).await?;
    rows.into_iter().map(Waiting::from_row).collect()
}

/// Makes at most 1,000 deliveries of a client due now, as if they had not been tried. Returns how many. One that is due
/// within a lease stays as it is, because it may be under way.
///
/// Idempotent, except for the number.
pub async fn retry(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<usize, Internal> {
    let now = context.now;
    let retry = Statement::new(
        "UPDATE logout_deliveries SET tries = 0, next_try_at = ?2 \
         WHERE (session_id, client_id) IN ( \
           SELECT session_id, client_id FROM logout_deliveries \
           WHERE client_id = ?1 AND next_try_at > ?3 ORDER BY next_try_at LIMIT ?4) RETURNING 1",
    );
    let retry = retry.bind(client_id).bind(now).bind(now + LOGOUT_LEASE_SECONDS).bind(AT_ONCE);
    let mut batch = Batch::default();
    let retried = batch.query(retry, all);
    Ok(batch.run_idempotent(context).await?.take(retried)?.len())
}

/// Gives up at most 1,000 deliveries of a client, for the operator. Returns how many.
pub async fn drop_for_operator(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<usize, Internal> {
    let find = Statement::new(
        "SELECT session_id FROM logout_deliveries WHERE client_id = ?1 ORDER BY next_try_at LIMIT ?2",
    );
    let find = find.bind(client_id).bind(AT_ONCE);
    let rows = read(context, Freshness::Primary, find).await?;
    let given_up = |mut row: Row| {
        let reason = "dropped".to_owned();
        let client_id = client_id.to_owned();
        Ok(GivenUp { session_id: row.text()?, client_id, reason, is_error: false })
    };
    let given_up = rows.into_iter().map(given_up).collect::<Result<Vec<_>, Internal>>()?;
    let mut batch = Batch::default();
    give_up_in(&mut batch, context, &given_up, Actor::Operator)?;
    batch.run_idempotent(context).await?;
    Ok(given_up.len())
}

/// The deliveries in numbers, for the report on the provider: each is 1,000 if there are more rows.
#[derive(Debug)]
pub struct Summary {
    /// The numbers of the operator's clients.
    pub of_operator: Numbers,
    /// When the oldest session of these ended, in Unix seconds.
    pub oldest: Option<i64>,
    /// The numbers of all clients, which strangers can raise.
    pub of_all: Numbers,
}

/// Numbers of deliveries.
#[derive(Debug, Eq, PartialEq)]
pub struct Numbers {
    /// How many wait.
    pub waiting: i64,
    /// How many were given up in the last day.
    pub given_up: i64,
}

/// A SQL expression: how many tokens were given up, in events that match `$condition`.
macro_rules! given_up {
    ($condition:literal) => {
        concat!(
            "(SELECT coalesce(sum(tokens), 0) FROM ( \
               SELECT detail->>'tokens' AS tokens FROM audit_events \
               WHERE kind = ?2 AND kind NOT IN ('sign_in.succeeded', 'sign_in.failed') \
                 AND at > ?3 AND actor = 'provider'",
            $condition,
            " ORDER BY at, id LIMIT ?1))"
        )
    };
}

/// Reads the [`Summary`].
pub fn summary_in(batch: &mut Batch, now: i64) -> Handle<Summary> {
    // From the operator's clients to their deliveries, so that those of strangers hide none.
    let statement = Statement::new(concat!(
        "SELECT count(*), ",
        given_up!(
            " AND EXISTS (SELECT 1 FROM clients \
               WHERE clients.client_id = audit_events.client_id \
                 AND registration_token_hash IS NULL AND document_until IS NULL)"
        ),
        ", min(ended_at), \
           (SELECT count(*) FROM (SELECT 1 FROM logout_deliveries WHERE next_try_at > 0 LIMIT ?1)), ",
        given_up!(""),
        " FROM (SELECT ended_at FROM clients CROSS JOIN logout_deliveries USING (client_id) \
           WHERE registration_token_hash IS NULL AND document_until IS NULL LIMIT ?1)",
    ));
    let kind = EventKind::LogoutTokenGivenUp.name();
    let statement = statement.bind(AT_ONCE).bind(kind).bind(now - DAY_SECONDS);
    batch.query(statement, |rows| {
        let mut row = first(rows)?.ok_or_else(|| Internal::Broken {
            detail: "D1 returned no row for the numbers of logout tokens".to_owned(),
        })?;
        Ok(Summary {
            of_operator: Numbers { waiting: row.integer()?, given_up: row.integer()? },
            oldest: row.integer_or_null()?,
            of_all: Numbers { waiting: row.integer()?, given_up: row.integer()? },
        })
    })
}
