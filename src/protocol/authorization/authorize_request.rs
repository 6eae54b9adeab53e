//! Validation of authorization requests (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1).
//!
//! The types separate two kinds of errors. An error before there is a [`ReplyTo`](super::reply_to::ReplyTo) is only
//! shown to the user, because the redirect URI is not verified. A later error goes to the client.

use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_policy::AuthorizePolicy;
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::authorization::grantable_scopes::{ScopeParameters, grantable};
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::authorization::reply_to::ResponseMode;
use crate::protocol::client::metadata::{ClientMetadata, GrantType, ResponseType};
use crate::protocol::description::Description;
use crate::protocol::params::Params;
use crate::protocol::user::scope::{OPENID, Scopes};

/// The maximum length of a nonce, in bytes of JSON, because it is stored and copied into the ID token: there a control
/// character is six bytes.
const NONCE_LIMIT: usize = 2_048;

/// The only parameter that may be repeated (RFC 8707 section 2).
const RESOURCE: &str = "resource";

/// The parameters of a device's request, beside those that authenticate the client (RFC 8628 section 3.1, RFC 8707
/// section 2).
pub const DEVICE_PARAMETERS: [&str; 2] = [RESOURCE, "scope"];

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

fn invalid(description: impl Into<Description>) -> AuthorizeError {
    AuthorizeError::new("invalid_request", description)
}

/// The values of the parameter `prompt` (Core section 3.1.2.1).
#[allow(clippy::struct_excessive_bools, reason = "each is a value of a set")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prompt {
    /// Request consent, even if the user has given it before.
    pub consent: bool,
    /// Authenticate the user, even if there is a session.
    pub login: bool,
    /// Show no page; return an error if one is needed.
    pub none: bool,
    /// Let the user select an account.
    pub select_account: bool,
}

impl Prompt {
    /// All supported values.
    pub const VALUES: [&'static str; 4] = ["none", "login", "consent", "select_account"];

    /// Parses a list of values. Unknown values are ignored, such as `create`, because extensions define more of them.
    fn parse(text: &str) -> Result<Self, AuthorizeError> {
        let mut prompt = Self::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "consent" => prompt.consent = true,
                "login" => prompt.login = true,
                "none" => prompt.none = true,
                "select_account" => prompt.select_account = true,
                misspelled if names_known_value(misspelled) => {
                    return Err(invalid(
                        "prompt: none, login, consent and select_account must be in lower case and \
                         separated by spaces",
                    ));
                }
                _ => {}
            }
        }
        let mut values = text.split(' ').filter(|value| !value.is_empty());
        if prompt.none && values.any(|value| value != "none") {
            return Err(invalid("prompt: none must be the only value"));
        }
        Ok(prompt)
    }
}

