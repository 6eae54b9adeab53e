//! Logins and passwords from keyboards with other Unicode forms (RFC 8265).

use crate::admin::{assert_refused, import, put_user};
use crate::browser::{Browser, CALLBACK, PASSWORD, answer, hash_of, is_login};
use crate::test_provider::{TestProvider, TestResponse, get, put};
use serde_json::json;

/// A user whose login has accents, in NFC.
const LOGIN: &str = "zoë.müller@example.com";
/// Spellings of it: NFD, full-width, upper case, and with white space of all kinds at the ends.
const SPELLINGS: [&str; 9] = [
    LOGIN,
    "zoe\u{308}.mu\u{308}ller@example.com",
    "ZOË.MÜLLER@EXAMPLE.COM",
    "ZOE\u{308}.Mu\u{308}ller@Example.com",
    "ｚｏë.müller＠ｅｘａｍｐｌｅ.ｃｏｍ",
    "zoë.müller@example.com ",
    " \tzoë.müller@example.com\u{a0}\u{3000}",
    "\u{2003}zoe\u{308}.müller@example.com\n",
    "𝐳𝐨ë.müller@example.com",
];

fn provider_with(login: &str, password: &str) -> TestProvider {
    let provider = TestProvider::with_keys();
    let user = json!({ "login": login, "password": password });
    let response = put_user(&provider, "zoe", &user);
    assert_eq!(response.status, 200, "{}", response.body);
    provider
}

fn sign_in(provider: &TestProvider, login: &str, password: &str) -> TestResponse {
    let browser = Browser::new(provider);
    let page = browser.get("/auth/account");
    browser.submit(&page, &[("login", login), ("password", password)])
}

#[track_caller]
fn assert_signed_in(response: &TestResponse, what: &str) {
    assert!(response.status == 200 && !is_login(response), "{what}: {}", response.body);
}

#[track_caller]
fn assert_not_signed_in(response: &TestResponse, what: &str) {
    assert!(is_login(response), "{what}: {}", response.body);
}

/// Stores a login as an earlier version did.
fn store_login(provider: &TestProvider, sub: &str, login: &str) {
    let sql = "UPDATE users SET login = ?2 WHERE sub = ?1";
    assert_eq!(provider.platform.primary.execute(sql, [sub, login]), Ok(1));
}

