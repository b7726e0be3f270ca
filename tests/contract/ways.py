"""Every way to a token that asks somebody over HTTP, of every provider: settings, and a far side that grants.

A provider adds its ways to `WAYS`; `test_answers` then has each of their requests answered wrongly.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from canaries import canary
from credward.clock import SystemClock
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import HttpRequest, HttpResponse, ProviderRequest
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.registry import SETTINGS
from credward.tokens import Secret, Token
from fakes import (
    anthropic_oauth,
    aws_sso,
    entra_server,
    google_server,
    oauth_server,
    vault_server,
)
from provider_classes import provider_class

__all__ = ["WAYS", "Far", "Fault", "Mint", "Way"]

# A secret by its name: the same one for both sides.
word = functools.cache(canary)

# Answers one request in the place of the far side, which *ask* asks for what it would have said.
Fault = Callable[[HttpRequest, Callable[[], HttpResponse]], HttpResponse]


@dataclass(kw_only=True)
class Way:
    """One mint. *secrets* are what the daemon hands over; *environ* is beside that of any worker."""

    provider: str
    settings: Mapping[str, Any]
    grant: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


class Far:
    """All far sides on loopback, each strict; and the way of a request to one of them."""

    def __init__(self, folder: Path, servers: contextlib.ExitStack) -> None:
        self.folder = folder
        self.google = servers.enter_context(google_server.serving(google_server.Google()))
        self.vault = servers.enter_context(vault_server.serving(time.time))
        self.oauth = servers.enter_context(oauth_server.OAuthServer(rotates=False))
        self.entra = servers.enter_context(entra_server.entra_server(folder))
        self.anthropic = servers.enter_context(anthropic_oauth.serving())
        self.aws = servers.enter_context(aws_sso.serving_sso())
        self.entra.rotates = False
        self.entra.refresh_token = word("entra-refresh")
        self.transport = Transport(NetworkSettings(ca=self.entra.ca))
        servers.callback(self.transport.close)

    def send(self, http_request: HttpRequest) -> HttpResponse:
        """Send a request to whoever stands for its host."""
        parts = urlsplit(http_request.url)
        if parts.hostname in {"127.0.0.1", "localhost"}:
            return self.transport.send(http_request, credential="gateway")
        query = f"?{parts.query}" if parts.query else ""
        url = f"http://127.0.0.1:{self.google.port}/{parts.hostname}{parts.path}{query}"
        if parts.path.startswith("/metadata/"):
            url = f"{self.entra.http}{parts.path}{query}"
        return self.transport.send(
            msgspec.structs.replace(http_request, url=url), credential="gateway"
        )

    def write(self, name: str, text: str, mode: int = 0o600) -> str:
        """Write a private file and return its path."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)


class Mint:
    """One mint of a way: what it sent and was answered, by the *fault* instead of answer number *at*."""

    def __init__(self, far: Far, way: Way, *, at: int = 0, fault: Fault | None = None) -> None:
        self._far, self._way, self._at, self._fault = far, way, at, fault
        self.sent: list[HttpRequest] = []
        self.answers: list[HttpResponse] = []
        self.grants: list[str] = []

    def send(self, http_request: HttpRequest, *, credential: str) -> HttpResponse:
        """Stand where the transport does."""
        assert credential == "gateway"
        self.sent.append(http_request)
        if self._fault is not None and len(self.sent) == self._at:
            return self._fault(http_request, lambda: self._far.send(http_request))
        self.answers.append(self._far.send(http_request))
        return self.answers[-1]

    def run(self, provider: Any = None) -> Token:
        """Mint once; by *provider*, or a new one."""
        way = self._way
        io = WorkerIo(
            Machine(
                clock=SystemClock(),
                now=SystemClock().now(),
                environ={
                    "PATH": "/usr/bin:/bin",
                    "HOME": "/nonexistent",
                    "LANG": "C",
                    **way.environ,
                },
                transport=lambda: self,
            ),
            credential="gateway",
            keep_grant=lambda grant: self.grants.append(grant.secret.reveal()),
        )
        token: Token = (provider or provider_class(way.provider)()).mint(
            ProviderRequest(
                credential="gateway",
                settings=msgspec.convert(way.settings, SETTINGS[way.provider]),
                grant=None if way.grant is None else Secret(way.grant),
                secrets={name: Secret(text) for name, text in way.secrets.items()},
            ),
            io,
        )
        return token


