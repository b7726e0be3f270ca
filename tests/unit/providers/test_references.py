"""Secrets that a worker reads itself; the cases of files are those of `static`."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.provider import ProviderRequest
from credward.providers.references import read_secret
from credward.settings.references import Reference
from credward.settings.static import Settings
from credward.tokens import Secret
from fakes.io import FakeIo


def read(io=None, *, secrets=None, **source):
    """Read the setting `secret` of credential `gateway`."""
    settings = Settings(secret=Reference(**source))
    request = ProviderRequest(credential="gateway", settings=settings, secrets=secrets or {})
    return read_secret(request, "secret", io or FakeIo()).reveal()


def test_what_the_daemon_handed_over_comes_first():
    """The line end of whoever stored it is no part of it."""
    assert read(env="KEY", secrets={"secret": Secret("value\r\n")}) == "value"


def test_a_program_is_run_anew_each_time():
    """What it prints, without the line end."""
    io = FakeIo(output=b"value\n")

    assert read(io, command=("op", "read", "x")) == "value"
    assert [each[0] for each in io.commands] == [("op", "read", "x")]


def test_what_was_not_handed_over_is_named():
    """By its place, never by its value."""
    with pytest.raises(BrokerError, match='"gateway" was not handed variable KEY') as caught:
        read(env="KEY")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
