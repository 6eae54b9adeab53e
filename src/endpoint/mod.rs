//! The endpoints, in modules by their caller, and their dispatcher. Each file has the specification's name of its
//! endpoint, and follows the specification's steps from top to bottom.

pub mod operator;

/// The endpoints that clients call.
pub mod client {
    pub mod configuration;
    pub mod device_authorization;
    pub mod introspection;
    pub mod par;
    pub mod registration;
    pub mod revocation;
    pub mod token;
    pub mod userinfo;
}

pub mod documents {
    pub mod discovery;
    pub mod icon;
    pub mod jwks;
    pub mod resource_metadata;
    mod respond;
}

/// Functions that several endpoints share.
pub mod support {
    pub mod access_tokens;
    pub mod bearer;
    pub mod body;
    pub mod client_authentication;
    pub mod client_documents;
    pub mod client_secrets;
    pub mod form;
    pub mod id_token_hint;
    pub mod presented_token;
}

/// The endpoints that users open in their browsers.
pub mod user {
    pub mod account;
    pub mod authorize;
    pub mod change_password;
    pub mod consent;
    pub mod device;
    pub mod home;
    pub mod login;
    pub mod logout;
    pub mod select_account;
}

use std::future::ready;
use std::pin::Pin;

use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::Endpoint;

/// Calls an endpoint.
///
/// Each future is boxed, so that it is a function of its own. Otherwise the compiler merges all endpoints into one
/// function, and each isolate compiles that before its first response.
pub fn serve<'a>(
    endpoint: Endpoint,
    provider: &'a Provider<'_, impl Platform>,
    request: &'a impl Request,
) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>> {
    match endpoint {
        Endpoint::Account => Box::pin(user::account::serve(provider, request)),
        Endpoint::AccountPassword => Box::pin(user::account::password::serve(provider, request)),
        Endpoint::AccountSessions => Box::pin(user::account::sessions::serve(provider, request)),
        Endpoint::Admin => Box::pin(operator::serve(provider, request)),
        Endpoint::Authorize => Box::pin(user::authorize::serve(provider, request)),
        Endpoint::ChangePassword => Box::pin(ready(user::change_password::serve(provider))),
        Endpoint::ClientConfiguration => Box::pin(client::configuration::serve(provider, request)),
        Endpoint::Consent => Box::pin(user::consent::serve(provider, request)),
        Endpoint::Device => Box::pin(user::device::serve(provider, request)),
        Endpoint::DeviceAuthorization => {
            Box::pin(client::device_authorization::serve(provider, request))
        }
        Endpoint::Discovery | Endpoint::OauthMetadata => {
            Box::pin(documents::discovery::serve(provider, request))
        }
        Endpoint::EndSession => Box::pin(user::logout::end_session::serve(provider, request)),
        Endpoint::Health => Box::pin(operator::health::serve(provider, request)),
        Endpoint::Home => Box::pin(user::home::serve(provider, request)),
        Endpoint::Icon => Box::pin(documents::icon::serve(provider, request)),
        Endpoint::Introspection => Box::pin(client::introspection::serve(provider, request)),
        Endpoint::Jwks => Box::pin(documents::jwks::serve(provider, request)),
        Endpoint::Login => Box::pin(user::login::serve(provider, request)),
        Endpoint::Par => Box::pin(client::par::serve(provider, request)),
        Endpoint::ClientRegistration => Box::pin(client::registration::serve(provider, request)),
        Endpoint::ResourceMetadata => {
            Box::pin(documents::resource_metadata::serve(provider, request))
        }
        Endpoint::Revocation => Box::pin(client::revocation::serve(provider, request)),
        Endpoint::SelectAccount => Box::pin(user::select_account::serve(provider, request)),
        Endpoint::Logout => Box::pin(user::logout::sign_out::serve(provider, request)),
        Endpoint::Token => Box::pin(client::token::serve(provider, request)),
        Endpoint::Userinfo => Box::pin(client::userinfo::serve(provider, request)),
    }
}
