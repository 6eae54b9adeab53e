//! The published key set over histories of what can happen to keys: runs of the maintenance that are dropped, doubled and
//! late, commands of the operator, isolates that begin anew and whose clocks differ, and a KV that lags behind or is lost.
//! [`crate::key_rotation_year`] simulates longer times, with caches of others in between. Here a history that breaks a rule is
//! shrunk.

use crate::browser::{claims, header};
use crate::key_rotation::rotate;
use crate::platform::rsa_jwks;
use crate::properties::check;
use crate::test_provider::{
    NOW, TestProvider, TestResponse, Variables, block_on, get, post, variables,
};
use postern::Isolate;
use postern::config::{Config, KeyTimes};
use postern::context::Context;
use postern::jose::jwk::{Algorithm, EcPrivateKey, P256_BYTES, PrivateKey};
use postern::keys::{KeyState, missing, next_change, plan, publishable, signer};
use postern::lifetimes::{
    CLOCK_SLACK_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS, KV_PROPAGATION_SECONDS,
};
use postern::store::signing_keys::{self, KeyRow, MOST_PUBLISHED_KEYS};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const JWKS: &str = "/auth/jwks.json";
const DAY: i64 = 86_400;
/// The default of `CACHE_MAX_AGE`.
const MAX_AGE: i64 = 300;
/// How long after its withdrawal a key may verify.
const WITHDRAWN_WITHIN: i64 = KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS + CLOCK_SLACK_SECONDS;
/// How long after a withdrawal a relying party may lack the key that replaces the withdrawn one at once.
const REPLACED_WITHIN: i64 = WITHDRAWN_WITHIN + 4 * CLOCK_SLACK_SECONDS + MAX_AGE;

#[derive(Clone, Debug)]
enum Act {
    Maintain,
    /// Two isolates run the maintenance at the same time.
    MaintainTwice,
    Rotate,
    /// The operator withdraws one of the keys.
    Withdraw(Index),
    /// An isolate signs a token that lives for so many seconds.
    Sign(i64),
    /// The isolate begins anew.
    Restart,
    /// KV loses what it has.
    LoseCache,
}

/// An act at a site, so many seconds after the one before. KV is behind by `lag` seconds there.
#[derive(Clone, Debug)]
struct Step {
    pause: i64,
    site: Index,
    lag: i64,
    act: Act,
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![
        0..90i64,
        60..1_200i64,
        3_600..2 * DAY,
        Just(5 * 60),
        2 * DAY..31 * DAY,
        // Around what the defaults plan: a successor is made, signs, and its predecessor retires.
        (27 * DAY - 90)..(27 * DAY + 90),
        (3 * DAY - 90)..(3 * DAY + 90),
        (DAY + 270)..(DAY + 500),
    ];
    let act = prop_oneof![
        6 => Just(Act::Maintain),
        2 => Just(Act::MaintainTwice),
        2 => Just(Act::Rotate),
        1 => any::<Index>().prop_map(Act::Withdraw),
        5 => prop_oneof![Just(DAY), 600..DAY].prop_map(Act::Sign),
        1 => Just(Act::Restart),
        1 => Just(Act::LoseCache),
    ];
    (pause, any::<Index>(), 0..=KV_PROPAGATION_SECONDS, act)
        .prop_map(|(pause, site, lag, act)| Step { pause, site, lag, act })
}

/// Steps of any kind, with bursts of commands: each comes when the key of the one before is about to sign, so that none
/// replaces it.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let command = (740..1_140i64, any::<Index>());
    let burst = vec(command, 5..8).prop_map(|commands| {
        let rotate = |(pause, site)| Step { pause, site, lag: 0, act: Act::Rotate };
        commands.into_iter().map(rotate).collect()
    });
    (vec(step(), 2..8), prop_oneof![2 => Just(Vec::new()), 1 => burst], vec(step(), 2..6))
        .prop_map(|(first, burst, last)| [first, burst, last].concat())
}

struct Token {
    text: String,
    kid: String,
    expires_at: i64,
}

/// The key set at a relying party, which keeps it for as long as its headers allow.
struct Copy {
    kids: BTreeSet<String>,
    good_until: i64,
}

