//! ID tokens (OpenID Connect Core section 2).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::Value;

use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::protocol::user::claims::UserClaims;

/// The `typ` of the header. Access tokens have another one.
pub const TYP: &str = "JWT";

/// The authentication context class of a sign-in with a password.
pub const PASSWORD_ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// The authentication method of a sign-in with a password (RFC 8176 section 2).
const PASSWORD_AMR: &str = "pwd";

/// The maximum size of an `id_token_hint`, in bytes: that of the largest ID token, with 32 KiB of the user's claims and 2
/// KiB of nonce.
pub const HINT_LIMIT: usize = 51_200;

/// The claims of an ID token, without the user's claims.
#[derive(Debug, Serialize)]
pub struct IdToken<'a> {
    /// The access token of the same response, if there is one. `at_hash` is computed from it.
    #[serde(skip)]
    pub access_token: Option<&'a str>,
    pub aud: &'a str,
    /// The time of the user's last authentication, in Unix seconds.
    pub auth_time: i64,
    /// The time of expiry, in Unix seconds.
    pub exp: i64,
    /// The time of issue, in Unix seconds.
    pub iat: i64,
    pub iss: &'a str,
    /// The `nonce` of the authorization request. A refreshed ID token has none (Core section 12.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// The id of the session, for this client alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// The user's subject identifier for this client.
    pub sub: &'a str,
}

impl IdToken<'_> {
    /// Returns the claims to sign with a key for `alg`. `user_claims` are those of the user's claims that the ID token
    /// has.
    pub fn to_claims(&self, alg: Algorithm, user_claims: UserClaims) -> impl Serialize {
        Claims {
            id_token: self,
            acr: PASSWORD_ACR,
            amr: [PASSWORD_AMR],
            at_hash: self.access_token.map(|token| at_hash(alg, token)),
            user: user_claims,
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    #[serde(flatten)]
    id_token: &'a IdToken<'a>,
    acr: &'static str,
    amr: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(flatten)]
    user: UserClaims,
}

/// Returns the left half of the access token's digest. The hash function is that of the ID token's signature algorithm
/// (Core section 3.1.3.6).
fn at_hash(alg: Algorithm, access_token: &str) -> String {
    let digest = alg.digest(access_token.as_bytes());
    let digest = digest.as_ref();
    let (left_half, _) = digest.split_at(digest.len() / 2);
    Base64UrlUnpadded::encode_string(left_half)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdTokenHintError {
    /// It is another kind of token.
    NotIdToken,
    /// It is not a signed JWT.
    NotSigned,
    /// The signature is not that of the key that it names.
    Signature,
    /// It has no `sub`.
    SubjectMissing,
    /// It is larger than [`HINT_LIMIT`].
    TooLarge,
}

impl IdTokenHintError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::NotIdToken => "id_token_hint: must be an ID token",
            Self::NotSigned => "id_token_hint: must be a signed JWT",
            Self::Signature => "id_token_hint: the signature is wrong",
            Self::SubjectMissing => "id_token_hint: sub is missing",
            Self::TooLarge => "id_token_hint: longer than 51200 bytes",
        }
    }
}

/// The claims of an `id_token_hint`. An expired ID token is accepted (Core section 3.1.2.1, RP-Initiated Logout section 2).
#[derive(Debug)]
pub struct HintedIdToken {
    /// The client that received it.
    pub aud: String,
    pub iss: String,
    /// The session in which it was issued.
    pub sid: Option<String>,
    /// The user's subject identifier for the client.
    pub sub: String,
}

impl HintedIdToken {
    /// Reads the claims. The caller must verify the signature.
    pub fn from_jws(jws: &Jws<'_>) -> Result<Self, IdTokenHintError> {
        let text = |name| jws.payload.get(name).and_then(Value::as_str);
        let owned = |name| text(name).unwrap_or_default().to_owned();
        // An access token has another `typ`.
        if jws.header_text("typ") != Some(TYP) {
            return Err(IdTokenHintError::NotIdToken);
        }
        // A signed userinfo response has the same `typ`, but no `auth_time`.
        if !jws.payload.contains_key("auth_time") {
            return Err(IdTokenHintError::NotIdToken);
        }
        let sub = text("sub").ok_or(IdTokenHintError::SubjectMissing)?.to_owned();
        Ok(Self { aud: owned("aud"), iss: owned("iss"), sid: text("sid").map(str::to_owned), sub })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_digest() {
        // OpenID Connect Core, appendix A.3.
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        for alg in Algorithm::ALL {
            assert_eq!(at_hash(alg, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
        }
    }
}
