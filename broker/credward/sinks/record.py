"""What this and earlier daemons wrote and did not remove: kept on disk, without any secret.

By it the next daemon knows what it may replace, what it has to remove, and until when a token is
good; all else at those places, and what was changed since, belongs to somebody. A file of its own,
because the store is opened only when it is needed.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import msgspec

from credward.config import SinkConfig, SinkFormat
from credward.errors import BrokerError
from credward.sinks.ours import Marks
from credward.sinks.state import Written
from credward.store.files import read_private, replace

__all__ = ["Entry", "SinkRecord"]

_log = logging.getLogger(__name__)
_WHAT = "record of sinks"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A place where something of ours may be; *ends_at* None: without a known end (Unix seconds).

    *token_id* "": it is not known which token that is. *marks*: by what it is known. While a file
    is replaced these are the marks of the old one and of the new one.
    """

    path: str
    format: SinkFormat
    profile: str = ""
    mode: int = 0o600
    credential: str
    token_id: str = ""
    ends_at: float | None = 0.0
    at: float = 0.0
    look: str = ""
    marks: Marks = ()

    @classmethod
    def of(cls, sink: SinkConfig, written: Written | None, marks: Marks) -> Entry:
        """Return the entry of *sink*; *written* None: nothing is known of what is there."""
        entry = cls(
            path=str(sink.path),
            format=sink.format,
            profile=sink.profile,
            mode=sink.mode,
            credential=sink.credential,
            marks=marks,
        )
        if written is None:
            return entry
        return msgspec.structs.replace(
            entry,
            credential=written.credential,
            token_id=written.token_id,
            ends_at=None if math.isinf(written.ends_at) else written.ends_at,
            at=written.at,
            look=written.look,
        )

    @property
    def place(self) -> tuple[str, str]:
        """As of the sink."""
        return self.path, self.profile

    @property
    def sink(self) -> SinkConfig:
        """The sink as far as it is needed to remove what is there."""
        return SinkConfig(
            credential=self.credential,
            path=Path(self.path),
            format=self.format,
            profile=self.profile,
            mode=self.mode,
        )

    @property
    def written(self) -> Written:
        """What is there, as far as it is known."""
        return Written(
            credential=self.credential,
            token_id=self.token_id,
            ends_at=math.inf if self.ends_at is None else self.ends_at,
            at=self.at,
            look=self.look,
            earlier=True,
        )


class SinkRecord:
    """The file *path*; `load` and `save` wait for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Entries of a newer daemon, which are written back as they are.
        self._unread: list[msgspec.Raw] = []

    def load(self) -> dict[tuple[str, str], Entry]:
        """Return the entries by place; none if the file is damaged, which is logged."""
        try:
            content = read_private(self._path, _WHAT)
            found = msgspec.json.decode(content, type=list[msgspec.Raw]) if content else []
        except (BrokerError, msgspec.DecodeError) as error:
            _log.error("%s is not used: %s", self._path, error)
            return {}
        entries, self._unread = [], []
        for each in found:
            try:
                entries.append(msgspec.json.decode(each, type=Entry))
            except msgspec.DecodeError as error:
                _log.error("an entry of %s is not used: %s", self._path, error)
                self._unread.append(each)
        return {each.place: each for each in entries}

    def save(self, entries: dict[tuple[str, str], Entry]) -> None:
        """Replace the file; durable on return, raises `OSError`."""
        replace(self._path, msgspec.json.encode([*entries.values(), *self._unread]))
