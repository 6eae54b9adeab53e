//! The ports: all that the core knows of the platform it runs on, besides [`Cx`](crate::Cx).
//!
//! `cloudflare/` implements them for D1, KV and SubtleCrypto; the native tests for SQLite, a map and
//! RustCrypto. Futures need not be `Send`: an isolate has one thread.
#![allow(async_fn_in_trait)]

use serde::{Deserialize, Serialize};

use crate::error::Internal;
use crate::jose::client_jwk::{ClientAlgorithm, ClientKey};
use crate::jose::jwk::{PrivateKey, PublicKey};
use crate::protocol::client::outbound_url::OutboundUrl;

/// Everything an endpoint may need of the platform at once.
pub trait Platform: Cache + Crypto + Database + Fetch + RateLimit {}

impl<T: Cache + Crypto + Database + Fetch + RateLimit> Platform for T {}

/// Published documents, readable from everywhere, soon but not at once the same everywhere.
///
/// A publication, never a lock and never the truth: whatever it loses can be made again.
pub trait Cache {
    /// The text under `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<String>, Internal>;

    /// Puts `text` under `key`, to be forgotten after `ttl` seconds (at least 60).
    async fn put(&self, key: &str, text: &str, ttl: u32) -> Result<(), Internal>;
}

/// Signing and verifying of a JWS with the algorithm that belongs to the key.
pub trait Crypto {
    /// A new RSA key of 2048 bits. It takes tens of milliseconds: never while a request waits.
    async fn generate_rsa(&self) -> Result<PrivateKey, Internal>;

    /// The JWS signature of `message` (for ES256 `r || s`, 64 bytes, RFC 7518 section 3.4; for RS256
    /// 256 bytes, section 3.3).
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>, Internal>;

    /// Whether `signature` is a signature of `message` by the owner of `key`. Malformed signatures
    /// are wrong, not errors.
    async fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal>;

    /// The same for a client's key and one of the algorithms that it is for.
    async fn verify_of_client(
        &self,
        key: &ClientKey,
        alg: ClientAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Internal>;
}

/// What clients let us fetch of them.
pub trait Fetch {
    /// Gets the document at `url`: from there and not from where that redirects to, and no more and for no longer
    /// than is wanted.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn fetch(&self, url: &OutboundUrl, limits: &FetchLimits) -> Result<Document, FetchError>;
}

/// Why a document could not be fetched: nothing answers, or too late, or with too much.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchError {
    /// What the platform said, for the log.
    pub detail: String,
}

/// What is wanted of a document that is fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// The media types, as the `Accept` header lists them.
    pub accept: &'static str,
    /// The most bytes it may have.
    pub limit: usize,
    /// For how many milliseconds it is waited for, all in all.
    pub timeout: u32,
    /// Whether it is any bytes, or else UTF-8.
    pub is_binary: bool,
}

/// A document that was fetched.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// The status code.
    pub status: u16,
    /// The media type in lower case, without parameters.
    pub media_type: String,
    /// The content; of bytes their base64.
    pub text: String,
}

/// The name of the database's binding, by which its faults are known.
pub const DATABASE: &str = "DB";

/// The truth: a SQLite-speaking database.
///
/// Every failure is [`Internal::Unavailable`]; a statement that expects a conflict says what should
/// happen (`ON CONFLICT DO NOTHING RETURNING …`) instead of failing.
pub trait Database {
    /// Runs one statement and returns its rows.
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal>;

    /// Runs statements in order on the primary, all or none of them, and returns the rows of each.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, Internal>;
}

/// Which copy of the database may answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// The nearest replica, which may lag behind the primary.
    Nearest,
    /// The primary, which has seen every write.
    Primary,
}

/// A first, coarse limit on how often one address may try to sign in: cheap and near, and not exact.
pub trait RateLimit {
    /// Counts one more for `key`, and says whether that is within the limit.
    async fn is_within_limit(&self, key: &str) -> Result<bool, Internal>;
}

/// A SQL text with its parameters `?1`, `?2`, …
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// The text: one statement, in the SQL that D1 and SQLite share.
    pub sql: &'static str,
    /// The parameters, in order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement without parameters.
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

/// A value in the database. Blobs are not used: D1 hands them out as arrays of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number of at most 53 bits, which is what D1 carries.
    Integer(i64),
    /// SQL's null.
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

/// One row of a result, its columns taken from left to right.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// A row of these columns.
    pub fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    /// The next column as a number.
    ///
    /// # Errors
    /// [`Internal::Broken`] when it is something else: the statement and its reader disagree.
    pub fn integer(&mut self) -> Result<i64, Internal> {
        match self.0.next() {
            Some(Value::Integer(number)) => Ok(number),
            other => Err(mismatch("a number", other.as_ref())),
        }
    }

    /// The next column as a number or null.
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

    /// The next column as a text.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn text(&mut self) -> Result<String, Internal> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(mismatch("a text", other.as_ref())),
        }
    }

    /// The next column as a text or null.
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

/// Names the kind of what was found, not its content: rows hold claims and sealed keys.
fn mismatch(limits: &str, found: Option<&Value>) -> Internal {
    let found = match found {
        Some(Value::Integer(_)) => "a number",
        Some(Value::Null) => "null",
        Some(Value::Text(_)) => "a text",
        None => "no further column",
    };
    Internal::Broken { detail: format!("a database row holds {found} where {limits} was expected") }
}
