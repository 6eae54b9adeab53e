//! The scopes that an authorization request can be granted (RFC 6749 section 3.3, RFC 8707 section 2).

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_policy::AuthorizePolicy;
use crate::protocol::authorization::resources::{Resource, scope_not_registered, unknown_resource};
use crate::protocol::client::metadata::{ClientMetadata, GrantType};
use crate::protocol::description::Description;
use crate::protocol::user::scope::{
    InvalidScopes, OFFLINE_ACCESS, OPENID, Scopes, mark_as_requested,
};

/// The parameters of a request that decide about its scopes.
pub(super) struct ScopeParameters<'a> {
    pub scope: Option<&'a str>,
    /// Each value of the parameter `resource`.
    pub resources: Vec<&'a str>,
    /// Whether the response is a code, or that to a device, so that a refresh token is possible.
    pub is_code: bool,
}

/// Returns the scopes that can be granted, without duplicates: those of the parameter `scope`, or the
/// [default](Rules::default_scopes). These scopes are dropped:
///
/// - unknown ones
/// - scopes that release claims and that the client has not registered, if it has registered any (RFC 7591 section 2)
/// - scopes of APIs that the client may not have, or that are not among the named resources
/// - `offline_access`, if the client cannot use a refresh token (OpenID Connect Core section 11)
///
/// `offline_access` is put before the scopes of a request without `openid` if the client can use a refresh token: that
/// scope is defined for OpenID Connect only, so other clients do not send it (RFC 6749 section 1.5). As a scope of the
/// grant it is on the consent page, and a consent without it does not cover the request.
///
/// # Errors
/// `invalid_target` if a named resource does not exist or no scope of it can be granted; `invalid_scope` if no scope can
/// be granted.
pub(super) fn grantable(
    parameters: &ScopeParameters<'_>,
    client: &ClientMetadata,
    policy: &AuthorizePolicy<'_>,
) -> Result<String, AuthorizeError> {
    // 1. Find the named resources (RFC 8707 section 2).
    let invalid_target = |description| AuthorizeError::new("invalid_target", description);
    let mut named = Vec::new();
    for uri in &parameters.resources {
        let resource = policy.resources.find(uri);
        let resource = resource.ok_or_else(|| invalid_target(unknown_resource(uri)))?;
        if !named.contains(&resource) {
            named.push(resource);
        }
    }
    let may_refresh = parameters.is_code && client.grant_types.contains(&GrantType::RefreshToken);
    let rules = Rules { client, policy, named, may_refresh };

    // 2. Find the requested scopes.
    let requested = match parameters.scope.filter(|text| !Scopes::is_blank(text)) {
        None => rules.default_scopes(),
        Some(text) => {
            let invalid = |error: InvalidScopes| {
                AuthorizeError::new("invalid_scope", format!("scope: {}", error.description()))
            };
            Scopes::parse(text).map_err(invalid)?.iter().collect()
        }
    };

    // 3. Drop those that cannot be granted.
    let mut granted: Vec<&str> =
        requested.iter().copied().filter(|scope| rules.can_grant(scope)).collect();
    if granted.is_empty() {
        return Err(AuthorizeError::new("invalid_scope", rules.none_granted(&requested)));
    }

    // 4. Require a scope of each named resource, because a token without one is useless there (RFC 8707 section 2).
    let has_some = |resource: &Resource| granted.iter().any(|scope| resource.has(scope));
    if let Some(resource) = rules.named.iter().find(|resource| !has_some(resource)) {
        return Err(invalid_target(rules.none_of_resource(resource, &requested)));
    }

    // 5. Add the refresh token of a request without OpenID Connect.
    mark_as_requested(&mut granted);
    if may_refresh && !granted.contains(&OPENID) && !granted.contains(&OFFLINE_ACCESS) {
        granted.insert(0, OFFLINE_ACCESS);
    }
    Ok(granted.join(" "))
}

/// The rules by which a request of a client is granted scopes.
struct Rules<'a> {
    client: &'a ClientMetadata,
    policy: &'a AuthorizePolicy<'a>,
    /// The named resources. They exclude the scopes of all other APIs.
    named: Vec<&'a Resource>,
    may_refresh: bool,
}

