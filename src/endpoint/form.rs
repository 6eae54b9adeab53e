//! What the endpoints for people share: reading a form, and choosing the language.

use crate::error::PageError;
use crate::http::{BodyError, Request};
use crate::pages::Texts;
use crate::protocol::params::{FORM, Malformed, Params, is_media_type};

/// How large a form may be, and what is said of a larger one.
pub struct Limit {
    bytes: usize,
    complaint: &'static str,
}

/// One of our own forms: it carries a request that came in a URL, of which a browser writes up to three bytes for one.
const OWN_FORM: Limit = Limit { bytes: 65_536, complaint: "the body is larger than 65536 bytes" };

/// An authorization request by POST: a request object of 16 KiB, and what goes with it.
pub const AUTHORIZATION_REQUEST: Limit =
    Limit { bytes: 24_576, complaint: "the body is larger than 24576 bytes" };

/// The longest request that a form carries, in bytes: the platform takes no longer URL.
const REQUEST_LIMIT: usize = 16_384;

/// The fields of one of our own forms that are in the list `known`.
pub async fn fields(
    request: &impl Request,
    known: &'static [&'static str],
) -> Result<Params, PageError> {
    parameters(request, &OWN_FORM, known).await
}

/// The parameters of a form within this limit that are in the list `known`.
pub async fn parameters(
    request: &impl Request,
    limit: &Limit,
    known: &'static [&'static str],
) -> Result<Params, PageError> {
    if !request.header("content-type").is_some_and(|text| is_media_type(&text, FORM)) {
        let description = "the body must be application/x-www-form-urlencoded";
        return Err(PageError { status: 415, ..PageError::of_application(description) });
    }
    let body = request.body(limit.bytes).await.map_err(|error| match error {
        BodyError::Interrupted => PageError::of_visit("the body could not be read"),
        BodyError::TooLarge => {
            PageError { status: 413, ..PageError::of_application(limit.complaint) }
        }
    })?;
    Params::parse(&body, &[known]).map_err(malformed)
}

/// A query or a form that cannot be read.
pub fn malformed(malformed: Malformed) -> PageError {
    PageError::of_application(malformed.description())
}

/// A field of one of our own forms; absent ones are empty.
pub fn field<'a>(params: &'a Params, name: &str) -> Result<&'a str, PageError> {
    let doubled = |_| PageError::of_visit("a field of the form stands twice");
    Ok(params.once(name).map_err(doubled)?.unwrap_or_default())
}

/// The query of the request that one of our forms carries: characters of a URL, fit for a header.
pub fn request(params: &Params) -> Result<&str, PageError> {
    let query = field(params, "request")?;
    if query.len() <= REQUEST_LIMIT && query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        Ok(query)
    } else {
        Err(PageError::of_visit("this is not one of our forms"))
    }
}

/// The language of a person: the request's choice, or the browser's.
pub fn texts(request: &impl Request, params: &Params) -> &'static Texts {
    let ui_locales = params.once("ui_locales").ok().flatten();
    Texts::choose(ui_locales, request.header("accept-language").as_deref())
}
