"""Minting by a program."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.command import CommandProvider
from credward.providers.provider import ProviderRequest
from credward.settings.command import Settings
from fakes.io import NOW, FakeIo


def mint(io, settings=None, **narrowing):
    """Mint once for credential `gateway`."""
    settings = settings or Settings(command=("az", "x"), lifetime=60)
    request = ProviderRequest(credential="gateway", settings=settings, **narrowing)
    return CommandProvider().mint(request, io)


def test_runs_the_program_as_configured():
    """Once, with its variables and its time limit."""
    io = FakeIo(output=b"t")
    mint(io, Settings(command=("az", "x"), lifetime=60, env={"A": "b"}, timeout=7))

    assert io.commands == [(("az", "x"), {"A": "b"}, 7.0)]


def test_life_counts_from_before_the_program_ran():
    """Counted from afterwards it would outlive what the program was told."""
    token = mint(FakeIo(output=b"t", takes=20))

    assert (token.issued_at, token.expires_at) == (NOW, NOW + 60)


def test_a_narrower_request_is_told_to_the_program():
    """By two variables, which a program that cannot narrow ignores."""
    io = FakeIo(output=b"t")
    mint(io, audience="api://x", scopes=("a", "b"))

    ((_, env, _),) = io.commands
    assert env == {"CREDWARD_AUDIENCE": "api://x", "CREDWARD_SCOPES": "a b"}


@pytest.mark.parametrize(
    ("code", "kind", "recovery"),
    [
        (1, Kind.PROVIDER_REFUSED, Recovery.RETRY),
        (255, Kind.PROVIDER_REFUSED, Recovery.RETRY),
        (-9, Kind.PROVIDER_REFUSED, Recovery.RETRY),
        (67, Kind.LOGIN_REQUIRED, Recovery.REAUTHORIZE),
        (69, Kind.PROVIDER_UNREACHABLE, Recovery.RETRY),
        (75, Kind.PROVIDER_UNREACHABLE, Recovery.RETRY),
        (78, Kind.FIX_CONFIGURATION, Recovery.FIX_CONFIGURATION),
    ],
)
def test_t6_exit_codes_are_kinds_of_failure(code, kind, recovery):
    """Even when a token was printed: the program says that it failed."""
    with pytest.raises(BrokerError) as caught:
        mint(FakeIo(output=b'{"token": "t", "expires_in": 60}', exit_code=code, error_size=230))

    assert (caught.value.kind, caught.value.failure.recovery) == (kind, recovery)
    assert caught.value.failure.sent == "maybe"
    assert "230 bytes on stderr" in caught.value.message
    assert caught.value.message.endswith(": run az by hand")


def test_a_failure_of_the_world_is_passed_on():
    """Already classified, already worded."""
    failure = BrokerError(Kind.TIMED_OUT, "too slow", sent="maybe")

    with pytest.raises(BrokerError) as caught:
        mint(FakeIo(failure=failure))

    assert caught.value is failure
