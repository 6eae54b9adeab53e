//! The environment's variables and secrets, parsed and validated once.

mod branding;
mod caching;
mod color;
mod issuer;
mod key_times;
mod numbers;

pub use branding::{Branding, ICON_PATH, LoginLabel, Logo, Theme};
pub use caching::Caching;
pub use color::Color;
pub use issuer::{Issuer, IssuerError};
pub use key_times::KeyTimes;

use std::fmt;

use crate::config::numbers::{audit_days, seconds};
use crate::digest::digest;
use crate::protocol::authorization::authorize_policy::AuthorizePolicy;
use crate::protocol::authorization::resources::{Resource, Resources};
use crate::protocol::client::client_id_url::{ClientIdRules, DocumentPolicy};
use crate::protocol::client::metadata::Registrable;
use crate::protocol::client::outbound_url::OutboundRules;
use crate::protocol::client::scheme;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::user::scope::ScopeTable;
use crate::secret::{ReplaceableSecret, Secret};

/// A valid configuration. Each field names its variable or secret.
#[derive(Debug)]
pub struct Config {
    /// `ADMIN_TOKEN` and `ADMIN_TOKEN_PREVIOUS`: the operator's secret. Without the first, `/admin/*` does not exist.
    pub admin_token: ReplaceableSecret,
    /// `ALLOW_IMPLICIT`: whether clients may register the implicit flow, which RFC 9700 section 2.1.2 advises against.
    pub allows_implicit: bool,
    /// `ALLOW_LOOPBACK`: whether the provider may fetch clients' documents from a loopback host. For development only.
    pub allows_loopback: bool,
    /// `AUDIT_DAYS`: how many days an event of the audit trail is kept.
    pub audit_days: i64,
    /// `NAME`, `LOGO_URL`, `COLOR`, `SUPPORT_URL`, `PRIVACY_URL`, `HELP_URL` and `LOGIN_LABEL`: whose login this is.
    pub branding: Branding,
    /// `CLIENT_DOCUMENTS`: the clients whose identifier is the URL of their metadata.
    pub client_documents: DocumentPolicy,
    /// `CACHE_MAX_AGE`, `CACHE_STALE_WHILE_REVALIDATE` and `CACHE_STALE_IF_ERROR`.
    pub caching: Caching,
    /// Differs for each build, and for each configuration that changes a published document: the cache key of those.
    pub digest: String,
    /// `HOME_PAGE`: whether the issuer's URL has a page for people.
    pub has_home_page: bool,
    /// `ISSUER`: the issuer identifier.
    pub issuer: Issuer,
    /// `KEY_ENCRYPTION_KEY` and `KEY_ENCRYPTION_KEY_PREVIOUS`: encrypt the signing keys. Validated on use, because the
    /// published keys can be served without them.
    pub key_encryption_key: ReplaceableSecret,
    /// `KEY_SIGNING_SECONDS` and `KEY_AHEAD_SECONDS`: the planned times of a signing key.
    pub key_times: KeyTimes,
    /// `CLOCK_LEEWAY`: the tolerated clock difference in seconds when a token's times are checked.
    pub leeway: i64,
    /// `PRIVATE_USE_SCHEMES`: the schemes without a period that redirect URIs may have.
    pub private_use_schemes: Vec<String>,
    /// `REGISTRATION`: who may register clients.
    pub registration: Registration,
    /// `RESOURCES`: the operator's APIs, with their scopes.
    pub resources: Resources,
    /// `SCOPES`: the standard scopes and the operator's own.
    pub scopes: ScopeTable,
}

/// An invalid variable. `Display` writes its name and the rule, for the operator.
#[derive(Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// The rule that its value breaks.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.variable, self.reason)
    }
}

impl ConfigError {
    fn new(variable: &'static str, reason: impl fmt::Display) -> Self {
        Self { variable, reason: reason.to_string() }
    }
}

/// A scope that releases the claim of its name, unless `SCOPES` defines it otherwise.
const DEFAULT_SCOPE: &str = "groups";
const DAY: u32 = 86_400;
const ADMIN_TOKEN_WARNING: &str =
    "ADMIN_TOKEN_PREVIOUS: still accepted; delete it when no program uses it";
