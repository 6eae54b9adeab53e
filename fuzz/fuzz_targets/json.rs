//! The strict JSON reader: `parse_value`, `parse_object`, `JsonObject`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::jose::json::{from_own, from_parsed, parse_object, parse_value};
use postern::protocol::json_object::JsonObject;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

fuzz_target!(|input: &[u8]| {
    let plain = serde_json::from_slice::<Value>(input);
    let Ok(value) = parse_value(input) else {
        // A text that serde_json accepts is refused for one reason only: a name is repeated.
        if let Ok(plain) = plain {
            let names = serde_json::from_slice::<Names>(input).expect("it was parsed before");
            assert!(names.0 > names_in(&plain), "refused without a duplicate name");
        }
        assert!(parse_object(input).is_err() && JsonObject::parse(input).is_err());
        return;
    };
    assert_eq!(plain.ok().as_ref(), Some(&value));
    assert!(depth(&value) <= 127);

    // Stored and read again, it is the same value, and the same text from then on.
    let printed = value.to_string();
    let again = parse_value(printed.as_bytes()).expect("its own text");
    assert_eq!((&again, again.to_string()), (&value, printed.clone()));
    assert_eq!(from_own::<Value>(&printed).expect("its own text"), value);
    assert_eq!(from_parsed::<Value>(value.clone()).expect("a value"), value);

    let object = parse_object(input).ok().map(Value::Object);
    assert_eq!(object, value.is_object().then(|| value.clone()));
    assert_eq!(JsonObject::parse(input).is_ok(), value.is_object());
    if let Value::Object(fields) = &value {
        read_fields(input, fields);
    }
});

/// Each field is read once, by the reader of its own type and by no other.
fn read_fields(input: &[u8], fields: &serde_json::Map<String, Value>) {
    let document = || JsonObject::parse(input).expect("it is an object");
    let mut readers = [document(), document(), document(), document(), document()];
    for (name, value) in fields {
        let [boolean, integer, object, string, strings] = &mut readers;
        assert!(boolean.contains(name));
        assert_eq!(boolean.boolean(name).is_ok(), value.is_boolean());
        assert_eq!(integer.integer(name).is_ok(), value.is_i64());
        assert_eq!(object.object(name).is_ok(), value.is_object());
        assert_eq!(string.string(name).is_ok(), value.is_string());
        let is_strings = value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
        assert_eq!(strings.strings(name).is_ok(), is_strings);
    }
    for read in readers {
        assert!(read.end().is_ok());
    }
    let mut document = document();
    document.omit_empty();
    assert!(document.fields().all(|name| fields.contains_key(name) && !fields[name].is_null()));
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn names_in(value: &Value) -> usize {
    match value {
        Value::Array(elements) => elements.iter().map(names_in).sum(),
        Value::Object(fields) => fields.values().map(|value| 1 + names_in(value)).sum(),
        _ => 0,
    }
}

/// The number of names in a text, duplicates included.
struct Names(usize);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor).map(Self)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<usize, A::Error> {
        let mut names = 0;
        while let Some((_, Names(inside))) = access.next_entry::<IgnoredAny, Names>()? {
            names += 1 + inside;
        }
        Ok(names)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<usize, A::Error> {
        let mut names = 0;
        while let Some(Names(inside)) = access.next_element()? {
            names += inside;
        }
        Ok(names)
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }
}
