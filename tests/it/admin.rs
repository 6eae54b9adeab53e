use crate::test_provider::{
    ADMIN_TOKEN, NOW, TestProvider, TestRequest, TestResponse, alice, delete, get, post, put,
    variables_with,
};
use serde_json::{Value, json};

#[track_caller]
pub fn assert_refused(response: &TestResponse, status: u16, words: &str) {
    assert_eq!(response.status, status, "{}", response.body);
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(words), "{description}");
}

pub fn put_user(provider: &TestProvider, sub: &str, document: &Value) -> TestResponse {
    provider.send(put(&format!("/admin/users/{sub}")).by_operator().json(document))
}

pub fn import(provider: &TestProvider, lines: &str) -> Value {
    let response =
        provider.send(post("/admin/users").by_operator().body("application/x-ndjson", lines));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

#[test]
fn without_an_admin_token_there_is_no_admin_api() {
    let provider = TestProvider::configured(variables_with("ADMIN_TOKEN", ""));
    for request in
        [get("/admin/users"), get("/admin/users").by_operator(), get("/admin/x"), get("/admin")]
    {
        assert_eq!(provider.send(request).status, 404);
    }
}

#[test]
fn only_the_admin_token_opens_the_admin_api() {
    let provider = TestProvider::new();
    for request in [
        get("/admin/users"),
        get("/admin/users").bearer("x"),
        get("/admin/users").bearer(&ADMIN_TOKEN[1..]),
        get("/admin/users").bearer(&format!("{ADMIN_TOKEN}x")),
        get("/admin/users").with("authorization", ADMIN_TOKEN),
        get("/admin/users").with("authorization", &format!("Basic {ADMIN_TOKEN}")),
        get(&format!("/admin/users?access_token={ADMIN_TOKEN}")),
        post("/admin/users").form(&format!("access_token={ADMIN_TOKEN}")),
        get("/admin/users").by_operator().by_operator(),
        get("/admin/nothing"),
        TestRequest::new("PATCH", "/admin/users"),
    ] {
        let response = provider.send(request.clone());
        assert_eq!(response.status, 401, "{request:?}");
        assert!(response.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(provider.platform.take_counts(), Default::default());
    for (method, path, status) in [
        ("GET", "/admin/users", 200),
        ("GET", "/admin", 404),
        ("GET", "/admin/nothing", 404),
        ("GET", "/admin/users/a/b", 404),
        ("PATCH", "/admin/users", 405),
        ("GET", "/admin/tokens", 405),
        ("POST", "/admin/users/a", 405),
        ("GET", "/admin/grants/a", 405),
    ] {
        assert_eq!(
            provider.send(TestRequest::new(method, path).by_operator()).status,
            status,
            "{method} {path}"
        );
    }
}

#[test]
fn the_previous_admin_token_opens_the_admin_api_for_as_long_as_it_is_set() {
    let next = "another-token-of-the-operator-0123456789";
    let with_both = |current: &str, previous: &str| {
        let mut variables = variables_with("ADMIN_TOKEN", current);
        variables.push(("ADMIN_TOKEN_PREVIOUS", previous.into()));
        variables
    };
    let provider = TestProvider::new();
    let status = |token: &str| provider.send(get("/admin/users").bearer(token)).status;
    let accepted = || (status(ADMIN_TOKEN), status(next));
    assert_eq!(accepted(), (200, 401));
    provider.deploy(with_both(ADMIN_TOKEN, ADMIN_TOKEN));
    assert_eq!(accepted(), (200, 401));
    provider.deploy(with_both(next, ADMIN_TOKEN));
    assert_eq!(accepted(), (200, 200));
    assert_eq!(status(&format!("{next}{ADMIN_TOKEN}")), 401);
    // The same request gets the secret that it made, whichever token it has.
    let document = serde_json::json!({ "redirect_uris": ["https://app.example/cb"] });
    let put_client = |token: &str| {
        let response = provider.send(put("/admin/clients/app").bearer(token).json(&document));
        response.json().get("client_secret").cloned()
    };
    let secret = put_client(ADMIN_TOKEN);
    assert!(secret.is_some());
    assert_eq!((put_client(ADMIN_TOKEN), put_client(next)), (secret, None));
    provider.deploy(variables_with("ADMIN_TOKEN", next));
    assert_eq!(accepted(), (401, 200));

    // A previous one alone opens nothing, and a weak one is refused as a weak current one is.
    provider.deploy(with_both("", ADMIN_TOKEN));
    assert_eq!(accepted(), (404, 404));
    provider.deploy(with_both(next, "short"));
    let response = provider.send(get("/admin/users").bearer(next));
    assert_refused(&response, 500, "ADMIN_TOKEN_PREVIOUS: must be at least 32");
}

#[test]
fn a_weak_or_impossible_admin_token_is_refused() {
    for token in ["short", "p@ssword-that-is-quite-long-enough-really", &"=".repeat(40)] {
        let provider = TestProvider::configured(variables_with("ADMIN_TOKEN", token));
        let response = provider.send(get("/admin/users").bearer(token));
        assert_refused(&response, 500, "ADMIN_TOKEN: must be at least 32");
    }
}

#[test]
fn a_wrong_method_gets_405_and_an_allow_header() {
    let provider = TestProvider::new();
    for (path, allow) in [
        ("/admin/users", "GET, HEAD, POST"),
        ("/admin/users/a", "GET, HEAD, PUT, DELETE"),
        ("/admin/tokens", "POST"),
        ("/admin/grants/a", "DELETE"),
    ] {
        let response = provider.send(TestRequest::new("PATCH", path).by_operator());
        assert_eq!((response.status, response.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[test]
fn a_user_is_put_shown_and_listed_as_stored() {
    let provider = TestProvider::new();
    provider.put_alice();
    let expected = json!({
        "sub": "alice", "login": "alice@example.com", "claims": alice(), "has_password": false, "disabled": false,
        "created_at": NOW, "updated_at": NOW,
    });
    assert_eq!(provider.send(get("/admin/users/alice").by_operator()).json(), expected);
    let page = provider.send(get("/admin/users").by_operator()).json();
    assert_eq!(page, json!({ "users": [expected] }));
}

#[test]
fn a_second_put_replaces_the_claims_and_keeps_the_login() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.sleep(5);
    let response = put_user(&provider, "alice", &json!({ "claims": { "name": "A" } }));
    assert_eq!(response.json()["login"], "alice@example.com");
    assert_eq!(response.json()["claims"], json!({ "name": "A" }));
    assert_eq!(
        (&response.json()["created_at"], &response.json()["updated_at"]),
        (&NOW.into(), &(NOW + 5).into())
    );
    let response = put_user(&provider, "alice", &json!({ "login": "ALICE" }));
    assert_eq!(response.json()["login"], "alice");
    assert_eq!(response.json()["claims"], json!({ "name": "A" }), "an omitted field is kept");
}

#[test]
fn a_login_is_unique_without_regard_to_case() {
    let provider = TestProvider::new();
    provider.put_alice();
    let bob = |login| put_user(&provider, "bob", &json!({ "login": login }));
    for (login, folded) in
        [("ΣΑΣ", "σας"), ("σασ", "σας"), ("Straße", "strasse"), ("STRAẞE", "strasse")]
    {
        assert_eq!(
            put_user(&provider, "carol", &json!({ "login": login })).json()["login"],
            folded
        );
    }
    assert_refused(&bob("ALICE@example.COM"), 409, "login: belongs to another user");
    assert_eq!(provider.send(get("/admin/users/bob").by_operator()).status, 404);
    assert_eq!(bob("bob").status, 200);
    assert_refused(&bob("alice@example.com"), 409, "login: belongs to another user");
    assert_eq!(provider.send(get("/admin/users/bob").by_operator()).json()["login"], "bob");
}

#[test]
fn the_login_of_a_new_user_defaults_to_the_sub() {
    let provider = TestProvider::new();
    assert_eq!(put_user(&provider, "Bob-7", &json!({})).json()["login"], "bob-7");
    assert_refused(&put_user(&provider, "a%20b", &json!({})), 400, "login: missing");
    assert_eq!(put_user(&provider, "a%20b", &json!({ "login": "ab" })).json()["sub"], "a b");
    assert_eq!(put_user(&provider, "a%20b", &json!({})).json()["login"], "ab", "the login is kept");
}

#[test]
fn an_invalid_document_is_refused_by_its_invalid_field() {
    let provider = TestProvider::new();
    for (document, words) in [
        (json!([]), "not a JSON object"),
        (json!({ "sub": "bob" }), "sub: must be the sub in the path"),
        (json!({ "sub": 1 }), "sub: must be a string"),
        (json!({ "name": "A" }), "name: unknown field"),
        (json!({ "login": "" }), "login: must be"),
        (json!({ "login": "a b" }), "login: must be"),
        (json!({ "login": "x".repeat(256) }), "login: must be"),
        (json!({ "login": 7 }), "login: must be a string"),
        (json!({ "claims": null }), "claims: must be an object"),
        (
            json!({ "claims": { "email": "nobody" } }),
            "claims.email: must be an e-mail address, without white space or invisible characters",
        ),
        (json!({ "claims": { "emial": "a@b" } }), "claims.emial: unknown claim"),
        (json!({ "claims": { "address": { "city": "x" } } }), "claims.address: must be"),
        (json!({ "claims": {}, "has_password": "yes" }), "has_password: must be true or false"),
        (json!({ "claims": {}, "created_at": "x" }), "created_at: must be an integer"),
    ] {
        assert_refused(&put_user(&provider, "alice", &document), 400, words);
    }
    let twice = put("/admin/users/alice")
        .by_operator()
        .body("application/json", r#"{"login":"a","login":"b"}"#);
    assert_refused(&provider.send(twice), 400, "duplicate name");
    for sub in ["%20", "a%0Ab", ".", "..", "%C3%A9", "%20a", &"x".repeat(256)] {
        assert_refused(&put_user(&provider, sub, &json!({ "login": "a" })), 400, "sub: must be");
    }
    assert_refused(&put_user(&provider, "%FF", &json!({})), 400, "the path must be UTF-8");
    assert_eq!(provider.send(get("/admin/users").by_operator()).json(), json!({ "users": [] }));
}

#[test]
fn the_sub_of_a_deleted_user_is_never_reused() {
    let provider = TestProvider::new();
    provider.put_alice();
    let response = provider.send(delete("/admin/users/alice").by_operator());
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "sub": "alice", "deleted_at": NOW }))
    );
    assert_eq!(provider.send(get("/admin/users/alice").by_operator()).status, 404);
    assert_eq!(provider.send(get("/admin/users").by_operator()).json(), json!({ "users": [] }));
    assert_refused(&put_user(&provider, "alice", &json!({})), 409, "cannot be used again");
    let login_is_free = put_user(&provider, "other", &json!({ "login": "alice@example.com" }));
    assert_eq!(login_is_free.status, 200);
    assert_refused(
        &put_user(&provider, "alice", &json!({ "login": "alice@example.com" })),
        409,
        "cannot be used again",
    );
}

#[test]
fn deleting_a_user_erases_the_data_and_revokes_the_grants() {
    let provider = TestProvider::new();
    provider.put_alice();
    provider.mint("openid");
    provider.send(
        put("/admin/users/alice/password")
            .by_operator()
            .json(&json!({ "password": "correct horse" })),
    );
    provider.send(delete("/admin/users/alice").by_operator());
    let sql = "SELECT login, claims, password_hash, deleted_at FROM users";
    let row: (Option<String>, Option<String>, Option<String>, i64) = provider
        .platform
        .primary
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    assert_eq!(row, (None, None, None, NOW));
    let active: i64 = provider
        .platform
        .primary
        .query_row("SELECT count(*) FROM grants WHERE revoked_at IS NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(active, 0);
}

#[test]
fn users_are_listed_in_pages() {
    let provider = TestProvider::new();
    let lines: String = (0..25).map(|n| format!("{{\"sub\":\"u{n:02}\"}}\n")).collect();
    assert_eq!(import(&provider, &lines)["stored"], 25);
    let mut after = String::new();
    let mut subs = Vec::new();
    loop {
        let page = provider
            .send(get(&format!("/admin/users?limit=10&after={after}")).by_operator())
            .json();
        let users = page["users"].as_array().unwrap().clone();
        subs.extend(users.iter().map(|user| user["sub"].as_str().unwrap().to_owned()));
        match page.get("next") {
            Some(next) => after = next.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(subs, (0..25).map(|n| format!("u{n:02}")).collect::<Vec<_>>());
    let page = provider.send(get("/admin/users?limit=25").by_operator()).json();
    assert!(page.get("next").is_none());
    for query in ["limit=0", "limit=501", "limit=x", "limit=1&limit=2", "after=a&after=b"] {
        let response = provider.send(get(&format!("/admin/users?{query}")).by_operator());
        assert_eq!(response.status, 400, "{query}");
    }
}

#[test]
fn an_import_checks_every_line_and_stores_the_valid_ones() {
    let provider = TestProvider::new();
    provider.put_alice();
    put_user(&provider, "gone", &json!({}));
    provider.send(delete("/admin/users/gone").by_operator());
    let lines = [
        r#"{"sub":"bob","login":"Bob","claims":{"name":"Bob"}}"#,
        "",
        "not json",
        r#"{"login":"x"}"#,
        r#"{"sub":"carol","claims":{"email":7}}"#,
        r#"{"sub":"dave","login":"BOB"}"#,
        r#"{"sub":"erin","login":"alice@EXAMPLE.com"}"#,
        r#"{"sub":"gone"}"#,
        "  {\"sub\":\"frank\"}\r",
        r#"{"sub":"alice","claims":{}}"#,
    ];
    let report = import(&provider, &lines.join("\n"));
    assert_eq!(report["stored"], 3);
    let refused: Vec<_> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["error"].as_str().unwrap().to_owned()))
        .collect();
    for ((line, error), (expected_line, words)) in refused.iter().zip([
        (3, "not a JSON object"),
        (4, "sub: missing"),
        (5, "claims.email: must be"),
        (6, "login: belongs to another user"),
        (7, "login: belongs to another user"),
        (8, "cannot be used again"),
    ]) {
        assert_eq!(*line, expected_line);
        assert!(error.contains(words), "line {line}: {error}");
    }
    assert_eq!(refused.len(), 6);
    let alice = provider.send(get("/admin/users/alice").by_operator()).json();
    assert_eq!((&alice["login"], &alice["claims"]), (&"alice@example.com".into(), &json!({})));
}

#[test]
fn an_empty_import_stores_nothing() {
    let provider = TestProvider::new();
    assert_eq!(import(&provider, ""), json!({ "stored": 0, "refused": [] }));
    assert_eq!(import(&provider, "\n\n"), json!({ "stored": 0, "refused": [] }));
}

#[test]
fn an_import_may_need_several_statements_and_has_a_size_limit() {
    let provider = TestProvider::new();
    let line =
        |n: usize| json!({ "sub": format!("u{n}"), "claims": { "name": "x".repeat(2_000) } });
    let lines: String = (0..500).map(|n| line(n).to_string() + "\n").collect();
    assert!(lines.len() > 1_000_000 && lines.len() < 1_048_576);
    assert_eq!(import(&provider, &lines)["stored"], 500);
    let response =
        provider.send(post("/admin/users").by_operator().body("text/plain", lines.repeat(2)));
    assert_refused(&response, 413, "larger than");
}

#[test]
fn an_import_refuses_a_line_with_the_login_of_another_line() {
    let provider = TestProvider::new();
    import(&provider, "{\"sub\":\"a\",\"login\":\"x\"}\n{\"sub\":\"b\",\"login\":\"y\"}");
    let report =
        import(&provider, "{\"sub\":\"a\",\"login\":\"y\"}\n{\"sub\":\"b\",\"login\":\"y\"}");
    assert_eq!((&report["stored"], &report["refused"][0]["line"]), (&1.into(), &1.into()));
    assert_eq!(provider.send(get("/admin/users/a").by_operator()).json()["login"], "x");
}

#[test]
fn a_minted_token_has_a_grant_and_a_lifetime() {
    let provider = TestProvider::new();
    provider.put_alice();
    let mint = |order: Value| provider.send(post("/admin/tokens").by_operator().json(&order));
    let response = mint(json!({ "sub": "alice", "scope": " openid  email ", "ttl": 60 })).json();
    assert_eq!(response["token_type"], "Bearer");
    assert_eq!((&response["expires_in"], &response["scope"]), (&60.into(), &"openid email".into()));
    let grant: (String, String, String) = provider
        .platform
        .primary
        .query_row("SELECT id, client_id, scope FROM grants", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(grant.0, response["grant_id"].as_str().unwrap());
    assert_eq!((grant.1.as_str(), grant.2.as_str()), ("operator", "openid email"));

    for (order, status, words) in [
        (json!({ "scope": "openid" }), 400, "sub: missing"),
        (json!({ "sub": "alice" }), 400, "scope: missing"),
        (json!({ "sub": "alice", "scope": "openid\temail" }), 400, "scope: must be"),
        (
            json!({ "sub": "alice", "scope": "openid banana" }),
            400,
            "scope: banana is not one of openid",
        ),
        (json!({ "sub": "alice", "scope": "openid", "ttl": 0 }), 400, "ttl: must be"),
        (json!({ "sub": "alice", "scope": "openid", "ttl": 86_401 }), 400, "ttl: must be"),
        (json!({ "sub": "alice", "scope": "openid", "ttl": "60" }), 400, "ttl: must be an integer"),
        (json!({ "sub": "alice", "scope": "openid", "aud": "x" }), 400, "aud: unknown field"),
        (json!({ "sub": "nobody", "scope": "openid" }), 404, "no user has this sub"),
    ] {
        assert_refused(&mint(order), status, words);
    }
}

#[test]
fn revoking_a_grant_twice_keeps_the_first_time() {
    let provider = TestProvider::new();
    provider.put_alice();
    let order = json!({ "sub": "alice", "scope": "openid" });
    let minted = provider.send(post("/admin/tokens").by_operator().json(&order)).json();
    let path = format!("/admin/grants/{}", minted["grant_id"].as_str().unwrap());
    for _ in 0..2 {
        let response = provider.send(delete(&path).by_operator());
        assert_eq!((response.status, &response.json()["revoked_at"]), (200, &NOW.into()));
        provider.sleep(5);
    }
    assert_refused(&provider.send(delete("/admin/grants/x").by_operator()), 404, "no grant");
}

#[test]
fn the_admin_api_answers_503_if_the_database_fails() {
    let provider = TestProvider::new();
    provider.platform.database_fails.set(true);
    assert_eq!(provider.send(get("/admin/users").by_operator()).status, 503);
    assert_eq!(put_user(&provider, "alice", &json!({})).status, 503);
}

#[test]
fn the_last_import_line_of_a_user_wins() {
    let provider = TestProvider::new();
    let report = import(
        &provider,
        "{\"sub\":\"a\",\"login\":\"x\",\"claims\":{\"name\":\"One\"}}\n{\"sub\":\"b\"}\n\
         {\"sub\":\"a\",\"claims\":{\"name\":\"Two\"}}\n{\"sub\":\"a\"}",
    );
    assert_eq!(report, json!({ "stored": 4, "refused": [] }));
    let user = provider.send(get("/admin/users/a").by_operator()).json();
    assert_eq!((&user["login"], &user["claims"]["name"]), (&"x".into(), &"Two".into()));
}
