//! The plans by which the keys of an algorithm change: pure functions of the rows, the time and the configured times.
//!
//! A key that signs has no end until its successor is made. The change that adds the successor ends it, at the time when
//! the successor signs. So a key never ends without a successor, however late that is made.
//!
//! A successor that signs later than any isolate plans was made by an isolate whose clock is ahead. It does not count, and
//! the next successor replaces it.

use crate::config::KeyTimes;
use crate::jose::jwk::Algorithm;
use crate::keys::{may_sign, signer};
use crate::lifetimes::{CLOCK_SLACK_SECONDS, KEY_HANDOVER_SECONDS, KEY_OVERDUE_SECONDS};
use crate::store::signing_keys::{KeyRow, MOST_PUBLISHED_KEYS};

/// The times of a key to make, in Unix seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewKey {
    pub publish_from: i64,
    pub sign_from: i64,
}

/// A key without an earliest time, so that it signs at once also for an isolate whose clock is behind.
const AT_ONCE: NewKey = NewKey { publish_from: 0, sign_from: 0 };

/// A change of the keys of one algorithm.
#[derive(Debug, Default)]
pub struct Plan {
    /// The key to make, if any.
    pub new: Option<NewKey>,
    /// The keys whose times change.
    pub changed: Vec<KeyRow>,
    /// The `kid`s of keys that have not signed, and are replaced.
    pub deleted: Vec<String>,
}

/// The rotation of the keys of one algorithm, as the rows have it. All times are Unix seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    pub alg: Algorithm,
    /// When the next key signs.
    pub next_at: i64,
    /// Since when that key should have been made; `None` unless it is overdue.
    pub overdue_since: Option<i64>,
}

/// Returns when the next key of each algorithm signs, and whether it is overdue. An algorithm without a key is left out.
pub fn rotations(
    rows: &[KeyRow],
    now: i64,
    times: KeyTimes,
) -> impl Iterator<Item = Rotation> + use<'_> {
    Algorithm::ALL.into_iter().filter_map(move |alg| {
        let due_at = due_at(signer(rows, alg, now)?, now, times);
        if let Some(successor) = successor(rows, alg, now, times) {
            return Some(Rotation { alg, next_at: successor.sign_from, overdue_since: None });
        }
        // The age of a key of an older version is unknown.
        let overdue_since = due_at.filter(|due_at| now >= due_at + KEY_OVERDUE_SECONDS);
        let next_at = due_at.unwrap_or(now).max(now) + times.ahead;
        Some(Rotation { alg, next_at, overdue_since })
    })
}

/// Returns the algorithms whose next key is to be made at `now`. If no key signs, that is so only if one that may sign
/// later prevents that a request makes one.
pub fn due(rows: &[KeyRow], now: i64, times: KeyTimes) -> Vec<Algorithm> {
    let may_sign_later = |row: &KeyRow| row.sign_until.is_none_or(|end| end > now);
    let is_due = |&alg: &Algorithm| match signer(rows, alg, now) {
        Some(signer) => {
            due_at(signer, now, times).is_none_or(|due_at| due_at <= now)
                && successor(rows, alg, now, times).is_none()
        }
        None => rows.iter().any(|row| row.public.alg() == alg && may_sign_later(row)),
    };
    Algorithm::ALL.into_iter().filter(is_due).collect()
}

/// Returns when the successor of a key that signs is to be made. Returns `None` if that is now, because the age of the
/// key is unknown or was written by an isolate whose clock is ahead.
fn due_at(signer: &KeyRow, now: i64, times: KeyTimes) -> Option<i64> {
    let made_at = signer.created_at.filter(|&made_at| made_at <= now + CLOCK_SLACK_SECONDS);
    let began_at = made_at.unwrap_or(0).max(signer.sign_from);
    (began_at > 0).then_some(began_at + times.signing - times.ahead)
}

