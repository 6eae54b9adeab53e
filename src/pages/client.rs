//! A client, as pages show it.

use crate::pages::Texts;
use crate::pages::destination::Destination;
use crate::protocol::authority::Authority;
use crate::protocol::client::client_id_url::host_of;
use crate::protocol::client::client_name::clean;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::own_host::OwnHost;
use crate::protocol::text_forms::is_web_url;

/// The party that has verified the texts of a client.
#[derive(Clone, Copy, Debug)]
pub enum Verification<'a> {
    /// The operator, who has created the client.
    Operator,
    /// Nobody: the client has registered itself, or is by document. Its links must not lead to `own_host`, because their
    /// text is their host.
    None { own_host: &'a OwnHost },
}

impl<'a> Verification<'a> {
    pub fn new(voucher: Voucher<'_>, own_host: &'a OwnHost) -> Self {
        if voucher == Voucher::Operator { Self::Operator } else { Self::None { own_host } }
    }
}

/// A client, as pages show it. The client chose every value, so only http and https URLs become links.
///
/// If nobody has verified the values, a stranger could imitate the words of the provider. Then titles and the headings of a
/// sign-in have the host instead of the name, which is in quotation marks elsewhere, the text of a link is its host, and
/// the pages on which users sign in have neither links nor a logo.
#[derive(Clone, Debug)]
pub struct Client<'a> {
    /// The name: one line of at most 100 visible characters.
    pub name: String,
    pub is_verified: bool,
    /// The host of its client metadata document, if it is a client by document. The only part of the client that is
    /// proven.
    pub document_host: Option<String>,
    /// The home page.
    pub client_uri: Option<&'a str>,
    /// A copy of the logo, as a `data:` URL.
    pub logo: Option<&'a str>,
    pub policy_uri: Option<&'a str>,
    /// The terms of service.
    pub tos_uri: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// Selects the metadata in the language of a page. The rules for registration may have been others when the client
    /// registered, so the values are checked again.
    pub fn new(
        client_id: &'a str,
        metadata: &'a ClientMetadata,
        verification: Verification<'_>,
        texts: &Texts,
        logo: Option<&'a str>,
    ) -> Self {
        let text = |field, plain: &'a Option<String>| {
            metadata.in_language(field, plain.as_deref(), texts.tag)
        };
        let link = |field, plain| {
            text(field, plain).filter(|url| match verification {
                Verification::Operator => true,
                Verification::None { own_host } => !own_host.has(url),
            })
        };
        let client = Self {
            is_verified: matches!(verification, Verification::Operator),
            client_uri: link("client_uri", &metadata.client_uri),
            logo,
            policy_uri: link("policy_uri", &metadata.policy_uri),
            tos_uri: link("tos_uri", &metadata.tos_uri),
            ..Self::unnamed(client_id)
        };
        let name = text("client_name", &metadata.client_name).map(clean);
        match name.filter(|name| !name.is_empty()) {
            Some(name) if client.is_verified => Self { name, ..client },
            Some(name) => Self { name: without_quotation_marks(&name), ..client },
            None => client,
        }
    }

    /// A client of which only the identifier is known, because it has no name, or because its metadata is damaged.
    pub fn unnamed(client_id: &'a str) -> Self {
        let document_host = host_of(client_id);
        Self {
            name: clean(document_host.as_deref().unwrap_or(client_id)),
            is_verified: false,
            document_host,
            client_uri: None,
            logo: None,
            policy_uri: None,
            tos_uri: None,
        }
    }

    /// Returns the logo on pages on which users sign in.
    pub(super) fn logo_at_sign_in(&self) -> Option<&'a str> {
        self.logo.filter(|_| self.is_verified)
    }

    /// Returns what the titles of pages call the client: its name, if it is verified, and otherwise the host that the user
    /// will go to. A title cannot have elements, so isolates keep the direction of a name from the text around it.
    pub(super) fn title(&self, texts: &Texts, destination: &Destination) -> String {
        match destination {
            _ if self.is_verified && self.name.is_ascii() => self.name.clone(),
            _ if self.is_verified => format!("\u{2068}{}\u{2069}", self.name),
            Destination::Web(host) => host.clone(),
            Destination::OtherDevice => texts.other_device_application.to_owned(),
            Destination::ThisDevice | Destination::Unknown => texts.device_application.to_owned(),
        }
    }

    pub(super) fn home(&self) -> Option<&'a str> {
        web(self.client_uri)
    }

    pub(super) fn policy(&self) -> Option<&'a str> {
        web(self.policy_uri)
    }

    pub(super) fn terms(&self) -> Option<&'a str> {
        web(self.tos_uri)
    }

    pub(super) fn has_links(&self) -> bool {
        self.home().or(self.policy()).or(self.terms()).is_some()
    }

    pub(super) fn has_links_at_sign_in(&self) -> bool {
        self.is_verified && self.has_links()
    }

    /// Returns the text of a link of the client: its host, unless the operator has verified that it leads to `page`.
    pub(super) fn link_text(&self, url: &str, page: &str) -> String {
        if self.is_verified {
            return page.to_owned();
        }
        Authority::of_url(url).map_or_else(|_| url.to_owned(), |url| url.shown_host())
    }
}

