//! The parser of the variable `RESOURCES`.

use serde_json::{Map, Value};
use std::fmt;

use super::indicator::is_indicator;
use super::{ApiScope, Resource, Resources};
use crate::jose::json::parse_object;
use crate::jose::jwk::Algorithm;
use crate::protocol::same_uri::is_same_uri;
use crate::protocol::token::access_token::{self, AccessTokenType};
use crate::protocol::user::scope::{ScopeTable, is_scope_token};
use crate::protocol::user::scope_words::{InvalidWords, ScopeWords};

/// An error in the operator's APIs. The message follows the name of the variable.
#[derive(Debug)]
pub enum ResourcesError {
    /// Two resource indicators name the same API.
    Duplicate {
        uri: String,
    },
    /// A field of an API's object is unknown, or has a wrong value.
    Field {
        /// The resource indicator of the API.
        uri: String,
        field: String,
        /// The rule that the field breaks.
        requirement: &'static str,
    },
    /// The variable is not a JSON object, or it has a duplicate field.
    NotAnObject(serde_json::Error),
    /// The name of a field is not a resource indicator (RFC 8707 section 2).
    NotAnIndicator {
        /// The invalid name.
        uri: String,
    },
    /// The scopes of an API are not scope tokens, or there are none.
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
    Words(InvalidWords),
}

impl fmt::Display for ResourcesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { uri } => write!(
                formatter,
                "{uri} appears twice; an empty path and the path / are the same (RFC 3986 section \
                 6.2.3)"
            ),
            Self::Field { uri, field, requirement } => {
                write!(formatter, "{uri}: {field} {requirement}")
            }
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
            Self::Words(error) => error.fmt(formatter),
        }
    }
}

impl Resources {
    /// Parses the operator's APIs: a JSON object that maps each resource indicator to its scopes, for example
    /// `{"https://api.example.com": ["orders:read"]}`, or to an object with the fields of [`Resource`]. `table` has all
    /// other scopes.
    pub fn parse(text: &str, table: &ScopeTable, issuer: &str) -> Result<Self, ResourcesError> {
        let fields = parse_object(text.as_bytes()).map_err(ResourcesError::NotAnObject)?;
        let mut resources = Self::default();
        for (uri, value) in fields {
            let resource = Resource::parse(uri, value, issuer)?;
            let uri = &resource.uri;
            if resources.0.iter().any(|earlier| is_same_uri(&earlier.uri, uri)) {
                return Err(ResourcesError::Duplicate { uri: uri.clone() });
            }
            for (index, ApiScope { name, .. }) in resource.scopes.iter().enumerate() {
                let is_taken = table.names().any(|known| known == name)
                    || resources.of_scope(name).is_some()
                    || resource.scopes.iter().take(index).any(|earlier| earlier.name == *name);
                if is_taken {
                    let (scope, uri) = (name.clone(), uri.clone());
                    return Err(ResourcesError::ScopeTaken { scope, uri });
                }
            }
            resources.0.push(resource);
        }
        Ok(resources)
    }
}

impl Resource {
    fn parse(uri: String, value: Value, issuer: &str) -> Result<Self, ResourcesError> {
        if !is_indicator(&uri) {
            return Err(ResourcesError::NotAnIndicator { uri });
        }
        if uri.strip_prefix(issuer).is_some_and(|path| path.starts_with("/auth/")) {
            return Err(ResourcesError::Own { uri });
        }
        match value {
            Value::Object(fields) => Self::from_fields(uri, fields),
            scopes => Ok(Self {
                scopes: parse_scopes(&uri, scopes)?,
                uri,
                is_open: false,
                alg: access_token::ALG,
                typ: AccessTokenType::AtJwt,
            }),
        }
    }

    fn from_fields(uri: String, mut fields: Map<String, Value>) -> Result<Self, ResourcesError> {
        let mut field = |name| fields.remove(name);
        let (scopes, open) = (field("scopes"), field("open"));
        let (alg, typ) = (field("alg"), field("typ"));
        let wrong = |field: &str, requirement| {
            Err(ResourcesError::Field { uri: uri.clone(), field: field.to_owned(), requirement })
        };
        if let Some(unknown) = fields.keys().next() {
            return wrong(unknown, "is not one of scopes, open, alg and typ");
        }
        let is_open = match open {
            None => false,
            Some(Value::Bool(is_open)) => is_open,
            Some(_) => return wrong("open", "must be true or false"),
        };
        let alg = match alg.as_ref().map(|alg| alg.as_str().and_then(Algorithm::from_name)) {
            None => access_token::ALG,
            Some(Some(alg)) => alg,
            Some(None) => return wrong("alg", "must be ES256 or RS256"),
        };
        let typ = match typ.as_ref().map(|typ| typ.as_str().and_then(AccessTokenType::from_name)) {
            None => AccessTokenType::AtJwt,
            Some(Some(typ)) => typ,
            Some(None) => return wrong("typ", "must be at+jwt or JWT"),
        };
        let scopes = parse_scopes(&uri, scopes.unwrap_or_default())?;
        Ok(Self { uri, scopes, is_open, alg, typ })
    }
}

