//! A JSON object taken apart member by member, so that what is wrong with one is said by its name.

use serde_json::{Map, Value};

use crate::jose::json::parse_object;

/// The members that have not been taken out yet.
#[derive(Debug)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Parses a JSON object without duplicate members.
    ///
    /// # Errors
    /// Here as in all that follows: words for whoever wrote the document, beginning with the member.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        parse_object(json).map(Self).map_err(|error| format!("not a JSON object: {error}"))
    }

    /// Whether there is such a member, whatever it is.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The whole names of those that tell one of `names` in a language, as `client_name#ja`.
    pub fn in_languages(&self, names: &[&str]) -> Vec<String> {
        let is_one =
            |member: &str| member.split_once('#').is_some_and(|(name, _)| names.contains(&name));
        self.0.keys().filter(|member| is_one(member)).cloned().collect()
    }

    /// Takes out a boolean.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, String> {
        self.take(name, "true or false", |value| value.as_bool())
    }

    /// Takes out a whole number.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, String> {
        self.take(name, "a whole number", |value| value.as_i64())
    }

    /// Takes out an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        self.take(name, "an object", |value| match value {
            Value::Object(members) => Some(members),
            _ => None,
        })
    }

    /// Takes out a text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.take(name, "a text", text_of)
    }

    /// Takes out a list of texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        self.take(name, "a list of texts", |value| match value {
            Value::Array(elements) => elements.into_iter().map(text_of).collect(),
            _ => None,
        })
    }

    /// Refuses what was not taken out.
    pub fn end(self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(name) => Err(format!("{name} is not a member of this document")),
            None => Ok(()),
        }
    }

    fn take<T>(
        &mut self,
        name: &str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let value = self.0.remove(name);
        value.map(|value| read(value).ok_or_else(|| format!("{name} must be {what}"))).transpose()
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
