"""Mints at the real URLs of providers, inside a namespace where these lead to fakes of ours.

Run by `test_real_urls.py` as `python -m integration.real_urls NAME FOLDER`; prints one line of JSON. A
provider adds its case to `CASES`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme

from credward.clock import SystemClock
from credward.errors import BrokerError
from credward.settings.network import NetworkSettings
from credward.tokens import Secret
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool
from fakes import aws_sso, entra_server, google_server
from fakes.tls_stub import serving_tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """One provider's far side: its handler, and whether it made a given token, by whose name."""

    handler: type[BaseHTTPRequestHandler]
    owner: Callable[[str], str | None]
    # The hosts that were asked, in their order.
    asked: Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mint: provider, the hosts that it is to reach, how its far side and its HOME are made."""

    provider: str
    hosts: tuple[str, ...]
    make_far: Callable[[], Far]
    owner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path, trustme.CA], None] = lambda _home, _ca: None
    grant: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it: whose token, or which failure; and who was asked."""

    owner: str | None = None
    kind: str | None = None
    message: str | None = None
    asked: list[str] = field(default_factory=list)
    # Of the worker, after the mint.
    threads: int = 0


def _google() -> Far:
    google = google_server.Google()
    return Far(
        handler=google_server.make_handler(google),
        owner=google.bearers.get,
        asked=lambda: [seen.host for seen in google.seen],
    )


def _aws() -> Far:
    sso = aws_sso.AwsSso()
    sso.access_tokens[_AWS_LOGIN["access_token"]] = 4e9

    def owner(token: str) -> str | None:
        return sso.owners.get(json.loads(token)["AccessKeyId"])

    return Far(handler=aws_sso.make_handler(sso), owner=owner, asked=lambda: sso.hosts)


_AWS_ROLE = "arn:aws:iam::123456789012:role/deploy"
_AWS_LOGIN = {
    "access_token": "alive",
    "access_expires_at": 4e9,
    "client_id": "c",
    "client_secret": "s",
    "client_expires_at": 4e9,
    "refresh_token": "r",
}


def _gcloud_login(home: Path, _ca: trustme.CA) -> None:
    folder = home / ".config/gcloud"
    folder.mkdir(parents=True)
    path = folder / "application_default_credentials.json"
    path.write_text(json.dumps(google_server.authorized_user()))
    path.chmod(0o600)


def _federation(home: Path, _ca: trustme.CA) -> None:
    (home / "subject").write_text(google_server.SUBJECT)
    url = google_server.impersonation_url(google_server.AGENT)
    info = google_server.external_account(
        {"file": str(home / "subject")}, service_account_impersonation_url=url
    )
    (home / "external.json").write_text(json.dumps(info))


def _certificate(home: Path, ca: trustme.CA) -> None:
    issued = ca.issue_cert("workload")
    certificate, key, config = (home / name for name in ("cert.pem", "key.pem", "config.json"))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    paths = {"cert_path": str(certificate), "key_path": str(key)}
    config.write_text(json.dumps({"cert_configs": {"workload": paths}}))
    info = google_server.external_account(
        {"certificate": {"certificate_config_location": str(config)}},
        subject_token_type="urn:ietf:params:oauth:token-type:mtls",
        token_url="https://sts.mtls.googleapis.com/v1/token",
    )
    (home / "external.json").write_text(json.dumps(info))


def _entra(host: str) -> Far:
    entra = entra_server.EntraServer(https=f"https://{host}")
    return Far(
        handler=entra_server.make_handler(entra),
        owner=entra.made.get,
        asked=lambda: [headers["host"] for _, _, headers in entra.asked],
    )


def _entra_case(host: str, **words: str) -> Case:
    """An application in one of the clouds: its endpoints are looked up there, and nowhere else."""
    home = {"tenant": entra_server.TENANT, "client_id": entra_server.CLIENT}
    secret = {"scope": "api://x/.default", "client_secret": {"store": "entra"}}
    return Case(
        provider="entra",
        hosts=(host, host),
        make_far=lambda: _entra(host),
        settings={**home, **secret, **words},
        secrets={"client_secret": entra_server.SECRET},
        owner="client_credentials",
    )