/// Returns the key that signs next, unless its time is later than any isolate plans.
fn successor(rows: &[KeyRow], alg: Algorithm, now: i64, times: KeyTimes) -> Option<&KeyRow> {
    let latest = now + times.ahead + CLOCK_SLACK_SECONDS;
    let is_next =
        |row: &&KeyRow| row.public.alg() == alg && row.sign_from > now && row.sign_from <= latest;
    rows.iter().filter(is_next).min_by_key(|row| row.sign_from)
}

/// Plans the successor of the key of `alg` that signs, `ahead` seconds from `now`. It replaces every key that has not
/// signed, except one that signs so soon that isolates may remember it: then it is the successor of that one. If no key
/// signs, the new one does at once.
pub fn succeed(rows: &[KeyRow], alg: Algorithm, now: i64, ahead: i64, times: KeyTimes) -> Plan {
    if signer(rows, alg, now).is_none() {
        return Plan { new: Some(AT_ONCE), ..Plan::default() };
    }
    let is_replaced = |row: &KeyRow| row.sign_from > now + KEY_HANDOVER_SECONDS;
    succeed_replacing(
        rows,
        alg,
        NewKey { publish_from: now, sign_from: now + ahead },
        times,
        is_replaced,
    )
}

fn succeed_replacing(
    rows: &[KeyRow],
    alg: Algorithm,
    new: NewKey,
    times: KeyTimes,
    is_replaced: impl Fn(&KeyRow) -> bool,
) -> Plan {
    let (replaced, kept): (Vec<&KeyRow>, Vec<&KeyRow>) =
        rows.iter().filter(|row| row.public.alg() == alg).partition(|row| is_replaced(row));
    // The keys that end with a replaced one, or have no end, now end with the new one.
    let replaced_from = replaced.iter().map(|row| row.sign_from);
    let end = replaced_from.chain([new.sign_from]).min().unwrap_or(new.sign_from);
    // The last one does in any case, even if it has an earlier end: nothing else signs from then on.
    let is_in_use = |row: &&&KeyRow| row.sign_until.is_none_or(|end| end > new.publish_from);
    let last = kept.iter().filter(is_in_use).max_by_key(|row| (row.sign_from, row.public.kid()));
    let last = last.map(|row| row.public.kid());
    let ends = |row: &&KeyRow| {
        Some(row.public.kid()) == last || row.sign_until.is_none_or(|until| until >= end)
    };
    let ended = |row: &KeyRow| KeyRow {
        sign_until: Some(new.sign_from),
        retire_at: Some(new.sign_from + times.retirement),
        ..row.clone()
    };
    Plan {
        new: Some(new),
        changed: kept.into_iter().filter(ends).map(ended).collect(),
        deleted: replaced.iter().map(|row| row.public.kid().to_owned()).collect(),
    }
}

/// Plans the withdrawal of a compromised key: all its times become 0, so that it verifies nothing, by any clock. If it
/// signs, the key that is published next signs at once, or a new one if there is none: a key that the operator has ended or
/// retired by hand is not the next one. If it is the next one, another key becomes the next. Returns `None` if there is no
/// key `kid`.
pub fn withdraw(rows: &[KeyRow], kid: &str, now: i64, times: KeyTimes) -> Option<Plan> {
    let row = rows.iter().find(|row| row.public.kid() == kid)?;
    let alg = row.public.alg();
    let none = KeyRow {
        publish_from: 0,
        sign_from: 0,
        sign_until: Some(0),
        retire_at: Some(0),
        ..row.clone()
    };
    let others: Vec<_> = rows.iter().filter(|other| other.public.kid() != kid).cloned().collect();
    if signer(&others, alg, now).is_none() {
        let at_once = |other: &KeyRow| KeyRow { publish_from: 0, sign_from: 0, ..other.clone() };
        let is_able = |other: &&KeyRow| other.public.alg() == alg && may_sign(&at_once(other), now);
        let next = others.iter().filter(is_able).min_by_key(|other| other.sign_from);
        let new = next.is_none().then_some(AT_ONCE);
        let changed = [none].into_iter().chain(next.map(at_once)).collect();
        return Some(Plan { new, changed, deleted: Vec::new() });
    }
    if row.sign_from <= now {
        return Some(Plan { changed: vec![none], ..Plan::default() });
    }
    let new = NewKey { publish_from: now, sign_from: now + times.shortest_ahead };
    let is_replaced =
        |other: &KeyRow| other.sign_from > now + KEY_HANDOVER_SECONDS || other.public.kid() == kid;
    let mut plan = succeed_replacing(rows, alg, new, times, is_replaced);
    plan.deleted.retain(|deleted| deleted != kid);
    plan.changed.push(none);
    Some(plan)
}

