//! Modules about sessions and the time of authentication.

use super::pages::check_login_page;
use super::suite::{Flow, STATE, Suite};
use crate::test_provider::TestResponse;

fn auth_time(flow: &Flow) -> i64 {
    flow.id_token["auth_time"].as_i64().unwrap()
}

/// Runs two flows in one browser; the second requires a new sign-in.
fn check_reauthentication(suite: &Suite, parameters: &[(&str, &str)], seconds: i64) {
    let browser = suite.browser();
    let first = suite.flow(&browser, &[]);
    suite.provider.sleep(seconds);
    let page = suite.send_request(&browser, parameters);
    check_login_page(&page);
    let second = suite.finish(&browser.agree(page, "alice@example.com"), parameters);
    assert_eq!(second.id_token["sub"], first.id_token["sub"]);
    assert!(auth_time(&second) > auth_time(&first));
}

/// Finishes a flow that shows no page: the user and `auth_time` stay the same.
fn check_silent_flow(
    suite: &Suite,
    first: &Flow,
    parameters: &[(&str, &str)],
    response: &TestResponse,
) {
    let second = suite.finish(response, parameters);
    assert_eq!(second.id_token["sub"], first.id_token["sub"]);
    assert_eq!(auth_time(&second), auth_time(first));
}

pub fn oidcc_prompt_login(suite: &Suite) {
    check_reauthentication(suite, &[("prompt", "login")], 1);
}

pub fn oidcc_max_age_1(suite: &Suite) {
    check_reauthentication(suite, &[("max_age", "1")], 2);
}

pub fn oidcc_prompt_none_not_logged_in(suite: &Suite) {
    let state = "aB3-".repeat(32);
    let response = suite.send_request(&suite.browser(), &[("prompt", "none"), ("state", &state)]);
    assert_eq!(suite.error(&response, Some(&state)), "login_required");
}

pub fn oidcc_prompt_none_logged_in(suite: &Suite) {
    let browser = suite.browser();
    let first = suite.flow(&browser, &[]);
    suite.provider.sleep(1);
    let parameters = [("prompt", "none")];
    check_silent_flow(suite, &first, &parameters, &suite.send_request(&browser, &parameters));
}

pub fn oidcc_id_token_hint(suite: &Suite) {
    let browser = suite.browser();
    let first = suite.flow(&browser, &[]);
    suite.provider.sleep(1);
    let parameters = [("prompt", "none"), ("id_token_hint", first.token("id_token"))];
    check_silent_flow(suite, &first, &parameters, &suite.send_request(&browser, &parameters));

    // No session satisfies the hint of another user.
    suite.provider.put_user("bob");
    let bobs = suite.browser();
    let bob = suite.finish(&bobs.agree(suite.send_request(&bobs, &[]), "bob"), &[]);
    let parameters = [("prompt", "none"), ("id_token_hint", bob.token("id_token"))];
    assert_eq!(
        suite.error(&suite.send_request(&browser, &parameters), Some(STATE)),
        "login_required"
    );
}

pub fn oidcc_max_age_10000(suite: &Suite) {
    let browser = suite.browser();
    let first = suite.flow(&browser, &[("max_age", "15000")]);
    suite.provider.sleep(1);
    let parameters = [("max_age", "10000")];
    check_silent_flow(suite, &first, &parameters, &suite.send_request(&browser, &parameters));
}
