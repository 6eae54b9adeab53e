//! Upgrades and roll backs across the migrations: rows of an older version work after them, and an older version works
//! with their tables.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

use crate::browser::{Browser, TestClient, answer, field};
use crate::platform::{migrate, migrations};
use crate::test_provider::{TestProvider, get, post};

const LOGIN: &str = "alice@example.com";
/// The number of migrations of the oldest release.
const FIRST_RELEASE: usize = 8;

/// Statements of migrations that do more than add a table, an index or a column, each with the reason why a version
/// without the migration works with the result.
const REVIEWED: [(&str, &str, &str); 7] = [
    (
        "0015_slots",
        "CREATE UNIQUE INDEX authorization_requests_by_slot",
        "older versions leave slot null, and the index has no nulls",
    ),
    ("0015_slots", "CREATE UNIQUE INDEX client_assertions_by_slot", "likewise"),
    ("0015_slots", "CREATE UNIQUE INDEX clients_by_slot", "likewise"),
    (
        "0017_agreements",
        "WITH known (name)",
        "removes claims that no page has shown; they return at the next sign-in",
    ),
    ("0017_agreements", "DROP INDEX grants_by_sub", "made anew with another order of columns"),
    ("0017_agreements", "DROP INDEX refresh_tokens_by_grant", "made anew with one more column"),
    (
        "0025_device_requests",
        "CREATE UNIQUE INDEX authorization_requests_by_device_code",
        "older versions leave device_code_hash null, and the index has no nulls",
    ),
];

/// The statements of a migration, each in one line and without comments.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<_> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
    let statements = code.join(" ");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    statements.split(';').map(words).filter(|text| !text.is_empty()).collect()
}

/// Whether an older version works with the result of a statement because it ignores what is new.
fn only_adds(statement: &str, migration: &[String]) -> bool {
    if let Some((_, index)) =
        statement.strip_prefix("CREATE UNIQUE INDEX ").and_then(|rest| rest.split_once(" ON "))
    {
        // An older version does not know a table of the same migration.
        let table = format!("CREATE TABLE {} ", index.split(' ').next().unwrap());
        return migration.iter().any(|statement| statement.starts_with(&table));
    }
    if let Some((_, column)) =
        statement.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN "))
    {
        let (definition, _) = column.split_once(" CHECK ").unwrap_or((column, ""));
        return !definition.contains("NOT NULL") || definition.contains("DEFAULT");
    }
    ["CREATE TABLE ", "CREATE INDEX "].iter().any(|start| statement.starts_with(start))
}

#[test]
fn every_migration_only_adds_except_for_statements_that_were_reviewed() {
    let mut reviewed = Vec::new();
    for (name, sql) in migrations() {
        let statements = statements(&sql);
        for statement in statements.iter().filter(|statement| !only_adds(statement, &statements)) {
            let known = REVIEWED.iter().find(|(migration, start, _)| {
                name.starts_with(migration) && statement.starts_with(start)
            });
            let known = known.unwrap_or_else(|| panic!("{name}: review {statement}"));
            reviewed.push(known.1);
        }
    }
    assert_eq!(reviewed, REVIEWED.map(|(_, start, _)| start), "none is out of date");
    for unsafe_one in [
        "DROP TABLE users",
        "ALTER TABLE users DROP COLUMN claims",
        "ALTER TABLE users ADD COLUMN x TEXT NOT NULL",
        "UPDATE users SET claims = '{}'",
        "CREATE UNIQUE INDEX x ON users (claims)",
    ] {
        assert!(!only_adds(unsafe_one, &[]), "{unsafe_one}");
    }
}

/// What browsers and applications keep across an upgrade.
struct Used {
    app: TestClient,
    access_token: String,
    refresh_token: String,
    code: String,
    cookies: std::collections::BTreeMap<String, String>,
}

