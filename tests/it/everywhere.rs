//! What every response has in common.

use crate::world::{World, ask, get, post, variables_with};

const DOCUMENTS: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource/auth/userinfo",
    "/auth/jwks.json",
];

#[test]
fn documents_are_cacheable_json_with_a_strong_tag() {
    let world = World::configured(variables_with("CACHE_MAX_AGE", "60"));
    world.send(get("/auth/jwks.json"));
    for path in DOCUMENTS {
        let told = world.send(get(path));
        assert_eq!(told.status, 200);
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!(
            told.header("cache-control"),
            Some("public, max-age=60, stale-while-revalidate=600, stale-if-error=86400")
        );
        let etag = told.header("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "{etag}");
    }
}

#[test]
fn a_document_that_the_client_has_is_not_sent_again() {
    let world = World::with_keys();
    for path in DOCUMENTS {
        let etag = world.send(get(path)).header("etag").unwrap().to_owned();
        for condition in
            [etag.clone(), format!("W/{etag}"), format!("\"a\", W/\"b\" ,{etag}"), "*".to_owned()]
        {
            for method in ["GET", "HEAD"] {
                let told = world.send(ask(method, path).with("if-none-match", &condition));
                assert_eq!((told.status, told.body.as_str()), (304, ""), "{condition}");
                assert_eq!(told.header("etag"), Some(etag.as_str()));
                assert!(told.header("cache-control").unwrap().starts_with("public"));
                assert_eq!(told.header("access-control-allow-origin"), Some("*"));
            }
        }
        for condition in ["", "\"other\"", "W/\"other\"", etag.trim_matches('"'), "\"*\""] {
            let told = world.send(get(path).with("if-none-match", condition));
            assert_eq!(told.status, 200, "{condition}");
        }
    }
}

#[test]
fn head_tells_all_but_the_body() {
    let world = World::with_keys();
    for path in DOCUMENTS {
        let (head, get) = (world.send(ask("HEAD", path)), world.send(get(path)));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.headers, get.headers);
    }
}

#[test]
fn an_unknown_path_is_json_and_open_to_nobody() {
    let world = World::new();
    for path in
        ["/", "/auth", "/auth/userinfo/", "/auth/jwks.json/x", "//auth/userinfo", "/Auth/userinfo"]
    {
        for method in ["GET", "POST", "OPTIONS"] {
            let told = world.send(ask(method, path));
            assert_eq!((told.status, told.error().as_deref()), (404, Some("not_found")), "{path}");
            assert_eq!(told.header("cache-control"), Some("no-store"));
            assert_eq!(told.header("access-control-allow-origin"), None);
        }
    }
}

#[test]
fn scripts_of_any_origin_may_ask_the_public_endpoints() {
    let world = World::new();
    for (path, methods) in DOCUMENTS
        .map(|path| (path, "GET, HEAD"))
        .into_iter()
        .chain([("/auth/userinfo", "GET, POST")])
    {
        let told = world.send(
            ask("OPTIONS", path)
                .with("origin", "https://app.example")
                .with("access-control-request-method", "GET")
                .with("access-control-request-headers", "authorization"),
        );
        assert_eq!((told.status, told.body.as_str()), (204, ""));
        assert_eq!(told.header("access-control-allow-origin"), Some("*"));
        assert_eq!(told.header("access-control-allow-methods"), Some(methods));
        assert!(told.header("access-control-allow-headers").unwrap().contains("Authorization"));
        assert_eq!(told.header("access-control-max-age"), Some("86400"));
        assert_eq!(told.header("cache-control"), Some("no-store"));

        let exposed =
            world.send(get(path)).header("access-control-expose-headers").map(str::to_owned);
        assert_eq!(exposed.as_deref(), Some("ETag, WWW-Authenticate"));
    }
}

#[test]
fn no_credentials_are_ever_allowed_across_origins() {
    let world = World::new();
    for request in [get("/auth/userinfo"), post("/auth/userinfo"), ask("OPTIONS", "/auth/userinfo")]
    {
        let told = world.send(request.with("origin", "https://app.example"));
        assert_eq!(told.header("access-control-allow-credentials"), None);
    }
}

#[test]
fn the_operators_interface_is_closed_to_scripts() {
    let world = World::new();
    let told = world.send(ask("OPTIONS", "/admin/users").with("origin", "https://app.example"));
    assert_eq!(told.status, 401);
    assert_eq!(told.header("access-control-allow-origin"), None);
}

#[test]
fn the_log_line_tells_what_happened_and_no_secret() {
    let world = World::new();
    world.put_alice();
    let token = world.mint("openid email");
    let told = world.send(get("/auth/userinfo").bearer(&token));
    assert_eq!(told.log["endpoint"], "userinfo");
    assert_eq!(told.log["status"], 200);
    assert!(told.log.get("error").is_none() && told.log.get("notes").is_none());

    let told = world.send(get(&format!("/auth/userinfo?access_token={token}")));
    assert_eq!((&told.log["status"], &told.log["error"]), (&400.into(), &"invalid_request".into()));
    let line = told.log.to_string();
    assert!(!line.contains("access_token") && !line.contains(&token) && !line.contains("alice"));
    assert_eq!(world.send(get("/x")).log["endpoint"], "none");
}

#[test]
fn a_document_is_logged_only_where_something_is_wrong() {
    let world = World::new();
    let should_write = |path: &str| world.send(get(path)).is_logged;
    assert!(!should_write("/.well-known/openid-configuration") && !should_write("/auth/jwks.json"));
    assert!(should_write("/auth/userinfo") && should_write("/x"));
    let told = world.send(ask("POST", "/auth/jwks.json"));
    assert!(told.is_logged && told.log["error"] == "method_not_allowed");
    let world = World::new();
    world.platform.cache_fails.set(true);
    let told = world.send(get("/.well-known/openid-configuration"));
    assert!(told.is_logged && told.status == 200);
}
