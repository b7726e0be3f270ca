"""The store with its key: opened at first need, locked and unlocked by its owner.

Finds the key's source from the configuration (a worker reads the keychain), and slows down
passphrase guessing; `records` and `minting` know what is in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from credward.clock import Clock
from credward.config.model import Config
from credward.errors import BrokerError, Failure, Kind, Recovery
from credward.store.kek import (
    KeychainSource,
    KeyFileSource,
    KeySource,
    MemorySource,
    PassphraseSource,
    SystemdSource,
)
from credward.store.mounts import network_file_system
from credward.store.passphrases import Stretched
from credward.store.recovery import sources_of
from credward.store.store import Entry, Store, WrongPassphraseError
from credward.tokens import Secret
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool
from credward.workers.token_bytes import wipe

__all__ = ["LOCKED", "OpenedStore"]

LOCKED = Failure.of(Kind.STORE_LOCKED, "the store is locked: run credward unlock")

_log = logging.getLogger(__name__)

_SERVICE, _ACCOUNT = "credward", "store-key"
# A keychain may show a prompt; callers that wait for the store get an answer earlier (seconds).
_KEYCHAIN = 60.0
# Wrong passphrases: the first costs a second, each further one twice as much, at most ten.
_FIRST_DELAY, _LAST_DELAY = 1.0, 10.0
_ASK_AGAIN = 5.0
# How long the start and the status wait until it is opened (seconds).
_PATIENCE = 2.0


class OpenedStore:
    """The store of one daemon; fulfils `SecretStore`."""

    def __init__(
        self,
        *,
        clock: Clock,
        pool: WorkerPool,
        state_dir: Path,
        key_file: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._path = state_dir / "store.sealed"
        self._key_file = key_file
        self._environ = environ
        # Set once it was opened, cannot be, or nothing needs it.
        self._known = asyncio.Event()
        self._store: Store | None = None
        self._opening = asyncio.Lock()
        self._failure: Failure | None = None
        self._failed_at = -math.inf
        # The type of the store's network file system; empty: it is local.
        self._network: str | None = None
        self._hooks: list[Callable[[], Awaitable[None]]] = []
        self._attempts = asyncio.Lock()
        self._wrong = 0
        # Before it is opened, the file says whether its owner locked it; until then nothing is
        # served.
        self._left_locked = set(sources_of(self._path) or ()) == {"passphrase"}
        self._shut = False

    # --- what is in it ----------------------------------------------------------------------

    @property
    def locked(self) -> bool:
        """Whether nothing can be read."""
        return self._shut or self._store is None or self._store.locked

    @property
    def locked_by_owner(self) -> bool:
        """Whether it was locked, by this or an earlier daemon, or opens only with a passphrase."""
        if self._shut:
            return True
        return self._left_locked if self._store is None else self._store.locked

    @property
    def exists(self) -> bool:
        """Whether there is a store on disk."""
        return self._path.exists()

    def get(self, name: str) -> Entry | None:
        """Return an entry, or None; raise `store-locked`."""
        return self._opened().get(name)

    def put(self, name: str, plain: bytes | bytearray) -> int:
        """Replace an entry in memory."""
        return self._opened().put(name, plain)

    def delete(self, name: str) -> bool:
        """Forget an entry in memory."""
        return self._opened().delete(name)

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with *prefix*."""
        return self._opened().names(prefix)

    def derive(self, purpose: str) -> bytes:
        """Return a key for one purpose."""
        return self._opened().derive(purpose)

    def save(self) -> None:
        """Make memory durable, blocking."""
        self._opened().save()

    def warnings(self) -> list[str]:
        """Return warnings about the store."""
        found = [] if self._store is None else list(self._store.warnings)
        return found if self._failure is None else [*found, self._failure.message]

    @property
    def failure(self) -> Failure | None:
        """Why it could not be opened, None if it is open or was not tried."""
        return self._failure

    @property
    def recovered(self) -> bool:
        """Whether the content is older than the last save."""
        return self._store is not None and self._store.recovered

    def describe(self) -> str:
        """Return where the key comes from."""
        if self._store is None:
            return "not opened"
        return self._store.describe() + (", locked" if self.locked else "")

    def check_rotation(self, config: Config, credential: str) -> None:
        """Raise `fix-configuration` if another host could overwrite a rotated grant."""
        if config.store.shared:
            return
        if self._network is None:
            self._network = network_file_system(self._path.parent) or ""
        if self._network:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential}" rotates its grant, but {self._path.parent} is on '
                f"{self._network}: set XDG_STATE_HOME to a local disk, or store.shared = true "
                "if only one host uses it",
            )

    # --- opening ----------------------------------------------------------------------------

    @property
    def known(self) -> bool:
        """Whether it is known what it holds: it was opened, cannot be, or nothing needs it."""
        return self._known.is_set()

    def not_needed(self) -> None:
        """Note that nothing needs it now."""
        self._known.set()

    async def wait_until_known(self) -> None:
        """Wait for that, but not long: a keychain may wait for its user."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._known.wait()

    def on_open(self, hook: Callable[[], Awaitable[None]]) -> None:
        """Call *hook* each time the store opens, before any other use of it."""
        self._hooks.append(hook)

    async def open(self, config: Config, *, again: bool = False) -> None:
        """Open the store, or make it; raise `BrokerError` if that cannot be done now.

        A failure is remembered for a few seconds, unless *again*: not every caller may ask a locked
        keychain.
        """
        async with self._opening:
            if self._store is not None:
                return
            try:
                await self._open(config, again=again)
            finally:
                self._known.set()

    async def _open(self, config: Config, *, again: bool) -> None:
        if self._failure is not None and not again:
            since = self._clock.elapsed() - self._failed_at
            if since < _ASK_AGAIN:
                raise self._failure.error()
        try:
            source = await self._source(config)
            # In a thread: it reads files, and a passphrase takes half a second.
            self._store = await asyncio.to_thread(Store.open, self._path, source, clock=self._clock)
        except BrokerError as error:
            # Nobody tells us when a file is corrected: no reload, so no pause of an hour.
            self._failure = msgspec.structs.replace(error.failure, recovery=Recovery.RETRY)
            self._failed_at = self._clock.elapsed()
            raise self._failure.error() from error
        self._failure = None
        for warning in self._store.warnings:
            _log.warning("%s", warning)
        await self._run_hooks()

    async def _run_hooks(self) -> None:
        if not self.locked:
            for hook in self._hooks:
                await hook()

    async def _source(self, config: Config) -> KeySource:
        settings = config.store
        match settings.key or self._source_by_itself():
            case "key_file":
                return KeyFileSource(settings.key_file or self._key_file)
            case "systemd":
                directory = self._environ.get("CREDENTIALS_DIRECTORY")
                return SystemdSource(Path(directory) if directory else None)
            case "passphrase":
                return PassphraseSource()
            case "memory":
                return MemorySource()
            case _:
                return await self._keychain(config, chosen=settings.key is not None)

    def _source_by_itself(self) -> str:
        """Return the key source without a setting: first the one that made the store."""
        made_with = [each for each in sources_of(self._path) or () if each != "passphrase"]
        return made_with[0] if made_with else self._reachable()

    def _reachable(self) -> str:
        # Linux reaches a keychain through the session bus: without one there is nothing to ask.
        if sys.platform == "darwin" or self._environ.get("DBUS_SESSION_BUS_ADDRESS"):
            return "keychain or key_file"
        return "key_file"

    async def _keychain(self, config: Config, *, chosen: bool) -> KeySource:
        request = MintRequest(
            credential="store",
            settings={
                "service": _SERVICE,
                "account": _ACCOUNT,
                "create": sources_of(self._path) is None,
            },
            network=config.network,
            now=self._clock.now(),
        )
        try:
            minted = await self._pool.mint("keychain", request, deadline=_KEYCHAIN)
        except BrokerError as failure:
            locked = failure.kind is Kind.STORE_LOCKED
            if chosen or locked or sources_of(self._path) is not None:
                raise
            _log.warning("no keychain, using a key file: %s", failure.message)
            return KeyFileSource(self._key_file)
        try:
            return KeychainSource(minted.body, service=_SERVICE, account=_ACCOUNT)
        finally:
            wipe(minted.body)

    # --- locking ----------------------------------------------------------------------------

    def shut(self) -> None:
        """Refuse from now on, even if the lock itself fails."""
        self._shut = True

    async def shut_if_it_opens(self, config: Config) -> None:
        """Open it, and refuse already meanwhile; raise `BrokerError` if it cannot be opened.

        Then it stays as it was: it would be called locked, and no passphrase would open it.
        """
        before = self._shut
        self.shut()
        try:
            await self.open(config, again=True)
        except BaseException:
            self._shut = before
            raise

    async def lock(self, passphrase: Secret | None) -> None:
        """Forget the key; durable, so that the next daemon starts locked too.

        Without a passphrase it is only `shut`, and `bad-request` says so.
        """
        store = self._opened()
        if passphrase is None and not store.has_passphrase:
            raise BrokerError(
                Kind.BAD_REQUEST,
                "locked only until the daemon restarts, because there is no passphrase yet: "
                "run credward lock and type one",
            )
        if passphrase is None:
            await asyncio.to_thread(store.lock)
        else:
            plain = bytearray(passphrase.reveal().encode())
            try:
                stretched = await _in_own_thread(store.stretch, plain)
            finally:
                wipe(plain)
            await asyncio.to_thread(store.lock, stretched)
        self._shut = False

    async def unlock(self, config: Config, passphrase: Secret | None) -> None:
        """Open the store again. One guess at a time, each wrong one slower than the last."""
        await self.open(config, again=True)
        assert self._store is not None
        if not self.locked:
            return
        if self._store.locked:
            await self._unlock(self._store, passphrase)
        self._shut = False
        await self._run_hooks()

    async def _unlock(self, store: Store, passphrase: Secret | None) -> None:
        if passphrase is None:
            raise BrokerError(
                Kind.STORE_LOCKED, "the store opens with its passphrase: run credward unlock"
            )
        async with self._attempts:
            # Count first: a guess that is cancelled counts too.
            before, self._wrong = self._wrong, self._wrong + 1
            if before:
                await asyncio.sleep(min(_LAST_DELAY, _FIRST_DELAY * 2.0 ** min(before - 1, 10)))
            plain = bytearray(passphrase.reveal().encode())
            try:
                stretched = await _in_own_thread(store.stretch, plain)
                await asyncio.to_thread(store.unlock, stretched)
            except WrongPassphraseError:
                raise
            except BrokerError:
                # Not tried: a problem with the disk, or with the key-stretching library.
                self._wrong = before
                raise
            finally:
                wipe(plain)
            self._wrong = 0

    def _opened(self) -> Store:
        if self._store is not None:
            return self._store
        if self._failure is not None:
            raise self._failure.error()
        raise BrokerError(
            Kind.STORE_LOCKED, "the store is not open yet: ask again", retry_after=1.0
        )


async def _in_own_thread(work: Callable[[bytearray], Stretched], plain: bytearray) -> Stretched:
    """Run *work* in a thread that ends with it: a thread holds on to the memory it freed."""
    threads = ThreadPoolExecutor(1)
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work, plain)
    finally:
        threads.shutdown(wait=False)