# --- oauth


def _oauth(far: Far, *, discovery: bool = False, **words: Any) -> Mapping[str, Any]:
    server = far.oauth
    where = {"issuer": server.issuer} if discovery else {"token_endpoint": f"{server.issuer}/token"}
    return {"client_id": server.client_id, **where, **words}


_EC_KEY = ec.generate_private_key(ec.SECP256R1())
_EC_PEM = _EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _oauth_refresh(far: Far, **words: Any) -> Way:
    settings = _oauth(far, grant_type="refresh_token", **words)
    return Way(provider="oauth", settings=settings, grant=far.oauth.grant())


def _oauth_traded(far: Far, **words: Any) -> Way:
    secrets = {name: word(name) for name, value in words.items() if isinstance(value, dict)}
    return Way(provider="oauth", settings=_oauth(far, **words), secrets=secrets)


def _oauth_signed(far: Far) -> Way:
    return Way(
        provider="oauth",
        settings=_oauth(
            far, grant_type="jwt_bearer", private_key={"store": "k"}, subject="me", discovery=True
        ),
        secrets={"private_key": _EC_PEM},
    )


# --- entra

_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "credward")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_RSA_KEY.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(30))
        .sign(_RSA_KEY, hashes.SHA256())
    )
    key = _RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (key + built.public_bytes(Encoding.PEM)).decode()


_ENTRA_SECRETS: Mapping[str, Callable[[Far], str]] = {
    "client_secret": lambda _: entra_server.SECRET,
    "client_certificate": lambda _: _certificate(),
    "client_assertion": lambda far: far.entra.assertion,
    "on_behalf_of": lambda _: "user-token",
}


def _entra(far: Far, *secrets: str, grant: str | None = None, **words: Any) -> Way:
    far.entra.public_key = _RSA_KEY.public_key()
    return Way(
        provider="entra",
        settings={
            "authority": far.entra.authority(),
            "client_id": entra_server.CLIENT,
            "scope": "api://x/.default",
            **{name: {"store": "x"} for name in secrets},
            **words,
        },
        secrets={name: _ENTRA_SECRETS[name](far) for name in secrets},
        grant=grant,
    )


def _entra_github(far: Far) -> Way:
    way = _entra(far, federated="github")
    way.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{far.entra.https}/github?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": entra_server.GITHUB,
    }
    return way


def _entra_user(far: Far, **words: Any) -> Way:
    grant = json.dumps({"refresh_token": far.entra.refresh_token})
    return _entra(far, grant=grant, **{"scope": "api://x/y", **words})


def _entra_machine(_: Far) -> Way:
    settings = {"managed_identity": True, "resource": "my-res"}
    return Way(provider="entra", settings=settings)


# --- aws

_ROLES = [f"arn:aws:iam::123456789012:role/{name}" for name in ("one", "two")]


def _aws(far: Far, **words: Any) -> Way:
    secrets = {}
    if "web_identity_token" in words:
        secrets["web_identity_token"] = word("web-identity")
        far.aws.owners[secrets["web_identity_token"]] = "pod"
    elif "sso_start_url" not in words and "credential_source" not in words:
        words["source"] = {"store": "keys"}
        keys = {"AccessKeyId": "AKIA0000000000000000", "SecretAccessKey": word("key")}
        far.aws.owners[keys["AccessKeyId"]] = "deployer"
        secrets["source"] = json.dumps(keys)
    far.aws.owners["AKIA"] = "instance"
    return Way(
        provider="aws",
        settings={"region": "eu-central-1", **words},
        secrets=secrets,
        environ={"AWS_ENDPOINT_URL": far.aws.url},
    )


