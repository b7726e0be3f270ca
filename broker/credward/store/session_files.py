"""The files of sessions under way: a record of each, and the secrets of its endpoints.

A daemon that starts takes them up again (`daemon.sessions`); nothing in a record is secret, and it
grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from credward.errors import BrokerError, Kind
from credward.store.files import read_private, replace

__all__ = ["EndpointRecord", "SessionFiles", "SessionRecord"]

_WHAT = "record of a session"
_ID = re.compile(r"[0-9a-f]{16}")


class EndpointRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of a session, and the port where its clients look for it."""

    door: str
    credential: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the process *pid*; *start_time* and *boot_id* tell it from any other one.

    *start_time* in clock ticks since the boot that *boot_id* names.
    """

    id: str
    uid: int
    pid: int
    start_time: int
    boot_id: str
    endpoints: tuple[EndpointRecord, ...]


class SessionFiles:
    """The files of all sessions, in *folder* (0700), which has nothing else. They block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def token_file(self, session: str, number: int) -> Path:
        """Return where the secret of an endpoint is, the *number*th of a session."""
        return self._folder / f"{session}-{number}.token"

    def keep(self, record: SessionRecord) -> None:
        """Write *record*; raises `fix-configuration`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._folder / f"{record.id}.json", msgspec.json.encode(record))
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self._folder}" cannot be written ({error.strerror}): make room, or correct its '
                "permissions",
            ) from error

    def remove(self, session: str) -> None:
        """Remove all files of a session."""
        for path in self._files():
            if path.name.startswith(session):
                with suppress(OSError):
                    path.unlink()

    def load(self) -> list[SessionRecord]:
        """Return the records that can be read."""
        records = (_read(path) for path in self._files() if path.suffix == ".json")
        return [each for each in records if each is not None]

    def sweep(self, kept: Collection[str]) -> None:
        """Remove what does not belong to one of the sessions that are *kept*."""
        for path in self._files():
            if re.split(r"[-.]", path.name, maxsplit=1)[0] not in kept:
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from sorted(self._folder.iterdir())


def _read(path: Path) -> SessionRecord | None:
    with suppress(BrokerError, msgspec.MsgspecError, RecursionError):
        record = msgspec.json.decode(read_private(path, _WHAT) or b"", type=SessionRecord)
        # Its name is part of paths.
        if _ID.fullmatch(record.id) and path.stem == record.id:
            return record
    return None
