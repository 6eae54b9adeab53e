//! The events of the audit trail as the operator lists them: the newest first.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Row, Statement};
use crate::store::audit::kinds::EventKind;
use crate::store::batch::{Batch, all, first};

/// How many events a page looks at. A filter may let few of them through, so a page may be empty before the last one.
const LOOKED_AT: i64 = 5_000;

/// The conditions for the events of a listing; `None` allows all.
#[derive(Debug)]
pub struct Filter {
    pub sub: Option<String>,
    pub client_id: Option<String>,
    pub kind: Option<EventKind>,
    /// The time of the first event, in Unix seconds.
    pub since: i64,
}

/// The place of an event in the order of time. Events of one second are in the order of their ids.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// Unix seconds.
    pub at: i64,
    pub id: String,
}

impl Position {
    fn from_row(row: &mut Row) -> Result<Self, Internal> {
        Ok(Self { at: row.integer()?, id: row.text()? })
    }
}

/// An event as stored.
#[derive(Debug)]
pub struct Event {
    pub position: Position,
    pub kind: String,
    pub actor: String,
    pub network: Option<String>,
    pub sub: Option<String>,
    pub client_id: Option<String>,
    /// A JSON object.
    pub detail: Option<String>,
}

impl Event {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            position: Position::from_row(&mut row)?,
            kind: row.text()?,
            actor: row.text()?,
            network: row.text_or_null()?,
            sub: row.text_or_null()?,
            client_id: row.text_or_null()?,
            detail: row.text_or_null()?,
        })
    }
}

/// A part of the listing.
#[derive(Debug)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// The position that the next page begins before, if there may be more events.
    pub next: Option<Position>,
}

/// The columns of an [`Event`].
macro_rules! event_columns {
    () => {
        "at, id, kind, actor, network, sub, client_id, detail"
    };
}

/// A SQL query: the events that a page looks at. `$source` ends in one condition that has an index, if there is one.
macro_rules! look_at {
    ($columns:expr, $source:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM audit_events ",
            $source,
            " (at, id) < (?1, ?2) AND at >= ?3 ORDER BY at DESC, id DESC LIMIT ?4"
        )
    };
}

/// A SQL query: those of them that meet all conditions, in the same order.
macro_rules! select_events {
    ($source:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM (",
            look_at!(event_columns!(), $source),
            ") WHERE (?5 IS NULL OR sub = ?5) AND (?6 IS NULL OR client_id = ?6) \
             AND (?7 IS NULL OR kind = ?7) LIMIT ?8"
        )
    };
}

/// A SQL query: the last event that a page looks at, if there are as many as it may look at.
macro_rules! select_end {
    ($source:literal) => {
        concat!(look_at!("at, id", $source), " OFFSET ?8")
    };
}

impl Filter {
    /// Returns the statements [`select_events`] and [`select_end`]. Kinds of sign-ins have no index, because they are most
    /// of the events.
    fn statements(&self) -> (Statement, Statement) {
        match self {
            Self { sub: Some(_), .. } => (
                Statement::new(select_events!(
                    "INDEXED BY audit_events_by_user WHERE sub = ?5 AND"
                )),
                Statement::new(select_end!("INDEXED BY audit_events_by_user WHERE sub = ?5 AND")),
            ),
            Self { client_id: Some(_), .. } => (
                Statement::new(select_events!(
                    "INDEXED BY audit_events_by_client WHERE client_id = ?6 AND"
                )),
                Statement::new(select_end!(
                    "INDEXED BY audit_events_by_client WHERE client_id = ?6 AND"
                )),
            ),
            Self { kind: Some(kind), .. } if !kind.is_sign_in() => (
                Statement::new(select_events!(
                    "INDEXED BY audit_events_by_kind \
                     WHERE kind = ?7 AND kind NOT IN ('sign_in.succeeded', 'sign_in.failed') AND"
                )),
                Statement::new(select_end!(
                    "INDEXED BY audit_events_by_kind \
                     WHERE kind = ?7 AND kind NOT IN ('sign_in.succeeded', 'sign_in.failed') AND"
                )),
            ),
            _ => (Statement::new(select_events!("WHERE")), Statement::new(select_end!("WHERE"))),
        }
    }
}

/// Lists the next events before a position that meet the conditions of a filter, the newest first, and `limit` at most.
pub async fn list(
    context: &Context<'_, impl Database>,
    filter: &Filter,
    before: &Position,
    limit: usize,
) -> Result<EventPage, Internal> {
    let bind = |statement: Statement, looked_at: i64| {
        let statement = statement.bind(before.at).bind(before.id.as_str()).bind(filter.since);
        let statement = statement.bind(looked_at).bind(filter.sub.as_deref());
        statement.bind(filter.client_id.as_deref()).bind(filter.kind.map(EventKind::name))
    };
    let (events, end) = filter.statements();
    let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut batch = Batch::default();
    let events = batch.query(bind(events, LOOKED_AT).bind(more), all);
    let end = batch.query(bind(end, 1).bind(LOOKED_AT - 1), first);
    let mut outcome = batch.run_idempotent(context).await?;
    let events = outcome.take(events)?.into_iter().map(Event::from_row);
    let mut events = events.collect::<Result<Vec<_>, _>>()?;
    let end = outcome.take(end)?.map(|mut row| Position::from_row(&mut row)).transpose()?;
    if events.len() <= limit {
        return Ok(EventPage { events, next: end });
    }
    events.truncate(limit);
    let next = events.last().map(|event| event.position.clone());
    Ok(EventPage { events, next })
}
