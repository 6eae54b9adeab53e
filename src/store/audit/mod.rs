//! The audit trail: who did what, and when. An event is added by the batch of its act, so that it costs no request to D1.
//!
//! There is an event exactly if its act was stored, once:
//!
//! - The act that changes a row once, such as a deletion: the event's statement comes first, and has the condition of the
//!   act. A batch that comes too late, or runs again, finds that the condition does not hold.
//! - The act that adds a row with a random id: the event's statement comes afterwards, and requires this row.
//! - The act that is the same if it is repeated, such as a new password: a batch that runs again has the event with the same
//!   id.
//!
//! An event names the user and the client by their identifiers. It has no login, claim or address, and no text that a
//! stranger has chosen.

pub mod acts;
pub mod kinds;
pub mod list;
pub mod operator;
pub mod sign_ins;
pub mod users;

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;
use crate::store::slots::{SlotGroup, Slots};
use kinds::{Actor, EventKind};

/// A SQL statement: adds an event for each row of `$source`, which has the columns `sub`, `client_id` and `detail`, and ends in
/// a `WHERE`. Its parameters begin with those of [`record`].
macro_rules! record_event {
    ($source:expr) => {
        concat!(
            "INSERT INTO audit_events \
               (at, id, kind, actor, network, sub, client_id, detail) \
             SELECT ?1, ?2, ?3, ?4, ?5, ",
            $source,
            " ON CONFLICT (at, id) DO NOTHING"
        )
    };
}
use record_event;

/// The same for an event that a stranger can cause. It takes a slot: the first of some random ones that is free, or that of an
/// older event, which is deleted. So strangers fill a fixed part of the table, and replace no events but those of
/// strangers. The parameters begin with those of [`record_of_stranger`].
macro_rules! record_event_of_stranger {
    ($source:expr) => {
        concat!(
            "INSERT OR REPLACE INTO audit_events \
               (at, id, kind, actor, network, slot, sub, client_id, detail) \
             SELECT ?1, ?2, ?3, ?4, ?5, coalesce(",
            free_slot!("audit_events", "?6"),
            ", ?6->>0), ",
            $source
        )
    };
}
use record_event_of_stranger;

/// Binds the first five parameters of [`record_event`], with a new id.
fn record<P>(
    context: &Context<'_, P>,
    statement: Statement,
    kind: (EventKind, Actor),
) -> Result<Statement, Internal> {
    Ok(bind(context, statement, &context.random_id()?, kind))
}

/// Binds the first six parameters of [`record_event_of_stranger`].
fn record_of_stranger<P>(
    context: &Context<'_, P>,
    statement: Statement,
    id: &str,
    kind: (EventKind, Actor),
) -> Result<Statement, Internal> {
    let network = context.network().unwrap_or_default();
    let slots = Slots::draw_in_network(context, SlotGroup::EVENTS_OF_STRANGERS, &network)?;
    Ok(bind(context, statement, id, kind).bind(slots.as_json()))
}

fn bind<P>(
    context: &Context<'_, P>,
    statement: Statement,
    id: &str,
    (kind, actor): (EventKind, Actor),
) -> Statement {
    let statement = statement.bind(context.now).bind(id).bind(kind.name());
    statement.bind(actor.name()).bind(context.network())
}

/// Deletes at most `limit` events that are as old as this time, the oldest first.
pub(super) fn sweep(time: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM audit_events WHERE (at, id) IN \
         (SELECT at, id FROM audit_events WHERE at <= ?1 ORDER BY at, id LIMIT ?2) RETURNING 1",
    )
    .bind(time)
    .bind(limit)
}
