//! The [`Database`] port on D1, through its Sessions API.

use js_sys::{Array, Object, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::worker_sys::{D1Database, D1DatabaseSession, D1PreparedStatement, D1Result};

use crate::cloudflare::{Edge, unavailable};
use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement, Value};

const BINDING: &str = "DB";

/// The database bound as `DB`.
pub type Binding = D1Database;

/// The database, or why there is none.
pub fn binding(env: &JsValue) -> Result<Binding, String> {
    match js_sys::Reflect::get(env, &BINDING.into()) {
        Ok(database) if database.is_object() => Ok(database.unchecked_into()),
        _ => Err("it is not bound in wrangler.toml".into()),
    }
}

impl Edge {
    fn session(&self, freshness: Freshness) -> Result<D1DatabaseSession, Internal> {
        let unbound =
            |detail: &String| Internal::Unavailable { what: BINDING, detail: detail.clone() };
        let constraint = match freshness {
            Freshness::Nearest => "first-unconstrained",
            Freshness::Primary => "first-primary",
        };
        self.database.as_ref().map_err(unbound)?.with_session(Some(constraint)).map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is the shape that map_err wants")]
fn failed(error: JsValue) -> Internal {
    unavailable(BINDING, &error)
}

fn prepare(
    session: &D1DatabaseSession,
    statement: &Statement,
) -> Result<D1PreparedStatement, Internal> {
    let prepared = session.session_prepare(statement.sql).map_err(failed)?;
    if statement.parameters.is_empty() {
        return Ok(prepared);
    }
    prepared.bind(statement.parameters.iter().map(to_js).collect()).map_err(failed)
}

fn to_js(value: &Value) -> JsValue {
    match value {
        // D1 takes no BigInt; what we store is far below 2^53.
        #[allow(clippy::cast_precision_loss, reason = "the type promises 53 bits")]
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Null => JsValue::NULL,
        Value::Text(text) => JsValue::from_str(text),
    }
}

fn from_js(value: &JsValue) -> Result<Value, Internal> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if let Some(text) = value.as_string() {
        return Ok(Value::Text(text));
    }
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers come back as floats")]
    value
        .as_f64()
        .filter(|number| number.fract() == 0.0)
        .map(|number| Value::Integer(number as i64))
        .ok_or_else(|| Internal::Broken { detail: "D1 returned an unknown type".into() })
}

fn read_row(columns: &Array) -> Result<Row, Internal> {
    columns.iter().map(|value| from_js(&value)).collect::<Result<_, _>>().map(Row::new)
}

async fn wait(promise: Result<Promise, JsValue>) -> Result<JsValue, Internal> {
    JsFuture::from(promise.map_err(failed)?).await.map_err(failed)
}

impl Database for Edge {
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal> {
        let prepared = prepare(&self.session(freshness)?, &statement)?;
        let rows: Array = wait(prepared.raw()).await?.unchecked_into();
        rows.iter().map(|row| read_row(row.unchecked_ref())).collect()
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, Internal> {
        let session = self.session(Freshness::Primary)?;
        let prepared = Array::new();
        for statement in &statements {
            prepared.push(prepare(&session, statement)?.as_ref());
        }
        let results: Array = wait(session.session_batch(prepared)).await?.unchecked_into();
        let rows_of = |result: JsValue| {
            let rows = result.unchecked_into::<D1Result>().results().map_err(failed)?;
            let rows = rows.unwrap_or_default();
            // Objects keep their columns in the order in which the statement names them.
            rows.iter().map(|row| read_row(&Object::values(row.unchecked_ref()))).collect()
        };
        results.iter().map(rows_of).collect()
    }
}
