//! The change of a password by its user, who is signed in.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, SESSION_IDLE_SECONDS, SESSION_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::store::audit::sign_ins;
use crate::store::batch::{Batch, Handle, exists, first};
use crate::store::session_ends::{EndingSessions, SessionEnd};
use crate::store::sign_in_attempts::{Counter, take_back};

/// The user of a session that has not expired.
#[derive(Debug)]
pub struct SignedInUser {
    pub sub: String,
    /// The login as stored.
    pub login: String,
    /// The password hash, a PHC string, if the user has a password.
    pub password_hash: Option<String>,
    /// Whether the session has the new cookie already: the same form was sent before.
    pub is_changed: bool,
}

/// The hashes of the session cookie that the browser has, and of the one that replaces it.
#[derive(Clone, Copy, Debug)]
pub struct Cookies<'a> {
    pub old_hash: &'a str,
    pub new_hash: &'a str,
}

/// A change of a password.
#[derive(Debug)]
pub struct PasswordChange<'a> {
    pub sub: &'a str,
    pub cookies: Cookies<'a>,
    /// The hash that the current password was verified against.
    pub old_hash: &'a str,
    /// The hash of the new password.
    pub new_hash: &'a str,
    /// Whether all grants of the user are [revoked](super::revocations). Consents stay: an application gets access again when
    /// the user next signs in to it.
    pub ends_access: bool,
    /// The counters that have counted this attempt.
    pub counters: &'a [&'a Counter],
    /// The id of the attempt's event in the audit trail.
    pub event_id: &'a str,
}

/// Finds the user of a session with one of two cookies.
pub fn find_user_in(
    batch: &mut Batch,
    cookies: Cookies<'_>,
    now: i64,
) -> Handle<Option<SignedInUser>> {
    let statement = Statement::new(
        "SELECT users.sub, users.login, users.password_hash, cookie_hash = ?2 \
         FROM sessions JOIN users ON users.sub = sessions.sub \
         WHERE cookie_hash IN (?1, ?2) AND used_at > ?3 AND auth_time > ?4 AND auth_time <= ?5 \
           AND users.deleted_at IS NULL",
    )
    .bind(cookies.old_hash)
    .bind(cookies.new_hash)
    .bind(now - SESSION_IDLE_SECONDS)
    .bind(now - SESSION_SECONDS)
    .bind(now + CLOCK_SLACK_SECONDS);
    batch.query(statement, |rows| first(rows)?.map(SignedInUser::from_row).transpose())
}

/// The same as [`find_user_in`], in a request of its own.
pub async fn find_user(
    context: &Context<'_, impl Database>,
    cookies: Cookies<'_>,
) -> Result<Option<SignedInUser>, Internal> {
    let mut batch = Batch::default();
    let user = find_user_in(&mut batch, cookies, context.now);
    batch.run_idempotent(context).await?.take(user)
}

impl SignedInUser {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            sub: row.text()?,
            login: row.text()?,
            password_hash: row.text_or_null()?,
            is_changed: row.integer()? == 1,
        })
    }
}

impl PasswordChange<'_> {
    /// Adds the statements: the session goes on under the new cookie, and the user has signed in with it just now; the
    /// password is the new one, and the attempt is taken back; the other sessions end. The result is whether the password is
    /// the new one, which it is not if the session has ended, or the password was changed since it was verified.
    ///
    /// Idempotent, because the salt of the new hash is random.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn add_to<P>(
        &self,
        batch: &mut Batch,
        context: &Context<'_, P>,
    ) -> Result<Handle<bool>, Internal> {
        let Cookies { old_hash: old_cookie, new_hash: cookie } = self.cookies;
        take_back(batch, self.counters, (self.sub, self.old_hash), cookie);
        let rotate = Statement::new(
            "UPDATE sessions SET cookie_hash = ?2, auth_time = ?5, used_at = ?5 \
             WHERE cookie_hash = ?1 AND sub = ?3 \
               AND EXISTS (SELECT 1 FROM users WHERE sub = ?3 AND password_hash = ?4)",
        )
        .bind(old_cookie)
        .bind(cookie)
        .bind(self.sub)
        .bind(self.old_hash)
        .bind(context.now);
        let change = Statement::new(
            "UPDATE users SET password_hash = ?3, updated_at = ?4, \
               revocations = coalesce(revocations, 0) + ?6 \
             WHERE sub = ?1 AND password_hash = ?2 \
               AND EXISTS (SELECT 1 FROM sessions WHERE cookie_hash = ?5 AND sub = ?1)",
        )
        .bind(self.sub)
        .bind(self.old_hash)
        .bind(self.new_hash)
        .bind(context.now)
        .bind(cookie)
        .bind(i64::from(self.ends_access));
        let find = Statement::new(
            "SELECT 1 FROM users JOIN sessions USING (sub) \
             WHERE cookie_hash = ?1 AND password_hash = ?2",
        )
        .bind(cookie)
        .bind(self.new_hash);
        batch.add(rotate);
        batch.add(change);
        batch.add(sign_ins::password_changed(
            context,
            self.event_id,
            (cookie, self.new_hash),
            self.ends_access,
        ));
        let others = EndingSessions::OthersOfUser { cookie_hash: cookie };
        SessionEnd::new(context, others, None)?.add_to(batch, context)?;
        Ok(batch.query(find, exists))
    }
}
