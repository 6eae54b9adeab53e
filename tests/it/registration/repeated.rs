//! Registrations and updates whose response is lost, on the way from the database or on the way to the client.

use super::{
    REGISTER, Registered, assert_refused, assert_unauthorized, clients, count, document,
    initial_access_token, open, register,
};
use crate::browser::CALLBACK;
use crate::test_provider::{TestProvider, TestResponse, delete, get, post, put, variables_with};
use postern::ports::Document;
use postern::secret::hash;
use serde_json::{Value, json};

const TEN_MINUTES: i64 = 600;

fn send(provider: &TestProvider, token: &str, document: &Value) -> TestResponse {
    provider.send(post(REGISTER).bearer(token).json(document))
}

fn uses_left(provider: &TestProvider) -> i64 {
    count(provider, "SELECT uses_left FROM initial_access_tokens")
}

/// Whether the stored client has the secrets of the response.
fn has_secrets(provider: &TestProvider, response: &Registered) -> bool {
    let secret = response.0.get("client_secret").map(|secret| hash(secret.as_str().unwrap()));
    let sql = "SELECT count(*) FROM clients WHERE client_id = ?1 AND secret_hash IS ?2 \
               AND registration_token_hash = ?3";
    let token = hash(response.text("registration_access_token"));
    let parameters = (response.text("client_id"), secret, token);
    let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    provider.platform.primary.query_row(sql, parameters, count) == Ok(1)
}

fn named(name: &str) -> Value {
    json!({ "redirect_uris": [CALLBACK], "client_name": name })
}

fn public_or_secret(id: &str, method: &str) -> Value {
    json!({ "client_id": id, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method })
}

fn public(provider: &TestProvider) -> Registered {
    let document = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    register(provider, &document)
}

#[test]
fn a_lost_response_of_the_database_registers_one_client_and_counts_one_use() {
    for uses in [None, Some(1), Some(2), Some(3)] {
        let provider = open();
        let token = uses.map(|uses| initial_access_token(&provider, uses, 60));
        provider.platform.lost_responses.set(1);
        let request = post(REGISTER).json(&document());
        let request = token.iter().fold(request, |request, token| request.bearer(token));
        let response = provider.send(request);
        assert!(response.log["notes"].to_string().contains("injected loss"), "{uses:?}");
        let registered = Registered::new(&response);
        assert_eq!((clients(&provider), has_secrets(&provider, &registered)), (1, true));
        if let Some(uses) = uses {
            assert_eq!(uses_left(&provider), uses - 1);
        }
    }
}

#[test]
fn a_use_is_counted_once_even_if_another_registration_comes_between_both_runs() {
    for others in [1, 2] {
        let provider = TestProvider::new();
        let token = initial_access_token(&provider, 3, 60);
        provider.platform.lost_responses.set(1);
        let other = "UPDATE initial_access_tokens SET uses_left = uses_left - 1, used_by = 'other'";
        let between = if others == 1 {
            other
        } else {
            "UPDATE initial_access_tokens SET uses_left = uses_left - 2, used_by = 'other'"
        };
        provider.platform.before_batches.borrow_mut().extend(["", between]);
        let registered = Registered::new(&send(&provider, &token, &document()));
        assert!(has_secrets(&provider, &registered));
        assert_eq!((clients(&provider), uses_left(&provider)), (1, 2 - others));
        assert_eq!(registered.read(&provider).status, 200);
    }
}

#[test]
fn a_token_for_one_use_returns_the_same_client_for_ten_minutes() {
    for metadata in [document(), public_or_secret("ignored", "none")] {
        let provider = TestProvider::new();
        let token = initial_access_token(&provider, 1, 60);
        let first = Registered::new(&send(&provider, &token, &metadata));
        assert_ne!(first.0.get("client_secret"), first.0.get("registration_access_token"));
        assert!(has_secrets(&provider, &first));
        // The token itself has expired meanwhile.
        provider.sleep(TEN_MINUTES - 1);
        let mut rewritten = metadata.clone();
        rewritten["of_tomorrow"] = json!(1);
        for document in [&metadata, &rewritten] {
            assert_eq!(Registered::new(&send(&provider, &token, document)).0, first.0);
        }
        assert_unauthorized(&send(&provider, &token, &named("Other")));
        assert_unauthorized(&send(&provider, &"x".repeat(43), &metadata));
        provider.sleep(1);
        assert_unauthorized(&send(&provider, &token, &metadata));
        assert_eq!(clients(&provider), 1);
    }
}

