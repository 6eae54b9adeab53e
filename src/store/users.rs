//! Users: their login, their claims, and the tombstones of those who are gone.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

use crate::error::Internal;
use crate::jose::json;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::protocol::user::claims::UserClaims;
use crate::store::batch::Batch;

/// A user as the operator puts one.
#[derive(Debug, Serialize)]
pub struct NewUser {
    /// The subject identifier.
    pub sub: String,
    /// The login, case-folded. `None` keeps the one there is, or takes the case-folded `sub`.
    pub login: Option<String>,
    /// The login of a new user who is given none: the sub, if it can serve as one.
    pub default_login: Option<String>,
    /// The claims, validated. `None` keeps those there are; a new user then has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
    /// The PHC string of a password. `None` keeps the one there is.
    pub password_hash: Option<String>,
}

impl NewUser {
    /// What is left out, as an earlier word on the same user had it.
    pub fn complete_from(&mut self, earlier: Self) {
        self.login = self.login.take().or(earlier.login);
        self.claims = self.claims.take().or(earlier.claims);
        self.password_hash = self.password_hash.take().or(earlier.password_hash);
    }
}

/// Parses a user's claims, as the database has them.
///
/// # Errors
/// [`Internal::Broken`] if they are not a JSON object.
pub fn parse_claims(json: &str) -> Result<UserClaims, Internal> {
    json::from_own(json).map_err(|_| Internal::Broken {
        detail: "a user's claims in D1 are not a JSON object".into(),
    })
}

/// A user as stored.
#[derive(Debug)]
pub struct User {
    /// The subject identifier.
    pub sub: String,
    /// The login, case-folded.
    pub login: String,
    /// The claims as JSON.
    pub claims: String,
    /// Whether the user can sign in by a password.
    pub has_password: bool,
    /// When the user was first put, in Unix seconds.
    pub created_at: i64,
    /// When the user was last put, in Unix seconds.
    pub updated_at: i64,
}

impl User {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            sub: row.text()?,
            login: row.text()?,
            claims: row.text()?,
            has_password: row.integer()? == 1,
            created_at: row.integer()?,
            updated_at: row.integer()?,
        })
    }
}

/// Why a user was not stored.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The sub belonged to a user who was deleted.
    Deleted,
    /// No login was given, there is none yet, and the sub cannot serve as one.
    LoginMissing,
    /// Another user has the login.
    LoginTaken,
}

/// D1 binds texts of at most 2 MB; a statement's share of users stays well below.
const SHARE_BYTES: usize = 1_000_000;

/// Stores users, each sub once, replacing what there is of it, and returns for each whether and why
/// not. None is stored by halves, and one that is refused keeps no other from being stored.
pub async fn put_all(
    database: &impl Database,
    users: &[NewUser],
    now: i64,
) -> Result<Vec<Result<(), Refusal>>, Internal> {
    let shares = shares(users)?;
    let (mut batch, mut puts) = (Batch::default(), Vec::new());
    for share in shares {
        batch.add(end_sessions_of_new_passwords(share.clone()));
        puts.push(batch.query(put(share, now)));
    }
    let mut outcome = batch.run(database).await?;
    let mut stored = HashSet::with_capacity(users.len());
    for put in puts {
        for mut row in outcome.rows(put)? {
            stored.insert(row.text()?);
        }
    }
    let refused = users.iter().map(|user| user.sub.as_str()).filter(|sub| !stored.contains(*sub));
    let known = known_among(database, &refused.collect::<Vec<_>>()).await?;
    let outcome = |user: &NewUser| match known.get(&user.sub) {
        _ if stored.contains(&user.sub) => Ok(()),
        Some(false) => Err(Refusal::Deleted),
        None if user.login.is_none() && user.default_login.is_none() => Err(Refusal::LoginMissing),
        Some(true) | None => Err(Refusal::LoginTaken),
    };
    Ok(users.iter().map(outcome).collect())
}

/// The users as JSON arrays, each small enough for one parameter.
fn shares(users: &[NewUser]) -> Result<Vec<String>, Internal> {
    let mut shares = vec![String::new()];
    for user in users {
        let json = serde_json::to_string(user)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
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

/// Whoever is about to get another password is signed out: somebody else may have known the old one.
fn end_sessions_of_new_passwords(json: String) -> Statement {
    Statement::new(
        "DELETE FROM sessions WHERE sub IN ( \
           SELECT users.sub FROM json_each(?1) JOIN users ON users.sub = value->>'sub' \
           WHERE value->>'password_hash' <> coalesce(password_hash, ''))",
    )
    .bind(json)
}

fn put(json: String, now: i64) -> Statement {
    // Whatever is refused is just not returned: a login that another user has, whether the row is new
    // or replaces one; a sub that was deleted; a login that is missing.
    Statement::new(
        "INSERT INTO users (sub, login, claims, password_hash, created_at, updated_at) \
         SELECT sub, login, claims, password_hash, ?2, ?2 FROM ( \
           SELECT value->>'sub' AS sub, \
             coalesce(value->>'login', \
                      (SELECT login FROM users WHERE users.sub = value->>'sub'), \
                      value->>'default_login') AS login, \
             coalesce(value->'claims', \
                      (SELECT claims FROM users WHERE users.sub = value->>'sub'), \
                      '{}') AS claims, \
             value->>'password_hash' AS password_hash \
           FROM json_each(?1)) \
         WHERE login IS NOT NULL \
         ON CONFLICT (sub) DO UPDATE \
           SET login = excluded.login, claims = excluded.claims, \
             password_hash = coalesce(excluded.password_hash, users.password_hash), \
             updated_at = excluded.updated_at \
           WHERE users.deleted_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM users AS other \
              WHERE other.login = excluded.login AND other.sub <> excluded.sub) \
         ON CONFLICT (login) DO NOTHING \
         RETURNING sub",
    )
    .bind(json)
    .bind(now)
}

/// Those of the subs that have a user, or had one; with whether they have.
async fn known_among(
    database: &impl Database,
    subs: &[&str],
) -> Result<HashMap<String, bool>, Internal> {
    if subs.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = Statement::new(
        "SELECT users.sub, users.deleted_at IS NULL FROM json_each(?1) \
         JOIN users ON users.sub = value",
    )
    .bind(Value::from(subs).to_string());
    let rows = database.run(Freshness::Primary, statement).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.integer()? == 1))).collect()
}

