//! The grant types of the token endpoint, one file each, and what all of them issue.

pub mod authorization_code;
pub mod client_credentials;
pub mod implicit;
pub mod refresh_token;

use serde::Serialize;
use std::borrow::Cow;
use std::rc::Rc;

use crate::config::Config;
use crate::context::Cx;
use crate::error::{Error, Internal};
use crate::http::Response;
use crate::jose::jwk::{Algorithm, PrivateKey};
use crate::jose::jws;
use crate::keys::published::PublishedKeys;
use crate::keys::signing::SigningKeys;
use crate::ports::{Crypto, Platform};
use crate::protocol::access_token::{self, AccessToken};
use crate::protocol::claims::UserClaims;
use crate::protocol::id_token::{self, IdToken};
use crate::protocol::params::Params;
use crate::protocol::resources::{Resources, Target};
use crate::protocol::scope::{Granted, OPENID};
use crate::protocol::token_error::TokenError;
use crate::routes::USERINFO;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::users;

/// The parameters of the grant types (RFC 6749 sections 4.1.3, 4.4.2 and 6; RFC 7636 section 4.5; RFC 8707 section 2).
pub const PARAMETERS: [&str; 7] =
    ["code", "code_verifier", "grant_type", "redirect_uri", "refresh_token", "resource", "scope"];

/// For how many seconds an access token is good.
pub const ACCESS_TOKEN_LIFETIME: i64 = 600;

/// For how many seconds an ID token may be relied on.
pub const ID_TOKEN_LIFETIME: i64 = 3_600;

/// How access tokens are used (RFC 6750).
const BEARER: &str = "Bearer";

/// The keys that a client's tokens are signed with. Got before anything is spent: without a key, the client
/// may come again with what it has.
pub struct Signers {
    access_token: Rc<PrivateKey>,
    id_token: Rc<PrivateKey>,
}

impl Signers {
    /// The keys for this client.
    ///
    /// # Errors
    /// Whatever [`SigningKeys::get`] reports.
    pub async fn get(
        client: &Client,
        keys: &SigningKeys,
        published: &PublishedKeys,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Self, Internal> {
        let key = |alg| keys.get(alg, published, config, platform, cx);
        Ok(Self {
            access_token: key(Algorithm::Es256).await?,
            id_token: key(client.metadata.id_token_signed_response_alg.algorithm()).await?,
        })
    }
}

/// A parameter of a grant type, which may stand once.
fn once<'a>(params: &'a Params, name: &str) -> Result<Option<&'a str>, TokenError> {
    params.once(name).map_err(|_| TokenError::InvalidRequest("a parameter stands twice"))
}

/// The resource that a token is asked for, if one is named: one at a time, and one that there is.
fn resource<'a>(params: &'a Params, resources: &Resources) -> Result<Option<&'a str>, TokenError> {
    let named = params
        .once("resource")
        .map_err(|_| TokenError::InvalidTarget("resource stands twice: a token is for one"))?;
    match named {
        Some(uri) if resources.find(uri).is_none() => {
            Err(TokenError::InvalidTarget("resource is none that is known"))
        }
        named => Ok(named),
    }
}

/// Those of the granted scopes that the client may still have: what it can do at an API ends when that is taken from
/// its registration.
fn still_allowed<'a>(granted: &'a str, client: &Client, resources: &Resources) -> Cow<'a, str> {
    if resources.is_empty() {
        return Cow::Borrowed(granted);
    }
    let is_allowed =
        |scope: &&str| resources.of_scope(scope).is_none() || client.metadata.may_have(scope);
    let allowed: Vec<_> = Granted::of_valid(granted).iter().filter(is_allowed).collect();
    Cow::Owned(allowed.join(" "))
}

/// What a grant type has found to be issued.
struct Issue<'a> {
    client: &'a Client,
    grant: &'a Grant,
    /// The user's claims, as JSON.
    user_claims: &'a str,
    /// The scopes that count, of all that were granted.
    scope: &'a str,
    /// Whom the access token is for.
    target: Target<'a>,
    /// To stand in the ID token.
    nonce: Option<&'a str>,
    refresh_token: Option<String>,
}

impl Issue<'_> {
    /// Signs the tokens and answers with them (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
    async fn respond(
        self,
        signers: &Signers,
        config: &Config,
        crypto: &impl Crypto,
        cx: &Cx<'_>,
    ) -> Result<Response, Error> {
        let access_token = self.access_token(signers, config, crypto, cx).await?;
        let mut id_token = None;
        if Granted::of_valid(self.scope).contains(OPENID) {
            let user = users::parse_claims(self.user_claims)?;
            let of_user = config.scopes.select(&self.grant.requested.id_token, user);
            let with = Some(access_token.as_str());
            id_token = Some(self.id_token(with, of_user, signers, config, crypto, cx).await?);
        }
        let scope = config.resources.scope_for(self.target, self.scope);
        let refresh_token = self.refresh_token;
        TokenResponse { id_token, refresh_token, ..TokenResponse::of(access_token, &scope) }
            .respond()
    }

    async fn access_token(
        &self,
        signers: &Signers,
        config: &Config,
        crypto: &impl Crypto,
        cx: &Cx<'_>,
    ) -> Result<String, Internal> {
        let token = AccessToken {
            client_id: self.client.client_id.clone(),
            exp: cx.now + ACCESS_TOKEN_LIFETIME,
            grant_id: self.grant.id.clone(),
            iat: cx.now,
            jti: cx.random_id()?,
            nbf: cx.now,
            scope: config.resources.scope_for(self.target, self.scope).into_owned(),
            sub: self.grant.subject.clone(),
        };
        let aud = match self.target {
            Target::Resource(resource) => Cow::Borrowed(resource.uri.as_str()),
            Target::Userinfo => Cow::Owned(USERINFO.url(&config.issuer)),
        };
        let claims = token.to_claims(config.issuer.as_str(), &aud);
        jws::sign(crypto, &signers.access_token, access_token::TYP, &claims).await
    }

    /// The ID token that comes with an access token, or alone, and has these claims of the user's.
    async fn id_token(
        &self,
        access_token: Option<&str>,
        of_user: UserClaims,
        signers: &Signers,
        config: &Config,
        crypto: &impl Crypto,
        cx: &Cx<'_>,
    ) -> Result<String, Internal> {
        let token = IdToken {
            access_token,
            aud: &self.client.client_id,
            auth_time: self.grant.auth_time,
            exp: cx.now + ID_TOKEN_LIFETIME,
            iat: cx.now,
            iss: config.issuer.as_str(),
            nonce: self.nonce,
            sid: self.grant.sid.as_deref(),
            sub: &self.grant.subject,
        };
        let claims = token.to_claims(of_user);
        jws::sign(crypto, &signers.id_token, id_token::TYP, &claims).await
    }
}

/// RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl<'a> TokenResponse<'a> {
    /// An access token alone.
    fn of(access_token: String, scope: &'a str) -> Self {
        Self {
            access_token,
            token_type: BEARER,
            expires_in: ACCESS_TOKEN_LIFETIME,
            scope,
            id_token: None,
            refresh_token: None,
        }
    }

    fn respond(&self) -> Result<Response, Error> {
        let response =
            Response::json_of(200, self).map_err(|error| Internal::unwritable(&error))?;
        Ok(response.with("pragma", "no-cache"))
    }
}
