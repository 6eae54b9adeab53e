//! The logout endpoint (RP-Initiated Logout section 2): applications send their users here to sign them out.

use super::done::{Done, Ended};
use super::request::{Hint, LogoutRequest, PARAMETERS, ReturnTo};
use crate::endpoint::support::form;
use crate::endpoint::user::account::{form_token, shown};
use crate::error::{Error, PageError, Protocol};
use crate::http::{Request, RequestId, Response, is_prefetch};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::QUERY_LIMIT;
use crate::pages::{Incident, Refusal, SignOut, Texts};
use crate::ports::Platform;
use crate::protocol::params::Params;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, END_SESSION, LOGOUT};
use crate::store::applications::{self, Application};
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::Batch;
use crate::store::clients::StoredClient;
use crate::store::session_ends::{self, EndingSessions, SessionEnd};
use crate::store::sessions::{self, Session};

/// Signs the user out at once, or asks.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // Nobody has decided yet to open the page.
    if is_prefetch(request) {
        return Ok(Response::empty(503));
    }
    if request.method() == "HEAD" {
        return Ok(Response::empty(200));
    }
    let browser = BrowserContext::from_request(context, request)?;

    // 1. Read the parameters.
    let params = match request.method() {
        "POST" => form::logout_request(request, &PARAMETERS).await?,
        _ => Params::parse(request.query().as_bytes(), &[&PARAMETERS])
            .map_err(|error| PageError::application_fault(error.description()))?,
    };
    let texts = form::texts(request, &params);
    let url = END_SESSION.url(&context.config.issuer);
    let is_of_other_site = is_of_other_site(request, &browser);
    if is_of_other_site && params.encoded_length_without(&[]) <= QUERY_LIMIT {
        // Another site's form arrives without the `SameSite=Lax` cookies. The browser sends them with the GET.
        return Ok(Response::see_other(format!("{url}?{}", params.encode())));
    }
    let page = Page { provider, browser: &browser, texts, id: RequestId::from_request(request) };

    // 2. Check them, and read who is signed in.
    let logout = match LogoutRequest::new(provider, params).await {
        Err(Error::Protocol(Protocol::Page(error))) => {
            let facts = page.read(&LogoutRequest::default()).await?;
            return page.refuse(facts, error);
        }
        logout => logout?,
    };
    if is_of_other_site {
        // The URL with the hint would be too long. Without it, the user is asked.
        return Ok(Response::see_other(format!("{url}?{}", logout.query())));
    }
    let mut facts = page.read(&logout).await?;

    // 3. Require a registered URI (section 3).
    let return_to = match logout.return_to(facts.client.take(), context) {
        Err(Error::Protocol(Protocol::Page(error))) => return page.refuse(facts, error),
        return_to => return_to?,
    };

    // 4. Ask the user, unless the client got the hint in this session (section 2).
    if let Some(session) = &facts.session {
        if !logout.is_for(session)? {
            let uri = return_to.as_ref().map(|return_to| return_to.url.as_str());
            return Ok(page.ask(session, &facts.used, (&logout.query(), uri), None));
        }
        return page.end_session_of_browser(return_to).await;
    }

    // 5. Answer the second click like the first one, which has ended the session of this browser.
    if facts.had_session {
        return page.end_session_of_browser(return_to).await;
    }

    // 6. Without a session in this browser, end the one that the hint names: the caller may be the client's server.
    if matches!(logout.hint, Hint::Unproven) && is_of_server(request, &browser) {
        let description = "id_token_hint: proves nothing, so nobody was signed out";
        return Err(PageError::application_fault(description).into());
    }
    page.end_session_of_client(&logout, return_to).await
}

/// Returns whether the form of another site led to the request. Servers send no `Origin`.
fn is_of_other_site(request: &impl Request, browser: &BrowserContext<'_>) -> bool {
    request.method() == "POST"
        && browser.is_new()
        && browser.session.is_none()
        && request.header("origin").is_some()
}

/// Returns whether the request may be one of a server. A browser that does not say that it opens a page is a server here,
/// too, if it has no cookies (Fetch Metadata section 2.1).
fn is_of_server(request: &impl Request, browser: &BrowserContext<'_>) -> bool {
    browser.is_new() && browser.session.is_none() && request.header("sec-fetch-dest").is_none()
}

/// What the database holds about a logout request in a browser.
struct Facts {
    session: Option<Session>,
    /// Whether the hint names a session that has ended by a logout in this browser.
    had_session: bool,
    /// The applications that were used in it.
    used: Vec<Application>,
    client: Option<StoredClient>,
}

/// What a response depends on.
struct Page<'a, P> {
    provider: &'a Provider<'a, P>,
    browser: &'a BrowserContext<'a>,
    texts: &'static Texts,
    id: Option<RequestId>,
}

