"""All that is outside the grant side of a daemon, played by hand: server, workers, disk, kills.

Real are store, journals, grant records, keeper, replay of journals and minting. Nothing runs by itself: whatever
waits for the disk, a worker or the server goes on when it is told to, in any order.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.grants import journal_replay as replay_module
from credward.grants import opened_store
from credward.grants import records as grant_records
from credward.grants.grant_record import GrantRecord
from credward.grants.journal_replay import JournalReplay
from credward.grants.keeper import GrantKeeper, new_family
from credward.grants.kept import Kept
from credward.grants.opened_store import OpenedStore
from credward.grants.records import GrantRecords
from credward.grants.replay_cache import ReplayCache
from credward.grants.secret_guard import SecretGuard
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.minting import Minting
from credward.minting.secret_reader import SecretReader
from credward.settings.grants import bound_to
from credward.store import journal as journal_module
from credward.store import store as store_module
from credward.store.journal import GrantFields, Journal, JournalDirectory, Lease, seal_grant
from credward.store.passphrases import Argon2idTerms
from credward.tokens import Secret
from credward.workers.lane import Rotating
from credward.workers.link import MintedToken, MintRequest, Rotated
from fakes import rotating_provider
from fakes.clock import FakeClock

GRANTS = ("a", "b")
PASSPHRASE = Secret("correct horse")
# So often everything that can go on by itself gets the chance to.
_TURNS = 50

Stage = Literal["starting", "leased", "open", "answered", "sealed", "over"]
# keep: a token and no new grant; lost: the request never arrives; cut: it does, and no answer comes.
Deed = Literal["rotate", "keep", "busy", "cut", "lost"]


@dataclass
class Chain:
    """One login, as the server sees it: all refresh tokens that came of it, the newest last."""

    grant: str
    secrets: list[str]

    @property
    def newest(self) -> str:
        return self.secrets[-1]


@dataclass(eq=False, repr=False)
class Flight:
    """One worker at one mint. *told*: what the daemon hears; *fresh*: the rotated grant."""

    life: Life
    grant: str
    secret: str
    lease: Lease
    key: bytes
    journal: Journal
    begun: int
    stage: Stage = "starting"
    started: asyncio.Future[None] | None = None
    told: asyncio.Future[MintedToken | Failure] | None = None
    worker: Journal | None = None
    fresh: str | None = None
    refused: bool = False
    durable: bool = False

    @property
    def at_rest(self) -> bool:
        """Whether the worker has not begun yet, or has told what came of it."""
        return self.stage == "starting" or (self.told is not None and self.told.done())

    def dies(self) -> None:
        """End the worker: its lock goes with it."""
        if self.worker is not None:
            self.worker.close()
        self.stage = "over"


@dataclass(eq=False)
class Wait:
    """Something that waits for the disk."""

    go: asyncio.Future[None]


@dataclass
class Knowledge:
    """What the daemon's side cannot but know of one refresh token, and since when.

    *in_life*: told to that life only, so that its kill may undo it. *open*: it was presented, and
    no answer came to anybody.
    """

    spent: bool = False
    spent_in: Life | None = None
    open: bool = False


class Directory(JournalDirectory):
    """Remembers the descriptors that a kill closes."""

    def __init__(self, path: Path, full: Callable[[], bool]) -> None:
        self.descriptors: list[Journal] = []
        self._full = full
        super().__init__(path)

    def _create(self) -> Journal:
        if self._full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        journal = super()._create()
        self.descriptors.append(journal)
        return journal

    def open(self, path: Path) -> Journal | None:
        journal = super().open(path)
        if journal is not None:
            self.descriptors.append(journal)
        return journal


class Life:
    """One daemon, from its start to its kill."""

    def __init__(self, world: World) -> None:
        self._world = world
        clock = FakeClock()
        state = world.folder / "state"
        self.changed_hands: list[str] = []
        self.directory = Directory(state / "journals", lambda: world.full)
        self.opened_store = OpenedStore(
            clock=clock,
            pool=self,  # type: ignore[arg-type]
            state_dir=state,
            key_file=world.folder / "key",
            environ={},
        )
        self.records = GrantRecords(self.opened_store)
        self.keeper = GrantKeeper(
            clock=clock,
            records=self.records,
            release=self.directory.release,
            changed_hands=self.changed_hands.append,
        )
        self.journal_replay = JournalReplay(
            keeper=self.keeper, journals=self.directory, spawn=self.spawn
        )
        kept = Kept(
            pool=self,  # type: ignore[arg-type]
            journals=self.directory,
            replay_cache=ReplayCache(clock=clock, path=state / "replay_cache.json"),
            opened_store=self.opened_store,
            records=self.records,
            guard=SecretGuard(self.records),
            keeper=self.keeper,
            journal_replay=self.journal_replay,
            scrub=lambda: None,
        )
        self.minting = Minting(
            clock=clock,
            kept=kept,
            secrets=SecretReader(clock=clock, kept=kept, environ={}, state_dir=state),
            login_found=lambda _: None,
        )
        self.opened_store.on_open(self._opened)
        # In their order, unlike a set's: histories are to be the same each time.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.waits: list[Wait] = []
        self.idle: list[tuple[Journal, Journal]] = []
        self.dead = False

    async def _opened(self) -> None:
        await self.journal_replay.begin()
        await self.keeper.unlocked(recovered=self.opened_store.recovered)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self._world.loop.create_task(work)
        self.tasks[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.broken.append(error)

    # --- the pool's half of a mint ----------------------------------------------------------

    async def mint(
        self, provider: str, request: MintRequest, *, deadline: float, rotating: Rotating
    ) -> MintedToken:
        """Do what `WorkerPool` promises: settle once the worker can write no more."""
        del provider, deadline
        assert request.rotation is not None
        assert request.grant is not None
        if self.idle:
            journal, worker = self.idle.pop()
        else:
            try:
                journal = self.directory.create()
            except OSError as error:
                raise BrokerError(Kind.INTERNAL, "no journal", sent="no") from error
            worker = Journal(os.dup(journal.fileno()))
        told = request.rotation
        flight = Flight(
            life=self,
            grant=told.grant,
            secret=request.grant.reveal(),
            lease=Lease(
                mint=told.mint,
                grant=told.grant,
                family=told.family,
                generation=told.generation,
                rotation_retry=told.rotation_retry,
            ),
            key=base64.b64decode(told.key.reveal()),
            journal=journal,
            begun=self._world.tick(),
            started=self._world.loop.create_future(),
            told=self._world.loop.create_future(),
            worker=worker,
        )
        self._world.lent(flight)
        assert flight.started is not None
        assert flight.told is not None
        try:
            await flight.started
        except BrokerError:
            journal.remove()
            raise
        rotating.lend(journal)
        flight.stage = "leased"
        outcome = await flight.told
        alive = flight.stage != "over"
        free = await rotating.settle(outcome, journal)
        self._world.settled(flight, outcome)
        if free and alive:
            self.idle.append((journal, worker))
        else:
            worker.close()
            if free:
                journal.remove()
        flight.stage = "over"
        if isinstance(outcome, Failure):
            raise outcome.error()
        return outcome


class World:
    """*rotation_retry* as in the settings of both grants."""

    def __init__(self, *, rotation_retry: bool) -> None:
        # In memory where that can be had: no disk of its own is put to the test.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="grants-", dir=memory))
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(False)
        self.broken: list[BaseException] = []
        self.full = False
        # What becomes of whatever goes to the disk: at once, or it waits before or after.
        self.disk: Literal["quick", "before", "after"] = "quick"
        self.rotation_retry = rotation_retry
        self.chains: list[Chain] = []
        self.known: dict[str, Knowledge] = {}
        self.flights: list[Flight] = []
        self._ticks = 0
        self._replace = store_module.replace
        self._undo = contextlib.ExitStack()
        self._patch(asyncio, "to_thread", self._to_thread)
        self._patch(store_module, "replace", self._write)
        self._patch(store_module, "new_terms", _quick_terms)
        # A kill leaves to the next daemon what was written, synced or not.
        self._patch(os, "fsync", lambda _: None)
        self._patch(grant_records, "_SAVE_AGAIN", 1e6)
        self._patch(opened_store, "_in_own_thread", self._to_thread)
        self._patch(opened_store, "_LAST_DELAY", 0.0)
        # Journals are read in the order of their names: any, and the same each time.
        names = random.Random(1)
        self._patch(
            journal_module,
            "secrets",
            SimpleNamespace(token_hex=lambda size: names.randbytes(size).hex()),
        )
        self._patch(replay_module, "_FIRST", 0.0)
        self._patch(replay_module, "_LAST", 0.0)
        words = rotating_provider.Settings(url="", die="", rotation_retry=rotation_retry)
        self.config = Config(
            credentials={
                name: CredentialConfig(
                    name=name, provider="rotating", settings=words, epoch="1", grant=name[0]
                )
                for name in ("a", "a2", "b")
            }
        )
        self.life = Life(self)

    def _patch(self, owner: Any, name: str, value: object) -> None:
        self._undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)

    def end(self) -> None:
        """Leave nothing behind."""
        with self._undo:
            self.kill()
            for flight in self.flights:
                flight.dies()
            self.loop.close()
            shutil.rmtree(self.folder)

    def _bound_to(self, grant: str) -> str:
        credential = self.config.credentials[grant]
        return bound_to("rotating", credential.meaning.grant, credential.settings)

    def tick(self) -> int:
        """Return the next number of an event."""
        self._ticks += 1
        return self._ticks

    # --- time -------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Let everything run until it waits for somebody outside."""

        async def turns() -> None:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
                if not self.loop._ready:  # type: ignore[attr-defined]
                    break

        self.loop.run_until_complete(turns())
        if self.broken:
            raise self.broken[0]

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin something in the daemon that is up."""
        task = self.life.spawn(work)
        self.go_on()
        return task

    # --- disk -------------------------------------------------------------------------------

    async def _to_thread(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        life = self.life
        if self.disk == "before":
            await self._wait(life)
        failure = result = None
        try:
            result = work(*args, **named)
        except BrokerError as error:
            failure = error.failure
        if self.disk == "after":
            await self._wait(life)
        if failure is not None:
            raise failure.error()
        return result

    async def _wait(self, life: Life) -> None:
        wait = Wait(self.loop.create_future())
        life.waits.append(wait)
        await wait.go

    def _write(self, path: Path, raw: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._replace(path, raw)

    def disk_answers(self) -> None:
        """Let what waits for the disk longest go on."""
        self.life.waits.pop(0).go.set_result(None)
        self.go_on()

    # --- daemon -----------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill -9: workers live on, descriptors are closed, memory is gone."""
        life = self.life
        life.dead = True
        # Those that have nothing in hand end with it; before the tasks, which do not.
        ended = [
            each
            for each in self.flights
            if each.life is life and each.at_rest and each.stage != "over"
        ]
        for journal in life.directory.descriptors:
            journal.close()
        for _, worker in life.idle:
            worker.close()
        full, self.full = self.full, True
        for task in life.tasks:
            task.remove_done_callback(life._done)
            task.cancel()
        if life.tasks:
            self.loop.run_until_complete(asyncio.wait(life.tasks))
        self.full = full
        for flight in ended:
            flight.dies()
        for known in self.known.values():
            if known.spent_in is life:
                known.spent_in = None

    def begin(self) -> None:
        """Start the next daemon."""
        self.life = Life(self)
        self.start(_attempt(self.life.opened_store.open(self.config, again=True)))

    @property
    def locked(self) -> bool:
        return self.life.opened_store.locked

    def record(self, grant: str) -> GrantRecord | None:
        """Return a grant as the daemon has it."""
        return self.life.keeper.peek(grant)

    def chain_of(self, secret: str) -> Chain:
        """Return the login that a refresh token comes from."""
        return next(chain for chain in self.chains if secret in chain.secrets)

    def log_in(self, grant: str) -> tuple[Chain, asyncio.Task[bool]]:
        """Have a login bring a new grant."""
        chain = Chain(grant, [f"{grant}-{self.tick()}"])
        self.chains.append(chain)
        fields = GrantFields(secret=chain.newest)
        bound = self._bound_to(grant)
        return chain, self.start(self.life.keeper.give(grant, "rotating", fields, bound_to=bound))

    def import_grant(self, grant: str, *, good: bool) -> asyncio.Task[bool]:
        """Have somebody hand over a refresh token; one that is no *good* was used up elsewhere."""
        secret = f"{grant}-{self.tick()}"
        self.chains.append(Chain(grant, [secret] if good else [secret, f"{secret}-elsewhere"]))
        return self.start(
            self.life.keeper.give(
                grant,
                "rotating",
                GrantFields(secret=secret),
                bound_to=self._bound_to(grant),
                trial=new_family(),
            )
        )

    def lock(self) -> None:
        """Lock the store as far as the disk lets it."""
        self.life.opened_store.shut()
        self.start(_attempt(self.life.opened_store.lock(PASSPHRASE)))

    def unlock(self) -> None:
        """Open it again."""
        self.start(_attempt(self.life.opened_store.unlock(self.config, PASSPHRASE)))

    def mint(self, credential: str) -> asyncio.Task[MintedToken | Failure]:
        """Ask for a token; the task returns the failure, if that is what comes."""

        async def ask() -> MintedToken | Failure:
            try:
                return await self.life.minting.mint(self.config, TokenKey(credential, "1"))
            except BrokerError as error:
                return error.failure

        return self.start(ask())

    # --- worker and server ------------------------------------------------------------------

    def lent(self, flight: Flight) -> None:
        """Note that a worker was given a grant."""
        self.flights.append(flight)

    def settled(self, flight: Flight, outcome: MintedToken | Failure) -> None:
        """Note what this life was told, and cannot say that it does not know."""
        known = self.known.setdefault(flight.secret, Knowledge())
        rotated = isinstance(outcome, MintedToken) and outcome.rotated is not None
        if rotated or flight.refused:
            known.spent_in = flight.life
        if isinstance(outcome, MintedToken) or outcome.sent == "no" or flight.refused:
            known.open = False

    def lend(self, flight: Flight) -> None:
        """Have the worker be there and the lease written."""
        assert flight.started is not None
        flight.started.set_result(None)
        self.go_on()

    def step(self, flight: Flight, deed: Deed = "rotate", *, durable: bool = True) -> None:
        """Have a worker do what comes next."""
        match flight.stage:
            case "starting":
                self.lend(flight)
            case "leased":
                self.present(flight, deed)
            case "answered":
                self.seal(flight, durable=durable)
            case "sealed":
                self.answer(flight)
            case _:
                raise AssertionError(flight.stage)

    def present(self, flight: Flight, deed: Deed) -> None:
        """Have a worker open the window and send."""
        assert flight.worker is not None
        flight.worker.open_window(flight.lease)
        flight.stage = "open"
        self.check_presented(flight)
        known = self.known.setdefault(flight.secret, Knowledge())
        known.open = True
        chain = self.chain_of(flight.secret)
        if deed == "busy":
            self.tell(flight, Failure.of(Kind.PROVIDER_UNREACHABLE, "busy", sent="no"))
        elif deed == "lost":
            self.tell(flight, Failure.of(Kind.TIMED_OUT, "no answer", sent="maybe"))
        elif flight.secret != chain.newest and deed == "cut":
            self.tell(flight, Failure.of(Kind.TIMED_OUT, "no answer", sent="maybe"))
        elif flight.secret != chain.newest:
            flight.refused = True
            message = f'"{flight.grant}" needs a login: run credward login {flight.grant}'
            self.tell(flight, Failure.of(Kind.LOGIN_REQUIRED, message, sent="no"))
        elif deed == "keep":
            self.answer(flight)
        else:
            fresh = f"{flight.grant}-{self.tick()}"
            chain.secrets.append(fresh)
            if deed == "cut":
                self.tell(flight, Failure.of(Kind.TIMED_OUT, "no answer", sent="maybe"))
            else:
                flight.fresh = fresh
                flight.stage = "answered"

    def seal(self, flight: Flight, *, durable: bool) -> None:
        """Have the worker keep what came."""
        assert flight.worker is not None
        assert flight.fresh is not None
        flight.durable = durable
        if durable:
            fields = GrantFields(secret=flight.fresh)
            flight.worker.keep(seal_grant(flight.lease, flight.key, fields))
            known = self.known[flight.secret]
            known.spent, known.open = True, False
        flight.stage = "sealed"

    def answer(self, flight: Flight) -> None:
        """Have the worker tell what it got; the token is called like the grant beside it."""
        rotated = None
        if flight.fresh is not None:
            sealed = seal_grant(flight.lease, flight.key, GrantFields(secret=flight.fresh))
            rotated = Rotated(sealed=sealed.sealed, durable=flight.durable, window=0.1)
        name = flight.fresh or flight.secret
        token = MintedToken(
            body=bytearray(name.encode()),
            token_id=name,
            kind="opaque",  # type: ignore[arg-type]
            issued_at=0.0,
            expires_at=None,
            rotated=rotated,
        )
        self.tell(flight, token)

    def tell(self, flight: Flight, outcome: MintedToken | Failure) -> None:
        """Bring the daemon an answer; a worker whose daemon is gone just ends."""
        if flight.life.dead:
            flight.dies()
            return
        assert flight.told is not None
        flight.told.set_result(outcome)
        self.go_on()

    def kill_worker(self, flight: Flight) -> None:
        """Kill -9 a worker."""
        stage = flight.stage
        flight.dies()
        if stage == "starting" and not flight.life.dead:
            assert flight.started is not None
            died = Failure.of(Kind.INTERNAL, "the worker did not start", sent="no")
            flight.started.set_exception(died.error())
            self.go_on()
        else:
            self.tell(flight, Failure.of(Kind.INTERNAL, "the worker died", sent="maybe"))

    def check_presented(self, flight: Flight) -> None:
        """Hold one presentation against what was known."""
        rivals = [
            each
            for each in self.flights
            if each is not flight
            and each.stage not in {"over", "starting"}
            and each.secret == flight.secret
            and not (each.told is not None and each.told.done())
        ]
        assert rivals == [], "two workers with one grant"
        known = self.known.get(flight.secret)
        if known is None:
            return
        assert not known.spent, "a grant that the disk knows to be spent was presented"
        assert known.spent_in is None, "a grant that is known to be spent was presented"
        assert self.rotation_retry or not known.open, "tried again in spite of rotation_retry"


async def _attempt(work: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(BrokerError):
        await work


def _quick_terms() -> Argon2idTerms:
    return Argon2idTerms(salt=os.urandom(16), memory=64, passes=1, lanes=1)
