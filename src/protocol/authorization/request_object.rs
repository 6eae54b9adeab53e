//! Request objects: the parameters of an authorization request in a JWT, signed by the client (RFC 9101, OpenID Connect
//! Core section 6).

use serde_json::Value;

use crate::lifetimes::REQUEST_OBJECT_SECONDS;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request;
use crate::protocol::client::jwt::{ClientJwt, ClientJwtError, ClientSignature, ClientTimes};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::params::Params;
use crate::protocol::same_uri::is_same_uri;

/// The maximum size of a request object, in bytes.
pub const SIZE_LIMIT: usize = 16_384;

/// The maximum number of values of `resource`, as in a query.
const RESOURCES_LIMIT: usize = 100;

/// The error code for an invalid request object (OpenID Connect Core section 3.1.2.6).
pub const INVALID_REQUEST_OBJECT: &str = "invalid_request_object";

/// A request object with valid claims. Its signature is not verified yet.
#[derive(Debug)]
pub struct RequestObject<'a> {
    /// The signature, to be verified with the client's keys.
    pub signature: ClientSignature<'a>,
    parameters: Params,
}

/// How the provider got a request object (RFC 9101 sections 5.1 and 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passing {
    /// The provider has just fetched it from a `request_uri` that the client has registered.
    ByReference,
    /// The request contains it. Anybody who has read it can send it again.
    ByValue,
}

/// The values against which a request object is checked.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The `client_id` of the request around it.
    pub client_id: &'a str,
    /// The provider's issuer identifier, which `aud` must name.
    pub issuer: &'a str,
    /// The tolerance for clock differences, in seconds.
    pub leeway: i64,
    /// The current time, in Unix seconds.
    pub now: i64,
    /// How the provider got the object.
    pub passing: Passing,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestObjectError {
    /// It is not signed with the algorithm that the client has registered.
    Algorithm,
    /// `aud` is missing or does not name this provider.
    Audience,
    /// `client_id` is missing or names another client than the request.
    ClientId,
    /// `iss` is not the client.
    Issuer,
    /// The header or a time is invalid.
    Jwt(ClientJwtError),
    /// It contains another request object.
    Nested,
    /// It has been valid for longer than [`REQUEST_OBJECT_SECONDS`].
    Old,
    /// `resource` is an empty array or has more than 100 elements, or one of them is not a string or is empty.
    Resource,
    Signature,
    /// `sub` is the client, as in a client assertion.
    Subject,
    /// It has none of `exp`, `iat` and `nbf`.
    Timeless,
    /// It is larger than [`SIZE_LIMIT`].
    TooLarge,
    /// `exp` is further ahead than [`REQUEST_OBJECT_SECONDS`], and it has neither `iat` nor `nbf`.
    TooLong,
}

impl RequestObjectError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "alg must be the registered request_object_signing_alg",
            Self::Audience => "aud is required and must be the issuer",
            Self::ClientId => "client_id must be the client_id of the request",
            Self::Issuer => "iss must be the client_id",
            Self::Jwt(error) => error.description(),
            Self::Nested => "must not have request or request_uri",
            Self::Old => "iat or nbf is more than an hour ago; sign each request anew",
            Self::Resource => "resource must be a string or an array of 1 to 100 strings",
            Self::Signature => "the signature is wrong",
            Self::Subject => "sub must not be the client_id",
            Self::Timeless => "exp is required, at most an hour from now",
            Self::TooLarge => "longer than 16384 bytes",
            Self::TooLong => "exp must be at most an hour from now if there is no iat or nbf",
        }
    }
}

impl From<ClientJwtError> for RequestObjectError {
    fn from(error: ClientJwtError) -> Self {
        Self::Jwt(error)
    }
}

impl From<RequestObjectError> for AuthorizeError {
    fn from(error: RequestObjectError) -> Self {
        Self::new(INVALID_REQUEST_OBJECT, format!("request object: {}", error.description()))
    }
}

impl<'a> RequestObject<'a> {
    /// Parses a request object and checks its header and claims (RFC 9101 sections 4, 5 and 6.1), before a key is
    /// looked up.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, RequestObjectError> {
        if text.len() > SIZE_LIMIT {
            return Err(RequestObjectError::TooLarge);
        }

        // 1. The header. The algorithm `none` is refused, because a request object must be signed.
        let ClientJwt { signature, claims } =
            ClientJwt::parse(text, ["JWT", "oauth-authz-req+jwt"])?;

