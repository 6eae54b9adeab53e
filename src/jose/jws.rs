//! JWS compact serialization (RFC 7515): taken apart strictly, and put together.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::json::parse_object;
use crate::jose::jwk::PrivateKey;

/// A compact JWS whose form is right and whose signature has not been checked.
#[derive(Debug)]
pub struct Jws<'a> {
    /// The header's members.
    pub header: Map<String, Value>,
    /// The payload's members.
    pub payload: Map<String, Value>,
    /// The decoded signature.
    pub signature: Vec<u8>,
    /// What the signature is over: the first two parts as they came.
    pub signing_input: &'a str,
}

impl<'a> Jws<'a> {
    /// Takes a compact serialization apart: three parts, each canonical unpadded base64url, header
    /// and payload JSON objects without duplicate members (RFC 7515 section 5.2, steps 1 to 7).
    ///
    /// # Errors
    /// Words for the peer on what is malformed.
    pub fn parse(token: &'a str) -> Result<Self, &'static str> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(NOT_THREE_PARTS)?;
        let (header, payload) = signing_input.split_once('.').ok_or(NOT_THREE_PARTS)?;
        if payload.contains('.') {
            return Err(NOT_THREE_PARTS);
        }
        let header = decode(header)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        let header = parse_object(&header)
            .map_err(|_| "the header is not a JSON object with unique members")?;
        let payload = parse_object(&payload)
            .map_err(|_| "the payload is not a JSON object with unique members")?;
        Ok(Self { header, payload, signature, signing_input })
    }

    /// The header's member, if it is a string.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }
}

const NOT_THREE_PARTS: &str = "the token does not have three parts";

/// RFC 7515 section 2: no padding, no white space, and no bits set that do not count, so that a
/// token has one spelling only.
fn decode(part: &str) -> Result<Vec<u8>, &'static str> {
    Base64UrlUnpadded::decode_vec(part)
        .map_err(|_| "a part of the token is not canonical unpadded base64url")
}

/// The header of what we sign.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

/// The text that is signed: the encoded header and the encoded `claims`.
///
/// # Errors
/// For claims that cannot be written as JSON.
pub fn signing_input(
    key: &PrivateKey,
    typ: &str,
    claims: &impl Serialize,
) -> serde_json::Result<String> {
    let header = Header { alg: key.alg().name(), kid: key.kid(), typ };
    Ok(format!("{}.{}", encode(&header)?, encode(claims)?))
}

/// The compact serialization of what was signed, and its signature.
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
    fn the_form_is_checked_strictly() {
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
            let error = Jws::parse(token).err().unwrap_or("accepted");
            assert!(error.contains(complaint), "{token}: {error}");
        }
        let jws = Jws::parse("e30.e30.").unwrap();
        assert_eq!((jws.signing_input, jws.signature.len()), ("e30.e30", 0));
    }
}
