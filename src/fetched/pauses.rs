//! Pauses after fetches that failed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::secret::hash;

/// How many pauses are remembered: more than an isolate's fetches fail in half a minute, unless a flood comes from tens
/// of addresses.
const LIMIT: usize = 1_024;

/// The URLs whose last fetch has failed a moment ago, each with a reason. They are kept apart from documents, so that URLs
/// that fail displace no document, and URLs that work end no pause.
pub struct Pauses<E>(RefCell<BTreeMap<String, Pause<E>>>);

struct Pause<E> {
    reason: E,
    /// The time from which the URL may be fetched again, in Unix seconds.
    until: i64,
}

impl<E> Default for Pauses<E> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<E: Clone> Pauses<E> {
    /// Returns why the URL must not be fetched now. Logs it, because the response may be that of a failure.
    pub fn reason<P>(&self, url: &OutboundUrl, context: &Context<'_, P>) -> Option<E> {
        let pauses = self.0.borrow();
        let pause = pauses.get(&hash(url.as_str())).filter(|pause| context.now < pause.until)?;
        context.log_warning(format!("the last fetch from {} has failed a moment ago", url.host()));
        Some(pause.reason.clone())
    }

    /// Begins a pause at `now`, until `until`. If there are too many, the one that would end first is forgotten: then
    /// that URL may be fetched once more, within the limits of its host and client, which are not forgotten.
    pub fn begin(&self, url: &OutboundUrl, reason: E, until: i64, now: i64) {
        let mut pauses = self.0.borrow_mut();
        pauses.retain(|_, pause| now < pause.until);
        if pauses.len() >= LIMIT {
            let first = pauses.iter().min_by_key(|(_, pause)| pause.until);
            if let Some(url) = first.map(|(url, _)| url.clone()) {
                pauses.remove(&url);
            }
        }
        pauses.insert(hash(url.as_str()), Pause { reason, until });
    }

    /// Ends the pause of a URL that was fetched.
    pub fn end(&self, url: &OutboundUrl) {
        self.0.borrow_mut().remove(&hash(url.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_pauses_are_remembered_until_they_end() {
        let pauses = Pauses::default();
        let url = |number| OutboundUrl::public(&format!("https://{number}.example"));
        let count = || pauses.0.borrow().len();
        for number in 0..1_024 {
            pauses.begin(&url(number), (), 10 + i64::from(number == 0), 0);
        }
        assert_eq!(count(), LIMIT);
        pauses.begin(&url(1_024), (), 20, 0);
        assert_eq!(count(), LIMIT);
        let is_known = |number| pauses.0.borrow().contains_key(&hash(url(number).as_str()));
        assert!(is_known(0) && is_known(1_024), "neither the oldest nor the newest one");
        pauses.begin(&url(1_025), (), 20, 10);
        assert_eq!(count(), 3, "those that have ended are forgotten");
    }
}
