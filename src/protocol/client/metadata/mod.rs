//! Client metadata (RFC 7591 section 2, OpenID Connect Registration section 2). It is parsed and checked field by
//! field. Defaults are filled in, so that the stored metadata is complete.

mod consistency;
mod error;
mod fields;
mod flows;
mod introspection;
mod logout;
mod redirect_uris;
mod values;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use error::{MetadataError, NoSector};
pub use introspection::introspection_resources;
pub use redirect_uris::insecure_redirect_hosts;
pub use values::{ApplicationType, AuthMethod, GrantType, Named, ResponseType, SubjectType};

use crate::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use crate::jose::jwk::Algorithm;
use crate::protocol::client::client_name;
use crate::protocol::client::localized;
use crate::protocol::client::outbound_url::OutboundRules;
use crate::protocol::client::redirect_uri::{self, RedirectUriPolicy};
use crate::protocol::client::unsupported_metadata;
use crate::protocol::json_object::JsonObject;
use crate::protocol::user::scope::Scopes;
use fields::{
    contacts, flag, initiate_login_uri, jwks, line, lines, logo_uri, non_negative, one,
    outbound_url, request_uris, scope, signing_alg, web_url,
};
use flows::Flows;
use logout::{frontchannel_logout_uri, post_logout_redirect_uris};
use redirect_uris::{application_type, redirect_uris};

/// The maximum size of the metadata, in bytes of JSON.
const DOCUMENT_LIMIT: usize = 32_768;

/// The metadata values that a client may register only if the operator allows it.
#[derive(Clone, Copy, Debug)]
pub struct Registrable<'a> {
    /// The grant type `client_credentials`, for which no user gives consent.
    pub client_credentials: bool,
    /// The grant type `implicit`, with which the authorization endpoint issues tokens.
    pub implicit: bool,
    /// The hosts of `http` redirect URIs, in lower case, that the operator names for this client.
    pub insecure_redirect_hosts: &'a [String],
    /// The audiences whose access tokens the operator lets this client introspect.
    pub introspection_resources: &'a [String],
    /// The rules for URLs that the provider fetches.
    pub outbound: OutboundRules<'a>,
    /// The schemes without a period that redirect URIs may have.
    pub private_use_schemes: &'a [String],
}

impl<'a> Registrable<'a> {
    /// The values that every client may register.
    pub fn by_everybody(outbound: OutboundRules<'a>) -> Self {
        Self {
            client_credentials: false,
            implicit: false,
            insecure_redirect_hosts: &[],
            introspection_resources: &[],
            outbound,
            private_use_schemes: &[],
        }
    }
}

/// A client's metadata, defaults included.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a metadata field")]
pub struct ClientMetadata {
    /// The kind of application. A client with a redirect URI of an application's own scheme is native.
    pub application_type: ApplicationType,
    /// The URL that logout tokens are sent to (Back-Channel Logout section 2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether logout tokens must have `sid`. Postern's always do.
    #[serde(default)]
    pub backchannel_logout_session_required: bool,
    /// The name that users see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// The URL of the home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// The e-mail addresses of the people responsible for the client.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub contacts: Vec<String>,
    /// The preferred authentication context classes, the best first. Like `acr_values`, they are no requirement.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub default_acr_values: Vec<String>,
    /// The `max_age` of requests that have none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<i64>,
    /// The URL that the page after a logout loads in a frame (Front-Channel Logout section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether this URL must get `iss` and `sid`. Postern always adds them.
    #[serde(default)]
    pub frontchannel_logout_session_required: bool,
    /// The grant types that the client may use.
    pub grant_types: Vec<GrantType>,
    /// Whether ID tokens have the claims of the granted scopes, which are otherwise in userinfo alone (OpenID Connect Core
    /// sections 2 and 5.4). This field is Postern's own.
    #[serde(default)]
    pub id_token_scope_claims: bool,
    pub id_token_signed_response_alg: Algorithm,
    /// The hosts of `http` redirect URIs outside of the user's device, which the operator has named.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub insecure_redirect_hosts: Vec<String>,
    /// The audiences whose access tokens the client may introspect, besides its own tokens. The operator has named them.
    /// This field is Postern's own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub introspection_resources: Vec<String>,
    /// The signature algorithm of signed introspection responses (RFC 9701 section 6). `None` means RS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<Algorithm>,
    /// The URL at which a third party can start a sign-in (OpenID Connect Core section 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// The client's public keys by value. Excludes `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<ClientKeys>,
    /// The URL of the client's public keys. Excludes `jwks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The localized fields, by name and language tag: `client_name#ja`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub localized: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// The URL of the privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// The URIs that a browser may be sent to after a logout. They are compared byte for byte.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// The redirect URIs. They are compared byte for byte, except for loopback ports.
    pub redirect_uris: Vec<String>,
    /// The required signature algorithm of request objects. `None` allows any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<ClientAlgorithm>,
    /// The URLs from which request objects may be fetched, without their fragments.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_uris: Vec<String>,
    /// Whether ID tokens must have `auth_time`. Postern's always do.
    pub require_auth_time: bool,
    /// Whether authorization requests must be pushed (RFC 9126 section 6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether authorization requests must be in a signed request object (RFC 9101 section 10.5).
    #[serde(default)]
    pub require_signed_request_object: bool,
    /// The response types that the client may use.
    pub response_types: Vec<ResponseType>,
    /// The scopes that the client can be granted. `None` allows all except those of APIs that are not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The URL of the list of the sector's redirect URIs, without a fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// The developer's identifier for the software, the same for all versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// The kind of subject identifier that the client receives.
    #[serde(default = "SubjectType::default_value")]
    pub subject_type: SubjectType,
    /// The client authentication method.
    pub token_endpoint_auth_method: AuthMethod,
    /// The required signature algorithm of client assertions. `None` allows any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<ClientAlgorithm>,
    /// The URL of the terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// The signature algorithm of userinfo responses. `None` means plain JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
}

