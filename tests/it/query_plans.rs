//! The query plan of every statement: none reads a whole table that grows.
//!
//! The statements are those of the source, so that a new one cannot be left out: `statement_texts.rs` evaluates the
//! argument of each `Statement::new` and fails if it cannot. `platform.rs` fails if a test runs any other SQL.

use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::LazyLock;

use crate::platform::migrated;
use crate::statement_texts::{StatementText, statement_texts};

/// Plan steps that read a whole set of rows which does not grow with the tables.
const SMALL: [(&str, &str); 9] = [
    ("CONSTANT ROW", "a SELECT without a table"),
    ("json_each", "the elements of a parameter"),
    ("ended", "the grants that a subquery found, which has steps of its own"),
    ("(subquery-", "the rows that a subquery found, which has steps of its own"),
    ("stepped", "the clients with logout tokens, which steps of their own find one by one"),
    ("waiting", "the same clients, or the operator's"),
    ("signing_keys", "a few keys for each algorithm"),
    ("key_claims", "one row for each algorithm"),
    ("maintenance_runs", "the last 144"),
];

/// Searches that many rows can match, with the file of the statement and the reason why it may read them.
const WIDE: [(&str, &str, &str); 43] = [
    ("audit/list", "audit_events_by_client (client_id=? AND at>? AND (at,id)<(?,?))", "LIMIT"),
    ("audit/list", "PRIMARY KEY (at>? AND (at,id)<(?,?))", "LIMIT"),
    ("audit/mod", "PRIMARY KEY (at<?)", "LIMIT"),
    (
        "audit/operator",
        "PRIMARY KEY (token_hash>? AND token_hash<?)",
        "the beginning of a hash is that of one token",
    ),
    ("authorization_requests", "authorization_requests_by_end (expires_at<?)", "LIMIT"),
    ("client_assertions", "client_assertions_by_end (expires_at<?)", "LIMIT"),
    ("client_copies", "consents_by_client (client_id=?)", "stops at the first of another user"),
    ("clients", "clients_by_end (expires_at<?)", "LIMIT"),
    ("client_secrets", "clients_by_secret (secret_made_at<?)", "LIMIT"),
    ("clients", "PRIMARY KEY (client_id>?)", "LIMIT"),
    ("deletions", "consents_by_client (client_id=?)", "deletes what LIMIT allows, or finds one"),
    ("deletions", "grants_by_client (client_id=?)", "deletes what LIMIT allows, or finds one"),
    ("deletions", "PRIMARY KEY (client_id>?)", "the first one"),
    ("deletions", "PRIMARY KEY (sub>?)", "the first one"),
    ("grant_list", "grants_by_client (client_id=? AND id>?)", "LIMIT"),
    ("grants", "grants_by_life (<expr><?)", "LIMIT"),
    ("logout_deliveries", "logout_deliveries_by_client", "min"),
    ("logout_deliveries", "logout_deliveries_by_client (client_id=?)", "min"),
    ("logout_deliveries", "logout_deliveries_by_client (client_id>?)", "min"),
    (
        "logout_deliveries",
        "logout_deliveries_by_client (client_id=? AND next_try_at<?)",
        "LIMIT, or EXISTS",
    ),
    ("logout_deliveries", "logout_deliveries_by_time (next_try_at<?)", "LIMIT"),
    ("session_ends", "session_clients_by_client (client_id=? AND session_id=?)", "one row"),
    ("logout_deliveries", "logout_deliveries_by_time (next_try_at>?)", "LIMIT"),
    (
        "session_ends",
        "sqlite_autoindex_sessions_2 (cookie_hash>? AND cookie_hash<?)",
        "the beginning of a hash is that of one session",
    ),
    ("session_ends", "ended_sessions_by_time (ended_at<?)", "LIMIT"),
    ("revoked_tokens", "revoked_tokens_by_end (expires_at<?)", "LIMIT"),
    ("session_list", "PRIMARY KEY (id>?)", "LIMIT"),
    ("session_list", "session_clients_by_client (client_id=? AND session_id>?)", "LIMIT"),
    (
        "session_list",
        "sqlite_autoindex_sessions_2 (cookie_hash>? AND cookie_hash<?)",
        "the beginning of a hash is that of one session",
    ),
    ("sessions", "sessions_by_age (auth_time<?)", "LIMIT"),
    ("initial_access_tokens", "PRIMARY KEY (token_hash>?)", "LIMIT"),
    (
        "initial_access_tokens",
        "PRIMARY KEY (token_hash>? AND token_hash<?)",
        "the beginning of a hash is that of one token",
    ),
    ("initial_access_tokens", "initial_access_tokens_by_end (expires_at<?)", "LIMIT"),
    ("maintenance_runs", "INTEGER PRIMARY KEY (rowid<?)", "few more than 144 rows"),
    ("maintenance_runs", "INTEGER PRIMARY KEY (rowid>?)", "few more than 144 rows"),
    ("sign_in_attempts", "PRIMARY KEY (counter>? AND counter<?)", "a set has eight rows at most"),
    ("sign_in_attempts", "sign_in_attempts_by_time (last_at<?)", "LIMIT"),
    ("user_codes", "user_code_attempts_by_time (began_at<?)", "LIMIT"),
    ("users", "PRIMARY KEY (sub>?)", "LIMIT"),
    ("waiting_logouts", "logout_deliveries_by_client (client_id=?)", "LIMIT"),
    ("waiting_logouts", "logout_deliveries_by_client (client_id=? AND next_try_at>?)", "LIMIT"),
    ("waiting_logouts", "logout_deliveries_by_time (next_try_at>?)", "LIMIT"),
    ("waiting_logouts", "PRIMARY KEY ((session_id,client_id)>(?,?))", "LIMIT"),
];

