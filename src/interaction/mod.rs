//! What is known of the browser that asks: its cookies, what it began, how often it tried to sign in.

pub mod cookies;
pub mod pending_request;
pub mod token;

use crate::config::Config;
use crate::context::Context;
use crate::crypto::mac::MacKey;
use crate::error::Internal;
use crate::http::Request;
use crate::secret::{hash, is_random_text};
use crate::store::sessions::{self, Session};

use crate::ports::Platform;
use cookies::Cookie;

/// A page's visitor: a browser, and the key by which we know again what we gave it.
pub struct BrowserContext<'a> {
    /// The provider's configuration.
    pub config: &'a Config,
    /// What the forms of this browser are bound to. Made at its first visit, and set by every page that
    /// has a form.
    pub id: String,
    /// Whether the browser came without it.
    pub is_new: bool,
    /// Knows our own codes.
    pub mac: MacKey,
    /// The session cookie's value, as it came.
    pub session: Option<String>,
}

impl<'a> BrowserContext<'a> {
    /// The visit that a request is.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent or malformed.
    pub fn from_request(
        context: &Context<'a, impl Platform>,
        request: &impl Request,
    ) -> Result<Self, Internal> {
        let cookie = |cookie: Cookie| cookie.value_in(&context.config.issuer, request);
        let known = cookie(Cookie::Browser).filter(|id| is_random_text(id));
        Ok(Self {
            config: context.config,
            is_new: known.is_none(),
            id: known.map_or_else(|| context.random_text(), Ok)?,
            mac: MacKey::new(context.config.key_encryption_key.as_ref())?,
            session: cookie(Cookie::Session).filter(|value| is_random_text(value)),
        })
    }

    /// The session of this browser, if a user is signed in.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn find_session(
        &self,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Session>, Internal> {
        let Some(cookie_hash) = self.session_hash() else { return Ok(None) };
        sessions::find(context.platform, &cookie_hash, context.now).await
    }

    /// What the session cookie is stored as.
    pub fn session_hash(&self) -> Option<String> {
        self.session.as_deref().map(hash)
    }

    /// The `Set-Cookie` that keeps the browser's id, for pages with a form.
    pub fn remember_browser(&self) -> String {
        Cookie::Browser.set(&self.config.issuer, &self.id)
    }
}
