//! The answer to an authorization request, on its way through the browser to the client (RFC 6749 sections
//! 4.1.2 and 4.1.2.1, RFC 9207).

use form_urlencoded::Serializer;

use crate::browser::pending::Pending;
use crate::endpoint::authorize::case::Case;
use crate::endpoint::desk::Desk;
use crate::error::{Error, Internal};
use crate::grant::Signers;
use crate::grant::implicit::{self, Order};
use crate::http::Response;
use crate::keys::mac::Purpose;
use crate::opaque::{hash, random_text};
use crate::pages::{FormPost, Texts};
use crate::ports::Platform;
use crate::protocol::authorize_request::{AuthorizeError, ReplyTo, ResponseMode};
use crate::protocol::client_metadata::ResponseType;
use crate::protocol::pkce::CodeChallenge;
use crate::routes::AUTHORIZE;
use crate::store::authorizations::{NewAuthorization, NewCode, Pairwise, record, record_with_code};
use crate::store::consents::Consent;
use crate::store::sessions::Session;

/// For how many seconds a code can be redeemed.
const CODE_LIFETIME: i64 = 60;

impl<P: Platform> Case<'_, P> {
    /// Grants what is asked for, and answers with a code, or with tokens.
    ///
    /// # Errors
    /// Whatever the platform reports.
    pub async fn issue(
        &self,
        session: &Session,
        remembered: Option<&Consent>,
        consent: Option<&Consent>,
    ) -> Result<Response, Error> {
        let Self { asked, desk, pending, texts, visit } = self;
        let client_id = asked.client.client_id.as_str();
        let claims = serde_json::to_string(&asked.request.claims)
            .map_err(|error| Internal::unwritable(&error))?;
        let sector = asked.client.metadata.sector()?;
        let new_subject = sector.as_ref().map(|_| random_text(desk.cx)).transpose()?;
        let pairwise = sector.as_deref().zip(new_subject.as_deref());
        let pairwise = pairwise.map(|(sector, new_subject)| Pairwise { sector, new_subject });
        let authorization = NewAuthorization {
            grant_id: &desk.cx.random_id()?,
            session_id: &session.id,
            sid: &visit.mac.code(Purpose::Sid, &[&session.id, client_id]),
            client_id,
            pairwise,
            scope: &asked.request.scope,
            claims: &claims,
            remembered,
            consent,
            handle_hash: pending.handle_hash.as_deref(),
        };
        let parameters = match asked.request.response_type {
            ResponseType::Code => self.code(&authorization).await?,
            ResponseType::IdToken => self.tokens(&authorization, false).await?,
            ResponseType::IdTokenToken => self.tokens(&authorization, true).await?,
        };
        if let Some(parameters) = parameters {
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            return Ok(respond(desk, &asked.reply_to, &parameters, texts));
        }
        // What was decided on changed a moment ago: the request is looked at again.
        let query = &pending.query;
        Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer))))
    }

    async fn code(&self, authorization: &NewAuthorization<'_>) -> Result<Option<Issued>, Error> {
        let Self { asked, desk, .. } = self;
        let code = random_text(desk.cx)?;
        let new_code = NewCode {
            code_hash: &hash(&code),
            redirect_uri: &asked.reply_to.redirect_uri,
            code_challenge: asked.request.code_challenge.as_ref().map(CodeChallenge::as_str),
            nonce: asked.request.nonce.as_deref(),
            expires_at: desk.cx.now + CODE_LIFETIME,
        };
        let (platform, now) = (desk.platform, desk.cx.now);
        let is_recorded = record_with_code(platform, authorization, &new_code, now).await?;
        Ok(is_recorded.then(|| vec![("code", code)]))
    }

    async fn tokens(
        &self,
        authorization: &NewAuthorization<'_>,
        with_access_token: bool,
    ) -> Result<Option<Issued>, Error> {
        let Desk { config, cx, keys, platform, signing_keys, .. } = *self.desk;
        let client = &self.asked.client;
        let signers = Signers::get(client, signing_keys, keys, config, platform, cx).await?;
        let Some(grant) = record(platform, authorization, cx.now).await? else { return Ok(None) };
        let Some(user_claims) = grant.user_claims.as_deref() else { return Ok(None) };
        let nonce = self.asked.request.nonce.as_deref();
        let order = Order { client, grant: &grant, user_claims, nonce, with_access_token };
        Ok(Some(implicit::parameters(order, &signers, config, platform, cx).await?))
    }
}

/// The parameters that carry what was issued.
type Issued = Vec<(&'static str, String)>;

impl<P> Case<'_, P> {
    /// Answers with a fault of ours, which is logged. The request is not answered by it: whoever comes back may
    /// go on.
    pub fn fail(&self, fault: &Internal) -> Response {
        let (code, description) = match fault {
            Internal::Unavailable { .. } => {
                ("temporarily_unavailable", "a part of this service does not answer")
            }
            Internal::Broken { .. } | Internal::Misconfigured { .. } => {
                ("server_error", "this service made an error, which has been logged")
            }
        };
        self.desk.cx.note_fault(fault);
        self.desk.cx.log_refusal(code);
        let parameters = [("error", code), ("error_description", description)];
        respond(self.desk, &self.asked.reply_to, &parameters, self.texts)
    }
}

/// Answers with an error.
///
/// # Errors
/// [`crate::browser::pending::ANSWERED`] where another answer was faster, and whatever the database reports.
pub async fn refuse(
    desk: &Desk<'_, impl Platform>,
    pending: &Pending,
    reply_to: &ReplyTo,
    error: AuthorizeError,
    texts: &'static Texts,
) -> Result<Response, Error> {
    pending.answer(desk.platform).await?;
    desk.cx.log_refusal(error.code);
    let parameters = [("error", error.code), ("error_description", error.description)];
    Ok(respond(desk, reply_to, &parameters, texts))
}

/// The response that carries `parameters` to the client, with its state and our name.
fn respond<P>(
    desk: &Desk<'_, P>,
    reply_to: &ReplyTo,
    parameters: &[(&str, &str)],
    texts: &'static Texts,
) -> Response {
    let mut parameters = parameters.to_vec();
    if let Some(state) = &reply_to.state {
        parameters.push(("state", state));
    }
    parameters.push(("iss", desk.config.issuer.as_str()));
    match reply_to.mode {
        ResponseMode::FormPost => {
            let redirect_uri = &reply_to.redirect_uri;
            FormPost { texts, redirect_uri, parameters: &parameters }.response()
        }
        ResponseMode::Fragment => {
            let fragment = Serializer::new(String::new()).extend_pairs(parameters).finish();
            Response::see_other(format!("{}#{fragment}", reply_to.redirect_uri))
        }
        ResponseMode::Query => {
            let separator = if reply_to.redirect_uri.contains('?') { '&' } else { '?' };
            let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
            Response::see_other(format!("{}{separator}{query}", reply_to.redirect_uri))
        }
    }
}
