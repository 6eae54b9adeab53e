//! The delivery of logout tokens (OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8).
//!
//! A token is sent at once after the response to the request that ended the session. If the client does not accept it, the
//! maintenance tries again, with growing pauses, until the token is given up. Each try has a new token, for the `sid` and the
//! URL that the client has then.
//!
//! Clients take turns, and one whose server does not work is left out of the rest of the run. So a client with many tokens
//! delays the others by a few seconds at most. Most rounds are for clients of the operator that answered at their last try, so
//! that neither strangers nor servers that are down take their time.

use std::collections::VecDeque;
use std::iter;
use std::rc::Rc;

use crate::context::Context;
use crate::error::Internal;
use crate::fetched::fetcher::{FormError, Order, Owner};
use crate::keys::signing::sign;
use crate::lifetimes::{LOGOUT_BUDGET_SECONDS, LOGOUT_DELIVERY_SECONDS, LOGOUT_TOKEN_SECONDS};
use crate::log::LogEvent;
use crate::maintenance::{Clock, Report};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::outbound_url::{OutboundUrl, OutboundUrlError};
use crate::protocol::token::logout_token::{self, LogoutEvent, LogoutToken};
use crate::provider::Provider;
use crate::store::clients::{Client, StoredClient};
use crate::store::logout_deliveries::{
    Claimed, Delivery, Due, DueClients, GivenUp, NO_ANSWER, Postponed, Settlement, claim,
    clients_of_end, find_work, pause, settle,
};

/// How many tokens are sent at the same time: as many connections as Workers opens at once.
const AT_ONCE: usize = 6;
/// How often so many are sent after a response. The platform ends the work 30 seconds after the response, and a client may
/// use up its timeout of five seconds each time.
const ROUNDS_AFTER_RESPONSE: usize = 4;
/// How often in a run: it sends 150 tokens at most, with 16 statements to D1 a round.
const ROUNDS_PER_RUN: usize = 25;
/// Which kind of [`DueClients`], in their order there, each round is for. If none of the kind is left, the round is for the
/// first kind that is. One whose servers do not answer takes five seconds, so each kind has its first turn early.
const TURNS: [usize; 8] = [0, 1, 2, 0, 0, 0, 0, 0];
/// How often a token is sent to a client that refuses it with the status 400: the client may not know a new key yet.
const REFUSALS: i64 = 5;
/// How often a token is sent at most, if the clock of the isolate that ended the session was ahead. Otherwise
/// [`LOGOUT_DELIVERY_SECONDS`] end earlier.
const MOST_TRIES: i64 = 32;

const FIELD: &str = "backchannel_logout_uri";

/// The limits of the response, of which only the status counts.
const FORM_LIMITS: FetchLimits = FetchLimits {
    accept: "application/json",
    accepts_json: true,
    limit: 4_096,
    timeout: 5_000,
    is_binary: false,
};

/// The outcome of a try.
enum Verdict {
    /// The client accepted it.
    Accepted,
    /// The client did not answer, or its server does not work, or the URL is not allowed. That may pass.
    Failed(String),
    /// The server works, and its answer is a failure that may pass.
    NotAccepted(String),
    /// It could not be sent, for a reason that is no fault of the client.
    NotSent,
    /// The client receives no tokens any longer.
    NoReceiver,
    /// The client refused it.
    Refused(String),
}

impl Verdict {
    /// Interprets the response (section 2.8). Frameworks send 204 for 200, and any other success is one, too. The status of
    /// a refusal is 400. All others are failures that may pass, a redirect included.
    fn new(response: Result<u16, FormError>) -> Self {
        match response {
            Ok(200..=299) => Self::Accepted,
            Ok(400) => Self::Refused("status 400".to_owned()),
            Ok(status @ (429 | 500..)) => Self::Failed(format!("status {status}")),
            Ok(status) => Self::NotAccepted(format!("status {status}")),
            Err(FormError::NotAnswered) => Self::Failed(NO_ANSWER.to_owned()),
            Err(FormError::NotSent) => Self::NotSent,
        }
    }

    /// Returns whether the client may get its next token now: a client may know some sessions no longer, and accept the tokens
    /// of others.
    fn is_good(&self) -> bool {
        !matches!(self, Self::Failed(_) | Self::NotSent)
    }
}

/// Tokens that are being delivered.
struct Run<'a, 'p, P> {
    provider: &'a Provider<'p, P>,
    due: Due<'a>,
    clock: Clock<'a>,
    delivered: usize,
    postponed: usize,
    given_up: usize,
}

/// Delivers tokens of the sessions that an end has ended. The maintenance delivers the others.
///
/// # Errors
/// The fault of the database.
pub async fn after_session_end(
    provider: &Provider<'_, impl Platform>,
    end_id: &str,
) -> Result<(), Internal> {
    let context = &provider.context;
    let of_operator = clients_of_end(context, end_id).await?;
    let clients = DueClients { of_operator, ..DueClients::default() };
    let clock = || context.now;
    Run::new(provider, Due::OfEnd { end_id }, &clock).deliver(clients, ROUNDS_AFTER_RESPONSE).await
}

