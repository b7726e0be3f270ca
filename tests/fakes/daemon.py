"""A canned HTTP/1.1 server on a Unix socket: stands in for a daemon of another version, or a broken one.

Answers every connection by the same script and keeps what was asked; understands nothing of it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["HOLD", "CannedDaemon", "Pause", "Step", "answer"]


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class _Hold:
    """Say nothing until the client leaves."""


HOLD = _Hold()
Step = bytes | Pause | _Hold

_HEAD_LIMIT = 64 * 1024


def answer(
    status: int = 200,
    body: bytes = b"",
    *,
    content_type: str = "text/plain; charset=utf-8",
    headers: Sequence[tuple[str, str]] = (),
    length: int | None = -1,
) -> bytes:
    """Return one HTTP/1.1 answer; *length* replaces the true one, None leaves it out."""
    lines = [f"HTTP/1.1 {status} Canned", f"Content-Type: {content_type}"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class CannedDaemon:
    """Listens at *path* while the context lasts; `asked` and `bodies` hold all requests so far.

    `by_verb` has scripts for methods that are answered otherwise.
    """

    def __init__(self, path: Path, script: Sequence[Step]) -> None:
        self.path = path
        self.script = tuple(script)
        self.by_verb: dict[str, Sequence[Step]] = {}
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._listener.bind(str(self.path))
        self._listener.listen(128)
        self._listener.settimeout(0.05)
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._open.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            head, _, body = head.partition(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)", head)
            while length is not None and len(body) < int(length[1]):
                body += connection.recv(4096)
            self.asked.append(head.decode("latin-1") + "\r\n\r\n")
            self.bodies.append(body)
            verb = head.partition(b" ")[0].decode("latin-1")
            for step in self.by_verb.get(verb, self.script):
                self._perform(connection, step)
        self._open.discard(connection)

    def _perform(self, connection: socket.socket, step: Step) -> None:
        match step:
            case Pause(seconds):
                self._stop.wait(seconds)
            case bytes():
                connection.sendall(step)
            case _:
                while connection.recv(4096):
                    pass
