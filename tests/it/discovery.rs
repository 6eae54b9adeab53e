use crate::world::{ISSUER, World, ask, assert_golden, get, variables_with};
use postern::config::Config;
use postern::endpoint::documents::discovery::metadata;
use postern::routes::{Caller, Endpoint, ROUTES, route, served};
use serde_json::Value;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/auth/userinfo";

fn config(issuer: &str) -> Config {
    config_with(issuer, "")
}

fn config_with(issuer: &str, registration: &str) -> Config {
    let variable = |name: &str| match name {
        "ISSUER" => Some(issuer.to_owned()),
        "REGISTRATION" => Some(registration.to_owned()),
        _ => None,
    };
    Config::parse(variable).unwrap()
}

#[test]
fn the_documents_are_byte_exact() {
    let world = World::new();
    assert_golden("discovery.json", &world.send(get(DISCOVERY)).body);
    assert_golden("protected-resource.json", &world.send(get(RESOURCE)).body);
}

#[test]
fn oauth_metadata_is_the_same_document() {
    let world = World::new();
    assert_eq!(world.send(get(DISCOVERY)).body, world.send(get(OAUTH)).body);
}

#[test]
fn discovery_advertises_what_the_router_serves_and_nothing_else() {
    for (issuer, registration) in [
        (ISSUER, "token"),
        ("https://example.com:8443/tenant/a", "open"),
        ("http://localhost:8787", "closed"),
    ] {
        let config = config_with(issuer, registration);
        let metadata = metadata(&config);
        let origin = config.issuer.origin();
        let urls = metadata.as_object().unwrap().iter().filter(|(name, _)| {
            name.ends_with("_endpoint") || name.ends_with("_uri") && !name.starts_with("require_")
        });
        let mut advertised: Vec<_> = urls
            .map(|(name, url)| {
                let path = url.as_str().unwrap().strip_prefix(origin).unwrap();
                let route = route(path, &config).unwrap_or_else(|| panic!("{name}: 404"));
                assert_eq!(route.metadata_field, Some(name.as_str()));
                name.as_str()
            })
            .collect();
        let mut served: Vec<_> = served(&config).filter_map(|route| route.metadata_field).collect();
        advertised.sort_unstable();
        served.sort_unstable();
        assert_eq!(advertised, served);
        assert_eq!(served.contains(&"registration_endpoint"), registration != "closed");
    }
}

#[test]
fn what_is_not_served_yet_is_absent() {
    let metadata = metadata(&config(ISSUER));
    for field in ["end_session_endpoint", "revocation_endpoint"] {
        assert!(metadata.get(field).is_none(), "{field}");
    }
}

#[test]
fn a_member_whose_default_would_be_false_of_us_is_stated() {
    let metadata = metadata(&config(ISSUER));
    for field in ["request_parameter_supported", "require_request_uri_registration"] {
        assert_eq!(metadata[field], Value::Bool(true), "{field}");
    }
}

#[test]
fn an_issuer_with_a_path_has_every_endpoint_under_it() {
    let world = World::configured(variables_with("ISSUER", "https://example.com/tenant/a"));
    for (path, is_served) in [
        ("/tenant/a/.well-known/openid-configuration", true),
        ("/.well-known/oauth-authorization-server/tenant/a", true),
        ("/.well-known/oauth-protected-resource/tenant/a/auth/userinfo", true),
        ("/tenant/a/auth/jwks.json", true),
        ("/.well-known/openid-configuration", false),
        ("/.well-known/openid-configuration/tenant/a", false),
        ("/.well-known/oauth-authorization-server", false),
        ("/tenant/a/.well-known/oauth-authorization-server", false),
        ("/.well-known/oauth-authorization-server/tenant/b", false),
        ("/auth/jwks.json", false),
        ("/tenant/ab/auth/jwks.json", false),
    ] {
        assert_eq!(world.send(get(path)).status, if is_served { 200 } else { 404 }, "{path}");
    }
    let metadata = world.send(get("/tenant/a/.well-known/openid-configuration")).json();
    assert_eq!(metadata["issuer"], "https://example.com/tenant/a");
    assert_eq!(metadata["jwks_uri"], "https://example.com/tenant/a/auth/jwks.json");
    let path = "/.well-known/oauth-protected-resource/tenant/a/auth/userinfo";
    let resource = world.send(get(path)).json();
    assert_eq!(resource["resource"], "https://example.com/tenant/a/auth/userinfo");
    assert_eq!(resource["authorization_servers"][0], "https://example.com/tenant/a");
}

