//! The token revocation endpoint (RFC 7009).

use serde_json::json;

use crate::endpoint::support::body::{Limit, limit};
use crate::endpoint::support::client_authentication::{NewDocument, form, prove};
use crate::endpoint::support::presented_token::{PARAMETERS, PresentedToken};
use crate::error::{Error, Protocol};
use crate::http::{Request, Response, address_of};
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::client::authentication;
use crate::provider::Provider;
use crate::store::batch::Batch;
use crate::store::refresh_tokens;
use crate::store::revoked_tokens::{self, RevocationSlots};

/// The largest body that is read: a client assertion of 16 KiB, a token of 8 KiB, and the other parameters.
pub const BODY_LIMIT: Limit = limit!(32_768);

/// Revokes a token of the client. A refresh token ends its grant, with all that came of it; an access token ends alone.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Read the form in the body, and the proof of the client's identity (section 2.1).
    let params = form(request, BODY_LIMIT, &[&authentication::PARAMETERS, &PARAMETERS]).await?;
    let proof = prove(provider, request, &params, NewDocument::Refuse).await?;

    // 2. Read the token. Errors are returned in step 4, because an authentication that fails comes first.
    let token = PresentedToken::from_params(provider, &params).await;

    // 3. Authenticate the client, and revoke the token if it was issued to this client, with one request to D1.
    let mut batch = Batch::default();
    let handles = proof.add_to(&mut batch, context.now)?;
    let revoked = match &token {
        Ok(PresentedToken::Refresh { token_hash }) => {
            refresh_tokens::revoke(&mut batch, token_hash, &proof, context)?;
            None
        }
        Ok(PresentedToken::Access(verified)) if verified.token.client_id == proof.client_id => {
            let slots = RevocationSlots::draw(context, &proof, &address_of(request))?;
            Some(revoked_tokens::revoke(&mut batch, &verified.token, &proof, (&slots, context))?)
        }
        Ok(PresentedToken::Access(_) | PresentedToken::Invalid) | Err(_) => None,
    };
    let mut outcome = batch.run_idempotent(context).await?;
    proof.check(handles, &mut outcome)?.client(context)?;

    // 4. Return the errors of the request.
    token?;

    // 5. Let the client try again if the token could not be revoked (section 2.2.1).
    if let Some(revoked) = revoked
        && !outcome.take(revoked)?
    {
        context.log_event(LogEvent::SlotsExhausted { rows: "revoked_tokens" });
        return Err(Protocol::TryLater(
            "too many access tokens were revoked a short time ago; try again later".into(),
        )
        .into());
    }

    // 6. Answer the same for every token (section 2.2). An error for the token of another client would show that the token
    //    exists, and a client has no use for it. The body says nothing; some libraries fail if it is not JSON.
    Ok(Response::json(200, &json!({})))
}