/// The user of this sub.
pub async fn find(database: &impl Database, sub: &str) -> Result<Option<User>, Internal> {
    let statement = Statement::new(
        "SELECT sub, login, claims, password_hash IS NOT NULL, created_at, updated_at FROM users \
         WHERE sub = ?1 AND deleted_at IS NULL",
    )
    .bind(sub);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(User::from_row).transpose()
}

/// Up to `limit` users in the order of their sub, beginning behind `after`.
pub async fn list(
    database: &impl Database,
    after: &str,
    limit: i64,
) -> Result<Vec<User>, Internal> {
    let statement = Statement::new(
        "SELECT sub, login, claims, password_hash IS NOT NULL, created_at, updated_at FROM users \
         WHERE sub > ?1 AND deleted_at IS NULL ORDER BY sub LIMIT ?2",
    )
    .bind(after)
    .bind(limit);
    let rows = database.run(Freshness::Primary, statement).await?;
    rows.into_iter().map(User::from_row).collect()
}

/// Who signs in by a login.
#[derive(Debug)]
pub struct Account {
    /// The subject identifier.
    pub sub: String,
    /// The PHC string of the password, if there is one.
    pub password_hash: Option<String>,
}

/// Who signs in by this login, which is case-folded.
pub async fn find_account(
    database: &impl Database,
    login: &str,
) -> Result<Option<Account>, Internal> {
    let statement =
        Statement::new("SELECT sub, password_hash FROM users WHERE login = ?1").bind(login);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    let read = |mut row: Row| Ok(Account { sub: row.text()?, password_hash: row.text_or_null()? });
    rows.pop().map(read).transpose()
}

/// Sets a user's password, or takes it away, and ends the user's sessions: whoever knew the old one is out.
/// Returns whether there is such a user.
pub async fn set_password(
    database: &impl Database,
    sub: &str,
    password_hash: Option<String>,
    now: i64,
) -> Result<bool, Internal> {
    let statement = Statement::new(
        "UPDATE users SET password_hash = ?2, updated_at = ?3 \
         WHERE sub = ?1 AND deleted_at IS NULL RETURNING sub",
    )
    .bind(sub)
    .bind(password_hash)
    .bind(now);
    let mut batch = Batch::default();
    let user = batch.query(statement);
    batch.add(end_sessions(sub));
    Ok(batch.run(database).await?.row(user)?.is_some())
}

fn end_sessions(sub: &str) -> Statement {
    Statement::new("DELETE FROM sessions WHERE sub = ?1").bind(sub)
}

/// Whether a `sub` is a user's, or was.
pub async fn is_taken(database: &impl Database, sub: &str) -> Result<bool, Internal> {
    let statement = Statement::new("SELECT sub FROM users WHERE sub = ?1").bind(sub);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}

/// Deletes a user: revokes all that hangs on it and leaves a tombstone, in one batch. Returns whether
/// there was one.
pub async fn delete(database: &impl Database, sub: &str, now: i64) -> Result<bool, Internal> {
    let revoke_grants =
        Statement::new("UPDATE grants SET revoked_at = ?2 WHERE sub = ?1 AND revoked_at IS NULL")
            .bind(sub)
            .bind(now);
    let bury = Statement::new(
        "UPDATE users SET login = NULL, claims = NULL, password_hash = NULL, updated_at = ?2, deleted_at = ?2 \
         WHERE sub = ?1 AND deleted_at IS NULL RETURNING sub",
    )
    .bind(sub)
    .bind(now);
    let forget_consents = Statement::new("DELETE FROM consents WHERE sub = ?1").bind(sub);
    let forget_subjects = Statement::new("DELETE FROM pairwise_subjects WHERE sub = ?1").bind(sub);
    let mut batch = Batch::default();
    let buried = batch.query(bury);
    for statement in [revoke_grants, end_sessions(sub), forget_consents, forget_subjects] {
        batch.add(statement);
    }
    Ok(batch.run(database).await?.row(buried)?.is_some())
}
