"""The whole terminal for a while: drawn over without flicker, one key at a time, then as it was.

Knows nothing of what it shows. The words are those of xterm (ctlseqs), which others share.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
from collections.abc import Sequence
from types import FrameType
from typing import Self

import click

from credward.paths import environment
from credward.text.tables import width_of

__all__ = ["Screen"]

# The alternate screen, without a cursor, and without wrapping what is longer than a line.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
# All at once, where the terminal can (mode 2026). A line is cleared behind its end, never before;
# not a full one: the cursor stays on its last character, which would be cleared too.
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[?2026l"
_LINE_END = "\x1b[K"
# Also Escape alone, which is the beginning of many keys, and the end of the input.
_QUIT = {b"q", b"Q", b"\x1b", b""}
# Ctrl-C and these end it; the last is Ctrl-Z.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen:
    """Takes the terminal of standard input and output; gives it back whatever happens."""

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._before = termios.tcgetattr(self._input)
        self._handlers: dict[signal.Signals, object] = {}
        self._woken, self._wakes = os.pipe()
        self._ended_by: signal.Signals | None = None
        self._changed = False
        self._shown = 80, 24
        self._coloured = not environment().get("NO_COLOR")

    def __enter__(self) -> Self:
        for each in (*_ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH):
            self._handlers[each] = signal.signal(each, self._receive)
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._woken)
        os.close(self._wakes)
        if self._ended_by not in {None, signal.SIGINT}:
            # The sender should see that it was handled.
            signal.signal(self._ended_by, signal.SIG_DFL)
            signal.raise_signal(self._ended_by)

    def size(self) -> tuple[int, int]:
        """Return columns and rows."""
        self._changed = False
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._output)
            self._shown = columns or 80, rows or 24
        return self._shown

    def draw(self, lines: Sequence[str]) -> bool:
        """Show *lines*; False if the size has changed since it was asked for."""
        if self._changed:
            return False
        columns, _ = self._shown
        drawn = []
        for line in lines:
            bare = click.unstyle(line)
            behind = _LINE_END if width_of(bare) < columns else ""
            drawn.append((line if self._coloured else bare) + behind)
        # Whatever is below is cleared, on a line of its own or not at all.
        below = "\r\n\x1b[J" if len(lines) < self._shown[1] else ""
        self._write(_BEGIN + "\r\n".join(drawn) + below + _END)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for a key or a signal, at most *seconds*; return whether to end."""
        if self._ended_by is None and not self._changed:
            ready, _, _ = select.select([self._input, self._woken], [], [], seconds)
            if self._woken in ready:
                os.read(self._woken, 64)
            if self._input in ready and os.read(self._input, 64) in _QUIT:
                return True
        return self._ended_by is not None

    def _receive(self, number: int, _: FrameType | None) -> None:
        match signal.Signals(number):
            case signal.SIGTSTP:
                self._give_back()
                os.kill(os.getpid(), signal.SIGSTOP)
                # Not only at SIGCONT, whose handler may run later: a drawing that was interrupted
                # would go on where it does not belong.
                self._take_again()
            case signal.SIGCONT:
                self._take_again()
            case signal.SIGWINCH:
                self._changed = True
            case ending:
                self._ended_by = ending

    def _take(self) -> None:
        """Keys at once and unseen; Ctrl-C and Ctrl-Z stay signals."""
        mode = termios.tcgetattr(self._input)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._input, termios.TCSADRAIN, mode)
        self._write(_ENTER)

    def _take_again(self) -> None:
        self._take()
        self._changed = True

    def _give_back(self) -> None:
        # A terminal that was closed needs nothing back.
        with contextlib.suppress(OSError, termios.error):
            self._write(_LEAVE)
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _write(self, text: str) -> None:
        # Not through `sys.stdout`, which a signal may find half way.
        left = text.encode(sys.stdout.encoding, "replace")
        while left:
            left = left[os.write(self._output, left) :]
