//! The end of sessions. One batch does all of it, for every reason:
//!
//! - The clients with a `backchannel_logout_uri` that got a grant in the session get a logout token: it is queued
//!   (OpenID Connect Back-Channel Logout 1.0 section 2.5).
//! - The session's grants without `offline_access` are revoked, and so are those whose client or device has not got its
//!   refresh token yet. Grants with a refresh token outlive the session, because the user has given consent to that
//!   (section 2.7).
//! - The rows of the sessions are deleted.
//!
//! A session that expires has none of this: a client that must know sends the user here again.

use crate::context::{Context, DeferredTask};
use crate::error::Internal;
use crate::lifetimes::UNREFRESHED_GRANT_SECONDS;
use crate::ports::Statement;
use crate::store::applications::is_refreshable;
use crate::store::audit::acts;
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::{Batch, Handle, exists, first};

/// An end of sessions.
#[derive(Debug)]
pub struct SessionEnd<'a> {
    /// Its id: 128 random bits, or the hash of the browser's cookie.
    pub id: String,
    sessions: EndingSessions<'a>,
    reason: Option<SessionEndReason>,
}

/// The sessions that end.
#[derive(Debug)]
pub enum EndingSessions<'a> {
    /// The session of the browser with the cookie of this hash.
    OfBrowser { cookie_hash: &'a str },
    /// Those of the users of a JSON array whose password hash differs from the stored one, or who are disabled in it.
    OfChangedUsers { users: &'a str },
    /// The one that an ID token of a client names. The user's subject may be one for the client's sector.
    OfClient { client_id: &'a str, sid: &'a str, subject: &'a str },
    /// Those of a deleted user, at most so many. [`super::deletions`] ends the others.
    OfDeletedUser { sub: &'a str, limit: i64 },
    /// The one whose cookie has a hash that begins so: see [`super::session_list`].
    OfName { name: &'a str },
    /// Those of a user.
    OfUser { sub: &'a str },
    /// One of the user of the session with this cookie, but not this session itself.
    OtherOfUser { cookie_hash: &'a str, session_id: &'a str },
    /// All of the user of the session with this cookie, except this session.
    OthersOfUser { cookie_hash: &'a str },
    /// The one that a browser had before another user signed in. That of the same user goes on under the new cookie, or has
    /// expired.
    Replaced { old_cookie_hash: &'a str, cookie_hash: &'a str },
}

/// A SQL statement: the sessions with this condition end. Its first parameters are the id of the end and the time.
macro_rules! end_sessions {
    ($condition:literal) => {
        concat!(
            "INSERT INTO ended_sessions (end_id, session_id, sub, ended_at) \
             SELECT ?1, id, sub, ?2 FROM sessions",
            $condition,
            " ON CONFLICT (end_id, session_id) DO NOTHING"
        )
    };
}

/// A SQL statement: the logout tokens of sessions that end are queued, for the clients that want them. `$clients` is a FROM
/// clause with the rows of `session_clients`, and `$now` the parameter with the time.
macro_rules! queue_logout_tokens {
    ($clients:expr, $condition:literal, $now:literal) => {
        concat!(
            "INSERT INTO logout_deliveries \
               (session_id, client_id, sid, subject, ended_at, next_try_at) \
             SELECT session_id, client_id, sid, subject, ",
            $now,
            ", ",
            $now,
            " FROM ",
            $clients,
            " JOIN clients USING (client_id) WHERE ",
            $condition,
            " AND CASE WHEN json_valid(metadata) \
                 THEN metadata->>'backchannel_logout_uri' IS NOT NULL ELSE 0 END \
             ON CONFLICT (session_id, client_id) DO NOTHING"
        )
    };
}
pub(super) use queue_logout_tokens;

impl EndingSessions<'_> {
    fn statement(&self, id: &str, now: i64) -> Statement {
        let bind = |statement: Statement| statement.bind(id).bind(now);
        match *self {
            Self::OfBrowser { cookie_hash } => {
                bind(Statement::new(end_sessions!(" WHERE cookie_hash = ?3"))).bind(cookie_hash)
            }
            Self::OfChangedUsers { users } => bind(Statement::new(end_sessions!(
                " WHERE sub IN (SELECT users.sub FROM json_each(?3) \
                   JOIN users ON users.sub = value->>'sub' \
                   WHERE value->>'password_hash' <> coalesce(password_hash, '') \
                     OR value->>'disabled')"
            )))
            .bind(users),
            Self::OfClient { client_id, sid, subject } => bind(Statement::new(end_sessions!(
                " WHERE id IN (SELECT session_id FROM sessions AS own \
                   CROSS JOIN session_clients ON session_id = own.id \
                   WHERE own.sub IN (?3, (SELECT sub FROM pairwise_subjects WHERE subject = ?3)) \
                     AND client_id = ?4 AND sid = ?5)"
            )))
            .bind(subject)
            .bind(client_id)
            .bind(sid),
            Self::OfDeletedUser { sub, limit } => bind(Statement::new(end_sessions!(
                " WHERE id IN (SELECT id FROM sessions WHERE sub = ?3 LIMIT ?4)"
            )))
            .bind(sub)
            .bind(limit),
            Self::OfName { name } => {
                bind(Statement::new(end_sessions!(" WHERE cookie_hash BETWEEN ?3 AND ?3 || '~'")))
                    .bind(name)
            }
            Self::OfUser { sub } => {
                bind(Statement::new(end_sessions!(" WHERE sub = ?3"))).bind(sub)
            }
            Self::OtherOfUser { cookie_hash, session_id } => bind(Statement::new(end_sessions!(
                " WHERE id = ?4 AND cookie_hash <> ?3 \
                   AND sub = (SELECT sub FROM sessions WHERE cookie_hash = ?3)"
            )))
            .bind(cookie_hash)
            .bind(session_id),
            Self::OthersOfUser { cookie_hash } => bind(Statement::new(end_sessions!(
                " WHERE sub = (SELECT sub FROM sessions WHERE cookie_hash = ?3) \
                   AND cookie_hash <> ?3"
            )))
            .bind(cookie_hash),
            Self::Replaced { old_cookie_hash, cookie_hash } => bind(Statement::new(end_sessions!(
                " WHERE cookie_hash = ?3 AND sub <> (SELECT sub FROM sessions WHERE cookie_hash = ?4)"
            )))
            .bind(old_cookie_hash)
            .bind(cookie_hash),
        }
    }
}

impl<'a> SessionEnd<'a> {
    /// Creates an end with a new id. It has a reason if it is an event of its own; otherwise it is a part of another one,
    /// such as a new password. The end of a browser's session has the hash of the cookie as its id, so a second click
    /// finds the session that the first one has ended.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn new<P>(
        context: &Context<'_, P>,
        sessions: EndingSessions<'a>,
        reason: Option<SessionEndReason>,
    ) -> Result<Self, Internal> {
        let id = match sessions {
            EndingSessions::OfBrowser { cookie_hash } => cookie_hash.to_owned(),
            _ => context.random_id()?,
        };
        Ok(Self { id, sessions, reason })
    }

    /// Adds the statements. If logout tokens are queued, their delivery is deferred until after the response.
    ///
    /// Idempotent: a second run finds the same ended sessions, and queues no token again, because the sessions are gone.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn add_to<P>(&self, batch: &mut Batch, context: &Context<'_, P>) -> Result<(), Internal> {
        self.choose(batch, context)?;
        self.carry_out(batch, context.now);
        Ok(())
    }

    /// Adds the statements that choose the sessions. [`SessionEnd::carry_out`] must follow in the batch.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub(super) fn choose<P>(
        &self,
        batch: &mut Batch,
        context: &Context<'_, P>,
    ) -> Result<(), Internal> {
        batch.add(self.sessions.statement(&self.id, context.now));
        if let Some(reason) = self.reason {
            batch.add(acts::sessions_ended(context, &self.id, reason)?);
        }
        Ok(())
    }

    /// Returns the statement that chooses no session of users who were not stored as these entries have them: they still have
    /// another password hash, or are still not disabled.
    pub(super) fn spare_refused(&self, entries: &str) -> Statement {
        Statement::new(
            "DELETE FROM ended_sessions WHERE end_id = ?1 AND sub IN ( \
               SELECT users.sub FROM json_each(?2) JOIN users ON users.sub = value->>'sub' \
               WHERE value->>'password_hash' <> coalesce(password_hash, '') \
                 OR value->>'disabled' AND disabled_at IS NULL)",
        )
        .bind(self.id.as_str())
        .bind(entries)
    }

    /// Adds the statements that end the chosen sessions.
    pub(super) fn carry_out(&self, batch: &mut Batch, now: i64) {
        let queue = Statement::new(concat!(
            queue_logout_tokens!(
                "ended_sessions JOIN session_clients USING (session_id)",
                "end_id = ?1 AND EXISTS (SELECT 1 FROM sessions WHERE id = session_id)",
                "?2"
            ),
            " RETURNING 1",
        ))
        .bind(self.id.as_str())
        .bind(now);
        // Older grants without a refresh token are dead, and so are older codes.
        let revoke = Statement::new(concat!(
            "UPDATE grants INDEXED BY grants_by_sub SET revoked_at = ?2 \
             WHERE sub IN (SELECT sub FROM ended_sessions WHERE end_id = ?1) AND ",
            is_refreshable!(),
            " IN (0, 1) AND created_at > ?3 AND revoked_at IS NULL \
               AND session_id IN (SELECT session_id FROM ended_sessions WHERE end_id = ?1) AND (",
            is_refreshable!(),
            " = 0 OR NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE grant_id = grants.id))",
        ))
        .bind(self.id.as_str())
        .bind(now)
        .bind(now - UNREFRESHED_GRANT_SECONDS);
        let delete = Statement::new(
            "DELETE FROM sessions WHERE id IN \
             (SELECT session_id FROM ended_sessions WHERE end_id = ?1)",
        )
        .bind(self.id.as_str());
        batch.add_with_task(queue, DeferredTask::DeliverLogoutTokens { end_id: self.id.clone() });
        batch.add(revoke);
        batch.add(delete);
    }
}

/// Counts the sessions of an end.
pub(super) fn count_of_end(batch: &mut Batch, end_id: &str) -> Handle<i64> {
    let count =
        Statement::new("SELECT count(*) FROM ended_sessions WHERE end_id = ?1").bind(end_id);
    batch.query(count, |rows| first(rows)?.map_or(Ok(0), |mut row| row.integer()))
}

/// Returns whether this client was used in one of the sessions of an end.
pub fn had_client(batch: &mut Batch, end_id: &str, client_id: &str) -> Handle<bool> {
    let find = Statement::new(
        "SELECT 1 FROM ended_sessions CROSS JOIN session_clients USING (session_id) \
         WHERE end_id = ?1 AND client_id = ?2 LIMIT 1",
    );
    batch.query(find.bind(end_id).bind(client_id), exists)
}

/// Returns whether the browser with the cookie of this hash had the session that an ID token of a client names, until it
/// ended by a logout in this browser.
pub fn had_session(
    batch: &mut Batch,
    cookie_hash: &str,
    (client_id, sid): (&str, &str),
) -> Handle<bool> {
    let find = Statement::new(
        "SELECT 1 FROM ended_sessions CROSS JOIN session_clients USING (session_id) \
         WHERE end_id = ?1 AND client_id = ?2 AND sid = ?3 LIMIT 1",
    );
    batch.query(find.bind(cookie_hash).bind(client_id).bind(sid), exists)
}

/// Records that a session's user signs in to a client, after the grant of this id. Not if the session has ended since: the
/// batch may run again.
pub(super) fn signed_in_to(grant_id: &str) -> Statement {
    Statement::new(
        "INSERT INTO session_clients (session_id, client_id, sid, subject, signed_in_at) \
         SELECT session_id, client_id, sid, coalesce(subject, sub), created_at FROM grants \
         WHERE id = ?1 AND revoked_at IS NULL \
           AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = grants.session_id) \
         ON CONFLICT (session_id, client_id) DO UPDATE SET subject = excluded.subject \
           WHERE subject <> excluded.subject",
    )
    .bind(grant_id)
}

/// Deletes at most `limit` ended sessions, the oldest first, after at most as many rows of their clients.
pub(super) fn sweep(now: i64, limit: i64) -> Vec<Statement> {
    let clients = Statement::new(
        "DELETE FROM session_clients WHERE (session_id, client_id) IN ( \
           SELECT session_id, client_id FROM ( \
             SELECT session_id FROM ended_sessions WHERE ended_at <= ?1 \
             ORDER BY ended_at LIMIT ?2) \
           CROSS JOIN session_clients USING (session_id) LIMIT ?2) RETURNING 0",
    );
    let sessions = Statement::new(
        "DELETE FROM ended_sessions WHERE (end_id, session_id) IN ( \
           SELECT end_id, session_id FROM ended_sessions WHERE ended_at <= ?1 \
           ORDER BY ended_at LIMIT ?2) \
           AND NOT EXISTS (SELECT 1 FROM session_clients \
             WHERE session_clients.session_id = ended_sessions.session_id) RETURNING 1",
    );
    [clients, sessions].map(|statement| statement.bind(now).bind(limit)).into()
}
