//! Values that the provider hands out under a MAC or a seal, and accepts again: only the same text passes, for what it
//! was made for, in its time, under the secret that made it.

use crate::platform::{Native, rsa_jwks};
use crate::properties::check;
use crate::test_provider::{ISSUER, NOW, TestRequest, get};
use base64ct::{Base64UrlUnpadded, Encoding};
use postern::config::Config;
use postern::context::Context;
use postern::crypto::mac::{MacKey, Purpose, derive};
use postern::crypto::seal::{Opened, Sealer};
use postern::interaction::BrowserContext;
use postern::interaction::token::{InteractionStep, InteractionToken};
use postern::jose::jwk::{EcPrivateKey, P256_BYTES, PrivateKey};
use postern::lifetimes::FORM_SECONDS;
use postern::secret::{ReplaceableSecret, Secret};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;

const PURPOSES: [Purpose; 13] = [
    Purpose::ClientSecret,
    Purpose::Counter,
    Purpose::Device,
    Purpose::DeviceHandle,
    Purpose::FirstRefreshToken,
    Purpose::Handle,
    Purpose::Registration,
    Purpose::SessionCookie,
    Purpose::SessionHandle,
    Purpose::Successor,
    Purpose::Sid,
    Purpose::Interaction,
    Purpose::UserCode,
];

const STEPS: [InteractionStep; 8] = [
    InteractionStep::Account,
    InteractionStep::ChangePassword,
    InteractionStep::Consent,
    InteractionStep::Continue,
    InteractionStep::Device,
    InteractionStep::Login,
    InteractionStep::SelectAccount,
    InteractionStep::Switch,
];

/// A new purpose does not compile here, so that [`PURPOSES`] gets it.
fn place_of_purpose(purpose: Purpose) -> usize {
    match purpose {
        Purpose::ClientSecret => 0,
        Purpose::Counter => 1,
        Purpose::Device => 2,
        Purpose::DeviceHandle => 3,
        Purpose::FirstRefreshToken => 4,
        Purpose::Handle => 5,
        Purpose::Registration => 6,
        Purpose::SessionCookie => 7,
        Purpose::SessionHandle => 8,
        Purpose::Successor => 9,
        Purpose::Sid => 10,
        Purpose::Interaction => 11,
        Purpose::UserCode => 12,
    }
}

/// A new step does not compile here, so that [`STEPS`] gets it.
fn place_of_step(step: InteractionStep) -> usize {
    match step {
        InteractionStep::Account => 0,
        InteractionStep::ChangePassword => 1,
        InteractionStep::Consent => 2,
        InteractionStep::Continue => 3,
        InteractionStep::Device => 4,
        InteractionStep::Login => 5,
        InteractionStep::SelectAccount => 6,
        InteractionStep::Switch => 7,
    }
}

fn secret(byte: u8) -> Secret {
    Secret::new(Base64UrlUnpadded::encode_string(&[byte; 32]))
}

fn replaced(current: u8, previous: Option<u8>) -> ReplaceableSecret {
    ReplaceableSecret { current: Some(secret(current)), previous: previous.map(secret) }
}

fn mac(current: u8, previous: Option<u8>) -> MacKey {
    MacKey::new(&replaced(current, previous)).unwrap()
}

/// Texts that differ from this one in one bit, or in a way that lenient readers of base64url forgive.
fn variants(text: &str) -> impl Iterator<Item = String> {
    let flipped = (0..text.len()).flat_map(move |place| {
        (0..7).map(move |bit| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            String::from_utf8(bytes).unwrap()
        })
    });
    let cut = (0..text.len()).map(|end| text[..end].to_owned());
    let added = ["=", "A", ".", " ", "\n", "\0", "%3D"];
    let added =
        added.into_iter().flat_map(move |more| [format!("{text}{more}"), format!("{more}{text}")]);
    let others = [
        text.to_ascii_lowercase(),
        text.to_ascii_uppercase(),
        text.replace('-', "+").replace('_', "/"),
        text.repeat(2),
    ];
    flipped.chain(cut).chain(added).chain(others).filter(move |other| other != text)
}

