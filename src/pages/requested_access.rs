//! The requested access, in words.

use crate::pages::Texts;
use crate::protocol::authorization::resources::Resources;
use crate::protocol::user::claims;
use crate::protocol::user::scope::{OPENID, Scopes};

/// One entry of the list on the consent page.
#[derive(Debug, Eq, PartialEq)]
pub enum RequestedAccess<'a> {
    /// A standard scope or claim, in the user's language.
    Words(&'static str),
    /// A scope or claim of the operator's, by its name.
    Name(&'a str),
    /// A scope of an API, by its name, and the API's URI.
    OfResource(&'a str, &'a str),
}

/// Returns the access that the scopes request, then the claims that no requested scope covers. Each entry is listed
/// once.
pub fn requested_access<'a>(
    texts: &Texts,
    resources: &'a Resources,
    scope: Scopes<'a>,
    claims: &'a [&'a str],
) -> Vec<RequestedAccess<'a>> {
    let mut accesses = Vec::new();
    let mut add = |item| {
        if !accesses.contains(&item) {
            accesses.push(item);
        }
    };
    for name in scope.iter() {
        add(match resources.of_scope(name) {
            Some(resource) => RequestedAccess::OfResource(name, &resource.uri),
            None => of_scope(texts, name),
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

fn of_scope<'a>(texts: &Texts, name: &'a str) -> RequestedAccess<'a> {
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
fn of_claim<'a>(texts: &Texts, name: &'a str) -> RequestedAccess<'a> {
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
    use crate::protocol::user::scope::ScopeTable;

    fn words(scope: &str, claims: &[&str]) -> Vec<String> {
        let scope = Scopes::parse(scope).unwrap();
        let texts = Texts::choose(None, None);
        let word = |item: RequestedAccess<'_>| match item {
            RequestedAccess::Words(words) => words.to_owned(),
            RequestedAccess::Name(name) => format!("<{name}>"),
            RequestedAccess::OfResource(name, uri) => format!("<{name}> {uri}"),
        };
        let resources = r#"{"https://api.example":["orders"]}"#;
        let table = ScopeTable::parse("{}").unwrap();
        let resources = Resources::parse(resources, &table, "").unwrap();
        requested_access(texts, &resources, scope, claims).into_iter().map(word).collect()
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
    fn each_entry_is_listed_once() {
        assert_eq!(words("", &["given_name", "family_name", "name#fr"]), ["Your name"]);
        assert_eq!(words("email", &["email", "email_verified"]), ["Your e-mail address"]);
        assert_eq!(words("openid profile", &["sub", "name", "picture"]).len(), 2);
        assert_eq!(words("staff staff", &["x#de", "x"]), ["<staff>", "<x>"]);
    }
}
