//! What the database holds about an authorization request in a browser, read in one batch.

use crate::context::Context;
use crate::endpoint::support::client_documents::{self, ClientKind};
use crate::error::{Error, Internal, PageError, Protocol};
use crate::fetched::client_documents::{ClientDocumentError, DocumentFault};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::handle_of;
use crate::ports::Platform;
use crate::protocol::client::identity::{identity, registration};
use crate::protocol::client::voucher::Voucher;
use crate::protocol::description::{Description, Sent};
use crate::protocol::params::Params;
use crate::provider::Provider;
use crate::store::authorization_requests::{self, BrowserHandle, KeptRequest};
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
    /// The browser's IP address.
    address: String,
    /// The hash of the session cookie, which the consent is found by.
    cookie_hash: Option<String>,
    /// The identifier that the client was looked up by.
    client_id: Option<String>,
    client: Option<StoredClient>,
    /// The consent of the session's user to the client.
    consent: Option<Consent>,
}

/// The statements that read the facts, in a batch.
pub struct Reading {
    address: String,
    cookie_hash: Option<String>,
    /// The parameter `client_id`.
    client_id: Option<String>,
    /// The handle, if the request is stored.
    handle: Option<BrowserHandle>,
    session: Option<Handle<Option<Session>>>,
    stored: Option<Handle<Option<KeptRequest>>>,
    client: Option<Handle<Option<StoredClient>>>,
    consent: Option<Handle<Option<Consent>>>,
}

impl Reading {
    /// Adds the statements that read the facts about the request of a query. Without a cookie there is no session and no
    /// consent.
    ///
    /// An interaction token may follow the query. It is split off afterwards, because it is valid for one user only, and
    /// the session names the user.
    pub fn of_query(
        batch: &mut Batch,
        browser: &BrowserContext<'_>,
        query: &str,
        cookie_hash: Option<String>,
        now: i64,
    ) -> Self {
        if let Some(handle) = handle_of(browser, query) {
            let client = Some(ClientOf::Handle(&handle));
            return Self::add(batch, &browser.address, cookie_hash, client, now);
        }
        // Malformed parameters are refused when all of them are parsed.
        let params = Params::parse(query.as_bytes(), &[&[CLIENT_ID]]).unwrap_or_default();
        Self::add(batch, &browser.address, cookie_hash, client_of(&params), now)
    }

    fn add(
        batch: &mut Batch,
        address: &str,
        cookie_hash: Option<String>,
        client: Option<ClientOf<'_>>,
        now: i64,
    ) -> Self {
        let cookie = cookie_hash.as_deref();
        let handle = client.and_then(ClientOf::handle);
        Self {
            address: address.to_owned(),
            session: cookie.map(|hash| sessions::find_in(batch, hash, now)),
            stored: handle.map(|handle| authorization_requests::find_in(batch, handle, now)),
            client: client.map(|client| clients::find_of_request(batch, client, now)),
            consent: cookie
                .zip(client)
                .map(|(hash, client)| consents::find_in(batch, hash, client)),
            client_id: client.and_then(ClientOf::parameter).map(str::to_owned),
            handle: handle.cloned(),
            cookie_hash,
        }
    }

    /// Returns how the request names its client, if it does.
    pub fn client_of_request(&self) -> Option<ClientOf<'_>> {
        let handle = self.handle.as_ref().map(ClientOf::Handle);
        handle.or(self.client_id.as_deref().map(ClientOf::Parameter))
    }

    /// Returns the facts.
    pub fn finish(self, outcome: &mut Outcome) -> Result<Facts, Internal> {
        let stored = take(outcome, self.stored)?;
        let client_of_stored = || stored.as_ref().and_then(|stored| stored.client_id.clone());
        Ok(Facts {
            address: self.address,
            client_id: self.client_id.or_else(client_of_stored),
            session: take(outcome, self.session)?,
            client: take(outcome, self.client)?,
            consent: take(outcome, self.consent)?,
            cookie_hash: self.cookie_hash,
            stored,
        })
    }
}

impl Facts {
    /// Reads the facts about the request of a query, as [`Reading::of_query`] does.
    pub async fn of_query(
        context: &Context<'_, impl Platform>,
        browser: &BrowserContext<'_>,
        query: &str,
    ) -> Result<Self, Internal> {
        let (mut batch, cookie_hash) = (Batch::default(), browser.session_hash());
        let reading = Reading::of_query(&mut batch, browser, query, cookie_hash, context.now);
        reading.finish(&mut batch.run_idempotent(context).await?)
    }

    /// Reads the facts about the request with these parameters, without the browser's session.
    pub async fn of_params(
        context: &Context<'_, impl Platform>,
        browser: &BrowserContext<'_>,
        params: &Params,
    ) -> Result<Self, Internal> {
        Self::read(context, &browser.address, None, client_of(params)).await
    }

