//! The header `Authorization`: bearer tokens, and the authentication of clients.
//!
//! Input: the header; the query; a form body.
#![no_main]

use base64ct::{Base64, Encoding};
use fuzz::{Parts, is_description};
use libfuzzer_sys::fuzz_target;
use postern::endpoint::support::bearer::{TOKEN_LIMIT, bearer_token};
use postern::http::{BodyError, Request};
use postern::protocol::client::authentication::{Credentials, PARAMETERS};
use postern::protocol::params::{FORM, Params};
use postern::protocol::token::bearer::{BearerError, header_token, is_b64token};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

struct Sent<'a> {
    authorization: Option<&'a str>,
    query: &'a str,
    body: &'a [u8],
}

impl Request for Sent<'_> {
    fn method(&self) -> &str {
        "POST"
    }

    fn path(&self) -> &str {
        "/auth/userinfo"
    }

    fn query(&self) -> &str {
        self.query
    }

    fn header(&self, name: &str) -> Option<String> {
        match name {
            "authorization" => self.authorization.map(str::to_owned),
            "content-type" => Some(FORM.to_owned()),
            _ => None,
        }
    }

    fn country(&self) -> Option<String> {
        None
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.body.len() > limit { Err(BodyError::TooLarge) } else { Ok(self.body.to_vec()) }
    }

    fn age(&self) -> i64 {
        0
    }
}

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let header = parts.text();
    // The platform trims a value, and leaves out a header that was not sent.
    let header = Some(header.trim_matches([' ', '\t'])).filter(|header| !header.is_empty());
    let (query, body) = (parts.text(), parts.rest());
    if let Some(header) = header {
        match header_token(header) {
            Ok(Some(token)) => {
                assert!(is_b64token(token) && header.ends_with(token));
                let scheme = header.strip_suffix(token).expect("it ends so").trim_end_matches(' ');
                assert!(scheme.eq_ignore_ascii_case("Bearer"));
            }
            Ok(None) => assert!(!header.to_ascii_lowercase().starts_with("bearer ")),
            Err(error) => is_specified(&error),
        }
    }
    let sent = Sent { authorization: header, query: &query, body };
    let mut reading = pin!(bearer_token(&sent, true));
    let Poll::Ready(token) = reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits for nothing");
    };
    match token {
        Ok(token) => {
            assert!(token.len() <= TOKEN_LIMIT && is_b64token(&token));
            let in_header = header.is_some_and(|header| header.ends_with(&token));
            let in_body = form_urlencoded::parse(body)
                .any(|(name, value)| name == "access_token" && value == token);
            assert!(in_header || in_body);
            assert!(
                form_urlencoded::parse(query.as_bytes())
                    .all(|(name, value)| name != "access_token" || value.is_empty())
            );
        }
        Err(error) => is_specified(&error),
    }
    credentials(header, body);
});

fn is_specified(error: &BearerError) {
    assert!(is_description(error.description().as_str()));
    let is_paired = matches!(
        (error.status(), error.code()),
        (400, "invalid_request") | (401, "invalid_token") | (403, "insufficient_scope")
    );
    assert!(is_paired);
}

fn credentials(header: Option<&str>, body: &[u8]) {
    let Ok(params) = Params::parse(body, &[&PARAMETERS]) else { return };
    let one = |name| params.all(name).next();
    match Credentials::from_request(header, &params) {
        Ok(Credentials::Secret { client_id, secret }) => {
            assert!(!secret.expose().is_empty());
            assert!(one("client_id").is_none_or(|known| known == client_id));
            match header {
                Some(header) => {
                    assert!(header.len() <= 2_048 && one("client_secret").is_none());
                    encodes(&client_id, secret.expose());
                }
                None => assert_eq!(one("client_secret"), Some(secret.expose())),
            }
        }
        Ok(Credentials::Public { client_id }) => {
            assert!(one("client_secret").is_none() && one("client_assertion").is_none());
            assert!(one("client_id").is_none_or(|known| known == client_id));
        }
        Ok(Credentials::Assertion { assertion, client_id }) => {
            assert!(header.is_none() && one("client_secret").is_none());
            assert_eq!(one("client_assertion"), Some(assertion.as_str()));
            assert_eq!(one("client_id"), client_id.as_deref());
        }
        Err(error) => {
            assert!(is_description(error.description().as_str()));
            let is_paired = matches!(
                (error.status(), error.code()),
                (400, "invalid_request") | (401, "invalid_client")
            );
            assert!(is_paired);
        }
    }
}

/// The credentials of a header, encoded again, are read as the same.
fn encodes(client_id: &str, secret: &str) {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let text = format!("{}:{}", encode(client_id), encode(secret));
    let header = format!("Basic {}", Base64::encode_string(text.as_bytes()));
    if header.len() > 2_048 {
        return;
    }
    match Credentials::from_request(Some(&header), &Params::default()) {
        Ok(Credentials::Secret { client_id: id, secret: again }) => {
            assert_eq!((id.as_str(), again.expose()), (client_id, secret));
        }
        other => panic!("{other:?}"),
    }
}
