//! The reader of request bodies.

use crate::http::{self, Request};
use crate::lifetimes::BODY_SECONDS;
use crate::protocol::description::Description;
use crate::protocol::params::{FORM, Malformed, Params, is_media_type};

/// The largest body that is read. `limit!` makes both fields from one number.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub bytes: usize,
    /// The error description of a larger body.
    pub exceeded: &'static str,
}

/// Makes a [`Limit`] of this number of bytes.
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
    /// The connection ended before the body did.
    Interrupted,
    /// The parameters are malformed.
    Malformed(Malformed),
    /// The media type is not that of a form.
    NotForm,
    /// The body is larger than this limit.
    TooLarge(Limit),
    /// The body did not arrive within [`BODY_SECONDS`].
    TooSlow,
}

impl BodyError {
    /// Returns the description of the error, for the client.
    pub fn description(self) -> Description {
        Description::fixed(match self {
            Self::Interrupted => "the body did not arrive completely",
            Self::Malformed(malformed) => return malformed.description(),
            Self::NotForm => "Content-Type: must be application/x-www-form-urlencoded",
            Self::TooLarge(limit) => limit.exceeded,
            Self::TooSlow => "the body took longer than 30 seconds",
        })
    }

    /// Returns the HTTP status (RFC 9110 section 15.5) for endpoints whose specification defines none.
    pub const fn status(self) -> u16 {
        match self {
            Self::Interrupted | Self::Malformed(_) => 400,
            Self::NotForm => 415,
            Self::TooLarge(_) => 413,
            Self::TooSlow => 408,
        }
    }
}

/// Returns whether the body of a request has a media type. Parameters such as `charset` are ignored.
pub fn has_media_type(request: &impl Request, media_type: &str) -> bool {
    request.header("content-type").is_some_and(|text| is_media_type(&text, media_type))
}

/// Reads a body. One that arrives late is refused, because everything in a request is decided at the time when it began,
/// and its sender must not choose how long ago that is.
///
/// # Errors
/// [`BodyError::Interrupted`], [`BodyError::TooLarge`] and [`BodyError::TooSlow`].
pub async fn read(request: &impl Request, limit: Limit) -> Result<Vec<u8>, BodyError> {
    let body = request.body(limit.bytes).await.map_err(|error| match error {
        http::BodyError::Interrupted => BodyError::Interrupted,
        http::BodyError::TooLarge => BodyError::TooLarge(limit),
    })?;
    if request.age() > BODY_SECONDS { Err(BodyError::TooSlow) } else { Ok(body) }
}

/// Reads the form parameters whose names are in one of the lists `known`. Parameters in the URL are ignored (RFC 6749
/// section 3.2).
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