_BOUNDARY = {
    "availableResource": "r",
    "availablePermissions": ["inRole:roles/storage.objectViewer"],
}

CASES: Mapping[str, Case] = {
    "aws-identity-center-and-role": Case(
        provider="aws",
        hosts=(
            "portal.sso.eu-central-1.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
        ),
        make_far=_aws,
        settings={
            "sso_start_url": aws_sso.START_URL,
            "sso_region": "eu-central-1",
            "sso_account_id": "123456789012",
            "sso_role_name": "Agent",
            "region": "eu-west-1",
            "chain": [_AWS_ROLE],
            "role_arn": f"{_AWS_ROLE}er",
        },
        grant=json.dumps(_AWS_LOGIN),
        owner=f"123456789012/Agent as {_AWS_ROLE} as {_AWS_ROLE}er",
    ),
    # google-auth takes this host whatever a file of gcloud's says.
    "gcp-login-of-gcloud": Case(
        provider="gcp",
        hosts=("oauth2.googleapis.com",),
        make_far=_google,
        prepare=_gcloud_login,
        owner="user",
    ),
    "gcp-impersonation": Case(
        provider="gcp",
        hosts=("oauth2.googleapis.com", "iamcredentials.googleapis.com"),
        make_far=_google,
        prepare=_gcloud_login,
        settings={"impersonate_service_account": google_server.TARGET},
        owner=google_server.TARGET,
    ),
    "gcp-federation-downscoped": Case(
        provider="gcp",
        hosts=("sts.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com"),
        make_far=_google,
        prepare=_federation,
        settings={"credentials_file": "~/external.json", "access_boundary": [_BOUNDARY]},
        owner=f"narrow {google_server.AGENT}",
    ),
    "entra-public": _entra_case("login.microsoftonline.com"),
    "entra-usgov": _entra_case("login.microsoftonline.us", cloud="usgov"),
    "entra-china": _entra_case("login.partner.microsoftonline.cn", cloud="china"),
    "entra-custom": _entra_case("login.example.com", authority="https://login.example.com"),
    "gcp-federation-by-certificate": Case(
        provider="gcp",
        hosts=("sts.mtls.googleapis.com",),
        make_far=_google,
        prepare=_certificate,
        settings={"credentials_file": "~/external.json"},
        owner="pool",
    ),
}


def run(case: Case, folder: Path, *, trusted: bool) -> Outcome:
    """Mint once in a real worker; *trusted*: with `network.ca` set to the far side's authority."""
    ca, ca_file = trustme.CA(), folder / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    case.prepare(folder, ca)
    far = case.make_far()
    with serving_tls(far.handler, case.hosts, ca):
        try:
            token, threads = asyncio.run(_mint(case, folder, str(ca_file) if trusted else None))
        except BrokerError as failure:
            return Outcome(kind=failure.kind.slug, message=failure.message, asked=far.asked())
    return Outcome(owner=far.owner(token), asked=far.asked(), threads=threads)


async def _mint(case: Case, home: Path, ca: str | None) -> tuple[str, int]:
    pool = WorkerPool(
        clock=SystemClock(), environ={"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C"}
    )
    request = MintRequest(
        credential="gateway",
        settings=dict(case.settings),
        grant=None if case.grant is None else Secret(case.grant),
        secrets={name: Secret(text) for name, text in case.secrets.items()},
        now=SystemClock().now(),
        network=NetworkSettings(ca=ca),
    )
    try:
        minted = await pool.mint(case.provider, request, deadline=30)
        (pid,) = pool.pids()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        return bytes(minted.body).decode("ascii"), threads
    finally:
        await pool.close()


if __name__ == "__main__":
    _, name, folder_name, trust = sys.argv
    outcome = run(CASES[name], Path(folder_name), trusted=trust == "trusted")
    print(json.dumps(asdict(outcome)))