impl ClientMetadata {
    /// Reads and checks the metadata fields of a document, and removes them from it. What is not in force of them is in
    /// [`JsonObject::warnings`].
    pub fn from_document(
        document: &mut JsonObject,
        registrable: Registrable<'_>,
    ) -> Result<Self, MetadataError> {
        unsupported_metadata::refuse(document)?;
        let outbound = registrable.outbound;
        let Flows { grant_types, response_types } = Flows::from_document(document, registrable)?;
        let policy = RedirectUriPolicy {
            own_host: outbound.own_host,
            schemes: registrable.private_use_schemes,
            insecure_hosts: registrable.insecure_redirect_hosts,
        };
        // A client without a response type never uses the authorization endpoint, so it needs no redirect URI.
        let needs_none = response_types.is_empty();
        let has_implicit = grant_types.contains(&GrantType::Implicit);
        let redirect_uris = redirect_uris(document, policy, needs_none)?;
        let token_endpoint_auth_method =
            one(document, "token_endpoint_auth_method")?.unwrap_or(AuthMethod::ClientSecretBasic);
        let metadata = Self {
            application_type: application_type(document, &redirect_uris, has_implicit)?,
            backchannel_logout_uri: outbound_url(document, "backchannel_logout_uri", outbound)?,
            backchannel_logout_session_required: flag(
                document,
                "backchannel_logout_session_required",
            )?,
            client_name: client_name::from_document(document, "client_name")?,
            client_uri: web_url(document, "client_uri")?,
            contacts: contacts(document)?,
            default_acr_values: lines(document, "default_acr_values")?,
            default_max_age: non_negative(document, "default_max_age")?,
            frontchannel_logout_uri: frontchannel_logout_uri(document, &redirect_uris, policy)?,
            frontchannel_logout_session_required: flag(
                document,
                "frontchannel_logout_session_required",
            )?,
            grant_types,
            id_token_scope_claims: flag(document, "id_token_scope_claims")?,
            id_token_signed_response_alg: one(document, "id_token_signed_response_alg")?
                .unwrap_or(Algorithm::Rs256),
            insecure_redirect_hosts: registrable.insecure_redirect_hosts.to_vec(),
            introspection_resources: registrable.introspection_resources.to_vec(),
            introspection_signed_response_alg: one(document, "introspection_signed_response_alg")?,
            initiate_login_uri: initiate_login_uri(document, outbound.own_host)?,
            jwks: jwks(document)?,
            jwks_uri: outbound_url(document, "jwks_uri", outbound)?,
            localized: localized::from_document(document, outbound.own_host)?,
            logo_uri: logo_uri(document, outbound.own_host)?,
            policy_uri: web_url(document, "policy_uri")?,
            post_logout_redirect_uris: post_logout_redirect_uris(document, policy)?,
            redirect_uris,
            request_object_signing_alg: one(document, "request_object_signing_alg")?,
            request_uris: request_uris(document, outbound)?,
            require_auth_time: flag(document, "require_auth_time")?,
            require_pushed_authorization_requests: flag(
                document,
                "require_pushed_authorization_requests",
            )?,
            require_signed_request_object: flag(document, "require_signed_request_object")?,
            response_types,
            scope: scope(document)?,
            sector_identifier_uri: outbound_url(document, "sector_identifier_uri", outbound)?,
            software_id: line(document, "software_id")?,
            software_version: line(document, "software_version")?,
            subject_type: one(document, "subject_type")?.unwrap_or_else(SubjectType::default_value),
            token_endpoint_auth_method,
            token_endpoint_auth_signing_alg: signing_alg(document, token_endpoint_auth_method)?,
            tos_uri: web_url(document, "tos_uri")?,
            userinfo_signed_response_alg: one(document, "userinfo_signed_response_alg")?,
        };
        metadata.check_flows()?;
        metadata.check_keys()?;
        metadata.check_sector()?;
        metadata.check_size()?;
        Ok(metadata)
    }

