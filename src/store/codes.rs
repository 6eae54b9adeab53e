//! Authorization codes.

use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::user::scope::OFFLINE_ACCESS;
use crate::store::batch::Batch;
use crate::store::grants::{Grant, grant_columns};

/// What came of presenting a code.
#[derive(Debug)]
pub enum Redemption {
    /// Its time is over; nobody has used it.
    Expired,
    /// It is spent now, by this request and no other.
    Redeemed(Box<Code>),
    /// It was spent before.
    Replayed {
        /// The grant that it belongs to.
        grant_id: String,
    },
    /// There is no such code, or it is another client's.
    Unknown,
}

/// A code that was redeemed.
#[derive(Debug)]
pub struct Code {
    /// What the authorization request had.
    pub redirect_uri: String,
    /// See [`Code::redirect_uri`].
    pub code_challenge: Option<CodeChallenge>,
    /// See [`Code::redirect_uri`].
    pub nonce: Option<String>,
    /// The grant that it belongs to.
    pub grant: Grant,
}

/// The refresh token that comes with a code whose grant allows offline access.
#[derive(Debug)]
pub struct FirstRefreshToken<'a> {
    /// Its hash.
    pub token_hash: &'a str,
    /// Until when it may be used, in Unix seconds.
    pub expires_at: i64,
}

/// Redeems a code that its own client presents. Of any number of callers, one redeems it. What comes of it is
/// recorded in the same breath: a code that was spent for nothing could not be presented again.
pub async fn redeem(
    database: &impl Database,
    code_hash: &str,
    client_id: &str,
    first: &FirstRefreshToken<'_>,
    now: i64,
) -> Result<Redemption, Internal> {
    let begin = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?4, grants.id, ?5 FROM codes JOIN grants ON grants.id = codes.grant_id \
         WHERE code_hash = ?1 AND client_id = ?2 AND spent_at IS NULL AND codes.expires_at > ?3 \
           AND instr(' ' || scope || ' ', ' ' || ?6 || ' ') > 0",
    )
    .bind(code_hash)
    .bind(client_id)
    .bind(now)
    .bind(first.token_hash)
    .bind(first.expires_at)
    .bind(OFFLINE_ACCESS);
    let spend = Statement::new(
        "UPDATE codes SET spent_at = ?3 \
         WHERE code_hash = ?1 AND spent_at IS NULL AND expires_at > ?3 AND EXISTS \
           (SELECT 1 FROM grants WHERE id = codes.grant_id AND client_id = ?2) \
         RETURNING grant_id",
    )
    .bind(code_hash)
    .bind(client_id)
    .bind(now);
    let read = Statement::new(concat!(
        "SELECT spent_at, redirect_uri, code_challenge, nonce, ",
        grant_columns!(),
        " FROM codes JOIN grants ON grants.id = codes.grant_id JOIN users ON users.sub = grants.sub \
         WHERE code_hash = ?1 AND client_id = ?2",
    ))
    .bind(code_hash)
    .bind(client_id);
    let mut batch = Batch::default();
    batch.add(begin);
    let (ours, code) = (batch.query(spend), batch.query(read));
    let mut outcome = batch.run(database).await?;
    let is_ours = outcome.row(ours)?.is_some();
    let Some(mut row) = outcome.row(code)? else {
        return Ok(Redemption::Unknown);
    };
    let is_spent = row.integer_or_null()?.is_some();
    let code = Code {
        redirect_uri: row.text()?,
        code_challenge: row.text_or_null()?.map(|text| parse_challenge(&text)).transpose()?,
        nonce: row.text_or_null()?,
        grant: Grant::from_row(&mut row)?,
    };
    Ok(match (is_ours, is_spent) {
        (true, _) => Redemption::Redeemed(Box::new(code)),
        (false, true) => Redemption::Replayed { grant_id: code.grant.id },
        (false, false) => Redemption::Expired,
    })
}

/// A challenge that was parsed before it was stored. One that is damaged is not one that was never there.
fn parse_challenge(text: &str) -> Result<CodeChallenge, Internal> {
    CodeChallenge::parse(text).ok_or_else(|| Internal::Broken {
        detail: "the code_challenge of a code in D1 is not one".into(),
    })
}
