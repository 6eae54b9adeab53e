//! Limits on sign-in attempts. Failed attempts are followed by pauses, and the limits are checked before the password.
//!
//! A browser with a valid device cookie for the account has its own counter. Other browsers share a counter per
//! account and network, and are also limited by the failed attempts on the account from all networks. So an attacker
//! cannot lock a user out of a browser that the user has signed in with.

use crate::context::Context;
use crate::crypto::mac::Purpose;
use crate::error::Internal;
use crate::http::{Request, address_of};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::limits::rate_limits::{is_within_limit, network_of, subscriber_of};
use crate::ports::Platform;
use crate::secret::is_random_text;
use crate::store::batch::Batch;
use crate::store::sign_in_attempts::{self, Counting};

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    /// The name of the attempt's own counter, by device or by network.
    counter: String,
    /// The name of the account's counter, unless the browser has a valid device cookie.
    account: Option<String>,
    device: Device,
    login: String,
}

/// The content of a device cookie: an identifier of the browser, and a MAC for each login that succeeded in it.
struct Device {
    id: String,
    codes: Vec<String>,
}

/// The largest number of logins in a device cookie. A new one replaces the one that was used longest ago.
const DEVICE_LOGINS_LIMIT: usize = 5;

impl Attempt {
    /// Reads an attempt. `login` must be normalized, so that no other spelling has a counter of its own.
    pub fn from_request(
        browser: &BrowserContext<'_>,
        context: &Context<'_, impl Platform>,
        request: &impl Request,
        login: &str,
    ) -> Result<Self, Internal> {
        let address = address_of(request);
        let code = |parts: &[&str]| browser.mac.code(Purpose::Counter, parts);
        let device = match Device::from_request(browser, request) {
            Some(device) => device,
            None => Device { id: context.random_text()?, codes: Vec::new() },
        };
        let (counter, account) = if device.knows(browser, login) {
            (code(&["device", login, &device.id]), None)
        } else {
            let counter = code(&["network", login, &network_of(&address)]);
            (counter, Some(code(&["account", login])))
        };
        Ok(Self { address, counter, account, device, login: login.to_owned() })
    }

    /// Returns whether the attempt is within the coarse limit of its address. It saves database queries, and the
    /// counters in the database hold without it. A known browser has a limit of its own, so that others at the same
    /// address do not affect it.
    pub async fn is_within_limit(&self, context: &Context<'_, impl Platform>) -> bool {
        match self.account {
            Some(_) => is_within_limit(context, "login", &subscriber_of(&self.address)).await,
            None => is_within_limit(context, "device", &self.counter).await,
        }
    }

    /// Adds the statements that count the attempt as failed until it succeeds, and decide whether the password may be
    /// checked.
    pub fn count_in(&self, batch: &mut Batch, now: i64) -> Counting {
        sign_in_attempts::count_in(batch, &self.counter, self.account.as_deref(), now)
    }

    /// Returns the name of the counter that a success resets.
    pub fn counter(&self) -> &str {
        &self.counter
    }

    /// Returns the name of the account's counter, if the attempt counts there.
    pub fn account_counter(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Returns the `Set-Cookie` value of a device cookie that is valid for this account from now on.
    pub fn remember_device(&self, browser: &BrowserContext<'_>) -> String {
        let Device { id, codes } = &self.device;
        let code = browser.mac.code(Purpose::Device, &[&self.login, id]);
        let others = codes.iter().filter(|other| **other != code).take(DEVICE_LOGINS_LIMIT - 1);
        let parts: Vec<_> = [id, &code].into_iter().chain(others).map(String::as_str).collect();
        Cookie::Device.set(&browser.config.issuer, &parts.join("."))
    }
}

impl Device {
    /// Parses the device cookie. Its codes are not verified; see [`Device::knows`].
    fn from_request(browser: &BrowserContext<'_>, request: &impl Request) -> Option<Self> {
        let value = Cookie::Device.value_in(&browser.config.issuer, request)?;
        let mut parts = value.split('.').map(str::to_owned);
        let id = parts.next()?;
        let codes: Vec<_> = parts.take(DEVICE_LOGINS_LIMIT).collect();
        (is_random_text(&id) && codes.iter().all(|code| is_random_text(code)))
            .then_some(Self { id, codes })
    }

    /// Returns whether the cookie has a valid code for this login.
    fn knows(&self, browser: &BrowserContext<'_>, login: &str) -> bool {
        let is_valid =
            |code: &String| browser.mac.is_code(code, Purpose::Device, &[login, &self.id]);
        self.codes.iter().any(is_valid)
    }
}