    fn check_size(&self) -> Result<(), MetadataError> {
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        if size > DOCUMENT_LIMIT { Err(MetadataError::TooLarge { size }) } else { Ok(()) }
    }

    /// Returns the sector identifier of a client with pairwise subject identifiers (Core section 8.1). Returns `None`
    /// for the subject type `public`.
    ///
    /// # Errors
    /// [`NoSector`] when a client with pairwise subject identifiers has no sector. It must not receive the users' own
    /// `sub` instead.
    pub fn sector(&self) -> Result<Option<String>, NoSector> {
        if self.subject_type == SubjectType::Public {
            return Ok(None);
        }
        let uri = self.sector_identifier_uri.as_ref().or(self.redirect_uris.first());
        uri.and_then(|uri| redirect_uri::host(uri)).map(Some).ok_or(NoSector)
    }

    /// Returns the metadata as a JSON object, as in a registration response.
    ///
    /// # Errors
    /// Fails if the metadata cannot be serialized.
    pub fn to_document(&self) -> serde_json::Result<Map<String, Value>> {
        let mut plain = self.clone();
        let localized = std::mem::take(&mut plain.localized);
        let Value::Object(mut fields) = serde_json::to_value(plain)? else {
            return Err(serde::ser::Error::custom("client metadata is not an object"));
        };
        fields.extend(localized.into_iter().map(|(name, text)| (name, text.into())));
        Ok(fields)
    }

    /// Returns the text of a field in a language, or `plain` if there is none. A text for a region counts as well:
    /// `fr-CA` is used for `fr`.
    pub fn in_language<'a>(
        &'a self,
        field: &str,
        plain: Option<&'a str>,
        language: &str,
    ) -> Option<&'a str> {
        let is_in_it = |tag: &str| {
            tag.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        let texts = self.localized.iter().filter_map(|(name, text)| {
            let (name, tag) = name.split_once('#')?;
            (name == field && is_in_it(tag)).then_some((tag.len(), text.as_str()))
        });
        // The shortest tag is the language itself, which is preferred over its regions.
        texts.min().map(|(_, text)| text).or(plain)
    }

    /// Returns whether the client is confidential: it authenticates with a secret or a key.
    pub fn is_confidential(&self) -> bool {
        self.token_endpoint_auth_method != AuthMethod::None
    }

    /// Returns whether the client has registered a scope by name.
    pub fn has_registered(&self, scope: &str) -> bool {
        self.scope.as_deref().is_some_and(|registered| Scopes::of_valid(registered).contains(scope))
    }

    /// Returns whether the client may have a scope of this provider's own. A client without registered scopes may have
    /// all of them.
    pub fn may_have(&self, scope: &str) -> bool {
        self.scope.is_none() || self.has_registered(scope)
    }

    /// Returns whether the authorization endpoint may issue tokens to the client.
    pub fn has_implicit(&self) -> bool {
        self.grant_types.contains(&GrantType::Implicit)
    }

    /// Returns whether the client authenticates with a secret.
    pub fn has_secret(&self) -> bool {
        let method = self.token_endpoint_auth_method;
        matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }
}

#[cfg(test)]
mod tests;