#[test]
fn the_lists_of_this_file_have_every_purpose_and_step() {
    assert!(PURPOSES.into_iter().enumerate().all(|(place, one)| place == place_of_purpose(one)));
    assert!(STEPS.into_iter().enumerate().all(|(place, one)| place == place_of_step(one)));
}

/// Parts of a MAC, with texts that look like separators.
fn parts() -> impl Strategy<Value = Vec<String>> {
    let part = proptest::prop_oneof!["[ab.#]{0,3}", "[A-Za-z0-9_-]{43}", "\\PC{0,12}"];
    vec(part, 0..6)
}

fn borrowed(parts: &[String]) -> Vec<&str> {
    parts.iter().map(String::as_str).collect()
}

#[test]
fn a_code_is_accepted_for_its_purpose_and_parts_only() {
    let inputs = (parts(), parts(), select(&PURPOSES[..]), any::<[u8; 3]>());
    check(60, &inputs, |(parts, others, purpose, [current, previous, other])| {
        let key = mac(current, None);
        let parts = borrowed(&parts);
        let code = key.code(purpose, &parts);
        assert!(key.is_code(&code, purpose, &parts));
        for another in PURPOSES {
            assert_eq!(key.is_code(&code, another, &parts), another == purpose, "{another:?}");
        }
        let others = borrowed(&others);
        assert_eq!(key.is_code(&code, purpose, &others), others == parts, "{others:?}");
        // The same bytes, divided in another way.
        let joined = [parts.concat()];
        assert_eq!(key.is_code(&code, purpose, &[&joined[0]]), parts == borrowed(&joined));
        // Other keys, and a key that replaces this one.
        assert_eq!(mac(other, None).is_code(&code, purpose, &parts), other == current);
        assert!(mac(other, Some(current)).is_code(&code, purpose, &parts));
        assert!(mac(current, Some(previous)).is_code(&code, purpose, &parts));
        assert_eq!(mac(current, Some(previous)).code(purpose, &parts), code);
        // The key of a MAC is derived from the secret, so that the secret as a key makes other codes.
        let texts =
            [secret(current).expose().to_owned(), char::from(current % 128).to_string().repeat(32)];
        for text in texts {
            assert_ne!(derive(&text, purpose, &parts).unwrap(), code);
        }
    });
}

#[test]
fn no_bit_of_a_code_can_change() {
    check(12, &(parts(), select(&PURPOSES[..])), |(parts, purpose)| {
        let (key, parts) = (mac(7, Some(8)), borrowed(&parts));
        let code = key.code(purpose, &parts);
        for variant in variants(&code) {
            assert!(!key.is_code(&variant, purpose, &parts), "{variant:?}");
        }
    });
}

/// The browser of a request, for an isolate with this secret.
struct Isolate {
    config: Config,
}

impl Isolate {
    fn new(current: u8, previous: Option<u8>, leeway: i64) -> Self {
        let (current, previous) = (secret(current), previous.map(secret));
        let config = Config::parse(|name| match name {
            "ISSUER" => Some(ISSUER.into()),
            "KEY_ENCRYPTION_KEY" => Some(current.expose().to_owned()),
            "KEY_ENCRYPTION_KEY_PREVIOUS" => previous.as_ref().map(|one| one.expose().to_owned()),
            "CLOCK_LEEWAY" => Some(leeway.to_string()),
            _ => None,
        });
        Self { config: config.unwrap() }
    }

    fn with_browser<T>(&self, ids: &[String], work: impl FnOnce(&BrowserContext<'_>) -> T) -> T {
        thread_local!(static PLATFORM: Native = Native::new());
        let randomness = |bytes: &mut [u8]| {
            bytes.fill(1);
            Ok(())
        };
        PLATFORM.with(|platform| {
            let context = Context::new(&self.config, platform, NOW, &randomness);
            work(&BrowserContext::from_request(&context, &request_of(ids)).unwrap())
        })
    }
}

/// A request of a browser with these ids.
fn request_of(ids: &[String]) -> TestRequest {
    let cookie = |id: &String| format!("__Host-postern-browser.{}={id}", &id[..8]);
    let cookies: Vec<_> = ids.iter().map(cookie).collect();
    get("/auth/authorize").with("cookie", &cookies.join("; "))
}

fn browser_id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{43}"
}

