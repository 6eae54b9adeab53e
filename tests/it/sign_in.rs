use crate::browser::{
    Browser, PASSWORD, answer, claims, decode, encode, field, form, hash_at, header, is_consent,
    is_login,
};
use crate::test_provider::{ISSUER, NOW, TestProvider, get, post};
use serde_json::json;

#[test]
fn a_user_signs_in_and_consents_and_the_client_gets_tokens() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let alice = Browser::new(&provider);

    let login = alice.get(&app.authorize(&[]));
    assert_eq!(login.status, 200);
    assert!(is_login(&login) && login.body.contains("The App"));
    let consent = alice.sign_in_on(&login, "Alice@example.com");
    assert!(is_consent(&consent) && consent.body.contains("Alice Adams"), "{}", consent.body);
    let response = alice.submit(&consent, &[("decision", "allow")]);
    let answer = answer(&response, &app.redirect_uri);
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));
    assert_eq!(answer.len(), 3);

    let tokens = provider.redeem(&app, &answer["code"]);
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    assert_eq!(tokens.json()["token_type"], "Bearer");
    assert_eq!(tokens.json()["scope"], "openid profile email");
    assert_eq!(tokens.json().get("refresh_token"), None, "offline access was not requested");
    let id_token = claims(&field(&tokens, "id_token"));
    let sid = id_token["sid"].as_str().unwrap().to_owned();
    assert_eq!(
        id_token,
        json!({
            "iss": ISSUER, "sub": "alice", "aud": "app", "iat": NOW, "exp": NOW + 3_600,
            "auth_time": NOW, "nonce": "the nonce", "amr": ["pwd"], "sid": sid,
            "acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "at_hash": id_token["at_hash"],
        })
    );
    assert_eq!(header(&field(&tokens, "id_token"))["alg"], "RS256");

    let userinfo = provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json()["name"], "Alice Adams");
    assert_eq!(userinfo.json()["email"], "alice@example.com");
    assert_eq!(userinfo.json().get("phone_number"), None);
}

#[test]
fn a_request_by_post_continues_by_get_and_nothing_is_stored() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let posted = format!("{}&unknown=%FF", app.authorize_query(&[("state", "a&b ü")]));
    let response = provider.send(post("/auth/authorize").form(&posted));
    assert_eq!((response.status, response.cookies().len()), (303, 0));
    let location = response.header("location").unwrap().to_owned();
    let by_get = format!("{ISSUER}{}", app.authorize(&[("state", "a&b ü")]));
    assert_eq!(decode(&location), decode(&by_get), "only the known parameters");
    let stored = "SELECT count(*) FROM authorization_requests";
    assert_eq!(provider.platform.primary.query_row(stored, [], |row| row.get(0)), Ok(0));

    let login = alice.get(&location);
    assert!(is_login(&alice.get(&location)), "a page may be loaded again");
    let consent = alice.sign_in_on(&login, "alice@example.com");
    let response = alice.submit(&consent, &[("decision", "allow")]);
    assert_eq!(answer(&response, &app.redirect_uri)["state"], "a&b ü");
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_response() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let page = |login: &str, password: &str| {
        let browser = Browser::new(&provider);
        let login_page = browser.get(&app.authorize(&[]));
        let response = browser.submit(&login_page, &[("login", login), ("password", password)]);
        assert_eq!(response.status, 403);
        let token =
            &form(&response).fields.iter().find(|(name, _)| name == "token").unwrap().1.clone();
        response.body.replace(token, "").replace(&format!("value=\"{login}\""), "")
    };
    let wrong = page("alice@example.com", "wrong");
    assert_eq!(wrong, page("nobody@example.com", "wrong"));
    assert!(wrong.contains("role=\"alert\""));
}

#[test]
fn a_hash_of_another_cost_is_replaced_at_sign_in() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider.put_password_hash("alice", &hash_at(64, 1));
    let app = provider.put_app();
    let stored = || -> String {
        let sql = "SELECT password_hash FROM users WHERE sub = 'alice'";
        provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    let wrong = [("login", "alice@example.com"), ("password", "wrong")];
    assert_eq!(alice.submit(&page, &wrong).status, 403);
    assert!(stored().contains("$m=64,t=1,p=1$"), "a wrong password does not change the hash");
    alice.sign_in_on(&page, "alice@example.com");
    let renewed = stored();
    assert!(renewed.contains("$m=19456,t=2,p=1$"), "{renewed}");
    alice.authorize(&app, "alice@example.com", &[("prompt", "login")]);
    assert_eq!(stored(), renewed);
}

#[test]
fn the_log_has_the_error_but_no_names() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let refused = alice.get(&app.authorize(&[("prompt", "none")]));
    assert_eq!((refused.status, &refused.log["error"]), (303, &json!("login_required")));
    let page = alice.get(&app.authorize(&[]));
    assert_eq!(page.log.get("error"), None);
    let response = alice.submit(&page, &[("login", "alice@example.com"), ("password", "mistyped")]);
    assert_eq!(response.log["error"], "wrong_credentials");
    for response in [&refused, &page, &response] {
        let line = response.log.to_string();
        assert!(!["alice", "mistyped", "app"].iter().any(|word| line.contains(word)), "{line}");
    }
}

#[test]
fn a_form_submitted_twice_at_once_succeeds_twice() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider.put_password_hash("alice", &hash_at(64, 1));
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let form = form(&alice.get(&app.authorize(&[])));
    let mut fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", "alice@example.com"), ("password", PASSWORD)]);
    let cookies: Vec<_> = alice.cookies.borrow().iter().map(|(n, v)| format!("{n}={v}")).collect();
    let send_request =
        post("/auth/login").form(&encode(&fields)).with("cookie", &cookies.join("; "));
    for response in provider.send_at_once(vec![send_request; 2]) {
        assert_eq!(response.status, 303, "{}", response.log);
    }
}
