//! How many fetches an isolate begins. A stranger who knows a `client_id` can cause fetches for that client, and with open
//! registration or documents choose the URLs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;
use std::rc::Rc;

use crate::fetched::DocumentError;
use crate::lifetimes::FETCH_SECONDS;
use crate::protocol::client::outbound_url::OutboundUrl;

/// How many fetches may run at once from all hosts. Each may hold a document of 64 KiB until its timeout.
const RUNNING: usize = 128;

/// How many of them may be from one host: one that does not answer leaves room for the others.
const RUNNING_FROM_HOST: usize = 32;

/// How many requests may wait for the fetches of other requests, apart from those of the moment in which the shares
/// become smaller, and how many for one fetch: enough for a client that sends 50 requests at once to a new isolate.
const WAITING: usize = 256;
/// See [`WAITING`].
const WAITING_FOR_FETCH: usize = 64;

/// The rate for a host. A client uses up a quarter at most.
const HOST: Rate = Rate { burst: 64, seconds: 1 };
/// The rate for a client, which may have several documents.
const CLIENT: Rate = Rate { burst: 16, seconds: 4 };

/// A rate of fetches.
struct Rate {
    /// How many may begin at once.
    burst: i64,
    /// After that, one may begin in so many seconds.
    seconds: i64,
}

/// The fetches of an isolate for one kind of clients. None of these counts can be evicted: naming many URLs gains nothing.
#[derive(Default)]
pub struct FetchBudget {
    running: RefCell<Vec<Running>>,
    /// For each host and client, the time in Unix seconds from which its burst may begin again. Each fetch postpones it.
    /// One whose time is over is left out, so there are no more of them than recent fetches.
    full_at: RefCell<BTreeMap<String, i64>>,
}

struct Running {
    kind: &'static str,
    url: OutboundUrl,
    /// The fetch has ended at this time in any case, also if its request has ended without a result.
    until: i64,
    /// One for this entry, one for the fetch, and one for each request that waits.
    holders: Rc<()>,
}

impl Running {
    fn waiting(&self) -> usize {
        Rc::strong_count(&self.holders).saturating_sub(2)
    }
}

/// A fetch that runs until this is dropped.
pub struct RunningFetch<'a> {
    budget: &'a FetchBudget,
    holders: Rc<()>,
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        let mut running = self.budget.running.borrow_mut();
        running.retain(|other| !Rc::ptr_eq(&other.holders, &self.holders));
    }
}

/// A request that waits until this is dropped.
pub struct WaitingRequest {
    _holder: Rc<()>,
}

