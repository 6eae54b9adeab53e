//! Scopes, and the claims that each scope releases (OpenID Connect Core section 5.4).

use serde_json::Value;
use std::fmt;

use crate::jose::json::parse_object;
use crate::protocol::user::claims::{self, UserClaims};
use crate::protocol::user::scope_words::{InvalidWords, ScopeWords};

pub use crate::protocol::user::scope_value::{InvalidScopes, Scopes, is_scope_token};

/// The scope that makes a request an OpenID Connect request.
pub const OPENID: &str = "openid";

/// The scope that requests a refresh token (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Moves an `offline_access` that a client has requested behind its other scopes, unless it has requested `openid`. In front
/// of them is only one that the provider has added, which responses leave out.
pub fn mark_as_requested(scopes: &mut [&str]) {
    if scopes.first() == Some(&OFFLINE_ACCESS) && !scopes.contains(&OPENID) {
        scopes.rotate_left(1);
    }
}

/// The scopes of this provider, except those of the operator's APIs: the standard ones, and the operator's own.
#[derive(Debug, Default)]
pub struct ScopeTable {
    custom: Vec<CustomScope>,
}

#[derive(Debug)]
struct CustomScope {
    name: String,
    claims: Vec<String>,
    /// The words that users read on the consent page.
    words: ScopeWords,
}

/// The maximum length of the names of all scopes of this provider's own together, in bytes. So an access token that has
/// all of them is accepted by userinfo.
const NAMES_LIMIT: usize = 4_096;

const STANDARD: [&str; 6] = [OPENID, "profile", "email", "address", "phone", OFFLINE_ACCESS];

/// Claims that have a meaning of their own in a token or a userinfo response, so that no scope of the operator may
/// release them (RFC 7519 section 4.1, RFC 9068 section 2.2, OpenID Connect Core sections 2 and 5.3.2).
const RESERVED: [&str; 19] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "exp",
    "grant_id",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "scope",
    "sid",
    "sub",
];

/// An error in the operator's scopes. The message follows the name of the variable.
#[derive(Debug)]
pub enum ScopesError {
    /// A field of a scope's object is unknown.
    Field {
        /// The name of the scope.
        scope: String,
        field: String,
    },
    /// The value of a scope is not a list of claims that it may release.
    NotClaimNames {
        /// The name of the scope.
        scope: String,
    },
    /// The variable is not a JSON object, or it has a duplicate field.
    NotAnObject(serde_json::Error),
    /// The name of a scope is not a scope token (RFC 6749 section 3.3).
    NotAScopeToken {
        /// The invalid name.
        scope: String,
    },
    /// A standard scope is redefined.
    Standard {
        /// The name of the scope.
        scope: String,
    },
    /// The names of all scopes have more than 4096 bytes together.
    TooLong,
    Words(InvalidWords),
}

impl fmt::Display for ScopesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { scope, field } => {
                write!(formatter, "the scope {scope}: {field} is not one of claims and words")
            }
            Self::NotClaimNames { scope } => write!(
                formatter,
                "the scope {scope} must have a list of claim names, without # and without \
                 protocol claims such as sub or aud"
            ),
            Self::NotAnObject(error) => write!(formatter, "must be a JSON object: {error}"),
            Self::NotAScopeToken { scope } => {
                write!(formatter, "{scope:?} is not a scope token (RFC 6749 section 3.3)")
            }
            Self::Standard { scope } => {
                write!(formatter, "must not redefine the standard scope {scope}")
            }
            Self::TooLong => {
                write!(formatter, "the names of all scopes must have at most {NAMES_LIMIT} bytes")
            }
            Self::Words(error) => error.fmt(formatter),
        }
    }
}

impl ScopeTable {
    /// Parses the operator's scopes: a JSON object that maps the name of each scope to the names of its claims, for
    /// example `{"groups": ["groups"]}`, or to an object with these claims and the words for the scope:
    /// `{"groups": {"claims": ["groups"], "words": {"": "Your groups"}}}`.
    pub fn parse(text: &str) -> Result<Self, ScopesError> {
        let fields = parse_object(text.as_bytes()).map_err(ScopesError::NotAnObject)?;
        let custom = fields.into_iter().map(|(name, value)| CustomScope::new(name, value));
        let table = Self { custom: custom.collect::<Result<_, _>>()? };
        let is_short = table.names().map(str::len).sum::<usize>() <= NAMES_LIMIT;
        is_short.then_some(table).ok_or(ScopesError::TooLong)
    }

    /// Adds a scope that releases one claim of the same name, unless the operator has defined this scope.
    pub fn add_default(&mut self, scope: &str) {
        if self.custom.iter().all(|custom| custom.name != scope) {
            let scope = scope.to_owned();
            let words = ScopeWords::default();
            self.custom.push(CustomScope { name: scope.clone(), claims: vec![scope], words });
        }
    }

