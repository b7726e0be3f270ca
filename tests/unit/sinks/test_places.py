"""What is noted of a place counts at once, and is there for the next daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from credward.config import SinkConfig
from credward.sinks.places import Places
from credward.sinks.record import SinkRecord
from credward.sinks.state import Written

SINK = SinkConfig(credential="given", path=Path("/c"), format="aws-credentials", profile="p")
OTHER = msgspec.structs.replace(SINK, profile="q")
WRITTEN = Written(credential="given", token_id="one", ends_at=2000.0, at=900.0, look="l")


async def _loaded(folder: Path) -> Places:
    places = Places(SinkRecord(folder / "sinks.json"))
    await places.load()
    return places


def test_the_next_daemon_knows_what_was_noted(tmp_path: Path) -> None:
    async def run() -> None:
        places = await _loaded(tmp_path)
        await places.note(SINK, WRITTEN, ("salt:one",))
        for each in (places, await _loaded(tmp_path)):
            written = each.written(SINK)
            assert written is not None
            assert (written.token_id, written.earlier) == ("one", True)
            assert each.marks(SINK) == ("salt:one",)
            assert each.written(OTHER) is None
            assert each.marks(OTHER) == ()

    asyncio.run(run())


def test_what_is_forgotten_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    async def run() -> None:
        places = await _loaded(tmp_path)
        await places.note(SINK, WRITTEN, ("salt:one",))
        await places.note(OTHER, WRITTEN, ("salt:two",))
        await places.forget(SINK)
        for each in (places, await _loaded(tmp_path)):
            assert [place for place, _ in each.entries()] == [OTHER.place]

    asyncio.run(run())


def test_what_was_written_in_another_format_is_not_what_this_sink_wrote(tmp_path: Path) -> None:
    """Its marks still say that it is ours, so it may be replaced."""

    async def run() -> None:
        places = await _loaded(tmp_path)
        await places.note(SINK, WRITTEN, ("salt:one",))
        changed = msgspec.structs.replace(SINK, format="json")
        assert places.written(changed) is None
        assert places.marks(changed) == ("salt:one",)

    asyncio.run(run())


def test_notes_at_the_same_time_all_last(tmp_path: Path) -> None:
    async def run() -> None:
        places = await _loaded(tmp_path)
        sinks = [msgspec.structs.replace(SINK, profile=f"p{number}") for number in range(8)]
        await asyncio.gather(*(places.note(each, WRITTEN, ()) for each in sinks))
        again = await _loaded(tmp_path)
        assert {place for place, _ in again.entries()} == {each.place for each in sinks}

    asyncio.run(run())
