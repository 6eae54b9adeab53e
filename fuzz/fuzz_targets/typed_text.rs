//! Texts that users type, and texts of clients that users see: user codes, logins, passwords, names, descriptions.
#![no_main]

use fuzz::is_description;
use libfuzzer_sys::fuzz_target;
use postern::protocol::authorization::user_code::UserCode;
use postern::protocol::client::client_name::clean;
use postern::protocol::description::{Description, Sent};
use postern::protocol::text_forms::{has_control, is_email, is_language_tag, is_line, is_text};
use postern::protocol::unseen::is_unseen;
use postern::protocol::user::login::{TypedLogin, may_be_hint, normalize_login};
use postern::protocol::user::password::{Password, check_hash};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

fn nfkc(text: &str) -> String {
    assert!(!text.is_ascii());
    text.nfkc().collect()
}

fn nfc(text: &str) -> String {
    assert!(!text.is_ascii());
    text.nfc().collect()
}

fuzz_target!(|input: &[u8]| {
    let text = &*String::from_utf8_lossy(input);
    if let Some(number) = input.first_chunk() {
        let code = UserCode::from_random(u64::from_le_bytes(*number));
        assert_eq!(UserCode::parse(&code.to_string(), nfkc), Some(code));
    }
    if let Some(code) = UserCode::parse(text, nfkc) {
        assert!(
            code.letters().len() == 8 && code.letters().bytes().all(|b| b.is_ascii_uppercase())
        );
        assert_eq!(UserCode::parse(code.letters(), nfkc), Some(code.clone()));
        assert_eq!(UserCode::parse(&code.to_string().to_lowercase(), nfkc), Some(code));
    }
    login(text);
    let password = Password::new(Zeroizing::new(text.to_owned()), nfc);
    let composed = if text.is_ascii() { text.to_owned() } else { nfc(text) };
    let is_right = composed.chars().count() >= 8 && composed.len() <= 1_024;
    assert_eq!(password.check().is_ok(), is_right);
    if check_hash(text).is_ok() {
        assert!(text.starts_with("$argon2"));
    }

    // A name is one line that users can see, and cleaning it again changes nothing.
    let name = clean(text);
    assert!(name.chars().count() <= 100 && clean(&name) == name && !has_control(&name));
    let is_joiner = |c| matches!(c, '\u{200c}' | '\u{200d}');
    assert!(!name.contains(|c| is_unseen(c) && !is_joiner(c)) && !name.contains("  "));
    assert_eq!(name.trim(), name);

    // A description has the characters of RFC 6749, and what it quotes has no space.
    let sent = Sent(text).to_string();
    assert!(sent.bytes().all(|b| b.is_ascii_graphic()) && sent.len() <= 103);
    assert!(text.is_empty() || is_description(Description::new(text).as_str()));
    assert!(is_description(Description::new(format_args!("x: {sent}")).as_str()));

    if is_email(text) {
        assert!(text.matches('@').count() == 1 && !text.contains(char::is_whitespace));
    }
    assert!(!is_line(text) || is_text(text) && text.lines().count() == 1);
    assert!(!is_language_tag(text) || text.len() <= 35 && text.is_ascii());
});

/// The form of a login is its own form, and every spelling of a user's login leads to it.
fn login(text: &str) {
    let typed = TypedLogin::new(text, nfkc);
    match normalize_login(text, nfkc) {
        Ok(login) => {
            assert!((1..=255).contains(&login.len()) && !login.contains(is_unseen));
            assert!(!login.contains(|c: char| c.is_whitespace() || c.is_control()));
            assert_eq!(normalize_login(&login, nfkc).as_ref(), Ok(&login));
            assert_eq!(normalize_login(&format!(" {text}\t"), nfkc).as_ref(), Ok(&login));
            assert_eq!(typed.normalized, login);
            assert!(may_be_hint(&login));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(typed.normalized, typed.folded);
        }
    }
    assert!(typed.folded.len() <= 255 && typed.normalized.len() <= 255);
    if may_be_hint(text) {
        assert!(text.len() <= 1_020 && !text.trim().contains(char::is_whitespace));
    }
}
