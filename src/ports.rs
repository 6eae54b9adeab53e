//! The ports: traits for everything that the provider needs of its platform, except time and randomness, which are in
//! [`Context`](crate::context::Context).
//!
//! `cloudflare/` implements them for D1, KV and SubtleCrypto. The native tests implement them for SQLite, a map and
//! RustCrypto. Futures need not be `Send`, because an isolate has one thread.
#![warn(missing_docs)]
#![allow(async_fn_in_trait)]

use serde::{Deserialize, Serialize};

use crate::error::Internal;
use crate::jose::client_jwk::{ClientAlgorithm, ClientKey};
use crate::jose::jwk::{PrivateKey, PublicKey};
use crate::protocol::client::cache_time::CacheHeaders;
use crate::protocol::client::outbound_url::OutboundUrl;

/// All ports together.
pub trait Platform: Cache + Crypto + Database + Fetch + RateLimit + Timer + Unicode {}

impl<T: Cache + Crypto + Database + Fetch + RateLimit + Timer + Unicode> Platform for T {}

/// A cache for published documents, readable in every location and eventually consistent.
///
/// It may lose any entry, because each can be rendered or read again. It cannot serve as a lock.
pub trait Cache {
    /// Returns the text under `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<String>, Internal>;

    /// Stores `text` under `key` for `ttl` seconds (at least 60).
    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal>;
}

/// Signatures of JWS. The key determines the algorithm.
pub trait Crypto {
    /// Generates an RSA key of 2048 bits. This takes tens of milliseconds, so only deferred tasks may call it.
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal>;

    /// Returns the JWS signature of `message`: `r || s` of 64 bytes for ES256 (RFC 7518 section 3.4), 256 bytes for
    /// RS256 (section 3.3).
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal>;

    /// Returns whether `signature` is a signature of `message` by `key`. A malformed signature is not an error.
    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal>;

    /// Verifies like [`Crypto::verify`], with a client's key and one of the algorithms that the key supports.
    async fn verify_of_client(
        &self,
        key: &ClientKey,
        alg: ClientAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal>;
}

/// Requests to URLs from client metadata.
pub trait Fetch {
    /// Gets the document at `url`. It follows no redirect. Reading stops at the limit of the size.
    async fn fetch(&self, url: &OutboundUrl, limits: &FetchLimits) -> Result<Document, FetchError>;

    /// Posts forms, all at the same time, under the rules of [`Fetch::fetch`]. Returns the responses in the order of the
    /// forms. Workers opens six connections at once, so more forms wait for each other, within their timeouts.
    async fn post(
        &self,
        forms: &[Form<'_>],
        limits: &FetchLimits,
    ) -> Vec<Result<Document, FetchError>>;
}

/// A form to post.
#[derive(Debug, Serialize)]
pub struct Form<'a> {
    /// The URL to post it to.
    pub url: &'a OutboundUrl,
    /// The fields, encoded as `application/x-www-form-urlencoded`.
    pub body: String,
}

/// The server did not answer completely and in time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchError {
    /// The platform's message, for the log.
    pub detail: String,
}

/// Limits on a document that is fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// The allowed media types, in the form of the `Accept` header.
    pub accept: &'static str,
    /// Whether media types for JSON of a known kind, such as `application/client+json`, are allowed too.
    pub accepts_json: bool,
    /// The largest size in bytes, after decompression.
    pub limit: usize,
    /// The timeout for the whole request, in milliseconds.
    pub timeout: u32,
    /// Whether the content is binary. Otherwise it must be UTF-8.
    pub is_binary: bool,
}

/// A document that was fetched.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// The status code.
    pub status: u16,
    /// The media type in lower case, without parameters.
    pub media_type: String,
    /// The content: the text itself, or binary content as base64. `None` if it is larger than the limit, or is a text
    /// that is not UTF-8.
    pub text: Option<String>,
    /// The headers for caches.
    #[serde(default)]
    pub caching: CacheHeaders,
}

/// The name of the database's binding. `what` of an [`Internal::Unavailable`] has this value if the database fails.
pub const DATABASE: &str = "DB";

