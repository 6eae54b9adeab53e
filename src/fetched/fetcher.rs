//! The function that fetches all documents of clients, and its limits.

use std::fmt;

use crate::context::Context;
use crate::fetched::DocumentError;
use crate::fetched::fetch_budget::FetchBudget;
use crate::limits::rate_limits::may_fetch;
use crate::log::LogEvent;
use crate::ports::{FetchLimits, Form, Platform};
use crate::protocol::client::cache_time::CacheHeaders;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::client::voucher::Voucher;
use crate::store::clients::Client;

/// How long a request waits for the fetch of another one before it looks again, in milliseconds.
const WAIT_MILLISECONDS: u32 = 100;
/// How often it does so. All of them take as long as the longest fetch.
const WAITS: u32 = 50;

/// The owner of a document. Each kind of owners has limits and memories of its own, so that those whom nobody vouches
/// for do not use up those of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A client of the operator.
    Operators,
    /// A client that has registered itself.
    Registered,
    /// A client by document that D1 has, because users have signed in to it, or because it has pushed a request.
    StoredDocument,
    /// Another client by document, or one that is about to register.
    Stranger,
}

impl Owner {
    /// Returns the owner of the documents of a client.
    pub fn of(client: &Client) -> Self {
        match (client.voucher(), client.document) {
            (Voucher::Operator, None) => Self::Operators,
            (Voucher::Nobody | Voucher::Apis(_), None) => Self::Registered,
            (_, Some(_)) if client.is_stored => Self::StoredDocument,
            (_, Some(_)) => Self::Stranger,
        }
    }
}

/// A value for each kind of owners.
#[derive(Default)]
pub struct PerOwner<T> {
    operators: T,
    registered: T,
    stored_document: T,
    stranger: T,
}

impl<T> PerOwner<T> {
    /// Returns the value for one kind.
    pub fn of(&self, owner: Owner) -> &T {
        match owner {
            Owner::Operators => &self.operators,
            Owner::Registered => &self.registered,
            Owner::StoredDocument => &self.stored_document,
            Owner::Stranger => &self.stranger,
        }
    }
}

/// A document to fetch.
pub struct Order<'a> {
    /// The metadata field or parameter that has the URL, or the name of the document.
    pub kind: &'static str,
    pub url: &'a OutboundUrl,
    pub limits: &'static FetchLimits,
    /// The client, unless it is not registered yet or is the document.
    pub client_id: Option<&'a str>,
    pub owner: Owner,
}

impl fmt::Display for Order<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind)?;
        match self.client_id {
            Some(client_id) => write!(formatter, " of the client {client_id}"),
            None => Ok(()),
        }
    }
}

/// A document, or what another request has found meanwhile.
pub enum Gotten<T> {
    /// The text of the document, with its headers for caches.
    Fetched(String, CacheHeaders),
    Known(T),
}

/// The limits of an isolate's fetches. Forms have limits of their own, so that clients that do not answer them use up no
/// fetches that a sign-in needs.
#[derive(Default)]
pub struct FetchBudgets {
    documents: PerOwner<FetchBudget>,
    forms: PerOwner<FetchBudget>,
}

/// Why a form was not accepted or refused by its receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormError {
    /// The receiver did not answer in time.
    NotAnswered,
    /// The form was not sent, because too many requests run or began a short time ago.
    NotSent,
}

/// The fetches for one request.
pub struct Fetcher<'a, P> {
    pub context: &'a Context<'a, P>,
    pub budgets: &'a FetchBudgets,
    /// The address of the request's sender; `None` for the operator, whose requests have no rate.
    pub address: Option<&'a str>,
}

