//! The parameter `id_token_hint` of the authorization endpoint (OpenID Connect Core section 3.1.2.1) and of the logout
//! endpoint (RP-Initiated Logout section 2): an ID token that the client received.

use crate::error::Internal;
use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::ports::Platform;
use crate::protocol::token::id_token::{HINT_LIMIT, HintedIdToken, IdTokenHintError};
use crate::provider::Provider;

/// The outcome of verifying a hint.
#[derive(Debug)]
pub enum VerifiedHint {
    /// This provider has issued the ID token. It may have expired.
    Proven(HintedIdToken),
    /// The hint proves nothing, although its client may have received it as it is: it was signed with a key that retired
    /// long ago, was withdrawn or is that of another provider, or the provider had another issuer then.
    Unproven {
        /// The client that it names, which anybody can write.
        aud: Option<String>,
    },
}

/// Why a hint is refused.
#[derive(Debug)]
pub enum HintError {
    /// The platform failed.
    Internal(Internal),
    /// It was never an ID token, or was changed. Its client would repeat the mistake.
    Invalid(IdTokenHintError),
}

impl From<IdTokenHintError> for HintError {
    fn from(error: IdTokenHintError) -> Self {
        Self::Invalid(error)
    }
}

impl From<Internal> for HintError {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

/// Verifies a hint.
///
/// # Errors
/// See [`HintError`].
pub async fn verify(
    provider: &Provider<'_, impl Platform>,
    hint: &str,
) -> Result<VerifiedHint, HintError> {
    let Provider { context, memory } = provider;
    if hint.len() > HINT_LIMIT {
        return Err(IdTokenHintError::TooLarge.into());
    }
    let jws = Jws::parse(hint).map_err(|_| IdTokenHintError::NotSigned)?;
    // The claims are read now so that the payload need not be kept during the wait for the signature. They count only once
    // the signature is verified.
    let token = HintedIdToken::from_jws(&jws);
    let alg = jws.header_text("alg").and_then(Algorithm::from_name);
    let kid = jws.header_text("kid").map(str::to_owned);
    let (signature, signing_input) = jws.into_signed();
    let unproven = |token: Result<HintedIdToken, _>| VerifiedHint::Unproven {
        aud: token.ok().map(|token| token.aud).filter(|aud| !aud.is_empty()),
    };
    let Some(kid) = kid else { return Ok(unproven(token)) };
    // The key is searched for with any algorithm, because a changed `alg` must not look like a key that is gone.
    let sought = alg.unwrap_or(Algorithm::Es256);
    let Some(key) = memory.published_keys.find_for_hint(sought, &kid, context).await? else {
        return Ok(unproven(token));
    };
    if Some(key.alg()) != alg
        || !context.platform.verify(&key, signing_input.as_bytes(), &signature).await?
    {
        return Err(IdTokenHintError::Signature.into());
    }
    match token {
        Ok(token) if token.iss != context.config.issuer.as_str() => Ok(unproven(Ok(token))),
        token => Ok(VerifiedHint::Proven(token?)),
    }
}
