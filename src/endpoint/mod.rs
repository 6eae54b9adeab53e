//! The endpoints, in modules by their caller, and their dispatcher. Each file has the specification's name of its
//! endpoint, and follows the specification's steps from top to bottom.

pub mod operator;

/// The endpoints that clients call.
pub mod client {
    pub mod configuration;
    pub mod par;
    pub mod registration;
    pub mod token;
    pub mod userinfo;
}

pub mod documents {
    pub mod discovery;
    pub mod jwks;
    pub mod resource_metadata;
    mod respond;
}

/// Functions that several endpoints share.
pub mod support {
    pub mod bearer;
    pub mod body;
    pub mod client_authentication;
    pub mod client_secrets;
    pub mod form;
}

/// The endpoints that users open in their browsers.
pub mod user {
    pub mod account;
    pub mod authorize;
    pub mod consent;
    pub mod login;
    pub mod logout;
    pub mod select_account;
}

use std::pin::Pin;

use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::Endpoint;

/// Calls an endpoint.
///
/// # Errors
/// The same as the endpoint's `serve`.
pub async fn serve(
    endpoint: Endpoint,
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    match endpoint {
        Endpoint::Account => boxed(user::account::serve(provider, request)).await,
        Endpoint::Admin => boxed(operator::serve(provider, request)).await,
        Endpoint::Authorize => boxed(user::authorize::serve(provider, request)).await,
        Endpoint::ClientConfiguration => {
            boxed(client::configuration::serve(provider, request)).await
        }
        Endpoint::Consent => boxed(user::consent::serve(provider, request)).await,
        Endpoint::Discovery | Endpoint::OauthMetadata => {
            documents::discovery::serve(provider, request).await
        }
        Endpoint::Jwks => documents::jwks::serve(provider, request).await,
        Endpoint::Login => boxed(user::login::serve(provider, request)).await,
        Endpoint::Logout => boxed(user::logout::serve(provider, request)).await,
        Endpoint::Par => boxed(client::par::serve(provider, request)).await,
        Endpoint::ClientRegistration => boxed(client::registration::serve(provider, request)).await,
        Endpoint::ResourceMetadata => documents::resource_metadata::serve(provider, request).await,
        Endpoint::SelectAccount => boxed(user::select_account::serve(provider, request)).await,
        Endpoint::Token => boxed(client::token::serve(provider, request)).await,
        Endpoint::Userinfo => boxed(client::userinfo::serve(provider, request)).await,
    }
}

/// Boxes a future, so that it becomes a function of its own. Otherwise the compiler merges all endpoints into one
/// function, and each isolate compiles that before its first response.
fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}
