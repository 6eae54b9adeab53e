//! The APIs that the operator names with an initial access token, and vouches for the clients that register with it.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::json;
use crate::ports::{Database, Freshness, Statement};
use crate::protocol::client::voucher::Voucher;
use crate::store::batch::read;
use crate::store::clients::Client;

impl Client {
    /// Returns who vouches for the client.
    pub fn voucher(&self) -> Voucher<'_> {
        match (&self.registration_token_hash, self.vouched_apis.as_slice()) {
            (None, _) => Voucher::Operator,
            (Some(_), []) => Voucher::Nobody,
            (Some(_), apis) => Voucher::Apis(apis),
        }
    }
}

/// Returns the URIs of the APIs that the operator named for a token; none if the token does not exist. A token that is
/// used up has them too, because its last use can be repeated for some time.
pub async fn vouched_apis(
    context: &Context<'_, impl Database>,
    token_hash: &str,
) -> Result<Vec<String>, Internal> {
    let select =
        Statement::new("SELECT vouched_apis FROM initial_access_tokens WHERE token_hash = ?1")
            .bind(token_hash);
    let mut rows = read(context, Freshness::Primary, select).await?;
    let apis = rows.pop().map(|mut row| row.text_or_null()).transpose()?.flatten();
    Ok(parse_vouched_apis(apis.as_deref()))
}

/// Parses the column `vouched_apis`. A damaged one vouches for nothing.
pub(super) fn parse_vouched_apis(json: Option<&str>) -> Vec<String> {
    json.and_then(|json| json::from_own(json).ok()).unwrap_or_default()
}

/// Writes the column `vouched_apis`.
pub(super) fn write_vouched_apis(apis: &[String]) -> Option<String> {
    (!apis.is_empty()).then(|| serde_json::Value::from(apis).to_string())
}
