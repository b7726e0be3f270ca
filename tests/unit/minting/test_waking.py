"""What waited for a login or a secret is tried again, and tokens of another account are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.lifecycle.vocabulary import Plan, State, TokenKey
from credward.minting.driver import Answer, Driver
from credward.minting.sealer import Sealer
from credward.minting.token_cache import MemoryTokens
from credward.minting.waking import login_changed, login_found, secret_changed
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference
from fakes.clock import FakeClock
from fakes.upstream import FakeUpstream
from fakes.wakeups import FakeWakeups

LOGIN = BrokerError(Kind.LOGIN_REQUIRED, '"cli" needs a login: run credward login cli')
BROKEN = BrokerError(Kind.FIX_CONFIGURATION, "the secret is refused")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """*rotating*: with a session of its own, as a Vault login is one."""

    of: Reference
    rotating: bool = False

    @property
    def meaning(self) -> Meaning:
        return Meaning(grant=GrantTerms(rotating=self.rotating))


def credential(name: str, *, rotating: bool = False, **of: str) -> CredentialConfig:
    settings = Settings(of=Reference(**of), rotating=rotating)  # type: ignore[arg-type]
    return CredentialConfig(
        name=name, provider="oauth", settings=settings, epoch="e", grant=f"grant of {name}"
    )


CONFIG = Config(
    credentials={
        each.name: each
        for each in (
            credential("cli", store="client"),
            credential("exchange", credential="cli"),
            credential("api", credential="exchange"),
            credential("session", credential="cli", rotating=True),
            credential("other", store="key"),
        )
    }
)


class Bench:
    """A driver that knows these credentials."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.upstream = FakeUpstream(FakeClock())
        self.driver = Driver(
            clock=FakeClock(),
            mint=self.upstream.mint,
            cache=MemoryTokens(Sealer()),
            wakeups=FakeWakeups(),
            spawn=tasks.create_task,
        )
        self.driver.configure(
            Plan(credential=each.name, epoch="e", grant=each.grant, login=False)
            for each in CONFIG.credentials.values()
        )

    async def ask_all(self) -> None:
        for name in CONFIG.credentials:
            try:
                answer = self.driver.ask(
                    TokenKey(name, "e"), min_remaining=0, asker=None, cache_ttl=None
                )
                if not isinstance(answer, Answer):
                    await answer
            except BrokerError:
                pass

    def states(self) -> dict[str, State]:
        return {name: self.driver.view(name).state for name in CONFIG.credentials}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        bench = Bench(tasks)
        yield bench
        bench.driver.close()


@pytest.mark.parametrize("same_account", [True, False])
async def test_g2_a_login_wakes_whoever_waited_for_it(bench: Bench, same_account: bool) -> None:
    """Through a chain; not the one that waits for something else."""
    bench.upstream.failure = LOGIN
    await bench.ask_all()
    assert set(bench.states().values()) == {State.PARKED}
    woken = login_changed(CONFIG, bench.driver, "grant of cli", same_account=same_account)

    assert [each.name for each in woken] == ["exchange", "api", "session"]
    assert bench.states() == {
        # Its own grant is cleared by whoever keeps the login.
        "cli": State.PARKED,
        "exchange": State.EMPTY,
        "api": State.EMPTY,
        "session": State.EMPTY,
        "other": State.PARKED,
    }


async def test_g2_tokens_of_the_same_account_are_kept(bench: Bench) -> None:
    """Those of another one are not handed out any more, but where there is a session of its own."""
    await bench.ask_all()
    login_changed(CONFIG, bench.driver, "grant of cli", same_account=True)
    assert set(bench.states().values()) == {State.FRESH}
    login_changed(CONFIG, bench.driver, "grant of cli", same_account=False)

    gone = {name for name, state in bench.states().items() if state is State.EMPTY}
    assert gone == {"exchange", "api"}


async def test_g2_a_login_of_another_tool_wakes_its_own_credential_too(bench: Bench) -> None:
    """And keeps the tokens: nobody knows whose it is."""
    bench.upstream.failure = LOGIN
    await bench.ask_all()
    woken = login_found(CONFIG, bench.driver, "grant of cli")

    assert [each.name for each in woken] == ["exchange", "api", "session"]
    parked = {name for name, state in bench.states().items() if state is State.PARKED}
    assert parked == {"other"}
    bench.upstream.failure = None
    await bench.ask_all()
    login_found(CONFIG, bench.driver, "grant of cli")
    assert bench.states()["cli"] is bench.states()["api"] is State.FRESH


async def test_g2_a_secret_wakes_whoever_it_goes_into(bench: Bench) -> None:
    """Directly, and by a credential that is minted with it."""
    bench.upstream.failure = BROKEN
    await bench.ask_all()
    secret_changed(CONFIG, bench.driver, "client")

    parked = {name for name, state in bench.states().items() if state is State.PARKED}
    assert parked == {"other"}
