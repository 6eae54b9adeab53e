//! The header `Cookie`: `Cookie`, `BrowserCookie`.
//!
//! Input: a choice of the issuer and of a valid cookie; the text before and after that cookie.
#![no_main]

use fuzz::Parts;
use libfuzzer_sys::fuzz_target;
use postern::config::Issuer;
use postern::http::{BodyError, Request};
use postern::interaction::cookies::{BrowserCookie, Cookie};
use postern::secret::is_random_text;

const ID: &str = "0123456789-the-id-of-a-browser-_ABCDEFGHIJK";

struct Sent(String);

impl Request for Sent {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/"
    }

    fn query(&self) -> &str {
        ""
    }

    fn header(&self, name: &str) -> Option<String> {
        (name == "cookie").then(|| self.0.clone())
    }

    fn country(&self) -> Option<String> {
        None
    }

    async fn body(&self, _: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }

    fn age(&self) -> i64 {
        0
    }
}

thread_local! {
    static ISSUERS: [Issuer; 3] = ["https://login.example.com", "https://example.com/a/b", "http://localhost:8787"]
        .map(|url| Issuer::parse(url).expect("an issuer"));
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let (choice, before, after) = (parts.choice(), parts.text(), parts.text());
    ISSUERS.with(|issuers| {
        let issuer = &issuers[usize::from(choice % 3)];
        // The pair of a Set-Cookie comes back.
        let pair = |set: String| set.split(';').next().unwrap_or_default().to_owned();
        let valid = match choice / 3 % 4 {
            0 => String::new(),
            1 => pair(BrowserCookie::set(issuer, ID)),
            2 => pair(Cookie::Session.set(issuer, ID)),
            _ => pair(Cookie::Device.set(issuer, ID)),
        };
        let request = Sent(format!("{before};{valid};{after}"));
        let pairs: Vec<_> =
            request.0.split(';').map(|pair| pair.trim_matches([' ', '\t'])).collect();
        for cookie in [Cookie::Session, Cookie::Device] {
            let name = cookie.name(issuer);
            let named = |pair: &&str| pair.split_once('=').is_some_and(|(known, _)| known == name);
            let own: Vec<_> = pairs.iter().copied().filter(named).collect();
            let value = cookie.value_in(issuer, &request);
            match own.as_slice() {
                [only] => {
                    assert_eq!(Some(*only), value.map(|value| format!("{name}={value}")).as_deref())
                }
                _ => assert!(value.is_none()),
            }
            assert_eq!(pair(cookie.set(issuer, ID)), format!("{name}={ID}"));
        }
        let ids = BrowserCookie::ids_in(issuer, &request);
        for (index, id) in ids.iter().enumerate() {
            // Each is a whole cookie that the provider may have set, and none is there twice.
            assert!(is_random_text(id) && id.starts_with(BrowserCookie::mark(id)));
            let own = pair(BrowserCookie::set(issuer, id));
            assert_eq!(pairs.iter().filter(|pair| **pair == own).count(), 1);
            assert!(!ids[..index].contains(id));
        }
        let has_rival = |text: &str| text.contains("postern-browser");
        if choice / 3 % 4 == 1 && !has_rival(&before) && !has_rival(&after) {
            assert_eq!(ids, [ID]);
        }
        // A request without cookies has none of the three.
        assert!(Cookie::Session.clear(issuer).contains("=; "));
    });
});
