//! Authorization codes.

use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::user::scope::OFFLINE_ACCESS;
use crate::store::batch::Batch;
use crate::store::grants::{Grant, grant_columns};

#[derive(Debug)]
pub enum Redemption {
    /// The code has expired unused.
    Expired,
    /// This request has spent the code.
    Redeemed(Box<Code>),
    /// The code was spent before.
    Replayed {
        /// The id of the grant that the code was issued for.
        grant_id: String,
    },
    /// The code does not exist, or belongs to another client.
    Unknown,
}

/// A code that was redeemed.
#[derive(Debug)]
pub struct Code {
    /// The redirect URI of the authorization request.
    pub redirect_uri: String,
    /// Its PKCE challenge (RFC 7636), if it had one.
    pub code_challenge: Option<CodeChallenge>,
    /// Its `nonce`, for the ID token, if it had one.
    pub nonce: Option<String>,
    /// The grant that the code was issued for.
    pub grant: Grant,
}

/// The refresh token that is recorded if the grant has the scope `offline_access`.
#[derive(Debug)]
pub struct FirstRefreshToken<'a> {
    pub token_hash: &'a str,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
}

/// Redeems a code of this client. Only one of several concurrent calls redeems it. The first refresh token is recorded
/// in the same batch, because the client cannot present the code again if a later statement fails.
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
    let (redeemed, code) = (batch.query(spend), batch.query(read));
    let mut outcome = batch.run(database).await?;
    let is_redeemed = outcome.row(redeemed)?.is_some();
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
    Ok(match (is_redeemed, is_spent) {
        (true, _) => Redemption::Redeemed(Box::new(code)),
        (false, true) => Redemption::Replayed { grant_id: code.grant.id },
        (false, false) => Redemption::Expired,
    })
}

/// Parses a stored challenge. A damaged one is an error, because redeeming the code without its challenge would skip
/// PKCE.
fn parse_challenge(text: &str) -> Result<CodeChallenge, Internal> {
    CodeChallenge::parse(text).ok_or_else(|| Internal::Broken {
        detail: "damaged row in D1: the code_challenge of an authorization code".into(),
    })
}
