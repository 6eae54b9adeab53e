//! Step 3: validate the request: the client, the redirect URI, and all other parameters.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::id_token_hint::{HintedUser, hinted_user};
use crate::digest::digest;
use crate::error::{Error, PageError, Protocol};
use crate::interaction::pending_request::PendingRequest;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request::AuthorizeRequest;
use crate::protocol::authorization::reply_to::{Redirection, ReplyTo};
use crate::protocol::authorization::resources::Resources;
use crate::protocol::client::identity::{identity, registration};
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::user::login::may_be_hint;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::store::clients::Client;
use crate::store::consents::Consent;
use crate::store::pairwise_subjects;

pub enum Validation {
    Valid(Box<ValidatedRequest>),
    /// The request is invalid; the error is sent to the client.
    Refused(ReplyTo, AuthorizeError),
}

/// The user who must sign in.
pub enum RequiredUser {
    Any,
    /// The user is unknown: no user has the subject that the client named, or the hint does not prove one.
    Nobody,
    /// The user of this `sub`.
    Only(String),
}

impl RequiredUser {
    /// Returns whether a user satisfies the requirement.
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
    /// The client that sent the request.
    pub client: Client,
    /// The destination of the response.
    pub reply_to: ReplyTo,
    /// The parsed parameters.
    pub request: AuthorizeRequest,
    /// The user who must sign in, from `id_token_hint` or `claims`.
    pub required_user: RequiredUser,
    /// The claims requested by the `claims` parameter that the requested scopes do not release.
    pub single_claims: Vec<String>,
    /// The URI of the API of each scope that belongs to one.
    apis: BTreeMap<String, String>,
    /// The [identity](identity()) of the client on the consent page.
    pub identity: String,
}

/// Validates a request. Errors are shown on a page until the client and its redirect URI are validated; later ones are
/// sent to the client.
///
/// # Errors
/// [`PageError`] if the client or its redirect URI is invalid, [`Error::Internal`] if the platform fails.
pub async fn validate(
    provider: &Provider<'_, impl Platform>,
    pending: &PendingRequest,
    facts: &mut Facts,
) -> Result<Validation, Error> {
    // 1. Find the client.
    let client = facts.client(provider, &pending.params).await?;
    let is_vouched_for = facts.is_vouched_for(&client, &pending.params);
    validate_for(provider, client, pending, is_vouched_for).await
}

/// Validates a request of a client that was found before. `is_vouched_for` is that of [`ReplyTo`].
///
/// # Errors
/// The same as [`validate`].
pub async fn validate_for(
    provider: &Provider<'_, impl Platform>,
    client: Client,
    pending: &PendingRequest,
    is_vouched_for: bool,
) -> Result<Validation, Error> {
    // 2. Check the redirect URI (RFC 6749 section 3.1.2.3, RFC 9700 section 2.1). The request of a device has none.
    let reply_to = match &pending.device {
        Some(pending) => ReplyTo::Device(pending.device.clone()),
        None => ReplyTo::RedirectUri(redirection(provider, &client, pending, is_vouched_for)?),
    };

    // 3. Check everything else. Errors are sent to the client from here on.
    match validate_parameters(provider, &client, pending).await {
        Ok((request, required_user)) => {
            let names = [request.claims.userinfo.as_slice(), &request.claims.id_token].concat();
            let scopes = &provider.context.config.scopes;
            let single_claims = scopes.claims_outside_scopes(&request.granted(), &names);
            let single_claims = single_claims.into_iter().map(str::to_owned).collect();
            let apis = provider.context.config.resources.uris_of(&request.granted());
            let identity = identity(&client.metadata, reply_to.redirect_uri());
            Ok(Validation::Valid(Box::new(ValidatedRequest {
                client,
                reply_to,
                request,
                required_user,
                single_claims,
                apis,
                identity,
            })))
        }
        Err(Error::Protocol(Protocol::Authorize(error))) => {
            Ok(Validation::Refused(reply_to, error))
        }
        Err(error) => Err(error),
    }
}

/// Checks the redirect URI of a request, and the `state` that goes there.
fn redirection(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    pending: &PendingRequest,
    is_vouched_for: bool,
) -> Result<Redirection, PageError> {
    let own_host = provider.context.config.issuer.own_host();
    let redirection =
        Redirection::from_request(&pending.params, &client.metadata, own_host, is_vouched_for);
    redirection.map_err(|error| {
        let client_id = client.client_id.as_str();
        provider.context.log_client(client_id, &error.log_description(client_id));
        PageError::application_fault(error.description(client_id))
    })
}

