"""An IAM Identity Center, and the world of a worker that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.aws_sso import AwsSso, serving_sso
from unit.providers.aws.sso_world import World


@pytest.fixture
def sso() -> Iterator[AwsSso]:
    """Return a server that is being served."""
    with serving_sso() as server:
        yield server


@pytest.fixture
def io(sso: AwsSso) -> Iterator[World]:
    """Return the world of a mint or a login, over the real transport."""
    world = World(sso)
    yield world
    world.transport.close()