/// Parses a list of scopes, or an object from each scope to its words.
fn parse_scopes(uri: &str, value: Value) -> Result<Vec<ApiScope>, ResourcesError> {
    let not_scopes = || ResourcesError::NotScopes { uri: uri.to_owned() };
    let scopes: Vec<_> = match value {
        Value::Array(names) => names
            .into_iter()
            .map(|name| match name {
                Value::String(name) => Ok(ApiScope { name, words: ScopeWords::default() }),
                _ => Err(not_scopes()),
            })
            .collect::<Result<_, _>>()?,
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, words)| {
                let words = ScopeWords::parse(&name, words).map_err(ResourcesError::Words)?;
                Ok(ApiScope { name, words })
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(not_scopes()),
    };
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope_token(&scope.name)) {
        return Err(not_scopes());
    }
    Ok(scopes)
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
            (r#"{"https://api.example":{}}"#, "at least one"),
            (r#"{"https://api.example":{"scopes":{}}}"#, "at least one"),
            (r#"{"https://api.example":{"scopes":null}}"#, "at least one"),
            (r#"{"https://api.example":{"scopes":{"a b":{}}}}"#, "at least one"),
            (r#"{"https://api.example":["a","a"]}"#, "defined elsewhere"),
            (r#"{"https://api.example":["openid"]}"#, "defined elsewhere"),
            (r#"{"https://api.example":["groups"]}"#, "defined elsewhere"),
            (r#"{"https://a.example":["a"],"https://b.example":["a"]}"#, "defined elsewhere"),
            (r#"{"https://a.example":["a"],"https://a.example/":["b"]}"#, "appears twice"),
            (r#"{"https://a.example/?x":["a"],"https://a.example?x":["b"]}"#, "appears twice"),
            (r#"{"urn:a":{"scopes":["a"],"Open":true}}"#, "urn:a: Open is not one of"),
            (r#"{"urn:a":{"scopes":["a"],"aud":"x"}}"#, "urn:a: aud is not one of"),
            (r#"{"urn:a":{"scopes":["a"],"open":"true"}}"#, "open must be true or false"),
            (r#"{"urn:a":{"scopes":["a"],"open":null}}"#, "open must be true or false"),
            (r#"{"urn:a":{"scopes":["a"],"alg":"none"}}"#, "alg must be ES256 or RS256"),
            (r#"{"urn:a":{"scopes":["a"],"alg":"HS256"}}"#, "alg must be ES256 or RS256"),
            (r#"{"urn:a":{"scopes":["a"],"typ":"jwt"}}"#, "typ must be at+jwt or JWT"),
            (r#"{"urn:a":{"scopes":{"a":"Read"}}}"#, "the words for the scope a must be"),
            (r#"{"urn:a":{"scopes":{"a":{"d e":"x"}}}}"#, "the words for the scope a must be"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
        assert!(parse("{}").unwrap().is_empty());
    }

    #[test]
    fn an_api_is_closed_and_its_tokens_are_those_of_rfc_9068_by_default() {
        let resources = parse(
            r#"{"urn:a":["a"],"urn:b":{"scopes":["b"]},
                "urn:c":{"scopes":{"c":{"":"See"},"d":{}},"open":true,"alg":"RS256","typ":"JWT"}}"#,
        )
        .unwrap();
        for (uri, is_open, alg, typ) in [
            ("urn:a", false, Algorithm::Es256, AccessTokenType::AtJwt),
            ("urn:b", false, Algorithm::Es256, AccessTokenType::AtJwt),
            ("urn:c", true, Algorithm::Rs256, AccessTokenType::Jwt),
        ] {
            let resource = resources.find(uri).unwrap();
            assert_eq!((resource.is_open, resource.alg, resource.typ), (is_open, alg, typ));
        }
        let resource = resources.find("urn:c").unwrap();
        let words: Vec<_> =
            ["c", "d", "a"].iter().map(|scope| resource.words(scope, "de")).collect();
        assert_eq!(words, [Some("See"), None, None]);
    }
}
