"""Google as seen from a loopback port: token endpoint, STS, IAM Credentials, metadata, a subject URL.

Real HTTP over real sockets; signatures, PKCE and bearer tokens are verified. Which host a request was
for stands in its path (`/oauth2.googleapis.com/token`) or, behind a TLS stub, in its Host header.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.server
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from credward.clock import SystemClock
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import Grant, HttpRequest, HttpResponse
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from fakes.http_server import Handler, HttpServer

AGENT = "agent@project.iam.gserviceaccount.com"
TARGET = "target@project.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/o"
SUBJECT = "subject-token"
_IMDS = "http://169.254.169.254/latest"
# What gcloud writes into the JSON of a federation from AWS, and the type of the subject tokens.
AWS_SOURCE = {
    "environment_id": "aws1",
    "region_url": f"{_IMDS}/meta-data/placement/availability-zone",
    "url": f"{_IMDS}/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": f"{_IMDS}/api/token",
    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
}
AWS_SUBJECT = "urn:ietf:params:aws:token-type:aws4_request"
CLIENT = {"client_id": "client", "client_secret": "client-secret"}
REFRESH = "refresh-token"
_TOKEN_URI = "https://oauth2.googleapis.com/token"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()


def service_account(**more: Any) -> dict[str, Any]:
    """Return a key file as Google writes it."""
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": PEM,
        "client_email": AGENT,
        "client_id": "1",
        "token_uri": _TOKEN_URI,
    } | more


def authorized_user(**more: Any) -> dict[str, Any]:
    """Return what `gcloud auth application-default login` writes."""
    return {"type": "authorized_user", "refresh_token": REFRESH, **CLIENT} | more


def external_account(source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a workload identity configuration as gcloud writes it."""
    return {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    } | more


def impersonation_url(account: str) -> str:
    """Return where tokens of *account* are asked for."""
    return (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        f"{account}:generateAccessToken"
    )


@dataclass(slots=True, kw_only=True)
class Seen:
    """One request, as far as tests look at it."""

    host: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]
    fields: Any
    # Of mutual TLS, in DER.
    certificate: bytes | None = None


