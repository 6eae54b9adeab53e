//! Functions of the endpoints for users: reading forms and choosing the language.

use super::body::{BodyError, Limit, limit, read_form};
use crate::error::PageError;
use crate::http::Request;
use crate::pages::Texts;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::params::Params;

/// A field of one of the provider's forms: its name, and the largest length of its value in bytes.
pub type Field = (&'static str, usize);

/// The field with the query of the authorization request, limited because the platform accepts no longer URLs.
pub const REQUEST: Field = ("request", 16_384);

/// The field with the interaction token.
pub const TOKEN: Field = ("token", 64);

/// The largest request of a client's by POST: an ID token as hint, and the other parameters.
const CLIENT_REQUEST_LIMIT: Limit = limit!(65_536);

/// Reads the fields of one of the provider's forms.
pub async fn fields<const N: usize>(
    request: &impl Request,
    fields: [Field; N],
) -> Result<Params, PageError> {
    // Browsers may percent-encode each byte, in three.
    let bytes = fields.iter().map(|(name, limit)| name.len() + 2 + 3 * limit).sum();
    let limit = Limit { bytes, exceeded: UNKNOWN_FORM };
    let params = read_form(request, limit, &[&fields.map(|(name, _)| name)]).await;
    let params = params.map_err(|error| match error {
        BodyError::TooLarge(_) => {
            PageError { status: error.status(), ..PageError::start_again(UNKNOWN_FORM) }
        }
        error => refused(error),
    })?;
    let is_too_long = |(name, limit): &&Field| params.all(name).any(|value| value.len() > *limit);
    if let Some((name, limit)) = fields.iter().find(is_too_long) {
        return Err(PageError::start_again(format!("{name}: longer than {limit} bytes")));
    }
    Ok(params)
}

const UNKNOWN_FORM: &str = "the form is not a form of this provider";

/// Reads the parameters of an authorization request by POST.
pub async fn authorization_request(request: &impl Request) -> Result<Params, PageError> {
    read_form(request, CLIENT_REQUEST_LIMIT, &[&PARAMETERS]).await.map_err(refused)
}

/// Reads the parameters of a logout request by POST.
pub async fn logout_request(
    request: &impl Request,
    known: &[&'static str],
) -> Result<Params, PageError> {
    read_form(request, CLIENT_REQUEST_LIMIT, &[known]).await.map_err(refused)
}

fn refused(error: BodyError) -> PageError {
    match error {
        BodyError::Interrupted | BodyError::TooSlow => {
            PageError { status: error.status(), ..PageError::start_again(error.description()) }
        }
        BodyError::Malformed(_) | BodyError::NotForm | BodyError::TooLarge(_) => {
            let page = PageError::application_fault(error.description());
            PageError { status: error.status(), ..page }
        }
    }
}

/// Removes and returns a field of one of the provider's forms. An absent field is empty.
pub fn field(params: &mut Params, name: &str) -> Result<String, PageError> {
    Ok(params.extract(name).map_err(PageError::start_again)?.unwrap_or_default())
}

/// Removes and returns the authorization request of one of the provider's forms. It becomes a query in a redirect, so
/// it must consist of characters of a URL.
pub fn request(params: &mut Params) -> Result<String, PageError> {
    let query = field(params, REQUEST.0)?;
    if query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        Ok(query)
    } else {
        Err(PageError::start_again(UNKNOWN_FORM))
    }
}

/// Chooses the user's language by the request's `ui_locales`, then by `Accept-Language`.
pub fn texts(request: &impl Request, params: &Params) -> &'static Texts {
    let ui_locales = params.once("ui_locales").ok().flatten();
    Texts::choose(ui_locales, request.header("accept-language").as_deref())
}
