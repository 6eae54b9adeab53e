//! Older grants give what is registered, trusted and consented to now.

use crate::browser::{Browser, TestClient, claims, field, form_to, is_consent, is_login};
use crate::test_provider::{TestProvider, TestResponse, get, variables_with};
use postern::lifetimes::{REFRESH_TOKEN_IDLE_SECONDS, UNREFRESHED_GRANT_SECONDS};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const NEEDED: &str = "the user's consent is needed";

fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider
}

fn sign_in(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> TestResponse {
    let code = Browser::new(provider).authorize(client, LOGIN, parameters);
    let response = provider.redeem(client, &code);
    assert_eq!(response.status, 200, "{}", response.body);
    response
}

fn userinfo(provider: &TestProvider, tokens: &TestResponse) -> TestResponse {
    provider.send(get("/auth/userinfo").bearer(&field(tokens, "access_token")))
}

#[track_caller]
fn assert_invalid(response: &TestResponse, words: &str) {
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_grant")));
    assert!(response.body.contains(words), "{}", response.body);
}

#[test]
fn a_client_that_is_no_longer_trusted_needs_the_users_consent() {
    let provider = provider();
    let put = |trusted: bool| provider.put_client_with("app", json!({ "trusted": trusted }));
    let app = put(true);
    let scope = [("scope", "openid email phone offline_access")];
    let tokens = sign_in(&provider, &app, &scope);
    let browser = Browser::new(&provider);
    let code = browser.authorize(&app, LOGIN, &scope);
    put(false);
    let refresh_token = field(&tokens, "refresh_token");
    assert_invalid(&provider.refresh(&app, &refresh_token), NEEDED);
    let narrow =
        [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("scope", "openid")];
    assert_invalid(&provider.token(&app, &narrow), NEEDED);
    assert_invalid(&provider.redeem(&app, &code), NEEDED);
    let refused = userinfo(&provider, &tokens);
    assert_eq!((refused.status, refused.error().as_deref()), (401, Some("invalid_token")));
    assert!(refused.body.contains(NEEDED), "{}", refused.body);

    // The refused requests have spent nothing, so a client that is trusted again goes on, whenever that is.
    provider.sleep(2 * 3_600);
    put(true);
    let refreshed = provider.refresh(&app, &refresh_token);
    assert_eq!(refreshed.json()["scope"], scope[0].1, "{}", refreshed.body);

    // A consent that covers less narrows older grants.
    put(false);
    assert!(is_consent(&browser.get(&app.authorize(&[]))));
    sign_in(&provider, &app, &[("scope", "openid email offline_access")]);
    let refreshed = provider.refresh(&app, &field(&refreshed, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], "openid email offline_access", "{}", refreshed.body);
    let released = userinfo(&provider, &refreshed).json();
    assert_eq!((&released["email"], released.get("phone_number")), (&json!(LOGIN), None));
}

#[test]
fn claims_by_name_of_a_client_that_is_no_longer_trusted_need_a_consent_to_them() {
    let provider = provider();
    let put = |trusted: bool| provider.put_client_with("app", json!({ "trusted": trusted }));
    let app = put(true);
    let requested =
        r#"{"userinfo":{"phone_number":null,"email":null},"id_token":{"gender":null,"name":null}}"#;
    let parameters = [("scope", "openid offline_access"), ("claims", requested)];
    let tokens = sign_in(&provider, &app, &parameters);
    put(false);
    // This page shows the name, and the scope that releases the e-mail address.
    let shown = r#"{"id_token":{"name":null}}"#;
    let consented = [("scope", "openid email offline_access"), ("claims", shown)];
    sign_in(&provider, &app, &consented);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    let id_token = claims(&field(&refreshed, "id_token"));
    assert_eq!((&id_token["name"], id_token.get("gender")), (&json!("Alice Adams"), None));
    for response in [&tokens, &refreshed] {
        let expected = json!({ "sub": "alice", "email": LOGIN });
        assert_eq!(userinfo(&provider, response).json(), expected);
    }
}

#[test]
fn a_page_of_a_trusted_client_adds_to_the_consent_that_the_user_gave_before() {
    let provider = provider();
    let put = |trusted: bool| provider.put_client_with("app", json!({ "trusted": trusted }));
    let app = put(false);
    let scope = [("scope", "openid email offline_access")];
    let tokens = sign_in(&provider, &app, &scope);
    put(true);
    sign_in(&provider, &app, &[("scope", "openid phone"), ("prompt", "consent")]);
    put(false);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], scope[0].1, "{}", refreshed.body);
}

#[test]
fn the_operators_own_tokens_need_no_consent() {
    let provider = provider();
    let response = provider.send(get("/auth/userinfo").bearer(&provider.mint("openid email")));
    assert_eq!(response.json()["email"], LOGIN);
}

