//! The one reader of bodies.

use crate::http::{self, Request};
use crate::protocol::params::{FORM, Malformed, Params, is_media_type};

/// The most that is read of a body. [`limit!`] makes both fields of one number.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The most bytes.
    pub bytes: usize,
    /// The description for a body that has more.
    pub exceeded: &'static str,
}

/// A [`Limit`] of so many bytes.
macro_rules! limit {
    ($bytes:literal) => {
        $crate::endpoint::support::body::Limit {
            bytes: $bytes,
            exceeded: concat!("the body is larger than ", $bytes, " bytes"),
        }
    };
}
pub(crate) use limit;

/// Why a body is refused.
#[derive(Clone, Copy, Debug)]
pub enum BodyError {
    /// The peer went away.
    Interrupted,
    /// Its parameters cannot be read.
    Malformed(Malformed),
    /// It is no form.
    NotForm,
    /// It is larger than this limit.
    TooLarge(Limit),
}

impl BodyError {
    /// What was wrong, for the peer.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Interrupted => "the body could not be read",
            Self::Malformed(malformed) => malformed.description(),
            Self::NotForm => "the body must be application/x-www-form-urlencoded",
            Self::TooLarge(limit) => limit.exceeded,
        }
    }

    /// The HTTP status (RFC 9110 section 15.5) where no specification of the endpoint has another.
    pub const fn status(self) -> u16 {
        match self {
            Self::Interrupted | Self::Malformed(_) => 400,
            Self::NotForm => 415,
            Self::TooLarge(_) => 413,
        }
    }
}

/// Whether the body of a request has a media type, whatever its parameters are.
pub fn has_media_type(request: &impl Request, media_type: &str) -> bool {
    request.header("content-type").is_some_and(|text| is_media_type(&text, media_type))
}

/// Reads a body.
///
/// # Errors
/// [`BodyError::Interrupted`] and [`BodyError::TooLarge`].
pub async fn read(request: &impl Request, limit: Limit) -> Result<Vec<u8>, BodyError> {
    request.body(limit.bytes).await.map_err(|error| match error {
        http::BodyError::Interrupted => BodyError::Interrupted,
        http::BodyError::TooLarge => BodyError::TooLarge(limit),
    })
}

/// Reads the parameters of a form that are in one of the lists `known`. Those in the URL do not count (RFC 6749
/// section 3.2).
///
/// # Errors
/// [`BodyError`].
pub async fn read_form(
    request: &impl Request,
    limit: Limit,
    known: &[&[&'static str]],
) -> Result<Params, BodyError> {
    if !has_media_type(request, FORM) {
        return Err(BodyError::NotForm);
    }
    Params::parse(&read(request, limit).await?, known).map_err(BodyError::Malformed)
}
