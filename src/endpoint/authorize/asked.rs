//! Who asks, where the answer goes, and what is asked for.

use crate::browser::pending::Pending;
use crate::endpoint::desk::Desk;
use crate::error::{Error, PageError};
use crate::jose::jwk::Algorithm;
use crate::jose::jws::Jws;
use crate::ports::{Database, Platform};
use crate::protocol::authorize_request::{AuthorizeError, AuthorizeRequest, ReplyTo};
use crate::protocol::client_metadata::ClientMetadata;
use crate::protocol::id_token;
use crate::protocol::params::Params;
use crate::protocol::scope::Granted;
use crate::store::clients::{self, Client};
use crate::store::consents::{self, Consent};
use crate::store::pairwise_subjects;
use crate::store::sessions::Session;

/// A request that was examined.
pub enum Examined {
    /// It may be worked on.
    Accepted(Box<Asked>),
    /// It is answered with an error, to its client.
    Refused(ReplyTo, AuthorizeError),
}

/// What a request asks for.
pub struct Asked {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub reply_to: ReplyTo,
    /// What is asked for.
    pub request: AuthorizeRequest,
    /// The only user that will do, by `id_token_hint` or `claims`.
    pub required_sub: Option<String>,
    /// The claims that are asked for one by one, beyond what the scopes release.
    pub single_claims: Vec<String>,
}

/// Examines a request. Nothing is sent anywhere before client and redirect URI are proven: until then, what is
/// wrong is told on a page.
pub async fn examine(desk: &Desk<'_, impl Platform>, pending: &Pending) -> Result<Examined, Error> {
    // 1. The client.
    let client = client(desk, &pending.params).await?;
    examine_of(desk, client, pending).await
}

/// Examines a request whose client is known.
pub async fn examine_of(
    desk: &Desk<'_, impl Platform>,
    client: Client,
    pending: &Pending,
) -> Result<Examined, Error> {
    let params = &pending.params;

    // 2. The redirect URI (RFC 6749 section 3.1.2.3, RFC 9700 section 2.1).
    let reply_to = ReplyTo::prove(params, &client.metadata).map_err(PageError::of_application)?;

    // 3. Everything else: from here on, errors go to the client.
    let asked = match check_way(pending, &client.metadata) {
        Ok(()) => ask(desk, params, &client).await?,
        Err(error) => Err(error),
    };
    match asked {
        Ok((request, required_sub)) => {
            let names = [request.claims.userinfo.as_slice(), &request.claims.id_token].concat();
            let single_claims = desk.config.scopes.beyond(&request.granted(), &names);
            let single_claims = single_claims.into_iter().map(str::to_owned).collect();
            let asked = Asked { client, reply_to, request, required_sub, single_claims };
            Ok(Examined::Accepted(Box::new(asked)))
        }
        Err(error) => Ok(Examined::Refused(reply_to, error)),
    }
}

/// Whether the request has come as its client wants all of them to.
fn check_way(pending: &Pending, client: &ClientMetadata) -> Result<(), AuthorizeError> {
    let refused = |description| Err(AuthorizeError::new("invalid_request", description));
    if client.require_pushed_authorization_requests && !pending.is_pushed {
        return refused("this client has registered that its requests are pushed");
    }
    if client.require_signed_request_object && !pending.is_signed {
        return refused("this client has registered that its requests are signed");
    }
    Ok(())
}

/// The client that a request names.
pub async fn client(desk: &Desk<'_, impl Platform>, params: &Params) -> Result<Client, Error> {
    let client_id = params
        .once("client_id")
        .map_err(|_| PageError::of_application("client_id stands twice in the request"))?
        .ok_or(PageError::of_application("client_id is missing from the request"))?;
    let description = "client_id names no application that is registered here";
    let unknown = PageError { code: "invalid_client", ..PageError::of_application(description) };
    Ok(clients::find(desk.platform, client_id, desk.cx.now).await?.ok_or(unknown)?)
}

