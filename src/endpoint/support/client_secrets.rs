//! New client secrets. Only their hashes are stored, and the response that has a new one can be lost. So each is derived
//! from stored random bits, and the same request gets it again for a short time.

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::Internal;
use crate::lifetimes::{CLOCK_SLACK_SECONDS, LOST_RESPONSE_SECONDS};
use crate::protocol::client::metadata::ClientMetadata;
use crate::secret::{hash, hashes_to};
use crate::store::client_secrets::NewSecret;
use crate::store::clients::ClientWithSecret;

/// The secrets that one request can give to a client.
pub struct ClientSecrets<'a> {
    mac: MacKey,
    client_id: &'a str,
    /// The credential that authorizes the request. The database has at most its hash. So nobody who reads the database
    /// derives a secret, even with `KEY_ENCRYPTION_KEY`, unless they have the credential, too, or can guess an
    /// `ADMIN_TOKEN` that is not random.
    credential: &'a str,
    /// The metadata as JSON: a request with other metadata gets no secret of an earlier request.
    metadata: String,
}

impl<'a> ClientSecrets<'a> {
    /// Returns `None` if a client with this metadata needs no secret.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] without a valid `KEY_ENCRYPTION_KEY`.
    pub fn new(
        context: &Context<'_, impl Sized>,
        client_id: &'a str,
        credential: &'a str,
        metadata: &ClientMetadata,
    ) -> Result<Option<Self>, Internal> {
        if !metadata.has_secret() {
            return Ok(None);
        }
        let mac = MacKey::new(&context.config.key_encryption_key)?;
        let metadata =
            serde_json::to_string(metadata).map_err(|error| Internal::unwritable(&error))?;
        Ok(Some(Self { mac, client_id, credential, metadata }))
    }

    /// Draws a new secret.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn draw(&self, context: &Context<'_, impl Sized>) -> Result<NewSecret, Internal> {
        let salt = context.random_text()?;
        let secret = self.mac.code(Purpose::ClientSecret, &self.parts(&salt));
        Ok(NewSecret { hash: hash(&secret), salt })
    }

    /// Returns the secret of a stored client, if this request or the same one made it a short time ago.
    pub fn find(&self, stored: &ClientWithSecret, now: i64) -> Option<String> {
        let (salt, made_at) = stored.made_from.as_ref()?;
        let is_recent =
            *made_at > now - LOST_RESPONSE_SECONDS && *made_at <= now + CLOCK_SLACK_SECONDS;
        let stored_hash = stored.client.secret_hash.as_deref().filter(|_| is_recent)?;
        let parts = self.parts(salt);
        self.mac.codes(Purpose::ClientSecret, &parts).find(|secret| hashes_to(secret, stored_hash))
    }

    fn parts<'b>(&'b self, salt: &'b str) -> [&'b str; 4] {
        [self.client_id, self.credential, salt, &self.metadata]
    }
}
