//! Two JSON parsers: a strict one for untrusted input, and one for JSON that the provider itself wrote.
//!
//! RFC 8259 section 4 does not define the meaning of a duplicate name in an object. Two parsers that treat it
//! differently disagree about signed content, so the strict parser rejects it, as RFC 7515 section 4 and RFC 7519
//! section 4 allow.
//!
//! A value that the strict parser accepts must not change when it is stored and parsed again. So no name in an object
//! may have a special meaning. The features `raw_value` and `arbitrary_precision` of `serde_json` give some names such
//! a meaning, so both are off. A test fails if a dependency turns one on.
#![allow(clippy::disallowed_methods, reason = "clippy.toml leads every other reader of JSON here")]

use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use std::fmt;

/// Parses an untrusted JSON object. Fails if there is other text before or after it, if an object at any depth
/// has a duplicate name, or if it is nested more than 127 levels deep.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match parse_value(bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// Parses an untrusted JSON value, as strictly as [`parse_object`].
pub fn parse_value(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Unique(value)| value)
}

/// Parses JSON that the provider or its platform wrote, for example in a row or in the cache.
pub fn from_own<'a, T: Deserialize<'a>>(
    text: &'a (impl AsRef<[u8]> + ?Sized),
) -> Result<T, serde_json::Error> {
    serde_json::from_slice(text.as_ref())
}

/// Converts a value that [`parse_object`] or [`parse_value`] returned.
pub fn from_parsed<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// Deserializes a value that is one of a fixed set of names. The code that `serde` derives for an enum reads objects
/// too, and each enum has its own: ten of them were a kilobyte each, which a new isolate compiled for its first token.
pub fn deserialize_name<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    from_name: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    from_name(&name).ok_or_else(|| D::Error::custom(format_args!("unknown name {name:?}")))
}

/// A JSON value in which no object has a duplicate name.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unique(value))) = access.next_entry::<String, Unique>()? {
            if fields.contains_key(&name) {
                // A page may show the error. Without spaces a name cannot put sentences there.
                let shown = name.replace(|c: char| !c.is_ascii_graphic(), "?");
                return Err(A::Error::custom(format_args!("duplicate name {shown:?}")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Unique(element)) = access.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::{from_own, parse_object};
    use serde_json::{Value, json};

    #[test]
    fn no_name_in_an_object_has_a_special_meaning() {
        for name in ["RawValue", "Number", "Datetime"] {
            let name = format!("$serde_json::private::{name}");
            let document = json!({ "x": [{ &name: "[[" }, { &name: { &name: "1" } }] });
            let text = document.to_string();
            assert_eq!(Value::Object(parse_object(text.as_bytes()).unwrap()), document);
            assert_eq!(from_own::<Value>(&text).unwrap(), document);
        }
    }

    #[test]
    fn a_duplicate_name_is_rejected_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":2}}"#, r#"{"b":[{"a":1,"\u0061":2}]}"#]
        {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_object(br#"{"a":{"a":1},"b":[{"a":null},{"a":1.5}]}"#).is_ok());
    }

    #[test]
    fn anything_but_one_valid_object_is_rejected() {
        for text in ["", "[]", "1", "null", r#""{}""#, "{} {}", "{},", "{\"a\":\"\u{1}\"}"] {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        assert!(parse_object("[".repeat(10_000).as_bytes()).is_err(), "too deep");
    }
}
