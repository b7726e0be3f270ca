"""The append-only record of decisions: one JSON line each, written before anything leaves.

`issuing.recording` decides what a line says. There is no field for a secret. A file that is removed
while it is open is begun anew, and its owner is told: lines in the old one nobody could read.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from credward.callers.caller import Caller
from credward.errors import BrokerError, Failure, Kind
from credward.named_files import open_file, opened

__all__ = ["AuditCaller", "AuditEntry", "AuditLog", "AuditPage"]

_log = logging.getLogger(__name__)

# The maximum of one answer of the API (bytes).
_PAGE = 256 * 1024
# The longest text in a line (characters): some comes from callers. Names are shorter, paths come
# from the kernel.
_LONGEST_TEXT = 256
_LONGEST_NAME = 64
_LONGEST_PATH = 4096


class AuditCaller(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked, as attested; unknown facts are absent."""

    uid: int
    pid: int | None = None
    executable: str | None = None
    agent: str | None = None
    agent_pid: int | None = None
    harness: str | None = None
    relay: str | None = None
    handle: str | None = None
    door: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision; *time* is Unix seconds, *token_id* a hash, *upstream_id* the vendor's name.

    *variables*: which of those that credward knows in the caller's environment made it a denial.
    """

    time: float
    action: str
    credential: str
    format: str
    outcome: str
    caller: AuditCaller
    kind: str | None = None
    rule: str | None = None
    variables: list[str] = []
    token_id: str | None = None
    upstream_id: str | None = None
    request_id: str | None = None

    @classmethod
    def of(
        cls,
        now: float,
        caller: Caller,
        *,
        action: str,
        credential: str,
        format: str,  # noqa: A002 - the field's name on the disk
        outcome: str,
        kind: str | None = None,
        rule: str | None = None,
        variables: Sequence[str] = (),
        token_id: str | None = None,
        upstream_id: str | None = None,
        request_id: str | None = None,
    ) -> AuditEntry:
        """Return the entry about *caller* at *now*."""
        return cls(
            time=round(now, 3),
            action=action,
            # A name that is not configured comes from outside.
            credential=_shown(credential, _LONGEST_NAME),
            format=_shown(format, _LONGEST_NAME),
            outcome=outcome,
            caller=AuditCaller(
                uid=caller.uid,
                pid=caller.pid,
                executable=(
                    _shown(caller.executable.path, _LONGEST_PATH) if caller.executable else None
                ),
                agent=_shown(caller.agent.name) if caller.agent else None,
                agent_pid=caller.agent.pid if caller.agent else None,
                harness=caller.harness,
                relay=caller.relay,
                handle=caller.handle,
                door=caller.door,
            ),
            kind=kind,
            rule=None if rule is None else _shown(rule),
            variables=[_shown(each) for each in variables],
            token_id=None if token_id is None else _shown(token_id),
            upstream_id=None if upstream_id is None else _shown(upstream_id),
            request_id=request_id,
        )


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some *lines* of the log, and the byte offset of their *end*, where the next ones begin."""

    lines: bytes
    end: int

    def __repr__(self) -> str:
        return f"AuditPage({len(self.lines)} bytes, {self.end})"


@lru_cache(maxsize=128)
def _shown(text: str, most: int = _LONGEST_TEXT) -> str:
    """Return *text* safe for a terminal: at most *most* characters, only printable ones."""
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:most]
    )
    return shown[:most]


class AuditLog:
    """One file, 0600, opened for appending only."""

    def __init__(self, path: Path, *, sync: Literal["batch", "always"] = "batch") -> None:
        self.path = path
        self._sync = sync
        self._encoder = msgspec.json.Encoder()
        self._descriptor = self._open()
        # Whether it was removed since its owner last opened it.
        self._removed = False

    def record(self, entry: AuditEntry) -> None:
        """Write one line, or raise: what cannot be recorded is not released."""
        self._write(entry)
        if self._sync == "always":
            self._force(self._descriptor)

    def commit(self, entry: AuditEntry) -> Awaitable[None] | None:
        """Write one line; if something is returned, it ends once the line is on disk.

        Nobody else waits for the disk. Raises like `record`, or the returned value does.
        """
        self._write(entry)
        if self._sync != "always":
            return None
        # A reload may close ours meanwhile.
        descriptor = os.dup(self._descriptor)
        return self._synced(descriptor)

    async def _synced(self, descriptor: int) -> None:
        try:
            await asyncio.to_thread(self._force, descriptor)
        finally:
            os.close(descriptor)

    def _write(self, entry: AuditEntry) -> None:
        line = self._encoder.encode(entry) + b"\n"
        try:
            # The cheapest question that tells: a line in a file without a name is lost.
            if os.fstat(self._descriptor).st_nlink == 0 and not self._is_in_place():
                self._replace()
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "no room for a whole line")  # noqa: TRY301 - one way out
        except OSError as error:
            raise self._unwritable(error) from error

    def _force(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise self._unwritable(error) from error

    def after(self, cursor: str | None) -> AuditPage:
        """Return whole lines from byte offset *cursor* on (None: the newest), as NDJSON.

        A file that is shorter than that was rotated: then from its beginning.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise BrokerError(Kind.BAD_REQUEST, "after must be a byte offset of the audit log")
        try:
            with opened(self.path, follow=False) as descriptor:
                size = os.fstat(descriptor).st_size
                start = int(cursor[:18]) if cursor else max(0, size - _PAGE)
                start = 0 if start > size else start
                page = os.pread(descriptor, _PAGE, start)
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'audit log "{self.path}" cannot be read ({error.strerror}): '
                "put it back, or run credward daemon reload",
            ) from error
        lines = page[: page.rfind(b"\n") + 1]
        end = start + len(lines)
        if cursor is None and start > 0:
            lines = lines.partition(b"\n")[2]
        return AuditPage(lines=lines, end=end)

    def failure(self) -> Failure | None:
        """Return why the record is not complete or not written, None if all is well.

        A file that was removed or moved away is begun anew.
        """
        try:
            if not self._is_in_place():
                self._replace()
        except BrokerError as error:
            return error.failure
        if not self._removed:
            return None
        return Failure.of(
            Kind.FIX_CONFIGURATION,
            f'audit log "{self.path}" was removed while the daemon ran, so its earlier lines are '
            "lost and a new one was begun: find out who removed it, then run credward daemon "
            "reload",
        )

    def reopen(self) -> None:
        """Open the file again, after a log rotation; its owner knows of an earlier removal."""
        self._replace()
        self._removed = False

    def _replace(self) -> None:
        """Go on in the file of that name, new or not; raise if it cannot be opened."""
        old, self._descriptor = self._descriptor, self._open()
        try:
            if os.fstat(old).st_nlink == 0:
                self._removed = True
                _log.warning('audit log "%s" was removed and begun anew', self.path)
        finally:
            os.close(old)

    def _is_in_place(self) -> bool:
        try:
            found = self.path.stat(follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._descriptor))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, follow=False)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> BrokerError:
        return BrokerError(
            Kind.DENIED,
            f'audit log "{self.path}" cannot be written ({error.strerror}), so nothing is handed '
            "out: make room or name another place in [audit]",
        )
