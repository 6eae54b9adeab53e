//! docs/errors.md, held to the descriptions in the code.

use std::fs;
use std::path::Path;

use crate::floors::rust_files;

/// Texts in the code that are not descriptions, by the file or folder below `src` that has them; without a text, all
/// of its texts.
const OTHER_TEXTS: &[(&str, &[&str])] = &[
    ("cloudflare/database.rs", &["null, a whole number or a text"]),
    ("config/caching.rs", &["public, max-age="]),
    ("crypto/mac.rs", &["postern "]),
    ("endpoint/operator/mod.rs", &["GET, ", "POST, ", "PUT, "]),
    // The lines of the report. docs/operations.md has a table of them.
    ("endpoint/operator/health.rs", &[]),
    // A message of the platform, which is recognized, and never returned.
    ("fetched/fetcher.rs", &["Too many subrequests"]),
    ("fetched/request_objects.rs", &["application/"]),
    ("fetched/client_keys.rs", &["application/"]),
    ("fetched/logos.rs", &["image/"]),
    ("interaction/cookies.rs", &[]),
    ("jose/json.rs", &["a JSON value"]),
    ("endpoint/documents/icon.rs", &["public, max-age="]),
    ("limits/rate_limits.rs", &[]),
    // Why a logout token was not delivered: docs/logout.md has a table of the reasons.
    ("maintenance/logout_delivery.rs", &["not sent"]),
    ("pages", &[]),
    // Messages of SQLite and D1 are recognized, and never returned.
    (
        "ports.rs",
        &["a number", "a text", "no further column", "database or disk", "maximum DB size"],
    ),
    ("limits/user_codes.rs", &["user code"]),
    // Names of systems.
    ("protocol/authorization/device_request.rs", &["Apple TV", "Android TV", "Mac OS"]),
    // Types, which follow "must be".
    (
        "protocol/json_object.rs",
        &["true or false", "an integer", "an object", "a string", "an array of strings"],
    ),
    (
        "protocol/client/metadata/consistency.rs",
        &["grant_types has implicit", "token_endpoint_auth_method private_key_jwt"],
    ),
    ("protocol/client/metadata/values.rs", &["id_token token"]),
    ("protocol/user/user_agent.rs", &[]),
    ("router/errors.rs", &["Bearer realm=", "Basic realm=", ", error="]),
    ("router/cors.rs", &["ETag, "]),
    ("routes.rs", &[", OPTIONS"]),
    // SQL, between the names of parameters.
    ("store/audit", &[]),
    ("store/batch.rs", &["only run_idempotent"]),
    ("store/client_proof.rs", &["EXISTS ", "->>"]),
    ("store/refresh_tokens.rs", &["grants.id = (", ") AND grants.revoked_at", "->>"]),
    (
        "store/client_secrets.rs",
        &[
            "(clients.secret_hash IS ",
            " OR EXISTS ",
            " = CASE WHEN ",
            " IS NOT NULL THEN ",
            ")) END WHERE ",
        ],
    ),
    ("store/registrations.rs", &[" IS NULL OR ", " OR secret_hash "]),
    ("store/signing_keys.rs", &["EXISTS "]),
    ("store/sign_in_attempts.rs", &[" LIMIT ", ") JOIN "]),
    (
        "store/device_requests.rs",
        &["device_code_hash, ", "(polled_at ", " < polled_at ", ", ", "the number in "],
    ),
    ("store/user_codes.rs", &["EXISTS ", ") JOIN ", ") ON CONFLICT ", " RETURNING "]),
    ("store/sessions.rs", &["id, cookie_hash, ", ") WHERE "]),
    ("store/logout_deliveries.rs", &["no answer", ") AS waiting"]),
    ("store/waiting_logouts.rs", &["(SELECT coalesce", " ORDER BY ", ", min(ended_at)"]),
    ("store/slots.rs", &["(SELECT ", ") WHERE "]),
    (
        "store/deletions.rs",
        &[" >= ?1", " LIMIT ?2", ") IN (", ") AS ended", "sub, ", ") ON CONFLICT "],
    ),
    ("store/session_ends.rs", &["ended_sessions JOIN ", "end_id = "]),
    ("store/grant_list.rs", &[", grants.alive_until"]),
    (
        "store/grants.rs",
        &[
            ") AS ended",
            ") WHERE ",
            "iif(",
            "grants.id = ",
            "(grants.revoked_at ",
            "(users.disabled_at ",
            ", users.claims, NULL)",
        ],
    ),
    ("store/session_list.rs", &["cookie_hash, ", "coalesce((SELECT ", " ORDER BY "]),
    ("store/revoked_tokens.rs", &["coalesce((SELECT "]),
    (
        "store/applications.rs",
        &["(instr(", " = 0 AND ", " = 1 AND ", ", scope, claims", "revoked_at IS NULL"],
    ),
    ("store/consents.rs", &["->>"]),
    ("store/identifiers.rs", &["(EXISTS (", ") OR NOT EXISTS ("]),
    (
        "store",
        &[
            " JOIN ",
            "SELECT ",
            "INSERT ",
            "UPDATE ",
            "DELETE ",
            "WITH ",
            " AS ",
            " FROM ",
            " LEFT JOIN ",
            " AND ",
            ") AND ",
            ")) AND ",
            "))) AND ",
            " WHERE ",
            " ON CONFLICT",
            "NOT EXISTS",
            " IN (",
            " = 0 OR NOT EXISTS",
            "client_id, ",
            "consents.",
            "grants.id AS ",
        ],
    ),
];