/// Uses a provider so that it has rows in every table of the first release.
fn used(provider: &TestProvider) -> Used {
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let app = provider.put_app();
    let alice = Browser::new(provider);
    let scope = ("scope", "openid email offline_access");
    let tokens = provider.redeem(&app, &alice.authorize(&app, LOGIN, &[scope]));
    let code = alice.authorize(&app, LOGIN, &[scope]);
    provider.push(&app, &[]);
    let pairwise = provider.put_client_with("pairwise", json!({ "subject_type": "pairwise" }));
    alice.authorize(&pairwise, LOGIN, &[]);
    let permission = post("/admin/initial-access-tokens").by_operator();
    assert_eq!(provider.send(permission.json(&json!({ "uses": 1 }))).status, 200);
    let mallory = Browser::new(provider);
    mallory.submit(&mallory.get("/auth/account"), &[("login", "bob"), ("password", "wrong")]);
    provider
        .platform
        .primary
        .execute_batch(
            "INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES ('app', 'x', 9e9)",
        )
        .unwrap();
    provider.maintain();
    Used {
        access_token: field(&tokens, "access_token"),
        refresh_token: field(&tokens, "refresh_token"),
        code,
        cookies: alice.cookies.borrow().clone(),
        app,
    }
}

fn names(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

fn tables(database: &Connection) -> Vec<String> {
    names(
        database,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    )
}

fn count(database: &Connection, table: &str) -> i64 {
    database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Copies the rows into the tables and columns that an older version had.
fn copy_rows(from: &Connection, to: &Connection) {
    to.pragma_update(None, "foreign_keys", false).unwrap();
    // The table of the migrations has its own rows.
    for table in tables(to).into_iter().filter(|table| table != "d1_migrations") {
        let columns = names(to, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let mut rows =
            from.prepare(&format!("SELECT {} FROM {table}", columns.join(", "))).unwrap();
        let holders = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {table} ({}) VALUES ({holders})", columns.join(", "));
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns.len()).map(|index| row.get::<_, Value>(index).unwrap());
            to.execute(&insert, params_from_iter(values)).unwrap();
        }
    }
    to.pragma_update(None, "foreign_keys", true).unwrap();
}

#[test]
fn the_rows_of_every_older_version_survive_the_later_migrations_and_work() {
    let all = migrations();
    let first_tables = tables(&migrate(&all[..FIRST_RELEASE]));
    for older in FIRST_RELEASE..all.len() {
        let mut provider = TestProvider::new();
        provider.has_entropy.set(true);
        let Used { app, access_token, refresh_token, code, cookies } = used(&provider);
        let database = migrate(&all[..older]);
        copy_rows(&provider.platform.primary, &database);
        let counts: Vec<_> =
            tables(&database).into_iter().map(|table| (count(&database, &table), table)).collect();
        for table in &first_tables {
            assert!(count(&database, table) > 0, "{older}: {table} is empty");
        }
        for (name, sql) in &all[older..] {
            database.execute_batch(sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (rows, table) in &counts {
            assert_eq!(count(&database, table), *rows, "{older}: {table}");
        }
        assert_eq!(names(&database, "SELECT \"table\" FROM pragma_foreign_key_check"), [""; 0]);

        provider.platform.primary = database;
        provider.platform.cache.borrow_mut().clear();
        provider.new_isolate();
        let userinfo = provider.send(get("/auth/userinfo").bearer(&access_token));
        assert_eq!(userinfo.json()["email"], "alice@example.com", "{older}");
        assert_eq!(provider.refresh(&app, &refresh_token).status, 200, "{older}");
        assert_eq!(provider.redeem(&app, &code).status, 200, "{older}");
        let alice = Browser::new(&provider);
        alice.cookies.replace(cookies);
        let silent = alice.get(&app.authorize(&[("prompt", "none"), ("scope", "openid email")]));
        let silent = answer(&silent, &app.redirect_uri);
        assert_eq!(provider.redeem(&app, &silent["code"]).status, 200, "{older}");
        let code = Browser::new(&provider).authorize(&app, LOGIN, &[]);
        assert_eq!(provider.redeem(&app, &code).status, 200, "{older}");
    }
}
