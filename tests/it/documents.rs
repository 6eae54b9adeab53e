//! The documents for operators agree with the code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use postern::config::Config;
use postern::protocol::client::metadata::{ClientMetadata, Registrable, insecure_redirect_hosts};
use postern::protocol::client::outbound_url::OutboundRules;
use postern::protocol::json_object::JsonObject;
use postern::protocol::own_host::OwnHost;

/// Parses a configuration with one variable set beside the issuer. Returns it, and the variables that it reads.
fn parse(variable: &str, text: &str) -> (Config, BTreeSet<String>) {
    let read = RefCell::new(BTreeSet::new());
    let config = Config::parse(|name| {
        read.borrow_mut().insert(name.to_owned());
        match name {
            "ISSUER" => Some("https://login.example.com".to_owned()),
            _ => (name == variable).then(|| text.to_owned()),
        }
    });
    (config.unwrap(), read.into_inner())
}

/// The rows of the tables of docs/configuration.md that begin with a name in capitals, before the bindings: the name
/// and the second cell.
fn documented() -> Vec<(String, String)> {
    let document = fs::read_to_string("docs/configuration.md").unwrap();
    let (before, _) = document.split_once("\n## Bindings").unwrap();
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        is_name.then(|| (name.to_owned(), rest.split(" | ").next().unwrap().to_owned()))
    };
    before.lines().filter_map(row).collect()
}

#[test]
fn every_variable_is_documented_and_every_documented_one_is_read() {
    let (_, read) = parse("", "");
    let documented: BTreeSet<_> = documented().into_iter().map(|(name, _)| name).collect();
    assert_eq!(documented, read, "docs/configuration.md on the left, src/config on the right");
}

#[test]
fn the_documented_defaults_are_those_of_the_code() {
    let (without, _) = parse("", "");
    let mut checked = 0;
    for (name, cell) in documented() {
        let Some(default) = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else {
            continue;
        };
        let (with, _) = parse(&name, default);
        assert_eq!(format!("{with:?}"), format!("{without:?}"), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 15, "variables with a default");
}

#[test]
fn the_metadata_in_the_documents_can_be_registered() {
    let document = fs::read_to_string("docs/clients.md").unwrap();
    let blocks: Vec<_> = document
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 9, "only {} blocks of JSON", blocks.len());
    for block in blocks {
        let mut metadata = JsonObject::parse(block.as_bytes()).unwrap();
        let hosts = insecure_redirect_hosts(&mut metadata).unwrap();
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        let outbound = OutboundRules { allows_loopback: false, own_host };
        let registrable = Registrable {
            client_credentials: true,
            insecure_redirect_hosts: &hosts,
            ..Registrable::by_everybody(outbound)
        };
        ClientMetadata::from_document(&mut metadata, registrable).unwrap();
        metadata.end().unwrap();
    }
}
