use crate::browser::{Browser, answer, claims, encode, field, header};
use crate::platform::migrated;
use crate::test_provider::{
    ISSUER, NOW, TestProvider, TestResponse, alice, assert_golden, delete, get, post, put,
    variables_with,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

const USERINFO: &str = "/auth/userinfo";

/// A provider with alice and an access token for her.
fn provider_with(scope: &str) -> (TestProvider, String) {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = provider.mint(scope);
    (provider, token)
}

fn send_request(provider: &TestProvider, token: &str) -> TestResponse {
    provider.send(get(USERINFO).bearer(token))
}

#[track_caller]
fn assert_invalid(response: &TestResponse, words: &str) {
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(words), "{description}");
}

#[test]
fn an_access_token_equals_its_golden_file() {
    let (_, token) = provider_with("openid profile email");
    assert_golden("access_token.txt", &token);
}

#[test]
fn every_scope_releases_exactly_its_claims() {
    let all = alice();
    for (scope, fields) in [
        ("openid", vec![]),
        (
            "openid profile",
            vec![
                "name",
                "given_name",
                "family_name",
                "middle_name",
                "nickname",
                "preferred_username",
                "profile",
                "picture",
                "website",
                "gender",
                "birthdate",
                "zoneinfo",
                "locale",
                "updated_at",
            ],
        ),
        ("openid email", vec!["email", "email_verified"]),
        ("openid address", vec!["address"]),
        ("openid phone", vec!["phone_number", "phone_number_verified"]),
        ("openid groups", vec!["groups"]),
        ("groups openid email", vec!["groups", "email", "email_verified"]),
    ] {
        let (provider, token) = provider_with(scope);
        let response = send_request(&provider, &token);
        let mut expected = json!({ "sub": "alice" });
        for field in fields {
            expected[field] = all[field].clone();
        }
        assert_eq!((response.status, response.json()), (200, expected), "{scope}");
    }
}

#[test]
fn absent_claims_are_omitted() {
    let provider = TestProvider::new();
    let claims = json!({ "claims": { "name": "Alice" } });
    provider.send(put("/admin/users/alice").by_operator().json(&claims));
    let token = provider.mint("openid profile email address phone groups");
    assert_eq!(send_request(&provider, &token).json(), json!({ "sub": "alice", "name": "Alice" }));
}

