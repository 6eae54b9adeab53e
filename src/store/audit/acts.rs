//! The statement of each act's event.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;
use crate::store::audit::kinds::{Actor, EventKind, RevocationReason};
use crate::store::audit::{record, record_event, record_event_of_stranger, record_of_stranger};
use crate::store::slots::free_slot;

/// The revocation of a grant, unless it is revoked already. Precedes it.
pub(in crate::store) fn grant_revoked<P>(
    context: &Context<'_, P>,
    grant_id: &str,
    reason: RevocationReason,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, client_id, json_object('grant_id', id, 'reason', ?6) FROM grants \
         WHERE grants.id = ?7 AND revoked_at IS NULL"
    ));
    let statement = record(context, statement, (EventKind::GrantRevoked, reason.actor()))?;
    Ok(statement.bind(reason.name()).bind(grant_id))
}

/// The registration of a client without an initial access token. Follows it.
pub(in crate::store) fn client_registered<P>(
    context: &Context<'_, P>,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event_of_stranger!(
        "NULL, client_id, NULL FROM clients WHERE client_id = ?7"
    ));
    let kind = (EventKind::ClientRegistered, Actor::Client);
    Ok(record_of_stranger(context, statement, kind)?.bind(client_id))
}
