//! Where the response to an authorization request goes, and how (RFC 6749 section 4.1.2, OAuth 2.0 Multiple Response
//! Types section 2.1).

use crate::jose::jws::Jws;
use crate::protocol::client::metadata::{ApplicationType, ClientMetadata, ResponseType};
use crate::protocol::client::redirect_uri::{is_local, is_registered};
use crate::protocol::params::{DuplicateParameter, Params};

/// How the answer travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseMode {
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// In the redirect URI's fragment, which no server sees (OAuth 2.0 Multiple Response Types section 2.1).
    Fragment,
    /// In the redirect URI's query.
    Query,
}

impl ResponseMode {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("query", Self::Query), ("fragment", Self::Fragment), ("form_post", Self::FormPost)];

    /// The response mode of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }
}

/// Where the answer goes. It exists only for a redirect URI that the client has registered.
#[derive(Debug)]
pub struct ReplyTo {
    /// The redirect URI, as the request has it.
    pub redirect_uri: String,
    /// How the answer travels.
    pub mode: ResponseMode,
    /// What the client wants to see again; a doubled one is nobody's.
    pub state: Option<String>,
}

/// Why nothing may be sent to the redirect URI of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplyToError {
    /// It is given twice.
    Duplicate,
    /// It is missing.
    Missing,
    /// The client has not registered it.
    NotRegistered,
}

impl ReplyToError {
    /// What is wrong, for the user, to whom alone it is shown.
    pub fn description(self) -> &'static str {
        match self {
            Self::Duplicate => "redirect_uri stands twice in the request",
            Self::Missing => "redirect_uri is missing from the request",
            Self::NotRegistered => {
                "redirect_uri is none of those that the application has registered"
            }
        }
    }
}

impl From<DuplicateParameter> for ReplyToError {
    fn from(_: DuplicateParameter) -> Self {
        Self::Duplicate
    }
}

impl ReplyTo {
    /// Proves the redirect URI.
    ///
    /// # Errors
    /// [`ReplyToError`].
    pub fn from_request(params: &Params, client: &ClientMetadata) -> Result<Self, ReplyToError> {
        let redirect_uri = params.once("redirect_uri")?.ok_or(ReplyToError::Missing)?;
        let is_native = client.application_type == ApplicationType::Native;
        if !is_registered(redirect_uri, &client.redirect_uris, is_native) {
            return Err(ReplyToError::NotRegistered);
        }
        // A request object stands here only while it is refused, but by the way and with the state that it has:
        // it counts more than the parameters around it (RFC 9101 section 5), and is as little proven as they are.
        let object = params.once("request").ok().flatten().and_then(|text| Jws::parse(text).ok());
        let text = |name| {
            let inside = object.as_ref().and_then(|object| object.payload.get(name)?.as_str());
            inside.filter(|text| !text.is_empty()).or(params.once(name).ok().flatten())
        };
        // What may have a token in it never travels in a query, errors neither (Core section 3.2.2.6).
        let names_token = |name| ["id_token", "token"].contains(&name);
        let usual = match text("response_type") {
            Some(names) if client.has_implicit() && names.split(' ').any(names_token) => {
                ResponseMode::Fragment
            }
            _ => ResponseMode::Query,
        };
        let is_possible = |mode: &ResponseMode| *mode == usual || *mode == ResponseMode::FormPost;
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            mode: text("response_mode")
                .and_then(ResponseMode::parse)
                .filter(is_possible)
                .unwrap_or(usual),
            state: text("state").map(str::to_owned),
        })
    }

    /// Whether any program on the person's device could wait for the answer, and make use of it under the client's
    /// name. A secret protects a code, and nothing else.
    pub fn is_impersonable(&self, client: &ClientMetadata, response_type: ResponseType) -> bool {
        let is_protected = client.is_confidential() && response_type == ResponseType::Code;
        !is_protected && is_local(&self.redirect_uri)
    }
}
