"""Runs one program to its end, or kills it with everything that it started.

Knows pipes and processes; finding the program and wording its failures is `io`.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from credward.masking import last_line
from credward.processes import ProcessId, descendants, kill_below
from credward.providers.provider import CommandResult

__all__ = ["OutputTooLongError", "run_program"]

_CHUNK = 16 * 1024
# How often to check for the end of a process if the system cannot report it (seconds).
_POLL = 0.05
_FOREVER = 3600.0
# How much is kept of what it writes to stderr (bytes), and which words of what it reads and prints
# are masked in that (characters).
_TAIL = 4096
_SHORTEST_WORD = 6
_BETWEEN_WORDS = re.compile(r"[\s\"',:={}\[\];]+")


class OutputTooLongError(Exception):
    """The program printed more than anyone will read."""


def run_program(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    standard_input: bytes,
    limit: int,
    remaining: Callable[[], float],
) -> CommandResult:
    """Run *command* until it ends; raise `TimeoutError` when no time is *remaining* before that.

    `OutputTooLongError` when it prints more than *limit* bytes, `OSError` when it cannot start.
    """
    # What earlier programs left running on purpose (an agent, say) is not ours to kill.
    spare = descendants(os.getpid())
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environ,
        cwd="/",
        # Its own group: `kill 0`, common in scripts, must not reach the worker; and it is the only
        # thing to kill if the system has no subreapers.
        process_group=0,
    )
    try:
        with _Conversation(process, standard_input, limit) as conversation:
            return conversation.run(remaining)
    except BaseException:
        # Also when this worker is told to leave.
        _kill(process, spare)
        raise


class _Conversation:
    """The pipes of one program, until it ends; not until they close: its children may hold them."""

    def __init__(self, process: subprocess.Popen[bytes], standard_input: bytes, limit: int) -> None:
        self._process = process
        self._given = standard_input
        self._input = memoryview(standard_input)
        self._limit = limit
        self._output = bytearray()
        self._error_size = 0
        self._error_tail = b""
        self._handle: int | None = None
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for pipe in (self._process.stdout, self._process.stderr):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, self._read)
        os.set_blocking(self._process.stdin.fileno(), False)
        self._selector.register(self._process.stdin.fileno(), selectors.EVENT_WRITE, self._write)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(self._process.pid)
                self._selector.register(self._handle, selectors.EVENT_READ, lambda _: None)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self._handle is not None:
            os.close(self._handle)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def run(self, remaining: Callable[[], float]) -> CommandResult:
        """Feed and listen until the program has ended."""
        longest = _POLL if self._handle is None else _FOREVER
        while self._process.poll() is None:
            if (left := remaining()) <= 0:
                raise TimeoutError
            for key, _ in self._selector.select(min(left, longest)):
                key.data(key.fd)
        # What it wrote before it ended is in the pipes by now.
        for key in list(self._selector.get_map().values()):
            if key.data == self._read:
                self._read(key.fd)
        return CommandResult(
            exit_code=self._process.returncode,
            output=bytes(self._output),
            error_size=self._error_size,
            error_line=self._error_line(),
        )

    def _error_line(self) -> str:
        """Return the last line of its errors, masked; "" if it is too long to be one."""
        if self._error_size > len(self._error_tail) and b"\n" not in self._error_tail.strip():
            return ""
        text = (bytes(self._output) + b" " + self._given).decode(errors="replace")
        # Also what is in JSON or in a line `name=value`.
        words = {*text.split(), *_BETWEEN_WORDS.split(text)}
        return last_line(
            self._error_tail.decode(errors="replace"),
            [word for word in words if len(word) >= _SHORTEST_WORD],
        )

    def _read(self, descriptor: int) -> None:
        assert self._process.stdout is not None
        to_output = descriptor == self._process.stdout.fileno()
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self._selector.unregister(descriptor)
                return
            if not to_output:
                # An error text may hold a secret: counted, and only its last line is kept.
                self._error_size += len(chunk)
                self._error_tail = (self._error_tail + chunk)[-_TAIL:]
                continue
            self._output += chunk
            if len(self._output) > self._limit:
                raise OutputTooLongError

    def _write(self, descriptor: int) -> None:
        assert self._process.stdin is not None
        try:
            self._input = self._input[os.write(descriptor, self._input) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._input = self._input[:0]
        if not self._input:
            self._selector.unregister(descriptor)
            self._process.stdin.close()


def _kill(process: subprocess.Popen[bytes], spare: frozenset[ProcessId]) -> None:
    # The group before its leader is reaped, while the number cannot be another's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    kill_below(os.getpid(), spare=spare)
    process.wait()
