//! Client assertions: the method `private_key_jwt` (OpenID Connect Core section 9, RFC 7523 section 3).

use serde_json::Value;

use crate::lifetimes::CLIENT_ASSERTION_SECONDS;
use crate::protocol::client::jwt::{ClientJwt, ClientJwtError, ClientSignature};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::description::Description;
use crate::protocol::same_uri::is_same_uri;
use crate::protocol::token::token_error::TokenError;

/// The required value of `client_assertion_type` (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The maximum size of an assertion, in bytes.
const SIZE_LIMIT: usize = 16_384;
/// The maximum length of `jti`, in bytes.
const JTI_LIMIT: usize = 512;

/// A client assertion with valid claims. Its signature is not verified yet.
#[derive(Debug)]
pub struct ClientAssertion<'a> {
    /// The client that issued the assertion about itself.
    pub client_id: String,
    /// The time of expiry, in Unix seconds. `jti` is remembered until then.
    pub exp: i64,
    /// The assertion's unique id. It must not be used twice.
    pub jti: String,
    /// The signature, to be verified with the client's keys.
    pub signature: ClientSignature<'a>,
}

/// The values against which an assertion is checked.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The accepted values of `aud`: the issuer, and the URLs of the endpoints at which clients authenticate.
    pub audiences: &'a [&'a str],
    /// The tolerance for clock differences, in seconds.
    pub leeway: i64,
    /// The current time, in Unix seconds.
    pub now: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AssertionError {
    /// `aud` is missing, or names an audience other than this provider.
    Audience,
    /// `iss` or `sub` is missing.
    ClientMissing,
    ExpiryMissing,
    /// The header or a time is invalid.
    Jwt(ClientJwtError),
    /// `jti` is missing, empty or longer than 512 bytes.
    JwtId,
    /// The parameter `client_id` names another client.
    OtherClient,
    /// The assertion was used before.
    Replayed,
    Signature,
    /// `exp` is too far in the future.
    TooLong,
    /// The assertion is larger than 16384 bytes.
    TooLarge,
    /// `iss` and `sub` differ.
    TwoClients,
}

impl AssertionError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Audience => "aud must be this provider alone",
            Self::ClientMissing => "iss or sub is missing",
            Self::ExpiryMissing => "exp is missing",
            Self::Jwt(error) => error.description(),
            Self::JwtId => "jti must be a string of 1 to 512 bytes",
            Self::OtherClient => "sub must be the client_id of the request",
            Self::Replayed => "jti was already used",
            Self::Signature => "the signature is wrong",
            Self::TooLong => "exp must be at most an hour from now",
            Self::TooLarge => "longer than 16384 bytes",
            Self::TwoClients => "iss and sub must be the same client_id",
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
        Self::InvalidClient(Description::new(format_args!(
            "client_assertion: {}",
            error.description()
        )))
    }
}

impl<'a> ClientAssertion<'a> {
    /// Parses an assertion and checks its header and claims (RFC 7523 section 3), before a key is looked up.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, AssertionError> {
        if text.len() > SIZE_LIMIT {
            return Err(AssertionError::TooLarge);
        }

        // 1. The header.
        let ClientJwt { signature, claims } =
            ClientJwt::parse(text, ["JWT", "client-authentication+jwt"])?;

        // 2. The client, as issuer and subject.
        let (Some(iss), Some(sub)) = (claims.text("iss"), claims.text("sub")) else {
            return Err(AssertionError::ClientMissing);
        };
        if iss != sub {
            return Err(AssertionError::TwoClients);
        }

        // 3. The audience. Another audience is refused, because that party could replay the assertion here.
        let is_known = |aud: &Value| {
            let is_aud = |aud| expected.audiences.iter().any(|known| is_same_uri(known, aud));
            aud.as_str().is_some_and(is_aud)
        };
        let is_for_provider = match claims.get("aud") {
            Some(Value::Array(auds)) => !auds.is_empty() && auds.iter().all(is_known),
            Some(aud) => is_known(aud),
            None => false,
        };
        if !is_for_provider {
            return Err(AssertionError::Audience);
        }

