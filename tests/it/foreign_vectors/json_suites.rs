//! JSONTestSuite, JSON_checker and the rules of I-JSON (RFC 7493), for the strict parser and for a whole registration.

use base64ct::{Base64, Encoding};
use postern::jose::json::{parse_object, parse_value};
use serde_json::Value;

use super::{ACCEPTED, REFUSED, Verdicts, assert_golden_verdicts, read};
use crate::test_provider::{TestProvider, post, variables_with};

const DUPLICATE: &str = "a duplicate name, which parsers read differently";
const NOT_UTF8: &str = "not UTF-8 (RFC 8259 section 8.1)";
const BOM: &str = "a byte order mark, which RFC 8259 section 8.1 lets a parser refuse";
const SURROGATE: &str = "half a surrogate pair, which no UTF-8 can have";
const TOO_LARGE: &str = "a number that no double can have";
const UNDERFLOW: &str = "a number that is nearer to 0 than any other double: it is 0";
const ROUNDED: &str = "an integer of more than 64 bits: it is the nearest double";
const TOO_DEEP: &str = "more than 127 levels";
const ANY_VALUE: &str = "any value is JSON since RFC 7159; the parser of objects refuses it";
const NOT_DEEP: &str = "20 levels, and 127 are allowed";

/// The vectors whose verdict is not in their name, or differs from it, each with its verdict and the reason.
const EXPLAINED: [(&str, char, &str); 39] = [
    ("fail1", ACCEPTED, ANY_VALUE),
    ("fail18", ACCEPTED, NOT_DEEP),
    ("y_object_duplicated_key", REFUSED, DUPLICATE),
    ("y_object_duplicated_key_and_value", REFUSED, DUPLICATE),
    ("i_number_double_huge_neg_exp", ACCEPTED, UNDERFLOW),
    ("i_number_huge_exp", REFUSED, TOO_LARGE),
    ("i_number_neg_int_huge_exp", REFUSED, TOO_LARGE),
    ("i_number_pos_double_huge_exp", REFUSED, TOO_LARGE),
    ("i_number_real_neg_overflow", REFUSED, TOO_LARGE),
    ("i_number_real_pos_overflow", REFUSED, TOO_LARGE),
    ("i_number_real_underflow", ACCEPTED, UNDERFLOW),
    ("i_number_too_big_neg_int", ACCEPTED, ROUNDED),
    ("i_number_too_big_pos_int", ACCEPTED, ROUNDED),
    ("i_number_very_big_negative_int", ACCEPTED, ROUNDED),
    ("i_object_key_lone_2nd_surrogate", REFUSED, SURROGATE),
    ("i_string_1st_surrogate_but_2nd_missing", REFUSED, SURROGATE),
    ("i_string_1st_valid_surrogate_2nd_invalid", REFUSED, SURROGATE),
    ("i_string_UTF-16LE_with_BOM", REFUSED, NOT_UTF8),
    ("i_string_UTF-8_invalid_sequence", REFUSED, NOT_UTF8),
    ("i_string_UTF8_surrogate_U+D800", REFUSED, NOT_UTF8),
    ("i_string_incomplete_surrogate_and_escape_valid", REFUSED, SURROGATE),
    ("i_string_incomplete_surrogate_pair", REFUSED, SURROGATE),
    ("i_string_incomplete_surrogates_escape_valid", REFUSED, SURROGATE),
    ("i_string_invalid_lonely_surrogate", REFUSED, SURROGATE),
    ("i_string_invalid_surrogate", REFUSED, SURROGATE),
    ("i_string_invalid_utf-8", REFUSED, NOT_UTF8),
    ("i_string_inverted_surrogates_U+1D11E", REFUSED, SURROGATE),
    ("i_string_iso_latin_1", REFUSED, NOT_UTF8),
    ("i_string_lone_second_surrogate", REFUSED, SURROGATE),
    ("i_string_lone_utf8_continuation_byte", REFUSED, NOT_UTF8),
    ("i_string_not_in_unicode_range", REFUSED, NOT_UTF8),
    ("i_string_overlong_sequence_2_bytes", REFUSED, NOT_UTF8),
    ("i_string_overlong_sequence_6_bytes", REFUSED, NOT_UTF8),
    ("i_string_overlong_sequence_6_bytes_null", REFUSED, NOT_UTF8),
    ("i_string_truncated-utf-8", REFUSED, NOT_UTF8),
    ("i_string_utf16BE_no_BOM", REFUSED, NOT_UTF8),
    ("i_string_utf16LE_no_BOM", REFUSED, NOT_UTF8),
    ("i_structure_500_nested_arrays", REFUSED, TOO_DEEP),
    ("i_structure_UTF-8_BOM_empty_object", REFUSED, BOM),
];

fn bytes(vector: &Value) -> Vec<u8> {
    if let Some(text) = vector["base64"].as_str() {
        return Base64::decode_vec(text).unwrap();
    }
    let times = vector["times"].as_u64().unwrap_or_default();
    let mut text = vector["repeat"].as_str().unwrap_or_default().repeat(times.try_into().unwrap());
    text.push_str(vector["text"].as_str().unwrap());
    text.into_bytes()
}

fn verdict(is_accepted: bool) -> char {
    if is_accepted { ACCEPTED } else { REFUSED }
}

