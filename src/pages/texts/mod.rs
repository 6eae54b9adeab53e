//! The texts of the pages in every language, and the choice of the user's language.

mod account;
mod de;
mod en;
mod es;
mod fr;
mod nl;

use crate::config::LoginLabel;
use account::AccountTexts;

/// The texts of one language. Each language is a constant, so that a missing text does not compile.
#[derive(Debug)]
pub struct Texts {
    /// The language tag (BCP 47).
    pub tag: &'static str,

    pub(super) sign_in: &'static str,
    /// After `sign_in`; `{}` is the client.
    pub(super) sign_in_to: Phrase,
    pub(super) password: &'static str,
    /// `{}` is the time to wait.
    pub(super) too_many_attempts: Phrase,
    /// After the right password.
    pub(super) account_disabled: &'static str,
    pub(super) form_expired: &'static str,
    pub(super) cookies_needed: &'static str,
    pub(super) other_account_wanted: &'static str,
    pub(super) privacy_policy: &'static str,
    pub(super) terms: &'static str,
    /// `{}` is the name of a client, in a language's quotation marks.
    pub(super) quoted: Phrase,
    /// On a page that has the host of the client instead; `{}` is the client.
    pub(super) calls_itself: Phrase,
    /// After the name of a client that nobody has verified.
    pub(super) not_verified: &'static str,
    /// In `sign_in_to`, instead of a host.
    pub(super) device_application: &'static str,
    /// In `sign_in_to`, instead of a host.
    pub(super) other_device_application: &'static str,
    /// Introduces the links to the client's own pages.
    pub(super) own_pages: &'static str,
    pub(super) new_tab: &'static str,

    pub(super) choose_account: &'static str,
    pub(super) signed_in_as: &'static str,
    /// `{}` is the account.
    pub(super) continue_as: Phrase,
    pub(super) use_another_account: &'static str,

    /// `{}` is the client.
    pub(super) consent: Phrase,
    /// `{}` is the host of a client metadata document.
    pub(super) published_by: Phrase,
    /// `{}` is the host of the redirect URI.
    pub(super) leads_to: Phrase,
    /// Above the data of the user that a client will get; `{}` is the client.
    pub(super) can_see: Phrase,
    /// Above everything else that a client will be allowed to do; `{}` is the client.
    pub(super) can_do: Phrase,
    pub(super) device_warning: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
    /// `{}` is `account_page`, as a link.
    pub(super) withdraw_hint: Phrase,
    pub(super) account_page: &'static str,
    /// After a consent form that shows another account or access than are current.
    pub(super) changed: &'static str,

    pub(super) openid: &'static str,
    pub(super) profile: &'static str,
    pub(super) email: &'static str,
    pub(super) address: &'static str,
    pub(super) phone: &'static str,
    /// The scope `groups` and its claim, which exist unless `SCOPES` is set.
    pub(super) groups: &'static str,
    pub(super) offline_access: &'static str,
    pub(super) name: &'static str,
    pub(super) nickname: &'static str,
    pub(super) preferred_username: &'static str,
    pub(super) website: &'static str,
    pub(super) picture: &'static str,
    pub(super) gender: &'static str,
    pub(super) birthdate: &'static str,
    pub(super) zoneinfo: &'static str,
    pub(super) locale: &'static str,
    pub(super) updated_at: &'static str,

