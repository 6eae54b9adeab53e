//! What the endpoints for people share: reading a form, and choosing the language.

use crate::error::PageError;
use crate::http::{BodyError, Request};
use crate::pages::Texts;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::params::{FORM, Malformed, Params, is_media_type};

/// A field of one of our own forms: its name, and the most bytes that its value may have.
pub type Field = (&'static str, usize);

/// The request that a form carries: the platform takes no longer URL.
pub const REQUEST: Field = ("request", 16_384);

/// The ticket of a form: a time and a code.
pub const TOKEN: Field = ("token", 64);

/// The largest authorization request by POST, in bytes: a request object of 16 KiB, and what goes with it.
const AUTHORIZATION_REQUEST_LIMIT: usize = 24_576;

/// The fields of one of our own forms.
pub async fn fields<const N: usize>(
    request: &impl Request,
    fields: [Field; N],
) -> Result<Params, PageError> {
    // A browser writes up to three bytes for one.
    let limit = fields.iter().map(|(name, limit)| name.len() + 2 + 3 * limit).sum();
    let params = read(request, limit, &fields.map(|(name, _)| name)).await;
    let params = params.map_err(|error| match error {
        PageError { status: 413, .. } => PageError { status: 413, ..NOT_OURS },
        error => error,
    })?;
    let is_too_long = |(name, limit): &Field| params.all(name).any(|value| value.len() > *limit);
    if fields.iter().any(is_too_long) {
        return Err(PageError::of_visit("a field of the form is too long"));
    }
    Ok(params)
}

const NOT_OURS: PageError = PageError::of_visit("this is not one of our forms");

/// The parameters of an authorization request by POST.
pub async fn authorization_request(request: &impl Request) -> Result<Params, PageError> {
    read(request, AUTHORIZATION_REQUEST_LIMIT, &PARAMETERS).await
}

async fn read(
    request: &impl Request,
    limit: usize,
    known: &[&'static str],
) -> Result<Params, PageError> {
    if !request.header("content-type").is_some_and(|text| is_media_type(&text, FORM)) {
        let description = "the body must be application/x-www-form-urlencoded";
        return Err(PageError { status: 415, ..PageError::of_application(description) });
    }
    let body = request.body(limit).await.map_err(|error| match error {
        BodyError::Interrupted => PageError::of_visit("the body could not be read"),
        BodyError::TooLarge => {
            let description = "the body is larger than 24576 bytes";
            PageError { status: 413, ..PageError::of_application(description) }
        }
    })?;
    Params::parse(&body, &[known]).map_err(malformed)
}

/// A query or a form that cannot be read.
pub fn malformed(malformed: Malformed) -> PageError {
    PageError::of_application(malformed.description())
}

/// Takes a field out of one of our own forms; absent ones are empty.
pub fn field(params: &mut Params, name: &str) -> Result<String, PageError> {
    let doubled = |_| PageError::of_visit("a field of the form stands twice");
    Ok(params.take(name).map_err(doubled)?.unwrap_or_default())
}

/// Takes out the query of the request that one of our forms carries: characters of a URL, fit for a header.
pub fn request(params: &mut Params) -> Result<String, PageError> {
    let query = field(params, REQUEST.0)?;
    if query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') { Ok(query) } else { Err(NOT_OURS) }
}

/// The language of a person: the request's choice, or the browser's.
pub fn texts(request: &impl Request, params: &Params) -> &'static Texts {
    let ui_locales = params.once("ui_locales").ok().flatten();
    Texts::choose(ui_locales, request.header("accept-language").as_deref())
}