    async fn read(
        context: &Context<'_, impl Platform>,
        address: &str,
        cookie_hash: Option<String>,
        client: Option<ClientOf<'_>>,
    ) -> Result<Self, Internal> {
        let mut batch = Batch::default();
        let reading = Reading::add(&mut batch, address, cookie_hash, client, context.now);
        reading.finish(&mut batch.run_idempotent(context).await?)
    }

    /// Returns the client that the parameters name. Errors are shown on a page, because no redirect URI is validated
    /// yet.
    ///
    /// # Errors
    /// [`PageError`] if `client_id` is missing, repeated or unknown; [`Protocol::TryLater`] if its document is not
    /// available; [`Error::Internal`] if the database fails.
    pub async fn client(
        &mut self,
        provider: &Provider<'_, impl Platform>,
        params: &Params,
    ) -> Result<Client, Error> {
        let context = &provider.context;
        let client_id = params
            .once(CLIENT_ID)
            .map_err(PageError::application_fault)?
            .ok_or(PageError::application_fault("missing parameter: client_id"))?;
        // A second request is needed for a stored request whose row has no `client_id`, because an older version stored
        // it, and for a query of 100 parameters, because its interaction token was one too many to parse before.
        if self.client_id.as_deref() != Some(client_id) {
            let client = ClientOf::Parameter(client_id);
            let (address, cookie_hash) =
                (std::mem::take(&mut self.address), self.cookie_hash.take());
            *self = Self::read(context, &address, cookie_hash, Some(client)).await?;
        }
        let not_registered =
            || invalid_client(format!("client_id: {} is not registered", Sent(client_id)).into());
        match ClientKind::new(client_id, context.config) {
            ClientKind::ByDocument => {
                let found = (client_id, self.address.as_str());
                let found = client_documents::find(provider, found, self.client.clone()).await;
                let found = found.map_err(|error| document_error(error, client_id, context))?;
                Ok(found.0)
            }
            ClientKind::Refused => Err(not_registered()),
            ClientKind::Registered => {
                Ok(self.client.clone().ok_or_else(not_registered)?.parse()?)
            }
        }
    }

    /// Returns whether the operator vouches for the client, or the session's user has allowed it before, for a response to
    /// the host of the redirect URI.
    pub fn is_vouched_for(&self, client: &Client, params: &Params) -> bool {
        let redirect_uri = params.once("redirect_uri").ok().flatten();
        client.voucher() == Voucher::Operator || self.remembered(client, redirect_uri).is_some()
    }

    /// Returns the stored consent of the session's user to the client, if it was given to the client as it is now. The
    /// operator vouches for the changes of the clients that it has registered. The user has to see those of all others.
    ///
    /// A trusted client needs no consent, but adds to it what a page shows.
    pub fn remembered(&self, client: &Client, redirect_uri: Option<&str>) -> Option<&Consent> {
        let is_given_to_client = |consent: &&Consent| {
            client.voucher() == Voucher::Operator
                || consent.identity.as_ref() == Some(&identity(&client.metadata, redirect_uri))
        };
        self.consent.as_ref().filter(|_| self.session.is_some()).filter(is_given_to_client)
    }

    /// Returns the stored consent that a new one adds to: it was given to the client with this [identity](identity()), for a
    /// response to any of its hosts. Any other is replaced.
    ///
    /// Otherwise a user who signs in at one host, with fewer scopes, would end what the client has at another.
    pub fn before(&self, client: &Client, identity: &str) -> Option<&Consent> {
        let is_of_client = |known: &String| registration(known) == registration(identity);
        let adds_up = |consent: &&Consent| {
            client.voucher() == Voucher::Operator
                || consent.identity.as_ref().is_some_and(is_of_client)
        };
        self.consent.as_ref().filter(|_| self.session.is_some()).filter(adds_up)
    }
}

/// The error for a client by document that was not found. The page says what is wrong, because its developer reads it.
fn document_error(
    error: ClientDocumentError,
    client_id: &str,
    context: &Context<'_, impl Platform>,
) -> Error {
    match error {
        ClientDocumentError::Fault(
            DocumentFault::Invalid(description) | DocumentFault::Refused(description),
        ) => {
            context.log_client(client_id, &description);
            invalid_client(description)
        }
        ClientDocumentError::Fault(DocumentFault::TryLater(description)) => {
            Protocol::TryLater(description).into()
        }
        ClientDocumentError::Internal(fault) => fault.into(),
    }
}

fn invalid_client(description: Description) -> Error {
    PageError { code: "invalid_client", ..PageError::application_fault(description) }.into()
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
