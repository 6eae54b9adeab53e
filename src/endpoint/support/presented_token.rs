//! The token of a request for its revocation (RFC 7009 section 2.1) or introspection (RFC 7662 section 2.1).

use std::rc::Rc;

use super::access_tokens::find_valid;
use crate::error::Error;
use crate::keys::verified::Verified;
use crate::ports::Platform;
use crate::protocol::params::{DuplicateParameter, Params};
use crate::protocol::token::token_error::TokenError;
use crate::provider::Provider;
use crate::secret::hash;

pub const PARAMETERS: [&str; 2] = ["token", "token_type_hint"];

/// A token that a client sends in a form.
#[derive(Debug)]
pub enum PresentedToken {
    /// An access token that this provider has issued and that has not expired.
    Access(Rc<Verified>),
    /// A text that can only be a refresh token.
    Refresh {
        /// The hash under which such a token is stored.
        token_hash: String,
    },
    /// No token that could be valid.
    Invalid,
}

impl PresentedToken {
    /// Reads the token. The parameter `token_type_hint` is not needed, because no text can be a token of both kinds: so any
    /// hint is right, unknown ones included (RFC 7009 section 2.1).
    ///
    /// # Errors
    /// [`TokenError::InvalidRequest`] if the token is missing or a parameter is repeated, otherwise [`Error::Internal`] if
    /// the platform fails.
    pub async fn from_params(
        provider: &Provider<'_, impl Platform>,
        params: &Params,
    ) -> Result<Self, Error> {
        let once = |name| {
            let duplicate = |name: DuplicateParameter| TokenError::InvalidRequest(name.into());
            params.once(name).map_err(duplicate)
        };
        once("token_type_hint")?;
        let missing = TokenError::InvalidRequest("missing parameter: token".into());
        let token = once("token")?.ok_or(missing)?;
        // A JWT has periods, and a refresh token has none.
        if !token.contains('.') {
            return Ok(Self::Refresh { token_hash: hash(token) });
        }
        Ok(find_valid(provider, token).await?.map_or(Self::Invalid, Self::Access))
    }
}
