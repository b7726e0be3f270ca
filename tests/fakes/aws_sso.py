"""IAM Identity Center as clients see it: SSO OIDC and the portal, on loopback, with single-use codes; a little of STS and ECR.

Checks what the real one checks: the registration, the grant type, the PKCE verifier, that a refresh
token is the newest one, and that an access token is alive.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from canaries import canary
from fakes.http_server import Handler, HttpServer

START_URL = "https://example.awsapps.com/start"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class AwsSso:
    """State and knobs of one server. Lifetimes are in seconds."""

    url: str = ""
    # How often a device code is answered with "pending", and which polls with "slow down".
    pending: int = 0
    slow_down: frozenset[int] = frozenset()
    denied: bool = False
    access_lifetime: int = 3600
    client_lifetime: int = 7_776_000
    role_lifetime: float = 3600.0
    rotates: bool = True
    gives_refresh_token: bool = True
    assigned: tuple[str, str] = ("123456789012", "Agent")
    # More roles of the same account.
    more_roles: frozenset[str] = frozenset()
    # Answers as they are, by path: (status, content type, body). "hang" sends nothing for long.
    broken: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    # Refresh tokens that were not the newest one: nobody may present such.
    refusals: list[str] = field(default_factory=list)
    # The hosts that were asked, and whose each access key is.
    hosts: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_token: str | None = None
    access_tokens: dict[str, float] = field(default_factory=dict)
    polls: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)
    stopping: threading.Event = field(default_factory=threading.Event)

    def word(self, what: str) -> str:
        """Return a new secret word, which shows wherever it should not be."""
        return f"{canary(what)}-{next(self.numbers)}"

    def end_sessions(self) -> None:
        """Log everybody out, as an administrator does."""
        self.access_tokens.clear()
        self.refresh_token = None

    def browse(self, url: str) -> str:
        """Return the redirect that the browser follows once the human has allowed it."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        client = self.clients[query["client_id"]]
        redirect = urlsplit(query["redirect_uri"])
        assert parts.path == "/authorize"
        assert query["response_type"] == "code"
        assert query["scopes"] == "sso:account:access"
        assert query["code_challenge_method"] == "S256"
        # The port may be any: RFC 8252 section 7.3.
        assert [f"http://{redirect.hostname}{redirect.path}"] == client["redirectUris"]
        code = self.word("code")
        self.codes[code] = {"challenge": query["code_challenge"], "uri": query["redirect_uri"]}
        answer = urlencode({"code": code, "state": query["state"]})
        return f"{query['redirect_uri']}?{answer}"

    # What each path does; the answer is a status with members, or an exception's name.

    def register(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked.get("clientType") != "public" or asked.get("scopes") != ["sso:account:access"]:
            return 400, "InvalidClientMetadataException"
        client_id = self.word("client-id")
        self.clients[client_id] = {**asked, "secret": self.word("client-secret")}
        return 200, {
            "clientId": client_id,
            "clientSecret": self.clients[client_id]["secret"],
            "clientIdIssuedAt": int(time.time()),
            "clientSecretExpiresAt": int(time.time()) + self.client_lifetime,
        }

    def device_authorization(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if not self._knows(asked) or asked.get("startUrl") != START_URL:
            return 400, "InvalidClientException"
        code = self.word("device-code")
        self.codes[code] = {}
        return 200, {
            "deviceCode": code,
            "userCode": "ABCD-EFGH",
            "verificationUri": "https://device.sso.eu-central-1.amazonaws.com/",
            "verificationUriComplete": "https://device.sso.eu-central-1.amazonaws.com/?user_code=ABCD-EFGH",
            "expiresIn": 600,
            "interval": 1,
        }

    def token(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if not self._knows(asked):
            return 401, "InvalidClientException"
        match asked.get("grantType"):
            case "authorization_code":
                return self._by_code(asked)
            case "refresh_token":
                if self.refresh_token is None or asked.get("refreshToken") != self.refresh_token:
                    self.refusals.append(str(asked.get("refreshToken")))
                    return 400, "InvalidGrantException"
                return 200, self._tokens(first=False)
            case grant if grant == DEVICE:
                return self._by_device(asked)
            case _:
                return 400, "UnsupportedGrantTypeException"

    def credentials(self, query: dict[str, str], bearer: str | None) -> tuple[int, Any]:
        if self.access_tokens.get(bearer or "", 0) <= time.time():
            return 401, "UnauthorizedException"
        account, role = self.assigned
        roles = {role, *self.more_roles}
        if query.get("account_id") != account or query.get("role_name") not in roles:
            return 403, "ForbiddenException"
        access_key_id = f"ASIA{next(self.numbers):016}"
        self.owners[access_key_id] = f"{query['account_id']}/{query['role_name']}"
        return 200, {
            "roleCredentials": {
                "accessKeyId": access_key_id,
                "secretAccessKey": self.word("secret-key"),
                "sessionToken": self.word("session-token"),
                "expiration": int((time.time() + self.role_lifetime) * 1000),
            }
        }

    def sts(self, body: bytes, authorization: str) -> bytes:
        """Answer as STS does: the signer must hold keys that were given here."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        action = asked["Action"]
        if action == "AssumeRoleWithWebIdentity":
            assert not authorization
            signer = asked["WebIdentityToken"]
        else:
            signer = authorization.partition("Credential=")[2].partition("/")[0]
        access_key_id = f"ASIA{next(self.numbers):016}"
        role = asked.get("RoleArn", "session")
        self.owners[access_key_id] = f"{self.owners[signer]} as {role}"
        ends = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
        return (
            f"<{action}Response><{action}Result><Credentials>"
            f"<AccessKeyId>{access_key_id}</AccessKeyId>"
            f"<SecretAccessKey>{self.word('secret-key')}</SecretAccessKey>"
            f"<SessionToken>{self.word('session-token')}</SessionToken>"
            f"<Expiration>{ends}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        ).encode()

    def registry_password(self) -> dict[str, Any]:
        """Answer as ECR does."""
        password = base64.b64encode(f"AWS:{self.word('password')}".encode()).decode()
        data = {"authorizationToken": password, "expiresAt": time.time() + 43_200}
        return {"authorizationData": [data]}

    def logout(self, bearer: str | None) -> tuple[int, Any]:
        if bearer not in self.access_tokens:
            return 401, "UnauthorizedException"
        self.end_sessions()
        return 200, {}

    def _knows(self, asked: dict[str, Any]) -> bool:
        client = self.clients.get(asked.get("clientId", ""))
        return client is not None and client["secret"] == asked.get("clientSecret")

    def _by_code(self, asked: dict[str, Any]) -> tuple[int, Any]:
        found = self.codes.pop(asked.get("code", ""), None)
        if found is None:
            return 400, "InvalidGrantException"
        digest = hashlib.sha256(asked.get("codeVerifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != found["challenge"] or asked.get("redirectUri") != found["uri"]:
            return 400, "InvalidGrantException"
        return 200, self._tokens(first=True)

    def _by_device(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked.get("deviceCode") not in self.codes:
            return 400, "InvalidGrantException"
        self.polls += 1
        if self.denied:
            return 400, "AccessDeniedException"
        if self.polls in self.slow_down:
            return 400, "SlowDownException"
        if self.polls <= self.pending:
            return 400, "AuthorizationPendingException"
        del self.codes[asked["deviceCode"]]
        return 200, self._tokens(first=True)

    def _tokens(self, *, first: bool) -> dict[str, Any]:
        access_token = self.word("access-token")
        self.access_tokens[access_token] = time.time() + self.access_lifetime
        answer = {
            "accessToken": access_token,
            "tokenType": "Bearer",
            "expiresIn": self.access_lifetime,
        }
        if self.gives_refresh_token and (first or self.rotates):
            self.refresh_token = answer["refreshToken"] = self.word("refresh-token")
        return answer


@contextmanager
def serving_sso() -> Iterator[AwsSso]:
    """Run a server until the end of the block."""
    sso = AwsSso()
    with HttpServer(make_handler(sso)) as server:
        sso.url = server.url
        try:
            yield sso
        finally:
            sso.stopping.set()


def make_handler(sso: AwsSso) -> type[http.server.BaseHTTPRequestHandler]:
    class Answering(Handler):
        def do_POST(self) -> None:
            body = self.body()
            path = urlsplit(self.path).path
            sso.calls.append(path)
            sso.hosts.append(self.headers["Host"])
            if not self.is_broken(path):
                bearer = self.headers.get("x-amz-sso_bearer_token")
                if path == "/" and "X-Amz-Target" in self.headers:
                    self.answer(200, sso.registry_password())
                    return
                if path == "/":
                    answer = sso.sts(body, self.headers.get("Authorization", ""))
                    self.reply(200, answer, {"Content-Type": "text/xml"})
                    return
                asked = json.loads(body or b"{}")
                query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
                match path:
                    case "/client/register":
                        self.answer(*sso.register(asked))
                    case "/device_authorization":
                        self.answer(*sso.device_authorization(asked))
                    case "/token":
                        self.answer(*sso.token(asked))
                    case "/federation/credentials":
                        self.answer(*sso.credentials(query, bearer))
                    case "/logout":
                        self.answer(*sso.logout(bearer))
                    case _:
                        self.answer(404, "ResourceNotFoundException")

        do_GET = do_POST  # noqa: N815 - the name is the standard library's

        def is_broken(self, path: str) -> bool:
            if path in sso.hang:
                sso.stopping.wait(100)
            elif path in sso.broken:
                status, content_type, body = sso.broken[path]
                self.reply(status, body, {"Content-Type": content_type})
            else:
                return False
            return True

        def answer(self, status: int, members: Any) -> None:
            headers = {"Content-Type": "application/json"}
            if isinstance(members, str):
                headers["x-amzn-errortype"] = members
                members = {"error": "refused", "error_description": sso.word("description")}
            self.reply(status, json.dumps(members).encode(), headers)

    return Answering
