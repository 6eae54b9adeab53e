//! The grant type `refresh_token` (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! Each use rotates the refresh token. The successor is derived from the token, so a client that lost the response, or
//! sent two requests at once, gets the same successor again, for a short time and until the successor is used. Any
//! other use of a spent token means that one of the two was stolen, so the grant is revoked.

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::Error;
use crate::grant::{Authorized, TokenRequest};
use crate::lifetimes::{
    CLOCK_SLACK_SECONDS, REFRESH_GRACE_SECONDS, REFRESH_TOKEN_IDLE_SECONDS,
    REFRESHABLE_GRANT_SECONDS,
};
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::description::Description;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{OFFLINE_ACCESS, Scopes};
use crate::secret::hash;
use crate::store::audit::kinds::RevocationReason;
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::client_proof::ClientConditions;
use crate::store::clients::Client;
use crate::store::grants::{self, Grant};
use crate::store::refresh_tokens::{self, PresentedToken, RefreshToken, SuccessorHashes};

pub(super) enum NextRefreshToken {
    /// No refresh token, because the grant does not have `offline_access`.
    None,
    /// The first token, which the batch has recorded.
    First(String),
    /// The successor of the presented token, which the batch has recorded.
    Recorded(String),
    /// The successor of the presented token, not recorded yet. Recording it is a second request to D1, for requests
    /// with a scope or a resource: they can be refused until both are checked.
    Successor {
        /// The hash of the presented token.
        spent_hash: String,
        successors: Successors,
    },
}

impl NextRefreshToken {
    /// Returns the token, if `offline_access` is still in force. The first one is left out otherwise.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] for a successor, so that the client requests another authorization.
    pub(super) fn within(self, in_force: &str) -> Result<Self, TokenError> {
        let is_offline = Scopes::of_valid(in_force).contains(OFFLINE_ACCESS);
        match self {
            Self::None | Self::First(_) if !is_offline => Ok(Self::None),
            Self::Recorded(_) | Self::Successor { .. } if !is_offline => {
                Err(TokenError::InvalidGrant(
                    "the client may no longer have the scope offline_access".into(),
                ))
            }
            token => Ok(token),
        }
    }

    /// Records the token if it is not recorded yet, and returns it. A concurrent request may have recorded it first.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] if another successor is recorded, because `KEY_ENCRYPTION_KEY` changed in between and
    /// the previous one is not known.
    pub(super) async fn record(
        self,
        grant: &Grant,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<String>, Error> {
        let (spent_hash, successors) = match self {
            Self::None => return Ok(None),
            Self::First(token) | Self::Recorded(token) => return Ok(Some(token)),
            Self::Successor { spent_hash, successors } => (spent_hash, successors),
        };
        let expires_at = (context.now + REFRESH_TOKEN_IDLE_SECONDS)
            .min(grant.granted_at + REFRESHABLE_GRANT_SECONDS);
        let hashes = successors.hashes();
        let recorded = refresh_tokens::rotate(context, &spent_hash, &hashes, expires_at).await?;
        let token = recorded.and_then(|recorded| successors.find(&recorded));
        Ok(Some(token.ok_or(USED_BEFORE)?))
    }
}

/// The tokens that can follow a refresh token. Isolates with the old `KEY_ENCRYPTION_KEY` and with the new one derive
/// different ones; the first that is recorded is the successor for all.
pub(super) struct Successors {
    current: String,
    previous: Option<String>,
}

impl Successors {
    fn of(presented: &str, mac: &MacKey) -> Self {
        let derive = |mac: &MacKey| mac.code(Purpose::Successor, &[presented]);
        Self { current: derive(mac), previous: mac.previous().as_ref().map(derive) }
    }

    fn hashes(&self) -> SuccessorHashes {
        let previous = self.previous.as_deref().map(hash);
        SuccessorHashes { current: hash(&self.current), previous }
    }

