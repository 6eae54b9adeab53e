//! The choice of a token's audience (RFC 8707 section 2.2).

use std::borrow::Cow;

use super::{Resource, Resources};
use crate::jose::jwk::Algorithm;
use crate::protocol::token::access_token::{self, AccessTokenType};
use crate::protocol::user::scope::{OFFLINE_ACCESS, OPENID, Scopes};

/// The audience of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// One of the operator's APIs.
    Resource(&'a Resource),
    Userinfo,
}

/// An error in the choice of a token's resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetError {
    /// No resource is requested, but several were granted.
    Ambiguous,
    /// The requested resource was not granted.
    NotGranted,
}

impl TargetError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Ambiguous => {
                "missing parameter: resource (scopes of several resources were granted)"
            }
            Self::NotGranted => "resource: no scope of this resource was granted",
        }
    }
}

impl Target<'_> {
    /// Returns the algorithm that the token is signed with.
    pub fn alg(self) -> Algorithm {
        match self {
            Self::Resource(resource) => resource.alg,
            Self::Userinfo => access_token::ALG,
        }
    }

    /// Returns the token's `typ`.
    pub fn typ(self) -> AccessTokenType {
        match self {
            Self::Resource(resource) => resource.typ,
            Self::Userinfo => AccessTokenType::AtJwt,
        }
    }
}

impl Resources {
    /// Chooses the token's audience: the requested resource; otherwise userinfo if `openid` or no resource was granted;
    /// otherwise the only resource that was granted.
    pub fn target<'a>(
        &'a self,
        requested: Option<&'a Resource>,
        granted: &Scopes<'_>,
    ) -> Result<Target<'a>, TargetError> {
        match requested {
            Some(resource) if resource.has_some(granted) => Ok(Target::Resource(resource)),
            Some(_) => Err(TargetError::NotGranted),
            None if granted.contains(OPENID) => Ok(Target::Userinfo),
            None => match self.for_scopes(granted).as_slice() {
                [] => Ok(Target::Userinfo),
                [resource] => Ok(Target::Resource(resource)),
                _ => Err(TargetError::Ambiguous),
            },
        }
    }

    /// Returns the scopes that belong to a target. All scopes that belong to no API belong to userinfo, except the
    /// `offline_access` that the provider has put before the requested scopes: some clients refuse a response with more
    /// scopes than they have requested.
    pub fn scope_for<'a>(&self, target: Target<'_>, scope: &'a str) -> Cow<'a, str> {
        let requested = scope
            .strip_prefix(OFFLINE_ACCESS)
            .filter(|rest| rest.starts_with(' ') && !Scopes::of_valid(rest).contains(OPENID));
        let scope = requested.map_or(scope, str::trim_start);
        if self.is_empty() {
            return Cow::Borrowed(scope);
        }
        let is_own = |scope: &&str| match target {
            Target::Resource(resource) => self.of_scope(scope) == Some(resource),
            Target::Userinfo => self.of_scope(scope).is_none(),
        };
        let own: Vec<_> = Scopes::of_valid(scope).iter().filter(is_own).collect();
        Cow::Owned(own.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::user::scope::ScopeTable;

    #[test]
    fn a_token_has_one_audience_and_only_its_scopes() {
        let text = r#"{"https://a.example":["a","aa"],"urn:example:b":["b"]}"#;
        let resources = Resources::parse(text, &ScopeTable::default(), "").unwrap();
        let audience_and_scope = |requested: Option<&str>, scope: &str| {
            let requested = requested.map(|uri| resources.find(uri).unwrap());
            let target = resources.target(requested, &Scopes::parse(scope).unwrap())?;
            let aud = match target {
                Target::Resource(resource) => resource.uri.as_str(),
                Target::Userinfo => "userinfo",
            };
            Ok::<_, TargetError>(format!("{aud} {}", resources.scope_for(target, scope)))
        };
        for (requested, scope, expected) in [
            (None, "openid email a b", "userinfo openid email"),
            (None, "email", "userinfo email"),
            (None, "email aa", "https://a.example aa"),
            // The provider's own `offline_access` is first, and without `openid`.
            (None, "offline_access email", "userinfo email"),
            (None, "email offline_access", "userinfo email offline_access"),
            (None, "offline_access openid", "userinfo offline_access openid"),
            (None, "offline_access", "userinfo offline_access"),
            (None, "offline_access_all email", "userinfo offline_access_all email"),
            (Some("https://a.example"), "openid a b aa", "https://a.example a aa"),
            (Some("https://a.example/"), "openid a b aa", "https://a.example a aa"),
            (Some("urn:example:b"), "openid a b aa", "urn:example:b b"),
        ] {
            assert_eq!(audience_and_scope(requested, scope).unwrap(), expected);
        }
        assert_eq!(audience_and_scope(None, "a b"), Err(TargetError::Ambiguous));
        assert_eq!(
            audience_and_scope(Some("urn:example:b"), "openid a"),
            Err(TargetError::NotGranted)
        );
        for unknown in ["https://a.example/x", "https://A.example", "urn:example:b/", ""] {
            assert!(resources.find(unknown).is_none(), "{unknown}");
        }
    }
}
