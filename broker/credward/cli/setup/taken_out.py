"""Keys that were taken out of files into the store: what is noted, and how each is put back.

What is noted holds no key: the line around it. The store gives a key back only if it was told at
that time where it came from; whether it is put back is asked in `putting_back`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from credward.cli.setup.settings_file import Replaced, read, replace
from credward.cli.start import paths
from credward.errors import BrokerError, Kind
from credward.named_files import opened, read_text, replace_file
from credward.tokens import Secret

__all__ = ["TakenOut", "forget", "is_changed", "load", "memory", "put_line_back", "take_out"]


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """Line *number* (from 1) of *path*, out of which a key was taken.

    *around*: the line as it was, in pieces between which the key stood. *now*: what it was replaced
    by. *written*: a digest of the file after our last edit of it, which may be about another key.
    *backup*: the file before it, with the key.
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


def take_out(secret: str, taken: TakenOut, value: Secret, *, stamp: str) -> Replaced:
    """Replace the line with the key *value*, and note how to put *secret* back.

    It is noted first: whatever happens in between, the key has a way back. Raise `bad-request` if
    the line is another one by now.
    """
    path = Path(taken.path)
    with _locked():
        before, at = read(path), taken.number - 1
        lines = before.split("\n")
        if lines[at : at + 1] != [taken.line(value)]:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{taken.path}" was changed meanwhile, so the key is still there: remove it there',
            )
        lines[at] = taken.now
        text, earlier = "\n".join(lines), load()
        noted = msgspec.structs.replace(taken, written=_digest(text))
        _save({**earlier, secret: noted})
        try:
            done = replace(path, text, stamp=stamp)
        except BrokerError:
            _save(earlier)
            raise
        backup = None if done.backup is None else str(done.backup)
        noted = msgspec.structs.replace(noted, backup=backup)
        _save({**_edited(earlier, taken.path, before, text), secret: noted})
    return done


def put_line_back(secret: str, value: Secret, *, although_changed: bool) -> str:
    """Put the line with the key back; return what is so now, as the end of a sentence.

    A file that somebody changed since keeps those changes; it is touched only with
    *although_changed*, else this raises `bad-request`. If the line is gone, it is added at the end.
    The note stays until `forget`.
    """
    with _locked():
        known, taken = load(), _noted(secret)
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
        fresh = "\n".join(lines)
        replace(path, fresh)
        _save(_edited(known, taken.path, text, fresh))
    if exact and taken.backup is not None:
        # It says nothing that the file or the store does not, and nobody looks for a key there.
        Path(taken.backup).unlink(missing_ok=True)
    if exact and sum(each.path == taken.path for each in known.values()) == 1:
        return "is as it was before"
    return f"has its key again, in line {lines.index(line) + 1}"


def is_changed(secret: str) -> bool:
    """Return whether somebody else wrote to the file since *secret* was taken out of it."""
    taken = _noted(secret)
    return _digest(read(Path(taken.path))) != taken.written


def load() -> dict[str, TakenOut]:
    """Return what was taken out of files, by the name of the secret in the store."""
    try:
        return msgspec.json.decode(read_text(memory()), type=dict[str, TakenOut])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{memory()}" cannot be read, so keys that were taken out of files are unknown: '
            "correct its permissions, or move it away",
        ) from error


def forget(secret: str) -> TakenOut | None:
    """Forget where *secret* came from: it is there again, or nobody wants it back.

    Return what was noted.
    """
    if secret not in load():
        # Nothing to change, nothing to lock: most secrets were typed.
        return None
    with _locked():
        records = load()
        found = records.pop(secret, None)
        _save(records)
    return found


def memory() -> Path:
    """Return the file of all notes."""
    return paths().state_dir / "taken-out.json"


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Have other commands wait that change notes, or the files that they are about.

    The file of the lock stays: without it two commands could lock two files.
    """
    path = memory().with_suffix(".lock")
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stack.enter_context(opened(path, os.O_RDWR | os.O_CREAT, follow=False))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def _save(records: dict[str, TakenOut]) -> None:
    try:
        if not records:
            memory().unlink(missing_ok=True)
            return
        replace_file(memory(), msgspec.json.encode(records))
    except OSError as error:
        raise _unwritable(memory(), error) from error


def _unwritable(path: Path, error: OSError) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{path}" cannot be written ({error.strerror}), it says which keys go back to which file: '
        "correct its permissions",
    )


def _noted(secret: str) -> TakenOut:
    found = load().get(secret)
    if found is None:
        raise BrokerError(
            Kind.BAD_REQUEST, f'another command put "{secret}" back meanwhile: run this again'
        )
    return found


def _edited(
    records: dict[str, TakenOut], path: str, before: str, after: str
) -> dict[str, TakenOut]:
    """Return *records* after our own edit of *path*, which is no change by somebody else."""
    was, now = _digest(before), _digest(after)
    return {
        secret: msgspec.structs.replace(each, written=now)
        if (each.path, each.written) == (path, was)
        else each
        for secret, each in records.items()
    }


def _only(lines: list[str], line: str) -> int | None:
    """Return where *line* is, None if that is not one place."""
    found = [at for at, each in enumerate(lines) if each == line]
    return found[0] if len(found) == 1 else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
