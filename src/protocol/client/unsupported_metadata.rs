//! Client metadata fields that are known, but not supported.
//!
//! Unknown fields are ignored (RFC 7591 section 2). A field is refused if a client that registers it would rely on a
//! protection that it does not get. A field is ignored if only another field or another authentication method
//! gives it a meaning.

use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;

/// Fields that are refused with any value.
const REFUSED: [&str; 6] = [
    "authorization_encrypted_response_alg",
    "authorization_signed_response_alg",
    "id_token_encrypted_response_alg",
    "introspection_encrypted_response_alg",
    "request_object_encryption_alg",
    "userinfo_encrypted_response_alg",
];

/// Fields that must be false or absent.
const OFF: [&str; 2] = ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"];

/// Fields that have no meaning without a field of [`REFUSED`].
const ENCODINGS: [&str; 5] = [
    "authorization_encrypted_response_enc",
    "id_token_encrypted_response_enc",
    "introspection_encrypted_response_enc",
    "request_object_encryption_enc",
    "userinfo_encrypted_response_enc",
];

/// Fields that only the operator can register. They are read before, if the operator stores the client.
const OPERATORS: [&str; 1] = ["introspection_resources"];

/// Fields of the authentication method `tls_client_auth` (RFC 8705 section 2.1.2), which is refused itself.
const TLS: [&str; 5] = [
    "tls_client_auth_san_dns",
    "tls_client_auth_san_email",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_uri",
    "tls_client_auth_subject_dn",
];

/// Fails if a document has a field that is refused. Removes the fields that have no effect, with a warning, and those
/// that are empty or allowed to be false.
pub fn refuse(document: &mut JsonObject) -> Result<(), InvalidField> {
    document.omit_empty();
    if let Some(field) = REFUSED.into_iter().find(|field| document.contains(field)) {
        return Err(InvalidField::new(field, "not supported: must be left out"));
    }
    for field in OFF {
        if document.boolean(field)? == Some(true) {
            return Err(InvalidField::new(field, "not supported: must be false or left out"));
        }
    }
    for (fields, reason) in [
        (&ENCODINGS[..], "ignored, because the algorithm of the key is not registered"),
        (&OPERATORS[..], "ignored, because only the operator can register it"),
        (&TLS[..], "ignored, because token_endpoint_auth_method is not tls_client_auth"),
    ] {
        for field in fields {
            document.discard(field, reason);
        }
    }
    Ok(())
}