struct World {
    provider: TestProvider,
    config: Config,
    /// The true time.
    time: i64,
    /// The isolates, and by how much the clock of each is ahead.
    sites: Vec<(Isolate, i64)>,
    /// The states of KV, and when each was written.
    written: Vec<(i64, HashMap<String, String>)>,
    parties: Vec<Option<Copy>>,
    tokens: Vec<Token>,
    /// When each key was withdrawn.
    withdrawn: BTreeMap<String, i64>,
    /// The furthest state that each key was in.
    states: BTreeMap<String, KeyState>,
    /// The rows of the key table.
    rows: Vec<KeyRow>,
}

impl World {
    fn new(clocks: &[i64], has_caches: bool) -> Self {
        let mut variables = variables();
        // Isolates accept each other's tokens at once, although their clocks differ.
        variables.push(("CLOCK_LEEWAY", CLOCK_SLACK_SECONDS.to_string()));
        if !has_caches {
            // Then a new key signs after twenty minutes, and many can be published at a time.
            let caches = ["CACHE_MAX_AGE", "CACHE_STALE_WHILE_REVALIDATE", "CACHE_STALE_IF_ERROR"];
            variables.extend(caches.map(|name| (name, "0".to_owned())));
        }
        let config = config(&variables);
        let provider = TestProvider::configured(variables);
        provider.has_entropy.set(true);
        provider.put_alice();
        provider.send(get(JWKS));
        let sites = clocks.iter().map(|ahead| (provider.make_isolate(), *ahead)).collect();
        let written = vec![(NOW, provider.platform.cache.borrow().clone())];
        let mut world = Self {
            provider,
            config,
            time: NOW,
            sites,
            written,
            parties: vec![None, None],
            tokens: Vec::new(),
            withdrawn: BTreeMap::new(),
            states: BTreeMap::new(),
            rows: Vec::new(),
        };
        world.rows = world.read_rows();
        world
    }

    /// Runs `work` in an isolate: by its clock, and with KV as it is shown there.
    fn at<T>(&mut self, step: &Step, work: impl FnOnce(&TestProvider) -> T) -> T {
        let site = step.site.index(self.sites.len());
        let shown = self.written.iter().rev().find(|(at, _)| *at <= self.time - step.lag);
        let shown = shown.unwrap_or(&self.written[0]).1.clone();
        self.provider.platform.cache.replace(shown.clone());
        let (isolate, ahead) = &mut self.sites[site];
        self.provider.now.set(self.time + *ahead);
        let result = self.provider.in_isolate(isolate, || work(&self.provider));
        let cache = self.provider.platform.cache.borrow().clone();
        if cache != shown {
            self.written.push((self.time, cache));
        }
        result
    }

    fn read_rows(&self) -> Vec<KeyRow> {
        let randomness = |_: &mut [u8]| Ok(());
        let context = Context::new(&self.config, &self.provider.platform, self.time, &randomness);
        block_on(signing_keys::all(&context)).unwrap()
    }

    fn run(&mut self, step: &Step) {
        self.time += step.pause;
        match &step.act {
            Act::Maintain => drop(self.at(step, TestProvider::maintain)),
            Act::MaintainTwice => {
                self.at(step, |provider| {
                    let isolates = [provider.make_isolate(), provider.make_isolate()];
                    provider.maintain_together(&isolates);
                });
            }
            Act::Rotate => {
                let response = self.at(step, |provider| rotate(provider, &json!({})));
                // Too many keys, or a clock that is behind that of the last run.
                assert!([200, 409, 503].contains(&response.status), "{}", response.body);
            }
            Act::Withdraw(place) => self.withdraw(step, *place),
            Act::Sign(ttl) => self.sign(step, *ttl),
            Act::Restart => {
                let site = step.site.index(self.sites.len());
                self.sites[site].0 = self.provider.make_isolate();
            }
            Act::LoseCache => self.written.push((self.time, HashMap::new())),
        }
        if !matches!(step.act, Act::Sign(_) | Act::Restart | Act::LoseCache) {
            let rows = self.read_rows();
            if matches!(step.act, Act::Maintain | Act::MaintainTwice) {
                self.check_successors(&rows);
            }
            self.rows = rows;
        }
        let rows = std::mem::take(&mut self.rows);
        self.check_rows(&rows);
        check_order(&rows, self.time, self.config.key_times);
        self.rows = rows;
        self.check_tokens(step);
    }

    fn withdraw(&mut self, step: &Step, place: Index) {
        let published: Vec<_> = publishable(&self.rows, self.time).collect();
        let kid = published[place.index(published.len())].public.kid().to_owned();
        let response = self.at(step, |provider| rotate(provider, &json!({ "compromised": kid })));
        if response.status == 200 {
            self.withdrawn.insert(kid, self.time);
        } else {
            assert!([409, 503].contains(&response.status), "{}", response.body);
        }
    }

