"""One login for however many wait: joined, answered, given up, and never left hanging."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.logins import logins as logins_module
from credward.logins.logins import Given, Logins
from credward.logins.waiters import LoginWaiters
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.tokens import Secret
from credward.workers.link import GrantGiven, LoginStep
from fakes.clock import FakeClock
from fakes.login_worker import LoginWorker

# Nothing here takes so long, on any machine (seconds).
PATIENCE = 60


class Settings(msgspec.Struct, frozen=True):
    """Of a provider with both ways."""

    ways: tuple[str, ...] = ("browser", "device")

    @property
    def meaning(self) -> Meaning:
        return Meaning(grant=GrantTerms(rotating=True, logins=self.ways))


def credential(name="gateway", *, grant="team", ways=("browser", "device")):
    return CredentialConfig(
        name=name, provider="oauth", settings=Settings(ways), epoch="1", grant=grant
    )


class World:
    def __init__(self):
        self.clock, self.worker = FakeClock(), LoginWorker()
        self.kept, self.tasks = [], []
        self.disk = asyncio.Event()
        self.disk.set()
        self.failure = None
        self.waiters = LoginWaiters()
        self.logins = Logins(
            clock=self.clock,
            pool=self.worker,
            secrets_of=self.secrets_of,
            keep=self.keep,
            waiters=self.waiters,
            spawn=self.spawn,
        )

    async def secrets_of(self, config, credential):
        return {}

    async def keep(self, credential, fields, *, by_agent=False):
        if self.failure is not None:
            raise self.failure
        await self.disk.wait()
        self.kept.append((credential.grant, fields.secret, fields.account, by_agent))
        return Given(durable=True, credentials=("gateway", "other"), turned_away=2)

    def spawn(self, work):
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    def start(self, of=None, method=None, **words):
        return self.logins.start(Config(), of or credential(), method, **words)


@pytest.fixture
async def world():
    """Return logins over a worker that is played by hand; none of their tasks may fail."""
    world = World()
    yield world
    world.logins.close()
    for task in world.tasks:
        task.cancel()
    for end in await asyncio.gather(*world.tasks, return_exceptions=True):
        assert end is None or isinstance(end, asyncio.CancelledError), end


async def turns():
    """Let everything that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def watch(session):
    """Follow a login to its last event, as any terminal does."""
    seen = []
    async with asyncio.timeout(PATIENCE):
        while not seen or seen[-1].event not in {"done", "error"}:
            seen += await session.events_after(len(seen), PATIENCE)
    return seen


async def test_t17_however_many_wait_there_is_one_prompt_and_one_end(world):
    """T17: by any name of the grant; whoever comes late sees what was said before."""
    first, attached = world.start()
    assert not attached
    watchers = [asyncio.create_task(watch(first))]
    await turns()
    world.worker.say(LoginStep(event="open_url", url="https://idp.example/auth"))
    for number in range(100):
        session, attached = world.start(credential(f"other-{number}"))
        assert (session, attached) == (first, True)
        watchers.append(asyncio.create_task(watch(session)))
    await turns()
    world.worker.give()
    ends = await asyncio.gather(*watchers)

    assert len(world.worker.requests) == 1
    assert all(end == ends[0] for end in ends)
    assert [each.event for each in ends[0]] == ["open_url", "done"]
    assert (ends[0][-1].account, ends[0][-1].turned_away) == ("alice", 2)
    assert [each[:2] for each in world.kept] == [("team", "refresh")]


async def test_t17_a_cancel_is_heard_by_all_and_frees_the_grant(world):
    """T17: the worker is ended, and the next one begins anew."""
    session, _ = world.start()
    watchers = [asyncio.create_task(watch(session)) for _ in range(10)]
    await turns()
    assert await world.logins.cancel(session)
    assert world.logins.under_way("team") is None
    ends = await asyncio.gather(*watchers)
    again, attached = world.start()
    await turns()

    assert {(each[-1].event, each[-1].kind) for each in ends} == {("error", "login-required")}
    assert "was cancelled: run credward login gateway" in ends[0][-1].message
    assert world.worker.cancelled == 1
    assert (again is session, attached) == (False, False)
    assert len(world.worker.requests) == 2
    assert world.kept == []


async def test_t17_a_cancel_before_its_first_step_ends_it_too(world):
    """T17: a task that never ran has nobody in it to say that it ended."""
    session, _ = world.start()
    assert await world.logins.cancel(session)
    again, attached = world.start()

    assert [each.kind for each in await watch(session)] == ["login-required"]
    assert (again is session, attached) == (False, False)
    assert not await world.logins.cancel(session)


async def test_t17_a_login_that_nobody_ends_is_told_to_all(world):
    """T17: the worker's deadline is an end like another; the next login opens a prompt of its own."""
    session, _ = world.start()
    watchers = [asyncio.create_task(watch(session)) for _ in range(10)]
    await turns()
    world.worker.end.set_exception(BrokerError(Kind.TIMED_OUT, "not logged in within 15 minutes"))
    ends = await asyncio.gather(*watchers)
    _, attached = world.start()

    assert {each[-1].kind for each in ends} == {"timed-out"}
    assert not attached


