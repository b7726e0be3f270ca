"""What of ours is at the places of sinks, in memory and in the record for the next daemon."""

from __future__ import annotations

import asyncio

from credward.config import SinkConfig
from credward.sinks.aside import aside
from credward.sinks.ours import Marks
from credward.sinks.record import Entry, SinkRecord
from credward.sinks.state import Written

__all__ = ["Place", "Places"]

# As `SinkConfig.place`.
Place = tuple[str, str]


class Places:
    """*record* is what earlier runs wrote; `load` comes first."""

    def __init__(self, record: SinkRecord) -> None:
        self._record = record
        self._entries: dict[Place, Entry] | None = None
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Read the record, if it was not read yet."""
        if self._entries is None:
            self._entries = await aside(self._record.load)

    def entries(self) -> list[tuple[Place, Entry]]:
        """Return all of them by place."""
        return list((self._entries or {}).items())

    def written(self, sink: SinkConfig) -> Written | None:
        """Return what was noted to be there, as of an earlier run; None for nothing."""
        entry = (self._entries or {}).get(sink.place)
        return None if entry is None or entry.format != sink.format else entry.written

    def marks(self, sink: SinkConfig) -> Marks:
        """Return by what that of ours is known which may be there."""
        entry = (self._entries or {}).get(sink.place)
        return () if entry is None else entry.marks

    async def note(self, sink: SinkConfig, written: Written | None, marks: Marks) -> None:
        """Note what is there, durable on return.

        None: nothing, or something of ours of which no more is known than *marks*.
        """
        await self._save({**(self._entries or {}), sink.place: Entry.of(sink, written, marks)})

    async def forget(self, sink: SinkConfig) -> None:
        """Note that nothing of ours is there, durable on return."""
        entries = dict(self._entries or {})
        if entries.pop(sink.place, None) is not None:
            await self._save(entries)

    async def _save(self, entries: dict[Place, Entry]) -> None:
        # In memory first: what is on the disk counts for the next daemon only.
        self._entries = entries
        async with self._saving:
            now = self._entries
            await aside(lambda: self._record.save(now))
