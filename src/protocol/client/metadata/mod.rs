//! Client metadata (RFC 7591 section 2, OpenID Connect Registration section 2): parsed, checked member by
//! member, and completed by its defaults, so that what is kept is what is in force.

mod consistency;
mod read;
mod values;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use values::{ApplicationType, AuthMethod, GrantType, Named, ResponseType, SubjectType};

use crate::error::Internal;
use crate::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use crate::jose::jwk::Algorithm;
use crate::protocol::authorization::redirect_uri;
use crate::protocol::client::localized;
use crate::protocol::json_object::Members;
use crate::protocol::user::scope::Granted;
use read::{
    contacts, flag, https_url, jwks, line, lines, one, outbound_url, redirect_uris, request_uris,
    response_types, scope, several, web_url,
};

/// The largest document, in bytes of JSON.
const DOCUMENT_LIMIT: usize = 32_768;

/// What an operator may allow clients to register, or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registrable {
    /// The grant type of machines, which nobody is asked about.
    pub client_credentials: bool,
    /// Response types that bring tokens without a code.
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
    ///
    /// # Errors
    /// Which member is wrong, and what it must be.
    pub fn take(members: &mut Members, registrable: Registrable) -> Result<Self, String> {
        let allows_loopback = registrable.loopback;
        let application_type = one(members, "application_type")?.unwrap_or(ApplicationType::Web);
        let grant_types = several(members, "grant_types", GrantType::AuthorizationCode)?;
        // A machine sends nobody here, and gets no answer but its tokens.
        let is_machine = grant_types == [GrantType::ClientCredentials];
        let metadata = Self {
            application_type,
            client_name: line(members, "client_name")?,
            client_uri: web_url(members, "client_uri")?,
            contacts: contacts(members)?,
            default_acr_values: lines(members, "default_acr_values")?,
            default_max_age: members.integer("default_max_age")?,
            grant_types,
            id_token_signed_response_alg: one(members, "id_token_signed_response_alg")?
                .unwrap_or(Algorithm::Rs256),
            initiate_login_uri: https_url(members, "initiate_login_uri")?,
            jwks: jwks(members)?,
            jwks_uri: outbound_url(members, "jwks_uri", allows_loopback)?,
            localized: localized::take(members)?,
            logo_uri: web_url(members, "logo_uri")?,
            policy_uri: web_url(members, "policy_uri")?,
            redirect_uris: redirect_uris(members, application_type, is_machine)?,
            request_object_signing_alg: one(members, "request_object_signing_alg")?,
            request_uris: request_uris(members, allows_loopback)?,
            require_auth_time: flag(members, "require_auth_time")?,
            require_pushed_authorization_requests: flag(
                members,
                "require_pushed_authorization_requests",
            )?,
            require_signed_request_object: flag(members, "require_signed_request_object")?,
            response_types: response_types(members, is_machine)?,
            scope: scope(members)?,
            sector_identifier_uri: outbound_url(members, "sector_identifier_uri", allows_loopback)?,
            software_id: line(members, "software_id")?,
            software_version: line(members, "software_version")?,
            subject_type: one(members, "subject_type")?.unwrap_or_else(SubjectType::usual),
            token_endpoint_auth_method: one(members, "token_endpoint_auth_method")?
                .unwrap_or(AuthMethod::ClientSecretBasic),
            token_endpoint_auth_signing_alg: one(members, "token_endpoint_auth_signing_alg")?,
            tos_uri: web_url(members, "tos_uri")?,
            userinfo_signed_response_alg: one(members, "userinfo_signed_response_alg")?,
        };
        metadata.check_flows(registrable)?;
        metadata.check_keys()?;
        metadata.check_sector()?;
        let size = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
        if size > DOCUMENT_LIMIT {
            return Err(format!(
                "the document has {size} bytes of JSON, more than {DOCUMENT_LIMIT}"
            ));
        }
        if metadata.default_max_age.is_some_and(|age| age < 0) {
            return Err("default_max_age must not be negative".into());
        }
        Ok(metadata)
    }

    /// The sector identifier of a client that is told pairwise subjects (Core section 8.1).
    ///
    /// # Errors
    /// [`Internal::Broken`] where it has none: it must not be told the users' own names instead.
    pub fn sector(&self) -> Result<Option<String>, Internal> {
        if self.subject_type == SubjectType::Public {
            return Ok(None);
        }
        let uri = self.sector_identifier_uri.as_ref().or(self.redirect_uris.first());
        let detail = "a pairwise client in D1 has no sector";
        let sector = uri.and_then(|uri| redirect_uri::host(uri));
        sector.map(Some).ok_or_else(|| Internal::Broken { detail: detail.into() })
    }

    /// The metadata under the names that clients know.
    ///
    /// # Errors
    /// [`Internal::Broken`] where it cannot be written as JSON.
    pub fn to_members(&self) -> Result<Map<String, Value>, Internal> {
        let mut plain = self.clone();
        let localized = std::mem::take(&mut plain.localized);
        match serde_json::to_value(plain) {
            Ok(Value::Object(mut members)) => {
                members.extend(localized.into_iter().map(|(name, text)| (name, text.into())));
                Ok(members)
            }
            Ok(_) => Err(Internal::Broken { detail: "client metadata is no object".into() }),
            Err(error) => Err(Internal::Broken { detail: error.to_string() }),
        }
    }

    /// What people are shown of a member in a language: its text in that, wherever it is spoken, or else the `plain`
    /// one.
    pub fn in_language<'a>(
        &'a self,
        member: &str,
        plain: Option<&'a str>,
        language: &str,
    ) -> Option<&'a str> {
        let is_in_it = |tag: &str| {
            tag.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        let mut texts: Vec<_> = self
            .localized
            .iter()
            .filter_map(|(name, text)| {
                let (name, tag) = name.split_once('#')?;
                (name == member && is_in_it(tag)).then_some((tag.len(), text.as_str()))
            })
            .collect();
        // The language itself comes before what is spoken in one place.
        texts.sort_unstable();
        texts.first().map(|(_, text)| *text).or(plain)
    }

    /// Whether it can prove who it is.
    pub fn is_confidential(&self) -> bool {
        self.token_endpoint_auth_method != AuthMethod::None
    }

    /// Whether it has registered this scope by name.
    pub fn may_have(&self, scope: &str) -> bool {
        self.scope
            .as_deref()
            .is_some_and(|registered| Granted::of_valid(registered).contains(scope))
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
mod tests {
    use super::*;
    use crate::jose::json;
    use serde_json::json;

    fn take(document: &Value) -> Result<ClientMetadata, String> {
        let mut members = Members::parse(document.to_string().as_bytes())?;
        let metadata = ClientMetadata::take(&mut members, Registrable::default())?;
        members.end()?;
        Ok(metadata)
    }

    fn with(member: &str, value: Value) -> Value {
        let mut document = json!({ "redirect_uris": ["https://app.example/cb"] });
        document[member] = value;
        document
    }

    #[test]
    fn what_is_kept_is_what_is_in_force() {
        let metadata = take(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
        assert_eq!(
            serde_json::to_value(metadata).unwrap(),
            json!({
                "application_type": "web",
                "grant_types": ["authorization_code"],
                "id_token_signed_response_alg": "RS256",
                "redirect_uris": ["https://app.example/cb"],
                "require_auth_time": false,
                "require_pushed_authorization_requests": false,
                "require_signed_request_object": false,
                "response_types": ["code"],
                "subject_type": "public",
                "token_endpoint_auth_method": "client_secret_basic",
            })
        );
    }

    #[test]
    fn what_is_kept_reads_back_as_itself() {
        let document = json!({
            "application_type": "native", "client_name": "Äpp", "client_uri": "https://app.example",
            "contacts": ["dev@app.example"], "default_max_age": 0,
            "grant_types": ["authorization_code", "refresh_token"],
            "id_token_signed_response_alg": "ES256", "logo_uri": "https://app.example/logo.png",
            "default_acr_values": ["urn:example:gold"],
            "initiate_login_uri": "https://app.example/begin",
            "localized": { "client_name#ja": "アプリ", "tos_uri#fr": "https://app.example/fr" },
            "policy_uri": "https://app.example/policy", "redirect_uris": ["com.example.app:/cb"],
            "require_auth_time": true, "require_pushed_authorization_requests": true,
            "require_signed_request_object": false, "response_types": ["code"],
            "scope": "openid email", "sector_identifier_uri": "https://app.example/sector",
            "software_id": "4NRB1", "software_version": "2.1", "subject_type": "pairwise",
            "userinfo_signed_response_alg": "ES256",
            "token_endpoint_auth_method": "none", "tos_uri": "https://app.example/tos",
        });
        let mut given = document.clone();
        let localized = given.as_object_mut().unwrap().remove("localized").unwrap();
        given.as_object_mut().unwrap().extend(localized.as_object().unwrap().clone());
        let metadata = take(&given).unwrap();
        assert!(!metadata.is_confidential());
        assert_eq!(Value::from(metadata.to_members().unwrap()), given);
        let written = serde_json::to_value(&metadata).unwrap();
        assert_eq!(written, document);
        assert_eq!(json::from_parsed::<ClientMetadata>(written).unwrap(), metadata);
    }

    #[test]
    fn a_wrong_member_is_named() {
        for (member, value) in [
            ("redirect_uris", json!([])),
            ("redirect_uris", json!("https://app.example/cb")),
            ("redirect_uris", json!([1])),
            ("redirect_uris", json!(null)),
            ("redirect_uris", json!(["http://app.example/cb"])),
            ("redirect_uris", json!(["https://a.example", "https://a.example"])),
            ("redirect_uris", json!(["com.example.app:/cb"])),
            ("application_type", json!("desktop")),
            ("application_type", json!(1)),
            ("client_name", json!("")),
            ("client_name", json!("two\nlines")),
            ("client_uri", json!("javascript:alert(1)")),
            ("logo_uri", json!("data:image/png;base64,AA")),
            ("policy_uri", json!("/policy")),
            ("tos_uri", json!("https://a\"><script>")),
            ("contacts", json!(["nobody"])),
            ("contacts", json!("dev@app.example")),
            ("client_name#", json!("App")),
            ("client_name#a_b", json!("App")),
            ("client_name#fr", json!("")),
            ("logo_uri#fr", json!("data:image/png;base64,AA")),
            ("localized", json!({ "client_name#ja": "x" })),
            ("default_acr_values", json!("gold")),
            ("default_acr_values", json!([""])),
            ("initiate_login_uri", json!("http://app.example/begin")),
            ("scope", json!("")),
            ("scope", json!("openid  email")),
            ("software_id", json!(1)),
            ("software_version", json!(" ")),
            ("default_max_age", json!(-1)),
            ("default_max_age", json!("60")),
            ("grant_types", json!([])),
            ("grant_types", json!(["implicit"])),
            ("grant_types", json!(["refresh_token"])),
            ("grant_types", json!(["authorization_code", "authorization_code"])),
            ("id_token_signed_response_alg", json!("none")),
            ("id_token_signed_response_alg", json!("HS256")),
            ("require_auth_time", json!("true")),
            ("response_types", json!(["token"])),
            ("response_types", json!([])),
            ("token_endpoint_auth_method", json!("client_secret_jwt")),
            ("token_endpoint_auth_signing_alg", json!("HS256")),
            ("token_endpoint_auth_signing_alg", json!("RS256")),
            ("jwks", json!({ "keys": [] })),
            ("jwks", json!("{}")),
            ("jwks_uri", json!("http://app.example/jwks")),
            ("jwks_uri", json!("https://127.0.0.1/jwks")),
            ("jwks_uri", json!(["https://app.example/jwks"])),
            ("token_endpoint_auth_method", json!(null)),
            ("client_secret", json!("chosen")),
        ] {
            let error = take(&with(member, value.clone())).unwrap_err();
            assert!(error.starts_with(member), "{member} {value}: {error}");
        }
        assert!(take(&json!({})).unwrap_err().starts_with("redirect_uris"));
    }

    #[test]
    fn a_client_that_signs_has_its_keys_in_one_place() {
        let okp = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let signing = |more: Value| {
            let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            take(&document)
        };
        let jwks = json!({ "keys": [okp] });
        let uri = "https://app.example/jwks";
        assert!(signing(json!({ "jwks": jwks })).unwrap().is_confidential());
        assert!(!signing(json!({ "jwks_uri": uri })).unwrap().has_secret());
        assert!(
            signing(json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "EdDSA" })).is_ok()
        );
        for (more, complaint) in [
            (json!({}), "jwks or jwks_uri"),
            (json!({ "jwks": jwks, "jwks_uri": uri }), "jwks must not stand beside jwks_uri"),
            (
                json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "RS256" }),
                "a key for RS256",
            ),
        ] {
            let error = signing(more.clone()).unwrap_err();
            assert!(error.contains(complaint), "{more}: {error}");
        }
    }
}
