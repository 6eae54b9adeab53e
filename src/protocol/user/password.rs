//! Password hashing with Argon2id (RFC 9106). Hashes are stored as PHC strings.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;
use zeroize::Zeroizing;

/// The minimum length of a password, in characters, and the maximum, in bytes. NIST SP 800-63B section 5.1.1.2 requires
/// a minimum of at least 8 and a maximum of at least 64 characters.
pub const SHORTEST: usize = 8;
const LONGEST: usize = 1_024;

/// The maximum length of a password as it is typed, in bytes. NFC makes no text shorter than a third: a syllable of
/// Hangul, of three bytes, may be typed as three letters.
pub const LONGEST_TYPED: usize = 3 * LONGEST;

/// The cost of a hash: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The maximum cost of an imported hash, so that verifying it fits in an isolate's memory and CPU time.
const MOST_MEMORY_KIB: u32 = 65_536;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 4;

/// The error for a password that is too short or too long.
#[derive(Debug, Eq, PartialEq)]
pub struct InvalidPassword;

impl fmt::Display for InvalidPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must have at least {SHORTEST} characters, and at most {LONGEST} bytes")
    }
}

/// A password in NFC, so that it is the same from every keyboard (RFC 8265 section 4.2). White space and case count.
pub struct Password {
    nfc: Zeroizing<String>,
    /// The text as it was typed, if that is not in NFC. Versions until 0.2.0 hashed this one.
    typed: Option<Zeroizing<String>>,
}

impl Password {
    /// Reads a password. `nfc` is only called for texts that are not ASCII.
    pub fn new(typed: Zeroizing<String>, nfc: impl Fn(&str) -> String) -> Self {
        if typed.is_ascii() {
            return Self { nfc: typed, typed: None };
        }
        let nfc = Zeroizing::new(nfc(&typed));
        let typed = (nfc != typed).then_some(typed);
        Self { nfc, typed }
    }

    /// Checks the length of a new password.
    pub fn check(&self) -> Result<(), InvalidPassword> {
        let is_right = self.nfc.chars().count() >= SHORTEST && self.nfc.len() <= LONGEST;
        if is_right { Ok(()) } else { Err(InvalidPassword) }
    }

    /// Hashes the password and returns the PHC string. `salt` must be random. Takes about 50 ms of CPU time.
    pub fn hash(&self, salt: [u8; 16]) -> Result<String, HashError> {
        hash(&self.nfc, salt)
    }

    /// Verifies the password. Without a hash the result is [`PasswordCheck::Wrong`], at the same cost: the response time
    /// must not reveal whether a user exists or has a password.
    ///
    /// A text that is not in NFC is verified again as it was typed, because its hash may be of an earlier version. That
    /// costs twice as much, for such texts alone. The hash is then outdated.
    pub fn verify(&self, phc: Option<&str>) -> PasswordCheck {
        let normalized = verify(&self.nfc, phc);
        match &self.typed {
            Some(typed) if normalized == PasswordCheck::Wrong => match verify(typed, phc) {
                PasswordCheck::Right { .. } => PasswordCheck::Right { is_outdated: true },
                PasswordCheck::Wrong => PasswordCheck::Wrong,
            },
            _ => normalized,
        }
    }
}

/// Argon2 failed to hash a password.
#[derive(Debug)]
pub struct HashError(argon2::password_hash::Error);

impl fmt::Display for HashError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Argon2: {}", self.0)
    }
}

fn hash(password: &str, salt: [u8; 16]) -> Result<String, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| HashError(error.into()))?;
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(HashError)?;
    Ok(hash.to_string())
}

/// The result of verifying a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordCheck {
    /// The password is the user's.
    Right {
        /// The hash has another algorithm, version or cost than new hashes, and should be replaced.
        is_outdated: bool,
    },
    /// The password is not the user's, or there is no valid hash.
    Wrong,
}

/// A hash of an unknown password, at the cost of new hashes. It is verified if a user has no hash.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$cG9zdGVybi1ub2JvZHk$\
                       mGvk7u0ZoqTGzWSV2BQJbOCm8t6hjN4yQvT7nS0fAXc";

fn verify(password: &str, phc: Option<&str>) -> PasswordCheck {
    let hash = PasswordHash::new(phc.unwrap_or(DUMMY_HASH));
    let Ok(hash) = hash else { return PasswordCheck::Wrong };
    let is_right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    if phc.is_none() || !is_right {
        return PasswordCheck::Wrong;
    }
    let is_current = Algorithm::try_from(hash.algorithm.as_str()) == Ok(Algorithm::Argon2id)
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(&hash).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
        });
    PasswordCheck::Right { is_outdated: !is_current }
}

/// An error in an imported hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ImportError {
    /// The text is not a PHC string of Argon2 with salt and hash.
    NotArgon2,
    /// Verifying the hash takes too much memory or CPU time.
    TooCostly,
}

impl fmt::Display for ImportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotArgon2 => {
                formatter.write_str("must be an Argon2 hash as a PHC string, with salt and hash")
            }
            Self::TooCostly => write!(
                formatter,
                "must cost at most m={MOST_MEMORY_KIB},t={MOST_PASSES},p={MOST_LANES}"
            ),
        }
    }
}