/// The failures of the counter that has the most.
fn most_failures(provider: &TestProvider) -> i64 {
    let sql = "SELECT max(failures) FROM sign_in_attempts";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

fn login_of(provider: &TestProvider, sub: &str) -> String {
    let user = provider.send(get(&format!("/admin/users/{sub}")).by_operator()).json();
    user["login"].as_str().unwrap().to_owned()
}

#[test]
fn a_login_may_be_typed_in_every_unicode_form() {
    let provider = provider_with("Zoe\u{308}.Mu\u{308}ller@example.com ", PASSWORD);
    assert_eq!(login_of(&provider, "zoe"), LOGIN);
    for login in SPELLINGS {
        assert_signed_in(&sign_in(&provider, login, PASSWORD), login);
    }
    for login in
        ["zoe.muller@example.com", "zoë müller@example.com", "z\u{200b}oë.müller@example.com"]
    {
        assert_not_signed_in(&sign_in(&provider, login, PASSWORD), login);
    }
}

#[test]
fn an_ascii_login_may_have_spaces_at_its_ends() {
    let provider = provider_with("alice@example.com", PASSWORD);
    for login in ["alice@example.com ", " ALICE@example.com", "\talice@example.com\r\n"] {
        assert_signed_in(&sign_in(&provider, login, PASSWORD), login);
    }
    assert_eq!(provider.platform.take_counts().normalizations, 0, "ASCII needs none");
    assert_not_signed_in(&sign_in(&provider, "alice @example.com", PASSWORD), "a space inside");
}

#[test]
fn a_hinted_login_may_have_spaces_and_accents() {
    let provider = provider_with(LOGIN, PASSWORD);
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    for hint in ["zoe\u{308}.mu\u{308}ller@example.com ", "ZOË.müller@example.com"] {
        let page = browser.get(&client.authorize(&[("login_hint", hint), ("prompt", "login")]));
        assert!(page.body.contains(&format!("value=\"{hint}\"")), "{}", page.body);
        let response = browser.agree(browser.sign_in_on(&page, hint), hint);
        assert!(answer(&response, CALLBACK).contains_key("code"), "{hint}");
    }
}

#[test]
fn every_spelling_of_a_login_counts_as_one() {
    let provider = provider_with(LOGIN, PASSWORD);
    for login in SPELLINGS.iter().cycle().take(20) {
        sign_in(&provider, login, "a wrong password");
    }
    assert_eq!(most_failures(&provider), 5, "the others were refused");
    let response = sign_in(&provider, "zoe\u{308}.mu\u{308}ller@example.com", PASSWORD);
    assert_eq!(response.log["error"], "too_many_attempts", "{}", response.body);
}

#[test]
fn two_users_cannot_have_two_spellings_of_a_login() {
    let provider = provider_with(LOGIN, PASSWORD);
    for login in SPELLINGS {
        let response = put_user(&provider, "other", &json!({ "login": login }));
        assert_refused(&response, 409, "login: belongs to another user");
    }
    let lines: Vec<_> = SPELLINGS
        .iter()
        .enumerate()
        .map(|(index, login)| json!({ "sub": format!("user-{index}"), "login": login }).to_string())
        .collect();
    let report = import(&provider, &lines.join("\n"));
    assert_eq!((&report["stored"], report["refused"].as_array().unwrap().len()), (&json!(0), 9));
}

#[test]
fn a_login_with_invisible_characters_is_refused() {
    let provider = provider_with(LOGIN, PASSWORD);
    for login in [
        "a\u{200b}b",
        "\u{202e}bob",
        "bob\u{202c}",
        "\u{feff}bob",
        "bo\u{ad}b",
        "bob\u{fe0f}",
        "bob\u{e0062}",
        "bo\u{2066}b",
        "bo\u{a0}b",
        "bob\u{7}",
        "b\u{3164}b",
    ] {
        let response = put_user(&provider, "bob", &json!({ "login": login }));
        assert_refused(&response, 400, "login: must be 1 to 255 bytes without white space");
    }
}

/// A row of an earlier version, whose login is only case-folded.
#[test]
fn a_login_that_was_stored_in_another_form_is_found_as_before() {
    for (stored, typed) in [
        ("zoe\u{308}@example.com", "Zoe\u{308}@example.com "),
        ("ａｌｉｃｅ", "ＡＬＩＣＥ"),
        ("o´neil", "O´Neil"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
    ] {
        let provider = provider_with("zoe", PASSWORD);
        store_login(&provider, "zoe", stored);
        assert_signed_in(&sign_in(&provider, typed, PASSWORD), typed);
        assert_eq!(login_of(&provider, "zoe"), stored);
        sign_in(&provider, typed, "a wrong password");
        sign_in(&provider, stored, "a wrong password");
        assert_eq!(most_failures(&provider), 2, "{stored}");
    }
}

#[test]
fn users_whose_logins_were_two_sign_in_as_before() {
    let provider = provider_with("zoe\u{308}", "the password of zoe");
    store_login(&provider, "zoe", "zoe\u{308}");
    put_user(&provider, "other", &json!({ "login": "zoë", "password": "another password" }));
    for (login, password, is_right) in [
        ("zoe\u{308}", "the password of zoe", true),
        ("zoë", "another password", true),
        ("zoe\u{308}", "another password", false),
        ("zoë", "the password of zoe", false),
    ] {
        let response = sign_in(&provider, login, password);
        assert_eq!(!is_login(&response), is_right, "{login:?}, {password}");
    }
    // Storing the first one anew tells the operator.
    let list = provider.send(get("/admin/users").by_operator()).json();
    let lines: Vec<_> = list["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| json!({ "sub": user["sub"], "login": user["login"] }).to_string())
        .collect();
    let report = import(&provider, &lines.join("\n"));
    assert_eq!(report["refused"][0]["error"], "login: belongs to another user");
}

#[test]
fn a_password_may_be_typed_in_every_canonical_form() {
    for (set, right, wrong) in [
        (
            "Grüße aus Köln",
            ["Gru\u{308}ße aus Ko\u{308}ln", "Grüße aus Ko\u{308}ln"],
            ["Grüße aus köln", "Grüsse aus Köln", "Grüße aus Köln "],
        ),
        (
            "\u{212b}ngstro\u{308}m 42",
            ["Ångström 42", "A\u{30a}ngström 42"],
            ["ångström 42", "Angström 42", "Ångstrom 42"],
        ),
        // The longest, whose other forms have more bytes.
        (
            &*format!("{}a", "한".repeat(341)),
            [
                &*format!("{}a", "\u{1112}\u{1161}\u{11ab}".repeat(341)),
                &*format!("{}a", "하\u{11ab}".repeat(341)),
            ],
            ["한", &*"한".repeat(341), &*"\u{1112}\u{1161}\u{11ab}".repeat(340)],
        ),
        (
            "한국어 비밀번호",
            ["\u{1112}\u{1161}\u{11ab}국어 비밀번호", "한국어 \u{1107}\u{1175}밀번호"],
            ["한국어비밀번호", "한국어 비밀번", " 한국어 비밀번호"],
        ),
    ] {
        let provider = provider_with("zoe", set);
        for password in [set, right[0], right[1]] {
            assert_signed_in(&sign_in(&provider, "zoe", password), password);
        }
        for password in wrong {
            assert_not_signed_in(&sign_in(&provider, "zoe", password), password);
        }
    }
}

#[test]
fn a_password_keeps_its_spaces_its_case_and_its_width() {
    for (set, wrong) in [
        (" correct horse ", ["correct horse", " correct horse", "correct horse "]),
        (
            "ｃｏｒｒｅｃｔ horse",
            ["correct horse", "ＣＯＲＲＥＣＴ horse", "ｃｏｒｒｅｃｔ\u{3000}horse"],
        ),
        ("correct\u{a0}horse", ["correct horse", "correcthorse", "CORRECT\u{a0}horse"]),
    ] {
        let provider = provider_with("zoe", set);
        assert_signed_in(&sign_in(&provider, "zoe", set), set);
        for password in wrong {
            assert_not_signed_in(&sign_in(&provider, "zoe", password), password);
        }
    }
}

/// A hash of an earlier version, or an imported one.
#[test]
fn a_password_that_was_hashed_as_typed_is_hashed_anew() {
    let decomposed = "Gru\u{308}ße aus Ko\u{308}ln";
    let provider = provider_with("zoe", PASSWORD);
    provider.put_password_hash("zoe", &hash_of(decomposed));
    assert_not_signed_in(
        &sign_in(&provider, "zoe", "Grüße aus Köln"),
        "not the one that was hashed",
    );
    assert_signed_in(&sign_in(&provider, "zoe", decomposed), "as it was typed");
    for password in ["Grüße aus Köln", decomposed] {
        assert_signed_in(&sign_in(&provider, "zoe", password), password);
    }
    let response = put_user(&provider, "zoe", &json!({ "password": "e\u{301}".repeat(7) }));
    assert_refused(&response, 400, "password: must have at least 8 characters");
    let path = "/admin/users/zoe/password";
    let document = json!({ "password": "e\u{301}".repeat(8) });
    assert_eq!(provider.send(put(path).by_operator().json(&document)).status, 200);
    assert_signed_in(&sign_in(&provider, "zoe", &"é".repeat(8)), "set by the operator");
}

/// Two users of an earlier version, whose logins are one today.
#[test]
fn a_user_cannot_reset_the_counters_of_one_whose_login_became_the_same() {
    for (own, login) in [("zoe\u{308}", "zoë"), ("zoë", "zoe\u{308}")] {
        let provider = provider_with("zoe", PASSWORD);
        store_login(&provider, "zoe", own);
        put_user(&provider, "other", &json!({ "login": "other", "password": "another password" }));
        store_login(&provider, "other", login);
        let (client, browser) = (provider.put_app(), Browser::new(&provider));
        let sign_in = |login: &str, password: &str| {
            let page = browser.get(&client.authorize(&[("prompt", "login")]));
            browser.submit(&page, &[("login", login), ("password", password)])
        };
        let is_guess = |_: &i32| {
            let guess = sign_in(login, "a wrong password");
            let response = sign_in(own, PASSWORD);
            assert!(!is_login(&response), "{own:?}: {}", response.body);
            guess.log["error"] != "too_many_attempts"
        };
        assert_eq!((0..8).filter(is_guess).count(), 5, "{login:?}");
    }
}

/// Users with a row of an earlier version, and users who type another form than the stored one.
#[test]
fn an_attacker_cannot_lock_a_user_out_of_a_known_browser_in_any_form() {
    for (stored, typed) in
        [("zoe\u{308}", "zoe\u{308}"), ("zoë", "zoe\u{308}"), ("zoë", "ＺＯË"), ("zoë", "zoë")]
    {
        let provider = provider_with("zoe", PASSWORD);
        store_login(&provider, "zoe", stored);
        let (client, browser) = (provider.put_app(), Browser::new(&provider));
        let known = || {
            let page = browser.get(&client.authorize(&[("prompt", "login")]));
            browser.submit(&page, &[("login", typed), ("password", PASSWORD)])
        };
        assert!(!is_login(&known()));
        for login in ["zoë", "zoe\u{308}", "ＺＯË"].iter().cycle().take(20) {
            sign_in(&provider, login, "a wrong password");
        }
        assert!(is_login(&sign_in(&provider, typed, PASSWORD)), "a pause for other browsers");
        for _ in 0..7 {
            assert!(!is_login(&known()), "{stored:?}, {typed:?}");
        }
    }
}
