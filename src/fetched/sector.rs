//! Validation of `sector_identifier_uri` (OpenID Connect Registration section 5). The document at this URL lists the
//! redirect URIs that share the sector.

use std::fmt;

use crate::error::{Error, Protocol};
use crate::fetched::DocumentError;
use crate::fetched::fetcher::{Fetcher, Gotten, Order, Owner};
use crate::fetched::pauses::Pauses;
use crate::jose::json::{self, parse_value};
use crate::lifetimes::FETCH_RETRY_SECONDS;
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::invalid_field::InvalidField;

const LIMITS: FetchLimits = FetchLimits {
    accept: "application/json",
    accepts_json: false,
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

const FIELD: &str = "sector_identifier_uri";

/// An isolate's memory of the sectors that could not be fetched.
#[derive(Default)]
pub struct Sectors(Pauses<DocumentError>);

/// The client whose sector is checked.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'a> {
    /// Its identifier, unless it is about to register.
    pub client_id: Option<&'a str>,
    /// The sender of the request.
    pub owner: Owner,
}

impl Sectors {
    /// Checks that the sector's document lists every redirect URI of the client. The document is fetched only when
    /// metadata is registered or changed, so later changes of it have no effect. Callers validate the other metadata
    /// first, because anybody may be able to cause this request. `refuse` returns the endpoint's error for an invalid
    /// field.
    ///
    /// # Errors
    /// The error of `refuse`, or [`Protocol::TryLater`] if the sector's server does not answer.
    pub async fn check(
        &self,
        metadata: &ClientMetadata,
        registrant: Registrant<'_>,
        fetcher: &Fetcher<'_, impl Platform>,
        refuse: impl Fn(InvalidField) -> Error,
    ) -> Result<(), Error> {
        let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
        let refuse = |reason: &dyn fmt::Display| refuse(InvalidField::new(FIELD, reason));
        let rules = fetcher.context.config.outbound_rules();
        let url = OutboundUrl::parse(uri, rules).map_err(|e| refuse(&e))?;
        let text = self.get(&url, registrant, fetcher).await.map_err(|error| {
            if error.is_temporary() {
                return Protocol::TryLater(error.description_of(FIELD)).into();
            }
            refuse(&format_args!("must list the redirect URIs: {}", error.description()))
        })?;
        let listed: Option<Vec<String>> =
            parse_value(text.as_bytes()).and_then(json::from_parsed).ok();
        let Some(listed) = listed else {
            return Err(refuse(&"must return a JSON array of redirect URIs"));
        };
        match metadata.redirect_uris.iter().find(|uri| !listed.contains(uri)) {
            Some(uri) => {
                Err(refuse(&format_args!("must list every redirect URI; {uri} is missing")))
            }
            None => Ok(()),
        }
    }

    async fn get(
        &self,
        url: &OutboundUrl,
        Registrant { client_id, owner }: Registrant<'_>,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Result<String, DocumentError> {
        let order = Order { kind: FIELD, url, limits: &LIMITS, client_id, owner };
        // The operator can repeat a request as soon as the document is corrected.
        let is_operator = owner == Owner::Operators;
        let known = || self.0.reason(url, fetcher.context).filter(|_| !is_operator);
        match fetcher.get_unless(&order, known).await {
            Ok(Gotten::Known(error)) => Err(error),
            Ok(Gotten::Fetched(text, _)) => Ok(text),
            Err(error) => {
                let now = fetcher.context.now;
                if error.was_fetched() {
                    self.0.begin(url, error, now + FETCH_RETRY_SECONDS, now);
                }
                Err(error)
            }
        }
    }
}
