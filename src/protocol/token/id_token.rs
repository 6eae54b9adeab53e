//! ID tokens (OpenID Connect Core section 2).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::Value;

use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::protocol::user::claims::UserClaims;

/// The media type in the header.
pub const TYP: &str = "JWT";

/// The authentication context of a password, and its method (RFC 8176).
pub const PASSWORD_ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const PASSWORD_AMR: &str = "pwd";

/// The largest hint that is looked into, in bytes.
pub const HINT_LIMIT: usize = 16_384;

/// What an ID token says, but for what the user's claims add to it.
#[derive(Debug, Serialize)]
pub struct IdToken<'a> {
    /// The access token that comes with it, if one does, for `at_hash`.
    #[serde(skip)]
    pub access_token: Option<&'a str>,
    /// The client.
    pub aud: &'a str,
    /// When the person last proved who they are, in Unix seconds.
    pub auth_time: i64,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// The issuer.
    pub iss: &'a str,
    /// The request's nonce; a refreshed token has none (Core section 12.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// The session, as this client knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// The user.
    pub sub: &'a str,
}

impl IdToken<'_> {
    /// Returns the claims to sign with a key for `alg`, with those of the user's claims that are requested for it.
    pub fn to_claims(&self, alg: Algorithm, of_user: UserClaims) -> impl Serialize {
        Claims {
            id_token: self,
            acr: PASSWORD_ACR,
            amr: [PASSWORD_AMR],
            at_hash: self.access_token.map(|token| at_hash(alg, token)),
            of_user,
        }
    }
}

/// An ID token as it is signed.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(flatten)]
    id_token: &'a IdToken<'a>,
    acr: &'static str,
    amr: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(flatten)]
    of_user: UserClaims,
}

/// Returns the left half of the digest by the hash function of the ID token's own algorithm (Core section 3.1.3.6).
fn at_hash(alg: Algorithm, access_token: &str) -> String {
    let digest = alg.digest(access_token.as_bytes());
    let digest = digest.as_ref();
    let (left_half, _) = digest.split_at(digest.len() / 2);
    Base64UrlUnpadded::encode_string(left_half)
}

/// Why an `id_token_hint` is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdTokenHintError {
    /// It was issued to another client.
    Audience,
    /// It is from another issuer.
    Issuer,
    /// It is signed with a key of somebody else.
    Key,
    /// It is another kind of token.
    NotIdToken,
    /// It is no signed JWT.
    NotSigned,
    /// Its signature is wrong.
    Signature,
    /// It has no `sub`.
    SubjectMissing,
    /// It is larger than [`HINT_LIMIT`].
    TooLarge,
}

impl IdTokenHintError {
    /// What is wrong, for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::Audience => "id_token_hint was issued to another client",
            Self::Issuer => "id_token_hint is from another issuer",
            Self::Key => "id_token_hint is not signed with a key of this provider",
            Self::NotIdToken => "id_token_hint is not an ID token",
            Self::NotSigned => "id_token_hint is not a signed JWT",
            Self::Signature => "id_token_hint has a wrong signature",
            Self::SubjectMissing => "id_token_hint names nobody",
            Self::TooLarge => "id_token_hint is larger than 16384 bytes",
        }
    }
}

/// The user that a hint names, if it is an ID token of ours for this client: its signature is verified, and
/// that it may have ended long ago does not matter (Core section 3.1.2.1).
///
/// # Errors
/// [`IdTokenHintError`].
pub fn hinted_sub<'a>(
    jws: &'a Jws<'_>,
    issuer: &str,
    client_id: &str,
) -> Result<&'a str, IdTokenHintError> {
    let text = |name| jws.payload.get(name).and_then(Value::as_str);
    // An access token is no ID token.
    if jws.header_text("typ") != Some(TYP) {
        return Err(IdTokenHintError::NotIdToken);
    }
    // Nor is what userinfo was signed as.
    if !jws.payload.contains_key("auth_time") {
        return Err(IdTokenHintError::NotIdToken);
    }
    if text("iss") != Some(issuer) {
        return Err(IdTokenHintError::Issuer);
    }
    if text("aud") != Some(client_id) {
        return Err(IdTokenHintError::Audience);
    }
    text("sub").ok_or(IdTokenHintError::SubjectMissing)
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
