//! The parameter `claims`: `ClaimsRequest`; and the claims of a user as the operator sends them.
#![no_main]

use fuzz::{NOW, config, is_description};
use libfuzzer_sys::fuzz_target;
use postern::config::Config;
use postern::jose::json::{from_own, parse_object};
use postern::protocol::authorization::claims_request::ClaimsRequest;
use postern::protocol::user::claims;

thread_local! {
    static CONFIG: Config = config();
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let fields = parse_object(text.as_bytes());
    match ClaimsRequest::parse(&text) {
        Err(error) => assert!(is_description(error.description())),
        Ok(request) => {
            let fields = fields.as_ref().expect("an object");
            CONFIG.with(|config| accepted(&text, fields, request, config));
        }
    }
    // The operator sends claims of a user in the same form.
    if let Ok(fields) = fields {
        CONFIG.with(|config| {
            let is_custom = |name: &str| config.scopes.has_custom_claim(name);
            if claims::validate(&fields, is_custom, NOW).is_ok() {
                assert!(serde_json::to_string(&fields).is_ok_and(|text| text.len() <= 32_768));
                assert!(!fields.contains_key("sub"));
                assert!(fields.keys().all(|name| config.scopes.knows_claim(name)));
            }
        });
    }
});

fn accepted(
    text: &str,
    fields: &serde_json::Map<String, serde_json::Value>,
    request: ClaimsRequest,
    config: &Config,
) {
    assert!(text.len() <= 16_384);
    for (section, names) in [("id_token", &request.id_token), ("userinfo", &request.userinfo)] {
        assert!(names.len() <= 100);
        for name in names {
            assert!(name.len() <= 256 && name.bytes().all(|b| b.is_ascii_graphic()));
            assert!(name != "sub" && fields[section].get(name).is_some());
        }
    }
    if let Some(sub) = &request.sub {
        let has = |section: &str| {
            fields
                .get(section)
                .and_then(|claims| claims.get("sub"))
                .is_some_and(|claim| claim["value"] == **sub || claim["values"][0] == **sub)
        };
        assert!(has("id_token") || has("userinfo"));
    }
    assert!(request.essential_acr.as_ref().is_none_or(|values| values.len() <= 20));

    // The names are stored; the requirements for the sign-in are not.
    let stored = serde_json::to_string(&request).expect("names");
    let again: ClaimsRequest = from_own(&stored).expect("its own text");
    let kept = ClaimsRequest { sub: None, essential_acr: None, ..request.clone() };
    assert_eq!(again, kept);

    // The known ones are among the requested ones.
    let known = request.clone().known(&config.scopes);
    for (fewer, more) in
        [(&known.id_token, &request.id_token), (&known.userinfo, &request.userinfo)]
    {
        assert!(fewer.iter().all(|name| more.contains(name) && config.scopes.knows_claim(name)));
        assert!(more.iter().all(|name| fewer.contains(name) || !config.scopes.knows_claim(name)));
    }
    assert_eq!((&known.sub, &known.essential_acr), (&request.sub, &request.essential_acr));
}
