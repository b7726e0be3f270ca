"""Reads transcripts: what is set up, which command runs, what the daemon is asked and what the terminal shows.

The words are explained in README.md beside the transcripts; running them is test_transcripts.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fakes.daemon import HOLD, Pause, Step, answer

__all__ = ["Dialogue", "matches", "read_dialogues"]

DEFAULT_SOCKET = "run/credward/credward.sock"


@dataclass(slots=True)
class Dialogue:
    """One command with what surrounds it; paths are relative to a directory of its own, `{DIR}`."""

    name: str
    origin: str
    environment: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    set_up: list[tuple[str, list[str]]] = field(default_factory=list)
    socket: str = DEFAULT_SOCKET
    script: list[Step] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    out: bytes = b""
    err: list[str] = field(default_factory=list)
    exit: int = 0
    status: int | None = None
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    measured: bool = True

    @property
    def listens(self) -> bool:
        """Whether a daemon is there."""
        return self.status is not None or bool(self.script)

    def steps(self) -> list[Step]:
        """Return all that the canned daemon does."""
        if self.status is None:
            return self.script
        built = answer(
            self.status,
            self.body,
            content_type=self.content_type,
            headers=self.headers,
            length=-1 if self.measured else None,
        )
        return [*self.script, built]


def read_dialogues(path: Path) -> Iterator[Dialogue]:
    """Yield the dialogues of the transcript at *path*."""
    dialogue: Dialogue | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, _, rest = line.lstrip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "==":
            if dialogue is not None:
                yield dialogue
            dialogue = Dialogue(rest, f"{path.stem}:{number}")
            continue
        assert dialogue is not None, f"{path.name}:{number}: a dialogue begins with =="
        _take(dialogue, word, rest, f"{path.name}:{number}")
    if dialogue is not None:
        yield dialogue


def _take(dialogue: Dialogue, word: str, rest: str, origin: str) -> None:
    match word:
        case "env":
            name, _, value = rest.partition("=")
            dialogue.environment[name] = _repeat(value)
        case "unset":
            dialogue.removed.append(rest)
        case "directory" | "file" | "link" | "stale":
            dialogue.set_up.append((word, [_repeat(each) for each in shlex.split(rest)]))
        case "socket":
            dialogue.socket = rest
        case "answer":
            status, _, content_type = rest.partition(" ")
            dialogue.status = int(status)
            dialogue.content_type = content_type or dialogue.content_type
        case "header":
            name, _, value = rest.partition(": ")
            dialogue.headers.append((name, value))
        case "body":
            dialogue.body += _bytes(rest)
        case "unmeasured":
            dialogue.measured = False
        case "raw":
            dialogue.script.append(_bytes(rest))
        case "pause":
            dialogue.script.append(Pause(float(rest)))
        case "hold":
            dialogue.script.append(HOLD)
        case "$":
            dialogue.command = shlex.split(rest)
        case "asked":
            dialogue.asked.append(rest)
        case "out":
            dialogue.out += _bytes(rest) + b"\n"
        case "err":
            dialogue.err.append(_repeat(rest))
        case "exit":
            dialogue.exit = int(rest)
        case _:
            raise AssertionError(f"{origin}: unknown word {word}")


def _bytes(text: str) -> bytes:
    r"""Return the bytes of *text*; `\n`, `\r`, `\0`, `\\`, `\xNN` as in C, `{A*N}` is N times A."""
    repeated = _repeat(text)
    return re.sub(
        rb"\\(n|r|0|\\|x[0-9a-f]{2})",
        lambda found: {b"n": b"\n", b"r": b"\r", b"0": b"\0", b"\\": b"\\"}.get(
            found[1], bytes([int(found[1][1:] or b"0", 16)]) if found[1][:1] == b"x" else b""
        ),
        repeated.encode(),
    )


def _repeat(text: str) -> str:
    return re.sub(r"\{(.)\*(\d+)\}", lambda found: found[1] * int(found[2]), text)


def matches(pattern: str, text: str) -> bool:
    """Whether *text* is *pattern*, in which `[..]` stands for anything."""
    parts = map(re.escape, pattern.split("[..]"))
    return re.fullmatch(".*".join(parts), text) is not None
