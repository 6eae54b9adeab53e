//! What the database holds about an authorization request in a browser, read in one batch.

use crate::context::Context;
use crate::error::{Error, Internal, PageError};
use crate::interaction::pending_request::handle_hash;
use crate::ports::Platform;
use crate::protocol::description::Sent;
use crate::protocol::params::Params;
use crate::store::authorization_requests::{self, KeptRequest};
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::clients::{self, Client, ClientOf, StoredClient};
use crate::store::consents::{self, Consent};
use crate::store::sessions::{self, Session};

const CLIENT_ID: &str = "client_id";

/// What the database holds about an authorization request in a browser.
#[derive(Debug, Default)]
pub struct Facts {
    /// The browser's session, if a user is signed in.
    pub session: Option<Session>,
    /// The stored request, if the query has a handle and the request has not expired.
    pub stored: Option<KeptRequest>,
    /// The hash of the session cookie, which the consent is found by.
    cookie_hash: Option<String>,
    /// The identifier that the client was looked up by.
    client_id: Option<String>,
    client: Option<StoredClient>,
    /// The consent of the session's user to the client.
    consent: Option<Consent>,
}

impl Facts {
    /// Reads the facts about the request of a query. Without a cookie there is no session and no consent.
    ///
    /// An interaction token may follow the query. It is split off afterwards, because it is valid for one user only, and
    /// the session names the user.
    pub async fn of_query(
        context: &Context<'_, impl Platform>,
        query: &str,
        cookie_hash: Option<String>,
    ) -> Result<Self, Internal> {
        let facts = Self { cookie_hash, ..Self::default() };
        if let Some(handle_hash) = handle_hash(query) {
            return facts.read(context, Some(ClientOf::Handle(&handle_hash))).await;
        }
        // Malformed parameters are refused when all of them are parsed.
        let params = Params::parse(query.as_bytes(), &[&[CLIENT_ID]]).unwrap_or_default();
        facts.read(context, client_of(&params)).await
    }

    /// Reads the facts about the request with these parameters, without the browser's session.
    pub async fn of_params(
        context: &Context<'_, impl Platform>,
        params: &Params,
    ) -> Result<Self, Internal> {
        Self::default().read(context, client_of(params)).await
    }

    async fn read(
        self,
        context: &Context<'_, impl Platform>,
        client: Option<ClientOf<'_>>,
    ) -> Result<Self, Internal> {
        let cookie_hash = self.cookie_hash.as_deref();
        if cookie_hash.is_none() && client.is_none() {
            return Ok(self);
        }
        let (now, mut batch) = (context.now, Batch::default());
        let session = cookie_hash.map(|hash| sessions::find_in(&mut batch, hash, now));
        let stored = client.and_then(ClientOf::handle_hash);
        let stored = stored.map(|hash| authorization_requests::find_in(&mut batch, hash, now));
        let found = client.map(|client| clients::find_of_request(&mut batch, client, now));
        let consent = cookie_hash.zip(client);
        let consent = consent.map(|(cookie, client)| consents::find_in(&mut batch, cookie, client));
        let mut outcome = batch.run_idempotent(context).await?;
        let stored = take(&mut outcome, stored)?;
        let client_id = match client {
            Some(ClientOf::Parameter(parameter)) => Some(parameter.to_owned()),
            _ => stored.as_ref().and_then(|stored| stored.client_id.clone()),
        };
        Ok(Self {
            session: take(&mut outcome, session)?,
            stored,
            client_id,
            client: take(&mut outcome, found)?,
            consent: take(&mut outcome, consent)?,
            cookie_hash: self.cookie_hash,
        })
    }

    /// Returns the client that the parameters name. Errors are shown on a page, because no redirect URI is validated
    /// yet.
    ///
    /// # Errors
    /// [`PageError`] if `client_id` is missing, repeated or unknown; [`Error::Internal`] if the database fails.
    pub async fn client(
        &mut self,
        context: &Context<'_, impl Platform>,
        params: &Params,
    ) -> Result<Client, Error> {
        let client_id = params
            .once(CLIENT_ID)
            .map_err(PageError::application_fault)?
            .ok_or(PageError::application_fault("missing parameter: client_id"))?;
        // A second request is needed for a stored request whose row has no `client_id`, because an older version stored
        // it, and for a query of 100 parameters, because its interaction token was one too many to parse before.
        if self.client_id.as_deref() != Some(client_id) {
            let again = Self { cookie_hash: self.cookie_hash.take(), ..Self::default() };
            *self = again.read(context, Some(ClientOf::Parameter(client_id))).await?;
        }
        let description = format!("client_id: {} is not registered", Sent(client_id));
        let unknown =
            PageError { code: "invalid_client", ..PageError::application_fault(description) };
        Ok(self.client.clone().ok_or(unknown)?.parse()?)
    }

    /// Returns the stored consent of the session's user to the client. A trusted client needs none.
    pub fn remembered(&self, client: &Client) -> Option<&Consent> {
        self.consent.as_ref().filter(|_| self.session.is_some() && !client.trusted)
    }
}

fn client_of(params: &Params) -> Option<ClientOf<'_>> {
    params.once(CLIENT_ID).ok().flatten().map(ClientOf::Parameter)
}

fn take<T>(
    outcome: &mut Outcome,
    handle: Option<Handle<Option<T>>>,
) -> Result<Option<T>, Internal> {
    handle.map_or(Ok(None), |handle| outcome.take(handle))
}
