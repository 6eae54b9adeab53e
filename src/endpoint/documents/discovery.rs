//! Provider metadata: OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2, which get the same document.
//!
//! Each list is the one that the parser of requests uses, so that the document lists what the provider serves and
//! nothing else.

use serde_json::{Map, Value, json};

use super::respond::respond;
use crate::config::Config;
use crate::error::Error;
use crate::grant::is_served;
use crate::http::{Request, Response};
use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::jwk::Algorithm;
use crate::pages::ui_locales_supported;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_request::Prompt;
use crate::protocol::authorization::reply_to::ResponseMode;
use crate::protocol::client::client_id_url::DocumentPolicy;
use crate::protocol::client::metadata::{AuthMethod, GrantType, Named, ResponseType, SubjectType};
use crate::protocol::token::id_token::PASSWORD_ACR;
use crate::provider::Provider;
use crate::routes::served;

/// The claims that the provider itself sets in ID tokens (OpenID Connect Core section 2) and clients can rely on.
const PROTOCOL_CLAIMS: [&str; 11] =
    ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"];

pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    let key = format!("discovery/{}", context.config.digest);
    let render = || metadata(context.config).to_string();
    let document = memory.discovery.document(context, key, render).await?;
    Ok(respond(&document, context, request))
}

/// Renders the metadata of a configuration.
#[cold]
pub fn metadata(config: &Config) -> Value {
    let mut metadata = Map::new();
    metadata.insert("issuer".into(), config.issuer.as_str().into());
    for route in served(config) {
        if let Some(field) = route.metadata_field {
            metadata.insert(field.into(), route.url(&config.issuer).into());
        }
    }
    let scopes: Vec<_> = config.scope_names().collect();
    let implicit = config.allows_implicit;
    let response_types =
        names(|response_type: &ResponseType| implicit || *response_type == ResponseType::Code);
    let modes = ResponseMode::ALL.map(|(name, _)| name);
    let grant_types = names(|grant_type: &GrantType| is_served(*grant_type, config));
    let claims: Vec<_> = PROTOCOL_CLAIMS.into_iter().chain(config.scopes.claim_names()).collect();
    let locales: Vec<_> = ui_locales_supported().collect();
    let more = [
        ("scopes_supported", scopes.into()),
        ("response_types_supported", response_types.into()),
        ("response_modes_supported", json!(modes)),
        ("grant_types_supported", grant_types.into()),
        ("acr_values_supported", json!([PASSWORD_ACR])),
        ("subject_types_supported", SubjectType::names().into()),
        ("id_token_signing_alg_values_supported", Algorithm::names().into()),
        ("userinfo_signing_alg_values_supported", Algorithm::names().into()),
        ("token_endpoint_auth_methods_supported", AuthMethod::names().into()),
        ("token_endpoint_auth_signing_alg_values_supported", ClientAlgorithm::names().into()),
        ("revocation_endpoint_auth_methods_supported", AuthMethod::names().into()),
        ("revocation_endpoint_auth_signing_alg_values_supported", ClientAlgorithm::names().into()),
        (
            "introspection_endpoint_auth_methods_supported",
            names(|method: &AuthMethod| *method != AuthMethod::None).into(),
        ),
        (
            "introspection_endpoint_auth_signing_alg_values_supported",
            ClientAlgorithm::names().into(),
        ),
        ("introspection_signing_alg_values_supported", Algorithm::names().into()),
        ("display_values_supported", json!(["page", "popup", "touch"])),
        ("claim_types_supported", json!(["normal"])),
        ("claims_supported", claims.into()),
        ("ui_locales_supported", locales.into()),
        (
            "client_id_metadata_document_supported",
            (config.client_documents != DocumentPolicy::Closed).into(),
        ),
        ("prompt_values_supported", json!(Prompt::VALUES)),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("claims_parameter_supported", true.into()),
        ("request_parameter_supported", true.into()),
        ("request_uri_parameter_supported", true.into()),
        ("require_request_uri_registration", true.into()),
        ("request_object_signing_alg_values_supported", ClientAlgorithm::names().into()),
        ("require_pushed_authorization_requests", false.into()),
        ("authorization_response_iss_parameter_supported", true.into()),
        ("backchannel_logout_supported", true.into()),
        ("backchannel_logout_session_supported", true.into()),
        ("frontchannel_logout_supported", true.into()),
        ("frontchannel_logout_session_supported", true.into()),
    ];
    metadata.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(metadata)
}

/// Returns the names of the values that are served.
fn names<T: Named>(is_served: impl Fn(&T) -> bool) -> Vec<&'static str> {
    T::ALL.iter().filter(|(_, value)| is_served(value)).map(|(name, _)| *name).collect()
}
