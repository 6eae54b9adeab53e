//! Access tokens: JWTs of RFC 9068 that name the grant to which they belong.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;

/// The `typ` of the header of userinfo's tokens. It keeps ID tokens from being accepted as access tokens (RFC 9068 section
/// 2.1).
pub const TYP: &str = "at+jwt";

/// The only algorithm that userinfo's tokens are signed with, and the default of the operator's APIs. It does not depend
/// on the client, unlike that of ID tokens.
pub const ALG: Algorithm = Algorithm::Es256;

/// The `typ` of an API's access tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccessTokenType {
    /// That of RFC 9068.
    AtJwt,
    /// That of other JWTs, ID tokens included, for resource servers that refuse another one. The API recognizes its
    /// tokens by `aud` alone.
    Jwt,
}

impl AccessTokenType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtJwt => TYP,
            Self::Jwt => "JWT",
        }
    }

    /// Returns the type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::AtJwt, Self::Jwt].into_iter().find(|typ| typ.name() == name)
    }
}

/// The claims of an access token (RFC 9068 section 2.2), without the issuer.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct AccessToken {
    /// The resource that the token is for.
    pub aud: String,
    /// The client to which the token was issued.
    pub client_id: String,
    /// The time of expiry, in Unix seconds.
    pub exp: i64,
    /// The id of the grant. The claim's name is that of Grant Management for OAuth 2.0. `None` if the token is for the
    /// client itself (RFC 6749 section 4.4): there is no user and no grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// The time of issue, in Unix seconds.
    pub iat: i64,
    /// The token's unique id.
    pub jti: String,
    /// The start of validity, in Unix seconds: the later of `iat` and `nbf`. Postern's tokens have no `nbf`.
    #[serde(skip)]
    pub nbf: i64,
    /// The granted scopes, separated by spaces.
    pub scope: String,
    /// The user's subject identifier for this client, or the client again if there is no user (RFC 9068 section 2.2).
    pub sub: String,
}

impl AccessToken {
    /// Returns the claims to sign, with the issuer.
    pub fn to_claims<'a>(&'a self, iss: &'a str) -> impl Serialize + 'a {
        Claims { iss, token: self }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(flatten)]
    token: &'a AccessToken,
}

/// The values against which an access token is checked.
#[derive(Debug)]
pub struct Expected<'a> {
    pub iss: &'a str,
    /// The resource that the token must be for.
    pub aud: &'a str,
    /// The algorithm that the resource's tokens are signed with.
    pub alg: Algorithm,
    /// The `typ` of the resource's tokens.
    pub typ: AccessTokenType,
    /// Whether a client can have a token of the resource for itself.
    pub may_be_machines: bool,
    /// The current time, in Unix seconds.
    pub now: i64,
    /// The tolerance for clock differences, in seconds.
    pub leeway: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccessTokenError {
    /// `alg` is not that of the resource.
    Algorithm,
    /// `aud` does not name the expected resource.
    Audience,
    /// The header has `crit`.
    CriticalExtension,
    /// `exp` has passed.
    Expired,
    /// `exp` is missing or not an integer.
    ExpiryMissing,
    /// `iat` or `nbf` is in the future.
    FromFuture,
    /// A required claim is missing or empty.
    Incomplete,
    /// `iat` is missing or not an integer.
    IssueTimeMissing,
    /// `iss` is not the expected issuer.
    Issuer,
    KeyIdMissing,
    /// `nbf` is not an integer.
    NotBefore,
    /// `typ` is not that of the resource.
    Type,
}

impl AccessTokenError {
    /// Returns the text of `error_description`, for userinfo. No other endpoint describes the error.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "alg must be ES256",
            Self::Audience => "aud must be the userinfo endpoint",
            Self::CriticalExtension => "crit is not supported",
            Self::Expired => "expired",
            Self::ExpiryMissing => "exp is missing, or not an integer",
            Self::FromFuture => "iat or nbf is in the future",
            Self::Incomplete => "client_id, grant_id, jti, scope or sub is missing",
            Self::IssueTimeMissing => "iat is missing, or not an integer",
            Self::Issuer => "iss must be this provider",
            Self::KeyIdMissing => "kid is missing",
            Self::NotBefore => "nbf is not an integer",
            Self::Type => "typ must be at+jwt",
        }
    }
}