/// Checks that an imported PHC string can be verified, and at an acceptable cost.
pub fn check_hash(phc: &str) -> Result<(), ImportError> {
    let hash = PasswordHash::new(phc).map_err(|_| ImportError::NotArgon2)?;
    Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| ImportError::NotArgon2)?;
    let params = Params::try_from(&hash).map_err(|_| ImportError::NotArgon2)?;
    let is_known = |version: u32| Version::try_from(version).is_ok();
    if hash.salt.is_none() || hash.hash.is_none() || !hash.version.is_some_and(is_known) {
        return Err(ImportError::NotArgon2);
    }
    if params.m_cost() > MOST_MEMORY_KIB
        || params.t_cost() > MOST_PASSES
        || params.p_cost() > MOST_LANES
    {
        return Err(ImportError::TooCostly);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::UnicodeNormalization;

    fn nfc(text: &str) -> String {
        text.nfc().collect()
    }

    #[test]
    fn a_hash_verifies_its_password_only_and_may_be_imported() {
        let phc = hash("correct horse", [7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{phc}");
        let right = PasswordCheck::Right { is_outdated: false };
        assert_eq!(verify("correct horse", Some(&phc)), right);
        assert_eq!(verify("correct hors", Some(&phc)), PasswordCheck::Wrong);
        assert_eq!(check_hash(&phc), Ok(()));
    }

    #[test]
    fn the_dummy_hash_is_valid_and_costs_what_new_hashes_cost() {
        assert_eq!(check_hash(DUMMY_HASH), Ok(()));
        let params = Params::try_from(&PasswordHash::new(DUMMY_HASH).unwrap()).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
        assert_eq!(verify("", None), PasswordCheck::Wrong);
    }

    #[test]
    fn a_hash_of_another_algorithm_version_or_cost_verifies_and_is_outdated() {
        for (algorithm, version, (memory, passes)) in [
            (Algorithm::Argon2id, Version::V0x13, (1_024, PASSES)),
            (Algorithm::Argon2id, Version::V0x13, (MEMORY_KIB, 1)),
            (Algorithm::Argon2id, Version::V0x10, (MEMORY_KIB, PASSES)),
            (Algorithm::Argon2i, Version::V0x13, (MEMORY_KIB, PASSES)),
        ] {
            let params = Params::new(memory, passes, LANES, None).unwrap();
            let phc: PasswordHash = Argon2::new(algorithm, version, params)
                .hash_password_with_salt(b"correct horse", &[7; 16])
                .unwrap();
            let right = PasswordCheck::Right { is_outdated: true };
            assert_eq!(verify("correct horse", Some(&phc.to_string())), right, "{phc}");
            assert_eq!(verify("correct", Some(&phc.to_string())), PasswordCheck::Wrong);
        }
    }

    #[test]
    fn only_argon2_hashes_of_acceptable_cost_can_be_imported() {
        let rest = "BwcHBwcHBwcHBwcHBwcHBw$9dvZ2wV4a1oIRgJeEFZ8K3uFmfhUlz1Kd8C4HF1V5Kc";
        let phc = |head: &str| format!("{head}${rest}");
        for good in [
            "$argon2id$v=19$m=65536,t=10,p=4",
            "$argon2i$v=19$m=4096,t=3,p=1",
            "$argon2d$v=16$m=8,t=1,p=1",
        ] {
            assert_eq!(check_hash(&phc(good)), Ok(()), "{good}");
        }
        for bad in [
            "correct horse",
            "",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw",
            &phc("$pbkdf2-sha256$i=100000"),
            &phc("$argon2id$v=17$m=19456,t=2,p=1"),
            &phc("$argon2id$v=19$m=0,t=0,p=0"),
        ] {
            assert_eq!(check_hash(bad), Err(ImportError::NotArgon2), "{bad}");
        }
        for costly in [
            "$argon2id$v=19$m=65537,t=2,p=1",
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=19456,t=11,p=1",
            "$argon2id$v=19$m=19456,t=4294967295,p=1",
            "$argon2id$v=19$m=19456,t=2,p=5",
            "$argon2id$v=19$m=19456,t=2,p=255",
        ] {
            assert_eq!(check_hash(&phc(costly)), Err(ImportError::TooCostly), "{costly}");
        }
        let (shape, cost) = (ImportError::NotArgon2, ImportError::TooCostly);
        assert!(shape.to_string().starts_with("must be an Argon2 hash"));
        assert_eq!(cost.to_string(), "must cost at most m=65536,t=10,p=4");
        let failed = HashError(argon2::password_hash::Error::OutOfMemory).to_string();
        assert!(failed.starts_with("Argon2: ") && failed.contains("memory"), "{failed}");
    }

    #[test]
    fn no_character_is_more_than_three_times_as_long_outside_of_nfc() {
        for c in '\0'..=char::MAX {
            let composed: String = [c].into_iter().nfc().collect();
            let longest: String = [c].into_iter().nfd().collect();
            assert!(longest.len() <= 3 * composed.len(), "{c:?}");
        }
    }

    #[test]
    fn a_password_has_a_minimum_and_a_maximum_length() {
        let check = |text: &str| Password::new(Zeroizing::new(text.to_owned()), nfc).check();
        for (length, is_right) in [(7, false), (8, true), (1_024, true), (1_025, false)] {
            assert_eq!(check(&"x".repeat(length)).is_ok(), is_right, "{length}");
        }
        assert!(check("😀😀😀😀").is_err(), "four characters, though sixteen bytes");
        assert!(check(&"e\u{301}".repeat(7)).is_err(), "seven characters in NFC");
        assert!(check(&"e\u{301}".repeat(8)).is_ok());
        // 341 syllables of Hangul, each typed as three letters.
        let longest = "\u{1112}\u{1161}\u{11ab}".repeat(LONGEST / 3);
        assert!(check(&longest).is_ok() && longest.len() > LONGEST_TYPED - 9);
        assert!(longest.len() <= LONGEST_TYPED);
        assert_eq!(
            InvalidPassword.to_string(),
            "must have at least 8 characters, and at most 1024 bytes"
        );
    }
}
