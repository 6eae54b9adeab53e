//! The requested access, in words.

use crate::config::Config;
use crate::pages::Texts;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::user::claims;
use crate::protocol::user::scope::{OPENID, ScopeTable, Scopes};

/// One entry of the list on the consent page.
#[derive(Debug, Eq, PartialEq)]
pub enum RequestedAccess<'a> {
    /// A scope or claim in the user's language, in words of the provider or the operator.
    Words(&'a str),
    /// A scope or claim of the operator's, by its name.
    Name(&'a str),
    /// A scope of an API, by its name, and the API's URI.
    OfResource(&'a str, &'a str),
    /// A scope of an API, in the operator's words, and the API's URI.
    WordsOfResource(&'a str, &'a str),
}

/// The scopes of the configuration, with the operator's words.
#[derive(Clone, Copy, Debug)]
pub struct ConfiguredScopes<'a> {
    /// The APIs, which own scopes.
    pub resources: &'a Resources,
    /// All other scopes.
    pub table: &'a ScopeTable,
}

impl<'a> From<&'a Config> for ConfiguredScopes<'a> {
    fn from(config: &'a Config) -> Self {
        Self { resources: &config.resources, table: &config.scopes }
    }
}

/// Returns the access that the scopes request, then the claims that no requested scope covers. Each entry is listed
/// once.
pub fn requested_access<'a>(
    texts: &'a Texts,
    configured: ConfiguredScopes<'a>,
    scope: &Scopes<'a>,
    claims: &'a [&'a str],
) -> Vec<RequestedAccess<'a>> {
    let mut accesses = Vec::new();
    let mut add = |item| {
        if !accesses.contains(&item) {
            accesses.push(item);
        }
    };
    for name in scope.iter() {
        add(match configured.resources.of_scope(name) {
            Some(resource) => match resource.words(name, texts.tag) {
                Some(words) => RequestedAccess::WordsOfResource(words, &resource.uri),
                None => RequestedAccess::OfResource(name, &resource.uri),
            },
            None => match configured.table.words(name, texts.tag) {
                Some(words) => RequestedAccess::Words(words),
                None => of_scope(texts, name),
            },
        });
    }
    for &name in claims {
        let name = name.split_once('#').map_or(name, |(name, _)| name);
        let standard = claims::STANDARD.iter().find(|standard| standard.name == name);
        if !standard.is_some_and(|standard| scope.contains(standard.scope)) {
            add(of_claim(texts, name));
        }
    }
    accesses
}

fn of_scope<'a>(texts: &'a Texts, name: &'a str) -> RequestedAccess<'a> {
    RequestedAccess::Words(match name {
        OPENID => texts.openid,
        "profile" => texts.profile,
        "email" => texts.email,
        "address" => texts.address,
        "phone" => texts.phone,
        "groups" => texts.groups,
        "offline_access" => texts.offline_access,
        _ => return RequestedAccess::Name(name),
    })
}

/// Returns the same entry for claims whose difference users need not know.
fn of_claim<'a>(texts: &'a Texts, name: &'a str) -> RequestedAccess<'a> {
    RequestedAccess::Words(match name {
        "sub" => texts.openid,
        "name" | "given_name" | "family_name" | "middle_name" => texts.name,
        "nickname" => texts.nickname,
        "preferred_username" => texts.preferred_username,
        "profile" | "website" => texts.website,
        "picture" => texts.picture,
        "gender" => texts.gender,
        "birthdate" => texts.birthdate,
        "zoneinfo" => texts.zoneinfo,
        "locale" => texts.locale,
        "updated_at" => texts.updated_at,
        "email" | "email_verified" => texts.email,
        "address" => texts.address,
        "phone_number" | "phone_number_verified" => texts.phone,
        "groups" => texts.groups,
        _ => return RequestedAccess::Name(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(scope: &str, claims: &[&str]) -> Vec<String> {
        words_in("en", scope, claims)
    }

    fn words_in(language: &str, scope: &str, claims: &[&str]) -> Vec<String> {
        let scope = Scopes::parse(scope).unwrap();
        let texts = Texts::choose(Some(language), None);
        let word = |item: RequestedAccess<'_>| match item {
            RequestedAccess::Words(words) => words.to_owned(),
            RequestedAccess::Name(name) => format!("<{name}>"),
            RequestedAccess::OfResource(name, uri) => format!("<{name}> {uri}"),
            RequestedAccess::WordsOfResource(words, uri) => format!("{words} {uri}"),
        };
        let resources = r#"{"https://api.example":["orders"],
            "urn:api":{"scopes":{"read":{"":"Read all","de":"Lesen"},"write":{"de":"Schreiben"}}}}"#;
        let table = r#"{"badge":{"claims":["x"],"words":{"":"Your badge","de-CH":"Ihr Badge"}}}"#;
        let table = ScopeTable::parse(table).unwrap();
        let resources = Resources::parse(resources, &table, "").unwrap();
        let configured = ConfiguredScopes { resources: &resources, table: &table };
        requested_access(texts, configured, &scope, claims).into_iter().map(word).collect()
    }

    #[test]
    fn every_standard_claim_and_scope_has_words() {
        for standard in &claims::STANDARD {
            assert!(!words("", &[standard.name])[0].starts_with('<'), "{}", standard.name);
            assert!(!words(standard.scope, &[])[0].starts_with('<'), "{}", standard.scope);
        }
        assert_eq!(words("openid offline_access", &[]).len(), 2);
    }

    #[test]
    fn a_scope_or_claim_of_the_operator_is_shown_by_its_name() {
        assert_eq!(words("staff", &["badge"]), ["<staff>", "<badge>"]);
        assert_eq!(words("orders", &[]), ["<orders> https://api.example"]);
    }

    #[test]
    fn a_scope_of_the_operator_is_shown_in_the_operators_words() {
        for (language, expected) in [
            ("en", ["Read all urn:api", "<write> urn:api", "Your badge"]),
            ("de", ["Lesen urn:api", "Schreiben urn:api", "Ihr Badge"]),
            ("fr", ["Read all urn:api", "<write> urn:api", "Your badge"]),
        ] {
            assert_eq!(words_in(language, "read write badge", &[]), expected, "{language}");
        }
    }

    #[test]
    fn each_entry_is_listed_once() {
        assert_eq!(words("", &["given_name", "family_name", "name#fr"]), ["Your name"]);
        assert_eq!(words("email", &["email", "email_verified"]), ["Your e-mail address"]);
        assert_eq!(words("openid profile", &["sub", "name", "picture"]).len(), 2);
        assert_eq!(words("staff staff", &["x#de", "x"]), ["<staff>", "<x>"]);
    }
}
