//! What the endpoints for people share: reading a form, and choosing the language.

use super::body::{BodyError, Limit, limit, read_form};
use crate::error::PageError;
use crate::http::Request;
use crate::pages::Texts;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::params::{Malformed, Params};

/// A field of one of our own forms: its name, and the most bytes that its value may have.
pub type Field = (&'static str, usize);

/// The request that a form carries: the platform takes no longer URL.
pub const REQUEST: Field = ("request", 16_384);

/// The ticket of a form: a time and a code.
pub const TOKEN: Field = ("token", 64);

/// The largest authorization request by POST: a request object of 16 KiB, and what goes with it.
const AUTHORIZATION_REQUEST_LIMIT: Limit = limit!(24_576);

/// The fields of one of our own forms.
pub async fn fields<const N: usize>(
    request: &impl Request,
    fields: [Field; N],
) -> Result<Params, PageError> {
    // A browser writes up to three bytes for one.
    let bytes = fields.iter().map(|(name, limit)| name.len() + 2 + 3 * limit).sum();
    let limit = Limit { bytes, exceeded: NOT_OURS.description };
    let params = read_form(request, limit, &[&fields.map(|(name, _)| name)]).await;
    let params = params.map_err(|error| match error {
        BodyError::TooLarge(_) => PageError { status: error.status(), ..NOT_OURS },
        error => refused(error),
    })?;
    let is_too_long = |(name, limit): &Field| params.all(name).any(|value| value.len() > *limit);
    if fields.iter().any(is_too_long) {
        return Err(PageError::start_again("a field of the form is too long"));
    }
    Ok(params)
}

const NOT_OURS: PageError = PageError::start_again("this is not one of our forms");

/// The parameters of an authorization request by POST.
pub async fn authorization_request(request: &impl Request) -> Result<Params, PageError> {
    read_form(request, AUTHORIZATION_REQUEST_LIMIT, &[&PARAMETERS]).await.map_err(refused)
}

fn refused(error: BodyError) -> PageError {
    match error {
        BodyError::Interrupted => PageError::start_again(error.description()),
        BodyError::Malformed(_) | BodyError::NotForm | BodyError::TooLarge(_) => {
            let page = PageError::application_fault(error.description());
            PageError { status: error.status(), ..page }
        }
    }
}

/// A query that cannot be read.
pub fn malformed(malformed: Malformed) -> PageError {
    PageError::application_fault(malformed.description())
}

/// Takes a field out of one of our own forms; absent ones are empty.
pub fn field(params: &mut Params, name: &str) -> Result<String, PageError> {
    let doubled = |_| PageError::start_again("a field of the form stands twice");
    Ok(params.extract(name).map_err(doubled)?.unwrap_or_default())
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
