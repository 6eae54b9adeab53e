//! The [`Timer`] port on the platform's scheduler.

use crate::cloudflare::task::wait;
use crate::cloudflare::{Edge, platform};
use crate::ports::Timer;

impl Timer for Edge {
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
    fn milliseconds(&self) -> i64 {
        js_sys::Date::now() as i64
    }

    async fn wait(&self, milliseconds: u32) {
        // If it fails, it ends early.
        let _ = wait(platform::sleep(milliseconds)).await;
    }
}
