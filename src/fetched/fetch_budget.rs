//! How many fetches an isolate begins. A stranger who knows a `client_id` can cause fetches of its keys, and with open
//! registration choose their URLs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// How many fetches from one host may begin at once: enough for 50 requests of one client, since a request cannot wait
/// for another request's fetch. After that, one may begin each second.
const HOST_FETCHES: i64 = 64;

/// How many fetches may run at once from all hosts. Each may hold a document of 64 KiB until its timeout.
const RUNNING_FETCHES: u32 = 128;

/// The fetches of an isolate. None of these counts can be evicted: naming many URLs gains nothing.
#[derive(Default)]
pub struct FetchBudget {
    running: Cell<u32>,
    /// For each host, the time in Unix seconds from which [`HOST_FETCHES`] may begin at once again. Each fetch postpones
    /// it by a second. A host whose time is over is left out, so there are no more hosts than recent fetches.
    full_at: RefCell<BTreeMap<String, i64>>,
}

/// A fetch that runs until this is dropped.
pub struct RunningFetch<'a>(&'a Cell<u32>);

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl FetchBudget {
    /// Begins a fetch from a host at `now`. Returns `None` if there were too many.
    pub fn begin(&self, host: &str, now: i64) -> Option<RunningFetch<'_>> {
        if self.running.get() >= RUNNING_FETCHES {
            return None;
        }
        let mut full_at = self.full_at.borrow_mut();
        full_at.retain(|_, time| *time > now);
        let time = full_at.get(host).copied().unwrap_or(now);
        if time >= now + HOST_FETCHES {
            return None;
        }
        full_at.insert(host.to_owned(), time + 1);
        self.running.set(self.running.get() + 1);
        Some(RunningFetch(&self.running))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins fetches until one is refused. Returns how many began.
    fn begin_all(budget: &FetchBudget, host: &str, now: i64) -> usize {
        std::iter::from_fn(|| budget.begin(host, now)).count()
    }

    #[test]
    fn a_host_gets_64_fetches_at_once_and_then_one_a_second() {
        let budget = FetchBudget::default();
        let begun = [0, 0, 1, 2, 12, 75, 76, 1_000].map(|now| begin_all(&budget, "a.example", now));
        assert_eq!(begun, [64, 0, 1, 1, 10, 63, 1, 64]);
    }

    #[test]
    fn other_hosts_do_not_affect_the_limit_of_a_host() {
        let budget = FetchBudget::default();
        assert_eq!(begin_all(&budget, "a.example", 0), 64);
        for number in 0..1_000 {
            assert!(budget.begin(&format!("{number}.example"), 0).is_some());
        }
        assert_eq!(begin_all(&budget, "a.example", 0), 0);
    }

    #[test]
    fn at_most_128_fetches_run_at_once() {
        let budget = FetchBudget::default();
        let begin = |number: u32| budget.begin(&format!("{number}.example"), i64::from(number));
        let mut running: Vec<_> = (0..1_000).filter_map(begin).collect();
        assert_eq!(running.len(), 128);
        running.pop();
        assert!(begin(1_000).is_some());
    }

    #[test]
    fn hosts_are_forgotten() {
        let budget = FetchBudget::default();
        for now in 0..1_000 {
            budget.begin(&format!("{now}.example"), now);
        }
        assert_eq!(budget.full_at.borrow().len(), 1);
    }
}
