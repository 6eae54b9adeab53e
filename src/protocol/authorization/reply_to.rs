//! The destination of an authorization response: redirect URI, response mode and state (RFC 6749 section 4.1.2, OAuth
//! 2.0 Multiple Response Types section 2.1).

use std::borrow::Cow;

use crate::jose::jws::Jws;
use crate::protocol::authorization::device_request::RequestingDevice;
use crate::protocol::client::metadata::{ClientMetadata, ResponseType};
use crate::protocol::client::redirect_uri::{is_local, is_registered};
use crate::protocol::description::{Description, Sent};
use crate::protocol::own_host::OwnHost;
use crate::protocol::params::{DuplicateParameter, Params};

/// The maximum length of `state`, in bytes. Percent-encoded it is three times as long, so that the longest redirect has
/// less than 16 KB, the limit of many servers for the whole header.
pub const STATE_LIMIT: usize = 4_096;

/// The way in which the browser carries the response to the redirect URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseMode {
    /// In the body of a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// In the redirect URI's fragment, which no server sees (OAuth 2.0 Multiple Response Types section 2.1).
    Fragment,
    /// In the redirect URI's query.
    Query,
}

impl ResponseMode {
    /// All response modes, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("query", Self::Query), ("fragment", Self::Fragment), ("form_post", Self::FormPost)];

    /// Returns the response mode with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }
}

/// The destination of an authorization response.
#[derive(Debug)]
pub enum ReplyTo {
    /// The device that has sent the request. It gets the response from the token endpoint (RFC 8628 section 3.4).
    Device(RequestingDevice),
    /// The client's redirect URI, by the browser.
    RedirectUri(Redirection),
}

/// The destination of a response that the browser carries. It exists only for a redirect URI that the client has
/// registered.
#[derive(Debug)]
pub struct Redirection {
    /// The redirect URI of the request. Its port may differ from the registered one (RFC 8252 section 7.3).
    pub redirect_uri: String,
    pub mode: ResponseMode,
    /// The `state` of the request, to be returned unchanged. `None` if it is absent or repeated.
    pub state: Option<String>,
    /// Whether somebody vouches for the client: the operator, or the user, who has allowed it before. Otherwise no error
    /// is sent there before the user has done anything (RFC 9700 section 4.11.2), because anybody who registers a client
    /// could then make the provider redirect to any site.
    pub is_vouched_for: bool,
}

/// An error in the `redirect_uri` or the `state` of a request. Nothing may be sent to the URI: it is not the client's (RFC
/// 6749 section 4.1.2.1), or the client could not find the response's request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReplyToError {
    /// The parameter is repeated.
    Duplicate,
    Missing,
    /// The client has not registered the URI.
    NotRegistered {
        redirect_uri: String,
    },
    /// `state` is longer than 4096 bytes.
    StateTooLong,
}

impl ReplyToError {
    /// Returns the description for the error page. Only the user sees it.
    pub fn description(&self, client_id: &str) -> Description {
        match self {
            Self::Duplicate => Description::fixed("duplicate parameter: redirect_uri"),
            Self::Missing => Description::fixed("missing parameter: redirect_uri"),
            Self::NotRegistered { redirect_uri } => not_registered(redirect_uri, client_id),
            Self::StateTooLong => Description::fixed("state: longer than 4096 bytes"),
        }
    }

    /// Returns the description for the log, without the query of the URI.
    pub fn log_description(&self, client_id: &str) -> Description {
        match self {
            Self::NotRegistered { redirect_uri } => {
                let (without_query, _) = redirect_uri.split_once('?').unwrap_or((redirect_uri, ""));
                not_registered(without_query, client_id)
            }
            Self::Duplicate | Self::Missing | Self::StateTooLong => self.description(client_id),
        }
    }
}

/// Returns the URI without the user and the password that may precede its host.
pub fn without_user(uri: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = uri.split_once("//") else { return uri.into() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}//...@{host}{path}").into(),
        None => uri.into(),
    }
}

fn not_registered(redirect_uri: &str, client_id: &str) -> Description {
    let redirect_uri = without_user(redirect_uri);
    let redirect_uri = Sent(&redirect_uri);
    Description::new(format_args!(
        "redirect_uri: {redirect_uri} is not registered for the client {client_id}"
    ))
}

impl From<DuplicateParameter> for ReplyToError {
    fn from(DuplicateParameter { .. }: DuplicateParameter) -> Self {
        Self::Duplicate
    }
}

impl ReplyTo {
    /// Returns the redirect URI, if there is one.
    pub fn redirect_uri(&self) -> Option<&str> {
        match self {
            Self::Device(_) => None,
            Self::RedirectUri(redirection) => Some(&redirection.redirect_uri),
        }
    }

    /// Returns whether the user must decide about each request, even if the client has been allowed the same before:
    ///
    /// - Somebody else may have sent the request of a device, and the code to its user (RFC 8628 section 5.4).
    /// - Another program on the user's device could receive the response and use it in the client's name (RFC 8252 section
    ///   8.6). Client authentication protects codes only.
    pub fn needs_decision(&self, client: &ClientMetadata, response_type: ResponseType) -> bool {
        match self {
            Self::Device(_) => true,
            Self::RedirectUri(redirection) => {
                let is_protected = client.is_confidential() && response_type == ResponseType::Code;
                !is_protected && is_local(&redirection.redirect_uri)
            }
        }
    }
}

impl Redirection {
    /// Checks that the client has registered the redirect URI and can get its `state` back, and chooses the response mode.
    /// `is_vouched_for` is that of the result.
    pub fn from_request(
        params: &Params,
        client: &ClientMetadata,
        own_host: &OwnHost,
        is_vouched_for: bool,
    ) -> Result<Self, ReplyToError> {
        let redirect_uri = params.once("redirect_uri")?.ok_or(ReplyToError::Missing)?;
        if !is_registered(redirect_uri, &client.redirect_uris, own_host) {
            let redirect_uri = redirect_uri.to_owned();
            return Err(ReplyToError::NotRegistered { redirect_uri });
        }
        // There is a request object only if it was refused: a verified one has been replaced by its parameters. Its
        // response mode and state still apply to the error, because they take precedence over the parameters around
        // the object (RFC 9101 section 5). Neither the object nor the parameters are
        // authenticated.
        let object = params.once("request").ok().flatten().and_then(|text| Jws::parse(text).ok());
        let text = |name| {
            let inside = object.as_ref().and_then(|object| object.payload.get(name)?.as_str());
            inside.filter(|text| !text.is_empty()).or(params.once(name).ok().flatten())
        };
        // A response that may contain a token is never sent in the query, and neither are its errors (Core section
        // 3.2.2.6).
        let names_token = |name| ["id_token", "token"].contains(&name);
        let may_have_token = client.has_implicit()
            && text("response_type").is_some_and(|names| names.split(' ').any(names_token));
        let usual = if may_have_token { ResponseMode::Fragment } else { ResponseMode::Query };
        let state = text("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > STATE_LIMIT) {
            return Err(ReplyToError::StateTooLong);
        }
        let is_possible = |mode: &ResponseMode| !may_have_token || *mode != ResponseMode::Query;
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            // Errors of all other parameters also use the requested mode, because the client looks nowhere else. A mode
            // that is unknown, impossible or repeated is an error itself, which the default mode of the response type
            // carries.
            mode: text("response_mode")
                .and_then(ResponseMode::parse)
                .filter(is_possible)
                .unwrap_or(usual),
            state,
            is_vouched_for,
        })
    }
}