def _aws_login(far: Far, *, access_life: float) -> Way:
    way = _aws(
        far,
        sso_start_url=aws_sso.START_URL,
        sso_region="eu-central-1",
        sso_account_id="123456789012",
        sso_role_name="Agent",
    )
    far.aws.rotates = False
    far.aws.refresh_token = word("sso-refresh")
    far.aws.access_tokens[word("sso-access")] = time.time() + 3600
    far.aws.clients["c"] = {"secret": word("sso-client")}
    way.grant = json.dumps(
        {
            "access_token": word("sso-access"),
            "access_expires_at": time.time() + access_life,
            "client_id": "c",
            "client_secret": word("sso-client"),
            "client_expires_at": time.time() + 9999,
            "refresh_token": far.aws.refresh_token,
        }
    )
    return way


# --- gcp


def _gcp_key(far: Far, **words: Any) -> Way:
    path = far.write("key.json", json.dumps(google_server.service_account()))
    return Way(provider="gcp", settings={"credentials_file": path, **words})


def _gcp_user(far: Far, **words: Any) -> Way:
    path = far.write("user.json", json.dumps(google_server.authorized_user()))
    return Way(provider="gcp", settings={"credentials_file": path, **words})


def _gcp_login(_: Far) -> Way:
    client = google_server.CLIENT
    return Way(
        provider="gcp",
        settings={"client_id": client["client_id"], "client_secret": {"store": "s"}},
        secrets={"client_secret": client["client_secret"]},
        grant=google_server.REFRESH,
    )


def _gcp_external(far: Far, source: Mapping[str, Any], **more: Any) -> Way:
    words = {name: more.pop(name) for name in ("allow_executable",) if name in more}
    info = google_server.external_account(dict(source), **more)
    path = far.write("external.json", json.dumps(info))
    return Way(provider="gcp", settings={"credentials_file": path, **words})


def _gcp_from_file(far: Far) -> Way:
    subject = far.write("subject", google_server.SUBJECT)
    url = google_server.impersonation_url(google_server.TARGET)
    return _gcp_external(far, {"file": subject}, service_account_impersonation_url=url)


def _gcp_from_url(far: Far) -> Way:
    return _gcp_external(far, {"url": f"http://127.0.0.1:{far.google.port}/subject"})


def _gcp_from_program(far: Far) -> Way:
    kind = "urn:ietf:params:oauth:token-type:jwt"
    answer = {
        "version": 1,
        "success": True,
        "token_type": kind,
        "id_token": google_server.SUBJECT,
    }
    program = far.write("subject-program", f"#!/bin/sh\necho '{json.dumps(answer)}'\n", 0o700)
    return _gcp_external(far, {"executable": {"command": program}}, allow_executable=True)


def _gcp_from_aws(far: Far) -> Way:
    return _gcp_external(
        far, google_server.AWS_SOURCE, subject_token_type=google_server.AWS_SUBJECT
    )


_BOUNDARY = [
    {
        "availableResource": "//storage.googleapis.com/projects/_/buckets/b",
        "availablePermissions": ["inRole:roles/storage.objectViewer"],
    }
]
_ID_TOKEN = {"token": "id", "audience": "https://run.example.com"}

# --- vault


def _vault(far: Far, method: str, secrets: Mapping[str, str], **words: Any) -> Way:
    far.vault.kv2["llm"] = {"key": word("kv")}
    far.vault.dynamic["database/creds/app"] = {"username": "u{n}", "password": word("db")}
    references = {name: {"store": name} for name in secrets}
    settings = {"address": far.vault.url, "auth_method": method, "path": "secret/llm"}
    given = {**settings, **references, **words}
    return Way(
        provider="vault",
        settings={name: value for name, value in given.items() if value is not None},
        secrets=secrets,
    )


