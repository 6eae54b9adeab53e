"""A web application on requests-oauthlib, as its documentation has it: ISSUER CALLBACK CLIENT_ID CLIENT_SECRET SCOPE.

It prints the authorization request as JSON, and reads the query of the callback from the standard input. It reads
userinfo, refreshes, and reads userinfo again, and prints what it has as JSON.
"""
import json
import sys

import requests
from requests_oauthlib import OAuth2Session

issuer, callback, client_id, client_secret, scope = sys.argv[1:6]
metadata = requests.get(f"{issuer}/.well-known/openid-configuration").json()

session = OAuth2Session(client_id, redirect_uri=callback, scope=scope.split(), pkce="S256")
url, state = session.authorization_url(metadata["authorization_endpoint"], prompt="consent")
print(json.dumps({"url": url}), flush=True)

response = f"{callback}?{sys.stdin.readline().strip()}"
token = session.fetch_token(
    metadata["token_endpoint"], authorization_response=response, client_secret=client_secret
)
userinfo = session.get(metadata["userinfo_endpoint"]).json()
sent = []


def note(url, headers, body):
    sent.append(body)
    return url, headers, body


session.register_compliance_hook("refresh_token_request", note)
refreshed = session.refresh_token(metadata["token_endpoint"], auth=(client_id, client_secret))
print(json.dumps({
    "token": token,
    "userinfo": userinfo,
    "refresh_request": sent[0],
    "refreshed": refreshed,
    "userinfo_again": session.get(metadata["userinfo_endpoint"]).json(),
}))
