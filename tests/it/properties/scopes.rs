//! Scopes form a set: at every door, neither their order nor duplicates nor spaces change what is granted.

use crate::browser::{Browser, TestClient, answer, encode, form, is_consent};
use crate::properties::check;
use crate::test_provider::{TestProvider, TestResponse, get, post, put, variables_with};
use postern::protocol::user::scope::{InvalidScopes, Scopes, is_scope_token};
use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Set = BTreeSet<String>;

/// Writes a set of scopes in some order, with duplicates and spaces.
#[derive(Clone, Debug)]
struct Written {
    set: Set,
    text: String,
}

impl Written {
    /// The set in its own order, once each.
    fn plain(&self) -> String {
        self.set.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn written(scopes: impl Strategy<Value = Set>) -> impl Strategy<Value = Written> {
    let more = (vec(any::<Index>(), 0..4), vec(1..4usize, 24), 0..3usize, 0..3usize);
    let shuffled = scopes.prop_flat_map(|set| {
        let list: Vec<String> = set.iter().cloned().collect();
        (Just(set), Just(list).prop_shuffle())
    });
    (shuffled, more).prop_map(|((set, mut list), (doubled, gaps, before, after))| {
        if !list.is_empty() {
            for (place, scope) in doubled.iter().enumerate() {
                let scope = scope.get(&list).clone();
                list.insert((place * 3).min(list.len()), scope);
            }
        }
        let mut text = " ".repeat(if list.is_empty() { 0 } else { before });
        for (scope, gap) in list.iter().zip(gaps.iter().cycle()) {
            text += scope;
            text += &" ".repeat(*gap);
        }
        let text =
            text.trim_end().to_owned() + &" ".repeat(if list.is_empty() { 0 } else { after });
        Written { set, text }
    })
}

/// Some of these scopes.
fn some_of(scopes: &'static [&'static str]) -> impl Strategy<Value = Written> {
    let set = proptest::sample::subsequence(scopes, 1..=scopes.len());
    written(set.prop_map(|set| set.into_iter().map(str::to_owned).collect()))
}

fn set_of(text: &str) -> Set {
    text.split(' ').map(str::to_owned).filter(|scope| !scope.is_empty()).collect()
}

#[test]
fn a_scope_value_is_the_set_of_its_tokens() {
    let scope = prop_oneof!["[a-c]{1,2}", "[!#-\\[\\]-~]{1,8}"];
    let inputs = (written(btree_set(scope.clone(), 0..6)), written(btree_set(scope, 0..6)));
    check(400, &inputs, |(one, other)| {
        let scopes = Scopes::parse(&one.text).unwrap();
        let others = Scopes::parse(&other.text).unwrap();
        let list: Vec<_> = scopes.iter().map(str::to_owned).collect();
        assert_eq!(
            (list.iter().cloned().collect::<Set>(), list.len()),
            (one.set.clone(), one.set.len())
        );
        for scope in one.set.iter().chain(&other.set) {
            assert_eq!(scopes.contains(scope), one.set.contains(scope));
        }
        // The text that is stored is read as the same set, by both readers.
        let text = scopes.normalized();
        for again in [Scopes::parse(&text).unwrap(), Scopes::of_valid(&text)] {
            assert_eq!(again.iter().collect::<Vec<_>>(), list);
            assert_eq!(again.normalized(), text);
        }
        // Subsets, as sets have them.
        assert_eq!(scopes.is_within(&others), one.set.is_subset(&other.set));
        assert_eq!(scopes.is_within(&others) && others.is_within(&scopes), one.set == other.set);
        let union = format!("{} {}", one.text, other.text);
        let union = Scopes::parse(&union).unwrap_or(Scopes::of_valid(""));
        assert!(scopes.is_within(&union) && others.is_within(&union));
        assert!(!scopes.contains(""));
    });
}

#[test]
fn a_scope_value_has_scope_tokens_and_spaces_only() {
    let text = prop_oneof!["[a-c \"\\\\\t\né]{0,6}", "\\PC{0,6}"];
    check(600, &text, |text| {
        let are_tokens = text.split(' ').filter(|part| !part.is_empty()).all(is_scope_token);
        let parsed = Scopes::parse(&text);
        let is_valid = are_tokens && (text.is_empty() || text.bytes().any(|b| b != b' '));
        assert_eq!(
            parsed.as_ref().err(),
            (!is_valid).then_some(&InvalidScopes::Malformed),
            "{text:?}"
        );
        if let Ok(scopes) = parsed {
            assert_eq!(scopes.iter().map(str::to_owned).collect::<Set>(), set_of(&text));
        }
    });
}

const OWN: [&str; 6] = ["openid", "profile", "email", "phone", "address", "offline_access"];
const API: [&str; 3] = ["orders:read", "orders:write", "stock"];
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read","orders:write","stock"]}"#;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A provider with a client that may use every grant type.
struct Doors {
    provider: TestProvider,
    client: TestClient,
}

impl Doors {
    fn new() -> Self {
        let mut variables = variables_with("RESOURCES", RESOURCES);
        variables.push(("REGISTRATION", "open".into()));
        let provider = TestProvider::configured(variables);
        provider.has_entropy.set(true);
        provider.send(get("/auth/jwks.json"));
        provider.put_alice_with_password();
        let client = provider.put_client_with("app", json!({
            "scope": format!("{} {}", OWN.join(" "), API.join(" ")),
            "trusted": true,
            "grant_types": ["authorization_code", "refresh_token", "client_credentials", DEVICE_CODE],
        }));
        Self { provider, client }
    }

