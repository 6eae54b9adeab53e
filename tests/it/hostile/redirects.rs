//! No open redirect: every response leads to the provider itself, or to a registered URI with the parameters
//! of an authorization response.

use super::draws::Draws;
use super::redirect_tricks::{DESK_TRICKS, LOOPBACK, TRICKS};
use super::row::{COOKIE, MALLORY, PLAIN, QUERIED, provider_with, seed, strangers};
use crate::browser::{CHALLENGE, decode, destination, encode, form, offer};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};

/// The redirect URIs of the clients in `row::seed`, repeated here so that the check is independent.
const REGISTERED: [(&str, &[&str]); 6] = [
    ("mallory", &MALLORY),
    ("app", &[PLAIN, QUERIED, "https://app.example/a%2Fb/"]),
    ("other", &["https://other.example/cb"]),
    ("own", &["https://own.example/cb"]),
    ("spa", &["https://spa.example/"]),
    ("desk", &["com.example.desk:/cb", "https://desk.example/cb"]),
];
/// The loopback URIs of the app and of the native client, split at the port.
const PORTED: [(&str, &str); 4] = [
    ("http://localhost", "/cb"),
    ("http://127.0.0.1", "/cb"),
    ("http://[::1]", "/cb?x=1"),
    ("http://localhost", "/"),
];

/// The target of a response's redirect or form.
#[derive(Debug, Eq, PartialEq)]
enum Destination {
    None,
    /// A page or an endpoint of the provider.
    Provider,
    /// A registered redirect URI.
    Client,
    /// That of a client that nobody vouches for.
    Stranger,
    /// The same, but only once the user clicks.
    Offered,
}

/// Whether this URI is registered, computed without the provider's code.
fn is_registered(uri: &str) -> bool {
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':').unwrap_or_default();
        port.is_empty()
            || digits.bytes().all(|b| b.is_ascii_digit())
                && digits.parse::<u32>().is_ok_and(|port| (1..=65_535).contains(&port))
    };
    REGISTERED.iter().any(|(_, uris)| uris.contains(&uri))
        || PORTED.iter().chain(&[("http://127.0.0.1", "/mallory")]).any(|(host, path)| {
            uri.strip_prefix(host).and_then(|rest| rest.strip_suffix(path)).is_some_and(is_port)
        })
}

/// Checks that these are the parameters of an authorization response, and that the state was sent.
fn check_parameters(names_and_values: Vec<(String, String)>, sent: &str) {
    let names: Vec<_> = names_and_values.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        matches!(
            names.as_slice(),
            ["code", "iss"]
                | ["code", "state", "iss"]
                | ["error", "error_description", "iss"]
                | ["error", "error_description", "state", "iss"]
        ),
        "{names:?}"
    );
    for (name, value) in &names_and_values {
        match name.as_str() {
            "iss" => assert_eq!(value, ISSUER),
            "state" => {
                let pairs = form_urlencoded::parse(sent.as_bytes());
                assert!(pairs.into_iter().any(|(name, sent)| name == "state" && sent == *value));
            }
            _ => {}
        }
    }
}

/// Checks the redirect or the form of a response to the request `sent`.
fn check_destination(response: &TestResponse, sent: &str) -> Destination {
    assert_ne!(response.status / 100, 5, "{}", response.body);
    assert!(!response.body.contains("http-equiv") && !response.body.contains("formaction"));
    let is_at_provider = |url: &str| {
        let rest = url.strip_prefix(&format!("{ISSUER}/auth/"));
        let path = rest.and_then(|rest| rest.split('?').next()).unwrap_or_default();
        !path.is_empty()
            && path.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            && url.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
    };
    for (name, value) in &response.headers {
        assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{name}: {value:?}");
    }
    let leaves = response.header("refresh").is_some();
    if leaves || response.header("location").is_some() {
        let location = destination(response);
        assert!(leaves || response.body.is_empty());
        if is_at_provider(location) {
            return Destination::Provider;
        }
        return check_url(location, sent);
    }
    if response.body.contains("data-to=\"client\"") {
        let offer = offer(response);
        match offer.fields {
            Some(fields) => {
                assert!(is_registered(&offer.target), "{}", offer.target);
                assert_eq!(client_at(&offer.target), Destination::Stranger);
                check_parameters(fields, sent);
            }
            None => assert_eq!(check_url(&offer.target, sent), Destination::Stranger),
        }
        return Destination::Offered;
    }
    if !response.body.contains("<form") {
        return Destination::None;
    }
    let form = form(response);
    if is_at_provider(&form.action) {
        return Destination::Provider;
    }
    assert!(is_registered(&form.action), "{}", form.action);
    check_parameters(form.fields, sent);
    client_at(&form.action)
}

fn client_at(uri: &str) -> Destination {
    if MALLORY.contains(&uri) || uri.ends_with("/mallory") {
        Destination::Stranger
    } else {
        Destination::Client
    }
}

