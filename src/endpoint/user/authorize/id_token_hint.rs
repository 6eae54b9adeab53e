//! The parameter `id_token_hint` (OpenID Connect Core section 3.1.2.1): an ID token of the user whom the client expects.

use crate::endpoint::support::id_token_hint::{self, HintError, VerifiedHint};
use crate::error::Error;
use crate::interaction::pending_request::PendingRequest;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::params::Params;
use crate::provider::Provider;

const PARAMETER: &str = "id_token_hint";

/// The text before the subject in a stored request, and the text of a hint that proves none. No JWT has a colon.
const SUBJECT: &str = "sub:";
const NOTHING: &str = "none:";

/// The user that the hint of a request proves.
pub enum HintedUser {
    /// There is no hint.
    NoHint,
    /// The hint proves nothing, although the client received it as it is: it was signed with a key that retired long ago, was
    /// withdrawn or is that of another provider, the provider had another issuer then, or the client another identifier.
    Nobody,
    /// The user with this subject, by which the client knows the user.
    Subject(String),
}

/// Returns the user that the hint of a request proves.
///
/// # Errors
/// [`AuthorizeError`] if the hint was never an ID token or was changed, because the client would repeat its mistake.
/// [`Error::Internal`] if the platform fails.
pub async fn hinted_user(
    provider: &Provider<'_, impl Platform>,
    pending: &PendingRequest,
    client_id: &str,
) -> Result<HintedUser, Error> {
    let Ok(Some(hint)) = pending.params.once(PARAMETER) else { return Ok(HintedUser::NoHint) };
    let is_stored = pending.handle.is_some();
    match hint.strip_prefix(SUBJECT).filter(|_| is_stored) {
        Some(subject) => Ok(HintedUser::Subject(subject.to_owned())),
        None if is_stored && hint == NOTHING => Ok(HintedUser::Nobody),
        None => verify(provider, hint, client_id).await,
    }
}

/// Replaces the hint of a request that is about to be stored by the subject that it proves. The ID token of a user with
/// many claims is larger than the rows of strangers may be.
///
/// # Errors
/// The same as [`hinted_user`].
pub async fn settle(
    provider: &Provider<'_, impl Platform>,
    params: &mut Params,
    client_id: &str,
) -> Result<(), Error> {
    let Ok(Some(hint)) = params.once(PARAMETER) else { return Ok(()) };
    let proven = match verify(provider, hint, client_id).await? {
        HintedUser::Subject(subject) => format!("{SUBJECT}{subject}"),
        HintedUser::NoHint | HintedUser::Nobody => NOTHING.to_owned(),
    };
    params.remove(&[PARAMETER]);
    params.append(PARAMETER, proven);
    Ok(())
}

/// Returns whether a request has a hint.
pub fn has_hint(params: &Params) -> bool {
    params.all(PARAMETER).next().is_some()
}

async fn verify(
    provider: &Provider<'_, impl Platform>,
    hint: &str,
    client_id: &str,
) -> Result<HintedUser, Error> {
    let verified = id_token_hint::verify(provider, hint).await.map_err(|error| match error {
        HintError::Invalid(error) => AuthorizeError::from(error).into(),
        HintError::Internal(fault) => Error::Internal(fault),
    })?;
    let proven = match verified {
        VerifiedHint::Proven(token) if token.aud == client_id => Some(token.sub),
        VerifiedHint::Proven(_) | VerifiedHint::Unproven { .. } => None,
    };
    Ok(proven.map_or(HintedUser::Nobody, HintedUser::Subject))
}
