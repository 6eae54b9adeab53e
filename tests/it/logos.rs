//! What clients show of themselves on our pages: a copy of their logo, and links, in the person's language.

use crate::visitor::{CALLBACK, Party, Visitor};
use crate::world::{Told, World, get};
use base64ct::{Base64, Encoding};
use postern::ports::Document;
use serde_json::{Value, json};

const LOGO: &str = "https://app.example/logo.png";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn world(fields: Value) -> (World, Party) {
    let world = World::with_keys();
    world.put_alice_with_password();
    let party = world.put_party("app", fields);
    (world, party)
}

fn serve(world: &World, url: &str, status: u16, media_type: &str, bytes: &[u8]) {
    let text = Base64::encode_string(bytes);
    let document = Document { status, media_type: media_type.into(), text };
    world.platform.web.borrow_mut().insert(url.into(), document);
}

fn page(world: &World, party: &Party) -> Told {
    let told = Visitor::new(world).get(&party.authorize(&[]));
    assert_eq!(told.status, 200);
    told
}

fn has_logo(told: &Told) -> bool {
    let policy = told.header("content-security-policy").unwrap();
    let has_logo = told.body.contains("<img");
    assert_eq!(policy.contains("img-src data:"), has_logo, "{policy}");
    assert!(!policy.contains("img-src https:") && !told.body.contains("logo.png"));
    has_logo
}

#[test]
fn a_page_carries_a_copy_of_the_logo_which_is_fetched_once_a_day() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    serve(&world, LOGO, 200, "image/png", PNG);
    world.platform.take_counts();
    let told = page(&world, &party);
    let copy =
        format!("<img class=\"logo\" src=\"data:image/png;base64,{}\"", Base64::encode_string(PNG));
    assert!(
        told.body.contains(&copy.replace('+', "&#43;")) || told.body.contains(&copy),
        "{}",
        told.body
    );
    assert!(has_logo(&told));
    let visitor = Visitor::new(&world);
    let consent = visitor.sign_in_on(&visitor.get(&party.authorize(&[])), "alice@example.com");
    assert!(has_logo(&consent));
    let told = visitor.agree(consent, "alice@example.com");
    assert!(told.header("location").unwrap().starts_with(CALLBACK));
    assert!(has_logo(&visitor.get("/auth/account")));
    world.new_isolate();
    assert!(has_logo(&page(&world, &party)));
    assert_eq!(world.platform.take_counts().fetches, 1);
}

#[test]
fn what_is_no_picture_is_not_shown_and_not_asked_for_again_at_once() {
    for (status, media_type, bytes) in [
        (404, "image/png", PNG),
        (302, "image/png", PNG),
        (200, "text/html", PNG),
        (200, "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice()),
        (200, "image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (200, "image/png", b"<html><script>alert(1)</script>"),
        (200, "image/png", b""),
        (200, "image/png", &large_png(65_537)),
    ] {
        let (world, party) = world(json!({ "logo_uri": LOGO }));
        serve(&world, LOGO, status, media_type, bytes);
        world.platform.take_counts();
        for _ in 0..3 {
            assert!(!has_logo(&page(&world, &party)), "{status} {media_type}");
        }
        assert_eq!(world.platform.take_counts().fetches, 1);
    }
}

/// What begins as a PNG does, of so many bytes.
fn large_png(length: usize) -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    bytes.resize(length, 0);
    bytes
}

#[test]
fn the_largest_picture_there_may_be_is_shown() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    serve(&world, LOGO, 200, "image/png", &large_png(65_536));
    assert!(has_logo(&page(&world, &party)));
}

#[test]
fn a_crowd_that_comes_at_once_has_it_fetched_once() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    serve(&world, LOGO, 200, "image/png", PNG);
    world.platform.take_counts();
    let told = world.send_together((0..20).map(|_| get(&party.authorize(&[]))).collect());
    assert!(told.iter().all(|told| told.status == 200));
    assert_eq!(told.iter().filter(|told| has_logo(told)).count(), 1);
    let counts = world.platform.take_counts();
    assert_eq!(counts.fetches, 1);
    assert!(has_logo(&page(&world, &party)));
}

