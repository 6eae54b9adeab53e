//! Scope values, and what scopes release: `Scopes`, `ScopeTable`, `Resources`.
//!
//! Input: a granted scope value; a narrower one; names of claims, separated by spaces; a resource indicator.
#![no_main]

use fuzz::{Parts, config};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::protocol::authorization::resources::Target;
use postern::protocol::user::claims::UserClaims;
use postern::protocol::user::scope::{Scopes, is_scope_token, without_language};
use std::collections::BTreeSet;

thread_local! {
    static CONFIG: Config = config();
    static CLAIMS: UserClaims = serde_json::from_str(
        r#"{"name":"Alice","name#fr":"Alice","email":"a@b.example","email_verified":true,"groups":["a"],
            "salary":1,"address":{"country":"FR"},"phone_number":"1","birthdate":"1990"}"#,
    )
    .expect("claims");
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let (granted, narrower, claims, indicator) =
        (parts.text(), parts.text(), parts.text(), parts.text());
    let Ok(granted) = Scopes::parse(&granted) else {
        let tokens: BTreeSet<_> = granted.split(' ').filter(|token| !token.is_empty()).collect();
        let is_malformed = tokens.iter().any(|token| !is_scope_token(token)) || tokens.is_empty();
        assert!(is_malformed || tokens.len() > 100);
        return;
    };
    is_a_set(&granted);
    let Ok(narrower) = Scopes::parse(&narrower) else { return };
    is_a_set(&narrower);

    // The narrowed value is within both.
    let both: Vec<_> = narrower.iter().filter(|scope| granted.contains(scope)).collect();
    let both = both.join(" ");
    let both = Scopes::of_valid(&both);
    assert!(both.is_within(&granted) && both.is_within(&narrower));
    assert_eq!(narrower.is_within(&granted), both.normalized() == narrower.normalized());

    CONFIG.with(|config| releases(config, &granted, &both, &claims, &indicator));
});

/// A scope value is a set of at most 100 tokens, and its stored form is the value.
fn is_a_set(scopes: &Scopes<'_>) {
    let all: Vec<_> = scopes.iter().collect();
    let set: BTreeSet<_> = all.iter().collect();
    assert!(all.len() <= 100 && set.len() == all.len());
    assert!(all.iter().all(|scope| is_scope_token(scope) && scopes.contains(scope)));
    assert!(scopes.is_within(scopes));
    let stored = scopes.normalized();
    let again = Scopes::parse(&stored).expect("its own text");
    assert!(again.normalized() == stored && again.iter().eq(scopes.iter()));
    assert!(Scopes::of_valid(&stored).iter().eq(scopes.iter()));
    assert_eq!(Scopes::is_blank(&stored), all.is_empty());
}

/// Fewer scopes never release more.
fn releases(config: &Config, wide: &Scopes<'_>, narrow: &Scopes<'_>, claims: &str, uri: &str) {
    let requested: Vec<_> = claims.split(' ').map(str::to_owned).collect();
    CLAIMS.with(|own| {
        let of_wide = config.scopes.release(wide, &requested, own.clone());
        let of_narrow = config.scopes.release(narrow, &requested, own.clone());
        let of_none = config.scopes.select(&requested, own.clone());
        let is_within = |fewer: &UserClaims, more: &UserClaims| {
            fewer.iter().all(|(name, value)| more.get(name) == Some(value))
        };
        assert!(is_within(&of_none, &of_narrow) && is_within(&of_narrow, &of_wide));
        assert!(is_within(&of_wide, own));
        for name in config.scopes.claims_outside_scopes(narrow, &requested) {
            assert!(config.scopes.knows_claim(name) && !config.scopes.releases(narrow, name));
            assert_eq!(without_language(name), name);
        }
    });
    // A token has only scopes of its audience, and only such as were granted.
    let requested = config.resources.find(uri);
    if let Ok(target) = config.resources.target(requested, narrow) {
        let stored = narrow.normalized();
        let own = config.resources.scope_for(target, &stored);
        assert!(Scopes::of_valid(&own).is_within(narrow));
        for scope in Scopes::of_valid(&own).iter() {
            let api = config.resources.of_scope(scope);
            match target {
                Target::Userinfo => assert!(api.is_none()),
                Target::Resource(resource) => assert_eq!(api, Some(resource)),
            }
        }
        if let Target::Resource(resource) = target {
            assert!(resource.has_some(narrow) && requested.is_none_or(|api| api == resource));
        }
    }
}