/// Checks the URL of an authorization response.
fn check_url(location: &str, sent: &str) -> Destination {
    // The response parameters begin at the first separator before `code` or `error`.
    let begin = ["?code=", "&code=", "#code=", "?error=", "&error=", "#error="]
        .iter()
        .filter_map(|begin| location.find(begin))
        .min()
        .unwrap_or_else(|| panic!("{location}"));
    let (uri, query) = location.split_at(begin);
    assert!(is_registered(uri), "{location}");
    let separator = if uri.contains('?') { '&' } else { '?' };
    assert!(query.starts_with([separator, '#']), "{location}");
    // The browser adds the fragment of the request to an error that has none.
    let is_error = query[1..].starts_with("error=");
    assert_eq!(query.ends_with("#_"), is_error && !query.starts_with('#'), "{location}");
    let query = query[1..].trim_end_matches("#_");
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(decode(query).len(), query.matches('=').count(), "{location}");
    check_parameters(pairs, sent);
    client_at(uri)
}

/// Counts the destinations, so that a test without successful responses fails.
#[derive(Debug, Default)]
struct Counts {
    none: usize,
    provider: usize,
    client: usize,
    stranger: usize,
    offered: usize,
}

impl Counts {
    fn count(&mut self, destination: Destination) {
        match destination {
            Destination::None => self.none += 1,
            Destination::Provider => self.provider += 1,
            Destination::Client => self.client += 1,
            Destination::Stranger => self.stranger += 1,
            Destination::Offered => self.offered += 1,
        }
    }

    fn send(&mut self, provider: &TestProvider, request: TestRequest, sent: &str) -> TestResponse {
        let response = provider.send(request.with("cookie", COOKIE));
        self.count(check_destination(&response, sent));
        response
    }
}

const PIECES: [&str; 48] = [
    "a",
    "Z",
    "0",
    "/",
    "//",
    "\\",
    ".",
    "..",
    "/../",
    "/./",
    "?",
    "#",
    "&",
    "=",
    ":",
    ":443",
    ":80",
    ":1",
    ":65536",
    "@",
    "@evil.example",
    "evil.example",
    ".evil.example",
    "%",
    "%2F",
    "%5C",
    "%00",
    "%0d%0a",
    "%zz",
    "+",
    " ",
    "\t",
    "\r\n",
    "\0",
    ";",
    ",",
    "*",
    "[::1]",
    "|",
    "'",
    "\"",
    "<",
    "é",
    "。",
    "\u{202e}",
    "javascript:",
    "http://",
    "https://evil.example/",
];

/// A redirect URI of a client, or one that resembles it; sometimes mutated.
fn draw_uri(draws: &mut Draws) -> String {
    let all: Vec<&str> = REGISTERED.iter().flat_map(|(_, uris)| uris.iter().copied()).collect();
    let uri = match draws.below(4) {
        0 => draws.one_of(&TRICKS),
        1 => draws.one_of(&DESK_TRICKS),
        2 => draws.one_of(&LOOPBACK),
        _ => draws.one_of(&all),
    };
    if draws.below(3) == 0 { uri.to_owned() } else { draws.mutilate(uri, 3, &PIECES) }
}

