use crate::admin::{assert_refused, import, put_user};
use crate::test_provider::{TestProvider, alice, delete, get, put};
use serde_json::{Value, json};

/// A hash with parameters other than Postern's.
const HASH: &str = "$argon2id$v=19$m=65536,t=3,p=4$BwcHBwcHBwcHBwcHBwcHBw$9dvZ2wV4a1oIRgJeEFZ8K3uFmfhUlz1Kd8C4HF1V5Kc";

fn password_hash(provider: &TestProvider, sub: &str) -> Option<String> {
    let sql = "SELECT password_hash FROM users WHERE sub = ?1";
    provider.platform.primary.query_row(sql, [sub], |row| row.get(0)).unwrap()
}

#[test]
fn a_password_is_stored_hashed_and_never_shown() {
    let provider = TestProvider::new();
    provider.put_alice();
    let path = "/admin/users/alice/password";
    let response =
        provider.send(put(path).by_operator().json(&json!({ "password": "correct horse" })));
    assert_eq!((response.status, &response.json()["has_password"]), (200, &true.into()));
    let hash = password_hash(&provider, "alice").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!response.body.contains("argon2") && !response.body.contains("horse"));

    provider.put_alice();
    assert_eq!(
        password_hash(&provider, "alice"),
        Some(hash),
        "a put of the user keeps the password"
    );
    assert_eq!(provider.send(delete(path).by_operator()).json()["has_password"], false);
    assert_eq!(password_hash(&provider, "alice"), None);
}

#[test]
fn an_invalid_password_document_is_refused() {
    let provider = TestProvider::new();
    provider.put_alice();
    let set = |sub: &str, document: Value| {
        provider.send(put(&format!("/admin/users/{sub}/password")).by_operator().json(&document))
    };
    for (document, words) in [
        (json!({}), "password: missing"),
        (json!({ "password": 12345678 }), "password: must be a string"),
        (json!({ "password": "short" }), "password: must have at least 8"),
        (json!({ "password": "x".repeat(1_025) }), "password: must have at least 8"),
        (json!({ "password": "correct horse", "hash": "x" }), "hash: unknown field"),
    ] {
        assert_refused(&set("alice", document), 400, words);
    }
    assert_refused(&set("nobody", json!({ "password": "correct horse" })), 404, "no user");
    assert_eq!(
        provider.send(get("/admin/users/alice/password").by_operator()).header("allow"),
        Some("PUT, DELETE")
    );
}

#[test]
fn an_import_accepts_password_hashes_but_not_passwords() {
    let provider = TestProvider::new();
    let lines = [
        json!({ "sub": "a", "password_hash": HASH }),
        json!({ "sub": "b", "password_hash": "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW" }),
        json!({ "sub": "c", "password": "correct horse" }),
    ];
    let report = import(&provider, &lines.map(|line| line.to_string()).join("\n"));
    assert_eq!(report["stored"], 1);
    assert!(report["refused"][0]["error"].as_str().unwrap().starts_with("password_hash: must be"));
    assert!(report["refused"][1]["error"].as_str().unwrap().starts_with("password: unknown field"));
    assert_eq!(password_hash(&provider, "a").as_deref(), Some(HASH));
}

#[test]
fn an_import_line_with_only_a_hash_keeps_login_and_claims() {
    let provider = TestProvider::new();
    provider.put_alice();
    import(&provider, &json!({ "sub": "alice", "password_hash": HASH }).to_string());
    let user = provider.send(get("/admin/users/alice").by_operator()).json();
    assert_eq!((&user["login"], &user["claims"]), (&"alice@example.com".into(), &alice()));
    assert_eq!(password_hash(&provider, "alice").as_deref(), Some(HASH));
}

#[test]
fn a_user_with_an_invalid_password_is_not_stored() {
    let provider = TestProvider::new();
    let response = put_user(&provider, "alice", &json!({ "password": "short" }));
    assert_refused(&response, 400, "password: must have at least 8");
    assert_eq!(provider.send(get("/admin/users/alice").by_operator()).status, 404);
    let both = json!({ "password": "correct horse", "password_hash": HASH });
    assert_refused(&put_user(&provider, "alice", &both), 400, "together with password_hash");
    let response = put_user(&provider, "alice", &json!({ "password": "correct horse" }));
    assert_eq!((response.status, &response.json()["has_password"]), (200, &true.into()));
}