@dataclass(slots=True)
class Google:
    """What the server knows, and how it is told to misbehave."""

    lifetime: int = 3600
    # The next answers whose path holds the key: status, headers, body; a body of None resets.
    bad: dict[str, tuple[int, dict[str, str], bytes | None]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    # Who holds which token; the boundary of downscoped ones.
    bearers: dict[str, str] = field(default_factory=dict)
    boundaries: list[Any] = field(default_factory=list)
    may_impersonate: set[str] = field(default_factory=lambda: {AGENT, TARGET, "user", "pool", "vm"})
    refresh_token: str = REFRESH
    rotated: str | None = None
    # Whether the pool takes a subject token.
    takes: Callable[[str], bool] = SUBJECT.__eq__
    challenge: str | None = None
    # Before each answer (seconds).
    delay: float = 0.0
    server_header: str = "Metadata Server for VM"
    port: int = 0

    def issue(self, who: str) -> str:
        """Return a new access token of *who*."""
        token = f"ya29.{uuid.uuid4().hex}"
        self.bearers[token] = who
        return token

    def sign(self, who: str, audience: str) -> str:
        """Return an ID token of *who*."""
        now = int(time.time())
        claims = {"iss": "https://accounts.google.com", "aud": audience, "sub": "1", "email": who}
        # No two are alike.
        claims |= {"iat": now, "exp": now + self.lifetime, "nonce": uuid.uuid4().hex}
        return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "1"})

    def answer(self, request: Seen) -> tuple[int, dict[str, Any] | str]:
        """Return status and body."""
        match request.host, request.path.partition("?")[0]:
            case "oauth2.googleapis.com", "/token":
                return self._token(request.form)
            case "oauth2.googleapis.com", "/revoke":
                known = request.form.get("token") == self.refresh_token
                return (200, {}) if known else (400, {"error": "invalid_token"})
            case "sts.googleapis.com", "/v1/token":
                return self._exchange(request.form)
            case "sts.mtls.googleapis.com", "/v1/token":
                return self._exchange_certificate(request)
            case "iamcredentials.googleapis.com", path:
                return self._impersonate(path, request)
            case "169.254.169.254" | "127.0.0.1", path if path.startswith("/computeMetadata/v1/"):
                return self._metadata(request)
            case "169.254.169.254", path:
                return self._aws(path, request)
            case _, "/subject":
                return 200, SUBJECT
            case _, "/subject/json":
                return 200, {"value": SUBJECT}
            case _:
                return 404, "<html>no such page"

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        match form.get("grant_type"):
            case "refresh_token":
                if form["client_secret"] != CLIENT["client_secret"]:
                    return 401, {"error": "invalid_client"}
                if form["refresh_token"] != self.refresh_token:
                    return 400, {
                        "error": "invalid_grant",
                        "error_description": form["refresh_token"],
                    }
                more = {"refresh_token": self.rotated} if self.rotated else {}
                return 200, self._tokens("user") | more
            case "authorization_code":
                verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
                if challenge != self.challenge or form["code"] != "code":
                    return 400, {"error": "invalid_grant"}
                return 200, self._tokens("user") | {"refresh_token": self.refresh_token}
            case grant if grant == _JWT_BEARER:
                try:
                    claims = jwt.decode(
                        form["assertion"],
                        KEY.public_key(),
                        algorithms=["RS256"],
                        audience=_TOKEN_URI,
                        issuer=AGENT,
                    )
                except jwt.PyJWTError:
                    return 400, {"error": "invalid_grant", "error_description": form["assertion"]}
                if audience := claims.get("target_audience"):
                    return 200, {"id_token": self.sign(AGENT, audience)}
                return 200, self._tokens(AGENT)
            case _:
                return 400, {"error": "unsupported_grant_type"}

    def _tokens(self, who: str) -> dict[str, Any]:
        return {
            "access_token": self.issue(who),
            "expires_in": self.lifetime,
            "token_type": "Bearer",
            "id_token": self.sign("me@example.com", CLIENT["client_id"]),
        }

    def _exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        given = form["subject_token"]
        if form["subject_token_type"].endswith(":access_token"):
            if given not in self.bearers:
                return 400, {"error": "invalid_grant", "error_description": given}
            from urllib.parse import unquote

            self.boundaries.append(json.loads(unquote(form["options"])))
            who = f"narrow {self.bearers[given]}"
        elif form["audience"] != POOL:
            return 400, {"error": "invalid_target"}
        elif form["subject_token_type"].endswith("aws4_request"):
            signed_for = "%22value%22%3A%22sts.eu-central-1.amazonaws.com%22"
            if "x-goog-cloud-target-resource" not in given or signed_for not in given:
                return 400, {"error": "invalid_grant"}
            who = "pool"
        elif not self.takes(given):
            return 400, {"error": "invalid_grant", "error_description": given}
        else:
            who = "pool"
        return 200, {
            "access_token": self.issue(who),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }

    def _exchange_certificate(self, request: Seen) -> tuple[int, dict[str, Any]]:
        chain = json.loads(request.form["subject_token"])
        if request.certificate is None or base64.b64decode(chain[0]) != request.certificate:
            return 400, {"error": "invalid_grant"}
        return 200, self._tokens("pool")

    def _impersonate(self, path: str, request: Seen) -> tuple[int, dict[str, Any]]:
        who = self.bearers.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if who is None:
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}}
        if who not in self.may_impersonate:
            return 403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": who}}
        account, _, verb = path.rpartition("/")[2].partition(":")
        if verb == "generateIdToken":
            return 200, {"token": self.sign(account, request.fields["audience"])}
        seconds = int(request.fields["lifetime"].removesuffix("s"))
        ends = dt.datetime.fromtimestamp(time.time() + seconds, dt.UTC)
        return 200, {
            "accessToken": self.issue(account),
            "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _metadata(self, request: Seen) -> tuple[int, dict[str, Any] | str]:
        if request.headers.get("metadata-flavor") != "Google":
            return 403, "<html>"
        url = urlsplit(request.path)
        if url.path.endswith("/identity"):
            return 200, self.sign("vm", parse_qs(url.query)["audience"][0])
        if url.path.endswith("/token"):
            token = self.issue("vm")
            return 200, {
                "access_token": token,
                "expires_in": self.lifetime,
                "token_type": "Bearer",
            }
        return 404, "<html>"

    def _aws(self, path: str, request: Seen) -> tuple[int, dict[str, Any] | str]:
        if path == "/latest/api/token":
            return 200, "imds-session"
        if request.headers.get("x-aws-ec2-metadata-token") != "imds-session":
            return 401, ""
        match path:
            case "/latest/meta-data/placement/availability-zone":
                return 200, "eu-central-1a"
            case "/latest/meta-data/iam/security-credentials" | (
                "/latest/meta-data/iam/security-credentials/"
            ):
                return 200, "role"
            case "/latest/meta-data/iam/security-credentials/role":
                ends = dt.datetime.fromtimestamp(time.time() + self.lifetime, dt.UTC)
                return 200, {
                    "Code": "Success",
                    "AccessKeyId": "AKIA",
                    "SecretAccessKey": "secret",
                    "Token": "session",
                    "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            case _:
                return 404, ""


def make_handler(google: Google) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the handler class of a server for *google*."""

    class Answering(Handler):
        def do_POST(self) -> None:
            body = self.body()
            seen = _read(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            if isinstance(self.connection, ssl.SSLSocket):
                seen.certificate = self.connection.getpeercert(binary_form=True)
            google.seen.append(seen)
            time.sleep(google.delay)
            for part, (status, headers, bad_body) in google.bad.items():
                if part in f"{seen.host}{seen.path}":
                    if bad_body is None:
                        self.connection.shutdown(socket.SHUT_RDWR)
                        return
                    self.send(status, headers, bad_body)
                    return
            status, answer = google.answer(seen)
            kind = "text/html" if isinstance(answer, str) else "application/json"
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send(status, {"Content-Type": kind}, text.encode())

        do_GET = do_PUT = do_POST  # noqa: N815 - the names are the standard library's

        def version_string(self) -> str:
            return google.server_header

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.reply(status, body, headers | {"Metadata-Flavor": "Google"})

    return Answering


def _read(path: str, headers: dict[str, str], body: bytes) -> Seen:
    host = headers["host"].partition(":")[0]
    if host == "127.0.0.1" and "." in path[1:].partition("/")[0]:
        host, _, path = path[1:].partition("/")
        path = f"/{path}"
    form, fields = {}, None
    match headers.get("content-type", "").partition(";")[0]:
        case "application/x-www-form-urlencoded":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        case "application/json" if body:
            fields = json.loads(body)
    return Seen(host=host, path=path, headers=headers, form=form, fields=fields)


@contextmanager
def serving(google: Google) -> Iterator[Google]:
    """Serve *google* on a loopback port while the block runs."""
    with HttpServer(make_handler(google)) as server:
        google.port = server.port
        yield google


class DivertingTransport:
    """The real transport, but for the way: whatever is for another host goes to the fake Google."""

    def __init__(self, google: Google) -> None:
        self._google = google
        self._transport = Transport(NetworkSettings())

    def send(self, http_request: HttpRequest, *, credential: str) -> HttpResponse:
        parts = urlsplit(http_request.url)
        if parts.hostname != "127.0.0.1":
            query = f"?{parts.query}" if parts.query else ""
            diverted = HttpRequest(
                method=http_request.method,
                url=f"http://127.0.0.1:{self._google.port}/{parts.hostname}{parts.path}{query}",
                headers=http_request.headers,
                body=http_request.body,
                timeout=http_request.timeout,
            )
            return self._transport.send(diverted, credential=credential)
        return self._transport.send(http_request, credential=credential)


def make_io(google: Google, environ: dict[str, str], grants: list[Grant] | None = None) -> WorkerIo:
    """Return the real world of a worker, with *google* in Google's place."""
    clock = SystemClock()
    return WorkerIo(
        Machine(
            clock=clock,
            now=clock.now(),
            environ={"PATH": "/usr/bin:/bin", **environ},
            transport=lambda: DivertingTransport(google),
        ),
        credential="vertex",
        keep_grant=None if grants is None else grants.append,
    )