type Content = (InteractionStep, String, String);

/// A step, a request and a user.
fn content() -> impl Strategy<Value = Content> {
    (select(&STEPS[..]), "[a-z=&%#.]{0,12}", "[a-z.#]{0,4}")
}

fn token((step, request, sub): &Content) -> InteractionToken<'_> {
    InteractionToken { step: *step, request, sub }
}

#[test]
fn an_interaction_token_is_accepted_for_its_step_request_user_and_browser_only() {
    let inputs = (content(), content(), vec(browser_id(), 3));
    check(40, &inputs, |(own, other, ids)| {
        let isolate = Isolate::new(7, None, 5);
        let text = isolate.with_browser(&ids[..1], |browser| token(&own).issue(browser, NOW));
        isolate.with_browser(&ids[..2], |browser| {
            assert_eq!(token(&own).began_at(browser, &text, NOW), Some(NOW));
            for step in STEPS {
                let at_step = (step, own.1.clone(), own.2.clone());
                let is_own = step == own.0;
                assert_eq!(
                    token(&at_step).began_at(browser, &text, NOW).is_some(),
                    is_own,
                    "{step:?}"
                );
                assert_eq!(token(&at_step).has_expired(browser, &text, NOW + FORM_SECONDS), is_own);
            }
            assert_eq!(token(&other).began_at(browser, &text, NOW).is_some(), other == own);
            let exchanged = (own.0, own.2.clone(), own.1.clone());
            assert_eq!(token(&exchanged).began_at(browser, &text, NOW).is_some(), exchanged == own);
        });
        isolate.with_browser(&ids[1..], |browser| {
            assert_eq!(token(&own).began_at(browser, &text, NOW), None);
        });
        isolate.with_browser(&[], |browser| {
            assert_eq!(token(&own).began_at(browser, &text, NOW), None);
        });
    });
}

#[test]
fn an_interaction_token_is_accepted_in_its_time_only() {
    let near = |time: i64| time - 2..=time + 2;
    let time = proptest::prop_oneof![
        near(NOW - FORM_SECONDS),
        near(NOW),
        (0..=60i64).prop_map(|ahead| NOW + ahead),
        near(NOW + 60),
        near(NOW + FORM_SECONDS),
        NOW - 2 * FORM_SECONDS..NOW + 2 * FORM_SECONDS,
        -10..10i64,
        any::<i32>().prop_map(i64::from),
    ];
    let inputs = (content(), time, 0..=60i64, vec(browser_id(), 1));
    check(300, &inputs, |(own, began_at, leeway, ids)| {
        Isolate::new(7, None, leeway).with_browser(&ids, |browser| {
            let text = token(&own).issue(browser, began_at);
            let is_valid = began_at <= NOW + leeway && began_at > NOW - FORM_SECONDS;
            // A time of a clock that is ahead counts as now, so that nothing is allowed for longer.
            let began = is_valid.then_some(began_at.min(NOW));
            assert_eq!(token(&own).began_at(browser, &text, NOW), began);
            let is_old = began_at <= NOW - FORM_SECONDS;
            assert_eq!(token(&own).has_expired(browser, &text, NOW), is_old);
        });
    });
}

#[test]
fn no_bit_of_an_interaction_token_can_change() {
    check(6, &(content(), vec(browser_id(), 2)), |(own, ids)| {
        Isolate::new(7, None, 5).with_browser(&ids, |browser| {
            let text = token(&own).issue(browser, NOW);
            for variant in variants(&text) {
                assert_eq!(token(&own).began_at(browser, &variant, NOW), None, "{variant:?}");
                let later = NOW + FORM_SECONDS;
                assert!(!token(&own).has_expired(browser, &variant, later), "{variant:?}");
            }
            // The same time, written in another way.
            let (time, rest) = text.split_once('.').unwrap();
            for time in
                [format!("+{time}"), format!("0{time}"), format!(" {time}"), format!("{time}.")]
            {
                assert_eq!(token(&own).began_at(browser, &format!("{time}.{rest}"), NOW), None);
            }
        });
    });
}

