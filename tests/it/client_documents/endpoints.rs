//! Clients by document at every endpoint.

use super::*;
use crate::browser::{answer, encode, form_to, is_consent, is_login, offered};
use crate::client_assertions::NO_CODE;
use crate::signer::{ASSERTION_TYPE, Signer};
use crate::test_provider::post;
use postern::lifetimes::CLIENT_DOCUMENT_GRACE_SECONDS;
use serde_json::json;

const PAR: &str = "/auth/par";

fn pushed(provider: &TestProvider, more: &[(&str, &str)]) -> TestResponse {
    let form = format!("{}&{}", client().authorize_query(&[]), encode(more));
    provider.send(post(PAR).form(&form))
}

fn opened(provider: &TestProvider, response: &TestResponse) -> String {
    assert_eq!(response.status, 201, "{}", response.body);
    let uri = response.json()["request_uri"].as_str().unwrap().to_owned();
    let query = encode(&[("client_id", CLIENT_ID), ("request_uri", &uri)]);
    let browser = Browser::new(provider);
    let page = browser.follow(browser.get(&format!("/auth/authorize?{query}")));
    answer(&browser.agree(page, ALICE), CALLBACK).remove("code").unwrap()
}

#[test]
fn a_public_client_pushes_its_request() {
    let provider = provider();
    let response = pushed(&provider, &[]);
    assert_eq!((stored(&provider), fetches(&provider)), (1, 1));
    let code = opened(&provider, &response);
    assert_eq!(provider.redeem(&client(), &code).status, 200);
    assert_eq!(fetches(&provider), 0);
}

#[test]
fn a_client_that_pushed_a_request_is_forgotten_after_an_hour_unless_a_user_signs_in() {
    let provider = provider();
    pushed(&provider, &[]);
    provider.sleep(3_600);
    // The next stored client sweeps it.
    publish(&provider, &document());
    let other = "https://other.example/client.json";
    let document = document_with(json!({ "client_id": other }));
    publish(&provider, &document);
    let mut web = provider.platform.web.borrow_mut();
    let page = web.remove(CLIENT_ID).unwrap();
    web.insert(other.into(), page);
    drop(web);
    provider.new_isolate();
    let form = client_at(other).authorize_query(&[]);
    assert_eq!(provider.send(post(PAR).form(&form)).status, 201);
    let sql = "SELECT group_concat(client_id) FROM clients";
    let ids: String = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
    assert_eq!(ids, other);
}

#[test]
fn a_client_with_a_key_authenticates_by_the_key_in_its_document_or_at_its_jwks_uri() {
    let signer = Signer::new("ES256", Some("a"), 0);
    for by_uri in [false, true] {
        let provider = provider();
        let mut fields = json!({ "token_endpoint_auth_method": "private_key_jwt" });
        if by_uri {
            let url = "https://tool.example/jwks.json";
            fields["jwks_uri"] = url.into();
            publish(&provider, &signer.jwks());
            let mut web = provider.platform.web.borrow_mut();
            let keys = web.remove(CLIENT_ID).unwrap();
            web.insert(url.into(), keys);
        } else {
            fields["jwks"] = signer.jwks();
        }
        publish(&provider, &document_with(fields));

        let proof = |signer: &Signer| {
            let assertion = signer.assertion(&provider, CLIENT_ID);
            [("client_assertion_type", ASSERTION_TYPE.to_owned()), ("client_assertion", assertion)]
        };
        let push = |signer: &Signer| {
            let proof = proof(signer);
            let proof = proof.each_ref().map(|(name, value)| (*name, value.as_str()));
            pushed(&provider, &proof)
        };
        let stranger = Signer::new("ES256", Some("a"), 1);
        assert_eq!(push(&stranger).status, 401);
        assert_eq!(pushed(&provider, &[]).status, 401, "a client with a key is not public");
        let code = opened(&provider, &push(&signer));
        let redeem = |signer: Option<&Signer>| {
            let proof = signer.map(proof).into_iter().flatten().collect::<Vec<_>>();
            let mut form: Vec<_> = proof.iter().map(|(n, v)| (*n, v.as_str())).collect();
            form.extend([
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", crate::browser::VERIFIER),
                ("client_id", CLIENT_ID),
            ]);
            provider.send(post("/auth/token").form(&encode(&form)))
        };
        assert_eq!(redeem(None).status, 401);
        assert_eq!(redeem(Some(&stranger)).status, 401);
        assert_eq!(redeem(Some(&signer)).status, 200);
    }
}

