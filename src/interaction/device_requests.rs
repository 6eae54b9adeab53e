//! The requests of devices (RFC 8628 section 3.2): their codes, and the handle under which browsers find them.
//!
//! The user code follows from the hash of the device code, and the handle from the user code, both under
//! `KEY_ENCRYPTION_KEY`. So the database has neither code, pages can show the user code, and a reader of the database can
//! try out no user codes.

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::{Error, Protocol};
use crate::interaction::pending_request::slot_group;
use crate::lifetimes::{DEVICE_CODE_KEPT_SECONDS, DEVICE_CODE_SECONDS};
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::authorization::device_request::{DeviceRequest, RequestingDevice};
use crate::protocol::authorization::user_code::UserCode;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::description::Description;
use crate::protocol::params::Params;
use crate::secret::hash;
use crate::store::authorization_requests::{self, NewRequest};
use crate::store::clients::Client;
use crate::store::device_requests::{DeviceDecision, KeptDevice, NewDevice};
use crate::store::slots::Slots;

/// The error if all the slots are taken that a request may take.
const TOO_MANY: Protocol = Protocol::TryLater(Description::fixed(
    "too many stored authorization requests of this client; try again later",
));

/// The codes of a new request.
pub struct DeviceCodes {
    pub device_code: String,
    pub user_code: UserCode,
}

/// A device that waits for the response of a pending request.
#[derive(Debug)]
pub struct PendingDevice {
    pub device: RequestingDevice,
    /// The decision, once the user has made it in this browser.
    pub decision: Option<DeviceDecision>,
}

impl PendingDevice {
    /// Makes the device of a stored request. Returns `None` if its user code is no longer known, because
    /// `KEY_ENCRYPTION_KEY` was changed.
    pub(super) fn new(mac: &MacKey, kept: KeptDevice, handle_hash: &str) -> Option<Self> {
        let of_key = |mac: &MacKey| {
            let code = user_code(mac, &kept.code_hash);
            (hash(&handle(mac, &code)) == handle_hash).then_some(code)
        };
        let user_code = of_key(mac).or_else(|| of_key(&mac.previous()?))?;
        let device = RequestingDevice { user_code, request: kept.request };
        Some(Self { device, decision: kept.decision })
    }
}

/// Stores the request of a device that its client sends from this IP address, and returns its codes. An authenticated
/// client of the operator needs no slot.
///
/// # Errors
/// [`Protocol::TryLater`] if no slot is free, [`Error::Internal`] if the platform fails.
pub async fn store(
    context: &Context<'_, impl Platform>,
    (client, address): (&Client, &str),
    params: &Params,
    request: &DeviceRequest,
) -> Result<DeviceCodes, Error> {
    let mac = MacKey::new(&context.config.key_encryption_key)?;
    let device_code = context.random_text()?;
    let code_hash = hash(&device_code);
    let user_code = user_code(&mac, &code_hash);
    let slots = match client.voucher() {
        Voucher::Operator if client.metadata.is_confidential() => None,
        _ => Some(Slots::draw(context, slot_group(client), address)?),
    };
    let new = NewRequest {
        handle_hash: &hash(&handle(&mac, &user_code)),
        parameters: &params.encode(),
        client_id: Some(&client.client_id),
        pushed_by: Some(&client.client_id),
        is_signed: false,
        expires_at: context.now + DEVICE_CODE_SECONDS + DEVICE_CODE_KEPT_SECONDS,
        slots: slots.as_ref(),
        device: Some(NewDevice { code_hash: &code_hash, request }),
    };
    if !authorization_requests::keep(context, &new).await? {
        context.log_event(LogEvent::SlotsExhausted { rows: "authorization_requests" });
        return Err(TOO_MANY.into());
    }
    Ok(DeviceCodes { device_code, user_code })
}

/// Returns the handles that a request with this user code can have: one for each key.
pub fn handles(mac: &MacKey, user_code: &UserCode) -> Vec<String> {
    mac.codes(Purpose::DeviceHandle, &[user_code.letters()]).collect()
}

fn handle(mac: &MacKey, user_code: &UserCode) -> String {
    mac.code(Purpose::DeviceHandle, &[user_code.letters()])
}

fn user_code(mac: &MacKey, code_hash: &str) -> UserCode {
    let digest = <[u8; 32]>::from(Sha256::digest(mac.code(Purpose::UserCode, &[code_hash])));
    UserCode::from_random(digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
}
