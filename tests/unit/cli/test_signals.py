"""What a signal does while something is changed: heeded where we wait, held back elsewhere."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from credward.cli.add.adding import Options, carry_out, plan
from credward.cli.add.block import Wanted
from credward.cli.signals import heeded, held

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# More lines than one change runs through.
MANY = 100_000


@contextmanager
def usual() -> Iterator[None]:
    """The handlers of the command line, but a signal that is left over must not end the tests."""
    before = {each: signal.getsignal(each) for each in ENDS}
    for each in ENDS:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_waits_for_where_it_is_heeded(number: signal.Signals) -> None:
    """And what is taken back because of it is not disturbed by another."""
    done = []
    with usual(), pytest.raises(KeyboardInterrupt), held():
        try:
            signal.raise_signal(number)
            done.append("written")
            with heeded():
                done.append("waited")
        finally:
            for each in ENDS:
                signal.raise_signal(each)
            done.append("taken back")

    assert done == ["written", "taken back"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()).isdisjoint(ENDS)


def test_what_is_ignored_stays_ignored() -> None:
    """As below `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held(), heeded():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def interrupted(
    at: int, number: signal.Signals, change: Any, *, within: str = "/credward/cli/"
) -> tuple[bool, bool]:
    """Carry out *change* with a signal at its line *at*; return whether it came, and ended it."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        # What reads and judges a configuration changes nothing.
        if within not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen += 1
            if seen == at:
                signal.raise_signal(number)
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        change()
    except KeyboardInterrupt:
        return True, True
    finally:
        sys.settrace(old)
    return seen >= at, False


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_line_leaves_all_or_nothing(
    config_file: Path, number: signal.Signals
) -> None:
    """The file is the old one or the new one, and nothing is beside it; at each line in turn."""
    before = config_file.read_text()
    beside = sorted(config_file.parent.iterdir())
    wanted = Wanted(name="y", provider="local")
    options = Options(yes=True)
    after = plan(wanted, options).after
    stopped = finished = 0
    with usual():
        for at in range(1, MANY):
            change = plan(wanted, options)
            came, ended = interrupted(at, number, lambda change=change: carry_out(change, options))
            text = config_file.read_text()
            assert text in {before, after}, f"line {at}"
            assert ended or text == after, f"line {at}"
            assert sorted(config_file.parent.iterdir()) == beside, f"line {at}"
            stopped, finished = stopped + (text == before), finished + (text == after)
            config_file.write_text(before)
            if not came:
                break

    assert not came
    assert stopped > 0
    assert finished > 0