#[test]
fn a_secret_never_authenticates_a_client_by_document() {
    let provider = provider();
    let tokens = tokens(&provider);
    let mut variables = variables_with("CLIENT_DOCUMENTS", "open");
    variables.push(("REGISTRATION", "open".into()));
    provider.deploy(variables);
    for secret in ["document", "s3cret"] {
        let with_secret = TestClient { secret: Some(secret.into()), ..client() };
        let token = tokens["refresh_token"].as_str().unwrap();
        let response = provider.refresh(&with_secret, token);
        assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_client")));
        let path = format!("/auth/register/{}", CLIENT_ID.replace('/', "%2F"));
        assert_eq!(provider.send(get(&path).bearer(secret)).status, 401);
    }
    assert_eq!(refresh(&provider, &tokens).status, 200);
}

#[test]
fn a_token_request_of_a_client_without_users_fetches_and_stores_nothing() {
    let provider = provider();
    let response = provider.redeem(&client(), &"a".repeat(43));
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_client")));
    assert_eq!((fetches(&provider), stored(&provider)), (0, 0));
    for grant_type in ["client_credentials", "implicit", "password"] {
        tokens(&provider);
        let response = provider.token(&client(), &[("grant_type", grant_type)]);
        assert_eq!(response.status, 400, "{grant_type}: {}", response.body);
    }
}

#[test]
fn the_user_sees_and_withdraws_access_on_the_account_page() {
    let provider = provider();
    let tokens = tokens(&provider);
    let browser = Browser::new(&provider);
    browser.sign_in_on(&browser.get("/auth/account"), ALICE);
    let page = browser.get("/auth/account");
    assert!(page.body.contains("The Tool") && page.body.contains("<bdi>tool.example</bdi>"));
    let page = browser.submit_form(&form_to(&page, "/auth/account"), &[]);
    assert!(page.body.contains("No application has access"), "{}", page.body);
    assert_eq!(stored(&provider), 0, "nobody uses it any more");
    assert_eq!(refresh(&provider, &tokens).error().as_deref(), Some("invalid_client"));
    let userinfo = get("/auth/userinfo").bearer(tokens["access_token"].as_str().unwrap());
    assert_eq!(provider.send(userinfo).status, 401);
    // The user may allow it again.
    super::tokens(&provider);
    assert_eq!(stored(&provider), 1);
}

#[test]
fn the_operator_sees_and_deletes_a_client_and_cannot_replace_it() {
    let provider = provider();
    let tokens = tokens(&provider);
    let path = format!("/admin/clients/{}", encode(&[("", CLIENT_ID)]).trim_start_matches('='));
    let shown = provider.send(get(&path).by_operator());
    assert_eq!((shown.status, &shown.json()["trusted"]), (200, &json!(false)), "{}", shown.body);
    let put = crate::test_provider::put(&path)
        .by_operator()
        .json(&document_with(json!({ "trusted": true })));
    assert_eq!(provider.send(put).status, 400);
    let deleted = provider.send(crate::test_provider::delete(&path).by_operator());
    assert_eq!((deleted.status, stored(&provider)), (200, 0));
    assert_eq!(refresh(&provider, &tokens).error().as_deref(), Some("invalid_client"));
    // A new sign-in needs consent again, and does not restore the old grant.
    let browser = Browser::new(&provider);
    let page = browser.get(&client().authorize(&[]));
    assert!(is_consent(&browser.sign_in_on(&page, ALICE)));
    super::tokens(&provider);
    assert_eq!(refresh(&provider, &tokens).error().as_deref(), Some("invalid_grant"));
}

