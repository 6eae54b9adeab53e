//! A reader of JSON objects, field by field.

use serde_json::{Map, Value};
use std::fmt;

use crate::jose::json::parse_object;
use crate::protocol::invalid_field::InvalidField;

/// The fields of a document that have not been taken out yet.
#[derive(Debug)]
pub struct JsonObject(Map<String, Value>);

/// A document is not a JSON object, or has a field twice.
#[derive(Debug)]
pub struct NotAnObject(serde_json::Error);

impl fmt::Display for NotAnObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not a JSON object: {}", self.0)
    }
}

/// Why a document is refused.
#[derive(Debug)]
pub enum InvalidDocument {
    /// One of its fields is wrong.
    Field(InvalidField),
    /// It is not a JSON object.
    NotAnObject(NotAnObject),
}

impl fmt::Display for InvalidDocument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) => error.fmt(formatter),
            Self::NotAnObject(error) => error.fmt(formatter),
        }
    }
}

impl From<InvalidField> for InvalidDocument {
    fn from(error: InvalidField) -> Self {
        Self::Field(error)
    }
}

impl From<NotAnObject> for InvalidDocument {
    fn from(error: NotAnObject) -> Self {
        Self::NotAnObject(error)
    }
}

impl JsonObject {
    /// Parses a JSON object without duplicate fields.
    pub fn parse(json: &[u8]) -> Result<Self, NotAnObject> {
        parse_object(json).map(Self).map_err(NotAnObject)
    }

    /// Whether there is such a field, whatever its value.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The names of the fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes out a boolean.
    pub fn boolean(&mut self, field: &str) -> Result<Option<bool>, InvalidField> {
        self.extract(field, "true or false", |value| value.as_bool())
    }

    /// Takes out an integer.
    pub fn integer(&mut self, field: &str) -> Result<Option<i64>, InvalidField> {
        self.extract(field, "an integer", |value| value.as_i64())
    }

    /// Takes out an object.
    pub fn object(&mut self, field: &str) -> Result<Option<Map<String, Value>>, InvalidField> {
        self.extract(field, "an object", |value| match value {
            Value::Object(fields) => Some(fields),
            _ => None,
        })
    }

    /// Takes out a string.
    pub fn string(&mut self, field: &str) -> Result<Option<String>, InvalidField> {
        self.extract(field, "a string", string)
    }

    /// Takes out an array of strings.
    pub fn strings(&mut self, field: &str) -> Result<Option<Vec<String>>, InvalidField> {
        let elements = self.extract(field, "an array of strings", |value| match value {
            Value::Array(elements) => Some(elements),
            _ => None,
        })?;
        let Some(elements) = elements else { return Ok(None) };
        let strings = elements.into_iter().enumerate().map(|(index, element)| {
            string(element).ok_or_else(|| InvalidField::element(field, index, "must be a string"))
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// Refuses the fields that were not taken out.
    pub fn end(self) -> Result<(), InvalidField> {
        self.fields().next().map_or(Ok(()), |field| Err(InvalidField::unknown(field)))
    }

    fn extract<T>(
        &mut self,
        field: &str,
        kind: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidField> {
        let Some(value) = self.0.remove(field) else { return Ok(None) };
        let invalid = || InvalidField::new(field, format_args!("must be {kind}"));
        read(value).map(Some).ok_or_else(invalid)
    }
}

fn string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
