"""A Vault or OpenBao server, as its HTTP API pages describe it: logins, tokens, KV, leases, wrapping, namespaces.

A real server on loopback; its clock is the test's. What a request may do follows from its token alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fakes.http_server import Handler, HttpServer

Answer = tuple[int, dict[str, Any] | bytes]


@dataclass
class Lived:
    """A token or a lease: it ends at *expires_at*, and is renewed up to *ends_at*."""

    expires_at: float | None
    ends_at: float
    ttl: float
    renewable: bool = True
    parent: str | None = None
    policies: tuple[str, ...] = ("default",)


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class VaultServer:
    """What the server holds; tests write into it."""

    now: Callable[[], float]
    url: str = ""
    namespace: str = ""
    sealed: bool = False
    # Other than 0: the answer to everything.
    status: int = 0
    answer: dict[str, Any] | bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    token_ttl: float = 1200
    token_max_ttl: float = 3600
    token_renewable: bool = True
    explicit_max_ttl: int = 0
    lease_ttl: float = 600
    lease_max_ttl: float = 1500
    lease_renewable: bool = True
    denied: set[str] = field(default_factory=set)
    # This path alone is out of order, and says this.
    broken: str = ""
    broken_error: str = "internal error"
    tokens: dict[str, Lived] = field(default_factory=dict)
    leases: dict[str, Lived] = field(default_factory=dict)
    # Method, then what must be presented.
    logins: dict[str, dict[str, Any]] = field(default_factory=dict)
    secret_ids: set[str] = field(default_factory=set)
    wrapped: dict[str, dict[str, Any]] = field(default_factory=dict)
    kv1: dict[str, dict[str, Any]] = field(default_factory=dict)
    kv2: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Paths of engines that make something: path to data; "{n}" in a text counts.
    dynamic: dict[str, dict[str, Any]] = field(default_factory=dict)
    unleased: dict[str, dict[str, Any]] = field(default_factory=dict)
    redirect_uris: set[str] = field(default_factory=set)
    oidc_states: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    made: int = 0

    # --- for tests

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [each.path for each in self.asked]

    def new_token(self, *, ttl: float | None = None, **more: Any) -> str:
        """Make a token, with an end unless *ttl* is 0."""
        ttl = self.token_ttl if ttl is None else ttl
        text = f"hvs.{uuid.uuid4().hex}"
        now = self.now()
        self.tokens[text] = Lived(
            expires_at=now + ttl if ttl else None,
            ends_at=now + self.token_max_ttl,
            ttl=ttl,
            renewable=more.pop("renewable", self.token_renewable),
            **more,
        )
        return text

    def revoke(self, text: str) -> None:
        """Revoke a token and its leases."""
        self.tokens.pop(text)
        for name in [name for name, lease in self.leases.items() if lease.parent == text]:
            del self.leases[name]

    def wrap(self, data: dict[str, Any]) -> str:
        """Return a wrapping token around *data*."""
        text = f"hvs.wrap{uuid.uuid4().hex}"
        self.wrapped[text] = data
        return text

    # --- requests

    def handle(self, asked: Asked) -> Answer:
        """Answer one request."""
        self.asked.append(asked)
        if self.status:
            return self.status, self.answer
        if asked.path == self.broken:
            return 500, {"errors": [self.broken_error]}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if asked.headers.get("x-vault-namespace", "").strip("/") != self.namespace:
            return 404, {"errors": ["no handler for route"]}
        if asked.headers.get("x-vault-request") != "true":
            return 412, {"errors": ["missing X-Vault-Request"]}
        parts = asked.path.split("/")
        if parts[0] == "auth" and parts[1] != "token":
            return self._login(parts[1], parts[2:], asked)
        text = asked.headers.get("x-vault-token", "")
        if asked.path == "sys/wrapping/unwrap":
            return self._unwrap(text)
        token = self.tokens.get(text)
        if token is None or (token.expires_at is not None and token.expires_at <= self.now()):
            return 403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token"]}
        if any(asked.path.startswith(each) for each in self.denied):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied"]}
        return self._serve(asked, text, token)

    def _serve(self, asked: Asked, text: str, token: Lived) -> Answer:
        match (asked.method, asked.path):
            case ("GET", "auth/token/lookup-self"):
                return 200, {"data": self._describe(text, token)}
            case ("POST" | "PUT", "auth/token/renew-self"):
                return self._renew_token(text, token, asked.body.get("increment"))
            case ("POST" | "PUT", "auth/token/revoke-self"):
                self.revoke(text)
                return 204, b""
            case ("POST", path) if path.startswith("auth/token/create"):
                child = self.new_token(ttl=float(asked.body["ttl"].rstrip("s")), parent=text)
                return 200, self._auth(child) | {"data": None}
            case ("POST" | "PUT", "sys/leases/renew"):
                return self._renew_lease(asked.body)
            case ("POST" | "PUT", "sys/leases/revoke"):
                return (204, b"") if self.leases.pop(asked.body["lease_id"], None) else _invalid()
            case ("GET", path) if path.startswith("sys/internal/ui/mounts/"):
                return self._mount(path.removeprefix("sys/internal/ui/mounts/"))
            case ("GET", path) if path.startswith("secret/data/"):
                return self._read_kv2(path.removeprefix("secret/data/"))
            case ("GET", path) if path.startswith("secret/"):
                text = "Invalid path for a versioned K/V secrets engine."
                return 404, {"errors": [], "warnings": [text]}
            case ("GET", path) if path in self.kv1:
                return 200, _secret(self.kv1[path], lease_duration=2_764_800)
            case (_, path) if path in self.dynamic:
                return self._make(path, text)
            case (_, path) if path in self.unleased:
                return 200, _secret(self._count(self.unleased[path]))
            case _:
                return 404, {"errors": []}

    # --- logins

    def _login(self, mount: str, rest: list[str], asked: Asked) -> Answer:
        expected = self.logins.get(mount)
        if expected is None:
            return 403, {"errors": ["permission denied"]}
        if rest[:1] == ["oidc"]:
            return self._oidc(rest[1], expected, asked)
        if rest[0] != "login":
            return 404, {"errors": ["unsupported path"]}
        given = dict(asked.body) | ({"username": rest[1]} if len(rest) > 1 else {})
        if mount.startswith("approle"):
            if given.get("secret_id") not in self.secret_ids:
                return 400, {"errors": ["invalid role or secret ID"]}
            given.pop("secret_id")
        if any(given.get(name) != value for name, value in expected.items()):
            return 400, {"errors": [f"invalid credentials {given}"]}
        return 200, self._auth(self.new_token())

    def _oidc(self, what: str, expected: dict[str, Any], asked: Asked) -> Answer:
        if what == "auth_url":
            allowed = asked.body["redirect_uri"] in self.redirect_uris
            if not allowed or asked.body["role"] != expected["role"]:
                return 200, {"data": {"auth_url": ""}}
            state = f"st_{uuid.uuid4().hex}"
            self.oidc_states[state] = asked.body["client_nonce"]
            query = {"state": state, "redirect_uri": asked.body["redirect_uri"], "nonce": "n"}
            return 200, {"data": {"auth_url": f"https://idp.example.com/auth?{urlencode(query)}"}}
        nonce = self.oidc_states.pop(asked.query.get("state", ""), None)
        if nonce is None or nonce != asked.query.get("client_nonce"):
            return 400, {"errors": ["Expired or missing OAuth state."]}
        if asked.query.get("code") != expected["code"]:
            return 400, {"errors": ["error exchanging oidc code"]}
        return 200, self._auth(self.new_token(), metadata={"email": "me@example.com"})

    def _unwrap(self, text: str) -> Answer:
        if text not in self.wrapped:
            return 400, {"errors": ["wrapping token is not valid or does not exist"]}
        return 200, _secret(self.wrapped.pop(text))

    # --- lives

    def _auth(self, text: str, metadata: dict[str, str] | None = None) -> dict[str, Any]:
        token = self.tokens[text]
        left = 0 if token.expires_at is None else token.expires_at - self.now()
        return {
            "auth": {
                "client_token": text,
                "accessor": f"accessor-{text[-6:]}",
                "lease_duration": int(left),
                "renewable": token.renewable,
                "metadata": metadata,
            }
        }

    def _describe(self, text: str, token: Lived) -> dict[str, Any]:
        left = 0 if token.expires_at is None else int(token.expires_at - self.now())
        return {
            "id": text,
            "accessor": f"accessor-{text[-6:]}",
            "ttl": left,
            "creation_ttl": int(token.ttl),
            "expire_time": None if token.expires_at is None else _instant(token.expires_at),
            "renewable": token.renewable,
            "explicit_max_ttl": self.explicit_max_ttl,
        }

    def _renew_token(self, text: str, token: Lived, increment: str | None) -> Answer:
        if not token.renewable or token.expires_at is None:
            return 400, {"errors": ["lease is not renewable"]}
        wanted = float((increment or "0").rstrip("s")) or token.ttl
        token.expires_at = min(self.now() + wanted, token.ends_at)
        return 200, self._auth(text)

    def _renew_lease(self, body: dict[str, Any]) -> Answer:
        lease = self.leases.get(body["lease_id"])
        if lease is None or lease.expires_at is None or lease.expires_at <= self.now():
            return 400, {"errors": ["lease not found"]}
        if not lease.renewable:
            return 400, {"errors": ["lease is not renewable"]}
        lease.expires_at = min(self.now() + (body["increment"] or lease.ttl), lease.ends_at)
        left = int(lease.expires_at - self.now())
        return 200, {"lease_id": body["lease_id"], "lease_duration": left, "renewable": True}

    # --- secrets

    def _mount(self, path: str) -> Answer:
        kind = {"secret": ("kv", {"version": "2"}), "kv": ("kv", {"version": "1"})}
        mount = path.split("/", maxsplit=1)[0]
        if mount not in {*kind, *(each.split("/")[0] for each in (*self.dynamic, *self.unleased))}:
            return 403, {"errors": ["preflight capability check returned 403"]}
        name, options = kind.get(mount, (mount, None))
        return 200, {"data": {"path": f"{mount}/", "type": name, "options": options}}

    def _read_kv2(self, path: str) -> Answer:
        if path not in self.kv2:
            return 404, {"errors": []}
        metadata = {"version": 3, "created_time": "2027-01-01T00:00:00Z", "deletion_time": ""}
        return 200, _secret({"data": self.kv2[path], "metadata": metadata})

    def _make(self, path: str, parent: str) -> Answer:
        now = self.now()
        name = f"{path}/{uuid.uuid4().hex}"
        self.leases[name] = Lived(
            expires_at=now + self.lease_ttl,
            ends_at=now + self.lease_max_ttl,
            ttl=self.lease_ttl,
            renewable=self.lease_renewable,
            parent=parent,
        )
        return 200, _secret(
            self._count(self.dynamic[path]),
            lease_id=name,
            lease_duration=int(self.lease_ttl),
            renewable=self.lease_renewable,
        )

    def _count(self, data: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        return {
            name: value.replace("{n}", str(self.made)) if isinstance(value, str) else value
            for name, value in data.items()
        }


def _secret(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "request_id": uuid.uuid4().hex,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    } | more


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _invalid() -> Answer:
    return 400, {"errors": ["invalid lease"]}


@contextmanager
def serving(now: Callable[[], float]) -> Iterator[VaultServer]:
    """Run one on a free port."""
    state = VaultServer(now=now)

    class Answering(Handler):
        def do_any(self) -> None:
            content = self.body()
            parts = urlsplit(self.path)
            asked = Asked(
                method=self.command,
                path=parts.path.removeprefix("/v1/"),
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(content or b"{}"),
            )
            status, answer = state.handle(asked)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if isinstance(answer, dict):
                self.send_header("Content-Type", "application/json")
            for name, value in state.headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_any  # noqa: N815 - the names are the standard library's

    with HttpServer(Answering) as server:
        state.url = server.url
        yield state
