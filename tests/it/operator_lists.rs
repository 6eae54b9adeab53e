//! What the operator lists: sessions, grants and initial access tokens, and the end of one of them.

use crate::browser::{Browser, TestClient, claims, field, is_login};
use crate::test_provider::{NOW, TestProvider, TestRequest, delete, get, post};
use postern::secret::hash;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const OFFLINE: [(&str, &str); 1] = [("scope", "openid email offline_access")];

fn provider() -> (TestProvider, TestClient, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider.put_user("bob");
    let app = provider.put_app();
    let other = provider.put_client_with("other", json!({}));
    (provider, app, other)
}

/// The entries of all pages of a listing, read one by one.
fn list(provider: &TestProvider, collection: &str, query: &str) -> Vec<Value> {
    let (mut entries, mut after) = (Vec::new(), String::new());
    loop {
        let target = format!("/admin/{collection}?{query}&limit=1&after={after}");
        let response = provider.send(get(&target).by_operator());
        assert_eq!(response.status, 200, "{target} {}", response.body);
        let page = response.json();
        let name = collection.replace('-', "_");
        let found = page[&name].as_array().unwrap();
        assert!(found.len() <= 1);
        entries.extend(found.iter().cloned());
        let Some(next) = page.get("next") else { break };
        after = next.as_str().unwrap().to_owned();
    }
    let target = format!("/admin/{collection}?{query}");
    let whole = provider.send(get(&target).by_operator()).json();
    assert_eq!(whole[collection.replace('-', "_")], Value::from(entries.clone()));
    entries
}

fn fields<'a>(entries: &'a [Value], name: &str) -> Vec<&'a str> {
    let mut found: Vec<_> = entries.iter().map(|one| one[name].as_str().unwrap()).collect();
    found.sort_unstable();
    found
}

#[test]
fn sessions_are_listed_by_user_and_client_with_their_clients() {
    let (provider, app, other) = provider();
    let (first, second) = (Browser::new(&provider), Browser::new(&provider));
    let tokens = provider.redeem(&app, &first.authorize(&app, LOGIN, &OFFLINE));
    provider.sleep(100);
    first.authorize(&other, LOGIN, &OFFLINE);
    second.authorize(&app, LOGIN, &OFFLINE);
    Browser::new(&provider).authorize(&other, "bob", &OFFLINE);
    let count = |query: &str| fields(&list(&provider, "sessions", query), "sub").join(" ");
    assert_eq!(count(""), "alice alice bob");
    assert_eq!(count("user=alice"), "alice alice");
    assert_eq!(count("client=app"), "alice alice");
    assert_eq!(count("client=other"), "alice bob");
    assert_eq!(count("user=alice&client=other"), "alice");
    assert_eq!(count("user=bob&client=app"), "");
    assert_eq!(count("user=nobody"), "");
    let sid = claims(&field(&tokens, "id_token"))["sid"].clone();
    let session = list(&provider, "sessions", "user=alice&client=other").pop().unwrap();
    assert_eq!((&session["signed_in_at"], &session["used_at"]), (&json!(NOW), &json!(NOW + 100)));
    let clients = session["clients"].as_array().unwrap();
    assert_eq!(fields(clients, "client_id"), ["app", "other"]);
    assert_eq!(clients[0]["sid"], sid);
}

#[test]
fn the_name_of_a_session_is_neither_its_id_nor_its_cookie() {
    let (provider, app, _) = provider();
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &OFFLINE);
    let response = provider.send(get("/admin/sessions").by_operator());
    let session = response.json()["sessions"][0].clone();
    let name = session["session"].as_str().unwrap();
    let sql = "SELECT id, cookie_hash FROM sessions";
    let (id, cookie_hash): (String, String) =
        provider.platform.primary.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(name, &cookie_hash[..22]);
    assert!(!response.body.contains(&id));
    let cookies = browser.cookies.borrow().clone();
    assert!(cookies.values().all(|cookie| !response.body.contains(cookie.as_str())));
    // As a cookie it is no session.
    let cookie = cookies.iter().find(|(_, value)| hash(value) == cookie_hash).unwrap().0.clone();
    browser.cookies.borrow_mut().insert(cookie, name.to_owned());
    assert!(is_login(&browser.get("/auth/account")));
}

