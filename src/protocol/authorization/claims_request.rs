//! The parameter `claims` (OpenID Connect Core section 5.5), which requests claims by name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jose::json::parse_object;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::user::scope::ScopeTable;

/// The maximum number of claims for the ID token, and for userinfo.
const LIMIT: usize = 100;
/// The maximum length of a claim's name, in bytes.
const NAME_LIMIT: usize = 256;
/// The maximum number of values of an essential `acr`. Those for the ID token are compared with those for userinfo.
const ACR_LIMIT: usize = 20;
/// The maximum length of the parameter, in bytes.
const PARAMETER_LIMIT: usize = 16_384;

/// The claims that a request names in addition to its scopes. The grant stores the names of the claims; `sub` and
/// `essential_acr` apply to the sign-in only and are not stored.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClaimsRequest {
    /// The names of the claims for the ID token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token: Vec<String>,
    /// The names of the claims for the userinfo response.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo: Vec<String>,
    /// The subject identifier of the only user who may sign in (section 5.5.1).
    #[serde(skip)]
    pub sub: Option<String>,
    /// The accepted authentication context classes (section 5.5.1.1). `None` accepts any.
    #[serde(skip)]
    pub essential_acr: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClaimsRequestError {
    /// `acr` is requested with a value that is not a string.
    Acr,
    /// The request for a claim is neither null nor an object.
    Claim,
    /// `essential` is not a boolean.
    Essential,
    /// The parameter is not a JSON object, or it has a duplicate field.
    NotJson,
    /// `id_token` or `userinfo` is not an object.
    Section,
    /// `sub` is requested with two values, or with one that is not a string.
    Sub,
    /// The parameter is longer than 16384 bytes.
    TooLong,
    /// More than 100 claims are requested for the ID token or for userinfo.
    TooMany,
    /// `acr` is essential with more than 20 values.
    TooManyAcrs,
    /// `values` is not an array, or there is also a `value`.
    Values,
}

impl ClaimsRequestError {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Acr => "claims: the value of acr must be a string",
            Self::Claim => "claims: a claim must be null or an object",
            Self::Essential => "claims: essential must be true or false",
            Self::NotJson => "claims: must be a JSON object without duplicate names",
            Self::Section => "claims: id_token and userinfo must be objects",
            Self::Sub => "claims: sub must have one value, a string",
            Self::TooLong => "claims: longer than 16384 bytes",
            Self::TooMany => "claims: id_token and userinfo may have at most 100 claims each",
            Self::TooManyAcrs => "claims: acr may have at most 20 values",
            Self::Values => "claims: values must be an array, and without value",
        }
    }
}

impl From<ClaimsRequestError> for AuthorizeError {
    fn from(error: ClaimsRequestError) -> Self {
        Self::new("invalid_request", error.description())
    }
}

/// The request for one claim (section 5.5.1).
#[derive(Default)]
struct ClaimRequirement {
    is_essential: bool,
    values: Vec<Value>,
}