#[test]
fn a_scope_that_no_longer_exists_is_not_in_force() {
    let provider = TestProvider::configured(variables_with("SCOPES", r#"{"hr":["salary"]}"#));
    provider.put_alice_with_password();
    let app = provider.put_app();
    let tokens = sign_in(&provider, &app, &[("scope", "openid hr offline_access")]);
    assert_eq!(tokens.json()["scope"], "openid hr offline_access");
    provider.deploy(variables_with("SCOPES", "{}"));
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.json()["scope"], "openid offline_access", "{}", refreshed.body);
}

#[test]
fn userinfo_releases_what_the_client_has_registered_now() {
    let provider = provider();
    let app = provider.put_app();
    let tokens = sign_in(&provider, &app, &[("scope", "openid email phone")]);
    provider.put_client_with("app", json!({ "scope": "openid phone" }));
    let released = userinfo(&provider, &tokens).json();
    let number = &released["phone_number"];
    assert_eq!((released.get("email"), number), (None, &json!("+33 1 23 45 67 89")));
    provider.put_client_with("app", json!({ "scope": "phone" }));
    let refused = userinfo(&provider, &tokens);
    assert_eq!((refused.status, refused.error().as_deref()), (403, Some("insufficient_scope")));
}

#[test]
fn a_claim_by_name_ends_with_the_scope_that_the_page_showed_for_it() {
    let provider = provider();
    let app = provider.put_app();
    let requested = r#"{"userinfo":{"email":null,"gender":null}}"#;
    let parameters = [("scope", "openid email offline_access"), ("claims", requested)];
    let tokens = sign_in(&provider, &app, &parameters);
    provider.put_client_with("app", json!({ "scope": "openid offline_access" }));
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    let expected = json!({ "sub": "alice", "gender": "female" });
    assert_eq!(userinfo(&provider, &refreshed).json(), expected);
}

#[test]
fn a_code_gives_no_refresh_token_to_a_client_that_lost_offline_access_meanwhile() {
    let provider = provider();
    let app = provider.put_app();
    let code =
        Browser::new(&provider).authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    provider.put_client_with("app", json!({ "scope": "openid" }));
    let tokens = provider.redeem(&app, &code).json();
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("openid"), None));
}

/// A provider on which the scope `read` belongs to this API, or to none.
fn deploy_api(provider: &TestProvider, uri: Option<&str>) {
    let variables = match uri {
        Some(uri) => variables_with("RESOURCES", &json!({ uri: ["read"] }).to_string()),
        None => variables_with("SCOPES", r#"{"read":["groups"]}"#),
    };
    provider.deploy(variables);
}

#[test]
fn a_consent_to_a_scope_is_one_to_its_api() {
    let (one, other) = ("https://one.example", "https://other.example");
    for (before, after) in
        [(Some(one), Some(other)), (Some(one), None), (None, Some(one)), (Some(one), Some(one))]
    {
        let provider = provider();
        deploy_api(&provider, before);
        let app =
            provider.put_client_with("app", json!({ "scope": "openid email offline_access read" }));
        let parameters = [("scope", "openid read offline_access")];
        let tokens = sign_in(&provider, &app, &parameters);
        let browser = Browser::new(&provider);
        browser.authorize(&app, LOGIN, &parameters);
        deploy_api(&provider, after);
        let is_same = before == after;
        assert_eq!(is_consent(&browser.get(&app.authorize(&parameters))), !is_same);
        assert!(!is_consent(&browser.get(&app.authorize(&[("scope", "openid")]))));
        let refresh = |token: &str| {
            let resource = after.map(|uri| ("resource", uri));
            let usual = [("grant_type", "refresh_token"), ("refresh_token", token)];
            provider.token(&app, &usual.into_iter().chain(resource).collect::<Vec<_>>())
        };
        let has_read =
            |response: &TestResponse| response.json()["scope"].to_string().contains("read");
        let mut token = field(&tokens, "refresh_token");
        let response = refresh(&token);
        assert_eq!(has_read(&response), is_same, "{before:?} {after:?} {}", response.body);
        if response.status == 200 {
            token = field(&response, "refresh_token");
        }
        // After the user has consented to the scope as it is now, it is in force.
        browser.authorize(&app, LOGIN, &parameters);
        let response = refresh(&token);
        assert!(has_read(&response), "{before:?} {after:?} {}", response.body);
    }
}

#[test]
fn a_consent_of_an_older_version_counts_at_the_api_that_has_the_scope() {
    let (one, other) = ("https://one.example", "https://other.example");
    let provider = provider();
    deploy_api(&provider, Some(one));
    let app =
        provider.put_client_with("app", json!({ "scope": "openid email offline_access read" }));
    let parameters = [("scope", "openid read offline_access")];
    let tokens = sign_in(&provider, &app, &parameters);
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &parameters);
    provider.platform.primary.execute("UPDATE consents SET apis = NULL", ()).unwrap();
    assert!(!is_consent(&browser.get(&app.authorize(&parameters))));
    // The next consent binds all scopes.
    browser.authorize(&app, LOGIN, &[("scope", "openid email")]);
    assert!(!is_consent(&browser.get(&app.authorize(&parameters))));
    let request = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &field(&tokens, "refresh_token")),
        ("resource", one),
    ];
    assert_eq!(provider.token(&app, &request).json()["scope"], "read");
    deploy_api(&provider, Some(other));
    assert!(is_consent(&browser.get(&app.authorize(&parameters))));
}

