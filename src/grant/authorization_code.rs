//! The grant type `authorization_code` (RFC 6749 section 4.1.3, OpenID Connect Core section 3.1.3).

use crate::context::Context;
use crate::error::{Error, Internal};
use crate::grant::refresh_token::NextRefreshToken;
use crate::grant::{Authorized, TokenRequest};
use crate::lifetimes::REFRESH_TOKEN_IDLE_SECONDS;
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, Scopes};
use crate::secret::hash;
use crate::store::audit::kinds::RevocationReason;
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::client_proof::ClientConditions;
use crate::store::clients::Client;
use crate::store::codes::{Code, FirstRefreshToken, PresentedCode, Redemption, redeem};
use crate::store::grants;

const REDIRECT_URI_MISSING: &str =
    "missing parameter: redirect_uri (only a code with PKCE can be redeemed without it)";

/// The parameters of the grant type.
struct RedemptionRequest<'a> {
    code: &'a str,
    code_verifier: Option<&'a str>,
    /// `None` only with a `code_verifier`.
    redirect_uri: Option<&'a str>,
}

impl<'a> RedemptionRequest<'a> {
    fn from_request(request: &'a TokenRequest<'_>) -> Result<Self, TokenError> {
        let code = request.required("code", "missing parameter: code")?;
        let code_verifier = request.once("code_verifier")?;
        // OAuth 2.1 clients do not send it. PKCE binds the code to the client's request, as the redirect URI would
        // (RFC 9700 section 2.1.1).
        let redirect_uri = match code_verifier {
            Some(_) => request.once("redirect_uri")?,
            None => Some(request.required("redirect_uri", REDIRECT_URI_MISSING)?),
        };
        Ok(Self { code, code_verifier, redirect_uri })
    }
}

/// The redemption in the batch.
pub(super) struct Statements<'a> {
    redemption: RedemptionRequest<'a>,
    /// The refresh token that is recorded if the grant has the scope `offline_access`.
    refresh_token: String,
    handle: Handle<Redemption>,
}

impl<'a> Statements<'a> {
    /// Reads the parameters, and adds the statements that spend the code, whether or not its binding is right: it can
    /// be used once (RFC 6749 section 4.1.2).
    pub(super) fn add(
        batch: &mut Batch,
        request: &'a TokenRequest<'_>,
        conditions: &ClientConditions,
        context: &Context<'_, impl Platform>,
    ) -> Result<Self, Error> {
        let redemption = RedemptionRequest::from_request(request)?;
        let refresh_token = context.random_text()?;
        let code = PresentedCode {
            code_hash: &hash(redemption.code),
            use_id: &context.random_id()?,
            // The limit for the age of the grant cannot apply yet, because the grant is as new as its code.
            first_refresh_token: FirstRefreshToken {
                token_hash: &hash(&refresh_token),
                expires_at: context.now + REFRESH_TOKEN_IDLE_SECONDS,
            },
        };
        let handle = redeem(batch, &code, (request.proof, conditions), context.now)?;
        Ok(Self { redemption, refresh_token, handle })
    }

    /// Returns what the user authorized. Revoking a grant is a second request to D1, which only misuse causes.
    pub(super) async fn authorize(
        self,
        outcome: &mut Outcome,
        client: &Client,
        context: &Context<'_, impl Platform>,
    ) -> Result<Authorized<'a>, Error> {
        // 1. Require that this request has spent the code.
        let code = match outcome.take(self.handle)? {
            Redemption::Redeemed(code) => *code,
            // A replayed code means theft, so its grant is revoked (RFC 6749 section 10.5).
            Redemption::Replayed { grant } => {
                // A client can replay a code for ever, and a revoked grant need not be revoked again.
                if grant.user_claims().is_ok() {
                    let (client_id, grant_id) = (client.client_id.clone(), grant.id.clone());
                    context.log_event(LogEvent::CodeReplayed { client_id, grant_id });
                    grants::revoke(context, &grant.id, RevocationReason::CodeReplayed).await?;
                }
                return Err(invalid_grant("code: already used, so its grant is revoked"));
            }
            Redemption::Expired => return Err(invalid_grant("code: expired")),
            Redemption::Unknown => {
                return Err(invalid_grant("code: unknown, or issued to another client"));
            }
            // The dispatcher has checked all of them.
            Redemption::Refused => {
                let detail = "a code was not spent, though its client meets the conditions".into();
                return Err(Internal::Broken { detail }.into());
            }
        };

        // 2. Check the redirect URI and the challenge that the code is bound to (section 4.1.3; RFC 7636 section 4.6).
        if let Err(error) = check_binding(&code, &self.redemption) {
            // The sender has the code but not the rest, so it may be stolen. The grant is revoked, because the code is
            // spent.
            let (client_id, grant_id) = (client.client_id.clone(), code.grant.id.clone());
            context.log_event(LogEvent::CodeMisused { client_id, grant_id });
            let reason = RevocationReason::CodeMismatch;
            grants::revoke(context, &code.grant.id, reason).await?;
            return Err(error.into());
        }

        let is_offline = Scopes::of_valid(&code.grant.scope).contains(OFFLINE_ACCESS);
        let refresh_token = if is_offline {
            NextRefreshToken::First(self.refresh_token)
        } else {
            NextRefreshToken::None
        };
        let (grant, nonce) = (code.grant, code.nonce);
        Ok(Authorized { grant, nonce, requested_scope: None, refresh_token })
    }
}

fn invalid_grant(description: &'static str) -> Error {
    TokenError::InvalidGrant(description.into()).into()
}

fn check_binding(code: &Code, redemption: &RedemptionRequest<'_>) -> Result<(), TokenError> {
    if redemption.redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
        return Err(TokenError::InvalidGrant(
            "redirect_uri: must be the one of the authorization request".into(),
        ));
    }
    if redemption.redirect_uri.is_none() && code.code_challenge.is_none() {
        return Err(TokenError::InvalidGrant(REDIRECT_URI_MISSING.into()));
    }
    match (&code.code_challenge, redemption.code_verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => {
            Err(TokenError::InvalidGrant("code_verifier: does not match the code_challenge".into()))
        }
        (Some(_), None) => Err(TokenError::InvalidGrant("missing parameter: code_verifier".into())),
        // Prevent a PKCE downgrade: an attacker may have removed the challenge from the authorization request (RFC 9700
        // section 2.1.1).
        (None, Some(_)) => Err(TokenError::InvalidGrant(
            "code_verifier: the authorization request had no code_challenge".into(),
        )),
    }
}
