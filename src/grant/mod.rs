//! The grant types of the token endpoint, one file each, and what all of them issue.

pub mod authorization_code;
pub mod refresh_token;

use serde_json::{Map, Value};
use std::rc::Rc;

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::{Error, Internal};
use crate::http::Response;
use crate::jose::jwk::{Algorithm, PrivateKey};
use crate::jose::jws;
use crate::ports::{Crypto, Platform};
use crate::protocol::access_token::{self, AccessToken};
use crate::protocol::id_token::{self, IdToken};
use crate::protocol::params::Params;
use crate::protocol::scope::{Granted, OPENID};
use crate::protocol::token_error::TokenError;
use crate::routes::USERINFO;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::users;

/// For how many seconds an access token is good.
pub const ACCESS_TOKEN_LIFETIME: i64 = 600;

/// For how many seconds an ID token may be relied on.
pub const ID_TOKEN_LIFETIME: i64 = 3_600;

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
    /// Whatever [`crate::keys::signing::SigningKeys::get`] reports.
    pub async fn get(
        client: &Client,
        provider: &Provider,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Self, Internal> {
        let memory = &provider.memory;
        let key = |alg| memory.signing_keys.get(alg, &memory.published_keys, config, platform, cx);
        Ok(Self {
            access_token: key(Algorithm::Es256).await?,
            id_token: key(client.metadata.id_token_signed_response_alg.algorithm()).await?,
        })
    }
}

/// A parameter of a grant type, which may stand once.
fn once<'a>(params: &'a Params<'_>, name: &str) -> Result<Option<&'a str>, TokenError> {
    params.once(name).map_err(|_| TokenError::InvalidRequest("a parameter stands twice"))
}

/// What a grant type has found to be issued.
struct Issue<'a> {
    client: &'a Client,
    grant: &'a Grant,
    /// The user's claims, as JSON.
    user_claims: &'a str,
    /// The scopes of the access token.
    scope: &'a str,
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
        let iss = config.issuer.as_str();
        let token = AccessToken {
            client_id: self.client.client_id.clone(),
            exp: cx.now + ACCESS_TOKEN_LIFETIME,
            grant_id: self.grant.id.clone(),
            iat: cx.now,
            jti: cx.random_id()?,
            scope: self.scope.to_owned(),
            sub: self.grant.sub.clone(),
        };
        let claims = token.to_claims(iss, &USERINFO.url(&config.issuer));
        let access_token =
            jws::sign(crypto, &signers.access_token, access_token::TYP, &claims).await?;

        let mut body = Map::new();
        if Granted::of_valid(self.scope).contains(OPENID) {
            let id_token = IdToken {
                access_token: &access_token,
                aud: &self.client.client_id,
                auth_time: self.grant.auth_time,
                exp: cx.now + ID_TOKEN_LIFETIME,
                iat: cx.now,
                iss,
                nonce: self.nonce,
                sid: self.grant.sid.as_deref(),
                sub: &self.grant.sub,
            };
            let user = users::parse_claims(self.user_claims)?;
            let of_user = config.scopes.select(&self.grant.requested.id_token, &user);
            let claims = id_token.to_claims(of_user);
            let id_token = jws::sign(crypto, &signers.id_token, id_token::TYP, &claims).await?;
            body.insert("id_token".into(), id_token.into());
        }
        body.insert("access_token".into(), access_token.into());
        body.insert("token_type".into(), "Bearer".into());
        body.insert("expires_in".into(), ACCESS_TOKEN_LIFETIME.into());
        body.insert("scope".into(), self.scope.into());
        if let Some(refresh_token) = self.refresh_token {
            body.insert("refresh_token".into(), refresh_token.into());
        }
        Ok(Response::json(200, &Value::Object(body)).with("pragma", "no-cache"))
    }
}
