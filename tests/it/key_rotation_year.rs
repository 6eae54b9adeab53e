//! A year of rotations: maintenance that is dropped, doubled and late, isolates whose clocks differ, a cache that lags, and
//! relying parties that keep a key set for as long as its headers allow, and search for no key that it lacks.

use crate::browser::TestClient;
use crate::key_rotation::{listed, rotate, signing};
use crate::test_provider::{NOW, TestProvider, block_on, get, post, put, variables};
use base64ct::{Base64UrlUnpadded, Encoding};
use postern::Isolate;
use postern::jose::jwk::PublicKey;
use postern::jose::jws::Jws;
use postern::lifetimes::{
    CLOCK_SLACK_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS, KV_PROPAGATION_SECONDS,
};
use postern::ports::Crypto;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const JWKS: &str = "/auth/jwks.json";
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const API: &str = "https://api.example";
const LEEWAY: i64 = 60;
/// The defaults of `CACHE_MAX_AGE`, `CACHE_STALE_WHILE_REVALIDATE` and `CACHE_STALE_IF_ERROR`.
const MAX_AGE: i64 = 300;
const STALE_WHILE_REVALIDATE: i64 = 600;
const STALE_IF_ERROR: i64 = 86_400;
/// How long after its withdrawal a compromised key may verify here, and at relying parties that can reach the provider.
const WITHDRAWN_WITHIN: i64 = KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS + CLOCK_SLACK_SECONDS;
const WITHDRAWN_ELSEWHERE_WITHIN: i64 = WITHDRAWN_WITHIN + 2 * MAX_AGE + STALE_WHILE_REVALIDATE;
/// How long after a withdrawal a relying party that searches for no key may lack the key that replaces the withdrawn one.
const REPLACED_WITHIN: i64 =
    WITHDRAWN_WITHIN + 4 * CLOCK_SLACK_SECONDS + 2 * MAX_AGE + STALE_IF_ERROR;

