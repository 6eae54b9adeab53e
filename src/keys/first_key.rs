//! The first key of an algorithm, made when it is needed.

use zeroize::Zeroizing;

use crate::context::Context;
use crate::crypto::seal::Sealer;
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, EcPrivateKey, PrivateKey};
use crate::keys::signer;
use crate::lifetimes::CLOCK_SLACK_SECONDS;
use crate::ports::Platform;
use crate::secret::Secret;
use crate::store::signing_keys;
use crate::store::signing_keys::KeyRow;

/// A sealer for a new key: it opens every key that signs now. Under another secret, the operator's
/// next step would be to put the right one back, and the new key would be lost.
///
/// # Errors
/// [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent, malformed or not the one that the
/// keys of the table are sealed under.
pub fn sealer(secret: Option<&Secret>, rows: &[KeyRow], now: i64) -> Result<Sealer, Internal> {
    let sealer = Sealer::new(secret)?;
    for row in Algorithm::ALL.into_iter().filter_map(|alg| signer(rows, alg, now)) {
        sealer.open(&row.sealed_private, row.public.kid())?;
    }
    Ok(sealer)
}

/// Whether a key of this algorithm is made as fast as it is used, and so may be made while a request
/// waits for it. Any other is made after the response, by one isolate.
pub fn is_made_at_once(alg: Algorithm) -> bool {
    match alg {
        Algorithm::Es256 => true,
        Algorithm::Rs256 => false,
    }
}

/// Makes a key that signs at once, unless another isolate was faster, and returns the key table.
///
/// # Errors
/// Whatever the platform reports.
pub async fn make_first_key(
    alg: Algorithm,
    sealer: &Sealer,
    context: &Context<'_, impl Platform>,
) -> Result<Vec<KeyRow>, Internal> {
    let key = generate(alg, context).await?;
    let row = KeyRow {
        public: key.public(),
        sealed_private: sealer.seal(&key, context.random()?)?,
        publish_from: context.now - CLOCK_SLACK_SECONDS,
        sign_from: context.now - CLOCK_SLACK_SECONDS,
        sign_until: None,
        retire_at: None,
    };
    signing_keys::add_if_none_signs(context, &row).await
}

async fn generate(
    alg: Algorithm,
    context: &Context<'_, impl Platform>,
) -> Result<PrivateKey, Internal> {
    match alg {
        Algorithm::Es256 => loop {
            // Zero and numbers past the group's order are refused, once in 2^32 draws.
            if let Some(key) = EcPrivateKey::from_scalar(Zeroizing::new(context.random()?)) {
                return Ok(PrivateKey::Ec(key));
            }
        },
        Algorithm::Rs256 => context.platform.generate_rsa().await,
    }
}
