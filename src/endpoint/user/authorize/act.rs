//! Step 5: carry out the decision. This file records the grant and issues a code or tokens; [`Interaction`] renders the
//! pages.

use std::borrow::Cow;

use super::implicit::{self, ImplicitRequest};
use super::interaction::Interaction;
use super::respond::{redirect_to_authorize, refuse, respond};
use super::validate::ValidatedRequest;
use crate::crypto::mac::{Purpose, derive};
use crate::error::{Error, Internal, PageError};
use crate::grant::token_set::{AccessTokenAlgorithms, Signers};
use crate::http::Response;
use crate::interaction::pending_request::restarted;
use crate::lifetimes::CODE_SECONDS;
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::protocol::authorization::pkce::CodeChallenge;
use crate::protocol::authorization::reply_to::{Redirection, ReplyTo};
use crate::protocol::client::metadata::ResponseType;
use crate::protocol::description::Description;
use crate::secret::hash;
use crate::store::authorizations::{
    NewAuthorization, NewCode, Pairwise, is_at_limit, record, record_with_code,
};
use crate::store::consents::Consent;
use crate::store::deletions;
use crate::store::identifiers;
use crate::store::sessions::Session;

/// The error if the user and the client have as many grants as may be recorded.
const TOO_MANY_GRANTS: AuthorizeError = AuthorizeError {
    code: TEMPORARILY_UNAVAILABLE,
    description: Description::fixed(
        "the client was authorized too often by this user; use the tokens that it has, and try again later",
    ),
};

/// The error if the operator has deleted a client by document, and it cannot be stored again yet.
const BEING_DELETED: AuthorizeError = AuthorizeError {
    code: TEMPORARILY_UNAVAILABLE,
    description: Description::fixed(
        "the operator has deleted the client, and its rows are still being deleted; try again in some minutes",
    ),
};

/// The parameters of the response that carry the code or the tokens.
type Issued = Vec<(&'static str, String)>;

/// A client by document that has the name of a user. APIs could confuse the two.
const IS_SUB: &str = "client_id: must not be the sub of a user";

impl<P: Platform> Interaction<'_, P> {
    /// Records the grant, and sends a code or tokens to the client, or lets its device get them. `remembered` is the stored consent that the
    /// decision or the new consent is based on; `consent` is one that the user just gave.
    pub async fn issue(
        &self,
        request: &ValidatedRequest,
        session: &Session,
        remembered: Option<&Consent>,
        consent: Option<&Consent>,
    ) -> Result<Response, Error> {
        let context = &self.provider.context;
        let client_id = request.client.client_id.as_str();
        let claims = serde_json::to_string(&request.request.claims)
            .map_err(|error| Internal::unwritable(&error))?;
        let sector = request.client.metadata.sector()?;
        let new_subject = sector.as_ref().map(|_| context.random_text()).transpose()?;
        let pairwise = sector.as_deref().zip(new_subject.as_deref());
        let pairwise = pairwise.map(|(sector, new_subject)| Pairwise { sector, new_subject });
        let authorization = NewAuthorization {
            grant_id: &context.random_id()?,
            session_id: &session.id,
            sid: &derive(&session.id, Purpose::Sid, &[client_id])?,
            client: &request.client,
            pairwise,
            scope: &request.request.scope,
            claims: &claims,
            remembered,
            consent,
            handle: self.pending.handle.as_ref(),
        };
        let recorded = match &request.reply_to {
            ReplyTo::Device(_) => self.allow_device(&authorization).await?,
            ReplyTo::RedirectUri(redirection) => {
                self.redirect(request, redirection, &authorization).await?
            }
        };
        match recorded {
            Some(response) => Ok(response),
            None => self.begin_again(request, &authorization).await,
        }
    }

    /// Records the grant, and sends a code or tokens to the redirect URI.
    async fn redirect(
        &self,
        request: &ValidatedRequest,
        redirection: &Redirection,
        authorization: &NewAuthorization<'_>,
    ) -> Result<Option<Response>, Error> {
        let issued = match request.request.response_type {
            ResponseType::Code => {
                self.code(request, &redirection.redirect_uri, authorization).await?
            }
            ResponseType::IdToken => self.tokens(request, authorization, false).await?,
            ResponseType::IdTokenToken => self.tokens(request, authorization, true).await?,
        };
        let Some(issued) = issued else { return Ok(None) };
        let parameters: Vec<_> =
            issued.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(Some(respond(&self.provider.context, redirection, &parameters, self.delivery)))
    }

    /// Begins the request again, because nothing was recorded: something that the decision is based on has changed. That
    /// would not help a client by document that cannot be stored.
    async fn begin_again(
        &self,
        request: &ValidatedRequest,
        authorization: &NewAuthorization<'_>,
    ) -> Result<Response, Error> {
        let context = &self.provider.context;
        let client_id = request.client.client_id.as_str();
        let is_by_document = request.client.document.is_some();
        if is_by_document && identifiers::is_sub(context, client_id).await? {
            return Err(PageError::application_fault(IS_SUB).into());
        }
        let error = if is_by_document && deletions::is_in_progress(context, client_id).await? {
            BEING_DELETED
        } else if is_at_limit(context, authorization).await? {
            let client_id = client_id.to_owned();
            context.log_event(LogEvent::GrantBudgetExhausted { client_id });
            TOO_MANY_GRANTS
        } else {
            return Ok(redirect_to_authorize(context, &self.restarted_query()));
        };
        refuse(context, self.pending, &request.reply_to, error, self.delivery).await
    }

    /// Returns the query that begins the request again.
    fn restarted_query(&self) -> Cow<'_, str> {
        let query = self.pending.query.as_str();
        if self.delivery.is_behind_form { restarted(query).into() } else { query.into() }
    }

    async fn code(
        &self,
        request: &ValidatedRequest,
        redirect_uri: &str,
        authorization: &NewAuthorization<'_>,
    ) -> Result<Option<Issued>, Error> {
        let context = &self.provider.context;
        let code = context.random_text()?;
        let new_code = NewCode {
            code_hash: &hash(&code),
            redirect_uri,
            code_challenge: request.request.code_challenge.as_ref().map(CodeChallenge::as_str),
            nonce: request.request.nonce.as_deref(),
            expires_at: context.now + CODE_SECONDS,
        };
        let is_recorded = record_with_code(context, authorization, &new_code).await?;
        Ok(is_recorded.then(|| vec![("code", code)]))
    }

    async fn tokens(
        &self,
        request: &ValidatedRequest,
        authorization: &NewAuthorization<'_>,
        with_access_token: bool,
    ) -> Result<Option<Issued>, Error> {
        let context = &self.provider.context;
        let client = &request.client;
        let alg = client.metadata.id_token_signed_response_alg;
        let access_tokens = AccessTokenAlgorithms::of_userinfo();
        let signers = Signers::get(&access_tokens, &[alg], self.provider).await?.require(alg)?;
        let grant = record(context, authorization).await?;
        let Some(grant) = grant else { return Ok(None) };
        let Ok(user_claims) = grant.user_claims() else { return Ok(None) };
        let nonce = request.request.nonce.as_deref();
        let implicit =
            ImplicitRequest { client, grant: &grant, user_claims, nonce, with_access_token };
        Ok(Some(implicit::parameters(&implicit, &signers, context).await?))
    }
}
