//! Attempts to sign in, slowed where they fail, before a password is looked at.
//!
//! A browser that is known by its device cookie has a counter of its own for the account; others share one
//! per account and network, and feel how often the account was tried from anywhere.

use crate::context::Context;
use crate::crypto::mac::Purpose;
use crate::error::Internal;
use crate::http::Request;
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::rate_limits::{address_of, is_within_limit, network_of, one_subscriber};
use crate::ports::Platform;
use crate::secret::is_random_text;
use crate::store::sign_in_attempts::{self, Admission};

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    /// What counts it.
    counter: String,
    /// What counts the attempts of all browsers that are not known, unless this one is.
    account: Option<String>,
    /// What the browser is known by from the next success on.
    device: Device,
    login: String,
}

/// A browser in which people have signed in: its id, and a code for each of their logins.
struct Device {
    id: String,
    codes: Vec<String>,
}

/// How many people a browser is known for at a time; the one who was away for longest makes room.
const DEVICE_PEOPLE: usize = 5;

impl Attempt {
    /// An attempt for a login, which is case-folded.
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

    /// Whether the attempt may be looked at; it is counted as failed until it succeeds.
    pub async fn admit(&self, context: &Context<'_, impl Platform>) -> Result<Admission, Internal> {
        // The counters in the database hold without it. A browser that is known has nothing to do with what its
        // neighbours try.
        let is_within = match self.account {
            Some(_) => is_within_limit(context, "login", &one_subscriber(&self.address)).await,
            None => is_within_limit(context, "device", &self.counter).await,
        };
        if !is_within {
            return Ok(Admission::Wait(ADDRESS_PAUSE_SECONDS));
        }
        sign_in_attempts::admit(
            context.platform,
            &self.counter,
            self.account.as_deref(),
            context.now,
        )
        .await
    }

    /// The counter that a success sets back.
    pub fn counter(&self) -> &str {
        &self.counter
    }

    /// The account's own counter, if the attempt counts there.
    pub fn account_counter(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The `Set-Cookie` by which the browser is known for this account from now on.
    pub fn remember_device(&self, browser: &BrowserContext<'_>) -> String {
        let Device { id, codes } = &self.device;
        let code = browser.mac.code(Purpose::Device, &[&self.login, id]);
        let others = codes.iter().filter(|other| **other != code).take(DEVICE_PEOPLE - 1);
        let parts: Vec<_> = [id, &code].into_iter().chain(others).map(String::as_str).collect();
        Cookie::Device.set(&browser.config.issuer, &parts.join("."))
    }
}

impl Device {
    /// What the browser's device cookie says; nothing of it is proven.
    fn from_request(browser: &BrowserContext<'_>, request: &impl Request) -> Option<Self> {
        let value = Cookie::Device.value_in(&browser.config.issuer, request)?;
        let mut parts = value.split('.').map(str::to_owned);
        let id = parts.next()?;
        let codes: Vec<_> = parts.take(DEVICE_PEOPLE).collect();
        (is_random_text(&id) && codes.iter().all(|code| is_random_text(code)))
            .then_some(Self { id, codes })
    }

    /// Whether somebody has signed in here by this login.
    fn knows(&self, browser: &BrowserContext<'_>, login: &str) -> bool {
        let is_ours =
            |code: &String| browser.mac.is_code(code, Purpose::Device, &[login, &self.id]);
        self.codes.iter().any(is_ours)
    }
}