/// The string literals of a source outside of its comments, attributes and tests, with `…` for each placeholder.
fn literals(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let is_code = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("//") && !line.contains(", reason = ")
    };
    let code: Vec<_> = code.lines().filter(is_code).collect();
    // A quotation mark as a character does not begin a text.
    let code = code.join("\n").replace("'\"'", "").replace("b'\"'", "").replace("'\\''", "");
    let mut rest = code.as_str();
    let mut literals = Vec::new();
    while let Some((before, after)) = rest.split_once('"') {
        let is_raw = before.ends_with("r#");
        let mut text = String::new();
        let mut characters = after.char_indices();
        let mut end = after.len();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' if !is_raw || after[index..].starts_with("\"#") => {
                    end = index + 1;
                    break;
                }
                '\\' if !is_raw => match characters.next() {
                    Some((_, '\n')) => {
                        while characters.clone().next().is_some_and(|(_, next)| next == ' ') {
                            characters.next();
                        }
                    }
                    Some((_, escaped)) => text.push(escaped),
                    None => {}
                },
                '{' if after[index..].starts_with('{') => {
                    text.push('…');
                    characters.by_ref().find(|(_, character)| *character == '}');
                }
                _ => text.push(character),
            }
        }
        literals.push(text);
        rest = &after[end..];
    }
    literals
}

/// The texts of the code that docs/errors.md must have, each with its file.
fn descriptions() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let mut descriptions = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let path = file.strip_prefix("src").unwrap().to_str().unwrap();
        let others: Vec<_> =
            OTHER_TEXTS.iter().filter(|(place, _)| path.starts_with(place)).collect();
        let is_other = |text: &str| {
            let starts = |texts: &[&str]| texts.iter().any(|other| text.starts_with(other));
            others.iter().any(|(_, texts)| texts.is_empty() || starts(texts))
        };
        let is_word = |word: &&str| word.contains(|c: char| c.is_ascii_alphabetic());
        for text in literals(&fs::read_to_string(file).unwrap()) {
            if text.split(' ').filter(is_word).count() > 1 && !is_other(&text) {
                descriptions.push((path.to_owned(), text));
            }
        }
    }
    descriptions
}

/// Every text of several words is a description or a log note, unless [`OTHER_TEXTS`] has it. A new one that is in
/// neither place fails here.
#[test]
fn every_description_is_documented() {
    let document = fs::read_to_string("docs/errors.md").unwrap();
    let descriptions = descriptions();
    assert!(descriptions.len() > 300, "{}", descriptions.len());
    let missing: Vec<_> =
        descriptions.iter().filter(|(_, text)| !document.contains(text)).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:#?}");
}

#[test]
fn every_documented_description_is_in_the_code() {
    let document = fs::read_to_string("docs/errors.md").unwrap();
    let (_, tables) = document.split_once("\n## Every endpoint").unwrap();
    let descriptions = descriptions();
    let is_in_code = |documented: &str| {
        let is_same = |text: &str| text.contains(documented) || documented.contains(text);
        descriptions.iter().any(|(_, text)| is_same(text))
    };
    for row in tables.lines().filter(|line| line.starts_with("| `")) {
        let (cell, _) = row.trim_start_matches("| ").split_once(" | ").unwrap();
        for text in cell.split("`, `").map(|text| text.trim_matches('`')) {
            assert!(!text.contains(' ') || is_in_code(text), "no longer in the code: {text}");
        }
    }
}
