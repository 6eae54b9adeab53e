//! Damaged rows. One affects no other row, is named to the operator, and can be deleted.

use crate::browser::Browser;
use crate::test_provider::{TestProvider, delete, get, post, put, variables_with};
use serde_json::json;

fn damage(provider: &TestProvider, sql: &str) {
    assert_eq!(provider.platform.primary.execute(sql, ()).unwrap(), 1, "{sql}");
}

#[test]
fn the_client_list_names_a_damaged_client_and_shows_the_others() {
    let provider = TestProvider::with_keys();
    for id in ["a", "b", "c"] {
        provider.put_client_with(id, json!({}));
    }
    damage(&provider, "UPDATE clients SET metadata = '{' WHERE client_id = 'b'");
    let response = provider.send(get("/admin/clients").by_operator());
    assert_eq!((response.status, &response.json()["damaged"]), (200, &json!(["b"])));
    let shown = response.json()["clients"].as_array().unwrap().clone();
    assert_eq!(shown.iter().map(|client| &client["client_id"]).collect::<Vec<_>>(), ["a", "c"]);
    assert!(response.log["notes"][0].as_str().unwrap().contains("the metadata of the client b"));

    // The damaged row counts for the length of a page and for `next`.
    let response = provider.send(get("/admin/clients?limit=2").by_operator());
    assert_eq!(
        (&response.json()["next"], response.json()["clients"].as_array().unwrap().len()),
        (&json!("b"), 1)
    );
    let response = provider.send(get("/admin/clients?limit=2&after=b").by_operator());
    assert_eq!((response.json().get("damaged"), response.json().get("next")), (None, None));
}

#[test]
fn a_damaged_client_can_be_replaced_or_deleted() {
    let provider = TestProvider::with_keys();
    provider.put_app();
    let sql = "UPDATE clients SET metadata = '[]' WHERE client_id = 'app'";
    damage(&provider, sql);
    let response = provider.send(get("/admin/clients/app").by_operator());
    assert_eq!(response.status, 500);
    assert!(
        response.json()["error_description"]
            .as_str()
            .unwrap()
            .contains("the metadata of the client app")
    );
    provider.put_app();
    assert_eq!(provider.send(get("/admin/clients/app").by_operator()).status, 200);
    damage(&provider, sql);
    assert_eq!(provider.send(delete("/admin/clients/app").by_operator()).status, 200);
    assert_eq!(provider.send(get("/admin/clients/app").by_operator()).status, 404);
}

#[test]
fn a_client_deletes_its_own_damaged_registration() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    let document = json!({ "redirect_uris": ["https://app.example/cb"] });
    let response = provider.send(post("/auth/register").json(&document)).json();
    let path = format!("/auth/register/{}", response["client_id"].as_str().unwrap());
    let token = response["registration_access_token"].as_str().unwrap();
    damage(&provider, "UPDATE clients SET metadata = ''");
    let response = provider.send(get(&path).bearer(token));
    assert_eq!((response.status, response.body.contains("damaged")), (500, false));
    assert_eq!(provider.send(delete(&path).bearer("somebody-elses")).status, 401);
    assert_eq!(provider.send(delete(&path).bearer(token)).status, 204);
    assert_eq!(provider.send(get(&path).bearer(token)).status, 401);
}

#[test]
fn a_user_sees_a_damaged_client_and_withdraws_the_consent() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let (app, other) =
        (provider.put_app(), provider.put_client_with("other", json!({ "client_name": "Other" })));
    let browser = Browser::new(&provider);
    for test_client in [&app, &other] {
        browser.authorize(test_client, "alice@example.com", &[]);
    }
    damage(&provider, "UPDATE clients SET metadata = '{}' WHERE client_id = 'app'");
    let page = browser.get("/auth/account");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Other") && page.body.contains("app"), "{}", page.body);
    assert!(page.log["notes"][0].as_str().unwrap().contains("the metadata of the client app"));
    let forms = page.body.matches(r#"name="client_id" value="app""#).count();
    assert_eq!(forms, 1);
    let fields = crate::browser::form_to(&page, "/auth/account");
    browser.submit_form(&fields, &[("client_id", "app")]);
    let page = browser.get("/auth/account");
    assert!(!page.body.contains(r#"value="app""#) && page.body.contains("Other"));
}

#[test]
fn a_damaged_user_is_listed_and_can_be_replaced_or_deleted() {
    let provider = TestProvider::with_keys();
    for sub in ["a", "b", "c"] {
        let response = provider
            .send(put(&format!("/admin/users/{sub}")).by_operator().json(&json!({ "claims": {} })));
        assert_eq!(response.status, 200);
    }
    damage(&provider, "UPDATE users SET claims = 'x' WHERE sub = 'b'");
    let response = provider.send(get("/admin/users").by_operator());
    assert_eq!((response.status, &response.json()["damaged"]), (200, &json!(["b"])));
    assert_eq!(response.json()["users"].as_array().unwrap().len(), 2);
    let response = provider.send(get("/admin/users/b").by_operator());
    assert!(
        response.json()["error_description"].as_str().unwrap().contains("the claims of the user b")
    );
    let response =
        provider.send(put("/admin/users/b").by_operator().json(&json!({ "claims": {} })));
    assert_eq!(response.status, 200);
    damage(&provider, "UPDATE users SET claims = '[1]' WHERE sub = 'b'");
    assert_eq!(provider.send(delete("/admin/users/b").by_operator()).status, 200);
    assert_eq!(provider.send(get("/admin/users").by_operator()).json().get("damaged"), None);
}
