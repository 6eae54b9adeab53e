//! Documents that register a client: `ClientMetadata`, by everybody and by the operator.
#![no_main]

use fuzz::{config, is_description, own_host};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::jose::json::from_own;
use postern::protocol::client::client_name::clean;
use postern::protocol::client::identity::{identity, registration};
use postern::protocol::client::metadata::{
    ClientMetadata, GrantType, Registrable, ResponseType, SubjectType, insecure_redirect_hosts,
    introspection_resources,
};
use postern::protocol::client::outbound_url::OutboundUrl;
use postern::protocol::client::redirect_uri::{self, RedirectUriPolicy};
use postern::protocol::client::registration_error::RegistrationError;
use postern::protocol::json_object::JsonObject;
use postern::protocol::text_forms::is_web_url;

thread_local! {
    static CONFIG: Config = config();
}

fuzz_target!(|input: &[u8]| {
    let Ok(document) = JsonObject::parse(input) else { return };
    CONFIG.with(|config| {
        let by_everybody = Registrable::by_everybody(config.outbound_rules());
        let accepted = register(document, by_everybody);
        let by_themselves = Registrable { client_credentials: false, ..config.registrable() };
        let document = || JsonObject::parse(input).expect("an object");
        // A client that may register more schemes is not refused what everybody may register. The implicit flow has
        // rules of its own, which apply once it is not left out.
        let more = register(document(), Registrable { implicit: false, ..by_themselves });
        assert!(accepted.is_none() || more.is_some());
        register(document(), by_themselves);

        let mut document = document();
        let Ok(insecure_redirect_hosts) = insecure_redirect_hosts(&mut document) else { return };
        let is_audience = |uri: &str| config.resources.find(uri).is_some();
        let Ok(introspection_resources) = introspection_resources(&mut document, is_audience)
        else {
            return;
        };
        let by_operator = Registrable {
            client_credentials: true,
            insecure_redirect_hosts: &insecure_redirect_hosts,
            introspection_resources: &introspection_resources,
            ..by_themselves
        };
        register(document, by_operator);
    });
});

fn register(mut document: JsonObject, registrable: Registrable<'_>) -> Option<ClientMetadata> {
    let metadata = match ClientMetadata::from_document(&mut document, registrable) {
        Ok(metadata) => metadata,
        Err(error) => {
            let error = RegistrationError::from(error);
            assert!(is_description(error.description().as_str()) && error.status() == 400);
            assert!(["invalid_redirect_uri", "invalid_client_metadata"].contains(&error.code()));
            return None;
        }
    };
    for warning in document.warnings() {
        assert!(!warning.to_string().is_empty());
    }
    // The limit holds for what is stored, and a row is read as what was stored.
    let stored = serde_json::to_string(&metadata).expect("a row");
    assert!(stored.len() <= 32_768);
    assert_eq!(from_own::<ClientMetadata>(&stored).ok().as_ref(), Some(&metadata));

    // The metadata of the response, sent again, registers the same (RFC 7592 section 2.2).
    let shown = serde_json::to_vec(&metadata.to_document().expect("a document")).expect("JSON");
    let mut shown = JsonObject::parse(&shown).expect("an object");
    let again = ClientMetadata::from_document(&mut shown, registrable);
    assert_eq!(again.as_ref(), Ok(&metadata));

    is_within(&metadata, registrable);
    are_urls(&metadata, registrable);
    let names = metadata.localized.iter().filter(|(field, _)| field.starts_with("client_name#"));
    for name in metadata.client_name.iter().chain(names.map(|(_, name)| name)) {
        assert!(!name.is_empty() && clean(name) == *name && name.chars().count() <= 100);
    }
    assert!(metadata.subject_type == SubjectType::Public || metadata.sector().is_ok());
    let one = identity(&metadata, metadata.redirect_uris.first().map(String::as_str));
    assert_eq!(registration(&one), registration(&identity(&metadata, None)));
    Some(metadata)
}

/// The client has what it may register and no more.
fn is_within(metadata: &ClientMetadata, registrable: Registrable<'_>) {
    let has = |grant_type| metadata.grant_types.contains(&grant_type);
    assert!(!metadata.grant_types.is_empty());
    assert!(registrable.client_credentials || !has(GrantType::ClientCredentials));
    assert!(registrable.implicit || !has(GrantType::Implicit));
    assert_eq!(metadata.has_implicit(), has(GrantType::Implicit));
    assert_eq!(
        metadata.response_types.contains(&ResponseType::Code),
        has(GrantType::AuthorizationCode)
    );
    assert_eq!(metadata.insecure_redirect_hosts, registrable.insecure_redirect_hosts);
    assert_eq!(metadata.introspection_resources, registrable.introspection_resources);
    assert!(metadata.jwks.is_none() || metadata.jwks_uri.is_none());
}

/// Every stored URL may be visited or fetched.
fn are_urls(metadata: &ClientMetadata, registrable: Registrable<'_>) {
    let policy = RedirectUriPolicy {
        own_host: own_host(),
        schemes: registrable.private_use_schemes,
        insecure_hosts: registrable.insecure_redirect_hosts,
    };
    let uris = metadata.redirect_uris.iter().chain(&metadata.post_logout_redirect_uris);
    for uri in uris.chain(&metadata.frontchannel_logout_uri) {
        assert_eq!(redirect_uri::check(uri, policy), Ok(()));
    }
    assert!(metadata.redirect_uris.len() <= 50 && metadata.post_logout_redirect_uris.len() <= 50);
    let fetched =
        [&metadata.backchannel_logout_uri, &metadata.jwks_uri, &metadata.sector_identifier_uri];
    for url in fetched.into_iter().flatten().chain(&metadata.request_uris) {
        assert_eq!(OutboundUrl::parse(url, registrable.outbound).expect(url).as_str(), url);
    }
    let links = [
        &metadata.client_uri,
        &metadata.logo_uri,
        &metadata.policy_uri,
        &metadata.tos_uri,
        &metadata.initiate_login_uri,
    ];
    let localized =
        metadata.localized.iter().filter(|(field, _)| !field.starts_with("client_name#"));
    for url in links.into_iter().flatten().chain(localized.map(|(_, url)| url)) {
        assert!(is_web_url(url));
    }
}
