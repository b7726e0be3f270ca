"""Endpoints on loopback in a real daemon, and how a client of each kind asks, in plain HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.daemon import RunningDaemon
from integration.minting import MintProgram

__all__ = ["CLIENTS", "Client", "Reply", "block", "endpoints", "keys"]


@dataclass(frozen=True)
class Reply:
    """An answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """What a client of *door* sends; *secret_in*: the header for the secret of the endpoint."""

    door: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    secret_in: str = ""
    scheme: str = ""
    # What it asks for first, to have a header for the real question.
    first: tuple[str, str] | None = None
    kind: str = "bearer"

    def asks(
        self,
        daemon: RunningDaemon,
        *,
        host: str = "127.0.0.1",
        path: str = "",
        method: str = "GET",
        at: int | None = None,
        without: str = "",
        **more: str,
    ) -> Reply:
        """Ask as this client does, *without* one of its headers, and with *more* of them.

        *at*: the port of somebody who passes it on.
        """
        port = at or port_of(daemon, self.door)
        headers = self.headers_for(daemon)
        if self.first is not None:
            headers[self.first[1]] = self.session(daemon, host, port)
        headers.pop(without, None)
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        while True:
            reply = _send(host, port, method, path or self.path, headers)
            # Some clients wait less than a second: on a busy machine they ask again.
            if reply.status != 504 or b"the mint goes on" not in reply.body:
                return reply

    def session(
        self, daemon: RunningDaemon, host: str = "127.0.0.1", port: int | None = None
    ) -> str:
        """Return what it asks for first."""
        assert self.first is not None
        path, header = self.first
        seconds = {f"{header}-ttl-seconds": "60"}
        return _send(host, port or port_of(daemon, self.door), "PUT", path, seconds).body.decode()

    def headers_for(self, daemon: RunningDaemon) -> dict[str, str]:
        """Return what is sent with every request, the secret of the endpoint too."""
        if not self.secret_in:
            return dict(self.headers)
        return {**self.headers, self.secret_in: self.scheme + secret_of(daemon, self.door)}

    def asks_at(self, host: str, port: int, **more: str) -> Reply:
        """Ask at a port, whoever listens; for clients without a secret."""
        assert not self.secret_in
        assert self.first is None
        return _send(host, port, "GET", self.path, {**self.headers, **more})

    @property
    def proof(self) -> str:
        """The header without which nobody is answered."""
        return self.secret_in or (self.first[1] if self.first else next(iter(self.headers)))


_ROLES = "/latest/meta-data/iam/security-credentials/"
CLIENTS = {
    each.door: each
    for each in (
        Client("aws-container", "/", secret_in="Authorization", kind="aws"),
        Client(
            "aws-imds",
            f"{_ROLES}given",
            first=("/latest/api/token", "x-aws-ec2-metadata-token"),
            kind="aws",
        ),
        Client(
            "gce",
            "/computeMetadata/v1/instance/service-accounts/default/token",
            headers={"Metadata-Flavor": "Google"},
        ),
        Client(
            "azure-app-service",
            "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net",
            secret_in="X-IDENTITY-HEADER",
        ),
        Client(
            "azure-imds",
            "/metadata/identity/oauth2/token?api-version=2018-02-01"
            "&resource=https://vault.azure.net",
            headers={"Metadata": "true"},
        ),
        Client("http", "/v1/credentials/given/json", secret_in="Authorization", scheme="Bearer "),
    )
}


def block(door: str, *credentials: str, port: int | None = None) -> str:
    """Return the configuration of an endpoint."""
    lines = ["[[endpoints]]", f'door = "{door}"', f"credentials = {json.dumps(credentials)}"]
    return "\n".join([*lines, *([f"port = {port}"] if port else [])]) + "\n"


def keys(program: MintProgram, name: str = "given", **extra: object) -> str:
    """Return the configuration of a credential that is AWS keys, and have *program* mint them."""
    program.set(aws="yes")
    return program.block(name, kind='"aws"', **extra)


def endpoints(daemon: RunningDaemon) -> dict[str, dict[str, Any]]:
    """Return the endpoints of *daemon* by their doors."""
    return {
        each["door"]: each for each in daemon.request("GET", "/v1/endpoints").json()["endpoints"]
    }


def port_of(daemon: RunningDaemon, door: str) -> int:
    port: int = endpoints(daemon)[door]["port"]
    return port


def secret_of(daemon: RunningDaemon, door: str) -> str:
    found = endpoints(daemon)[door]
    path = Path(found["token_file"])
    if found["pid"] is None:
        assert path == daemon.state_dir / "endpoints" / f"{found['name']}.token"
    else:
        assert path.parent == daemon.state_dir / "sessions"
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def _send(host: str, port: int, method: str, path: str, headers: dict[str, str]) -> Reply:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, names, answer.read())
    finally:
        connection.close()
