//! The browser and the operating system that the header `User-Agent` names (RFC 9110 section 10.1.5). Both are of fixed
//! lists: the header itself is long, may identify a user, and can contain anything.

/// The browser and the system of a `User-Agent`, each if it is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UserAgent {
    pub browser: Option<&'static str>,
    pub system: Option<&'static str>,
}

/// The products that name a browser, in the order in which they count: nearly every browser also names those below it,
/// because sites of old serve others worse. A browser that hides what it is counts as the one that it names.
const BROWSERS: [(&str, &str); 16] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    // Applications on iOS have no version of Safari.
    ("Version/", "Safari"),
    ("Mobile/", "Safari"),
];

/// The words that name a system, the special ones first: Android also names Linux, and an iPhone also names Mac OS. An iPad
/// usually sends the words of a Mac.
const SYSTEMS: [(&str, &str); 23] = [
    ("AppleTV", "Apple TV"),
    ("tvOS", "Apple TV"),
    ("Tizen", "Tizen"),
    ("Web0S", "webOS"),
    ("webOS", "webOS"),
    ("Roku", "Roku"),
    ("BRAVIA", "Android TV"),
    ("Android TV", "Android TV"),
    ("CrKey", "Chromecast"),
    ("PlayStation", "PlayStation"),
    ("Xbox", "Xbox"),
    ("Nintendo", "Nintendo"),
    ("CrOS", "ChromeOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS", "macOS"),
    ("macOS", "macOS"),
    ("Linux", "Linux"),
    ("linux", "Linux"),
    ("X11", "Linux"),
];

/// Returns the name of the system, if the header names one that is known.
pub fn system_of(header: &str) -> Option<&'static str> {
    SYSTEMS.iter().find(|(word, _)| header.contains(word)).map(|(_, name)| *name)
}

impl UserAgent {
    /// Reads a header. One that is not of a browser has neither.
    pub fn parse(header: &str) -> Self {
        if !header.starts_with("Mozilla/5.0 (") {
            return Self::default();
        }
        let browser = BROWSERS.iter().find(|(word, _)| header.contains(word));
        let browser = browser
            .map(|(_, name)| *name)
            .filter(|browser| *browser != "Safari" || header.contains(" Safari/"));
        Self { browser, system: system_of(header) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_browser_and_its_system() {
        const LIKE_CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0";
        const LIKE_SAFARI: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for (header, browser, system) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox",
                "Linux",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0",
                "Firefox",
                "Android",
            ),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {LIKE_CHROME} Safari/537.36"),
                "Chrome",
                "Windows",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {LIKE_CHROME} Safari/537.36 Edg/141.0.0.0"
                ),
                "Edge",
                "Windows",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Linux; Android 10; K) {LIKE_CHROME} Mobile Safari/537.36 EdgA/141.0.0.0"
                ),
                "Edge",
                "Android",
            ),
            (
                &format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {LIKE_CHROME} Safari/537.36"),
                "Chrome",
                "ChromeOS",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {LIKE_CHROME} Safari/537.36 OPR/122.0.0.0"
                ),
                "Opera",
                "macOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {LIKE_SAFARI} Version/26.0 Safari/605.1.15"
                ),
                "Safari",
                "macOS",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {LIKE_SAFARI} Version/26.0 Mobile/15E148 Safari/604.1"
                ),
                "Safari",
                "iPhone",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {LIKE_SAFARI} CriOS/141.0.0.0 Mobile/15E148 Safari/604.1"
                ),
                "Chrome",
                "iPhone",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {LIKE_SAFARI} FxiOS/144.0 Mobile/15E148 Safari/605.1.15"
                ),
                "Firefox",
                "iPad",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
                "Chrome",
                "Linux",
            ),
        ] {
            let expected = UserAgent { browser: Some(browser), system: Some(system) };
            assert_eq!(UserAgent::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let unknown = |header: &str| UserAgent::parse(header);
        for header in [
            "",
            "curl/8.14.1",
            "Firefox/144.0 (Linux)",
            "Mozilla/5.0",
            "\u{0}\u{202e}Mozilla/5.0 (Windows",
        ] {
            assert_eq!(unknown(header), UserAgent::default(), "{header:?}");
        }
        let system = |system| UserAgent { browser: None, system };
        assert_eq!(
            unknown("Mozilla/5.0 (PlayStation; PlayStation 5/6.50)"),
            system(Some("PlayStation"))
        );
        assert_eq!(unknown("Mozilla/5.0 (X11; Linux x86_64) Ladybird/1.0"), system(Some("Linux")));
        let web_view = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148";
        assert_eq!(unknown(web_view), system(Some("iPhone")));
        assert_eq!(unknown(&format!("Mozilla/5.0 ({}", "x".repeat(100_000))), system(None));
    }
}
