//! Members of client metadata that are known and not supported. Unknown ones are ignored (RFC 7591 section 2);
//! a client that asks for one of these, and is not told, would expect more protection than it gets.

use crate::protocol::json_object::Members;

/// What must not be asked for at all.
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

/// What is in force only by being off.
const OFF: [&str; 2] = ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"];

/// Refuses a document that asks for something of this. What is left out by being off is taken out.
///
/// # Errors
/// Which member is not supported.
pub fn refuse(members: &mut Members) -> Result<(), String> {
    if let Some(name) = UNSUPPORTED.iter().find(|name| members.has(name)) {
        return Err(format!("{name} is not supported"));
    }
    for name in OFF {
        if members.boolean(name)? == Some(true) {
            return Err(format!("{name} is not supported"));
        }
    }
    Ok(())
}
