//! A logout request: its parameters, and where the browser goes afterwards (RP-Initiated Logout sections 2 and 3).

use crate::context::Context;
use crate::crypto::mac::{Purpose, derive};
use crate::endpoint::support::id_token_hint::{HintError, VerifiedHint, verify};
use crate::error::{Error, Internal, PageError};
use crate::interaction::pending_request::QUERY_LIMIT;
use crate::ports::Platform;
use crate::protocol::authorization::reply_to::{STATE_LIMIT, without_user};
use crate::protocol::client::redirect_uri::is_registered;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::description::{Description, Sent};
use crate::protocol::params::{Params, with_query};
use crate::protocol::token::id_token::HintedIdToken;
use crate::provider::Provider;
use crate::store::batch::{Batch, Handle};
use crate::store::clients::{self, ClientOf, StoredClient};
use crate::store::sessions::Session;

/// The parameters that are known. `logout_hint` has no use here, because a browser has one session.
pub const PARAMETERS: [&str; 6] =
    ["client_id", HINT, "logout_hint", "post_logout_redirect_uri", "state", "ui_locales"];

const HINT: &str = "id_token_hint";

/// The parameters that the form of the page carries.
const KEPT: [&str; 4] = ["client_id", "post_logout_redirect_uri", "state", "ui_locales"];

/// A logout request whose parameters are valid by themselves.
#[derive(Debug, Default)]
pub struct LogoutRequest {
    /// The parameters without the hint. `client_id` is that of the hint if the request has none.
    params: Params,
    pub hint: Hint,
}

/// The parameter `id_token_hint`.
#[derive(Debug, Default)]
pub enum Hint {
    #[default]
    Absent,
    /// The client got this ID token.
    Proven(HintedIdToken),
    /// See [`VerifiedHint::Unproven`].
    Unproven,
}

/// Where the browser goes after the logout.
#[derive(Debug)]
pub struct ReturnTo {
    /// The post-logout redirect URI, with the `state` of the request.
    pub url: String,
    /// Whether the operator vouches for the client.
    pub is_vouched_for: bool,
}