    /// Returns the token that has this hash.
    fn find(&self, recorded: &str) -> Option<String> {
        let mut tokens = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        tokens.find(|token| hash(token) == recorded).cloned()
    }
}

const USED_BEFORE: TokenError =
    TokenError::InvalidGrant(Description::fixed("refresh_token: already used"));

/// The lookup and the rotation in the batch.
pub(super) struct Statements<'a> {
    requested_scope: Option<&'a str>,
    /// The hash of the presented token.
    presented_hash: String,
    successors: Successors,
    handle: Handle<Option<RefreshToken>>,
}

impl<'a> Statements<'a> {
    /// Reads the parameters, and adds the statements that find and rotate the token.
    pub(super) fn add(
        batch: &mut Batch,
        request: &'a TokenRequest<'_>,
        conditions: &ClientConditions,
        context: &Context<'_, impl Platform>,
    ) -> Result<Self, Error> {
        let presented = request.required("refresh_token", "missing parameter: refresh_token")?;
        let requested_scope = request.scope()?;
        let mac = MacKey::new(&context.config.key_encryption_key)?;
        let successors = Successors::of(presented, &mac);
        let presented_hash = hash(presented);
        let token = PresentedToken {
            token_hash: &presented_hash,
            successor: &successors.hashes(),
            expires_at: context.now + REFRESH_TOKEN_IDLE_SECONDS,
            is_plain: requested_scope.is_none() && request.once("resource")?.is_none(),
        };
        let (proof, now) = (request.proof, context.now);
        let handle = refresh_tokens::find_and_rotate(batch, &token, (proof, conditions), now)?;
        Ok(Self { requested_scope, presented_hash, successors, handle })
    }

    /// Returns the authorization that the token was issued for. Revoking a grant is a second request to D1, which only
    /// misuse causes.
    pub(super) async fn authorize(
        self,
        outcome: &mut Outcome,
        client: &Client,
        context: &Context<'_, impl Platform>,
    ) -> Result<Authorized<'a>, Error> {
        // 1. Require a known token. A token of another client counts as unknown, and nothing changes.
        let token = outcome.take(self.handle)?.ok_or(TokenError::InvalidGrant(
            "refresh_token: unknown, or issued to another client".into(),
        ))?;

        // 2. Require an active grant. This is checked first, because a revoked grant need not be revoked again.
        token.grant.user_claims()?;

        // 3. Require a token that is unused, or was used within [`REFRESH_GRACE_SECONDS`] and whose successor is
        //    unused. Otherwise one of them was stolen.
        if !may_be_used(&token, context.now) {
            let (client_id, grant_id) = (client.client_id.clone(), token.grant.id.clone());
            context.log_event(LogEvent::RefreshTokenReused { client_id, grant_id });
            let reason = RevocationReason::RefreshTokenReused;
            grants::revoke(context, &token.grant.id, reason).await?;
            return Err(USED_BEFORE.into());
        }

        // 4. Require a token that has not expired.
        if token.expires_at <= context.now {
            return Err(TokenError::InvalidGrant("refresh_token: expired".into()).into());
        }

        let recorded = token.successor_hash.as_deref();
        let refresh_token = match recorded.and_then(|recorded| self.successors.find(recorded)) {
            Some(token) => NextRefreshToken::Recorded(token),
            None => NextRefreshToken::Successor {
                spent_hash: self.presented_hash,
                successors: self.successors,
            },
        };
        Ok(Authorized {
            grant: token.grant,
            nonce: None,
            requested_scope: self.requested_scope,
            refresh_token,
        })
    }
}

/// A token that was spent in the future does not return its successor, because it would do so for as long as the clock
/// of the isolate that spent it was ahead.
fn may_be_used(token: &RefreshToken, now: i64) -> bool {
    token.spent_at.is_none_or(|spent_at| {
        let is_recent = now < spent_at + REFRESH_GRACE_SECONDS;
        is_recent && spent_at <= now + CLOCK_SLACK_SECONDS && !token.is_successor_spent
    })
}