const KEY_ENCRYPTION_KEY_WARNING: &str = "KEY_ENCRYPTION_KEY_PREVIOUS: still accepted; delete it when no signing key is \
                                          encrypted under it, a day after the change or later";

impl Config {
    /// Returns the part of the configuration that the parser of a client's authorization requests needs.
    pub fn authorize_policy<'a>(&'a self, voucher: Voucher<'a>) -> AuthorizePolicy<'a> {
        AuthorizePolicy {
            allows_implicit: self.allows_implicit,
            resources: &self.resources,
            scopes: &self.scopes,
            voucher,
        }
    }

    /// Returns what the operator may register, except for hosts and audiences that the operator names for one client. Clients that
    /// register themselves may have the same, except `client_credentials`.
    pub fn registrable(&self) -> Registrable<'_> {
        Registrable {
            client_credentials: true,
            implicit: self.allows_implicit,
            insecure_redirect_hosts: &[],
            introspection_resources: &[],
            outbound: self.outbound_rules(),
            private_use_schemes: &self.private_use_schemes,
        }
    }

    /// Returns the rules for client identifiers that are URLs.
    pub fn client_id_rules(&self) -> ClientIdRules<'_> {
        ClientIdRules { policy: &self.client_documents, outbound: self.outbound_rules() }
    }

    /// Returns the rules for URLs that the provider fetches for a client.
    pub fn outbound_rules(&self) -> OutboundRules<'_> {
        OutboundRules { allows_loopback: self.allows_loopback, own_host: self.issuer.own_host() }
    }

    /// Returns every scope that can be granted: those that release claims, then those of the APIs.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.names().chain(self.resources.iter().flat_map(Resource::scope_names))
    }

    /// Returns every scope that a client can register by itself: those that release claims, and those of open APIs and
    /// of the APIs that its initial access token named.
    pub fn registrable_scope_names(&self, vouched_apis: &[String]) -> impl Iterator<Item = &str> {
        let is_for_it = |api: &&Resource| api.is_open || api.is_among(vouched_apis);
        let apis = self.resources.iter().filter(is_for_it);
        self.scopes.names().chain(apis.flat_map(Resource::scope_names))
    }

    /// Returns a warning for each secret whose previous value is still accepted, for the operator.
    pub fn secret_warnings(&self) -> impl Iterator<Item = &'static str> {
        let admin_token = self.admin_token.previous.as_ref().map(|_| ADMIN_TOKEN_WARNING);
        let key = self.key_encryption_key.previous.as_ref().map(|_| KEY_ENCRYPTION_KEY_WARNING);
        admin_token.into_iter().chain(key)
    }

    /// Parses the configuration. `variable` returns the text of a variable or secret; an empty text counts as not set.
    ///
    /// # Errors
    /// The first invalid variable.
    #[cold]
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let seconds = |name, limit| seconds(name, variable(name), limit);
        let number =
            |name, default, limit| seconds(name, limit).map(|number| number.unwrap_or(default));
        let flag = |name, default| match variable(name).as_deref() {
            None => Ok(default),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ConfigError::new(name, "must be true or false, in lower case")),
        };

        let allows_implicit = flag("ALLOW_IMPLICIT", false)?;
        let client_documents = document_policy(variable("CLIENT_DOCUMENTS"))?;
        let issuer = variable("ISSUER").ok_or(IssuerError::NotSet);
        let issuer = issuer
            .and_then(|url| Issuer::parse(&url))
            .map_err(|error| ConfigError::new("ISSUER", error))?;
        let allows_loopback = flag("ALLOW_LOOPBACK", false)?;
        let outbound = OutboundRules { allows_loopback, own_host: issuer.own_host() };
        let max_age = number("CACHE_MAX_AGE", 300, 7 * DAY)?;
        let stale_while_revalidate = number("CACHE_STALE_WHILE_REVALIDATE", 600, 7 * DAY)?;
        let stale_if_error = number("CACHE_STALE_IF_ERROR", DAY, 7 * DAY)?;
        let caching = Caching { max_age, stale_while_revalidate, stale_if_error };
        let leeway = number("CLOCK_LEEWAY", 5, 60)?;
        let key_times = KeyTimes::new(
            seconds("KEY_SIGNING_SECONDS", KeyTimes::LONGEST)?,
            seconds("KEY_AHEAD_SECONDS", KeyTimes::LONGEST)?,
            caching,
            leeway,
        )?;
        let private_use_schemes = schemes(&variable("PRIVATE_USE_SCHEMES").unwrap_or_default())?;
        let registration = variable("REGISTRATION").unwrap_or_else(|| "token".to_owned());
        let policy = Registration::from_name(&registration).ok_or_else(|| {
            ConfigError::new("REGISTRATION", "must be closed, token or open, in lower case")
        })?;
        let scopes = variable("SCOPES");
        let table = scope_table(scopes.as_deref())?;
        let apis = variable("RESOURCES");
        let resources = match &apis {
            None => Resources::default(),
            Some(text) => Resources::parse(text, &table, issuer.as_str())
                .map_err(|error| ConfigError::new("RESOURCES", error))?,
        };

        Ok(Self {
            admin_token: secret(variable, "ADMIN_TOKEN"),
            allows_implicit,
            allows_loopback,
            audit_days: audit_days(variable("AUDIT_DAYS").as_deref())?,
            branding: Branding::parse(&variable, &issuer, outbound)?,
            caching,
            digest: digest(&[
                env!("POSTERN_BUILD"),
                issuer.as_str(),
                &registration,
                scopes.as_deref().unwrap_or("{}"),
                apis.as_deref().unwrap_or("{}"),
                if allows_implicit { "implicit" } else { "" },
                if client_documents == DocumentPolicy::Closed { "" } else { "documents" },
            ]),
            client_documents,
            has_home_page: flag("HOME_PAGE", true)?,
            issuer,
            key_encryption_key: secret(variable, "KEY_ENCRYPTION_KEY"),
            key_times,
            leeway: i64::from(leeway),
            private_use_schemes,
            registration: policy,
            resources,
            scopes: table,
        })
    }
}

