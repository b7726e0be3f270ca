"""Commands and daemons without the start of an interpreter: a process that has them imported forks one for each.

Each is a process of its own as ever, with its arguments, folder, environment and streams; only what
the kernel shows of its command line and first environment is another's.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

__all__ = ["WarmDaemon", "run_warm"]

ROOT = Path(__file__).parents[2]
_PATH = os.pathsep.join(str(ROOT / each) for each in ("broker", "tests"))
_LOCK = threading.Lock()
_PATIENCE = 60.0
# What the daemon loads is no part of a command.
_NOT_AHEAD = {"serve", "start", "demo"}
_OF_THE_DAEMON = ("credward.cli.serve", "credward.daemon.run", "uvloop")


def run_warm(
    arguments: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    given: str,
    patience: float,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    with contextlib.ExitStack() as stack:
        ends = [os.pipe() for _ in range(3)]
        theirs = [ends[0][0], ends[1][1], ends[2][1]]
        ours = [ends[0][1], ends[1][0], ends[2][0]]
        try:
            asked, pid = _fork("command", arguments, environ, folder, theirs)
        finally:
            for each in theirs:
                os.close(each)
        stack.enter_context(asked)
        process = _Streams(*ours)
        asked.settimeout(patience)
        try:
            out, err = process.communicate(given, patience)
            code = int.from_bytes(_all(asked, 4), signed=True)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["credward", *arguments], patience) from None
    return subprocess.CompletedProcess(["credward", *arguments], code, out, err)


class WarmDaemon:
    """A daemon that runs, with what is used of `subprocess.Popen`; its output goes to the descriptor *log*."""

    def __init__(
        self, arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path, log: int
    ) -> None:
        with open(os.devnull, "rb") as nothing:
            self._told, self.pid = _fork(
                "daemon", arguments, environ, folder, [nothing.fileno(), log, log]
            )
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                found = self._told.recv(4)
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("credward serve", timeout or 0) from None
            self.returncode = int.from_bytes(found, signed=True)
            self._told.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def _fork(
    what: str,
    arguments: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    streams: list[int],
) -> tuple[socket.socket, int]:
    """Have a process forked, and return where its end is told, and its process id."""
    asked, said = socket.socketpair()
    body = json.dumps([arguments, dict(environ), str(folder)]).encode()
    with said, _LOCK:
        socket.send_fds(_server(what), [b"x"], [said.fileno(), *streams])
    asked.settimeout(_PATIENCE)
    asked.sendall(len(body).to_bytes(4) + body)
    return asked, int.from_bytes(_all(asked, 4))


class _Streams:
    """Our ends of the three streams of a process."""

    def __init__(self, given: int, out: int, err: int) -> None:
        self._given = given
        self._found = {out: b"", err: b""}
        self._readers = [
            threading.Thread(target=self._read, args=(each,), daemon=True) for each in (out, err)
        ]

    def communicate(self, given: str, patience: float) -> tuple[str, str]:
        for reader in self._readers:
            reader.start()
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._given, "wb") as stream:
            stream.write(given.encode())
        for reader in self._readers:
            reader.join(patience)
            if reader.is_alive():
                raise TimeoutError
        out, err = self._found.values()
        return out.decode(), err.decode()

    def _read(self, number: int) -> None:
        with os.fdopen(number, "rb") as stream:
            self._found[number] = stream.read()


def _all(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        assert piece, "the process that forks commands is gone"
        found += piece
    return found


_servers: dict[tuple[int, str], tuple[subprocess.Popen[bytes], socket.socket]] = {}


def _server(what: str) -> socket.socket:
    """Return a connection to the one of this process; it ends when that is closed."""
    key = os.getpid(), what
    if key not in _servers:
        here, there = socket.socketpair()
        with there:
            process = subprocess.Popen(
                [sys.executable, "-m", "integration.warm", what, str(there.fileno())],
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "PYTHONPATH": _PATH,
                    "PYTHONWARNINGS": "error",
                },
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
            )
        _servers[key] = process, here
    return _servers[key][1]


# --- the process that forks -----------------------------------------------------------------------


def _serve(what: str, number: int) -> None:
    commands = importlib.import_module("credward.cli.main").COMMANDS.items()
    ahead = [f"credward.cli.{entry.module}" for name, entry in commands if name not in _NOT_AHEAD]
    for module in ahead if what == "command" else _OF_THE_DAEMON:
        importlib.import_module(module)
    # Nobody waits for a keeper: its own parent has heard how it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=number) as asked:
        while True:
            message, descriptors, _, _ = socket.recv_fds(asked, 1, 4)
            if not message:
                return
            if os.fork() == 0:
                asked.close()
                _keep(socket.socket(fileno=descriptors[0]), descriptors[1:])
            for each in descriptors:
                os.close(each)


def _keep(told: socket.socket, streams: list[int]) -> NoReturn:
    """Start a command, and tell its process id and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    arguments, environ, folder = json.loads(_all(told, int.from_bytes(_all(told, 4))))
    if (pid := os.fork()) == 0:
        told.close()
        _command(arguments, environ, folder, streams)
    for each in streams:
        os.close(each)
    told.sendall(pid.to_bytes(4))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        told.sendall(status.to_bytes(4, signed=True))
    os._exit(0)


def _command(
    arguments: list[str], environ: dict[str, str], folder: str, streams: list[int]
) -> NoReturn:
    code = 70
    try:
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["credward", *arguments]
        try:
            importlib.import_module("credward.cli.main").main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
