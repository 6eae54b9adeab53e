//! Sessions: the signed-in user of a browser.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, SESSION_IDLE_SECONDS, SESSION_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::store::audit::kinds::SessionEndReason;
use crate::store::audit::sign_ins;
use crate::store::batch::{Batch, Handle, exists, first};
use crate::store::session_ends::{EndingSessions, SessionEnd};
use crate::store::sign_in_attempts::{Counter, take_back};

/// A session that has not expired.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session id, which is not in any cookie.
    pub id: String,
    pub sub: String,
    pub login: String,
    /// The user's claim `name`, if there is one.
    pub name: Option<String>,
    /// When the user last authenticated, in Unix seconds.
    pub auth_time: i64,
}

impl Session {
    fn from_rows(rows: Vec<Row>) -> Result<Option<Self>, Internal> {
        let Some(mut row) = first(rows)? else { return Ok(None) };
        Ok(Some(Self {
            id: row.text()?,
            sub: row.text()?,
            login: row.text()?,
            name: row.text_or_null()?,
            auth_time: row.integer()?,
        }))
    }

    /// Returns the account's label on pages: the name, and the login because users may have several accounts.
    pub fn display_name(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} ({})", self.login),
            None => self.login.clone(),
        }
    }
}

/// Finds the session of a browser, if it has not expired and its user was not deleted. A session that begins later than
/// now was made by an isolate whose clock is ahead. It is not found, because it would live too long, and its user would
/// count as signed in recently.
pub async fn find(
    context: &Context<'_, impl Database>,
    cookie_hash: &str,
) -> Result<Option<Session>, Internal> {
    let mut batch = Batch::default();
    let session = find_in(&mut batch, cookie_hash, context.now);
    batch.run_idempotent(context).await?.take(session)
}

/// The same as [`find`], in a batch.
pub fn find_in(batch: &mut Batch, cookie_hash: &str, now: i64) -> Handle<Option<Session>> {
    let statement = Statement::new(
        "SELECT sessions.id, sessions.sub, users.login, users.claims->>'name' AS name, \
           sessions.auth_time \
         FROM sessions JOIN users ON users.sub = sessions.sub \
         WHERE cookie_hash = ?1 AND used_at > ?2 AND auth_time > ?3 AND auth_time <= ?4 \
           AND users.deleted_at IS NULL",
    )
    .bind(cookie_hash)
    .bind(now - SESSION_IDLE_SECONDS)
    .bind(now - SESSION_SECONDS)
    .bind(now + CLOCK_SLACK_SECONDS);
    batch.query(statement, Session::from_rows)
}

/// A successful sign-in.
#[derive(Debug)]
pub struct SignIn<'a> {
    pub sub: &'a str,
    /// The hash that the password was verified against. If the password was changed since, no session begins.
    pub password_hash: &'a str,
    /// The hash that replaces it, if it has outdated parameters.
    pub new_password_hash: Option<&'a str>,
    /// The id of the session, if a new one begins.
    pub session_id: &'a str,
    /// The hash of the browser's new session cookie.
    pub cookie_hash: &'a str,
    /// The hash of the session cookie that the browser sent, if it did.
    pub old_cookie_hash: Option<&'a str>,
    /// The counters that have counted this attempt.
    pub counters: &'a [&'a Counter],
    /// The id of the attempt's event in the audit trail.
    pub event_id: &'a str,
}

/// Begins a session. If the browser has a session of the same user, that one continues under the new cookie; another
/// user's session ends. Returns `false` if the user was deleted or disabled, or the password was changed.
///
/// Idempotent, because the new cookie is random, and so is the salt of a new password hash.
pub async fn begin(
    context: &Context<'_, impl Database>,
    sign_in: &SignIn<'_>,
) -> Result<bool, Internal> {
    let now = context.now;
    let insert = Statement::new(
        "INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) \
         SELECT coalesce((SELECT id FROM sessions WHERE cookie_hash IN (?3, ?4) AND sub = ?2 \
                          AND used_at > ?6 AND auth_time > ?7), ?1), ?3, sub, ?5, ?5 \
         FROM users WHERE sub = ?2 AND password_hash IN (?8, ?9) AND disabled_at IS NULL \
         ON CONFLICT (id) DO UPDATE \
           SET cookie_hash = excluded.cookie_hash, auth_time = ?5, used_at = ?5 \
         RETURNING id",
    )
    .bind(sign_in.session_id)
    .bind(sign_in.sub)
    .bind(sign_in.cookie_hash)
    .bind(sign_in.old_cookie_hash)
    .bind(now)
    .bind(now - SESSION_IDLE_SECONDS)
    .bind(now - SESSION_SECONDS)
    .bind(sign_in.password_hash)
    .bind(sign_in.new_password_hash);
    let mut batch = Batch::default();
    let user = (sign_in.sub, sign_in.password_hash);
    take_back(&mut batch, sign_in.counters, user, sign_in.cookie_hash);
    let session = batch.query(insert, exists);
    batch.add(sign_ins::succeeded(context, sign_in.event_id, sign_in.cookie_hash));
    if let Some(old_cookie_hash) = sign_in.old_cookie_hash {
        let sessions =
            EndingSessions::Replaced { old_cookie_hash, cookie_hash: sign_in.cookie_hash };
        let reason = Some(SessionEndReason::AnotherUser);
        SessionEnd::new(context, sessions, reason)?.add_to(&mut batch, context)?;
    }
    if let Some(new_hash) = sign_in.new_password_hash {
        let rehash = Statement::new(
            "UPDATE users SET password_hash = ?3 WHERE sub = ?1 AND password_hash = ?2",
        );
        batch.add(rehash.bind(sign_in.sub).bind(sign_in.password_hash).bind(new_hash));
    }
    batch.run_idempotent(context).await?.take(session)
}

/// Deletes at most `limit` sessions that have expired since the password was entered, after at most as many rows of their
/// clients. One that has expired because nobody
/// uses it stays until then: an index by its last use would cost two more rows written at each use.
pub(super) fn sweep(now: i64, limit: i64) -> Vec<Statement> {
    let clients = Statement::new(
        "DELETE FROM session_clients WHERE (session_id, client_id) IN ( \
           SELECT session_id, client_id FROM ( \
             SELECT id FROM sessions WHERE auth_time <= ?1 ORDER BY auth_time LIMIT ?2) AS ended \
           CROSS JOIN session_clients ON session_id = ended.id LIMIT ?2) RETURNING 0",
    );
    let sessions = Statement::new(
        "DELETE FROM sessions WHERE id IN \
         (SELECT id FROM sessions WHERE auth_time <= ?1 ORDER BY auth_time LIMIT ?2) \
           AND NOT EXISTS (SELECT 1 FROM session_clients WHERE session_id = sessions.id) RETURNING 1",
    );
    let bind = |statement: Statement| statement.bind(now - SESSION_SECONDS).bind(limit);
    [clients, sessions].map(bind).into()
}
