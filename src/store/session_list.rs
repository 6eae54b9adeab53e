//! Sessions as the operator sees them, and their end by the operator.
//!
//! A session is named by the beginning of its cookie's hash. The id of the session would not do, because `sid`s are derived
//! from it. The name changes when the user types the password again in the same browser.

use serde_json::Value;

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::lifetimes::{SESSION_IDLE_SECONDS, SESSION_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::{Batch, all, exists};
use crate::store::session_ends::{EndingSessions, SessionEnd, count_of_end};

/// How many characters of the hash of its cookie name a session: 132 bits.
pub const NAME_CHARACTERS: u8 = 22;
/// How many clients of a session are listed.
const LISTED_CLIENTS: i64 = 50;

/// A session.
#[derive(Debug)]
pub struct ListedSession {
    pub name: String,
    pub sub: String,
    /// When the user last typed the password, in Unix seconds.
    pub auth_time: i64,
    /// When a client last got a code in the session, in Unix seconds.
    pub used_at: i64,
    /// The clients that the user has signed in to, each with its `sid`; a JSON array.
    pub clients: Value,
}

impl ListedSession {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        let (name, sub) = (name(&row.text()?), row.text()?);
        let (auth_time, used_at, clients) = (row.integer()?, row.integer()?, row.text()?);
        // SQLite has written it.
        let clients = json::from_own(&clients).unwrap_or_default();
        Ok(Self { name, sub, auth_time, used_at, clients })
    }

    /// Returns whether the session has expired. Its row stays for some time.
    pub fn is_expired(&self, now: i64) -> bool {
        self.used_at <= now - SESSION_IDLE_SECONDS || self.auth_time <= now - SESSION_SECONDS
    }
}

/// Returns the name of the session with the cookie of this hash.
pub(super) fn name(cookie_hash: &str) -> String {
    cookie_hash.chars().take(usize::from(NAME_CHARACTERS)).collect()
}

/// The columns of a [`ListedSession`]. The parameter 3 is [`LISTED_CLIENTS`].
macro_rules! session_columns {
    () => {
        "cookie_hash, sub, auth_time, used_at, \
         (SELECT json_group_array(json_object('client_id', client_id, 'sid', sid, \
                                              'signed_in_at', signed_in_at)) \
          FROM (SELECT client_id, sid, signed_in_at FROM session_clients AS used \
                WHERE used.session_id = sessions.id LIMIT ?3)) AS clients"
    };
}

/// A SQL expression: the id of the session of the name in the parameter 1, or a text before every id without a name.
macro_rules! id_of_name {
    () => {
        "coalesce((SELECT id FROM sessions WHERE cookie_hash BETWEEN ?1 AND ?1 || '~'), '')"
    };
}

/// The sessions that are listed: those of a user, of a client, of both, or all.
#[derive(Debug)]
pub struct SessionFilter<'a> {
    pub sub: Option<&'a str>,
    pub client_id: Option<&'a str>,
}

impl SessionFilter<'_> {
    /// Returns the statement, in the order of the sessions' ids. Its first parameters are a name, and the limit.
    fn statement(&self) -> Statement {
        match (self.sub, self.client_id) {
            (Some(_), _) => Statement::new(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions INDEXED BY sessions_by_sub WHERE sub = ?4 AND id > ",
                id_of_name!(),
                " AND (?5 IS NULL OR EXISTS (SELECT 1 FROM session_clients \
                    WHERE session_id = sessions.id AND client_id = ?5)) ORDER BY id LIMIT ?2",
            )),
            (None, Some(_)) => Statement::new(concat!(
                "SELECT ",
                session_columns!(),
                " FROM session_clients INDEXED BY session_clients_by_client \
                 CROSS JOIN sessions ON sessions.id = session_clients.session_id \
                 WHERE ?4 IS NULL AND session_clients.client_id = ?5 \
                   AND session_clients.session_id > ",
                id_of_name!(),
                " ORDER BY session_clients.session_id LIMIT ?2",
            )),
            (None, None) => Statement::new(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions WHERE ?4 IS NULL AND ?5 IS NULL AND id > ",
                id_of_name!(),
                " ORDER BY id LIMIT ?2",
            )),
        }
    }
}

/// Lists sessions after the one of a name, or from the first one. Those that have expired are included. Returns `None` if no
/// session has the name, because it has ended since.
pub async fn list(
    context: &Context<'_, impl Database>,
    filter: &SessionFilter<'_>,
    after: Option<&str>,
    limit: i64,
) -> Result<Option<Vec<ListedSession>>, Internal> {
    let select = filter
        .statement()
        .bind(after)
        .bind(limit)
        .bind(LISTED_CLIENTS)
        .bind(filter.sub)
        .bind(filter.client_id);
    let find = Statement::new(
        "SELECT 1 WHERE ?1 IS NULL \
         OR EXISTS (SELECT 1 FROM sessions WHERE cookie_hash BETWEEN ?1 AND ?1 || '~')",
    )
    .bind(after);
    let mut batch = Batch::default();
    let is_known = batch.query(find, exists);
    let found = batch.query(select, all);
    let mut outcome = batch.run_idempotent(context).await?;
    if !outcome.take(is_known)? {
        return Ok(None);
    }
    let found = outcome.take(found)?;
    found.into_iter().map(ListedSession::from_row).collect::<Result<_, _>>().map(Some)
}

/// Ends the session of a name. Returns `false` if there is none.
///
/// Idempotent.
pub async fn end(context: &Context<'_, impl Database>, name: &str) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    let sessions = EndingSessions::OfName { name };
    let end = SessionEnd::new(context, sessions, Some(SessionEndReason::Operator))?;
    end.add_to(&mut batch, context)?;
    let ended = count_of_end(&mut batch, &end.id);
    Ok(batch.run_idempotent(context).await?.take(ended)? > 0)
}