    pub(super) your_account: &'static str,
    pub(super) granted: &'static str,
    /// `{}` is a date.
    pub(super) since: Phrase,
    /// `{}` is a date.
    pub(super) last_used: Phrase,
    /// `{}` is the day. The year follows.
    pub(super) months: [Phrase; 12],
    /// The first day of a month in a date.
    pub(super) first_day: &'static str,
    pub(super) one_permission: &'static str,
    /// `{}` is a number from 2.
    pub(super) permissions: Phrase,
    pub(super) withdraw: &'static str,
    /// `{}` is the client.
    pub(super) withdrawn: Phrase,
    pub(super) no_applications: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) sign_out_question: &'static str,
    pub(super) sign_out_ends: &'static str,
    /// Above the question, if the application's request is wrong.
    pub(super) sign_out_refused: &'static str,
    pub(super) stay_signed_in: &'static str,
    pub(super) account: AccountTexts,

    pub(super) signed_out: &'static str,
    pub(super) signed_out_elsewhere: &'static str,
    /// Above the applications that were used in the session.
    pub(super) used_applications: &'static str,
    pub(super) sign_in_again: &'static str,
    pub(super) close_window: &'static str,

    pub(super) error: &'static str,
    pub(super) start_again: &'static str,
    pub(super) try_later: &'static str,
    pub(super) tell_application: &'static str,
    pub(super) error_code: &'static str,

    pub(super) back_to_application: &'static str,
    /// `{}` is the host of the redirect URI.
    pub(super) not_vouched_for: Phrase,
    pub(super) device_not_vouched_for: &'static str,
    /// `{}` is the host of the redirect URI.
    pub(super) go_to: Phrase,

    /// The link to the provider's support.
    pub(super) help: &'static str,

    pub(super) user_name: LoginTexts,
    pub(super) email_login: LoginTexts,
    pub(super) user_name_or_email: LoginTexts,
    /// The title of a page with an error; `{}` is its title without one.
    pub(super) error_title: Phrase,
    pub(super) one_second: &'static str,
    pub(super) seconds: Phrase,
    pub(super) one_minute: &'static str,
    pub(super) minutes: Phrase,
    pub(super) hours: Phrase,
    pub(super) forgot_password: &'static str,
    pub(super) show_password: &'static str,
    pub(super) hide_password: &'static str,
    pub(super) password_visible: &'static str,

    pub(super) not_found: &'static str,
    pub(super) check_address: &'static str,
    pub(super) not_set_up: &'static str,
    pub(super) try_again: &'static str,
    pub(super) to_home: &'static str,
    /// Above the English description of an error.
    pub(super) for_developer: &'static str,
    pub(super) time: &'static str,
    pub(super) request_id: &'static str,
    pub(super) home_lead: &'static str,
    /// `{}` is the issuer.
    pub(super) home_address: Phrase,
    pub(super) to_account: &'static str,
    pub(super) for_developers: &'static str,

    pub(super) connect_device: &'static str,
    pub(super) type_code: &'static str,
    pub(super) user_code: &'static str,
    pub(super) go_on: &'static str,
    /// Below the form for a code.
    pub(super) only_own_code: &'static str,
    pub(super) not_a_code: &'static str,
    pub(super) wrong_code: &'static str,
    /// `{}` is `account_page`, as a link.
    pub(super) sign_in_first: Phrase,
    /// Above the code of a device.
    pub(super) compare_code: &'static str,
    /// The program that a device names.
    pub(super) program: &'static str,
    pub(super) network: &'static str,
    /// The network of a device is not that of the browser.
    pub(super) other_network: &'static str,
    pub(super) other_country: &'static str,
    /// When a device has sent its request.
    pub(super) requested: &'static str,
    /// `{}` is a time.
    pub(super) ago: Phrase,
    pub(super) other_device_warning: &'static str,
    pub(super) device_allowed: &'static str,
    pub(super) device_goes_on: &'static str,
    pub(super) device_signs_out: &'static str,
    pub(super) device_denied: &'static str,
    pub(super) device_has_no_access: &'static str,
}

/// The words for a login, which depend on the logins of the operator's users.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoginTexts {
    pub(super) label: &'static str,
    /// After a wrong login or password; the text does not disclose which.
    pub(super) wrong: &'static str,
}

/// The languages. The first is the default.
const ALL: [&Texts; 5] = [&en::TEXTS, &de::TEXTS, &es::TEXTS, &fr::TEXTS, &nl::TEXTS];

/// Returns the language tags, for `ui_locales_supported` (OpenID Connect Discovery section 3).
pub fn ui_locales_supported() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|texts| texts.tag)
}

/// A text with one placeholder, `{}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase(&'static str);

impl Phrase {
    pub(super) fn before(self) -> &'static str {
        self.0.split_once("{}").map_or(self.0, |(before, _)| before)
    }

    pub(super) fn after(self) -> &'static str {
        self.0.split_once("{}").map_or("", |(_, after)| after)
    }

    pub(super) fn with(self, thing: &str) -> String {
        [self.before(), thing, self.after()].concat()
    }
}

impl Texts {
    /// Returns the words for a login.
    pub(super) fn of_login(&self, label: LoginLabel) -> LoginTexts {
        match label {
            LoginLabel::Email => self.email_login,
            LoginLabel::UserName => self.user_name,
            LoginLabel::UserNameOrEmail => self.user_name_or_email,
        }
    }

    /// Returns a time in words. Minutes are rounded up.
    pub(super) fn duration(&self, seconds: u32) -> String {
        let minutes = |minutes: u32| match minutes {
            1 => self.one_minute.to_owned(),
            minutes => self.minutes.with(&minutes.to_string()),
        };
        match (seconds, seconds.div_ceil(60)) {
            (1, _) => self.one_second.to_owned(),
            (seconds, _) if seconds < 120 => self.seconds.with(&seconds.to_string()),
            (_, total) if total < 120 => minutes(total),
            (_, total) => {
                let hours = self.hours.with(&(total / 60).to_string());
                if total % 60 == 0 { hours } else { format!("{hours} {}", minutes(total % 60)) }
            }
        }
    }

    /// Chooses the user's language: the first available one of the request's `ui_locales` (OpenID Connect Core section
    /// 3.1.2.1), then of the browser's `Accept-Language`, then English.
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static Self {
        let requested =
            ui_locales.and_then(|tags| tags.split_ascii_whitespace().find_map(Self::find));
        let [default, ..] = ALL;
        requested.or_else(|| Self::accepted(accept_language?)).unwrap_or(default)
    }

