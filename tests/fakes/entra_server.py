"""Microsoft Entra ID on loopback, over TLS: the endpoints that msal asks, strict where Entra is.

One server, two doors: `https` is the authority, `http` the identity endpoints of Azure's services.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import trustme

from canaries import canary
from fakes.http_server import Handler, HttpServer

TENANT = "contoso.example"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = canary("entra-secret")
GITHUB = canary("github")
USER = "alice@contoso.example"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def unsigned(claims: dict[str, Any]) -> str:
    """Return a JWT without a signature worth the name."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    text = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    ]
    return ".".join([*text, canary("signature")])


def refusal(code: int, error: str = "invalid_grant", **more: Any) -> dict[str, Any]:
    """Return a refusal as Entra ID writes them, with a canary where texts are."""
    return {
        "error": error,
        "error_description": f"AADSTS{code}: {canary('description')} Trace ID: x",
        "error_codes": [code],
        "timestamp": "2026-11-21 07:00:00Z",
        "trace_id": "0a0a0a0a-0000-0000-0000-000000000000",
        "correlation_id": "0b0b0b0b-0000-0000-0000-000000000000",
        **more,
    }


@dataclass(kw_only=True)
class EntraServer:
    """What it knows, what it will answer, and what it was asked."""

    https: str = ""
    http: str = ""
    ca: str = ""
    # Answers every token request when set: a refusal, or a status with a body.
    refusal: dict[str, Any] | None = None
    raw: tuple[int, dict[str, str], bytes] | None = None
    raw_discovery: tuple[int, dict[str, str], bytes] | None = None
    lifetime: Any = 3600
    rotates: bool = True
    pending: list[str] = field(default_factory=list)
    public_key: Any = None
    assertion: str = "federated-assertion"
    refresh_token: str = ""
    used: set[str] = field(default_factory=set)
    username: str = USER
    # Whether the application is registered as one that keeps a secret.
    needs_proof: bool = False
    # Of this tenant all answers come a byte at a time.
    trickles: str | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    identity_header: str = "header-secret"
    identity_answer: tuple[int, bytes] | None = None
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    # Access tokens that it made, and by which grant.
    made: dict[str, str] = field(default_factory=dict)

    # --- what tests look at ----------------------------------------------------------------------

    def forms(self) -> list[dict[str, str]]:
        """Return the token requests."""
        return [form for path, form, _ in self.asked if path.endswith("/token") and form]

    def authority(self, tenant: str = TENANT) -> str:
        return f"{self.https}/{tenant}"

    # --- endpoints -------------------------------------------------------------------------------

    def answer(
        self, path: str, form: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.asked.append((path, form, headers))
        bare = path.partition("?")[0]
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if bare.startswith(("/msi/", "/metadata/")):
            status, body = self._identity(bare, query, headers)
            return status, {}, body
        if bare == "/github":
            told = headers.get("authorization") == f"Bearer {GITHUB}"
            value = {"value": f"github-{query['audience']}"} if told else {}
            return (200 if told else 401), {}, json.dumps(value).encode()
        tenant = bare.split("/")[1]
        if bare.endswith("/.well-known/openid-configuration"):
            return self.raw_discovery or self._json(*self._discover(tenant))
        if bare.endswith("/devicecode"):
            return self._json(200, self._device())
        if self.raw is not None:
            return self.raw
        answer = self.refusal or self._token(form, tenant)
        return self._json(400 if "error" in answer else 200, answer)

    def _json(self, status: int, answer: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _discover(self, tenant: str) -> tuple[int, dict[str, Any]]:
        if tenant == "nosuch":
            return 400, refusal(90002, "invalid_tenant")
        base = f"{self.https}/{tenant}"
        return 200, {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
        }

    def _device(self) -> dict[str, Any]:
        return {
            "user_code": "ABCD1234",
            "device_code": "device-code",
            "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": 900,
            "interval": 5,
            "message": "To sign in …",
        }

    def _token(self, form: dict[str, str], tenant: str) -> dict[str, Any]:
        if form.get("client_id") != CLIENT:
            return refusal(700016, "unauthorized_client")
        if self.needs_proof:
            if not {"client_secret", "client_assertion"} & form.keys():
                return refusal(7000218, "invalid_client")
            if (refused := self._prove(form, tenant)) is not None:
                return refused
        match form.get("grant_type"):
            case "client_credentials":
                return self._prove(form, tenant) or self._granted(form)
            case _ if form.get("grant_type") == JWT_BEARER:
                if form.get("requested_token_use") != "on_behalf_of":
                    return refusal(900144, "invalid_request")
                if form["assertion"] != "user-token":
                    return refusal(50013)
                return self._prove(form, tenant) or self._granted(form)
            case "refresh_token":
                if form["refresh_token"] in self.used:
                    return refusal(50173)
                if form["refresh_token"] != self.refresh_token:
                    return refusal(9002313)
                return self._granted(form, user=True, rotate=self.rotates)
            case "authorization_code":
                return self._code(form)
            case _ if form.get("grant_type") == DEVICE_GRANT:
                if self.pending:
                    return refusal(70016, self.pending.pop(0))
                return self._granted(form, user=True, rotate=True)
            case _:
                return refusal(70003, "unsupported_grant_type")

    def _prove(self, form: dict[str, str], tenant: str) -> dict[str, Any] | None:
        if "client_assertion" not in form:
            return (
                None if form.get("client_secret") == SECRET else refusal(7000215, "invalid_client")
            )
        if form["client_assertion"] in {self.assertion, "github-api://AzureADTokenExchange"}:
            return None
        if self.public_key is None:
            return refusal(700213, "invalid_client")
        try:
            jwt.decode(
                form["client_assertion"],
                self.public_key,
                algorithms=["PS256"],
                audience=f"{self.https}/{tenant}/oauth2/v2.0/token",
                issuer=CLIENT,
                options={"require": ["exp", "iss", "sub", "aud", "jti"]},
            )
        except jwt.PyJWTError:
            return refusal(700027, "invalid_client")
        return None

    def _code(self, form: dict[str, str]) -> dict[str, Any]:
        started = self.codes.pop(form["code"], None)
        if started is None:
            return refusal(54005)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != started["code_challenge"]:
            return refusal(501481, "invalid_grant")
        if form["redirect_uri"] != started["redirect_uri"]:
            return refusal(50011, "invalid_client")
        return self._granted(form, user=True, rotate=True, nonce=started["nonce"])

    def sign_in(self, url: str) -> dict[str, str]:
        """Play the sign-in page at *url*; return the query of the way back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["code_challenge_method"] == "S256"
        assert urlsplit(asked["redirect_uri"]).hostname == "localhost"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "session_state": "x"}

    def _granted(
        self, form: dict[str, str], *, user: bool = False, rotate: bool = False, nonce: str = ""
    ) -> dict[str, Any]:
        now = int(time.time())
        scope = form.get("scope", "")
        access = {"aud": scope, "exp": now + 3600, "uti": "uti-1", "n": secrets.token_hex(4)}
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": unsigned(access),
        }
        self.made[answer["access_token"]] = form["grant_type"]
        if not user:
            return answer
        claims = {
            "iss": f"{self.https}/{TENANT}/v2.0",
            "sub": "alice",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 1800,
            "oid": "oid",
            "tid": "tid",
            "uti": "uti-id",
            "preferred_username": self.username,
        }
        info = base64.urlsafe_b64encode(b'{"uid": "oid", "utid": "tid"}').rstrip(b"=").decode()
        answer |= {
            "id_token": unsigned(claims | ({"nonce": nonce} if nonce else {})),
            "client_info": info,
        }
        if rotate:
            if self.refresh_token:
                self.used.add(self.refresh_token)
            self.refresh_token = canary(f"refresh-{secrets.token_hex(4)}")
            answer["refresh_token"] = self.refresh_token
        return answer

    def _identity(
        self, path: str, query: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if self.identity_answer is not None:
            return self.identity_answer
        now = int(time.time())
        answer = {
            "access_token": unsigned({"aud": query["resource"], "uti": "uti-mi"}),
            "resource": query["resource"],
            "token_type": "Bearer",
            "expires_on": str(now + 7000),
        }
        if path.startswith("/msi/"):
            if headers.get("x-identity-header") != self.identity_header:
                return 401, b'{"statusCode": 401, "message": "no"}'
            if query["api-version"] != "2019-08-01":
                return 400, b"{}"
            return 200, json.dumps(answer).encode()
        if headers.get("metadata") != "true" or query["api-version"] != "2018-02-01":
            return 400, b'{"error": "bad_request"}'
        return 200, json.dumps(answer | {"expires_in": "6999"}).encode()


def make_handler(server: EntraServer) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the handler of requests that has *server* answer them."""

    class Answering(Handler):
        def do_POST(self) -> None:
            body = self.body().decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = server.answer(self.path, form, headers)
            if status == 0:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            slowly = server.trickles is not None and f"/{server.trickles}/" in self.path
            with suppress(OSError):
                for byte in content if slowly else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.4)
                self.wfile.write(b"" if slowly else content)

        do_GET = do_POST  # noqa: N815 - the name is the standard library's

    return Answering


@contextmanager
def entra_server(folder: Path) -> Iterator[EntraServer]:
    """Run one until the block ends; its authority's certificate is in `ca`."""
    authority = trustme.CA()
    ca = folder / "entra-ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    server = EntraServer(ca=str(ca))
    handler = make_handler(server)
    with HttpServer(handler, tls=context) as sealed, HttpServer(handler) as plain:
        server.https, server.http = sealed.url, plain.url
        yield server
