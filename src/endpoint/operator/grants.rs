//! The operator's requests about grants.

use serde_json::json;

use super::refused;
use crate::context::Context;
use crate::error::Error;
use crate::http::Response;
use crate::ports::Platform;
use crate::store::audit::kinds::RevocationReason;
use crate::store::grants;

/// Revokes a grant and everything that was issued under it. Revoking it again does not change the time.
pub async fn revoke(context: &Context<'_, impl Platform>, id: &str) -> Result<Response, Error> {
    match grants::revoke(context, id, RevocationReason::Operator).await? {
        Some(revoked_at) => {
            Ok(Response::json(200, &json!({ "grant_id": id, "revoked_at": revoked_at })))
        }
        None => Err(refused(404, "not_found", "grant_id: no grant has this id")),
    }
}