#[test]
fn a_client_stays_while_one_user_allows_it() {
    let provider = provider();
    provider.put_user("bob");
    let tokens = tokens(&provider);
    Browser::new(&provider).authorize(&client(), "bob", &[]);
    for (sub, left) in [("bob", 1), ("alice", 0)] {
        let path = format!("/admin/users/{sub}");
        assert_eq!(provider.send(crate::test_provider::delete(&path).by_operator()).status, 200);
        assert_eq!(stored(&provider), left, "{sub}");
        if left == 1 {
            assert_eq!(refresh(&provider, &tokens).status, 200);
        }
    }
}

#[test]
fn the_fetches_of_an_address_are_limited_for_all_identifiers_together() {
    let provider = provider();
    provider.platform.rate_limit.set(Some(5));
    let browser = Browser::new(&provider);
    for number in 0..50 {
        let client_id = format!("https://{number}.example/client.json");
        let response = browser.get(&client_at(&client_id).authorize(&[]));
        assert_page(&response, 503, "client_id: ");
    }
    assert_eq!(fetches(&provider), 5);
    // Others are not affected, and neither is a document that is known.
    let mut other = Browser::new(&provider);
    other.address = "198.51.100.7".into();
    assert!(is_login(&other.get(&client().authorize(&[]))));
    assert!(is_login(&browser.get(&client().authorize(&[]))));
}

#[test]
fn the_fetches_from_a_host_are_limited_for_everybody() {
    let provider = provider();
    for number in 0..200 {
        let mut browser = Browser::new(&provider);
        browser.address = format!("198.51.{}.{}", number / 100, number % 100);
        let client_id = format!("https://victim.example/{number}");
        browser.get(&client_at(&client_id).authorize(&[]));
    }
    assert_eq!(fetches(&provider), 64);
}

#[test]
fn strangers_do_not_displace_the_document_of_a_client_with_users() {
    let provider = provider();
    tokens(&provider);
    for number in 0..130 {
        let mut browser = Browser::new(&provider);
        browser.address = format!("198.51.100.{number}");
        let client_id = format!("https://{number}.example/client.json");
        browser.get(&client_at(&client_id).authorize(&[]));
    }
    unpublish(&provider);
    assert!(is_login(&page(&provider)));
}

#[test]
fn many_users_of_a_new_document_at_once_cause_one_fetch() {
    let provider = provider();
    let request = || get(&client().authorize(&[]));
    let responses = provider.send_together((0..100).map(|_| request()).collect());
    let served = responses.iter().filter(|response| response.status == 200).count();
    assert_eq!((served, fetches(&provider)), (65, 1));
    let busy = responses.iter().find(|response| response.status == 503).unwrap();
    assert_page(busy, 503, "client_id: too many documents are being fetched; try again later");
    assert!(is_login(&page(&provider)));
}

#[test]
fn a_client_by_document_gets_the_scopes_of_open_apis_only() {
    let provider = provider();
    let mut variables = variables_with("CLIENT_DOCUMENTS", "open");
    let resources = json!({
        "https://api.example": ["orders:read"],
        "https://mcp.example": { "scopes": ["mcp:use"], "open": true },
    });
    variables.push(("RESOURCES", resources.to_string()));
    provider.deploy(variables);
    for scope in [json!("openid orders:read mcp:use"), json!(null)] {
        publish(&provider, &document_with(json!({ "scope": scope })));
        provider.new_isolate();
        let browser = Browser::new(&provider);
        let response = browser.get(&client().authorize(&[("scope", "orders:read")]));
        assert_eq!(offered(&response, CALLBACK)["error"], "invalid_scope");
        let page = browser.get(&client().authorize(&[("scope", "openid orders:read mcp:use")]));
        let page = browser.sign_in_on(&page, ALICE);
        assert!(is_consent(&page), "{}", page.body);
        assert!(page.body.contains("mcp:use") && !page.body.contains("orders:read"));
    }
}