#[test]
fn every_kind_of_picture_goes_by_what_it_is() {
    for (bytes, media_type) in [
        (b"\xff\xd8\xff\xe0 and so on".as_slice(), "image/jpeg"),
        (b"GIF87a and so on", "image/gif"),
        (b"GIF89a and so on", "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
    ] {
        let (world, party) = world(json!({ "logo_uri": LOGO }));
        // Whatever else it says it is.
        serve(&world, LOGO, 200, "image/png", bytes);
        let told = page(&world, &party);
        assert!(told.body.contains(&format!("src=\"data:{media_type};base64,")), "{}", told.body);
    }
}

#[test]
fn a_logo_that_cannot_be_had_is_no_reason_to_keep_somebody_out() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    let told = page(&world, &party);
    assert!(!has_logo(&told));
    assert!(told.log["notes"].to_string().contains("logo_uri at app.example"), "{}", told.log);
    let (world, party) = self::world(json!({ "logo_uri": LOGO }));
    serve(&world, LOGO, 200, "image/png", PNG);
    world.platform.cache_fails.set(true);
    world.platform.take_counts();
    for _ in 0..3 {
        assert!(has_logo(&page(&world, &party)), "an isolate remembers it too");
    }
    assert_eq!(world.platform.take_counts().fetches, 1);
}

#[test]
fn nothing_is_fetched_from_a_private_place_or_in_the_clear() {
    for url in ["http://app.example/logo.png", "https://10.0.0.1/l", "https://localhost/l"] {
        let (world, party) = world(json!({ "logo_uri": url }));
        serve(&world, url, 200, "image/png", PNG);
        world.platform.take_counts();
        assert!(!has_logo(&page(&world, &party)));
        assert_eq!(world.platform.take_counts().fetches, 0, "{url}");
    }
}

#[test]
fn a_person_reads_and_sees_what_their_language_has() {
    let (world, party) = world(json!({
        "client_name": "The Shop", "client_name#fr": "La Boutique", "client_name#DE-ch": "Laden",
        "policy_uri": "https://app.example/policy", "policy_uri#fr-CA": "https://app.example/ca",
        "policy_uri#fr": "https://app.example/fr", "tos_uri": "https://app.example/terms",
        "logo_uri": LOGO, "logo_uri#fr": "https://app.example/logo-fr",
    }));
    serve(&world, LOGO, 200, "image/png", PNG);
    serve(&world, "https://app.example/logo-fr", 200, "image/gif", b"GIF89a");
    let shown = |language: &str| {
        let told = world.send(get(&party.authorize(&[])).with("accept-language", language));
        let links: Vec<_> = ["/policy", "/ca", "/fr", "/terms"]
            .into_iter()
            .filter(|path| told.body.contains(&format!("https://app.example{path}\"")))
            .collect();
        let name = ["The Shop", "La Boutique", "Laden"].into_iter().find(|n| told.body.contains(n));
        (name.unwrap(), links, told.body.contains("data:image/gif"))
    };
    assert_eq!(shown("en"), ("The Shop", vec!["/policy", "/terms"], false));
    assert_eq!(shown("fr-BE"), ("La Boutique", vec!["/fr", "/terms"], true));
    assert_eq!(shown("de"), ("Laden", vec!["/policy", "/terms"], false));
    assert_eq!(shown("nl"), ("The Shop", vec!["/policy", "/terms"], false));
}

#[test]
fn nobody_makes_us_fetch_logos_without_end() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    world.platform.rate_limit.set(Some(3));
    world.platform.take_counts();
    for number in 0..6 {
        let url = format!("https://app.example/{number}");
        serve(&world, &url, 200, "image/png", PNG);
        world.put_party("app", json!({ "logo_uri": url }));
        assert_eq!(has_logo(&page(&world, &party)), number < 3);
    }
    assert_eq!(world.platform.take_counts().fetches, 3);
}

#[test]
fn what_could_not_be_had_is_not_put_into_the_cache() {
    let (world, party) = world(json!({ "logo_uri": LOGO }));
    page(&world, &party);
    assert!(!world.platform.cache.borrow().keys().any(|key| key.starts_with("logo/")));
}

#[test]
fn a_persons_own_page_looks_for_ten_logos_at_the_most() {
    let (world, _) = world(json!({}));
    let visitor = Visitor::new(&world);
    for number in 0..12 {
        let logo = format!("https://app.example/{number}");
        let party = world.put_party(&format!("app{number}"), json!({ "logo_uri": logo }));
        visitor.authorize(&party, "alice@example.com", &[]);
    }
    world.new_isolate();
    world.platform.take_counts();
    assert_eq!(visitor.get("/auth/account").status, 200);
    assert_eq!(world.platform.take_counts().cache_reads, 10);
}