/// Delivers tokens of a client that are due, after a request of the operator.
///
/// # Errors
/// The fault of the database.
pub async fn after_retry(
    provider: &Provider<'_, impl Platform>,
    client_id: String,
) -> Result<(), Internal> {
    let context = &provider.context;
    let clients = DueClients { of_operator: vec![client_id], ..DueClients::default() };
    let clock = || context.now;
    Run::new(provider, Due::All, &clock).deliver(clients, ROUNDS_AFTER_RESPONSE).await
}

/// Delivers tokens that are due, and gives up those that nobody tried for too long. The next run goes on.
///
/// # Errors
/// The fault of the database.
pub async fn run(
    provider: &Provider<'_, impl Platform>,
    clock: Clock<'_>,
) -> Result<Report, Internal> {
    let work = find_work(&provider.context).await?;
    let mut run = Run::new(provider, Due::All, clock);
    let settlement = Settlement { given_up: work.overdue, ..Settlement::default() };
    run.settle(settlement, provider.context.now).await?;
    run.deliver(work.clients, ROUNDS_PER_RUN).await?;
    Ok(Report::from_iter([
        ("delivered".to_owned(), run.delivered.into()),
        ("postponed".to_owned(), run.postponed.into()),
        ("given_up".to_owned(), run.given_up.into()),
    ]))
}

impl<'a, 'p, P: Platform> Run<'a, 'p, P> {
    fn new(provider: &'a Provider<'p, P>, due: Due<'a>, clock: Clock<'a>) -> Self {
        Self { provider, due, clock, delivered: 0, postponed: 0, given_up: 0 }
    }

    /// Delivers tokens to these clients in turn. One whose server does not work gets no other.
    async fn deliver(&mut self, clients: DueClients, rounds: usize) -> Result<(), Internal> {
        let context = &self.provider.context;
        let DueClients { of_operator, silent, others } = clients;
        let mut queues = [of_operator, silent, others].map(VecDeque::from);
        for turn in TURNS.into_iter().cycle().take(rounds) {
            let now = (self.clock)();
            if now > context.now + LOGOUT_BUDGET_SECONDS {
                break;
            }
            let Some(queue) = choose(&mut queues, turn) else { break };
            let next: Vec<_> = queue.drain(..queue.len().min(AT_ONCE)).collect();
            let each = AT_ONCE / next.len();
            let limit = i64::try_from(each).unwrap_or(1);
            let mut attempts = Vec::new();
            for claimed in claim(context, self.due, &next, limit, now).await? {
                attempts.extend(Attempt::all_of(claimed, context));
            }
            let verdicts = self.send(&attempts, now).await;
            let has_more = |client_id: &String| {
                let of_client =
                    attempts.iter().zip(&verdicts).filter(|(one, _)| one.client_id == *client_id);
                let is_good = of_client.clone().all(|(_, verdict)| verdict.is_good());
                is_good && of_client.count() == each
            };
            queue.extend(next.into_iter().filter(has_more));
            let mut settlement = Settlement::default();
            for (attempt, verdict) in attempts.into_iter().zip(verdicts) {
                self.decide(&mut settlement, attempt, verdict, now);
            }
            self.settle(settlement, now).await?;
        }
        Ok(())
    }

