//! Documents as their owners publish them.

use super::*;
use crate::browser::{encode, is_login};
use serde_json::json;

/// Serves a document at the URL that it names.
fn serve(provider: &TestProvider, document: &Value, cache_control: &str) -> String {
    let client_id = document["client_id"].as_str().unwrap().to_owned();
    publish_as(provider, 200, "application/json", &document.to_string(), cache_control);
    let mut web = provider.platform.web.borrow_mut();
    let page = web.remove(CLIENT_ID).unwrap();
    web.insert(client_id.clone(), page);
    client_id
}

#[test]
fn the_documents_of_known_programs_are_accepted_with_the_redirect_uris_that_they_use() {
    let signer = crate::signer::Signer::new("ES256", Some("a"), 0);
    for (document, cache_control, redirect_uris) in [
        (
            json!({
                "client_id": "https://vscode.dev/oauth/client-metadata.json",
                "client_name": "Visual Studio Code", "client_uri": "https://vscode.dev/product",
                "logo_uri": "https://code.visualstudio.com/assets/branding/code-stable.png",
                "grant_types": [
                    "authorization_code", "refresh_token",
                    "urn:ietf:params:oauth:grant-type:device_code",
                ],
                "response_types": ["code"], "token_endpoint_auth_method": "none",
                "application_type": "native",
                "redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
            }),
            "no-store,no-cache,max-age=0",
            ["http://127.0.0.1:33418/", "http://127.0.0.1:49152/"],
        ),
        (
            json!({
                "client_id": "https://claude.ai/oauth/claude-code-client-metadata",
                "client_name": "Claude Code",
                "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"], "token_endpoint_auth_method": "none",
            }),
            "",
            ["http://localhost:3118/callback", "http://127.0.0.1:3118/callback"],
        ),
        (
            json!({
                "client_id": "https://chatgpt.com/oauth/client.json", "client_name": "ChatGPT",
                "redirect_uris": [
                    "https://chatgpt.com/connector_platform_oauth_redirect",
                    "https://chatgpt.com/connector/oauth/abc",
                ],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
                "jwks": signer.jwks(),
            }),
            "max-age=300",
            [
                "https://chatgpt.com/connector_platform_oauth_redirect",
                "https://chatgpt.com/connector/oauth/abc",
            ],
        ),
    ] {
        let hosts = "vscode.dev, claude.ai, chatgpt.com";
        let provider = provider_for(hosts);
        let mut variables = variables_with("CLIENT_DOCUMENTS", hosts);
        let api = json!({ "https://mcp.example": { "scopes": ["mcp:use"], "open": true } });
        variables.push(("RESOURCES", api.to_string()));
        provider.deploy(variables);
        let client_id = serve(&provider, &document, cache_control);
        for redirect_uri in redirect_uris {
            let scope = [("scope", "mcp:use offline_access"), ("resource", "https://mcp.example")];
            let app = TestClient { redirect_uri: redirect_uri.into(), ..client_at(&client_id) };
            let query = format!("{}&{}", app.authorize_query(&[("scope", "")]), encode(&scope));
            let page = Browser::new(&provider).get(&format!("/auth/authorize?{query}"));
            assert!(is_login(&page), "{client_id} {redirect_uri}: {}", page.body);
        }
    }
}

/// The name of the first field.
fn fields_name(fields: &Value) -> &str {
    fields.as_object().unwrap().keys().next().unwrap()
}

#[test]
fn what_is_not_served_is_left_out_of_a_document_and_what_nothing_remains_of_is_refused() {
    for (fields, is_accepted) in [
        (json!({ "grant_types": ["authorization_code", "implicit", "client_credentials"] }), true),
        (json!({ "response_types": ["code", "code id_token", "token"] }), true),
        (json!({ "redirect_uris": [CALLBACK, "cursor://anysphere.cursor-mcp/cb"] }), true),
        (json!({ "client_uri": null, "logo_uri": "", "contacts": [] }), true),
        (json!({ "grant_types": ["client_credentials"], "response_types": [] }), false),
        (json!({ "grant_types": ["implicit"], "response_types": ["id_token"] }), false),
        (json!({ "redirect_uris": ["cursor://anysphere.cursor-mcp/cb"] }), false),
    ] {
        // The operator allows the implicit flow to clients that are registered.
        let mut variables = variables_with("CLIENT_DOCUMENTS", "open");
        variables.push(("ALLOW_IMPLICIT", "true".into()));
        let provider = provider();
        provider.deploy(variables);
        publish(&provider, &document_with(fields.clone()));
        let response = page(&provider);
        assert_eq!(is_login(&response), is_accepted, "{fields}: {}", response.body);
        let implicit = [("response_type", "id_token"), ("code_challenge", "")];
        let implicit = client().authorize(&[implicit[0], implicit[1], ("scope", "openid")]);
        assert!(!is_login(&Browser::new(&provider).get(&implicit)), "{fields}");
        // The developer finds in the log what is left out, or wrong.
        let log = response.log.to_string();
        let is_logged = log.contains(CLIENT_ID) && log.contains(fields_name(&fields));
        assert_eq!(is_logged, fields.get("client_uri").is_none(), "{fields}: {log}");
    }
}
