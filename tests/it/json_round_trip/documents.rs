//! JSON documents with field names that serde_json uses itself.

use crate::hostile::draws::Draws;
use serde_json::{Map, Value, json};

/// The field names that have a meaning of their own under the features `raw_value` and `arbitrary_precision`.
pub const NAMES: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

/// The depths at which the names are nested.
pub const DEPTHS: [usize; 4] = [1, 3, 20, 45];

/// The number of brackets around each nested text, so that a reader that parses these texts recurses some 5000 levels.
const BRACKETS: usize = 120;

/// An object with one field.
fn object(name: &str, value: impl Into<Value>) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value.into())]))
}

/// Nested objects, each with one field of this name; in the innermost one its value is `value`.
pub fn objects(name: &str, depth: usize, value: impl Into<Value>) -> Value {
    (0..depth).fold(value.into(), |inner, _| object(name, inner))
}

/// An object with one field of this name. Its value is a text that contains such an object again, and so on;
/// the innermost text is `text`.
pub fn texts(name: &str, depth: usize, text: &str) -> Value {
    let (open, close) = ("[".repeat(BRACKETS), "]".repeat(BRACKETS));
    let text = (1..depth).fold(text.to_owned(), |inner, _| {
        // With these escapes a quotation mark grows by five bytes at each level. With `\"` it would double.
        let inner = inner.replace('\\', "\\u005c").replace('"', "\\u0022");
        format!("{open}{{\"{name}\":\"{inner}\"}}{close}")
    });
    object(name, text)
}

/// A few objects of either name and shape, each at most 9000 bytes, for slower endpoints.
pub fn few() -> Vec<Value> {
    let [raw, number] = NAMES;
    vec![
        texts(raw, 1, "[["),
        objects(number, 1, 1),
        objects(raw, 3, "[1]"),
        texts(number, 20, "[["),
        objects(raw, 45, "[["),
    ]
}

/// [`few`], and an object of 31,000 bytes.
pub fn samples() -> Vec<Value> {
    few().into_iter().chain([texts(NAMES[0], 45, "[[")]).collect()
}

/// Objects of every kind, the least nested first.
pub fn hostile() -> Vec<Value> {
    let mut all = Vec::new();
    for name in NAMES {
        // Texts that are not JSON, a list, a symmetric key and a number.
        for text in ["[[", "", "[1]", r#"{"kty":"oct","k":"AAAA"}"#, "1e5", &"[".repeat(200)] {
            all.push(object(name, text));
        }
        for value in [json!(1), json!(null), json!(["[["]), json!({})] {
            all.push(object(name, value));
        }
        all.push(json!({ name: "[[", "z": 1 }));
        all.push(json!({ "": 1, name: "[[" }));
        all.push(json!({ "a": [{ name: "[1]" }] }));
    }
    for depth in DEPTHS {
        for name in NAMES {
            all.push(objects(name, depth, "[["));
            all.push(texts(name, depth, "[1]"));
        }
    }
    all
}

/// Random JSON texts in every spelling that JSON allows, with these names at any depth. The strict reader
/// refuses a few of them, for example for a duplicate field.
pub struct Documents(Draws);

impl Documents {
    pub fn new() -> Self {
        Self(Draws::new())
    }

    /// The next document.
    pub fn next(&mut self) -> String {
        let fields = self.fields(4);
        // One document in fifty is nested about as deep as serde_json allows.
        if self.0.below(50) > 0 {
            return fields;
        }
        let depth = 110 + self.0.below(20);
        let nested = (0..depth).fold(fields, |inner, _| match self.0.below(2) {
            0 => format!("[{inner}]"),
            _ => format!("{{{}:{inner}}}", self.name()),
        });
        format!("{{\"deep\":{nested}}}")
    }

    fn value(&mut self, depth: usize) -> String {
        let value = match self.0.below(if depth > 0 { 12 } else { 8 }) {
            0 => self.0.one_of(&["null", "true", "false"]).to_owned(),
            1..=3 => self.number(),
            4..=7 => self.string(),
            8..=10 => self.fields(depth),
            _ => {
                let count = self.0.below(4);
                let elements: Vec<_> = (0..count).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", elements.join(","))
            }
        };
        let space = self.0.one_of(&["", "", "", " ", "\n", "\t \r\n"]);
        format!("{space}{value}{space}")
    }

    fn fields(&mut self, depth: usize) -> String {
        let count = self.0.below(4);
        let fields: Vec<_> = (0..count)
            .map(|_| format!("{}:{}", self.name(), self.value(depth.saturating_sub(1))))
            .collect();
        format!("{{{}}}", fields.join(","))
    }

    /// A field name with its quotation marks.
    fn name(&mut self) -> String {
        match self.0.below(8) {
            0..=2 => format!("\"{}\"", self.0.one_of(&NAMES)),
            // The same name, written with an escape.
            3 => format!("\"\\u0024{}\"", self.0.one_of(&NAMES).trim_start_matches('$')),
            4 => self.string(),
            _ => format!("\"m{}\"", self.0.below(1_000)),
        }
    }

    fn string(&mut self) -> String {
        // Texts that look like JSON.
        match self.0.below(12) {
            0 => return Value::from("[".repeat(self.0.below(300))).to_string(),
            1 => return Value::from(self.value(1)).to_string(),
            _ => {}
        }
        let escapes = [
            "\\\"",
            "\\\\",
            "\\/",
            "\\b",
            "\\f",
            "\\n",
            "\\r",
            "\\t",
            "\\u0000",
            "\\u001F",
            "\\u0022",
            "\\u005c",
            "\\u00e9",
            "\\u2028",
            "\\uFFFF",
            "\\uD83D\\uDE00",
        ];
        let plain = ["a", "B", " ", "/", "'", "<", "\u{7f}", "é", "\u{2028}", "\u{fffd}", "😀"];
        let length = self.0.below(6);
        let mut pieces: Vec<&str> = Vec::new();
        for _ in 0..length {
            let list: &[&str] = if self.0.below(2) == 0 { &escapes } else { &plain };
            pieces.push(self.0.one_of(list));
        }
        // A lone surrogate.
        if self.0.below(300) == 0 {
            pieces.push("\\ud800");
        }
        format!("\"{}\"", pieces.concat())
    }

    fn number(&mut self) -> String {
        let edges = [
            "0",
            "-0",
            "-0.0",
            "1E+2",
            "1e-7",
            "0.1",
            "5e-324",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
            "9007199254740993",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890.5",
        ];
        match self.0.below(6) {
            0 => self.0.below(1_000).to_string(),
            1 => self.bits().to_string(),
            2 => self.bits().cast_signed().to_string(),
            3 => match f64::from_bits(self.bits()) {
                number if number.is_finite() => format!("{number:e}"),
                _ => "1e400".to_owned(),
            },
            // More digits than a float can hold.
            4 => format!("{}.{}e{}", self.0.below(10), self.bits(), self.0.below(600) as i32 - 300),
            _ => self.0.one_of(&edges).to_owned(),
        }
    }

    fn bits(&mut self) -> u64 {
        (0..4).fold(0, |bits, _| bits << 16 | self.0.below(1 << 16) as u64)
    }
}