impl<'a> Rules<'a> {
    /// Returns the scopes of a request without the parameter `scope`: what the client has registered. For each named API
    /// of which it has registered no scope, all scopes of the API are added, because it may have them if the API is
    /// open. Without registered scopes and named resources it is `openid` alone.
    fn default_scopes(&self) -> Vec<&'a str> {
        let registered = Scopes::of_valid(self.client.scope.as_deref().unwrap_or_default());
        let mut scopes: Vec<_> = registered.iter().collect();
        for resource in &self.named {
            if !resource.has_some(&registered) {
                scopes.extend(resource.scope_names());
            }
        }
        if scopes.is_empty() { vec![OPENID] } else { scopes }
    }

    fn can_grant(&self, scope: &str) -> bool {
        match self.policy.resources.of_scope(scope) {
            Some(resource) => {
                (self.named.is_empty() || self.named.contains(&resource))
                    && self.admits(resource, scope)
            }
            None => {
                self.is_of_provider(scope)
                    && self.client.may_have(scope)
                    && (scope != OFFLINE_ACCESS || self.may_refresh)
            }
        }
    }

    fn admits(&self, resource: &Resource, scope: &str) -> bool {
        resource.admits(scope, self.client, self.policy.voucher)
    }

    /// Returns whether a scope is one of this provider's own.
    fn is_of_provider(&self, scope: &str) -> bool {
        self.policy.scopes.names().any(|known| known == scope)
    }

    /// Why none of the requested scopes can be granted.
    fn none_granted(&self, requested: &[&str]) -> Description {
        requested.iter().find_map(|scope| self.refusal(scope)).unwrap_or(Description::fixed(
            "scope: no requested scope can be granted to this client",
        ))
    }

    /// Why a known scope is not for this client. `None` if it is, or if it is unknown.
    fn refusal(&self, scope: &str) -> Option<Description> {
        match self.policy.resources.of_scope(scope) {
            Some(resource) if self.admits(resource, scope) => None,
            Some(resource) => Some(resource.refusal(scope, self.policy.voucher)),
            None if !self.is_of_provider(scope) || self.client.may_have(scope) => None,
            None => Some(scope_not_registered(scope)),
        }
    }

    /// Why no scope of a named resource can be granted.
    fn none_of_resource(&self, resource: &Resource, requested: &[&str]) -> Description {
        let own = requested.iter().find(|scope| resource.has(scope));
        own.and_then(|scope| self.refusal(scope)).unwrap_or_else(|| {
            let uri = &resource.uri;
            Description::new(format_args!("scope: must have a scope of the resource {uri}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::authorization::resources::Resources;
    use crate::protocol::client::metadata::Registrable;
    use crate::protocol::client::outbound_url::OutboundRules;
    use crate::protocol::client::voucher::Voucher;
    use crate::protocol::json_object::JsonObject;
    use crate::protocol::own_host::OwnHost;
    use crate::protocol::user::scope::ScopeTable;

    /// The refusal of a request for these scopes, by a client with this registered scope.
    fn refusal(registered: Value, scope: &str) -> AuthorizeError {
        let mut document = json!({ "redirect_uris": ["https://app.example/cb"] });
        document["scope"] = registered;
        let mut document = JsonObject::parse(document.to_string().as_bytes()).unwrap();
        document.omit_empty();
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        let outbound = OutboundRules { allows_loopback: false, own_host };
        let registrable = Registrable::by_everybody(outbound);
        let client = ClientMetadata::from_document(&mut document, registrable).unwrap();
        let policy = AuthorizePolicy {
            allows_implicit: false,
            resources: &Resources::default(),
            scopes: &ScopeTable::default(),
            voucher: Voucher::Nobody,
        };
        let parameters =
            ScopeParameters { scope: Some(scope), resources: Vec::new(), is_code: true };
        grantable(&parameters, &client, &policy).unwrap_err()
    }

    #[test]
    fn a_refusal_names_a_scope_that_exists_and_that_the_client_has_not_registered() {
        let not_registered = "scope: this client has not registered email: add it to its scope";
        let other = "scope: no requested scope can be granted to this client";
        for (registered, scope, description) in [
            (json!("openid"), "email", not_registered),
            (json!("openid"), "unheard-of email", not_registered),
            (json!("openid"), "unheard-of", other),
            (json!(null), "unheard-of", other),
            // The client cannot use a refresh token.
            (json!(null), "offline_access", other),
        ] {
            let expected = AuthorizeError::new("invalid_scope", description);
            assert_eq!(refusal(registered.clone(), scope), expected, "{registered} {scope}");
        }
    }
}
