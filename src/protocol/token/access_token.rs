//! Access tokens: RFC 9068 JWTs that say which grant they belong to.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;

/// The media type in the header, which keeps ID tokens from passing as access tokens (RFC 9068
/// section 2.1).
pub const TYP: &str = "at+jwt";

/// The one algorithm that access tokens are signed with, whatever ID tokens are.
pub const ALG: Algorithm = Algorithm::Es256;

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct AccessToken {
    /// The client it was issued to.
    pub client_id: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// The grant it belongs to. The name is that of Grant Management for OAuth 2.0.
    pub grant_id: String,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// Its own id.
    pub jti: String,
    /// From when on it is good, in Unix seconds: `iat`, unless it says `nbf`, which ours do not.
    #[serde(skip)]
    pub nbf: i64,
    /// The granted scopes.
    pub scope: String,
    /// The user.
    pub sub: String,
}

impl AccessToken {
    /// The claims as they are signed, for one issuer and one audience.
    pub fn to_claims<'a>(&'a self, iss: &'a str, aud: &'a str) -> impl Serialize + 'a {
        Claims { iss, aud, token: self }
    }
}

/// The claims of an access token that a client got for itself: no user, and no grant of one (RFC 9068 section 2.2).
#[derive(Debug, Serialize)]
pub struct MachineToken<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The API.
    pub aud: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// Its own id.
    pub jti: &'a str,
    /// What it may do.
    pub scope: &'a str,
    /// The client again.
    pub sub: &'a str,
}

/// An access token as it is signed.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(flatten)]
    token: &'a AccessToken,
}

/// What an access token must say to be accepted.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The resource that is asked.
    pub aud: &'a str,
    /// Now, in Unix seconds.
    pub now: i64,
    /// By how many seconds the token's times may be off.
    pub leeway: i64,
}

/// Why an access token is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccessTokenError {
    /// `alg` is not [`ALG`].
    Algorithm,
    /// `aud` is another resource.
    Audience,
    /// The header has `crit`.
    CriticalExtension,
    /// `exp` is over.
    Expired,
    /// `exp` is missing or not a time.
    ExpiryMissing,
    /// `iat` or `nbf` is not reached yet.
    FromFuture,
    /// A claim that every access token has is missing.
    Incomplete,
    /// `iat` is missing or not a time.
    IssueTimeMissing,
    /// `iss` is another issuer.
    Issuer,
    /// `kid` is missing.
    KeyIdMissing,
    /// `nbf` is not a time.
    NotBefore,
    /// `typ` is not [`TYP`].
    Type,
}

impl AccessTokenError {
    /// What is wrong, for the peer.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "the token is signed with an algorithm that is not accepted",
            Self::Audience => "the token is for another audience",
            Self::CriticalExtension => "the token has a critical extension that is not understood",
            Self::Expired => "the token has expired",
            Self::ExpiryMissing => "the token does not say when it expires",
            Self::FromFuture => "the token is from the future",
            Self::Incomplete => "the token lacks a claim that an access token has",
            Self::IssueTimeMissing => "the token does not say when it was issued",
            Self::Issuer => "the token is from another issuer",
            Self::KeyIdMissing => "the token does not name its key",
            Self::NotBefore => "the token has a wrong nbf",
            Self::Type => "the token is not an access token: typ is not at+jwt",
        }
    }
}

/// Checks the header of a token before any key is looked for (RFC 9068 section 4; RFC 8725 sections
/// 3.1 and 3.11), and returns the `kid` to look for. Header parameters that point at keys (`jku`, `jwk`,
/// `x5u`, `x5c`) are not read: keys come from our own set alone.
///
/// # Errors
/// [`AccessTokenError`].
pub fn check_header<'a>(jws: &'a Jws<'_>) -> Result<&'a str, AccessTokenError> {
    // RFC 7515 section 4.1.9: a media type, its "application/" optional, in any case.
    let is_typ =
        |typ: &str| typ.eq_ignore_ascii_case(TYP) || typ.eq_ignore_ascii_case("application/at+jwt");
    if !jws.header_text("typ").is_some_and(is_typ) {
        return Err(AccessTokenError::Type);
    }
    if jws.header_text("alg") != Some(ALG.name()) {
        return Err(AccessTokenError::Algorithm);
    }
    // RFC 7515 section 4.1.11: no extension is understood, and an empty list is malformed.
    if jws.header.contains_key("crit") {
        return Err(AccessTokenError::CriticalExtension);
    }
    jws.header_text("kid").ok_or(AccessTokenError::KeyIdMissing)
}

/// Checks the times of a token that was accepted before: all of it that changes.
///
/// # Errors
/// [`AccessTokenError`].
pub fn check_times(token: &AccessToken, expected: &Expected<'_>) -> Result<(), AccessTokenError> {
    check_exp(token.exp, expected)?;
    check_nbf(token.nbf, expected)
}

fn check_exp(exp: i64, expected: &Expected<'_>) -> Result<(), AccessTokenError> {
    let is_good = expected.now < exp.saturating_add(expected.leeway);
    is_good.then_some(()).ok_or(AccessTokenError::Expired)
}

fn check_nbf(nbf: i64, expected: &Expected<'_>) -> Result<(), AccessTokenError> {
    let is_good = nbf <= expected.now.saturating_add(expected.leeway);
    is_good.then_some(()).ok_or(AccessTokenError::FromFuture)
}

/// Checks the claims of a token, in this order: `iss`, `aud`, times, and then the presence of the rest (RFC 9068
/// section 4). The outcome counts for nothing unless the signature is right.
///
/// # Errors
/// [`AccessTokenError`].
pub fn check_claims(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<AccessToken, AccessTokenError> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let time = |name| claims.get(name).and_then(Value::as_i64);

    if text("iss") != Some(expected.iss) {
        return Err(AccessTokenError::Issuer);
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(aud)) => aud == expected.aud,
        Some(Value::Array(auds)) => {
            auds.iter().all(Value::is_string) && auds.iter().any(|aud| aud == expected.aud)
        }
        _ => false,
    };
    if !is_for_us {
        return Err(AccessTokenError::Audience);
    }
    let exp = time("exp").ok_or(AccessTokenError::ExpiryMissing)?;
    check_exp(exp, expected)?;
    let iat = time("iat").ok_or(AccessTokenError::IssueTimeMissing)?;
    let nbf = match claims.get("nbf") {
        None => iat,
        Some(nbf) => nbf.as_i64().ok_or(AccessTokenError::NotBefore)?.max(iat),
    };
    check_nbf(nbf, expected)?;
    let required = |name| text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let incomplete = AccessTokenError::Incomplete;
    Ok(AccessToken {
        client_id: required("client_id").ok_or(incomplete)?,
        exp,
        grant_id: required("grant_id").ok_or(incomplete)?,
        iat,
        jti: required("jti").ok_or(incomplete)?,
        nbf,
        scope: text("scope").map(str::to_owned).ok_or(incomplete)?,
        sub: required("sub").ok_or(incomplete)?,
    })
}
