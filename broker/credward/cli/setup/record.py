"""What set-ups did to a file, remembered so that it can be undone; no file is changed here.

`settings_file` reads and writes the files, `file_plan` decides on a change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.editors import FileKind, held
from credward.cli.start import paths
from credward.errors import BrokerError, Kind
from credward.named_files import read_text, replace_file

__all__ = [
    "Change",
    "Memory",
    "Owner",
    "Record",
    "Replaced",
    "digest_of",
    "memory_of_set_ups",
    "unreadable",
]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The set-up that a change belongs to: one of *tool*, for *credential* ("": what is chosen).

    *key* tells it from others of the tool that exist beside it; "": the file itself does.
    """

    tool: str = "claude-code"
    key: str = ""
    credential: str = ""

    def same(self, other: Owner) -> bool:
        """Return whether a new run of the one is about the other."""
        return (self.tool, self.key) == (other.tool, other.key)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One member that we set: its old value (None: absent) and its new one.

    *had_object*: the object around it existed before.
    """

    path: list[str]
    before: Any = None
    after: Any = None
    had_object: bool = True
    owner: Owner = Owner()


class Replaced(msgspec.Struct, frozen=True):
    """The old content of a replaced file, and what was left or made beside it."""

    existed: bool
    backup: Path | None = None
    made: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What we did to one file, over several runs: enough to restore the state before them.

    *existed*: whether there was a file. *made*: directories that we made for it, the inner ones
    first. *backups*: the backups beside it, the original in the first. *written*: a digest of what
    we wrote, None if somebody else wrote in between.
    """

    changes: list[Change]
    kind: FileKind = "json"
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
        *,
        kind: FileKind = "json",
    ) -> Record:
        """Return the history after one more run, which changed *before* to *after*."""
        # Undo restores the state before our first change.
        anew = {tuple(each.path) for each in changes}
        known = {
            path: each
            for each in (earlier.changes if earlier else ())
            if (path := tuple(each.path)) in anew or held(kind, after, path) == each.after
        }
        # An object that an earlier run made is still ours, though it was there for this run.
        made = {
            tuple(each.path[:-1])
            for each in (earlier.changes if earlier else ())
            if not each.had_object
        }
        for change in changes:
            first = known.get(tuple(change.path), change)
            known[tuple(change.path)] = msgspec.structs.replace(
                change,
                before=first.before,
                had_object=first.had_object and tuple(change.path[:-1]) not in made,
            )
        backup = [str(replaced.backup)] if replaced.backup is not None else []
        ours = earlier is None or earlier.written == digest_of(before)
        return cls(
            changes=list(known.values()),
            kind=kind,
            existed=earlier.existed if earlier else replaced.existed,
            made=[*replaced.made, *(earlier.made if earlier else ())],
            backups=[*(earlier.backups if earlier else ()), *backup],
            written=digest_of(after) if ours else None,
        )

    def left(self, kept: list[Change], before: str, after: str) -> Record:
        """Return the history after all but *kept* was undone, from *before* to *after*."""
        ours = self.written == digest_of(before)
        return msgspec.structs.replace(
            self, changes=kept, written=digest_of(after) if ours else None
        )


class Memory(msgspec.Struct, frozen=True):
    """What we changed in which file, kept in the state directory so that it can be undone."""

    file: Path

    def load(self) -> dict[str, Record]:
        """Return what we did, by file."""
        try:
            text = read_text(self.file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise unreadable(self.file, error) from error
        return msgspec.json.decode(text, type=dict[str, Record])

    def save(self, records: dict[str, Record]) -> None:
        """Keep *records*."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.file, msgspec.json.encode(records))


def memory_of_set_ups() -> Memory:
    """Return what we did to the files of tools."""
    return Memory(paths().state_dir / "set-ups.json")


def digest_of(text: str) -> str:
    """Return what tells a text from others."""
    return hashlib.sha256(text.encode()).hexdigest()


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BrokerError:
    """Return the error for a file that cannot be read."""
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return BrokerError(
        Kind.FIX_CONFIGURATION, f'"{path}" cannot be read ({why}): correct it, then run this again'
    )
