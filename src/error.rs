//! The errors of a request: refusals caused by the peer's request, and internal faults.

use std::borrow::Cow;

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::client::metadata::NoSector;
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::description::Description;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::password::HashError;

/// Why a request failed.
#[derive(Debug)]
pub enum Error {
    /// A fault of the provider or its platform. It is logged in detail; the response says only what
    /// [`Internal::opaque`] allows.
    Internal(Internal),
    /// A request that the provider refuses. The response is the error that the endpoint's specification defines.
    Protocol(Protocol),
}

/// A refused request, by the kind of its response.
#[derive(Debug)]
pub enum Protocol {
    /// An invalid authorization request of a known client. The authorization endpoint sends the error to the redirect
    /// URI once that is validated (RFC 6749 section 4.1.2.1), and shows a page before. The PAR endpoint returns it in
    /// its response.
    Authorize(AuthorizeError),
    /// A refused bearer token (RFC 6750 section 3).
    Bearer(BearerError),
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The methods that the path has, as the `Allow` header lists them.
        allow: Cow<'static, str>,
    },
    /// No endpoint has this path.
    NotFound,
    /// An error that is shown to the user on a page.
    Page(PageError),
    /// A refused request of the operator or of a client, where no specification defines the error.
    Refused {
        status: u16,
        /// The error code for programs.
        code: &'static str,
        /// Names the field or parameter, what is wrong with it and what is allowed.
        description: String,
    },
    /// A refused registration, or change of one (RFC 7591 section 3.2.2).
    Registration(RegistrationError),
    /// A refused token request (RFC 6749 section 5.2).
    Token(TokenError),
    /// A server of the client does not answer, which is neither the caller's fault nor the provider's. The same request
    /// may succeed later.
    TryLater(Description),
}

/// The next step that an error page recommends to the user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Advice {
    /// Check the address, because there is no page at it.
    CheckAddress,
    /// Nothing, because only the operator can set the provider up.
    SetUp,
    /// Go back to the application and begin again.
    StartAgain,
    TryLater,
    /// Report the error to the application's support, because the application sent a wrong request.
    TellApplication,
}

/// An error that is shown to the user on a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PageError {
    pub status: u16,
    /// The error code, for the log and for support.
    pub code: &'static str,
    /// A description of the error, in English.
    pub description: Description,
    /// The recommended next step.
    pub advice: Advice,
}

impl PageError {
    /// An error in the request of the application that sent the user here. Status 400, `invalid_request`.
    pub fn application_fault(description: impl Into<Description>) -> Self {
        Self::new(description.into(), Advice::TellApplication)
    }

    /// An error of a request that is outdated or incomplete: beginning again helps. Status 400, `invalid_request`.
    pub fn start_again(description: impl Into<Description>) -> Self {
        Self::new(description.into(), Advice::StartAgain)
    }

    pub const fn new(description: Description, advice: Advice) -> Self {
        Self { status: 400, code: "invalid_request", description, advice }
    }
}

/// A fault of the provider, its configuration or its platform.
#[derive(Debug)]
pub enum Internal {
    /// Stored data is damaged, or the program has an error.
    Broken {
        /// The details, for the log and the operator.
        detail: String,
    },
    /// A variable or secret has a value that the provider cannot use.
    Misconfigured {
        /// The variable's name.
        variable: &'static str,
        /// The rule that the value breaks, without the value, because it may be a secret.
        reason: Cow<'static, str>,
    },
    /// A part of the platform failed. The same request may succeed later.
    Unavailable {
        /// The part, for example the name of a binding.
        what: &'static str,
        /// The platform's error.
        detail: String,
    },
}

impl Internal {
    /// The fault for a value that could not be written as JSON.
    pub fn unwritable(error: &serde_json::Error) -> Self {
        Self::Broken { detail: error.to_string() }
    }

    /// Returns what the response may disclose: the HTTP status, the error code (RFC 6749 section 4.1.2.1) and a
    /// description.
    pub const fn opaque(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Unavailable { .. } => (
                503,
                "temporarily_unavailable",
                "a part of this service is unavailable; try again later",
            ),
            Self::Broken { .. } | Self::Misconfigured { .. } => {
                (500, "server_error", "internal error; the log of this service has the details")
            }
        }
    }

    /// Returns the fault as text for the log.
    pub fn detail(&self) -> String {
        match self {
            Self::Broken { detail } => detail.clone(),
            Self::Misconfigured { variable, reason } => format!("{variable}: {reason}"),
            Self::Unavailable { what, detail } => format!("{what} is unavailable: {detail}"),
        }
    }
}

impl From<AuthorizeError> for Error {
    fn from(error: AuthorizeError) -> Self {
        Self::Protocol(Protocol::Authorize(error))
    }
}

impl From<BearerError> for Error {
    fn from(error: BearerError) -> Self {
        Self::Protocol(Protocol::Bearer(error))
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        Internal::Broken { detail: error.to_string() }.into()
    }
}

impl From<Internal> for Error {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

impl From<NoSector> for Error {
    fn from(NoSector: NoSector) -> Self {
        Internal::Broken {
            detail: "damaged row in D1: a client has subject_type pairwise and no sector".into(),
        }
        .into()
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        Self::Protocol(Protocol::Page(error))
    }
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Self {
        Self::Protocol(Protocol::Registration(error))
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        Self::Protocol(Protocol::Token(error))
    }
}

impl From<Protocol> for Error {
    fn from(error: Protocol) -> Self {
        Self::Protocol(error)
    }
}
