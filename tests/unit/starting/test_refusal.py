"""When no daemon may be started. Real restrictions: tests/integration/test_start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.starting import refusal
from credward.starting.refusal import (
    check_place,
    forbidding_variable,
    is_restricted,
    start_is_wanted,
)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"CREDWARD_NO_START": ""}, True),
        ({"CREDWARD_NO_START": "0"}, True),
        ({"CREDWARD_NO_START": "1"}, False),
        ({"CREDWARD_NO_START": "no"}, False),
        ({"CREDWARD_SOCKET": "/s"}, False),
        ({"CREDWARD_SOCKET": ""}, True),
        ({"CREDWARD_URL": "http://127.0.0.1:1"}, False),
    ],
)
def test_the_callers_word(environ: dict[str, str], wanted: bool) -> None:
    """The same as the helper's: 0 is off, and another daemon that is named is not replaced."""
    assert start_is_wanted(environ) is wanted


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, None),
        ({"CREDWARD_NO_START": "0"}, None),
        ({"CREDWARD_NO_START": "1", "CREDWARD_URL": "http://127.0.0.1:1"}, "CREDWARD_NO_START"),
        ({"CREDWARD_URL": "http://127.0.0.1:1"}, "CREDWARD_URL"),
        ({"CREDWARD_SOCKET": "/s"}, None),
    ],
)
def test_what_has_to_be_unset_is_named(environ: dict[str, str], variable: str | None) -> None:
    """A socket that is named has words of its own."""
    assert forbidding_variable(environ) == variable


def test_s9_a_session_starts_nothing() -> None:
    """The daemon would outlive it, with its limits."""
    with pytest.raises(BrokerError, match="outside of it") as caught:
        check_place({"CREDWARD_SESSION": "s1"})

    assert caught.value.kind is Kind.NOT_RUNNING


def test_s9_the_limits_are_those_of_this_process() -> None:
    """What the kernel says of it, and no variable."""
    status = Path("/proc/self/status").read_text()
    limited = "Seccomp:\t2" in status or "NoNewPrivs:\t1" in status
    mapped = Path("/proc/self/uid_map").read_text().split()[:3] != ["0", "0", "4294967295"]

    assert is_restricted({}) == (limited or mapped)
    if not limited and not mapped:
        check_place({})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("tail", "limited"),
    [
        ("NoNewPrivs:\t0\nSeccomp:\t0\n", False),
        ("NoNewPrivs:\t1\nSeccomp:\t0\n", True),
        ("NoNewPrivs:\t0\nSeccomp:\t2\n", True),
        ("NoNewPrivs:\t0\n", False),
        ("Seccomp:\t0\n", True),
    ],
)
def test_s9_the_limits_are_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: str, limited: bool
) -> None:
    """However many groups stand before them; a kernel that says nothing of privileges is no yes."""
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nGroups:\t{'4000000000 ' * 800}\n{tail}")
    opened = os.open(status, os.O_RDONLY)
    monkeypatch.setattr(refusal, "ids_are_mapped", lambda: False)
    monkeypatch.setattr(os, "open", lambda *_: opened)

    assert is_restricted({}) is limited
