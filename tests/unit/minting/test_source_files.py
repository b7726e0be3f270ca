"""A file that was replaced is noticed, and one that nobody can look at keeps nobody waiting."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from credward.minting.source_files import SourceFiles
from fakes.clock import FakeClock
from waiting import PATIENCE

NAME = "gateway"


class Bench:
    """One credential that is minted from a file, and one from none."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.path = folder / "key"
        self.files = SourceFiles(
            clock=self.clock, files=lambda name: (self.path,) if name == NAME else ()
        )

    async def changed(self) -> bool:
        self.clock.advance(1)
        assert self.files.due([NAME])
        return await self.files.changed([NAME]) == [NAME]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_g2_a_replaced_file_is_noticed(bench: Bench) -> None:
    """Written anew, renamed into place, made where none was, taken away, given another mode."""
    await bench.files.note(NAME)
    assert not await bench.changed()
    bench.path.write_text("one")
    assert await bench.changed()

    def rename() -> None:
        (bench.path.parent / "new").write_text("two")
        (bench.path.parent / "new").rename(bench.path)

    def write() -> None:
        bench.path.write_text("three")

    for change in (rename, write, lambda: bench.path.chmod(0o600), bench.path.unlink):
        await bench.files.note(NAME)
        assert not await bench.changed()
        change()
        assert await bench.changed()


async def test_g2_it_is_looked_at_once_a_second(bench: Bench) -> None:
    """However many ask; and only what a mint began with can be compared."""
    assert not bench.files.due([NAME])
    await bench.files.note(NAME)
    await bench.files.note("without")
    assert not bench.files.due(["without"])
    assert bench.files.due([NAME])
    await bench.files.changed([NAME])
    bench.clock.advance(0.9)
    assert not bench.files.due([NAME])
    bench.clock.advance(0.1)

    assert bench.files.due([NAME])


async def test_g2_a_pipe_in_the_place_of_a_file_is_none(bench: Bench) -> None:
    """Nothing is opened that could wait for the other end."""
    await bench.files.note(NAME)
    os.mkfifo(bench.path)

    assert not await bench.changed()


async def test_g2_a_file_system_that_hangs_keeps_nobody_waiting(bench: Bench) -> None:
    """Neither the mint nor who asks, and it costs one thread."""
    go = threading.Event()

    def look(path: Path) -> os.stat_result:
        go.wait(PATIENCE)
        return path.stat()

    files = SourceFiles(clock=bench.clock, files=lambda _: (bench.path,), look=look)
    threads = threading.active_count()
    await asyncio.gather(*(files.note(NAME) for _ in range(5)))
    # From now on nobody waits at all, not even for another turn of the loop.
    async with asyncio.timeout(0):
        await files.note(NAME)
        assert await files.changed([NAME]) == []
    assert threading.active_count() <= threads + 1
    go.set()
    bench.clock.advance(1)
    # Nobody knows which file the mints read, so the next request mints once more.
    async with asyncio.timeout(PATIENCE):
        while await files.changed([NAME]) != [NAME]:
            await asyncio.sleep(0.01)
    await files.note(NAME)

    assert await files.changed([NAME]) == []


async def test_g2_all_that_may_answer_are_looked_at_in_one_go(tmp_path: Path) -> None:
    """A chain of them waits for one look, however many files there are."""
    looks: list[int] = []

    def look(path: Path) -> os.stat_result:
        looks.append(threading.get_ident())
        return path.stat()

    files = {name: tuple(tmp_path / f"{name}{n}" for n in range(2)) for name in ("a", "b", "c")}
    source = SourceFiles(clock=FakeClock(), files=lambda name: files[name], look=look)
    for name in files:
        await source.note(name)
    looks.clear()
    files["b"][1].write_text("new")

    assert await source.changed(list(files)) == ["b"]
    assert (len(looks), len(set(looks))) == (6, 1)
