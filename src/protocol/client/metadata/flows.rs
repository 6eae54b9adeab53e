//! The grant types and response types of a client: the served ones, reconciled with each other (RFC 7591 sections 2.1
//! and 3.2.1, OpenID Connect Registration section 2).

use std::fmt;

use super::Registrable;
use super::fields::list;
use super::values::{GrantType, Named, ResponseType};
use crate::protocol::description::Sent;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;

const GRANT_TYPES: &str = "grant_types";
const RESPONSE_TYPES: &str = "response_types";

/// A value that is served. It has the index of its element, unless it is the default.
type Served<T> = (Option<usize>, T);

/// The grant types that a client may use, and the response types that go with them.
pub(super) struct Flows {
    pub(super) grant_types: Vec<GrantType>,
    pub(super) response_types: Vec<ResponseType>,
}

impl Flows {
    /// Reads both lists, and merges duplicates. Leaves out, with a warning:
    ///
    /// - a value that is not served, or that this client may not register
    /// - a response type without its grant type
    /// - a grant type of the authorization endpoint without a response type
    ///
    /// Fails if no grant type is left.
    pub(super) fn from_document(
        document: &mut JsonObject,
        registrable: Registrable<'_>,
    ) -> Result<Self, InvalidField> {
        let is_allowed = |grant_type| LeftOut::of(grant_type, registrable).is_none();
        let grant_types = served(document, GRANT_TYPES, GrantType::AuthorizationCode, |name| {
            serve_grant_type(name, registrable)
        })?;
        if grant_types.is_empty() {
            // A refresh token needs another grant type first.
            let is_enough = |one: &GrantType| is_allowed(*one) && *one != GrantType::RefreshToken;
            let all = GrantType::ALL.iter().map(|(_, one)| *one);
            let names: Vec<_> = all.filter(is_enough).map(GrantType::name).collect();
            return Err(none_left(document, GRANT_TYPES, &names));
        }
        let response_types = served(document, RESPONSE_TYPES, ResponseType::Code, |name| {
            serve_response_type(name, registrable)
        })?;
        let needs_none =
            |one: GrantType| matches!(one, GrantType::ClientCredentials | GrantType::DeviceCode);
        let needs_some = !grant_types.iter().any(|(_, one)| needs_none(*one));
        if response_types.is_empty() && needs_some {
            let all = ResponseType::ALL.iter().map(|(_, one)| *one);
            let allowed = all.filter(|one| is_allowed(one.grant_type()));
            let names: Vec<_> = allowed.map(ResponseType::name).collect();
            return Err(none_left(document, RESPONSE_TYPES, &names));
        }
        Self::reconcile(document, &grant_types, &response_types)
    }

    fn reconcile(
        document: &mut JsonObject,
        grant_types: &[Served<GrantType>],
        response_types: &[Served<ResponseType>],
    ) -> Result<Self, InvalidField> {
        let mut flows = Self { grant_types: Vec::new(), response_types: Vec::new() };
        for (index, response_type) in response_types {
            let needed = response_type.grant_type();
            if grant_types.iter().any(|(_, one)| *one == needed) {
                flows.response_types.push(*response_type);
            } else if let Some(index) = index {
                let (name, needed) = (response_type.name(), needed.name());
                let reason = format_args!("{name} is left out, because it needs {needed}");
                document.warn(InvalidField::element(RESPONSE_TYPES, *index, reason));
            }
        }
        let has_device = grant_types.iter().any(|(_, one)| *one == GrantType::DeviceCode);
        for (index, grant_type) in grant_types {
            let needed = match grant_type {
                GrantType::RefreshToken if has_device => "",
                GrantType::AuthorizationCode | GrantType::RefreshToken => "code",
                GrantType::Implicit => "id_token or id_token token",
                GrantType::ClientCredentials | GrantType::DeviceCode => "",
            };
            if needed.is_empty() || flows.uses_authorization_endpoint(*grant_type) {
                flows.grant_types.push(*grant_type);
            } else if let Some(index) = index {
                let name = grant_type.name();
                let reason =
                    format_args!("{name} is left out, because it needs the response type {needed}");
                document.warn(InvalidField::element(GRANT_TYPES, *index, reason));
            }
        }
        match response_types.first() {
            Some((_, response_type)) if flows.grant_types.is_empty() => {
                let (needed, name) = (response_type.grant_type().name(), response_type.name());
                let reason = format_args!("must have {needed}, because response_types has {name}");
                Err(InvalidField::new(GRANT_TYPES, reason))
            }
            _ => Ok(flows),
        }
    }

    /// Returns whether a response type of the client leads to this grant type.
    fn uses_authorization_endpoint(&self, grant_type: GrantType) -> bool {
        self.response_types.iter().any(|response_type| match grant_type {
            GrantType::RefreshToken => response_type.grant_type() == GrantType::AuthorizationCode,
            grant_type => response_type.grant_type() == grant_type,
        })
    }
}

/// Reads the values of a list that are served, without duplicates. Adds a warning for each other value.
fn served<T: Copy + PartialEq>(
    document: &mut JsonObject,
    field: &str,
    default: T,
    serve: impl Fn(&str) -> Result<T, LeftOut>,
) -> Result<Vec<Served<T>>, InvalidField> {
    let names = list(document, field)?;
    if names.is_empty() {
        return Ok(vec![(None, default)]);
    }
    let mut values: Vec<Served<T>> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match serve(name) {
            Ok(value) if values.iter().any(|(_, other)| *other == value) => {}
            Ok(value) => values.push((Some(index), value)),
            Err(because) => {
                let reason = format_args!("{} is left out, because {because}", Sent(name));
                document.warn(InvalidField::element(field, index, reason));
            }
        }
    }
    Ok(values)
}

/// The reason why a value is left out.
enum LeftOut {
    ImplicitOff,
    OperatorOnly,
    Unknown,
}

impl LeftOut {
    /// Returns why this client may not register a grant type; `None` if it may.
    fn of(grant_type: GrantType, registrable: Registrable<'_>) -> Option<Self> {
        match grant_type {
            GrantType::AuthorizationCode | GrantType::DeviceCode | GrantType::RefreshToken => None,
            GrantType::ClientCredentials => {
                (!registrable.client_credentials).then_some(Self::OperatorOnly)
            }
            GrantType::Implicit => (!registrable.implicit).then_some(Self::ImplicitOff),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ImplicitOff => "it needs ALLOW_IMPLICIT",
            Self::OperatorOnly => "only the operator can register it",
            Self::Unknown => "it is not served",
        })
    }
}

fn serve_grant_type(name: &str, registrable: Registrable<'_>) -> Result<GrantType, LeftOut> {
    let grant_type = GrantType::from_name(name).ok_or(LeftOut::Unknown)?;
    LeftOut::of(grant_type, registrable).map_or(Ok(grant_type), Err)
}

fn serve_response_type(name: &str, registrable: Registrable<'_>) -> Result<ResponseType, LeftOut> {
    let response_type = ResponseType::of_request(name).ok_or(LeftOut::Unknown)?;
    LeftOut::of(response_type.grant_type(), registrable).map_or(Ok(response_type), Err)
}

/// Returns the error for a list without a value that is served. It has the reason for the first one.
fn none_left(document: &JsonObject, field: &str, names: &[&str]) -> InvalidField {
    let mut reasons = document.warnings().iter();
    let first = reasons.find(|warning| warning.field.starts_with(field));
    let reason = first.map_or("", |warning| warning.reason.as_str());
    InvalidField::new(
        field,
        format_args!("must have at least one of {}; {reason}", names.join(", ")),
    )
}