    /// Returns the language with the highest weight in an `Accept-Language`, or the first of several (RFC 9110 section
    /// 12.5.4). Ranges that are malformed or have the weight 0 are ignored.
    fn accepted(header: &str) -> Option<&'static Self> {
        let ranges = header.split(',').filter_map(|range| match range.split_once(';') {
            None => Some((Self::find(range.trim())?, 1_000)),
            Some((range, parameter)) => {
                Some((Self::find(range.trim())?, weight(parameter.trim())?))
            }
        });
        let heavier = |best: (_, u16), next: (_, u16)| if next.1 > best.1 { next } else { best };
        ranges.filter(|(_, weight)| *weight > 0).reduce(heavier).map(|(texts, _)| texts)
    }

    /// Finds the language of a range by its primary subtag (RFC 4647 section 3.4). `*` matches no language.
    fn find(range: &str) -> Option<&'static Self> {
        let is_subtag = |subtag: &str| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let primary = range.split('-').next().filter(|_| range.split('-').all(is_subtag))?;
        ALL.into_iter().find(|texts| texts.tag.eq_ignore_ascii_case(primary))
    }
}

/// Parses a weight, in thousandths (RFC 9110 section 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_empty_and_a_phrase_has_one_placeholder() {
        for texts in ALL {
            let written = format!("{texts:?}");
            assert!(!written.contains("\\\""), "a text has a straight quotation mark: {written}");
            let pieces: Vec<_> = written.split('"').collect();
            for pair in pieces.chunks_exact(2) {
                let (before, text) = (pair[0], pair[1]);
                let things = usize::from(before.ends_with("Phrase("));
                assert_eq!(text.matches("{}").count(), things, "{}: {text}", texts.tag);
                assert!(!text.is_empty() && text == text.trim(), "{}: {before}", texts.tag);
            }
        }
    }

    #[test]
    fn the_time_to_wait_is_rounded_up_and_has_a_singular() {
        for (seconds, english, german) in [
            (1, "1 second", "1 Sekunde"),
            (2, "2 seconds", "2 Sekunden"),
            (119, "119 seconds", "119 Sekunden"),
            (120, "2 minutes", "2 Minuten"),
            (121, "3 minutes", "3 Minuten"),
            (7_141, "2 hours", "2 Stunden"),
            (7_201, "2 hours 1 minute", "2 Stunden 1 Minute"),
            (14_400, "4 hours", "4 Stunden"),
        ] {
            assert_eq!(en::TEXTS.duration(seconds), english);
            assert_eq!(de::TEXTS.duration(seconds), german);
        }
    }

    #[test]
    fn languages_differ_in_tag_and_texts() {
        for (index, texts) in ALL.iter().enumerate() {
            assert!(texts.tag.bytes().all(|b| b.is_ascii_lowercase()), "{}", texts.tag);
            for other in ALL.iter().take(index) {
                assert_ne!(texts.sign_in, other.sign_in);
                assert_ne!(texts.tag, other.tag);
            }
        }
    }

    #[test]
    fn the_language_is_the_one_that_the_user_prefers() {
        for (ui_locales, accept_language, tag) in [
            (None, None, "en"),
            (Some(""), Some(""), "en"),
            (Some("de"), Some("fr"), "de"),
            (Some("DE-at fr"), None, "de"),
            (Some("ja zh-Hant fr-CA de"), None, "fr"),
            (Some("ja"), Some("es"), "es"),
            (Some("de_DE"), Some("nl"), "nl"),
            (Some("de- -de *"), Some("nl"), "nl"),
            (None, Some("de"), "de"),
            (None, Some("de-CH, fr;q=0.9, en;q=0.8"), "de"),
            (None, Some("en;q=0.5,FR-fr;q=0.8, de;q=0.7"), "fr"),
            (None, Some("en;q=0.8, nl;q=0.8"), "en"),
            (None, Some("nl;q=0.8, en;q=0.8"), "nl"),
            (None, Some("ja, de ; q=0.001"), "de"),
            (None, Some("ja, de;q=0"), "en"),
            (None, Some("ja, de;q=0.000, fr;Q=0.1"), "fr"),
            (None, Some("de;q=1.000"), "de"),
            (None, Some("de;q=1.001, fr;q=0.1"), "fr"),
            (None, Some("de;q=2, fr;q=0.1"), "fr"),
            (None, Some("de;q=0.0001, fr;q=0.1"), "fr"),
            (None, Some("de;q=-1, fr;q=0.1"), "fr"),
            (None, Some("de;q=.5, fr;q=0.1"), "fr"),
            (None, Some("de;q=, fr;q=0.1"), "fr"),
            (None, Some("de;x=1, fr;q=0.1"), "fr"),
            (None, Some("de;q=1;q=1, fr;q=0.1"), "fr"),
            (None, Some("de fr, es;q=0.1"), "es"),
            (None, Some(",, ,es"), "es"),
            (None, Some("*, de;q=0.5"), "de"),
            (None, Some("deutsch"), "en"),
            (None, Some("toolongsubtag"), "en"),
        ] {
            let chosen = Texts::choose(ui_locales, accept_language);
            assert_eq!(chosen.tag, tag, "{ui_locales:?} {accept_language:?}");
        }
    }
}