def _vault_token(far: Far, **words: Any) -> Way:
    return _vault(far, "token", {"token": far.vault.new_token(ttl=900)}, **words)


def _vault_approle(far: Far, *, wrapped: bool) -> Way:
    far.vault.logins["approle"] = {"role_id": "r"}
    far.vault.secret_ids.add("sid")
    text = far.vault.wrap({"secret_id": "sid"}) if wrapped else "sid"
    words = {"secret_id_wrapped": True} if wrapped else {}
    return _vault(far, "approle", {"secret_id": text}, role_id="r", **words)


@functools.cache
def _jwt() -> str:
    claims = {"exp": time.time() + 3600, "marker": word("jwt")}
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def _vault_jwt(far: Far, method: str) -> Way:
    text = _jwt()
    far.vault.logins[method] = {"role": "app", "jwt": text}
    return _vault(far, method, {"jwt": text}, role="app")


def _vault_password(far: Far, method: str) -> Way:
    password = word("password")
    far.vault.logins[method] = {"username": "me", "password": password}
    return _vault(far, method, {"password": password}, username="me")


def _vault_aws(far: Far) -> Way:
    keys = {"AccessKeyId": "AKIA1", "SecretAccessKey": word("key"), "SessionToken": "s"}
    far.vault.logins["aws"] = {"role": "app"}
    return _vault(far, "aws", {"aws_credentials": json.dumps(keys)}, role="app")


def _vault_cert(far: Far) -> Way:
    far.vault.logins["cert"] = {"name": "web"}
    pem = far.write("client.pem", _certificate())
    return _vault(far, "cert", {}, role="web", client_cert=pem, client_key=pem)


def _vault_human(far: Far) -> Way:
    """A login that was made in the browser some time ago."""
    from credward.providers.vault.client import make_client
    from credward.providers.vault.state import VaultToken, load_state, make_grant
    from credward.settings.vault import Settings
    from fakes.io import FakeIo

    way = _vault(far, "oidc", {}, role="dev")
    settings = msgspec.convert(way.settings, Settings)
    state = load_state(make_client("gateway", settings, FakeIo()), None)
    text = far.vault.new_token(ttl=900)
    state.token = VaultToken(id=text, expires_at=time.time() + 400, ttl=900, renewable=True)
    way.grant = make_grant(state).secret.reveal()
    return way


# --- anthropic


def _anthropic(far: Far) -> Way:
    return Way(
        provider="anthropic",
        settings={
            "federation_rule_id": anthropic_oauth.RULE,
            "organization_id": anthropic_oauth.ORGANIZATION,
            "identity": {"store": "jwt"},
            "token_url": far.anthropic.token_url,
        },
        # One without a `jti` may be presented at each of the mints.
        secrets={"identity": far.anthropic.sign(jti=None)},
    )


_STORED = {"store": "x"}

