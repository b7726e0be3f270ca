"""Keys that were taken out of files into the store: what is noted, and how each is put back.

What is noted holds no key: the line around it. The store keeps the same, sealed with the key: our
file alone decides nothing. Whether a key is put back is asked in `putting_back`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from credward.cli.setup.record import Replaced
from credward.cli.setup.settings_file import backups_of, read, replace
from credward.cli.start import paths
from credward.errors import BrokerError, Kind
from credward.named_files import leftovers, opened, read_text, replace_file
from credward.tokens import Secret

__all__ = [
    "TakenOut",
    "change_since",
    "forget",
    "load",
    "memory",
    "place_of",
    "put_line_back",
    "take_out",
]

# What an editor does; the rest is about who can read the file.
_EDITED = "changed"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """Line *number* (from 1) of *path*, out of which a key was taken.

    *real*, *owner* and *mode*: the file that *path* led to. *around*: the line as it was, in pieces
    between which the key stood. *now*: what it was replaced by.

    Only our file knows the rest, as it is about our own edits. *written*: a digest of the file
    after the last one, which may be about another key. *backup*: the file before it, with the key.
    """

    path: str
    real: str
    owner: int
    mode: int
    number: int
    around: list[str]
    now: str
    written: str = ""
    backup: str | None = None

    @classmethod
    def of(cls, path: Path, number: int, line: str, value: str, now: str) -> TakenOut:
        """Return what is noted about a *line* with the key *value*."""
        real = path.resolve()
        found = real.stat()
        return cls(
            path=str(path),
            real=str(real),
            owner=found.st_uid,
            mode=stat.S_IMODE(found.st_mode),
            number=number,
            around=line.split(value),
            now=now,
        )

    @property
    def place(self) -> str:
        """Where the key was, for people."""
        return f"{self.path}:{self.number}"

    @property
    def sealed(self) -> str:
        """What the store keeps with the key."""
        return msgspec.json.encode(msgspec.structs.replace(self, written="", backup=None)).decode()

    def line(self, value: Secret) -> str:
        """Return the line as it was."""
        return value.reveal().join(self.around)


def place_of(sealed: str) -> str:
    """Return where a key was, for people, as the store has it."""
    try:
        return msgspec.json.decode(sealed, type=TakenOut).place
    except msgspec.DecodeError:
        return "an unknown place"


def take_out(secret: str, taken: TakenOut, value: Secret, *, stamp: str) -> Replaced:
    """Replace the line with the key *value*, and note how to put *secret* back.

    It is noted first: whatever happens in between, the key has a way back. Raise `bad-request` if
    the line is another one by now.
    """
    path = Path(taken.path)
    with _locked():
        before, at = read(path), taken.number - 1
        lines = before.split("\n")
        if str(path.resolve()) != taken.real or lines[at : at + 1] != [taken.line(value)]:
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


def put_line_back(secret: str, taken: TakenOut, value: Secret, *, although_changed: bool) -> str:
    """Put the line with the key back; return what is so now, as the end of a sentence.

    *taken* is what the store knows, too. A file that somebody changed since keeps those changes; it
    is touched only with *although_changed*, else this raises `bad-request`. If the line is gone, it
    is added at the end. The note stays until `forget`.
    """
    with _locked():
        known, noted, real = load(), _noted(secret), Path(taken.path).resolve()
        text = read(real)
        _remove_leftovers(real, value)
        if taken.line(value) in text.split("\n"):
            return "has its key already"
        change = _change(taken, noted.written, real, text)
        if change and not although_changed:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{taken.path}" {change} since its key was taken out, so nothing was done: add '
                "--although-changed, which puts the key back and keeps those changes",
            )
        number, fresh = _with_line(taken, value, text, moved=bool(change))
        replace(real, fresh)
        _save(_edited(known, taken.path, text, fresh))
    if not change and noted.backup is not None:
        _remove_backup(real, Path(noted.backup))
    if not change and sum(each.path == taken.path for each in known.values()) == 1:
        return "is as it was before"
    more = f" ({change} since)" if change not in {"", _EDITED} else ""
    return f"has its key again, in line {number}{more}"


def change_since(secret: str, taken: TakenOut) -> str:
    """Return what somebody else did to the file since *secret* was taken out of it, "" if nothing.

    It is a verb with its object, to go between the file and "since".
    """
    real = Path(taken.path).resolve()
    return _change(taken, _noted(secret).written, real, read(real))


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


def _change(taken: TakenOut, written: str, real: Path, text: str) -> str:
    found = real.stat() if real.exists() else None
    if str(real) != taken.real:
        return f"leads to {real}"
    if found is not None and found.st_uid != taken.owner:
        return "belongs to another user"
    if found is not None and stat.S_IMODE(found.st_mode) & ~taken.mode & _OTHERS:
        return "can be opened by more users"
    at = taken.number - 1
    if _digest(text) != written or text.split("\n")[at : at + 1] != [taken.now]:
        return _EDITED
    return ""


def _with_line(taken: TakenOut, value: Secret, text: str, *, moved: bool) -> tuple[int, str]:
    """Return *text* with the line again, and its number; *moved*: it may be anywhere by now."""
    lines, line = text.split("\n"), taken.line(value)
    at = _only(lines, taken.now) if moved else taken.number - 1
    if at is not None:
        lines[at] = line
    else:
        lines[-1:] = [line, ""] if lines[-1] == "" else [lines[-1], line, ""]
    return lines.index(line) + 1, "\n".join(lines)


def _remove_backup(real: Path, backup: Path) -> None:
    """Remove a backup of ours beside *real*; our notes, which say so, can name any other file.

    It says nothing that the file or the store does not, and nobody looks for a key there.
    """
    if backup in backups_of(real) and backup.is_file() and not backup.is_symlink():
        backup.unlink()


def _remove_leftovers(real: Path, value: Secret) -> None:
    """Remove files with the key that a command left beside *real* when it was killed.

    No other one writes there now: it would have our lock.
    """
    for each in leftovers(real):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if value.reveal() in read_text(each):
                each.unlink()


def _only(lines: list[str], line: str) -> int | None:
    """Return where *line* is, None if that is not one place."""
    found = [at for at, each in enumerate(lines) if each == line]
    return found[0] if len(found) == 1 else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