#[test]
fn the_response_is_json_that_is_not_cached() {
    let (provider, token) = provider_with("openid");
    let response = send_request(&provider, &token);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_token_may_be_sent_in_the_header_or_in_a_form() {
    let (provider, token) = provider_with("openid");
    let form = format!("access_token={token}&other=1");
    let with_charset = "application/x-www-form-urlencoded;charset=UTF-8";
    for request in [
        get(USERINFO).with("Authorization", &format!("bEARER  {token}")),
        post(USERINFO).bearer(&token),
        post(USERINFO).bearer(&token).form("other=1"),
        post(USERINFO).bearer(&token).body("application/json", "access_token=x"),
        post(USERINFO).form(&form),
        post(USERINFO).body(with_charset, form.clone()),
    ] {
        assert_eq!(provider.send(request.clone()).status, 200, "{request:?}");
    }
}

#[test]
fn a_request_without_a_token_gets_an_error_in_the_body_and_none_in_the_challenge() {
    let provider = TestProvider::new();
    let expected = format!(
        "Bearer realm=\"{ISSUER}\", scope=\"openid\", \
         resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource/auth/userinfo\""
    );
    for request in [
        get(USERINFO),
        post(USERINFO),
        post(USERINFO).form("other=1"),
        get(USERINFO).with("authorization", "Basic YXBwOng="),
        get(USERINFO).with("authorization", "DPoP abc"),
    ] {
        let response = provider.send(request.clone());
        assert_eq!(response.status, 401, "{request:?}");
        assert_eq!(response.error().as_deref(), Some("invalid_token"), "{request:?}");
        assert_eq!(response.header("www-authenticate"), Some(expected.as_str()), "{request:?}");
        assert_eq!(response.log["error"], "invalid_token");
    }
}

#[test]
fn an_error_is_in_the_challenge_and_in_the_body() {
    let response = send_request(&TestProvider::new(), "x");
    let challenge = response.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with(&format!("Bearer realm=\"{ISSUER}\", error=\"invalid_token\", "))
    );
    assert!(challenge.contains(", error_description=\"access token: must have three parts\", "));
    assert_eq!(response.error().as_deref(), Some("invalid_token"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.log["error"], "invalid_token");
}

#[test]
fn a_token_without_openid_has_insufficient_scope() {
    let (provider, token) = provider_with("profile email");
    provider.platform.take_counts();
    let response = send_request(&provider, &token);
    assert_eq!((response.status, response.error().as_deref()), (403, Some("insufficient_scope")));
    assert!(response.header("www-authenticate").unwrap().contains("scope=\"openid\""));
    assert_eq!(provider.platform.take_counts().statements, 0);
}

#[test]
fn a_token_expires_at_exp_plus_the_leeway() {
    let (provider, token) = provider_with("openid");
    provider.sleep(600 + 4);
    assert_eq!(send_request(&provider, &token).status, 200, "within the leeway");
    provider.sleep(1);
    assert_invalid(&send_request(&provider, &token), "expired");
}

#[test]
fn the_leeway_is_configurable() {
    let (provider, token) = provider_with("openid");
    provider.deploy(variables_with("CLOCK_LEEWAY", "0"));
    provider.sleep(599);
    assert_eq!(send_request(&provider, &token).status, 200);
    provider.sleep(1);
    assert_invalid(&send_request(&provider, &token), "expired");
    provider.now.set(NOW - 1);
    assert_invalid(&send_request(&provider, &token), "is in the future");
}

#[test]
fn a_token_is_refused_as_soon_as_its_grant_is_revoked() {
    let provider = TestProvider::new();
    provider.put_alice();
    let order = json!({ "sub": "alice", "scope": "openid" });
    let minted = provider.send(post("/admin/tokens").by_operator().json(&order)).json();
    let (token, grant) = (minted["access_token"].as_str(), minted["grant_id"].as_str());
    let other = provider.mint("openid");
    let path = format!("/admin/grants/{}", grant.unwrap());
    assert_eq!(provider.send(delete(&path).by_operator()).status, 200);
    assert_invalid(&send_request(&provider, token.unwrap()), "revoked");
    assert_eq!(send_request(&provider, &other).status, 200);
}

#[test]
fn a_token_of_a_deleted_user_is_refused() {
    let (provider, token) = provider_with("openid");
    assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
    assert_invalid(&send_request(&provider, &token), "its grant is unknown");
}

#[test]
fn a_warm_request_costs_one_statement_and_a_new_token_one_verification() {
    let (provider, token) = provider_with("openid");
    let other = provider.mint("openid email");
    provider.new_isolate();
    send_request(&provider, &token);
    provider.platform.take_counts();
    for (token, verifications) in [(&other, 1), (&token, 0), (&other, 0)] {
        assert_eq!(send_request(&provider, token).status, 200);
        let counts = provider.platform.take_counts();
        assert_eq!((counts.statements, counts.batches), (1, 0));
        assert_eq!(counts.verifications, verifications);
        assert_eq!((counts.cache_reads, counts.cache_writes), (0, 0));
    }
}

/// The claims of a token. The signature is not verified.
fn claims_of(token: &str) -> Value {
    let payload = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn a_remembered_token_expires_on_time() {
    let (provider, token) = provider_with("openid");
    let end = claims_of(&token)["exp"].as_i64().unwrap() + 5;
    // The token is used regularly, so the isolate keeps it.
    for now in (provider.now.get()..end).step_by(99).chain([end - 1]) {
        provider.now.set(now);
        assert_eq!(send_request(&provider, &token).status, 200, "{} seconds before", end - now);
    }
    provider.now.set(end);
    provider.platform.take_counts();
    assert_invalid(&send_request(&provider, &token), "expired");
    assert_eq!(
        provider.platform.take_counts().verifications,
        0,
        "a remembered token needs no verification"
    );
}

#[test]
fn a_remembered_token_ends_with_its_grant() {
    let (provider, token) = provider_with("openid");
    assert_eq!(send_request(&provider, &token).status, 200);
    let grant = claims_of(&token)["grant_id"].as_str().unwrap().to_owned();
    let response = provider.send(delete(&format!("/admin/grants/{grant}")).by_operator());
    assert_eq!(response.status, 200);
    assert_invalid(&send_request(&provider, &token), "revoked");
}

#[test]
fn a_remembered_token_ends_with_its_key() {
    let (provider, _) = provider_with("openid");
    let order = json!({"sub": "alice", "scope": "openid", "ttl": 86_400});
    let minted = provider.send(post("/admin/tokens").by_operator().json(&order)).json();
    let token = minted["access_token"].as_str().unwrap();
    assert_eq!(send_request(&provider, token).status, 200);
    let withdraw =
        "UPDATE signing_keys SET publish_from = 0, sign_from = 0, sign_until = 1, retire_at = 1";
    provider.platform.primary.execute(withdraw, []).unwrap();
    for _ in 0..90 {
        provider.sleep(10);
        send_request(&provider, token);
    }
    provider.platform.take_counts();
    assert_ne!(send_request(&provider, token).status, 200);
    assert_eq!(provider.platform.take_counts().verifications, 0, "a withdrawn key is not used");
}

#[test]
fn a_flood_of_forged_tokens_evicts_no_valid_one() {
    let (provider, token) = provider_with("openid");
    send_request(&provider, &token);
    let (input, _) = token.rsplit_once('.').unwrap();
    for number in 0..1_500_u64 {
        let signature = [[1; 8]; 7].concat().into_iter().chain(number.to_be_bytes());
        let signature = Base64UrlUnpadded::encode_string(&signature.collect::<Vec<u8>>());
        assert_invalid(
            &send_request(&provider, &format!("{input}.{signature}")),
            "signature is wrong",
        );
    }
    provider.platform.take_counts();
    assert_eq!(send_request(&provider, &token).status, 200);
    assert_eq!(provider.platform.take_counts().verifications, 0);
}

#[test]
fn only_a_missing_grant_is_read_from_the_primary() {
    let (provider, old) = provider_with("openid");
    *provider.platform.replica.borrow_mut() = Some(migrated());
    send_request(&provider, &old);
    provider.platform.take_counts();
    assert_eq!(send_request(&provider, &old).status, 200, "the primary has the grant");
    assert_eq!(provider.platform.take_counts().statements, 2);

    // A row of the replica is used without reading the primary.
    let replica = migrated();
    copy(&provider, &replica);
    *provider.platform.replica.borrow_mut() = Some(replica);
    assert_eq!(send_request(&provider, &old).status, 200);
    assert_eq!(provider.platform.take_counts().statements, 1);
    let replica = provider.platform.replica.borrow();
    replica.as_ref().unwrap().execute("UPDATE grants SET revoked_at = 1", ()).unwrap();
    drop(replica);
    assert_invalid(&send_request(&provider, &old), "revoked");
    assert_eq!(provider.platform.take_counts().statements, 1);
}

fn copy(provider: &TestProvider, replica: &rusqlite::Connection) {
    for (select, insert) in [
        (
            "SELECT sub, login, claims FROM users",
            "INSERT INTO users (sub, login, claims, created_at, updated_at) VALUES (?1, ?2, ?3, 0, 0)",
        ),
        (
            "SELECT id, sub, client_id FROM grants",
            "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) VALUES (?1, ?2, ?3, '', 0, NULL)",
        ),
    ] {
        let mut rows = provider.platform.primary.prepare(select).unwrap();
        let rows = rows
            .query_map((), |row| Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?]))
            .unwrap();
        for row in rows {
            replica.execute(insert, row.unwrap()).unwrap();
        }
    }
}

