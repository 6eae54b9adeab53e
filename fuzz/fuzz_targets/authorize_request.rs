//! Authorization requests: `Redirection`, `AuthorizeRequest`, `CodeChallenge`, for clients of each kind.
//!
//! Input: a choice of the client and of who vouches for it; a query; a code verifier.
#![no_main]

use fuzz::{Parts, config, is_description, own_host};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::protocol::authorization::authorize_error::AuthorizeError;
use postern::protocol::authorization::authorize_request::{AuthorizeRequest, PARAMETERS};
use postern::protocol::authorization::pkce::CodeChallenge;
use postern::protocol::authorization::reply_to::{Redirection, ResponseMode};
use postern::protocol::client::metadata::{ClientMetadata, GrantType, ResponseType};
use postern::protocol::client::redirect_uri::is_registered;
use postern::protocol::client::voucher::Voucher;
use postern::protocol::json_object::JsonObject;
use postern::protocol::params::Params;
use postern::protocol::user::scope::{OFFLINE_ACCESS, OPENID, Scopes};

const CLIENTS: [&str; 5] = [
    r#"{"redirect_uris":["https://app.example/cb","http://127.0.0.1/cb"]}"#,
    r#"{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none",
        "grant_types":["authorization_code","refresh_token"],"scope":"openid email read"}"#,
    r#"{"redirect_uris":["https://app.example/cb"],"grant_types":["implicit","authorization_code"],
        "response_types":["code","id_token","id_token token"],"default_max_age":60}"#,
    r#"{"redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"none","scope":"see write"}"#,
    r#"{"grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"response_types":[],
        "token_endpoint_auth_method":"none"}"#,
];

/// The errors of RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6 and RFC 8707 section 2.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "registration_not_supported",
    "unauthorized_client",
    "unsupported_response_type",
];

thread_local! {
    static PROVIDER: (Config, Vec<ClientMetadata>) = {
        let config = config();
        let register = |document: &str| {
            let mut document = JsonObject::parse(document.as_bytes()).expect("an object");
            ClientMetadata::from_document(&mut document, config.registrable()).expect("metadata")
        };
        let clients = CLIENTS.map(register).into();
        (config, clients)
    };
}

fuzz_target!(|input: &[u8]| PROVIDER.with(|(config, clients)| {
    let mut parts = Parts::of(input);
    let choice = usize::from(parts.choice());
    let (query, verifier) = (parts.bytes(), parts.text());
    let Ok(params) = Params::parse(query, &[&PARAMETERS]) else { return };
    let client = &clients[choice % clients.len()];
    let apis = ["https://api.example/".to_owned()];
    let voucher = match choice / clients.len() % 3 {
        0 => Voucher::Nobody,
        1 => Voucher::Apis(&apis),
        _ => Voucher::Operator,
    };
    redirection(&params, client);
    let policy = config.authorize_policy(voucher);
    match AuthorizeRequest::parse(&params, client, &policy) {
        Ok(request) => {
            accepted(&params, client, &request);
            scopes(&params, client, &request, config, voucher);
        }
        Err(error) => is_specified(&error),
    }
    match AuthorizeRequest::of_device(&params, client, &policy) {
        Ok(request) => {
            assert!(client.grant_types.contains(&GrantType::DeviceCode));
            scopes(&params, client, &request, config, voucher);
        }
        Err(error) => is_specified(&error),
    }
    if let Some(challenge) = CodeChallenge::parse(&verifier) {
        assert!(challenge.as_str() == verifier && verifier.len() == 43);
    }
    if let Ok(Some(challenge)) = CodeChallenge::from_params(&params) {
        let is_met = challenge.is_met_by(&verifier);
        assert!(!is_met || postern::secret::hash(&verifier) == challenge.as_str());
        assert!(!is_met || (43..=128).contains(&verifier.len()));
    }
}));

fn is_specified(error: &AuthorizeError) {
    assert!(CODES.contains(&error.code), "{}", error.code);
    assert!(is_description(error.description.as_str()));
}

fn redirection(params: &Params, client: &ClientMetadata) {
    match Redirection::from_request(params, client, own_host(), false) {
        Ok(redirection) => {
            let uri = &redirection.redirect_uri;
            assert!(is_registered(uri, &client.redirect_uris, own_host()) && !own_host().has(uri));
            assert!(
                redirection.state.as_ref().is_none_or(|state| (1..=4_096).contains(&state.len()))
            );
            // A token is never sent in a query.
            let kinds = params.once("response_type").ok().flatten().unwrap_or_default();
            let has_token = kinds.split(' ').any(|kind| matches!(kind, "token" | "id_token"));
            let is_plain = params.all("request").next().is_none();
            assert!(
                !(is_plain && has_token && client.has_implicit())
                    || redirection.mode != ResponseMode::Query
            );
        }
        Err(error) => {
            for description in [error.description("app"), error.log_description("app")] {
                assert!(is_description(description.as_str()));
            }
        }
    }
}

fn accepted(params: &Params, client: &ClientMetadata, request: &AuthorizeRequest) {
    assert!(client.response_types.contains(&request.response_type));
    let is_code = request.response_type == ResponseType::Code;
    assert!(!is_code || client.is_confidential() || request.code_challenge.is_some());
    assert!(is_code || request.nonce.is_some() && request.granted().contains(OPENID));
    assert!(is_code || request.code_challenge.is_none());
    assert_eq!(params.once("nonce"), Ok(request.nonce.as_deref()));
    assert!(request.nonce.as_ref().is_none_or(|nonce| nonce.len() <= 2_048));
    assert!(request.max_age.is_none_or(|seconds| (0..=i64::from(u32::MAX)).contains(&seconds)));
    assert!(!request.prompt.none || !(request.prompt.login || request.prompt.consent));
    assert!(PARAMETERS.iter().all(|name| *name == "resource" || params.once(name).is_ok()));
    for name in ["request", "request_uri", "registration"] {
        assert_eq!(params.once(name), Ok(None));
    }
}

/// Each scope that can be granted was requested, and the client may have it.
fn scopes(
    params: &Params,
    client: &ClientMetadata,
    request: &AuthorizeRequest,
    config: &Config,
    voucher: Voucher<'_>,
) {
    let granted = request.granted();
    assert_eq!(granted.normalized(), request.scope);
    assert!(granted.iter().next().is_some() && Scopes::parse(&request.scope).is_ok());
    let requested = params.once("scope").ok().flatten().filter(|text| !Scopes::is_blank(text));
    let named: Vec<_> =
        params.all("resource").map(|uri| config.resources.find(uri).expect(uri)).collect();
    for scope in granted.iter() {
        if let Some(requested) = requested {
            let is_requested = Scopes::of_valid(requested).contains(scope);
            assert!(is_requested || scope == OFFLINE_ACCESS);
        }
        match config.resources.of_scope(scope) {
            Some(resource) => {
                assert!(resource.admits(scope, client, voucher));
                assert!(named.is_empty() || named.contains(&resource));
            }
            None => {
                assert!(config.scope_names().any(|known| known == scope));
                assert!(client.may_have(scope) || scope == OFFLINE_ACCESS);
            }
        }
        if scope == OFFLINE_ACCESS {
            assert!(client.grant_types.contains(&GrantType::RefreshToken));
        }
    }
    assert!(named.iter().all(|resource| resource.has_some(&granted)));
}
