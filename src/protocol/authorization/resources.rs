//! The operator's APIs, for which tokens can be issued (RFC 8707).

use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

use crate::jose::json::{self, parse_object};
use crate::protocol::description::{Description, Sent};
use crate::protocol::user::scope::{OPENID, ScopeTable, Scopes, is_scope_token};

/// The operator's APIs with their scopes. A scope belongs to one API only and releases no claims, so that it determines
/// the API, and the user's consent to it has one meaning.
#[derive(Debug, Default)]
pub struct Resources(Vec<Resource>);

/// An API of the operator: a resource server that accepts Postern's access tokens.
#[derive(Debug, Eq, PartialEq)]
pub struct Resource {
    /// The resource indicator, which is the audience of the API's tokens.
    pub uri: String,
    /// The API's scopes, at least one.
    pub scopes: Vec<String>,
}

/// The audience of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// One of the operator's APIs.
    Resource(&'a Resource),
    Userinfo,
}

/// An error in the operator's APIs. The message follows the name of the variable.
#[derive(Debug)]
pub enum ResourcesError {
    /// The variable is not a JSON object, or it has a duplicate field.
    NotAnObject(serde_json::Error),
    /// The name of a field is not a resource indicator (RFC 8707 section 2).
    NotAnIndicator {
        /// The invalid name.
        uri: String,
    },
    /// The value of a field is not a list of scope tokens, or the list is empty.
    NotScopes {
        /// The resource indicator of the API.
        uri: String,
    },
    /// A resource indicator is the URL of one of this provider's endpoints.
    Own {
        /// The resource indicator.
        uri: String,
    },
    /// A scope appears twice, or it is also in the [`ScopeTable`].
    ScopeTaken {
        scope: String,
        /// The resource indicator of the API.
        uri: String,
    },
}

impl fmt::Display for ResourcesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject(error) => write!(formatter, "must be a JSON object: {error}"),
            Self::NotAnIndicator { uri } => {
                write!(formatter, "{uri:?} must be an absolute URI without a fragment")
            }
            Self::NotScopes { uri } => {
                write!(formatter, "{uri} must have a list of at least one scope token")
            }
            Self::Own { uri } => {
                write!(formatter, "{uri} must not be an endpoint of this provider")
            }
            Self::ScopeTaken { scope, uri } => write!(
                formatter,
                "the scope {scope} of {uri} is also defined elsewhere; a scope must belong to \
                 one API"
            ),
        }
    }
}

/// An error in the choice of a token's resource (RFC 8707 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetError {
    /// No resource is requested, but several were granted.
    Ambiguous,
    /// The requested resource was not granted.
    NotGranted,
}

