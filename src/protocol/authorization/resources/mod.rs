//! The operator's APIs, for which tokens can be issued (RFC 8707).

mod indicator;
mod parse;
mod target;

pub use parse::ResourcesError;
pub use target::{Target, TargetError};

use std::collections::BTreeMap;

use crate::jose::jwk::Algorithm;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::description::{Description, Sent};
use crate::protocol::same_uri::is_same_uri;
use crate::protocol::token::access_token::AccessTokenType;
use crate::protocol::user::scope::Scopes;
use crate::protocol::user::scope_words::ScopeWords;

/// The operator's APIs with their scopes. A scope belongs to one API only and releases no claims, so that it determines
/// the API, and the user's consent to it has one meaning.
#[derive(Debug, Default)]
pub struct Resources(Vec<Resource>);

/// An API of the operator: a resource server that accepts Postern's access tokens.
#[derive(Debug, Eq, PartialEq)]
pub struct Resource {
    /// The resource indicator, which is the audience of the API's tokens, as the operator spells it.
    pub uri: String,
    /// The API's scopes, at least one.
    pub scopes: Vec<ApiScope>,
    /// Whether clients for which nobody vouches may be granted its scopes, too.
    pub is_open: bool,
    /// The algorithm that the API's tokens are signed with.
    pub alg: Algorithm,
    /// The `typ` of the API's tokens.
    pub typ: AccessTokenType,
}

/// A scope of an API.
#[derive(Debug, Eq, PartialEq)]
pub struct ApiScope {
    pub name: String,
    /// The words that users read on the consent page.
    pub words: ScopeWords,
}

impl Resources {
    /// Returns whether there is no API.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all APIs.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter()
    }

    /// Returns the API that a resource indicator names. An `http` or `https` URL with an empty path is the one with the
    /// path `/` (RFC 3986 section 6.2.3); apart from that, indicators are compared byte for byte.
    pub fn find(&self, uri: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| is_same_uri(&resource.uri, uri))
    }

    /// Returns the API that has this scope.
    pub fn of_scope(&self, scope: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.has(scope))
    }

    /// Returns the URI of the API of each scope that belongs to one.
    pub fn uris_of(&self, scopes: &Scopes<'_>) -> BTreeMap<String, String> {
        let with_uri = |scope: &str| Some((scope.to_owned(), self.of_scope(scope)?.uri.clone()));
        scopes.iter().filter_map(with_uri).collect()
    }

    /// Returns the APIs that have at least one of these scopes, without duplicates.
    pub fn for_scopes(&self, granted: &Scopes<'_>) -> Vec<&Resource> {
        self.0.iter().filter(|resource| resource.has_some(granted)).collect()
    }
}

impl Resource {
    /// Returns the names of the API's scopes.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|scope| scope.name.as_str())
    }

    /// Returns whether a scope belongs to the API.
    pub fn has(&self, scope: &str) -> bool {
        self.scope_names().any(|own| own == scope)
    }

    /// Returns whether at least one of these scopes belongs to the API.
    pub fn has_some(&self, scopes: &Scopes<'_>) -> bool {
        scopes.iter().any(|scope| self.has(scope))
    }

    /// Returns the words for one of the API's scopes in a language, if the operator has defined any.
    pub fn words(&self, scope: &str, language: &str) -> Option<&str> {
        self.scopes.iter().find(|own| own.name == scope)?.words.in_language(language)
    }

    /// Returns whether the API's URI is among these.
    pub fn is_among(&self, uris: &[String]) -> bool {
        uris.iter().any(|uri| is_same_uri(uri, &self.uri))
    }

    /// Returns whether a client may be granted a scope of this API. This is the only rule about it, for each endpoint
    /// and grant type.
    ///
    /// - The operator's client must have registered the scope by name, so that it has no access to APIs by default. If
    ///   it has registered no scopes at all, it has access to open APIs.
    /// - A client for which nobody vouches may have every scope of an open API, and no scope of another one. What it
    ///   has registered does not count, because it could register anything.
    /// - A client with an initial access token that named the API may have the scopes that it has registered, too.
    pub fn admits(&self, scope: &str, client: &ClientMetadata, voucher: Voucher<'_>) -> bool {
        match voucher {
            Voucher::Nobody => self.is_open,
            Voucher::Apis(uris) => {
                self.is_open || self.is_among(uris) && client.has_registered(scope)
            }
            Voucher::Operator => {
                client.has_registered(scope) || self.is_open && client.scope.is_none()
            }
        }
    }

    /// The description of a request for a scope of this API by a client that [`admits`](Self::admits) refuses.
    pub fn refusal(&self, scope: &str, voucher: Voucher<'_>) -> Description {
        let is_for_it = match voucher {
            Voucher::Nobody => false,
            Voucher::Apis(uris) => self.is_among(uris),
            Voucher::Operator => true,
        };
        if is_for_it {
            return scope_not_registered(scope);
        }
        let scope = Sent(scope);
        Description::new(format_args!(
            "scope: {scope} is only for clients that the operator has registered"
        ))
    }
}

/// The description of a request for a scope that the client has not registered.
pub fn scope_not_registered(scope: &str) -> Description {
    let scope = Sent(scope);
    Description::new(format_args!(
        "scope: this client has not registered {scope}: add it to its scope"
    ))
}

/// The description of a request that names a resource which is not one of the operator's APIs.
pub fn unknown_resource(uri: &str) -> Description {
    let uri = Sent(uri);
    Description::new(format_args!("resource: {uri} is not a resource of this provider"))
}
