"""What holds for every failure of a provider, whatever it comes of."""

from __future__ import annotations

import traceback

from canaries import MARK
from credward.errors import BrokerError, Kind, Recovery

__all__ = ["check_failure"]

_CLOSED = {
    Kind.LOGIN_REQUIRED,
    Kind.PROVIDER_REFUSED,
    Kind.PROVIDER_UNREACHABLE,
    Kind.RATE_LIMITED,
    Kind.TIMED_OUT,
    Kind.FIX_CONFIGURATION,
}


def check_failure(error: BrokerError, where: str) -> None:
    """Assert what holds for every error: closed, with a recovery, one line, no secret."""
    assert error.kind in _CLOSED, where
    assert isinstance(error.failure.recovery, Recovery), where
    assert error.failure.sent in {"no", "maybe"}, where
    shown = "".join(traceback.format_exception_only(error)) + repr(error) + error.failure.hint
    causes = [error.__cause__, error.__context__]
    assert MARK not in shown + "".join(map(str, causes)), where
    message = error.message
    assert message.startswith('"gateway" '), f"{where}: {message}"
    assert message.isprintable(), f"{where}: {message}"
    assert not message.endswith("."), f"{where}: {message}"
    # The cause, then what to type or that there is nothing to type.
    cause, _, remedy = message.rpartition(": ")
    assert cause, f"{where}: {message}"
    assert remedy, f"{where}: {message}"
