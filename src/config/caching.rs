//! `CACHE_MAX_AGE`, `CACHE_STALE_WHILE_REVALIDATE` and `CACHE_STALE_IF_ERROR`.

/// How many seconds caches may serve a published document.
#[derive(Clone, Copy, Debug)]
pub struct Caching {
    pub(super) max_age: u32,
    pub(super) stale_while_revalidate: u32,
    pub(super) stale_if_error: u32,
}

impl Caching {
    /// Returns for how many seconds caches may serve a document after it has changed: a shared cache, stale or not, and a
    /// client that counts `max-age` from the time when it received the document.
    pub fn longest(self) -> i64 {
        let stale = self.stale_while_revalidate.max(self.stale_if_error);
        i64::from(self.max_age) * 2 + i64::from(stale)
    }

    /// Returns the `Cache-Control` of a document that changes in `remaining` seconds, or at no known time. No cache
    /// serves it for longer, stale or not.
    pub fn header(self, remaining: Option<i64>) -> String {
        let remaining =
            remaining.map_or(u32::MAX, |seconds| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX));
        let max_age = self.max_age.min(remaining);
        let stale_while_revalidate = self.stale_while_revalidate.min(remaining - max_age);
        let stale_if_error = self.stale_if_error.min(remaining - max_age);
        format!(
            "public, max-age={max_age}, stale-while-revalidate={stale_while_revalidate}, \
             stale-if-error={stale_if_error}"
        )
    }
}
