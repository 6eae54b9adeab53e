//! JWTs that clients sign: what an assertion and a request object have in common.

use serde_json::{Map, Value};

use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::jws::Jws;

/// The signature of a client's JWT, not checked yet.
///
/// It has none of the claims: a caller takes what it needs of them before it waits for a key, because a parsed
/// payload takes many times the memory of its text.
#[derive(Debug)]
pub struct ClientSignature<'a> {
    /// The algorithm that the header names.
    pub alg: ClientAlgorithm,
    /// The key that the header names.
    pub kid: Option<String>,
    /// The signature itself.
    pub signature: Vec<u8>,
    /// The text that is signed.
    pub signing_input: &'a str,
}

/// The claims of a client's JWT.
#[derive(Debug)]
pub struct ClientClaims(pub Map<String, Value>);

/// A JWT of a client's whose header is right and whose signature has not been checked.
#[derive(Debug)]
pub struct ClientJwt<'a> {
    /// The signature.
    pub signature: ClientSignature<'a>,
    /// The claims.
    pub claims: ClientClaims,
}

/// Why a client's JWT is not accepted, whatever it is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientJwtError {
    /// `alg` is none that clients may sign with.
    Algorithm,
    /// The header has `crit`.
    CriticalExtension,
    /// `exp` is over.
    Expired,
    /// `nbf` or `iat` is not reached yet.
    FromFuture,
    /// `kid` is not a string.
    KeyId,
    /// It is no signed JWT.
    NotSigned,
    /// `exp`, `nbf` or `iat` is not a whole number.
    Time,
    /// `typ` is that of another kind of JWT.
    Type,
}

impl ClientJwtError {
    /// What is wrong, for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "the client's JWT must be signed with ES256, EdDSA, PS256 or RS256",
            Self::CriticalExtension => {
                "the client's JWT has a critical extension that is not understood"
            }
            Self::Expired => "the client's JWT has expired",
            Self::FromFuture => "the client's JWT is from the future",
            Self::KeyId => "the client's JWT has a malformed kid",
            Self::NotSigned => "the client's JWT is not a signed JWT",
            Self::Time => "the client's JWT has a time that is not a whole number",
            Self::Type => "the client's JWT is one of another type",
        }
    }
}

impl<'a> ClientJwt<'a> {
    /// Takes a JWT apart and checks its header (RFC 8725 sections 3.1 and 3.11). `types` are the media types that it
    /// may have, where it says one: a JWT for one use must not serve as one for another.
    ///
    /// # Errors
    /// [`ClientJwtError`].
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
    /// A claim, whatever it is.
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// A claim, if it is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.get(claim).and_then(Value::as_str)
    }

    /// Checks that it has begun and not ended, as far as it says so, with `leeway` seconds to spare. Returns its
    /// `exp`.
    ///
    /// # Errors
    /// [`ClientJwtError`].
    pub fn check_times(&self, now: i64, leeway: i64) -> Result<Option<i64>, ClientJwtError> {
        let time = |claim| match self.get(claim) {
            None => Ok(None),
            Some(time) => match time.as_i64() {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(ClientJwtError::Time),
            },
        };
        let exp = time("exp")?;
        if exp.is_some_and(|exp| exp.saturating_add(leeway) <= now) {
            return Err(ClientJwtError::Expired);
        }
        let begin = time("nbf")?.into_iter().chain(time("iat")?).max();
        if begin.is_some_and(|begin| begin > now + leeway) {
            return Err(ClientJwtError::FromFuture);
        }
        Ok(exp)
    }
}
