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
use crate::protocol::user::login::TypedLogin;
use crate::secret::is_random_text;
use crate::store::batch::{Batch, Outcome};
use crate::store::sign_in_attempts::{self, Admission, Counting};

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    /// The counters of each form of the login that counts: the normalized one first, then that of earlier versions.
    counters: Vec<Counters>,
    device: Device,
}

/// The counters of one form of a login.
struct Counters {
    login: String,
    /// The name of the attempt's own counter, by device or by network.
    own: String,
    /// The name of the account's counter, unless the browser has a valid device cookie.
    account: Option<String>,
}

/// The counters of an attempt that succeeds.
pub struct Success<'a> {
    /// The user's own counter, which ends.
    pub counter: &'a str,
    /// The others, from which the attempt is subtracted.
    pub others: Vec<&'a str>,
}

/// The statements that count an attempt, one for each form of the login.
pub struct AttemptCounting(Vec<Counting>);

impl AttemptCounting {
    /// Returns whether every counter allows the attempt.
    pub fn admission(self, outcome: &mut Outcome) -> Result<Admission, Internal> {
        let mut longest = Admission::Admitted;
        for counting in self.0 {
            longest = match (longest, counting.admission(outcome)?) {
                (Admission::Wait(one), Admission::Wait(other)) => Admission::Wait(one.max(other)),
                (Admission::Admitted, other) => other,
                (wait, Admission::Admitted) => wait,
            };
        }
        Ok(longest)
    }
}

/// The content of a device cookie: an identifier of the browser, and a MAC for each login that succeeded in it.
struct Device {
    id: String,
    codes: Vec<String>,
}

/// The largest number of logins in a device cookie. A new one replaces the one that was used longest ago.
const DEVICE_LOGINS_LIMIT: usize = 5;

impl Attempt {
    /// Reads an attempt. Every spelling of a login counts for its normalized form.
    ///
    /// A text whose form of earlier versions is another one counts for that one, too, whether or not a user has it: two
    /// users of an earlier version may have logins whose normalized forms are the same, and neither may end the pauses
    /// of the other one by signing in. In a browser that knows this form, it counts alone.
    pub fn from_request(
        browser: &BrowserContext<'_>,
        context: &Context<'_, impl Platform>,
        request: &impl Request,
        login: &TypedLogin,
    ) -> Result<Self, Internal> {
        let address = address_of(request);
        let code = |parts: &[&str]| browser.mac.code(Purpose::Counter, parts);
        let device = match Device::from_request(browser, request) {
            Some(device) => device,
            None => Device { id: context.random_text()?, codes: Vec::new() },
        };
        let TypedLogin { normalized, folded } = login;
        let forms: &[&str] = if normalized == folded || device.knows(browser, folded) {
            &[folded.as_str()]
        } else {
            &[normalized.as_str(), folded.as_str()]
        };
        let counters = forms.iter().map(|&login| {
            let (own, account) = if device.knows(browser, login) {
                (code(&["device", login, &device.id]), None)
            } else {
                let own = code(&["network", login, &network_of(&address)]);
                (own, Some(code(&["account", login])))
            };
            Counters { login: login.to_owned(), own, account }
        });
        Ok(Self { counters: counters.collect(), address, device })
    }

    /// Returns whether the attempt is within the coarse limit of its address. It saves database queries, and the
    /// counters in the database hold without it. A known browser has a limit of its own, so that others at the same
    /// address do not affect it.
    pub async fn is_within_limit(&self, context: &Context<'_, impl Platform>) -> bool {
        match self.counters.as_slice() {
            [Counters { own, account: None, .. }] => is_within_limit(context, "device", own).await,
            _ => is_within_limit(context, "login", &subscriber_of(&self.address)).await,
        }
    }

    /// Adds the statements that count the attempt as failed until it succeeds, and decide whether the password may be
    /// checked.
    pub fn count_in(&self, batch: &mut Batch, now: i64) -> AttemptCounting {
        let count = |Counters { own, account, .. }: &Counters| {
            sign_in_attempts::count_in(batch, own, account.as_deref(), now)
        };
        AttemptCounting(self.counters.iter().map(count).collect())
    }

    /// Returns the counters of this attempt if it succeeds for the user with this stored login.
    pub fn success(&self, login: &str) -> Success<'_> {
        let (mut counter, mut others) = ("", Vec::new());
        for counters in &self.counters {
            if counters.login == login || self.counters.len() == 1 {
                counter = &counters.own;
            } else {
                others.push(counters.own.as_str());
            }
            others.extend(counters.account.as_deref());
        }
        Success { counter, others }
    }

    /// Returns the `Set-Cookie` value of a device cookie that is valid from now on for the user with this stored login:
    /// for that login, and for the form in which it was typed. The normalized form is not remembered if the stored one
    /// is another, because it may be another user's.
    pub fn remember_device(&self, browser: &BrowserContext<'_>, login: &str) -> String {
        let Device { id, codes } = &self.device;
        let typed = self.counters.last().map(|counters| counters.login.as_str());
        let logins = [login].into_iter().chain(typed.filter(|typed| *typed != login));
        let mut known: Vec<_> =
            logins.map(|login| browser.mac.code(Purpose::Device, &[login, id])).collect();
        for code in codes {
            if known.len() < DEVICE_LOGINS_LIMIT && !known.contains(code) {
                known.push(code.clone());
            }
        }
        let parts: Vec<_> = [id].into_iter().chain(&known).map(String::as_str).collect();
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
