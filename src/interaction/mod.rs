//! A user's browser: its cookies, its pending authorization request, and the tokens in its forms.

pub mod cookies;
pub mod pending_request;
pub mod token;

use crate::config::Config;
use crate::context::Context;
use crate::crypto::mac::MacKey;
use crate::error::Internal;
use crate::http::{Request, address_of};
use crate::secret::{hash, is_random_text};
use crate::store::sessions::{self, Session};

use crate::ports::Platform;
use cookies::Cookie;

/// The browser that sent a request, and the key that authenticates its forms.
pub struct BrowserContext<'a> {
    /// The provider's configuration.
    pub config: &'a Config,
    /// The browser's id, which its forms are bound to: the cookie's value or a new one. Every page with a form sets the
    /// cookie.
    pub id: String,
    /// The browser's IP address.
    pub address: String,
    /// Whether the request had no such cookie.
    pub is_new: bool,
    /// Makes and verifies the codes of interaction tokens.
    pub mac: MacKey,
    /// The value of the session cookie, if it is well-formed.
    pub session: Option<String>,
}

impl<'a> BrowserContext<'a> {
    /// Reads the cookies of a request. Those of a `HEAD` are ignored, so that it gets the response of a browser in which
    /// nobody is signed in, and no code is issued.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] if `KEY_ENCRYPTION_KEY` is absent or malformed.
    pub fn from_request(
        context: &Context<'a, impl Platform>,
        request: &impl Request,
    ) -> Result<Self, Internal> {
        let has_cookies = request.method() != "HEAD";
        let cookie = |cookie: Cookie| {
            cookie.value_in(&context.config.issuer, request).filter(|_| has_cookies)
        };
        let known = cookie(Cookie::Browser).filter(|id| is_random_text(id));
        Ok(Self {
            config: context.config,
            address: address_of(request),
            is_new: known.is_none(),
            id: known.map_or_else(|| context.random_text(), Ok)?,
            mac: MacKey::new(context.config.key_encryption_key.as_ref())?,
            session: cookie(Cookie::Session).filter(|value| is_random_text(value)),
        })
    }

    /// Finds the browser's session, if a user is signed in.
    pub async fn find_session(
        &self,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Session>, Internal> {
        let Some(cookie_hash) = self.session_hash() else { return Ok(None) };
        sessions::find(context, &cookie_hash).await
    }

    /// Returns the hash of the session cookie, as the database stores it.
    pub fn session_hash(&self) -> Option<String> {
        self.session.as_deref().map(hash)
    }

    /// Returns the `Set-Cookie` with the browser's id, for pages with a form.
    pub fn remember_browser(&self) -> String {
        Cookie::Browser.set(&self.config.issuer, &self.id)
    }
}