impl ClaimsRequest {
    pub fn parse(text: &str) -> Result<Self, ClaimsRequestError> {
        if text.len() > PARAMETER_LIMIT {
            return Err(ClaimsRequestError::TooLong);
        }
        let fields = parse_object(text.as_bytes()).map_err(|_| ClaimsRequestError::NotJson)?;
        let mut request = Self::default();
        // Unknown fields must be ignored (section 5.5).
        for (section, value) in fields {
            match section.as_str() {
                "id_token" => request.id_token = request.parse_claims(value)?,
                "userinfo" => request.userinfo = request.parse_claims(value)?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// Returns the request without the names of claims that this provider does not release. A grant with such a name would
    /// release the claim as soon as the operator adds it, although no page has shown it.
    #[must_use]
    pub fn known(mut self, scopes: &ScopeTable) -> Self {
        self.id_token.retain(|name| scopes.knows_claim(name));
        self.userinfo.retain(|name| scopes.knows_claim(name));
        self
    }

    /// Parses the claims for the ID token or for userinfo. Stores the requirements for the sign-in (`sub`, essential
    /// `acr`) and returns the names of the other claims.
    fn parse_claims(&mut self, section: Value) -> Result<Vec<String>, ClaimsRequestError> {
        let claims = match section {
            Value::Null => Map::new(),
            Value::Object(claims) if claims.len() <= LIMIT => claims,
            Value::Object(_) => return Err(ClaimsRequestError::TooMany),
            _ => return Err(ClaimsRequestError::Section),
        };
        let mut names = Vec::new();
        for (name, value) in claims {
            let requirement = ClaimRequirement::parse(value)?;
            match name.as_str() {
                "sub" => self.restrict_sub(&requirement)?,
                "acr" if requirement.is_essential => self.restrict_acr(requirement)?,
                _ if name.len() <= NAME_LIMIT && name.bytes().all(|b| b.is_ascii_graphic()) => {
                    names.push(name);
                }
                // No user has a claim with such a name.
                _ => {}
            }
        }
        Ok(names)
    }

    fn restrict_sub(&mut self, requirement: &ClaimRequirement) -> Result<(), ClaimsRequestError> {
        let sub = match requirement.values.as_slice() {
            [] => return Ok(()),
            [Value::String(sub)] => sub,
            _ => return Err(ClaimsRequestError::Sub),
        };
        if self.sub.as_ref().is_some_and(|other| other != sub) {
            return Err(ClaimsRequestError::Sub);
        }
        self.sub = Some(sub.clone());
        Ok(())
    }

    fn restrict_acr(&mut self, requirement: ClaimRequirement) -> Result<(), ClaimsRequestError> {
        // Without values any `acr` is accepted, and every ID token has one.
        if requirement.values.is_empty() {
            return Ok(());
        }
        if requirement.values.len() > ACR_LIMIT {
            return Err(ClaimsRequestError::TooManyAcrs);
        }
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(ClaimsRequestError::Acr),
        };
        let values: Vec<_> = requirement.values.into_iter().map(text).collect::<Result<_, _>>()?;
        match &mut self.essential_acr {
            // The requirements for the ID token and for userinfo both apply.
            Some(known) => known.retain(|value| values.contains(value)),
            None => self.essential_acr = Some(values),
        }
        Ok(())
    }
}

impl ClaimRequirement {
    fn parse(value: Value) -> Result<Self, ClaimsRequestError> {
        let mut fields = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(fields) => fields,
            _ => return Err(ClaimsRequestError::Claim),
        };
        let is_essential = match fields.remove("essential") {
            None => false,
            Some(Value::Bool(is_essential)) => is_essential,
            Some(_) => return Err(ClaimsRequestError::Essential),
        };
        let values = match (fields.remove("value"), fields.remove("values")) {
            (None, None) => Vec::new(),
            (Some(value), None) => vec![value],
            (None, Some(Value::Array(values))) => values,
            _ => return Err(ClaimsRequestError::Values),
        };
        Ok(Self { is_essential, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_requested_for_the_id_token_and_for_userinfo() {
        let request = ClaimsRequest::parse(
            r#"{"userinfo": {"name": {"essential": true}, "email": null, "name#fr": null, "new": {"x": 1}},
                "id_token": {"auth_time": {"essential": true}, "acr": {"values": ["1", "2"]}}, "other": 1}"#,
        )
        .unwrap();
        assert_eq!(request.userinfo, ["email", "name", "name#fr", "new"]);
        assert_eq!(request.id_token, ["acr", "auth_time"]);
        assert_eq!((request.sub, request.essential_acr), (None, None));
    }

    #[test]
    fn a_sub_and_an_essential_acr_restrict_the_sign_in() {
        let request = ClaimsRequest::parse(
            r#"{"id_token": {"sub": {"value": "alice"}, "acr": {"essential": true, "values": ["a", "b"]}},
                "userinfo": {"sub": {"values": ["alice"]}, "acr": {"essential": true, "value": "b"}}}"#,
        )
        .unwrap();
        assert_eq!(request.sub.as_deref(), Some("alice"));
        assert_eq!(request.essential_acr, Some(vec!["b".to_owned()]));
        assert!(request.id_token.is_empty() && request.userinfo.is_empty());
    }

    #[test]
    fn a_request_without_values_restricts_nothing() {
        for text in [
            r#"{"id_token": null, "userinfo": null}"#,
            r#"{"id_token": {"sub": null}, "userinfo": {"sub": {"essential": true}}}"#,
            r#"{"id_token": {"acr": {"essential": true}}}"#,
        ] {
            assert_eq!(ClaimsRequest::parse(text), Ok(ClaimsRequest::default()), "{text}");
        }
    }

    #[test]
    fn a_name_that_no_claim_can_have_is_ignored() {
        let name_of = |length: usize| format!("name#{}", "a".repeat(length - 5));
        for (name, is_kept) in [
            (name_of(256), true),
            (name_of(257), false),
            ("name#a b".to_owned(), false),
            ("name#é".to_owned(), false),
        ] {
            let text = format!(r#"{{"userinfo":{{"{name}":null}}}}"#);
            let expected = if is_kept { vec![name] } else { Vec::new() };
            assert_eq!(ClaimsRequest::parse(&text).unwrap().userinfo, expected, "{text}");
        }
    }

    #[test]
    fn a_malformed_claims_parameter_is_refused() {
        use ClaimsRequestError::{Acr, Claim, Essential, NotJson, Section, Sub, Values};
        for (text, error) in [
            ("", NotJson),
            ("[]", NotJson),
            ("null", NotJson),
            (r#"{"userinfo": 1}"#, Section),
            (r#"{"userinfo": {"name": 1}}"#, Claim),
            (r#"{"userinfo": {"name": {"essential": "yes"}}}"#, Essential),
            (r#"{"userinfo": {"name": {"value": 1, "values": [1]}}}"#, Values),
            (r#"{"userinfo": {"name": {"values": 1}}}"#, Values),
            (r#"{"userinfo": {"name": null, "name": null}}"#, NotJson),
            (r#"{"id_token": {"sub": {"value": 1}}}"#, Sub),
            (r#"{"id_token": {"sub": {"values": ["a", "b"]}}}"#, Sub),
            (r#"{"id_token": {"sub": {"value": "a"}}, "userinfo": {"sub": {"value": "b"}}}"#, Sub),
            (r#"{"id_token": {"acr": {"essential": true, "value": 1}}}"#, Acr),
        ] {
            assert_eq!(ClaimsRequest::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn values_claims_and_bytes_are_limited() {
        let error_of = |text: String| ClaimsRequest::parse(&text).err();
        for (count, error) in [(20, None), (21, Some(ClaimsRequestError::TooManyAcrs))] {
            let values = vec![r#""b""#; count].join(",");
            let text =
                format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":[{values}]}}}}}}"#);
            assert_eq!(error_of(text), error, "{count} values");
        }
        for (count, error) in [(100, None), (101, Some(ClaimsRequestError::TooMany))] {
            let claims: Vec<_> = (0..count).map(|n| format!(r#""c{n}":null"#)).collect();
            let text = format!(r#"{{"userinfo":{{{}}}}}"#, claims.join(","));
            assert_eq!(error_of(text), error, "{count} claims");
        }
        for (length, error) in [
            (PARAMETER_LIMIT, None),
            (PARAMETER_LIMIT + 1, Some(ClaimsRequestError::TooLong)),
            (PARAMETER_LIMIT + 2, Some(ClaimsRequestError::TooLong)),
        ] {
            assert_eq!(error_of(format!("{{{:1$}", "}", length - 1)), error, "{length} bytes");
        }
    }
}
