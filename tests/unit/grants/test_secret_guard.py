"""The bindings in the store: on disk before a secret leaves, and known before anybody asks."""

from __future__ import annotations

from typing import Any

import pytest

from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.grants.records import GrantRecords
from credward.grants.secret_guard import SecretGuard
from credward.settings.references import Reference
from credward.settings.static import Settings


class Entry:
    def __init__(self, plain: bytes) -> None:
        self.plain = bytearray(plain)


class Disk:
    """A store in memory, and what of it is on disk."""

    def __init__(self) -> None:
        self.memory: dict[str, bytes] = {}
        self.saved: dict[str, bytes] = {}
        self.full = False
        self.locked = False

    def get(self, name: str) -> Entry | None:
        return Entry(self.memory[name]) if name in self.memory else None

    def put(self, name: str, plain: bytes | bytearray) -> int:
        self.memory[name] = bytes(plain)
        return 1

    def delete(self, name: str) -> bool:
        return self.memory.pop(name, None) is not None

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.memory if name.startswith(prefix)]

    def save(self) -> None:
        if self.full:
            raise BrokerError(Kind.INTERNAL, "the disk is full: make room")
        self.saved = dict(self.memory)

    def derive(self, purpose: str) -> bytes:
        return purpose.encode()


def config(name: str, *base_urls: str) -> Config:
    each = CredentialConfig(
        name=name,
        provider="static",
        settings=Settings(secret=Reference(store="key")),
        epoch="1",
        grant=name,
        base_urls=base_urls,
    )
    return Config(credentials={name: each})


async def admit(guard: SecretGuard, found: Config) -> None:
    (credential,) = found.credentials.values()
    await guard.admit(found, credential, "key")


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def guard(disk: Disk) -> Any:
    records = GrantRecords(disk)
    yield SecretGuard(records)
    records.close()


async def test_s1_durable_before_the_secret_leaves(disk: Disk, guard: SecretGuard) -> None:
    """What cannot be written binds nothing and hands nothing out, each time it is asked."""
    disk.full = True
    for _ in range(2):
        with pytest.raises(BrokerError, match="disk is full"):
            await admit(guard, config("gateway"))
    disk.full = False
    await admit(guard, config("gateway"))
    disk.full = True
    # What is written already need not be written again.
    await admit(guard, config("gateway"))

    assert list(disk.saved) == ["binding:key"]
    with pytest.raises(BrokerError, match="disk is full"):
        await admit(guard, config("gateway", "https://a.example"))


async def test_s1_what_is_refused_is_known_and_released(disk: Disk, guard: SecretGuard) -> None:
    """Before anybody asks, unless the store is locked; who was refused is named once it may again."""
    good, bad = config("gateway", "https://a.example"), config("gateway")
    (mine,) = bad.credentials.values()
    await admit(guard, good)
    with pytest.raises(BrokerError) as caught:
        await admit(guard, bad)
    known = guard.refusal(bad, mine)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert known is not None
    assert known.message == caught.value.message
    assert guard.refusal(good, next(iter(good.credentials.values()))) is None
    assert guard.released(bad) == []
    assert [each.name for each in guard.released(good)] == ["gateway"]
    assert guard.released(good) == []
    disk.locked = True
    assert guard.refusal(bad, mine) is None


async def test_s1_who_is_allowed_is_released_once(guard: SecretGuard) -> None:
    """And not at the next reload again, which would wake it although it waits for nothing."""
    good, bad = config("gateway", "https://a.example"), config("gateway")
    await admit(guard, good)
    with pytest.raises(BrokerError):
        await admit(guard, bad)
    binding, released = guard.allow(bad, "key", list(bad.credentials.values()))

    assert guard.binding("key") == binding
    assert [each.name for each in released] == ["gateway"]
    assert guard.released(bad) == []
    await admit(guard, bad)


async def test_s1_forgotten_with_the_value(disk: Disk, guard: SecretGuard) -> None:
    """Whatever uses the next one first binds it."""
    await admit(guard, config("gateway"))
    guard.forget("key")

    assert guard.binding("key") is None
    await admit(guard, config("other"))
    binding = guard.binding("key")
    assert binding is not None
    assert [each.credential for each in binding.uses] == ["other"]
