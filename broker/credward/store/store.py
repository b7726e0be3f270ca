"""The store: named secrets with versions, sealed in memory and on disk, saved as a whole.

One process writes it (`lock` ensures that). Formats and ciphers are in `sealed`, files in `files`,
damage in `recovery`, keys in `kek`; the daemon decides when to save, lock or wait after a wrong
passphrase.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import EllipsisType

from credward.clock import Clock, SystemClock
from credward.errors import BrokerError, Kind
from credward.store.contents import (
    Contents,
    Entry,
    StaleVersionError,
    unwrap_by_passphrase,
)
from credward.store.files import last_of, replace
from credward.store.kek import KEY_SIZE, KeySource
from credward.store.passphrases import Stretched, new_terms, stretch
from credward.store.recovery import Loaded, load, peek
from credward.store.sealed import Meta, SealedFile, Wrap, WrongKeyError, subkey, unwrap_kek

__all__ = ["Entry", "Passphrase", "StaleVersionError", "Store", "WrongPassphraseError"]

# The next process must not reuse versions that were given out but never saved, or those of a lost
# file: the sequence leaps further than there can have been versions.
_LEAP = 1 << 16
_RECOVERY_LEAP = 1 << 24

Passphrase = bytes | bytearray | Stretched


class WrongPassphraseError(BrokerError):
    """The passphrase opens nothing; this counts as an attempt."""


class Store:
    """Opened by `Store.open`; made, with its key, if there is none.

    Changes are in memory at once and on disk after `save`, which may fail and be retried.
    *warnings* are for people; *recovered*: the content is older than the last save, so a rotated
    grant in it may have been used already.
    """

    def __init__(self, path: Path, keys: KeySource, clock: Clock) -> None:
        self._path = path
        self._keys = keys
        self._clock = clock
        self._contents = Contents()
        self._kek: bytearray | None = None
        # Read while locked, so not verified yet.
        self._unproven = False
        self._generation = 0
        self._saved_generation = 0
        # How often something was removed that the copy must not keep, and how many of these are on
        # disk: counted, because another thread may be saving.
        self._purges = 0
        self._purges_done = 0
        # The bytes of a locked store, until they are on disk.
        self._unsaved: bytes | None = None
        # Held while keys or files are replaced; only one thread writes entries anyway.
        self._turn = threading.RLock()
        # Held while the key is in use, never while waiting for the disk: a new entry is either in
        # the file of a lock or finds the store locked.
        self._key_turn = threading.Lock()
        self.recovered = False
        self.warnings: list[str] = []

    @classmethod
    def open(cls, path: Path, keys: KeySource, *, clock: Clock | None = None) -> Store:
        """Open the store at *path* with the key of *keys*; it is locked if only a human has it.

        Raise `fix-configuration`, naming the file, if it is damaged together with its copy, open to
        others, of a newer format, or sealed under another source.
        """
        store = cls(path, keys, clock or SystemClock())
        if keys.kind == "memory":
            store._begin()
            if path.exists():
                store.warnings.append(f"store {path} is not used, because store.key is memory")
        elif (loaded := load(path, store._unwrap, now=store._clock.now())) is not None:
            store._take(loaded)
        elif keys.kind != "passphrase":
            store._begin()
            store.save()
        return store

    # --- entries ---------------------------------------------------------------------------------

    def get(self, name: str) -> Entry | None:
        """Return the entry called *name*, opened into a buffer that the caller wipes."""
        with self._key_turn:
            return self._contents.get(name, self._open_kek())

    def put(
        self,
        name: str,
        plain: bytes | bytearray | memoryview,
        *,
        expect: int | EllipsisType | None = ...,
        meta: Meta | None = None,
    ) -> int:
        """Keep *plain*, which the caller wipes, under *name*; return the new version.

        *expect*: the version that must be there now, None for none; else raise
        `StaleVersionError`. *meta* is readable in the file and replaces what was there.
        """
        with self._key_turn:
            kek = self._open_kek()
            version = self._contents.put(name, plain, kek, expect=expect, meta=meta or {})
            self._generation += 1
            return version

    def delete(self, name: str, *, expect: int | EllipsisType | None = ...) -> bool:
        """Forget *name*, after a save in the copy too; return whether it was there.

        A version is never used again, not even for another entry of that name.
        """
        with self._key_turn:
            self._open_kek()
            if not self._contents.delete(name, expect=expect):
                return False
            self._purges += 1
            self._generation += 1
            return True

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with *prefix*, sorted; also if the store is locked."""
        return sorted(name for name in self._contents.entries if name.startswith(prefix))

    def meta(self, name: str) -> dict[str, str | int | float | bool | None] | None:
        """Return the readable part of an entry; also if the store is locked."""
        entry = self._contents.entries.get(name)
        return None if entry is None else dict(entry.meta)

    def version(self, name: str) -> int | None:
        """Return the version of an entry without opening it; also if the store is locked."""
        entry = self._contents.entries.get(name)
        return None if entry is None else entry.version

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes derived from the store's key and *purpose*, the same in every process.

        They stay the same when the key's source changes and after a lock.
        """
        with self._key_turn:
            return subkey(self._open_kek(), self._contents.store, f"purpose {purpose}")

    # --- disk ------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether there are changes that are not on disk."""
        return self._generation != self._saved_generation

    def save(self) -> None:
        """Write everything to disk, durable on return: the file, then its copy.

        Raise `internal` if that fails: memory stays correct, try again. May run in a thread while
        another one reads and writes entries.
        """
        with self._turn:
            generation, purges = self._generation, self._purges
            if self._kek is not None:
                both = purges != self._purges_done
                self._write(self._contents.encode(self._kek), both=both)
            elif self._unsaved is not None:
                self._write(self._unsaved, both=True)
            self._unsaved = None
            self._saved_generation, self._purges_done = generation, purges

    def _write(self, raw: bytes, *, both: bool) -> None:
        if self._keys.kind == "memory":
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if both:
                # First the copy: then a kill in between leaves the old store, still complete.
                replace(last_of(self._path), raw)
            replace(self._path, raw)
        except OSError as error:
            raise BrokerError(
                Kind.INTERNAL,
                f"store {self._path} cannot be written ({error.strerror}), changes are kept in "
                "memory: make room or correct its permissions; retrying by itself",
            ) from error
        if not both:
            # Until now the copy was the old store; now it is this one again, in other disk blocks.
            # If that fails, the store is saved anyway.
            with contextlib.suppress(OSError):
                replace(last_of(self._path), raw)

    # --- keys ------------------------------------------------------------------------------------

    @property
    def locked(self) -> bool:
        """Whether entries cannot be read or written until `unlock`."""
        return self._kek is None

    @property
    def fresh(self) -> bool:
        """Whether there is no passphrase yet, so the next `unlock` sets it."""
        return self.locked and not self._contents.wraps

    @property
    def has_passphrase(self) -> bool:
        """Whether `lock` needs no new passphrase."""
        return bool(self._contents.passphrase_wraps())

    def describe(self) -> str:
        """Return where the key comes from, for status."""
        return self._keys.describe()

    def stretch(self, passphrase: bytes | bytearray) -> Stretched:
        """Return *passphrase* prepared for `unlock`, or for `lock` while it is open.

        Slow (0.1 to 1 s) and fit for a thread; those two are quick.
        """
        if self.locked and not self.fresh:
            wraps = self._contents.wraps
            if (last := peek(last_of(self._path))) is not None:
                # There are other terms only if one of the two files is damaged.
                wraps += last.wraps
            return stretch(passphrase, {wrap.terms for wrap in wraps if wrap.terms is not None})
        return stretch(passphrase, [new_terms()])

    def lock(self, passphrase: Passphrase | None = None) -> None:
        """Forget the key, and keep it in both files only under the *passphrase*: durable.

        None: the passphrase that the store already has. If the disk write fails, the store is
        locked anyway, and `internal` is raised; `save` tries again.
        """
        with self._turn:
            kek = self._open_kek()
            if passphrase is not None:
                self._set_wraps(self._wrap_by_passphrase(kek, passphrase))
            elif wraps := self._contents.passphrase_wraps():
                self._set_wraps(*wraps)
            else:
                raise BrokerError(
                    Kind.BAD_REQUEST, "the store has no passphrase to lock with: type a new one"
                )
            with self._key_turn:
                self._unsaved = self._contents.encode(kek)
                self._kek = None
                kek[:] = bytes(KEY_SIZE)
            self.warnings += [
                f"{aside} still opens without the passphrase: remove it"
                for aside in sorted(self._path.parent.glob(f"{self._path.name}.corrupt-*"))
            ]
            self.save()

    def unlock(self, passphrase: Passphrase) -> None:
        """Open a locked store; for a new one, this sets the passphrase.

        The current key source opens it again at the next start; if it differs from the one before
        the lock, the store moves there. Only the key is sealed again. Raise `WrongPassphraseError`,
        and `fix-configuration` if the file is damaged.
        """
        with self._turn:
            if not self.locked:
                return
            with self._stretched(passphrase) as stretched:
                if self.fresh:
                    self._begin(stretched)
                    self.save()
                    return
                self._unlock(stretched)
            self._unsaved = None
            if self._keys.kind != "passphrase":
                self._restore_source()

    def _open_kek(self) -> bytearray:
        if self._kek is None:
            raise BrokerError(Kind.STORE_LOCKED, "the store is locked: run credward unlock")
        return self._kek

    def _begin(self, stretched: Stretched | None = None) -> None:
        """Start an empty store under a new key."""
        kek = bytearray(os.urandom(KEY_SIZE))
        if stretched is None:
            wrap = self._wrap(kek, self._keys)
        else:
            wrap = self._contents.wrap_by_passphrase(kek, stretched)
        self._set_wraps(wrap, purge=False)
        self._kek = kek

    def _take(self, loaded: Loaded) -> None:
        leap = _RECOVERY_LEAP if loaded.recovered else _LEAP
        self._contents = Contents.of(loaded.content, leap=leap)
        self._kek = loaded.kek
        self._unproven = loaded.kek is None
        self.recovered = self.recovered or loaded.recovered
        if loaded.warning is not None:
            self.warnings.append(loaded.warning)

    def _unlock(self, stretched: Stretched) -> None:
        try:
            if self._unproven:
                self._reload(stretched)
            else:
                self._kek = unwrap_by_passphrase(stretched)(self._contents)
        except WrongKeyError as error:
            raise WrongPassphraseError(
                Kind.DENIED, "the passphrase does not open the store: run credward unlock again"
            ) from error

    def _reload(self, stretched: Stretched) -> None:
        """Read the file again, now that the passphrase can verify it."""
        unwrap = unwrap_by_passphrase(stretched)
        try:
            unwrap(self._contents)
        except WrongKeyError:
            # Either the passphrase is wrong or the file is damaged: the copy shows which.
            if (last := peek(last_of(self._path))) is None:
                raise
            unwrap(last)
        loaded = load(self._path, unwrap, now=self._clock.now())
        if loaded is None:
            raise BrokerError(
                Kind.FIX_CONFIGURATION, f"store {self._path} is gone: restore it from a backup"
            )
        self._take(loaded)

    def _unwrap(self, content: SealedFile) -> bytearray | None:
        for wrap in content.wraps:
            if wrap.source == self._keys.kind and wrap.terms is None:
                key = self._keys.key(create=False)
                assert key is not None
                try:
                    return unwrap_kek(wrap, key, store=content.store)
                finally:
                    key[:] = bytes(KEY_SIZE)
        if any(wrap.source == "passphrase" for wrap in content.wraps):
            return None
        found = " or ".join(wrap.source for wrap in content.wraps)
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'store {self._path} is sealed under "{found}", not "{self._keys.kind}": '
            f'set store.key = "{content.wraps[0].source}" again',
        )

    def _wrap(self, kek: bytearray, keys: KeySource) -> Wrap:
        key = keys.key(create=True)
        assert key is not None
        try:
            return self._contents.wrap(kek, key, keys.kind)
        finally:
            key[:] = bytes(KEY_SIZE)

    def _wrap_by_passphrase(self, kek: bytearray, passphrase: Passphrase) -> Wrap:
        with self._stretched(passphrase) as stretched:
            return self._contents.wrap_by_passphrase(kek, stretched)

    @contextlib.contextmanager
    def _stretched(self, passphrase: Passphrase) -> Iterator[Stretched]:
        if isinstance(passphrase, Stretched):
            yield passphrase
            return
        stretched = self.stretch(passphrase)
        try:
            yield stretched
        finally:
            stretched.wipe()

    def _set_wraps(self, *wraps: Wrap, purge: bool = True) -> None:
        self._contents.wraps = wraps
        self._purges += purge
        self._generation += 1

    def _restore_source(self) -> None:
        """Let the configured key source open the store again, if it is available."""
        assert self._kek is not None
        try:
            # The copy follows: a kill in between must not leave an open copy beside a locked store.
            self._set_wraps(self._wrap(self._kek, self._keys), purge=False)
            self.save()
        except BrokerError as failure:
            self.warnings.append(failure.message)