    /// Sends the tokens at the same time.
    async fn send(&self, attempts: &[Attempt], now: i64) -> Vec<Verdict> {
        let (mut verdicts, mut places, mut forms) = (Vec::new(), Vec::new(), Vec::new());
        for (place, attempt) in attempts.iter().enumerate() {
            let verdict = match &*attempt.receiver {
                Receiver::Unreadable => Verdict::NotSent,
                Receiver::Gone => Verdict::NoReceiver,
                Receiver::Forbidden(error) => Verdict::Failed(error.to_string()),
                Receiver::Client(client, url) => {
                    match self.token(client, &attempt.delivery, now).await {
                        Ok(token) => {
                            let owner = Owner::of(client);
                            let client_id = Some(client.client_id.as_str());
                            let order =
                                Order { kind: FIELD, url, limits: &FORM_LIMITS, client_id, owner };
                            forms.push((order, format!("logout_token={token}")));
                            places.push(place);
                        }
                        Err(fault) => self.provider.context.log_fault(&fault),
                    }
                    Verdict::NotSent
                }
            };
            verdicts.push(verdict);
        }
        let responses = self.provider.fetcher(None).post(forms, &FORM_LIMITS).await;
        for (place, response) in places.into_iter().zip(responses) {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = Verdict::new(response);
            }
        }
        verdicts
    }

    /// Decides what becomes of a token.
    fn decide(&self, settlement: &mut Settlement, attempt: Attempt, verdict: Verdict, now: i64) {
        let Attempt { client_id, delivery, receiver } = attempt;
        let Delivery { session_id, tries, .. } = delivery;
        let next_try_at = now + pause(tries);
        let is_late =
            next_try_at > delivery.ended_at + LOGOUT_DELIVERY_SECONDS || tries >= MOST_TRIES;
        // A client refuses the token of a session that it has ended itself. So any user can cause it, and nobody is woken.
        let is_refusal = matches!(verdict, Verdict::Refused(_));
        let (reason, is_last) = match verdict {
            Verdict::Accepted | Verdict::NoReceiver => {
                return settlement.over.push((session_id, client_id));
            }
            Verdict::NotSent if !is_late => {
                let (tries, last_error) = (tries - 1, None);
                let postponed = Postponed { session_id, client_id, tries, next_try_at, last_error };
                return settlement.postponed.push(postponed);
            }
            Verdict::NotSent => ("not sent".to_owned(), true),
            Verdict::Failed(reason) | Verdict::NotAccepted(reason) => (reason, is_late),
            Verdict::Refused(reason) => (reason, is_late || tries >= REFUSALS),
        };
        if is_last {
            let is_error = !is_refusal && receiver.is_of_operator();
            let given_up = GivenUp { session_id, client_id, reason, is_error };
            return settlement.given_up.push(given_up);
        }
        self.provider.context.log_event(LogEvent::LogoutTokenNotDelivered {
            client_id: client_id.clone(),
            reason: reason.clone(),
        });
        let last_error = Some(reason);
        let postponed = Postponed { session_id, client_id, tries, next_try_at, last_error };
        settlement.postponed.push(postponed);
    }

    /// Stores what becomes of tokens that were claimed at `claimed_at`.
    async fn settle(&mut self, settlement: Settlement, claimed_at: i64) -> Result<(), Internal> {
        let context = &self.provider.context;
        settle(context, &settlement, claimed_at).await?;
        let Settlement { over, given_up, postponed } = settlement;
        self.delivered += over.len();
        self.postponed += postponed.len();
        self.given_up += given_up.len();
        for GivenUp { client_id, reason, is_error, .. } in given_up {
            context.log_event(if is_error {
                LogEvent::LogoutTokenGivenUp { client_id, reason }
            } else {
                LogEvent::LogoutTokenNotDelivered { client_id, reason }
            });
        }
        Ok(())
    }

    /// Makes a token (section 2.4), signed as the client's ID tokens are.
    async fn token(
        &self,
        client: &Client,
        delivery: &Delivery,
        now: i64,
    ) -> Result<String, Internal> {
        let Provider { context, memory } = self.provider;
        let alg = client.metadata.id_token_signed_response_alg;
        let key = memory.signing_keys.get(alg, &memory.published_keys, context).await?;
        let claims = LogoutToken {
            aud: &client.client_id,
            event: LogoutEvent,
            exp: now + LOGOUT_TOKEN_SECONDS,
            iat: now,
            iss: context.config.issuer.as_str(),
            jti: &context.random_id()?,
            sid: &delivery.sid,
            sub: &delivery.subject,
        };
        sign(context, &key, logout_token::TYP, &claims).await
    }
}

/// Returns the queue of a round: that of its turn, or else the first one that has a client.
fn choose(queues: &mut [VecDeque<String>], turn: usize) -> Option<&mut VecDeque<String>> {
    let has_client = |place: &usize| queues.get(*place).is_some_and(|queue| !queue.is_empty());
    let place = iter::once(turn).chain(0..queues.len()).find(has_client)?;
    queues.get_mut(place)
}

/// A token to send.
struct Attempt {
    client_id: String,
    delivery: Delivery,
    receiver: Rc<Receiver>,
}

/// The client that a token is for, as it is registered now.
enum Receiver {
    Client(Box<Client>, OutboundUrl),
    /// The configuration does not allow its URL any longer.
    Forbidden(OutboundUrlError),
    /// It was deleted, or has no URL any longer.
    Gone,
    /// Its row is damaged.
    Unreadable,
}

impl Attempt {
    fn all_of<P>(claimed: Claimed, context: &Context<'_, P>) -> impl Iterator<Item = Self> {
        let Claimed { client_id, client, deliveries } = claimed;
        let receiver = match client.map(StoredClient::parse).transpose() {
            Ok(client) => Receiver::new(client, context),
            Err(fault) => {
                context.log_fault(&fault);
                Receiver::Unreadable
            }
        };
        let receiver = Rc::new(receiver);
        deliveries.into_iter().map(move |delivery| Self {
            client_id: client_id.clone(),
            delivery,
            receiver: Rc::clone(&receiver),
        })
    }
}

impl Receiver {
    fn new<P>(client: Option<Client>, context: &Context<'_, P>) -> Self {
        let Some(client) = client else { return Self::Gone };
        let Some(url) = &client.metadata.backchannel_logout_uri else { return Self::Gone };
        match OutboundUrl::parse(url, context.config.outbound_rules()) {
            Ok(url) => Self::Client(Box::new(client), url),
            Err(error) => Self::Forbidden(error),
        }
    }

    fn is_of_operator(&self) -> bool {
        matches!(self, Self::Client(client, _) if Owner::of(client) == Owner::Operators)
    }
}
