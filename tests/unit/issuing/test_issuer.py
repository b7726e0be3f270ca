"""Obtain, record, release: in that order, within the caller's patience, whatever serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from credward.errors import BrokerError, Failure, Kind
from credward.issuing.asking import NOTHING
from credward.issuing.issuer import Report
from credward.issuing.released import Released
from credward.lifecycle.vocabulary import Plan, Reason
from credward.tokens import TokenRequest
from unit.administering.services import AGENT, OWNER, PERSON, Peer, Services
from unit.grants.rig import GRANT
from waiting import until_async


def deadline(seconds: float = 60.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def issue(services: Services, name: str = GRANT, seconds: float = 60.0, **words: Any) -> str:
    """Ask as a door does, and return the token."""
    answer = services.asked.issuer.issue(
        PERSON, TokenRequest(credential=name, **words), deadline(seconds)
    )
    released = answer if isinstance(answer, Released) else await answer
    return released.open().decode()


def counted(services: Services) -> dict[tuple[str, str], int]:
    return dict(services.asked.status._metrics.answers)


async def test_a_token_in_memory_is_released_at_once(services: Services) -> None:
    """Without a task; each ask has its line and is counted."""
    await issue(services)
    answer = services.asked.issuer.issue(PERSON, TokenRequest(credential=GRANT), deadline())

    assert isinstance(answer, Released)
    assert services.outcomes() == ["issued", "issued"]
    assert counted(services) == {("token", "issued"): 2}
    assert services.asked.status._metrics.asks == {GRANT: 2}


async def test_a_released_token_is_opened_once(services: Services) -> None:
    """Its facts stay, its text is given out a single time and never shown."""
    await issue(services)
    released = services.asked.issuer.issue(PERSON, TokenRequest(credential=GRANT), deadline())
    assert isinstance(released, Released)
    text = released.open().decode()

    assert text not in repr(released)
    assert released.held.token_id in repr(released)
    with pytest.raises(RuntimeError):
        released.open()


async def test_what_cannot_be_recorded_is_not_released(services: Services) -> None:
    """Neither from memory nor after a mint."""

    def full(_: object) -> None:
        raise BrokerError(Kind.DENIED, "the audit log is full")

    await issue(services)
    services.audit.commit = full  # type: ignore[method-assign,assignment]
    for name in (GRANT, "second"):
        with pytest.raises(BrokerError, match="audit log is full"):
            await issue(services, name)


async def test_a_release_waits_for_its_line(services: Services) -> None:
    """Where writing it down takes time."""
    written = asyncio.Event()

    async def writing() -> None:
        await written.wait()

    services.audit.commit = lambda _: writing()  # type: ignore[method-assign]
    asking = asyncio.ensure_future(issue(services))
    await until_async(lambda: services.upstream.mints)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not asking.done()
    written.set()

    assert await asking


async def test_the_caller_is_answered_before_it_gives_up(services: Services) -> None:
    """The mint goes on, and whoever asks next has its token; nothing is said to be issued."""
    services.upstream.gate.clear()
    with pytest.raises(
        BrokerError, match=r"is not ready after 0\.\d+ s, the mint goes on"
    ) as caught:
        await issue(services, seconds=0.1)
    assert (caught.value.kind, caught.value.failure.retry_after) == (Kind.TIMED_OUT, 1.0)
    assert services.outcomes() == ["failed"]
    services.upstream.gate.set()

    assert await issue(services)
    assert len(services.upstream.mints) == 1
    assert counted(services) == {("token", "timed-out"): 1, ("token", "issued"): 1}


async def test_a_denial_is_counted_and_asks_for_nothing(services: Services) -> None:
    """A policy's word is an answer."""
    with pytest.raises(BrokerError):
        await issue(services, "nobody")

    assert services.upstream.mints == []
    assert counted(services) == {("token", "unknown-credential"): 1}


async def issue_all(services: Services, *names: str) -> list[Released]:
    token_requests = [TokenRequest(credential=each, format="headers") for each in names]
    return await services.asked.issuer.issue_all(PERSON, token_requests, deadline())


async def test_several_are_decided_obtained_and_recorded_each(services: Services) -> None:
    """Their mints run side by side."""
    services.upstream.gate.clear()
    asking = asyncio.ensure_future(issue_all(services, GRANT, "second"))
    await until_async(lambda: len(services.upstream.mints) == 2)
    services.upstream.gate.set()
    released = await asking

    assert [each.credential.name for each in released] == [GRANT, "second"]
    assert services.outcomes() == ["issued", "issued"]
    assert counted(services) == {("headers", "issued"): 2}


async def test_of_several_none_is_obtained_if_one_is_not_allowed(services: Services) -> None:
    """All are decided first."""
    with pytest.raises(BrokerError, match='"nobody" is not configured'):
        await issue_all(services, GRANT, "nobody")

    assert (services.upstream.mints, services.outcomes()) == ([], [])
    assert counted(services) == {("headers", "unknown-credential"): 1}


