"""The driver: what the lifecycle commands really happens, once, and no plain token stays behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from credward.errors import BrokerError, Failure, Kind
from credward.lifecycle.vocabulary import Plan, Reason, State, TokenKey
from credward.minting.driver import Answer, Driver, Listeners
from credward.minting.sealer import Sealer
from credward.minting.token_cache import MemoryTokens
from fakes.clock import FakeClock
from fakes.upstream import FakeUpstream
from fakes.wakeups import FakeWakeups
from waiting import until_async

KEY = TokenKey("gateway", "e1")


class Bench:
    """A driver over a fake upstream and a fake clock."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.clock = FakeClock()
        self.upstream = FakeUpstream(self.clock)
        self.wakeups = FakeWakeups()
        self.tokens = MemoryTokens(Sealer())
        self.changed: list[str] = []
        self.withdrawn: list[str] = []
        self.driver = Driver(
            clock=self.clock,
            mint=self.upstream.mint,
            cache=self.tokens,
            wakeups=self.wakeups,
            spawn=tasks.create_task,
            listeners=Listeners(changed=self.changed.append, withdrawn=self.withdrawn.append),
        )
        self.driver.configure([Plan(credential="gateway", epoch="e1", grant="gateway")])

    def ask(self, **words: float) -> Answer | asyncio.Future[Answer]:
        return self.driver.ask(
            KEY, min_remaining=words.get("min_remaining", 0.0), asker=None, cache_ttl=None
        )

    async def token(self, **words: float) -> str:
        answer = self.ask(**words)
        held = (answer if isinstance(answer, Answer) else await answer).held
        return self.driver.open(held).decode()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        bench = Bench(tasks)
        yield bench
        bench.upstream.gate.set()
        bench.driver.close()


async def test_t1_a_thousand_cold_askers_share_one_mint(bench: Bench) -> None:
    """T1: whoever comes while the flight is out gets what it brings."""
    bench.upstream.gate.clear()
    waiting = [bench.ask() for _ in range(1000)]
    await asyncio.sleep(0)
    bench.upstream.gate.set()
    answers = await asyncio.gather(*[each for each in waiting if isinstance(each, asyncio.Future)])

    assert len(bench.upstream.mints) == 1
    assert len(answers) == 1000
    assert len({answer.held.token_id for answer in answers}) == 1


async def test_a_held_token_is_answered_without_a_future(bench: Bench) -> None:
    """The hot path: memory to answer in one call."""
    await bench.token()

    assert isinstance(bench.ask(), Answer)


async def test_the_plain_token_is_wiped_once_it_is_sealed(bench: Bench) -> None:
    """The buffer that the mint brought holds zeros afterwards; what is kept is sealed."""
    token = await bench.token()

    assert bench.upstream.last_body is not None
    assert set(bench.upstream.last_body) == {0}
    answer = bench.ask()
    assert isinstance(answer, Answer)
    assert token.encode() not in answer.held.sealed


async def test_r5_a_caller_that_leaves_does_not_stop_the_flight(bench: Bench) -> None:
    """R5: the refresh completes and is cached for the next one."""
    bench.upstream.gate.clear()
    waiting = bench.ask()
    assert isinstance(waiting, asyncio.Future)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    bench.upstream.gate.set()
    await asyncio.sleep(0.01)

    assert await bench.token() == "token-1-gateway"
    assert len(bench.upstream.mints) == 1


async def test_t3_waiters_share_one_failure(bench: Bench) -> None:
    """T3: one failed flight answers all who waited for it, and the next ask finds the back-off."""
    bench.upstream.gate.clear()
    waiting = [bench.ask() for _ in range(50)]
    await asyncio.sleep(0)
    bench.upstream.failure = BrokerError(Kind.PROVIDER_UNREACHABLE, "upstream is down")
    bench.upstream.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)  # type: ignore[arg-type]

    assert {type(result) for result in results} == {BrokerError}
    assert len(bench.upstream.mints) == 1
    with pytest.raises(BrokerError) as caught:
        bench.ask()
    assert caught.value.kind is Kind.PROVIDER_UNREACHABLE
    assert len(bench.upstream.mints) == 1


async def test_a_defect_in_minting_is_told_as_internal_without_its_text(bench: Bench) -> None:
    """An exception that is no BrokerError must neither hang the waiters nor show what it says."""
    bench.upstream.failure = ValueError("canary-secret")
    with pytest.raises(BrokerError) as caught:
        await bench.token()

    assert caught.value.kind is Kind.INTERNAL
    assert "canary" not in caught.value.message


async def test_the_next_deadline_is_set_once_and_again_when_it_came(bench: Bench) -> None:
    """A thousand asks set nothing; a wake-up at the refresh time mints and sets the next one."""
    await bench.token()
    due, times = bench.wakeups.due_in, len(bench.wakeups.settings)
    assert 0 < due < 3600
    for _ in range(1000):
        bench.ask()
    assert len(bench.wakeups.settings) == times
    bench.clock.advance(due)
    bench.wakeups.ring()
    await until_async(lambda: len(bench.upstream.mints) == 2)

    assert await bench.token() == "token-2-gateway"
    assert len(bench.wakeups.settings) > times


