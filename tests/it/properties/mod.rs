//! Properties: rules that hold for every input, checked for random ones. An input that breaks a rule is shrunk, and the
//! message of the test has the smallest one that was found.
//!
//! Each run has the same inputs. `PROPTEST_RNG_SEED` chooses others: a number, or `random`. `PROPTEST_CASES` raises their
//! number: `npm test` has those of 256, and 25600 checks a hundred times as many.

mod credentials;
mod key_histories;
mod narrowing;
mod redirect_uris;
mod round_trips;
mod scopes;
mod tokens;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::hash::{BuildHasher, RandomState};

/// The value of `PROPTEST_CASES` for the usual number of inputs, which is the default of proptest.
const USUAL_CASES: u32 = 256;
const USUAL_SEED: u64 = 20;

/// Checks a property for `cases` random inputs, or for as many times more as `PROPTEST_CASES` has.
pub fn check<S: Strategy>(cases: u32, inputs: &S, property: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(Config {
        cases: scaled(cases),
        rng_seed: RngSeed::Fixed(seed()),
        // An input that once broke a rule is a test of its own.
        failure_persistence: None,
        max_shrink_iters: 1_000,
        max_shrink_time: 20_000,
        ..Config::default()
    });
    let result = runner.run(inputs, |input| {
        property(input);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("PROPTEST_RNG_SEED={}: {failure}", seed()));
}

fn scaled(cases: u32) -> u32 {
    let text = std::env::var("PROPTEST_CASES").ok();
    let usual = text.map_or(USUAL_CASES, |text| text.parse().unwrap());
    (u64::from(cases) * u64::from(usual) / u64::from(USUAL_CASES)).max(1).try_into().unwrap()
}

fn seed() -> u64 {
    static RANDOM: std::sync::LazyLock<u64> =
        std::sync::LazyLock::new(|| RandomState::new().hash_one(()));
    match std::env::var("PROPTEST_RNG_SEED").as_deref() {
        Ok("random") => *RANDOM,
        Ok(text) => text.parse().unwrap(),
        Err(_) => USUAL_SEED,
    }
}
