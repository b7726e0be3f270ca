"""Callables that return a token, for those who wait and those who await."""

from __future__ import annotations

import asyncio
import pickle

import pytest

import credward
from credward.errors import BrokerError, Kind


def test_each_call_asks(serve) -> None:
    """Nothing is kept here."""
    daemon = serve()
    provider = credward.token_provider("gateway")

    assert [provider(), provider()] == ["opaque-1", "opaque-1"]
    assert len([each for each in daemon.asked if "/json?" in each]) == 2


def test_a_call_is_awaited_and_blocks_no_loop(serve) -> None:
    """Several at once."""
    serve()
    provider = credward.async_token_provider("gateway")

    async def several() -> list[str]:
        return await asyncio.gather(*(provider() for _ in range(4)))

    assert asyncio.run(several()) == ["opaque-1"] * 4


@pytest.mark.parametrize("make", [credward.token_provider, credward.async_token_provider])
def test_it_shows_its_name_alone(serve, make) -> None:
    """And can go to another process."""
    serve(token="opaque-hidden")
    provider = make("gateway", base_url="https://u:hidden@h")

    assert repr(provider) == f"<credward.{make.__name__}('gateway')>"
    assert repr(pickle.loads(pickle.dumps(provider))) == repr(provider)
    assert repr(make()) == f"<credward.{make.__name__}()>"


def test_no_daemon_is_one_line(home) -> None:
    """With the command, as the helper prints it."""
    with pytest.raises(BrokerError, match="CREDWARD_NO_START forbids to start it") as caught:
        credward.token_provider("gateway")()
    assert caught.value.kind is Kind.NOT_RUNNING