#[test]
fn an_interaction_token_outlives_its_secret_while_that_is_the_previous_one() {
    check(
        30,
        &(content(), vec(browser_id(), 1), any::<[u8; 3]>()),
        |(own, ids, [old, new, other])| {
            let text =
                Isolate::new(old, None, 5).with_browser(&ids, |one| token(&own).issue(one, NOW));
            let is_accepted = |current, previous| {
                Isolate::new(current, previous, 5).with_browser(&ids, |browser| {
                    token(&own).began_at(browser, &text, NOW).is_some()
                })
            };
            assert!(is_accepted(new, Some(old)));
            assert_eq!(is_accepted(new, None), new == old);
            assert_eq!(is_accepted(new, Some(other)), [new, other].contains(&old));
        },
    );
}

fn private_keys() -> Vec<PrivateKey> {
    let ec = EcPrivateKey::from_scalar([7; P256_BYTES].into()).unwrap();
    let rsa = rsa_jwks()[0].to_string();
    vec![PrivateKey::Ec(ec), PrivateKey::from_jwk(rsa.as_bytes()).unwrap()]
}

fn opens(sealer: &Sealer, sealed: &str, kid: &str) -> bool {
    !matches!(sealer.try_open(sealed, kid), Opened::Neither)
}

#[test]
fn a_sealed_key_opens_under_its_secret_and_for_its_kid_only() {
    let keys = private_keys();
    let inputs = (any::<[u8; 3]>(), any::<[u8; 12]>(), 0..keys.len());
    check(30, &inputs, |([current, previous, other], nonce, place)| {
        let key = &keys[place];
        let sealer = |current, previous| Sealer::new(&replaced(current, previous)).unwrap();
        let sealed = sealer(current, None).seal(key, nonce).unwrap();
        let kid = key.kid();
        let opened = sealer(current, Some(previous)).open(&sealed, kid).unwrap();
        assert_eq!((opened.kid(), opened.to_jwk()), (kid, key.to_jwk()));
        assert!(opens(&sealer(other, Some(current)), &sealed, kid));
        assert_eq!(opens(&sealer(other, None), &sealed, kid), other == current);
        let is_known = [other, previous].contains(&current);
        assert_eq!(opens(&sealer(other, Some(previous)), &sealed, kid), is_known);
        let another = keys[1 - place].kid();
        for kid in ["", &kid[1..], &kid.to_lowercase(), another] {
            assert!(!opens(&sealer(current, None), &sealed, kid), "{kid}");
        }
    });
}

#[test]
fn no_bit_of_a_sealed_key_can_change() {
    for key in private_keys() {
        let sealer = Sealer::new(&replaced(7, Some(8))).unwrap();
        let sealed = sealer.seal(&key, [9; 12]).unwrap();
        let bytes = Base64UrlUnpadded::decode_vec(&sealed).unwrap();
        // Each bit of the shorter key, and some of the longer one.
        let stride = if bytes.len() < 400 { 1 } else { 127 };
        for (place, bit) in (0..8 * bytes.len()).step_by(stride).map(|bit| (bit / 8, bit % 8)) {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << bit;
            let flipped = Base64UrlUnpadded::encode_string(&bytes);
            assert!(!opens(&sealer, &flipped, key.kid()), "bit {bit} of byte {place}");
        }
        // The characters of the nonce, of the beginning and of the tag, with what base64url leaves open at the end.
        let (begin, end) = (&sealed[..32], &sealed[sealed.len() - 24..]);
        for variant in variants(begin).step_by(stride.div_ceil(8)) {
            assert!(
                !opens(&sealer, &format!("{variant}{}", &sealed[32..]), key.kid()),
                "{variant:?}"
            );
        }
        for variant in variants(end) {
            let begin = &sealed[..sealed.len() - 24];
            assert!(!opens(&sealer, &format!("{begin}{variant}"), key.kid()), "{variant:?}");
        }
    }
}