#[test]
fn a_token_for_several_uses_gives_no_party_the_client_of_another() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 3, 60);
    let request = post(REGISTER).bearer(&token).json(&document());
    let responses = provider.send_at_once(vec![request; 20]);
    let (registered, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|r| r.status == 201);
    refused.into_iter().for_each(assert_unauthorized);
    for field in ["client_id", "client_secret", "registration_access_token"] {
        let mut values: Vec<_> = registered.iter().map(|r| r.json()[field].to_string()).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 3, "{field}");
    }
    assert_unauthorized(&send(&provider, &token, &document()));
}

#[test]
fn a_token_of_an_older_version_counts_as_one_for_several_uses() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 1, 60);
    let older = "UPDATE initial_access_tokens SET uses = NULL";
    provider.platform.primary.execute(older, ()).unwrap();
    let registered = Registered::new(&send(&provider, &token, &document()));
    assert!(has_secrets(&provider, &registered));
    assert_unauthorized(&send(&provider, &token, &document()));
}

#[test]
fn without_a_key_a_wrong_token_is_unauthorized_all_the_same() {
    let provider = open();
    let token = initial_access_token(&provider, 1, 60);
    let registered = public(&provider);
    let update = public_or_secret(registered.text("client_id"), "client_secret_basic");
    for key in ["", "short"] {
        let mut variables = variables_with("KEY_ENCRYPTION_KEY", key);
        variables.retain(|(name, _)| *name != "REGISTRATION");
        provider.deploy(variables);
        assert_unauthorized(&send(&provider, &"x".repeat(43), &document()));
        let request = put(registered.path()).bearer(&"x".repeat(43)).json(&update);
        assert_unauthorized(&provider.send(request));
        // A right one is not to blame.
        assert_eq!(send(&provider, &token, &document()).status, 500);
        assert_eq!(registered.replace(&provider, &update).status, 500);
        assert_eq!((clients(&provider), uses_left(&provider)), (1, 1));
    }
}

#[test]
fn a_token_for_one_use_under_another_key_is_not_repeated() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 1, 60);
    Registered::new(&send(&provider, &token, &document()));
    provider.deploy(variables_with("KEY_ENCRYPTION_KEY", &"A".repeat(43)));
    assert_unauthorized(&send(&provider, &token, &document()));
}

#[test]
fn simultaneous_registrations_with_one_use_get_the_same_client_or_none() {
    let provider = TestProvider::new();
    let token = initial_access_token(&provider, 1, 60);
    let request = |document: &Value| post(REGISTER).bearer(&token).json(document);
    let mut requests = vec![request(&document()); 200];
    requests.extend(vec![request(&named("Other")); 50]);
    let responses = provider.send_at_once(requests);
    let (same, other) = responses.split_at(200);
    let registered = Registered::new(&same[0]);
    assert!(same.iter().all(|response| response.json() == registered.0));
    other.iter().for_each(assert_unauthorized);
    assert_eq!((clients(&provider), uses_left(&provider)), (1, 0));
    assert!(has_secrets(&provider, &registered));
}

#[test]
fn a_registration_that_was_changed_or_deleted_is_not_returned_again() {
    let management = |registered: &Registered| {
        let path = registered.path().to_owned();
        let token = registered.text("registration_access_token").to_owned();
        let id = registered.text("client_id").to_owned();
        (path, token, id)
    };
    for change in 0..4 {
        let provider = TestProvider::new();
        let token = initial_access_token(&provider, 1, 60);
        let registered = Registered::new(&send(&provider, &token, &document()));
        let (path, own, id) = management(&registered);
        let requests = match change {
            0 => vec![put(&path).bearer(&own).json(&{
                let mut document = named("New");
                document["client_id"] = id.as_str().into();
                document
            })],
            // A secret that was removed does not return.
            1 => vec![
                put(&path).bearer(&own).json(&public_or_secret(&id, "none")),
                put(&path).bearer(&own).json(&public_or_secret(&id, "client_secret_basic")),
            ],
            2 => vec![delete(&path).bearer(&own)],
            _ => vec![put(&format!("/admin/clients/{id}")).by_operator().json(&document())],
        };
        for request in requests {
            assert_eq!(provider.send(request).status / 100, 2, "{change}");
        }
        assert_unauthorized(&send(&provider, &token, &document()));
    }
}

#[test]
fn a_registration_takes_one_request_to_the_database() {
    let provider = open();
    let token = initial_access_token(&provider, 2, 60);
    for request in [post(REGISTER), post(REGISTER).bearer(&token), post(REGISTER).bearer(&token)] {
        provider.platform.take_counts();
        assert_eq!(provider.send(request.json(&document())).status, 201);
        let counts = provider.platform.take_counts();
        assert_eq!((counts.statements, counts.batches), (0, 1));
    }
}

