"""How often servers are asked whether people can log in there, and who shares an answer."""

from __future__ import annotations

import asyncio

import msgspec

from credward.errors import BrokerError, Kind
from fakes.clock import FakeClock
from unit.administering.services import AGENT, PERSON, Peer, Services, refusal
from unit.grants.rig import GRANT


def begin(services: Services, name: str = GRANT, peer: Peer = AGENT) -> asyncio.Task[None]:
    return asyncio.create_task(services.login_service.check(peer, name))


async def under_way(services: Services, count: int) -> None:
    """Wait until the server was asked *count* times."""
    async with asyncio.timeout(60):
        while len(services.worker.checks) < count:
            await asyncio.sleep(0)


async def check(services: Services, peer: Peer) -> None:
    """Ask and get an answer; raise if nothing may be asked."""
    asked = len(services.worker.checks)
    asking = begin(services, peer=peer)
    while not asking.done() and len(services.worker.checks) == asked:
        await asyncio.sleep(0)
    for _, end in services.worker.checks[asked:]:
        end.set_result(None)
    await asking


async def test_who_asks_meanwhile_gets_the_same_answer(services: Services) -> None:
    """Also that there is no login there."""
    asking = [begin(services) for _ in range(40)]
    await under_way(services, 1)
    for _ in range(10):
        await asyncio.sleep(0)
    services.worker.checks[0][1].set_exception(BrokerError(Kind.PROVIDER_REFUSED, "no login"))
    failures = await asyncio.gather(*asking, return_exceptions=True)

    assert [str(each) for each in failures] == ["no login"] * 40
    assert len(services.worker.checks) == 1


async def test_another_on_the_same_grant_waits_and_is_asked_about_itself(
    services: Services,
) -> None:
    """So a grant has one check at a time, and nobody gets an answer about other settings."""
    first, second = begin(services), begin(services, "second")
    await under_way(services, 1)
    services.worker.checks[0][1].set_result(None)
    await first
    await under_way(services, 2)
    services.worker.checks[1][1].set_result(None)
    await second

    assert [name for name, _ in services.worker.checks] == [GRANT, "second"]


async def test_who_waits_asks_if_the_first_has_gone(services: Services) -> None:
    """It closed its connection before the server answered."""
    first, second = begin(services), begin(services)
    await under_way(services, 1)
    first.cancel()
    await under_way(services, 2)
    services.worker.checks[1][1].set_result(None)

    await second


async def test_few_servers_are_asked_at_once(services: Services) -> None:
    """A server that hangs holds a process each time."""
    one = services.config.credentials[GRANT]
    services.configure(
        *(msgspec.structs.replace(one, name=f"it{each}", grant=f"it{each}") for each in range(5))
    )
    asking = [begin(services, f"it{each}", PERSON) for each in range(4)]
    await under_way(services, 4)
    text = await refusal(services.login_service.check(PERSON, "it4"), Kind.RATE_LIMITED)
    assert text == "4 login servers are being asked already: ask again in a moment"
    for _, end in services.worker.checks:
        end.set_result(None)
    await asyncio.gather(*asking)

    last = begin(services, "it4", PERSON)
    await under_way(services, 5)
    services.worker.checks[-1][1].set_result(None)
    await last


async def test_agents_of_a_user_share_what_they_may_ask(services: Services) -> None:
    """Whatever they call themselves; it costs their owner nothing, and time gives it back."""
    other = Peer(msgspec.structs.replace(AGENT.caller, harness="codex"))
    for _ in range(10):
        await check(services, AGENT)
    for peer in (AGENT, other):
        text = await refusal(check(services, peer), Kind.RATE_LIMITED)
        assert text == "you asked login servers too often: ask again in 6 s"
    await check(services, PERSON)
    assert isinstance(services.clock, FakeClock)
    services.clock.advance(6)
    await check(services, other)

    assert len(services.worker.checks) == 12