impl<P: Platform> Fetcher<'_, P> {
    /// Gets a document, unless `known` has a result. Waits while another request fetches the same one, and looks again.
    ///
    /// On Workers no request can wait for the promise of another one. So it waits for time to pass.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub async fn get_unless<T>(
        &self,
        order: &Order<'_>,
        known: impl Fn() -> Option<T>,
    ) -> Result<Gotten<T>, DocumentError> {
        for _ in 0..WAITS {
            if let Some(known) = known() {
                return Ok(Gotten::Known(known));
            }
            match self.get(order).await {
                Err(DocumentError::BeingFetched) => self.wait(order).await?,
                result => return result.map(|(text, caching)| Gotten::Fetched(text, caching)),
            }
        }
        let being_fetched = self.refused(order, DocumentError::BeingFetched);
        known().map(Gotten::Known).ok_or(being_fetched)
    }

    /// Gets a document once. If the server does not answer, the log has the reason, because the error for the client does
    /// not contain it.
    ///
    /// # Errors
    /// [`DocumentError`] if the document cannot be used, or must not be fetched now.
    pub async fn get(&self, order: &Order<'_>) -> Result<(String, CacheHeaders), DocumentError> {
        let budget = self.budgets.documents.of(order.owner);
        let begun = budget.begin(order.kind, order.url, self.context.now);
        let _running = begun.map_err(|error| self.refused(order, error))?;
        if let Some(address) = self.address {
            // The address comes first, so that one that sends too much uses up nothing of the client.
            if !may_fetch(self.context, address).await {
                return Err(self.refused(order, DocumentError::AddressLimit));
            }
            if !budget.count(order.url.host(), order.client_id, self.context.now) {
                return Err(self.refused(order, DocumentError::TooManyFetches));
            }
        }
        self.fetch(order).await
    }

    /// Posts a form for each order, all at the same time. Returns the status of each response, in their order. The rate
    /// of forms is limited for all clients except the operator's, whose URLs no stranger has chosen.
    pub async fn post(
        &self,
        forms: Vec<(Order<'_>, String)>,
        limits: &FetchLimits,
    ) -> Vec<Result<u16, FormError>> {
        let now = self.context.now;
        let (mut running, mut sent, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (order, body) in forms {
            let budget = self.budgets.forms.of(order.owner);
            let begun = budget.begin_another(order.kind, order.url, now);
            let is_in_rate = order.owner == Owner::Operators
                || begun.is_ok() && budget.count(order.url.host(), order.client_id, now);
            match begun {
                Ok(fetch) if is_in_rate => {
                    running.push(fetch);
                    sent.push((results.len(), Form { url: order.url, body }));
                }
                _ => {
                    self.refused(&order, DocumentError::TooManyFetches);
                }
            }
            results.push(Err(FormError::NotSent));
        }
        let (places, forms): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
        let responses = self.context.platform.post(&forms, limits).await;
        for (place, response) in places.into_iter().zip(responses) {
            if let Some(result) = results.get_mut(place) {
                *result = match response {
                    Ok(document) => Ok(document.status),
                    // The platform's limit on the requests of one invocation, which is no fault of the receiver.
                    Err(error) if error.detail.contains("Too many subrequests") => {
                        Err(FormError::NotSent)
                    }
                    Err(_) => Err(FormError::NotAnswered),
                };
            }
        }
        results
    }

    /// Returns whether a request fetches the document.
    pub fn is_fetched(&self, order: &Order<'_>) -> bool {
        self.budgets.documents.of(order.owner).is_running(order.kind, order.url, self.context.now)
    }

    async fn wait(&self, order: &Order<'_>) -> Result<(), DocumentError> {
        let waiting = self.budgets.documents.of(order.owner).wait(order.kind, order.url);
        let _waiting = waiting.map_err(|error| self.refused(order, error))?;
        self.context.platform.wait(WAIT_MILLISECONDS).await;
        Ok(())
    }

    /// Logs that a document is not fetched now.
    fn refused(&self, order: &Order<'_>, error: DocumentError) -> DocumentError {
        if error == DocumentError::TooManyFetches {
            self.context.log_event(LogEvent::FetchBudgetExhausted { document: order.kind });
        }
        if let DocumentError::AddressLimit | DocumentError::TooManyFetches = error {
            self.context
                .log_warning(format!("too many fetches: {order} from {}", order.url.host()));
        }
        error
    }

    async fn fetch(&self, order: &Order<'_>) -> Result<(String, CacheHeaders), DocumentError> {
        let Order { url, limits, .. } = order;
        let not_fetched = |detail: &dyn fmt::Display| {
            let warning = format!("could not fetch {order} from {}: {detail}", url.host());
            self.context.log_warning(warning);
            DocumentError::NotFetched
        };
        let document = self.context.platform.fetch(url, limits).await;
        let document = document.map_err(|error| not_fetched(&error.detail))?;
        match document.status {
            200 => {}
            // RFC 9110 sections 15.5.5 and 15.5.11.
            404 | 410 => return Err(DocumentError::Missing),
            // RFC 9110 section 15.6, RFC 6585 section 4: the same request may succeed later.
            status @ (408 | 429 | 500..) => {
                return Err(not_fetched(&format_args!("status {status}")));
            }
            // RFC 9110 section 15.5.
            400..=499 => return Err(DocumentError::Refused),
            _ => return Err(DocumentError::BadStatus),
        }
        if !is_allowed(&document.media_type, limits) {
            return Err(DocumentError::BadMediaType);
        }
        let text = document.text.ok_or(DocumentError::BadContent)?;
        Ok((text, document.caching))
    }
}

fn is_allowed(media_type: &str, limits: &FetchLimits) -> bool {
    // RFC 6839 section 3.1.
    let is_json = media_type.starts_with("application/") && media_type.ends_with("+json");
    limits.accept.split(", ").any(|known| known == media_type) || limits.accepts_json && is_json
}