#[test]
fn a_push_that_is_not_authenticated_or_above_the_limit_stores_no_client() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let key = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });

    let provider = provider();
    publish(&provider, &document_with(key.clone()));
    assert_eq!(pushed(&provider, &[]).status, 401, "the client must sign");
    assert_eq!(stored(&provider), 0);

    for (document, is_signed) in [(document(), false), (document_with(key), true)] {
        let provider = super::provider();
        publish(&provider, &document);
        page(&provider);
        provider.platform.rate_limit.set(Some(0));
        let assertion = signer.assertion(&provider, CLIENT_ID);
        let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &*assertion)];
        let response = pushed(&provider, if is_signed { &proof } else { &[] });
        assert_eq!(response.status, 429, "{}", response.body);
        let sql =
            "SELECT (SELECT count(*) FROM authorization_requests) + (SELECT count(*) FROM clients)";
        let rows: i64 = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "signed: {is_signed}");
    }
}

/// Anybody can name URLs of a host without a document, and so use up the fetches from it.
#[test]
fn strangers_do_not_use_up_the_fetches_for_clients_with_users() {
    let provider = provider();
    let tokens = tokens(&provider);
    provider.sleep(300 + CLIENT_DOCUMENT_GRACE_SECONDS);
    fetches(&provider);
    for number in 0..100 {
        let mut browser = Browser::new(&provider);
        browser.address = format!("198.51.100.{number}");
        let client_id = format!("https://tool.example/{number}");
        browser.get(&client_at(&client_id).authorize(&[]));
    }
    assert_eq!(fetches(&provider), 64);
    assert_eq!(refresh(&provider, &tokens).status, 200);
    assert!(is_login(&page(&provider)));
}

#[test]
fn strangers_do_not_use_up_the_fetches_for_clients_that_registered_themselves() {
    let mut variables = variables_with("CLIENT_DOCUMENTS", "open");
    variables.push(("REGISTRATION", "open".into()));
    let provider = TestProvider::configured(variables);
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    let signer = Signer::new("ES256", Some("a"), 0);
    let jwks_uri = "https://tool.example/jwks.json";
    let served = Document {
        status: 200,
        media_type: "application/json".into(),
        text: Some(signer.jwks().to_string()),
        caching: CacheHeaders::default(),
    };
    provider.platform.web.borrow_mut().insert(jwks_uri.into(), served);
    let registered = provider.send(post("/auth/register").json(&json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": jwks_uri,
    })));
    let client_id = registered.json()["client_id"].as_str().unwrap().to_owned();
    fetches(&provider);
    for number in 0..100 {
        Browser::new(&provider)
            .get(&client_at(&format!("https://tool.example/{number}")).authorize(&[]));
    }
    assert_eq!(fetches(&provider), 64);
    let response = provider.token_by(&signer.assertion(&provider, &client_id), &NO_CODE);
    assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", response.body);
}

#[test]
fn strangers_do_not_use_up_the_fetches_for_clients_by_document_that_users_know() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider();
    let url = "https://tool.example/jwks.json";
    publish(&provider, &signer.jwks());
    let keys = provider.platform.web.borrow_mut().remove(CLIENT_ID).unwrap();
    provider.platform.web.borrow_mut().insert(url.into(), keys);
    publish(
        &provider,
        &document_with(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": url })),
    );
    Browser::new(&provider).authorize(&client(), ALICE, &[]);
    // A stranger names other documents at its host, which need not exist.
    for is_new in [false, true] {
        if is_new {
            provider.new_isolate();
        }
        for number in 0..100 {
            let other = client_at(&format!("https://tool.example/{number}"));
            Browser::new(&provider).get(&other.authorize(&[]));
        }
        let response = provider.token_by(&signer.assertion(&provider, CLIENT_ID), &NO_CODE);
        assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", response.body);
    }
}
