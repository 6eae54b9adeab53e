//! The tokens that are issued for a user's grant.

use serde::Serialize;
use std::borrow::Cow;
use std::rc::Rc;

use crate::config::Issuer;
use crate::context::Context;
use crate::error::{Error, Internal};
use crate::http::Response;
use crate::jose::jwk::{Algorithm, PrivateKey};
use crate::keys::signing::sign;
use crate::lifetimes::{ACCESS_TOKEN_SECONDS, ID_TOKEN_SECONDS};
use crate::ports::{Crypto, Platform};
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::authorization::resources::{Resource, Resources, Target};
use crate::protocol::token::access_token::AccessToken;
use crate::protocol::token::id_token::{self, IdToken};
use crate::protocol::user::claims::UserClaims;
use crate::protocol::user::scope::{OPENID, ScopeTable, Scopes};
use crate::provider::Provider;
use crate::routes::USERINFO;
use crate::store::clients::Client;
use crate::store::grants::Grant;
use crate::store::users;

/// The `token_type` of access tokens (RFC 6750).
pub const BEARER: &str = "Bearer";

/// The keys that sign the tokens of a request, and their randomness.
pub struct Signers {
    /// One for each algorithm.
    keys: Vec<Rc<PrivateKey>>,
    /// The fault of an algorithm that has no key.
    fault: Option<Internal>,
    /// The `jti` of the access token. It is drawn with the keys, before anything is spent, because drawing can fail.
    pub(super) token_id: String,
}

impl Signers {
    /// Draws the id of the access token. Gets the keys for the access tokens that the request can have, and those of the
    /// algorithms `algs` for ID tokens, as far as there are any.
    ///
    /// # Errors
    /// The same as [`crate::keys::signing::SigningKeys::get`], for the keys for access tokens, and as
    /// [`Context::random`].
    pub async fn get(
        access_tokens: &AccessTokenAlgorithms,
        algs: &[Algorithm],
        provider: &Provider<'_, impl Platform>,
    ) -> Result<Self, Internal> {
        let Provider { context, memory } = provider;
        let (mut keys, mut fault) = (Vec::new(), None);
        for alg in Algorithm::ALL {
            let is_required = access_tokens.0.contains(&alg);
            if !is_required && !algs.contains(&alg) {
                continue;
            }
            match memory.signing_keys.get(alg, &memory.published_keys, context).await {
                Ok(key) => keys.push(key),
                Err(error) if is_required => return Err(error),
                Err(error) => fault = Some(error),
            }
        }
        Ok(Self { keys, fault, token_id: context.random_id()? })
    }

    /// Returns the names of the algorithms that have a key.
    pub(super) fn algs(&self) -> String {
        self.keys.iter().map(|key| key.alg().name()).collect::<Vec<_>>().join(" ")
    }

    /// Returns itself, if there is a key for ID tokens with `alg`.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn require(mut self, alg: Algorithm) -> Result<Self, Internal> {
        match self.fault.take() {
            Some(fault) if self.key(alg).is_none() => Err(fault),
            _ => Ok(self),
        }
    }

    fn key(&self, alg: Algorithm) -> Option<&PrivateKey> {
        self.keys.iter().map(Rc::as_ref).find(|key| key.alg() == alg)
    }

    /// Signs the claims of an access token for `target`.
    ///
    /// # Errors
    /// [`Internal`] if there is no key of the target's algorithm, or if signing fails.
    pub async fn sign_access_token(
        &self,
        target: Target<'_>,
        claims: &impl Serialize,
        context: &Context<'_, impl Crypto>,
    ) -> Result<String, Internal> {
        let key = self.key(target.alg()).ok_or_else(|| Internal::Broken {
            detail: "no key for an access token: its algorithm was not requested".into(),
        })?;
        sign(context, key, target.typ().name(), claims).await
    }
}

/// The algorithms of the access tokens that a request can have.
pub struct AccessTokenAlgorithms(Vec<Algorithm>);

impl AccessTokenAlgorithms {
    /// Returns the algorithm of the named resource, or those of every audience if none is named: the audience then follows
    /// from a grant that is not read yet.
    pub(super) fn of_request(resource: Option<&Resource>, resources: &Resources) -> Self {
        let all = || resources.iter().map(Target::Resource).chain([Target::Userinfo]);
        Self(match resource {
            Some(resource) => vec![resource.alg],
            None => all().map(Target::alg).collect(),
        })
    }

    /// That of userinfo's tokens.
    pub fn of_userinfo() -> Self {
        Self(vec![Target::Userinfo.alg()])
    }
}

