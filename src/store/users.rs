//! Users: their login, their claims, and the tombstones of deleted users.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::user::claims::UserClaims;
use crate::protocol::user::login::TypedLogin;
use crate::store::audit::{self, acts};
use crate::store::batch::{Batch, Handle, all, exists, first, read};
use crate::store::deletions;
use crate::store::identifiers::{SubUse, select_uses, uses};
use crate::store::session_ends::{EndingSessions, SessionEnd};
use crate::store::sweep::SWEPT_AT_ONCE;

/// A user that the operator creates or changes.
#[derive(Debug, Serialize)]
pub struct NewUser {
    /// The subject identifier.
    pub sub: String,
    /// The login, normalized. `None` keeps the existing one; a new user then gets `default_login`.
    pub login: Option<String>,
    /// The login of a new user without `login`: the normalized sub, if it is a valid login.
    pub default_login: Option<String>,
    /// The claims, validated. `None` keeps the existing ones; a new user then has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
    /// The password hash, a PHC string. `None` keeps the existing one; a new user then has no password.
    pub password_hash: Option<String>,
    /// Whether the user is disabled. `None` keeps it as it is; a new user then is not.
    pub disabled: Option<bool>,
}

impl NewUser {
    /// Fills in missing fields from an earlier entry for the same user.
    pub fn complete_from(&mut self, earlier: Self) {
        self.login = self.login.take().or(earlier.login);
        self.claims = self.claims.take().or(earlier.claims);
        self.password_hash = self.password_hash.take().or(earlier.password_hash);
        self.disabled = self.disabled.or(earlier.disabled);
    }

    /// Returns why this user was not stored, by the use of the sub.
    fn refusal(&self, used_by: SubUse) -> Refusal {
        match used_by {
            SubUse::DeletedUser => Refusal::Deleted,
            SubUse::Client => Refusal::IsClient,
            SubUse::Free if self.login.is_none() && self.default_login.is_none() => {
                Refusal::LoginMissing
            }
            SubUse::User | SubUse::Free => Refusal::LoginTaken,
        }
    }
}

/// Parses a user's claims from the JSON that the database stores.
///
/// # Errors
/// [`Internal::Broken`] if they are not a JSON object.
pub fn parse_claims(json: &str) -> Result<UserClaims, Internal> {
    json::from_own(json).map_err(|_| Internal::Broken {
        detail: "damaged row in D1: the claims of a user are not a JSON object".into(),
    })
}

/// A user as stored.
#[derive(Debug)]
pub struct User {
    /// The subject identifier.
    pub sub: String,
    /// The login, normalized. Versions until 0.2.0 only folded its case.
    pub login: String,
    /// The claims as JSON.
    pub claims: String,
    /// Whether the user can sign in with a password.
    pub has_password: bool,
    /// Whether the operator has disabled the user.
    pub is_disabled: bool,
    /// When the user was first stored, in Unix seconds.
    pub created_at: i64,
    /// When the user was last changed, in Unix seconds.
    pub updated_at: i64,
}

impl User {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            sub: row.text()?,
            login: row.text()?,
            claims: row.text()?,
            has_password: row.integer()? == 1,
            is_disabled: row.integer()? == 1,
            created_at: row.integer()?,
            updated_at: row.integer()?,
        })
    }
}

/// Why a user was not stored.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The sub belonged to a deleted user, and subs are never reused.
    Deleted,
    /// The sub of a new user is the identifier of a client.
    IsClient,
    /// A new user has no login, and the sub is not a valid one.
    LoginMissing,
    /// Another user has the login.
    LoginTaken,
}

/// The largest JSON text of users in one parameter. D1 binds texts of at most 2 MB.
const SHARE_BYTES: usize = 1_000_000;

/// The outcome of [`put`].
#[derive(Debug)]
pub enum PutOutcome {
    Refused(Refusal),
    /// The user as stored.
    Stored(User),
}

/// Creates or replaces a user.
///
/// Idempotent: a second run stores the same again.
pub async fn put(
    context: &Context<'_, impl Database>,
    user: &NewUser,
) -> Result<PutOutcome, Internal> {
    let json = format!("[{}]", write(user)?);
    let mut batch = Batch::default();
    let stored = put_in(&mut batch, &json, exists, context)?;
    let found = look_up(&mut batch, &user.sub);
    let used_by = batch.query(select_uses(&[&user.sub]), first);
    let mut outcome = batch.run_idempotent(context).await?;
    let is_stored = outcome.take(stored)?;
    if let Some(user) = outcome.take(found)?.filter(|_| is_stored) {
        return Ok(PutOutcome::Stored(user));
    }
    let used_by = outcome.take(used_by)?.map(SubUse::from_row).transpose()?;
    let used_by = used_by.map_or(SubUse::Free, |(_, used_by)| used_by);
    Ok(PutOutcome::Refused(user.refusal(used_by)))
}

