//! Drills: thousands of networks guess the password of one account, as fast as they are let, while its owner signs in.

use std::cell::{Cell, RefCell};
use std::net::Ipv6Addr;

use super::throttling::{RIGHT, WAIT, WRONG, at, attempt, cheapen, filled_in, known, provider};
use crate::browser::PASSWORD;
use crate::test_provider::{TestProvider, TestRequest, put};
use postern::lifetimes::FORM_SECONDS;
use serde_json::json;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The guesses before each waits for four hours, as SECURITY.md has them.
const FAST_GUESSES: i64 = 90;
/// The guesses a day after that.
const GUESSES_A_DAY: i64 = 6;
const LONGEST_WAIT: i64 = 4 * HOUR;

/// Somebody who guesses alice's password from many networks.
struct Attacker<'a> {
    provider: &'a TestProvider,
    /// A form that is filled in, and when it was made. It may be sent from every network.
    form: RefCell<Option<(i64, TestRequest)>>,
    looked_at: Cell<i64>,
}

impl<'a> Attacker<'a> {
    fn new(provider: &'a TestProvider) -> Self {
        Self { provider, form: RefCell::default(), looked_at: Cell::new(0) }
    }

    /// Guesses as often as the pages allow it until this time, each time from another network. Returns the longest pause.
    fn guess_until(&self, time: i64, networks: &mut impl Iterator<Item = String>) -> i64 {
        let mut longest = 0;
        while self.provider.now.get() < time {
            let pause = self.guess(&networks.next().unwrap()).unwrap_or_default();
            longest = longest.max(pause);
            self.provider.sleep(pause);
        }
        self.provider.now.set(time);
        longest
    }

    fn request(&self, address: &str) -> TestRequest {
        let now = self.provider.now.get();
        let mut form = self.form.borrow_mut();
        if form.as_ref().is_none_or(|(made_at, _)| now - made_at > FORM_SECONDS / 2) {
            let mut browser = at(self.provider, "");
            browser.address.clear();
            *form = Some((now, filled_in(&browser, "alice", "a guess")));
        }
        form.as_ref().unwrap().1.clone().instead("cf-connecting-ip", address)
    }

    /// Guesses once. Returns the pause that the page states, if the guess was not looked at.
    fn guess(&self, address: &str) -> Option<i64> {
        let response = self.provider.send(self.request(address));
        if response.status == WRONG {
            self.looked_at.set(self.looked_at.get() + 1);
            return None;
        }
        assert_eq!(response.status, WAIT, "{}", response.body);
        Some(response.header("retry-after").unwrap().parse().unwrap())
    }
}

/// An address in another network for each number: a third of them of IPv4, a third in /64 networks of one /48 network
/// of IPv6, and a third in /48 networks.
fn address(number: usize) -> String {
    let [.., high, low] = number.to_be_bytes();
    let group = u16::from_be_bytes([high, low]);
    match number % 3 {
        0 => format!("10.{high}.{low}.1"),
        1 => Ipv6Addr::new(0x2001, 0xdb8, 0, group, 0, 0, 0, 1).to_string(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, group, 0, 0, 0, 0, 1).to_string(),
    }
}

