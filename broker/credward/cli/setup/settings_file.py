"""Another tool's settings file: shown as a diff, backed up, replaced whole, put back on request.

Knows files and members, not what they mean; that is the tools' own files beside this one.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.json_text import get_member, remove_member, set_member
from credward.errors import BrokerError, Kind
from credward.named_files import read_text, replace_file

__all__ = ["Change", "Memory", "Record", "apply", "diff", "put_back", "read", "replace", "undone"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One member that we set: what it was before (None: absent) and what we made it.

    *had_object*: the object that it is in was there before.
    """

    path: list[str]
    before: Any = None
    after: Any = None
    had_object: bool = True


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What we did to one file, over several runs: enough to put back what was there before them.

    *existed*: whether there was a file. *made*: directories that we made for it, the inner ones
    first. *backups*: those that we left beside it, what was there first in the first. *written*: a
    digest of what we wrote, None where somebody else wrote in between.
    """

    changes: list[Change]
    existed: bool = True
    made: list[str] = []
    backups: list[str] = []
    written: str | None = None

    @classmethod
    def of(
        cls,
        earlier: Record | None,
        before: str,
        after: str,
        changes: list[Change],
        replaced: Replaced,
    ) -> Record:
        """Return what is known after one run more, which made *after* of *before*."""
        # What was there before our first change is what undoing brings back.
        anew = {tuple(each.path) for each in changes}
        known = {
            path: each
            for each in (earlier.changes if earlier else ())
            if (path := tuple(each.path)) in anew or get_member(after, path) == each.after
        }
        for change in changes:
            first = known.get(tuple(change.path), change)
            known[tuple(change.path)] = Change(
                path=change.path,
                before=first.before,
                after=change.after,
                had_object=first.had_object,
            )
        backup = [str(replaced.backup)] if replaced.backup is not None else []
        ours = earlier is None or earlier.written == _digest(before)
        return cls(
            changes=list(known.values()),
            existed=earlier.existed if earlier else replaced.existed,
            made=[*replaced.made, *(earlier.made if earlier else ())],
            backups=[*(earlier.backups if earlier else ()), *backup],
            written=_digest(after) if ours else None,
        )


class Replaced(msgspec.Struct, frozen=True):
    """What there was when a file was replaced, and what was left or made beside it."""

    existed: bool
    backup: Path | None = None
    made: tuple[str, ...] = ()


class Memory(msgspec.Struct, frozen=True):
    """What we changed in which file, kept in the state directory so that it can be undone."""

    file: Path

    def load(self) -> dict[str, Record]:
        """Return what we did, by settings file."""
        try:
            text = read_text(self.file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(self.file, error) from error
        return msgspec.json.decode(text, type=dict[str, Record])

    def save(self, records: dict[str, Record]) -> None:
        """Keep *records*."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.file, msgspec.json.encode(records))


def read(path: Path) -> str:
    """Return the text of *path*, empty where there is no file."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def apply(
    text: str, wanted: dict[tuple[str, ...], Any], earlier: Record | None = None
) -> tuple[str, list[Change]]:
    """Return *text* with the *wanted* members and what that changed.

    What we set *earlier* and is not wanted any more is as it was before that.
    """
    if earlier is not None and text.strip():
        text = _without(text, [each for each in earlier.changes if tuple(each.path) not in wanted])
    changes = []
    original = text
    for path, value in wanted.items():
        before = get_member(text, path) if text.strip() else None
        if before != value:
            text = set_member(text, path, value)
            outer = get_member(original, path[:-1]) if original.strip() else None
            changes.append(
                Change(path=list(path), before=before, after=value, had_object=outer is not None)
            )
    return text, changes


def undone(path: Path, text: str, record: Record) -> tuple[str | None, bool]:
    """Return what to make of *text* (None: no file), and whether all is as before us then.

    Where somebody else wrote since, our members are taken out of what there is now.
    """
    if not path.exists():
        return None, False
    if _digest(text) == record.written:
        if not record.existed:
            return None, True
        if record.backups and (first := Path(record.backups[0])).is_file():
            return read(first), True
    rest = _without(text, record.changes)
    if not record.existed and get_member(rest, ()) == {}:
        return None, True
    return rest, False


def put_back(path: Path, text: str | None, record: Record) -> None:
    """Leave *text* at *path* (None: no file), and nothing of ours beside it."""
    real = path.resolve() if path.is_symlink() else path
    if text is not None:
        replace(path, text)
    try:
        if text is None:
            real.unlink(missing_ok=True)
        for backup in record.backups:
            Path(backup).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if text is None:
        for made in record.made:
            # Whoever put something there wants it to stay.
            with contextlib.suppress(OSError):
                Path(made).rmdir()


def _without(text: str, changes: list[Change]) -> str:
    """Return *text* with our members as they were; what others changed since stays theirs."""
    for change in reversed(changes):
        path = tuple(change.path)
        if get_member(text, path) != change.after:
            continue
        if change.before is not None:
            text = set_member(text, path, change.before)
            continue
        text = remove_member(text, path)
        # An object that only we needed goes with its last member.
        if not change.had_object and get_member(text, path[:-1]) == {}:
            text = remove_member(text, path[:-1])
    return text


def diff(path: Path, before: str, after: str) -> str:
    """Return a unified diff for people."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            str(path),
            f"{path} (new)",
        )
    )


def replace(path: Path, text: str, *, stamp: str | None = None) -> Replaced:
    """Put *text* in place and return what was there; with a *stamp*, that is backed up.

    A symbolic link stays one and the mode stays; the old file is there until the new one is whole.
    """
    real = path.resolve() if path.is_symlink() else path
    try:
        made = tuple(str(each) for each in real.parents if not each.exists())
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        existed = real.exists()
        backup = None
        mode = 0o600
        if existed:
            mode = real.stat().st_mode & 0o7777
            if stamp is not None:
                backup = _backup(real, stamp)
        replace_file(real, text.encode(), mode=mode)
    except OSError as error:
        raise _unwritable(path, error) from error
    if read(real) != text:
        raise BrokerError(Kind.INTERNAL, f'"{path}" was changed by another program: run this again')
    return Replaced(existed, backup, made)


def _backup(real: Path, stamp: str) -> Path:
    names = (f"{stamp}{more}" for more in ("", *(f"-{number}" for number in range(2, 100))))
    backups = (real.with_name(f"{real.name}.credward-{name}.bak") for name in names)
    # Twice in one second: what was there first is not to be written over.
    backup = next(each for each in backups if not each.exists())
    replace_file(backup, read(real).encode())
    return backup


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BrokerError:
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return BrokerError(
        Kind.FIX_CONFIGURATION, f'"{path}" cannot be read ({why}): correct it, then run this again'
    )


def _unwritable(path: Path, error: OSError) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{path}" cannot be written ({error.strerror}): nothing was changed',
    )
