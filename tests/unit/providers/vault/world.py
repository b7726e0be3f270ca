"""A credential `kv`, a server that stands in for a real one, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse, ProviderRequest
from credward.providers.transport import Transport
from credward.providers.vault.provider import VaultProvider
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference
from credward.settings.vault import Settings
from credward.tokens import Secret, Token
from fakes.io import FakeIo
from fakes.vault_server import VaultServer, serving


@dataclass
class World:
    """What a daemon would keep between mints: the grant above all."""

    server: VaultServer
    io: FakeIo
    grant: Secret | None = None
    secrets: dict[str, Secret] = field(default_factory=dict)
    words: dict[str, object] = field(default_factory=dict)

    def request(self, **words: object) -> ProviderRequest:
        """Return the request of a mint with these settings beside the world's own."""
        return ProviderRequest(
            credential="kv",
            settings=Settings(**{"address": self.server.url, "timeout": 5} | self.words | words),
            grant=self.grant,
            secrets=self.secrets,
        )

    def mint(self, **words: object) -> Token:
        """Mint as a new worker would, and keep what was saved."""
        self.io.grants.clear()
        try:
            return VaultProvider().mint(self.request(**words), self.io)
        finally:
            if self.io.grants:
                self.grant = self.io.grants[-1].secret

    def failure(self, **words: object) -> BrokerError:
        """Return what a mint fails with."""
        try:
            self.mint(**words)
        except BrokerError as error:
            assert error.message.startswith('"kv" ')
            assert ": " in error.message
            assert not type(error.__context__).__module__.startswith("hvac")
            return error
        raise AssertionError("this mint was to fail")

    def give(self, name: str, text: str) -> Reference:
        """Hand a secret to the mints as the daemon does; return the reference to it."""
        self.secrets[name] = Secret(text)
        return Reference(store=name)

    def approle(self, **words: object) -> Mapping[str, object]:
        """Allow an AppRole, and return the settings that log in by it."""
        self.server.logins["approle"] = {"role_id": "role-1"}
        self.server.secret_ids.add("sid-1")
        self.words = {
            "auth_method": "approle",
            "role_id": "role-1",
            "secret_id": self.give("secret_id", "sid-1"),
        } | words
        return self.words

    def wait(self, seconds: float) -> None:
        """Let time pass for both sides."""
        self.io.time += seconds


@contextmanager
def new_world() -> Iterator[World]:
    """Run a server and return the world around it."""
    transport = Transport(NetworkSettings())

    def send(http_request: HttpRequest) -> HttpResponse:
        return transport.send(http_request, credential="kv")

    io = FakeIo(server=send)
    try:
        with serving(io.now) as server:
            yield World(server=server, io=io)
    finally:
        transport.close()


__all__ = ["Kind", "World", "new_world"]
