//! The [`Database`] port on D1. A query runs on the primary, or through the Sessions API on the nearest replica.
//!
//! A query is one call of JavaScript, with statements and rows as JSON. `worker` would call JavaScript for each
//! parameter and each value, so only its lookup of the binding is used.

use js_sys::Promise;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};
use std::fmt;
use wasm_bindgen::JsValue;

use crate::cloudflare::task::wait;
use crate::cloudflare::{Edge, platform};
use crate::error::Internal;
use crate::jose::json;
use crate::ports::{Database, Freshness, Row, Statement, Value};

struct Cell(Value);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor).map(Cell)
    }
}

struct CellVisitor;

impl Visitor<'_> for CellVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("null, a whole number or a text")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Integer).map_err(E::custom)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

fn to_rows(rows: Vec<Vec<Cell>>) -> Vec<Row> {
    let to_row = |cells: Vec<Cell>| Row::new(cells.into_iter().map(|Cell(value)| value).collect());
    rows.into_iter().map(to_row).collect()
}

fn write(statements: &impl Serialize) -> Result<String, Internal> {
    serde_json::to_string(statements)
        .map_err(|error| Internal::Broken { detail: error.to_string() })
}

fn deserialize_rows<T: DeserializeOwned>(rows: &JsValue) -> Result<T, Internal> {
    let rows = rows
        .as_string()
        .ok_or_else(|| Internal::Broken { detail: "D1 returned no text".into() })?;
    json::from_own(&rows)
        .map_err(|error| Internal::Broken { detail: format!("D1 returned no rows: {error}") })
}

impl Edge {
    async fn wait_for_rows<T: DeserializeOwned>(&self, promise: Promise) -> Result<T, Internal> {
        let rows =
            wait(promise).await.map_err(|failure| self.database.unavailable(failure.message))?;
        deserialize_rows(&rows)
    }
}

impl Database for Edge {
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal> {
        let database = self.database.get()?.as_ref();
        let is_primary = freshness == Freshness::Primary;
        let promise = platform::query(database, is_primary, &write(&statement)?);
        self.wait_for_rows(promise).await.map(to_rows)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Internal> {
        let database = self.database.get()?.as_ref();
        let promise = platform::batch(database, &write(&statements)?);
        let results: Vec<_> = self.wait_for_rows(promise).await?;
        Ok(results.into_iter().map(to_rows).collect())
    }
}
