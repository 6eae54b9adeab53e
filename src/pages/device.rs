//! The pages on which users connect a device (RFC 8628 section 3.3).

use askama::Template;

use crate::http::Response;
use crate::pages::{Brand, Exact, Forms, Policy, Texts, respond_privately};
use crate::protocol::authorization::device_request::{DeviceRequest, RequestingDevice};

/// The page on which a user types the code of a device. Its form posts `user_code` and `token`.
#[derive(Template)]
#[template(path = "device.html")]
pub struct DeviceForm<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// The URL that the form is posted to.
    pub action: &'a str,
    /// The interaction token, which the form posts back.
    pub token: &'a str,
    /// The value of the field: the code of a link, the previous input, or empty.
    pub user_code: &'a str,
    pub account_url: &'a str,
    /// The notice above the form.
    pub notice: Option<CodeNotice>,
}

/// A notice on the page for a code, which also determines the status of the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeNotice {
    /// The browser did not send the cookie that the form was shown with. 400.
    CookiesNeeded,
    /// The form has expired, or its interaction token is not valid. 400.
    FormExpired,
    /// What was typed is not a code. 400.
    NotACode,
    /// Too many wrong codes were typed. 429.
    TooManyCodes {
        /// The pause in seconds.
        wait: u32,
        /// Whether a user who signs in need not wait.
        may_sign_in: bool,
    },
    /// No device that waits has the code. 403.
    WrongCode,
}

impl CodeNotice {
    /// Returns the error code, for the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::CookiesNeeded | Self::FormExpired | Self::NotACode => "invalid_request",
            Self::TooManyCodes { .. } => "too_many_attempts",
            Self::WrongCode => "wrong_user_code",
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::CookiesNeeded | Self::FormExpired | Self::NotACode => 400,
            Self::TooManyCodes { .. } => 429,
            Self::WrongCode => 403,
        }
    }

    fn words(self, texts: &Texts) -> String {
        match self {
            Self::CookiesNeeded => texts.cookies_needed.to_owned(),
            Self::FormExpired => texts.form_expired.to_owned(),
            Self::NotACode => texts.not_a_code.to_owned(),
            Self::TooManyCodes { wait, .. } => texts.too_many_attempts.with(&texts.duration(wait)),
            Self::WrongCode => texts.wrong_code.to_owned(),
        }
    }

    fn may_sign_in(self) -> bool {
        matches!(self, Self::TooManyCodes { may_sign_in: true, .. })
    }
}

impl DeviceForm<'_> {
    fn title(&self) -> String {
        match self.notice {
            Some(_) => self.texts.error_title.with(self.texts.connect_device),
            None => self.texts.connect_device.to_owned(),
        }
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        let policy = Policy { forms: Forms::Here, ..Policy::of(self.brand) };
        let status = self.notice.map_or(200, CodeNotice::status);
        let response = respond_privately(self, self.texts, status, &policy);
        match self.notice {
            Some(CodeNotice::TooManyCodes { wait, .. }) => {
                response.with("retry-after", wait.to_string())
            }
            _ => response,
        }
    }
}

/// The page after the user has decided.
#[derive(Template)]
#[template(path = "device_decided.html")]
pub struct DeviceDecided<'a> {
    pub brand: Brand<'a>,
    /// The texts of the user's language.
    pub texts: &'static Texts,
    pub is_allowed: bool,
}

impl DeviceDecided<'_> {
    fn heading(&self) -> &'static str {
        if self.is_allowed { self.texts.device_allowed } else { self.texts.device_denied }
    }

    fn lead(&self) -> &'static str {
        if self.is_allowed { self.texts.device_goes_on } else { self.texts.device_has_no_access }
    }

    /// How the access ends.
    fn end(&self) -> Option<&'static str> {
        self.is_allowed.then_some(self.texts.device_signs_out)
    }

    /// Renders the page as a response.
    pub fn response(&self) -> Response {
        respond_privately(self, self.texts, 200, &Policy::of(self.brand))
    }
}

/// A device that requests access, on the consent page.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    pub device: &'a RequestingDevice,
    /// The network of the browser that shows the page.
    pub browser_network: &'a str,
    /// Its country.
    pub browser_country: Option<&'a str>,
    /// Now, in Unix seconds.
    pub now: i64,
}

impl Device<'_> {
    /// How long ago the request was sent.
    pub(super) fn age(&self, texts: &Texts) -> String {
        let seconds = self.now - self.device.request.requested_at;
        texts.ago.with(&texts.duration(u32::try_from(seconds).unwrap_or_default().max(1)))
    }

    /// The warning that the browser is somewhere else, if it is known to be. There is no reassurance if it is not: many
    /// sites and people share a network, and anybody can rent a server in one.
    pub(super) fn warning(&self, texts: &Texts) -> Option<&'static str> {
        let DeviceRequest { network, country, .. } = &self.device.request;
        let differs = |country: &str| self.browser_country.is_some_and(|own| own != country);
        if country.as_deref().is_some_and(differs) {
            return Some(texts.other_country);
        }
        // A site can have a network of each kind, and an unknown one is of neither.
        let is_of = |mark| network.contains(mark) && self.browser_network.contains(mark);
        let is_comparable = is_of('.') || is_of(':');
        (is_comparable && network != self.browser_network).then_some(texts.other_network)
    }
}