    fn sign(&mut self, step: &Step, ttl: i64) {
        let order = json!({ "sub": "alice", "scope": "openid", "ttl": ttl });
        let response = self
            .at(step, |provider| provider.send(post("/admin/tokens").by_operator().json(&order)));
        assert_eq!(response.status, 200, "no request waits for a key: {}", response.body);
        let text = response.json()["access_token"].as_str().unwrap().to_owned();
        let kid = header(&text)["kid"].as_str().unwrap().to_owned();
        let expires_at = claims(&text)["exp"].as_i64().unwrap();
        if let Some(at) = self.withdrawn.get(&kid) {
            let latest = at + KEY_SET_SECONDS + CLOCK_SLACK_SECONDS;
            assert!(self.time <= latest, "a withdrawn key signs");
        }
        self.tokens.push(Token { text, kid, expires_at });
    }

    /// The maintenance postpones and replaces no key that is about to sign, so that keys are rotated however often it runs.
    fn check_successors(&self, rows: &[KeyRow]) {
        let is_next = |row: &&KeyRow| row.sign_from > self.time + CLOCK_SLACK_SECONDS;
        for next in self.rows.iter().filter(is_next) {
            let is_same = |row: &KeyRow| {
                row.public.kid() == next.public.kid() && row.sign_from == next.sign_from
            };
            assert!(rows.iter().any(is_same), "a run replaced a key that was planned");
        }
    }

    /// Checks what must hold at every time.
    fn check_rows(&mut self, rows: &[KeyRow]) {
        let kids: BTreeSet<_> = rows.iter().map(|row| row.public.kid()).collect();
        assert_eq!(kids.len(), rows.len(), "a kid has two rows");
        // Now, by clocks that are off, and at every time at which something changes by itself.
        let planned = rows.iter().flat_map(|row| {
            [Some(row.publish_from), Some(row.sign_from), row.sign_until, row.retire_at]
        });
        let ahead = planned.flatten().filter(|time| *time > self.time);
        let slack = CLOCK_SLACK_SECONDS / 2;
        let mut times: Vec<_> = ahead.flat_map(|time| [time - 1, time]).collect();
        times.extend([self.time - slack, self.time, self.time + slack, self.time + 400 * DAY]);
        for time in times {
            assert_eq!(missing(rows, time), [], "an algorithm has no key at {}", time - NOW);
            for alg in Algorithm::ALL {
                let of_alg = publishable(rows, time).filter(|row| row.public.alg() == alg);
                let count = i64::try_from(of_alg.count()).unwrap();
                assert!((1..=MOST_PUBLISHED_KEYS).contains(&count), "{count} keys of {alg:?}");
                let is_signing = |row: &&KeyRow| {
                    row.public.alg() == alg && KeyState::of(row, rows, time) == KeyState::Signing
                };
                assert_eq!(rows.iter().filter(is_signing).count(), 1);
            }
            let mut published = publishable(rows, time).map(|row| row.public.kid());
            assert!(!published.any(|kid| self.withdrawn.contains_key(kid)), "a withdrawn key");
        }
        for row in rows {
            let state = KeyState::of(row, rows, self.time);
            let before = self.states.insert(row.public.kid().to_owned(), state);
            let is_next = before.is_none_or(|before| place(before) <= place(state));
            assert!(is_next, "a key that was {before:?} is {state:?}");
        }
        // A key that is gone does not come back, because its place in the order stays.
        for (kid, state) in &mut self.states {
            if !kids.contains(kid.as_str()) {
                *state = KeyState::Withdrawn;
            }
        }
    }

