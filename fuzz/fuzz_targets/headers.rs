//! Headers of browsers and of fetched documents: `User-Agent`, `Accept-Language`, `Cache-Control`, addresses.
//!
//! Input: one header's value; the header `Age`; two times in decimal.
#![no_main]

use fuzz::{NOW, Parts};
use libfuzzer_sys::fuzz_target;
use postern::http::{UNKNOWN_NETWORK, network_of};
use postern::pages::Texts;
use postern::protocol::authorization::device_request::DeviceRequest;
use postern::protocol::client::cache_time::CacheHeaders;
use postern::protocol::user::user_agent::{UserAgent, system_of};

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let (header, age, expires, date) = (parts.text(), parts.text(), parts.text(), parts.text());

    // The names are of fixed lists, and the word of a device's program is one.
    let UserAgent { browser, system } = UserAgent::parse(&header);
    assert!([browser, system].into_iter().flatten().all(|name| name.len() <= 16));
    assert!(system.is_none() || system == system_of(&header));
    let device = DeviceRequest::new(NOW, network_of(&header), None, Some(&header));
    if let Some(program) = &device.program {
        let (product, system) = program.split_once(", ").unwrap_or((program, ""));
        assert!(product.len() <= 40 && !product.chars().any(char::is_control));
        assert!(system.is_empty() || Some(system) == system_of(&header));
    }
    let stored = serde_json::to_string(&device).expect("a row");
    let again: DeviceRequest = postern::jose::json::from_own(&stored).expect("its own text");
    assert_eq!(again, device);

    // A network is the network of its own first address.
    if device.network != UNKNOWN_NETWORK {
        let (first, _) = device.network.split_once('/').expect("a prefix");
        assert_eq!(network_of(first), device.network);
    }

    // A language that is not understood is English.
    for texts in [Texts::choose(Some(&header), None), Texts::choose(None, Some(&header))] {
        let is_named = header.to_ascii_lowercase().contains(texts.tag);
        assert!(texts.tag == "en" || is_named);
    }

    let caching = CacheHeaders {
        cache_control: header.into_owned(),
        age: age.into_owned(),
        expires: date_of(&expires),
        date: date_of(&date),
    };
    if let Some(seconds) = caching.fresh_for(NOW) {
        let control = caching.cache_control.to_ascii_lowercase();
        let longest = if caching.expires.is_some() { i64::MAX } else { i64::from(i32::MAX) };
        assert!(seconds <= longest);
        let is_forbidden = control.split(',').any(|directive| {
            let name = directive.split('=').next().unwrap_or_default().trim();
            name == "no-store" || name == "no-cache"
        });
        assert!(!is_forbidden || seconds <= 0);
    }
});

/// A time as the platform reads it of a header: within the range of JavaScript's dates (ECMA-262 section 21.4.1.1).
fn date_of(text: &str) -> Option<i64> {
    const LAST: i64 = 8_640_000_000_000;
    text.parse().ok().filter(|seconds| (-LAST..=LAST).contains(seconds))
}