/// `what` of an [`Internal::Unavailable`] while another request makes or looks for a key. No part of the platform fails
/// then, and anybody can cause it by a token with an unknown `kid`.
pub const KEY_TABLE: &str = "the key table";

/// Returns whether the database failed with this message because it is full: the message of SQLite, or that of D1 for a
/// database of its largest size.
pub fn is_full(detail: &str) -> bool {
    detail.contains("database or disk is full") || detail.contains("maximum DB size")
}

/// The database, in the SQL of SQLite. It holds all state that must not be lost.
///
/// Every failure is [`Internal::Unavailable`]. A statement that expects a conflict therefore handles it itself
/// (`ON CONFLICT DO NOTHING RETURNING …`).
pub trait Database {
    /// Runs one statement and returns its rows.
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal>;

    /// Runs statements in order on the primary, in one transaction. Returns the rows of each statement.
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Internal>;
}

/// The copy of the database that a query needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// The nearest replica, which may lag behind the primary.
    Nearest,
    /// The primary, which has every write.
    Primary,
}

/// A coarse rate limit per key and location. It is cheap and approximate.
pub trait RateLimit {
    /// Counts one use of `key`. Returns whether it is within the limit.
    async fn is_within_limit(&self, key: &str) -> Result<bool, Internal>;
}

/// A timer. No decision follows from its time: those follow from the time of the context.
pub trait Timer {
    /// Returns a time in milliseconds, to measure how long another part takes to answer. On Workers it stays the same
    /// between two answers.
    fn milliseconds(&self) -> i64;

    /// Waits. It may end early, because callers wait for something that they check afterwards.
    async fn wait(&self, milliseconds: u32);
}

/// What Unicode has tables for that are too large for the module: normalization (Unicode Standard Annex 15), and names.
pub trait Unicode {
    /// Returns a text in a normalization form.
    fn normalize(&self, text: &str, form: NormalizationForm) -> String;

    /// Returns the name of a country in a language, from Unicode's locale data (CLDR). `code` is ISO 3166-1 alpha-2.
    fn name_of_country(&self, code: &str, language: &str) -> Option<String>;
}

/// A normalization form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NormalizationForm {
    /// Canonical composition: an accented letter is one character.
    Nfc,
    /// Compatibility composition: a full-width letter is also an ordinary one.
    Nfkc,
}

/// A SQL statement with its parameters `?1`, `?2`, …
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// One statement, in the SQL that D1 and SQLite share.
    pub sql: &'static str,
    /// The parameters, in order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// Creates a statement without parameters.
    pub fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    /// Adds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        self
    }
}

/// A value in the database. Blobs are not used, because D1 returns them as arrays of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// An integer of at most 53 bits: D1 converts it to a JavaScript number.
    Integer(i64),
    /// `NULL`.
    Null,
    /// A text.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of a result. Each method reads the next column, from left to right.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// Creates a row.
    pub fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    /// Reads the next column as an integer.
    ///
    /// # Errors
    /// [`Internal::Broken`] when the column has another type or is missing: then statement and reader do not match.
    pub fn integer(&mut self) -> Result<i64, Internal> {
        match self.0.next() {
            Some(Value::Integer(number)) => Ok(number),
            other => Err(mismatch("a number", other.as_ref())),
        }
    }

    /// Reads the next column as an integer or null.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn integer_or_null(&mut self) -> Result<Option<i64>, Internal> {
        match self.0.next() {
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            other => Err(mismatch("a number or null", other.as_ref())),
        }
    }

    /// Reads the next column as a text.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn text(&mut self) -> Result<String, Internal> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(mismatch("a text", other.as_ref())),
        }
    }

    /// Reads the next column as a text or null.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn text_or_null(&mut self) -> Result<Option<String>, Internal> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            other => Err(mismatch("a text or null", other.as_ref())),
        }
    }
}

/// The error for a column of another type. It contains no value, because rows hold claims and sealed keys.
fn mismatch(expected: &str, found: Option<&Value>) -> Internal {
    let found = match found {
        Some(Value::Integer(_)) => "a number",
        Some(Value::Null) => "null",
        Some(Value::Text(_)) => "a text",
        None => "no further column",
    };
    Internal::Broken { detail: format!("damaged row in D1: expected {expected}, found {found}") }
}
