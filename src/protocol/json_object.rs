//! A reader that takes the fields of a JSON object one by one.

use serde_json::{Map, Value};
use std::fmt;

use crate::jose::json::parse_object;
use crate::protocol::invalid_field::InvalidField;

/// The fields of a document that have not been read yet. Reading a field removes it, so that [`end`](Self::end) finds
/// the fields that the document must not have.
#[derive(Debug)]
pub struct JsonObject {
    fields: Map<String, Value>,
    warnings: Vec<InvalidField>,
}

/// The error for a document that is not a JSON object, or that has a duplicate field.
#[derive(Debug)]
pub struct NotAnObject(serde_json::Error);

impl fmt::Display for NotAnObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the document is not a JSON object: {}", self.0)
    }
}

#[derive(Debug)]
pub enum InvalidDocument {
    Field(InvalidField),
    /// The document is not a JSON object, or it has a duplicate field.
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
    /// Parses a JSON object. Duplicate fields are refused, because parsers disagree on which of them counts.
    pub fn parse(json: &[u8]) -> Result<Self, NotAnObject> {
        let fields = parse_object(json).map_err(NotAnObject)?;
        Ok(Self { fields, warnings: Vec::new() })
    }

    /// Removes each field whose value is `null`, a blank string or an empty array, as if it was left out.
    pub fn omit_empty(&mut self) {
        self.fields.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(elements) => !elements.is_empty(),
            _ => true,
        });
    }

    /// Removes a field that has no effect. Adds a warning if it is present.
    pub fn discard(&mut self, field: &str, reason: impl fmt::Display) {
        if self.fields.remove(field).is_some() {
            self.warn(InvalidField::new(field, reason));
        }
    }

    /// Adds a warning for the author of the document: a part of it is valid, but not in force, or it is unsafe.
    pub fn warn(&mut self, warning: InvalidField) {
        self.warnings.push(warning);
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> &[InvalidField] {
        &self.warnings
    }

    /// Returns whether a field is present. Its value may be `null`.
    pub fn contains(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Adds a field, or replaces its value.
    pub fn insert(&mut self, field: &str, value: String) {
        self.fields.insert(field.to_owned(), value.into());
    }

    /// Returns the names of the fields that have not been read yet.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Removes a field and returns its value, `None` if it is absent. Fails if the value is not a boolean.
    pub fn boolean(&mut self, field: &str) -> Result<Option<bool>, InvalidField> {
        self.extract(field, "true or false", |value| value.as_bool())
    }

    /// Removes a field and returns its value, `None` if it is absent. Fails if the value is not an integer.
    pub fn integer(&mut self, field: &str) -> Result<Option<i64>, InvalidField> {
        self.extract(field, "an integer", |value| value.as_i64())
    }

    /// Removes a field and returns its value, `None` if it is absent. Fails if the value is not an object.
    pub fn object(&mut self, field: &str) -> Result<Option<Map<String, Value>>, InvalidField> {
        self.extract(field, "an object", |value| match value {
            Value::Object(fields) => Some(fields),
            _ => None,
        })
    }

    /// Removes a field and returns its value, `None` if it is absent. Fails if the value is not a string.
    pub fn string(&mut self, field: &str) -> Result<Option<String>, InvalidField> {
        self.extract(field, "a string", string)
    }

    /// Removes a field and returns its value, `None` if it is absent. Fails if the value is not an array of strings.
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

    /// Fails if there is a field that has not been read, because the document must not have it.
    pub fn end(self) -> Result<(), InvalidField> {
        self.fields().next().map_or(Ok(()), |field| Err(InvalidField::unknown(field)))
    }

    fn extract<T>(
        &mut self,
        field: &str,
        kind: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidField> {
        let Some(value) = self.fields.remove(field) else { return Ok(None) };
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
