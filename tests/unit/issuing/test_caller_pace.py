"""A user and all agents of that user are one caller each, whatever their programs are called."""

from __future__ import annotations

import msgspec
import pytest

from credward.callers.caller import Caller
from credward.errors import BrokerError, Kind
from credward.issuing.caller_pace import CallerPace
from fakes.clock import FakeClock
from unit.administering.services import AGENT, PERSON

CLAUDE, HIMSELF = AGENT.caller, PERSON.caller


def refused(pace: CallerPace, caller: Caller) -> BrokerError | None:
    try:
        pace.take(caller)
    except BrokerError as error:
        return error
    return None


@pytest.mark.parametrize("caller", [CLAUDE, HIMSELF])
def test_who_asks_too_often_is_told_how_long_to_wait(caller: Caller) -> None:
    """The line says what was asked."""
    pace = CallerPace(clock=FakeClock(), whom="services")
    seen = [refused(pace, caller) for _ in range(11)]

    assert seen[:10] == [None] * 10
    error = seen[10]
    assert error is not None
    assert (error.kind, error.failure.retry_after) == (Kind.RATE_LIMITED, 6.0)
    assert error.message == "you asked services too often: ask again in 6 s"


def test_another_name_of_an_agent_is_no_other_caller() -> None:
    """Programs choose them; the user and other users have their own."""
    pace = CallerPace(clock=FakeClock(), whom="services")
    for _ in range(10):
        pace.take(CLAUDE)

    assert refused(pace, msgspec.structs.replace(CLAUDE, harness="codex")) is not None
    assert refused(pace, HIMSELF) is None
    assert refused(pace, msgspec.structs.replace(CLAUDE, uid=CLAUDE.uid + 1)) is None