#[test]
fn an_unreachable_database_gives_503_and_retry_after() {
    let (provider, token) = provider_with("openid");
    provider.platform.database_fails.set(true);
    let response = send_request(&provider, &token);
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    assert_eq!(response.error().as_deref(), Some("temporarily_unavailable"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(!response.body.contains("injected fault"), "details are only logged");
    assert!(response.log["notes"].to_string().contains("injected fault"));
    provider.platform.database_fails.set(false);
    assert_eq!(send_request(&provider, &token).status, 200);
}

#[test]
fn a_failing_cache_does_not_affect_userinfo() {
    let (provider, token) = provider_with("openid");
    provider.platform.cache_fails.set(true);
    provider.new_isolate();
    assert_eq!(send_request(&provider, &token).status, 200);
}

/// The token with an unknown `kid` in its header.
fn with_unknown_kid(token: &str, number: u32) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let header = Base64UrlUnpadded::decode_vec(header).unwrap();
    let mut header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"] = format!("unknown-{number}").into();
    format!("{}.{rest}", Base64UrlUnpadded::encode_string(header.to_string().as_bytes()))
}

#[test]
fn a_flood_of_unknown_kids_causes_one_search_in_ten_seconds() {
    let (provider, token) = provider_with("openid");
    send_request(&provider, &token);
    for round in 0..3 {
        provider.platform.take_counts();
        for number in 0..100 {
            assert_invalid(
                &send_request(&provider, &with_unknown_kid(&token, number)),
                "unknown key",
            );
        }
        let counts = provider.platform.take_counts();
        assert_eq!((counts.cache_reads, counts.statements), (1, 1), "round {round}");
        assert_eq!((counts.cache_writes, counts.verifications), (0, 0));
        assert_eq!(send_request(&provider, &token).status, 200, "a valid token is not affected");
        provider.sleep(9);
        send_request(&provider, &with_unknown_kid(&token, 0));
        assert_eq!(provider.platform.take_counts().cache_reads, 0);
        provider.sleep(1);
    }
}

#[test]
fn a_flood_before_the_first_key_causes_one_search() {
    let (other, token) = provider_with("openid");
    drop(other);
    let provider = TestProvider::new();
    assert_invalid(&send_request(&provider, &token), "unknown key");
    for _ in 0..50 {
        assert_eq!(
            send_request(&provider, &token).status,
            503,
            "the first key may be generated any moment"
        );
    }
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.statements, counts.batches), (1, 1, 0));
}