WAYS: Mapping[str, Callable[[Far], Way]] = {
    "oauth-refresh": _oauth_refresh,
    "oauth-refresh-discovery": lambda far: _oauth_refresh(far, discovery=True),
    "oauth-client-credentials": lambda far: _oauth_traded(
        far,
        grant_type="client_credentials",
        client_secret=_STORED,
        token_endpoint_auth_method="client_secret_post",
    ),
    "oauth-client-assertion": lambda far: _oauth_traded(
        far, grant_type="client_credentials", client_assertion=_STORED, discovery=True
    ),
    "oauth-token-exchange": lambda far: _oauth_traded(
        far, grant_type="token_exchange", subject_token=_STORED, subject_token_type="jwt"
    ),
    "oauth-jwt-bearer": lambda far: _oauth_traded(far, grant_type="jwt_bearer", assertion=_STORED),
    "oauth-jwt-bearer-signed": _oauth_signed,
    "entra-secret": lambda far: _entra(far, "client_secret"),
    "entra-certificate": lambda far: _entra(far, "client_certificate"),
    "entra-assertion": lambda far: _entra(far, "client_assertion"),
    "entra-github": _entra_github,
    "entra-on-behalf-of": lambda far: _entra(far, "client_secret", "on_behalf_of"),
    "entra-user": _entra_user,
    "entra-user-id-token": lambda far: _entra_user(far, token="id"),
    "entra-managed-identity": _entra_machine,
    "aws-role": lambda far: _aws(far, role_arn=_ROLES[0]),
    "aws-chain": lambda far: _aws(far, role_arn=_ROLES[1], chain=_ROLES[:1]),
    "aws-session": _aws,
    "aws-web-identity": lambda far: _aws(far, web_identity_token=_STORED, role_arn=_ROLES[0]),
    "aws-instance": lambda far: _aws(far, credential_source="Ec2InstanceMetadata"),
    "aws-identity-center": lambda far: _aws_login(far, access_life=3600),
    "aws-identity-center-refresh": lambda far: _aws_login(far, access_life=10),
    "aws-ecr": lambda far: _aws(far, role_arn=_ROLES[0], derive="ecr"),
    "aws-bedrock-api-key": lambda far: _aws(far, role_arn=_ROLES[0], derive="bedrock-api-key"),
    "aws-claude-platform-key": lambda far: _aws(
        far, role_arn=_ROLES[0], derive="claude-platform-key"
    ),
    "aws-eks": lambda far: _aws(far, role_arn=_ROLES[0], derive="eks", cluster_name="c"),
    "gcp-key": _gcp_key,
    "gcp-key-id-token": lambda far: _gcp_key(far, **_ID_TOKEN),
    "gcp-user": _gcp_user,
    "gcp-login": _gcp_login,
    "gcp-impersonation": lambda far: _gcp_user(
        far, impersonate_service_account=google_server.TARGET
    ),
    "gcp-impersonation-id-token": lambda far: _gcp_user(
        far, impersonate_service_account=google_server.TARGET, **_ID_TOKEN
    ),
    "gcp-downscoped": lambda far: _gcp_key(far, access_boundary=_BOUNDARY),
    "gcp-external-file": _gcp_from_file,
    "gcp-external-url": _gcp_from_url,
    "gcp-external-program": _gcp_from_program,
    "gcp-external-aws": _gcp_from_aws,
    "gcp-metadata": lambda _: Way(provider="gcp", settings={"source": "metadata"}),
    "gcp-metadata-id-token": lambda _: Way(
        provider="gcp", settings={"source": "metadata", **_ID_TOKEN}
    ),
    "vault-token": _vault_token,
    "vault-token-itself": lambda far: _vault_token(far, path=None),
    "vault-lease": lambda far: _vault_token(far, path="database/creds/app"),
    "vault-approle": lambda far: _vault_approle(far, wrapped=False),
    "vault-approle-wrapped": lambda far: _vault_approle(far, wrapped=True),
    "vault-kubernetes": lambda far: _vault_jwt(far, "kubernetes"),
    "vault-jwt": lambda far: _vault_jwt(far, "jwt"),
    "vault-gcp": lambda far: _vault_jwt(far, "gcp"),
    "vault-azure": lambda far: _vault_jwt(far, "azure"),
    "vault-oidc": _vault_human,
    "vault-userpass": lambda far: _vault_password(far, "userpass"),
    "vault-ldap": lambda far: _vault_password(far, "ldap"),
    "vault-aws": _vault_aws,
    "vault-cert": _vault_cert,
    "anthropic-federation": _anthropic,
}


@pytest.fixture(scope="session")
def far() -> Any:
    """Return all far sides, served until the tests of this process end."""
    with contextlib.ExitStack() as servers:
        folder = servers.enter_context(tempfile.TemporaryDirectory())
        yield Far(Path(folder), servers)
