"""Tokens of credentials with `persist`: kept in the sealed store for the next daemon.

Writes after the answer has left and never delays it. The lifecycle gets each token as `Restored`
and decides what it can still be used for.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError
from credward.grants.records import GrantRecords
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.identity_stamp import identity_stamp
from credward.minting.token_cache import Held, MemoryTokens, TokenFacts
from credward.tokens import TokenKind

__all__ = ["PersistedTokens"]

_log = logging.getLogger(__name__)

_PREFIX = "token:"
# Tokens that are minted together are written together (seconds).
_LAZILY = 1.0


class _Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept beside the token itself; *identity*: whom it was minted for."""

    credential: str
    epoch: str
    identity: str
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    narrowing: str = ""
    token_id: str
    kind: TokenKind
    issued_at: float
    expires_at: float
    minted_at: float
    token_audience: str | None = None
    upstream_id: str | None = None
    warning: str | None = None

    @property
    def key(self) -> TokenKey:
        return TokenKey(
            self.credential, self.epoch, self.audience, tuple(self.scopes), self.narrowing
        )


class PersistedTokens:
    """A token cache in memory that keeps a part in the store."""

    def __init__(
        self,
        memory: MemoryTokens,
        *,
        clock: Clock,
        records: GrantRecords,
        config: Callable[[], Config],
        environ: Mapping[str, str],
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._records = records
        self._config = config
        self._environ = environ
        self._pending: dict[TokenKey, Held] = {}
        # What is in the store, or will be in a moment: entry by token id.
        self._kept: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- a token cache ----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._memory)

    def get(self, key: TokenKey, token_id: str) -> Held:
        """Return a token that is there."""
        return self._memory.get(key, token_id)

    def open(self, held: Held) -> bytearray:
        """Return the plain token; the caller wipes it."""
        return self._memory.open(held)

    def all(self) -> Iterator[tuple[TokenKey, Held]]:
        """Yield all tokens."""
        return self._memory.all()

    def put(self, key: TokenKey, facts: TokenFacts, body: bytearray) -> Held:
        """Add one, and write it in a moment; *body* is wiped."""
        held = self._memory.put(key, facts, body)
        credential = self._config().credentials.get(key.credential)
        # Without an end we could not tell later whether it is still good.
        if credential is not None and credential.persist and held.expires_at is not None:
            self._pending[key] = held
            self._write_in(_LAZILY)
        return held

    def drop(self, key: TokenKey, token_id: str) -> None:
        """Forget one in memory and in the store."""
        self._memory.drop(key, token_id)
        pending = self._pending.get(key)
        if pending is not None and pending.token_id == token_id:
            del self._pending[key]
        if self._kept.get(name := _name(key)) == token_id and not self._records.locked:
            del self._kept[name]
            self._records.delete_raw(name)
            self._write_in(0.0)

    def restore(self) -> Iterator[tuple[TokenKey, Held]]:
        """Load what the store holds and forget what is useless; the store is open."""
        for name in self._records.raw_names(_PREFIX):
            if self._kept.get(name) is not None:
                continue
            if (restored := self._restore(name)) is not None:
                yield restored
            else:
                self._records.delete_raw(name)
                self._write_in(0.0)

    # --- the store --------------------------------------------------------------------------

    def sweep(self) -> None:
        """Forget the tokens of credentials that are no longer kept."""
        if self._records.locked:
            return
        persisted = {name for name, each in self._config().credentials.items() if each.persist}
        for key in [key for key in self._pending if key.credential not in persisted]:
            del self._pending[key]
        for name in list(self._kept):
            facts = self._facts(name)
            if facts is None or facts.credential not in persisted:
                del self._kept[name]
                self._records.delete_raw(name)
                self._write_in(0.0)

    def clear(self) -> None:
        """Forget all in memory; durable with the next save of the store, such as a lock."""
        self._pending.clear()
        self._kept.clear()
        for name in self._records.raw_names(_PREFIX):
            self._records.delete_raw(name)

    async def close(self) -> None:
        """Write what has not been written yet, and forget all in memory."""
        if self._timer is not None:
            self._timer.cancel()
            await self._write()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._memory.clear()

    def _restore(self, name: str) -> tuple[TokenKey, Held] | None:
        found = self._records.load_raw(name)
        if found is None:
            return None
        head, _, body = found.partition(b"\n")
        try:
            facts = _decode(head)
            if facts is None or _name(facts.key) != name or not self._fits(facts):
                return None
            restored = TokenFacts(
                token_id=facts.token_id,
                kind=facts.kind,
                issued_at=facts.issued_at,
                expires_at=facts.expires_at,
                audience=facts.token_audience,
                upstream_id=facts.upstream_id,
                warning=facts.warning,
                minted_at=facts.minted_at,
            )
            self._kept[name] = facts.token_id
            return facts.key, self._memory.put(facts.key, restored, body)
        finally:
            for each in (found, body):
                each[:] = bytes(len(each))

    def _fits(self, facts: _Facts) -> bool:
        credential = self._config().credentials.get(facts.credential)
        return (
            credential is not None
            and credential.persist
            and credential.epoch == facts.epoch
            and facts.expires_at > self._clock.now()
            # Logged out meanwhile, logged in again, or another secret behind it.
            and self._identity(credential) == facts.identity
        )

    def _identity(self, credential: CredentialConfig) -> str | None:
        return identity_stamp(self._config(), credential, self._records, self._environ)

    def _facts(self, name: str) -> _Facts | None:
        found = self._records.load_raw(name)
        if found is None:
            return None
        try:
            return _decode(found.partition(b"\n")[0])
        finally:
            found[:] = bytes(len(found))

    def _write_in(self, seconds: float) -> None:
        if self._timer is not None:
            if seconds:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin_to_write)

    def _begin_to_write(self) -> None:
        task = asyncio.get_running_loop().create_task(self._write())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        self._timer = None
        pending, self._pending = self._pending, {}
        try:
            for key, held in pending.items():
                self._put(key, held)
            await self._records.save()
        except BrokerError as failure:
            # This only costs a mint after the next start.
            _log.info("tokens are not kept: %s", failure.message)

    def _put(self, key: TokenKey, held: Held) -> None:
        credential = self._config().credentials.get(key.credential)
        if credential is None or held.expires_at is None or self._records.locked:
            return
        identity = self._identity(credential)
        if identity is None or credential.epoch != key.epoch:
            return
        facts = _Facts(
            credential=key.credential,
            epoch=key.epoch,
            identity=identity,
            audience=key.audience,
            scopes=key.scopes,
            narrowing=key.narrowing,
            token_id=held.token_id,
            kind=held.kind,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
            minted_at=held.minted_at,
            token_audience=held.audience,
            upstream_id=held.upstream_id,
            warning=held.warning,
        )
        plain = self._memory.open(held)
        whole = bytearray(msgspec.json.encode(facts) + b"\n")
        whole += plain
        plain[:] = bytes(len(plain))
        self._records.put_raw(name := _name(key), whole)
        self._kept[name] = held.token_id


def _name(key: TokenKey) -> str:
    words = [key.credential, key.epoch, key.audience, key.scopes, key.narrowing]
    return _PREFIX + hashlib.sha256(msgspec.json.encode(words)).hexdigest()[:32]


def _decode(head: bytearray) -> _Facts | None:
    try:
        return msgspec.json.decode(head, type=_Facts)
    except msgspec.DecodeError:
        return None
