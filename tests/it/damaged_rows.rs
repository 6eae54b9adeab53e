//! Rows that are damaged: each hurts itself and nobody else, is named to the operator, and can be deleted.

use crate::visitor::Visitor;
use crate::world::{World, delete, get, post, put, variables_with};
use serde_json::json;

fn damage(world: &World, sql: &str) {
    assert_eq!(world.platform.primary.execute(sql, ()).unwrap(), 1, "{sql}");
}

#[test]
fn a_damaged_client_is_named_by_the_list_which_shows_the_others() {
    let world = World::with_keys();
    for id in ["a", "b", "c"] {
        world.put_party(id, json!({}));
    }
    damage(&world, "UPDATE clients SET metadata = '{' WHERE client_id = 'b'");
    let told = world.send(get("/admin/clients").by_operator());
    assert_eq!((told.status, &told.json()["damaged"]), (200, &json!(["b"])));
    let shown = told.json()["clients"].as_array().unwrap().clone();
    assert_eq!(shown.iter().map(|client| &client["client_id"]).collect::<Vec<_>>(), ["a", "c"]);
    assert!(told.log["notes"][0].as_str().unwrap().contains("the client b is damaged"));

    // A page of the list is as long as ever, and leads to the next.
    let told = world.send(get("/admin/clients?limit=2").by_operator());
    assert_eq!(
        (&told.json()["next"], told.json()["clients"].as_array().unwrap().len()),
        (&json!("b"), 1)
    );
    let told = world.send(get("/admin/clients?limit=2&after=b").by_operator());
    assert_eq!((told.json().get("damaged"), told.json().get("next")), (None, None));
}

#[test]
fn a_damaged_client_is_named_to_the_operator_and_can_be_put_again_or_deleted() {
    let world = World::with_keys();
    world.put_app();
    let sql = "UPDATE clients SET metadata = '[]' WHERE client_id = 'app'";
    damage(&world, sql);
    let told = world.send(get("/admin/clients/app").by_operator());
    assert_eq!(told.status, 500);
    assert!(
        told.json()["error_description"].as_str().unwrap().contains("the client app is damaged")
    );
    world.put_app();
    assert_eq!(world.send(get("/admin/clients/app").by_operator()).status, 200);
    damage(&world, sql);
    assert_eq!(world.send(delete("/admin/clients/app").by_operator()).status, 200);
    assert_eq!(world.send(get("/admin/clients/app").by_operator()).status, 404);
}

#[test]
fn a_client_deletes_its_own_damaged_registration() {
    let world = World::configured(variables_with("REGISTRATION", "open"));
    let document = json!({ "redirect_uris": ["https://app.example/cb"] });
    let told = world.send(post("/auth/register").json(&document)).json();
    let path = format!("/auth/register/{}", told["client_id"].as_str().unwrap());
    let token = told["registration_access_token"].as_str().unwrap();
    damage(&world, "UPDATE clients SET metadata = ''");
    let told = world.send(get(&path).bearer(token));
    assert_eq!((told.status, told.body.contains("damaged")), (500, false));
    assert_eq!(world.send(delete(&path).bearer("somebody-elses")).status, 401);
    assert_eq!(world.send(delete(&path).bearer(token)).status, 204);
    assert_eq!(world.send(get(&path).bearer(token)).status, 401);
}

#[test]
fn a_person_sees_a_damaged_client_on_their_page_and_withdraws_from_it() {
    let world = World::with_keys();
    world.put_alice_with_password();
    let (app, other) =
        (world.put_app(), world.put_party("other", json!({ "client_name": "Other" })));
    let visitor = Visitor::new(&world);
    for party in [&app, &other] {
        visitor.authorize(party, "alice@example.com", &[]);
    }
    damage(&world, "UPDATE clients SET metadata = '{}' WHERE client_id = 'app'");
    let page = visitor.get("/auth/account");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Other") && page.body.contains("app"), "{}", page.body);
    assert!(page.log["notes"][0].as_str().unwrap().contains("the client app is damaged"));
    let forms = page.body.matches(r#"name="client_id" value="app""#).count();
    assert_eq!(forms, 1);
    let fields = crate::visitor::form_to(&page, "/auth/account");
    visitor.submit_form(&fields, &[("client_id", "app")]);
    let page = visitor.get("/auth/account");
    assert!(!page.body.contains(r#"value="app""#) && page.body.contains("Other"));
}

#[test]
fn a_damaged_user_is_named_by_the_list_and_can_be_put_again_or_deleted() {
    let world = World::with_keys();
    for sub in ["a", "b", "c"] {
        let told = world
            .send(put(&format!("/admin/users/{sub}")).by_operator().json(&json!({ "claims": {} })));
        assert_eq!(told.status, 200);
    }
    damage(&world, "UPDATE users SET claims = 'x' WHERE sub = 'b'");
    let told = world.send(get("/admin/users").by_operator());
    assert_eq!((told.status, &told.json()["damaged"]), (200, &json!(["b"])));
    assert_eq!(told.json()["users"].as_array().unwrap().len(), 2);
    let told = world.send(get("/admin/users/b").by_operator());
    assert!(told.json()["error_description"].as_str().unwrap().contains("the user b are damaged"));
    let told = world.send(put("/admin/users/b").by_operator().json(&json!({ "claims": {} })));
    assert_eq!(told.status, 200);
    damage(&world, "UPDATE users SET claims = '[1]' WHERE sub = 'b'");
    assert_eq!(world.send(delete("/admin/users/b").by_operator()).status, 200);
    assert_eq!(world.send(get("/admin/users").by_operator()).json().get("damaged"), None);
}