/// Reads a secret, and the previous one by the name with `_PREVIOUS`.
fn secret(variable: impl Fn(&str) -> Option<String>, name: &str) -> ReplaceableSecret {
    let read = |name: &str| variable(name).map(Secret::new);
    ReplaceableSecret { current: read(name), previous: read(&format!("{name}_PREVIOUS")) }
}

/// Parses `SCOPES`.
fn scope_table(text: Option<&str>) -> Result<ScopeTable, ConfigError> {
    let table = text.map_or_else(|| Ok(ScopeTable::default()), ScopeTable::parse);
    let mut table = table.map_err(|error| ConfigError::new("SCOPES", error))?;
    table.add_default(DEFAULT_SCOPE);
    Ok(table)
}

/// Parses `PRIVATE_USE_SCHEMES`: schemes separated by commas.
fn schemes(list: &str) -> Result<Vec<String>, ConfigError> {
    let schemes: Vec<_> = list.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
    match schemes.iter().find(|scheme| !scheme::is_custom(scheme)) {
        Some(scheme) => {
            let reason = format_args!(
                "must be schemes of applications in lower case, separated by commas; {scheme} is none"
            );
            Err(ConfigError::new("PRIVATE_USE_SCHEMES", reason))
        }
        None => Ok(schemes.into_iter().map(str::to_owned).collect()),
    }
}

fn document_policy(text: Option<String>) -> Result<DocumentPolicy, ConfigError> {
    let parse = |text: String| DocumentPolicy::parse(&text);
    let policy = text.map_or(Ok(DocumentPolicy::Closed), parse);
    policy.map_err(|error| ConfigError::new("CLIENT_DOCUMENTS", error))
}

/// The value of `REGISTRATION`: who may register a client at the registration endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registration {
    /// Nobody: the endpoint does not exist.
    Closed,
    /// Everybody, without a token.
    Open,
    /// Holders of an initial access token that the operator created (RFC 7591 section 3).
    Token,
}