#[test]
fn a_lost_response_of_the_database_does_not_lose_a_new_secret() {
    let provider = open();
    let registered = public(&provider);
    let document = public_or_secret(registered.text("client_id"), "client_secret_basic");
    provider.platform.lost_responses.set(1);
    let response = registered.replace(&provider, &document);
    assert_eq!(response.status, 200, "{}", response.body);
    let secret = response.json()["client_secret"].as_str().unwrap().to_owned();
    let sql = "SELECT count(*) FROM clients WHERE secret_hash = ?1";
    let stored = provider.platform.primary.query_row(sql, [hash(&secret)], |row| row.get(0));
    assert_eq!(stored, Ok(1));
}

#[test]
fn the_same_update_gets_its_new_secret_again_for_ten_minutes() {
    let provider = open();
    let registered = public(&provider);
    let id = registered.text("client_id");
    let secret = |method: &str| {
        let response = registered.replace(&provider, &public_or_secret(id, method));
        assert_eq!(response.status, 200, "{}", response.body);
        let document = response.json();
        assert_eq!(document.get("client_secret_expires_at").is_some(), method != "none");
        document.get("client_secret").map(|secret| secret.as_str().unwrap().to_owned())
    };
    let first = secret("client_secret_basic");
    assert!(first.is_some());
    provider.sleep(TEN_MINUTES - 1);
    assert_eq!(secret("client_secret_basic"), first);
    assert_eq!(secret("client_secret_post"), None, "another document");
    assert_eq!(secret("client_secret_basic"), first);
    provider.sleep(1);
    assert_eq!(secret("client_secret_basic"), None);

    // A secret that was removed does not return.
    assert_eq!(secret("none"), None);
    let second = secret("client_secret_basic");
    assert!(second.is_some() && second != first);
    assert_eq!(secret("none"), None);
    let third = secret("client_secret_basic");
    assert!(third.is_some() && third != first && third != second);
    assert_eq!(registered.read(&provider).json().get("client_secret"), None);
}

#[test]
fn a_secret_of_the_registration_or_of_an_older_version_is_not_returned_by_an_update() {
    let provider = open();
    let registered = register(&provider, &document());
    let id = registered.text("client_id");
    let update = public_or_secret(id, "client_secret_basic");
    assert_eq!(registered.replace(&provider, &update).json().get("client_secret"), None);
    // An older version replaced the secret after a roll back, and left the other columns.
    registered.replace(&provider, &public_or_secret(id, "none"));
    assert!(registered.replace(&provider, &update).json().get("client_secret").is_some());
    provider.platform.primary.execute("UPDATE clients SET secret_hash = 'other'", ()).unwrap();
    assert_eq!(registered.replace(&provider, &update).json().get("client_secret"), None);
}

#[test]
fn an_update_may_present_the_secret_that_it_removes_again() {
    for lost in [0, 1] {
        let provider = open();
        let registered = register(&provider, &document());
        let mut update = public_or_secret(registered.text("client_id"), "none");
        update["client_secret"] = registered.text("client_secret").into();
        provider.platform.lost_responses.set(lost);
        for _ in 0..2 {
            let response = registered.replace(&provider, &update);
            assert_eq!(response.status, 200, "{}", response.body);
        }
        update["client_name"] = "New".into();
        let response = registered.replace(&provider, &update);
        assert_refused(&response, "invalid_client_metadata", "client_secret: must be the current");
    }
}

#[test]
fn an_update_takes_one_request_to_the_database_and_two_with_a_sector_list() {
    let provider = open();
    let registered = register(&provider, &document());
    let list = Document {
        status: 200,
        media_type: "application/json".into(),
        text: Some(json!([CALLBACK]).to_string()),
        caching: Default::default(),
    };
    let uri = "https://app.example/list";
    provider.platform.web.borrow_mut().insert(uri.into(), list);
    let with = |field: &str, value: Value| {
        let mut document = named("New");
        document["client_id"] = registered.text("client_id").into();
        document[field] = value;
        document
    };
    let sector = with("sector_identifier_uri", uri.into());
    let wrong_token = put(registered.path()).bearer(&"x".repeat(43));
    for (document, status, requests, fetches) in [
        (with("client_name", "Newer".into()), 200, 1, 0),
        (with("client_secret", "wrong".into()), 400, 1, 0),
        (with("redirect_uris", json!([])), 400, 1, 0),
        (sector, 200, 2, 1),
    ] {
        // The token counts before the document, and without it nothing is fetched or stored.
        provider.platform.take_counts();
        let before = registered.read(&provider).json();
        assert_unauthorized(&provider.send(wrong_token.clone().json(&document)));
        assert_eq!(provider.platform.take_counts().fetches, 0);
        assert_eq!(registered.read(&provider).json(), before);

        provider.platform.take_counts();
        let response = registered.replace(&provider, &document);
        assert_eq!(response.status, status, "{}", response.body);
        let counts = provider.platform.take_counts();
        assert_eq!((counts.statements + counts.batches, counts.fetches), (requests, fetches));
    }
}