/// The verdict that the name of a vector has, if it is not left to the parser.
fn named(name: &str) -> Option<char> {
    match name {
        name if name.starts_with("y_") || name.starts_with("pass") => Some(ACCEPTED),
        name if name.starts_with("n_") || name.starts_with("fail") => Some(REFUSED),
        _ => None,
    }
}

/// A document that has this text as a field.
fn field(text: &[u8]) -> Vec<u8> {
    [br#"{"x":"#, text, b"}"].concat()
}

/// The verdict about a document as the metadata of a client. It has no redirect URIs, so the error shows whether it was
/// parsed, and nothing is stored.
fn as_metadata(provider: &TestProvider, document: &[u8]) -> char {
    let response = provider.send(post("/auth/register").body("application/json", document));
    assert_eq!(response.status / 100, 4, "{}", response.body);
    verdict(response.json()["error"] == "invalid_redirect_uri")
}

#[test]
fn every_json_text_gets_the_verdict_of_its_name_or_a_reason() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    let mut golden = Verdicts::new();
    let mut unused: Vec<_> = EXPLAINED.iter().map(|(name, ..)| *name).collect();
    for (file, count, [fields, documents]) in [
        ("json_test_suite", 318, ["json_test_suite, fields", "json_test_suite, documents"]),
        ("json_checker", 36, ["json_checker, fields", "json_checker, documents"]),
    ] {
        let vectors = read(file);
        assert_eq!(vectors.len(), count, "the number of texts in {file}");
        let mut explanations = 0;
        let (mut verdicts, mut as_documents) = (String::new(), String::new());
        for vector in &vectors {
            let (name, text) = (vector["name"].as_str().unwrap(), bytes(vector));
            let value = parse_value(&text);
            let found = verdict(value.is_ok());
            verdicts.push(found);
            if named(name) != Some(found) {
                let row = EXPLAINED.iter().find(|(known, ..)| *known == name);
                let (_, expected, _) = row.unwrap_or_else(|| panic!("nothing explains {name}"));
                assert_eq!(found, *expected, "{name}");
                unused.retain(|known| *known != name);
                explanations += 1;
            }
            assert_eq!(as_metadata(&provider, &field(&text)), found, "{name}, as a field");
            let is_object = value.is_ok_and(|value| value.is_object());
            assert_eq!(parse_object(&text).is_ok(), is_object, "{name}, as an object");
            let as_document = as_metadata(&provider, &text);
            assert_eq!(as_document, verdict(is_object), "{name}, as a document");
            as_documents.push(as_document);
        }
        golden.insert(fields, verdicts);
        golden.insert(documents, as_documents);
        let agreeing = count - explanations;
        println!("{file}: {agreeing} of {count} agree; {explanations} explained");
    }
    assert_eq!(unused, [""; 0], "explanations of nothing");
    assert_golden_verdicts("verdicts_of_json.json", &golden);
}

#[test]
fn the_rules_of_i_json_are_kept_where_they_matter() {
    let texts = [
        // Section 2.1 forbids noncharacters, too. They change nothing, so they are ordinary characters.
        (r#"["\uFFFF"]"#, "[\"\u{ffff}\"]"),
        ("[\"\u{1FFFE}\"]", "[\"\u{1FFFE}\"]"),
        (r#"["\ud834\udd1e"]"#, "[\"\u{1d11e}\"]"),
        // Section 2.2 warns of integers that a double cannot have. Integers of 64 bits are exact.
        ("[9007199254740993]", "[9007199254740993]"),
        ("[-9223372036854775808]", "[-9223372036854775808]"),
        ("[18446744073709551615]", "[18446744073709551615]"),
        ("[18446744073709551616]", "[1.8446744073709552e+19]"),
        ("[1E400e0]", ""),
        ("[1e400]", ""),
        ("[-1e400]", ""),
        ("[1e-400]", "[0.0]"),
        ("[-0]", "[-0.0]"),
        // Section 2.3: names are compared after their escapes are decoded, and are not normalized.
        (r#"{"a":1,"\u0061":1}"#, ""),
        (r#"{"a":{"b":1,"\u0062":1}}"#, ""),
        (r#"{"":1,"":1}"#, ""),
        ("{\"\u{e9}\":1,\"e\u{301}\":2}", "{\"e\u{301}\":2,\"\u{e9}\":1}"),
        (r#"{"a":1,"A":2}"#, r#"{"A":2,"a":1}"#),
        // Section 2.1: half a surrogate pair.
        (r#"["\ud800"]"#, ""),
        (r#"["\udc00"]"#, ""),
        (r#"["\ud800\ud800"]"#, ""),
        (r#"{"\ud800":1}"#, ""),
        ("\u{feff}[]", ""),
    ];
    for (text, expected) in texts {
        let value = parse_value(text.as_bytes()).map(|value| value.to_string());
        assert_eq!(value.unwrap_or_default(), expected, "{text}");
    }
    for (levels, is_accepted) in [(127, true), (128, false)] {
        for (open, close) in [("[", "]"), ("{\"\":", "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let text = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
            assert_eq!(parse_value(text.as_bytes()).is_ok(), is_accepted, "{levels} of {open}");
        }
    }
}
