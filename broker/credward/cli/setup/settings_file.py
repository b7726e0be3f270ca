"""Another tool's settings file: shown as a diff, backed up, replaced as a whole, or restored.

Knows files and members, not their meaning; the tools' files beside this one know that.
"""

from __future__ import annotations

import difflib
import glob
import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.json_text import get_member, remove_member, set_member
from credward.errors import BrokerError, Kind
from credward.masking import masked_members
from credward.named_files import read_text, replace_file

__all__ = [
    "Change",
    "Memory",
    "Record",
    "apply",
    "backups_of",
    "diff",
    "put_back",
    "read",
    "replace",
    "undone",
]


_HIDDEN = "…"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One member that we set: its old value (None: absent) and its new one.

    *had_object*: the object around it existed before.
    """

    path: list[str]
    before: Any = None
    after: Any = None
    had_object: bool = True


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What we did to one file, over several runs: enough to restore the state before them.

    *existed*: whether there was a file. *made*: directories that we made for it, the inner ones
    first. *backups*: the backups beside it, the original in the first. *written*: a digest of what
    we wrote, None if somebody else wrote in between.
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
        """Return the history after one more run, which changed *before* to *after*."""
        # Undo restores the state before our first change.
        anew = {tuple(each.path) for each in changes}
        known = {
            path: each
            for each in (earlier.changes if earlier else ())
            if (path := tuple(each.path)) in anew or get_member(after, path) == each.after
        }
        # An object that an earlier run made is still ours, though it was there for this run.
        made = {
            tuple(each.path[:-1])
            for each in (earlier.changes if earlier else ())
            if not each.had_object
        }
        for change in changes:
            first = known.get(tuple(change.path), change)
            known[tuple(change.path)] = Change(
                path=change.path,
                before=first.before,
                after=change.after,
                had_object=first.had_object and tuple(change.path[:-1]) not in made,
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
    """The old content of a replaced file, and what was left or made beside it."""

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
    """Return the text of *path*, empty if there is no file."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def apply(
    text: str, wanted: dict[tuple[str, ...], Any], earlier: Record | None = None
) -> tuple[str, list[Change]]:
    """Return *text* with the *wanted* members, and the changes.

    Members that we set *earlier* and no longer want get their old value.
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
    """Return the text to write instead of *text* (None: no file), and whether it is the original.

    If somebody else wrote since then, our members are removed from the current text.
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


def put_back(path: Path, text: str | None, record: Record, others: dict[str, Record]) -> None:
    """Write *text* to *path* (None: remove the file), and remove our files beside it.

    Of a directory that we made and that is still needed, one of the *others* keeps the memory.
    """
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
            try:
                Path(made).rmdir()
            except OSError:
                # Another file of ours is there, or one that somebody wants to stay.
                _inherit(made, others)


def _inherit(directory: str, others: dict[str, Record]) -> None:
    for path, record in others.items():
        if Path(path).is_relative_to(directory) and directory not in record.made:
            made = [*record.made, directory]
            others[path] = msgspec.structs.replace(record, made=made)
            return


def _without(text: str, changes: list[Change]) -> str:
    """Return *text* with our members as they were before; changes by others stay."""
    for change in reversed(changes):
        path = tuple(change.path)
        if get_member(text, path) != change.after:
            continue
        if change.before is not None:
            text = set_member(text, path, change.before)
            continue
        text = remove_member(text, path)
        # An object that only we needed is removed with its last member.
        if not change.had_object and get_member(text, path[:-1]) == {}:
            text = remove_member(text, path[:-1])
    return text


def diff(path: Path, before: str, after: str) -> str:
    """Return a unified diff for people, without secrets that stand in the file already."""
    safe = _safe_lines(before, after)
    names = (str(path), f"{path} (new)")
    found = difflib.unified_diff(_lines(before), _lines(after), *names)
    # The first two are our names; a line of the files begins with its mark.
    shown = [
        line if index < 2 or line.startswith("@@") else line[0] + safe[line[1:]]
        for index, line in enumerate(found)
    ]
    # A file without a last line end must not join two lines.
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in shown)


def _safe_lines(*texts: str) -> dict[str, str]:
    """Return the lines of all *texts* as they may be shown.

    Masked in the whole: a line of a secret with several may have its name far above. Of a line that
    stands in several places, what one of them hides is hidden in all.
    """
    safe: dict[str, str] = {}
    for text in texts:
        for line, shown in zip(_lines(text), _lines(masked_members(text, _HIDDEN)), strict=True):
            safe[line] = min(safe.get(line, line), shown, key=_visible)
    return safe


def _visible(line: str) -> int:
    return len(line.replace(_HIDDEN, ""))


def _lines(text: str) -> list[str]:
    # Not `splitlines`, to which a form feed is an end of a line.
    return list(io.StringIO(text, newline="\n"))


def replace(path: Path, text: str, *, stamp: str | None = None) -> Replaced:
    """Write *text* and return the old content; with a *stamp*, back that up.

    A symbolic link and the mode stay; the old file is there until the new one is complete.
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


def backups_of(path: Path) -> list[Path]:
    """Return the backups of *path* that `replace` made, the oldest first."""
    real = path.resolve()
    return sorted(real.parent.glob(_backup_name(glob.escape(real.name), "*")))


def _backup_name(name: str, stamp: str) -> str:
    return f"{name}.credward-{stamp}.bak"


def _backup(real: Path, stamp: str) -> Path:
    names = (f"{stamp}{more}" for more in ("", *(f"-{number}" for number in range(2, 100))))
    backups = (real.with_name(_backup_name(real.name, each)) for each in names)
    # Twice in one second: do not overwrite the first backup.
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
