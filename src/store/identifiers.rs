//! The identifiers that users and clients share. APIs recognize a client's own token by its `sub`, which is the identifier
//! of the client, so no text is the `sub` of a user and the identifier of a client.

use serde_json::Value;
use std::collections::HashMap;

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement};
use crate::store::batch::{Batch, Handle, exists, read};

/// A SQL condition: the client exists, or no user has or had its identifier as `sub`, and nothing is left of a deleted client
/// that had it. `$client_id` is a parameter.
macro_rules! may_be_client {
    ($client_id:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM clients WHERE client_id = ",
            $client_id,
            ") OR NOT EXISTS (SELECT 1 FROM users WHERE sub = ",
            $client_id,
            ") AND NOT EXISTS (SELECT 1 FROM deleted_clients WHERE client_id = ",
            $client_id,
            "))"
        )
    };
}
pub(super) use may_be_client;

/// The use of a text as `sub` or as the identifier of a client, which never have the same one.
#[derive(Clone, Copy, Debug)]
pub(super) enum SubUse {
    /// A client has it as its identifier, and no user as `sub`.
    Client,
    DeletedUser,
    Free,
    User,
}

impl SubUse {
    /// Reads a row of [`select_uses`]: the text and its use.
    pub(super) fn from_row(mut row: Row) -> Result<(String, Self), Internal> {
        let (text, is_user) = (row.text()?, row.integer()? == 1);
        let (is_deleted, is_client) = (row.integer()? == 1, row.integer()? == 1);
        let used_by = match (is_user, is_deleted, is_client) {
            (true, true, _) => Self::DeletedUser,
            (true, false, _) => Self::User,
            (false, _, true) => Self::Client,
            (false, _, false) => Self::Free,
        };
        Ok((text, used_by))
    }
}

/// Returns the uses of these subs.
pub(super) async fn uses(
    context: &Context<'_, impl Database>,
    subs: &[&str],
) -> Result<HashMap<String, SubUse>, Internal> {
    if subs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = read(context, Freshness::Primary, select_uses(subs)).await?;
    rows.into_iter().map(SubUse::from_row).collect()
}

pub(super) fn select_uses(subs: &[&str]) -> Statement {
    Statement::new(
        "SELECT value, users.sub IS NOT NULL, deleted_at IS NOT NULL, client_id IS NOT NULL \
         FROM json_each(?1) LEFT JOIN users ON users.sub = value \
         LEFT JOIN clients ON client_id = value",
    )
    .bind(Value::from(subs).to_string())
}

/// Returns whether a text is or was the `sub` of a user.
pub async fn is_sub(context: &Context<'_, impl Database>, text: &str) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    let is_taken = is_taken(&mut batch, text);
    batch.run_idempotent(context).await?.take(is_taken)
}

/// The same as [`is_sub`], in a batch.
pub fn is_taken(batch: &mut Batch, sub: &str) -> Handle<bool> {
    batch.query(Statement::new("SELECT 1 FROM users WHERE sub = ?1").bind(sub), exists)
}
