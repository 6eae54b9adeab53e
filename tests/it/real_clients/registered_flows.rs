//! Grant types and response types of real clients: those that are not served are left out.

use super::registration::{
    assert_refused, assert_taken, by_each_way, open, open_with, register, warnings,
};
use serde_json::json;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

#[test]
fn grant_types_and_response_types_that_are_not_served_are_left_out() {
    let both = json!(["authorization_code", "refresh_token"]);
    for (fields, in_force, named) in [
        // VS Code.
        (
            json!({ "grant_types": ["authorization_code", "refresh_token", DEVICE] }),
            json!({
                "grant_types": ["authorization_code", "refresh_token", DEVICE],
                "response_types": ["code"],
            }),
            &[][..],
        ),
        // mod_auth_openidc.
        (
            json!({
                "grant_types": ["authorization_code", "implicit", "refresh_token"],
                "response_types": ["code", "id_token", "id_token token", "code id_token"],
            }),
            json!({ "grant_types": both, "response_types": ["code"] }),
            &["implicit is left out, because it needs ALLOW_IMPLICIT", "response_types[3]"],
        ),
        (
            json!({
                "grant_types": [EXCHANGE, "password", "refresh_token", "authorization_code"],
                "response_types": ["token", "none", "code"],
            }),
            json!({ "grant_types": ["refresh_token", "authorization_code"], "response_types": ["code"] }),
            &["password is left out, because it is not served", "none is left out"],
        ),
        (
            json!({ "response_types": ["code token", "code", "code id_token token"] }),
            json!({ "grant_types": ["authorization_code"], "response_types": ["code"] }),
            &["code?id_token?token is left out"],
        ),
        (
            json!({ "grant_types": ["authorization_code", "authorization_code"] }),
            json!({ "grant_types": ["authorization_code"] }),
            &[],
        ),
        // A device, which has no response.
        (
            json!({ "grant_types": ["refresh_token", DEVICE] }),
            json!({ "grant_types": ["refresh_token", DEVICE], "response_types": [] }),
            &[],
        ),
        (
            json!({ "grant_types": [DEVICE], "response_types": ["code"] }),
            json!({ "grant_types": [DEVICE], "response_types": [] }),
            &["response_types[0]: code is left out, because it needs authorization_code"],
        ),
    ] {
        assert_taken(&open(), &fields, &in_force, named);
    }
}

#[test]
fn grant_types_and_response_types_are_reconciled() {
    let provider = open_with(&[("ALLOW_IMPLICIT", "true")]);
    let code = json!({ "grant_types": ["authorization_code"], "response_types": ["code"] });
    for (fields, in_force) in [
        (
            json!({
                "grant_types": ["authorization_code", "implicit"],
                "response_types": ["code", "code id_token"],
            }),
            &code,
        ),
        (json!({ "response_types": ["code", "token id_token"] }), &code),
        (json!({ "grant_types": ["implicit", "authorization_code"] }), &code),
        (
            json!({ "grant_types": ["implicit", "refresh_token"], "response_types": ["id_token"] }),
            &json!({ "grant_types": ["implicit"], "response_types": ["id_token"] }),
        ),
        (
            json!({
                "grant_types": ["implicit", "authorization_code"],
                "response_types": ["token id_token", "code", "id_token token"],
            }),
            &json!({
                "grant_types": ["implicit", "authorization_code"],
                "response_types": ["id_token token", "code"],
            }),
        ),
    ] {
        let named: &[&str] =
            if fields["response_types"][2] == "id_token token" { &[] } else { &["is left out"] };
        assert_taken(&provider, &fields, in_force, named);
    }
}

#[test]
fn a_registration_without_a_flow_that_is_served_is_refused() {
    let provider = open();
    for (fields, words) in [
        (
            json!({ "grant_types": [EXCHANGE] }),
            "grant_types: must have at least one of authorization_code",
        ),
        (json!({ "grant_types": ["password", EXCHANGE] }), "password is left out"),
        (
            json!({ "grant_types": ["implicit"] }),
            "implicit is left out, because it needs ALLOW_IMPLICIT",
        ),
        (json!({ "grant_types": ["refresh_token"] }), "grant_types: must have authorization_code"),
        (json!({ "response_types": ["token"] }), "response_types: must have at least one of code;"),
        (json!({ "response_types": ["code id_token", "none"] }), "code?id_token is left out"),
        (
            json!({ "grant_types": ["authorization_code", "implicit"], "response_types": ["id_token"] }),
            "response_types: must have at least one of code;",
        ),
    ] {
        assert_refused(&provider, &fields, words);
    }
}

#[test]
fn a_client_that_registers_itself_goes_without_client_credentials() {
    let fields = json!({
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "scope": "openid",
    });
    let responses = by_each_way(&open(), &fields);
    for response in &responses[..2] {
        let in_force = json!(["authorization_code", "refresh_token"]);
        assert_eq!(response.json()["grant_types"], in_force, "{}", response.body);
        assert!(warnings(response).contains("only the operator can register it"));
    }
    assert_eq!(responses[2].json()["grant_types"], fields["grant_types"], "the operator can");
    let machine = json!({ "grant_types": ["client_credentials"], "scope": "openid" });
    assert_eq!(register(&open(), &machine).status, 400);
}
