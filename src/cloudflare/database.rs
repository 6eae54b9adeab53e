//! The [`Database`] port on D1, through its Sessions API. Statements and rows cross as JSON.

use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::cloudflare::task::{Outcome, wait};
use crate::cloudflare::{Edge, platform, unavailable};
use crate::error::Internal;
use crate::ports::{Database, Freshness, Row, Statement, Value};

fn to_json(statement: Statement) -> Json {
    let parameters = statement.parameters.into_iter().map(|value| match value {
        // Whole numbers of at most 53 bits, in JavaScript too.
        Value::Integer(number) => Json::from(number),
        Value::Null => Json::Null,
        Value::Text(text) => Json::from(text),
    });
    json!({ "sql": statement.sql, "parameters": parameters.collect::<Vec<_>>() })
}

fn from_json(value: Json) -> Result<Value, Internal> {
    match value {
        Json::Null => Some(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Integer),
        Json::String(text) => Some(Value::Text(text)),
        _ => None,
    }
    .ok_or_else(|| Internal::Broken { detail: "D1 returned an unknown type".into() })
}

fn read_row(columns: Vec<Json>) -> Result<Row, Internal> {
    columns.into_iter().map(from_json).collect::<Result<_, _>>().map(Row::new)
}

fn read<T: DeserializeOwned>(outcome: Outcome) -> Result<T, Internal> {
    let text = outcome.map_err(|detail| unavailable("DB", detail))?;
    serde_json::from_str(&text.as_string().unwrap_or_default())
        .map_err(|error| Internal::Broken { detail: format!("D1 returned no rows: {error}") })
}

impl Database for Edge {
    async fn run(&self, freshness: Freshness, statement: Statement) -> Result<Vec<Row>, Internal> {
        let is_primary = freshness == Freshness::Primary;
        let statement = to_json(statement).to_string();
        let rows: Vec<_> = read(wait(platform::query(&self.env, is_primary, &statement)).await)?;
        rows.into_iter().map(read_row).collect()
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, Internal> {
        let statements: Json = statements.into_iter().map(to_json).collect();
        let results: Vec<Vec<_>> =
            read(wait(platform::batch(&self.env, &statements.to_string())).await)?;
        results.into_iter().map(|rows| rows.into_iter().map(read_row).collect()).collect()
    }
}
