//! The grant type `refresh_token` (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! A refresh token is spent by its use, and its successor is derived from it: a client that lost the response, or
//! that sent two requests at once, gets the same successor again as long as nobody has used that one. Any other use
//! of a spent token means theft of one or the other, so the grant is revoked.

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::Error;
use crate::grant::{Authorized, TokenRequest};
use crate::lifetimes::{
    REFRESH_GRACE_SECONDS, REFRESH_TOKEN_IDLE_SECONDS, REFRESHABLE_GRANT_SECONDS,
};
use crate::ports::Platform;
use crate::protocol::token::token_error::TokenError;
use crate::provider::Provider;
use crate::secret::hash;
use crate::store::grants::{self, Grant};
use crate::store::refresh_tokens::{self, RefreshToken};

/// The refresh token that comes with the other tokens.
pub(super) enum NextRefreshToken {
    /// There is none.
    None,
    /// This one, which was recorded with the code.
    Recorded(String),
    /// The successor of the presented one.
    Successor {
        /// The hash of the presented one.
        of: String,
        /// The successor.
        token: String,
    },
}

impl NextRefreshToken {
    /// Records the token where that is not done yet, and returns it. Another request may have recorded it first.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] if the successor was derived under another secret, and whatever the database
    /// reports.
    pub(super) async fn record(
        self,
        grant: &Grant,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<String>, Error> {
        let (of, token) = match self {
            Self::None => return Ok(None),
            Self::Recorded(token) => return Ok(Some(token)),
            Self::Successor { of, token } => (of, token),
        };
        let expires_at = (context.now + REFRESH_TOKEN_IDLE_SECONDS)
            .min(grant.granted_at + REFRESHABLE_GRANT_SECONDS);
        let Context { platform, now, .. } = *context;
        if refresh_tokens::rotate(platform, &of, &hash(&token), expires_at, now).await? {
            Ok(Some(token))
        } else {
            Err(USED_BEFORE.into())
        }
    }
}

const USED_BEFORE: TokenError = TokenError::InvalidGrant("the refresh token was used before");

/// Finds what a refresh token was issued for.
pub(super) async fn authorize<'a>(
    provider: &Provider<'_, impl Platform>,
    request: &'a TokenRequest<'_>,
) -> Result<Authorized<'a>, Error> {
    let context = &provider.context;
    let Context { platform, now, .. } = *context;

    // 1. The parameters.
    let presented = request.required("refresh_token", "refresh_token is missing")?;
    let requested_scope = request.once("scope")?;

    // 2. A token of this client's: of another's, nothing is said and nothing changes.
    let mac = MacKey::new(context.config.key_encryption_key.as_ref())?;
    let successor = mac.code(Purpose::Successor, &[presented]);
    let (of, successor_hash) = (hash(presented), hash(&successor));
    let client_id = &request.client.client_id;
    let token = refresh_tokens::find(platform, &of, &successor_hash, client_id).await?;
    let token =
        token.ok_or(TokenError::InvalidGrant("the refresh token is not one of this client's"))?;

    // 3. The grant stands. If it does not, whether the token was stolen makes no difference any more.
    token.grant.user_claims()?;

    // 4. Not stolen: unused, or used a moment ago and its successor never.
    if !may_be_used(&token, now) {
        grants::revoke(platform, &token.grant.id, now).await?;
        return Err(USED_BEFORE.into());
    }

    // 5. Not expired.
    if token.expires_at <= now {
        return Err(TokenError::InvalidGrant("the refresh token has expired").into());
    }

    Ok(Authorized {
        grant: token.grant,
        nonce: None,
        requested_scope,
        refresh_token: NextRefreshToken::Successor { of, token: successor },
    })
}

fn may_be_used(token: &RefreshToken, now: i64) -> bool {
    token
        .spent_at
        .is_none_or(|spent_at| now < spent_at + REFRESH_GRACE_SECONDS && !token.is_successor_spent)
}
