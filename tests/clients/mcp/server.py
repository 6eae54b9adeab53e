"""A protected MCP server on the server part of the Python SDK, 1.x or 2.x: PORT ISSUER RESOURCE [OPTIONS as JSON].

It checks access tokens by the provider's published keys alone. Options:

- scopes: what its protected resource metadata lists and every request needs; null lists none
- challenge: the `scope` in the challenge at 401, which the SDK itself leaves out
- admin: the scope that the tool `admin` needs; without it the answer is insufficient_scope
"""
import json
import sys

import jwt
import uvicorn
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings

try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

port, issuer, resource = int(sys.argv[1]), sys.argv[2], sys.argv[3]
options = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
keys = jwt.PyJWKClient(f"{issuer}/auth/jwks.json")


class Verifier(TokenVerifier):
    async def verify_token(self, token):
        try:
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                return None
            key = keys.get_signing_key_from_jwt(token).key
            claims = jwt.decode(token, key, algorithms=["ES256"], audience=resource, issuer=issuer)
        except jwt.PyJWTError as error:
            print(f"a token is refused: {error}", file=sys.stderr)
            return None
        scopes = claims["scope"].split()
        return AccessToken(
            token=token, client_id=claims["client_id"], scopes=scopes, expires_at=claims["exp"], resource=resource
        )


class Challenges:
    """Adds to the challenges what the SDK's server leaves out."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body, receive = await read_body(receive)
        needed = options.get("admin")
        if needed and calls_admin(body) and needed not in scopes_of(scope):
            return await refuse(send, needed)

        async def send_with_scope(message):
            if message["type"] == "http.response.start" and message["status"] == 401 and options.get("challenge"):
                more = f', scope="{options["challenge"]}"'.encode()
                message["headers"] = [
                    (name, value + more if name.lower() == b"www-authenticate" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self.app(scope, receive, send_with_scope)


async def read_body(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again


def calls_admin(body):
    try:
        message = json.loads(body)
        return message.get("method") == "tools/call" and message["params"]["name"] == "admin"
    except ValueError:
        return False


def scopes_of(scope):
    """The scopes of a request's access token, which is checked later."""
    authorization = dict(scope["headers"]).get(b"authorization", b"").decode()
    token = authorization.removeprefix("Bearer ")
    return jwt.decode(token, options={"verify_signature": False})["scope"].split() if token else []


async def refuse(send, needed):
    # RFC 6750 section 3.1, with what the request needs in all, as the MCP specification has it.
    whole = f'{options["challenge"]} {needed}' if options.get("challenge") else needed
    challenge = f'Bearer error="insufficient_scope", scope="{whole}"'
    headers = [(b"www-authenticate", challenge.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


server = MCPServer(
    "Tools",
    token_verifier=Verifier(),
    auth=AuthSettings(issuer_url=issuer, resource_server_url=resource, required_scopes=options.get("scopes")),
)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def admin() -> str:
    """Needs another scope."""
    return "done"


uvicorn.run(Challenges(server.streamable_http_app()), host="127.0.0.1", port=port, log_level="warning")
