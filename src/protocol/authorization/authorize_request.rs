//! Authorization requests (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1): from raw parameters
//! to what they ask for.
//!
//! There are two kinds of refusal, and the types keep them apart: before there is a
//! [`ReplyTo`](super::reply_to::ReplyTo), nothing may be sent anywhere; after it, errors go to the client.

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::authorization::reply_to::ResponseMode;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::client::metadata::{ClientMetadata, GrantType, ResponseType};
use crate::protocol::params::{DuplicateParameter, Params};
use crate::protocol::user::scope::{OFFLINE_ACCESS, OPENID, ScopeTable, Scopes};

/// The longest nonce, in bytes: it is kept, and stands in the ID token.
const NONCE_LIMIT: usize = 2_048;

/// The parameter that may repeat (RFC 8707 section 2).
const RESOURCE: &str = "resource";

/// The parameters of an authorization request.
pub const PARAMETERS: [&str; 22] = [
    "acr_values",
    "claims",
    "claims_locales",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "display",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    RESOURCE,
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

const fn invalid(description: &'static str) -> AuthorizeError {
    AuthorizeError::new("invalid_request", description)
}

/// What `prompt` asks for (Core section 3.1.2.1).
#[allow(clippy::struct_excessive_bools, reason = "each stands for a value of a set")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prompt {
    /// Ask for consent, whatever is remembered.
    pub consent: bool,
    /// Sign in anew, whoever is signed in.
    pub login: bool,
    /// Show no page at all.
    pub none: bool,
    /// Let the person choose the account.
    pub select_account: bool,
}

impl Prompt {
    /// The values there are.
    pub const VALUES: [&'static str; 4] = ["none", "login", "consent", "select_account"];

    fn parse(text: &str) -> Result<Self, AuthorizeError> {
        let mut prompt = Self::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "consent" => prompt.consent = true,
                "login" => prompt.login = true,
                "none" => prompt.none = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(invalid("prompt has a value that is not known")),
            }
        }
        if prompt.none && (prompt.consent || prompt.login || prompt.select_account) {
            return Err(invalid("prompt has none beside another value"));
        }
        Ok(prompt)
    }
}

/// What the operator's configuration says of authorization requests.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizePolicy<'a> {
    /// Whether tokens may come from the authorization endpoint.
    pub allows_implicit: bool,
    /// The operator's APIs.
    pub resources: &'a Resources,
    /// The scopes.
    pub scopes: &'a ScopeTable,
}

/// What a request asks for.
#[derive(Debug)]
pub struct AuthorizeRequest {
    /// Single claims.
    pub claims: ClaimsRequest,
    /// The challenge that the code will be bound to.
    pub code_challenge: Option<CodeChallenge>,
    /// An ID token of the user whom the client believes to be here, not verified.
    pub id_token_hint: Option<String>,
    /// What the person might type as login.
    pub login_hint: Option<String>,
    /// How many seconds ago the person may have signed in.
    pub max_age: Option<i64>,
    /// To stand in the ID token.
    pub nonce: Option<String>,
    /// Which pages the client wants to be shown.
    pub prompt: Prompt,
    /// What the client wants to get.
    pub response_type: ResponseType,
    /// The scopes that can be granted, with single spaces between them; never empty.
    pub scope: String,
}

impl AuthorizeRequest {
    /// Parses the parameters of a request whose client and redirect URI are proven.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(
        params: &Params,
        client: &ClientMetadata,
        policy: &AuthorizePolicy<'_>,
    ) -> Result<Self, AuthorizeError> {
        // 1. Nothing doubled (RFC 6749 section 3.1).
        let mut single = PARAMETERS.iter().filter(|name| **name != RESOURCE);
        if single.any(|name| params.once(name) == Err(DuplicateParameter)) {
            return Err(invalid("a parameter stands twice"));
        }
        let text = |name| params.once(name).ok().flatten();

        // 2. No request object: those that were verified are parameters by now, and one that nobody looked into
        // counts for nothing, and neither does what stands around it (RFC 9101 section 5).
        if text("request").or(text("request_uri")).is_some() {
            return Err(invalid(
                "the request object was not verified: the request must begin anew",
            ));
        }

        // 3. Nothing that is not supported (Core section 7.2.1).
        if text("registration").is_some() {
            let description = "registration is not supported here";
            return Err(AuthorizeError::new("registration_not_supported", description));
        }

        // 4. The response type, and a way for it to travel.
        let response_type = response_type(text("response_type"), client, policy.allows_implicit)?;
        let is_code = response_type == ResponseType::Code;
        if let Some(mode) = text("response_mode") {
            let unfit = if is_code { ResponseMode::Fragment } else { ResponseMode::Query };
            ResponseMode::parse(mode)
                .filter(|mode| *mode != unfit)
                .ok_or(invalid("response_mode is none that this response_type can have"))?;
        }

        // 5. The scopes (RFC 6749 section 3.3).
        let resources: Vec<_> = params.all(RESOURCE).collect();
        let scope = grantable(text("scope"), client, policy, &resources, is_code)?;

        // 6. What keeps the answer from being used by others: PKCE (RFC 7636 section 4.4.1; RFC 9700 section
        // 2.1.1), or the nonce (Core section 3.2.2.1).
        let code_challenge = CodeChallenge::from_params(params)?.filter(|_| is_code);
        if is_code {
            check_code(client, code_challenge.as_ref())?;
        } else {
            check_implicit(&scope, text("nonce"))?;
        }

        // 7. How the person is to be met (Core section 3.1.2.1).
        let prompt = Prompt::parse(text("prompt").unwrap_or_default())?;
        let max_age = text("max_age").map(seconds).transpose()?.or(client.default_max_age);
        let claims = text("claims").map(ClaimsRequest::parse).transpose()?;

        // 8. What is carried along.
        if text("nonce").is_some_and(|nonce| nonce.len() > NONCE_LIMIT) {
            return Err(invalid("nonce is longer than 2048 bytes"));
        }
        let owned = |name| text(name).map(str::to_owned);
        Ok(Self {
            claims: claims.unwrap_or_default(),
            code_challenge,
            id_token_hint: owned("id_token_hint"),
            login_hint: owned("login_hint"),
            max_age,
            nonce: owned("nonce"),
            prompt,
            response_type,
            scope,
        })
    }

    /// The scopes that can be granted.
    pub fn granted(&self) -> Scopes<'_> {
        Scopes::of_valid(&self.scope)
    }
}

