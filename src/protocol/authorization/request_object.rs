//! Request objects: the parameters of an authorization request in a JWT that the client has signed (RFC 9101, OpenID
//! Connect Core section 6).

use serde_json::Value;

use crate::protocol::authorization::authorize_request;
use crate::protocol::client::jwt::{ClientJwt, ClientSignature};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::params::Params;

/// The largest one that is looked into, in bytes.
pub const SIZE_LIMIT: usize = 16_384;

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

impl<'a> RequestObject<'a> {
    /// Takes a request object apart and checks what it says (RFC 9101 sections 4, 5 and 6.1), before any key is
    /// looked for.
    ///
    /// # Errors
    /// Words for the peer.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, &'static str> {
        if text.len() > SIZE_LIMIT {
            return Err("the request object is larger than 16384 bytes");
        }

        // 1. The header. `none` is no signature.
        let ClientJwt { signature, claims } =
            ClientJwt::parse(text, ["JWT", "oauth-authz-req+jwt"])?;

        // 2. From the client that asks, and for us, as far as it says so.
        if claims.text("client_id") != Some(expected.client_id) {
            return Err("client_id of the request object is not that of the request");
        }
        if claims.get("iss").is_some_and(|iss| iss != expected.client_id) {
            return Err("iss of the request object is not the client");
        }
        let is_for_us = match claims.get("aud") {
            None => true,
            Some(Value::Array(auds)) => auds.iter().any(|aud| aud == expected.issuer),
            Some(aud) => aud == expected.issuer,
        };
        if !is_for_us {
            return Err("aud of the request object is not this provider");
        }

        // 3. No assertion of the client's own: that was made for another use (section 10.8).
        if claims.get("sub").is_some_and(|sub| sub == expected.client_id) {
            return Err("sub of the request object is the client, as in a client_assertion");
        }

        // 4. In its time.
        claims.check_times(expected.now, expected.leeway)?;

        // 5. The whole request, and no other object in it (section 4).
        if claims.get("request").or(claims.get("request_uri")).is_some() {
            return Err("the request object has another one in it");
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
                    let texts =
                        texts.ok_or("resource of the request object must be a list of texts")?;
                    for text in texts {
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
