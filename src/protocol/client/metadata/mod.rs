//! Client metadata (RFC 7591 section 2, OpenID Connect Registration section 2): parsed, checked field by
//! field, and completed by its defaults, so that what is kept is what is in force.

mod consistency;
mod error;
mod fields;
mod values;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use error::{MetadataError, NoSector};
pub use values::{ApplicationType, AuthMethod, GrantType, Named, ResponseType, SubjectType};

use crate::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use crate::jose::jwk::Algorithm;
use crate::protocol::client::localized;
use crate::protocol::client::redirect_uri;
use crate::protocol::json_object::JsonObject;
use crate::protocol::user::scope::Scopes;
use fields::{
    contacts, flag, https_url, jwks, line, lines, non_negative, one, outbound_url, redirect_uris,
    request_uris, response_types, scope, several, web_url,
};

/// The largest document, in bytes of JSON.
const DOCUMENT_LIMIT: usize = 32_768;

/// What clients may register only if the operator allows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registrable {
    /// The grant type `client_credentials`, for which no user gives consent.
    pub client_credentials: bool,
    /// Response types that return tokens without a code.
    pub implicit: bool,
    /// URLs to be fetched that lead to this machine.
    pub loopback: bool,
}

/// A client's metadata as it is in force.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientMetadata {
    /// What kind of application it is: which redirect URIs it may have depends on it.
    pub application_type: ApplicationType,
    /// The name that people are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Who is responsible for it, by e-mail.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub contacts: Vec<String>,
    /// The authentication context classes that it would like, the best first: as voluntary as `acr_values`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub default_acr_values: Vec<String>,
    /// The `max_age` of its requests that give none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<i64>,
    /// The grant types it may use.
    pub grant_types: Vec<GrantType>,
    /// What its ID tokens are signed with.
    pub id_token_signed_response_alg: Algorithm,
    /// Where somebody else can have it begin a sign-in (OpenID Connect Core section 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Its public keys, where they stand here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<ClientKeys>,
    /// Its public keys, where they are fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What people are shown, in several languages: by name and language, as `client_name#ja`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub localized: BTreeMap<String, String>,
    /// Its logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Where its people come back to: compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// What it signs its request objects with; any, where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<ClientAlgorithm>,
    /// Where its request objects may be fetched, without their fragments.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_uris: Vec<String>,
    /// Whether its ID tokens always tell `auth_time`.
    pub require_auth_time: bool,
    /// Whether its requests must be pushed (RFC 9126 section 6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether its requests must be signed (RFC 9101 section 10.5).
    #[serde(default)]
    pub require_signed_request_object: bool,
    /// The response types it may use.
    pub response_types: Vec<ResponseType>,
    /// The scopes that it can be granted; all, where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Where the redirect URIs of its sector are listed, without a fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// What its maker calls the software, whatever its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Whether it is told the users' own `sub`, or one that other sectors do not know.
    #[serde(default = "SubjectType::usual")]
    pub subject_type: SubjectType,
    /// How it authenticates at the token endpoint.
    pub token_endpoint_auth_method: AuthMethod,
    /// The one algorithm that it signs its assertions with; any, where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<ClientAlgorithm>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// What userinfo is signed with for it; plain JSON, where it names nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
}

