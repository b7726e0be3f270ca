"""The exit codes of programs."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import CommandResult


def end(code):
    """Return the result of a program that ended so."""
    return CommandResult(exit_code=code, output=b"canary", error_size=3, error_line="canary")


def test_success_passes():
    """Zero is the one success."""
    refuse_failure("gateway", "az", end(0))


@pytest.mark.parametrize(
    "kind", [Kind.LOGIN_REQUIRED, Kind.PROVIDER_UNREACHABLE, Kind.FIX_CONFIGURATION]
)
def test_our_own_exit_codes_come_back_as_what_they_were(kind):
    """A program may well be another credward's helper."""
    with pytest.raises(BrokerError) as caught:
        refuse_failure("gateway", "credward-helper", end(kind.exit_code))

    assert caught.value.kind is kind


def test_a_signal_is_named():
    """The kernel's out-of-memory killer sends number 9."""
    with pytest.raises(BrokerError, match=r"failed \(signal 9, 3 bytes on stderr\)") as caught:
        refuse_failure("gateway", "az", end(-9))

    failure = caught.value.failure
    assert "canary" not in failure.message + failure.hint + repr(failure) + repr(caught.value)
    assert failure.said == "canary"
