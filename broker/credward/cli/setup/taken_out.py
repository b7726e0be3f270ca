"""Keys that were taken out of files into the store: what is noted, and how each is put back.

What is noted holds no key: the line around it. The store gives a key back only if it was told at
that time where it came from; whether it is put back is asked in `putting_back`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from credward.cli.setup.settings_file import Replaced, read, replace
from credward.cli.start import paths
from credward.errors import BrokerError, Kind
from credward.named_files import read_text, replace_file
from credward.tokens import Secret

__all__ = ["TakenOut", "forget", "is_changed", "load", "put_line_back", "take_out"]


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """Line *number* (from 1) of *path*, out of which a key was taken.

    *around*: the line as it was, in pieces between which the key stood. *now*: what it was replaced
    by. *written*: a digest of the file after that. *backup*: the file before it, with the key.
    """

    path: str
    number: int
    around: list[str]
    now: str
    written: str = ""
    backup: str | None = None

    @classmethod
    def of(cls, path: Path, number: int, line: str, value: str, now: str) -> TakenOut:
        """Return what is noted about a *line* with the key *value*."""
        return cls(path=str(path), number=number, around=line.split(value), now=now)

    @property
    def place(self) -> str:
        """Where the key was, for people."""
        return f"{self.path}:{self.number}"

    def line(self, value: Secret) -> str:
        """Return the line as it was."""
        return value.reveal().join(self.around)


def take_out(secret: str, taken: TakenOut, text: str, *, stamp: str) -> Replaced:
    """Write *text*, the file without the key, and note how to put *secret* back.

    It is noted first: whatever happens in between, the key has a way back.
    """
    noted = msgspec.structs.replace(taken, written=_digest(text))
    before = load()
    _save({**before, secret: noted})
    try:
        done = replace(Path(taken.path), text, stamp=stamp)
    except BrokerError:
        _save(before)
        raise
    backup = None if done.backup is None else str(done.backup)
    _save({**before, secret: msgspec.structs.replace(noted, backup=backup)})
    return done


def put_line_back(taken: TakenOut, value: Secret, *, although_changed: bool) -> str:
    """Put the line with the key back; return what is so now, as the end of a sentence.

    A file that somebody changed since keeps those changes; it is touched only with
    *although_changed*, else this raises `bad-request`. If the line is gone, it is added at the end.
    """
    path = Path(taken.path)
    text = read(path)
    lines, line = text.split("\n"), taken.line(value)
    if line in lines:
        return "has its key already"
    exact = _digest(text) == taken.written
    if not exact and not although_changed:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{taken.path}" changed since its key was taken out, so nothing was done: add '
            "--although-changed, which puts the key back and keeps those changes",
        )
    at = taken.number - 1 if exact else _only(lines, taken.now)
    if at is not None:
        lines[at] = line
    else:
        lines[-1:] = [line, ""] if lines[-1] == "" else [lines[-1], line, ""]
    replace(path, "\n".join(lines))
    if not exact:
        return f"has its key again, in line {lines.index(line) + 1}"
    if taken.backup is not None:
        # It says the same as the file now, and holds a key that nobody looks for there.
        Path(taken.backup).unlink(missing_ok=True)
    return "is as it was before"


def is_changed(taken: TakenOut) -> bool:
    """Return whether somebody else wrote to the file since then."""
    return _digest(read(Path(taken.path))) != taken.written


def load() -> dict[str, TakenOut]:
    """Return what was taken out of files, by the name of the secret in the store."""
    try:
        return msgspec.json.decode(read_text(_memory()), type=dict[str, TakenOut])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{_memory()}" cannot be read, so keys that were taken out of files are unknown: '
            "correct its permissions, or move it away",
        ) from error


def forget(secret: str) -> None:
    """Forget where *secret* came from: it is there again, or nobody wants it back."""
    records = load()
    if records.pop(secret, None) is not None:
        _save(records)


def _save(records: dict[str, TakenOut]) -> None:
    memory = _memory()
    try:
        if not records:
            memory.unlink(missing_ok=True)
            return
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(memory, msgspec.json.encode(records))
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{memory}" cannot be written ({error.strerror}), so no file was changed: '
            "correct its permissions",
        ) from error


def _memory() -> Path:
    return paths().state_dir / "taken-out.json"


def _only(lines: list[str], line: str) -> int | None:
    """Return where *line* is, None if that is not one place."""
    found = [at for at, each in enumerate(lines) if each == line]
    return found[0] if len(found) == 1 else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