/// Repeatable numbers (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % u64::try_from(high - low + 1).unwrap()) as i64
    }

    fn index(&mut self, length: usize) -> usize {
        (self.next() % length as u64) as usize
    }

    fn is(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// An isolate, with its clock and how far the cache lags behind at its location.
struct Site {
    isolate: Isolate,
    ahead: i64,
    lag: i64,
}

/// A key set in a shared cache or at a relying party.
#[derive(Clone)]
struct Copy {
    keys: Value,
    /// When the shared cache got it from the provider.
    served_at: i64,
    /// When the holder got it.
    got_at: i64,
}

struct Token {
    text: String,
    kid: String,
    signed_at: i64,
    expires_at: i64,
}

/// What happens after a key was made. `None` leaves it as the provider made it.
type Break = Option<&'static str>;

#[derive(Debug, Default)]
struct Summary {
    tokens: usize,
    verifications: usize,
    rotations: usize,
    withdrawals: usize,
    most_keys: usize,
    /// Tokens that failed although they were valid.
    failures: Vec<String>,
    /// Those of a key that replaced a withdrawn one at once.
    excused: usize,
    /// Tokens of a withdrawn key that verified after the stated time.
    too_late: Vec<String>,
}

struct World {
    provider: TestProvider,
    chance: Chance,
    /// The true time.
    time: i64,
    sites: Vec<Site>,
    /// What was written to the cache, and when.
    written: Vec<(i64, HashMap<String, String>)>,
    shared: Vec<Option<Copy>>,
    parties: Vec<Option<Copy>>,
    tokens: Vec<Token>,
    machine: TestClient,
    /// When each key was withdrawn.
    withdrawn: BTreeMap<String, i64>,
    kids: BTreeSet<String>,
    /// Times around which requests come every few seconds.
    busy: Vec<i64>,
    parsed: HashMap<String, PublicKey>,
    breaks: Break,
    summary: Summary,
}

impl World {
    fn new(seed: u64, breaks: Break) -> Self {
        let mut all = variables();
        all.push(("CLOCK_LEEWAY", LEEWAY.to_string()));
        all.push(("RESOURCES", json!({ API: { "scopes": ["read"], "alg": "RS256" } }).to_string()));
        let provider = TestProvider::configured(all);
        provider.has_entropy.set(true);
        provider.put_alice();
        provider.send(get(JWKS));
        let document = json!({
            "client_name": "A machine", "grant_types": ["client_credentials"], "scope": "read",
        });
        let client = provider.send(put("/admin/clients/machine").by_operator().json(&document));
        let secret = client.json()["client_secret"].as_str().unwrap().to_owned();
        let machine =
            TestClient { id: "machine".into(), secret: Some(secret), redirect_uri: String::new() };
        let mut chance = Chance(seed);
        let half = CLOCK_SLACK_SECONDS / 2;
        let sites = (0..4).map(|_| Site {
            isolate: provider.make_isolate(),
            ahead: chance.within(-half, half),
            lag: 0,
        });
        let sites = sites.collect();
        let written = vec![(NOW, provider.platform.cache.borrow().clone())];
        Self {
            provider,
            chance,
            time: NOW,
            sites,
            written,
            machine,
            shared: vec![None; 3],
            parties: vec![None; 8],
            tokens: Vec::new(),
            withdrawn: BTreeMap::new(),
            kids: BTreeSet::new(),
            busy: Vec::new(),
            parsed: HashMap::new(),
            breaks,
            summary: Summary::default(),
        }
    }

    /// Runs `work` in an isolate: by its clock, and with the cache as it is shown there.
    fn at<T>(&mut self, site: usize, work: impl FnOnce(&TestProvider) -> T) -> T {
        if self.chance.is(5) {
            self.sites[site].isolate = self.provider.make_isolate();
        }
        self.sites[site].lag = self.chance.within(0, KV_PROPAGATION_SECONDS);
        let Site { isolate, ahead, lag } = &mut self.sites[site];
        let shown = self.written.iter().rev().find(|(at, _)| *at <= self.time - *lag);
        let shown = shown.unwrap_or(&self.written[0]).1.clone();
        *self.provider.platform.cache.borrow_mut() = shown.clone();
        self.provider.now.set(self.time + *ahead);
        let result = self.provider.in_isolate(isolate, || work(&self.provider));
        let cache = self.provider.platform.cache.borrow().clone();
        if cache != shown {
            self.written.push((self.time, cache));
            if self.written.len() > 40 {
                self.written.remove(0);
            }
        }
        result
    }

    fn any_site(&mut self) -> usize {
        self.chance.index(self.sites.len())
    }

    fn maintain(&mut self) {
        let site = self.any_site();
        let log = self.at(site, TestProvider::maintain);
        let line: Value = serde_json::from_str(&log.line()).unwrap();
        assert!(line.get("notes").is_none(), "{line}");
        let made = line["steps"]["rotate_keys"]["made"].as_array().unwrap().clone();
        self.summary.rotations += made.len();
        self.note_new(&made);
    }

    /// Looks closely at the times around which the new keys are published, sign, and replace others.
    fn note_new(&mut self, made: &[Value]) {
        if made.is_empty() {
            return;
        }
        if let Some(sql) = self.breaks {
            self.provider.platform.primary.execute_batch(sql).unwrap();
        }
        let retire = "SELECT max(retire_at) FROM signing_keys";
        let retire: i64 =
            self.provider.platform.primary.query_row(retire, [], |r| r.get(0)).unwrap();
        let signs = "SELECT max(sign_from) FROM signing_keys";
        let signs: i64 = self.provider.platform.primary.query_row(signs, [], |r| r.get(0)).unwrap();
        self.busy.extend([self.time, signs, retire - HOUR / 2, retire]);
    }

    fn command(&mut self) {
        let site = self.any_site();
        let is_withdrawal = self.chance.is(40);
        let alg = if self.chance.is(50) { "ES256" } else { "RS256" };
        let (kid, response) = self.at(site, |provider| {
            let kid = signing(provider, alg);
            let order = if is_withdrawal { json!({ "compromised": kid }) } else { json!({}) };
            (kid, rotate(provider, &order))
        });
        assert!([200, 409].contains(&response.status), "{}", response.body);
        if response.status != 200 {
            return;
        }
        if is_withdrawal {
            self.summary.withdrawals += 1;
            self.withdrawn.insert(kid, self.time);
            self.busy.push(self.time);
        } else {
            self.summary.rotations += 2;
            self.note_new(&[json!({})]);
        }
    }

    /// Signs a token that lives for ten minutes, or for as long as any.
    fn sign(&mut self) {
        let site = self.any_site();
        let is_machine = self.chance.is(15);
        let ttl = if !is_machine && self.chance.is(50) { DAY } else { 10 * MINUTE };
        let machine = self.machine.clone();
        let response = self.at(site, |provider| {
            if is_machine {
                let parameters = [("grant_type", "client_credentials"), ("scope", "read")];
                return provider.token(&machine, &parameters);
            }
            let order = json!({ "sub": "alice", "scope": "openid", "ttl": ttl });
            provider.send(post("/admin/tokens").by_operator().json(&order))
        });
        assert_eq!(response.status, 200, "no request waits for a key: {}", response.body);
        let text = response.json()["access_token"].as_str().unwrap().to_owned();
        let jws = Jws::parse(&text).unwrap();
        let kid = jws.header_text("kid").unwrap().to_owned();
        let expires_at = jws.payload["exp"].as_i64().unwrap();
        if let Some(at) = self.withdrawn.get(&kid) {
            let latest = at + KEY_SET_SECONDS + CLOCK_SLACK_SECONDS;
            assert!(self.time <= latest, "a withdrawn key signs");
        }
        self.kids.insert(kid.clone());
        self.summary.tokens += 1;
        self.tokens.push(Token { text, kid, signed_at: self.time, expires_at });
    }

    /// The key set that a relying party uses: its own copy, that of a shared cache, or a new one.
    fn key_set(&mut self, party: usize) -> Value {
        let time = self.time;
        if let Some(copy) = &self.parties[party]
            && time < copy.got_at + MAX_AGE
        {
            return copy.keys.clone();
        }
        let location = self.chance.index(self.shared.len());
        let (fails, must_fetch) = (self.chance.is(10), self.chance.is(30));
        let stale = if fails { STALE_IF_ERROR } else { STALE_WHILE_REVALIDATE };
        let kept = self.shared[location].clone().filter(|copy| {
            let age = time - copy.served_at;
            age < MAX_AGE || !must_fetch && age < MAX_AGE + stale
        });
        let copy = kept.unwrap_or_else(|| {
            let site = self.any_site();
            let response = self.at(site, |provider| provider.send(get(JWKS)));
            assert_eq!(response.status, 200);
            let control = response.header("cache-control").unwrap();
            let keys = response.json()["keys"].clone();
            let count = keys.as_array().unwrap().len();
            self.summary.most_keys = self.summary.most_keys.max(count);
            // A copy that must be dropped earlier is as old as if it had been served earlier.
            let max_age = control.strip_prefix("public, max-age=").unwrap();
            let max_age: i64 = max_age.split(',').next().unwrap().parse().unwrap();
            Copy { keys, served_at: time - (MAX_AGE - max_age), got_at: time }
        });
        self.shared[location] = Some(copy.clone());
        self.parties[party] = Some(Copy { got_at: time, ..copy.clone() });
        copy.keys
    }

    fn is_signed(&mut self, key: &Value, token: &str) -> bool {
        let kid = key["kid"].as_str().unwrap().to_owned();
        let parse = || serde_json::from_value(key.clone()).unwrap();
        let key = self.parsed.entry(kid).or_insert_with(parse);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
        block_on(self.provider.platform.verify(key, input.as_bytes(), &signature)).unwrap()
    }

    /// A relying party and, for a user's token, an isolate verify a token that is valid.
    fn verify(&mut self) {
        self.tokens.retain(|token| self.time < token.expires_at);
        if self.tokens.is_empty() {
            return;
        }
        let recent = self.chance.is(50);
        let count = self.tokens.len();
        let index = if recent { count - 1 } else { self.chance.index(count) };
        let Token { text, kid, signed_at, expires_at } = &self.tokens[index];
        let (text, kid, signed_at, expires_at) =
            (text.clone(), kid.clone(), *signed_at, *expires_at);
        let party = self.chance.index(self.parties.len());
        let keys = self.key_set(party);
        let key = keys.as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str());
        let is_verified = key.is_some_and(|key| self.is_signed(key, &text));
        self.judge(
            &kid,
            signed_at,
            is_verified,
            WITHDRAWN_ELSEWHERE_WITHIN + STALE_IF_ERROR,
            "a relying party",
        );
        let is_for_userinfo = Jws::parse(&text).unwrap().header_text("alg") == Some("ES256");
        if is_for_userinfo && self.time + LEEWAY < expires_at {
            let site = self.any_site();
            let response =
                self.at(site, |provider| provider.send(get("/auth/userinfo").bearer(&text)));
            self.judge(&kid, signed_at, response.status == 200, WITHDRAWN_WITHIN, "userinfo");
        }
    }

    fn judge(&mut self, kid: &str, signed_at: i64, is_verified: bool, within: i64, verifier: &str) {
        self.summary.verifications += 1;
        let age = self.time - signed_at;
        if let Some(at) = self.withdrawn.get(kid) {
            if is_verified && self.time > at + within {
                self.summary.too_late.push(format!("{verifier}, {} s", self.time - at));
            }
        } else if !is_verified {
            let mut withdrawals = self.withdrawn.values();
            let is_replacement =
                withdrawals.any(|at| (0..=REPLACED_WITHIN).contains(&(self.time - at)));
            if is_replacement && verifier != "userinfo" {
                self.summary.excused += 1;
            } else {
                let day = (self.time - NOW) / DAY;
                self.summary
                    .failures
                    .push(format!("{verifier}, day {day}, {age} s after it was signed"));
            }
        }
    }

    /// The time until the next request: seconds around what happens to keys, otherwise minutes to hours.
    fn pause(&mut self) -> i64 {
        let time = self.time;
        self.busy.retain(|at| time < at + 25 * MINUTE);
        let next = self.busy.iter().map(|at| at - MINUTE).min();
        match next {
            Some(next) if next <= time => self.chance.within(1, 90),
            Some(next) => self.chance.within(MINUTE, 2 * HOUR).min(next - time),
            None => self.chance.within(MINUTE, 2 * HOUR),
        }
    }

    fn run(mut self, days: i64) -> Summary {
        let (mut next_run, mut next_command) = (NOW, NOW + self.chance.within(DAY, 20 * DAY));
        while self.time < NOW + days * DAY {
            self.time += self.pause();
            if self.time >= next_run {
                // A fifth of the runs is dropped, a fifth is doubled, and once in a while all of them are for weeks.
                if !self.chance.is(20) {
                    self.maintain();
                }
                if self.chance.is(20) {
                    self.maintain();
                }
                let is_outage = self.chance.index(400) == 0;
                let most = if is_outage { 40 * DAY } else { 8 * HOUR };
                next_run = self.time + self.chance.within(5 * MINUTE, most);
            }
            if self.time >= next_command {
                self.command();
                next_command = self.time + self.chance.within(HOUR, 45 * DAY);
            }
            // Of most hours one in four is enough; what happens to keys is watched closely.
            if self.busy.iter().all(|at| self.time < at - MINUTE) && !self.chance.is(25) {
                continue;
            }
            if self.chance.is(50) {
                self.sign();
            }
            self.verify();
            if self.breaks.is_some() && !self.summary.failures.is_empty() {
                break;
            }
        }
        self.provider.now.set(self.time);
        for alg in ["ES256", "RS256"] {
            let signing =
                listed(&self.provider, alg).iter().filter(|key| key["state"] == "signing").count();
            assert_eq!(signing, 1);
        }
        self.summary
    }
}