/// The account page of a browser.
fn account(browser: &Browser<'_>) -> String {
    let page = browser.get("/auth/account");
    assert!(!is_login(&page));
    page.body
}

#[test]
fn the_account_page_shows_the_union_of_what_a_client_has() {
    for is_trusted in [true, false] {
        let provider = provider();
        let put = |trusted| provider.put_client_with("app", json!({ "trusted": trusted }));
        let app = put(true);
        let browser = Browser::new(&provider);
        let more = r#"{"userinfo":{"phone_number":null},"id_token":{"gender":null}}"#;
        let offline = [("scope", "openid email offline_access"), ("claims", more)];
        let tokens = provider.redeem(&app, &browser.authorize(&app, LOGIN, &offline));
        let address = [("scope", "openid address"), ("prompt", "consent")];
        let brief = provider.redeem(&app, &browser.authorize(&app, LOGIN, &address));
        put(is_trusted);
        let page = account(&browser);
        for words in
            ["Your e-mail address", "Your phone number", "Your gender", "Your postal address"]
        {
            assert_eq!(page.matches(words).count(), 1, "{is_trusted} {words}: {page}");
        }
        assert_eq!(page.matches("<b><bdi class=\"name\">The App").count(), 1, "{page}");

        // One withdrawal ends all of it.
        let page = browser.get("/auth/account");
        browser.submit_form(&form_to(&page, "/auth/account"), &[]);
        assert!(!account(&browser).contains("The App"));
        put(true);
        assert_invalid(&provider.refresh(&app, &field(&tokens, "refresh_token")), "revoked");
        assert_eq!(userinfo(&provider, &brief).status, 401);
    }
}

#[test]
fn the_account_page_leaves_out_what_has_expired() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[("scope", "openid phone")]);
    let offline = [("scope", "openid email offline_access")];
    let mut tokens = provider.redeem(&app, &browser.authorize(&app, LOGIN, &offline));
    assert!(account(&browser).contains("Your phone number"));
    provider.sleep(UNREFRESHED_GRANT_SECONDS);
    let page = account(&browser);
    assert!(page.contains("Your e-mail address") && !page.contains("Your phone number"), "{page}");
    // A token in use keeps the grant on the page, and an idle one does not.
    for _ in 0..2 {
        provider.sleep(REFRESH_TOKEN_IDLE_SECONDS - UNREFRESHED_GRANT_SECONDS - 1);
        tokens = provider.refresh(&app, &field(&tokens, "refresh_token"));
        browser.authorize(&app, LOGIN, &[("scope", "openid")]);
        assert!(account(&browser).contains("Your e-mail address"));
    }
    provider.sleep(REFRESH_TOKEN_IDLE_SECONDS);
    browser.authorize(&app, LOGIN, &[("scope", "openid")]);
    let page = account(&browser);
    assert!(page.contains("The App") && !page.contains("Your e-mail address"), "{page}");
}

#[test]
fn a_damaged_grant_does_not_hide_the_account_page() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[("scope", "openid email")]);
    for damaged in ["{", "[]", r#"{"userinfo":1}"#, ""] {
        let sql = "UPDATE grants SET claims = ?1";
        provider.platform.primary.execute(sql, [damaged]).unwrap();
        assert!(account(&browser).contains("Your e-mail address"), "{damaged}");
    }
}

#[test]
fn the_account_page_reads_only_grants_that_may_be_in_force() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    let sql = crate::statement_texts::statement_texts()
        .into_iter()
        .find(|statement| {
            statement.place.starts_with("src/store/applications.rs:")
                && statement.sql.contains("FROM consents")
        })
        .unwrap()
        .sql;
    let database = &provider.platform.primary;
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps: Vec<String> =
        statement.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>().unwrap();
    let of = |table: &str| steps.iter().filter(|step| step.contains(table)).collect::<Vec<_>>();
    let grants = "SEARCH grants USING INDEX grants_by_sub (sub=? AND <expr>=? AND created_at>?)";
    // The newest grant of each client is the first of the index.
    let newest = "SEARCH grants USING COVERING INDEX grants_by_user (sub=? AND client_id=?)";
    assert_eq!(of("grants"), [grants, grants, newest], "{steps:?}");
    let tokens = "SEARCH refresh_tokens USING COVERING INDEX refresh_tokens_by_grant (grant_id=?)";
    assert!(of("refresh_tokens").iter().all(|step| step == &tokens), "{steps:?}");
}