        // 4. The times. `exp` is required and limited, because `jti` is stored until then.
        let (now, leeway) = (expected.now, expected.leeway);
        let exp = claims.check_times(now, leeway)?.exp.ok_or(AssertionError::ExpiryMissing)?;
        if exp > now + CLIENT_ASSERTION_SECONDS + leeway {
            return Err(AssertionError::TooLong);
        }

        // 5. The id, by which a replay is recognized.
        let jti = claims.text("jti").filter(|jti| (1..=JTI_LIMIT).contains(&jti.len()));
        let jti = jti.ok_or(AssertionError::JwtId)?.to_owned();
        Ok(Self { client_id: iss.to_owned(), exp, jti, signature })
    }

    /// Returns whether the assertion is signed with the algorithm that the client has registered. Without a registered
    /// one, any algorithm is allowed.
    pub fn has_registered_alg(&self, client: &ClientMetadata) -> bool {
        client.token_endpoint_auth_signing_alg.is_none_or(|alg| alg == self.signature.alg)
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use serde_json::json;

    use super::*;
    use crate::lifetimes::CLIENT_CLOCK_AHEAD_SECONDS;

    const NOW: i64 = 1_800_000_000;

    /// Returns the text up to the signature, and a claim changed.
    fn signing_input(claim: &str, value: Value) -> String {
        let mut claims = json!({
            "iss": "app", "sub": "app", "aud": "https://login.example.com", "exp": NOW + 60, "jti": "1",
        });
        claims[claim] = value;
        let encode = |part: Value| Base64UrlUnpadded::encode_string(part.to_string().as_bytes());
        format!("{}.{}.", encode(json!({ "alg": "ES256" })), encode(claims))
    }

    fn parse(text: &str, leeway: i64) -> Result<(), AssertionError> {
        let expected = Expected { audiences: &["https://login.example.com"], leeway, now: NOW };
        ClientAssertion::parse(text, &expected).map(drop)
    }

    #[test]
    fn each_time_counts_to_the_second() {
        let ahead = CLIENT_CLOCK_AHEAD_SECONDS;
        let too_long = Err(AssertionError::TooLong);
        let expired = Err(ClientJwtError::Expired.into());
        let from_future = Err(ClientJwtError::FromFuture.into());
        for (claim, time, leeway, result) in [
            ("exp", CLIENT_ASSERTION_SECONDS, 0, Ok(())),
            ("exp", CLIENT_ASSERTION_SECONDS + 1, 0, too_long),
            ("exp", CLIENT_ASSERTION_SECONDS + 30, 30, Ok(())),
            ("exp", CLIENT_ASSERTION_SECONDS + 31, 30, too_long),
            ("exp", 1, 0, Ok(())),
            ("exp", 0, 0, expired),
            ("exp", -29, 30, Ok(())),
            ("exp", -30, 30, expired),
            ("iat", ahead, 0, Ok(())),
            ("iat", ahead + 1, 0, from_future),
            ("nbf", ahead + 30, ahead + 30, Ok(())),
            ("nbf", ahead + 31, ahead + 30, from_future),
        ] {
            let text = signing_input(claim, json!(NOW + time));
            assert_eq!(parse(&text, leeway), result, "{claim} {time} {leeway}");
        }
    }

    #[test]
    fn an_assertion_and_its_id_have_a_maximum_length() {
        let text = signing_input("jti", json!("1"));
        let of_length = |length: usize| format!("{text}{}", "A".repeat(length - text.len()));
        assert_eq!(parse(&of_length(SIZE_LIMIT), 0), Ok(()));
        assert_eq!(parse(&of_length(SIZE_LIMIT + 1), 0), Err(AssertionError::TooLarge));
        for (length, result) in [
            (0, Err(AssertionError::JwtId)),
            (1, Ok(())),
            (JTI_LIMIT, Ok(())),
            (JTI_LIMIT + 1, Err(AssertionError::JwtId)),
        ] {
            let text = signing_input("jti", json!("x".repeat(length)));
            assert_eq!(parse(&text, 0), result, "{length}");
        }
    }
}
