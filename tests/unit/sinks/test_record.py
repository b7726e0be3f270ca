"""What the next daemon knows of files that this one wrote."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from credward.config import SinkConfig
from credward.sinks.record import Entry, SinkRecord
from credward.sinks.state import Written

SINK = SinkConfig(
    credential="given", path=Path("/c"), format="aws-credentials", profile="p", mode=0o640
)
WRITTEN = Written(credential="other", token_id="one", ends_at=2000.0, at=900.0, look="l")


@pytest.mark.parametrize("ends_at", [2000.0, math.inf])
def test_it_comes_back_as_of_an_earlier_run(tmp_path: Path, ends_at: float) -> None:
    record = SinkRecord(tmp_path / "sinks.json")
    written = Written(credential="other", token_id="one", ends_at=ends_at, at=900.0, look="l")
    record.save({SINK.place: Entry.of(SINK, written, ("salt:digest",))})
    (entry,) = SinkRecord(tmp_path / "sinks.json").load().values()

    assert (tmp_path / "sinks.json").stat().st_mode & 0o777 == 0o600
    assert entry.place == ("/c", "p")
    assert (entry.sink.format, entry.sink.profile, entry.sink.mode) == (
        "aws-credentials",
        "p",
        0o640,
    )
    assert (entry.written.token_id, entry.written.ends_at) == ("one", ends_at)
    assert entry.written.earlier
    assert entry.marks == ("salt:digest",)


def test_what_was_only_about_to_be_written_has_ended() -> None:
    """So the next daemon removes or replaces it at once."""
    assert Entry.of(SINK, None, ()).written.ends_at == 0.0


@pytest.mark.parametrize("content", [None, b"", b"{", b"[{}]"])
def test_without_a_record_nothing_is_ours(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sinks.json"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    assert SinkRecord(path).load() == {}