async def test_of_several_one_failure_is_the_answer(services: Services) -> None:
    services.upstream.failure = BrokerError(Kind.LOGIN_REQUIRED, "log in")
    with pytest.raises(BrokerError, match="log in"):
        await issue_all(services, GRANT, "second")
    await until_async(lambda: len(services.outcomes()) == 2)

    assert services.outcomes() == ["failed", "failed"]


async def test_a_failure_is_recorded_and_who_lacks_a_login_is_remembered(
    services: Services,
) -> None:
    """They are told how many they were once somebody logs in."""
    services.upstream.failure = BrokerError(Kind.LOGIN_REQUIRED, "log in")
    with pytest.raises(BrokerError, match="log in"):
        await issue(services)

    assert services.outcomes() == ["failed"]
    assert services.login_waiters.take(GRANT) == 1


async def test_a_refresh_hands_nothing_out(services: Services) -> None:
    """It mints anew and tells of the new token; a failure is told though the old one is good."""
    first = await issue(services)
    issuer = services.asked.issuer
    asked = TokenRequest(credential=GRANT, format=NOTHING)
    refreshed = await issuer.refresh(PERSON, asked, deadline())
    services.upstream.failure = BrokerError(Kind.PROVIDER_REFUSED, "no more")
    with pytest.raises(BrokerError, match="no more"):
        await issuer.refresh(PERSON, asked, deadline())

    assert refreshed.credential == GRANT
    assert await issue(services) != first
    assert services.outcomes() == ["issued", "refreshed", "failed", "issued"]


async def test_a_refresh_waits_no_longer_than_its_caller(services: Services) -> None:
    """As an ask."""
    services.upstream.gate.clear()
    with pytest.raises(BrokerError) as caught:
        await services.asked.issuer.refresh(
            PERSON, TokenRequest(credential=GRANT, format=NOTHING), deadline(0.1)
        )

    assert caught.value.kind is Kind.TIMED_OUT
    services.upstream.gate.set()


async def test_a_report_leads_to_another_token(services: Services) -> None:
    """Recorded with its reason, of the token that is held where none is named."""
    first = await issue(services)
    await services.asked.issuer.report(PERSON, GRANT, Report(reason=Reason.REVOKED))

    assert await issue(services) != first
    assert services.outcomes() == ["issued", "rejected", "issued"]


async def test_an_ask_for_another_one_is_a_report(services: Services) -> None:
    """The one that was refused is not handed out again."""
    first = services.asked.issuer.issue(PERSON, TokenRequest(credential=GRANT), deadline())
    assert isinstance(first, Awaitable)
    refused = (await first).held.token_id
    services.upstream.failure = BrokerError(Kind.PROVIDER_UNREACHABLE, "down")
    with pytest.raises(BrokerError):
        await issue(services, other_than=refused)

    assert services.outcomes() == ["issued", "rejected", "failed"]


async def test_a_chain_answers_by_the_next_one_in_the_shape_of_the_first(
    services: Services,
) -> None:
    """What fails is left alone for a while; both are recorded."""
    main, *others = services.config.credentials.values()
    named = services.config.credentials[GRANT]
    services.configure(
        *(each for each in (main, *others) if each.name != GRANT),
        msgspec.structs.replace(named, fallback=("second",), header="x-main"),
    )
    services.driver.configure(
        [Plan(credential=name, epoch="1", grant=name) for name in services.config.credentials]
    )
    services.driver.grant_parked(GRANT, Failure.of(Kind.LOGIN_REQUIRED, "log in"))
    answer = services.asked.issuer.issue(PERSON, TokenRequest(credential=GRANT), deadline())
    released = answer if isinstance(answer, Released) else await answer

    assert (released.credential.name, released.credential.header) == ("second", "x-main")
    assert services.outcomes() == ["failed", "issued"]


async def test_who_is_locked_out_gets_nothing(services: Services) -> None:
    """A locked store answers neither people nor agents."""
    await issue(services)
    services.side.opened_store.shut()
    for peer in (PERSON, AGENT):
        with pytest.raises(BrokerError) as caught:
            services.asked.issuer.issue(peer, TokenRequest(credential=GRANT), deadline())
        assert caught.value.kind is Kind.STORE_LOCKED


@pytest.mark.parametrize("audience", [None, "https://search.example.com"])
async def test_a_denial_is_the_last_until_somebody_is_served(
    services: Services, audience: str | None
) -> None:
    """For whatever audience, and however the clock is set in between; it stays known."""
    second = services.config.credentials["second"]
    services.configure(msgspec.structs.replace(second, audiences=("https://search.example.com",)))
    stranger = Peer(msgspec.structs.replace(OWNER, uid=OWNER.uid + 1))

    async def shown() -> tuple[bool, bool]:
        (status,) = (await services.asked.status.statuses(PERSON)).credentials
        return status.denied_at is not None, status.denied_last

    await issue(services, "second")
    services.clock.advance(10)
    with pytest.raises(BrokerError):
        services.asked.issuer.issue(stranger, TokenRequest(credential="second"), deadline())
    denied = await shown()
    services.clock.time -= 7200
    still = await shown()
    await issue(services, "second", audience=audience)

    assert (denied, still, await shown()) == ((True, True), (True, True), (True, False))
