//! Client metadata documents, and the logos of clients.
//!
//! Input: the client identifier; the document.
#![no_main]

use base64ct::{Base64, Encoding};
use fuzz::{Parts, config};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::jose::json::{from_own, parse_object};
use postern::protocol::client::client_document::parse;
use postern::protocol::client::client_id_url::ClientIdUrl;
use postern::protocol::client::logo::to_data_url;
use postern::protocol::client::metadata::{
    AuthMethod, ClientMetadata, GrantType, Registrable, SubjectType,
};

thread_local! {
    static CONFIG: Config = config();
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let client_id = parts.text();
    let text = String::from_utf8_lossy(parts.rest());
    CONFIG.with(|config| {
        let registrable =
            Registrable { client_credentials: false, implicit: false, ..config.registrable() };
        let Ok(document) = parse(&client_id, &text, registrable) else { return };
        let metadata = document.metadata;
        let fields = parse_object(text.as_bytes()).expect("an object");
        assert_eq!(fields["client_id"], *client_id);
        // No secret is shared with everybody, and nobody vouches for the client.
        let method = metadata.token_endpoint_auth_method;
        assert!(
            matches!(method, AuthMethod::None | AuthMethod::PrivateKeyJwt)
                && !metadata.has_secret()
        );
        assert_eq!(metadata.is_confidential(), method == AuthMethod::PrivateKeyJwt);
        assert!(
            method == AuthMethod::None || metadata.jwks.is_some() || metadata.jwks_uri.is_some()
        );
        assert!(!metadata.grant_types.contains(&GrantType::ClientCredentials));
        assert!(!metadata.has_implicit() && metadata.insecure_redirect_hosts.is_empty());
        assert!(
            metadata.subject_type == SubjectType::Public
                || metadata.sector_identifier_uri.is_none()
        );
        assert!(document.warnings.iter().all(|warning| !warning.to_string().is_empty()));

        // The copy of the document is read as what was copied.
        let stored = serde_json::to_string(&metadata).expect("a row");
        assert!(stored.len() <= 32_768);
        assert_eq!(from_own::<ClientMetadata>(&stored).ok().as_ref(), Some(&metadata));
        // A document that is found under its URL can be parsed as that of no other URL.
        if ClientIdUrl::parse(&client_id, config.client_id_rules()).is_ok() {
            let other = format!("{client_id}x");
            assert!(parse(&other, &text, registrable).is_err());
        }
    });
    // A logo is one of four formats, and no document with scripts.
    let base64 = Base64::encode_string(input);
    if let Some(url) = to_data_url(&base64) {
        let (media_type, data) = url.split_once(";base64,").expect("base64");
        let types = ["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"];
        assert!(types.contains(&media_type) && data == base64);
    }
    if let Some(url) = to_data_url(&client_id) {
        assert!(url.bytes().all(|b| b.is_ascii_alphanumeric() || b":/;,+=".contains(&b)));
    }
});
