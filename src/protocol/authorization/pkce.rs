//! Proof Key for Code Exchange (RFC 7636). Only the method S256 is supported: `plain` does not protect against an
//! attacker who can read the authorization request.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::description::Description;
use crate::protocol::params::{DuplicateParameter, Params};

/// A `code_challenge` of the method S256.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeChallenge(String);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PkceError {
    /// A parameter is repeated.
    Duplicate { name: &'static str },
    /// `code_challenge` is not a SHA-256 digest in base64url.
    MalformedChallenge,
    /// `code_challenge_method` is unknown.
    Method,
    /// There is a `code_challenge_method`, but no `code_challenge`.
    MethodAlone,
    /// `code_challenge_method` is `plain`, or absent, which means `plain` (section 4.3).
    Plain,
}

impl PkceError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> Description {
        Description::fixed(match self {
            Self::Duplicate { name } => return DuplicateParameter { name }.into(),
            Self::MalformedChallenge => {
                "code_challenge: must be a SHA-256 digest as base64url, 43 characters"
            }
            Self::Method => "code_challenge_method: must be S256",
            Self::MethodAlone => {
                "missing parameter: code_challenge (code_challenge_method is \
                                  present)"
            }
            Self::Plain => {
                "code_challenge_method: must be S256; plain, the default, is not \
                            supported"
            }
        })
    }
}

impl From<DuplicateParameter> for PkceError {
    fn from(DuplicateParameter { name }: DuplicateParameter) -> Self {
        Self::Duplicate { name }
    }
}

impl From<PkceError> for AuthorizeError {
    fn from(error: PkceError) -> Self {
        Self::new("invalid_request", error.description())
    }
}

impl CodeChallenge {
    /// Reads the challenge of an authorization request (section 4.3). Returns `None` if the request does not use PKCE.
    pub fn from_params(params: &Params) -> Result<Option<Self>, PkceError> {
        let challenge = params.once("code_challenge")?;
        let method = params.once("code_challenge_method")?;
        match (challenge, method) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(PkceError::MethodAlone),
            (Some(challenge), Some("S256")) => {
                Self::parse(challenge).map(Some).ok_or(PkceError::MalformedChallenge)
            }
            (Some(_), None | Some("plain")) => Err(PkceError::Plain),
            (Some(_), Some(_)) => Err(PkceError::Method),
        }
    }

    /// Parses a challenge. Returns `None` if it is not a SHA-256 digest in base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let length = Base64UrlUnpadded::decode(text, &mut digest).ok()?.len();
        (length == digest.len()).then(|| Self(text.to_owned()))
    }

    /// Returns the challenge as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the challenge is the digest of `verifier` (section 4.6).
    pub fn is_met_by(&self, verifier: &str) -> bool {
        // Section 4.1: 43 to 128 unreserved characters.
        let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let digest = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier));
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(is_unreserved)
            && bool::from(digest.as_bytes().ct_eq(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::authorization::authorize_request::PARAMETERS;

    /// The example of RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_verifier_of_the_specification_meets_its_challenge() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        for wrong in ["", CHALLENGE, VERIFIER.split_at(1).1, &format!("{VERIFIER}A")] {
            assert!(!challenge.is_met_by(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (verifier, is_right) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("~".repeat(128), true),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
            (format!("{} ", "a".repeat(43)), false),
        ] {
            let digest = Base64UrlUnpadded::encode_string(&Sha256::digest(&verifier));
            let challenge = CodeChallenge::parse(&digest).unwrap();
            assert_eq!(challenge.is_met_by(&verifier), is_right, "{verifier}");
        }
    }

    #[test]
    fn a_challenge_requires_the_method_s256() {
        for (query, is_right) in [
            (String::new(), true),
            (format!("code_challenge={CHALLENGE}&code_challenge_method=S256"), true),
            (format!("code_challenge={CHALLENGE}"), false),
            (format!("code_challenge={CHALLENGE}&code_challenge_method=plain"), false),
            (format!("code_challenge={CHALLENGE}&code_challenge_method=s256"), false),
            (format!("code_challenge={CHALLENGE}=&code_challenge_method=S256"), false),
            (
                format!("code_challenge={}&code_challenge_method=S256", CHALLENGE.split_at(1).1),
                false,
            ),
            (format!("code_challenge={CHALLENGE}A&code_challenge_method=S256"), false),
            ("code_challenge=&code_challenge_method=S256".into(), false),
            (
                format!(
                    "code_challenge={CHALLENGE}&code_challenge={CHALLENGE}&code_challenge_method=S256"
                ),
                false,
            ),
        ] {
            let params = Params::parse(query.as_bytes(), &[&PARAMETERS]).unwrap();
            assert_eq!(CodeChallenge::from_params(&params).is_ok(), is_right, "{query}");
        }
    }
}
