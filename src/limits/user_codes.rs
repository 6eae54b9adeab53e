//! Limits on typed user codes (RFC 8628 section 5.1).
//!
//! There are 20⁸ user codes. Everybody who is not signed in may type 50 wrong ones in an hour together, 1,200 in a day.
//! While 10,000 devices wait at each moment, the chance that any of these codes is one of theirs is 1,200 × 10,000 / 20⁸ a
//! day, less than one in 2,000. Each account adds 240 codes a day: one in 10,000.
//!
//! Somebody who uses up what everybody may type locks nobody out: a user who is signed in has a counter of their own and no
//! other.

use crate::context::Context;
use crate::crypto::mac::Purpose;
use crate::error::Internal;
use crate::http::network_of;
use crate::interaction::BrowserContext;
use crate::interaction::device_requests::handles;
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::authorization::user_code::UserCode;
use crate::secret::hash;
use crate::store::sessions::Session;
use crate::store::user_codes::{Counter, TypedCode, find};

/// How many wrong codes in an hour may come from everybody who is not signed in.
const OF_EVERYBODY: i64 = 50;
/// How many of them may come from one network.
const OF_A_NETWORK: i64 = 10;
/// How many wrong codes in an hour a user may type who is signed in.
const OF_A_USER: i64 = 10;

/// Finds the request of a device by its user code for this browser, and returns its handle, unless the browser may not type
/// another code now.
pub async fn open(
    context: &Context<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    session: Option<&Session>,
    user_code: &UserCode,
) -> Result<TypedCode, Internal> {
    let name = |kind, id: &str| browser.mac.code(Purpose::Counter, &["user code", kind, id]);
    let counters = match session {
        Some(session) => vec![Counter { name: name("user", &session.sub), limit: OF_A_USER }],
        None => vec![
            Counter { name: name("everybody", ""), limit: OF_EVERYBODY },
            Counter { name: name("network", &network_of(&browser.address)), limit: OF_A_NETWORK },
        ],
    };
    let handles = handles(&browser.mac, user_code);
    let typed = find(context, &handles, &hash(&browser.id), &counters).await?;
    if let TypedCode::Wait(_) = typed {
        context.log_event(LogEvent::UserCodeBudgetExhausted {});
    }
    Ok(typed)
}