#[test]
fn a_new_key_is_found_in_the_cache_or_in_the_primary() {
    let (provider, token) = provider_with("openid");
    for cache_fails in [false, true] {
        provider.platform.cache_fails.set(cache_fails);
        provider.new_isolate();
        assert_eq!(send_request(&provider, &token).status, 200);
    }
}

#[test]
fn a_failed_search_for_a_key_does_not_refuse_the_token() {
    let (provider, token) = provider_with("openid");
    provider.platform.cache.borrow_mut().clear();
    provider.platform.database_fails.set(true);
    provider.new_isolate();
    provider.platform.take_counts();
    assert_eq!(send_request(&provider, &token).status, 503);
    assert_eq!(
        send_request(&provider, &token).status,
        503,
        "the search is not repeated within a second"
    );
    assert_eq!(provider.platform.take_counts().cache_reads, 1);
    provider.platform.database_fails.set(false);
    provider.sleep(1);
    assert_eq!(send_request(&provider, &token).status, 200);
}

#[test]
fn a_token_of_another_issuer_is_refused_even_with_the_same_key() {
    let (provider, token) = provider_with("openid");
    provider.deploy(variables_with("ISSUER", "https://other.example.com"));
    provider.send(get("/auth/jwks.json"));
    assert_invalid(&send_request(&provider, &token), "iss must be this provider");
}

