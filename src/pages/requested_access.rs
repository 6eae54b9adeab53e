//! The requested access, in words.

use crate::config::Config;
use crate::pages::Texts;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::user::claims;
use crate::protocol::user::scope::{OFFLINE_ACCESS, OPENID, ScopeTable, Scopes, without_language};

/// One entry of the requested access.
#[derive(Debug, Eq, PartialEq)]
pub enum RequestedAccess<'a> {
    /// Data of the user that the client gets: a scope or a claim.
    Data {
        label: Label<'a>,
        /// The claims of the scope, if they are more than one to the user.
        claims: Vec<Label<'a>>,
    },
    /// The scope `offline_access`.
    OfflineAccess(&'a str),
    /// A scope of an API.
    OfApi {
        /// The operator's words for the scope, if there are any.
        words: Option<&'a str>,
        /// The name of the scope.
        scope: &'a str,
        /// The API's URI.
        uri: &'a str,
    },
}

/// What an entry says about a scope or a claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Label<'a> {
    /// Words in the user's language, of the provider or the operator.
    Words(&'a str),
    /// Its name, because there are no words for it.
    Name(&'a str),
}

impl RequestedAccess<'_> {
    /// Returns whether the entry is data of the user. The others are what the client will be able to do.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Data { .. })
    }

    fn is_offline_access(&self) -> bool {
        matches!(self, Self::OfflineAccess(_))
    }
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

/// Returns the access that the scopes request, then the claims that no requested scope covers, then offline access. Each
/// entry is listed once.
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
            Some(api) => {
                let words = api.words(name, texts.tag);
                RequestedAccess::OfApi { words, scope: name, uri: &api.uri }
            }
            None if name == OFFLINE_ACCESS => RequestedAccess::OfflineAccess(texts.offline_access),
            None => of_scope(texts, configured.table, name),
        });
    }
    for &name in claims {
        let name = without_language(name);
        let standard = claims::STANDARD.iter().find(|standard| standard.name == name);
        if !standard.is_some_and(|standard| scope.contains(standard.scope)) {
            add(RequestedAccess::Data { label: of_claim(texts, name), claims: Vec::new() });
        }
    }
    // It is about all others.
    accesses.sort_by_key(RequestedAccess::is_offline_access);
    accesses
}

fn of_scope<'a>(texts: &'a Texts, table: &'a ScopeTable, name: &'a str) -> RequestedAccess<'a> {
    let label = match name {
        OPENID => Label::Words(texts.openid),
        "profile" => Label::Words(texts.profile),
        "email" => Label::Words(texts.email),
        "address" => Label::Words(texts.address),
        "phone" => Label::Words(texts.phone),
        _ => match table.words(name, texts.tag) {
            Some(words) => Label::Words(words),
            None if name == "groups" => Label::Words(texts.groups),
            None => Label::Name(name),
        },
    };
    let mut claims = Vec::new();
    for claim in table.claims_of(name).map(|claim| of_claim(texts, claim)) {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    if claims.len() == 1 {
        claims.clear();
    }
    RequestedAccess::Data { label, claims }
}

/// Returns the same label for claims whose difference users need not know.
fn of_claim<'a>(texts: &'a Texts, name: &'a str) -> Label<'a> {
    Label::Words(match name {
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
        _ => return Label::Name(name),
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
        let written = |label: Label<'_>| match label {
            Label::Words(words) => words.to_owned(),
            Label::Name(name) => format!("<{name}>"),
        };
        let word = |item: RequestedAccess<'_>| match item {
            RequestedAccess::Data { label, claims } if claims.is_empty() => written(label),
            RequestedAccess::Data { label, claims } => {
                let claims: Vec<_> = claims.into_iter().map(written).collect();
                format!("{} ({})", written(label), claims.join(", "))
            }
            RequestedAccess::OfflineAccess(words) => format!("may {words}"),
            RequestedAccess::OfApi { words, scope, uri } => {
                format!("may {} <{scope}> {uri}", words.unwrap_or_default())
            }
        };
        let resources = r#"{"https://api.example":["orders"],
            "urn:api":{"scopes":{"read":{"":"Read all","de":"Lesen"},"write":{"de":"Schreiben"}}}}"#;
        let table = r#"{"badge":{"claims":["x"],"words":{"":"Your badge","de-CH":"Ihr Badge"}},
            "hr":{"claims":["salary","birthdate"],"words":{"":"Your employment"}}}"#;
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
        assert_eq!(
            words("offline_access openid", &[]),
            [
                "Who you are: an identifier for your account",
                "may Keep this access while you are not using it",
            ]
        );
    }

    #[test]
    fn a_scope_or_claim_of_the_operator_is_shown_by_its_name() {
        assert_eq!(words("staff", &["badge"]), ["<staff>", "<badge>"]);
        assert_eq!(words("orders", &[]), ["may  <orders> https://api.example"]);
    }

    #[test]
    fn a_scope_of_the_operator_is_shown_in_the_operators_words() {
        for (language, expected) in [
            ("en", ["may Read all <read> urn:api", "may  <write> urn:api", "Your badge"]),
            ("de", ["may Lesen <read> urn:api", "may Schreiben <write> urn:api", "Ihr Badge"]),
            ("fr", ["may Read all <read> urn:api", "may  <write> urn:api", "Your badge"]),
        ] {
            assert_eq!(words_in(language, "read write badge", &[]), expected, "{language}");
        }
    }

    #[test]
    fn a_scope_lists_its_claims_if_they_are_several_to_the_user() {
        assert_eq!(words("hr", &[]), ["Your employment (<salary>, Your date of birth)"]);
        assert_eq!(words("email", &[]), ["Your e-mail address"]);
        let profile = words("profile", &[]).remove(0);
        for claim in claims::STANDARD.iter().filter(|claim| claim.scope == "profile") {
            assert!(profile.contains(&words("", &[claim.name])[0]), "{}: {profile}", claim.name);
        }
        assert_eq!(profile.matches("Your name").count(), 1);
    }

    #[test]
    fn each_entry_is_listed_once() {
        assert_eq!(words("", &["given_name", "family_name", "name#fr"]), ["Your name"]);
        assert_eq!(words("email", &["email", "email_verified"]), ["Your e-mail address"]);
        assert_eq!(words("openid profile", &["sub", "name", "picture"]).len(), 2);
        assert_eq!(words("staff staff", &["x#de", "x"]), ["<staff>", "<x>"]);
    }
}