static STATEMENTS: LazyLock<Vec<StatementText>> = LazyLock::new(statement_texts);

/// Whether this SQL is checked here.
pub fn is_explained(sql: &str) -> bool {
    static TEXTS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| STATEMENTS.iter().map(|statement| statement.sql.as_str()).collect());
    TEXTS.contains(sql)
}

/// The steps of the plan of a statement.
fn plan(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<Result<_, _>>().unwrap()
}

/// How a step finds its rows, if they may be many: `None` for any other step.
fn wide(step: &str) -> Option<&str> {
    if let Some(scanned) = step.strip_prefix("SCAN ") {
        let is_small = SMALL.iter().any(|(small, _)| scanned.starts_with(small));
        return (!is_small).then_some(step);
    }
    let (_, path) = step.strip_prefix("SEARCH ")?.split_once(" USING ")?;
    // SQLite builds an automatic index from the whole table.
    if path.starts_with("AUTOMATIC") {
        return Some(step);
    }
    let path = path.trim_start_matches("COVERING ").trim_start_matches("INDEX ");
    let is_narrow = path.contains("=?") && !path.contains("_by_client ");
    (!is_narrow).then_some(path)
}

/// Whether a statement reads no more rows than its `LIMIT`: one that sorts reads all of them first.
fn is_limited(database: &Connection, sql: &str) -> bool {
    let sorts = |step: &String| step.contains("TEMP B-TREE FOR ORDER BY");
    sql.contains(" LIMIT ?") && !plan(database, sql).iter().any(sorts)
}

/// The searches of a statement that may match many rows.
fn wide_steps(database: &Connection, statement: &StatementText) -> Vec<String> {
    let steps = plan(database, &statement.sql);
    steps.iter().filter_map(|step| wide(step)).map(str::to_owned).collect()
}

/// Makes the planner expect large tables, as after `PRAGMA optimize`: a million rows in each, of which ten have the same
/// user or grant and 100,000 the same client.
fn with_statistics(database: &Connection) {
    database
        .execute_batch(
            "ANALYZE; \
             INSERT INTO sqlite_stat1 (tbl, idx, stat) \
             SELECT tables.name, iif(indexes.origin = 'pk', tables.name, indexes.name), \
               '1000000' || (SELECT group_concat( \
                 iif(indexes.\"unique\" AND seqno = (SELECT max(seqno) FROM pragma_index_info(indexes.name)), \
                   ' 1', iif(indexes.name LIKE '%by_client', ' 100000', ' 10')), '') \
                 FROM pragma_index_info(indexes.name)) \
             FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS indexes \
             WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' \
               AND tables.name NOT IN ('signing_keys', 'key_claims'); \
             ANALYZE sqlite_schema;",
        )
        .unwrap();
    let sql = "SELECT stat FROM sqlite_stat1 WHERE idx = 'grants_by_client'";
    assert_eq!(database.query_row(sql, (), |row| row.get(0)), Ok("1000000 100000".to_owned()));
}

