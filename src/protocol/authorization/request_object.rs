//! Request objects: the parameters of an authorization request in a JWT that the client has signed (RFC 9101, OpenID
//! Connect Core section 6).

use serde_json::Value;

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request;
use crate::protocol::client::jwt::{ClientJwt, ClientJwtError, ClientSignature};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::params::Params;

/// The largest one that is looked into, in bytes.
pub const SIZE_LIMIT: usize = 16_384;

/// The error code of a request object that is not accepted (OpenID Connect Core section 3.1.2.6).
pub const INVALID_REQUEST_OBJECT: &str = "invalid_request_object";

/// A request object whose claims are right and whose signature has not been checked.
#[derive(Debug)]
pub struct RequestObject<'a> {
    /// The signature.
    pub signature: ClientSignature<'a>,
    parameters: Params,
}

/// By whom, for whom and when a request object must be.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The client that the request around it names.
    pub client_id: &'a str,
    /// Whom it is for.
    pub issuer: &'a str,
    /// By how many seconds its times may be off.
    pub leeway: i64,
    /// Now, in Unix seconds.
    pub now: i64,
}

/// Why a request object is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestObjectError {
    /// It is not signed with the algorithm that the client has registered.
    Algorithm,
    /// `aud` does not name this provider.
    Audience,
    /// `client_id` is another client, or missing.
    ClientId,
    /// `iss` is not the client.
    Issuer,
    /// It is no JWT that a client may sign, or not now.
    Jwt(ClientJwtError),
    /// It has a request object in it.
    Nested,
    /// `resource` is not a list of texts.
    Resource,
    /// The signature is wrong.
    Signature,
    /// `sub` is the client.
    Subject,
    /// It is larger than [`SIZE_LIMIT`].
    TooLarge,
}

impl RequestObjectError {
    /// What is wrong, for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::Algorithm => "the request object is not signed with the registered algorithm",
            Self::Audience => "aud of the request object is not this provider",
            Self::ClientId => "client_id of the request object is not that of the request",
            Self::Issuer => "iss of the request object is not the client",
            Self::Jwt(error) => error.description(),
            Self::Nested => "the request object has another one in it",
            Self::Resource => "resource of the request object must be a list of texts",
            Self::Signature => "the request object has a wrong signature",
            Self::Subject => "sub of the request object is the client, as in a client_assertion",
            Self::TooLarge => "the request object is larger than 16384 bytes",
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
        Self::new(INVALID_REQUEST_OBJECT, error.description())
    }
}

impl<'a> RequestObject<'a> {
    /// Takes a request object apart and checks what it says (RFC 9101 sections 4, 5 and 6.1), before any key is
    /// looked for.
    ///
    /// # Errors
    /// [`RequestObjectError`].
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, RequestObjectError> {
        if text.len() > SIZE_LIMIT {
            return Err(RequestObjectError::TooLarge);
        }

        // 1. The header. `none` is no signature.
        let ClientJwt { signature, claims } =
            ClientJwt::parse(text, ["JWT", "oauth-authz-req+jwt"])?;

        // 2. From the client that asks, and for us, as far as it says so.
        if claims.text("client_id") != Some(expected.client_id) {
            return Err(RequestObjectError::ClientId);
        }
        if claims.get("iss").is_some_and(|iss| iss != expected.client_id) {
            return Err(RequestObjectError::Issuer);
        }
        let is_for_us = match claims.get("aud") {
            None => true,
            Some(Value::Array(auds)) => auds.iter().any(|aud| aud == expected.issuer),
            Some(aud) => aud == expected.issuer,
        };
        if !is_for_us {
            return Err(RequestObjectError::Audience);
        }

        // 3. No assertion of the client's own: that was made for another use (section 10.8).
        if claims.get("sub").is_some_and(|sub| sub == expected.client_id) {
            return Err(RequestObjectError::Subject);
        }

        // 4. In its time.
        claims.check_times(expected.now, expected.leeway)?;

        // 5. The whole request, and no other object in it (section 4).
        if claims.get("request").or(claims.get("request_uri")).is_some() {
            return Err(RequestObjectError::Nested);
        }
        let mut parameters = Params::default();
        for name in authorize_request::PARAMETERS {
            match claims.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => parameters.append(name, text.as_str()),
                // RFC 8707 section 2.1: the one parameter that may repeat.
                Some(Value::Array(values)) if name == "resource" => {
                    let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                    let texts = texts.filter(|texts| !texts.is_empty() && !texts.contains(&""));
                    for text in texts.ok_or(RequestObjectError::Resource)? {
                        parameters.append(name, text);
                    }
                }
                // `max_age` is a number, `claims` an object (Core section 6.1).
                Some(other) => parameters.append(name, other.to_string()),
            }
        }
        Ok(Self { signature, parameters })
    }

    /// Whether the client signs its requests with this algorithm.
    pub fn is_as_registered(&self, client: &ClientMetadata) -> bool {
        client.request_object_signing_alg.is_none_or(|alg| alg == self.signature.alg)
    }

    /// The request's parameters.
    pub fn into_parameters(self) -> Params {
        self.parameters
    }
}
