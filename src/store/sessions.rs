//! Sessions: the signed-in user of a browser.

use crate::context::Context;
use crate::error::Internal;
use crate::http::{Request, UNKNOWN_NETWORK, country_of};
use crate::lifetimes::{CLOCK_SLACK_SECONDS, SESSION_IDLE_SECONDS, SESSION_SECONDS};
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::user::user_agent::UserAgent;
use crate::store::audit::kinds::SessionEndReason;
use crate::store::audit::sign_ins;
use crate::store::batch::{Batch, Handle, exists, first, read};
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
    /// Whether the user has a password.
    pub has_password: bool,
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
            has_password: row.integer()? == 1,
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
           sessions.auth_time, users.password_hash IS NOT NULL \
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
    pub origin: &'a Origin,
}

/// What a user recognizes a sign-in by. Each is of a fixed list, or a part of the address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The name of the browser.
    pub browser: Option<String>,
    /// The name of the operating system.
    pub system: Option<String>,
    /// The country of the address (ISO 3166-1 alpha-2).
    pub country: Option<String>,
    /// The [network](crate::http::network_of) of the address.
    pub network: Option<String>,
}

impl Origin {
    /// Reads the origin of a request.
    pub fn from_request<P>(context: &Context<'_, P>, request: &impl Request) -> Self {
        let UserAgent { browser, system } = request
            .header("user-agent")
            .map(|header| UserAgent::parse(&header))
            .unwrap_or_default();
        Self {
            browser: browser.map(str::to_owned),
            system: system.map(str::to_owned),
            country: country_of(request),
            network: context.network().filter(|network| network != UNKNOWN_NETWORK),
        }
    }
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
        "INSERT INTO sessions \
           (id, cookie_hash, sub, auth_time, used_at, browser, system, country, network) \
         SELECT coalesce((SELECT id FROM sessions WHERE cookie_hash IN (?3, ?4) AND sub = ?2 \
                          AND used_at > ?6 AND auth_time > ?7), ?1), ?3, sub, ?5, ?5, \
           ?10, ?11, ?12, ?13 \
         FROM users WHERE sub = ?2 AND password_hash IN (?8, ?9) AND disabled_at IS NULL \
         ON CONFLICT (id) DO UPDATE \
           SET cookie_hash = excluded.cookie_hash, auth_time = ?5, used_at = ?5, \
             browser = ?10, system = ?11, country = ?12, network = ?13 \
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
    .bind(sign_in.new_password_hash)
    .bind(sign_in.origin.browser.as_deref())
    .bind(sign_in.origin.system.as_deref())
    .bind(sign_in.origin.country.as_deref())
    .bind(sign_in.origin.network.as_deref());
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

/// A session of a user, as the account page lists it.
#[derive(Debug)]
pub struct OpenSession {
    pub id: String,
    /// Whether it is that of the browser which shows the page.
    pub is_current: bool,
    /// When the user last entered the password, in Unix seconds.
    pub auth_time: i64,
    /// When it was last used, in Unix seconds.
    pub used_at: i64,
    /// Where the user last entered the password.
    pub origin: Origin,
}

/// How many sessions of a user are read: more than anybody has who does not sign in by a program. The others end, too, if all do.
const READ_SESSIONS: i64 = 1_000;

/// A SQL query: the sessions of the user of the session with the cookie `?1`, with this one first; `?2` is
/// [`READ_SESSIONS`]. Without an order, because then each of them would be read.
macro_rules! sessions_of_user {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM sessions WHERE cookie_hash = ?1 UNION SELECT * FROM (SELECT ",
            $columns,
            " FROM sessions WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?1) LIMIT ?2)"
        )
    };
}

/// Lists the sessions of the user of a session that have not expired, the last used first, and `limit` at most.
pub fn list_in(
    batch: &mut Batch,
    cookie_hash: &str,
    limit: i64,
    now: i64,
) -> Handle<Vec<OpenSession>> {
    let statement = Statement::new(concat!(
        "SELECT id, cookie_hash = ?1 AS is_current, auth_time, used_at, browser, system, country, \
           network FROM (",
        sessions_of_user!("id, cookie_hash, auth_time, used_at, browser, system, country, network"),
        ") WHERE used_at > ?3 AND auth_time > ?4 AND auth_time <= ?5 \
         ORDER BY is_current DESC, used_at DESC, id LIMIT ?6",
    ))
    .bind(cookie_hash)
    .bind(READ_SESSIONS)
    .bind(now - SESSION_IDLE_SECONDS)
    .bind(now - SESSION_SECONDS)
    .bind(now + CLOCK_SLACK_SECONDS)
    .bind(limit);
    batch.query(statement, |rows| rows.into_iter().map(OpenSession::from_row).collect())
}

/// Returns the ids of the sessions that [`list_in`] looks at.
pub async fn ids(
    context: &Context<'_, impl Database>,
    cookie_hash: &str,
) -> Result<Vec<String>, Internal> {
    let statement = Statement::new(sessions_of_user!("id")).bind(cookie_hash).bind(READ_SESSIONS);
    let rows = read(context, Freshness::Primary, statement).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

impl OpenSession {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            id: row.text()?,
            is_current: row.integer()? == 1,
            auth_time: row.integer()?,
            used_at: row.integer()?,
            origin: Origin {
                browser: row.text_or_null()?,
                system: row.text_or_null()?,
                country: row.text_or_null()?,
                network: row.text_or_null()?,
            },
        })
    }
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
