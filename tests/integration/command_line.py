"""The command line as people use it: run to its end, or watched line by line while it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from credward.callers.programs import MARKS, harness_name
from integration.daemon import RunningDaemon
from integration.warm import run_warm

__all__ = ["Terminal", "by_owner", "cli", "grant", "log_in", "login_events", "status"]

_PATIENCE = 60.0


def _harness() -> str | None:
    pid = os.getpid()
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            program = str(Path(f"/proc/{pid}/exe").readlink())
        except OSError:
            return None
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        if found := harness_name(name, program):
            return found
        pid = int(stat[stat.rindex(")") + 2 :].split()[1])
    return None


by_owner = pytest.mark.skipif(
    _harness() is not None,
    reason=f"below {_harness()}, where managing is denied: run the tests in your own terminal",
)


def cli(
    daemon: RunningDaemon,
    *arguments: str,
    given: str | None = None,
    folder: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in *folder* or the daemon's home; *given* is its standard input."""
    environ, folder = {**daemon.environment, **environment}, folder or daemon.home
    # An interpreter reads some itself, and the daemon the mark of a harness, from the kernel.
    if not any(name in MARKS or name.startswith("PYTHON") for name in environment):
        return run_warm(arguments, environ, folder, given or "", _PATIENCE)
    return subprocess.run(
        command(*arguments),
        env=environ,
        cwd=folder,
        input=given or "",
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )


def command(*arguments: str) -> list[str]:
    """Return how the command line is called."""
    return [sys.executable, "-m", "credward", *arguments]


def status(daemon: RunningDaemon) -> dict[str, Any]:
    """Return all that `credward status --json` tells."""
    done = cli(daemon, "status", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def grant(daemon: RunningDaemon, credential: str) -> dict[str, Any]:
    """Return what it tells of the grant behind a credential."""
    found: dict[str, Any] = next(
        each for each in status(daemon)["grants"] if credential in each["credentials"]
    )
    return found


def login_events(daemon: RunningDaemon, login_id: str) -> list[dict[str, Any]]:
    """Return what happened in a login so far."""
    answer = daemon.request("GET", f"/v1/logins/{login_id}/events?timeout=0")
    return [json.loads(line) for line in answer.body.splitlines()]


def log_in(daemon: RunningDaemon, credential: str, follow: Callable[[str], None]) -> dict[str, Any]:
    """Log in by `credward login`, with *follow* for a browser; return the last event, `done`."""
    login = subprocess.Popen(
        command("login", credential, "--json", "--no-browser"),
        env=daemon.environment | {"CREDWARD_SOCKET": str(daemon.socket)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    event: dict[str, Any] = {}
    with login:
        assert login.stdout is not None
        for line in login.stdout:
            event = json.loads(line)
            if event["event"] == "open_url":
                follow(event["url"])
    assert login.returncode == 0
    assert event["event"] == "done"
    return event


class Terminal:
    """One command under way, with what it wrote so far."""

    def __init__(self, daemon: RunningDaemon, *arguments: str, **environment: str) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            command(*arguments),
            env={**daemon.environment, "PYTHONUNBUFFERED": "1", **environment},
            cwd=daemon.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._wrote = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in (
                (self.process.stdout, self.out),
                (self.process.stderr, self.err),
            )
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def wait_for(self, words: str, seconds: float = _PATIENCE) -> str:
        """Return the first line with these words, from either stream."""
        deadline = time.monotonic() + seconds
        with self._wrote:
            while True:
                found = next((line for line in [*self.out, *self.err] if words in line), None)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"no {words!r} in {self.out + self.err}"
                self._wrote.wait(left)

    def url(self) -> str:
        """Return the address that it shows."""
        return self.wait_for("http://127.0.0.1").split()[-1]

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C, or have the terminal closed (SIGHUP)."""
        self.process.send_signal(how)

    def end(self, seconds: float = _PATIENCE) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(_PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    @property
    def text(self) -> str:
        """Everything that it wrote."""
        return "".join(self.out + self.err)

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            with self._wrote:
                lines.append(line)
                self._wrote.notify_all()