/// Checks the header of a token (RFC 9068 section 4; RFC 8725 sections 3.1 and 3.11), before its key is looked up.
/// Returns the `kid`. Header parameters that refer to other keys (`jku`, `jwk`, `x5u`, `x5c`) are ignored, because only
/// the provider's own keys may sign tokens.
pub fn check_header<'a>(
    jws: &'a Jws<'_>,
    expected: &Expected<'_>,
) -> Result<&'a str, AccessTokenError> {
    // RFC 7515 section 4.1.9: `typ` is a media type, in any case, and the prefix "application/" is optional.
    let is_typ = |typ: &str| {
        let (prefix, name) = typ.split_at_checked("application/".len()).unwrap_or_default();
        let name = if prefix.eq_ignore_ascii_case("application/") { name } else { typ };
        name.eq_ignore_ascii_case(expected.typ.name())
    };
    if !jws.header_text("typ").is_some_and(is_typ) {
        return Err(AccessTokenError::Type);
    }
    if jws.header_text("alg") != Some(expected.alg.name()) {
        return Err(AccessTokenError::Algorithm);
    }
    // RFC 7515 section 4.1.11: unknown extensions must be refused. None is known, and an empty list is malformed.
    if jws.header.contains_key("crit") {
        return Err(AccessTokenError::CriticalExtension);
    }
    jws.header_text("kid").ok_or(AccessTokenError::KeyIdMissing)
}

/// Checks the times of a token that was accepted earlier. Its signature and its other claims cannot have changed since.
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

/// Checks the claims of a token (RFC 9068 section 4), in this order: `iss`, `aud`, the times, the presence of the other
/// claims. The result must not be used unless the signature is valid, too.
pub fn check_claims(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<AccessToken, AccessTokenError> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let time = |name| claims.get(name).and_then(Value::as_i64);

    if text("iss") != Some(expected.iss) {
        return Err(AccessTokenError::Issuer);
    }
    let has_audience = match claims.get("aud") {
        Some(Value::String(aud)) => aud == expected.aud,
        Some(Value::Array(auds)) => {
            auds.iter().all(Value::is_string) && auds.iter().any(|aud| aud == expected.aud)
        }
        _ => false,
    };
    if !has_audience {
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
    let token = AccessToken {
        aud: expected.aud.to_owned(),
        client_id: required("client_id").ok_or(incomplete)?,
        exp,
        grant_id: required("grant_id"),
        iat,
        jti: required("jti").ok_or(incomplete)?,
        nbf,
        scope: text("scope").map(str::to_owned).ok_or(incomplete)?,
        sub: required("sub").ok_or(incomplete)?,
    };
    let is_machines = expected.may_be_machines && token.sub == token.client_id;
    if token.grant_id.is_none() && (claims.contains_key("grant_id") || !is_machines) {
        return Err(incomplete);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_token_of_a_client_for_itself_and_for_an_api_may_be_without_a_grant() {
        for (may_be_machines, sub, grant_id, is_valid) in [
            (true, "app", None, true),
            (true, "alice", None, false),
            (false, "app", None, false),
            (false, "alice", None, false),
            (true, "app", Some(""), false),
            (true, "app", Some("g"), true),
            (true, "alice", Some("g"), true),
            (false, "alice", Some("g"), true),
        ] {
            let mut claims = json!({
                "iss": "https://login.example.com", "aud": "https://api.example.com",
                "client_id": "app", "exp": 60, "iat": 0, "jti": "j", "scope": "", "sub": sub,
            });
            if let Some(grant_id) = grant_id {
                claims["grant_id"] = grant_id.into();
            }
            let expected = Expected {
                iss: "https://login.example.com",
                aud: "https://api.example.com",
                alg: ALG,
                typ: AccessTokenType::AtJwt,
                may_be_machines,
                now: 0,
                leeway: 0,
            };
            let result = check_claims(claims.as_object().unwrap(), &expected);
            let error = (!is_valid).then_some(AccessTokenError::Incomplete);
            assert_eq!(result.err(), error, "{may_be_machines} {sub} {grant_id:?}");
        }
    }
}
