"""JSON bodies survive the trip and newer or older neighbours."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward import wire
from credward.errors import BrokerError, Failure, Kind, Recovery, login_required


def test_r2_unknown_fields_are_ignored():
    """R2, S11: a newer daemon may say more."""
    body = b'{"now": 1, "pid": 2, "credentials": [{"name": "a", "state": "x", "mood": 1}], "z": {}}'
    found = wire.decode(body, wire.StatusList)

    assert found.credentials == [wire.CredentialStatus(name="a", state="x")]
    assert wire.decode(wire.encode(found), wire.StatusList) == found


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"now": NaN}', b"\xff", b"[" * 100_000, b'{"now": "soon"}']
)
def test_r1_anything_else_is_a_bad_request(body):
    """R1: never another exception, and the body is not quoted."""
    with pytest.raises(BrokerError, match="not a StatusList in JSON") as caught:
        wire.decode(body, wire.StatusList)

    assert caught.value.kind is Kind.BAD_REQUEST


@given(
    st.sampled_from(list(Kind)),
    st.text(),
    st.text(),
    st.none() | st.floats(0, 1e6),
    st.sampled_from(list(Recovery)),
)
def test_an_error_survives_the_trip(kind, message, hint, retry_after, recovery):
    """What the daemon raised is what the client raises."""
    failure = Failure.of(kind, message, hint=hint, retry_after=retry_after, recovery=recovery)
    problem = wire.decode(wire.encode(wire.Problem.of(failure)), wire.Problem)

    assert failure == problem.to_error().failure
    assert problem.status == (kind.status or 500)


def test_s11_unknown_words_of_a_newer_daemon():
    """S11: an unknown kind is internal, an unknown recovery that of the kind, nonsense is dropped."""
    problem = wire.Problem(
        type="x",
        title="x",
        status=499,
        detail="new trouble",
        kind="brand-new",
        recovery="pray",
        retry_after=-1.0,
    )
    error = problem.to_error().failure

    assert error.kind is Kind.INTERNAL
    assert error.recovery is Recovery.RETRY
    assert error.retry_after is None
    assert error.message == "new trouble"


def test_a_failure_tells_what_clears_it():
    """Status shows kind, message and recovery of the last failure."""
    failure = wire.Failure.of(Failure.of(Kind.LOGIN_REQUIRED, "log in", hint="now"))

    assert msgspec.to_builtins(failure) == {
        "kind": "login-required",
        "message": "log in",
        "recovery": "reauthorize",
        "hint": "now",
    }


def test_since_when_is_told_by_the_users_clock() -> None:
    """And only where the failure knows it."""
    at = datetime(2026, 11, 29, 7, 58).timestamp()
    failure = login_required("gateway", since=at)

    assert wire.line(failure) == '"gateway" needs a login since 07:58: run credward login gateway'
    assert wire.Problem.of(failure).detail == wire.line(failure)
    assert wire.line(login_required("gateway")) == login_required("gateway").message