impl Registration {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "closed" => Some(Self::Closed),
            "open" => Some(Self::Open),
            "token" => Some(Self::Token),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::parse(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn every_variable_except_the_issuer_has_a_default() {
        let config = parse(&[("ISSUER", "https://example.com")]).unwrap();
        assert_eq!(
            config.caching.header(None),
            "public, max-age=300, stale-while-revalidate=600, stale-if-error=86400"
        );
        assert_eq!((config.leeway, config.registration), (5, Registration::Token));
        assert_eq!(config.audit_days, 90);
        assert!(
            config.admin_token.current.is_none() && config.key_encryption_key.current.is_none()
        );
        assert_eq!(parse(&[]).unwrap_err().variable, "ISSUER");
        assert_eq!(parse(&[("ISSUER", "")]).unwrap_err().variable, "ISSUER");
    }

    #[test]
    fn no_cache_serves_a_document_after_it_changes() {
        let caching = parse(&[("ISSUER", "https://example.com")]).unwrap().caching;
        for (remaining, header) in [
            (-1, "public, max-age=0, stale-while-revalidate=0, stale-if-error=0"),
            (100, "public, max-age=100, stale-while-revalidate=0, stale-if-error=0"),
            (400, "public, max-age=300, stale-while-revalidate=100, stale-if-error=100"),
            (5_000, "public, max-age=300, stale-while-revalidate=600, stale-if-error=4700"),
        ] {
            assert_eq!(caching.header(Some(remaining)), header);
        }
    }

    #[test]
    fn the_error_names_the_invalid_variable() {
        for (variable, text) in [
            ("CACHE_MAX_AGE", "1h"),
            ("CACHE_MAX_AGE", "-1"),
            ("CACHE_STALE_WHILE_REVALIDATE", "604801"),
            ("CACHE_STALE_IF_ERROR", "1.5"),
            ("CLOCK_LEEWAY", "61"),
            ("AUDIT_DAYS", "0"),
            ("AUDIT_DAYS", "3651"),
            ("AUDIT_DAYS", "90 days"),
            ("KEY_AHEAD_SECONDS", "3d"),
            ("KEY_AHEAD_SECONDS", "0"),
            ("KEY_SIGNING_SECONDS", "86400"),
            ("KEY_SIGNING_SECONDS", "34560001"),
            ("ALLOW_IMPLICIT", "1"),
            ("ALLOW_LOOPBACK", "yes"),
            ("CLIENT_DOCUMENTS", "true"),
            ("REGISTRATION", "Open"),
            ("PRIVATE_USE_SCHEMES", "cursor,javascript"),
            ("PRIVATE_USE_SCHEMES", "HTTP"),
            ("PRIVATE_USE_SCHEMES", "cursor://"),
            ("PRIVATE_USE_SCHEMES", "cursor vscode"),
            ("RESOURCES", "https://api.example"),
            ("SCOPES", "groups"),
        ] {
            let error = parse(&[("ISSUER", "https://example.com"), (variable, text)]).unwrap_err();
            assert_eq!(error.variable, variable);
        }
    }

    #[test]
    fn the_digest_differs_for_configurations_with_other_documents() {
        let digest = |variables: &[(&str, &str)]| parse(variables).unwrap().digest;
        let one = digest(&[("ISSUER", "https://example.com")]);
        assert_eq!(one, digest(&[("ISSUER", "https://example.com"), ("ADMIN_TOKEN", "x")]));
        assert_ne!(one, digest(&[("ISSUER", "https://example.org")]));
        assert_ne!(
            one,
            digest(&[("ISSUER", "https://example.com"), ("SCOPES", r#"{"hr":["salary"]}"#)])
        );
        for (variable, text) in [
            ("REGISTRATION", "open"),
            ("ALLOW_IMPLICIT", "true"),
            ("CLIENT_DOCUMENTS", "open"),
            ("RESOURCES", r#"{"urn:x":["x"]}"#),
        ] {
            assert_ne!(one, digest(&[("ISSUER", "https://example.com"), (variable, text)]));
        }
    }
}
