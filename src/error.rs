//! What can go wrong, split by whose fault it is.

use std::borrow::Cow;

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::client::metadata::NoSector;
use crate::protocol::client::registration_error::RegistrationError;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::password::HashError;

/// Why a request was not answered as it asked.
#[derive(Debug)]
pub enum Error {
    /// Our fault: logged in detail, opaque outside.
    Internal(Internal),
    /// The peer's fault: answered with a specified error.
    Protocol(Protocol),
}

/// The peer's fault.
#[derive(Debug)]
pub enum Protocol {
    /// An invalid authorization request of a known client. The authorization endpoint sends it to the redirect URI once
    /// that is proven (RFC 6749 section 4.1.2.1), and shows a page before; a client that pushes is told at once.
    Authorize(AuthorizeError),
    /// A refused bearer token (RFC 6750 section 3).
    Bearer(BearerError),
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The methods it has, as the header lists them.
        allow: Cow<'static, str>,
    },
    /// Nothing is served at this path.
    NotFound,
    /// A request that a person is told about, on a page.
    Page(PageError),
    /// A request that is refused to a program of the operator's or of a client's, with a status and words for it.
    Refused {
        /// The HTTP status.
        status: u16,
        /// A short code for programs.
        code: &'static str,
        /// What was wrong, where, and what to do.
        description: String,
    },
    /// A refusal to register a client, or to change its registration (RFC 7591 section 3.2.2).
    Registration(RegistrationError),
    /// A refusal by the token endpoint (RFC 6749 section 5.2).
    Token(TokenError),
}

/// What a person can do about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Advice {
    /// Go back to the application and start again.
    StartAgain,
    /// Try again in a while.
    TryLater,
    /// Tell those who run the application, whose fault it is.
    TellApplication,
}

/// What a person is told who came here by something that is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageError {
    /// The HTTP status.
    pub status: u16,
    /// A short code for programs, and for whoever is asked for help.
    pub code: &'static str,
    /// What was wrong.
    pub description: &'static str,
    /// What the person can do.
    pub advice: Advice,
}

impl PageError {
    /// A request that no person makes: the application that sent them here is wrong.
    pub const fn application_fault(description: &'static str) -> Self {
        let advice = Advice::TellApplication;
        Self { status: 400, code: "invalid_request", description, advice }
    }

    /// A request that was good once, or came in pieces.
    pub const fn start_again(description: &'static str) -> Self {
        Self { advice: Advice::StartAgain, ..Self::application_fault(description) }
    }
}

/// Our fault, or the platform's.
#[derive(Debug)]
pub enum Internal {
    /// Stored data or our own code is not as it must be.
    Broken {
        /// What was found.
        detail: String,
    },
    /// The operator must change a variable or secret.
    Misconfigured {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it, without its value.
        reason: Cow<'static, str>,
    },
    /// The platform did not do its part; the same request may succeed later.
    Unavailable {
        /// Which part: a binding's name, for example.
        what: &'static str,
        /// What it said.
        detail: String,
    },
}

impl Internal {
    /// What of ours could not be written as JSON.
    pub fn unwritable(error: &serde_json::Error) -> Self {
        Self::Broken { detail: error.to_string() }
    }

    /// What everybody may know of it: the HTTP status, the code (RFC 6749 section 4.1.2.1), and words.
    pub const fn opaque(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Unavailable { .. } => (
                503,
                "temporarily_unavailable",
                "a part of this service does not answer; try again",
            ),
            Self::Broken { .. } | Self::Misconfigured { .. } => {
                (500, "server_error", "this service made an error, which has been logged")
            }
        }
    }

    /// The fault in words for the log.
    pub fn detail(&self) -> String {
        match self {
            Self::Broken { detail } => detail.clone(),
            Self::Misconfigured { variable, reason } => format!("{variable} {reason}"),
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
        Internal::Broken { detail: "a pairwise client in D1 has no sector".into() }.into()
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
