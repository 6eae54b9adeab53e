//! Forms of texts that users are shown or that lead somewhere, the same in claims and in client metadata.

/// The longest text, in bytes.
const LIMIT: usize = 2_048;

/// What [`is_email`] requires, for whoever wrote the text.
pub const EMAIL: &str = "must be an e-mail address";
/// What [`is_line`] requires.
pub const LINE: &str = "must be a string of one line, not blank, not \"null\", at most 2048 bytes";
/// What [`is_web_url`] requires.
pub const WEB_URL: &str = "must be an absolute http or https URL";

/// Whether a text says something: it is not blank, not `null`, at most 2048 bytes. Relying parties take a blank or a
/// "null" for a claim that should have been left out.
pub fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text != "null" && text.len() <= LIMIT
}

/// Whether a text is fit to be shown: one line, not blank, not `null`, at most 2048 bytes.
pub fn is_line(text: &str) -> bool {
    is_text(text) && !has_control(text)
}

/// Whether a text has a control character, such as a line break.
pub fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// RFC 5322's addr-spec without its quoted and bracketed forms, which no relying party expects.
pub fn is_email(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || !c.is_ascii())
    };
    is_line(text)
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.split('.').all(is_atom) && domain.split('.').all(is_label)
        })
}

/// Whether a text has the form of a BCP 47 language tag.
pub fn is_language_tag(text: &str) -> bool {
    text.len() <= 35
        && text.split('-').all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether a text is an absolute http or https URL of plain characters, at most 2048 bytes.
pub fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && text.len() <= LIMIT
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}