/// The steps that no reason in [`WIDE`] permits.
fn faults(database: &Connection, seen: &mut HashSet<(&'static str, &'static str)>) -> Vec<String> {
    let mut faults = Vec::new();
    for statement in STATEMENTS.iter() {
        for step in wide_steps(database, statement) {
            let known = WIDE.iter().find(|(file, path, reason)| {
                statement.place.starts_with(&format!("src/store/{file}.rs:"))
                    && *path == step
                    && (*reason != "LIMIT" || is_limited(database, &statement.sql))
            });
            match known {
                Some((file, path, _)) => _ = seen.insert((file, path)),
                None => faults.push(format!("{}: {step}\n  {}", statement.place, statement.sql)),
            }
        }
    }
    faults
}

#[test]
fn no_statement_reads_a_whole_table_that_grows() {
    assert!(STATEMENTS.len() > 60, "{} statements", STATEMENTS.len());
    let mut seen = HashSet::new();
    let database = migrated();
    let mut found = faults(&database, &mut seen);
    with_statistics(&database);
    found.extend(faults(&database, &mut HashSet::new()));
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unused: Vec<_> =
        WIDE.iter().filter(|(file, path, _)| !seen.contains(&(*file, *path))).collect();
    assert!(unused.is_empty(), "no statement needs {unused:?}");
}

/// SQLite looks for the children of each row that is deleted from a parent table.
#[test]
fn every_foreign_key_has_an_index() {
    let sql = "SELECT tables.name || '.' || keys.\"from\" \
               FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS keys \
               WHERE tables.type = 'table' AND NOT EXISTS \
                 (SELECT 1 FROM pragma_index_list(tables.name) AS indexes, \
                    pragma_index_info(indexes.name) AS columns \
                  WHERE columns.seqno = 0 AND columns.name = keys.\"from\" AND NOT indexes.partial)";
    let database = migrated();
    let mut statement = database.prepare(sql).unwrap();
    let missing: Vec<String> =
        statement.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn whole_tables_and_wide_searches_are_found() {
    let database = migrated();
    let steps =
        |sql: &str| wide_steps(&database, &StatementText { place: String::new(), sql: sql.into() });
    assert_eq!(steps("SELECT 1 FROM codes WHERE spent_at IS NULL"), ["SCAN codes"]);
    assert_eq!(steps("SELECT 1 FROM users AS own WHERE claims = ?1"), ["SCAN own"]);
    assert_eq!(
        steps("SELECT count(*) FROM codes"),
        ["SCAN codes USING COVERING INDEX codes_by_grant"]
    );
    assert_eq!(
        steps("DELETE FROM clients WHERE expires_at <= ?1"),
        ["clients_by_end (expires_at<?)"]
    );
    assert_eq!(
        steps("UPDATE grants SET revoked_at = 1 WHERE client_id = ?1"),
        ["grants_by_client (client_id=?)"]
    );
    assert_eq!(steps("SELECT 1 FROM users WHERE sub = ?1 AND login > ?2"), [""; 0]);
    let listing = "SELECT sub FROM users WHERE sub > ?1 ORDER BY sub LIMIT ?2";
    assert!(is_limited(&database, listing));
    assert!(!is_limited(&database, &listing.replace("BY sub", "BY created_at")));
    assert!(!is_limited(&database, &listing.replace("LIMIT ?2", "")));
    // A foreign key without an index.
    database.execute_batch("DROP INDEX codes_by_grant").unwrap();
    assert_eq!(steps("DELETE FROM grants WHERE id = ?1"), ["SCAN codes"]);
}