#[test]
fn one_session_is_ended_and_the_others_stay() {
    for lost in [0, 1] {
        let (provider, app, _) = provider();
        let (first, second) = (Browser::new(&provider), Browser::new(&provider));
        let offline = provider.redeem(&app, &first.authorize(&app, LOGIN, &OFFLINE));
        let online = first.authorize(&app, LOGIN, &[("scope", "openid")]);
        let online = provider.redeem(&app, &online);
        let names = |provider: &TestProvider| {
            let sessions = list(provider, "sessions", "user=alice");
            fields(&sessions, "session").into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let name = names(&provider).remove(0);
        second.authorize(&app, LOGIN, &OFFLINE);
        provider.platform.lost_responses.set(lost);
        let end = delete(&format!("/admin/sessions/{name}")).by_operator();
        let response = provider.send(end.clone());
        assert_eq!(response.json(), json!({ "session": name, "ended_at": NOW }), "{lost}");
        assert!(is_login(&first.get("/auth/account")) && !is_login(&second.get("/auth/account")));
        assert_eq!(names(&provider).len(), 1);
        let userinfo = |tokens| {
            provider.send(get("/auth/userinfo").bearer(&field(tokens, "access_token"))).status
        };
        assert_eq!((userinfo(&offline), userinfo(&online)), (200, 401));
        assert_eq!(provider.send(end).status, 404, "it has ended");
    }
}

#[test]
fn a_session_that_does_not_exist_is_not_found_and_no_beginning_of_a_name_ends_many() {
    let (provider, app, _) = provider();
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &OFFLINE);
    let name = list(&provider, "sessions", "")[0]["session"].as_str().unwrap().to_owned();
    for wrong in [
        "",
        "%25",
        "_",
        "~",
        &name[..21],
        &format!("{name}A"),
        "0000000000000000000000",
        "%00",
        "..",
        "%FF",
        &format!("{}%25", &name[..21]),
    ] {
        let response = provider.send(delete(&format!("/admin/sessions/{wrong}")).by_operator());
        assert!([400, 404].contains(&response.status), "{wrong} {}", response.body);
    }
    assert!(!is_login(&browser.get("/auth/account")));
    // A new sign-in in the same browser changes the name.
    let page = browser.get(&app.authorize(&[("prompt", "login")]));
    browser.sign_in_on(&page, LOGIN);
    let response = provider.send(delete(&format!("/admin/sessions/{name}")).by_operator());
    assert_eq!(response.status, 404);
    assert!(response.body.contains("typed the password again"), "{}", response.body);
}

#[test]
fn an_expired_session_is_not_listed() {
    let (provider, app, _) = provider();
    Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
    provider.sleep(86_400);
    Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
    assert_eq!(list(&provider, "sessions", "user=alice").len(), 1);
}

#[test]
fn grants_are_listed_with_their_state() {
    let (provider, app, other) = provider();
    let browser = Browser::new(&provider);
    let tokens = provider.redeem(&app, &browser.authorize(&app, LOGIN, &OFFLINE));
    browser.authorize(&other, LOGIN, &[("scope", "openid")]);
    provider.redeem(&app, &Browser::new(&provider).authorize(&app, "bob", &OFFLINE));
    provider.mint("openid");
    let by = |query: &str| list(&provider, "grants", query);
    let states = |query: &str| {
        let grants = by(query);
        let state = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            format!("{} {} {}", text("sub"), text("client_id"), text("state"))
        };
        let mut states: Vec<_> = grants.iter().map(state).collect();
        states.sort_unstable();
        states
    };
    assert_eq!(
        states("user=alice"),
        ["alice app active", "alice operator active", "alice other active"]
    );
    assert_eq!(states("client=app"), ["alice app active", "bob app active"]);
    assert_eq!(states("user=alice&client=app"), ["alice app active"]);
    assert_eq!(states("user=nobody"), [""; 0]);

    provider.sleep(3_600);
    provider.refresh(&app, &field(&tokens, "refresh_token"));
    let grant = by("user=alice&client=app").pop().unwrap();
    let session = list(&provider, "sessions", "user=alice").pop().unwrap();
    let grant_id = claims(&field(&tokens, "access_token"))["grant_id"].clone();
    assert_eq!(
        grant,
        json!({
            "grant_id": grant_id, "sub": "alice", "client_id": "app", "state": "active",
            "scope": "openid email offline_access", "created_at": NOW, "used_at": NOW + 3_600,
            "session": session["session"],
            "sid": claims(&field(&tokens, "id_token"))["sid"],
        })
    );
    assert_eq!(
        states("user=alice"),
        ["alice app active", "alice operator expired", "alice other expired"]
    );
    provider.send(TestRequest::new("PUT", "/admin/users/alice/disabled").by_operator());
    assert_eq!(by("user=alice&client=app")[0]["state"], "user_disabled");
    assert_eq!(by("user=alice&client=app")[0].get("session"), None);
    provider.send(delete("/admin/users/alice/disabled").by_operator());
    let both = json!({ "user": "alice" });
    provider.send(post("/admin/grants/revoke").by_operator().json(&both));
    assert_eq!(by("user=alice&client=app")[0]["state"], "revoked");
    assert_eq!(states("client=app"), ["alice app revoked", "bob app active"]);
    let bob = by("user=bob")[0]["grant_id"].as_str().unwrap().to_owned();
    provider.send(delete(&format!("/admin/grants/{bob}")).by_operator());
    assert_eq!(by("user=bob")[0]["revoked_at"], NOW + 3_600);
}

