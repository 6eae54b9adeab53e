//! Texts in the database: bound to statements, compared, passed as JSON, stored in rows and read again.
//!
//! Input: two texts; a number in decimal.
#![no_main]

use fuzz::platform::Native;
use fuzz::test_provider::block_on;
use fuzz::{NOW, Parts, config, in_project};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::context::Context;
use postern::ports::{Database, Freshness, Row, Statement};
use postern::store::authorization_requests::{self, BrowserHandle, NewRequest};
use postern::store::batch::Batch;

const HANDLE: &str = "the-hash-of-the-handle-of-a-stored-request-";

thread_local! {
    static PROVIDER: (Config, Native) = (config(), in_project(Native::new));
}

fn run(platform: &Native, statement: Statement) -> Vec<Row> {
    block_on(platform.run(Freshness::Primary, statement))
        .unwrap_or_else(|error| panic!("{error:?}"))
}

fn only(platform: &Native, statement: Statement) -> Row {
    let mut rows = run(platform, statement);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fuzz_target!(|input: &[u8]| PROVIDER.with(|(config, platform)| {
    let mut parts = Parts::of(input);
    let (one, other) = (parts.text(), parts.text());
    let number = parts.text().parse::<i64>().unwrap_or_default();

    // A text of any content is bound as a value, and compared byte by byte.
    let select = Statement::new("SELECT ?1, ?2, ?3, ?1 = ?2, ?1 < ?2, length(CAST(?1 AS BLOB))");
    let select = select.bind(&*one).bind(&*other).bind(number);
    crosses(&select);
    let mut row = only(platform, select);
    assert_eq!(row.text().expect("a text"), one);
    assert_eq!(row.text().expect("a text"), other);
    assert_eq!(row.integer().expect("a number"), number);
    assert_eq!(row.integer().expect("a truth value") == 1, one == other);
    assert_eq!(row.integer().expect("a truth value") == 1, one.as_bytes() < other.as_bytes());
    assert_eq!(usize::try_from(row.integer().expect("a length")), Ok(one.len()));

    // A list is one parameter.
    let list = serde_json::to_string(&[&one, &other, &one]).expect("JSON");
    let each = Statement::new("SELECT value FROM json_each(?1)").bind(list);
    let texts: Vec<_> =
        run(platform, each).into_iter().map(|mut row| row.text().expect("a text")).collect();
    assert_eq!(texts, [&*one, &*other, &*one]);
    let member = Statement::new("SELECT ?1 IN (SELECT value FROM json_each(?2))")
        .bind(&*one)
        .bind(serde_json::to_string(&[&other]).expect("JSON"));
    assert_eq!(only(platform, member).integer().expect("a truth value") == 1, one == other);

    stored(config, platform, &one, &other);
}));

/// A statement crosses to the platform as JSON.
fn crosses(statement: &Statement) {
    let json = serde_json::to_string(statement).expect("JSON");
    let read: serde_json::Value = serde_json::from_str(&json).expect("its own text");
    let parameters = read["parameters"].as_array().expect("an array");
    assert_eq!(parameters.len(), statement.parameters.len());
    for (read, parameter) in parameters.iter().zip(&statement.parameters) {
        assert_eq!(*read, serde_json::to_value(parameter).expect("a value"));
    }
}

/// A row of a stranger's request is read as it was stored, and found by its own key alone.
fn stored(config: &Config, platform: &Native, parameters: &str, client_id: &str) {
    let context = Context::new(config, platform, NOW, &|bytes| {
        bytes.fill(1);
        Ok(())
    });
    let request = NewRequest {
        handle_hash: HANDLE,
        parameters,
        client_id: Some(client_id),
        pushed_by: None,
        is_signed: false,
        expires_at: NOW + 60,
        slots: None,
        device: None,
    };
    assert!(block_on(authorization_requests::keep(&context, &request)).expect("a database"));
    let find = |handle: &str| {
        let mut batch = Batch::default();
        let handle = BrowserHandle { handle_hash: handle.into(), browser_hash: "x".into() };
        let found = authorization_requests::find_in(&mut batch, &handle, NOW);
        block_on(batch.run(platform)).expect("a database").take(found).expect("a result")
    };
    let kept = find(HANDLE).expect("the request");
    assert_eq!(kept.parameters, parameters);
    assert!(find(client_id).is_none() || client_id == HANDLE);
    block_on(async {
        let delete = Statement::new("DELETE FROM authorization_requests WHERE handle_hash = ?1");
        platform.run(Freshness::Primary, delete.bind(HANDLE)).await.expect("a database");
    });
}
