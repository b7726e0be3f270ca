"""An authorization server, and the world of a worker that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from fakes.login_io import FakeLoginIo, follow_once
from fakes.oauth_server import OAuthServer


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    """Return a server that is being served."""
    with OAuthServer() as running:
        yield running


@pytest.fixture
def io() -> Iterator[FakeLoginIo]:
    """Return the world of a login, over the real transport."""
    transport = Transport(NetworkSettings())
    yield FakeLoginIo(
        server=lambda request: transport.send(request, credential="gateway"), user=follow_once
    )
    transport.close()
