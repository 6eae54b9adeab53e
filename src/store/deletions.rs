//! The rows of deleted clients and users. They are deleted in steps, because there may be a million of them: the first step is
//! in the batch that deletes the client or the user, and the cron does the others.
//!
//! Meanwhile nothing uses the rows that are left. Every use of a grant of a client requires the client, and every use of a
//! user's grant or session requires the user. `sub`s are never reused, and [`may_be_client`] refuses a client whose
//! predecessor with the same identifier has rows left.
//!
//! [`may_be_client`]: crate::store::identifiers

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::store::batch::{Batch, exists};
use crate::store::session_ends::queue_logout_tokens;

/// The deleted client or user whose rows a step deletes: the first one in the order of the identifiers, beginning with the one
/// in the parameter 1.
macro_rules! first_deleted {
    ($column:literal, $table:literal) => {
        concat!(
            "(SELECT ",
            $column,
            " FROM ",
            $table,
            " WHERE ",
            $column,
            " >= ?1 ORDER BY ",
            $column,
            " LIMIT 1)"
        )
    };
}

/// At most as many of its grants as the parameter 2 says.
macro_rules! grants_left {
    ($column:literal, $table:literal) => {
        concat!(
            "SELECT id FROM grants WHERE ",
            $column,
            " = ",
            first_deleted!($column, $table),
            " LIMIT ?2"
        )
    };
}

/// At most as many sessions of the deleted user.
macro_rules! sessions_left {
    () => {
        concat!(
            "SELECT id FROM sessions WHERE sub = ",
            first_deleted!("sub", "deleted_users"),
            " LIMIT ?2"
        )
    };
}

/// Their refresh tokens, at most as many.
macro_rules! delete_refresh_tokens {
    ($column:literal, $table:literal) => {
        concat!(
            "DELETE FROM refresh_tokens WHERE token_hash IN (SELECT token_hash FROM (",
            grants_left!($column, $table),
            ") AS ended CROSS JOIN refresh_tokens ON grant_id = ended.id LIMIT ?2) RETURNING 1"
        )
    };
}

/// Their codes. A grant has one at most.
macro_rules! delete_codes {
    ($column:literal, $table:literal) => {
        concat!("DELETE FROM codes WHERE grant_id IN (", grants_left!($column, $table), ")")
    };
}

/// Those of them that have no refresh token left.
macro_rules! delete_grants {
    ($column:literal, $table:literal) => {
        concat!(
            "DELETE FROM grants WHERE id IN (",
            grants_left!($column, $table),
            ") AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE grant_id = grants.id) RETURNING 1"
        )
    };
}

/// Rows that it left in another table, at most as many.
macro_rules! delete_others {
    ($others:literal, $key:literal, $column:literal, $table:literal) => {
        concat!(
            "DELETE FROM ",
            $others,
            " WHERE (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM ",
            $others,
            " WHERE ",
            $column,
            " = ",
            first_deleted!($column, $table),
            " LIMIT ?2) RETURNING 1"
        )
    };
}

/// A SQL condition: it has no row left in another table.
macro_rules! has_none_left {
    ($others:literal, $column:literal, $table:literal) => {
        concat!(
            " AND NOT EXISTS (SELECT 1 FROM ",
            $others,
            " WHERE ",
            $others,
            ".",
            $column,
            " = ",
            $table,
            ".",
            $column,
            ")"
        )
    };
}

/// The statements that delete some rows of a deleted client: of `client_id`, or of the first one after it. Each deletes at
/// most `limit`, and returns a row for each.
pub(super) fn of_client(client_id: &str, limit: i64) -> Vec<Statement> {
    let statements = [
        Statement::new(delete_others!(
            "consents",
            "sub, client_id",
            "client_id",
            "deleted_clients"
        )),
        Statement::new(delete_refresh_tokens!("client_id", "deleted_clients")),
        Statement::new(delete_codes!("client_id", "deleted_clients")),
        Statement::new(delete_grants!("client_id", "deleted_clients")),
    ];
    let end = Statement::new(concat!(
        "DELETE FROM deleted_clients WHERE client_id = ",
        first_deleted!("client_id", "deleted_clients"),
        has_none_left!("grants", "client_id", "deleted_clients"),
        has_none_left!("consents", "client_id", "deleted_clients"),
    ));
    let mut statements = statements.map(|text| text.bind(client_id).bind(limit)).to_vec();
    statements.push(end.bind(client_id));
    statements
}