/// Returns the claim `aud` of the access tokens for `target`.
pub fn audience<'a>(target: Target<'a>, issuer: &Issuer) -> Cow<'a, str> {
    match target {
        Target::Resource(resource) => Cow::Borrowed(resource.uri.as_str()),
        Target::Userinfo => Cow::Owned(USERINFO.url(issuer)),
    }
}

/// The content of the tokens for a user's grant.
pub struct TokenSet<'a> {
    /// The client that gets the tokens.
    pub client: &'a Client,
    /// The grant that the tokens belong to.
    pub grant: &'a Grant,
    /// The user's claims, as JSON.
    pub user_claims: &'a str,
    /// The scopes of the tokens: all granted ones, or fewer.
    pub scope: &'a str,
    /// The claims of the tokens that are requested by name.
    pub requested: &'a ClaimsRequest,
    /// The audience of the access token.
    pub target: Target<'a>,
    /// The `nonce` of the ID token.
    pub nonce: Option<&'a str>,
}

impl TokenSet<'_> {
    /// Signs the tokens. Returns the response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
    pub(super) async fn respond(
        self,
        refresh_token: Option<String>,
        signers: &Signers,
        context: &Context<'_, impl Platform>,
    ) -> Result<Response, Error> {
        let access_token = self.access_token(signers, context).await?;
        let mut id_token = None;
        if Scopes::of_valid(self.scope).contains(OPENID) {
            id_token = Some(self.id_token(Some(&access_token), signers, context).await?);
        }
        let scope = context.config.resources.scope_for(self.target, self.scope);
        TokenResponse { id_token, refresh_token, ..TokenResponse::new(access_token, &scope) }
            .respond()
    }

    /// Signs the access token (RFC 9068), as its audience requires.
    pub async fn access_token(
        &self,
        signers: &Signers,
        context: &Context<'_, impl Crypto>,
    ) -> Result<String, Internal> {
        let issuer = &context.config.issuer;
        let token = AccessToken {
            aud: audience(self.target, issuer).into_owned(),
            client_id: self.client.client_id.clone(),
            exp: context.now + ACCESS_TOKEN_SECONDS,
            grant_id: Some(self.grant.id.clone()),
            iat: context.now,
            jti: signers.token_id.clone(),
            nbf: context.now,
            scope: context.config.resources.scope_for(self.target, self.scope).into_owned(),
            sub: self.grant.subject.clone(),
        };
        signers.sign_access_token(self.target, &token.to_claims(issuer.as_str()), context).await
    }

    /// Signs an ID token. `access_token` is the one that is issued with it, for `at_hash`.
    pub async fn id_token(
        &self,
        access_token: Option<&str>,
        signers: &Signers,
        context: &Context<'_, impl Crypto>,
    ) -> Result<String, Internal> {
        let alg = self.client.metadata.id_token_signed_response_alg;
        let key = signers.key(alg).ok_or_else(|| Internal::Broken {
            detail: "no key for an ID token: the grant type issues none".into(),
        })?;
        let token = IdToken {
            access_token,
            aud: &self.client.client_id,
            auth_time: self.grant.auth_time,
            exp: context.now + ID_TOKEN_SECONDS,
            iat: context.now,
            iss: context.config.issuer.as_str(),
            nonce: self.nonce,
            sid: self.grant.sid.as_deref(),
            sub: &self.grant.subject,
        };
        let of_user = self.id_token_claims(access_token.is_some(), &context.config.scopes)?;
        sign(context, key, id_token::TYP, &token.to_claims(key.alg(), of_user)).await
    }

    /// Returns the user's claims for the ID token: those that the parameter `claims` requests there, and those of the
    /// scopes if the client has registered that, or cannot call userinfo for lack of an access token (OpenID Connect
    /// Core section 5.4).
    fn id_token_claims(
        &self,
        has_access_token: bool,
        scopes: &ScopeTable,
    ) -> Result<UserClaims, Internal> {
        let user = users::parse_claims(self.user_claims)?;
        let requested = &self.requested.id_token;
        if self.client.metadata.id_token_scope_claims || !has_access_token {
            return Ok(scopes.release(&Scopes::of_valid(self.scope), requested, user));
        }
        Ok(scopes.select(requested, user))
    }
}

/// The token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
#[derive(Serialize)]
pub(super) struct TokenResponse<'a> {
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
    /// A response with an access token only.
    pub(super) fn new(access_token: String, scope: &'a str) -> Self {
        Self {
            access_token,
            token_type: BEARER,
            expires_in: ACCESS_TOKEN_SECONDS,
            scope,
            id_token: None,
            refresh_token: None,
        }
    }

    pub(super) fn respond(&self) -> Result<Response, Error> {
        let response =
            Response::json_of(200, self).map_err(|error| Internal::unwritable(&error))?;
        Ok(response.with("pragma", "no-cache"))
    }
}
