"""Another tool's settings file: shown as a diff, backed up, replaced as a whole, or restored.

Knows files and members, not their meaning; the tools' files beside this one know that.
"""

from __future__ import annotations

import difflib
import glob
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.editors import FileKind, editor_of, held
from credward.cli.setup.record import Change, Owner, Record, Replaced, digest_of, unreadable
from credward.errors import BrokerError, Kind
from credward.masking import masked_members
from credward.named_files import read_text, replace_file

__all__ = [
    "apply",
    "backups_of",
    "diff",
    "put_back",
    "read",
    "replace",
    "undone",
    "without",
]


_HIDDEN = "…"
_NOBODY = Owner()


def read(path: Path) -> str:
    """Return the text of *path*, empty if there is no file."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def apply(
    text: str,
    wanted: Mapping[tuple[str, ...], Any],
    earlier: Record | None = None,
    owner: Owner = _NOBODY,
    *,
    kind: FileKind = "json",
) -> tuple[str, list[Change]]:
    """Return *text* with the members that *owner* has *wanted*, and the changes.

    Members that it set *earlier* and no longer wants get their old value.
    """
    editor = editor_of(kind)
    if earlier is not None and text.strip():
        mine = [each for each in earlier.changes if each.owner.same(owner)]
        text = without(text, [each for each in mine if tuple(each.path) not in wanted], kind)
    changes = []
    original = text
    for path, value in wanted.items():
        before = held(kind, text, path)
        if before != value:
            text = editor.set_member(text, path, value)
            outer = held(kind, original, path[:-1])
            changes.append(
                Change(
                    path=list(path),
                    before=before,
                    after=value,
                    had_object=outer is not None,
                    owner=owner,
                )
            )
    return text, changes


def undone(path: Path, text: str, record: Record) -> tuple[str | None, bool]:
    """Return the text to write instead of *text* (None: no file), and whether it is the original.

    If somebody else wrote since then, our members are removed from the current text.
    """
    if not path.exists():
        return None, False
    if digest_of(text) == record.written:
        if not record.existed:
            return None, True
        if record.backups and (first := Path(record.backups[0])).is_file():
            return read(first), True
    rest = without(text, record.changes, record.kind)
    if not record.existed and held(record.kind, rest, ()) in (None, {}):
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


def without(text: str, changes: list[Change], kind: FileKind) -> str:
    """Return *text* with our members as they were before; changes by others stay."""
    editor = editor_of(kind)
    for change in reversed(changes):
        path = tuple(change.path)
        if held(kind, text, path) != change.after:
            continue
        if change.before is not None:
            text = editor.set_member(text, path, change.before)
            continue
        text = editor.remove_member(text, path)
        # An object that only we needed is removed with its last member.
        if not change.had_object and held(kind, text, path[:-1]) == {}:
            text = editor.remove_member(text, path[:-1])
    return text


def diff(path: Path, before: str, after: str, ours: Collection[str] = ()) -> str:
    """Return a unified diff for people, without secrets that stand in the file already.

    *ours*: lines that we write, which hold none; blanks around them and a comma do not matter.
    """
    safe = _safe_lines(before, after)
    safe |= {line: line for line in safe if line.strip().rstrip(",") in ours}
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


def _unwritable(path: Path, error: OSError) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{path}" cannot be written ({error.strerror}): nothing was changed',
    )
