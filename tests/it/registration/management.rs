//! Clients that manage their own registration.

use super::{
    DAY, LOGIN, assert_refused, assert_unauthorized, clients, count, document, open, register,
};
use crate::browser::{Browser, CALLBACK, TestClient};
use crate::test_provider::{ISSUER, NOW, TestRequest, delete, get, put, variables_with};
use postern::ports::Document;
use postern::secret::hash;
use serde_json::{Value, json};

#[test]
fn a_registration_can_be_read_repeatedly_without_its_secret() {
    let provider = open();
    let response = register(&provider, &document());
    let mut expected = response.0.clone();
    expected.as_object_mut().unwrap().remove("client_secret");
    for _ in 0..2 {
        let read = response.read(&provider);
        assert_eq!((read.status, &read.json()), (200, &expected));
        assert_eq!(read.header("cache-control"), Some("no-store"));
        assert_eq!(read.header("pragma"), Some("no-cache"));
    }
    // The current policy for new registrations does not matter.
    provider.deploy(variables_with("REGISTRATION", "closed"));
    assert_eq!(response.read(&provider).json(), expected);
}

#[test]
fn a_registration_is_managed_only_with_its_own_token() {
    let provider = open();
    provider.put_client_with("operators", json!({}));
    let (mine, theirs) = (register(&provider, &document()), register(&provider, &document()));
    let token = theirs.text("registration_access_token");
    for method in ["GET", "PUT", "DELETE"] {
        for path in
            [mine.path(), "/auth/register/operators", "/auth/register/none", "/auth/register/"]
        {
            let bodies =
                [TestRequest::new(method, path), TestRequest::new(method, path).json(&document())];
            let known: String = hash(mine.text("registration_access_token"));
            for request in bodies {
                assert_unauthorized(&provider.send(request.clone().bearer(token)));
                assert_unauthorized(&provider.send(request.clone().bearer("x")));
                assert_unauthorized(&provider.send(request.clone().bearer(&known)));
                let response = provider.send(request);
                assert_eq!(response.status, 401, "{method} {path}");
                assert_eq!(response.error().as_deref(), Some("invalid_token"), "{method} {path}");
                let challenge = format!("Bearer realm=\"{ISSUER}\"");
                assert_eq!(response.header("www-authenticate"), Some(challenge.as_str()));
            }
        }
    }
    let query = format!("{}?access_token={}", mine.path(), mine.text("registration_access_token"));
    assert_eq!(provider.send(get(&query)).status, 400);
    assert_eq!((mine.read(&provider).status, clients(&provider)), (200, 3));
}

#[test]
fn a_replacement_keeps_only_id_secret_and_token() {
    let provider = open();
    provider.put_alice_with_password();
    let response = register(
        &provider,
        &json!({ "redirect_uris": [CALLBACK], "client_name": "Old", "client_name#fr": "Vieux" }),
    );
    provider.sleep(5);
    let document = json!({
        "client_id": response.text("client_id"), "client_secret": response.text("client_secret"),
        "redirect_uris": ["https://app.example/new"], "client_name": "New", "trusted": true,
        "application_type": "web",
    });
    let replaced = response.replace(&provider, &document);
    assert_eq!((replaced.status, replaced.header("pragma")), (200, Some("no-cache")));
    let mut expected = response.0.clone();
    for field in ["client_secret", "client_name#fr"] {
        expected.as_object_mut().unwrap().remove(field);
    }
    expected["client_name"] = "New".into();
    expected["redirect_uris"] = json!(["https://app.example/new"]);
    assert_eq!(replaced.json(), expected);
    assert_eq!(response.read(&provider).json(), expected);
    assert_eq!(count(&provider, "SELECT sum(trusted) FROM clients"), 0);

    let client = TestClient { redirect_uri: "https://app.example/new".into(), ..response.client() };
    let code = Browser::new(&provider).authorize(&client, LOGIN, &[]);
    assert_eq!(provider.redeem(&client, &code).status, 200, "the secret has not changed");
}

#[test]
fn a_client_that_becomes_confidential_gets_a_new_secret() {
    let provider = open();
    let response = register(
        &provider,
        &json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" }),
    );
    let document = |method: &str| {
        json!({
            "client_id": response.text("client_id"), "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": method,
        })
    };
    let confidential = response.replace(&provider, &document("client_secret_post")).json();
    let secret = confidential["client_secret"].as_str().unwrap();
    let expected = (43, &(NOW + DAY).into());
    assert_eq!((secret.len(), &confidential["client_secret_expires_at"]), expected);
    let again = response.replace(&provider, &document("client_secret_basic")).json();
    assert!(again.get("client_secret").is_none(), "the secret is kept");
    response.replace(&provider, &document("none"));
    assert_eq!(count(&provider, "SELECT count(*) FROM clients WHERE secret_hash IS NOT NULL"), 0);
}

#[test]
fn an_expired_registration_cannot_be_replaced() {
    let provider = open();
    let response = register(&provider, &document());
    let mut update = document();
    update["client_id"] = response.text("client_id").into();
    provider.sleep(DAY - 1);
    assert_eq!(response.replace(&provider, &update).status, 200);
    provider.sleep(1);
    assert_unauthorized(&response.replace(&provider, &update));
}

