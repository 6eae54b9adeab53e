"""An MCP client without a user on the Python SDK, as its documentation has it: URL ISSUER CLIENT_ID SECRET [KEY].

It authenticates by its secret, or signs assertions with the private key (PEM, RSA). Calls the tool `add`, and again with
an expired access token. Prints what it has as JSON.
"""
import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client

try:
    from httpx2 import AsyncClient
except ImportError:
    from httpx import AsyncClient

url, issuer, client_id, secret = sys.argv[1:5]


class Storage:
    """Keeps the tokens in memory."""

    def __init__(self):
        self.received = []

    async def get_tokens(self):
        return None

    async def set_tokens(self, tokens):
        self.received.append(tokens)

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        pass


def provider_for(storage):
    if secret:
        return ClientCredentialsOAuthProvider(url, storage, client_id, secret, issuer=issuer)
    parameters = SignedJWTParameters(
        issuer=client_id, subject=client_id, signing_algorithm="RS256", signing_key=sys.stdin.read()
    )
    assertions = parameters.create_assertion_provider()
    return PrivateKeyJWTOAuthProvider(url, storage, client_id, assertions, issuer=issuer)


async def main():
    storage = Storage()
    auth = provider_for(storage)
    results = []
    async with AsyncClient(auth=auth, timeout=30) as http_client:
        async with streamable_http_client(url, http_client=http_client) as (read, write, *_):
            async with ClientSession(read, write) as session:
                await session.initialize()
                results.append((await session.call_tool("add", {"a": 1, "b": 2})).content[0].text)
                # As ten minutes later.
                auth.context.token_expiry_time = 1
                results.append((await session.call_tool("add", {"a": 3, "b": 4})).content[0].text)
    print(json.dumps({"results": results, "tokens": [one.access_token for one in storage.received]}))


asyncio.run(main())
