//! Narrowing never widens: a client gets a part of the scopes and claims that were granted and that it may have now, for any
//! request, and after any change of its registration.

use crate::browser::{Browser, TestClient, claims, encode};
use crate::properties::check;
use crate::test_provider::{TestProvider, TestResponse, get, post, variables_with};
use postern::config::Config;
use postern::grant::in_force::{AccessInForce, Permission};
use postern::protocol::authorization::claims_request::ClaimsRequest;
use postern::protocol::user::scope::{Scopes, without_language};
use postern::store::consents::Consent;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

const LOGIN: &str = "alice@example.com";
const ORDERS: &str = "https://orders.example/api";
const STOCK: &str = "urn:example:stock";
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read","orders:write"],"urn:example:stock":["stock"]}"#;
const SCOPES: [&str; 9] = [
    "openid",
    "profile",
    "email",
    "phone",
    "groups",
    "offline_access",
    "orders:read",
    "orders:write",
    "stock",
];
/// Claims of these scopes, and `address`, which none of them releases.
const CLAIMS: [&str; 6] = ["name", "name#fr", "email", "phone_number", "groups", "address"];

type Set = BTreeSet<String>;

fn set_of(text: &str) -> Set {
    Scopes::of_valid(text).iter().map(str::to_owned).collect()
}

