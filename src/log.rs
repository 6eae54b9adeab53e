//! The lines of the log, and the events: decisions worth an alert, each with a stable name and a level.
//!
//! A request has one line. An event has a line of its own beside it. docs/operations.md lists the events with what to do.
#![warn(missing_docs)]

use serde::Serialize;
use std::cell::RefCell;
use std::fmt::Write;

use crate::lifetimes::{EVENT_PAUSE_SECONDS, OVERDUE_PAUSE_SECONDS};

/// The level of a line in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The provider or its platform has a fault, which an operator should read.
    Error,
    /// The line has no fault; its status may be that of an error.
    Information,
    /// A client or its server has a fault, or somebody exceeds a limit. A stranger can cause any number of such lines.
    Warning,
}

/// A decision worth an alert. Its fields are identifiers: no personal data, and no secret.
///
/// A stranger's event is a warning, so that it wakes nobody.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LogEvent {
    /// An address has exceeded the coarse limit of the platform. `action` is what it is for.
    #[expect(missing_docs)]
    AddressLimitReached { action: &'static str },
    /// A request had a wrong `ADMIN_TOKEN`.
    AdminTokenRefused {},
    /// A code was presented with a wrong redirect URI or verifier, so its grant is revoked.
    #[expect(missing_docs)]
    CodeMisused { client_id: String, grant_id: String },
    /// A code was presented again, so its grant is revoked.
    #[expect(missing_docs)]
    CodeReplayed { client_id: String, grant_id: String },
    /// D1 has no space for a row.
    DatabaseFull {},
    /// An isolate fetches no more documents of clients for the moment. `document` is the metadata field of the URL.
    #[expect(missing_docs)]
    FetchBudgetExhausted { document: &'static str },
    /// The first key of an algorithm was generated.
    #[expect(missing_docs)]
    FirstKeyMade { alg: &'static str, kid: String },
    /// A user and a client have so many grants of one day that no other is recorded.
    #[expect(missing_docs)]
    GrantBudgetExhausted { client_id: String },
    /// Stored data is damaged, or the program has an error. The line of the request has the details.
    InternalFault {},
    /// A key signs for longer than its period, because it has no successor.
    #[expect(missing_docs)]
    KeyRotationOverdue { alg: &'static str, kid: String },
    /// The successor of a key was generated.
    #[expect(missing_docs)]
    KeyRotated { alg: &'static str, kid: String },
    /// A client did not accept a logout token. It is tried again, unless it was the last try and the client is a stranger's or
    /// refuses the token.
    #[expect(missing_docs)]
    LogoutTokenNotDelivered { client_id: String, reason: String },
    /// A client of the operator accepted a logout token at no try, and did not refuse it.
    #[expect(missing_docs)]
    LogoutTokenGivenUp { client_id: String, reason: String },
    /// A step of a maintenance run failed.
    #[expect(missing_docs)]
    MaintenanceFailed { step: &'static str },
    /// A maintenance run began `seconds` after the one before.
    #[expect(missing_docs)]
    MaintenanceLate { seconds: i64 },
    /// A variable or secret has a value that the provider cannot use.
    #[expect(missing_docs)]
    Misconfigured { variable: &'static str },
    /// The module panicked. The requests in flight in its isolate failed.
    #[expect(missing_docs)]
    Panicked { location: String },
    /// A part of the platform failed.
    #[expect(missing_docs)]
    PlatformUnavailable { part: &'static str },
    /// A document could not be written to KV.
    #[expect(missing_docs)]
    PublicationFailed { document: String },
    /// A refresh token was used after its successor, or too long after its first use, so its grant is revoked.
    #[expect(missing_docs)]
    RefreshTokenReused { client_id: String, grant_id: String },
    /// An account has so many failed attempts that another one must wait.
    SignInBudgetExhausted {},
    /// All slots are taken that the rows of strangers may have. `rows` is their kind.
    #[expect(missing_docs)]
    SlotsExhausted { rows: &'static str },
    /// A user, a network, or everybody together has typed so many wrong user codes that another one must wait.
    UserCodeBudgetExhausted {},
}

impl LogEvent {
    /// Returns the event's name and level.
    fn name_and_level(&self) -> (&'static str, Level) {
        match self {
            Self::AddressLimitReached { .. } => ("address_limit_reached", Level::Warning),
            Self::AdminTokenRefused {} => ("admin_token_refused", Level::Warning),
            Self::CodeMisused { .. } => ("code_misused", Level::Warning),
            Self::CodeReplayed { .. } => ("code_replayed", Level::Warning),
            Self::DatabaseFull {} => ("database_full", Level::Error),
            Self::FetchBudgetExhausted { .. } => ("fetch_budget_exhausted", Level::Warning),
            Self::FirstKeyMade { .. } => ("first_key_made", Level::Information),
            Self::GrantBudgetExhausted { .. } => ("grant_budget_exhausted", Level::Warning),
            Self::InternalFault {} => ("internal_fault", Level::Error),
            Self::KeyRotationOverdue { .. } => ("key_rotation_overdue", Level::Error),
            Self::KeyRotated { .. } => ("key_rotated", Level::Information),
            Self::LogoutTokenNotDelivered { .. } => ("logout_token_not_delivered", Level::Warning),
            Self::LogoutTokenGivenUp { .. } => ("logout_token_given_up", Level::Error),
            Self::MaintenanceFailed { .. } => ("maintenance_failed", Level::Error),
            Self::MaintenanceLate { .. } => ("maintenance_late", Level::Error),
            Self::Misconfigured { .. } => ("misconfigured", Level::Error),
            Self::Panicked { .. } => ("panicked", Level::Error),
            Self::PlatformUnavailable { .. } => ("platform_unavailable", Level::Error),
            Self::PublicationFailed { .. } => ("publication_failed", Level::Error),
            Self::RefreshTokenReused { .. } => ("refresh_token_reused", Level::Warning),
            Self::SignInBudgetExhausted {} => ("sign_in_budget_exhausted", Level::Warning),
            Self::SlotsExhausted { .. } => ("slots_exhausted", Level::Warning),
            Self::UserCodeBudgetExhausted {} => ("user_code_budget_exhausted", Level::Warning),
        }
    }

    /// Returns for how many seconds an isolate does not write the same event again.
    fn pause(&self) -> i64 {
        match self {
            Self::CodeMisused { .. }
            | Self::CodeReplayed { .. }
            | Self::FirstKeyMade { .. }
            | Self::KeyRotated { .. }
            | Self::MaintenanceFailed { .. }
            | Self::Panicked { .. }
            | Self::RefreshTokenReused { .. } => 0,
            Self::KeyRotationOverdue { .. } => OVERDUE_PAUSE_SECONDS,
            _ => EVENT_PAUSE_SECONDS,
        }
    }

    /// Formats the event's line.
    pub fn line(&self) -> Line {
        #[derive(Serialize)]
        struct Named<'a> {
            event: &'static str,
            level: Level,
            #[serde(flatten)]
            fields: &'a LogEvent,
        }
        let (event, level) = self.name_and_level();
        Line { level, text: log_line(&Named { event, level, fields: self }) }
    }
}

/// A line of the log.
#[derive(Debug)]
pub struct Line {
    /// The level at which it is written.
    pub level: Level,
    /// One JSON object.
    pub text: String,
}

/// How many lines an isolate remembers at most.
const REMEMBERED: usize = 64;

/// The lines of events that an isolate has written a short time ago, each with the time until which it is not written
/// again, in Unix seconds.
#[derive(Default)]
pub struct WrittenEvents(RefCell<Vec<(String, i64)>>);

impl WrittenEvents {
    /// Returns the lines of the events that are not written again too soon.
    pub fn lines(&self, events: Vec<LogEvent>, now: i64) -> Vec<Line> {
        events.into_iter().filter_map(|event| self.line(&event, now)).collect()
    }

    fn line(&self, event: &LogEvent, now: i64) -> Option<Line> {
        let line = event.line();
        let pause = event.pause();
        if pause == 0 {
            return Some(line);
        }
        let mut written = self.0.borrow_mut();
        written.retain(|(_, until)| now < *until);
        if written.iter().any(|(text, _)| *text == line.text) {
            return None;
        }
        if written.len() >= REMEMBERED {
            written.remove(0);
        }
        written.push((line.text.clone(), now + pause));
        Some(line)
    }
}

/// Formats a line of the log: a JSON object in printable ASCII. Every other character is escaped, because anybody can send
/// those that control the terminal in which the log is read, or change the direction of its text.
pub fn log_line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    json.chars().fold(String::with_capacity(json.len()), |mut line, c| {
        if matches!(c, ' '..='~') {
            line.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_name_its_level_and_its_fields() {
        let (client_id, grant_id) = ("app\u{202e}".to_owned(), "g1".to_owned());
        for (event, text) in [
            (
                LogEvent::CodeReplayed { client_id, grant_id },
                r#"{"event":"code_replayed","level":"warning","client_id":"app\u202e","grant_id":"g1"}"#,
            ),
            (LogEvent::DatabaseFull {}, r#"{"event":"database_full","level":"error"}"#),
        ] {
            assert_eq!(event.line().text, text);
        }
    }

    #[test]
    fn an_event_that_strangers_can_repeat_is_written_once_a_minute() {
        let written = WrittenEvents::default();
        let count = |event: LogEvent, now| written.lines(vec![event.clone(), event], now).len();
        let flood = || LogEvent::AddressLimitReached { action: "login" };
        let times = [0, 1, EVENT_PAUSE_SECONDS - 1, EVENT_PAUSE_SECONDS];
        assert_eq!(times.map(|now| count(flood(), now)), [1, 0, 0, 1]);
        assert_eq!(count(LogEvent::AddressLimitReached { action: "store" }, 60), 1);
        let replay = || LogEvent::CodeReplayed { client_id: "a".into(), grant_id: "g".into() };
        assert_eq!(count(replay(), 60), 2, "each of them matters");
    }

    #[test]
    fn an_isolate_remembers_64_lines() {
        let written = WrittenEvents::default();
        for number in 0..1_000 {
            let event = LogEvent::GrantBudgetExhausted { client_id: number.to_string() };
            assert_eq!(written.lines(vec![event], 0).len(), 1);
        }
        assert_eq!(written.0.borrow().len(), REMEMBERED);
    }
}
