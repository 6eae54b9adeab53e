//! Step 3: a request is validated: who sends it, where the response goes, and what is requested.

use super::client::find_client;
use crate::error::{Error, PageError, Protocol};
use crate::interaction::pending_request::PendingRequest;
use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::ports::{Database, Platform};
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request::AuthorizeRequest;
use crate::protocol::authorization::reply_to::ReplyTo;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::token::id_token::{self, IdTokenHintError};
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::store::clients::Client;
use crate::store::consents::{self, Consent};
use crate::store::pairwise_subjects;
use crate::store::sessions::Session;

/// The outcome of a validation.
pub enum Validation {
    /// The request is valid.
    Valid(Box<ValidatedRequest>),
    /// The request is invalid, and the error goes to the client.
    Refused(ReplyTo, AuthorizeError),
}

/// The user who must sign in.
pub enum RequiredUser {
    /// Any user.
    Any,
    /// No user, because the client knows nobody by the subject that it named.
    Nobody,
    /// The user of this `sub`.
    Only(String),
}

impl RequiredUser {
    /// Whether a user will do.
    pub fn admits(&self, sub: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Nobody => false,
            Self::Only(required) => required == sub,
        }
    }
}

/// A valid authorization request.
pub struct ValidatedRequest {
    /// The client that sends it.
    pub client: Client,
    /// Where the response goes.
    pub reply_to: ReplyTo,
    /// What is requested.
    pub request: AuthorizeRequest,
    /// The user who must sign in, by `id_token_hint` or `claims`.
    pub required_user: RequiredUser,
    /// The claims that are requested one by one, beyond those that the scopes release.
    pub single_claims: Vec<String>,
}

/// Validates a request. Nothing is sent anywhere before the client and its redirect URI are known: until then, what is
/// wrong is shown on a page.
///
/// # Errors
/// [`PageError`], and whatever the platform reports.
pub async fn validate(
    provider: &Provider<'_, impl Platform>,
    pending: &PendingRequest,
) -> Result<Validation, Error> {
    // 1. The client.
    let client = find_client(&provider.context, &pending.params).await?;
    validate_for(provider, client, pending).await
}

/// Validates a request whose client is known.
///
/// # Errors
/// As [`validate`].
pub async fn validate_for(
    provider: &Provider<'_, impl Platform>,
    client: Client,
    pending: &PendingRequest,
) -> Result<Validation, Error> {
    let params = &pending.params;

    // 2. The redirect URI (RFC 6749 section 3.1.2.3, RFC 9700 section 2.1).
    let reply_to = ReplyTo::from_request(params, &client.metadata)
        .map_err(|error| PageError::application_fault(error.description()))?;

    // 3. Everything else: from here on, errors go to the client.
    match validate_parameters(provider, &client, pending).await {
        Ok((request, required_user)) => {
            let names = [request.claims.userinfo.as_slice(), &request.claims.id_token].concat();
            let scopes = &provider.context.config.scopes;
            let single_claims = scopes.claims_outside_scopes(&request.granted(), &names);
            let single_claims = single_claims.into_iter().map(str::to_owned).collect();
            let valid =
                ValidatedRequest { client, reply_to, request, required_user, single_claims };
            Ok(Validation::Valid(Box::new(valid)))
        }
        Err(Error::Protocol(Protocol::Authorize(error))) => {
            Ok(Validation::Refused(reply_to, error))
        }
        Err(error) => Err(error),
    }
}

/// Returns what is requested, and the user who must sign in for it.
async fn validate_parameters(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    pending: &PendingRequest,
) -> Result<(AuthorizeRequest, RequiredUser), Error> {
    // 1. The request came as its client wants all of them to come.
    check_required_transport(pending, &client.metadata)?;

    // 2. The parameters.
    let policy = provider.context.config.authorize_policy();
    let request = AuthorizeRequest::parse(&pending.params, &client.metadata, &policy)?;

    // 3. The user, whom an ID token and `claims` name by the subject that the client knows.
    let hinted = match &request.id_token_hint {
        Some(hint) => Some(hinted_subject(provider, hint, &client.client_id).await?),
        None => None,
    };
    let named = request.claims.sub.clone();
    if let (Some(hinted), Some(named)) = (&hinted, &named)
        && hinted != named
    {
        return Err(invalid("id_token_hint and claims name two users").into());
    }
    let required_user = match hinted.or(named) {
        Some(subject) => find_user(provider, client, subject).await?,
        None => RequiredUser::Any,
    };
    Ok((request, required_user))
}

