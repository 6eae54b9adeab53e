//! Accepted JSON is stored as text and read again by serde_json, by SQLite and by relying parties. All of
//! them must read the same document. serde_json gives two names of object fields a meaning of its own under
//! its features `raw_value` and `arbitrary_precision`; here they must be ordinary names.

use crate::test_provider::{TestProvider, TestResponse, get};
use postern::jose::json::parse_object;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value, json};

mod documents;
mod registrations;
mod signed;
mod users;

use documents::{Documents, NAMES, hostile};

/// The number of random documents.
const COUNT: usize = 4_000;

/// All documents as JSON texts, the simplest first.
fn all() -> impl Iterator<Item = String> {
    let mut random = Documents::new();
    let hostile = hostile().into_iter().map(|object| object.to_string());
    hostile.chain((0..COUNT).map(move |_| random.next()))
}

/// The documents that the strict reader accepts.
fn accepted() -> Vec<Value> {
    let read = |text: String| parse_object(text.as_bytes()).ok().map(Value::Object);
    let accepted: Vec<_> = all().filter_map(read).collect();
    assert!(accepted.len() > COUNT * 3 / 4, "{} of {COUNT} are accepted", accepted.len());
    accepted
}

/// The beginning of a text, for the message of a failed assertion.
fn brief(text: impl ToString) -> String {
    let text = text.to_string();
    let begin: String = text.chars().take(200).collect();
    if begin.len() < text.len() { format!("{begin}… ({} bytes)", text.len()) } else { begin }
}

/// Asserts that two documents are equal, including the last bit of each float and the sign of each zero.
#[track_caller]
fn assert_same(left: &Value, right: &Value) {
    let texts = (left.to_string(), right.to_string());
    assert!(left == right && texts.0 == texts.1, "{}\nis not\n{}", brief(left), brief(right));
}

/// The JSON object of a response. The strict reader parses it, because no feature of serde_json gives a field
/// name a meaning there.
#[track_caller]
fn read(response: &TestResponse) -> Value {
    let object = parse_object(response.body.as_bytes());
    Value::Object(object.unwrap_or_else(|error| panic!("{error}: {}", brief(&response.body))))
}

/// Asserts the status of a response, and that the provider logged no fault.
#[track_caller]
fn assert_status(response: &TestResponse, status: u16, what: &Value) {
    assert_no_fault(response, what);
    assert_eq!(response.status, status, "{}: {}", brief(what), brief(&response.body));
}

/// Asserts that the provider logged no fault. The authorization endpoint answers a fault with a redirect, so the status
/// alone does not show it.
#[track_caller]
fn assert_no_fault(response: &TestResponse, what: &Value) {
    assert!(
        response.status < 500,
        "{}: {} {}",
        brief(what),
        brief(&response.body),
        brief(&response.log)
    );
    assert_eq!(
        (response.log.get("notes"), &*response.notes_after),
        (None, &[][..]),
        "{}",
        brief(what)
    );
}

/// The document that the operator gets at a path.
#[track_caller]
fn shown(provider: &TestProvider, path: &str) -> Value {
    let response = provider.send(get(path).by_operator());
    assert_eq!(response.status, 200, "{path}: {} {}", brief(&response.body), brief(&response.log));
    read(&response)
}

/// An object with the fields of another one added.
fn with(mut object: Value, fields: &Value) -> Value {
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object
}

/// An object with one field set.
fn set(mut object: Value, field: &str, value: &Value) -> Value {
    object[field] = value.clone();
    object
}

/// Cargo unifies features, so a dependency could turn one of these on.
#[test]
fn serde_json_reads_every_field_name_as_an_ordinary_name() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Stored {
        value: Value,
    }
    for name in NAMES {
        for value in [json!("[["), json!("[1]"), json!("1"), json!(1), json!(null), json!({})] {
            let text = format!("{{\"{name}\":{value}}}");
            let expected = Map::from_iter([(name.to_owned(), value)]);
            let strict = parse_object(text.as_bytes());
            assert_eq!(strict.map_err(|error| error.to_string()), Ok(expected.clone()), "{text}");
            let expected = Value::Object(expected);
            let within = serde_json::from_str(&format!("{{\"value\":{text}}}"));
            for read in [
                serde_json::from_str::<Value>(&text),
                serde_json::from_slice(text.as_bytes()),
                serde_json::from_reader(text.as_bytes()),
                serde_json::from_value(expected.clone()),
                within.map(|Stored { value }| value),
            ] {
                assert_eq!(read.map_err(|error| error.to_string()), Ok(expected.clone()), "{text}");
            }
        }
    }
    let number = parse_object(br#"{"n":1}"#).unwrap().remove("n");
    assert_eq!(number, Some(Value::from(1)));
}

#[test]
fn a_document_that_the_strict_reader_accepts_reads_back_equal() {
    for document in accepted() {
        let stored = document.to_string();
        let back = serde_json::from_str::<Value>(&stored);
        let back =
            back.unwrap_or_else(|error| panic!("{} does not read back: {error}", brief(&stored)));
        assert_same(&back, &document);
    }
}

/// The statement that stores users extracts their claims from JSON.
#[test]
fn sqlite_extracts_a_document_unchanged() {
    let connection = Connection::open_in_memory().unwrap();
    let sql = "SELECT value->'claims', value->>'sub' FROM json_each(?1)";
    let mut statement = connection.prepare(sql).unwrap();
    for (number, document) in accepted().into_iter().enumerate() {
        // The sub has every kind of escape except a NUL, which ends a text in some of SQLite's functions.
        let sub = format!("{number} {}", document.to_string().replace("\\u0000", ""));
        let users = json!([{ "sub": sub, "claims": document }]).to_string();
        let (claims, text): (String, String) =
            statement.query_row([users], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_same(&Value::Object(parse_object(claims.as_bytes()).unwrap()), &document);
        assert_eq!(text, sub);
    }
}