/// The description of a request for a scope that the client has not registered.
pub fn scope_not_registered(scope: &str) -> Description {
    let scope = Sent(scope);
    Description::new(format_args!(
        "scope: this client has not registered {scope}: add it to its scope"
    ))
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

impl Resources {
    /// Parses the operator's APIs: a JSON object that maps each resource indicator to its scopes, for example
    /// `{"https://api.example.com": ["orders:read"]}`. `table` has all other scopes.
    pub fn parse(text: &str, table: &ScopeTable, issuer: &str) -> Result<Self, ResourcesError> {
        let fields = parse_object(text.as_bytes()).map_err(ResourcesError::NotAnObject)?;
        let mut resources = Self::default();
        for (uri, scopes) in fields {
            let resource = Resource::new(uri, scopes, issuer)?;
            for (index, scope) in resource.scopes.iter().enumerate() {
                let is_taken = table.names().any(|name| name == scope)
                    || resources.of_scope(scope).is_some()
                    || resource.scopes.iter().take(index).any(|earlier| earlier == scope);
                if is_taken {
                    let (scope, uri) = (scope.clone(), resource.uri);
                    return Err(ResourcesError::ScopeTaken { scope, uri });
                }
            }
            resources.0.push(resource);
        }
        Ok(resources)
    }

    /// Returns whether there is no API.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the API with this resource indicator, which is compared byte for byte.
    pub fn find(&self, uri: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.uri == uri)
    }

    /// Returns the API that has this scope.
    pub fn of_scope(&self, scope: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.scopes.iter().any(|own| own == scope))
    }

    /// Returns the scopes of all APIs.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|resource| &resource.scopes).map(String::as_str)
    }

    /// Returns the APIs that have at least one of these scopes, without duplicates.
    pub fn for_scopes(&self, granted: &Scopes<'_>) -> Vec<&Resource> {
        let has_some =
            |resource: &&Resource| resource.scopes.iter().any(|scope| granted.contains(scope));
        self.0.iter().filter(has_some).collect()
    }

    /// Chooses the token's audience (RFC 8707 section 2.2): the requested resource; otherwise userinfo if `openid` or
    /// no resource was granted; otherwise the only resource that was granted.
    pub fn target<'a>(
        &'a self,
        requested: Option<&str>,
        granted: &Scopes<'_>,
    ) -> Result<Target<'a>, TargetError> {
        let resources = || self.for_scopes(granted);
        match requested {
            Some(uri) => {
                let found = resources().into_iter().find(|resource| resource.uri == uri);
                found.map(Target::Resource).ok_or(TargetError::NotGranted)
            }
            None if granted.contains(OPENID) => Ok(Target::Userinfo),
            None => match resources().as_slice() {
                [] => Ok(Target::Userinfo),
                [resource] => Ok(Target::Resource(resource)),
                _ => Err(TargetError::Ambiguous),
            },
        }
    }

    /// Returns the scopes that belong to a target. All scopes that belong to no API belong to userinfo.
    pub fn scope_for<'a>(&self, target: Target<'_>, scope: &'a str) -> Cow<'a, str> {
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

impl Resource {
    fn new(uri: String, scopes: Value, issuer: &str) -> Result<Self, ResourcesError> {
        if !is_indicator(&uri) {
            return Err(ResourcesError::NotAnIndicator { uri });
        }
        if uri.strip_prefix(issuer).is_some_and(|path| path.starts_with("/auth/")) {
            return Err(ResourcesError::Own { uri });
        }
        match json::from_parsed::<Vec<String>>(scopes) {
            Ok(scopes)
                if !scopes.is_empty() && scopes.iter().all(|scope| is_scope_token(scope)) =>
            {
                Ok(Self { uri, scopes })
            }
            _ => Err(ResourcesError::NotScopes { uri }),
        }
    }
}

/// Returns whether a text is an absolute URI without a fragment (RFC 8707 section 2).
fn is_indicator(uri: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    uri.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
        && uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Resources, ResourcesError> {
        let table = ScopeTable::parse(r#"{"groups":["groups"]}"#).unwrap();
        Resources::parse(text, &table, "https://login.example.com")
    }

    #[test]
    fn invalid_apis_of_the_operator_are_refused() {
        for (text, complaint) in [
            ("[]", "JSON object"),
            (r#"{"api":["a"]}"#, "absolute URI"),
            (r#"{"https://api.example#x":["a"]}"#, "absolute URI"),
            (r#"{"https://api.example/ x":["a"]}"#, "absolute URI"),
            (r#"{":x":["a"]}"#, "absolute URI"),
            (r#"{"https://login.example.com/auth/userinfo":["a"]}"#, "endpoint of this provider"),
            (r#"{"https://api.example":[]}"#, "at least one"),
            (r#"{"https://api.example":"a"}"#, "at least one"),
            (r#"{"https://api.example":[1]}"#, "at least one"),
            (r#"{"https://api.example":["a b"]}"#, "at least one"),
            (r#"{"https://api.example":["a","a"]}"#, "defined elsewhere"),
            (r#"{"https://api.example":["openid"]}"#, "defined elsewhere"),
            (r#"{"https://api.example":["groups"]}"#, "defined elsewhere"),
            (r#"{"https://a.example":["a"],"https://b.example":["a"]}"#, "defined elsewhere"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
        assert!(parse("{}").unwrap().is_empty());
    }

    #[test]
    fn a_token_has_one_audience_and_only_its_scopes() {
        let resources = parse(r#"{"https://a.example":["a","aa"],"urn:example:b":["b"]}"#).unwrap();
        let audience_and_scope = |requested: Option<&str>, scope: &str| {
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
            (Some("https://a.example"), "openid a b aa", "https://a.example a aa"),
            (Some("urn:example:b"), "openid a b aa", "urn:example:b b"),
        ] {
            assert_eq!(audience_and_scope(requested, scope).unwrap(), expected);
        }
        assert_eq!(audience_and_scope(None, "a b"), Err(TargetError::Ambiguous));
        for unknown in ["https://a.example/", "urn:example:b", "https://A.example", ""] {
            assert_eq!(
                audience_and_scope(Some(unknown), "openid a"),
                Err(TargetError::NotGranted),
                "{unknown}"
            );
        }
    }
}