#[test]
fn a_listing_is_refused_for_wrong_parameters() {
    let (provider, ..) = provider();
    for (target, words) in [
        ("grants", "user or client: one of them is required"),
        ("grants?user=", "user or client: one of them is required"),
        ("grants?user=alice&user=bob", "duplicate parameter: user"),
        ("grants?client=a&client=b", "duplicate parameter: client"),
        ("grants?user=alice&after=none", "after: must be the next of the page before"),
        ("grants?user=%FF", "user: must be UTF-8"),
        ("grants?user=alice&limit=0", "limit: must be a whole number from 1 to 500"),
        ("sessions?limit=501", "limit: must be a whole number from 1 to 500"),
        ("sessions?limit=x", "limit: must be a whole number from 1 to 500"),
        ("sessions?after=x", "after: must be the next of the page before"),
        ("sessions?after=0000000000000000000000", "after: must be the next of the page before"),
        ("sessions?user=a&user=b", "duplicate parameter: user"),
        ("initial-access-tokens?after=x", "after: must be the next of the page before"),
        ("initial-access-tokens?limit=-1", "limit: must be a whole number from 1 to 500"),
    ] {
        let response = provider.send(get(&format!("/admin/{target}")).by_operator());
        assert_eq!(response.status, 400, "{target} {}", response.body);
        assert!(response.body.contains(words), "{target} {}", response.body);
    }
}

#[test]
fn an_initial_access_token_is_listed_by_the_beginning_of_its_hash_and_revoked() {
    let (provider, ..) = provider();
    let make = |uses: i64| {
        let request = post("/admin/initial-access-tokens").by_operator();
        field(&provider.send(request.json(&json!({ "uses": uses }))), "initial_access_token")
    };
    let register = |token: &str| {
        let document = json!({ "redirect_uris": ["https://app.example/cb"] });
        provider.send(post("/auth/register").bearer(token).json(&document)).status
    };
    let (kept, revoked, once) = (make(3), make(2), make(1));
    assert_eq!((register(&kept), register(&once)), (201, 201));
    let tokens = list(&provider, "initial-access-tokens", "");
    let name = |token: &str| hash(token)[..12].to_owned();
    let mut names = [name(&kept), name(&revoked)];
    names.sort_unstable();
    assert_eq!(fields(&tokens, "initial_access_token"), names, "one is used up");
    let shown = tokens.iter().find(|one| one["initial_access_token"] == name(&kept)).unwrap();
    assert_eq!(
        shown,
        &json!({
            "initial_access_token": name(&kept), "uses": 3, "uses_left": 2, "resources": [],
            "created_at": NOW, "expires_at": NOW + 86_400,
        })
    );
    for lost in [1, 0] {
        provider.platform.lost_responses.set(lost);
        let request = delete(&format!("/admin/initial-access-tokens/{}", name(&revoked)));
        let response = provider.send(request.by_operator());
        assert_eq!((response.status, &response.json()["uses_left"]), (200, &json!(0)));
    }
    assert_eq!((register(&revoked), register(&kept)), (401, 201));
    // The registration whose response was lost is not repeated with a token that is revoked.
    assert_eq!(register(&once), 201);
    provider.send(delete(&format!("/admin/initial-access-tokens/{}", name(&once))).by_operator());
    assert_eq!(register(&once), 401);
    assert_eq!(list(&provider, "initial-access-tokens", "").len(), 1);
    for wrong in ["", "x", "%25", &name(&kept)[..11], &hash(&kept), "____________"] {
        let request = delete(&format!("/admin/initial-access-tokens/{wrong}")).by_operator();
        assert_eq!(provider.send(request).status, 404, "{wrong}");
    }
    assert_eq!(register(&kept), 201);
}
