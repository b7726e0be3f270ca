"""What the tests of the Entra modules share: mints over the real transport, to a server here."""

from __future__ import annotations

import time

import pytest

from credward.errors import BrokerError
from credward.providers.entra.provider import EntraProvider
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.entra import Settings
from credward.settings.network import NetworkSettings
from credward.tokens import Secret
from fakes.entra_server import CLIENT, TENANT
from fakes.io import FakeIo

SCOPE = "api://litellm/.default"


class Person(FakeIo):
    """A user beside the world: types codes, and is led through pages by a test."""

    def __init__(self, page=None, **words):
        super().__init__(**words)
        self.page = page
        self.codes = []
        self.waits = []
        self.redirects = []

    def show_code(self, *, user_code, url, complete_url):
        self.codes.append((user_code, url, complete_url))

    def wait(self, seconds):
        self.waits.append(seconds)
        self.time += seconds

    def receive_redirect(self, make_url, *, path="/callback", host="127.0.0.1", ports=(0,)):
        self.redirects.append((host, path))
        return self.page(make_url(f"http://{host}:40404{path}"))


def world(server, person=None):
    """Return an io whose requests go to *server* for real, and whose clock is the machine's."""
    transport = Transport(NetworkSettings(ca=server.ca))
    io = person or FakeIo()
    io.time = time.time()
    io.server = lambda http_request: transport.send(http_request, credential="gateway")
    return io


def settings(server, **words):
    """Return the settings of a credential at *server*."""
    words.setdefault("scope", SCOPE)
    words.setdefault("authority", server.authority(words.pop("tenant", TENANT)))
    return Settings(client_id=CLIENT, **words)


def request(chosen, *, grant=None, secrets=None, **narrowing):
    """Return a request of credential `gateway`."""
    return ProviderRequest(
        credential="gateway",
        settings=chosen,
        grant=None if grant is None else Secret(grant),
        secrets={name: Secret(text) for name, text in (secrets or {}).items()},
        **narrowing,
    )


def failing(token_request, io):
    """Return the failure of a mint."""
    with pytest.raises(BrokerError) as caught:
        EntraProvider().mint(token_request, io)
    return caught.value