#[test]
fn in_a_day_thousands_of_networks_have_less_than_a_hundred_guesses_looked_at() {
    // NETWORKS=10000 guesses from more. Two thousand guess more often than every minute.
    let networks = std::env::var("NETWORKS").map_or(2_000, |number| number.parse().unwrap());
    let provider = provider();
    let owner = known(&provider, "alice");
    let attacker = Attacker::new(&provider);
    let begin = provider.now.get();
    let mut fresh = (10_000..).map(address);
    let mut longest = 0;
    for network in 0..networks {
        let sends_at =
            begin + DAY * i64::try_from(network).unwrap() / i64::try_from(networks).unwrap();
        longest = longest.max(attacker.guess_until(sends_at, &mut fresh));
        longest = longest.max(attacker.guess(&address(network)).unwrap_or_default());
        if network % (networks / 25) == 0 {
            let response = attempt(&provider, &owner, "alice", PASSWORD);
            assert_eq!(response.status, RIGHT, "{} s after the begin", sends_at - begin);
            cheapen(&provider);
        }
    }
    let looked_at = attacker.looked_at.get();
    println!("{looked_at} guesses were looked at; the longest pause was {longest} s");
    assert!(looked_at >= FAST_GUESSES, "{looked_at}: the drill guesses as often as it can");
    assert!(looked_at <= FAST_GUESSES + GUESSES_A_DAY, "{looked_at} guesses in a day");
    assert!(longest <= LONGEST_WAIT, "{longest} s");

    // After the attack the owner uses a new browser, and waits once.
    let new = at(&provider, "192.0.2.1");
    let response = attempt(&provider, &new, "alice", PASSWORD);
    let pause: i64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!(response.status == WAIT && pause <= LONGEST_WAIT, "{pause}");
    provider.sleep(pause);
    assert_eq!(attempt(&provider, &new, "alice", PASSWORD).status, RIGHT);
}

#[test]
fn nobody_gains_guesses_by_waiting() {
    for (idle, days) in [(0, 20), (HOUR, 20), (4 * HOUR, 20), (DAY, 20), (16 * DAY + 2 * HOUR, 90)]
    {
        let provider = provider();
        let attacker = Attacker::new(&provider);
        let (begin, mut networks) = (provider.now.get(), (0..).map(address));
        let end = begin + days * DAY;
        while provider.now.get() < end {
            attacker.guess_until(end.min(provider.now.get() + DAY), &mut networks);
            provider.sleep(idle);
        }
        let days_passed = (provider.now.get() - begin) / DAY + 1;
        let (looked_at, bound) =
            (attacker.looked_at.get(), FAST_GUESSES + GUESSES_A_DAY * days_passed);
        assert!(looked_at <= bound, "idle for {idle} s: {looked_at} > {bound}");
    }
}

#[test]
fn nobody_gains_guesses_by_the_sign_ins_of_the_owner() {
    let provider = provider();
    let attacker = Attacker::new(&provider);
    let (begin, mut networks) = (provider.now.get(), (0..).map(address));
    let mut signed_in = 0;
    for quarter in 0..4 * 24 {
        attacker.guess_until(begin + quarter * HOUR / 4, &mut networks);
        let new = at(&provider, "192.0.2.1");
        if attempt(&provider, &new, "alice", PASSWORD).status == RIGHT {
            signed_in += 1;
            cheapen(&provider);
        }
    }
    let looked_at = attacker.looked_at.get();
    assert!(signed_in > 10, "the owner signed in {signed_in} times");
    assert!(looked_at <= FAST_GUESSES + GUESSES_A_DAY, "{looked_at} guesses");
}

#[test]
fn a_thief_of_a_device_cookie_has_less_than_thirty_guesses_a_day() {
    let provider = provider();
    let owner = known(&provider, "alice");
    let spellings = ["alice", "Alice", "ALICE "];
    let begin = provider.now.get();
    let mut looked_at = 0;
    while provider.now.get() < begin + DAY {
        // The owner signs in in the same browser before each guess.
        let response = attempt(&provider, &owner, "alice", PASSWORD);
        cheapen(&provider);
        if response.status == RIGHT {
            let spelling = spellings[looked_at % spellings.len()];
            let guess = attempt(&provider, &owner, spelling, "a guess");
            looked_at += usize::from(guess.status == WRONG);
        }
        let pause = response.header("retry-after").map_or(1, |pause| pause.parse().unwrap());
        provider.sleep(pause);
    }
    assert!((19..30).contains(&looked_at), "{looked_at}");
}

#[test]
fn every_spelling_of_a_login_has_the_same_guesses() {
    let provider = provider();
    let spellings =
        ["alice", "ALICE", "ａｌｉｃｅ", "Ａlice", "aＬice", "alicＥ ", "\u{2003}Alice"];
    let mut looked_at = 0;
    for (number, spelling) in spellings.iter().cycle().take(100).enumerate() {
        let browser = at(&provider, &address(number));
        looked_at += i32::from(attempt(&provider, &browser, spelling, "a guess").status == WRONG);
    }
    assert_eq!(looked_at, 20);
}

