//! Client identifiers that are URLs of client metadata documents (draft-ietf-oauth-client-id-metadata-document-01,
//! "Client Identifier"), and the operator's policy on them.

use std::fmt;

use crate::protocol::authority::Authority;
use crate::protocol::client::outbound_url::{OutboundRules, OutboundUrl, OutboundUrlError};

/// The maximum length of such an identifier, in bytes. It is part of every grant and consent, and of the forms of the
/// account page.
pub const LIMIT: usize = 512;

/// The clients by document that the operator admits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum DocumentPolicy {
    /// None: such an identifier is unknown.
    #[default]
    Closed,
    /// Clients whose document is on one of these hosts, in lower case.
    Hosts(Vec<String>),
    /// All.
    Open,
}

/// The error for a text that is no [`DocumentPolicy`].
#[derive(Debug, Eq, PartialEq)]
pub struct NoPolicy {
    /// The word that is no host.
    word: String,
}

impl fmt::Display for NoPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "must be closed, open, or host names separated by commas or spaces; {:?} is none of these",
            self.word
        )
    }
}

impl DocumentPolicy {
    /// Parses `closed`, `open`, or a list of hosts without ports. A host admits every port.
    pub fn parse(text: &str) -> Result<Self, NoPolicy> {
        match text {
            "closed" => return Ok(Self::Closed),
            "open" => return Ok(Self::Open),
            _ => {}
        }
        let words = text.split([',', ' ', '\n', '\t']).filter(|word| !word.is_empty());
        let hosts: Vec<_> = words.map(host).collect::<Result<_, _>>()?;
        // A text of separators only.
        if hosts.is_empty() {
            return Err(NoPolicy { word: text.to_owned() });
        }
        Ok(Self::Hosts(hosts))
    }

    fn admits(&self, host: &str) -> bool {
        match self {
            Self::Closed => false,
            Self::Hosts(hosts) => hosts.iter().any(|admitted| admitted == host),
            Self::Open => true,
        }
    }
}

/// Returns the host in lower case, if documents may be on it.
fn host(word: &str) -> Result<String, NoPolicy> {
    let host = OutboundUrl::of_any_host(&format!("https://{word}/"), true).ok();
    let is_alone = |host: &OutboundUrl| host.host().eq_ignore_ascii_case(word);
    host.filter(is_alone)
        .map(|host| host.host().to_owned())
        .ok_or_else(|| NoPolicy { word: word.to_owned() })
}

/// The rules for client identifiers that are URLs.
#[derive(Clone, Copy, Debug)]
pub struct ClientIdRules<'a> {
    pub policy: &'a DocumentPolicy,
    pub outbound: OutboundRules<'a>,
}

/// A client identifier that is the URL of a client metadata document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientIdUrl(OutboundUrl);

/// An error in a client identifier that is a URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientIdUrlError {
    /// The path has a segment `.` or `..`, which a URL parser would resolve.
    DotSegment,
    Fragment,
    /// The operator does not admit documents on this host.
    NotAdmitted,
    Path,
    TooLong,
    /// The URL may not be fetched.
    Url(OutboundUrlError),
}

impl ClientIdUrlError {
    /// Returns the requirement for the URL, worded to follow the name of the parameter.
    pub fn description(self) -> &'static str {
        match self {
            Self::DotSegment => "must not have the path segments . and ..",
            Self::Fragment => "must not have a fragment",
            Self::NotAdmitted => {
                "this provider does not accept client metadata documents of this host"
            }
            Self::Path => "must have a path, such as /client.json",
            Self::TooLong => "must be at most 512 bytes",
            Self::Url(error) => error.description(),
        }
    }
}

