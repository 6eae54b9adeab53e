//! Request objects at the `request_uri` of clients (RFC 9101 section 5.2).

use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::fetched::DocumentError;
use crate::fetched::fetcher::{Fetcher, Gotten, Order, Owner};
use crate::fetched::pauses::Pauses;
use crate::lifetimes::{FETCH_RETRY_SECONDS, REQUEST_OBJECT_COPY_SECONDS};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::authorization::request_object::SIZE_LIMIT;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::store::clients::Client;

/// The limits of RFC 9101 section 5.2.3. `timeout` is in milliseconds.
const LIMITS: FetchLimits = FetchLimits {
    accept: "application/oauth-authz-req+jwt, application/jwt, application/jose",
    accepts_json: false,
    limit: SIZE_LIMIT,
    timeout: 5_000,
    is_binary: false,
};

/// An isolate's memory of request objects, by URL. 32 entries are more than one isolate needs in a few seconds.
#[derive(Default)]
pub struct RequestObjects {
    objects: RefCell<BoundedMap<OutboundUrl, Remembered, 32>>,
    pauses: Pauses<DocumentError>,
}

struct Remembered {
    object: Rc<str>,
    /// The time at which the entry expires, in Unix seconds.
    expires_at: i64,
}

impl RequestObjects {
    /// Gets the request object at a URL that the client has registered. It is not verified.
    ///
    /// # Errors
    /// [`DocumentError`] if it cannot be fetched.
    pub async fn get(
        &self,
        client: &Client,
        url: &OutboundUrl,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Result<Rc<str>, DocumentError> {
        let now = fetcher.context.now;
        let order = Order {
            kind: "request_uri",
            url,
            limits: &LIMITS,
            client_id: Some(&client.client_id),
            owner: Owner::of(client),
        };
        let known = || match self.remembered(url, now) {
            Some(object) => Some(Ok(object)),
            None => self.pauses.reason(url, fetcher.context).map(Err),
        };
        match fetcher.get_unless(&order, known).await {
            Ok(Gotten::Known(known)) => known,
            Ok(Gotten::Fetched(text, _)) => {
                let object = Rc::from(text.trim_ascii());
                let expires_at = now + REQUEST_OBJECT_COPY_SECONDS;
                let remembered = Remembered { object: Rc::clone(&object), expires_at };
                self.objects.borrow_mut().insert(url.clone(), remembered);
                self.pauses.end(url);
                Ok(object)
            }
            Err(error) => {
                if error.was_fetched() {
                    self.pauses.begin(url, error, now + FETCH_RETRY_SECONDS, now);
                }
                Err(error)
            }
        }
    }

    fn remembered(&self, url: &OutboundUrl, now: i64) -> Option<Rc<str>> {
        let objects = self.objects.borrow();
        let known = objects.get(url).filter(|known| now < known.expires_at);
        known.map(|known| Rc::clone(&known.object))
    }
}
