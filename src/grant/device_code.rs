//! The grant type of devices (RFC 8628 section 3.4): a device polls with its code until its user has decided.

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::Error;
use crate::grant::refresh_token::NextRefreshToken;
use crate::grant::{Authorized, TokenRequest};
use crate::lifetimes::REFRESH_TOKEN_IDLE_SECONDS;
use crate::ports::Platform;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, Scopes};
use crate::secret::hash;
use crate::store::batch::{Batch, Outcome};
use crate::store::client_proof::ClientConditions;
use crate::store::codes::FirstRefreshToken;
use crate::store::device_requests::{Poll, Polling, PresentedDeviceCode, poll};

/// The poll in the batch.
pub(super) struct Statements {
    /// The refresh token that is recorded if the grant has the scope `offline_access`. It is derived from the device code,
    /// so a device that lost the response gets the same one.
    refresh_token: String,
    polling: Polling,
}

impl Statements {
    /// Reads the parameter, and adds the statements that poll.
    pub(super) fn add(
        batch: &mut Batch,
        request: &TokenRequest<'_>,
        conditions: &ClientConditions,
        context: &Context<'_, impl Platform>,
    ) -> Result<Self, Error> {
        let device_code = request.required("device_code", "missing parameter: device_code")?;
        let mac = MacKey::new(&context.config.key_encryption_key)?;
        let refresh_token = mac.code(Purpose::FirstRefreshToken, &[device_code]);
        let code = PresentedDeviceCode {
            code_hash: &hash(device_code),
            use_id: &context.random_id()?,
            first_refresh_token: FirstRefreshToken {
                token_hash: &hash(&refresh_token),
                expires_at: context.now + REFRESH_TOKEN_IDLE_SECONDS,
            },
        };
        let polling = poll(batch, &code, (request.proof, conditions), context.now)?;
        Ok(Self { refresh_token, polling })
    }

    /// Returns what the user authorized, or the error that tells the device to go on or to stop (section 3.5).
    pub(super) fn authorize<'a>(self, outcome: &mut Outcome) -> Result<Authorized<'a>, Error> {
        let grant = match self.polling.finish(outcome)? {
            Poll::Allowed(grant) => *grant,
            Poll::Denied => return Err(TokenError::AccessDenied.into()),
            Poll::Expired => return Err(TokenError::ExpiredToken.into()),
            Poll::NoGrant => {
                return Err(invalid_grant(
                    "the grant was revoked, or its user disabled or deleted",
                ));
            }
            Poll::Pending => return Err(TokenError::AuthorizationPending.into()),
            Poll::TooEarly => return Err(TokenError::SlowDown.into()),
            Poll::Unknown => {
                return Err(invalid_grant("device_code: unknown, or issued to another client"));
            }
            Poll::Used => return Err(invalid_grant("device_code: already used")),
        };
        let is_offline = Scopes::of_valid(&grant.scope).contains(OFFLINE_ACCESS);
        let refresh_token = if is_offline {
            NextRefreshToken::First(self.refresh_token)
        } else {
            NextRefreshToken::None
        };
        Ok(Authorized { grant, nonce: None, requested_scope: None, refresh_token })
    }
}

fn invalid_grant(description: &'static str) -> Error {
    TokenError::InvalidGrant(description.into()).into()
}