/// Creates or replaces users, in one batch. `users` has each sub once. Returns the result of each user in order; a
/// refused user does not prevent the others from being stored.
///
/// Idempotent, except that a second run stores a user whose login another user gave up in the first one.
pub async fn put_all(
    context: &Context<'_, impl Database>,
    users: &[NewUser],
) -> Result<Vec<Result<(), Refusal>>, Internal> {
    let shares = shares(users)?;
    let (mut batch, mut puts) = (Batch::default(), Vec::new());
    for share in shares {
        puts.push(put_in(&mut batch, &share, all, context)?);
    }
    let mut outcome = batch.run_idempotent(context).await?;
    let mut stored = HashSet::with_capacity(users.len());
    for put in puts {
        for mut row in outcome.take(put)? {
            stored.insert(row.text()?);
        }
    }
    let refused = users.iter().map(|user| user.sub.as_str()).filter(|sub| !stored.contains(*sub));
    // A request of its own, because only then the refused users are known. Most imports have none.
    let known = uses(context, &refused.collect::<Vec<_>>()).await?;
    let outcome = |user: &NewUser| {
        let used_by = known.get(&user.sub).copied().unwrap_or(SubUse::Free);
        if stored.contains(&user.sub) { Ok(()) } else { Err(user.refusal(used_by)) }
    };
    Ok(users.iter().map(outcome).collect())
}

/// Writes the users as JSON arrays, each small enough for one parameter.
fn shares(users: &[NewUser]) -> Result<Vec<String>, Internal> {
    let mut shares = vec![String::new()];
    for user in users {
        let json = write(user)?;
        match shares.last_mut() {
            Some(share) if share.is_empty() => share.push_str(&json),
            Some(share) if share.len() + json.len() < SHARE_BYTES => {
                share.push(',');
                share.push_str(&json);
            }
            _ => shares.push(json),
        }
    }
    Ok(shares.into_iter().map(|share| format!("[{share}]")).collect())
}

fn write(user: &NewUser) -> Result<String, Internal> {
    serde_json::to_string(user).map_err(|error| Internal::unwritable(&error))
}

/// Creates or replaces the users of a JSON array. Ends the sessions of those whose password changes, because somebody else
/// may have known the old one, and of those who are disabled.
fn put_in<P, T>(
    batch: &mut Batch,
    users: &str,
    read: fn(Vec<Row>) -> Result<T, Internal>,
    context: &Context<'_, P>,
) -> Result<Handle<T>, Internal> {
    let end = SessionEnd::new(context, EndingSessions::OfChangedUsers { users }, None)?;
    let (events, no_events) = audit::users::stored(context, users)?;
    end.choose(batch, context)?;
    batch.add(events);
    let stored = batch.query(upsert(users, context.now), read);
    // Only now it is known which users were refused.
    batch.add(no_events);
    batch.add(end.spare_refused(users));
    end.carry_out(batch, context.now);
    Ok(stored)
}

fn upsert(json: &str, now: i64) -> Statement {
    // A refused user returns no row. A user is refused because another user has the login, the sub was deleted, the
    // login is missing, or the sub of a new user is the identifier of a client, whose tokens have it as `sub`, too.
    Statement::new(
        "INSERT INTO users \
           (sub, login, claims, password_hash, created_at, updated_at, disabled_at) \
         SELECT sub, login, claims, password_hash, ?2, ?2, iif(disabled, ?2, NULL) FROM ( \
           SELECT value->>'sub' AS sub, \
             coalesce(value->>'login', \
                      (SELECT login FROM users WHERE users.sub = value->>'sub'), \
                      value->>'default_login') AS login, \
             coalesce(value->'claims', \
                      (SELECT claims FROM users WHERE users.sub = value->>'sub'), \
                      '{}') AS claims, \
             value->>'password_hash' AS password_hash, \
             coalesce(value->>'disabled', \
                      (SELECT disabled_at IS NOT NULL FROM users \
                       WHERE users.sub = value->>'sub')) AS disabled \
           FROM json_each(?1)) AS entry \
         WHERE login IS NOT NULL \
           AND (EXISTS (SELECT 1 FROM users WHERE users.sub = entry.sub) \
             OR NOT EXISTS (SELECT 1 FROM clients WHERE client_id = entry.sub)) \
         ON CONFLICT (sub) DO UPDATE \
           SET login = excluded.login, claims = excluded.claims, \
             password_hash = coalesce(excluded.password_hash, users.password_hash), \
             updated_at = excluded.updated_at, \
             disabled_at = iif(excluded.disabled_at IS NULL, NULL, \
                               coalesce(users.disabled_at, excluded.disabled_at)) \
           WHERE users.deleted_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM users AS other \
              WHERE other.login = excluded.login AND other.sub <> excluded.sub) \
         ON CONFLICT (login) DO NOTHING \
         RETURNING sub",
    )
    .bind(json)
    .bind(now)
}

/// Finds a user who was not deleted.
pub async fn find(
    context: &Context<'_, impl Database>,
    sub: &str,
) -> Result<Option<User>, Internal> {
    let mut rows = read(context, Freshness::Primary, select(sub)).await?;
    rows.pop().map(User::from_row).transpose()
}

