//! Client metadata fields that are known, but not supported.
//!
//! Unknown fields are ignored (RFC 7591 section 2). These fields are refused instead, because a client that registers
//! one would rely on a protection that it does not get.

use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;

/// Fields that are refused with any value.
const UNSUPPORTED: [&str; 17] = [
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "authorization_signed_response_alg",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
    "introspection_signed_response_alg",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_email",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_uri",
    "tls_client_auth_subject_dn",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
];

/// Fields that must be false or absent.
const OFF: [&str; 2] = ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"];

/// Fails if a document has one of these fields. Removes the fields that are allowed to be false.
pub fn refuse(document: &mut JsonObject) -> Result<(), InvalidField> {
    if let Some(field) = UNSUPPORTED.into_iter().find(|field| document.contains(field)) {
        return Err(InvalidField::new(field, "not supported"));
    }
    for field in OFF {
        if document.boolean(field)? == Some(true) {
            return Err(InvalidField::new(field, "not supported: must be false or left out"));
        }
    }
    Ok(())
}