/// The response type, if it is one of the client's.
fn response_type(
    text: Option<&str>,
    client: &ClientMetadata,
    allows_implicit: bool,
) -> Result<ResponseType, AuthorizeError> {
    let text = text.ok_or(invalid("response_type is missing"))?;
    let served = |kind: &ResponseType| *kind == ResponseType::Code || allows_implicit;
    let kind = ResponseType::of_request(text).filter(served).ok_or(AuthorizeError::new(
        "unsupported_response_type",
        "response_type is none that is served here",
    ))?;
    if client.response_types.contains(&kind) {
        Ok(kind)
    } else {
        let description = "the client has not registered this response_type";
        Err(AuthorizeError::new("unauthorized_client", description))
    }
}

fn check_code(
    client: &ClientMetadata,
    code_challenge: Option<&CodeChallenge>,
) -> Result<(), AuthorizeError> {
    if code_challenge.is_none() && !client.is_confidential() {
        return Err(invalid("a public client must send a code_challenge"));
    }
    Ok(())
}

fn check_implicit(scope: &str, nonce: Option<&str>) -> Result<(), AuthorizeError> {
    if !Scopes::of_valid(scope).contains(OPENID) {
        return Err(invalid("scope must have openid for an ID token"));
    }
    if nonce.is_none() {
        return Err(invalid("nonce is missing"));
    }
    Ok(())
}

/// A number in digits alone: Rust's own parser would take a plus sign too.
fn seconds(text: &str) -> Result<i64, AuthorizeError> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| is_plain);
    number.map(i64::from).ok_or(invalid("max_age is not a number of seconds"))
}

/// Those of the requested scopes that can be granted, each once: dropped are unknown ones, those that the client
/// has not registered where it has registered any (RFC 7591 section 2), and `offline_access` where the client has no use for it (Core section 11).
fn grantable(
    scope: Option<&str>,
    client: &ClientMetadata,
    policy: &AuthorizePolicy<'_>,
    resources: &[&str],
    is_code: bool,
) -> Result<String, AuthorizeError> {
    let refused = |description| AuthorizeError::new("invalid_scope", description);
    let requested = Scopes::parse(scope.ok_or(refused("scope is missing"))?)
        .ok_or(refused("scope must be scope tokens with single spaces between them"))?;
    let may_refresh = is_code && client.grant_types.contains(&GrantType::RefreshToken);
    let registered = client.scope.as_deref().map(Scopes::of_valid);
    let mut granted: Vec<&str> = Vec::new();
    for scope in requested.iter() {
        let is_known = match policy.resources.of_scope(scope) {
            // A scope says whose it is; resources that are named leave the others out. What can be done at an API is
            // for no client that has not registered it by name.
            Some(resource) => {
                (resources.is_empty() || resources.contains(&resource.uri.as_str()))
                    && client.may_have(scope)
            }
            None => {
                policy.scopes.names().any(|known| known == scope)
                    && registered.is_none_or(|registered| registered.contains(scope))
            }
        };
        if is_known && (scope != OFFLINE_ACCESS || may_refresh) && !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if granted.is_empty() {
        return Err(refused("scope has none that this client can be granted"));
    }
    // RFC 8707 section 2: there is nothing to do at an API for who may do nothing there.
    let may_do = |uri: &&str| {
        let resource = policy.resources.find(uri);
        resource.is_some_and(|own| own.scopes.iter().any(|scope| granted.contains(&scope.as_str())))
    };
    if !resources.iter().all(may_do) {
        let description = "resource is none that is known, or scope has none of its scopes";
        return Err(AuthorizeError::new("invalid_target", description));
    }
    Ok(granted.join(" "))
}