#[test]
fn simultaneous_unknown_kids_cause_one_search() {
    let (provider, token) = provider_with("openid");
    let flood =
        || (0..50).map(|n| get(USERINFO).bearer(&with_unknown_kid(&token, n))).collect::<Vec<_>>();
    // A new isolate reads the cache for every request and the primary once; a warm isolate reads each once.
    for (is_cold, cache_reads) in [(true, 50), (false, 1)] {
        if is_cold {
            provider.new_isolate();
        } else {
            provider.sleep(10);
        }
        provider.platform.take_counts();
        let response = provider.send_together(flood());
        let counts = provider.platform.take_counts();
        assert_eq!(
            (counts.cache_reads, counts.statements, counts.cache_writes),
            (cache_reads, 1, 0)
        );
        // During a search the others get 503 with `Retry-After`.
        assert!(
            response.iter().all(|one| one.status == 401 || one.header("retry-after").is_some())
        );
        assert!(response.iter().any(|one| one.status == 401));
        assert_invalid(&send_request(&provider, &with_unknown_kid(&token, 99)), "unknown key");
    }
}

#[test]
fn simultaneous_requests_with_a_valid_token_all_succeed() {
    let (provider, token) = provider_with("openid");
    for (is_cold, cache_reads) in [(true, 20), (false, 1)] {
        if is_cold {
            provider.new_isolate();
        } else {
            provider.sleep(postern::lifetimes::KEY_SET_SECONDS);
        }
        provider.platform.take_counts();
        let response = provider.send_together(vec![get(USERINFO).bearer(&token); 20]);
        assert!(response.iter().all(|one| one.status == 200));
        assert_eq!(provider.platform.take_counts().cache_reads, cache_reads);
    }
}

/// A client with signed userinfo, and its userinfo response.
fn signed(alg: &str) -> (TestProvider, TestResponse) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_client_with("app", json!({ "userinfo_signed_response_alg": alg }));
    let parameters = [("scope", "openid email")];
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &parameters);
    let token = field(&provider.redeem(&client, &code), "access_token");
    let response = send_request(&provider, &token);
    let by_post = provider.send(post(USERINFO).bearer(&token));
    assert_eq!(claims(&by_post.body), claims(&response.body));
    (provider, response)
}

#[test]
fn a_client_may_register_signed_userinfo() {
    for alg in ["ES256", "RS256"] {
        let (provider, response) = signed(alg);
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, Some("application/jwt")),
            "{}",
            response.body
        );
        assert_eq!(
            claims(&response.body),
            json!({
                "iss": ISSUER, "aud": "app", "iat": provider.now.get(), "sub": "alice",
                "email": "alice@example.com", "email_verified": true,
            })
        );
        let header = header(&response.body);
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg), &json!("JWT")));
        let jwks = provider.send(get("/auth/jwks.json")).json();
        crate::certification::verified(&response.body, &jwks);
    }
}

#[test]
fn a_signed_userinfo_response_is_not_an_id_token_hint() {
    let (provider, response) = signed("RS256");
    let target = format!(
        "/auth/authorize?{}",
        encode(&[
            ("client_id", "app"),
            ("redirect_uri", crate::browser::CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("id_token_hint", &response.body),
        ])
    );
    let answer = answer(&provider.send(get(&target)), crate::browser::CALLBACK);
    assert_eq!(answer["error_description"], "id_token_hint: must be an ID token");
}

#[test]
fn userinfo_follows_a_later_change_of_the_registration() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    let token = field(&provider.redeem(&client, &code), "access_token");
    assert_eq!(send_request(&provider, &token).header("content-type"), Some("application/json"));
    provider.put_client_with("app", json!({ "userinfo_signed_response_alg": "ES256" }));
    assert_eq!(send_request(&provider, &token).header("content-type"), Some("application/jwt"));
    // Errors are never signed.
    assert_invalid(&send_request(&provider, "x"), "three parts");
}

#[test]
fn a_missing_userinfo_key_gives_503_and_keeps_the_token() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let fields =
        json!({ "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "RS256" });
    let client = provider.put_client_with("app", fields);
    provider.skips_deferred_tasks.set(true);
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    let token = field(&provider.redeem(&client, &code), "access_token");
    let response = send_request(&provider, &token);
    assert_eq!(
        (response.status, response.header("retry-after")),
        (503, Some("5")),
        "{}",
        response.body
    );
    provider.skips_deferred_tasks.set(false);
    provider.sleep(61);
    send_request(&provider, &token);
    provider.sleep(10);
    assert_eq!(send_request(&provider, &token).header("content-type"), Some("application/jwt"));
}
