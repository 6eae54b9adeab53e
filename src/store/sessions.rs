//! Sessions: in which browser who is signed in.

use crate::error::Internal;
use crate::lifetimes::{SESSION_IDLE_SECONDS, SESSION_SECONDS};
use crate::ports::{Database, Freshness, Statement};
use crate::store::batch::Batch;
use crate::store::sign_in_attempts::undo;

/// A session that stands.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, which no browser knows.
    pub id: String,
    /// The user.
    pub sub: String,
    /// What the user signs in by.
    pub login: String,
    /// The user's `name`, if there is one.
    pub name: Option<String>,
    /// When the user last proved who they are, in Unix seconds.
    pub auth_time: i64,
}

impl Session {
    /// What the person is called on a page: by name, and by what tells this account from another of theirs.
    pub fn display_name(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} ({})", self.login),
            None => self.login.clone(),
        }
    }
}

/// The session of a browser, if it stands and its user is there.
pub async fn find(
    database: &impl Database,
    cookie_hash: &str,
    now: i64,
) -> Result<Option<Session>, Internal> {
    let statement = Statement::new(
        "SELECT sessions.id, sessions.sub, users.login, users.claims->>'name' AS name, \
           sessions.auth_time \
         FROM sessions JOIN users ON users.sub = sessions.sub \
         WHERE cookie_hash = ?1 AND used_at > ?2 AND auth_time > ?3 AND users.deleted_at IS NULL",
    )
    .bind(cookie_hash)
    .bind(now - SESSION_IDLE_SECONDS)
    .bind(now - SESSION_SECONDS);
    let Some(mut row) = database.run(Freshness::Primary, statement).await?.pop() else {
        return Ok(None);
    };
    Ok(Some(Session {
        id: row.text()?,
        sub: row.text()?,
        login: row.text()?,
        name: row.text_or_null()?,
        auth_time: row.integer()?,
    }))
}

/// A sign-in that has succeeded.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The user.
    pub sub: &'a str,
    /// The hash that the password was checked against: a password that was changed meanwhile signs
    /// nobody in.
    pub password_hash: &'a str,
    /// A hash to keep instead, where that one is outdated.
    pub new_password_hash: Option<&'a str>,
    /// The id of the session, if it is a new one.
    pub session_id: &'a str,
    /// The cookie that the browser gets.
    pub cookie_hash: &'a str,
    /// The cookie that it had.
    pub old_cookie_hash: Option<&'a str>,
    /// The counter of attempts that this one ends.
    pub counter: &'a str,
    /// The account's own counter, if this attempt counted there.
    pub account_counter: Option<&'a str>,
}

/// Begins a session, or goes on with the browser's own under a new cookie where the same user signs in
/// again. Another user's session in that browser ends. Returns whether the user is still there, with
/// that password.
pub async fn begin(
    database: &impl Database,
    sign_in: &SignIn<'_>,
    now: i64,
) -> Result<bool, Internal> {
    let insert = Statement::new(
        "INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) \
         SELECT coalesce((SELECT id FROM sessions WHERE cookie_hash = ?4 AND sub = ?2 \
                          AND used_at > ?6 AND auth_time > ?7), ?1), ?3, sub, ?5, ?5 \
         FROM users WHERE sub = ?2 AND password_hash = ?8 \
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
    .bind(sign_in.password_hash);
    let end_old = Statement::new(
        "DELETE FROM sessions WHERE cookie_hash = ?1 \
         AND EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?2)",
    )
    .bind(sign_in.old_cookie_hash)
    .bind(sign_in.cookie_hash);
    let mut batch = Batch::default();
    let session = batch.query(insert);
    batch.add(end_old);
    for statement in undo(sign_in.counter, sign_in.account_counter, sign_in.cookie_hash) {
        batch.add(statement);
    }
    if let Some(new_hash) = sign_in.new_password_hash {
        let rehash = Statement::new(
            "UPDATE users SET password_hash = ?3 WHERE sub = ?1 AND password_hash = ?2",
        );
        batch.add(rehash.bind(sign_in.sub).bind(sign_in.password_hash).bind(new_hash));
    }
    Ok(batch.run(database).await?.row(session)?.is_some())
}

/// Ends a browser's session.
pub async fn end(database: &impl Database, cookie_hash: &str) -> Result<(), Internal> {
    let statement = Statement::new("DELETE FROM sessions WHERE cookie_hash = ?1").bind(cookie_hash);
    database.run(Freshness::Primary, statement).await.map(drop)
}
