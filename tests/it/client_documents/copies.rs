//! How long a document counts, and what happens when it changes or cannot be fetched.

use super::*;
use crate::browser::is_login;
use crate::test_provider::TestRequest;
use postern::lifetimes::{CLIENT_DOCUMENT_GRACE_SECONDS, FETCH_RETRY_SECONDS};
use serde_json::json;

const HOUR: i64 = 3_600;

#[test]
fn a_document_counts_as_its_headers_say_between_five_minutes_and_a_day() {
    for (cache_control, seconds) in [
        ("", 300),
        ("no-store", 300),
        ("no-store,no-cache,max-age=0", 300),
        ("max-age=300", 300),
        ("max-age=301", 301),
        ("public, max-age=3600", HOUR),
        ("max-age=86400", 86_400),
        ("max-age=31536000, immutable", 86_400),
    ] {
        let provider = provider();
        let text = document().to_string();
        publish_as(&provider, 200, "application/json", &text, cache_control);
        page(&provider);
        for (sleep, fetched) in [(0, 1), (seconds - 1, 0), (1, 1)] {
            provider.sleep(sleep);
            assert!(is_login(&page(&provider)));
            assert_eq!(fetches(&provider), fetched, "{cache_control} {sleep}");
        }
    }
}

#[test]
fn expires_and_age_count_too() {
    for (age, expires_in, seconds) in
        [("", Some(HOUR), HOUR), ("600", Some(HOUR), HOUR - 600), ("", None, 300)]
    {
        let provider = provider();
        let expires = Some(expires_in.map_or(0, |seconds| provider.now.get() + seconds));
        let caching = CacheHeaders { age: age.into(), expires, ..CacheHeaders::default() };
        provider.platform.web.borrow_mut().get_mut(CLIENT_ID).unwrap().caching = caching;
        page(&provider);
        fetches(&provider);
        for (sleep, fetched) in [(seconds - 1, 0), (1, 1)] {
            provider.sleep(sleep);
            page(&provider);
            assert_eq!(fetches(&provider), fetched, "{age} {expires_in:?}");
        }
    }
}

#[test]
fn a_new_isolate_uses_the_copy_of_a_client_with_users() {
    let provider = provider();
    let tokens = tokens(&provider);
    provider.new_isolate();
    fetches(&provider);
    assert!(is_login(&page(&provider)));
    assert_eq!(refresh(&provider, &tokens).status, 200);
    assert_eq!(fetches(&provider), 0);
}

#[test]
fn a_change_of_the_document_takes_effect() {
    let provider = provider();
    let tokens = tokens(&provider);
    publish(&provider, &document_with(json!({ "redirect_uris": ["https://new.example/cb"] })));
    provider.sleep(299);
    assert!(is_login(&page(&provider)));
    provider.sleep(1);
    assert_page(&page(&provider), 400, "redirect_uri: https://app.example/cb?from=postern is not");
    let moved = TestClient { redirect_uri: "https://new.example/cb".into(), ..client() };
    assert!(is_login(&Browser::new(&provider).get(&moved.authorize(&[]))));
    assert_eq!(refresh(&provider, &tokens).status, 200);
    let sql = "SELECT metadata->>'redirect_uris' FROM clients WHERE client_id = ?1";
    let primary = &provider.platform.primary;
    let uris: String = primary.query_row(sql, [CLIENT_ID], |row| row.get(0)).unwrap();
    assert_eq!(uris, r#"["https://new.example/cb"]"#, "the token endpoint renews the copy");
}

#[test]
fn a_client_that_changes_to_a_key_is_no_longer_public() {
    let provider = provider();
    let tokens = tokens(&provider);
    let signer = crate::signer::Signer::new("ES256", Some("a"), 0);
    let method = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });
    publish(&provider, &document_with(method));
    assert_eq!(refresh(&provider, &tokens).status, 200);
    provider.sleep(300);
    assert_eq!(refresh(&provider, &tokens).error().as_deref(), Some("invalid_client"));
}

