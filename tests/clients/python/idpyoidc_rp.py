"""A relying party on idpyoidc, as its example has it: ISSUER CALLBACK FOLDER.

It registers itself, prints the authorization request as JSON, and reads the callback's query from the standard input.
Then it refreshes. Prints what it has as JSON.
"""
import json
import sys
from urllib.parse import parse_qsl

from idpyoidc.client.rp_handler import RPHandler

issuer, callback, folder = sys.argv[1:4]
service = "idpyoidc.client.oidc"
rp_handler = RPHandler(
    base_url=callback.rsplit("/", 1)[0],
    key_conf={
        "private_path": f"{folder}/private.json",
        "key_defs": [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}],
        "public_path": f"{folder}/static/jwks.json",
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
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "redirect_uris": [callback],
            "services": {
                "discovery": {"class": f"{service}.provider_info_discovery.ProviderInfoDiscovery"},
                "registration": {"class": f"{service}.registration.Registration"},
                "authorization": {"class": f"{service}.authorization.Authorization"},
                "access_token": {"class": f"{service}.access_token.AccessToken"},
                "refresh_access_token": {"class": f"{service}.refresh_access_token.RefreshAccessToken"},
                "userinfo": {"class": f"{service}.userinfo.UserInfo"},
            },
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
refreshed = rp_handler.refresh_access_token(state)
registered = client.get_context().registration_response
print(json.dumps({
    "registered": registered.to_dict(),
    "id_token": result["id_token"].to_dict(),
    "userinfo": result["userinfo"].to_dict(),
    "refreshed": refreshed.to_dict(),
}))