#[test]
fn a_wrong_issuer_answers_every_request_by_naming_the_variable() {
    let world = World::configured(variables_with("ISSUER", "http://example.com/"));
    for path in [DISCOVERY, "/auth/jwks.json", "/auth/userinfo", "/admin/users", "/nothing"] {
        let told = world.send(get(path).with("host", "login.example.com"));
        assert_eq!(told.status, 500, "{path}");
        assert_eq!(told.error().as_deref(), Some("server_error"));
        assert!(told.json()["error_description"].as_str().unwrap().starts_with("ISSUER must"));
        assert_eq!(told.header("cache-control"), Some("no-store"));
        assert!(told.log["notes"][0].as_str().unwrap().starts_with("ISSUER must"));
    }
}

#[test]
fn the_host_header_changes_nothing() {
    let world = World::new();
    let told = world.send(get(DISCOVERY).with("host", "evil.example"));
    assert_eq!(told.json()["issuer"], ISSUER);
}

#[test]
fn a_document_is_rendered_once_and_published() {
    let world = World::new();
    let first = world.send(get(DISCOVERY));
    let counts = world.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (1, 1));

    assert_eq!(world.send(get(DISCOVERY)).body, first.body);
    assert_eq!(world.platform.take_counts().cache_reads, 0, "from memory");

    world.new_isolate();
    assert_eq!(world.send(get(DISCOVERY)).body, first.body);
    let counts = world.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (1, 0), "from the cache");
}

#[test]
fn a_new_deployment_never_serves_the_old_document() {
    let world = World::new();
    world.send(get(DISCOVERY));
    world.deploy(variables_with("SCOPES", r#"{"roles":["roles"]}"#));
    let scopes = world.send(get(DISCOVERY)).json()["scopes_supported"].clone();
    assert!(scopes.as_array().unwrap().contains(&"roles".into()));
}

#[test]
fn a_failing_or_damaged_cache_costs_nothing_but_a_note() {
    let world = World::new();
    let whole = world.send(get(DISCOVERY)).body;
    world.new_isolate();
    world.platform.cache_fails.set(true);
    let told = world.send(get(DISCOVERY));
    assert_eq!((told.status, &told.body), (200, &whole));
    assert!(told.log["notes"][0].as_str().unwrap().contains("KV is unavailable"));

    world.new_isolate();
    world.platform.cache_fails.set(false);
    for text in world.platform.cache.borrow_mut().values_mut() {
        *text = "<html>".into();
    }
    let told = world.send(get(DISCOVERY));
    assert_eq!((told.status, &told.body), (200, &whole));
    assert!(told.log["notes"][0].as_str().unwrap().contains("something else"));
}

#[test]
fn every_route_answers_each_of_its_methods_and_no_other() {
    let world = World::new();
    for route in ROUTES.iter().filter(|route| route.endpoint != Endpoint::Admin) {
        let url = route.url(&config(ISSUER).issuer);
        let path = url.strip_prefix(ISSUER).unwrap();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"] {
            let told = world.send(ask(method, path));
            assert_eq!(told.status != 405, route.methods.contains(&method), "{method} {path}");
        }
        let told = world.send(ask("PATCH", path));
        let options = if route.has_cors() { ", OPTIONS" } else { "" };
        assert_eq!(told.header("allow").unwrap(), route.methods.join(", ") + options);
        let media_type = told.header("content-type").unwrap();
        let is_page = route.caller == Caller::People;
        assert_eq!(media_type.starts_with("text/html"), is_page, "{path}");
    }
}
