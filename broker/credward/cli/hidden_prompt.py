"""Asks for something that is not shown while it is typed; the terminal shows all again afterwards.

Also if a signal ends us meanwhile: `getpass` restores the terminal for an exception only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from types import FrameType

import click

__all__ = ["hidden_prompt"]

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def hidden_prompt(
    text: str,
    *,
    err: bool = True,
    confirm: bool = False,
    check: Callable[[str], str] | None = None,
) -> str:
    """Return what was typed, after *check*; twice the same with *confirm*. Main thread only.

    *err*: ask on standard error, for a command whose output may be kept.
    """
    with _terminal_kept():
        typed: str = click.prompt(
            text, hide_input=True, confirmation_prompt=confirm, value_proc=check, err=err
        )
    return typed


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """Give the terminal back as it is now before a signal ends this process."""
    with contextlib.ExitStack() as stack:
        try:
            # The one that getpass takes.
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            stack.callback(os.close, terminal)
        except OSError:
            terminal = sys.stdin.fileno()
        try:
            before = termios.tcgetattr(terminal)
        except termios.error:
            # Not a terminal, so nothing is hidden.
            yield
            return

        def end(number: int, _: FrameType | None) -> None:
            # A terminal that was closed needs nothing back.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSANOW, before)
            # Whoever sent it should see that it ended us.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

        # What others handle or ignore (`nohup`) stays theirs.
        for each in _ENDS:
            if signal.getsignal(each) is signal.SIG_DFL:
                signal.signal(each, end)
                stack.callback(signal.signal, each, signal.SIG_DFL)
        yield
