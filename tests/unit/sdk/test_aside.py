"""A look in a thread: what it found, that it failed, or that it takes too long."""

from __future__ import annotations

import threading

import pytest

from credward.errors import BrokerError, Kind
from credward.sdk.aside import by_thread
from waiting import PATIENCE


def test_what_was_found_is_returned() -> None:
    """Nothing is something too."""
    assert by_thread(lambda: b"found", PATIENCE, "it") == b"found"
    assert by_thread(lambda: b"", PATIENCE, "it") == b""


def test_nobody_waits_longer_than_was_said() -> None:
    """Its thread stays, and ends no sooner than the look."""
    over = threading.Event()

    def look() -> bytes:
        over.wait(PATIENCE)
        return b"late"

    assert by_thread(look, 0.01, "it") is None
    over.set()


def test_a_look_that_fails_is_no_empty_one() -> None:
    """Who took it for empty would say that there is nothing to deny."""

    def look() -> bytes:
        raise RuntimeError("odd")

    with pytest.raises(BrokerError, match="checking the folder failed: try again") as caught:
        by_thread(look, PATIENCE, "the folder")
    assert caught.value.kind is Kind.INTERNAL
