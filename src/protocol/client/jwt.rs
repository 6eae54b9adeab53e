//! JWTs signed by clients: the common part of client assertions and request objects.

use serde_json::{Map, Value};

use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::jws::Jws;
use crate::lifetimes::CLIENT_CLOCK_AHEAD_SECONDS;

/// The greatest number of seconds that is read from a fraction: above it, a `f64` does not hold every integer.
const FRACTION_LIMIT: f64 = 9_007_199_254_740_992.0;

/// The signature of a client's JWT, not verified yet.
///
/// The claims are not part of it. A caller copies the claims that it needs and drops the others before it waits for a
/// key, because a parsed payload takes many times the memory of its text.
#[derive(Debug)]
pub struct ClientSignature<'a> {
    pub alg: ClientAlgorithm,
    /// The `kid` of the header, if it has one.
    pub kid: Option<String>,
    /// The signature, decoded.
    pub signature: Vec<u8>,
    /// The signed text: header and payload as they were sent.
    pub signing_input: &'a str,
}

/// The claims of a client's JWT.
#[derive(Debug)]
pub struct ClientClaims(pub Map<String, Value>);

/// A client's JWT with a valid header. Its claims are not checked and its signature is not verified yet.
#[derive(Debug)]
pub struct ClientJwt<'a> {
    pub signature: ClientSignature<'a>,
    pub claims: ClientClaims,
}

/// The times of a client's JWT, in Unix seconds: whole ones, rounded to the shorter lifetime.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientTimes {
    /// The later one of `nbf` and `iat`, if the JWT has one of them.
    pub begin: Option<i64>,
    /// `exp`, if the JWT has it.
    pub exp: Option<i64>,
}

/// An error in a client's JWT, for any use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientJwtError {
    /// `alg` is not supported for clients.
    Algorithm,
    /// The header has `crit`.
    CriticalExtension,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is in the future.
    FromFuture,
    /// `kid` is not a string.
    KeyId,
    /// The text is not a signed JWT.
    NotSigned,
    /// `exp`, `nbf` or `iat` is not a number, or is too large.
    Time,
    /// `typ` is for another use of JWTs.
    Type,
}

impl ClientJwtError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "alg must be ES256, EdDSA, PS256 or RS256",
            Self::CriticalExtension => "crit is not supported",
            Self::Expired => "expired",
            Self::FromFuture => "iat or nbf is in the future",
            Self::KeyId => "kid must be a string",
            Self::NotSigned => "must be a signed JWT",
            Self::Time => "exp, iat and nbf must be numbers of seconds since 1970",
            Self::Type => "typ is the type of another kind of JWT",
        }
    }
}

impl<'a> ClientJwt<'a> {
    /// Parses a JWT and checks its header (RFC 8725 sections 3.1 and 3.11). `types` are the allowed values of `typ`,
    /// because a JWT for one use must not be accepted for another. A JWT without `typ` is allowed.
    pub fn parse(text: &'a str, types: [&str; 2]) -> Result<Self, ClientJwtError> {
        let jws = Jws::parse(text).map_err(|_| ClientJwtError::NotSigned)?;
        let alg = jws.header_text("alg").and_then(ClientAlgorithm::from_name);
        let alg = alg.ok_or(ClientJwtError::Algorithm)?;
        if jws.header.contains_key("crit") {
            return Err(ClientJwtError::CriticalExtension);
        }
        let is_type = |typ: &str| types.iter().any(|own| typ.eq_ignore_ascii_case(own));
        match jws.header.get("typ") {
            None => {}
            Some(typ) if typ.as_str().is_some_and(is_type) => {}
            Some(_) => return Err(ClientJwtError::Type),
        }
        let kid = match jws.header.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(ClientJwtError::KeyId)?),
        };
        let kid = kid.map(str::to_owned);
        let Jws { payload, signature, signing_input, .. } = jws;
        let signature = ClientSignature { alg, kid, signature, signing_input };
        Ok(Self { signature, claims: ClientClaims(payload) })
    }
}

impl ClientClaims {
    /// Returns a claim of any type.
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// Returns a claim, if it is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.get(claim).and_then(Value::as_str)
    }

    /// Checks `exp`, `nbf` and `iat`, each if it is present. `leeway` is the tolerance for clock differences, in
    /// seconds. Fractions of a second (RFC 7519 section 2) are rounded to the shorter lifetime: `exp` down, and the
    /// others up.
    pub fn check_times(&self, now: i64, leeway: i64) -> Result<ClientTimes, ClientJwtError> {
        let time = |claim, round: fn(f64) -> f64| match self.get(claim) {
            None => Ok(None),
            Some(time) => seconds(time, round).map(Some).ok_or(ClientJwtError::Time),
        };
        let exp = time("exp", f64::floor)?;
        if exp.is_some_and(|exp| exp.saturating_add(leeway) <= now) {
            return Err(ClientJwtError::Expired);
        }
        let begin = time("nbf", f64::ceil)?.into_iter().chain(time("iat", f64::ceil)?).max();
        if begin.is_some_and(|begin| begin > now + leeway.max(CLIENT_CLOCK_AHEAD_SECONDS)) {
            return Err(ClientJwtError::FromFuture);
        }
        Ok(ClientTimes { begin, exp })
    }
}

/// Returns a time as a whole number of seconds, if it is a number that is not too large.
fn seconds(time: &Value, round: fn(f64) -> f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "it is a whole number within the limit")]
    let rounded =
        |fraction: f64| (fraction.abs() <= FRACTION_LIMIT).then(|| round(fraction) as i64);
    time.as_i64().or_else(|| time.as_f64().and_then(rounded))
}