/// A valid request with a changed redirect URI, additional parameters, and sometimes mutations of the whole
/// query.
fn draw_query(draws: &mut Draws) -> String {
    let (client_id, uris) = REGISTERED[draws.below(REGISTERED.len())];
    let uri = match draws.below(3) {
        0 => draws.one_of(uris).to_owned(),
        _ => draw_uri(draws),
    };
    let mut parameters = vec![
        ("client_id", client_id.to_owned()),
        ("redirect_uri", uri),
        ("response_type", "code".to_owned()),
        ("scope", "openid".to_owned()),
        ("state", draws.mutilate("the state", 4, &PIECES)),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
    ];
    for _ in 0..draws.below(4) {
        let (name, values): (_, &[&str]) = match draws.below(7) {
            0 => ("response_mode", &["form_post", "query", "fragment"]),
            1 => ("prompt", &["none", "login", "consent", "select_account", "x"]),
            2 => ("redirect_uri", &["https://evil.example/", PLAIN, ""]),
            3 => ("response_type", &["token", "id_token", ""]),
            4 => ("state", &["", "x", "&code=x", "\r\nLocation: https://evil.example"]),
            5 => ("client_id", &["app", "nobody", ""]),
            _ => ("login_hint", &["\"><form action=https://evil.example>", "alice"]),
        };
        let at = draws.below(parameters.len() + 1);
        parameters.insert(at, (name, draws.one_of(values).to_owned()));
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    if draws.below(4) == 0 { draws.mutilate(&query, 4, &PIECES) } else { query }
}

#[test]
fn an_authorization_request_leads_to_the_provider_or_a_registered_uri() {
    let provider = provider_with(&[seed(), strangers()].concat());
    let (mut draws, mut seen) = (Draws::new(), Counts::default());
    for _ in 0..4_000 {
        let query = draw_query(&mut draws);
        if draws.below(3) > 0 {
            // The platform passes URLs without characters that a URL cannot have.
            let query = query.replace(|c: char| !c.is_ascii_graphic() || c == '#', "");
            seen.send(&provider, get(&format!("/auth/authorize?{query}")), &query);
        } else {
            let response = seen.send(&provider, post("/auth/authorize").form(&query), &query);
            if let Some(own) = response.header("location").and_then(|url| url.strip_prefix(ISSUER))
            {
                seen.send(&provider, get(own), &query);
            }
        }
    }
    assert!(seen.none > 1_000 && seen.provider > 300 && seen.client > 500, "{seen:?}");
    assert!(seen.offered > 50 && seen.stranger == 0, "{seen:?}");
}

#[test]
fn only_the_port_of_a_loopback_uri_may_differ() {
    let provider = provider_with(&[seed(), strangers()].concat());
    let (mut draws, mut seen) = (Draws::new(), Counts::default());
    for _ in 0..2_400 {
        let (host, path) = PORTED[draws.below(PORTED.len())];
        let port = match draws.below(3) {
            0 => format!(":{}", draws.below(70_000)),
            1 => draws.mutilate(":51004", 2, &PIECES),
            _ => String::new(),
        };
        let uri = format!("{host}{port}{path}");
        let uri = if draws.below(2) == 0 { draws.mutilate(&uri, 2, &PIECES) } else { uri };
        let query = encode(&[
            ("client_id", draws.one_of(&["desk", "desk", "desk", "app"])),
            ("redirect_uri", &uri),
            ("response_type", "code"),
            ("scope", "openid"),
            ("prompt", "none"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        seen.send(&provider, get(&format!("/auth/authorize?{query}")), &query);
    }
    assert!(seen.none > 500 && seen.client > 500 && seen.provider == 0, "{seen:?}");
}

#[test]
fn a_forged_form_leads_to_the_provider_or_a_registered_uri() {
    let provider = provider_with(&[seed(), strangers()].concat());
    let mut draws = Draws::new();
    let (mut shown_before, mut answered) = (Counts::default(), Counts::default());
    let hostile = [
        "https://evil.example/",
        "//evil.example/",
        "@evil.example/",
        ".evil.example/",
        "\r\nLocation: https://evil.example/",
        "\nSet-Cookie: a=b",
        "#@evil.example",
        "/../../evil",
        "handle=x",
        "",
    ];
    for _ in 0..2_000 {
        let request = match draws.below(3) {
            0 => draws.one_of(&hostile).to_owned(),
            1 => draw_query(&mut draws),
            _ => {
                // A request that shows a form, so that its token can be used.
                let (client_id, uris) = REGISTERED[draws.below(REGISTERED.len() - 1)];
                encode(&[
                    ("client_id", client_id),
                    ("redirect_uri", draws.one_of(uris)),
                    ("response_type", "code"),
                    ("scope", "openid"),
                    ("state", &draws.mutilate("the state", 4, &PIECES)),
                    ("prompt", draws.one_of(&["consent", "select_account"])),
                    ("code_challenge", CHALLENGE),
                    ("code_challenge_method", "S256"),
                ])
            }
        };
        let shown = request.replace(|c: char| !c.is_ascii_graphic() || c == '#', "");
        let page = shown_before.send(&provider, get(&format!("/auth/authorize?{shown}")), &shown);
        let mut cookies = COOKIE.to_owned();
        for cookie in page.cookies() {
            cookies = format!("{cookies}; {}", cookie.split(';').next().unwrap());
        }
        let field = |name: &str| {
            let (_, rest) = page.body.split_once(&format!("name=\"{name}\" value=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let access = field("shown").unwrap_or_default();
        let token = field("token").filter(|_| draws.below(4) > 0).unwrap_or_default();
        let carried = if draws.below(3) == 0 {
            draws.mutilate(&format!("{request}x"), 3, &PIECES)
        } else {
            shown
        };
        let path = match page.body.split_once("action=\"https://login.example.com/auth/") {
            Some((_, rest)) if draws.below(2) == 0 => rest.split('"').next().unwrap(),
            _ => draws.one_of(&["login", "select-account", "consent", "account", "signout"]),
        };
        let body = encode(&[
            ("request", &carried),
            ("shown", &access),
            ("token", &token),
            ("decision", draws.one_of(&["allow", "deny", "switch", "continue", "x", ""])),
            ("client_id", draws.one_of(&["app", "https://evil.example/"])),
            ("login", "\"><a href=https://evil.example>"),
            ("redirect_uri", "https://evil.example/"),
            ("return_to", "https://evil.example/"),
        ]);
        let target =
            format!("/auth/{path}?{}", draws.one_of(&["", "request=x&next=//evil.example"]));
        let response = provider.send(post(&target).form(&body).with("cookie", &cookies));
        answered.count(check_destination(&response, &carried));
    }
    assert!(
        answered.none > 500 && answered.provider > 500 && answered.client > 100,
        "{answered:?}"
    );
    // The user has allowed or denied a request.
    assert!(answered.stranger > 10 && answered.offered > 5, "{answered:?}");
}
