"""Which one-time proofs are used up."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from credward.grants.replay_cache import ReplayCache
from fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock at 1000 s."""
    return FakeClock(1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where they are kept."""
    return tmp_path / "replay_cache.json"


async def test_t12_remembered_through_a_restart(clock: FakeClock, path: Path) -> None:
    """By whoever is handed the same file, which is ours alone."""
    replay_cache = ReplayCache(clock=clock, path=path)
    replay_cache.add({"one": 1060.0})
    replay_cache.add({"two": 1090.0})
    await replay_cache.save()

    again = ReplayCache(clock=clock, path=path)
    assert again.alive() == ["one", "two"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_forgotten_at_their_end(clock: FakeClock, path: Path) -> None:
    """They are refused as expired then; the file follows with the next one."""
    replay_cache = ReplayCache(clock=clock, path=path)
    replay_cache.add({"one": 1060.0, "two": 1090.0})
    await replay_cache.save()
    clock.advance(60)
    assert replay_cache.alive() == ["two"]

    replay_cache.add({"three": 1090.0})
    await replay_cache.save()
    assert "one" not in path.read_text()


async def test_nothing_new_writes_nothing(clock: FakeClock, path: Path) -> None:
    """A mint that used nothing up does not wait for the disk."""
    replay_cache = ReplayCache(clock=clock, path=path)
    await replay_cache.save()
    assert not path.exists()

    replay_cache.add({"one": 1060.0})
    await replay_cache.save()
    written = path.stat().st_ino
    clock.advance(10)
    replay_cache.alive()
    await replay_cache.save()
    assert path.stat().st_ino == written


def test_does_not_grow_without_bound(clock: FakeClock, path: Path) -> None:
    """The oldest go first."""
    replay_cache = ReplayCache(clock=clock, path=path)
    for number in range(600):
        replay_cache.add({str(number): 1060.0})

    kept = replay_cache.alive()
    assert len(kept) == 512
    assert (kept[0], kept[-1]) == ("88", "599")


@pytest.mark.parametrize("content", ["{", "[]", '{"one": "soon"}'])
async def test_a_damaged_file_is_said_and_replaced(
    clock: FakeClock, path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is forgotten costs one refusal each."""
    path.write_text(content)
    path.chmod(0o600)
    replay_cache = ReplayCache(clock=clock, path=path)
    with caplog.at_level(logging.ERROR):
        assert replay_cache.alive() == []
    assert str(path) in caplog.text

    replay_cache.add({"one": 1060.0})
    await replay_cache.save()
    assert ReplayCache(clock=clock, path=path).alive() == ["one"]


async def test_a_disk_that_is_full_costs_no_mint(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, remembered until the daemon ends, and written once that goes again."""
    folder = tmp_path / "state"
    replay_cache = ReplayCache(clock=clock, path=folder / "replay_cache.json")
    replay_cache.add({"one": 1060.0})
    with caplog.at_level(logging.ERROR):
        await replay_cache.save()
    assert "cannot be written" in caplog.text
    assert replay_cache.alive() == ["one"]

    folder.mkdir()
    await replay_cache.save()
    assert (folder / "replay_cache.json").exists()
