//! Interaction tokens and the queries that carry them: `InteractionToken`, `resume`, `handle_of`.
//!
//! Input: a choice of the step; the request; the user; a text in place of a token, or places and values of bytes to
//! change in a valid one.
#![no_main]

use fuzz::platform::Native;
use fuzz::test_provider::{TestRequest, get};
use fuzz::{ISSUER, NOW, Parts, config, in_project};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::context::Context;
use postern::interaction::BrowserContext;
use postern::interaction::pending_request::{
    PendingRequest, handle_of, is_resumed, query_of, restarted, resume, resumed,
};
use postern::interaction::token::{InteractionStep, InteractionToken, shown_for};
use std::cell::OnceCell;

const ID: &str = "0123456789-the-id-of-a-browser-_ABCDEFGHIJK";
const OTHER_ID: &str = "abcdefghij-the-id-of-another-browser-_ABCDE";
const STEPS: [InteractionStep; 8] = [
    InteractionStep::Account,
    InteractionStep::ChangePassword,
    InteractionStep::Consent,
    InteractionStep::Continue,
    InteractionStep::Device,
    InteractionStep::Login,
    InteractionStep::SelectAccount,
    InteractionStep::Switch,
];
const HOUR: i64 = 3_600;

thread_local! {
    static CONFIG: &'static Config = Box::leak(Box::new(config()));
    static PLATFORM: OnceCell<&'static Native> = const { OnceCell::new() };
    static BROWSERS: [BrowserContext<'static>; 2] = [ID, OTHER_ID].map(browser);
}

fn browser(id: &str) -> BrowserContext<'static> {
    let config = CONFIG.with(|config| *config);
    let platform = PLATFORM.with(|platform| {
        *platform.get_or_init(|| in_project(|| Box::leak(Box::new(Native::new()))))
    });
    let context = Context::new(config, platform, NOW, &|bytes| {
        bytes.fill(1);
        Ok(())
    });
    let mark = &id[..8];
    let request: TestRequest =
        get("/auth/authorize").with("cookie", &format!("__Host-postern-browser.{mark}={id}"));
    let browser = BrowserContext::from_request(&context, &request).expect("a browser");
    assert!(browser.id == id && browser.known_ids == [id] && ISSUER == config.issuer.as_str());
    browser
}

fuzz_target!(|input: &[u8]| BROWSERS.with(|[browser, other]| {
    let mut parts = Parts::of(input);
    let choice = parts.choice();
    let (request, sub) = (parts.text(), parts.text());
    let step = STEPS[usize::from(choice % 8)];
    let token = InteractionToken { step, request: &request, sub: &sub };
    let text = token.issue(browser, NOW);

    // The token is valid for the browser, for an hour, and tolerates a clock that is a little ahead.
    assert_eq!(token.began_at(browser, &text, NOW + HOUR - 1), Some(NOW));
    assert_eq!(token.began_at(browser, &text, NOW - 5), Some(NOW - 5));
    for (now, has_expired) in [(NOW + HOUR, true), (NOW - 6, false)] {
        assert_eq!(token.began_at(browser, &text, now), None);
        assert_eq!(token.has_expired(browser, &text, now), has_expired);
    }
    assert_eq!(token.began_at(other, &text, NOW), None);

    // It is for this step, this request and this user alone.
    let next = STEPS[usize::from(choice / 8 % 8)];
    assert_eq!(
        InteractionToken { step: next, ..token }.began_at(browser, &text, NOW).is_some(),
        next == step
    );
    let (longer_request, longer_sub) = (format!("{request}a"), format!("{sub}a"));
    let longer = InteractionToken { request: &longer_request, ..token };
    assert!(longer.began_at(browser, &text, NOW).is_none());
    let longer = InteractionToken { sub: &longer_sub, ..token };
    assert!(longer.began_at(browser, &text, NOW).is_none());
    let moved = InteractionToken { request: &sub, sub: &request, ..token };
    assert_eq!(moved.began_at(browser, &text, NOW).is_some(), request == sub);
    if !request.contains('#') {
        assert_eq!(shown_for(&request, &sub).split_once('#'), Some((&*request, &*sub)));
    }

    let rest = parts.rest();
    if choice & 0x40 == 0 {
        // A text of anybody is none.
        let forged = String::from_utf8_lossy(rest);
        assert!(forged == text || token.began_at(browser, &forged, NOW).is_none());
        query(browser, &forged, &sub);
    } else {
        // Nor is the token with other bytes.
        let mut bytes = text.clone().into_bytes();
        for change in rest.chunks_exact(2) {
            let place = usize::from(change[0]) % bytes.len();
            bytes[place] = change[1];
        }
        let changed = String::from_utf8_lossy(&bytes);
        assert_eq!(token.began_at(browser, &changed, NOW).is_some(), changed == text);
        assert!(changed == text || !token.has_expired(browser, &changed, NOW + HOUR));
        query(browser, &format!("{request}&resume={changed}"), &sub);
    }
    continues(browser, &request, &sub);
}));

/// A query of a stranger is never split so that something is lost, and has no state that the provider did not issue.
fn query(browser: &BrowserContext<'_>, query: &str, sub: &str) {
    let (request, state) = resume(browser, query, Some(sub), NOW);
    assert!(query.starts_with(request));
    let token = query.strip_prefix(request).and_then(|rest| rest.strip_prefix("&resume="));
    let Some(token) = token else {
        assert!(request == query && state.began_at.is_none());
        return;
    };
    let is_valid =
        |step, sub| InteractionToken { step, request, sub }.began_at(browser, token, NOW).is_some();
    assert_eq!(state.has_chosen, is_valid(InteractionStep::Continue, sub));
    assert_eq!(state.wants_switch, is_valid(InteractionStep::Switch, ""));
    assert!(token.is_empty() || state.began_at.is_some());
    // A handle is a random text, and the same with a token or without.
    let handle = handle_of(browser, query);
    if let Some(handle) = &handle {
        assert_eq!(handle.browser_hash, postern::secret::hash(&browser.id));
    } else if let Ok(pending) = PendingRequest::new(browser, query, None) {
        assert!(pending.handle.is_none() && pending.query == query);
        assert_eq!(pending.check_length().is_ok(), query.len() <= 15_360);
    }
}

/// The provider's own queries are read as they were written.
fn continues(browser: &BrowserContext<'_>, request: &str, sub: &str) {
    let query = resumed(browser, request, InteractionStep::Continue, sub, NOW);
    assert!(is_resumed(&query));
    let (read, state) = resume(browser, &query, Some(sub), NOW);
    assert!(read == request && state.has_chosen && state.began_at == Some(NOW));
    let (read, state) = resume(browser, &query, Some(&format!("{sub}a")), NOW);
    assert!(read == query && !state.has_chosen);
    let query = restarted(request);
    let (read, state) = resume(browser, &query, Some(sub), NOW);
    assert!(read == request && state.began_at.is_none());
    let handle = query_of(ID);
    let kept = handle_of(browser, &handle).expect("a handle");
    assert_eq!(kept.handle_hash, postern::secret::hash(ID));
    let query = resumed(browser, &handle, InteractionStep::Switch, "", NOW);
    assert_eq!(handle_of(browser, &query).map(|handle| handle.handle_hash), Some(kept.handle_hash));
}