/// Returns whether an unknown value of `prompt` has a known one as a word, for example `Login` or `login,consent`. It is
/// not ignored, because the client would believe that the user was authenticated again.
fn names_known_value(value: &str) -> bool {
    let mut words = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| Prompt::VALUES.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// A valid authorization request.
#[derive(Debug)]
pub struct AuthorizeRequest {
    /// The claims that the request names in the parameter `claims`.
    pub claims: ClaimsRequest,
    /// The PKCE challenge, to which the code is bound.
    pub code_challenge: Option<CodeChallenge>,
    /// The login with which the login page is filled in.
    pub login_hint: Option<String>,
    /// The maximum time since the user's last authentication, in seconds.
    pub max_age: Option<i64>,
    /// The `nonce` of the ID token.
    pub nonce: Option<String>,
    /// The pages that the client requests or forbids.
    pub prompt: Prompt,
    /// The response type, which the client has registered.
    pub response_type: ResponseType,
    /// The scopes that can be granted, separated by single spaces. Never empty.
    pub scope: String,
}

impl AuthorizeRequest {
    /// Validates the parameters of a request whose client and redirect URI are verified.
    ///
    /// # Errors
    /// Returns the first error, in the order of the numbered steps.
    pub fn parse(
        params: &Params,
        client: &ClientMetadata,
        policy: &AuthorizePolicy<'_>,
    ) -> Result<Self, AuthorizeError> {
        // 1. No parameter is repeated (RFC 6749 section 3.1).
        let mut single = PARAMETERS.iter().filter(|name| **name != RESOURCE);
        if let Some(doubled) = single.find_map(|name| params.once(name).err()) {
            return Err(invalid(doubled));
        }
        let text = |name| params.once(name).ok().flatten();

        // 2. No request object is left, because a verified one has been replaced by its parameters. With an unverified
        // one, neither its parameters nor those around it may be used (RFC 9101 section 5).
        if text("request").or(text("request_uri")).is_some() {
            return Err(invalid(
                "request: the request object was not verified; send the authorization request \
                 again",
            ));
        }

        // 3. No parameter is unsupported (Core section 7.2.1).
        if text("registration").is_some() {
            let description = "registration: not supported";
            return Err(AuthorizeError::new("registration_not_supported", description));
        }

        // 4. The response type, and a response mode that it allows.
        let response_type = response_type(text("response_type"), client, policy.allows_implicit)?;
        let is_code = response_type == ResponseType::Code;
        if let Some(mode) = text("response_mode") {
            let description = if is_code {
                "response_mode: must be query, fragment or form_post"
            } else {
                "response_mode: must be fragment or form_post"
            };
            let is_allowed = |mode: &ResponseMode| is_code || *mode != ResponseMode::Query;
            ResponseMode::parse(mode).filter(is_allowed).ok_or(invalid(description))?;
        }

        // 5. The scopes and resources (RFC 6749 section 3.3, RFC 8707 section 2).
        let resources = params.all(RESOURCE).collect();
        let parameters = ScopeParameters { scope: text("scope"), resources, is_code };
        let scope = grantable(&parameters, client, policy)?;

        // 6. Protection against a stolen or injected response: PKCE for a code (RFC 7636 section 4.4.1; RFC 9700
        // section 2.1.1), the nonce for an ID token (Core section 3.2.2.1).
        let code_challenge = CodeChallenge::from_params(params)?.filter(|_| is_code);
        if is_code {
            check_code(client, code_challenge.as_ref())?;
        } else {
            check_implicit(&scope, text("nonce"))?;
        }

        // 7. The requirements for the user's sign-in and consent (Core section 3.1.2.1).
        let prompt = Prompt::parse(text("prompt").unwrap_or_default())?;
        let max_age = text("max_age").map(seconds).transpose()?.or(client.default_max_age);
        let claims = text("claims").map(ClaimsRequest::parse).transpose()?;

        // 8. The values that are stored with the request.
        if text("nonce").is_some_and(|nonce| bytes_in_json(nonce) > NONCE_LIMIT) {
            return Err(invalid("nonce: longer than 2048 bytes in JSON"));
        }
        let owned = |name| text(name).map(str::to_owned);
        Ok(Self {
            claims: claims.unwrap_or_default().known(policy.scopes),
            code_challenge,
            login_hint: owned("login_hint"),
            max_age,
            nonce: owned("nonce"),
            prompt,
            response_type,
            scope,
        })
    }

    /// Validates the parameters of a device's request (RFC 8628 section 3.1). The device polls with its client's
    /// authentication and a code that nobody else knows, so there is no response to protect.
    ///
    /// # Errors
    /// Returns the first error, in the order of the numbered steps.
    pub fn of_device(
        params: &Params,
        client: &ClientMetadata,
        policy: &AuthorizePolicy<'_>,
    ) -> Result<Self, AuthorizeError> {
        // 1. The client has registered the grant type.
        if !client.grant_types.contains(&GrantType::DeviceCode) {
            let name = GrantType::DeviceCode.name();
            let description =
                format!("this client has not registered {name}: add it to its grant_types");
            return Err(AuthorizeError::new("unauthorized_client", description));
        }

        // 2. No parameter is repeated (RFC 6749 section 3.2).
        let scope = params.once("scope").map_err(invalid)?;

        // 3. The scopes and resources (RFC 6749 section 3.3, RFC 8707 section 2).
        let resources = params.all(RESOURCE).collect();
        let scope =
            grantable(&ScopeParameters { scope, resources, is_code: true }, client, policy)?;
        Ok(Self {
            claims: ClaimsRequest::default(),
            code_challenge: None,
            login_hint: None,
            max_age: client.default_max_age,
            nonce: None,
            prompt: Prompt::default(),
            response_type: ResponseType::Code,
            scope,
        })
    }

    /// Returns the scopes that can be granted.
    pub fn granted(&self) -> Scopes<'_> {
        Scopes::of_valid(&self.scope)
    }
}

/// Returns the response type, if the provider supports it and the client has registered it.
fn response_type(
    text: Option<&str>,
    client: &ClientMetadata,
    allows_implicit: bool,
) -> Result<ResponseType, AuthorizeError> {
    let text = text.ok_or(invalid("missing parameter: response_type"))?;
    let served = |kind: &ResponseType| *kind == ResponseType::Code || allows_implicit;
    let kind = ResponseType::of_request(text).filter(served).ok_or(AuthorizeError::new(
        "unsupported_response_type",
        "response_type: not in response_types_supported of the provider metadata",
    ))?;
    if client.response_types.contains(&kind) {
        Ok(kind)
    } else {
        let description = format!(
            "response_type: this client has not registered {}: add it to its response_types",
            kind.name()
        );
        Err(AuthorizeError::new("unauthorized_client", description))
    }
}

fn check_code(
    client: &ClientMetadata,
    code_challenge: Option<&CodeChallenge>,
) -> Result<(), AuthorizeError> {
    if code_challenge.is_none() && !client.is_confidential() {
        return Err(invalid("missing parameter: code_challenge (a public client must use PKCE)"));
    }
    Ok(())
}

fn check_implicit(scope: &str, nonce: Option<&str>) -> Result<(), AuthorizeError> {
    if !Scopes::of_valid(scope).contains(OPENID) {
        return Err(invalid("scope: must have openid for an ID token"));
    }
    if nonce.is_none() {
        return Err(invalid("missing parameter: nonce"));
    }
    Ok(())
}

/// Returns the length of a text in JSON, without its quotation marks.
fn bytes_in_json(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len() - 2)
}

/// Parses a number of seconds. The digits are checked because the parser of `u32` accepts a plus sign, too.
fn seconds(text: &str) -> Result<i64, AuthorizeError> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| is_plain);
    number.map(i64::from).ok_or(invalid("max_age: must be a whole number of seconds"))
}
