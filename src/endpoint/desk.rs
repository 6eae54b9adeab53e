//! What every endpoint for people works with.

use crate::browser::Visit;
use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::keys::client_keys::FetchedKeys;
use crate::keys::published::PublishedKeys;
use crate::keys::signing::SigningKeys;
use crate::logos::Logos;
use crate::ports::Platform;
use crate::store::sessions::{self, Session};

/// The provider as an endpoint for people needs it.
pub struct Desk<'a, P> {
    /// Verifies what clients have signed.
    pub client_keys: &'a FetchedKeys,
    /// The configuration.
    pub config: &'a Config,
    /// The request's context.
    pub cx: &'a Cx<'a>,
    /// Verifies hints, and begins to make what key is missing.
    pub keys: &'a PublishedKeys,
    /// What clients show of themselves.
    pub logos: &'a Logos,
    /// The platform.
    pub platform: &'a P,
    /// Sign what is issued.
    pub signing_keys: &'a SigningKeys,
}

impl<P: Platform> Desk<'_, P> {
    /// Who is signed in in this browser.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn session(&self, visit: &Visit<'_>) -> Result<Option<Session>, Error> {
        let Some(cookie_hash) = visit.session_hash() else { return Ok(None) };
        Ok(sessions::find(self.platform, &cookie_hash, self.cx.now).await?)
    }
}