        // 2. The client and the provider: `iss` is optional.
        if claims.text("client_id") != Some(expected.client_id) {
            return Err(RequestObjectError::ClientId);
        }
        if claims.get("iss").is_some_and(|iss| iss != expected.client_id) {
            return Err(RequestObjectError::Issuer);
        }
        let is_issuer =
            |aud: &Value| aud.as_str().is_some_and(|aud| is_same_uri(aud, expected.issuer));
        let is_for_provider = match claims.get("aud") {
            Some(Value::Array(auds)) => auds.iter().any(is_issuer),
            aud => aud.is_some_and(is_issuer),
        };
        if !is_for_provider {
            return Err(RequestObjectError::Audience);
        }

        // 3. A client assertion must not be accepted as a request object (section 10.8). Its `sub` is the client.
        if claims.get("sub").is_some_and(|sub| sub == expected.client_id) {
            return Err(RequestObjectError::Subject);
        }

        // 4. The times. An object that was fetched is as new as the fetch, because its client can change or remove it.
        let times = claims.check_times(expected.now, expected.leeway)?;
        if expected.passing == Passing::ByValue {
            check_age(times, expected)?;
        }

        // 5. The parameters. The object has all of them, and no other request object (section 4).
        if claims.get("request").or(claims.get("request_uri")).is_some() {
            return Err(RequestObjectError::Nested);
        }
        let mut parameters = Params::default();
        for name in authorize_request::PARAMETERS {
            match claims.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => parameters.append(name, text.as_str()),
                // RFC 8707 section 2.1: `resource` is the only parameter that may be repeated.
                Some(Value::Array(values)) if name == "resource" => {
                    let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                    let is_valid = |texts: &Vec<_>| {
                        (1..=RESOURCES_LIMIT).contains(&texts.len()) && !texts.contains(&"")
                    };
                    let texts = texts.filter(is_valid);
                    for text in texts.ok_or(RequestObjectError::Resource)? {
                        parameters.append(name, text);
                    }
                }
                // `max_age` is a number and `claims` an object (Core section 6.1).
                Some(other) => parameters.append(name, other.to_string()),
            }
        }
        Ok(Self { signature, parameters })
    }

    /// Returns whether the object is signed with the algorithm that the client has registered. Without a registered
    /// one, any algorithm is allowed.
    pub fn has_registered_alg(&self, client: &ClientMetadata) -> bool {
        client.request_object_signing_alg.is_none_or(|alg| alg == self.signature.alg)
    }

    pub fn into_parameters(self) -> Params {
        self.parameters
    }
}

/// Checks that an object is valid for [`REQUEST_OBJECT_SECONDS`] at most.
fn check_age(times: ClientTimes, expected: &Expected<'_>) -> Result<(), RequestObjectError> {
    let longest = REQUEST_OBJECT_SECONDS + expected.leeway;
    match times {
        ClientTimes { begin: Some(begin), .. } if begin.saturating_add(longest) <= expected.now => {
            Err(RequestObjectError::Old)
        }
        ClientTimes { begin: None, exp: None } => Err(RequestObjectError::Timeless),
        ClientTimes { begin: None, exp: Some(exp) } if exp > expected.now + longest => {
            Err(RequestObjectError::TooLong)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const EXPECTED: Expected<'_> = Expected {
        client_id: "app",
        issuer: "https://login.example.com",
        leeway: 5,
        now: NOW,
        passing: Passing::ByValue,
    };

    /// A request object with one more claim and without a signature.
    fn object(name: &str, value: Value) -> String {
        let mut claims = json!({ "client_id": "app", "aud": EXPECTED.issuer, "iat": NOW });
        claims[name] = value;
        let encode = |part: Value| Base64UrlUnpadded::encode_string(part.to_string().as_bytes());
        format!("{}.{}.", encode(json!({ "alg": "ES256" })), encode(claims))
    }

    #[test]
    fn a_request_object_has_at_most_16384_bytes() {
        let unsigned = object("nonce", "n".into());
        let of_length = |length| unsigned.clone() + &"A".repeat(length - unsigned.len());
        assert!(RequestObject::parse(&of_length(SIZE_LIMIT), &EXPECTED).is_ok());
        let error = RequestObject::parse(&of_length(SIZE_LIMIT + 1), &EXPECTED).unwrap_err();
        assert_eq!(error, RequestObjectError::TooLarge);
    }

    #[test]
    fn an_array_is_a_list_of_values_for_resource_only() {
        for name in authorize_request::PARAMETERS {
            // These must be strings, or must be absent.
            if ["client_id", "request", "request_uri"].contains(&name) {
                continue;
            }
            let text = object(name, json!(["a", "b"]));
            let parameters = RequestObject::parse(&text, &EXPECTED).unwrap().into_parameters();
            let values: Vec<_> = parameters.all(name).collect();
            let is_list = name == "resource";
            let expected = if is_list { &["a", "b"][..] } else { &[r#"["a","b"]"#] };
            assert_eq!(values, expected, "{name}");
        }
    }
}
