"""An MCP client on the Python SDK, 1.x or 2.x, as its documentation has it: URL [OPTIONS as JSON].

It calls the tool `add`, then again with an expired access token, and prints what it has as JSON. Options:

- admin: true calls the tool `admin`, too
- client: the registered client that was stored at an earlier start
- document: the URL of a client metadata document, which then is the client_id
"""
import asyncio
import json
import sys
import webbrowser
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

try:
    from httpx2 import AsyncClient
    from mcp import Client
    from mcp.client.auth import AuthorizationCodeResult
except ImportError:
    from httpx import AsyncClient

    Client = None

url = sys.argv[1]
options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
authorization_requests = []


class Storage:
    """Keeps the tokens in memory."""

    tokens = client_info = None

    def __init__(self):
        self.received = []
        if "client" in options:
            self.client_info = OAuthClientInformationFull.model_validate(options["client"])

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.received.append(tokens)

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.parameters = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this window.")

    def log_message(self, *_):
        pass


callbacks = HTTPServer(("127.0.0.1", 0), Callback)
callbacks.timeout = 60


async def open_browser(authorization_url):
    query = parse_qs(urlparse(authorization_url).query)
    authorization_requests.append({name: values[0] for name, values in query.items()})
    webbrowser.open(authorization_url)


async def wait_for_callback():
    callbacks.parameters = {}
    await asyncio.to_thread(callbacks.handle_request)
    found = callbacks.parameters
    if "code" not in found:
        raise RuntimeError(f"the authorization response is {found}")
    if Client is None:
        return found["code"], found.get("state")
    return AuthorizationCodeResult(code=found["code"], state=found.get("state"), iss=found.get("iss"))


@asynccontextmanager
async def connect(http_client):
    transport = streamable_http_client(url, http_client=http_client)
    if Client is not None:
        async with Client(transport) as client:
            yield client
        return
    async with transport as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def text_of(result):
    return result.content[0].text


async def main():
    storage = Storage()
    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python MCP client",
            redirect_uris=[f"http://127.0.0.1:{callbacks.server_port}/callback"],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
        client_metadata_url=options.get("document"),
    )
    results = {}
    async with AsyncClient(auth=auth, timeout=30) as http_client, connect(http_client) as client:
        results["add"] = text_of(await client.call_tool("add", {"a": 1, "b": 2}))
        # As ten minutes later.
        auth.context.token_expiry_time = 1
        results["refreshed"] = text_of(await client.call_tool("add", {"a": 3, "b": 4}))
        if options.get("admin"):
            results["admin"] = text_of(await client.call_tool("admin", {}))
    print(json.dumps({
        "results": results,
        "requests": authorization_requests,
        "client": json.loads(storage.client_info.model_dump_json(exclude_none=True)),
        "tokens": [json.loads(tokens.model_dump_json()) for tokens in storage.received],
    }))


def causes(error):
    """The errors inside groups of errors."""
    inner = getattr(error, "exceptions", None)
    return [cause for one in inner for cause in causes(one)] if inner else [f"{type(error).__name__}: {error}"]


try:
    asyncio.run(main())
except Exception as error:
    sys.exit("; ".join(causes(error)))