impl LogoutRequest {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`PageError`] if they are invalid, [`Error::Internal`] if the platform fails.
    pub async fn new(
        provider: &Provider<'_, impl Platform>,
        mut params: Params,
    ) -> Result<Self, Error> {
        // 1. No parameter is repeated.
        for name in PARAMETERS {
            params.once(name).map_err(PageError::application_fault)?;
        }

        // 2. The hint is an ID token of this provider, which may have expired.
        let hint = params.extract(HINT).map_err(PageError::application_fault)?;
        let hint = match hint {
            None => None,
            Some(hint) => Some(verify(provider, &hint).await.map_err(|error| match error {
                HintError::Internal(fault) => fault.into(),
                HintError::Invalid(error) => {
                    Error::from(PageError::application_fault(error.description()))
                }
            })?),
        };

        // 3. The client is the one that got it.
        let aud = match &hint {
            Some(VerifiedHint::Proven(token)) => Some(token.aud.as_str()),
            Some(VerifiedHint::Unproven { aud }) => aud.as_deref(),
            None => None,
        };
        match (params.once("client_id").ok().flatten(), aud) {
            (Some(client_id), Some(aud)) if client_id != aud => {
                let description = "client_id: must be the aud of id_token_hint";
                return Err(PageError::application_fault(description).into());
            }
            (None, Some(aud)) => params.append("client_id", aud),
            _ => {}
        }
        let hint = match hint {
            None => Hint::Absent,
            Some(VerifiedHint::Proven(token)) => Hint::Proven(token),
            Some(VerifiedHint::Unproven { .. }) => Hint::Unproven,
        };
        Self { params, hint }.check()
    }

    /// Checks the request of the form, which is one that was checked before.
    ///
    /// # Errors
    /// [`PageError`] if somebody has changed it.
    pub fn of_form(query: &str) -> Result<Self, Error> {
        let params = Params::parse(query.as_bytes(), &[&KEPT]);
        let params = params.map_err(|error| PageError::start_again(error.description()))?;
        for name in KEPT {
            params.once(name).map_err(PageError::start_again)?;
        }
        Self { params, hint: Hint::Absent }.check()
    }

    fn check(self) -> Result<Self, Error> {
        let refused =
            |description: &'static str| Err(PageError::application_fault(description).into());
        let has_uri = self.text("post_logout_redirect_uri").is_some();
        if has_uri && self.client_id().is_none() {
            return refused("post_logout_redirect_uri: needs id_token_hint or client_id");
        }
        if self.text("state").is_some_and(|state| state.len() > STATE_LIMIT) {
            return refused("state: longer than 4096 bytes");
        }
        if self.params.encoded_length_without(&["logout_hint"]) > QUERY_LIMIT {
            return refused("the parameters without id_token_hint are longer than 15360 bytes");
        }
        Ok(self)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.params.once(name).ok().flatten()
    }

    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id")
    }

    /// Returns the client that got the hint and its `sid` of the session, if the hint proves both.
    pub fn session_of_client(&self) -> Option<(&str, &str)> {
        match &self.hint {
            Hint::Proven(token) => Some((&token.aud, token.sid.as_deref()?)),
            Hint::Absent | Hint::Unproven => None,
        }
    }

    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Returns the request without the hint, as the form carries it.
    pub fn query(&self) -> String {
        let mut params = self.params.clone();
        params.remove(&["logout_hint"]);
        params.encode()
    }

    /// Adds the statement that finds the client, if the browser may return to it.
    pub fn find_client_in(
        &self,
        batch: &mut Batch,
        now: i64,
    ) -> Option<Handle<Option<StoredClient>>> {
        self.text("post_logout_redirect_uri")?;
        let client = ClientOf::Parameter(self.client_id()?);
        Some(clients::find_of_request(batch, client, now))
    }

    /// Returns where the browser goes afterwards: nowhere but to a registered URI of a stored client.
    ///
    /// # Errors
    /// [`PageError`] if the URI is not registered, [`Error::Internal`] if the client's row is damaged.
    pub fn return_to<P>(
        &self,
        client: Option<StoredClient>,
        context: &Context<'_, P>,
    ) -> Result<Option<ReturnTo>, Error> {
        let (Some(uri), Some(client_id)) =
            (self.text("post_logout_redirect_uri"), self.client_id())
        else {
            return Ok(None);
        };
        let Some(client) = client else {
            let description = format_args!("client_id: {} is not registered", Sent(client_id));
            return Err(PageError::application_fault(Description::new(description)).into());
        };
        let client = client.parse()?;
        let own_host = context.config.issuer.own_host();
        if !is_registered(uri, &client.metadata.post_logout_redirect_uris, own_host) {
            let uri = without_user(uri);
            let description = Description::new(format_args!(
                "post_logout_redirect_uri: {} is not registered for the client {}",
                Sent(&uri),
                Sent(client_id)
            ));
            return Err(PageError::application_fault(description).into());
        }
        let url = match self.text("state") {
            Some(state) => with_query(uri, &[("state", state)]),
            None => uri.to_owned(),
        };
        Ok(Some(ReturnTo { url, is_vouched_for: client.voucher() == Voucher::Operator }))
    }

    /// Returns whether the hint proves that the client got it in this session. One without `sid` proves which user it is.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the `sid` cannot be derived.
    pub fn is_for(&self, session: &Session) -> Result<bool, Internal> {
        let Hint::Proven(token) = &self.hint else { return Ok(false) };
        match &token.sid {
            Some(sid) => Ok(*sid == derive(&session.id, Purpose::Sid, &[&token.aud])?),
            None => Ok(token.sub == session.sub),
        }
    }
}
