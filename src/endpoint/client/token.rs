//! The token endpoint (RFC 6749 section 3.2, OpenID Connect Core section 3.1.3).

use crate::endpoint::support::body::{Limit, limit};
use crate::endpoint::support::client_authentication::{NewDocument, form, prove};
use crate::error::Error;
use crate::grant::{self, TokenRequest};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::client::authentication;
use crate::provider::Provider;

/// The largest body that is read: a client assertion of 16 KiB, and the other parameters.
const BODY_LIMIT: Limit = limit!(24_576);

/// Issues tokens.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    // 1. Read the form in the body.
    let params =
        form(request, BODY_LIMIT, &[&authentication::PARAMETERS, &grant::PARAMETERS]).await?;

    // 2. Read the proof of the client's identity (section 3.2.1).
    let proof = prove(provider, request, &params, NewDocument::Refuse).await?;

    // 3. Issue the tokens of the grant type to the client, if the proof is right.
    grant::respond(provider, &TokenRequest { proof: &proof, params: &params }).await
}
