//! Shared by the fuzz targets: the parts of an input, a provider's configuration, and the provider of the native tests.

#[path = "../tests/it/fault_plan.rs"]
pub mod fault_plan;
#[path = "../tests/it/platform.rs"]
pub mod platform;
#[path = "../tests/it/test_provider.rs"]
pub mod test_provider;

use base64ct::{Base64UrlUnpadded, Encoding};
use postern::config::Config;
use postern::protocol::own_host::OwnHost;
use std::borrow::Cow;
use std::sync::LazyLock;

pub const ISSUER: &str = "https://login.example.com";

/// 2026-05-28.
pub const NOW: i64 = 1_780_000_000;

/// 32 bytes with the value 7, as base64url.
pub const KEY_ENCRYPTION_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

/// Separates the parts of an input. No text in UTF-8 has this byte.
pub const SEPARATOR: u8 = 0xff;

/// The parts of an input, in order. A part that the input lacks is empty; the last one is the rest.
pub struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub fn of(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == SEPARATOR).unwrap_or(self.0.len());
        let (part, rest) = self.0.split_at(end);
        self.0 = rest.split_first().map_or(rest, |(_, rest)| rest);
        part
    }

    /// The next part as a text. Bytes that are not UTF-8 are replaced, as the platform does it with headers.
    pub fn text(&mut self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes())
    }

    /// One byte: a choice between cases.
    pub fn choice(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// The host of [`ISSUER`].
pub fn own_host() -> &'static OwnHost {
    static OWN_HOST: LazyLock<OwnHost> =
        LazyLock::new(|| OwnHost::of_issuer(ISSUER).expect("the issuer has a host"));
    &OWN_HOST
}

/// The variables of a provider that admits as much as it can: then most code is reached.
pub const VARIABLES: [(&str, &str); 9] = [
    ("ISSUER", ISSUER),
    ("KEY_ENCRYPTION_KEY", KEY_ENCRYPTION_KEY),
    ("ADMIN_TOKEN", "the-operators-own-token-0123456789abcdef"),
    ("ALLOW_IMPLICIT", "true"),
    ("CLIENT_DOCUMENTS", "open"),
    ("REGISTRATION", "open"),
    ("PRIVATE_USE_SCHEMES", "cursor,vscode"),
    ("SCOPES", r#"{"groups":["groups"],"hr":{"claims":["salary"],"words":{"":"Your salary"}}}"#),
    (
        "RESOURCES",
        r#"{"https://api.example":["read","write"],"urn:example:open":{"scopes":["see"],"open":true}}"#,
    ),
];

/// The configuration of [`VARIABLES`].
pub fn config() -> Config {
    let variable = |name: &str| {
        let found = VARIABLES.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    };
    Config::parse(variable).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns whether a text has only the characters that RFC 6749 section 5.2 allows in a description, and at most 300 of
/// them.
pub fn is_description(text: &str) -> bool {
    let is_allowed = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    !text.is_empty() && text.len() <= 300 && text.bytes().all(is_allowed)
}

/// The compact serialization of a header, a payload and a signature, which need not be valid.
pub fn compact(header: &[u8], payload: &[u8], signature: &[u8]) -> String {
    [header, payload, signature].map(Base64UrlUnpadded::encode_string).join(".")
}

/// Runs `work` in the project's folder, because the tests read the migrations there.
pub fn in_project<T>(work: impl FnOnce() -> T) -> T {
    let before = std::env::current_dir().expect("a folder");
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("the project");
    let result = work();
    std::env::set_current_dir(before).expect("the folder before");
    result
}

/// The test that explains every statement does not run here.
mod query_plans {
    pub fn is_explained(_sql: &str) -> bool {
        true
    }
}