/// Returns the URL if it is safe in a link. For example, `javascript:` URLs are not.
fn web(url: Option<&str>) -> Option<&str> {
    url.filter(|url| is_web_url(url))
}

/// Replaces what looks like a quotation mark in a name, because it could end the quotation of the name: a double mark by
/// an apostrophe, and several single ones by the first.
fn without_quotation_marks(name: &str) -> String {
    let mut kept = String::new();
    for c in name.chars().map(|c| if is_double_mark(c) { '\'' } else { c }) {
        if !(is_single_mark(c) && kept.ends_with(is_single_mark)) {
            kept.push(c);
        }
    }
    kept
}

fn is_double_mark(c: char) -> bool {
    matches!(
        c,
        '"' | '«'
            | '»'
            | '\u{2ba}'
            | '\u{2dd}'
            | '\u{2ee}'
            | '\u{2f5}'
            | '\u{2f6}'
            | '\u{5f4}'
            | '\u{201c}'..='\u{201f}'
            | '\u{2033}'
            | '\u{2034}'
            | '\u{2036}'
            | '\u{2037}'
            | '‹'
            | '›'
            | '\u{2057}'
            | '\u{226a}'
            | '\u{226b}'
            | '\u{275b}'..='\u{2760}'
            | '\u{276e}'
            | '\u{276f}'
            | '\u{27ea}'
            | '\u{27eb}'
            | '\u{2e42}'
            | '\u{3003}'
            | '\u{300a}'
            | '\u{300b}'
            | '\u{301d}'..='\u{301f}'
            | '\u{ff02}'
            | '\u{1f676}'..='\u{1f678}'
    )
}

fn is_single_mark(c: char) -> bool {
    matches!(
        c,
        '\'' | '`'
            | '´'
            | ','
            | '\u{2b9}'
            | '\u{2bb}'..='\u{2bd}'
            | '\u{2c8}'
            | '\u{2ca}'
            | '\u{2cb}'
            | '\u{2f4}'
            | '\u{55a}'
            | '\u{5f3}'
            | '\u{7f4}'
            | '\u{7f5}'
            | '\u{2018}'..='\u{201b}'
            | '\u{2032}'
            | '\u{2035}'
            | '\u{a78b}'
            | '\u{a78c}'
            | '\u{ff07}'
            | '\u{ff40}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_quotation() {
        for mark in "\"“”„‟«»‹›❝❞〝〞〟＂ˮʺ˝״″‶〃≪≫《》⟪⟫".chars()
        {
            let name = without_quotation_marks(&format!("A{mark} is verified. {mark}B"));
            assert_eq!(name, "A' is verified. 'B", "{mark}");
        }
        for marks in ["’’", "''", "‘’", "‛’", "ʼʼ", "′′", "``", ",,", "'\"'"] {
            let name = without_quotation_marks(&format!("A{marks} is verified."));
            assert_eq!(name.chars().count(), "A’ is verified.".chars().count(), "{marks}");
        }
        for name in ["O’Reilly’s", "Hawaiʻi", "Rock 'n' Roll", "One, two"] {
            assert_eq!(without_quotation_marks(name), name);
        }
    }

    #[test]
    fn a_title_isolates_a_name_that_could_turn_its_direction() {
        let (texts, destination) =
            (Texts::choose(None, None), Destination::Web("app.example".to_owned()));
        for (name, is_verified, title) in [
            ("App", true, "App"),
            ("תוכנה", true, "\u{2068}תוכנה\u{2069}"),
            ("App", false, "app.example"),
        ] {
            let client = Client { name: name.to_owned(), is_verified, ..Client::unnamed("a") };
            assert_eq!(client.title(texts, &destination), title);
        }
    }
}
