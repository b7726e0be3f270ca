"""The command line without the start of an interpreter: a process that has it imported forks one for each command.

What asks the daemon is a process of its own as ever, with its arguments, folder, environment and
streams; only what the kernel shows of its command line and first environment is another's.
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

__all__ = ["run_warm"]

ROOT = Path(__file__).parents[2]
_PATH = os.pathsep.join(str(ROOT / each) for each in ("broker", "tests"))
_LOCK = threading.Lock()
# What the daemon loads is no part of a command.
_NOT_AHEAD = {"serve", "start", "demo"}


def run_warm(
    arguments: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    given: str,
    patience: float,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    with contextlib.ExitStack() as stack:
        asked, said = socket.socketpair()
        stack.enter_context(asked)
        with said:
            ends = [os.pipe() for _ in range(3)]
            theirs = [ends[0][0], ends[1][1], ends[2][1]]
            ours = [ends[0][1], ends[1][0], ends[2][0]]
            body = json.dumps([arguments, dict(environ), str(folder)]).encode()
            try:
                with _LOCK:
                    socket.send_fds(_server(), [b"x"], [said.fileno(), *theirs])
            finally:
                for each in theirs:
                    os.close(each)
        process = _Streams(*ours)
        asked.settimeout(patience)
        asked.sendall(len(body).to_bytes(4) + body)
        pid = int.from_bytes(_all(asked, 4))
        try:
            out, err = process.communicate(given, patience)
            code = int.from_bytes(_all(asked, 4), signed=True)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["credward", *arguments], patience) from None
    return subprocess.CompletedProcess(["credward", *arguments], code, out, err)


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


_servers: dict[int, tuple[subprocess.Popen[bytes], socket.socket]] = {}


def _server() -> socket.socket:
    """Return a connection to the one of this process; it ends when that is closed."""
    if os.getpid() not in _servers:
        here, there = socket.socketpair()
        with there:
            process = subprocess.Popen(
                [sys.executable, "-m", "integration.warm", str(there.fileno())],
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
        _servers[os.getpid()] = process, here
    return _servers[os.getpid()][1]


# --- the process that forks -----------------------------------------------------------------------


def _serve(number: int) -> None:
    main = importlib.import_module("credward.cli.main")
    for name, module in main.COMMANDS.items():
        if name not in _NOT_AHEAD:
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
    _serve(int(sys.argv[1]))
