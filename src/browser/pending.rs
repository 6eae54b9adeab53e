//! What a person came for, carried from page to page: an authorization request, or nothing but the account's
//! own page.

use crate::browser::Visit;
use crate::browser::ticket::{Step, Ticket};
use crate::context::Cx;
use crate::error::{Error, Internal, PageError};
use crate::opaque::{hash, is_random_text, random_text};
use crate::ports::Database;
use crate::protocol::params::Params;
use crate::store::authorization_requests;

/// For how many seconds a request that came by POST waits for its person.
const LIFETIME: i64 = 3_600;

/// What a person is told whose request was answered before, or has waited for too long.
pub const ANSWERED: PageError =
    PageError::of_visit("this sign-in was completed before, or was left open for too long");

/// An authorization request that is not answered yet.
#[derive(Debug)]
pub struct Pending {
    /// The query by which it is asked for: its own parameters, or the handle of those that are stored.
    /// Forms carry it.
    pub query: String,
    /// Its parameters, form-encoded.
    pub parameters: String,
    /// The hash of its handle, if it came by POST.
    pub handle_hash: Option<String>,
}

impl Pending {
    /// The request that a query asks for.
    ///
    /// # Errors
    /// [`ANSWERED`] where its handle is not good, or not any more.
    pub async fn find(database: &impl Database, query: &str, now: i64) -> Result<Self, Error> {
        // A ticket that is good no more may still hang on a handle: nobody else's parameter can.
        let kept = query.split_once(RESUME).map_or(query, |(kept, _)| kept);
        let handle = kept.strip_prefix("handle=").filter(|handle| is_random_text(handle));
        let Some(handle_hash) = handle.map(hash) else {
            let (query, parameters) = (query.to_owned(), query.to_owned());
            return Ok(Self { query, parameters, handle_hash: None });
        };
        let parameters = authorization_requests::find(database, &handle_hash, now).await?;
        let parameters = parameters.ok_or(ANSWERED)?;
        Ok(Self { query: kept.to_owned(), parameters, handle_hash: Some(handle_hash) })
    }

    /// Stores a request that came by POST, and returns the query that asks for it, once.
    pub async fn keep(
        database: &impl Database,
        parameters: &str,
        cx: &Cx<'_>,
    ) -> Result<String, Internal> {
        let handle = random_text(cx)?;
        let expires_at = cx.now + LIFETIME;
        authorization_requests::keep(database, &hash(&handle), parameters, cx.now, expires_at)
            .await?;
        Ok(format!("handle={handle}"))
    }

    /// Its parameters.
    pub fn params(&self) -> Params<'_> {
        Params::parse(self.parameters.as_bytes())
    }

    /// Marks the request as answered: of several answers to a stored one, one goes out.
    ///
    /// # Errors
    /// [`ANSWERED`] where another was faster.
    pub async fn answer(&self, database: &impl Database) -> Result<(), Error> {
        match &self.handle_hash {
            Some(hash) if !authorization_requests::answer(database, hash).await? => {
                Err(ANSWERED.into())
            }
            _ => Ok(()),
        }
    }
}

/// What a person has done for a request so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// When its first page was shown, in Unix seconds.
    pub began_at: Option<i64>,
    /// Has chosen the account that is signed in.
    pub has_chosen: bool,
    /// Has allowed what it asks for.
    pub has_consented: bool,
    /// Wants to be somebody else.
    pub wants_switch: bool,
}

const RESUME: &str = "&resume=";

/// The query that goes on with a request.
pub fn resumed(visit: &Visit<'_>, query: &str, step: Step, sub: &str, began_at: i64) -> String {
    let ticket = Ticket { step, request: query, sub }.issue(visit, began_at);
    format!("{query}{RESUME}{ticket}")
}

/// Takes the ticket off a query that goes on with a request. Whatever is no ticket of ours is a parameter that
/// is not known, and stays.
pub fn resume<'a>(
    visit: &Visit<'_>,
    query: &'a str,
    sub: Option<&str>,
    now: i64,
) -> (&'a str, Progress) {
    let unchanged = (query, Progress::default());
    let Some((request, text)) = query.rsplit_once(RESUME) else { return unchanged };
    let began_at = |step, sub| Ticket { step, request, sub }.began_at(visit, text, now);
    if let Some(began_at) = sub.and_then(|sub| began_at(Step::Continue, sub)) {
        let progress =
            Progress { began_at: Some(began_at), has_chosen: true, ..Progress::default() };
        return (request, progress);
    }
    if let Some(began_at) = began_at(Step::Switch, "") {
        let progress =
            Progress { began_at: Some(began_at), wants_switch: true, ..Progress::default() };
        return (request, progress);
    }
    unchanged
}