    /// The scopes of the tokens that an authorization response leads to, or its error.
    fn redeem(&self, page: &TestResponse) -> Result<Set, String> {
        let mut answer = answer(page, &self.client.redirect_uri);
        let Some(code) = answer.remove("code") else { return Err(answer["error"].clone()) };
        scopes_of(&self.provider.redeem(&self.client, &code))
    }
}

/// The scopes of a response, which have single spaces and no duplicates; or its error.
fn scopes_of(response: &TestResponse) -> Result<Set, String> {
    if ![200, 201].contains(&response.status) {
        return Err(response.error().unwrap());
    }
    let Value::String(scope) = &response.json()["scope"] else { panic!("{}", response.body) };
    let set = set_of(scope);
    assert_eq!(scope.split(' ').count(), set.len(), "{scope:?}");
    Ok(set)
}

/// Checks that a door gives the same for a text and for the plain set.
fn check_door(
    cases: u32,
    scopes: impl Strategy<Value = Written>,
    door: impl Fn(&str) -> Result<Set, String>,
) {
    check(cases, &scopes, |written| {
        let (plain, granted) = (door(&written.plain()), door(&written.text));
        assert_eq!(plain, granted);
        if let Ok(granted) = granted {
            assert!(granted.is_subset(&written.set), "{granted:?}");
        }
    });
}

#[test]
fn scopes_are_a_set_at_the_authorization_endpoint_and_at_par() {
    let doors = Doors::new();
    let browser = Browser::new(&doors.provider);
    browser.sign_in_on(&browser.get("/auth/account"), "alice@example.com");
    check_door(12, some_of(&OWN), |scope| {
        doors.redeem(&browser.get(&doors.client.authorize(&[("scope", scope)])))
    });
    check_door(6, some_of(&OWN), |scope| {
        let target = doors.provider.push(&doors.client, &[("scope", scope)]);
        doors.redeem(&browser.follow(browser.get(&target)))
    });
}

#[test]
fn scopes_are_a_set_when_a_grant_is_refreshed() {
    let doors = Doors::new();
    let browser = Browser::new(&doors.provider);
    let all = OWN.join(" ");
    let code = browser.authorize(&doors.client, "alice@example.com", &[("scope", &all)]);
    let tokens = doors.provider.redeem(&doors.client, &code).json();
    let token = std::cell::RefCell::new(tokens["refresh_token"].as_str().unwrap().to_owned());
    check_door(10, some_of(&OWN), |scope| {
        let token_now = token.borrow().clone();
        let parameters =
            [("grant_type", "refresh_token"), ("refresh_token", &*token_now), ("scope", scope)];
        let response = doors.provider.token(&doors.client, &parameters);
        if let Some(next) = response.json()["refresh_token"].as_str() {
            token.replace(next.to_owned());
        }
        scopes_of(&response)
    });
}

#[test]
fn scopes_are_a_set_for_machines() {
    let doors = Doors::new();
    check_door(
        10,
        some_of(&["orders:read", "orders:write", "stock", "openid", "unknown"]),
        |scope| {
            let parameters = [("grant_type", "client_credentials"), ("scope", scope)];
            scopes_of(&doors.provider.token(&doors.client, &parameters))
        },
    );
}

#[test]
fn scopes_are_a_set_for_devices() {
    let doors = Doors::new();
    let browser = Browser::new(&doors.provider);
    browser.sign_in_on(&browser.get("/auth/account"), "alice@example.com");
    check_door(4, some_of(&OWN[..5]), |scope| {
        let secret = doors.client.secret.clone().unwrap();
        let form_fields =
            [("client_id", &*doors.client.id), ("client_secret", &*secret), ("scope", scope)];
        let codes = doors.provider.send(post("/auth/device").form(&encode(&form_fields)));
        let codes = codes.json();
        let user_code = codes["user_code"].as_str().unwrap();
        let page = browser.submit(&browser.get("/device"), &[("user_code", user_code)]);
        assert!(is_consent(&page), "{}", page.body);
        browser.submit_form(&form(&page), &[("decision", "allow")]);
        doors.provider.sleep(6);
        let device_code = codes["device_code"].as_str().unwrap();
        let parameters = [("grant_type", DEVICE_CODE), ("device_code", device_code)];
        scopes_of(&doors.provider.token(&doors.client, &parameters))
    });
}

#[test]
fn scopes_are_a_set_in_registrations() {
    let doors = Doors::new();
    let document =
        |scope: &str| json!({ "redirect_uris": ["https://app.example/cb"], "scope": scope });
    check_door(8, some_of(&OWN[..5]), |scope| {
        let response = doors.provider.send(post("/auth/register").json(&document(scope)));
        scopes_of(&response)
    });
    check_door(8, some_of(&OWN[..5]), |scope| {
        let request = put("/admin/clients/other").by_operator().json(&document(scope));
        scopes_of(&doors.provider.send(request))
    });
}
