//! The response to the browser after a logout.

use super::request::ReturnTo;
use crate::context::Context;
use crate::endpoint::user::account::shown;
use crate::error::Internal;
use crate::http::Response;
use crate::interaction::cookies::Cookie;
use crate::pages::{Leaving, Onward, SignedOut, Texts};
use crate::ports::Platform;
use crate::protocol::params::with_query;
use crate::protocol::same_uri::origin;
use crate::routes::ACCOUNT;
use crate::store::applications::{self, Application};
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::frontchannel::{self, FrontchannelClient};
use crate::store::session_ends::SessionEnd;

/// The applications that were used in the session that has ended.
#[derive(Debug, Default)]
pub struct Ended {
    applications: Vec<Application>,
    frontchannel: Vec<FrontchannelClient>,
}

/// The statements that read them.
pub struct ReadingEnded {
    applications: Handle<Vec<Application>>,
    frontchannel: Handle<Vec<FrontchannelClient>>,
}

impl Ended {
    /// Adds the statements that end a session and read what was used in it.
    pub fn add<P>(
        batch: &mut Batch,
        end: &SessionEnd<'_>,
        context: &Context<'_, P>,
    ) -> Result<ReadingEnded, Internal> {
        end.add_to(batch, context)?;
        Ok(ReadingEnded {
            applications: applications::of_ended_in(batch, &end.id),
            frontchannel: frontchannel::of_ended_in(batch, &end.id),
        })
    }
}

impl ReadingEnded {
    pub fn finish(self, outcome: &mut Outcome) -> Result<Ended, Internal> {
        Ok(Ended {
            applications: outcome.take(self.applications)?,
            frontchannel: outcome.take(self.frontchannel)?,
        })
    }
}

/// The end of a logout, for the browser.
#[derive(Debug)]
pub struct Done {
    pub texts: &'static Texts,
    /// What was used in the browser's session. Empty if the session was that of another browser, because what its user did
    /// is nobody else's business.
    pub ended: Ended,
    pub return_to: Option<ReturnTo>,
    /// Whether the browser leaves for the client by itself.
    pub is_automatic: bool,
    /// Whether one of the provider's forms led here: see [`Leaving`].
    pub is_behind_form: bool,
}

impl Done {
    /// Renders the response: a redirect to the client, or the page that tells other clients.
    pub fn response(self, context: &Context<'_, impl Platform>) -> Response {
        let Self { texts, ended, return_to, is_automatic, is_behind_form } = self;
        let brand = context.config.into();
        let frames: Vec<_> =
            ended.frontchannel.iter().filter_map(|client| frame(client, context)).collect();
        if let Some(ReturnTo { url, .. }) = &return_to
            && is_automatic
            && frames.is_empty()
        {
            return if is_behind_form && Leaving::is_for(url) {
                Leaving { brand, texts, url }.response()
            } else {
                Response::see_other(url.clone())
            };
        }
        let used: Vec<_> =
            ended.applications.iter().map(|one| shown(context, texts, one, None)).collect();
        let page = SignedOut {
            brand,
            texts,
            applications: &used,
            account_url: &ACCOUNT.url(&context.config.issuer),
            frames: &frames,
            onward: return_to.as_ref().map(|ReturnTo { url, .. }| Onward { url, is_automatic }),
        };
        page.response()
    }

    /// The same, and deletes the browser's session cookie.
    pub fn response_to_browser(self, context: &Context<'_, impl Platform>) -> Response {
        self.response(context).with_cookie(Cookie::Session.clear(&context.config.issuer))
    }
}

/// Returns the URL that a frame loads, with `iss` and `sid` (Front-Channel Logout section 2). The rules for registration
/// may have been others when the client registered.
fn frame<P>(client: &FrontchannelClient, context: &Context<'_, P>) -> Option<String> {
    let FrontchannelClient { uri, sid } = client;
    let issuer = &context.config.issuer;
    let is_allowed = origin(uri).is_some() && !issuer.own_host().has(uri);
    is_allowed.then(|| with_query(uri, &[("iss", issuer.as_str()), ("sid", sid)]))
}