/// What the request asks for, and the only user that will do for it.
async fn ask(
    desk: &Desk<'_, impl Platform>,
    params: &Params,
    client: &Client,
) -> Result<Result<(AuthorizeRequest, Option<String>), AuthorizeError>, Error> {
    let request = match AuthorizeRequest::parse(params, &client.metadata, desk.config) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let hinted = match &request.id_token_hint {
        Some(hint) => match hinted_sub(desk, hint, &client.client_id).await? {
            Ok(sub) => Some(sub),
            Err(description) => {
                return Ok(Err(AuthorizeError::new("invalid_request", description)));
            }
        },
        None => None,
    };
    // An ID token says who they are, and so does `claims`: by what the client was told.
    let named = request.claims.sub.clone();
    if let (Some(hinted), Some(named)) = (&hinted, &named)
        && hinted != named
    {
        let description = "id_token_hint and claims name two users";
        return Ok(Err(AuthorizeError::new("invalid_request", description)));
    }
    let required_sub = match hinted.or(named) {
        Some(subject) => Some(user(desk, client, subject).await?),
        None => None,
    };
    Ok(Ok((request, required_sub)))
}

/// The user whom this client knows by this subject; an empty text, which is no user's, where there is none.
async fn user(
    desk: &Desk<'_, impl Platform>,
    client: &Client,
    subject: String,
) -> Result<String, Error> {
    match client.metadata.sector()? {
        None => Ok(subject),
        Some(sector) => {
            let user = pairwise_subjects::user(desk.platform, &sector, &subject).await?;
            Ok(user.unwrap_or_default())
        }
    }
}

/// The user of an ID token that we issued to this client.
async fn hinted_sub(
    desk: &Desk<'_, impl Platform>,
    hint: &str,
    client_id: &str,
) -> Result<Result<String, &'static str>, Error> {
    if hint.len() > id_token::HINT_LIMIT {
        return Ok(Err("id_token_hint is larger than 16384 bytes"));
    }
    let Ok(jws) = Jws::parse(hint) else { return Ok(Err("id_token_hint is not a signed JWT")) };
    // What it says counts once the signature is verified, and is all that is kept of it while that is waited for.
    let hinted = id_token::hinted_sub(&jws, desk.config.issuer.as_str(), client_id);
    let hinted = hinted.map(str::to_owned);
    let alg = jws.header_text("alg").and_then(Algorithm::from_name);
    let kid = jws.header_text("kid").map(str::to_owned);
    let Jws { signature, signing_input, .. } = jws;
    let key = match (alg, kid.as_deref()) {
        (Some(alg), Some(kid)) => {
            desk.keys.find(alg, kid, desk.config, desk.platform, desk.cx).await?
        }
        _ => None,
    };
    let Some(key) = key.filter(|key| Some(key.alg()) == alg) else {
        return Ok(Err("id_token_hint is not signed with a key of this provider"));
    };
    if !desk.platform.verify(&key, signing_input.as_bytes(), &signature).await? {
        return Ok(Err("id_token_hint has a wrong signature"));
    }
    Ok(hinted)
}

impl Asked {
    /// What the question for consent shows, as one text: scopes, and single claims behind two spaces. A client may
    /// register other scopes while the question stands there.
    pub fn shown(&self) -> String {
        format!("{}  {}", self.request.scope, self.single_claims.join(" "))
    }

    /// What to fill in as login.
    pub fn login_hint(&self) -> &str {
        self.request.login_hint.as_deref().unwrap_or_default()
    }

    /// What the person who is signed in has allowed the client before.
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
        self.request.granted().is_within(&Granted::of_valid(&consent.scope))
            && self
                .single_claims
                .iter()
                .all(|claim| Granted::of_valid(&consent.claims).contains(claim))
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
    let mut all: Vec<_> = Granted::of_valid(before).iter().collect();
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join(" ")
}
