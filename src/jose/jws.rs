//! JWS compact serialization (RFC 7515): a strict parser, and a serializer.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::json::parse_object;
use crate::jose::jwk::PrivateKey;

/// A well-formed compact JWS. Its signature has not been verified.
#[derive(Debug)]
pub struct Jws<'a> {
    pub header: Map<String, Value>,
    pub payload: Map<String, Value>,
    /// The decoded signature.
    pub signature: Vec<u8>,
    /// The signed text: the encoded header and payload, unchanged.
    pub signing_input: &'a str,
}

/// Why a text is not a well-formed compact JWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwsError {
    /// The header is not a JSON object with unique names.
    Header,
    /// A part is not canonical unpadded base64url.
    NotBase64url,
    /// The text does not have three parts.
    NotThreeParts,
    /// The payload is not a JSON object with unique names.
    Payload,
}

impl JwsError {
    /// Returns the reason, for an error description.
    pub fn description(self) -> &'static str {
        match self {
            Self::Header => "the header must be a JSON object without duplicate names",
            Self::NotBase64url => "each part must be canonical base64url without padding",
            Self::NotThreeParts => "must have three parts",
            Self::Payload => "the payload must be a JSON object without duplicate names",
        }
    }
}

impl<'a> Jws<'a> {
    /// Parses a compact serialization (RFC 7515 section 5.2, steps 1 to 7). The token must have three parts, each of
    /// them canonical unpadded base64url. Header and payload must be JSON objects with unique names.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        let parts = token.rsplit_once('.');
        let (signing_input, signature) = parts.ok_or(JwsError::NotThreeParts)?;
        let parts = signing_input.split_once('.');
        let (header, payload) = parts.ok_or(JwsError::NotThreeParts)?;
        if payload.contains('.') {
            return Err(JwsError::NotThreeParts);
        }
        let header = decode(header)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        let header = parse_object(&header).map_err(|_| JwsError::Header)?;
        let payload = parse_object(&payload).map_err(|_| JwsError::Payload)?;
        Ok(Self { header, payload, signature, signing_input })
    }

    /// Drops header and payload, and returns the signature and the signing input. Moving the two fields out by a
    /// pattern would keep the others in memory until the end of the block, and so while the signature is verified.
    pub fn into_signed(self) -> (Vec<u8>, &'a str) {
        (self.signature, self.signing_input)
    }

    /// Returns a header parameter, if it is a string.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }
}

/// Decodes base64url as RFC 7515 section 2 defines it: without padding and white space. Trailing bits must be zero, so
/// that no two texts are the same token.
fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| JwsError::NotBase64url)
}

/// The header of a JWS that the provider signs.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

/// Returns the text to sign: the encoded header and the encoded `claims`. Fails if the claims cannot be serialized.
pub fn signing_input(
    key: &PrivateKey,
    typ: &str,
    claims: &impl Serialize,
) -> serde_json::Result<String> {
    let header = Header { alg: key.alg().name(), kid: key.kid(), typ };
    Ok(format!("{}.{}", encode(&header)?, encode(claims)?))
}

/// Returns the compact serialization of a signing input and its signature.
pub fn serialize(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", Base64UrlUnpadded::encode_string(signature))
}

fn encode(part: &impl Serialize) -> serde_json::Result<String> {
    Ok(Base64UrlUnpadded::encode_string(&serde_json::to_vec(part)?))
}

#[cfg(test)]
mod tests {
    use super::Jws;

    #[test]
    fn a_malformed_token_is_rejected_with_the_reason() {
        for (token, complaint) in [
            ("", "three parts"),
            ("e30", "three parts"),
            ("e30.e30", "three parts"),
            ("e30.e30.e30.e30", "three parts"),
            ("e30.e30.e30.e30.e30", "three parts"),
            ("e30=.e30.AA", "base64url"),
            ("e31.e30.AA", "base64url"),
            ("e30.e30.AB", "base64url"),
            ("e30.e30.A", "base64url"),
            ("e30.e30.AA\n", "base64url"),
            ("e30.e30.+/+/", "base64url"),
            (".e30.AA", "header"),
            ("W10.e30.AA", "header"),
            ("e30..AA", "payload"),
            ("e30.bnVsbA.AA", "payload"),
        ] {
            let description = Jws::parse(token).unwrap_err().description();
            assert!(description.contains(complaint), "{token}: {description}");
        }
        let jws = Jws::parse("e30.e30.").unwrap();
        assert_eq!((jws.signing_input, jws.signature.len()), ("e30.e30", 0));
    }
}
