//! Sealing of signing keys under a new `KEY_ENCRYPTION_KEY`.
//!
//! A key that only the previous secret opens is sealed again under the current one. A key that neither opens is never
//! changed, because the operator may find its secret again.

use crate::context::Context;
use crate::crypto::seal::{Opened, Sealer, check_previous, unreadable_key};
use crate::error::Internal;
use crate::jose::jwk::PrivateKey;
use crate::maintenance::Report;
use crate::ports::Platform;
use crate::store::signing_keys::{self, Resealed, SealedKey};

/// How many keys a run seals at most. The next run goes on.
const KEYS_PER_RUN: usize = 10;

/// The stored keys by the secret that opens them.
#[derive(Default)]
pub struct SealedKeys {
    /// How many `KEY_ENCRYPTION_KEY` opens.
    pub current: usize,
    /// The keys that only `KEY_ENCRYPTION_KEY_PREVIOUS` opens: while there are any, it is needed.
    pub previous: Vec<(SealedKey, PrivateKey)>,
    /// Those that neither opens, and that could still sign.
    pub unreadable: Vec<SealedKey>,
}

/// Opens all stored keys.
///
/// # Errors
/// [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent or malformed, and the error of the database.
pub async fn survey(context: &Context<'_, impl Platform>) -> Result<SealedKeys, Internal> {
    let sealer = Sealer::new(&context.config.key_encryption_key)?;
    let mut keys = SealedKeys::default();
    for stored in signing_keys::sealed(context).await? {
        match sealer.try_open(&stored.sealed_private, &stored.kid) {
            Opened::Current(_) => keys.current += 1,
            Opened::Previous(key) => keys.previous.push((stored, key)),
            Opened::Neither if stored.may_sign => keys.unreadable.push(stored),
            // A key that has signed its last token is not needed again.
            Opened::Neither => {}
        }
    }
    Ok(keys)
}

/// Seals keys again that only the previous secret opens. Reports how many, and how many remain. Logs the keys that neither
/// secret opens, and a previous secret that is malformed.
///
/// A run that is interrupted, or concurrent with another, loses nothing: a key is replaced by the same key, and only if it
/// is still the one that was opened.
///
/// # Errors
/// As [`survey`].
pub async fn run(context: &Context<'_, impl Platform>) -> Result<Report, Internal> {
    let secret = &context.config.key_encryption_key;
    if let Err(fault) = check_previous(secret) {
        context.log_fault(&fault);
    }
    let sealer = Sealer::new(secret)?;
    let SealedKeys { previous, unreadable, .. } = survey(context).await?;
    for key in &unreadable {
        context.log_fault(&unreadable_key(&key.kid));
    }
    let mut resealed = Vec::new();
    for (stored, key) in previous.iter().take(KEYS_PER_RUN) {
        let SealedKey { kid, sealed_private: old, .. } = stored;
        let new = sealer.seal(key, context.random()?)?;
        resealed.push(Resealed { kid, old, new });
    }
    signing_keys::reseal(context, &resealed).await?;
    Ok(Report::from_iter([
        ("resealed".to_owned(), resealed.len().into()),
        ("remaining".to_owned(), (previous.len() - resealed.len()).into()),
        ("unreadable".to_owned(), unreadable.len().into()),
    ]))
}