@pytest.mark.parametrize("step", [-86_400.0, -3600.0, -10.0, 600.0])
async def test_t13_a_step_sets_the_deadline_anew(bench: Bench, step: float) -> None:
    """T13: woken by the step or by an ask before it, the refresh comes when it is due."""
    await bench.token()
    before = bench.wakeups.due_in
    bench.clock.time += step
    if step == -10.0:
        await bench.token()
    else:
        bench.wakeups.ring()
    due = bench.wakeups.due_in

    assert due == pytest.approx(before - max(step, 0.0))
    bench.clock.advance(due)
    bench.wakeups.ring()
    await until_async(lambda: len(bench.upstream.mints) == 2)


async def test_closing_wakes_up_no_more(bench: Bench) -> None:
    """The timers end with it."""
    bench.driver.close()

    assert bench.wakeups.closed


async def test_reconfigured_credentials_lose_their_tokens(bench: Bench) -> None:
    """A changed entry has another epoch: nothing minted for the old one is handed out or kept."""
    await bench.token()
    assert len(bench.tokens) == 1
    bench.driver.configure([Plan(credential="gateway", epoch="e2", grant="gateway")])

    assert len(bench.tokens) == 0
    assert bench.driver.view("gateway").state is State.EMPTY


async def test_a_source_that_repeats_its_token_keeps_it_available(bench: Bench) -> None:
    """A mint that brings the very token we hold (metadata services) must not lose it."""
    bench.upstream.fixed = "same-token"
    await bench.token()
    bench.clock.advance(5)
    forced = bench.driver.force(KEY)
    if isinstance(forced, asyncio.Future):
        await forced

    assert await bench.token() == "same-token"
    assert len(bench.tokens) == 1


async def test_two_credentials_with_equal_tokens_do_not_lose_each_others(bench: Bench) -> None:
    """The same text behind two names: dropping one leaves the other."""
    bench.upstream.fixed = "shared-text"
    both = [
        Plan(credential="gateway", epoch="e1", grant="gateway"),
        Plan(credential="other", epoch="e1", grant="other"),
    ]
    bench.driver.configure(both)
    await bench.token()
    other = bench.driver.ask(TokenKey("other", "e1"), min_remaining=0, asker=None, cache_ttl=None)
    if isinstance(other, asyncio.Future):
        await other
    bench.driver.configure(both[:1])

    assert await bench.token() == "shared-text"


@pytest.mark.parametrize("how", ["drop", "lock"])
async def test_g9_a_late_mint_of_the_token_that_is_held_takes_nothing_away(
    bench: Bench, how: str
) -> None:
    """A key that has no end: out twice, the one that was forgotten lands last, with other facts."""
    bench.upstream.fixed = "the-key"
    bench.upstream.gate.clear()
    late = bench.upstream.gate
    forgotten = bench.ask()
    await until_async(lambda: len(bench.upstream.mints) == 1)
    if how == "drop":
        bench.driver.drop("gateway")
    else:
        bench.driver.drop_all(Failure.of(Kind.STORE_LOCKED, "locked"))
    with pytest.raises(BrokerError):
        await forgotten
    bench.upstream.gate = asyncio.Event()
    bench.upstream.gate.set()
    bench.upstream.lifetime = 1800
    before = bench.ask()
    assert isinstance(before, asyncio.Future)
    held = (await before).held
    bench.upstream.lifetime = None
    late.set()
    await asyncio.sleep(0.01)

    assert await bench.token() == "the-key"
    after = bench.ask()
    assert isinstance(after, Answer)
    assert after.held == held
    assert len(bench.tokens) == 1


async def test_who_listens_hears_of_each_token_that_comes_or_goes(bench: Bench) -> None:
    """And of a mint that failed; serving changes nothing."""
    await bench.token()
    assert bench.changed == ["gateway"]
    await bench.token()
    assert bench.changed == ["gateway"]
    bench.upstream.failure = BrokerError(Kind.PROVIDER_UNREACHABLE, "down")
    # A forced mint that fails serves the old token.
    answer = bench.driver.force(KEY)
    assert isinstance(answer, asyncio.Future)
    await answer
    assert bench.changed == ["gateway"] * 2
    held = bench.driver.held(KEY)
    assert held is not None
    bench.driver.reject("gateway", held.token_id, Reason.UNAUTHORIZED)
    assert bench.changed[2:3] == ["gateway"]
    assert bench.driver.held(KEY) is None
    assert bench.withdrawn == []


async def test_who_listens_hears_that_no_earlier_token_may_be_used(bench: Bench) -> None:
    """At a lock, a logout, another account: also of tokens that this run never had."""
    locked = Failure.of(Kind.STORE_LOCKED, "locked")
    bench.driver.grant_parked("gateway", locked)
    assert bench.withdrawn == []
    bench.driver.grant_parked("gateway", locked, drop=True)
    bench.driver.grant_given("gateway", drop=True)
    bench.driver.drop_all(locked)
    bench.driver.drop("gateway")
    assert bench.withdrawn == ["gateway"] * 4
    bench.driver.store_opened()
    assert bench.changed == ["gateway"]
