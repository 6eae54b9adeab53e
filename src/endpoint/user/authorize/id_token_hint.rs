//! The parameter `id_token_hint` (OpenID Connect Core section 3.1.2.1): an ID token of the user whom the client expects.

use crate::error::Error;
use crate::interaction::pending_request::PendingRequest;
use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::params::Params;
use crate::protocol::token::id_token::{self, IdTokenHintError};
use crate::provider::Provider;

const PARAMETER: &str = "id_token_hint";

/// The text before the subject in a stored request, and the text of a hint that proves none. No JWT has a colon.
const SUBJECT: &str = "sub:";
const NOTHING: &str = "none:";

/// The user that the hint of a request proves.
pub enum HintedUser {
    /// There is no hint.
    NoHint,
    /// The hint proves nothing, although the client received it as it is: it was signed with a key that is no longer
    /// published or that of another provider, the provider had another issuer then, or the client another identifier.
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
    let Provider { context, memory } = provider;
    if hint.len() > id_token::HINT_LIMIT {
        return Err(refused(IdTokenHintError::TooLarge));
    }
    let jws = Jws::parse(hint).map_err(|_| refused(IdTokenHintError::NotSigned))?;
    // The claims are checked now so that the payload need not be kept during the wait for the signature. The result
    // counts only once the signature is verified.
    let hinted = id_token::hinted_sub(&jws, context.config.issuer.as_str(), client_id);
    let hinted = hinted.map(|sub| sub.map(str::to_owned));
    let alg = jws.header_text("alg").and_then(Algorithm::from_name);
    let kid = jws.header_text("kid").map(str::to_owned);
    let (signature, signing_input) = jws.into_signed();
    let Some(kid) = kid else { return Ok(HintedUser::Nobody) };
    // The key is searched for with any algorithm, because a changed `alg` must not look like a key that is gone.
    let sought = alg.unwrap_or(Algorithm::Es256);
    let Some(key) = memory.published_keys.find(sought, &kid, context).await? else {
        return Ok(HintedUser::Nobody);
    };
    if Some(key.alg()) != alg
        || !context.platform.verify(&key, signing_input.as_bytes(), &signature).await?
    {
        return Err(refused(IdTokenHintError::Signature));
    }
    Ok(hinted.map_err(refused)?.map_or(HintedUser::Nobody, HintedUser::Subject))
}

fn refused(error: IdTokenHintError) -> Error {
    AuthorizeError::from(error).into()
}
