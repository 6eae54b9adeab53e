//! A pushed request whose page is loaded again before it is answered (FAPI 2.0 section 5.3.2.2, RFC 9126 section 4).

use crate::browser::{Browser, CALLBACK, answer, error_page, is_choice, is_consent, is_login};
use crate::test_provider::{TestProvider, TestResponse};

fn open(browser: &Browser<'_>, target: &str) -> TestResponse {
    browser.follow(browser.get(target))
}

#[test]
fn each_page_of_a_pushed_request_may_be_loaded_again_until_it_is_answered() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let target = provider.push(&client, &[("prompt", "login consent"), ("state", "pushed")]);
    let (browser, other) = (Browser::new(&provider), Browser::new(&provider));

    let page = open(&browser, &target);
    assert!(is_login(&open(&browser, &target)), "a reload of the login page");
    let wrong = browser.submit(&page, &[("login", "alice@example.com"), ("password", "wrong")]);
    assert!(is_login(&wrong) && is_login(&open(&browser, &target)), "after a wrong password");
    assert!(error_page(&open(&other, &target)).contains("already completed"), "another browser");

    let consent = browser.sign_in_on(&page, "alice@example.com");
    assert!(is_consent(&consent), "{}", consent.body);
    assert!(is_login(&open(&browser, &target)), "a request that begins again has its prompt again");
    let response = browser.submit(&consent, &[("decision", "allow")]);
    let parameters = answer(&response, CALLBACK);
    assert_eq!(parameters["state"], "pushed");
    assert!(provider.redeem(&client, &parameters["code"]).status == 200);

    // The browser that got the answer may get it again at once, because its user may have clicked twice.
    assert!(error_page(&open(&other, &target)).contains("already completed"));
    assert!(is_login(&open(&browser, &target)));
    provider.sleep(30);
    for browser in [&browser, &other] {
        assert!(error_page(&open(browser, &target)).contains("already completed"));
    }
}

#[test]
fn a_pushed_request_of_a_signed_in_user_may_be_loaded_again() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    browser.authorize(&client, "alice@example.com", &[]);
    for (prompt, is_page) in
        [("consent", is_consent as fn(&TestResponse) -> bool), ("select_account", is_choice)]
    {
        let target = provider.push(&client, &[("prompt", prompt)]);
        for _ in 0..3 {
            assert!(is_page(&open(&browser, &target)), "{prompt}");
        }
    }
    // Without a page the first request is answered at once.
    let target = provider.push(&client, &[]);
    for _ in 0..2 {
        assert!(answer(&open(&browser, &target), CALLBACK).contains_key("code"));
        assert!(error_page(&open(&Browser::new(&provider), &target)).contains("already completed"));
    }
    provider.sleep(30);
    assert!(error_page(&open(&browser, &target)).contains("already completed"));
}