#[test]
fn a_document_that_is_gone_or_invalid_ends_the_use_of_its_client() {
    for (status, text, words) in [
        (404, String::new(), "the document does not exist"),
        (410, String::new(), "the document does not exist"),
        (302, String::new(), "the response must have the status 200"),
        (200, document_with(json!({ "client_secret": "x" })).to_string(), "client_secret: must"),
        (200, document_with(json!({ "client_id": "x" })).to_string(), "client_id: must be the URL"),
    ] {
        let provider = provider();
        let tokens = tokens(&provider);
        publish_as(&provider, status, "application/json", &text, "");
        provider.sleep(299);
        let tokens = refresh(&provider, &tokens);
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let tokens = tokens.json();
        provider.sleep(1);
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("invalid_client"), "{}", response.body);
        assert!(response.body.contains(words), "{}", response.body);
        assert_page(&page(&provider), 400, words);

        // No isolate uses the copy again, not even while the server does not answer.
        unpublish(&provider);
        provider.new_isolate();
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("temporarily_unavailable"));
        provider.sleep(FETCH_RETRY_SECONDS);
        // The refresh token was not spent.
        publish(&provider, &document());
        assert_eq!(refresh(&provider, &tokens).status, 200);
    }
}

#[test]
fn while_the_server_does_not_answer_the_copy_counts_for_a_day_more() {
    let provider = provider();
    let tokens = tokens(&provider);
    unpublish(&provider);
    provider.sleep(300 + CLIENT_DOCUMENT_GRACE_SECONDS - 1);
    fetches(&provider);
    for _ in 0..3 {
        assert!(is_login(&page(&provider)));
    }
    assert_eq!(fetches(&provider), 1, "a failure is not repeated at once");
    provider.new_isolate();
    let tokens = refresh(&provider, &tokens).json();
    provider.sleep(FETCH_RETRY_SECONDS);
    for _ in 0..2 {
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("temporarily_unavailable"));
        assert_eq!((response.status, response.header("retry-after")), (503, Some("10")));
        assert_page(&page(&provider), 503, "client_id: the document could not be fetched");
        provider.new_isolate();
    }
    publish(&provider, &document());
    assert_eq!(refresh(&provider, &tokens).status, 200);
}

/// A firewall may refuse the provider's requests, for example because a stranger has caused many of them.
#[test]
fn while_the_server_refuses_the_request_the_copy_counts_for_a_day_more() {
    for status in [400, 401, 403, 451] {
        let provider = provider();
        let tokens = tokens(&provider);
        publish_as(&provider, status, "text/html", "", "");
        provider.sleep(300 + CLIENT_DOCUMENT_GRACE_SECONDS - 1);
        assert!(is_login(&page(&provider)), "{status}");
        let tokens = refresh(&provider, &tokens);
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        provider.new_isolate();
        let tokens = refresh(&provider, &tokens.json()).json();
        provider.sleep(FETCH_RETRY_SECONDS);
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("invalid_client"), "{}", response.body);
        assert_page(&page(&provider), 400, "the response must have the status 200");
        publish(&provider, &document());
        provider.sleep(FETCH_RETRY_SECONDS);
        assert_eq!(refresh(&provider, &tokens).status, 200);
    }
}

#[test]
fn the_operator_ends_the_use_of_a_client_by_the_policy() {
    for policy in ["closed", "other.example"] {
        let provider = provider();
        let tokens = tokens(&provider);
        provider.deploy(variables_with("CLIENT_DOCUMENTS", policy));
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("invalid_client"), "{policy}");
        assert_eq!(page(&provider).status, 400);
        provider.deploy(variables_with("CLIENT_DOCUMENTS", "tool.example"));
        assert_eq!(refresh(&provider, &tokens).status, 200);
    }
}

#[test]
fn a_failure_is_not_remembered_for_long() {
    let provider = provider();
    publish_as(&provider, 404, "application/json", "", "");
    for (sleep, fetched) in [(0, 1), (FETCH_RETRY_SECONDS - 1, 0), (1, 1)] {
        provider.sleep(sleep);
        assert_page(&page(&provider), 400, "the document does not exist");
        assert_eq!(fetches(&provider), fetched);
    }
    publish(&provider, &document());
    provider.sleep(FETCH_RETRY_SECONDS);
    assert!(is_login(&page(&provider)));
}