#[test]
fn one_network_alone_makes_others_wait_for_a_second_at_most() {
    let provider = provider();
    let attacker = Attacker::new(&provider);
    let begin = provider.now.get();
    // All /64 networks of one /48 network are one network.
    let mut networks = (0_u16..=u16::MAX)
        .cycle()
        .map(|subnet| Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, 0, 0, 0, 1).to_string());
    for hour in 0..24 {
        attacker.guess_until(begin + hour * HOUR, &mut networks);
        let new = at(&provider, "192.0.2.1");
        let response = attempt(&provider, &new, "alice", PASSWORD);
        let pause = response.header("retry-after").map_or(0, |pause| pause.parse().unwrap());
        assert!(pause <= 1, "{pause} s in hour {hour}");
        provider.sleep(pause);
        let response =
            if pause > 0 { attempt(&provider, &new, "alice", PASSWORD) } else { response };
        assert_eq!(response.status, RIGHT);
        cheapen(&provider);
    }
    let looked_at = attacker.looked_at.get();
    assert!((19..30).contains(&looked_at), "{looked_at}");
}

#[test]
fn of_simultaneous_guesses_one_is_looked_at_when_a_pause_ends() {
    let provider = provider();
    let attacker = Attacker::new(&provider);
    let mut networks = (0..).map(address);
    attacker.guess_until(provider.now.get() + HOUR, &mut networks);
    while let Some(pause) = attacker.guess(&networks.next().unwrap()) {
        provider.sleep(pause);
    }
    let pause = attacker.guess(&networks.next().unwrap()).unwrap();
    provider.sleep(pause);
    let requests: Vec<_> = networks.take(100).map(|address| attacker.request(&address)).collect();
    let responses = provider.send_at_once(requests);
    let looked_at = responses.iter().filter(|response| response.status == WRONG).count();
    assert_eq!(looked_at, 1);
}

#[test]
fn a_new_password_by_the_operator_ends_the_pauses() {
    for path in ["/admin/users/alice", "/admin/users/alice/password"] {
        let provider = provider();
        provider.has_entropy.set(true);
        let attacker = Attacker::new(&provider);
        let begin = provider.now.get();
        let mut networks = (0..).map(address);
        attacker.guess_until(begin + DAY, &mut networks);
        while attacker.guess(&networks.next().unwrap()).is_none() {}
        let new = at(&provider, "192.0.2.1");
        assert_eq!(attempt(&provider, &new, "alice", PASSWORD).status, WAIT);
        // A directory may store the same hash each night, which changes nothing.
        let sql = "SELECT password_hash FROM users WHERE sub = 'alice'";
        let hash: String = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
        provider.put_password_hash("alice", &hash);
        assert_eq!(attempt(&provider, &new, "alice", PASSWORD).status, WAIT);
        let document = json!({ "password": "another password" });
        assert_eq!(provider.send(put(path).by_operator().json(&document)).status, 200);
        assert_eq!(attempt(&provider, &new, "alice", "another password").status, RIGHT);
    }
}