#[test]
fn an_update_beyond_the_rate_limit_stores_nothing_and_is_refused_after_its_token() {
    let provider = open();
    let registered = register(&provider, &document());
    provider.platform.rate_limit.set(Some(0));
    let mut update = named("New");
    update["client_id"] = registered.text("client_id").into();
    assert_eq!(registered.replace(&provider, &update).status, 429);
    let request = put(registered.path()).bearer(&"x".repeat(43)).json(&update);
    assert_unauthorized(&provider.send(request));
    assert_eq!(registered.read(&provider).json().get("client_name"), None);
}

#[test]
fn a_lost_response_of_the_database_does_not_lose_the_deletion_of_a_registration() {
    let provider = open();
    let registered = register(&provider, &document());
    provider.platform.lost_responses.set(1);
    let response = registered.delete(&provider);
    assert_eq!((response.status, clients(&provider)), (204, 0));
    assert!(response.log["notes"].to_string().contains("injected loss"));
    assert_unauthorized(&registered.delete(&provider));
    // A stranger does not learn that there is no such client.
    provider.platform.failing_reads.set(1);
    let request = delete(registered.path()).bearer(&"x".repeat(43));
    assert_unauthorized(&provider.send(request));
}

#[test]
fn a_client_that_the_operator_takes_over_meanwhile_is_not_deleted() {
    let provider = open();
    let registered = register(&provider, &document());
    provider.put_alice();
    let id = registered.text("client_id");
    let insert = |sql: &str| provider.platform.primary.execute(sql, [id]).unwrap();
    insert(
        "INSERT INTO grants (id, sub, client_id, scope, created_at) \
         VALUES ('g', 'alice', ?1, 'openid', 0)",
    );
    insert(
        "INSERT INTO consents (sub, client_id, scope, claims, granted_at) VALUES ('alice', ?1, 'openid', '', 0)",
    );
    let taken_over = "UPDATE clients SET registration_token_hash = NULL, expires_at = NULL";
    provider.platform.before_batches.borrow_mut().push_back(taken_over);
    assert_unauthorized(&registered.delete(&provider));
    assert_eq!((clients(&provider), count(&provider, "SELECT count(*) FROM consents")), (1, 1));
    assert_eq!(count(&provider, "SELECT count(*) FROM grants WHERE revoked_at IS NULL"), 1);
}

#[test]
fn the_salt_of_a_secret_is_erased_after_ten_minutes() {
    let provider = open();
    let salts = || count(&provider, "SELECT count(*) FROM clients WHERE secret_salt IS NOT NULL");
    let secrets = || count(&provider, "SELECT count(*) FROM clients WHERE secret_hash IS NOT NULL");
    let first = public(&provider);
    let second = public(&provider);
    let update = |registered: &Registered, method: &str| {
        let document = public_or_secret(registered.text("client_id"), method);
        assert_eq!(registered.replace(&provider, &document).status, 200);
    };
    update(&first, "client_secret_basic");
    provider.sleep(TEN_MINUTES - 1);
    update(&second, "none");
    assert_eq!(salts(), 1);
    provider.sleep(1);
    update(&second, "none");
    assert_eq!((salts(), secrets()), (0, 1));

    update(&second, "client_secret_basic");
    provider.sleep(TEN_MINUTES);
    let request = put("/admin/clients/other").by_operator();
    let other = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    assert_eq!(provider.send(request.json(&other)).status, 200);
    assert_eq!((salts(), secrets()), (0, 2));
}

#[test]
fn a_registration_is_read_once_more_if_the_database_fails() {
    let provider = open();
    let registered = register(&provider, &document());
    for (failing, status) in [(1, 200), (2, 503)] {
        provider.platform.failing_reads.set(failing);
        let request = get(registered.path()).bearer(registered.text("registration_access_token"));
        assert_eq!(provider.send(request).status, status);
    }
}
