//! Client assertions: the method `private_key_jwt` (OpenID Connect Core section 9, RFC 7523 section 3).

use serde_json::Value;

use crate::lifetimes::CLIENT_ASSERTION_SECONDS;
use crate::protocol::client::jwt::{ClientJwt, ClientJwtError, ClientSignature};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::token::token_error::TokenError;

/// What `client_assertion_type` must be (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The largest assertion that is looked into, in bytes.
const SIZE_LIMIT: usize = 16_384;
/// The longest `jti`, in bytes.
const JTI_LIMIT: usize = 512;

/// An assertion whose claims are right and whose signature has not been checked.
#[derive(Debug)]
pub struct ClientAssertion<'a> {
    /// The client that it is about, and from.
    pub client_id: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// The signature.
    pub signature: ClientSignature<'a>,
}

/// Whom and when an assertion must be for.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Every name that we answer to here: the issuer, and the endpoints that clients authenticate at.
    pub audiences: &'a [&'a str],
    /// By how many seconds its times may be off.
    pub leeway: i64,
    /// Now, in Unix seconds.
    pub now: i64,
}

/// Why a client assertion is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AssertionError {
    /// `aud` names somebody else than this provider.
    Audience,
    /// `iss` or `sub` is missing.
    ClientMissing,
    /// `exp` is missing.
    ExpiryMissing,
    /// It is no JWT that a client may sign, or not now.
    Jwt(ClientJwtError),
    /// `jti` is missing, or too long.
    JwtId,
    /// The parameter `client_id` is another client.
    OtherClient,
    /// It was used before.
    Replayed,
    /// The signature is wrong.
    Signature,
    /// `exp` is too far ahead.
    TooLong,
    /// It has more than 16384 bytes.
    TooLarge,
    /// `iss` and `sub` differ.
    TwoClients,
}

impl AssertionError {
    /// What is wrong, for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::Audience => "aud of the client_assertion is not this provider alone",
            Self::ClientMissing => "client_assertion lacks iss or sub",
            Self::ExpiryMissing => "client_assertion lacks exp",
            Self::Jwt(error) => error.description(),
            Self::JwtId => "client_assertion lacks a jti of 1 to 512 bytes",
            Self::OtherClient => "client_id is not that of the client_assertion",
            Self::Replayed => "client_assertion was used before",
            Self::Signature => "client_assertion has a wrong signature",
            Self::TooLong => "client_assertion ends more than an hour from now",
            Self::TooLarge => "client_assertion is larger than 16384 bytes",
            Self::TwoClients => "iss and sub of the client_assertion are not the same client",
        }
    }
}

impl From<ClientJwtError> for AssertionError {
    fn from(error: ClientJwtError) -> Self {
        Self::Jwt(error)
    }
}

impl From<AssertionError> for TokenError {
    fn from(error: AssertionError) -> Self {
        Self::InvalidClient(error.description())
    }
}

impl<'a> ClientAssertion<'a> {
    /// Takes an assertion apart and checks what it says (RFC 7523 section 3), before any key is looked for.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, AssertionError> {
        if text.len() > SIZE_LIMIT {
            return Err(AssertionError::TooLarge);
        }

        // 1. The header.
        let ClientJwt { signature, claims } =
            ClientJwt::parse(text, ["JWT", "client-authentication+jwt"])?;

        // 2. From the client, and about it.
        let (Some(iss), Some(sub)) = (claims.text("iss"), claims.text("sub")) else {
            return Err(AssertionError::ClientMissing);
        };
        if iss != sub {
            return Err(AssertionError::TwoClients);
        }

        // 3. For us and nobody else: what others may present here, they could have been given.
        let is_ours =
            |aud: &Value| aud.as_str().is_some_and(|aud| expected.audiences.contains(&aud));
        let is_for_us = match claims.get("aud") {
            Some(Value::Array(auds)) => !auds.is_empty() && auds.iter().all(is_ours),
            Some(aud) => is_ours(aud),
            None => false,
        };
        if !is_for_us {
            return Err(AssertionError::Audience);
        }

        // 4. In its time.
        let (now, leeway) = (expected.now, expected.leeway);
        let exp = claims.check_times(now, leeway)?.ok_or(AssertionError::ExpiryMissing)?;
        if exp > now + CLIENT_ASSERTION_SECONDS + leeway {
            return Err(AssertionError::TooLong);
        }

        // 5. Told from every other.
        let jti = claims.text("jti").filter(|jti| (1..=JTI_LIMIT).contains(&jti.len()));
        let jti = jti.ok_or(AssertionError::JwtId)?.to_owned();
        Ok(Self { client_id: iss.to_owned(), exp, jti, signature })
    }

    /// Whether the client signs its assertions with this algorithm.
    pub fn is_as_registered(&self, client: &ClientMetadata) -> bool {
        client.token_endpoint_auth_signing_alg.is_none_or(|alg| alg == self.signature.alg)
    }
}
