"""A relying party on idpyoidc, as its example has it: ISSUER CALLBACK [CLIENT as JSON].

It registers itself unless it has a client, and prints the authorization request as JSON. It reads the query of the
callback from the standard input, and prints what it has as JSON. With a client of the operator it refreshes, too: it
cannot register itself for refresh tokens.
"""
import json
import sys
from urllib.parse import parse_qsl

from idpyoidc.client.rp_handler import RPHandler

issuer, callback = sys.argv[1:3]
client_of_operator = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
service = "idpyoidc.client.oidc"
rp_handler = RPHandler(
    base_url=callback.rsplit("/", 1)[0],
    key_conf={
        "private_path": "private/jwks.json",
        "key_defs": [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}],
        "public_path": "static/jwks.json",
        "read_only": False,
    },
    client_configs={
        "postern": {
            "issuer": issuer,
            "client_type": "oidc",
            "client_name": "rphandler",
            "application_type": "web",
            "contacts": ["ops@example.com"],
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "redirect_uris": [callback],
            **client_of_operator,
            "services": {
                "discovery": {"class": f"{service}.provider_info_discovery.ProviderInfoDiscovery"},
                "registration": {"class": f"{service}.registration.Registration"},
                "authorization": {"class": f"{service}.authorization.Authorization"},
                "access_token": {"class": f"{service}.access_token.AccessToken"},
                "refresh_access_token": {"class": f"{service}.refresh_access_token.RefreshAccessToken"},
                "userinfo": {"class": f"{service}.userinfo.UserInfo"},
            },
            "client_authn_methods": ["client_secret_basic", "client_secret_post"],
            "add_ons": {
                "pkce": {
                    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
                },
            },
        },
    },
)
url = rp_handler.begin("postern")
print(json.dumps({"url": url}), flush=True)
response = dict(parse_qsl(sys.stdin.readline().strip()))
result = rp_handler.finalize(issuer, response)
if "error" in result:
    raise SystemExit(f"finalize: {result}")
state = response["state"]
client = rp_handler.get_client_from_session_key(state)
registered = client.get_context().registration_response
print(json.dumps({
    "registered": registered.to_dict() if registered else None,
    "id_token": result["id_token"].to_dict(),
    "userinfo": result["userinfo"].to_dict(),
    "refreshed": rp_handler.refresh_access_token(state).to_dict() if client_of_operator else None,
}))
