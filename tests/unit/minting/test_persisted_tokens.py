"""What is kept of tokens, beside what the whole daemon shows in tests/integration/test_persist."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import msgspec
import pytest

from credward.config.model import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.grants.grant_record import GrantRecord
from credward.grants.records import GrantRecords
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.persisted_tokens import PersistedTokens
from credward.minting.sealer import Sealer
from credward.minting.token_cache import Held, MemoryTokens, TokenFacts
from credward.settings.oauth import Settings
from fakes.clock import FakeClock
from fakes.loop import on_idle_time
from waiting import until_async

KEY = TokenKey("one", "e", "aud", ("a", "b"))


@dataclass
class Entry:
    plain: bytearray


class DictStore:
    """The sealed store, without seals."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.locked = False
        self.full = False

    def get(self, name: str) -> Entry | None:
        found = self.entries.get(name)
        return None if found is None else Entry(bytearray(found))

    def put(self, name: str, plain: bytes | bytearray) -> int:
        self.entries[name] = bytes(plain)
        return 1

    def delete(self, name: str) -> bool:
        return self.entries.pop(name, None) is not None

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.entries if name.startswith(prefix))

    def derive(self, purpose: str) -> bytes:
        return bytes(32)

    def save(self) -> None:
        if self.full:
            raise BrokerError(Kind.INTERNAL, "full")


def token_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Bench:
    def __init__(self, store: DictStore | None = None) -> None:
        self.clock = FakeClock()
        self.store = store or DictStore()
        self.memory = MemoryTokens(Sealer())
        self.environ = {"ASSERTION": "alice"}
        self.credential = CredentialConfig(
            name="one",
            provider="oauth",
            settings=Settings(issuer="https://login.example.com", client_id="c"),
            epoch="e",
            grant="g",
            persist=True,
        )
        self.records = GrantRecords(self.store)
        if store is None:
            self.log_in(7)
        self.persisted = PersistedTokens(
            self.memory,
            clock=self.clock,
            records=self.records,
            config=lambda: Config(credentials={"one": self.credential}),
            environ=self.environ,
        )

    def put(self, text: str = "token-1", expires_in: float | None = 600.0) -> Held:
        """Take a token in."""
        now = self.clock.now()
        facts = TokenFacts(
            token_id=token_id(text),
            kind="bearer",
            issued_at=now - 1,
            expires_at=None if expires_in is None else now + expires_in,
            audience="upstream",
            upstream_id="jti-1",
            warning="mind the gap",
            minted_at=now,
        )
        return self.persisted.put(KEY, facts, bytearray(text.encode()))

    def log_in(self, family: int) -> None:
        record = GrantRecord(secret="s", provider="oauth", family=family, given_at=0.0)
        self.records.put("g", record)

    @property
    def tokens(self) -> dict[str, bytes]:
        """What the store holds of tokens."""
        return {
            name: text for name, text in self.store.entries.items() if name.startswith("token:")
        }

    async def written(self) -> dict[str, bytes]:
        await self.persisted.close()
        return self.tokens

    def again(self) -> Bench:
        """Return the next daemon on the same store."""
        other = Bench(self.store)
        other.credential = self.credential
        return other


async def test_a_token_comes_back_with_all_that_is_known_of_it() -> None:
    """The key, the times, and what upstream calls it."""
    bench = Bench()
    held = bench.put()
    assert bench.tokens == {}
    await bench.written()

    other = bench.again()
    ((key, found),) = other.persisted.restore()
    assert (key, other.persisted.open(found)) == (KEY, b"token-1")
    assert msgspec.structs.replace(found, sealed=b"") == msgspec.structs.replace(held, sealed=b"")
    assert other.persisted.get(KEY, found.token_id) is found


async def test_a_token_without_an_end_is_not_kept() -> None:
    """Nobody could tell later whether it is still good."""
    bench = Bench()
    bench.put(expires_in=None)

    assert await bench.written() == {}


async def test_a_token_dropped_before_it_was_written_never_is() -> None:
    """And one that is in the store goes."""
    bench = Bench()
    bench.put()
    bench.persisted.drop(KEY, token_id("token-1"))
    assert await bench.written() == {}

    bench.put()
    assert len(await bench.written()) == 1
    bench.persisted.drop(KEY, "another")
    assert len(bench.tokens) == 1
    bench.persisted.drop(KEY, token_id("token-1"))
    assert bench.tokens == {}
    bench.records.close()


@pytest.mark.parametrize(
    "how", ["expired", "epoch", "persist", "logout", "login", "renamed", "garbage"]
)
async def test_what_is_of_no_use_is_neither_taken_up_nor_kept(how: str) -> None:
    """The store forgets it at once."""
    bench = Bench()
    bench.put()
    await bench.written()
    other = bench.again()
    (name,) = bench.tokens
    match how:
        case "expired":
            other.clock.advance(600)
        case "epoch":
            other.credential = msgspec.structs.replace(other.credential, epoch="f")
        case "persist":
            other.credential = msgspec.structs.replace(other.credential, persist=False)
        case "logout":
            other.records.delete("g")
        case "login":
            other.log_in(8)
        case "renamed":
            bench.store.entries["token:0"] = bench.store.entries.pop(name)
        case _:
            bench.store.entries[name] = b"\xff\x00"

    assert list(other.persisted.restore()) == []
    assert len(other.persisted) == 0
    assert bench.tokens == {}
    await other.persisted.close()


async def test_a_store_that_is_locked_or_full_is_no_matter() -> None:
    """Nothing is lost but a mint."""
    bench = Bench()
    bench.store.locked = True
    bench.put()
    assert await bench.written() == {}
    bench.store.locked, bench.store.full = False, True
    bench.put()
    await bench.written()
    bench.records.close()
    bench.store.locked = True
    bench.persisted.drop(KEY, token_id("token-1"))
    bench.persisted.sweep()

    assert len(bench.tokens) == 1


@on_idle_time
async def test_it_is_written_by_itself_and_not_at_once() -> None:
    """A second later, with all others of that second."""
    bench = Bench()
    bench.put()
    await asyncio.sleep(0.2)
    assert bench.tokens == {}
    await until_async(lambda: bench.tokens)

    assert len(bench.tokens) == 1