/// The statements that delete some rows of a deleted user, like [`of_client`]; and the clients by document to which only this
/// user has given consent, since their documents can be fetched again.
pub(super) fn of_user(sub: &str, now: i64, limit: i64) -> Vec<Statement> {
    let rows = [
        // The consents show which clients the user had.
        Statement::new(concat!(
            "DELETE FROM clients WHERE document_until IS NOT NULL \
             AND client_id IN (SELECT client_id FROM consents WHERE sub = ",
            first_deleted!("sub", "deleted_users"),
            " LIMIT ?2) AND NOT EXISTS (SELECT 1 FROM consents AS others \
               WHERE others.client_id = clients.client_id AND others.sub <> ",
            first_deleted!("sub", "deleted_users"),
            ")",
        )),
        Statement::new(delete_others!("consents", "sub, client_id", "sub", "deleted_users")),
        Statement::new(delete_others!("pairwise_subjects", "sub, sector", "sub", "deleted_users")),
        Statement::new(delete_refresh_tokens!("sub", "deleted_users")),
        Statement::new(delete_codes!("sub", "deleted_users")),
        Statement::new(delete_grants!("sub", "deleted_users")),
    ];
    let end = Statement::new(concat!(
        "DELETE FROM deleted_users WHERE sub = ",
        first_deleted!("sub", "deleted_users"),
        has_none_left!("grants", "sub", "deleted_users"),
        has_none_left!("consents", "sub", "deleted_users"),
        has_none_left!("sessions", "sub", "deleted_users"),
        has_none_left!("pairwise_subjects", "sub", "deleted_users"),
    ));
    let delete_sessions = Statement::new(concat!(
        "DELETE FROM sessions WHERE id IN (",
        sessions_left!(),
        ") RETURNING 1"
    ));
    let mut statements = end_sessions().map(|text| text.bind(sub).bind(limit).bind(now)).to_vec();
    statements.push(delete_sessions.bind(sub).bind(limit));
    statements.extend(rows.map(|text| text.bind(sub).bind(limit)));
    statements.push(end.bind(sub));
    statements
}

/// The statements by which the sessions that are deleted next end for their clients, as those of a
/// [`SessionEnd`](super::session_ends::SessionEnd) do. The id of the end is the user's `sub`. The sweep of ended sessions
/// deletes the rows of their clients.
fn end_sessions() -> [Statement; 2] {
    [
        Statement::new(concat!(
            "INSERT INTO ended_sessions (end_id, session_id, sub, ended_at) \
             SELECT sub, id, sub, ?3 FROM sessions WHERE id IN (",
            sessions_left!(),
            ") ON CONFLICT (end_id, session_id) DO NOTHING",
        )),
        Statement::new(queue_logout_tokens!(
            concat!(
                "(",
                sessions_left!(),
                ") AS ended CROSS JOIN session_clients ON session_id = ended.id"
            ),
            "true",
            "?3"
        )),
    ]
}

/// The statement that returns a row, -1, while a deleted client is left.
pub(super) fn more_clients() -> Statement {
    Statement::new("SELECT -1 FROM deleted_clients WHERE client_id > ?1 LIMIT ?2").bind("").bind(1)
}

/// The statement that returns a row, -1, while a deleted user is left.
pub(super) fn more_users() -> Statement {
    Statement::new("SELECT -1 FROM deleted_users WHERE sub > ?1 LIMIT ?2").bind("").bind(1)
}

/// Returns whether a deleted client has rows left, so that no client can have its identifier yet.
pub async fn is_in_progress(
    context: &Context<'_, impl Database>,
    client_id: &str,
) -> Result<bool, Internal> {
    let find = Statement::new("SELECT 1 FROM deleted_clients WHERE client_id = ?1").bind(client_id);
    let mut batch = Batch::default();
    let is_in_progress = batch.query(find, exists);
    batch.run_idempotent(context).await?.take(is_in_progress)
}