#[test]
fn no_token_fails_in_two_months_because_of_a_rotation() {
    let summary = assert_none_fails(60);
    assert!(summary.rotations >= 4 && summary.tokens > 150, "{summary:?}");
}

#[test]
#[ignore = "takes half a minute: cargo test -- --ignored"]
fn no_token_fails_in_a_year_because_of_a_rotation() {
    let summary = assert_none_fails(365);
    assert!(summary.rotations >= 20 && summary.withdrawals >= 1, "{summary:?}");
    assert!(summary.tokens > 1_000, "{summary:?}");
}

fn assert_none_fails(days: i64) -> Summary {
    let summary = World::new(1, None).run(days);
    println!(
        "{} tokens, {} verifications, {} keys made, {} withdrawn, at most {} published; {} failed; \
         {} lacked the key that replaced a withdrawn one; {} of a withdrawn key verified too late",
        summary.tokens,
        summary.verifications,
        summary.rotations,
        summary.withdrawals,
        summary.most_keys,
        summary.failures.len(),
        summary.excused,
        summary.too_late.len()
    );
    assert_eq!(summary.failures, [""; 0]);
    assert_eq!(summary.too_late, [""; 0]);
    assert!(summary.most_keys <= 8, "{summary:?}");
    summary
}

/// The simulation notices a rule that is broken.
#[test]
fn tokens_fail_in_a_year_if_keys_sign_too_early_or_retire_too_early() {
    let early = "UPDATE signing_keys SET sign_from = publish_from + 60 \
                 WHERE publish_from > 0 AND sign_until IS NULL; \
                 UPDATE signing_keys SET sign_until = (SELECT max(sign_from) FROM signing_keys AS next \
                   WHERE next.alg = signing_keys.alg) WHERE sign_until IS NOT NULL AND retire_at > 0 \
                   AND sign_until > (SELECT max(sign_from) FROM signing_keys AS next \
                     WHERE next.alg = signing_keys.alg)";
    let retired = "UPDATE signing_keys SET retire_at = sign_until + 600 WHERE retire_at > 0";
    for breaks in [early, retired] {
        let summary = World::new(1, Some(breaks)).run(365);
        println!("{} of {} failed", summary.failures.len(), summary.verifications);
        assert!(!summary.failures.is_empty(), "{summary:?}");
    }
}