/// Returns for how many seconds a plan must wait because too many keys of `alg` are published, or `None` if it need not.
pub fn must_wait(rows: &[KeyRow], alg: Algorithm, now: i64, plan: &Plan) -> Option<i64> {
    let is_published = |row: &&KeyRow| {
        row.public.alg() == alg
            && row.retire_at.is_none_or(|end| end > now)
            && !plan.deleted.iter().any(|kid| kid == row.public.kid())
    };
    let published: Vec<_> = rows.iter().filter(is_published).collect();
    if i64::try_from(published.len()).is_ok_and(|count| count < MOST_PUBLISHED_KEYS) {
        return None;
    }
    published.iter().filter_map(|row| row.retire_at).min().map(|first| first - now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{ALWAYS, ec, rsa};

    const NOW: i64 = 1_780_000_000;
    const AHEAD: i64 = 259_200;
    const SHORTEST_AHEAD: i64 = 88_140;
    const SIGNING: i64 = 2_592_000;
    const TIMES: KeyTimes = KeyTimes {
        signing: SIGNING,
        ahead: AHEAD,
        shortest_ahead: SHORTEST_AHEAD,
        retirement: 86_765,
    };
    const ALG: Algorithm = Algorithm::Es256;

    /// The plan's changed keys, each with the time at which it ends.
    fn ends(plan: &Plan) -> Vec<(&str, i64)> {
        let end = |row: &KeyRow| row.sign_until.unwrap();
        plan.changed.iter().map(|row| (row.public.kid(), end(row))).collect()
    }

    #[test]
    fn the_age_of_a_key_counts_unless_its_clock_was_more_than_a_minute_ahead() {
        let due_at = |made_at| {
            let row = KeyRow { created_at: Some(made_at), ..ec(1, ALWAYS) };
            due_at(&row, NOW, TIMES)
        };
        let latest = NOW + CLOCK_SLACK_SECONDS;
        assert_eq!(due_at(latest), Some(latest + SIGNING - AHEAD));
        assert_eq!(due_at(latest + 1), None);
    }

    #[test]
    fn a_key_that_begins_to_sign_is_not_its_own_successor() {
        let rows = [ec(1, (0, 0, Some(NOW), Some(NOW + 9))), ec(2, (0, NOW, None, None))];
        for (now, next_at) in [(NOW - 1, NOW), (NOW, NOW + SIGNING)] {
            let expected = Rotation { alg: ALG, next_at, overdue_since: None };
            assert_eq!(rotations(&rows, now, TIMES).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn without_a_key_that_signs_a_key_is_due_if_another_one_may_sign_later() {
        for (end, expected) in
            [(None, &[ALG][..]), (Some(NOW + 1), &[ALG]), (Some(NOW), &[]), (Some(NOW - 1), &[])]
        {
            let rows = [ec(1, (NOW + 1, NOW + 1, end, None))];
            assert_eq!(due(&rows, NOW, TIMES), expected, "{end:?}");
        }
        assert_eq!(due(&[], NOW, TIMES), []);
    }

    #[test]
    fn if_no_key_signs_the_new_one_signs_at_once() {
        let plan = succeed(&[rsa(0, ALWAYS)], ALG, NOW, AHEAD, TIMES);
        assert_eq!(plan.new, Some(AT_ONCE));
        assert_eq!((plan.changed.len(), plan.deleted.len()), (0, 0));
    }

    #[test]
    fn a_key_that_has_ended_does_not_sign_again_until_the_successor_does() {
        for (end, is_continued) in [(NOW, false), (NOW + 1, true)] {
            let rows = [ec(1, ALWAYS), ec(2, (0, 1, Some(end), Some(NOW + 9)))];
            let kids: Vec<_> = rows.iter().map(|row| row.public.kid()).collect();
            let plan = succeed(&rows, ALG, NOW, AHEAD, TIMES);
            let all = [(kids[0], NOW + AHEAD), (kids[1], NOW + AHEAD)];
            assert_eq!(ends(&plan), all[..if is_continued { 2 } else { 1 }]);
        }
    }

    #[test]
    fn a_key_that_no_longer_signs_or_verifies_does_not_replace_a_withdrawn_one() {
        let later = NOW + 9;
        for (times, is_next) in [
            ((0, later, None, None), true),
            ((later, later, None, None), true),
            ((0, later, Some(NOW), None), false),
            ((0, later, None, Some(NOW)), false),
        ] {
            let rows = [ec(1, ALWAYS), ec(2, times), rsa(0, (0, NOW + 1, None, None))];
            let plan = withdraw(&rows, rows[0].public.kid(), NOW, TIMES).unwrap();
            assert_eq!(plan.new, (!is_next).then_some(AT_ONCE), "{times:?}");
            let changed: Vec<_> =
                plan.changed.iter().map(|row| (row.public.kid(), row.sign_from)).collect();
            let all = [(rows[0].public.kid(), 0), (rows[1].public.kid(), 0)];
            assert_eq!(changed, all[..if is_next { 2 } else { 1 }], "{times:?}");
        }
    }

    #[test]
    fn the_withdrawal_of_the_next_key_leaves_no_gap() {
        let handover = NOW + KEY_HANDOVER_SECONDS;
        let end = NOW + SHORTEST_AHEAD;
        // The withdrawn key is about to sign.
        let times = (0, 0, Some(handover), Some(handover + 1));
        let rows = [ec(1, times), ec(2, (0, handover, None, None))];
        let [signs, next] = [0, 1].map(|index: usize| rows[index].public.kid());
        let plan = withdraw(&rows, next, NOW, TIMES).unwrap();
        assert_eq!(plan.new, Some(NewKey { publish_from: NOW, sign_from: end }));
        assert_eq!((ends(&plan), plan.deleted.len()), (vec![(signs, end), (next, 0)], 0));
        // Another key signs before it. It is kept if isolates may remember that it signs.
        for (sign_from, is_kept) in [(handover, true), (handover + 1, false)] {
            let rows = [
                ec(1, (0, 0, Some(sign_from), Some(sign_from + 1))),
                ec(2, (0, NOW + AHEAD, None, None)),
                ec(3, (0, sign_from, Some(NOW + AHEAD), Some(NOW + AHEAD + 1))),
            ];
            let [signs, next, other] = [0, 1, 2].map(|index: usize| rows[index].public.kid());
            let plan = withdraw(&rows, next, NOW, TIMES).unwrap();
            let last = if is_kept { other } else { signs };
            assert_eq!(ends(&plan), [(last, end), (next, 0)]);
            assert_eq!(plan.deleted, [other][usize::from(is_kept)..]);
        }
    }

    #[test]
    fn a_plan_waits_until_fewer_than_four_keys_are_published() {
        let published = |count: u8| -> Vec<_> {
            (1..=count).map(|n| ec(n, (0, 0, None, Some(NOW + 10 * i64::from(n))))).collect()
        };
        let without =
            |row: &KeyRow| Plan { deleted: vec![row.public.kid().to_owned()], ..Plan::default() };
        let (four, five) = (published(4), published(5));
        assert_eq!(must_wait(&four, ALG, NOW, &Plan::default()), Some(10));
        assert_eq!(must_wait(&four, ALG, NOW + 9, &Plan::default()), Some(1));
        assert_eq!(must_wait(&four, ALG, NOW + 10, &Plan::default()), None);
        assert_eq!(must_wait(&four, ALG, NOW, &without(&four[0])), None);
        assert_eq!(must_wait(&five, ALG, NOW, &without(&five[0])), Some(20));
    }
}
