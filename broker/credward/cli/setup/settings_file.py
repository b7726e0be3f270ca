"""Another tool's settings file: shown as a diff, backed up, replaced whole, put back on request.

Knows files and members, not what they mean; that is the tools' own files beside this one.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.json_text import get_member, remove_member, set_member
from credward.errors import BrokerError, Kind

__all__ = ["Change", "Memory", "apply", "diff", "read", "replace", "take_back"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One member that we set: what it was before (None: absent) and what we made it."""

    path: list[str]
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What we changed in which file, kept in the state directory so that it can be undone."""

    file: Path

    def load(self) -> dict[str, list[Change]]:
        """Return the changes by settings file."""
        try:
            raw = self.file.read_bytes()
        except FileNotFoundError:
            return {}
        return msgspec.json.decode(raw, type=dict[str, list[Change]])

    def save(self, changes: dict[str, list[Change]]) -> None:
        """Keep *changes*."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self.file, msgspec.json.encode(changes).decode(), mode=0o600)


def read(path: Path) -> str:
    """Return the text of *path*, empty where there is no file."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{path}" cannot be read: mend it, then run this again'
        ) from error


def apply(text: str, wanted: dict[tuple[str, ...], Any]) -> tuple[str, list[Change]]:
    """Return *text* with the *wanted* members and what that changed."""
    changes = []
    for path, value in wanted.items():
        before = get_member(text, path) if text.strip() else None
        if before != value:
            text = set_member(text, path, value)
            changes.append(Change(path=list(path), before=before, after=value))
    return text, changes


def take_back(text: str, changes: list[Change]) -> str:
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
        if len(path) > 1 and get_member(text, path[:-1]) == {}:
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


def replace(path: Path, text: str, *, stamp: str) -> Path | None:
    """Put *text* in place and return the backup of what was there (None: nothing was).

    A symbolic link stays one and the mode stays; the old file is there until the new one is whole.
    """
    real = path.resolve() if path.is_symlink() else path
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup = None
        mode = 0o600
        if real.exists():
            mode = real.stat().st_mode & 0o7777
            backup = real.with_name(f"{real.name}.credward-{stamp}.bak")
            _write(backup, read(real), mode=0o600)
        _write(real, text, mode=mode)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{path}" cannot be written ({error.strerror}): nothing was changed',
        ) from error
    if read(real) != text:
        raise BrokerError(Kind.INTERNAL, f'"{path}" was changed by another program: run this again')
    return backup


def _write(path: Path, text: str, *, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".credward-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        fresh = Path(name)
        fresh.chmod(mode)
        fresh.replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