/// The same as [`find`], in a batch.
pub(super) fn look_up(batch: &mut Batch, sub: &str) -> Handle<Option<User>> {
    batch.query(select(sub), |rows| first(rows)?.map(User::from_row).transpose())
}

fn select(sub: &str) -> Statement {
    Statement::new(
        "SELECT sub, login, claims, password_hash IS NOT NULL, disabled_at IS NOT NULL, \
           created_at, updated_at FROM users WHERE sub = ?1 AND deleted_at IS NULL",
    )
    .bind(sub)
}

/// Returns up to `limit` subs in their order, beginning after `after`, with their users. That of a deleted user is `None`. It
/// is included, because the statement would read on for as long as users were deleted.
pub async fn list(
    context: &Context<'_, impl Database>,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, Option<User>)>, Internal> {
    let statement = Statement::new(
        "SELECT deleted_at IS NULL AS is_user, sub, login, claims, password_hash IS NOT NULL, \
           disabled_at IS NOT NULL, created_at, updated_at \
         FROM users WHERE sub > ?1 ORDER BY sub LIMIT ?2",
    )
    .bind(after)
    .bind(limit);
    let rows = read(context, Freshness::Primary, statement).await?;
    let from_row = |mut row: Row| {
        if row.integer()? == 1 {
            let user = User::from_row(row)?;
            Ok((user.sub.clone(), Some(user)))
        } else {
            Ok((row.text()?, None))
        }
    };
    rows.into_iter().map(from_row).collect()
}

#[derive(Debug)]
pub struct Account {
    /// The subject identifier.
    pub sub: String,
    /// The login as stored, which is one of the forms of the typed one.
    pub login: String,
    /// The password hash, a PHC string, if the user has a password.
    pub password_hash: Option<String>,
    /// Whether the operator has disabled the user.
    pub is_disabled: bool,
}

impl Account {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            sub: row.text()?,
            login: row.text()?,
            password_hash: row.text_or_null()?,
            is_disabled: row.integer()? == 1,
        })
    }
}

/// Finds the account of a login. The form of earlier versions is preferred: where two users have a login in several
/// forms, each of them signs in as before.
pub async fn find_account(
    context: &Context<'_, impl Database>,
    login: &TypedLogin,
) -> Result<Option<Account>, Internal> {
    let mut batch = Batch::default();
    let account = find_account_in(&mut batch, login);
    batch.run_idempotent(context).await?.take(account)
}

/// The same as [`find_account`], in a batch.
pub fn find_account_in(batch: &mut Batch, login: &TypedLogin) -> Handle<Option<Account>> {
    let statement = Statement::new(
        "SELECT sub, login, password_hash, disabled_at IS NOT NULL FROM users WHERE login = ?1 \
         UNION ALL SELECT sub, login, password_hash, disabled_at IS NOT NULL FROM users \
           WHERE login = ?2 AND ?2 <> ?1 LIMIT 1",
    )
    .bind(login.folded.as_str())
    .bind(login.normalized.as_str());
    batch.query(statement, |rows| first(rows)?.map(Account::from_row).transpose())
}

/// Deletes a user in one batch: leaves a tombstone, so that the sub is not reused, and deletes some of the user's sessions,
/// grants, consents and pairwise subjects. The others are of no use without the user, and are deleted [later](deletions).
/// Returns when the user was deleted first, in Unix seconds, or `None` if there was no such user.
///
/// Idempotent: the tombstone keeps the time.
pub async fn delete(
    context: &Context<'_, impl Database>,
    sub: &str,
) -> Result<Option<i64>, Internal> {
    let delete = Statement::new(
        "UPDATE users SET login = NULL, claims = NULL, password_hash = NULL, disabled_at = NULL, \
           updated_at = ?2, deleted_at = ?2 \
         WHERE sub = ?1 AND deleted_at IS NULL",
    )
    .bind(sub)
    .bind(context.now);
    let begin = Statement::new(
        "INSERT INTO deleted_users (sub) SELECT sub FROM users \
         WHERE sub = ?1 AND deleted_at IS NOT NULL ON CONFLICT (sub) DO NOTHING",
    )
    .bind(sub);
    let find = Statement::new("SELECT deleted_at FROM users WHERE sub = ?1").bind(sub);
    let mut batch = Batch::default();
    batch.add(acts::user_deleted(context, sub)?);
    batch.add(delete);
    batch.add(begin);
    let sessions = EndingSessions::OfDeletedUser { sub, limit: SWEPT_AT_ONCE };
    SessionEnd::new(context, sessions, None)?.add_to(&mut batch, context)?;
    for statement in deletions::of_user(sub, context.now, SWEPT_AT_ONCE) {
        batch.add(statement);
    }
    let deleted_at =
        batch.query(find, |rows| first(rows)?.map(|mut row| row.integer()).transpose());
    batch.run_idempotent(context).await?.take(deleted_at)
}