    /// Returns the names of all scopes, the standard ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        STANDARD.into_iter().chain(self.custom.iter().map(|scope| scope.name.as_str()))
    }

    /// Returns the words for a scope in a language, if the operator has defined any.
    pub fn words(&self, scope: &str, language: &str) -> Option<&str> {
        self.custom.iter().find(|custom| custom.name == scope)?.words.in_language(language)
    }

    /// Returns the names of the claims that one scope releases.
    pub fn claims_of<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a str> {
        let standard = claims::STANDARD.iter().filter(move |claim| claim.scope == scope);
        let custom = self.custom.iter().filter(move |custom| custom.name == scope);
        let custom = custom.flat_map(|custom| &custom.claims).map(String::as_str);
        standard.map(|claim| claim.name).chain(custom)
    }

    /// Returns the names of all claims that a scope releases, the standard ones first, without duplicates.
    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = claims::STANDARD.iter().map(|claim| claim.name).collect();
        for name in self.custom.iter().flat_map(|scope| &scope.claims) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Returns whether a scope releases the claim, which may have a language tag.
    pub fn knows_claim(&self, claim: &str) -> bool {
        let name = without_language(claim);
        claims::STANDARD.iter().any(|standard| standard.name == name) || self.has_custom_claim(name)
    }

    /// Returns whether one of the operator's scopes releases a claim.
    pub fn has_custom_claim(&self, claim: &str) -> bool {
        self.custom.iter().any(|scope| scope.claims.iter().any(|name| name == claim))
    }

    /// Returns the claims of a userinfo response (Core section 5.3.2), or of an ID token that has the same: the user's
    /// claims that the granted scopes release, in every language, and the claims that were `requested` by name (see
    /// [`select`](Self::select)).
    pub fn release(
        &self,
        granted: &Scopes<'_>,
        requested: &[String],
        mut claims: UserClaims,
    ) -> UserClaims {
        claims.retain(|claim_name, _| {
            let name = without_language(claim_name);
            self.releases(granted, name) || self.is_requested(requested, claim_name, name)
        });
        claims
    }

    /// Returns the user's claims that were `requested` by name (Core section 5.5). `name#fr` requests one language,
    /// `name` all of them. A claim that no scope releases cannot be requested.
    pub fn select(&self, requested: &[String], mut claims: UserClaims) -> UserClaims {
        claims.retain(|claim_name, _| {
            let name = without_language(claim_name);
            self.is_requested(requested, claim_name, name)
        });
        claims
    }

    fn is_requested(&self, requested: &[String], claim_name: &str, name: &str) -> bool {
        requested.iter().any(|claim| claim == claim_name || claim == name) && self.knows_claim(name)
    }

    /// Returns the claims `requested` by name that the granted scopes do not release, without language tags and without
    /// duplicates. Claims that no scope releases are left out.
    pub fn claims_outside_scopes<'a>(
        &self,
        granted: &Scopes<'_>,
        requested: &'a [String],
    ) -> Vec<&'a str> {
        let mut names = Vec::new();
        for claim in requested {
            let name = without_language(claim);
            if self.knows_claim(name) && !self.releases(granted, name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns whether one of the granted scopes releases the claim, which may have a language tag.
    pub fn releases(&self, granted: &Scopes<'_>, claim: &str) -> bool {
        let claim = without_language(claim);
        let by_standard = claims::STANDARD
            .iter()
            .any(|standard| standard.name == claim && granted.contains(standard.scope));
        let has_claim = |scope: &CustomScope| scope.claims.iter().any(|name| name == claim);
        by_standard
            || self.custom.iter().any(|scope| granted.contains(&scope.name) && has_claim(scope))
    }
}

impl CustomScope {
    fn new(name: String, value: Value) -> Result<Self, ScopesError> {
        if !is_scope_token(&name) {
            return Err(ScopesError::NotAScopeToken { scope: name });
        }
        if STANDARD.contains(&name.as_str()) {
            return Err(ScopesError::Standard { scope: name });
        }
        let (claims, words) = match value {
            Value::Object(mut fields) => {
                let (claims, words) = (fields.remove("claims"), fields.remove("words"));
                if let Some((field, _)) = fields.into_iter().next() {
                    return Err(ScopesError::Field { scope: name, field });
                }
                let words = words.map(|words| ScopeWords::parse(&name, words)).transpose();
                (claims.unwrap_or_default(), words.map_err(ScopesError::Words)?)
            }
            claims => (claims, None),
        };
        match parse_claim_names(&claims) {
            Some(claims) => Ok(Self { name, claims, words: words.unwrap_or_default() }),
            None => Err(ScopesError::NotClaimNames { scope: name }),
        }
    }
}

/// Returns the name of a claim without its language tag (OpenID Connect Core section 5.2).
pub fn without_language(claim: &str) -> &str {
    claim.split_once('#').map_or(claim, |(name, _)| name)
}

fn parse_claim_names(value: &Value) -> Option<Vec<String>> {
    let is_claim_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
            && !RESERVED.contains(&name)
    };
    let name = |claim: &Value| claim.as_str().filter(|name| is_claim_name(name)).map(str::to_owned);
    value.as_array()?.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn invalid_scopes_of_the_operator_are_refused() {
        for (text, complaint) in [
            ("[]", "JSON object"),
            (r#"{"a b":[]}"#, "scope token"),
            (r#"{"":[]}"#, "scope token"),
            (r#"{"profile":["x"]}"#, "standard scope"),
            (r#"{"openid":["x"]}"#, "standard scope"),
            (r#"{"offline_access":[]}"#, "standard scope"),
            (r#"{"a":"x"}"#, "list of claim names"),
            (r#"{"a":[1]}"#, "list of claim names"),
            (r#"{"a":[""]}"#, "list of claim names"),
            (r#"{"a":["sub"]}"#, "list of claim names"),
            (r#"{"a":["name#fr"]}"#, "list of claim names"),
            (r#"{"a":["x"],"a":["y"]}"#, "JSON object"),
            (r#"{"a":{}}"#, "list of claim names"),
            (r#"{"a":{"words":{"":"Read"}}}"#, "list of claim names"),
            (r#"{"a":{"claims":"x"}}"#, "list of claim names"),
            (r#"{"a":{"claims":["sub"]}}"#, "list of claim names"),
            (r#"{"a":{"claims":["x"],"Words":{}}}"#, "the scope a: Words is not one of"),
            (r#"{"a":{"claims":["x"],"words":"Read"}}"#, "the words for the scope a must be"),
            (r#"{"a":{"claims":["x"],"words":{"de":""}}}"#, "the words for the scope a must be"),
            (r#"{"email":{"claims":[],"words":{"":"Read"}}}"#, "standard scope"),
            (&format!(r#"{{"{}":[]}}"#, "x".repeat(4_060)), "at most 4096 bytes"),
        ] {
            let error = ScopeTable::parse(text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn a_scope_releases_its_own_claims_only() {
        let staff = r#""staff":{"claims":["badge","email"],"words":{"":"Your badge"}}"#;
        let table = ScopeTable::parse(&format!(r#"{{"groups":["groups"],{staff}}}"#)).unwrap();
        assert_eq!(table.words("staff", "de"), Some("Your badge"));
        assert_eq!(table.words("groups", "de"), None);
        let releases = |scope, claim| table.releases(&Scopes::parse(scope).unwrap(), claim);
        assert!(releases("openid email", "email") && releases("staff", "email"));
        assert!(releases("groups", "groups") && releases("staff", "badge"));
        assert!(!releases("openid profile", "email") && !releases("openid", "groups"));
        assert!(!releases("openid groups staff", "password"));
    }

    #[test]
    fn a_scope_releases_a_claim_in_every_language() {
        let table = ScopeTable::parse("{}").unwrap();
        let claims = json!({ "name": "A", "name#fr": "B", "email": "a@b" });
        let granted = Scopes::parse("openid profile").unwrap();
        let released = table.release(&granted, &[], claims.as_object().unwrap().clone());
        assert_eq!(serde_json::to_string(&released).unwrap(), r#"{"name":"A","name#fr":"B"}"#);
    }

    #[test]
    fn a_claim_requested_by_name_is_released_without_its_scope() {
        let table = ScopeTable::parse("{}").unwrap();
        let claims = json!({ "name": "A", "name#fr": "B", "email": "a@b", "gender": "x" });
        let release = |requested: &[&str]| {
            let requested: Vec<_> = requested.iter().map(|name| (*name).to_owned()).collect();
            let granted = Scopes::parse("openid email").unwrap();
            let released = table.release(&granted, &requested, claims.as_object().unwrap().clone());
            let released = serde_json::to_string(&released).unwrap();
            (released, table.claims_outside_scopes(&granted, &requested).join(" "))
        };
        let expected = r#"{"email":"a@b","name":"A","name#fr":"B"}"#.to_owned();
        assert_eq!(release(&["name"]), (expected, "name".to_owned()));
        let expected = r#"{"email":"a@b","name#fr":"B"}"#.to_owned();
        assert_eq!(release(&["name#fr", "salary", "email"]), (expected, "name".to_owned()));
    }
}
