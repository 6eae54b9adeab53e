//! Browsers load links that the user may open later, and discard the response unless its status is 2xx.

use crate::browser::{Browser, CALLBACK, answer, encode, is_login};
use crate::test_provider::{TestProvider, get, post};

const PREFETCHES: [(&str, &str); 6] = [
    ("sec-purpose", "prefetch"),
    ("sec-purpose", "prefetch;prerender"),
    ("sec-purpose", "prefetch; anonymous-client-ip"),
    ("sec-purpose", "other, prefetch"),
    ("purpose", "prefetch"),
    ("purpose", "Prefetch"),
];

fn rows(provider: &TestProvider, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    provider.platform.primary.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_prefetch_neither_issues_a_code_nor_reads_the_database() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    browser.authorize(&app, "alice@example.com", &[]);
    let codes = rows(&provider, "codes");
    let target = app.authorize(&[]);
    provider.platform.take_counts();
    for (name, value) in PREFETCHES {
        let response = browser.send(get(&target).with(name, value));
        assert_eq!((response.status, response.body.as_str()), (503, ""), "{name}: {value}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!((response.header("location"), response.cookies()), (None, vec![]));
    }
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches), (0, 0));
    assert_eq!(rows(&provider, "codes"), codes);
    // The user follows the link.
    assert!(answer(&browser.get(&target), CALLBACK).contains_key("code"));
}

#[test]
fn a_prefetch_does_not_open_a_pushed_request() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    let form = format!("{}&{secret}", app.authorize_query(&[]));
    let pushed = provider.send(post("/auth/par").form(&form)).json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let target =
        format!("/auth/authorize?{}", encode(&[("client_id", "app"), ("request_uri", uri)]));
    for (name, value) in PREFETCHES {
        let response = provider.send(get(&target).with(name, value));
        assert_eq!((response.status, response.body.as_str()), (503, ""), "{name}: {value}");
    }
    // Another browser may still be the first to open it.
    let browser = Browser::new(&provider);
    assert!(is_login(&browser.follow(browser.get(&target))));
}

#[test]
fn a_page_with_another_purpose_is_shown() {
    let provider = TestProvider::new();
    let app = provider.put_app();
    for (name, value) in
        [("sec-purpose", ""), ("purpose", "prefetched"), ("sec-purpose", "x;prefetch")]
    {
        let response = provider.send(get(&app.authorize(&[])).with(name, value));
        assert!(is_login(&response), "{name}: {value}");
    }
}
