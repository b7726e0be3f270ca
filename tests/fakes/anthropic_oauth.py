"""The token endpoint of the Claude API, as documented: verifies JWTs, takes a `jti` once, and serves messages to whoever brings what it gave.

A real server on loopback. `generation` chooses between the two published pages of errors.
"""

from __future__ import annotations

import http.server
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from fakes.http_server import Handler, HttpServer

ISSUER = "https://issuer.example.com"
RULE = "fdrl_rule"
ORGANIZATION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class AnthropicServer:
    """What the far side knows. *status* other than 0 answers everything with it."""

    url: str = ""
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    # Of another issuer, in place of our own key's.
    public_key: Any = None
    audience: str | None = None
    generation: str = "current"
    needs_workspace: bool = False
    lifetime: int = 3600
    status: int = 0
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    exchange_headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def token_url(self) -> str:
        return f"{self.url}/v1/oauth/token"

    def sign(self, *, life: float = 600, algorithm: str = "ES256", **claims: Any) -> str:
        """Return a new JWT of the issuer that the rule trusts; a claim of None is left out."""
        now = time.time()
        whole = {
            "iss": ISSUER,
            "sub": "me",
            "iat": int(now),
            "exp": int(now + life),
            "jti": uuid.uuid4().hex,
        } | claims
        return jwt.encode(
            {name: value for name, value in whole.items() if value is not None},
            self.key,
            algorithm=algorithm,
            headers={"kid": "one"},
        )

    def exchange(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one exchange."""
        required = {"grant_type", "assertion", "federation_rule_id", "organization_id"}
        if not required <= body.keys() or body["grant_type"] != GRANT or "" in body.values():
            return self._malformed("Missing field.")
        if self.needs_workspace and "workspace_id" not in body:
            if self.generation == "older":
                return 400, {
                    "error": "invalid_request",
                    "error_description": "workspace_id_required",
                }
            return self._refused()
        try:
            claims = jwt.decode(
                body["assertion"],
                self.public_key or self.key.public_key(),
                algorithms=["ES256"],
                audience=self.audience,
                options={"require": ["exp", "iat", "sub"]},
                leeway=30,
            )
        except jwt.PyJWTError:
            return self._refused()
        name = claims.get("jti")
        if body["federation_rule_id"] != RULE or claims["iss"] != ISSUER or name in self.used:
            return self._refused()
        if name:
            self.used.add(name)
        token = f"sk-ant-oat01-{uuid.uuid4().hex}"
        self.tokens.add(token)
        remaining = claims["exp"] - time.time()
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": max(60, int(min(self.lifetime, 2 * remaining))),
            "scope": "workspace:developer",
        }

    def _malformed(self, text: str) -> tuple[int, dict[str, Any]]:
        if self.generation == "older":
            return 400, {"error": "invalid_request", "error_description": text}
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": text}}

    def _refused(self) -> tuple[int, dict[str, Any]]:
        if self.generation == "older":
            return 400, {"error": "invalid_grant", "error_description": "Authentication failed"}
        error = {"type": "authentication_error", "message": "Authentication failed"}
        return 401, {"type": "error", "error": error}


def make_handler(state: AnthropicServer) -> type[http.server.BaseHTTPRequestHandler]:
    """Return what answers as *state*."""

    class Answering(Handler):
        def do_POST(self) -> None:
            content = self.body()
            if state.status:
                self.answer(state.status, state.body or b"<html>")
            elif self.path == "/v1/oauth/token":
                state.exchange_headers.append(
                    {name.lower(): value for name, value in self.headers.items()}
                )
                state.exchanges.append(json.loads(content))
                status, answer = state.exchange(state.exchanges[-1])
                self.answer(status, json.dumps(answer).encode())
            elif self.path.startswith("/v1/messages"):
                bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                known = bearer in state.tokens
                self.answer(200 if known else 401, json.dumps(_MESSAGE if known else {}).encode())
            else:
                self.answer(404, b"{}")

        def answer(self, status: int, body: bytes) -> None:
            headers = {"Content-Type": "application/json", "request-id": "req_011"}
            self.reply(status, body, headers | dict(state.headers))

    return Answering


@contextmanager
def serving() -> Iterator[AnthropicServer]:
    """Run one on a free port."""
    state = AnthropicServer()
    with HttpServer(make_handler(state)) as server:
        state.url = server.url
        yield state


_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "stand-in",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