async def test_a_watcher_that_goes_away_ends_nothing(world):
    """Whoever is cancelled in the middle of waiting; the others hear the end."""
    session, _ = world.start()
    leaver, stayer = (asyncio.create_task(watch(session)) for _ in range(2))
    await turns()
    leaver.cancel()
    await turns()
    world.worker.give()

    assert (await stayer)[-1].event == "done"
    assert world.worker.cancelled == 0


async def test_a_cancel_that_comes_after_the_grant_does_not_lose_it(world):
    """While the disk is slow: what is half kept would be there and serve nobody."""
    session, _ = world.start()
    await turns()
    world.disk.clear()
    world.worker.give()
    await turns()
    assert not await world.logins.cancel(session)
    world.logins.close()
    await turns()
    world.disk.set()
    seen = await watch(session)

    assert [each.event for each in seen] == ["done"]
    assert len(world.kept) == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (BrokerError(Kind.DENIED, "keeps its account"), "denied"),
        (ZeroDivisionError("a defect"), "internal"),
    ],
)
async def test_what_is_not_kept_is_an_end_too(world, failure, kind):
    """Of whatever sort; the daemon goes on."""
    world.failure = failure
    session, _ = world.start(by_agent=True)
    await turns()
    world.worker.give()
    seen = await watch(session)

    assert (seen[-1].event, seen[-1].kind) == ("error", kind)
    assert "defect" not in seen[-1].message or kind == "internal"
    assert world.start()[1] is False
    failed = world.waiters.last_failure("team")
    assert (failed.failure.kind.slug, failed.failure.message) == (kind, seen[-1].message)
    assert failed.at == world.clock.now()


async def test_a_login_that_is_cancelled_has_not_failed(world):
    """Nothing was wrong with it; what was before is still the last failure."""
    session, _ = world.start()
    await turns()
    world.logins.close()
    await watch(session)

    assert world.waiters.last_failure("team") is None


async def test_a_grant_that_was_damaged_on_its_way_is_not_kept(world):
    """Sealed by nobody who knows the key of this login."""
    session, _ = world.start()
    await turns()
    world.worker.end.set_result(GrantGiven(sealed=bytes(64)))
    seen = await watch(session)

    assert (seen[-1].event, seen[-1].kind) == ("error", "internal")
    assert world.kept == []


async def test_only_what_is_asked_for_is_handed_on(world):
    """The first answer to an open prompt; before, after and elsewhere it is refused."""
    session, _ = world.start()
    with pytest.raises(BrokerError, match="does not ask for"):
        session.answer("code", Secret("early"))
    await turns()
    world.worker.say(LoginStep(event="prompt", field="code", label="code"))
    with pytest.raises(BrokerError, match='does not ask for "other"'):
        session.answer("other\x1b", Secret("x"))
    session.answer("code", Secret("1234"))
    world.worker.say(LoginStep(event="prompt_closed", field="code"))
    with pytest.raises(BrokerError) as caught:
        session.answer("code", Secret("late"))

    assert caught.value.kind is Kind.BAD_REQUEST
    assert world.worker.answers == [("code", "1234")]


async def test_answers_without_end_are_refused(world, monkeypatch):
    """Each is handed on and remembered: somebody's loop must not fill the memory."""
    monkeypatch.setattr(logins_module, "_MOST_ANSWERS", 3)
    session, _ = world.start()
    await turns()
    world.worker.say(LoginStep(event="prompt", field="code", label="code"))
    for _ in range(3):
        session.answer("code", Secret("wrong"))
    with pytest.raises(BrokerError) as caught:
        session.answer("code", Secret("wrong"))

    assert caught.value.kind is Kind.RATE_LIMITED
    assert len(world.worker.answers) == 3


@pytest.mark.parametrize(
    ("ways", "method", "message"),
    [
        ((), None, "has no login of its own"),
        (
            ("device",),
            "browser",
            "supports only login by device: run credward login gateway --method device",
        ),
    ],
)
async def test_a_way_that_there_is_not_starts_nothing(world, ways, method, message):
    """It is said at once."""
    with pytest.raises(BrokerError, match=message):
        world.start(credential(ways=ways), method)

    assert world.tasks == []


async def test_the_first_way_is_the_default(world):
    """What is asked for goes before it."""
    world.start()
    world.start(credential(grant="other"), "device")
    await turns()

    assert [each.method for each in world.worker.requests] == ["browser", "device"]


async def test_how_it_ended_is_remembered_for_a_while(world, monkeypatch):
    """For whoever comes late; then it is no login at all."""
    session, _ = world.start()
    await turns()
    world.worker.give()
    await watch(session)
    world.clock.advance(299)
    assert world.logins.find(session.id) is session
    world.clock.advance(1)
    with pytest.raises(BrokerError, match="no such login"):
        world.logins.find(session.id)


async def test_a_wait_for_events_ends_empty_in_its_time(world):
    """And returns at once what is there."""
    session, _ = world.start()
    await turns()
    async with asyncio.timeout(PATIENCE):
        assert await session.events_after(0, 0.01) == []
        world.worker.say(LoginStep(event="waiting", message="m"))
        assert [each.event for each in await session.events_after(0, 1e6)] == ["waiting"]