#[test]
fn the_secret_of_an_expired_registration_does_not_return_by_a_put_of_the_operator() {
    let provider = open();
    let all: Vec<_> = (0..12).map(|_| register(&provider, &document())).collect();
    provider.sleep(DAY);
    // A put deletes ten expired ones first. This one comes after them.
    let last = "SELECT client_id FROM clients ORDER BY expires_at DESC, client_id DESC LIMIT 1";
    let last: String = provider.platform.primary.query_row(last, (), |row| row.get(0)).unwrap();
    let response = all.iter().find(|response| response.text("client_id") == last).unwrap();
    let path = format!("/admin/clients/{last}");
    let put = provider.send(put(&path).by_operator().json(&document())).json();
    assert!(
        put["client_secret"].is_string() && put["client_secret"] != response.0["client_secret"]
    );
    assert_eq!(put["client_id_issued_at"], NOW + DAY);
    assert_eq!(clients(&provider), 2, "ten are deleted, and this one is new");
}

#[test]
fn an_invalid_replacement_changes_nothing() {
    let provider = open();
    let response = register(&provider, &document());
    let id = response.text("client_id");
    for (field, value, error) in [
        ("client_id", Value::Null, "invalid_client_metadata"),
        ("client_id", json!("another"), "invalid_client_metadata"),
        ("client_secret", json!("a-guess"), "invalid_client_metadata"),
        ("client_secret", json!(1), "invalid_client_metadata"),
        (
            "registration_access_token",
            response.0["registration_access_token"].clone(),
            "invalid_client_metadata",
        ),
        (
            "registration_client_uri",
            response.0["registration_client_uri"].clone(),
            "invalid_client_metadata",
        ),
        ("client_id_issued_at", json!(NOW), "invalid_client_metadata"),
        ("client_secret_expires_at", json!(0), "invalid_client_metadata"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        ("scope", json!("unheard-of"), "invalid_client_metadata"),
        ("client_name", json!(["App"]), "invalid_client_metadata"),
    ] {
        let mut document = json!({ "client_id": id, "redirect_uris": [CALLBACK] });
        document[field] = value;
        assert_refused(&response.replace(&provider, &document), error, field);
    }
    assert_refused(
        &response.replace(&provider, &document()),
        "invalid_client_metadata",
        "client_id: missing",
    );
    let token = response.text("registration_access_token");
    let plain = put(response.path()).bearer(token).body("text/plain", "{}");
    assert_refused(&provider.send(plain), "invalid_client_metadata", "application/json");
    assert_eq!(response.read(&provider).json()["redirect_uris"], json!([CALLBACK]));
}

#[test]
fn a_client_that_deletes_itself_loses_its_grants() {
    let provider = open();
    provider.put_alice_with_password();
    let response = register(&provider, &document());
    let client = response.client();
    let code = Browser::new(&provider).authorize(&client, LOGIN, &[]);
    let tokens = provider.redeem(&client, &code).json();
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(provider.send(get("/auth/userinfo").bearer(access_token)).status, 200);

    let gone = response.delete(&provider);
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(gone.header("cache-control"), Some("no-store"));
    assert_eq!(provider.send(get("/auth/userinfo").bearer(access_token)).status, 401);
    assert_unauthorized(&response.read(&provider));
    assert_unauthorized(&response.delete(&provider));
    assert_eq!((clients(&provider), count(&provider, "SELECT count(*) FROM consents")), (0, 0));
}

#[test]
fn a_put_by_the_operator_revokes_the_registration_access_token() {
    let provider = open();
    let response = register(&provider, &document());
    let path = format!("/admin/clients/{}", response.text("client_id"));
    let mut shown = provider.send(get(&path).by_operator()).json();
    shown["trusted"] = true.into();
    let put_again = provider.send(put(&path).by_operator().json(&shown));
    assert_eq!((put_again.status, put_again.json()), (200, shown));
    assert_unauthorized(&response.read(&provider));
    provider.sleep(2 * DAY);
    assert_eq!(provider.send(get(&path).by_operator()).status, 200);
}

#[test]
fn a_client_cannot_undo_a_simultaneous_change_of_the_operator() {
    for is_replaced in [true, false] {
        let provider = open();
        let response = register(&provider, &document());
        let list = Document {
            status: 200,
            media_type: "application/json".into(),
            text: Some(json!(["https://evil.example/"]).to_string()),
            caching: Default::default(),
        };
        provider.platform.web.borrow_mut().insert("https://evil.example/list".into(), list);
        let mine = json!({
            "client_id": response.text("client_id"), "redirect_uris": ["https://evil.example/"],
            "sector_identifier_uri": "https://evil.example/list",
        });
        let replace =
            put(response.path()).bearer(response.text("registration_access_token")).json(&mine);
        let path = format!("/admin/clients/{}", response.text("client_id"));
        let operators = if is_replaced {
            put(&path).by_operator().json(&json!({ "redirect_uris": [CALLBACK], "trusted": true }))
        } else {
            delete(&path).by_operator()
        };
        // The client is authenticated before the operator's request runs, because its sector list is fetched.
        let answers = provider.send_at_once(vec![replace, operators]);
        assert_eq!(answers[1].status, 200);
        assert_unauthorized(&answers[0]);
        let sql = "SELECT count(*) FROM clients WHERE metadata LIKE '%evil%'";
        assert_eq!((clients(&provider), count(&provider, sql)), (i64::from(is_replaced), 0));
    }
}