/// The counters of a set begin with the same characters, which only the provider can compute.
#[test]
fn made_up_logins_and_networks_add_rows_up_to_a_limit_and_end_no_pause() {
    let provider = provider();
    let database = &provider.platform.primary;
    let attacker = Attacker::new(&provider);
    let mut networks = (0..).map(address);
    attacker.guess_until(provider.now.get() + HOUR, &mut networks);
    let count = || -> (i64, i64) {
        let sql = "SELECT count(*), max(failures) FROM sign_in_attempts";
        database.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let (rows, failures) = count();
    assert!(rows <= 8, "{rows} rows for one login");
    assert!(failures > 20);

    // Others that happen to be in the same set, half of them with more failures than the networks.
    let first: String = database
        .query_row("SELECT substr(min(counter), 1, 3) FROM sign_in_attempts", (), |row| row.get(0))
        .unwrap();
    for number in 0..100 {
        let sql = "INSERT INTO sign_in_attempts VALUES (?1, ?2, ?3, 0)";
        let row = (format!("{first}{number}"), 1 + number % 2 * 5, provider.now.get());
        database.execute(sql, row).unwrap();
    }
    attacker.guess(&networks.next().unwrap());
    let (rows, most) = count();
    assert!(rows <= 8, "{rows} rows");
    assert!(most >= failures, "{most}: the account's counter is kept");
    let sql = "SELECT min(failures) FROM sign_in_attempts WHERE length(counter) < 10";
    let kept: i64 = database.query_row(sql, (), |row| row.get(0)).unwrap();
    assert_eq!(kept, 6, "those with the fewest failures are deleted");
}

/// The first characters of the counters of alice's set.
fn set_of_alice(provider: &TestProvider) -> String {
    let sql = "SELECT substr(min(counter), 1, 3) FROM sign_in_attempts";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// Somebody can find out, by millions of attempts, which logins share the account's set, and then use them for ever.
#[test]
fn an_account_whose_counter_was_displaced_has_no_fewer_failures_and_no_shorter_pause() {
    let provider = provider();
    let owner = known(&provider, "alice");
    let database = &provider.platform.primary;
    let attacker = Attacker::new(&provider);
    let mut networks = (0..).map(address);
    attacker.guess_until(provider.now.get() + HOUR, &mut networks);
    let pause = networks.find_map(|address| attacker.guess(&address)).unwrap();
    let networks = RefCell::new(networks);
    let guess = || attacker.guess(&networks.borrow_mut().next().unwrap());
    let failures = || -> i64 {
        database
            .query_row("SELECT max(failures) FROM sign_in_attempts", (), |row| row.get(0))
            .unwrap()
    };
    let before = failures();
    // Six other accounts had as many guesses, and one more attempt at a seventh deletes the counter of this one.
    let first = set_of_alice(&provider);
    for number in 0..6 {
        let sql = "INSERT INTO sign_in_attempts SELECT ?1, failures, last_at, next_at \
                   FROM sign_in_attempts WHERE failures = ?2 LIMIT 1";
        database.execute(sql, (format!("{first}{number}"), before)).unwrap();
    }
    let displace = || {
        let sql = "DELETE FROM sign_in_attempts WHERE length(counter) > 10";
        database.execute(sql, ()).unwrap();
    };
    displace();
    assert_eq!(guess(), Some(pause));
    displace();
    assert_eq!(attempt(&provider, &owner, "alice", PASSWORD).status, RIGHT, "a known browser");
    cheapen(&provider);
    displace();
    provider.sleep(pause);
    let looked_at = attacker.looked_at.get();
    assert_eq!(guess(), None);
    assert_eq!((attacker.looked_at.get(), failures()), (looked_at + 1, before + 1));
    assert!(guess().is_some());
}

#[test]
fn no_counter_of_a_known_browser_is_displaced() {
    let provider = provider();
    let owner = known(&provider, "alice");
    for _ in 0..5 {
        assert_eq!(attempt(&provider, &owner, "alice", "a guess").status, WRONG);
    }
    let stranger = at(&provider, "192.0.2.1");
    assert_eq!(attempt(&provider, &stranger, "alice", "a guess").status, WRONG);
    let first = set_of_alice(&provider);
    for number in 0..100 {
        let sql = "INSERT INTO sign_in_attempts VALUES (?1, 50, ?2, 0)";
        let row = (format!("{first}{number}"), provider.now.get());
        provider.platform.primary.execute(sql, row).unwrap();
    }
    assert_eq!(attempt(&provider, &stranger, "alice", "a guess").status, WRONG);
    assert_eq!(attempt(&provider, &owner, "alice", "a guess").status, WAIT);
    // It is deleted with those of the account.
    provider.has_entropy.set(true);
    let document = json!({ "password": "another password" });
    let put = put("/admin/users/alice/password").by_operator().json(&document);
    assert_eq!(provider.send(put).status, 200);
    assert_eq!(attempt(&provider, &owner, "alice", "another password").status, RIGHT);
}
