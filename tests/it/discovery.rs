use crate::test_provider::{ISSUER, TestProvider, TestRequest, assert_golden, get, variables_with};
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
fn the_documents_equal_their_golden_files() {
    let provider = TestProvider::new();
    assert_golden("discovery.json", &provider.send(get(DISCOVERY)).body);
    assert_golden("protected-resource.json", &provider.send(get(RESOURCE)).body);
}

#[test]
fn oauth_metadata_is_the_same_document() {
    let provider = TestProvider::new();
    assert_eq!(provider.send(get(DISCOVERY)).body, provider.send(get(OAUTH)).body);
}

#[test]
fn discovery_advertises_exactly_the_served_endpoints() {
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
fn discovery_states_flags_that_differ_from_their_defaults() {
    let metadata = metadata(&config(ISSUER));
    for field in ["request_parameter_supported", "require_request_uri_registration"] {
        assert_eq!(metadata[field], Value::Bool(true), "{field}");
    }
}

#[test]
fn every_endpoint_is_below_the_path_of_the_issuer() {
    let provider =
        TestProvider::configured(variables_with("ISSUER", "https://example.com/tenant/a"));
    for (path, is_served) in [
        ("/tenant/a/.well-known/openid-configuration", true),
        ("/.well-known/openid-configuration/tenant/a", true),
        ("/.well-known/oauth-authorization-server/tenant/a", true),
        ("/.well-known/oauth-protected-resource/tenant/a/auth/userinfo", true),
        ("/tenant/a/auth/jwks.json", true),
        ("/.well-known/openid-configuration", false),
        ("/.well-known/openid-configuration/tenant/b", false),
        ("/.well-known/openid-configuration/tenant", false),
        ("/.well-known/openid-configuration/tenant/a/", false),
        ("/tenant/a/.well-known/openid-configuration/tenant/a", false),
        ("/.well-known/oauth-authorization-server", false),
        ("/tenant/a/.well-known/oauth-authorization-server", false),
        ("/.well-known/oauth-authorization-server/tenant/b", false),
        ("/auth/jwks.json", false),
        ("/tenant/ab/auth/jwks.json", false),
    ] {
        assert_eq!(provider.send(get(path)).status, if is_served { 200 } else { 404 }, "{path}");
    }
    let metadata = provider.send(get("/tenant/a/.well-known/openid-configuration")).json();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = provider.send(get(&format!("{path}/tenant/a"))).json();
        assert_eq!(document, metadata, "{path}");
    }
    assert_eq!(metadata["issuer"], "https://example.com/tenant/a");
    assert_eq!(metadata["jwks_uri"], "https://example.com/tenant/a/auth/jwks.json");
    let path = "/.well-known/oauth-protected-resource/tenant/a/auth/userinfo";
    let resource = provider.send(get(path)).json();
    assert_eq!(resource["resource"], "https://example.com/tenant/a/auth/userinfo");
    assert_eq!(resource["authorization_servers"][0], "https://example.com/tenant/a");
}

#[test]
fn an_invalid_issuer_fails_every_request_and_names_the_variable() {
    let provider = TestProvider::configured(variables_with("ISSUER", "http://example.com/"));
    for path in [DISCOVERY, "/auth/jwks.json", "/auth/userinfo", "/admin/users", "/nothing"] {
        let response = provider.send(get(path).with("host", "login.example.com"));
        assert_eq!(response.status, 500, "{path}");
        assert_eq!(response.error().as_deref(), Some("server_error"));
        assert!(response.json()["error_description"].as_str().unwrap().starts_with("ISSUER: must"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(response.log["notes"][0].as_str().unwrap().starts_with("ISSUER: must"));
    }
}

#[test]
fn the_host_header_does_not_change_the_issuer() {
    let provider = TestProvider::new();
    let response = provider.send(get(DISCOVERY).with("host", "evil.example"));
    assert_eq!(response.json()["issuer"], ISSUER);
}

#[test]
fn a_document_is_rendered_once_and_cached() {
    let provider = TestProvider::new();
    let first = provider.send(get(DISCOVERY));
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (1, 1));

    assert_eq!(provider.send(get(DISCOVERY)).body, first.body);
    assert_eq!(provider.platform.take_counts().cache_reads, 0, "from memory");

    provider.new_isolate();
    assert_eq!(provider.send(get(DISCOVERY)).body, first.body);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.cache_reads, counts.cache_writes), (1, 0), "from the cache");
}

#[test]
fn a_new_deployment_never_serves_the_old_document() {
    let provider = TestProvider::new();
    provider.send(get(DISCOVERY));
    provider.deploy(variables_with("SCOPES", r#"{"roles":["roles"]}"#));
    let scopes = provider.send(get(DISCOVERY)).json()["scopes_supported"].clone();
    assert!(scopes.as_array().unwrap().contains(&"roles".into()));
}

#[test]
fn a_failing_or_damaged_cache_is_logged_and_bypassed() {
    let provider = TestProvider::new();
    let whole = provider.send(get(DISCOVERY)).body;
    provider.new_isolate();
    provider.platform.cache_fails.set(true);
    let response = provider.send(get(DISCOVERY));
    assert_eq!((response.status, &response.body), (200, &whole));
    assert!(response.log["notes"][0].as_str().unwrap().contains("KV is unavailable"));

    provider.new_isolate();
    provider.platform.cache_fails.set(false);
    for text in provider.platform.cache.borrow_mut().values_mut() {
        *text = "<html>".into();
    }
    let response = provider.send(get(DISCOVERY));
    assert_eq!((response.status, &response.body), (200, &whole));
    assert!(response.log["notes"][0].as_str().unwrap().contains("is not a published document"));
}

#[test]
fn every_route_allows_exactly_its_methods() {
    let provider = TestProvider::new();
    for route in ROUTES.iter().filter(|route| route.endpoint != Endpoint::Admin) {
        let url = route.url(&config(ISSUER).issuer);
        let path = url.strip_prefix(ISSUER).unwrap();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"] {
            let response = provider.send(TestRequest::new(method, path));
            assert_eq!(response.status != 405, route.methods.contains(&method), "{method} {path}");
        }
        let response = provider.send(TestRequest::new("PATCH", path));
        let options = if route.has_cors() { ", OPTIONS" } else { "" };
        assert_eq!(response.header("allow").unwrap(), route.methods.join(", ") + options);
        let media_type = response.header("content-type").unwrap();
        let is_page = route.caller == Caller::Users;
        assert_eq!(media_type.starts_with("text/html"), is_page, "{path}");
    }
}