impl<P: Platform> Page<'_, P> {
    async fn read(&self, request: &LogoutRequest) -> Result<Facts, Error> {
        let context = &self.provider.context;
        let (mut batch, now) = (Batch::default(), context.now);
        let session = self.browser.session_hash().map(|hash| {
            let session = sessions::find_in(&mut batch, &hash, now);
            let had_session = request
                .session_of_client()
                .map(|of_client| session_ends::had_session(&mut batch, &hash, of_client));
            (session, applications::of_session_in(&mut batch, &hash), had_session)
        });
        let client = request.find_client_in(&mut batch, now);
        let mut outcome = batch.run_idempotent(context).await?;
        let (session, used, had_session) = match session {
            Some((session, used, had_session)) => {
                let had_session = had_session.map_or(Ok(false), |handle| outcome.take(handle))?;
                (outcome.take(session)?, outcome.take(used)?, had_session)
            }
            None => (None, Vec::new(), false),
        };
        let client = client.map_or(Ok(None), |client| outcome.take(client))?;
        Ok(Facts { session, had_session, used, client })
    }

    /// Shows the error of a request. A user who is signed in can still sign out.
    fn refuse(&self, facts: Facts, error: PageError) -> Result<Response, Error> {
        let context = &self.provider.context;
        let Facts { session: Some(session), used, .. } = facts else { return Err(error.into()) };
        context.log_refusal(error.code);
        let PageError { status, code, description, .. } = &error;
        let description = description.as_str();
        let incident = Incident { code, description, at: context.now, request_id: self.id };
        let refusal = Refusal { status: *status, incident };
        Ok(self.ask(&session, &used, ("", None), Some(refusal)))
    }

    fn ask(
        &self,
        session: &Session,
        used: &[Application],
        (request, post_logout_redirect_uri): (&str, Option<&str>),
        refused: Option<Refusal<'_>>,
    ) -> Response {
        let (context, texts) = (&self.provider.context, self.texts);
        let issuer = &context.config.issuer;
        let cookie_hash = self.browser.session_hash().unwrap_or_default();
        let used: Vec<_> = used.iter().map(|one| shown(context, texts, one, None)).collect();
        let page = SignOut {
            brand: context.config.into(),
            texts,
            refused,
            account: &session.display_name(),
            applications: &used,
            post_logout_redirect_uri,
            action: &LOGOUT.url(issuer),
            account_url: &ACCOUNT.url(issuer),
            request,
            token: &form_token(&cookie_hash, request).issue(self.browser, context.now),
        };
        self.browser.remember_in(page.response())
    }

    async fn end_session_of_browser(&self, return_to: Option<ReturnTo>) -> Result<Response, Error> {
        let context = &self.provider.context;
        let cookie_hash = self.browser.session_hash().unwrap_or_default();
        let sessions = EndingSessions::OfBrowser { cookie_hash: &cookie_hash };
        let end = SessionEnd::new(context, sessions, Some(SessionEndReason::SignedOut))?;
        let mut batch = Batch::default();
        let reading = Ended::add(&mut batch, &end, context)?;
        let ended = reading.finish(&mut batch.run_idempotent(context).await?)?;
        let done =
            Done { texts: self.texts, ended, return_to, is_automatic: true, is_behind_form: false };
        Ok(done.response_to_browser(context))
    }

    /// Ends the session that the hint names, if there is one. Who sends a hint does not learn from the response what its
    /// user did, and not whether there was a session. The cookie of the browser remains: it may have another session soon.
    async fn end_session_of_client(
        &self,
        request: &LogoutRequest,
        return_to: Option<ReturnTo>,
    ) -> Result<Response, Error> {
        let context = &self.provider.context;
        if let Hint::Proven(token) = &request.hint
            && let Some(sid) = &token.sid
        {
            let sessions =
                EndingSessions::OfClient { client_id: &token.aud, sid, subject: &token.sub };
            let end =
                SessionEnd::new(context, sessions, Some(SessionEndReason::SignedOutByClient))?;
            let mut batch = Batch::default();
            end.add_to(&mut batch, context)?;
            batch.run_idempotent(context).await?;
        }
        // Anybody who has registered a client can send a stranger here with a hint of an own session. And what failed to
        // validate is not used (section 4): the client of a hint that proves nothing may be another one.
        let is_automatic = !matches!(request.hint, Hint::Unproven)
            && return_to.as_ref().is_some_and(|return_to| return_to.is_vouched_for);
        let ended = Ended::default();
        let done =
            Done { texts: self.texts, ended, return_to, is_automatic, is_behind_form: false };
        Ok(done.response(context))
    }
}
