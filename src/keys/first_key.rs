//! The first key, made when it is needed.

use crate::config::Secret;
use crate::context::Cx;
use crate::error::Internal;
use crate::jose::jwk::PrivateKey;
use crate::keys::KeyRow;
use crate::keys::seal::Sealer;
use crate::ports::Database;
use crate::store::signing_keys;

/// How far the clocks of two isolates may be apart, in seconds, and how long a request may take: what
/// one of them makes, the other must find valid at once.
const SLACK: i64 = 60;

/// Makes a key that signs at once, unless another isolate was faster, and returns the key table.
///
/// # Errors
/// [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent or malformed, and whatever the
/// database reports.
pub async fn make_first_key(
    secret: Option<&Secret>,
    database: &impl Database,
    cx: &Cx<'_>,
) -> Result<Vec<KeyRow>, Internal> {
    let sealer = Sealer::new(secret)?;
    let key = PrivateKey::generate(cx)?;
    let row = KeyRow {
        public: key.public().clone(),
        sealed_private: sealer.seal(&key, cx)?,
        publish_from: cx.now - SLACK,
        sign_from: cx.now - SLACK,
        sign_until: None,
        retire_at: None,
    };
    signing_keys::add_if_none_signs(database, cx, &row).await
}
