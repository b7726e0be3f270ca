"""The grant side of a daemon as `daemon.compose` builds it, for a provider that rotates.

Real store, journals and worker processes below one directory: a second `GrantSide` on it is what
comes after the first one was killed.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import credward
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.daemon.build_kept import Place, build_kept
from credward.daemon.scrubbing import Scrubber
from credward.grants.grant_record import GrantRecord
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.minting import Minting
from credward.minting.secret_reader import SecretReader
from credward.settings.grants import bound_to
from credward.store.journal import GrantFields
from credward.workers.pool import WorkerPool
from fakes import rotating_provider
from fakes.clock import FakeClock
from fakes.plug_in import install_plug_in
from fakes.rotating_server import RotatingServer

GRANT = "gateway"
_SETTINGS = rotating_provider.Settings(url="", die="")
BOUND = bound_to("rotating", _SETTINGS.meaning.grant, _SETTINGS)


class GrantSide:
    """One life of it; *credential* `gateway` is on the grant of that name, and so is `second`."""

    def __init__(
        self, folder: Path, server: RotatingServer, *, clock: Clock | None = None, **settings: Any
    ) -> None:
        self.clock = clock or FakeClock()
        self.folder = folder
        self.journals = folder / "state" / "journals"
        place = Place(state_dir=folder / "state", key_file=folder / "store.key", environ={})
        self.tasks: set[asyncio.Task[None]] = set()
        self.kept = build_kept(
            clock=self.clock,
            place=place,
            scrubber=Scrubber(lambda: iter(())),
            spawn=self._spawn,
            changed_hands=lambda _: None,
            pool=functools.partial(WorkerPool, executable=_interpreter(folder), environ={}),
        )
        self.pool, self.opened_store = self.kept.pool, self.kept.opened_store
        self.records, self.keeper = self.kept.records, self.kept.keeper
        self.journal_replay = self.kept.journal_replay
        self.minting = Minting(
            clock=self.clock,
            kept=self.kept,
            secrets=SecretReader(
                clock=self.clock, kept=self.kept, environ={}, state_dir=place.state_dir
            ),
            login_found=lambda _: None,
        )
        self.opened_store.on_open(self._opened)
        words = rotating_provider.Settings(url=server.url, die=str(folder / "die"), **settings)
        self.config = Config(
            credentials={
                name: CredentialConfig(
                    name=name, provider="rotating", settings=words, epoch="1", grant=GRANT
                )
                for name in (GRANT, "second")
            }
        )

    async def open(self) -> None:
        """Open the store, as the daemon does at its start."""
        await self.opened_store.open(self.config)

    async def give(self, secret: str = "grant-0") -> None:
        """Log in."""
        await self.open()
        assert await self.keeper.give(GRANT, "rotating", GrantFields(secret=secret), bound_to=BOUND)

    async def mint(self, name: str = GRANT) -> str:
        """Mint as the lifecycle does and return the token."""
        minted = await self.minting.mint(self.config, TokenKey(name, "1"))
        return bytes(minted.body).decode()

    def die(self, place: str) -> None:
        """Have the next worker kill itself at this place."""
        (self.folder / "die").write_text(place)

    @property
    def record(self) -> GrantRecord:
        """The grant as it is now."""
        record = self.keeper.peek(GRANT)
        assert record is not None
        return record

    def journal_files(self) -> list[Path]:
        """Return the journals on disk that say anything."""
        return [each for each in self.journals.glob("*.journal") if each.read_bytes().strip(b"\0")]

    async def end(self) -> None:
        """End as on SIGTERM."""
        self.records.close()
        await self.pool.close()
        for task in self.tasks:
            task.cancel()

    async def _opened(self) -> None:
        await self.journal_replay.begin()
        await self.keeper.unlocked(recovered=self.opened_store.recovered)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def _interpreter(folder: Path) -> str:
    """Return what starts workers that find the provider: it is installed in a directory of its own."""
    program, site = folder / "python", folder / "site"
    if not site.exists():
        site.mkdir(parents=True)
        (site / "credward").symlink_to(Path(credward.__file__).parent)
        install_plug_in(
            site,
            "rotating",
            providers={"rotating": "Provider"},
            settings={"rotating": "Settings"},
            source=Path(rotating_provider.__file__).read_text(),
        )
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$1" "$2" "$3" "$4" "$5" {site}\n')
        program.chmod(0o700)
    return str(program)
