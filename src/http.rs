//! HTTP as the core sees it: a request that is read only where it must be, and a response as a value.
#![allow(async_fn_in_trait)]

use serde::Serialize;
use std::borrow::Cow;
use std::rc::Rc;

/// A request. Headers and body are read on demand: at the edge each read crosses from wasm to
/// JavaScript, and a refused request should cost next to nothing.
pub trait Request {
    /// The method, in capitals.
    fn method(&self) -> &str;

    /// The path of the URL, percent-encoded as it was sent.
    fn path(&self) -> &str;

    /// The query of the URL without its question mark; empty where there is none.
    fn query(&self) -> &str;

    /// A header's value without surrounding white space; several fields of one name come joined by
    /// `", "` (RFC 9110 section 5.3).
    fn header(&self, name: &str) -> Option<String>;

    /// The body, if it has at most `limit` bytes. Reads no further than that.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError>;
}

/// Why a body could not be had.
#[derive(Debug)]
pub enum BodyError {
    /// The peer went away, or the body was read before.
    Interrupted,
    /// It has more bytes than the limit.
    TooLarge,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, each name once but for `set-cookie`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; empty where the status or the method calls for none.
    pub body: Rc<str>,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Rc::from("") }
    }

    /// A JSON response.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// A JSON response of whatever can be written as JSON.
    ///
    /// # Errors
    /// For what cannot.
    pub fn json_of(status: u16, body: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::text(status, "application/json", serde_json::to_string(body)?))
    }

    /// A response with a body of the given media type.
    pub fn text(status: u16, content_type: &'static str, body: impl Into<Rc<str>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with("content-type", content_type)
    }

    /// A redirection by GET, whatever the request's method was (RFC 9110 section 15.4.4).
    pub fn see_other(location: String) -> Self {
        Self::empty(303).with("location", location)
    }

    /// The response with one more cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: String) -> Self {
        self.with("set-cookie", cookie)
    }

    /// The response with one more header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
