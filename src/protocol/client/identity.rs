//! The identity of a client on the consent page.

use std::collections::BTreeSet;

use crate::digest::digest;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::redirect_uri::host;

/// Returns digests of everything by which a consent page identifies a client, with a period between them: the
/// [registration], and the host that the response is sent to. A device has none.
///
/// The host counts by itself, because the page shows no other one: a client may have registered a host that its users know
/// beside one of its own.
pub fn identity(client: &ClientMetadata, redirect_uri: Option<&str>) -> String {
    let destination = redirect_uri.map(destination).unwrap_or_default();
    format!("{}.{}", of_registration(client), digest(&[&destination]))
}

/// Returns the part of an [identity](identity()) that is the same at each host of the client.
pub fn registration(identity: &str) -> &str {
    identity.split('.').next().unwrap_or_default()
}

/// Returns a digest of the name of a client in each language, the hosts of its redirect URIs, and the subject type and the
/// sector of its users' subjects.
fn of_registration(client: &ClientMetadata) -> String {
    let names = client.localized.iter().filter(|(field, _)| field.starts_with("client_name#"));
    let names: Vec<_> = names.flat_map(|(field, name)| [field.as_str(), name]).collect();
    let hosts: BTreeSet<_> = client.redirect_uris.iter().map(|uri| destination(uri)).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let sector = client.sector().ok().flatten();
    digest(&[
        client.client_name.as_deref().unwrap_or_default(),
        &digest(&names),
        &digest(&hosts),
        client.subject_type.name(),
        sector.as_deref().unwrap_or_default(),
    ])
}

/// Returns the scheme of a redirect URI, and its host if it has one. Ports and paths are left out, because a host is
/// controlled as a whole.
fn destination(redirect_uri: &str) -> String {
    let scheme = redirect_uri.split(':').next().unwrap_or_default();
    format!("{scheme}:{}", host(redirect_uri).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::client::metadata::Registrable;
    use crate::protocol::client::outbound_url::OutboundRules;
    use crate::protocol::json_object::JsonObject;
    use crate::protocol::own_host::OwnHost;

    /// The identity of a client with these metadata fields, in a request with its first redirect URI.
    fn identity_of(fields: &Value) -> String {
        let mut document = json!({
            "client_name": "The App", "redirect_uris": ["https://app.example/cb"],
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        let mut document = JsonObject::parse(document.to_string().as_bytes()).unwrap();
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        let outbound = OutboundRules { allows_loopback: false, own_host };
        let registrable = Registrable::by_everybody(outbound);
        let client = ClientMetadata::from_document(&mut document, registrable).unwrap();
        identity(&client, client.redirect_uris.first().map(String::as_str))
    }

    #[test]
    fn a_client_is_identified_by_its_names_hosts_and_subjects() {
        let before = identity_of(&json!({}));
        for changed in [
            json!({ "client_name": "The Apps" }),
            json!({ "client_name#de": "Die App" }),
            json!({ "redirect_uris": ["https://other.example/cb"] }),
            json!({ "redirect_uris": ["https://app.example/cb", "https://other.example/cb"] }),
            json!({ "redirect_uris": ["http://localhost/cb"] }),
            json!({ "subject_type": "pairwise" }),
        ] {
            assert_ne!(identity_of(&changed), before, "{changed}");
        }
        for same in [
            json!({ "redirect_uris": ["https://APP.example:8443/other?x", "https://app.example/cb"] }),
            json!({ "policy_uri": "https://app.example/privacy", "scope": "openid" }),
        ] {
            assert_eq!(identity_of(&same), before, "{same}");
        }
    }

    #[test]
    fn the_host_of_the_response_counts_by_itself() {
        let uris = ["https://a.example/cb", "https://b.example/cb"];
        let here = identity_of(&json!({ "redirect_uris": uris }));
        let there = identity_of(&json!({ "redirect_uris": [uris[1], uris[0]] }));
        assert_ne!(here, there);
        assert_eq!(registration(&here), registration(&there));
    }
}