const fn invalid(description: &'static str) -> AuthorizeError {
    AuthorizeError::new("invalid_request", description)
}

/// Checks that the request was pushed or signed, where its client has registered that all of them are.
fn check_required_transport(
    pending: &PendingRequest,
    client: &ClientMetadata,
) -> Result<(), AuthorizeError> {
    if client.require_pushed_authorization_requests && !pending.is_pushed {
        return Err(invalid("this client has registered that its requests are pushed"));
    }
    if client.require_signed_request_object && !pending.is_signed {
        return Err(invalid("this client has registered that its requests are signed"));
    }
    Ok(())
}

/// Returns the user whom this client knows by a subject.
async fn find_user(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    subject: String,
) -> Result<RequiredUser, Error> {
    let Some(sector) = client.metadata.sector()? else { return Ok(RequiredUser::Only(subject)) };
    let user = pairwise_subjects::user(provider.context.platform, &sector, &subject).await?;
    Ok(user.map_or(RequiredUser::Nobody, RequiredUser::Only))
}

/// The subject of an ID token that was issued to this client.
async fn hinted_subject(
    provider: &Provider<'_, impl Platform>,
    hint: &str,
    client_id: &str,
) -> Result<String, Error> {
    let Provider { context, memory } = provider;
    if hint.len() > id_token::HINT_LIMIT {
        return Err(hint_error(IdTokenHintError::TooLarge));
    }
    let jws = Jws::parse(hint).map_err(|_| hint_error(IdTokenHintError::NotSigned))?;
    // The claims count once the signature is verified. While that is waited for, only the outcome is kept of them.
    let hinted = id_token::hinted_sub(&jws, context.config.issuer.as_str(), client_id);
    let hinted = hinted.map(str::to_owned);
    let alg = jws.header_text("alg").and_then(Algorithm::from_name);
    let kid = jws.header_text("kid").map(str::to_owned);
    let (signature, signing_input) = jws.into_signed();
    let key = match (alg, kid.as_deref()) {
        (Some(alg), Some(kid)) => memory.published_keys.find(alg, kid, context).await?,
        _ => None,
    };
    let key = key
        .filter(|key| Some(key.alg()) == alg)
        .ok_or_else(|| hint_error(IdTokenHintError::Key))?;
    if !context.platform.verify(&key, signing_input.as_bytes(), &signature).await? {
        return Err(hint_error(IdTokenHintError::Signature));
    }
    hinted.map_err(hint_error)
}

fn hint_error(error: IdTokenHintError) -> Error {
    AuthorizeError::from(error).into()
}

impl ValidatedRequest {
    /// What the consent page shows, as one text: scopes, and single claims behind two spaces. The client may register
    /// other scopes while the page is open.
    pub fn shown(&self) -> String {
        format!("{}  {}", self.request.scope, self.single_claims.join(" "))
    }

    /// What to fill in as login.
    pub fn login_hint(&self) -> &str {
        self.request.login_hint.as_deref().unwrap_or_default()
    }

    /// The consent that the user gave the client before.
    pub async fn remembered(
        &self,
        database: &impl Database,
        session: Option<&Session>,
    ) -> Result<Option<Consent>, Error> {
        match session {
            Some(session) if !self.client.trusted => {
                Ok(consents::find(database, &session.sub, &self.client.client_id).await?)
            }
            _ => Ok(None),
        }
    }

    /// Whether all that is asked for was allowed before.
    pub fn is_covered_by(&self, consent: &Consent) -> bool {
        self.request.granted().is_within(&Scopes::of_valid(&consent.scope))
            && self
                .single_claims
                .iter()
                .all(|claim| Scopes::of_valid(&consent.claims).contains(claim))
    }

    /// What is allowed once this is: what was before, and what is asked for.
    pub fn allowed(&self, before: Option<&Consent>) -> Consent {
        let before = before.cloned().unwrap_or_default();
        let claims = self.single_claims.iter().map(String::as_str);
        Consent {
            scope: united(&before.scope, self.request.granted().iter()),
            claims: united(&before.claims, claims),
        }
    }
}

fn united<'a>(before: &'a str, more: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<_> = Scopes::of_valid(before).iter().collect();
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join(" ")
}
