//! Authorization codes.

use crate::error::Internal;
use crate::ports::{Row, Statement};
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::user::scope::OFFLINE_ACCESS;
use crate::store::batch::{Batch, Handle, first};
use crate::store::client_proof::{ClientConditions, ClientProof, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::consents::consent_columns;
use crate::store::grants::{Grant, grant_columns, grant_counts, grant_joins, is_unrevoked};

#[derive(Debug)]
pub enum Redemption {
    /// The code has expired unused.
    Expired,
    /// This request has spent the code.
    Redeemed(Box<Code>),
    /// The code is valid and not spent, because the client does not meet the conditions.
    Refused,
    /// The code was spent before.
    Replayed {
        /// The grant that the code was issued for.
        grant: Box<Grant>,
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

/// The code of a token request.
#[derive(Debug)]
pub struct PresentedCode<'a> {
    pub code_hash: &'a str,
    /// The random id of the request.
    pub use_id: &'a str,
    pub first_refresh_token: FirstRefreshToken<'a>,
}

/// Redeems a code of this client, if the client is proven and meets the conditions. Of several concurrent requests,
/// only one redeems it. The first refresh token is recorded in the same batch, because the client cannot present the
/// code again if a later statement fails.
///
/// Idempotent for a request: run again with the same `use_id`, it returns the same result.
pub fn redeem(
    batch: &mut Batch,
    code: &PresentedCode<'_>,
    (proof, conditions): (&ClientProof, &ClientConditions),
    now: i64,
) -> Result<Handle<Redemption>, Internal> {
    let PresentedCode { code_hash, use_id, first_refresh_token } = code;
    let spend = Statement::new(concat!(
        "UPDATE codes SET spent_at = ?2, spent_by = ?3 \
         WHERE code_hash = ?1 AND spent_at IS NULL AND expires_at > ?2 AND EXISTS \
           (SELECT 1 FROM grants WHERE id = codes.grant_id AND client_id = ?4->>'client_id') \
           AND ",
        client_is_proven!("?4"),
    ))
    .bind(*code_hash)
    .bind(now)
    .bind(*use_id)
    .bind(proof.condition(Some(conditions), now)?);
    let begin = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?3, grants.id, ?4 FROM codes JOIN grants ON grants.id = codes.grant_id \
         WHERE code_hash = ?1 AND spent_by = ?2 AND instr(' ' || scope || ' ', ' ' || ?5 || ' ') > 0 \
         ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(*code_hash)
    .bind(*use_id)
    .bind(first_refresh_token.token_hash)
    .bind(first_refresh_token.expires_at)
    .bind(OFFLINE_ACCESS);
    let read = Statement::new(concat!(
        "SELECT coalesce(spent_by = ?3, 0) AS is_redeemed, spent_at IS NOT NULL AS is_spent, \
           codes.expires_at <= ?4 AS is_expired, redirect_uri, code_challenge, nonce, ",
        grant_columns!(),
        " FROM codes JOIN grants ON grants.id = codes.grant_id",
        grant_joins!(),
        " WHERE code_hash = ?1 AND grants.client_id = ?2",
    ))
    .bind(*code_hash)
    .bind(proof.client_id.as_str())
    .bind(*use_id)
    .bind(now);
    batch.add(spend);
    batch.add(begin);
    Ok(batch.query(read, |rows| first(rows)?.map_or(Ok(Redemption::Unknown), Redemption::from_row)))
}

impl Redemption {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        let is_redeemed = row.integer()? == 1;
        let is_spent = row.integer()? == 1;
        let is_expired = row.integer()? == 1;
        let code = Code {
            redirect_uri: row.text()?,
            code_challenge: row.text_or_null()?.map(|text| parse_challenge(&text)).transpose()?,
            nonce: row.text_or_null()?,
            grant: Grant::from_row(&mut row)?,
        };
        Ok(match (is_redeemed, is_spent, is_expired) {
            (true, ..) => Self::Redeemed(Box::new(code)),
            (false, true, _) => Self::Replayed { grant: Box::new(code.grant) },
            (false, false, true) => Self::Expired,
            (false, false, false) => Self::Refused,
        })
    }
}

/// Parses a stored challenge. A damaged one is an error, because redeeming the code without its challenge would skip
/// PKCE.
fn parse_challenge(text: &str) -> Result<CodeChallenge, Internal> {
    CodeChallenge::parse(text).ok_or_else(|| Internal::Broken {
        detail: "damaged row in D1: the code_challenge of an authorization code".into(),
    })
}
