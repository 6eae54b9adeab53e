//! Limits on sign-in attempts. Failed attempts are followed by pauses, and the limits are checked before the password.
//!
//! All browsers without a valid device cookie share the counter of the account, which bounds the guesses however many
//! networks they come from. A counter for each network below it has longer pauses, so that one network alone does not use
//! up what the account allows. A browser with a valid device cookie for the account has a counter of its own and no
//! other, so an attacker cannot lock a user out of a browser that the user has signed in with.

use crate::context::Context;
use crate::crypto::mac::{MacKey, Purpose};
use crate::error::Internal;
use crate::http::{Request, address_of, network_of};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::limits::rate_limits::{may_sign_in, may_sign_in_as_known};
use crate::ports::Platform;
use crate::protocol::user::login::TypedLogin;
use crate::secret::is_random_text;
use crate::store::sign_in_attempts::{self, Counter};

/// An attempt to sign in to one account from one browser.
pub struct Attempt {
    address: String,
    device: Device,
    /// The login in the form in which earlier versions stored it.
    folded: String,
    /// The attempt's own counter, by device or by network.
    own: Counter,
    /// The account's counter, unless the browser has a valid device cookie.
    account: Option<Counter>,
}

/// The content of a device cookie: an identifier of the browser, and a MAC for each login that succeeded in it.
struct Device {
    id: String,
    codes: Vec<String>,
}

/// The largest number of logins in a device cookie. A new one replaces the one that was used longest ago.
const DEVICE_LOGINS_LIMIT: usize = 5;

impl Attempt {
    /// Reads an attempt. Every spelling of a login counts for its normalized form. Earlier versions could store two users
    /// with one normalized form: they share its counters.
    pub fn from_request(
        browser: &BrowserContext<'_>,
        context: &Context<'_, impl Platform>,
        request: &impl Request,
        login: &TypedLogin,
    ) -> Result<Self, Internal> {
        let TypedLogin { normalized, folded } = login;
        let address = address_of(request);
        let device = match Device::from_request(browser, request) {
            Some(device) => device,
            None => Device { id: context.random_text()?, codes: Vec::new() },
        };
        // Not the normalized form, under which another user may be known in this browser.
        let is_known = device.knows(browser, folded);
        let counters = |mac: &MacKey| {
            let account = login_code(mac, normalized);
            let code = |kind, id: &str| mac.code(Purpose::Counter, &[kind, normalized, id]);
            if is_known {
                (Counter::of_device(&account, &code("device", &device.id)), None)
            } else {
                let network = code("network", &network_of(&address));
                (Counter::of_network(&account, &network), Some(Counter::of_account(&account)))
            }
        };
        let (mut own, mut account) = counters(&browser.mac);
        if let Some((previous_own, previous_account)) =
            browser.mac.previous().as_ref().map(counters)
        {
            own = own.continuing(previous_own);
            account = account.zip(previous_account).map(|(new, previous)| new.continuing(previous));
        }
        Ok(Self { address, device, folded: folded.clone(), own, account })
    }

    /// Returns whether the attempt is within the coarse limit of its address. It saves database queries, and the
    /// counters in the database hold without it. A known browser has a limit of its own, so that others at the same
    /// address do not affect it.
    pub async fn is_within_limit(&self, context: &Context<'_, impl Platform>) -> bool {
        match self.account {
            None => may_sign_in_as_known(context, &self.own.name).await,
            Some(_) => may_sign_in(context, &self.address).await,
        }
    }

    /// Returns the counters, each of which must allow the attempt.
    pub fn counters(&self) -> Vec<&Counter> {
        [&self.own].into_iter().chain(&self.account).collect()
    }

    /// Returns the `Set-Cookie` value of a device cookie that is valid from now on for the user with this stored login:
    /// for that login, and for the form in which it was typed. The normalized form is not remembered if the stored one
    /// is another, because it may be another user's.
    pub fn remember_device(&self, browser: &BrowserContext<'_>, login: &str) -> String {
        let Device { id, codes } = &self.device;
        let typed = Some(self.folded.as_str()).filter(|typed| *typed != login);
        let logins = [login].into_iter().chain(typed);
        let is_for =
            |code: &str, login: &str| browser.mac.is_code(code, Purpose::Device, &[login, id]);
        let mut known: Vec<_> =
            logins.clone().map(|login| browser.mac.code(Purpose::Device, &[login, id])).collect();
        for code in codes {
            // A code of one of these logins under the previous key has been replaced.
            let is_replaced = logins.clone().any(|login| is_for(code, login));
            if known.len() < DEVICE_LOGINS_LIMIT && !is_replaced {
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

/// Deletes the counters of a user with this stored login, so that every browser may sign in at once.
pub async fn forget(
    context: &Context<'_, impl Platform>,
    stored_login: &str,
) -> Result<(), Internal> {
    let mac = MacKey::new(&context.config.key_encryption_key)?;
    let login = TypedLogin::new(stored_login, |text| context.nfkc(text));
    let codes: Vec<_> = mac.codes(Purpose::Counter, &["account", &login.normalized]).collect();
    sign_in_attempts::forget(context, &codes).await
}

/// The code of a login, which names the counter of its account.
fn login_code(mac: &MacKey, login: &str) -> String {
    mac.code(Purpose::Counter, &["account", login])
}
