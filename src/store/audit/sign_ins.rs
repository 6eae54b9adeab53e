//! The events of sign-ins. An attempt is counted before its password is verified, and the batch that counts it adds its event
//! as a failure. The batch that begins the session makes it a success. So a failure costs no request to D1, and an attempt
//! whose request is interrupted has failed, as its counters have it. A user who changes the password on the account page is an
//! attempt like these, with events of its own.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::DAY_SECONDS;
use crate::ports::Statement;
use crate::protocol::user::login::TypedLogin;
use crate::store::audit::kinds::{Actor, EventKind};
use crate::store::audit::{bind, record_event_of_stranger, record_of_stranger};
use crate::store::clients::ClientOf;
use crate::store::sign_in_attempts::no_pause;
use crate::store::slots::free_slot;

/// After so many events of a user in a day, a success keeps its slot like a failure, so that a user who signs in again and
/// again does not fill the table.
const KEPT_A_DAY: i64 = 1_000;

/// An attempt to sign in, or to change the password.
#[derive(Debug)]
pub struct AttemptedSignIn<'a> {
    /// The id of its event, which is random.
    pub event_id: &'a str,
    /// The kind of the event: of a failure.
    pub kind: EventKind,
    pub login: &'a TypedLogin,
    /// The client of the authorization request, if there is one.
    pub client: Option<ClientOf<'a>>,
}

/// An attempt, if none of the counters requires a pause. Precedes the statement that counts it. If nobody has the login, the
/// event has no user: the login itself may be a password in the wrong field. It is added all the same, so that the time of the
/// response does not show whether a user exists.
pub(in crate::store) fn attempted<P>(
    context: &Context<'_, P>,
    attempt: &AttemptedSignIn<'_>,
    counters: &str,
    pause_limit: i64,
) -> Result<Statement, Internal> {
    // The client is found in its table, because anybody can write a text into the query.
    let statement = Statement::new(record_event_of_stranger!(concat!(
        "sub, (SELECT client_id FROM clients WHERE client_id = coalesce(?9, \
             (SELECT client_id FROM authorization_requests WHERE handle_hash = ?10))), NULL \
         FROM (SELECT sub FROM users WHERE login = ?7 \
           UNION ALL SELECT sub FROM users WHERE login = ?8 AND ?8 <> ?7 \
           UNION ALL SELECT NULL LIMIT 1) WHERE ",
        no_pause!("?11", "?1", "?12")
    )));
    let kind = (attempt.kind, Actor::User);
    let statement = record_of_stranger(context, statement, attempt.event_id, kind)?;
    Ok(statement
        .bind(attempt.login.folded.as_str())
        .bind(attempt.login.normalized.as_str())
        .bind(attempt.client.and_then(ClientOf::parameter))
        .bind(attempt.client.and_then(ClientOf::handle_hash))
        .bind(counters)
        .bind(pause_limit))
}

/// A SQL statement: the event of an attempt that has succeeded, if this clause has a row with `sub`. Its parameters are those
/// of [`bind`], one of the clause, [`DAY_SECONDS`] and [`KEPT_A_DAY`].
macro_rules! succeeded {
    ($detail:literal, $from:literal) => {
        concat!(
            "INSERT INTO audit_events (at, id, kind, actor, network, sub, detail) \
             SELECT ?1, ?2, ?3, ?4, ?5, sub, ",
            $detail,
            $from,
            " ON CONFLICT (at, id) DO UPDATE SET kind = excluded.kind, detail = excluded.detail, \
               slot = CASE WHEN EXISTS (SELECT 1 FROM audit_events AS others \
                 WHERE others.sub = excluded.sub AND others.at > ?1 - ?7 LIMIT 1 OFFSET ?8) \
               THEN slot END"
        )
    };
}

/// The attempt of this event has begun the session of a cookie. Follows the session. The event is added if it was replaced
/// meanwhile.
pub(in crate::store) fn succeeded<P>(
    context: &Context<'_, P>,
    event_id: &str,
    cookie_hash: &str,
) -> Statement {
    let statement = Statement::new(succeeded!("NULL", " FROM sessions WHERE cookie_hash = ?6"));
    let kind = (EventKind::SignInSucceeded, Actor::User);
    let statement = bind(context, statement, event_id, kind);
    statement.bind(cookie_hash).bind(DAY_SECONDS).bind(KEPT_A_DAY)
}
/// The attempt of this event has changed the password of the user of a session to one with this hash. Follows the change.
pub(in crate::store) fn password_changed<P>(
    context: &Context<'_, P>,
    event_id: &str,
    (cookie_hash, password_hash): (&str, &str),
    ends_access: bool,
) -> Statement {
    let statement = Statement::new(succeeded!(
        "iif(?10, json_object('grants', 'revoked'), NULL)",
        " FROM sessions JOIN users USING (sub) WHERE cookie_hash = ?6 AND password_hash = ?9"
    ));
    let statement = bind(context, statement, event_id, (EventKind::PasswordSet, Actor::User));
    statement
        .bind(cookie_hash)
        .bind(DAY_SECONDS)
        .bind(KEPT_A_DAY)
        .bind(password_hash)
        .bind(i64::from(ends_access))
}