#[test]
fn a_damaged_copy_is_replaced() {
    let provider = provider();
    let tokens = tokens(&provider);
    let damage = "UPDATE clients SET metadata = '{' WHERE client_id = ?1";
    provider.platform.primary.execute(damage, [CLIENT_ID]).unwrap();
    provider.new_isolate();
    let response = refresh(&provider, &tokens);
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.log["notes"].to_string().contains("damaged row in D1"), "{}", response.log);
}

#[test]
fn without_the_database_nothing_is_issued() {
    let provider = provider();
    let tokens = tokens(&provider);
    provider.sleep(300);
    provider.platform.database_fails.set(true);
    assert_eq!(refresh(&provider, &tokens).status, 503);
    assert_eq!(page(&provider).status, 503);
    provider.platform.database_fails.set(false);
    provider.platform.lost_responses.set(1);
    assert_eq!(refresh(&provider, &tokens).status, 200);
}

#[test]
fn head_neither_fetches_a_document_nor_withdraws_a_copy() {
    let provider = provider();
    tokens(&provider);
    publish_as(&provider, 404, "application/json", "", "");
    provider.sleep(300);
    fetches(&provider);
    let withdrawn = || -> bool {
        let sql = "SELECT document_until = 0 FROM clients WHERE client_id = ?1";
        provider.platform.primary.query_row(sql, [CLIENT_ID], |row| row.get(0)).unwrap()
    };
    let unused = client_at("https://tool.example/oauth/unused.json");
    for client in [client(), unused] {
        let head = TestRequest::new("HEAD", &client.authorize(&[]));
        assert_eq!(provider.send(head).status, 200);
        assert_eq!((fetches(&provider), withdrawn()), (0, false), "{}", client.id);
    }
    page(&provider);
    assert!(withdrawn());
}

/// The isolate has fetched a document that counts for a day. Since then the client's developer has changed it, and another
/// isolate has stored the new one.
#[test]
fn an_older_copy_in_an_isolate_neither_counts_nor_replaces_the_one_that_was_fetched_last() {
    let signer = crate::signer::Signer::new("ES256", Some("a"), 0);
    let method = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });
    for changed in [None, Some(document_with(method))] {
        let provider = provider();
        let text = document().to_string();
        publish_as(&provider, 200, "application/json", &text, "max-age=86400");
        page(&provider);
        provider.sleep(1);
        let tokens = provider.in_other_isolate(|| {
            publish(&provider, &document());
            let tokens = tokens(&provider);
            provider.sleep(300);
            match &changed {
                None => publish_as(&provider, 404, "application/json", "", ""),
                Some(document) => publish(&provider, document),
            }
            assert_eq!(refresh(&provider, &tokens).error().as_deref(), Some("invalid_client"));
            tokens
        });
        let read = || {
            let sql = "SELECT metadata || document_until FROM clients WHERE client_id = ?1";
            let primary = &provider.platform.primary;
            primary.query_row(sql, [CLIENT_ID], |row| row.get::<_, String>(0)).unwrap()
        };
        let stored = read();
        let response = refresh(&provider, &tokens);
        assert_eq!(response.error().as_deref(), Some("invalid_client"), "{}", response.body);
        assert_eq!(is_login(&page(&provider)), changed.is_some());
        assert_eq!(read(), stored, "{changed:?}");
    }
}

#[test]
fn a_copy_by_a_clock_that_is_ahead_is_replaced() {
    let provider = provider();
    let tokens = tokens(&provider);
    let ahead = "UPDATE clients SET updated_at = ?1, document_until = ?1 WHERE client_id = ?2";
    let year = provider.now.get() + 365 * 86_400;
    provider.platform.primary.execute(ahead, (year, CLIENT_ID)).unwrap();
    provider.new_isolate();
    assert_eq!(refresh(&provider, &tokens).status, 200);
    fetches(&provider);
    provider.new_isolate();
    assert!(is_login(&page(&provider)));
    assert_eq!(fetches(&provider), 0, "the copy was stored");
}
