"""One command on a real terminal: a pseudo-terminal that it controls, typed to and read from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from integration.command_line import command
from integration.daemon import RunningDaemon

__all__ = ["OnTerminal"]

_PATIENCE = 60.0
# What a terminal is told about colours and the cursor.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class OnTerminal:
    """`credward …` as a user sees it; *text* is all that the screen showed so far."""

    def __init__(
        self,
        daemon: RunningDaemon,
        *arguments: str,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it."""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command(*arguments),
            env={**daemon.environment, "TERM": "xterm", **(environment or {})},
            cwd=folder or daemon.home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # A passphrase is read from the terminal that controls it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""
        self._seen = 0
        self._wrote = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def wait_for(self, words: str) -> str:
        """Return what the screen showed up to these words, after those of the last wait."""
        deadline = time.monotonic() + _PATIENCE
        with self._wrote:
            while (at := self.text.find(words, self._seen)) < 0:
                left = deadline - time.monotonic()
                assert left > 0, f"no {words!r} in {self.text[self._seen :]!r}"
                assert self._reader.is_alive(), f"ended without {words!r}: {self.text!r}"
                self._wrote.wait(min(left, 0.5))
            found, self._seen = self.text[self._seen : at], at + len(words)
            return found

    def answer(self, question: str, line: str) -> None:
        """Wait for a question and type a line."""
        self.wait_for(question)
        self.wait_for(": ")
        self.type(line + "\n")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C until it ends, as people do, and return its exit code.

        Once may be too early: Python misses a signal that comes just before it waits for a key.
        """
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3.0)
        return self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        return code

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, 4096)
            except OSError:
                # The last program on it has ended.
                chunk = b""
            with self._wrote:
                text = _ESCAPES.sub("", chunk.decode(errors="replace"))
                self.text += text.replace("\r\n", "\n")
                self._wrote.notify_all()
            if not chunk:
                os.close(self._master)
                return