fn config() -> Config {
    let mut variables = variables_with("RESOURCES", RESOURCES);
    variables.push(("SCOPES", r#"{"groups":["groups"]}"#.into()));
    Config::parse(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
    })
    .unwrap()
}

/// Some scopes in any order.
fn scopes(least: usize) -> impl Strategy<Value = String> {
    let some = subsequence(&SCOPES[..], least..=SCOPES.len()).prop_shuffle();
    some.prop_map(|scopes| scopes.join(" "))
}

fn names() -> impl Strategy<Value = Vec<String>> {
    subsequence(&CLAIMS[..], 0..=CLAIMS.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn requested() -> impl Strategy<Value = ClaimsRequest> {
    (names(), names()).prop_map(|(id_token, userinfo)| ClaimsRequest {
        id_token,
        userinfo,
        ..ClaimsRequest::default()
    })
}

fn consent() -> impl Strategy<Value = Consent> {
    let apis = vec(select(&[ORDERS, STOCK, "https://other.example"][..]), 3);
    let apis = prop_oneof![Just(None), apis.prop_map(Some)];
    (scopes(0), names(), apis).prop_map(|(scope, claims, apis)| {
        let apis = apis.map(|apis| -> BTreeMap<String, String> {
            let of_apis = SCOPES[6..].iter().zip(apis);
            of_apis.map(|(scope, api)| ((*scope).to_owned(), api.to_owned())).collect()
        });
        Consent { scope, claims: claims.join(" "), apis, identity: None }
    })
}

/// The scopes that a client has registered, whether it is trusted, and the consent of its user.
type Rights = (Set, bool, Option<Consent>);

fn rights() -> impl Strategy<Value = Rights> {
    (scopes(0).prop_map(|text| set_of(&text)), any::<bool>(), option::of(consent()))
}

fn in_force(
    config: &Config,
    (registered, is_trusted, consent): &Rights,
    (granted, requested): (&str, &ClaimsRequest),
) -> Option<AccessInForce> {
    let may_have = |scope: &str| registered.contains(scope);
    let consent = consent.as_ref();
    Permission { config, may_have, is_trusted: *is_trusted, consent }.of(granted, requested).ok()
}

fn is_part(part: &[String], whole: &[String]) -> bool {
    part.iter().all(|claim| whole.contains(claim))
}

#[test]
fn the_access_in_force_is_a_part_of_the_grant_of_the_registration_and_of_the_consent() {
    let config = config();
    check(500, &(rights(), scopes(1), requested()), |(rights, granted, requested)| {
        let Some(access) = in_force(&config, &rights, (&granted, &requested)) else {
            return;
        };
        let (registered, is_trusted, consent) = &rights;
        let scopes = set_of(&access.scope);
        assert!(scopes.is_subset(&set_of(&granted)) && scopes.is_subset(registered), "{access:?}");
        assert!(is_part(&access.requested.id_token, &requested.id_token), "{access:?}");
        assert!(is_part(&access.requested.userinfo, &requested.userinfo), "{access:?}");
        if let (false, Some(consent)) = (is_trusted, consent) {
            assert!(scopes.is_subset(&set_of(&consent.scope)), "{access:?}");
            let named = set_of(&consent.claims);
            let consented = Scopes::of_valid(&consent.scope);
            for claim in access.requested.id_token.iter().chain(&access.requested.userinfo) {
                let is_shown = named.contains(without_language(claim))
                    || config.scopes.releases(&consented, claim);
                assert!(is_shown, "{claim}");
            }
        }
        // The same again changes nothing.
        let again = in_force(&config, &rights, (&access.scope, &access.requested)).unwrap();
        assert_eq!((again.scope, again.requested), (access.scope, access.requested));
    });
}

#[test]
fn less_of_a_registration_a_consent_or_a_grant_puts_nothing_more_in_force() {
    let config = config();
    let inputs = (rights(), scopes(1), requested(), scopes(0), names());
    check(500, &inputs, |(rights, granted, requested, kept, kept_claims)| {
        let kept = set_of(&kept);
        let keep =
            |text: &str| set_of(text).intersection(&kept).cloned().collect::<Vec<_>>().join(" ");
        let (registered, is_trusted, consent) = rights.clone();
        let kept_of = |claims: &str| {
            let claims =
                claims.split(' ').filter(|claim| kept_claims.iter().any(|kept| kept == claim));
            claims.collect::<Vec<_>>().join(" ")
        };
        let fewer = registered.intersection(&kept).cloned().collect();
        let narrow_consent = consent.clone().map(|consent| Consent {
            scope: keep(&consent.scope),
            claims: kept_of(&consent.claims),
            ..consent
        });
        let narrow_grant = keep(&granted);
        let whole = in_force(&config, &rights, (&granted, &requested));
        let parts = [
            ((fewer, is_trusted, consent.clone()), granted.as_str()),
            ((registered.clone(), is_trusted, consent.clone()), narrow_grant.as_str()),
            ((registered.clone(), is_trusted, narrow_consent), granted.as_str()),
            // Trust needs no consent, and a client without it has at most the same.
            ((registered.clone(), false, consent.clone()), granted.as_str()),
        ];
        for (rights, granted) in parts {
            let Some(part) = in_force(&config, &rights, (granted, &requested)) else { continue };
            // The grant of `offline_access` alone is in force where a larger one without any other scope is not.
            let Some(whole) = &whole else {
                assert!(
                    set_of(&part.scope).iter().all(|scope| scope == "offline_access"),
                    "{part:?}"
                );
                continue;
            };
            assert!(set_of(&part.scope).is_subset(&set_of(&whole.scope)), "{part:?} {whole:?}");
            assert!(is_part(&part.requested.userinfo, &whole.requested.userinfo));
        }
    });
}

#[test]
fn claims_are_released_by_a_scope_or_by_name_only_and_fewer_scopes_release_no_more() {
    let config = config();
    let user = crate::test_provider::alice();
    let user = user.as_object().unwrap();
    check(300, &(scopes(0), scopes(0), names()), |(scope, more, named)| {
        let table = &config.scopes;
        let both = format!("{scope} {more}");
        let (granted, larger) = (Scopes::of_valid(&scope), Scopes::of_valid(&both));
        let released = table.release(&granted, &named, user.clone());
        let all = table.release(&larger, &named, user.clone());
        for (claim, value) in &released {
            assert_eq!((user.get(claim), all.get(claim)), (Some(value), Some(value)));
            let is_named = named.iter().any(|one| without_language(one) == claim);
            assert!(table.releases(&granted, claim) || is_named, "{claim}");
        }
        // Each claim of a granted scope is released, and each that was named.
        for claim in user.keys() {
            let is_due = table.releases(&granted, claim)
                || named.contains(claim) && table.knows_claim(claim);
            assert!(!is_due || released.contains_key(claim), "{claim}");
        }
        let by_name = table.select(&named, user.clone());
        assert!(by_name.keys().all(|claim| released.contains_key(claim)));
        let outside = table.claims_outside_scopes(&granted, &named);
        assert!(outside.iter().all(|claim| !table.releases(&granted, claim)));
    });
}

/// An event in the life of a grant.
#[derive(Clone, Debug)]
enum Step {
    /// A refresh with these scopes, if any, for this resource, if any.
    Refresh(Option<String>, Option<&'static str>),
    /// The client registers these scopes, or none in particular.
    Register(Option<String>),
}

fn step() -> impl Strategy<Value = Step> {
    let resource = option::of(select(&[ORDERS, STOCK, "https://other.example"][..]));
    prop_oneof![
        3 => (option::of(scopes(1)), resource).prop_map(|(scope, uri)| Step::Refresh(scope, uri)),
        1 => option::of(scopes(1)).prop_map(Step::Register),
    ]
}

struct World {
    provider: TestProvider,
    refresh_token: RefCell<String>,
    /// The scopes that the client has registered; `None` for any of the provider's own and those of open APIs.
    registered: RefCell<Option<Set>>,
}

impl World {
    fn new() -> Self {
        let mut variables = variables_with("RESOURCES", RESOURCES);
        variables.push(("SCOPES", r#"{"groups":["groups"]}"#.into()));
        let provider = TestProvider::configured(variables);
        provider.has_entropy.set(true);
        provider.send(get("/auth/jwks.json"));
        provider.put_alice_with_password();
        Self { provider, refresh_token: RefCell::default(), registered: RefCell::default() }
    }

    /// Registers the scopes of the client, which keeps its secret.
    fn register(&self, scope: Option<String>) -> TestClient {
        self.registered.replace(scope.as_deref().map(set_of));
        self.provider
            .put_client_with("app", scope.map_or(json!({}), |scope| json!({ "scope": scope })))
    }

    /// Judges the response of the token endpoint, and what introspection and userinfo give for its token.
    fn judge(&self, client: &TestClient, response: &TestResponse, granted: &Grant) {
        let body = response.json();
        if response.status != 200 {
            let error = body["error"].as_str().unwrap();
            assert!(
                ["invalid_scope", "invalid_target", "invalid_grant"].contains(&error),
                "{body}"
            );
            return;
        }
        if let Some(next) = body.get("refresh_token") {
            self.refresh_token.replace(next.as_str().unwrap().to_owned());
        }
        let scopes = set_of(body["scope"].as_str().unwrap());
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(claims(token)["scope"], body["scope"]);
        assert!(scopes.is_subset(&granted.scopes), "{scopes:?} {granted:?}");
        self.assert_registered(&scopes);
        // One audience, with scopes of its own alone.
        let aud = claims(token)["aud"].as_str().unwrap().to_owned();
        let of_api = |scope: &String| SCOPES[6..].contains(&scope.as_str());
        match aud.as_str() {
            ORDERS => assert!(scopes.iter().all(|scope| scope.starts_with("orders:"))),
            STOCK => assert!(scopes.iter().all(|scope| scope == "stock")),
            _ => assert!(!scopes.iter().any(of_api), "{scopes:?} {aud}"),
        }
        if let Some(id_token) = body.get("id_token") {
            self.assert_released(
                &claims(id_token.as_str().unwrap()),
                &Set::new(),
                &granted.by_name,
            );
        }
        self.inspect(client, token, &scopes, granted);
    }

    /// Judges what introspection and userinfo give for a token that was issued with these scopes, perhaps earlier.
    fn inspect(&self, client: &TestClient, token: &str, scopes: &Set, granted: &Grant) {
        let secret = client.secret.clone().unwrap();
        let form = [("token", token), ("client_id", "app"), ("client_secret", &*secret)];
        let known = self.provider.send(post("/auth/introspect").form(&encode(&form))).json();
        if known["active"] == true {
            let now = set_of(known["scope"].as_str().unwrap());
            assert!(now.is_subset(scopes), "{known} {scopes:?}");
            self.assert_registered(&now);
        }
        let userinfo = self.provider.send(get("/auth/userinfo").bearer(token));
        if userinfo.status == 200 {
            self.assert_released(&userinfo.json(), scopes, &granted.by_name);
        }
    }

    fn assert_registered(&self, scopes: &Set) {
        let registered = self.registered.borrow();
        let is_registered = |scope: &String| {
            // The provider has added `offline_access` to a request without `openid`.
            scope == "offline_access"
                || registered.as_ref().is_none_or(|known| known.contains(scope))
        };
        assert!(scopes.iter().all(is_registered), "{scopes:?} {registered:?}");
    }

    /// Checks that each claim of the user is released by a scope or by its name.
    fn assert_released(&self, document: &Value, scopes: &Set, by_name: &[String]) {
        let (config, alice) = (config(), crate::test_provider::alice());
        let text = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let is_user_claim = |name: &&String| alice.get(name.as_str()).is_some();
        for claim in document.as_object().unwrap().keys().filter(is_user_claim) {
            let is_named = by_name.iter().any(|one| without_language(one) == claim);
            assert!(is_named || config.scopes.releases(&Scopes::of_valid(&text), claim), "{claim}");
        }
    }
}

#[derive(Debug)]
struct Grant {
    scopes: Set,
    by_name: Vec<String>,
}

#[test]
fn no_refresh_and_no_registration_gives_more_than_was_granted() {
    let world = World::new();
    let client = world.register(Some(SCOPES.join(" ")));
    let browser = Browser::new(&world.provider);
    browser.sign_in_on(&browser.get("/auth/account"), LOGIN);
    let refreshed = Cell::new(0);
    // Most grants have a refresh token.
    let scope = (scopes(1), 0..4).prop_map(|(scope, chance)| match chance {
        0 => scope,
        _ => Scopes::parse(&format!("{scope} offline_access")).unwrap().normalized(),
    });
    check(25, &(scope, names(), vec(step(), 1..6)), |(scope, by_name, steps)| {
        world.register(Some(SCOPES.join(" ")));
        let section: Map<String, Value> =
            by_name.iter().map(|name| (name.clone(), Value::Null)).collect();
        let requested = json!({ "id_token": section, "userinfo": section }).to_string();
        let target = client.authorize(&[("scope", &scope), ("claims", &requested)]);
        let page = browser.agree(browser.get(&target), LOGIN);
        let answer = crate::browser::answer(&page, &client.redirect_uri);
        let Some(code) = answer.get("code") else {
            // `offline_access` alone.
            assert_eq!(answer["error"], "invalid_scope");
            return;
        };
        let mut scopes = set_of(&scope);
        if !scopes.contains("openid") {
            scopes.insert("offline_access".into());
        }
        let granted = Grant { scopes, by_name };
        world.refresh_token.replace(String::new());
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &*client.redirect_uri),
            ("code_verifier", crate::browser::VERIFIER),
        ];
        // A grant of two APIs without `openid` needs a resource.
        if !granted.scopes.contains("openid") && granted.scopes.contains("stock") {
            parameters.push(("resource", STOCK));
        }
        let first = world.provider.token(&client, &parameters);
        world.judge(&client, &first, &granted);
        let first_token =
            first.json().get("access_token").map(|token| token.as_str().unwrap().to_owned());
        let first_scopes = first.json()["scope"].as_str().map(set_of).unwrap_or_default();
        for step in steps {
            match step {
                Step::Register(scope) => drop(world.register(scope)),
                Step::Refresh(scope, resource) => {
                    let token = world.refresh_token.borrow().clone();
                    if token.is_empty() {
                        continue;
                    }
                    let mut parameters =
                        vec![("grant_type", "refresh_token"), ("refresh_token", &*token)];
                    parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
                    parameters.extend(resource.map(|uri| ("resource", uri)));
                    let response = world.provider.token(&client, &parameters);
                    refreshed.set(refreshed.get() + u32::from(response.status == 200));
                    if let (200, Some(scope)) = (response.status, &scope) {
                        let issued = set_of(response.json()["scope"].as_str().unwrap());
                        assert!(issued.is_subset(&set_of(scope)), "{issued:?} {scope}");
                    }
                    world.judge(&client, &response, &granted);
                }
            }
            if let Some(token) = &first_token {
                world.inspect(&client, token, &first_scopes, &granted);
            }
        }
    });
    assert!(refreshed.get() >= 10, "only {} refreshes succeeded", refreshed.get());
}