impl ClientMetadata {
    /// Takes the metadata out of a document.
    pub fn from_document(
        document: &mut JsonObject,
        registrable: Registrable,
    ) -> Result<Self, MetadataError> {
        let allows_loopback = registrable.loopback;
        let application_type = one(document, "application_type")?.unwrap_or(ApplicationType::Web);
        let grant_types = several(document, "grant_types", GrantType::AuthorizationCode)?;
        // A machine sends no user to the authorization endpoint, so it needs neither redirect URI nor response type.
        let is_machine = grant_types == [GrantType::ClientCredentials];
        let metadata = Self {
            application_type,
            client_name: line(document, "client_name")?,
            client_uri: web_url(document, "client_uri")?,
            contacts: contacts(document)?,
            default_acr_values: lines(document, "default_acr_values")?,
            default_max_age: non_negative(document, "default_max_age")?,
            grant_types,
            id_token_signed_response_alg: one(document, "id_token_signed_response_alg")?
                .unwrap_or(Algorithm::Rs256),
            initiate_login_uri: https_url(document, "initiate_login_uri")?,
            jwks: jwks(document)?,
            jwks_uri: outbound_url(document, "jwks_uri", allows_loopback)?,
            localized: localized::from_document(document)?,
            logo_uri: web_url(document, "logo_uri")?,
            policy_uri: web_url(document, "policy_uri")?,
            redirect_uris: redirect_uris(document, application_type, is_machine)?,
            request_object_signing_alg: one(document, "request_object_signing_alg")?,
            request_uris: request_uris(document, allows_loopback)?,
            require_auth_time: flag(document, "require_auth_time")?,
            require_pushed_authorization_requests: flag(
                document,
                "require_pushed_authorization_requests",
            )?,
            require_signed_request_object: flag(document, "require_signed_request_object")?,
            response_types: response_types(document, is_machine)?,
            scope: scope(document)?,
            sector_identifier_uri: outbound_url(
                document,
                "sector_identifier_uri",
                allows_loopback,
            )?,
            software_id: line(document, "software_id")?,
            software_version: line(document, "software_version")?,
            subject_type: one(document, "subject_type")?.unwrap_or_else(SubjectType::usual),
            token_endpoint_auth_method: one(document, "token_endpoint_auth_method")?
                .unwrap_or(AuthMethod::ClientSecretBasic),
            token_endpoint_auth_signing_alg: one(document, "token_endpoint_auth_signing_alg")?,
            tos_uri: web_url(document, "tos_uri")?,
            userinfo_signed_response_alg: one(document, "userinfo_signed_response_alg")?,
        };
        metadata.check_flows(registrable)?;
        metadata.check_keys()?;
        metadata.check_sector()?;
        let size = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
        if size > DOCUMENT_LIMIT {
            return Err(MetadataError::TooLarge { size });
        }
        Ok(metadata)
    }

    /// The sector identifier of a client that is told pairwise subjects (Core section 8.1).
    ///
    /// # Errors
    /// [`NoSector`] where it has none: it must not be told the users' own names instead.
    pub fn sector(&self) -> Result<Option<String>, NoSector> {
        if self.subject_type == SubjectType::Public {
            return Ok(None);
        }
        let uri = self.sector_identifier_uri.as_ref().or(self.redirect_uris.first());
        uri.and_then(|uri| redirect_uri::host(uri)).map(Some).ok_or(NoSector)
    }

    /// The metadata under the names that clients know.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn to_document(&self) -> serde_json::Result<Map<String, Value>> {
        let mut plain = self.clone();
        let localized = std::mem::take(&mut plain.localized);
        let Value::Object(mut fields) = serde_json::to_value(plain)? else {
            return Err(serde::ser::Error::custom("client metadata is no object"));
        };
        fields.extend(localized.into_iter().map(|(name, text)| (name, text.into())));
        Ok(fields)
    }

    /// What people are shown of a member in a language: its text in that, wherever it is spoken, or else the `plain`
    /// one.
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
        // The language itself comes before what is spoken in one place.
        texts.min().map(|(_, text)| text).or(plain)
    }

    /// Whether it can prove who it is.
    pub fn is_confidential(&self) -> bool {
        self.token_endpoint_auth_method != AuthMethod::None
    }

    /// Whether it has registered this scope by name.
    pub fn may_have(&self, scope: &str) -> bool {
        self.scope.as_deref().is_some_and(|registered| Scopes::of_valid(registered).contains(scope))
    }

    /// Whether it may have tokens from the authorization endpoint.
    pub fn has_implicit(&self) -> bool {
        self.grant_types.contains(&GrantType::Implicit)
    }

    /// Whether it proves that by a secret.
    pub fn has_secret(&self) -> bool {
        let method = self.token_endpoint_auth_method;
        matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }
}

#[cfg(test)]
mod tests;
