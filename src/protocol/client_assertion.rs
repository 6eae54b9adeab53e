//! Client assertions: the method `private_key_jwt` (OpenID Connect Core section 9, RFC 7523 section 3).

use serde_json::Value;

use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::jws::Jws;
use crate::protocol::client_metadata::ClientMetadata;

/// What `client_assertion_type` must be (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The largest assertion that is looked into, in bytes.
const SIZE_LIMIT: usize = 16_384;
/// How far ahead an assertion may end, in seconds: until then its `jti` is kept.
const LIFETIME: i64 = 3_600;
/// The longest `jti`, in bytes.
const JTI_LIMIT: usize = 512;

/// An assertion whose claims are right and whose signature has not been checked.
#[derive(Debug)]
pub struct ClientAssertion<'a> {
    /// What it is signed with.
    pub alg: ClientAlgorithm,
    /// The client that it is about, and from.
    pub client_id: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// The key that it names.
    pub kid: Option<String>,
    /// What is signed, and by what.
    pub jws: Jws<'a>,
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

impl<'a> ClientAssertion<'a> {
    /// Takes an assertion apart and checks what it says (RFC 7523 section 3), before any key is looked for.
    ///
    /// # Errors
    /// Words for the peer.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, &'static str> {
        if text.len() > SIZE_LIMIT {
            return Err("client_assertion is larger than 16384 bytes");
        }
        let jws = Jws::parse(text).map_err(|_| "client_assertion is not a signed JWT")?;

        // 1. The header (RFC 8725 sections 3.1 and 3.11).
        let alg = jws.header_text("alg").and_then(ClientAlgorithm::from_name);
        let alg = alg.ok_or("client_assertion must be signed with ES256, EdDSA, PS256 or RS256")?;
        if jws.header.contains_key("crit") {
            return Err("client_assertion has a critical extension that is not understood");
        }
        let is_typ = |typ: &str| {
            ["JWT", "client-authentication+jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own))
        };
        match jws.header.get("typ") {
            None => {}
            Some(typ) if typ.as_str().is_some_and(is_typ) => {}
            Some(_) => return Err("client_assertion is a JWT of another type"),
        }
        let kid = match jws.header.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or("client_assertion has a malformed kid")?),
        };

        // 2. From the client, and about it.
        let text = |name| jws.payload.get(name).and_then(Value::as_str);
        let (Some(iss), Some(sub)) = (text("iss"), text("sub")) else {
            return Err("client_assertion lacks iss or sub");
        };
        if iss != sub {
            return Err("iss and sub of the client_assertion are not the same client");
        }

        // 3. For us and nobody else: what others may present here, they could have been given.
        let is_ours =
            |aud: &Value| aud.as_str().is_some_and(|aud| expected.audiences.contains(&aud));
        let is_for_us = match jws.payload.get("aud") {
            Some(Value::Array(auds)) => !auds.is_empty() && auds.iter().all(is_ours),
            Some(aud) => is_ours(aud),
            None => false,
        };
        if !is_for_us {
            return Err("aud of the client_assertion is not this provider alone");
        }

        // 4. In its time.
        let time = |name| match jws.payload.get(name) {
            None => Ok(None),
            Some(time) => match time.as_i64() {
                Some(seconds) => Ok(Some(seconds)),
                None => Err("client_assertion has a time that is not a whole number"),
            },
        };
        let exp = time("exp")?.ok_or("client_assertion lacks exp")?;
        let (now, leeway) = (expected.now, expected.leeway);
        if exp.saturating_add(leeway) <= now {
            return Err("client_assertion has expired");
        }
        if exp > now + LIFETIME + leeway {
            return Err("client_assertion ends more than an hour from now");
        }
        let begin = time("nbf")?.into_iter().chain(time("iat")?).max();
        if begin.is_some_and(|begin| begin > now + leeway) {
            return Err("client_assertion is from the future");
        }

        // 5. Told from every other.
        let jti = text("jti").filter(|jti| (1..=JTI_LIMIT).contains(&jti.len()));
        let jti = jti.ok_or("client_assertion lacks a jti of 1 to 512 bytes")?.to_owned();
        let (client_id, kid) = (iss.to_owned(), kid.map(str::to_owned));
        Ok(Self { alg, client_id, exp, jti, kid, jws })
    }

    /// Whether the client signs its assertions with this algorithm.
    pub fn is_as_registered(&self, client: &ClientMetadata) -> bool {
        client.token_endpoint_auth_signing_alg.is_none_or(|alg| alg == self.alg)
    }
}