/// Returns whether a client identifier is a URL. No identifier that the provider or the operator chooses has a colon.
pub fn is_url(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

impl ClientIdUrl {
    /// Parses a client identifier. It is not normalized, because it is compared byte for byte.
    ///
    /// # Errors
    /// The first of the rules of section 3 that it breaks, in order.
    pub fn parse(client_id: &str, rules: ClientIdRules<'_>) -> Result<Self, ClientIdUrlError> {
        // 1. An https URL with a public host, without a user.
        if client_id.len() > LIMIT {
            return Err(ClientIdUrlError::TooLong);
        }
        let url = OutboundUrl::parse(client_id, rules.outbound);
        let url = url.map_err(ClientIdUrlError::Url)?;

        // 2. No fragment.
        if client_id.contains('#') {
            return Err(ClientIdUrlError::Fragment);
        }

        // 3. A path. "/" is none, because a URL without a path means the same.
        let path = path_of(client_id);
        if path.len() < 2 {
            return Err(ClientIdUrlError::Path);
        }

        // 4. No dot segments, encoded or not (URL Standard, "single-dot URL path segment").
        if path.split('/').any(is_dot_segment) {
            return Err(ClientIdUrlError::DotSegment);
        }

        // 5. A host that the operator admits.
        if !rules.policy.admits(url.host()) {
            return Err(ClientIdUrlError::NotAdmitted);
        }
        Ok(Self(url))
    }

    /// Returns the URL, which is the client identifier.
    pub fn url(&self) -> &OutboundUrl {
        &self.0
    }

    /// Returns the client identifier.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Returns the host of a client identifier that is a URL, for the pages.
pub fn host_of(client_id: &str) -> Option<String> {
    if !is_url(client_id) {
        return None;
    }
    Authority::of_url(client_id).ok().map(|authority| authority.shown_host())
}

/// Returns the path of a URL with an authority: empty, or from its slash to the query.
pub fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("//").map_or("", |(_, rest)| rest);
    let hierarchy = after_scheme.split_once('?').map_or(after_scheme, |(before, _)| before);
    hierarchy.find('/').and_then(|slash| hierarchy.get(slash..)).unwrap_or_default()
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::protocol::own_host::OwnHost;

    fn parse_by(
        policy: &DocumentPolicy,
        allows_loopback: bool,
        client_id: &str,
    ) -> Result<ClientIdUrl, ClientIdUrlError> {
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        let outbound = OutboundRules { allows_loopback, own_host };
        ClientIdUrl::parse(client_id, ClientIdRules { policy, outbound })
    }

    fn parse(client_id: &str) -> Result<ClientIdUrl, ClientIdUrlError> {
        parse_by(&DocumentPolicy::Open, false, client_id)
    }

    #[test]
    fn a_client_id_is_an_https_url_with_a_path() {
        for client_id in [
            "https://app.example/client.json",
            "https://app.example/a",
            "https://app.example:8443/oauth/client-metadata.json",
            "https://app.example/a/?version=2",
            "https://App.Example//a",
            "https://app.example/.well-known/client",
            "https://app.example/...",
            "https://app.example/a%2Fb",
            "https://app.example/a?x=/../",
        ] {
            assert_eq!(parse(client_id).unwrap().as_str(), client_id);
        }
    }

    #[test]
    fn a_url_that_could_be_read_differently_is_refused() {
        use ClientIdUrlError as E;
        let too_long = format!("https://app.example/{}", "a".repeat(493));
        for (error, client_id) in [
            (E::Path, "https://app.example"),
            (E::Path, "https://app.example/"),
            (E::Path, "https://app.example/?client=1"),
            (E::Path, "https://app.example?client=/a"),
            (E::Fragment, "https://app.example/a#b"),
            (E::Fragment, "https://app.example/a#"),
            (E::DotSegment, "https://app.example/a/../b"),
            (E::DotSegment, "https://app.example/."),
            (E::DotSegment, "https://app.example/a/%2e%2E"),
            (E::DotSegment, "https://app.example/a/.%2e/b"),
            (E::DotSegment, "https://app.example/%2E/b"),
            (E::Url(OutboundUrlError::UserInfo), "https://user@app.example/a"),
            (E::Url(OutboundUrlError::UserInfo), "https://user:secret@app.example/a"),
            (E::Url(OutboundUrlError::Address), "https://192.0.2.1/a"),
            (E::Url(OutboundUrlError::Address), "https://[2001:db8::1]/a"),
            (E::Url(OutboundUrlError::Address), "https://0x7f.1/a"),
            (E::Url(OutboundUrlError::NotPublic), "https://localhost/a"),
            (E::Url(OutboundUrlError::OwnHost), "https://login.example.com/a"),
            (E::Url(OutboundUrlError::NotPublic), "https://router.lan/a"),
            (E::Url(OutboundUrlError::NotHttps), "http://app.example/a"),
            (E::Url(OutboundUrlError::NotHttps), "http://localhost:8788/a"),
            (E::Url(OutboundUrlError::NotAscii), "https://app.example/a b"),
            (E::Url(OutboundUrlError::NotAscii), "https://app.example\\@evil.example/a"),
            (E::Url(OutboundUrlError::Port), "https://app.example:0/a"),
            (E::TooLong, &too_long),
        ] {
            assert_eq!(parse(client_id), Err(error), "{client_id}");
        }
        let longest = too_long.get(..LIMIT).unwrap();
        assert!(parse(longest).is_ok());
    }

    #[test]
    fn only_a_client_id_that_is_a_url_has_a_host() {
        for (client_id, host) in [
            ("https://App.Example:8443/a", Some("app.example")),
            ("http://[::1]/a", Some("[::1]")),
            ("app", None),
            ("com.example.app://app.example/a", None),
        ] {
            assert_eq!(host_of(client_id).as_deref(), host, "{client_id}");
        }
    }

    #[test]
    fn loopback_is_admitted_in_development_only() {
        for client_id in [
            "http://localhost:8788/a",
            "http://127.0.0.1/a",
            "https://localhost/a",
            "http://[::1]/a",
        ] {
            assert!(parse_by(&DocumentPolicy::Open, true, client_id).is_ok(), "{client_id}");
            assert!(parse(client_id).is_err(), "{client_id}");
        }
    }

    #[test]
    fn the_policy_admits_exact_hosts() {
        let parse = |text| DocumentPolicy::parse(text).unwrap();
        assert_eq!(parse("closed"), DocumentPolicy::Closed);
        assert_eq!(parse("open"), DocumentPolicy::Open);
        for text in ["vscode.dev,Claude.ai", "vscode.dev claude.ai", " vscode.dev ,\n claude.ai,"] {
            assert_eq!(
                parse(text),
                DocumentPolicy::Hosts(vec!["vscode.dev".into(), "claude.ai".into()])
            );
        }
        let policy = parse("vscode.dev, localhost");
        for (client_id, is_admitted) in [
            ("https://vscode.dev/a", true),
            ("https://VSCODE.dev:8443/a", true),
            ("http://localhost:8788/a", true),
            ("https://insiders.vscode.dev/a", false),
            ("https://vscode.dev.evil.example/a", false),
            ("https://evil.example/vscode.dev", false),
            ("http://127.0.0.1/a", false),
        ] {
            let error = parse_by(&policy, true, client_id).err();
            let expected = (!is_admitted).then_some(ClientIdUrlError::NotAdmitted);
            assert_eq!(error, expected, "{client_id}");
        }
        for text in [
            "Closed",
            "OPEN",
            "true",
            ",",
            "*.example.com",
            "https://vscode.dev",
            "vscode.dev:443",
            "vscode.dev/a",
            "open vscode.dev",
            "user@vscode.dev",
            "192.0.2.1",
            "vscode.dev#",
        ] {
            assert!(DocumentPolicy::parse(text).is_err(), "{text}");
        }
        let error = DocumentPolicy::parse("vscode.dev, *.example").unwrap_err().to_string();
        assert!(error.ends_with("\"*.example\" is none of these"), "{error}");
    }
}
