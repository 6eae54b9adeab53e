//! A user's browser: its cookies, its pending authorization request, and the tokens in its forms.

pub mod cookies;
pub mod device_requests;
pub mod pending_request;
pub mod token;

use crate::config::{Config, Issuer};
use crate::context::Context;
use crate::crypto::mac::MacKey;
use crate::error::Internal;
use crate::http::{Request, Response, address_of};
use crate::secret::{hash, is_random_text};
use crate::store::sessions::{self, Session};

use crate::ports::Platform;
use cookies::{BrowserCookie, Cookie};

/// The browser that sent a request, and the key that authenticates its forms.
pub struct BrowserContext<'a> {
    /// The provider's configuration.
    pub config: &'a Config,
    /// The browser's id, which its new forms are bound to: the first of `known_ids`, or a new one.
    pub id: String,
    /// The ids that the browser sent, in order. Usually this is one, or none if the browser is new.
    pub known_ids: Vec<String>,
    /// Whether the response may set a cookie with the id.
    may_be_remembered: bool,
    /// The browser's IP address.
    pub address: String,
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
        let issuer = &context.config.issuer;
        let known_ids =
            if has_cookies { BrowserCookie::ids_in(issuer, request) } else { Vec::new() };
        Ok(Self {
            config: context.config,
            address: address_of(request),
            id: known_ids.first().cloned().map_or_else(|| context.random_text(), Ok)?,
            may_be_remembered: known_ids.is_empty() && is_own_navigation(issuer, request),
            known_ids,
            mac: MacKey::new(&context.config.key_encryption_key)?,
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

    /// Returns whether the browser sent no id: it is new, or keeps no cookies.
    pub fn is_new(&self) -> bool {
        self.known_ids.is_empty()
    }

    /// Adds the `Set-Cookie` with the browser's id to a response to which forms are bound, if the browser has none.
    pub fn remember_in(&self, response: Response) -> Response {
        if self.may_be_remembered {
            response.with_cookie(BrowserCookie::set(&self.config.issuer, &self.id))
        } else {
            response
        }
    }
}

/// Returns whether a request is a navigation of a tab, by GET or by one of the provider's own forms.
///
/// Browsers send the `SameSite=Lax` cookies with these, so a browser that sends none has none. Requests that the page of
/// another site makes lack them in any case: a form by POST, an image, a frame. Each of their responses would add a
/// cookie to the browser.
fn is_own_navigation(issuer: &Issuer, request: &impl Request) -> bool {
    match request.method() {
        // Older browsers do not send this header (Fetch Metadata section 2.1).
        "GET" => request.header("sec-fetch-dest").is_none_or(|dest| dest == "document"),
        "POST" => request.header("origin").is_some_and(|origin| origin == issuer.origin()),
        _ => false,
    }
}