    /// Relying parties and an isolate verify the tokens that are valid.
    fn check_tokens(&mut self, step: &Step) {
        let time = self.time;
        self.tokens.retain(|token| time < token.expires_at);
        let withdrawn = self.withdrawn.clone();
        let is_replaced = withdrawn.values().any(|at| time <= at + REPLACED_WITHIN);
        for party in 0..self.parties.len() {
            if self.parties[party].as_ref().is_none_or(|copy| copy.good_until <= time) {
                let response = self.at(step, |provider| provider.send(get(JWKS)));
                self.parties[party] = Some(copy_of(&response, time));
            }
            let kids = &self.parties[party].as_ref().unwrap().kids;
            for token in self.tokens.iter().filter(|token| !withdrawn.contains_key(&token.kid)) {
                assert!(kids.contains(&token.kid) || is_replaced, "a relying party lacks a key");
            }
            let late = WITHDRAWN_WITHIN + MAX_AGE;
            let is_late = |kid: &String| withdrawn.get(kid).is_some_and(|at| time > at + late);
            assert!(!kids.iter().any(is_late), "a relying party has a withdrawn key");
        }
        let Some(Token { text, kid, expires_at }) = self.tokens.last() else { return };
        let (text, kid, expires_at) = (text.clone(), kid.clone(), *expires_at);
        let response = self.at(step, |provider| provider.send(get("/auth/userinfo").bearer(&text)));
        match withdrawn.get(&kid) {
            None if time + 2 * CLOCK_SLACK_SECONDS < expires_at => {
                assert_eq!(response.status, 200, "{}", response.body);
            }
            Some(at) if time > at + WITHDRAWN_WITHIN => assert_eq!(response.status, 401),
            _ => {}
        }
    }
}

fn place(state: KeyState) -> usize {
    match state {
        KeyState::Planned => 0,
        KeyState::Published => 1,
        KeyState::Signing => 2,
        KeyState::Retiring => 3,
        KeyState::Retired => 4,
        KeyState::Withdrawn => 5,
    }
}

fn copy_of(response: &TestResponse, time: i64) -> Copy {
    assert_eq!(response.status, 200, "{}", response.body);
    let keys = response.json()["keys"].as_array().unwrap().clone();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let kids: BTreeSet<_> = keys.iter().map(kid).collect();
    assert_eq!(kids.len(), keys.len(), "a kid is published twice");
    let control = response.header("cache-control").unwrap();
    let max_age = control.strip_prefix("public, max-age=").unwrap().split(',').next().unwrap();
    let max_age: i64 = max_age.parse().unwrap();
    assert!(max_age <= MAX_AGE);
    Copy { kids, good_until: time + max_age }
}

fn config(variables: &Variables) -> Config {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
    };
    Config::parse(variable).unwrap()
}

/// Nothing depends on the order of the rows.
fn check_order(rows: &[KeyRow], time: i64, times: KeyTimes) {
    let facts = |rows: &[KeyRow]| {
        let kid = |row: &KeyRow| row.public.kid().to_owned();
        let set: BTreeSet<_> = publishable(rows, time).map(kid).collect();
        let signers = Algorithm::ALL.map(|alg| signer(rows, alg, time).map(kid));
        let due = plan::due(rows, time, times);
        let rotations: Vec<_> = plan::rotations(rows, time, times).collect();
        (set, signers, missing(rows, time), due, rotations, next_change(rows, time))
    };
    let known = facts(rows);
    let mut rows = rows.to_vec();
    rows.reverse();
    assert_eq!(facts(&rows), known);
    let half = rows.len() / 2;
    rows.rotate_left(half);
    assert_eq!(facts(&rows), known);
}

#[test]
fn the_published_keys_keep_their_rules_over_any_history() {
    let half = CLOCK_SLACK_SECONDS / 2;
    let histories = (vec(-half..=half, 3), any::<bool>(), steps());
    check(30, &histories, |(clocks, has_caches, steps)| {
        let mut world = World::new(&clocks, has_caches);
        for step in &steps {
            world.run(step);
        }
    });
}

/// Most of these rows are of no history.
#[test]
fn the_order_of_the_rows_decides_nothing() {
    let ec = |scalar: u8| {
        let key = EcPrivateKey::from_scalar([scalar; P256_BYTES].into()).unwrap();
        PrivateKey::Ec(key).public()
    };
    let rsa = |jwk: &Value| PrivateKey::from_jwk(jwk.to_string().as_bytes()).unwrap().public();
    let keys: Vec<_> = (1..5).map(ec).chain(rsa_jwks().iter().take(3).map(rsa)).collect();
    let times = config(&variables()).key_times;
    let time = || (0..6i64).prop_map(|steps| steps * times.ahead);
    let row = (time(), time(), option::of(time()), option::of(time()), option::of(time()));
    check(150, &(vec(row, keys.len()), time()), |(rows, now)| {
        let rows = keys.iter().zip(rows).map(|(key, times)| KeyRow {
            public: key.clone(),
            sealed_private: String::new(),
            publish_from: times.0,
            sign_from: times.1,
            sign_until: times.2,
            retire_at: times.3,
            created_at: times.4,
        });
        check_order(&rows.collect::<Vec<_>>(), now, times);
    });
}
