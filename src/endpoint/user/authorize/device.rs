//! The response to the request of a device (RFC 8628 section 3.3). The browser shows a page, and the device polls.

use super::interaction::Interaction;
use super::respond::Delivery;
use crate::context::Context;
use crate::error::{Error, PageError, Protocol};
use crate::http::Response;
use crate::interaction::pending_request::{COMPLETED_OR_EXPIRED, PendingRequest};
use crate::pages::DeviceDecided;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::store::authorizations::{NewAuthorization, record_for_device};
use crate::store::device_requests::{self, DeviceDecision};

/// The error code of a user's denial.
pub const ACCESS_DENIED: &str = "access_denied";

impl<P: Platform> Interaction<'_, P> {
    /// Records the grant for the device. Returns `None` if something that the decision is based on has changed.
    pub(super) async fn allow_device(
        &self,
        authorization: &NewAuthorization<'_>,
    ) -> Result<Option<Response>, Error> {
        let Some(handle) = &self.pending.handle else { return Err(COMPLETED_OR_EXPIRED.into()) };
        let context = &self.provider.context;
        let decision = record_for_device(context, authorization, handle).await?;
        Ok(decision.map(|decision| decided(context, decision, self.delivery)))
    }
}

/// Refuses the request of a device: records that its user has denied it, or shows why it cannot be answered. The user can
/// then begin again, so the device goes on waiting.
pub(super) async fn refuse(
    context: &Context<'_, impl Platform>,
    pending: &PendingRequest,
    error: AuthorizeError,
    delivery: Delivery,
) -> Result<Response, Error> {
    let AuthorizeError { code, description } = error;
    match &pending.handle {
        Some(handle) if code == ACCESS_DENIED => {
            let decision = device_requests::deny(context, handle).await?;
            let decision = decision.ok_or(COMPLETED_OR_EXPIRED)?;
            context.log_refusal(code);
            Ok(decided(context, decision, delivery))
        }
        _ if code == TEMPORARILY_UNAVAILABLE => Err(Protocol::TryLater(description).into()),
        _ => Err(PageError { code, ..PageError::application_fault(description) }.into()),
    }
}

/// Shows what the user has decided.
pub(super) fn decided<P>(
    context: &Context<'_, P>,
    decision: DeviceDecision,
    delivery: Delivery,
) -> Response {
    let page = DeviceDecided {
        brand: context.config.into(),
        texts: delivery.texts,
        is_allowed: decision == DeviceDecision::Allowed,
    };
    page.response()
}