/// Parses the parameters. Returns them, and the user who must sign in.
async fn validate_parameters(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    pending: &PendingRequest,
) -> Result<(AuthorizeRequest, RequiredUser), Error> {
    let policy = provider.context.config.authorize_policy(client.voucher());
    // The request of a device comes from its client, and names no user.
    if pending.device.is_some() {
        let request = AuthorizeRequest::of_device(&pending.params, &client.metadata, &policy)?;
        return Ok((request, RequiredUser::Any));
    }

    // 1. Check that the request was pushed or signed if the client has registered that.
    check_required_transport(pending, &client.metadata)?;

    // 2. Parse the parameters.
    let request = AuthorizeRequest::parse(&pending.params, &client.metadata, &policy)?;

    // 3. Find the user that `id_token_hint` or `claims` requires, by the subject that the client knows.
    let hinted = match hinted_user(provider, pending, &client.client_id).await? {
        // A page shows the user who signs in. Without a page, the client would believe that the session is that of the
        // hint's user.
        HintedUser::Nobody if request.prompt.none => return Ok((request, RequiredUser::Nobody)),
        HintedUser::NoHint | HintedUser::Nobody => None,
        HintedUser::Subject(subject) => Some(subject),
    };
    let named = request.claims.sub.clone();
    if let (Some(hinted), Some(named)) = (&hinted, &named)
        && hinted != named
    {
        return Err(invalid("id_token_hint: sub must be the sub of the parameter claims").into());
    }
    let required_user = match hinted.or(named) {
        Some(subject) => find_user(provider, client, subject).await?,
        None => RequiredUser::Any,
    };
    Ok((request, required_user))
}

fn invalid(description: &'static str) -> AuthorizeError {
    AuthorizeError::new("invalid_request", description)
}

/// Checks that the request was pushed or signed, if the client has registered that all its requests are.
fn check_required_transport(
    pending: &PendingRequest,
    client: &ClientMetadata,
) -> Result<(), AuthorizeError> {
    if client.require_pushed_authorization_requests && !pending.is_pushed {
        return Err(invalid(
            "missing parameter: request_uri (the client has registered \
             require_pushed_authorization_requests)",
        ));
    }
    if client.require_signed_request_object && !pending.is_signed {
        return Err(invalid(
            "missing parameter: request (the client has registered require_signed_request_object)",
        ));
    }
    Ok(())
}

/// Returns the user who has this subject for the client.
async fn find_user(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    subject: String,
) -> Result<RequiredUser, Error> {
    let Some(sector) = client.metadata.sector()? else { return Ok(RequiredUser::Only(subject)) };
    // A second request to the database, because the client's metadata has the sector, and the subject may be that of a
    // verified ID token.
    let user = pairwise_subjects::user(&provider.context, &sector, &subject).await?;
    Ok(user.map_or(RequiredUser::Nobody, RequiredUser::Only))
}

impl ValidatedRequest {
    /// Returns what the consent page shows, as one text: scopes and claims, and a digest of the scopes' APIs and of the
    /// client's identity, with two spaces between them. The form posts it back, because the client may register other
    /// metadata while the page is open, and the operator may give a scope to another API.
    pub fn shown(&self) -> String {
        let mut identified: Vec<&str> = vec![&self.identity];
        identified.extend(self.apis.iter().flat_map(|(scope, uri)| [scope.as_str(), uri]));
        let claims = self.single_claims.join(" ");
        format!("{}  {claims}  {}", self.request.scope, digest(&identified))
    }

    /// Returns the initial value of the login field. Anybody can send the hint in a link.
    pub fn login_hint(&self) -> &str {
        self.request.login_hint.as_deref().filter(|hint| may_be_hint(hint)).unwrap_or_default()
    }

    /// Returns whether a stored consent covers the request.
    pub fn is_covered_by(&self, consent: &Consent) -> bool {
        let has_scope = |scope| consent.has_scope(scope, self.apis.get(scope).map(String::as_str));
        let has_claim = |claim: &String| Scopes::of_valid(&consent.claims).contains(claim);
        self.request.granted().iter().all(has_scope) && self.single_claims.iter().all(has_claim)
    }

    /// Returns the consent to store: the one [before](Facts::before), and what this request adds.
    ///
    /// It counts for later requests if all of it was shown for one host. Otherwise it covers what the client has, and each
    /// request shows a page.
    pub fn allowed(&self, before: Option<&Consent>, resources: &Resources) -> Consent {
        let is_shown_for_host = before.is_none_or(|before| {
            before.identity.as_ref() == Some(&self.identity) || self.shows_all_of(before)
        });
        let identity =
            if is_shown_for_host { &self.identity } else { registration(&self.identity) };
        let before = before.cloned().unwrap_or_default();
        let claims = self.single_claims.iter().map(String::as_str);
        // A consent of an older version counts at the API that has the scope now.
        let mut apis =
            before.apis.unwrap_or_else(|| resources.uris_of(&Scopes::of_valid(&before.scope)));
        for scope in self.request.granted().iter() {
            apis.remove(scope);
        }
        apis.extend(self.apis.clone());
        Consent {
            scope: united(&before.scope, self.request.granted().iter()),
            claims: united(&before.claims, claims),
            apis: Some(apis),
            identity: Some(identity.to_owned()),
        }
    }

    fn shows_all_of(&self, consent: &Consent) -> bool {
        let claims = Scopes::of_valid(&consent.claims);
        Scopes::of_valid(&consent.scope).is_within(&self.request.granted())
            && claims.iter().all(|claim| self.single_claims.iter().any(|shown| shown == claim))
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