impl FetchBudget {
    /// Begins a fetch at `now`.
    ///
    /// # Errors
    /// [`DocumentError::BeingFetched`] if the document is being fetched, [`DocumentError::TooManyFetches`] if too many
    /// fetches run.
    pub fn begin(
        &self,
        kind: &'static str,
        url: &OutboundUrl,
        now: i64,
    ) -> Result<RunningFetch<'_>, DocumentError> {
        if self.is_running(kind, url, now) {
            return Err(DocumentError::BeingFetched);
        }
        self.begin_another(kind, url, now)
    }

    /// Begins a request at `now`, also if another one to the same URL runs.
    ///
    /// # Errors
    /// [`DocumentError::TooManyFetches`] if too many run.
    pub fn begin_another(
        &self,
        kind: &'static str,
        url: &OutboundUrl,
        now: i64,
    ) -> Result<RunningFetch<'_>, DocumentError> {
        let mut running = self.running.borrow_mut();
        running.retain(|other| now < other.until);
        let from_host = running.iter().filter(|other| other.url.host() == url.host()).count();
        if running.len() >= RUNNING || from_host >= RUNNING_FROM_HOST {
            return Err(DocumentError::TooManyFetches);
        }
        let holders = Rc::new(());
        let fetch = RunningFetch { budget: self, holders: Rc::clone(&holders) };
        running.push(Running { kind, url: url.clone(), until: now + FETCH_SECONDS, holders });
        Ok(fetch)
    }

    /// Returns whether a request fetches the document.
    pub fn is_running(&self, kind: &str, url: &OutboundUrl, now: i64) -> bool {
        let is_same = |other: &Running| other.kind == kind && other.url == *url;
        self.running.borrow().iter().any(|other| is_same(other) && now < other.until)
    }

    /// Counts a request that waits for a fetch. A request waits anew every tenth of a second. So if too many wait, each
    /// fetch soon has its equal share of them, and strangers whose servers do not answer leave room for others.
    ///
    /// # Errors
    /// [`DocumentError::TooManyFetches`] if too many wait.
    pub fn wait(
        &self,
        kind: &str,
        url: &OutboundUrl,
    ) -> Result<Option<WaitingRequest>, DocumentError> {
        let running = self.running.borrow();
        let fetch = running.iter().find(|other| other.kind == kind && other.url == *url);
        let Some(fetch) = fetch else { return Ok(None) };
        let all: usize = running.iter().map(Running::waiting).sum();
        let others = running.iter().filter(|other| !ptr::eq(*other, fetch) && other.waiting() > 0);
        let share = WAITING / (1 + others.count());
        let is_crowded = all >= WAITING && fetch.waiting() >= share;
        if is_crowded || fetch.waiting() >= WAITING_FOR_FETCH {
            return Err(DocumentError::TooManyFetches);
        }
        Ok(Some(WaitingRequest { _holder: Rc::clone(&fetch.holders) }))
    }

    /// Counts a fetch for its host and its client, if it is for one. Returns whether both are within their rates;
    /// otherwise it is not counted.
    pub fn count(&self, host: &str, client_id: Option<&str>, now: i64) -> bool {
        let mut full_at = self.full_at.borrow_mut();
        full_at.retain(|_, time| *time > now);
        let host = (format!("host {host}"), HOST);
        let client = client_id.map(|client_id| (format!("client {client_id}"), CLIENT));
        let mut counts = Vec::new();
        for (name, Rate { burst, seconds }) in [Some(host), client].into_iter().flatten() {
            let time = full_at.get(&name).copied().unwrap_or(now) + seconds;
            if time > now + burst * seconds {
                return false;
            }
            counts.push((name, time));
        }
        full_at.extend(counts);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(number: u32) -> OutboundUrl {
        OutboundUrl::public(&format!("https://{number}.example/{number}"))
    }

    /// Counts fetches until one is refused. Returns how many were not.
    fn count_all(budget: &FetchBudget, host: &str, client_id: Option<&str>, now: i64) -> usize {
        (0..1_000).take_while(|_| budget.count(host, client_id, now)).count()
    }

    #[test]
    fn a_host_gets_64_fetches_at_once_and_then_one_a_second() {
        let budget = FetchBudget::default();
        let counts = [0, 0, 1, 2, 12, 75, 76, 1_000];
        let counts = counts.map(|now| count_all(&budget, "a.example", None, now));
        assert_eq!(counts, [64, 0, 1, 1, 10, 63, 1, 64]);
    }

    #[test]
    fn a_client_gets_a_quarter_of_the_fetches_from_a_host() {
        let budget = FetchBudget::default();
        let count = |client_id, now| count_all(&budget, "a.example", Some(client_id), now);
        assert_eq!(["a", "a", "b", "c", "d", "e"].map(|id| count(id, 0)), [16, 0, 16, 16, 16, 0]);
        assert_eq!(
            count_all(&budget, "b.example", Some("e"), 0),
            16,
            "what is refused is not counted"
        );
        assert_eq!([3, 4, 7, 8].map(|now| count("a", now)), [0, 1, 0, 1]);
    }

    #[test]
    fn other_hosts_do_not_affect_the_limit_of_a_host() {
        let budget = FetchBudget::default();
        assert_eq!(count_all(&budget, "a.example", None, 0), 64);
        for number in 0..1_000 {
            assert!(budget.count(&format!("{number}.example"), None, 0));
        }
        assert_eq!(count_all(&budget, "a.example", None, 0), 0);
    }

    #[test]
    fn at_most_128_fetches_run_at_once_and_32_from_one_host() {
        let budget = FetchBudget::default();
        let begin = |number: u32| budget.begin("logo_uri", &url(number), 0).ok();
        let mut running: Vec<_> = (0..1_000).filter_map(begin).collect();
        assert_eq!(running.len(), 128);
        running.pop();
        assert!(begin(1_000).is_some());
        drop(running);

        let of_host = |path: u32| {
            let url = OutboundUrl::public(&format!("https://a.example/{path}"));
            budget.begin("logo_uri", &url, 0).ok()
        };
        let running: Vec<_> = (0..1_000).filter_map(of_host).collect();
        assert_eq!(running.len(), 32);
        assert!(begin(0).is_some());
    }

    #[test]
    fn a_document_is_fetched_by_one_request_at_a_time() {
        let budget = FetchBudget::default();
        let begin = |kind, now| budget.begin(kind, &url(0), now);
        let first = begin("jwks_uri", 0);
        assert_eq!(begin("jwks_uri", 0).err(), Some(DocumentError::BeingFetched));
        assert!(begin("logo_uri", 0).is_ok(), "another kind of document at the same URL");
        drop(first);
        let lost = begin("jwks_uri", 0);
        assert!(begin("jwks_uri", FETCH_SECONDS - 1).is_err());
        let second = begin("jwks_uri", FETCH_SECONDS);
        assert!(second.is_ok());
        drop(lost);
        assert!(begin("jwks_uri", FETCH_SECONDS).is_err(), "the second fetch still runs");
    }

    #[test]
    fn at_most_64_requests_wait_for_a_fetch_and_an_equal_share_if_256_wait() {
        let budget = FetchBudget::default();
        let running: Vec<_> = (0..5).map(|number| budget.begin("a", &url(number), 0)).collect();
        let wait = |number| budget.wait("a", &url(number));
        assert!(wait(5).unwrap().is_none(), "nothing to wait for");
        let waiting: Vec<_> =
            (0..5).map(|n| (0..100).map_while(|_| wait(n).ok()).collect()).collect();
        let counts: Vec<_> = waiting.iter().map(Vec::len).collect();
        assert_eq!(counts, [64, 64, 64, 64, 51], "256 divided by five fetches");
        drop((waiting, running));
    }

    #[test]
    fn requests_for_few_fetches_do_not_keep_those_for_others_from_waiting() {
        let budget = FetchBudget::default();
        let running: Vec<_> = (0..5).map(|number| budget.begin("a", &url(number), 0)).collect();
        let wait = |number| budget.wait("a", &url(number));
        let mut storm: Vec<_> = (0..256).map(|number| wait(number % 4).unwrap()).collect();
        let honest: Vec<_> = (0..100).map_while(|_| wait(4).ok()).collect();
        assert_eq!(honest.len(), 51);
        // A request waits anew every 100 ms.
        for number in 0..256 {
            storm[number as usize] = None;
            storm[number as usize] = wait(number % 4).ok().flatten();
        }
        assert_eq!(storm.iter().flatten().count(), 4 * 51 + 1);
        drop((honest, running));
    }

    #[test]
    fn hosts_and_clients_are_forgotten() {
        let budget = FetchBudget::default();
        for now in 0..1_000 {
            budget.count(&format!("{now}.example"), Some(&now.to_string()), now);
        }
        assert_eq!(budget.full_at.borrow().len(), 5);
    }
}
