//! Parameters of queries and form bodies: `Params`, and the links that they become.
//!
//! Input: bytes of a form; a media type.
#![no_main]

use fuzz::{Parts, is_description};
use libfuzzer_sys::fuzz_target;
use postern::protocol::authorization::authorize_request::PARAMETERS;
use postern::protocol::authorization::reply_to::without_user;
use postern::protocol::client::authentication;
use postern::protocol::params::{
    FORM, Malformed, ParamValue, Params, encode_for_client, is_media_type, with_query,
};

const KNOWN: &[&[&str]] = &[&PARAMETERS, &authentication::PARAMETERS];

fn is_known(name: &[u8]) -> bool {
    KNOWN.iter().copied().flatten().any(|known| known.as_bytes() == name)
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let media_type = parts.text();
    if is_media_type(&media_type, FORM) {
        assert!(media_type.trim().to_ascii_lowercase().starts_with(FORM));
    }
    let text = parts.rest();
    let pairs = text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).count();
    let params = match Params::parse(text, KNOWN) {
        Ok(params) => params,
        Err(error) => {
            assert!(is_description(error.description().as_str()));
            match error {
                Malformed::TooMany => assert!(pairs > 100),
                Malformed::NotUtf8 { name } => {
                    // The other parser replaces what is not UTF-8.
                    let mut read = form_urlencoded::parse(text);
                    assert!(read.any(|(known, value)| known == name && value.contains('\u{fffd}')));
                }
            }
            return;
        }
    };
    assert!(pairs <= 100);

    // Another parser of the URL Standard finds the same values of each known parameter.
    let others: Vec<_> =
        form_urlencoded::parse(text).filter(|(name, _)| is_known(name.as_bytes())).collect();
    for name in KNOWN.iter().copied().flatten().copied() {
        let named = others.iter().filter(|(known, value)| known == name && !value.is_empty());
        let mut expected = named.map(|(_, value)| value.as_ref());
        assert!(params.all(name).eq(expected.clone()));
        match (params.get(name), expected.next(), expected.next()) {
            (ParamValue::Absent, None, None) | (ParamValue::Duplicate, Some(_), Some(_)) => {}
            (ParamValue::Single(value), Some(only), None) => {
                assert_eq!(value, only);
                assert_eq!(params.clone().extract(name), Ok(Some(only.to_owned())));
            }
            (value, ..) => panic!("{name}: {value:?}"),
        }
    }

    // Written and read again, they are the same, and a stored text has the length that was checked.
    let encoded = params.encode();
    assert_eq!(params.encoded_length_without(&[]), encoded.len());
    let again = Params::parse(encoded.as_bytes(), KNOWN).expect("its own text");
    assert_eq!(again.encode(), encoded);
    let mut without = again.clone();
    without.remove(&["request", "state"]);
    assert_eq!(without.encode().len(), params.encoded_length_without(&["request", "state"]));

    // A link carries them unchanged, however its reader decodes spaces.
    let pairs: Vec<_> =
        others.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let query = encode_for_client(&pairs);
    assert!(query.is_ascii() && !query.contains(['+', ' ', '#', '"', '<']));
    assert!(form_urlencoded::parse(query.as_bytes()).eq(others.iter().cloned()));
    for uri in ["https://app.example/cb", "https://app.example/cb?a=b"] {
        let link = with_query(uri, &pairs);
        assert_eq!(link, format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' }));
    }
    for (_, value) in &others {
        let shown = without_user(value);
        assert_eq!(without_user(&shown), shown);
    }
});
